// Loss recovery of flows without selective acknowledgements: fast retransmit, fast recovery (RFC 5681, section 3.2; RFC 6582), limited
// transmit (RFC 3042).
#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {

void Connection::count_duplicate(Instant now) {
    Tcb::Recovery& recovery = tcb_.recovery;
    if (out_.duplicate_acks < 255) ++out_.duplicate_acks;
    if (in_.flags.recovering) {
        recovery.inflation = std::min(recovery.inflation + in_.mss, Steering::cap);  // RFC 6582, section 3.2, step 3
        return want_output();
    }
    if (out_.duplicate_acks < duplicate_threshold) {  // RFC 3042: a new segment for each of the first two
        recovery.inflation = std::uint32_t{out_.duplicate_acks} * in_.mss;
        return want_output();
    }
    if (out_.duplicate_acks > duplicate_threshold || !before(recovery.point, out_.snd_una)) return;  // RFC 6582, step 2
    trace_loss(std::min<std::uint32_t>(in_.mss, flight()), 1, now);
    in_.flags.recovering = true;
    in_.flags.partial = false;
    in_.flags.resend = true;
    recovery.point = out_.snd_max;
    hear_congestion(WEFT_CONGESTION_LOSS, std::min<std::uint32_t>(in_.mss, text_in_flight()), flight(), now);
    recovery.inflation = duplicate_threshold * in_.mss;
    want_output();
}

// RFC 6582, section 3.2, steps 3 and 5.
void Connection::recover_on_ack(std::uint32_t acked, Instant now) {
    Tcb::Recovery& recovery = tcb_.recovery;
    out_.duplicate_acks = 0;
    if (!in_.flags.recovering) {
        recovery.inflation = 0;
        return;
    }
    if (before(out_.snd_una, recovery.point)) {  // partial: the next hole begins here
        trace_loss(std::min<std::uint32_t>(in_.mss, flight()), 5, now);
        in_.flags.partial = true;
        in_.flags.resend = true;
        recovery.inflation -= std::min(recovery.inflation, acked);
        if (acked >= in_.mss) recovery.inflation += in_.mss;
        return want_output();
    }
    in_.flags.recovering = in_.flags.partial = in_.flags.resend = false;
    recovery.inflation = 0;
    recovery.point = recovery.point - 1;  // what is in flight now was sent after it: its duplicates count again
    hear_congestion(WEFT_CONGESTION_RECOVERED, 0, flight(), now);
    if (has_own_recovery()) return;
    const std::uint32_t calm = std::max<std::uint32_t>(flight(), in_.mss) + in_.mss;  // no burst: step 3, full, (1)
    out_.steering.cwnd = std::min(out_.steering.ssthresh, std::max(calm, 2u * in_.mss));
}

}  // namespace weft::tcp
