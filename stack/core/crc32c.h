// CRC-32C (Castagnoli; RFC 3720, appendix B.4): of the batches of a recording. By the processor's instruction where it has one.
#pragma once

#include <cstdint>

#include "stack/core/bytes.h"

namespace weft {

// Of `bytes` behind others whose sum is `before`.
std::uint32_t crc32c(Bytes bytes, std::uint32_t before = 0);

// The portable form alone, for the test that holds it equal to the other.
namespace detail {
std::uint32_t scalar_crc32c(Bytes bytes, std::uint32_t before = 0);
}

}  // namespace weft
