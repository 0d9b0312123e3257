// What one stack is configured with. Every number in it has a name, a unit, a range and a default in the registry of
// tunables.h; the engine clamps each to its range.
#pragma once

#include <cstdint>

#include "stack/core/time.h"

namespace weft {

// Probes of a silent peer (RFC 9293, section 3.8.4). Times and counts of zero: as the stack is tuned.
struct KeepAlive {
    bool on{false};           // MUST-25
    std::uint8_t probes{0};   // unanswered in a row, then the flow ends
    Duration idle, interval;  // silence before the first one, and between two
    friend bool operator==(const KeepAlive&, const KeepAlive&) = default;
};

struct Config {
    std::uint64_t seed[2]{};        // the one source of randomness: same seed, same run
    std::uint32_t shard{0};         // 0 to 127: the top bits of its handles
    std::uint32_t send_buffer{1 << 20}, receive_buffer{1 << 20};  // bytes a flow
    Duration minimum_rto{Duration::milliseconds(200)};  // below RFC 6298's one second (2.4), as everywhere today
    Duration time_wait{Duration::seconds(60)};          // 2 MSL
    std::uint32_t time_wait_limit{1 << 20};             // records; the oldest is reused (RFC 6191)
    std::uint32_t connections_most{0};                  // with half-open ones; beyond it SYNs are not heard. 0: no bound
    std::uint32_t send_buffer_most{0}, receive_buffer_most{0};  // bytes that they may grow to; not above them: they stay
    Duration user_timeout_least{Duration::seconds(100)}, user_timeout_most{Duration::seconds(86'400)};  // RFC 5482, 3.1
    std::uint8_t fast_open{3};                          // 1: active opens, 2: listeners that want it, 3: both (RFC 7413)
    std::uint64_t fast_open_key[2]{};                   // of the cookies that listeners give; zero: from the seed
    std::uint8_t fast_open_bare{0};  // 1: active opens, 2: listeners, 3: both: text goes without a cookie
    bool fast_open_all{false};  // listeners take text with the SYN unasked
    Duration fast_open_pause;  // what active opens leave it for, first, when it fails; 0: never
    std::uint8_t mtu_probing{1};  // 0: off, 1: a flow whose full segments vanish sends smaller ones
    std::uint8_t syncookies{1};  // 0: off, 1: beyond the backlog, 2: always (RFC 4987)
    bool rfc1337{false};  // no reset ends TIME-WAIT
    Duration initial_rto{Duration::seconds(1)};  // RFC 6298, 2.1
    Duration fin_wait{Duration::seconds(60)};  // what a flow that nobody holds waits for the peer's FIN
    Duration delayed_ack{Duration::milliseconds(40)};  // RFC 9293, section 3.8.6.3: below half a second (MUST-40)
    std::uint8_t vain_delays{2};  // of acknowledgements, more than served: then they go at once. 0: they are delayed always
    std::uint32_t first_threshold{3};  // R1: timeouts in a row until the user hears of it (SHLD-10)
    std::uint32_t challenges_a_second{10};  // of one connection (RFC 5961, section 7)
    bool timestamps{true}, window_scaling{true};  // RFC 7323: offered and accepted
    std::uint8_t ecn{2};  // 0: off, 1: asked for and accepted, 2: accepted (RFC 3168)
    std::uint8_t accecn{1};  // RFC 9768. 0: off, 1: accepted, 2: asked for and accepted
    Duration keepalive_idle{Duration::seconds(7'200)}, keepalive_interval{Duration::seconds(75)};  // MUST-27, MUST-28
    std::uint8_t keepalive_probes{9};  // unanswered ones in a row; never one alone (MUST-29)
    bool sack{true};  // RFC 2018: offered and accepted
    // Of flows that have SACK: RACK-TLP (RFC 8985), or three duplicates (RFC 6675). Others recover by RFC 6582.
    enum class Recovery : std::uint8_t { rack, sack };
    Recovery recovery{Recovery::rack};
    bool pacing{false};  // also of flows whose module asks for no rate: by window and round trip
    std::uint8_t personality{0};  // row of tcp/personality.h: how the stack looks where the documents leave it open
    std::uint32_t least_train{2};  // segments that a super-segment may have however slow the pace
    bool idle_restart{true};  // RFC 5681, section 4.1
    std::uint32_t first_port{49'152}, last_port{65'535};  // of active opens (RFC 6056, section 3.2)
};

}  // namespace weft
