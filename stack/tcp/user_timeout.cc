// The user timeout option (RFC 5482): both ends tell how long text may stay unacknowledged, and wait as long as the other does.
#include <algorithm>

#include "stack/tcp/connection.h"
#include "stack/tcp/handshake.h"

namespace weft::tcp {
namespace {

constexpr std::uint16_t minutes = 0x8000;  // the granularity bit (section 3)

Duration duration_of(std::uint16_t said) { return Duration::seconds((said & 0x7fff) * ((said & minutes) ? 60 : 1)); }

}  // namespace

// In seconds where they fit, else in minutes, rounded up. Zero must not be sent.
std::uint16_t option_of(Duration timeout) {
    const std::int64_t whole = std::max<std::int64_t>((timeout.count() + 999'999'999) / 1'000'000'000, 1);
    if (whole < minutes) return std::uint16_t(whole);
    return std::uint16_t(minutes | std::min<std::int64_t>((whole + 59) / 60, 0x7fff));
}

void Connection::set_exchange(bool wanted) {
    if (!wanted && cold_.extra == none) return;
    Extra& extra = this->extra();
    const bool news = wanted && cold_.user_timeout != Duration{};
    extra.exchanges_timeout = wanted;
    in_.flags.tells_timeout = news;
}

// 0: nothing is to be told.
std::uint16_t Connection::timeout_option() const {
    return cold_.user_timeout == Duration{} ? std::uint16_t{0} : option_of(cold_.user_timeout);
}

// Zero is reserved; who did not enable the exchange ignores it (section 3.1).
void Connection::hear_user_timeout(std::uint16_t said, Instant now) {
    if ((said & 0x7fff) == 0 || cold_.extra == none || !host_.extras[cold_.extra].exchanges_timeout) return;
    host_.extras[cold_.extra].their_timeout = duration_of(said);
    if (tcb_.deadlines.user != Instant::never()) schedule(tcb_.deadlines.user, now, now);  // looked at anew
}

// R2: USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)) where both told; else as the application set it. Who wants
// to wait for ever need not for a handshake: anybody begins those.
Duration Connection::user_timeout() const {
    if (early() && cold_.user_timeout == Duration{}) return least_syn_timeout;
    if (cold_.extra == none || cold_.user_timeout == Duration{}) return cold_.user_timeout;
    const Extra& extra = host_.extras[cold_.extra];
    if (!extra.exchanges_timeout || extra.their_timeout == Duration{}) return cold_.user_timeout;
    const Config& tuned = host_.settings;
    return std::min(tuned.user_timeout_most, std::max({cold_.user_timeout, extra.their_timeout, tuned.user_timeout_least}));
}

}  // namespace weft::tcp
