// The numbers behind the tables: parameters as a person gives them, variables as they lie in a flow's state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "plugins/abi/weft_plugin.h"

namespace weft::plugins {

// As written: whole numbers stay whole.
using Number = std::variant<std::int64_t, double>;

// "2", "-1", "0.5". nullopt: no number.
std::optional<Number> parse_number(std::string_view text);
std::string to_string(Number number);

// The number as the parameter takes it. The error says the range and the unit: "\"increase\" = 900; it must be from 1 to 64
// segments".
std::expected<weft_value, std::string> value_for(const weft_field& parameter, Number number);
Number number_of(const weft_field& parameter, weft_value value);

// What the field holds; a WEFT_KIND_STATE as the name of its value, a WEFT_KIND_FLAG as a boolean. monostate: the state is
// too short, or a WEFT_KIND_STATE has no name for what it holds.
using Shown = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string>;
Shown show(const weft_field& field, std::span<const std::byte> state);

std::string_view type_name(std::uint16_t type);   // "u32", ... of a WEFT_TYPE_*; empty: none
std::size_t type_size(std::uint16_t type);        // bytes; 0: none
std::string_view kind_name(std::uint16_t kind);   // "gauge", ... of a WEFT_KIND_*

}  // namespace weft::plugins
