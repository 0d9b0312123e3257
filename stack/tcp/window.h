// Windows: what is acceptable, what is advertised, what may be sent (RFC 9293, sections 3.4, 3.8.6; RFC 7323, section 2).
#pragma once

#include <algorithm>
#include <cstdint>

#include "stack/core/seq.h"
#include "stack/tcp/config.h"

namespace weft::tcp {

inline constexpr std::uint8_t maximum_shift = 14;  // RFC 7323, section 2.3

// The smallest shift that lets 16 bits say all of `buffer`, which is in bytes.
constexpr std::uint8_t shift_for(std::uint32_t buffer) {
    std::uint8_t shift = 0;
    while (shift < maximum_shift && buffer >> shift > 0xffff) ++shift;
    return shift;
}

// The scale of our windows: large enough for what a receive buffer may become. `own`: bytes that a flow or listener asked for; 0: none.
constexpr std::uint8_t receive_shift(const Config& settings, std::uint32_t own) {
    return shift_for(std::max({settings.receive_buffer, settings.receive_buffer_most, own}));
}

// RFC 9293, section 3.10.7.4, first check: does [seq, seq + length) reach into [rcv_nxt, rcv_nxt + window)? A segment
// longer than the window, as joining makes them, reaches into it from both sides. At a zero window text that begins right at
// RCV.NXT is let in for its ACK, RST and URG (MUST-66): it is trimmed to nothing.
constexpr bool acceptable(SeqNum seq, std::uint32_t length, SeqNum rcv_nxt, std::uint32_t window) {
    if (window == 0) return seq == rcv_nxt;
    if (length == 0) return seq - rcv_nxt < window;
    return before(seq, rcv_nxt + window) && before(rcv_nxt, seq + length);
}

// The right edge to advertise. It moves on only by as much as is worth a segment: the receiver's side of silly-window
// avoidance (section 3.8.6.2.2, MUST-39). All in bytes.
constexpr SeqNum right_edge(SeqNum rcv_nxt, SeqNum advertised, std::uint32_t buffer, std::uint32_t unread,
                            std::uint32_t mss) {
    const SeqNum wanted = rcv_nxt + (buffer > unread ? buffer - unread : 0);
    if (!before(advertised, wanted)) return advertised;
    return wanted - advertised >= std::min(buffer / 2, mss) ? wanted : advertised;
}

// Is what reading freed worth a segment of its own? At once when the window was shut, else by quarters of the buffer.
constexpr bool worth_telling(std::uint32_t window, std::uint32_t opened, std::uint32_t buffer, std::uint32_t mss) {
    const std::uint32_t least = std::min(buffer / 2, mss);
    return opened >= (window < mss ? least : std::max(least, buffer / 4));
}

// Bytes that the peer's window still lets out; none, too, when it shrank below what was sent (MUST-34).
constexpr std::uint32_t usable(SeqNum una, SeqNum nxt, std::uint32_t window) {
    const std::uint32_t flight = nxt - una;
    return window > flight ? window - flight : 0;
}

}  // namespace weft::tcp
