// The long checksum of BIP-93 (a BCH code over 5-bit symbols, up to 1,023 of them; any 8 substitutions are detected) and
// bech32's alphabet (BIP-173), by which overlay addresses are written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace weft::bech32 {

inline constexpr std::string_view alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
inline constexpr std::size_t checksum_size = 15;  // symbols
inline constexpr std::uint8_t no_symbol = 0xff;

using Checksum = std::array<std::uint8_t, checksum_size>;

// The value 0 to 31 of a letter of either case, or no_symbol.
std::uint8_t symbol_of(char letter);

// Of `data`, symbols below 32, under a prefix such as "weft".
Checksum checksum(std::string_view prefix, std::span<const std::uint8_t> data);

// Do `symbols`, data and checksum, belong together under `prefix`?
bool verifies(std::string_view prefix, std::span<const std::uint8_t> symbols);

}  // namespace weft::bech32
