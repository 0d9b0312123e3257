// The labels of a node: 32 bytes each, in pages that never move, found by index (docs/wire.md). What a packet needs lies in
// one entry; nothing is allocated for a packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "overlay/label.h"
#include "stack/core/index_list.h"
#include "stack/core/time.h"

namespace weft::overlay {

struct LabelEntry {
    static constexpr std::uint8_t used = 1, acked = 2, terminal = 4;

    Label out_label{0};
    LinkNumber out_link{0}, in_link{0};  // in_link: the neighbour that was given this label
    std::uint8_t generation{1};          // never 0; another one each time that the slot is given away
    std::uint8_t flags{0};
    std::uint16_t mtu{0};                // of out_link, bytes of UDP payload
    std::uint32_t expires{0};            // in ticks
    std::uint32_t packets{0};
    std::uint32_t path{0};  // its path's record, which names both labels of the pair; free: the next free slot
    std::uint64_t bytes{0};
};
static_assert(sizeof(LabelEntry) == 32);

// A tick is 2^26 ns (67 ms): 32 bits of them last nine years.
constexpr std::uint32_t tick_of(Instant when) { return std::uint32_t(std::uint64_t(when.nanoseconds()) >> 26); }
constexpr Instant instant_of(std::uint32_t tick) { return Instant::from_nanoseconds(std::int64_t(tick) << 26); }
inline constexpr std::uint32_t idle_ticks = std::uint32_t(300'000'000'000 >> 26);  // an entry lives so long after a packet

class LabelTable {
public:
    explicit LabelTable(std::uint32_t limit) : limit_{limit < index_limit ? limit : index_limit} {}

    // 0: the table is full. The oldest free slot is taken.
    Label allocate(LinkNumber in_link, std::uint32_t path);
    void free(Label label);
    // The same slot for another neighbour, under a new generation: what the old one still sends finds nothing.
    Label move(Label label, LinkNumber in_link);

    LabelEntry* find(Label label) {
        const std::uint32_t index = index_of(label);
        if (index >= made_) return nullptr;
        LabelEntry& entry = at(index);
        return (entry.flags & LabelEntry::used) != 0 && entry.generation == generation_of(label) ? &entry : nullptr;
    }
    const LabelEntry* find(Label label) const { return const_cast<LabelTable*>(this)->find(label); }

    // Bounds, load, link and generation. `why` says what was wrong.
    LabelEntry* look_up(LinkNumber in, Label label, LabelDrop& why) {
        const std::uint32_t index = index_of(label);
        if (index >= made_) return why = LabelDrop::unknown, nullptr;
        LabelEntry& entry = at(index);
        if (entry.in_link == in && entry.generation == generation_of(label)) return &entry;  // free ones have link 0
        why = (entry.flags & LabelEntry::used) == 0 ? LabelDrop::unknown
              : entry.in_link != in                 ? LabelDrop::wrong_link
                                                    : LabelDrop::stale_generation;
        return nullptr;
    }

    std::uint32_t size() const { return size_; }
    bool full() const { return size_ == limit_; }
    std::uint32_t made() const { return made_; }  // slots; label_at() takes 0 to made() - 1
    const LabelEntry* slot(std::uint32_t index) const {
        const LabelEntry& entry = pages_[index / page_size]->entries[index % page_size];
        return (entry.flags & LabelEntry::used) != 0 ? &entry : nullptr;
    }
    std::size_t memory() const { return pages_.size() * sizeof(Page); }  // bytes

private:
    static constexpr std::uint32_t index_limit = 1u << 24, page_size = 4'096;
    struct alignas(64) Page {
        LabelEntry entries[page_size];
    };

    LabelEntry& at(std::uint32_t index) { return pages_[index / page_size]->entries[index % page_size]; }

    std::vector<std::unique_ptr<Page>> pages_;
    std::uint32_t limit_, made_{0}, size_{0};
    std::uint32_t first_free_{none}, last_free_{none};  // first in, first out
};

}  // namespace weft::overlay
