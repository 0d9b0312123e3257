// Bytes from and to hexadecimal, for vectors.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "stack/core/bytes.h"

namespace weft::overlay {

inline std::vector<std::byte> from_hex(std::string_view text) {
    const auto digit = [](char c) { return unsigned(c <= '9' ? c - '0' : c - 'a' + 10); };
    std::vector<std::byte> out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) out.push_back(std::byte(digit(text[i]) << 4 | digit(text[i + 1])));
    return out;
}

inline std::string to_hex(Bytes bytes) {
    std::string out;
    for (const std::byte b : bytes) out += {"0123456789abcdef"[unsigned(b) >> 4], "0123456789abcdef"[unsigned(b) & 15]};
    return out;
}

}  // namespace weft::overlay
