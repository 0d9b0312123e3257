// What the command lines of all benchmarks read alike.
#pragma once

#include <charconv>
#include <cstring>
#include <system_error>
#include <type_traits>

namespace weft::bench {

// A whole number from `least` to `most` and nothing behind it. False: it is none, or `text` is null, as behind the last word.
template <class Number>
bool read_number(const char* text, std::type_identity_t<Number> least, std::type_identity_t<Number> most, Number& value) {
    if (!text) return false;
    const char* const end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    return error == std::errc{} && stop == end && value >= least && value <= most;
}

}  // namespace weft::bench
