// One direction of a link, packet by packet. Integers alone: what happens here feeds a digest.
#include "sim/wire.h"

#include <algorithm>

namespace weft::sim {

namespace {

std::uint64_t picoseconds_per_byte(std::uint64_t rate) { return std::max<std::uint64_t>(8'000'000'000'000 / rate, 1); }

Duration up_to(Duration most, Draws& draws) {
    return Duration::nanoseconds(std::int64_t(draws.below(std::uint64_t(most.count()) + 1)));
}

Instant held_up(Instant arrival, Duration batching) {
    if (batching.count() <= 0) return arrival;
    const std::int64_t step = batching.count();
    return Instant::from_nanoseconds((arrival.nanoseconds() + step - 1) / step * step);
}

}  // namespace

std::uint64_t Wire::waiting(Instant now) const {
    if (options.rate == 0 || busy_until_ <= now) return 0;
    return std::uint64_t((busy_until_ - now).count()) * 1'000 / picoseconds_per_byte(options.rate);
}

bool Wire::queue_has_room(std::uint32_t size, Instant now) const {
    const std::uint64_t before = waiting(now);
    return before == 0 || (before <= options.queue && size <= options.queue - before);
}

// When its last bit has left.
Instant Wire::serialised(std::uint32_t size, Instant now) {
    if (options.rate == 0) return now;
    if (busy_until_ < now) busy_until_ = now, fraction_ = 0;
    const std::uint64_t picoseconds = size * picoseconds_per_byte(options.rate) + fraction_;
    fraction_ = picoseconds % 1'000;
    busy_until_ = busy_until_ + Duration::nanoseconds(std::int64_t(picoseconds / 1'000));
    return busy_until_;
}

Instant Wire::arrival(Instant departed, Draws& draws) {
    Instant at = departed + options.delay + up_to(options.jitter, draws);
    const bool reordered = draws.chance(options.reordering);
    const Duration longer = up_to(options.reordering_delay, draws);
    if (reordered) {
        ++statistics.reordered;
        return held_up(at + longer, options.batching);
    }
    if (options.keeps_order) at = last_arrival_ = std::max(at, last_arrival_);
    return held_up(at, options.batching);
}

Fate Wire::carry(std::uint32_t size, Instant now) {
    const std::uint64_t index = index_++;
    Draws draws{seed_, id_, index};
    // Each draw is made whether or not it is used: one impairment never moves another.
    const bool lost = draws.chance(options.loss) | (index >= options.lose_from && index < options.lose_until);
    const bool duplicated = draws.chance(options.duplication);
    Fate fate{.corrupted = draws.chance(options.corruption), .corruption = draws.next()};

    ++statistics.sent;
    statistics.bytes_sent += size;
    const auto lose = [](std::uint64_t& counter) { return ++counter, Fate{}; };
    if (size > options.mtu) return lose(statistics.too_large);
    if (now >= options.down_from && now < options.down_until) return lose(statistics.blacked_out);
    if (!queue_has_room(size, now)) return lose(statistics.overflowed);
    const bool queued = waiting(now) > options.mark_above;
    const Instant departed = serialised(size, now);
    if (lost) return lose(statistics.lost);
    if (fate.corrupted) ++statistics.corrupted;
    if (fate.corrupted && options.authenticated) return lose(statistics.unauthentic);
    fate.arrival = arrival(departed, draws);
    if (duplicated) {
        ++statistics.duplicated;
        fate.second_arrival = arrival(departed, draws);
    }
    fate.marked = draws.chance(options.marking) | queued;
    return fate;
}

}  // namespace weft::sim
