// Explicit congestion notification (RFC 3168, section 6.1): what a mark on a packet and an echo of one do.
#include "stack/tcp/connection.h"

namespace weft::tcp {

// Section 6.1.3, the receiver. Segments outside the window never come here (section 6.1.5); a mark goes back at once.
void Connection::hear_marks(const Segment& segment) {
    if (segment.has(wire::cwr)) in_.flags.ecn_echo = false;
    if (!segment.marked() || segment.length == 0) return;
    if (!in_.flags.ecn_echo) in_.flags.ack_now = true;
    in_.flags.ecn_echo = true;
    if (in_.flags.ack_now) want_output();
}

// Section 6.1.2, the sender: cuts its window as for a loss, at most once for each window of text, and says so.
void Connection::hear_echo(const Segment& segment, Instant now) {
    if (segment.has(wire::ece)) answer_marks(segment, now);
}

void Connection::answer_marks(const Segment& segment, Instant now) {
    if (!before(tcb_.pace.ecn_point, segment.ack) || out_.snd_una == out_.snd_max) return;
    ++host_.statistics.ecn_cuts;
    if (!in_.flags.recovering) hear_congestion(WEFT_CONGESTION_ECN, 0, in_flight(), now);
}

// Sections 6.1.4 to 6.1.6: new text alone, and no window probe.
bool Marks::may_be_marked(const Span& span) const {
    return span.length > 0 && !before(span.seq, out_.snd_max) && !in_.flags.probing && !in_.flags.probe_out;
}

}  // namespace weft::tcp
