// The units that a person writes behind a number, in configurations, options and filters alike.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weft {

struct Unit {
    std::string_view name;
    std::uint64_t factor;  // in the table's own unit
};

inline constexpr std::array<Unit, 6> duration_units{{{"ns", 1},  // nanoseconds
                                                     {"us", 1'000},
                                                     {"ms", 1'000'000},
                                                     {"s", 1'000'000'000},
                                                     {"min", 60'000'000'000},
                                                     {"h", 3'600'000'000'000}}};
inline constexpr std::array<Unit, 7> size_units{{{"B", 1},  // bytes
                                                 {"kB", 1'000},
                                                 {"MB", 1'000'000},
                                                 {"GB", 1'000'000'000},
                                                 {"KiB", 1 << 10},
                                                 {"MiB", 1 << 20},
                                                 {"GiB", 1 << 30}}};
inline constexpr std::array<Unit, 4> rate_units{
    {{"bit", 1}, {"kbit", 1'000}, {"Mbit", 1'000'000}, {"Gbit", 1'000'000'000}}};  // bits, a second

constexpr std::optional<std::uint64_t> factor_of(std::span<const Unit> units, std::string_view name) {
    for (const Unit& unit : units)
        if (unit.name == name) return unit.factor;
    return std::nullopt;
}

}  // namespace weft
