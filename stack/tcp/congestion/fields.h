// The tables in which a module declares its parameters and variables: reading them as far as the module knew them, and the
// lent bytes through them, without any call into the module.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "plugins/abi/weft_plugin.h"

namespace weft::tcp {

// Bytes of a value; 0: there is no such type.
constexpr std::uint32_t field_size(std::uint16_t type) {
    switch (type) {
    case WEFT_TYPE_U8: return 1;
    case WEFT_TYPE_U32: return 4;
    case WEFT_TYPE_U64:
    case WEFT_TYPE_I64:
    case WEFT_TYPE_F64:
    case WEFT_TYPE_INSTANT:
    case WEFT_TYPE_DURATION: return 8;
    default: return 0;
    }
}

// The table as this header knows it: what lies beyond the module's own size is absent, and zero here.
inline weft_cc_v1 known_part(const weft_cc_v1& table) {
    weft_cc_v1 known{};
    std::memcpy(&known, &table, std::min<std::size_t>(table.size, sizeof known));
    return known;
}

// Field number `index`, below `count`.
inline weft_field field_at(const weft_fields& fields, std::uint32_t index) {
    weft_field field{};
    const char* const first = reinterpret_cast<const char*>(fields.at);
    std::memcpy(&field, first + std::size_t{index} * fields.stride, std::min<std::size_t>(fields.stride, sizeof field));
    return field;
}

// The value of a field that lies within the state.
inline weft_value read_field(const weft_field& field, std::span<const std::byte> state) {
    weft_value value{};
    const std::byte* const from = state.data() + field.offset;
    if (field.type == WEFT_TYPE_U8) {
        value.integer = std::to_integer<std::int64_t>(*from);
    } else if (field.type == WEFT_TYPE_U32) {
        std::uint32_t word = 0;
        std::memcpy(&word, from, sizeof word);
        value.integer = word;
    } else {
        std::memcpy(&value, from, sizeof value);
    }
    return value;
}

inline void write_field(const weft_field& field, weft_value value, std::span<std::byte> state) {
    std::byte* const to = state.data() + field.offset;
    if (field.type == WEFT_TYPE_U8) {
        *to = std::byte(value.integer);
    } else if (field.type == WEFT_TYPE_U32) {
        const auto word = std::uint32_t(value.integer);
        std::memcpy(to, &word, sizeof word);
    } else {
        std::memcpy(to, &value, sizeof value);
    }
}

// Whether a parameter may have this value. What is no number lies in no range.
inline bool within(const weft_field& field, weft_value value) {
    if (field.type == WEFT_TYPE_F64) return value.real >= field.lowest.real && value.real <= field.highest.real;
    if (field.type == WEFT_TYPE_U64)
        return std::uint64_t(value.integer) >= std::uint64_t(field.lowest.integer) &&
               std::uint64_t(value.integer) <= std::uint64_t(field.highest.integer);
    const std::int64_t most = field.type == WEFT_TYPE_U8 ? 0xff : field.type == WEFT_TYPE_U32 ? 0xffff'ffff : INT64_MAX;
    const std::int64_t least = field.type == WEFT_TYPE_U8 || field.type == WEFT_TYPE_U32 ? 0 : INT64_MIN;
    return value.integer >= std::max(field.lowest.integer, least) && value.integer <= std::min(field.highest.integer, most);
}

}  // namespace weft::tcp
