// The code of BIP-93, "Long codex32 strings", by its polynomial over GF(32) in 75 bits.
#include "stack/core/bech32.h"

namespace weft::bech32 {
namespace {

__extension__ using Residue = unsigned __int128;

constexpr Residue wide(std::uint64_t high, std::uint64_t low) { return Residue{high} << 40 | low; }  // 35 and 40 bits

constexpr std::array<Residue, 5> generator{wide(0x3d59d2735, 0x35ea62d897), wide(0x7a9becb63, 0x61c6c51507),
                                           wide(0x543f9b7e6, 0xc38d8a2a0e), wide(0x0c577eaec, 0xcf1990d13c),
                                           wide(0x1887f74f8, 0xdc71b10651)};
constexpr Residue target = wide(0x43381e570, 0xbf4798ab26);

constexpr std::array<std::uint8_t, 256> values = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(no_symbol);
    for (std::size_t i = 0; i < alphabet.size(); ++i) {
        const auto letter = static_cast<unsigned char>(alphabet[i]);
        table[letter] = std::uint8_t(i);
        if (letter >= 'a') table[letter - 'a' + 'A'] = std::uint8_t(i);
    }
    return table;
}();

Residue step(Residue residue, std::uint8_t symbol) {
    const auto top = unsigned(residue >> 70);
    residue = (residue & ((Residue{1} << 70) - 1)) << 5 ^ symbol;
    for (unsigned i = 0; i < generator.size(); ++i)
        if ((top >> i & 1) != 0) residue ^= generator[i];
    return residue;
}

// Over the prefix as BIP-173 expands it, then the symbols.
Residue polymod(std::string_view prefix, std::span<const std::uint8_t> symbols) {
    Residue residue = 1;
    for (const char letter : prefix) residue = step(residue, std::uint8_t(static_cast<unsigned char>(letter) >> 5));
    residue = step(residue, 0);
    for (const char letter : prefix) residue = step(residue, std::uint8_t(static_cast<unsigned char>(letter) & 31));
    for (const std::uint8_t symbol : symbols) residue = step(residue, symbol);
    return residue;
}

}  // namespace

std::uint8_t symbol_of(char letter) { return values[static_cast<unsigned char>(letter)]; }

Checksum checksum(std::string_view prefix, std::span<const std::uint8_t> data) {
    Residue residue = polymod(prefix, data);
    for (std::size_t i = 0; i < checksum_size; ++i) residue = step(residue, 0);
    residue ^= target;
    Checksum symbols{};
    for (std::size_t i = 0; i < checksum_size; ++i)
        symbols[i] = std::uint8_t(unsigned(residue >> 5 * (checksum_size - 1 - i)) & 31);
    return symbols;
}

bool verifies(std::string_view prefix, std::span<const std::uint8_t> symbols) { return polymod(prefix, symbols) == target; }

}  // namespace weft::bech32
