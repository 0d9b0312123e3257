// The way of trace records from a shard's thread to the telemetry thread: a ring with one producer and one consumer, neither of
// which ever waits for the other. What finds no room is dropped and counted by class, samples before edges (`stack/core/trace_names.h`).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "stack/core/trace_names.h"

namespace weft::node {

// Between two of these, of no type, all that there is was told anew. They stay between shard and telemetry thread.
enum Telling : std::uint16_t { telling_begins = 1, telling_ends = 2 };
inline trace::Record telling_record(Instant now, Telling which) {
    return {now.nanoseconds(), trace::no_flow, trace::Type{}, which, {}};
}

class EventRing {
public:
    static constexpr std::size_t classes = 32;

    // `capacity` is raised to a power of two; samples may use seven eighths of it.
    explicit EventRing(std::size_t capacity = std::size_t{1} << 14)
        : size_{std::bit_ceil(std::max<std::size_t>(capacity, 16))}, records_{std::make_unique<trace::Record[]>(size_)},
          producer_{.limit_for_samples = size_ - size_ / 8} {}
    EventRing(const EventRing&) = delete;
    EventRing& operator=(const EventRing&) = delete;

    std::size_t capacity() const { return size_; }

    // The producer's. False: there was no room, and the record is counted among the dropped of its class.
    bool add(const trace::Record& record) noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        const std::size_t room = trace::is_sample(record.type) ? producer_.limit_for_samples : size_;
        if (head - producer_.tail >= room) {
            producer_.tail = tail_.load(std::memory_order_acquire);
            if (head - producer_.tail >= room) return count_dropped(record.type);
        }
        records_[head & (size_ - 1)] = record;
        head_.store(head + 1, std::memory_order_release);
        return true;
    }
    // Records that the consumer has not taken, as far as the producer knows: never less than there are.
    std::size_t backlog() noexcept {
        const std::uint64_t head = head_.load(std::memory_order_relaxed);
        if (head - producer_.tail > size_ / 2) producer_.tail = tail_.load(std::memory_order_acquire);
        return head - producer_.tail;
    }

    // The consumer's: what lies behind each other in memory, to be changed at will until it is given back. Empty: there is nothing;
    // after the last record of the array the rest comes with the next call.
    std::span<trace::Record> front() noexcept {
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed), head = head_.load(std::memory_order_acquire);
        const std::size_t place = tail & (size_ - 1);
        return {records_.get() + place, std::min<std::size_t>(head - tail, size_ - place)};
    }
    void pop(std::size_t count) noexcept {
        tail_.store(tail_.load(std::memory_order_relaxed) + count, std::memory_order_release);
    }

    // Either's: how many of the class were dropped since the ring was made.
    std::uint64_t dropped(trace::Type type) const noexcept {
        return dropped_[std::size_t(type) % classes].load(std::memory_order_relaxed);
    }

private:
    bool count_dropped(trace::Type type) noexcept {
        auto& count = dropped_[std::size_t(type) % classes];  // one thread writes: no read-modify-write is needed
        count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return false;
    }

    struct Producer {
        std::size_t limit_for_samples{0};
        std::uint64_t tail{0};  // as last seen; never beyond the true one
    };

    const std::size_t size_;
    const std::unique_ptr<trace::Record[]> records_;
    alignas(64) std::atomic<std::uint64_t> head_{0};  // records ever added; the producer writes
    Producer producer_;
    std::array<std::atomic<std::uint64_t>, classes> dropped_{};
    alignas(64) std::atomic<std::uint64_t> tail_{0};  // records ever taken; the consumer writes
};

}  // namespace weft::node
