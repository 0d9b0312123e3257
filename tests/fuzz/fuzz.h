// What fuzz targets share: the input as bytes, a check that stops the run, and a source of choices taken from the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "stack/core/bytes.h"

namespace weft::fuzz {

inline Bytes bytes_of(const std::uint8_t* data, std::size_t size) { return std::as_bytes(std::span{data, size}); }

[[noreturn]] inline void broken(const char* what, const char* file, int line) {
    std::fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
    std::abort();
}

}  // namespace weft::fuzz

// Stays in every build type, unlike assert().
#define FUZZ_CHECK(condition) \
    do { \
        if (!(condition)) ::weft::fuzz::broken(#condition, __FILE__, __LINE__); \
    } while (false)
