// Asking for memory before it is needed.
#pragma once

#include <cstddef>

namespace weft {

// Of a function that does nothing else the compiler would say that it has no effect, and leave out its calls: hence the asm.
[[gnu::always_inline]] inline void fetch_line(const void* at) {
    __builtin_prefetch(at);
    asm volatile("" : : "r"(at));
}

// All of it.
template <class T>
[[gnu::always_inline]] inline void fetch_whole(const T& value) {
    for (std::size_t at = 0; at < sizeof value; at += 64) fetch_line(reinterpret_cast<const std::byte*>(&value) + at);
}

}  // namespace weft
