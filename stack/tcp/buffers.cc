// Buffers that grow by themselves, up to what the stack is tuned to: the receiver's with what its reader takes in a round trip
// (dynamic right-sizing), the sender's with its congestion window. They never shrink, and what they keep alive stays bounded by them.
#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {

// Once a round trip: who reads half of the buffer in one is held back by it. Nothing is kept of a flow that never had so much.
void Connection::tune_receive(Instant now) {
    if (cold_.bytes_in < in_.limit / 2) return;
    Extra& extra = this->extra();
    const std::uint64_t read = cold_.bytes_in - unread();
    const Duration round = std::max(tcb_.timing.srtt, Duration::milliseconds(1));
    if (extra.measured_at == Instant{}) {
        extra.measured_at = now;
        extra.read_then = read;
        return;
    }
    if (now - extra.measured_at < round) return;
    const std::uint64_t taken = read - extra.read_then;
    extra.measured_at = now;
    extra.read_then = read;
    const std::uint32_t most = host_.settings.receive_buffer_most;
    if (taken < in_.limit / 2) return;
    const auto wanted = std::uint32_t(std::min<std::uint64_t>(most, std::uint64_t{in_.limit} * 2));
    in_.limit = std::max(in_.limit, wanted);  // the bound may have been tuned down since the flow began
    if (in_.limit >= most) in_.flags.tunes = false;
}

// A writer waits for room, and the window is wide enough to want twice as much at hand.
void Connection::tune_send() {
    if (cold_.extra != none && host_.extras[cold_.extra].send_fixed) return;
    const std::uint32_t most = host_.settings.send_buffer_most;
    const std::uint64_t wanted = std::uint64_t{out_.steering.cwnd} * 2;
    if (out_.limit < most && wanted > out_.limit) out_.limit = std::uint32_t(std::min<std::uint64_t>(wanted, most));
}

}  // namespace weft::tcp
