// A seeded source of bytes for the overlay: same seed, same ephemerals, indices and cookies, so the same run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "overlay/entropy.h"
#include "sim/random.h"

namespace weft::sim {

// Must outlive every Entropy that it lends.
class SeededEntropy {
public:
    explicit SeededEntropy(std::uint64_t seed, std::uint64_t node = 0) : draws_{seed, node, 0x656e'7472'6f70'79} {}

    overlay::Entropy lend() {
        return {this, [](void* self, std::span<std::byte> out) { static_cast<SeededEntropy*>(self)->fill(out); }};
    }

private:
    void fill(std::span<std::byte> out) {
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < out.size(); ++i, word >>= 8) {
            if (i % 8 == 0) word = draws_.next();
            out[i] = std::byte(word);
        }
    }

    Draws draws_;
};

}  // namespace weft::sim
