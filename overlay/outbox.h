// Datagrams that wait for transmit(): equal ones to one endpoint lie behind each other in a chunk, so that a UDP link
// sends such a train by one call. They are written and sealed in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stack/core/batch.h"
#include "stack/core/buffer.h"

namespace weft::overlay {

class Outbox {
public:
    // UDP_SEGMENT takes at most 64 datagrams and what one IPv4 packet can hold.
    static constexpr std::size_t train_limit = 64, train_bytes = 65'507;

    explicit Outbox(BufferPool& pool, std::uint32_t link) : pool_{&pool}, link_{link} {}

    // Room for a datagram of `size` bytes, to be filled before the next call; nullptr when the pool is at its limit.
    // `more`: bytes of datagrams that will follow to the same endpoint, so that a new chunk is large enough.
    std::byte* add(const UdpEndpoint& to, Ecn ecn, Instant depart, std::size_t size, std::size_t more) {
        if (Train* train = open(to, ecn, depart, size)) {
            std::byte* at = train->chunk->data() + train->filled;
            train->filled += std::uint32_t(size);
            ++train->count;
            train->closed = size < train->size;
            return at;
        }
        std::size_t wanted = std::min(size + more, std::min(train_bytes, size * train_limit));
        wanted = std::max(wanted, size);
        Chunk* chunk = pool_->allocate(wanted);
        if (!chunk && wanted > size) chunk = pool_->allocate(size);
        if (!chunk) return nullptr;
        trains_.push_back(
            {to, depart, Slice{chunk, 0, chunk->capacity}, chunk, std::uint32_t(size), std::uint32_t(size), 1, ecn, false});
        return chunk->data();
    }

    // What was shown last time is gone after this.
    std::size_t transmit(std::span<Transmit> out) {
        for (; dropped_ < shown_; ++dropped_) trains_[dropped_] = {};
        if (shown_ == trains_.size()) {
            trains_.clear();
            shown_ = dropped_ = 0;
        }
        std::size_t filled = 0;
        for (; filled < out.size() && shown_ < trains_.size(); ++filled, ++shown_) {
            Train& train = trains_[shown_];
            train.slice = train.slice.sub(0, train.filled);
            train.closed = true;
            Transmit& packet = out[filled];
            packet.link = link_;
            packet.path = 0;
            packet.to = train.to;
            packet.segment_size = train.count > 1 ? std::uint16_t(train.size) : std::uint16_t{0};
            packet.header_length = packet.transport = 0;
            packet.payload_summed = packet.sums_elided = false;
            packet.ecn = train.ecn;
            packet.depart = train.depart;
            packet.payload = {&train.slice, 1};
        }
        return filled;
    }

    bool empty() const { return shown_ == trains_.size(); }

private:
    struct Train {
        UdpEndpoint to;
        Instant depart;
        Slice slice;             // holds the chunk
        Chunk* chunk{nullptr};
        std::uint32_t size{0};   // bytes of each datagram but the last
        std::uint32_t filled{0}, count{0};
        Ecn ecn{};
        bool closed{false};      // the last one is shorter, or it was shown
    };

    Train* open(const UdpEndpoint& to, Ecn ecn, Instant depart, std::size_t size) {
        if (shown_ == trains_.size()) return nullptr;
        Train& last = trains_.back();
        const bool fits = !last.closed && last.count < train_limit && size <= last.size &&
                          last.filled + size <= std::min<std::size_t>(last.chunk->capacity, train_bytes);
        return fits && last.to == to && last.ecn == ecn && last.depart == depart ? &last : nullptr;
    }

    BufferPool* pool_;
    std::uint32_t link_;
    std::vector<Train> trains_;
    std::size_t shown_{0};     // trains that transmit() has shown
    std::size_t dropped_{0};   // of those, the ones whose chunks are given back
};

}  // namespace weft::overlay
