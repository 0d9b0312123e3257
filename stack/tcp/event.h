// What TCP tells the application (RFC 9293, section 3.9.1: "signal the user").
#pragma once

#include <cstdint>

#include "stack/core/result.h"
#include "stack/core/slab.h"

namespace weft {

namespace tcp {
struct Tcb;
struct Listener;
struct HalfOpen;
}  // namespace tcp
using Flow = Handle<tcp::Tcb>;  // stack/tcp/tcb.h: its state, for those who look in
using ListenerId = Handle<tcp::Listener>;
using Question = Handle<tcp::HalfOpen>;  // a SYN that waits for Engine::answer()

// What happened since the last look. A kind comes at most once a flow, or a listener, until it is drained: `readable`
// says that there is text, not how much. A flow that was not accepted yet raises nothing but its listener's `accepted`.
// `closed` and `failed` are a flow's last: once they are drained its handle is stale.
struct Event {
    enum class Kind : std::uint8_t {
        connected,    // the handshake of connect() is through
        accepted,     // a listener has flows for accept(); call it until would_block
        urgent,       // urgent text arrived or the pointer advanced: see Engine::urgent()
        readable,     // there is text
        peer_closed,  // the peer's FIN: after the text before it, read() says end_of_stream
        writable,     // after a write() that took less than all: there is room again
        transmitted,  // all that was written has been sent once
        soft_error,   // the network reported trouble, the flow goes on: unreachable; timed_out: R1 was reached
        closed,       // both directions ended in order, all text and the end were read (or reading was shut down)
        failed,       // reset, refused, timed_out, unreachable, aborted (our close lost text: RFC 9293, 3.6.1)
        asked  // a SYN came to a listener that asks: Engine::peers() says whose, Engine::answer() what becomes of it
    };
    static constexpr unsigned kinds = 11;

    // Which limit of time ended a flow, beside `error`.
    enum class Limit : std::uint8_t {
        other,  // no timer did
        retransmission,  // R2: text or FIN was not acknowledged within the user timeout, or the path was down for so long
        handshake,  // the same of our SYN
        keep_alive,  // no probe was answered
        fin_wait_2  // nobody holds the flow any more, and the peer's FIN did not come
    };

    Kind kind{};
    Error error{};  // soft_error, failed
    Flow flow;  // none with accepted
    ListenerId listener;  // accepted, asked
    std::uint32_t retransmissions{0}, timeouts{0};  // closed, failed: segments and timeouts of the whole flow
    Question question;  // asked
    Limit limit{};  // failed
};

// Of a flow's queues, in bytes.
struct Buffers {
    std::uint32_t unread{0};  // what read() would give
    std::uint32_t unacknowledged{0};  // written and not acknowledged, unsent text among it
    std::uint32_t unsent{0};  // written and never sent
    std::uint32_t room{0};  // what a write() would take now
};

}  // namespace weft
