// What the application may ask for when it opens a flow, listens or writes.
#pragma once

#include <cstdint>

#include "stack/core/address.h"
#include "stack/core/time.h"
#include "stack/tcp/config.h"

namespace weft {

struct ConnectOptions {
    Endpoint local;                              // wildcard: the engine chooses (RFC 6724, RFC 6056)
    Duration user_timeout{Duration::seconds(300)};  // R2; at least three minutes for a SYN (MUST-23). 0: never (MUST-21)
    std::uint8_t dscp{0}, hop_limit{64};
    bool nodelay{false};
    std::uint16_t congestion{0};                 // slot of its module: 0 NewReno, 1 CUBIC, more with install()
    KeepAlive keepalive;                         // MUST-24
    bool exchange_user_timeout{false};           // tell it to the peer and hear the peer's (RFC 5482)
    bool report_errors{true};                    // soft errors are events (SHLD-20)
    std::uint32_t send_buffer{0}, receive_buffer{0};  // bytes, which then stay; 0: as the stack is tuned
    std::uint16_t maximum_segment{0};            // bytes: no segment has more text, either way; 0: what the path carries
    bool fast_open{false};  // text that is written at once goes with the SYN; a listener takes it (RFC 7413)
    std::uint16_t fast_open_queue{
        0};  // listener: so many such flows wait for the end of their handshake; 0: as the backlog says
    std::uint64_t fast_open_key[2]{};  // listener: of its cookies (SipHash-2-4); zero: as the stack is tuned
    std::uint8_t syn_retries{0};  // a SYN that was sent again so often and not answered is given up; 0: as user_timeout says
    // A flow that failed stays, with the text that came before, until abort(); without it the queues are flushed at once (RFC 9293,
    // section 3.10.7.4), the handle is stale behind Event::failed, and accept() never gives a flow that failed.
    bool keep_failed{false};
};

struct ListenOptions : ConnectOptions {  // what accepted flows begin with; `local` may be all wildcard
    std::uint32_t backlog{128};  // half-open ones, and again as many that wait for accept()
    bool any_port{false};  // every port that no other listener has; `local.port` is 0
    bool ask{false};  // each SYN raises Event::asked; nothing goes back before answer()
};

// What becomes of a SYN that was asked about. `later`: nothing yet, and the SYN is not asked about again when it comes again; the
// SYN,ACK leaves when `accept` is said.
enum class Answer : std::uint8_t { accept, refuse, drop, later };

struct WriteOptions {
    bool nodelay{false}, urgent{false}, more{false};  // for this call alone
    bool overflow{false};  // take all of it, beyond the send buffer
    bool held_back{
        false};  // `more` was said of this text alone: a stack that shows the habit leaves PSH off (tcp/personality.h)
    bool ends_record{
        false};  // no segment has text of this and of the next write; some such ends wait at a time, more are not kept
};

}  // namespace weft
