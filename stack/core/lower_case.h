// Letters of ASCII as small ones, whatever the locale.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace weft {

constexpr char lower_case(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }

inline std::string lower_case(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) { return lower_case(c); });
    return out;
}

}  // namespace weft
