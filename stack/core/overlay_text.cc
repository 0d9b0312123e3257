// Overlay addresses as text: 512 bits in 103 symbols of five, most significant bit first, three zero bits of padding, and
// 15 symbols of checksum (docs/wire.md).
#include <algorithm>

#include "stack/core/address_text.h"
#include "stack/core/bech32.h"
#include "stack/core/checksum.h"
#include "stack/core/lower_case.h"

namespace weft {
namespace {

constexpr std::string_view prefix = "weft";
constexpr std::size_t data_size = 103, symbol_count = data_size + bech32::checksum_size;  // symbols
constexpr std::size_t first_label = 60;  // symbols of the host name's first label: DNS allows 63
static_assert(prefix.size() + 1 + symbol_count == OverlayFamily::text_size);

using Symbols = std::array<std::uint8_t, symbol_count>;

std::unexpected<ParseError> mistake(ParseError::Kind kind, std::size_t at) {
    return std::unexpected(ParseError{kind, std::uint32_t(at)});
}

bool same_letters(std::string_view text, std::string_view word) {
    return std::ranges::equal(text, word, [](char a, char b) { return lower_case(a) == b; });
}

Symbols symbols_of(std::span<const std::byte> bytes) {
    Symbols symbols{};
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit)
        if ((bytes[bit / 8] & std::byte(0x80 >> bit % 8)) != std::byte{0}) symbols[bit / 5] |= std::uint8_t(0x10 >> bit % 5);
    const auto sum = bech32::checksum(prefix, std::span{symbols}.first(data_size));
    std::copy(sum.begin(), sum.end(), symbols.begin() + data_size);
    return symbols;
}

std::string letters_of(std::span<const std::uint8_t> symbols) {
    std::string out;
    for (const std::uint8_t symbol : symbols) out += bech32::alphabet[symbol];
    return out;
}

std::string join(std::string_view a, std::string_view b, std::string_view c) {
    std::string out;
    out.reserve(a.size() + b.size() + c.size());
    return out.append(a).append(b).append(c);
}

// The symbols of either form, where `skip` is the index of the host name's dot (or beyond the end), up to `end`.
std::expected<Symbols, ParseError> read_symbols(std::string_view text, std::size_t begin, std::size_t end,
                                                std::size_t skip) {
    Symbols symbols{};
    std::size_t count = 0;
    for (std::size_t at = begin; at < end; ++at) {
        if (at == skip && text[at] == '.') continue;
        const std::uint8_t symbol = bech32::symbol_of(text[at]);
        if (symbol == bech32::no_symbol) return mistake(ParseError::bad_character, at);
        if (count == symbol_count) return mistake(ParseError::wrong_length, at);
        symbols[count++] = symbol;
    }
    if (count < symbol_count || (skip < end && text[skip] != '.')) return mistake(ParseError::wrong_length, end);
    return symbols;
}

}  // namespace

std::expected<Address, ParseError> OverlayFamily::parse(std::string_view text) {
    if (text.empty()) return mistake(ParseError::empty, 0);
    const bool host_name =
        text.size() >= 5 && text[text.size() - 5] == '.' && same_letters(text.substr(text.size() - 4), prefix);
    const bool plain = text.size() > prefix.size() && same_letters(text.substr(0, 4), prefix) && text[4] == '1';
    if (!host_name && !plain) return mistake(ParseError::unknown_family, 0);
    const auto symbols =
        plain ? read_symbols(text, 5, text.size(), text.size()) : read_symbols(text, 0, text.size() - 5, first_label);
    if (!symbols) return std::unexpected(symbols.error());
    if (!bech32::verifies(prefix, *symbols)) return mistake(ParseError::bad_checksum, 0);

    std::array<std::byte, size> bytes{};
    for (std::size_t bit = 0; bit < data_size * 5; ++bit) {
        if (((*symbols)[bit / 5] & 0x10 >> bit % 5) == 0) continue;
        if (bit >= size * 8) return mistake(ParseError::bad_padding, plain ? 5 + data_size - 1 : data_size);
        bytes[bit / 8] |= std::byte(0x80 >> bit % 8);
    }
    return Address{family, bytes};
}

std::string OverlayFamily::format(const Address& address) {
    if (address.bytes().size() != size) return {};
    return join(prefix, "1", letters_of(symbols_of(address.bytes())));
}

std::string OverlayFamily::format_host_name(const Address& address) {
    if (address.bytes().size() != size) return {};
    std::string out = letters_of(symbols_of(address.bytes()));
    out.insert(first_label, 1, '.');
    return out.append(".").append(prefix);
}

std::uint32_t OverlayFamily::pseudo_sum(const Address& address) { return checksum::sum(address.bytes()); }

std::string format_short_form(const Address& address) {
    if (address.bytes().size() != OverlayFamily::size) return {};
    const Symbols symbols = symbols_of(address.bytes());
    std::string out = letters_of(std::span{symbols}.first(16));
    for (const std::size_t at : {12u, 8u, 4u}) out.insert(at, 1, '-');
    return join(prefix, ":", out);
}

std::expected<ShortForm, ParseError> parse_short_form(std::string_view text) {
    if (text.empty()) return mistake(ParseError::empty, 0);
    if (text.size() < 5 || !same_letters(text.substr(0, 4), prefix) || text[4] != ':')
        return mistake(ParseError::unknown_family, 0);
    constexpr std::size_t whole = 5 + 16 + 3;
    ShortForm bytes{};
    std::size_t bit = 0;
    for (std::size_t at = 5; at < text.size(); ++at) {
        if (at == whole) return mistake(ParseError::wrong_length, at);
        if ((at - 5) % 5 == 4) {
            if (text[at] != '-') return mistake(ParseError::bad_character, at);
            continue;
        }
        const std::uint8_t symbol = bech32::symbol_of(text[at]);
        if (symbol == bech32::no_symbol) return mistake(ParseError::bad_character, at);
        for (unsigned i = 0; i < 5; ++i, ++bit)
            if ((symbol & 0x10 >> i) != 0) bytes[bit / 8] |= std::byte(0x80 >> bit % 8);
    }
    if (text.size() < whole) return mistake(ParseError::wrong_length, text.size());
    return bytes;
}

bool begins_with(const Address& address, const ShortForm& short_form) {
    return address.bytes().size() == OverlayFamily::size &&
           std::equal(short_form.begin(), short_form.end(), address.bytes().begin());
}

}  // namespace weft
