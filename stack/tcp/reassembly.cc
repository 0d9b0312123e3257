// Pieces in order of their sequence numbers. All of them lie within one receive window, so that circular order is an order.
#include "stack/tcp/reassembly.h"

#include <algorithm>
#include <utility>

namespace weft::tcp {

void Reassembly::insert(SeqNum seq, const Slice& slice, BufferPool& pool) {
    SeqNum begin = seq;
    const SeqNum end = seq + slice.size();
    // From the last piece backwards: most of what comes lies behind all that is there.
    std::size_t at = pieces_.size();
    while (at > first_ && before(begin, pieces_[at - 1].end())) --at;
    while (before(begin, end)) {
        const SeqNum stop = at < pieces_.size() && before(pieces_[at].begin, end) ? pieces_[at].begin : end;
        if (before(begin, stop)) {
            if (pieces_.size() - first_ >= max_pieces) return;
            at = place(at, begin, slice.sub(begin - seq, stop - begin), pool);
        }
        if (stop == end) return;
        begin = later(begin, pieces_[at].end());
        ++at;
    }
}

// Puts a piece in front of number `at`; returns the number that this one has then.
std::size_t Reassembly::place(std::size_t at, SeqNum begin, Slice slice, BufferPool& pool) {
    std::uint32_t charge = slice.charge();
    if (std::size_t{slice.size()} * 4 < charge) {
        if (right_.room() < slice.size())
            if (Chunk* chunk = pool.allocate(2'048)) right_ = WriteRight{chunk};
        if (right_.room() >= slice.size()) {
            slice = right_.append(slice.bytes());
            charge = slice.size();
        }
    }
    charge_ += charge;
    if (first_ > 0 && first_ == at) {  // a place that was popped is right in front
        pieces_[--first_] = {begin, std::move(slice), charge};
        return at;
    }
    pieces_.insert(pieces_.begin() + std::ptrdiff_t(at), {begin, std::move(slice), charge});
    return at + 1;
}

Slice Reassembly::pop(SeqNum next) {
    Slice text;
    while (first_ < pieces_.size() && at_or_before(pieces_[first_].begin, next)) {
        Piece& piece = pieces_[first_];
        if (before(next, piece.end())) text = piece.slice.sub(next - piece.begin, piece.slice.size());
        charge_ -= piece.charge;
        piece = {};
        ++first_;
        if (text.size() > 0) break;
    }
    if (first_ == pieces_.size()) {
        pieces_.clear();
        first_ = 0;
        right_ = {};
    }
    return text;
}

bool Reassembly::shed() {
    if (!has_text()) return false;
    charge_ -= pieces_.back().charge;
    pieces_.pop_back();
    return true;
}

void Reassembly::clear() {
    pieces_.clear();
    first_ = 0;
    charge_ = 0;
    fin_.reset();
    right_ = {};
}

}  // namespace weft::tcp
