// The sums of checksum.h, eight bytes at a time: words are added in the machine's own order, which ones' complement
// addition allows, and the halves are swapped once at the end (RFC 1071, section 2 B).
#include "stack/core/checksum.h"

#include <bit>
#include <cstring>

namespace weft::checksum {
namespace {

// `copy` is called with each piece of 8 bytes or fewer: it stores them, or does nothing.
template <class Copy>
std::uint16_t sum_words(Bytes bytes, Copy&& copy) {
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t total = 0;
    for (; left >= 8; at += 8, left -= 8) {
        std::uint64_t word;
        std::memcpy(&word, at, 8);
        copy(at, word, 8);
        total += word;
        total += total < word;  // the carry comes in again at the bottom
    }
    if (left > 0) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, left);
        copy(at, word, left);
        total += word;
        total += total < word;
    }
    const std::uint16_t folded = fold(total);
    return std::endian::native == std::endian::little ? std::byteswap(folded) : folded;
}

}  // namespace

std::uint16_t sum(Bytes bytes) {
    return sum_words(bytes, [](const std::byte*, std::uint64_t, std::size_t) {});
}

std::uint16_t copy_and_sum(std::byte* to, Bytes from) {
    return sum_words(from, [to, begin = from.data()](const std::byte* at, std::uint64_t word, std::size_t count) {
        std::memcpy(to + (at - begin), &word, count);
    });
}

}  // namespace weft::checksum
