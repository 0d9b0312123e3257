// Text that came out of order, kept until the hole in front of it is filled (RFC 9293, section 3.10.7.4: SHLD-31), and what
// acknowledgements tell the sender of it (RFC 2018, sections 3 and 4; RFC 2883).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "stack/core/buffer.h"
#include "stack/core/seq.h"
#include "stack/wire/tcp.h"

namespace weft::tcp {

class Reassembly {
public:
    static constexpr std::size_t max_pieces = 4'096;

    // Keeps what of [seq, seq + slice.size()) is not there yet. A short slice is copied, for it would keep a whole chunk alive.
    void insert(SeqNum seq, const Slice& slice, BufferPool& pool);

    // The FIN that came out of order.
    void set_fin(SeqNum at) { fin_ = at; }
    const std::optional<SeqNum>& fin() const { return fin_; }

    // The text from `next` on, or an empty slice when a hole begins there; pieces before `next` are dropped.
    Slice pop(SeqNum next);

    // Lets the text that is furthest away go; false when there is none.
    bool shed();

    // Of a segment that comes out of order, before it is kept: its range is the one to tell first, and what of it is there
    // already is a duplicate. True if there is such.
    bool note_arrival(SeqSpan text);
    void set_duplicate(wire::SackBlock text) { duplicate_ = text; }
    // At most `most` blocks for an acknowledgement: a duplicate, told once; then ranges, those that grew last first.
    std::uint8_t tell(SeqNum rcv_nxt, std::size_t most, std::array<wire::SackBlock, 4>& blocks);
    std::size_t ranges() const { return ranges_.size(); }

    bool empty() const { return first_ == pieces_.size() && !fin_ && !duplicate_; }
    bool has_text() const { return first_ < pieces_.size(); }
    std::size_t charge() const { return charge_; }  // bytes that it keeps alive, as ByteQueue charges them
    void clear();  // its memory stays

private:
    struct Piece {
        SeqNum begin;
        Slice slice;
        std::uint32_t charge{0};
        SeqNum end() const { return begin + slice.size(); }
    };

    std::size_t place(std::size_t at, SeqNum begin, Slice slice, BufferPool& pool);
    void add_range(wire::SackBlock range);
    void trim_front(SeqNum next);
    const wire::SackBlock* range_of(SeqNum seq) const;
    void touch(const wire::SackBlock& range);

    std::vector<Piece> pieces_;  // from first_ on: ascending, without overlap
    std::size_t first_{0};  // those before it were popped
    std::size_t charge_{0};
    std::optional<SeqNum> fin_;
    std::vector<wire::SackBlock> ranges_;  // pieces without a gap between them: ascending
    std::array<SeqNum, 4> recent_{};  // somewhere in the ranges that grew last, the last one first
    std::uint8_t recent_count_{0};
    std::optional<wire::SackBlock> duplicate_;
    WriteRight right_;
};

}  // namespace weft::tcp
