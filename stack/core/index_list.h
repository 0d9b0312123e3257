// Doubly linked lists of things that are named by an index: joining and leaving are O(1) and allocate nothing, and a list is a
// plain value. `place(index)` says where a thing keeps its links.
#pragma once

#include <cstdint>

namespace weft {

inline constexpr std::uint32_t none = 0xffff'ffff;  // an index that names nothing

struct Place {
    std::uint32_t next{none}, previous{none};
};

struct IndexList {
    std::uint32_t first{none}, last{none};

    bool empty() const { return first == none; }

    template <class PlaceOf>
    void append(std::uint32_t index, PlaceOf&& place) {
        place(index) = {none, last};
        (last == none ? first : place(last).next) = index;
        last = index;
    }

    // Behind `after`; at the front, if that is none.
    template <class PlaceOf>
    void insert_after(std::uint32_t index, std::uint32_t after, PlaceOf&& place) {
        const std::uint32_t next = after == none ? first : place(after).next;
        place(index) = {next, after};
        (after == none ? first : place(after).next) = index;
        (next == none ? last : place(next).previous) = index;
    }

    template <class PlaceOf>
    void remove(std::uint32_t index, PlaceOf&& place) {
        // Each for itself: a read of both waits for the cache while a write of one of them is still on its way there.
        const std::uint32_t next = place(index).next, previous = place(index).previous;
        (previous == none ? first : place(previous).next) = next;
        (next == none ? last : place(next).previous) = previous;
        place(index) = {};
    }
};

}  // namespace weft
