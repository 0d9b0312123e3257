// A range of addresses for all pages of objects and growing tables of the process, of which the kernel is told that huge pages serve best
// (MADV_HUGEPAGE): it fills them as they are touched. What is given back waits for the next of its size; of what is large, as tables
// that grew, little more than the addresses.
#include "stack/link/huge_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include "stack/core/page_memory.h"

namespace weft::link {
namespace {

constexpr std::size_t range = std::size_t{1} << 36;  // bytes of addresses, not of memory
constexpr std::size_t huge = std::size_t{2} << 20, line = 64;

// What was given back lies in it: giving allocates nothing, and cannot fail.
struct Freed {
    Freed *same, *other;  // the next of this size, and where this is the first of its size: of another one
    std::size_t size;
};

constexpr std::size_t round_up(std::size_t bytes) {
    const std::size_t unit = bytes >= huge ? huge : line;
    return (bytes + unit - 1) / unit * unit;
}
static_assert(sizeof(Freed) <= line);

struct Range {
    std::mutex lock;
    std::uintptr_t begin{0}, end{0};
    std::uintptr_t next{0}, top{0};  // small ones lie below `next`, large ones from `top` on, in huge pages of their own
    Freed* freed{nullptr};  // one of each size
};

// It outlives whatever lies in it.
Range& whole() {
    static Range& only = *new Range;
    return only;
}

// All but the page that says that it is free goes back to the kernel.
void empty(std::uintptr_t at, std::size_t size) {
    const auto page = std::size_t(::sysconf(_SC_PAGESIZE));
    ::madvise(reinterpret_cast<void*>(at + page), size - page, MADV_DONTNEED);
}

// Where the first of a size is named, or would be.
Freed** first_of(Range& all, std::size_t size) {
    Freed** at = &all.freed;
    while (*at && (*at)->size != size) at = &(*at)->other;
    return at;
}

void* take(std::size_t bytes) {
    Range& all = whole();
    const std::size_t size = round_up(bytes);
    const std::lock_guard guard{all.lock};
    if (Freed** const warm = first_of(all, size); *warm) {
        Freed* const at = *warm;
        if (at->same) at->same->other = at->other;
        *warm = at->same ? at->same : at->other;
        return at;
    }
    if (size > all.top - all.next) return nullptr;
    if (size >= huge) return reinterpret_cast<void*>(all.top -= size);
    return reinterpret_cast<void*>(std::exchange(all.next, all.next + size));
}

bool give(void* at, std::size_t bytes) noexcept {
    Range& all = whole();
    const auto place = reinterpret_cast<std::uintptr_t>(at);
    if (place < all.begin || place >= all.end) return false;
    const std::size_t size = round_up(bytes);
    if (size >= huge) empty(place, size);
    const std::lock_guard guard{all.lock};
    Freed** const warm = first_of(all, size);
    *warm = new (at) Freed{*warm, *warm ? (*warm)->other : nullptr, size};
    return true;
}

}  // namespace

bool use_huge_pages() {
    Range& all = whole();
    const std::lock_guard guard{all.lock};
    if (all.begin != 0) return true;
    void* const at = ::mmap(nullptr, range, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return false;
    if (::madvise(at, range, MADV_HUGEPAGE) != 0) {
        ::munmap(at, range);
        return false;
    }
    all.begin = reinterpret_cast<std::uintptr_t>(at);
    all.end = all.begin + range;
    all.next = (all.begin + huge - 1) / huge * huge;
    all.top = all.end / huge * huge;
    page_memory = {take, give};
    return true;
}

}  // namespace weft::link
