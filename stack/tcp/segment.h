// A segment as TCP looks at it: parsed, checked, and perhaps joined of several that came in order in one batch.
#pragma once

#include <cstdint>
#include <span>

#include "stack/core/batch.h"
#include "stack/core/buffer.h"
#include "stack/core/seq.h"
#include "stack/wire/tcp.h"

namespace weft::tcp {

// Beside the twelve flags of the header: the network marked the packet "congestion experienced" (RFC 3168). As a flag it keeps
// such a segment off the predicted path and from being joined to others at no cost.
inline constexpr std::uint16_t ce_mark = 0x8000;
inline constexpr std::uint16_t rare_option = 0x4000;  // likewise: a user timeout is among the options
inline constexpr std::uint16_t was_syn =
    0x2000;  // its SYN was taken away: the flags that are AccECN's counter say something else

struct Segment {
    SeqNum seq, ack;
    std::uint16_t flags{0};  // of wire::TcpFlag
    std::uint16_t window{0};  // as it stands in the header, not scaled
    std::uint16_t urgent_pointer{0};
    std::uint16_t count{1};  // segments on the wire that this one stands for
    Ecn ecn{Ecn::not_capable};  // of the network header
    bool timestamps{false};
    std::uint8_t sack_count{0};  // blocks in `options`
    std::uint32_t ts_value{0}, ts_echo{0};
    std::uint32_t length{0};  // bytes of text
    std::uint32_t skip{0};  // bytes of `text` in front of the text that counts
    std::span<const Slice> text;
    const wire::TcpOptions* options{nullptr};  // of a SYN, or with SACK blocks

    bool has(wire::TcpFlag flag) const { return (flags & flag) != 0; }
    bool marked() const { return (flags & ce_mark) != 0; }
    bool syn() const { return has(wire::syn); }
    bool fin() const { return has(wire::fin); }
    bool rst() const { return has(wire::rst); }
    bool ack_set() const { return has(wire::ack); }

    SeqNum text_begin() const { return seq + (syn() ? 1u : 0u); }
    SeqNum text_end() const { return text_begin() + length; }
    std::uint32_t sequence_length() const { return length + (syn() ? 1u : 0u) + (fin() ? 1u : 0u); }  // SEG.LEN
    SeqNum end() const { return seq + sequence_length(); }

    // Without the text, and a SYN, in front of `left`, and without the text and FIN from `right` on (RFC 9293, 3.10.7.4).
    Segment within(SeqNum left, SeqNum right) const {
        Segment part = *this;
        if (before(part.seq, left)) {
            if (part.syn()) {
                part.flags &= std::uint16_t(~wire::syn);
                part.seq += 1;
            }
            const std::uint32_t cut = before(part.seq, left) ? left - part.seq : 0;
            if (cut > part.length) part.flags &= std::uint16_t(~wire::fin);  // the FIN lies in front of it, too
            const std::uint32_t text_cut = cut < part.length ? cut : part.length;
            part.skip += text_cut;
            part.length -= text_cut;
            part.seq += cut;
            part.urgent_pointer = std::uint16_t(part.urgent_pointer > cut ? part.urgent_pointer - cut : 0);
        }
        if (before(right, part.end())) {
            part.flags &= std::uint16_t(~wire::fin);
            const std::uint32_t room = before(part.text_begin(), right) ? right - part.text_begin() : 0;
            if (part.length > room) part.length = room;
        }
        return part;
    }

    // Calls visit(slice) for the parts of the text that count.
    template <class Visit>
    void each(Visit&& visit) const {
        std::uint32_t passed = skip, left = length;
        for (const Slice& slice : text) {
            if (left == 0) return;
            if (passed >= slice.size()) {
                passed -= slice.size();
                continue;
            }
            const Slice part = slice.sub(passed, left);
            passed = 0;
            left -= part.size();
            visit(part);
        }
    }
};

}  // namespace weft::tcp
