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
    add_range({begin, begin + slice.size()});
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
        trim_front(piece.end());
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
    ranges_.back().right = pieces_.back().begin;
    if (ranges_.back().left == ranges_.back().right) ranges_.pop_back();
    pieces_.pop_back();
    return true;
}

void Reassembly::clear() {
    pieces_.clear();
    first_ = 0;
    charge_ = 0;
    fin_.reset();
    right_ = {};
    ranges_.clear();
    recent_count_ = 0;
    duplicate_.reset();
}

bool Reassembly::note_arrival(SeqSpan text) {
    for (const wire::SackBlock& range : ranges_) {
        const SeqNum left = later(range.left, text.begin), right = earlier(range.right, text.end());
        if (!before(left, right)) continue;
        duplicate_ = {left, right};
        touch(range);
        return true;
    }
    return false;
}

// From the last range backwards, as insert() looks.
void Reassembly::add_range(wire::SackBlock range) {
    std::size_t at = ranges_.size();
    while (at > 0 && at_or_before(range.left, ranges_[at - 1].right)) --at;
    std::size_t end = at;
    for (; end < ranges_.size() && at_or_before(ranges_[end].left, range.right); ++end) {
        if (before(ranges_[end].left, range.left)) range.left = ranges_[end].left;
        range.right = later(range.right, ranges_[end].right);
    }
    const auto first = ranges_.begin() + std::ptrdiff_t(at);
    if (end == at) {
        ranges_.insert(first, range);
    } else {
        *first = range;
        ranges_.erase(first + 1, ranges_.begin() + std::ptrdiff_t(end));
    }
    touch(range);
}

// It grew, or something that was there came again: the first to be told.
void Reassembly::touch(const wire::SackBlock& range) {
    std::array<SeqNum, 4> recent{range.left};
    std::size_t count = 1;
    for (std::size_t i = 0; i < recent_count_ && count < recent.size(); ++i)
        if (before(recent_[i], range.left) || !before(recent_[i], range.right)) recent[count++] = recent_[i];
    recent_ = recent;
    recent_count_ = std::uint8_t(count);
}

const wire::SackBlock* Reassembly::range_of(SeqNum seq) const {
    for (auto range = ranges_.rbegin(); range != ranges_.rend(); ++range) {
        if (before(seq, range->left)) continue;
        return before(seq, range->right) ? &*range : nullptr;
    }
    return nullptr;
}

// What lies in front of `next` was popped.
void Reassembly::trim_front(SeqNum next) {
    std::size_t gone = 0;
    while (gone < ranges_.size() && at_or_before(ranges_[gone].right, next)) ++gone;
    ranges_.erase(ranges_.begin(), ranges_.begin() + std::ptrdiff_t(gone));
    if (!ranges_.empty() && before(ranges_.front().left, next)) ranges_.front().left = next;
}

std::uint8_t Reassembly::tell(SeqNum rcv_nxt, std::size_t most, std::array<wire::SackBlock, 4>& blocks) {
    std::size_t count = 0, first = 0;
    if (duplicate_) blocks[count++] = *duplicate_, first = 1;
    duplicate_.reset();
    const auto add = [&](const wire::SackBlock& range) {
        if (count >= most || !before(rcv_nxt, range.right)) return;
        for (std::size_t i = first; i < count; ++i)
            if (blocks[i] == range) return;
        blocks[count++] = range;
    };
    for (std::size_t i = 0; i < recent_count_; ++i) {
        if (const wire::SackBlock* range = range_of(recent_[i])) add(*range);
    }
    for (auto range = ranges_.rbegin(); range != ranges_.rend() && count < most; ++range) add(*range);
    return std::uint8_t(count);
}

}  // namespace weft::tcp
