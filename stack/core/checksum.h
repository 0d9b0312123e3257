// The Internet checksum (RFC 1071, RFC 1624): ones' complement sums of bytes taken as big-endian 16-bit words.
// A sum is kept folded to 16 bits; it is 0 only when every word is 0, for addition never turns 0xffff into 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/core/bytes.h"

namespace weft::checksum {

// The 16-bit ones' complement value of a plain sum of 16, 32 or 64-bit words.
constexpr std::uint16_t fold(std::uint64_t sum) {
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    sum = (sum & 0xffff'ffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return std::uint16_t(sum + (sum >> 16));
}

// Of all bytes; an odd last one is padded with a zero byte on its right.
std::uint16_t sum(Bytes bytes);

// The same while copying: payload is touched once. `to` is at least as long as `from` and does not overlap it.
std::uint16_t copy_and_sum(std::byte* to, Bytes from);

constexpr std::uint16_t add(std::uint16_t a, std::uint16_t b) { return fold(std::uint64_t{a} + b); }
constexpr std::uint16_t subtract(std::uint16_t a, std::uint16_t b) { return add(a, std::uint16_t(~b)); }

// The sum of `before_size` bytes that sum to `before`, followed by bytes that sum to `after`: behind an odd number of
// bytes the two halves of each word have changed places (RFC 1071, section 2 B).
constexpr std::uint16_t append(std::uint16_t before, std::size_t before_size, std::uint16_t after) {
    return add(before, before_size % 2 == 0 ? after : std::uint16_t(after << 8 | after >> 8));
}

// What the header field holds: the complement of a sum over all but the field.
constexpr std::uint16_t field(std::uint16_t sum) { return std::uint16_t(~sum); }

// Does a sum over everything, the field included, verify? Both forms of zero do.
constexpr bool verifies(std::uint16_t sum) { return sum == 0xffff; }

// The header field after one 16-bit word under it changed (RFC 1624, section 3, equation 3).
constexpr std::uint16_t update(std::uint16_t field, std::uint16_t was, std::uint16_t is) {
    return std::uint16_t(~fold(std::uint64_t{std::uint16_t(~field)} + std::uint16_t(~was) + is));
}

// The portable form alone, for the test that holds it equal to the vector one.
namespace detail {
std::uint16_t scalar_sum(Bytes bytes);
std::uint16_t scalar_copy_and_sum(std::byte* to, Bytes from);
}  // namespace detail

}  // namespace weft::checksum
