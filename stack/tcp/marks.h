// What a connection counts, tells and understands of marks by RFC 9768, for the length of a call. What it does about them is
// connection.h's.
#pragma once

#include <cstdint>
#include <optional>

#include "stack/tcp/accurate.h"
#include "stack/tcp/standing.h"

namespace weft::tcp {

class Marks : protected Standing {
protected:
    using Standing::Standing;

    Accurate& accurate();
    const Accurate& accurate() const;
    void lend_accurate();
    void give_back_accurate();

    // The handshake.
    std::uint16_t syn_flags(bool again);
    std::uint16_t syn_ack_flags(wire::TcpOptions& options);
    bool negotiate_ecn(const Segment& segment, Instant now);
    void adopt_accurate(const HalfOpen& half);
    void hear_first_option(const Segment& segment);
    void hear_handshake_again(const Segment& segment, bool answered);
    bool hear_handshake_end(const Segment& segment);

    // The receiver.
    bool count_packet(const Segment& arrived);  // true: it is to be acknowledged at once
    void count_text(const Segment& arrived);
    void hear_repeat();
    std::uint16_t accurate_ack(wire::TcpOptions& said);
    void note_offered();
    bool accurate_text(Transmit& frame, const Span& span, std::uint16_t& flags, wire::TcpOptions& said);

    // The sender.
    bool may_be_marked(const Span& span) const;
    std::uint32_t newly_acknowledged(SeqNum ack) const;
    std::optional<std::uint32_t> hear_option(const Segment& segment);
    std::uint32_t marked_bytes() const;
    void watch_marks(std::uint32_t marks, std::uint32_t segments);
    void stop_ect();
};

}  // namespace weft::tcp
