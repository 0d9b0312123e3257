// Keep-alives (RFC 9293, section 3.8.4): a silent peer with nothing outstanding is asked whether it still is there.
#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {

Extra& Connection::extra() {
    if (cold_.extra == none) {
        cold_.extra = host_.extras.lend();
        host_.extras[cold_.extra] = {};
    }
    return host_.extras[cold_.extra];
}

// MUST-24 to MUST-28.
void Connection::set_keepalive(const KeepAlive& wanted, Instant now) {
    if (!wanted.on && cold_.extra == none) return;
    Extra& keep = extra();
    const auto or_tuned = [](Duration said, Duration tuned) { return said == Duration{} ? tuned : said; };
    const Config& tuned = host_.settings;
    keep.keepalive_idle = wanted.on ? or_tuned(wanted.idle, tuned.keepalive_idle) : Duration{};
    keep.keepalive_interval = or_tuned(wanted.interval, tuned.keepalive_interval);
    keep.keepalive_probes = std::max<std::uint8_t>(wanted.probes == 0 ? tuned.keepalive_probes : wanted.probes, 2);
    keep.probes_out = 0;
    if (!wanted.on) return stop(tcb_.deadlines.keepalive, now);
    schedule(tcb_.deadlines.keepalive, std::max(tcb_.timing.heard_at + keep.keepalive_idle, now), now);
}

// What is outstanding has timers of its own (MUST-26). A probe is a segment that cannot be acceptable, without text (SHLD-12):
// the peer answers it by saying where it is.
void Connection::check_keepalive(Instant now) {
    Instant& at = tcb_.deadlines.keepalive;
    at = Instant::never();
    if (cold_.extra == none) return;
    Extra& keep = host_.extras[cold_.extra];
    if (keep.keepalive_idle == Duration{}) return;
    const bool busy = syn_unacknowledged() || out_.snd_una != out_.snd_max || queued() > 0;
    if (busy) {
        keep.probes_out = 0;
        return schedule(at, now + keep.keepalive_idle, now);
    }
    if (keep.probes_out == 0 || keep.probed_at <= tcb_.timing.heard_at) {
        keep.probes_out = 0;
        const Instant due = tcb_.timing.heard_at + keep.keepalive_idle;
        if (now < due) return schedule(at, due, now);
    }
    if (keep.probes_out >= keep.keepalive_probes)  // MUST-29
        return reset_and_fail(Error::timed_out, Cause::timer, now, Event::Limit::keep_alive);
    ++keep.probes_out;
    keep.probed_at = now;
    const auto [place, generation] = name();
    const std::uint16_t counter = out_.accurate == none ? std::uint16_t{0} : flags_of_ace(accurate().r_cep);
    const auto flags = std::uint16_t(wire::ack | counter);  // each segment says it (RFC 9768, section 3.2.1)
    host_.reply({in_.key, out_.snd_una - 1, in_.rcv_nxt, flags, window_field(), options(now), cold_.dscp, cold_.hop_limit,
                 place, generation});
    ++cold_.segments_out;
    schedule(at, now + keep.keepalive_interval, now);
}

}  // namespace weft::tcp
