// Two engines on one core and a wire in memory between them, for bench tcp. Nothing is lost: what one end transmits is what the other
// receives, as contiguous packets that are parsed and summed again.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "stack/core/buffer.h"
#include "stack/engine/engine.h"

namespace weft::bench {

inline Instant wire_now() { return Instant::from_nanoseconds(std::chrono::steady_clock::now().time_since_epoch().count()); }

// How packets cross. `referenced`: what was cut into a packet is handed over. `copied`: it is copied once more on the way. `whole`:
// super-segments cross as one packet each, summed like any.
enum class Crossing : std::uint8_t { referenced, copied, whole };

// One direction, in order. It holds what nobody delivers.
class Wire {
public:
    Wire(Crossing crossing, BufferPool& pool) : crossing_{crossing}, pool_{pool} {}

    // All that the engine has to say goes in. False: it had nothing.
    bool take(Engine& from, Instant now);
    // At most so many packets come out. False: there was none.
    bool give(Engine& to, std::size_t most, Instant now);

    std::uint64_t packets() const { return begin_; }  // that were given, ever
    std::uint64_t bytes() const { return bytes_; }  // of packets that it holds, headers included
    bool failed() const { return failed_; }  // a packet could not be cut, or there was no room for it

private:
    bool cross(const Transmit& out);
    bool cut(const Transmit& out, std::uint16_t joined);

    static constexpr std::size_t most_held = 1 << 13;
    Crossing crossing_;
    BufferPool& pool_;
    std::array<Transmit, 16> out_;
    std::vector<Receive> held_ = std::vector<Receive>(most_held);  // a ring
    std::uint64_t begin_{0}, end_{0}, bytes_{0};
    bool failed_{false};
};

class Pair {
public:
    Pair(const Config& config, Crossing crossing, std::size_t memory);

    void settle();  // until neither has anything to say; timers, too
    void tick();  // the time goes on, and what is due is done
    bool failed() const { return failed_ || to_a.failed() || to_b.failed(); }

    BufferPool pool;
    Engine a, b;
    Wire to_a, to_b;
    Address a_address, b_address;
    Instant now;

private:
    bool failed_{false};
};

}  // namespace weft::bench
