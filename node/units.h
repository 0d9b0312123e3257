// Numbers with units, as a person writes them into a configuration: "250ms", "64KiB", "1.5%". A unit is never guessed.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "stack/core/time.h"

namespace weft::node {

// Why a text is no such number: a part of a sentence that follows the text, such as "has no unit".
using UnitError = std::string_view;
inline constexpr UnitError no_unit = "has no unit";

// A decimal number, then ns, us, ms, s, min or h; at most 1,000 days.
std::expected<Duration, UnitError> parse_duration(std::string_view text);
inline constexpr std::string_view duration_form = "a number and one of ns, us, ms, s, min, h, such as \"250ms\"";

// A decimal number, then B, kB, MB, GB (powers of 1000) or KiB, MiB, GiB (powers of 1024); whole bytes, at most 2^50.
std::expected<std::uint64_t, UnitError> parse_size(std::string_view text);
inline constexpr std::string_view size_form = "a number and one of B, kB, MB, GB, KiB, MiB, GiB, such as \"4MiB\"";

// A decimal number from 0 to 100, then %; in parts per million, of which it must be a whole number.
std::expected<std::uint32_t, UnitError> parse_percent(std::string_view text);
inline constexpr std::string_view percent_form = "a number from 0 to 100 and %, such as \"0.5%\"";

// A decimal number, then bit, kbit, Mbit or Gbit a second (powers of 1000); in bytes a second, at most 2^50.
std::expected<std::uint64_t, UnitError> parse_rate(std::string_view text);
inline constexpr std::string_view rate_form = "a number and one of bit, kbit, Mbit, Gbit, such as \"100Mbit\"";

}  // namespace weft::node
