// Decimal fractions are read exactly, in integers: "0.1ms" is 100,000 ns and nothing near it.
#include "node/units.h"

#include <array>
#include <span>
#include <string>

#include "stack/core/units.h"

namespace weft::node {
namespace {

__extension__ using Wide = unsigned __int128;

struct Decimal {
    std::uint64_t digits{0};    // the number without its point
    std::uint64_t divisor{1};   // 10 to the digits after it
    std::string_view rest;      // what follows
};

std::expected<Decimal, UnitError> parse_decimal(std::string_view text) {
    Decimal number;
    std::size_t at = 0, whole = 0, fraction = 0;
    bool point = false;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '.' && !point && whole > 0) point = true;
        else if (c >= '0' && c <= '9') {
            if (whole + fraction == 18) return std::unexpected("has too many digits");
            number.digits = number.digits * 10 + std::uint64_t(c - '0');
            if (point) number.divisor *= 10;
            ++(point ? fraction : whole);
        } else break;
    }
    if (whole == 0) return std::unexpected(text.starts_with('-') ? "is negative" : "does not begin with a number");
    if (point && fraction == 0) return std::unexpected("has no digits after its point");
    number.rest = text.substr(at);
    return number;
}

// The number times its unit's factor, if that is a whole number of at most `limit`.
std::expected<std::uint64_t, UnitError> parse_with(std::span<const Unit> units, std::string_view text, std::uint64_t limit,
                                                   UnitError too_large, UnitError not_whole) {
    const auto number = parse_decimal(text);
    if (!number) return std::unexpected(number.error());
    if (number->rest.empty()) return std::unexpected(no_unit);
    if (const auto factor = factor_of(units, number->rest)) {
        const Wide product = Wide{number->digits} * *factor;
        if (product % number->divisor != 0) return std::unexpected(not_whole);
        if (product / number->divisor > limit) return std::unexpected(too_large);
        return std::uint64_t(product / number->divisor);
    }
    return std::unexpected(number->rest.front() == ' ' ? "has a space before its unit" : "has an unknown unit");
}

}  // namespace

std::expected<Duration, UnitError> parse_duration(std::string_view text) {
    constexpr std::uint64_t thousand_days = 86'400'000ull * 1'000'000'000;
    const auto ns =
        parse_with(duration_units, text, thousand_days, "is longer than 1000 days", "is finer than a nanosecond");
    if (!ns) return std::unexpected(ns.error());
    return Duration::nanoseconds(std::int64_t(*ns));
}

std::expected<std::uint64_t, UnitError> parse_size(std::string_view text) {
    return parse_with(size_units, text, 1ull << 50, "is larger than 2^50 bytes", "is not a whole number of bytes");
}

std::expected<std::uint32_t, UnitError> parse_percent(std::string_view text) {
    static constexpr std::array<Unit, 1> units{{{"%", 10'000}}};
    const auto ppm = parse_with(units, text, 1'000'000, "is more than 100%", "is finer than a part per million");
    if (!ppm) return std::unexpected(ppm.error());
    return std::uint32_t(*ppm);
}

std::expected<std::uint64_t, UnitError> parse_rate(std::string_view text) {
    const auto bits =
        parse_with(rate_units, text, 1ull << 53, "is more than 2^53 bits a second", "is not a whole number of bits");
    if (!bits) return std::unexpected(bits.error());
    if (*bits % 8 != 0) return std::unexpected("is not a whole number of bytes a second");
    return *bits / 8;
}

}  // namespace weft::node
