// Where pages of objects (slab.h) and tables that grow lie: in the process's ordinary memory, or where whoever owns the process wants
// them, as in huge pages: of 10^5 flows each visit finds others, and without them the processor looks for most of their addresses, too.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

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

// A table that grows lies there, too.
template <class T>
struct PageAllocator {
    using value_type = T;
    static_assert(alignof(T) <= std::size_t(InPageMemory::line));

    PageAllocator() = default;
    template <class U>
    PageAllocator(const PageAllocator<U>&) {}

    T* allocate(std::size_t count) { return static_cast<T*>(InPageMemory::operator new(count * sizeof(T))); }
    void deallocate(T* at, std::size_t count) noexcept { InPageMemory::operator delete(at, count * sizeof(T)); }
    friend bool operator==(const PageAllocator&, const PageAllocator&) = default;
};
template <class T>
using PageVector = std::vector<T, PageAllocator<T>>;

}  // namespace weft
