// A stream of bytes in slices: appended at the end, looked at anywhere, dropped from the front. A queue that empties keeps the
// memory of its ring, so that a warm one allocates nothing.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "stack/core/buffer.h"
#include "stack/core/bytes.h"

namespace weft {

class ByteQueue {
public:
    std::uint32_t size() const { return end_ - begin_; }  // bytes
    bool empty() const { return begin_ == end_; }

    // Bytes that it keeps alive: the capacity of chunks that it shares, the length of what was copied into chunks of its
    // own. It does not depend on who held a write right, for a copy of an engine must go on as the original.
    std::size_t charge() const { return charge_; }

    // Shares the slice, or copies it when it is less than a quarter of the chunk that it would keep alive. `together`: bytes
    // of this chunk that are pushed in a row, this slice among them.
    void push(const Slice& slice, BufferPool& pool, std::size_t together = 0) {
        if (slice.size() == 0) return;
        const bool small = std::max<std::size_t>(together, slice.size()) * 4 < slice.charge();
        if (small && !holds_chunk_of(slice) && copy(slice.bytes(), pool)) return;
        share(slice);
    }

    // Copies, and says how much: less than all when the pool is dry.
    std::size_t append(Bytes bytes, BufferPool& pool) {
        std::size_t done = 0;
        while (done < bytes.size()) {
            if (right_.room() == 0 && !refill(bytes.size() - done, pool)) break;
            own(right_.append(bytes.subspan(done)), done);
        }
        return done;
    }

    // Calls visit(slice) for the parts of [offset, offset + length), front first.
    template <class Visit>
    void each(std::uint32_t offset, std::uint32_t length, Visit&& visit) const {
        length = std::min(length, size() - std::min(offset, size()));
        for (std::size_t i = length ? find(offset) : 0; length > 0; ++i) {
            const Entry& entry = at(i);
            const std::uint32_t skip = offset - (entry.begin - begin_);
            const std::uint32_t part = std::min(length, entry.slice.size() - skip);
            visit(entry.slice.sub(skip, part));
            offset += part;
            length -= part;
        }
    }

    void drop(std::uint32_t count) {
        count = std::min(count, size());
        while (count > 0) {
            Entry& front = at(0);
            const std::uint32_t part = std::min(count, front.slice.size());
            count -= part;
            begin_ += part;
            if (front.owned) charge_ -= part;
            if (part < front.slice.size()) {
                front.slice = front.slice.sub(part, front.slice.size());
                front.begin += part;
            } else {
                pop();
            }
        }
    }

    // Copies to `into` and drops what it copied.
    std::size_t read(MutableBytes into) {
        std::size_t done = 0;
        each(0, std::uint32_t(std::min<std::size_t>(into.size(), size())), [&](const Slice& part) {
            std::copy_n(part.bytes().begin(), part.size(), into.begin() + std::ptrdiff_t(done));
            done += part.size();
        });
        drop(std::uint32_t(done));
        return done;
    }

    // Moves slices out from the front; returns how many.
    std::size_t take(std::span<Slice> into) {
        std::size_t taken = 0;
        for (; taken < into.size() && !empty(); ++taken) {
            into[taken] = at(0).slice;
            drop(at(0).slice.size());
        }
        return taken;
    }

    // The front will be looked at soon, or let go.
    void fetch_front() const {
        if (count_ > 0) at(0).slice.fetch_chunk();
    }

    void clear() {
        drop(size());
        right_ = {};
    }

private:
    struct Entry {
        Slice slice;
        std::uint32_t begin{0};  // of its first byte in the stream, modulo 2^32
        bool owned{false};  // copied: charged by its bytes, not by its chunk
    };

    Entry& at(std::size_t i) { return ring_.empty() ? single_ : ring_[(head_ + i) & (ring_.size() - 1)]; }
    const Entry& at(std::size_t i) const { return ring_.empty() ? single_ : ring_[(head_ + i) & (ring_.size() - 1)]; }
    std::uint32_t places() const { return ring_.empty() ? 1 : std::uint32_t(ring_.size()); }

    // The entry that holds the byte at `offset`.
    std::size_t find(std::uint32_t offset) const {
        std::size_t low = 0, high = count_;
        while (high - low > 1) {
            const std::size_t middle = (low + high) / 2;
            (at(middle).begin - begin_ <= offset ? low : high) = middle;
        }
        return low;
    }

    void add(Slice slice, bool owned) {
        if (count_ == places()) grow();
        const std::uint32_t length = slice.size();
        at(count_++) = {std::move(slice), end_, owned};
        end_ += length;
    }

    // The last entry has charged the chunk already.
    bool holds_chunk_of(const Slice& slice) const {
        return count_ > 0 && !at(count_ - 1).owned && at(count_ - 1).slice.shares_with(slice);
    }

    void share(const Slice& slice) {
        const bool counted = holds_chunk_of(slice);
        if (counted && at(count_ - 1).slice.join(slice)) {
            end_ += slice.size();
            return;
        }
        if (!counted) charge_ += slice.charge();
        add(slice, false);
    }

    void own(Slice slice, std::size_t& done) {
        const std::uint32_t length = slice.size();
        charge_ += length;
        done += length;
        if (count_ > 0 && at(count_ - 1).owned && at(count_ - 1).slice.join(slice)) end_ += length;
        else add(std::move(slice), true);
    }

    bool copy(Bytes bytes, BufferPool& pool) {
        if (right_.room() < bytes.size() && !refill(bytes.size(), pool)) return false;
        std::size_t done = 0;
        own(right_.append(bytes), done);
        return true;
    }

    // A tail as long as the queue, between a short packet and a super-segment: few bytes keep little alive.
    bool refill(std::size_t wanted, BufferPool& pool) {
        const std::size_t room = std::min<std::size_t>(std::max<std::size_t>(wanted, size()), largest_tail);
        Chunk* chunk = pool.allocate(room);
        if (!chunk) return false;
        right_ = WriteRight{chunk};
        return true;
    }

    void pop() {
        const bool counted = count_ > 1 && !at(1).owned && at(1).slice.shares_with(at(0).slice);
        if (!at(0).owned && !counted) charge_ -= at(0).slice.charge();
        at(0).slice = {};
        head_ = (head_ + 1) & (places() - 1);
        --count_;
    }

    void grow() {
        std::vector<Entry> wider(std::max<std::size_t>(8, ring_.size() * 2));
        for (std::size_t i = 0; i < count_; ++i) wider[i] = std::move(at(i));
        ring_ = std::move(wider);
        head_ = 0;
    }

    static constexpr std::size_t largest_tail = 65'536;

    Entry single_;  // while there was never more than one: most queues are short, and have all in one place
    std::vector<Entry> ring_;  // a power of two; empty: single_
    std::uint32_t head_{0}, count_{0};
    std::size_t charge_{0};
    std::uint32_t begin_{0}, end_{0};  // of the stream, modulo 2^32
    WriteRight right_;
};

}  // namespace weft
