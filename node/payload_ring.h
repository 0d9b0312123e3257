// The way of what flows carry from a shard's thread to the telemetry thread, for recordings that were asked for it: bytes are copied into
// a ring with one producer and one consumer, neither of which waits. While nobody asks nothing is copied; what finds no room is counted.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "stack/core/time.h"
#include "stack/tcp/event.h"

namespace weft::node {

class PayloadRing {
public:
    static constexpr std::size_t piece_limit = 64 << 10;  // bytes; what is longer becomes several pieces

    struct Piece {
        std::int64_t t_ns{0};
        std::uint32_t flow{0};  // its place
        std::uint32_t generation{0};
        bool sent{false};
        std::span<const std::byte> bytes;
    };

    // `capacity` in bytes, raised to a power of two. The memory is the kernel's until it is written to.
    explicit PayloadRing(std::size_t capacity = std::size_t{4} << 20)
        : size_{std::bit_ceil(std::max<std::size_t>(capacity, 4 * piece_limit))},
          memory_{std::make_unique_for_overwrite<std::byte[]>(size_)} {}
    PayloadRing(const PayloadRing&) = delete;
    PayloadRing& operator=(const PayloadRing&) = delete;

    // The consumer's wish.
    void want(bool wanted) { wanted_.store(wanted, std::memory_order_relaxed); }
    bool wanted() const { return wanted_.load(std::memory_order_relaxed); }

    // The producer's.
    void add(Instant now, Flow flow, bool sent, std::span<const std::byte> bytes) noexcept {
        for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), piece_limit)))
            add_piece({now.nanoseconds(), flow.place, flow.generation,
                       std::uint32_t(std::min(bytes.size(), piece_limit)) | (sent ? sent_bit : 0)},
                      bytes.first(std::min(bytes.size(), piece_limit)));
    }

    // The consumer's: each piece in order, its bytes as long as `take` runs.
    template <class Take>
    void drain(Take&& take) {
        const std::uint64_t head = head_.load(std::memory_order_acquire);
        std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        while (tail != head) {
            Head at;
            std::memcpy(&at, memory_.get() + place(tail), sizeof at);
            if (at.size == skip) {
                tail += size_ - place(tail);
            } else {
                const std::size_t size = at.size & ~sent_bit;
                const std::byte* const bytes = memory_.get() + place(tail) + sizeof at;
                take(Piece{at.t_ns, at.flow, at.generation, (at.size & sent_bit) != 0, {bytes, size}});
                tail += taken_by(size);
            }
            tail_.store(tail, std::memory_order_release);
        }
    }

    // Either's: pieces that found no room, ever.
    std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

private:
    struct alignas(32) Head {
        std::int64_t t_ns{0};
        std::uint32_t flow{0}, generation{0}, size{0};
    };
    static constexpr std::uint32_t sent_bit = 0x8000'0000, skip = ~std::uint32_t{0};  // skip: the rest of the ring is unused

    // Pieces begin at multiples of a head's size: before the end of the ring there is always room for one.
    static std::size_t taken_by(std::size_t size) { return (sizeof(Head) + size + sizeof(Head) - 1) & ~(sizeof(Head) - 1); }
    std::size_t place(std::uint64_t at) const { return std::size_t(at & (size_ - 1)); }

    void add_piece(const Head& piece, std::span<const std::byte> bytes) noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed), tail = tail_.load(std::memory_order_acquire);
        const std::size_t needed = taken_by(bytes.size()), to_end = size_ - place(head);
        const std::size_t skipped = needed > to_end ? to_end : 0;
        if (head - tail + skipped + needed > size_) {
            dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
            return;
        }
        if (skipped > 0) {
            const Head rest{0, 0, 0, skip};
            std::memcpy(memory_.get() + place(head), &rest, sizeof rest);
        }
        std::byte* const to = memory_.get() + place(head + skipped);
        std::memcpy(to, &piece, sizeof piece);
        std::memcpy(to + sizeof piece, bytes.data(), bytes.size());
        head_.store(head + skipped + needed, std::memory_order_release);
    }

    const std::size_t size_;
    const std::unique_ptr<std::byte[]> memory_;
    alignas(64) std::atomic<std::uint64_t> head_{0};  // bytes ever added; the producer writes
    std::atomic<std::uint64_t> dropped_{0};
    alignas(64) std::atomic<std::uint64_t> tail_{0};  // bytes ever taken; the consumer writes
    std::atomic<bool> wanted_{false};
};

}  // namespace weft::node
