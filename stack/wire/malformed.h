// Why a packet could not be read: an error value, for nothing that a wire delivers may reach an assert.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

namespace weft::wire {

enum class Malformed : std::uint8_t {
    truncated,   // fewer bytes than the fixed header, or than a length field says
    length,      // a length field that its own header contradicts
    version,     // not the version that the parser is for
    option,      // a TCP or IPv6 option with an illegal length
    refused,     // IPv6: an option or routing header whose sender asked that we discard it unread
    too_many,    // IPv6: more extension headers than anyone needs
};

constexpr std::string_view to_string(Malformed why) {
    switch (why) {
    case Malformed::truncated: return "truncated";
    case Malformed::length: return "contradictory length";
    case Malformed::version: return "wrong version";
    case Malformed::option: return "illegal option length";
    case Malformed::refused: return "option to be discarded";
    case Malformed::too_many: return "too many extension headers";
    }
    return "malformed";
}

template <class T>
using Parsed = std::expected<T, Malformed>;

}  // namespace weft::wire
