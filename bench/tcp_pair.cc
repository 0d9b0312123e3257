// The wire between two engines (see tcp_pair.h).
#include "bench/tcp_pair.h"

#include <algorithm>

#include "stack/wire/cut.h"

namespace weft::bench {
namespace {

constexpr std::size_t at_once = 64;  // packets

Address ipv4(unsigned last) {
    const std::array bytes{std::byte{10}, std::byte{0}, std::byte{0}, std::byte(last)};
    return {Family::ipv4, bytes};
}

Config seeded(Config config, std::uint64_t seed) {
    config.seed[0] = seed;
    return config;
}

}  // namespace

bool Wire::take(Engine& from, Instant now) {
    bool any = false;
    // What does not fit waits in the engine: after a pause of the machine acknowledgements of ten thousand flows are due at once.
    while (end_ - begin_ + at_once * out_.size() <= most_held) {
        const std::size_t made = from.transmit(out_, now);
        if (made == 0) break;
        any = true;
        for (std::size_t i = 0; i < made; ++i) failed_ |= !cross(out_[i]);
    }
    return any;
}

bool Wire::give(Engine& to, std::size_t most, Instant now) {
    const std::size_t place = begin_ % most_held;
    const std::size_t count = std::min({std::size_t(end_ - begin_), most_held - place, most});
    if (count == 0) return false;
    const auto packets = std::span{held_}.subspan(place, count);
    for (const Receive& packet : packets) bytes_ -= packet.frame.size();
    to.receive(packets, now);
    for (Receive& packet : packets) packet.frame = {};
    begin_ += count;
    return true;
}

bool Wire::cross(const Transmit& out) {
    if (crossing_ != Crossing::whole || out.segment_size == 0) return cut(out, 0);
    Transmit whole = out;
    whole.segment_size = 0;
    return cut(whole, out.segment_size);
}

bool Wire::cut(const Transmit& out, std::uint16_t joined) {
    auto cut = wire::Cut::make(out);
    if (!cut) return false;
    while (cut->left() > 0) {
        const std::size_t size = cut->next_size();
        Chunk* const chunk = end_ - begin_ < most_held ? pool_.allocate(size) : nullptr;
        if (!chunk) return false;
        Slice packet{chunk, 0, std::uint32_t(size)};
        cut->next({chunk->data(), size});
        if (crossing_ == Crossing::copied) {
            Chunk* const other = pool_.allocate(size);
            if (!other) return false;
            std::copy_n(chunk->data(), size, other->data());
            packet = Slice{other, 0, std::uint32_t(size)};
        }
        Receive& in = held_[end_++ % most_held];
        in.frame = std::move(packet);
        in.ecn = out.ecn;
        in.segment_size = joined;
        bytes_ += size;
    }
    return true;
}

Pair::Pair(const Config& config, Crossing crossing, std::size_t memory)
    : pool{memory}, a{seeded(config, 1), pool}, b{seeded(config, 2), pool}, to_a{crossing, pool}, to_b{crossing, pool},
      a_address{ipv4(1)}, b_address{ipv4(2)}, now{wire_now()} {
    failed_ = !a.assign(a_address, {}, now) || !b.assign(b_address, {}, now);
}

void Pair::tick() {
    now = wire_now();
    if (a.deadline() <= now) a.advance(now);
    if (b.deadline() <= now) b.advance(now);
}

void Pair::settle() {
    tick();
    for (bool busy = true; busy;) {
        busy = to_b.take(a, now);
        while (to_b.give(b, at_once, now)) busy = true;
        busy |= to_a.take(b, now);
        while (to_a.give(a, at_once, now)) busy = true;
    }
}

}  // namespace weft::bench
