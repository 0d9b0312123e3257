// What flows carry in benchmarks: one block again and again, so that the receiver can compare every byte without being told.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace weft::bench {

constexpr std::size_t block_size = 128 << 10;  // as iperf3's

// Byte n of a flow is byte n modulo block_size of this.
inline const std::vector<std::byte>& block() {
    static const std::vector<std::byte> bytes = [] {
        std::vector<std::byte> made(block_size);
        std::uint32_t word = 1;
        for (std::byte& byte : made) {
            word = word * 1'664'525 + 1'013'904'223;
            byte = std::byte(word >> 24);
        }
        return made;
    }();
    return bytes;
}

// Whether these are the bytes from `place` of a flow on.
inline bool follows(std::uint64_t place, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const std::size_t at = place % block_size, step = std::min(bytes.size(), block_size - at);
        if (std::memcmp(bytes.data(), block().data() + at, step) != 0) return false;
        bytes = bytes.subspan(step);
        place += step;
    }
    return true;
}

}  // namespace weft::bench
