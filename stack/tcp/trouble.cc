// What the network says of a flow's packets: hard errors end an attempt to connect and nothing else (RFC 5461; RFC 5927,
// sections 4 and 5; RFC 1122, section 4.2.3.9).
#include "stack/tcp/connection.h"

namespace weft::tcp {

// Does an error quote something that was sent and is not acknowledged? Who cannot see the flow guesses that once in 2^32 / flight.
bool Connection::in_flight(SeqNum seq) const {
    return !ended() && at_or_before(out_.snd_una, seq) && before(seq, out_.snd_max);
}

void Connection::trouble(Error error, bool hard, Instant now) {
    if (ended()) return;
    hard = hard || host_.look().soft_ends_opening;
    if (hard && (in_.state == State::syn_sent || (early() && !in_.flags.known))) return fail(error, Cause::path, now);
    cold_.soft_error = error;
    raise(Event::Kind::soft_error);
}

// The next hop does not answer, or no way leads there: an attempt to connect ends, a flow waits for the path to come back.
void Connection::unreachable(Instant now) {
    if (ended()) return;
    if (in_.state == State::syn_sent) return fail(Error::unreachable, Cause::path, now);
    path_down(now);
}

}  // namespace weft::tcp
