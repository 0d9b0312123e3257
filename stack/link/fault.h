// A link that loses, delays, reorders, duplicates and corrupts what another one is given to send. It is a link itself, so
// faults stack. What becomes of the nth datagram depends on the seed and n alone: the same run has the same faults.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "stack/core/batch.h"
#include "stack/core/random.h"
#include "stack/wire/cut.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/tcp.h"

namespace weft::link {

struct FaultConfig {
    std::uint64_t seed{0};
    std::uint32_t loss{0}, reorder{0}, duplicate{0}, corrupt{0};  // parts per million of the datagrams
    Duration delay;                                               // of every datagram
    Duration jitter;                                              // beside it, uniform from 0 up to this
    std::uint64_t rate{0};  // bytes a second that leave, before the delay; 0: no limit
    Duration rate_queue{Duration::milliseconds(100)};  // what waits longer for its turn is dropped
    Duration reorder_by{Duration::milliseconds(2)};  // what a reordered datagram waits beside that, from 1 ns up to this
    std::size_t queue_limit{4'096};  // datagrams that wait; more are dropped

    bool any() const {
        return loss != 0 || reorder != 0 || duplicate != 0 || corrupt != 0 || rate != 0 ||
               std::max(delay, jitter) > Duration{};
    }
};

struct FaultStatistics {
    std::uint64_t datagrams{0};  // that came to be sent; a train counts each
    std::uint64_t sent{0};  // that the inner link took, duplicates included
    std::uint64_t lost{0}, reordered{0}, duplicated{0}, corrupted{0};
    std::uint64_t overflowed{0};  // dropped: the queue or the pool was full
    std::uint64_t refused{0};  // dropped: the inner link did not take it
};

template <Link Inner>
class Fault {
public:
    // The pool is for copies of what is delayed or changed, and outlives this link.
    Fault(Inner inner, const FaultConfig& config, BufferPool& pool)
        : inner_{std::move(inner)}, config_{config}, pool_{&pool} {
        queue_.reserve(config.queue_limit);
    }

    Inner& inner() { return inner_; }
    const Inner& inner() const { return inner_; }
    const FaultStatistics& statistics() const { return statistics_; }
    const FaultConfig& config() const { return config_; }
    // From now on; what waits keeps its time.
    void configure(const FaultConfig& config) { config_ = config; }
    std::size_t waiting() const { return queue_.size(); }

    // Trains of datagrams and super-segments are cut here: nothing is joined that the inner link would have to cut.
    LinkCapabilities capabilities() const {
        LinkCapabilities capabilities = inner_.capabilities();
        if (capabilities.segments_tcp) capabilities.max_super_segment = 0;
        capabilities.segments_tcp = false;
        return capabilities;
    }

    std::size_t receive(std::span<Receive> in, BufferPool& pool) { return inner_.receive(in, pool); }

    // Takes everything: what is lost on purpose must not be noticed, nor what the inner link refuses.
    std::size_t send(std::span<const Transmit> out) {
        for (const Transmit& train : out) cut(train);
        return out.size();
    }

    // Delayed datagrams leave here, and the time that send() counts delays from is set.
    void advance(Instant now) {
        now_ = std::max(now_, now);
        while (!queue_.empty() && queue_.front().due <= now_) {
            std::pop_heap(queue_.begin(), queue_.end(), later);
            const Delayed next = std::move(queue_.back());
            queue_.pop_back();
            pass(next.packet, {&next.bytes, 1});
        }
    }

    Instant deadline() const { return queue_.empty() ? Instant::never() : queue_.front().due; }

private:
    struct Delayed {
        Instant due;
        std::uint64_t order{0};  // of two that are due together, the first leaves first
        Transmit packet;  // `payload` empty: the bytes are below
        Slice bytes;
    };
    static bool later(const Delayed& a, const Delayed& b) { return std::pair{a.due, a.order} > std::pair{b.due, b.order}; }

    enum Draw : std::uint64_t { lose, reorder, duplicate, corrupt, bit, jitter, reorder_by };

    // A word that depends on the seed, the datagram, its copy and the purpose alone.
    std::uint64_t word(Draw purpose, std::uint64_t copy = 0) const {
        return siphash({config_.seed, 0}, statistics_.datagrams, 2 * purpose + copy);
    }
    bool happens(Draw fault, std::uint32_t parts_per_million) const { return word(fault) % 1'000'000 < parts_per_million; }
    Duration up_to(Duration limit, Draw purpose, std::uint64_t copy) const {
        return Duration::nanoseconds(
            limit.count() <= 0 ? 0 : std::int64_t(word(purpose, copy) % (std::uint64_t(limit.count()) + 1)));
    }

    void cut(const Transmit& train) {
        const bool single = train.segment_size == 0 || train.complete;
        std::size_t slice = 0, before = 0;
        std::uint32_t offset = 0;
        do {
            datagram_.clear();
            const std::uint32_t most = single ? ~0u : train.segment_size;
            std::uint32_t room = most;
            for (; room > 0 && slice < train.payload.size(); ++slice, offset = 0) {
                const std::uint32_t length = std::min(room, train.payload[slice].size() - offset);
                if (length > 0) datagram_.push_back(train.payload[slice].sub(offset, length));
                room -= length;
                offset += length;
                if (offset < train.payload[slice].size()) break;
            }
            while (slice < train.payload.size() && train.payload[slice].size() == 0) ++slice;
            const bool last = slice == train.payload.size();
            if (single || train.header_length == 0 || (before == 0 && last)) arrive(train);
            else arrive(segment(train, before, last));
            before += most - room;
        } while (slice < train.payload.size());
        datagram_.clear();
    }

    // The header of one segment of a super-segment, `before` bytes of whose payload are in front of it.
    static Transmit segment(const Transmit& whole, std::size_t before, bool last) {
        Transmit one = whole;
        one.payload_summed = false;
        if (one.transport + wire::TcpView::min_size > one.header_length || one.header_length > one.header.size()) return one;
        wire::shape_segment(one.header.data() + one.transport, before, last, whole.accurate_ecn);
        std::byte* const network = one.header.data() + one.network;
        if (std::to_integer<unsigned>(*network) >> 4 == 4) {
            std::byte* const id = network + wire::Ipv4View::id_at;
            store_big(id, std::uint16_t(load_big<std::uint16_t>(id) + before / whole.segment_size));
        }
        return one;
    }

    // One datagram, in datagram_.
    void arrive(const Transmit& train) {
        Transmit packet = train;
        packet.segment_size = 0;
        if (happens(lose, config_.loss)) {
            ++statistics_.lost;
        } else {
            if (happens(corrupt, config_.corrupt)) flip(packet);
            const bool twice = happens(duplicate, config_.duplicate);
            const bool held = happens(reorder, config_.reorder);
            statistics_.duplicated += twice;
            statistics_.reordered += held;
            for (std::uint64_t copy = 0; copy <= std::uint64_t{twice}; ++copy) {
                const auto turn = turn_of(packet);
                if (!turn) {
                    ++statistics_.overflowed;
                    continue;
                }
                Duration wait = *turn + config_.delay + up_to(config_.jitter, jitter, copy);
                if (held) wait = wait + std::max(up_to(config_.reorder_by, reorder_by, copy), Duration::nanoseconds(1));
                if (wait.count() <= 0) pass(packet, datagram_);
                else delay(packet, wait);
            }
        }
        ++statistics_.datagrams;
    }

    // How long the one at hand takes at the rate, those before it included; none: they are too many, and it is dropped.
    std::optional<Duration> turn_of(const Transmit& packet) {
        if (config_.rate == 0) return Duration{};
        const Instant begin = std::max(now_, free_at_);
        if (begin - now_ > config_.rate_queue) return std::nullopt;
        std::uint64_t size = packet.header_length;
        for (const Slice& slice : datagram_) size += slice.size();
        free_at_ = begin + Duration::nanoseconds(std::int64_t(size * 1'000'000'000 / config_.rate));
        return free_at_ - now_;
    }

    void pass(const Transmit& packet, std::span<const Slice> bytes) {
        Transmit whole = packet;
        whole.payload = bytes;
        ++(inner_.send({&whole, 1}) == 1 ? statistics_.sent : statistics_.refused);
    }

    void delay(const Transmit& packet, Duration wait) {
        Chunk* chunk = nullptr;
        Slice bytes = queue_.size() < config_.queue_limit ? copied(chunk) : Slice{};
        if (!chunk) {
            ++statistics_.overflowed;
            return;
        }
        queue_.push_back({now_ + wait, order_++, packet, std::move(bytes)});
        queue_.back().packet.payload = {};
        std::push_heap(queue_.begin(), queue_.end(), later);
    }

    // Flips one bit of a copy, drawn over header and payload; an empty datagram or a full pool leaves it as it was. A segment
    // has its sums first: a device that computes them would hide the fault.
    void flip(Transmit& packet) {
        complete(packet);
        std::uint64_t size = packet.header_length;
        for (const Slice& slice : datagram_) size += slice.size();
        if (size == 0) return;
        const std::uint64_t place = word(bit) % (size * 8), byte = place / 8;
        const std::byte mask{std::uint8_t(1u << (place % 8))};
        if (byte < packet.header_length) {
            packet.header[byte] ^= mask;
        } else {
            Chunk* chunk = nullptr;
            const Slice bytes = copied(chunk);
            if (!chunk) return;
            chunk->data()[byte - packet.header_length] ^= mask;  // shown to nobody yet
            datagram_.assign(1, bytes);
        }
        ++statistics_.corrupted;
    }

    // Makes one packet of a TCP segment, all of it in datagram_; what is none stays as it is.
    void complete(Transmit& packet) {
        if (packet.header_length == 0 || packet.complete) return;
        packet.payload = datagram_;
        auto cut = wire::Cut::make(packet);
        Chunk* const chunk = cut && cut->segments() == 1 ? pool_->allocate(cut->next_size()) : nullptr;
        if (!chunk) return;
        const Slice whole{chunk, 0, std::uint32_t(cut->next_size())};
        cut->next({chunk->data(), whole.size()});
        packet.header_length = 0;
        datagram_.assign(1, whole);
    }

    // The payload of datagram_ in a chunk of its own; none when the pool is full.
    Slice copied(Chunk*& chunk) {
        std::uint32_t size = 0;
        for (const Slice& slice : datagram_) size += slice.size();
        chunk = pool_->allocate(size);
        if (!chunk) return {};
        std::byte* place = chunk->data();
        for (const Slice& slice : datagram_) place = std::ranges::copy(slice.bytes(), place).out;
        return {chunk, 0, size};
    }

    Inner inner_;
    FaultConfig config_;
    BufferPool* pool_;
    Instant now_;
    Instant free_at_;  // when the last byte of those before is gone, at the rate
    std::uint64_t order_{0};
    std::vector<Slice> datagram_;  // the one at hand, as slices of its train
    std::vector<Delayed> queue_;  // a heap by (due, order)
    FaultStatistics statistics_;
};

}  // namespace weft::link
