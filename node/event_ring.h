// The way of trace records from a shard's thread to the telemetry thread: a ring with one producer and one consumer, neither of
// which ever waits for the other. Records are made in the ring's own places and published by the run. What finds no room is dropped
// and counted by class, samples before edges (`stack/core/trace_names.h`).
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
#include "stack/core/trace_sink.h"

namespace weft::node {

// Between two of these, of no type, all that there is was told anew. They stay between shard and telemetry thread.
enum Telling : std::uint16_t { telling_begins = 1, telling_ends = 2 };
inline trace::Record telling_record(Instant now, Telling which) {
    return {now.nanoseconds(), trace::no_flow, trace::Type{}, which, {}};
}

class EventRing : private trace::Lane {
public:
    static constexpr std::size_t classes = 32;

    // `capacity` is raised to a power of two; samples may use seven eighths of it.
    explicit EventRing(std::size_t capacity = std::size_t{1} << 14)
        : size_{std::bit_ceil(std::max<std::size_t>(capacity, 16))}, records_{std::make_unique<trace::Record[]>(size_)} {
        more = [](trace::Lane& lane, trace::Type type) { return static_cast<EventRing&>(lane).next_place(type); };
    }
    EventRing(const EventRing&) = delete;
    EventRing& operator=(const EventRing&) = delete;

    std::size_t capacity() const { return size_; }

    // The producer's. What is written to the sink, the consumer sees after publish(), or after the next 1,024 records.
    trace::Sink sink(std::uint32_t wanted = trace::all) {
        return {wanted, this, [](void* to, const trace::Record& record) { static_cast<EventRing*>(to)->add(record); }, this,
                wanted};
    }
    void publish() noexcept { head_.store(written(), std::memory_order_release); }

    // Published at once, with all before it. False: there was no room, and the record is counted among the dropped of its class.
    bool add(const trace::Record& record) noexcept {
        trace::Record& place = claim(record.type);
        if (&place == &nowhere_) return false;
        place = record;
        publish();
        return true;
    }
    // Records that the consumer has not taken, as far as the producer knows: never less than there are.
    std::size_t backlog() noexcept {
        if (written() - tail_seen_ > size_ / 2) tail_seen_ = tail_.load(std::memory_order_acquire);
        return written() - tail_seen_;
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
    static constexpr std::size_t longest_run = 1'024;

    std::uint64_t written() const noexcept { return run_end_ - std::uint64_t(end - next); }

    // The places at hand are all used: the next run of free ones. What only edges may use is given out one by one.
    trace::Record* next_place(trace::Type type) noexcept {
        publish();
        const std::uint64_t head = run_end_;
        tail_seen_ = tail_.load(std::memory_order_acquire);
        const std::size_t used = head - tail_seen_, for_samples = size_ - size_ / 8, place = head & (size_ - 1);
        if (used >= (trace::is_sample(type) ? for_samples : size_)) {
            count_dropped(type);
            return &nowhere_;
        }
        const std::size_t run =
            used < for_samples ? std::min({for_samples - used, size_ - place, longest_run}) : std::size_t{1};
        next = records_.get() + place;
        end = next + run;
        run_end_ = head + run;
        return next++;
    }
    void count_dropped(trace::Type type) noexcept {
        auto& count = dropped_[std::size_t(type) % classes];  // one thread writes: no read-modify-write is needed
        count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }

    // The producer's, beside the lane.
    std::uint64_t run_end_{0};  // which one the record at `end` is of all
    std::uint64_t tail_seen_{0};  // never beyond the true one
    trace::Record nowhere_;
    alignas(64) std::atomic<std::uint64_t> head_{0};  // records ever published; the producer writes
    std::array<std::atomic<std::uint64_t>, classes> dropped_{};
    alignas(64) std::atomic<std::uint64_t> tail_{0};  // records ever taken; the consumer writes
    const std::size_t size_;
    const std::unique_ptr<trace::Record[]> records_;
};

}  // namespace weft::node
