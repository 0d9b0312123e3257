// Where pages of objects lie (slab.h): in the process's ordinary memory, or where whoever owns the process wants them, as in huge
// pages: of 10^5 flows each visit finds others, and without them the processor looks for most of their addresses, too.
#pragma once

#include <cstddef>
#include <new>

namespace weft {

// Two functions, both or none. `take` gives memory aligned to a line of the cache, or nullptr: then the ordinary one serves. `give`
// takes back what `take` gave and says so, of any thread; false: it never gave it. To be set before the first object.
struct PageMemory {
    void* (*take)(std::size_t bytes){nullptr};
    bool (*give)(void* at, std::size_t bytes) noexcept {nullptr};
};
inline constinit PageMemory page_memory;

// What derives from it lies there.
struct InPageMemory {
    static constexpr std::align_val_t line{64};

    static void* operator new(std::size_t bytes) {
        void* const at = page_memory.take ? page_memory.take(bytes) : nullptr;
        return at ? at : ::operator new(bytes, line);
    }
    static void* operator new(std::size_t bytes, std::align_val_t) { return operator new(bytes); }
    static void operator delete(void* at, std::size_t bytes) noexcept {
        if (!page_memory.give || !page_memory.give(at, bytes)) ::operator delete(at, line);
    }
    static void operator delete(void* at, std::size_t bytes, std::align_val_t) noexcept { operator delete(at, bytes); }
};

}  // namespace weft
