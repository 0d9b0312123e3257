// Random numbers by counter: a stream is keyed by what it belongs to (seed, link, packet index), so the order in which
// streams are drawn from never matters, and two arms of a comparison meet the same network.
#pragma once

#include <cstdint>

namespace weft::sim {

// SplitMix64's output function: every bit of the result depends on every bit of the argument.
constexpr std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
    x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
    return x ^ (x >> 31);
}

class Draws {
public:
    static constexpr std::uint64_t step = 0x9e37'79b9'7f4a'7c15;

    constexpr explicit Draws(std::uint64_t seed, std::uint64_t stream = 0, std::uint64_t index = 0)
        : state_{mix(mix(mix(seed + step) + stream + step) + index + step)} {}

    constexpr std::uint64_t next() { return mix(state_ += step); }

    // Uniform over [0, bound), as nearly as 64 bits allow; bound 0 yields 0.
    constexpr std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

    // Uniform over [low, high].
    constexpr std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }

    // True in `ppm` of a million draws. It draws even for 0, so that what follows stays where it is.
    constexpr bool chance(std::uint32_t ppm) { return below(1'000'000) < ppm; }

private:
    std::uint64_t state_;
};

}  // namespace weft::sim
