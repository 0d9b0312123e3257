// Blocks of bytes of a fixed size: keys, digests, whole messages.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "stack/core/bytes.h"

namespace weft::overlay {

template <std::size_t N>
using Block = std::array<std::byte, N>;

// Copies all of `from` and returns the byte after it. The caller has made sure of the room.
inline std::byte* append(std::byte* at, Bytes from) { return std::copy(from.begin(), from.end(), at); }

// The N bytes at `at`, as a value.
template <std::size_t N>
Block<N> take(const std::byte* at) {
    Block<N> out;
    std::copy_n(at, N, out.begin());
    return out;
}

}  // namespace weft::overlay
