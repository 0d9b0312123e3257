// Conversions that neither round nor wrap: what does not fit is refused.
#include "plugins/host/values.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

namespace weft::plugins {
namespace {

template <class T>
T read(std::span<const std::byte> state, std::uint32_t offset) {
    T value{};
    std::memcpy(&value, state.data() + offset, sizeof value);
    return value;
}

std::string range_of(const weft_field& p) {
    const std::string unit = p.unit && *p.unit ? fmt::format(" {}", p.unit) : std::string{};
    return fmt::format("from {} to {}{}", to_string(number_of(p, p.lowest)), to_string(number_of(p, p.highest)), unit);
}

}  // namespace

std::optional<Number> parse_number(std::string_view text) {
    const char* const end = text.data() + text.size();
    std::int64_t whole = 0;
    if (const auto got = std::from_chars(text.data(), end, whole); got.ec == std::errc{} && got.ptr == end) return whole;
    double real = 0;
    const auto got = std::from_chars(text.data(), end, real);
    if (got.ec != std::errc{} || got.ptr != end || !std::isfinite(real)) return std::nullopt;
    return real;
}

std::string to_string(Number number) {
    return std::visit([](auto value) { return fmt::format("{}", value); }, number);
}

std::expected<weft_value, std::string> value_for(const weft_field& p, Number number) {
    const auto wrong = [&] {
        return std::unexpected(fmt::format("\"{}\" = {}; it must be {}", p.name, to_string(number), range_of(p)));
    };
    weft_value value{};
    if (p.type == WEFT_TYPE_F64) {
        value.real = std::visit([](auto n) { return double(n); }, number);
        if (!(value.real >= p.lowest.real && value.real <= p.highest.real)) return wrong();
        return value;
    }
    if (const auto* real = std::get_if<double>(&number); real) {
        if (*real != std::floor(*real))
            return std::unexpected(fmt::format("\"{}\" = {}; it must be a whole number {}", p.name, *real, range_of(p)));
        if (std::abs(*real) > 9e15) return wrong();
        value.integer = std::int64_t(*real);
    } else {
        value.integer = std::get<std::int64_t>(number);
    }
    if (value.integer < p.lowest.integer || value.integer > p.highest.integer) return wrong();
    return value;
}

Number number_of(const weft_field& parameter, weft_value value) {
    if (parameter.type == WEFT_TYPE_F64) return value.real;
    return value.integer;
}

Shown show(const weft_field& field, std::span<const std::byte> state) {
    const std::size_t size = type_size(field.type);
    if (size == 0 || field.offset > state.size() || state.size() - field.offset < size) return {};
    if (field.type == WEFT_TYPE_F64) return read<double>(state, field.offset);
    const bool is_signed = field.type >= WEFT_TYPE_I64;
    const std::uint64_t value = size == 1   ? read<std::uint8_t>(state, field.offset)
                                : size == 4 ? read<std::uint32_t>(state, field.offset)
                                            : read<std::uint64_t>(state, field.offset);
    if (field.kind == WEFT_KIND_FLAG) return value != 0;
    if (field.kind == WEFT_KIND_STATE && field.names) {
        for (std::uint64_t i = 0; field.names[i]; ++i)
            if (i == value) return std::string(field.names[i]);
        return {};
    }
    if (is_signed) return std::int64_t(value);
    return value;
}

std::string_view type_name(std::uint16_t type) {
    constexpr std::array<std::string_view, 8> names{"", "u8", "u32", "u64", "i64", "f64", "instant", "duration"};
    return type < names.size() ? names[type] : std::string_view{};
}

std::size_t type_size(std::uint16_t type) {
    constexpr std::array<std::size_t, 8> sizes{0, 1, 4, 8, 8, 8, 8, 8};
    return type < sizes.size() ? sizes[type] : 0;
}

std::string_view kind_name(std::uint16_t kind) {
    constexpr std::array<std::string_view, 5> names{"", "gauge", "counter", "state", "flag"};
    return kind < names.size() ? names[kind] : std::string_view{};
}

}  // namespace weft::plugins
