// A hierarchical timing wheel (Varghese & Lauck): O(1) to arm, re-arm and disarm, O(1) to find the next deadline.
// Entries are indices, links are indices: the wheel is a plain value and can be copied with the engine.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "stack/core/page_memory.h"
#include "stack/core/time.h"

namespace weft {

class TimerWheel {
public:
    static constexpr int tick_bits = 10;  // one tick is 1,024 ns: a quarter of a 10 us round trip is still a timer
    static constexpr int slot_bits = 6, slots = 64, levels = 9;  // 2^54 ticks: more than any Instant has

    void arm(std::uint32_t id, Instant when) {
        if (when == Instant::never()) return disarm(id);
        if (id >= entries_.size()) entries_.resize(id + 1);
        disarm(id);
        const std::uint64_t tick = tick_of(when);
        entries_[id].tick = tick > now_ ? tick : now_ + 1;
        link(id);
    }

    // The same, unless it goes off before then anyway.
    void arm_by(std::uint32_t id, Instant when) {
        const bool soon = id < entries_.size() && entries_[id].slot != nil && entries_[id].tick <= tick_of(when);
        if (!soon) arm(id, when);
    }

    // When an entry for `when` is due: at the end of its tick, never early.
    static Instant rounded(Instant when) { return Instant::from_nanoseconds(std::int64_t(tick_of(when) << tick_bits)); }

    void disarm(std::uint32_t id) {
        if (id < entries_.size() && entries_[id].slot != nil) unlink(id);
    }

    // A lower bound on the next deadline, exact within one slot of its level. Waking at it is never late;
    // when nothing is due yet, advance() moves the slot's entries down and the next bound is closer.
    Instant next() const {
        const std::uint64_t tick = next_tick();
        if (tick > std::uint64_t(Instant::never().nanoseconds()) >> tick_bits) return Instant::never();
        return Instant::from_nanoseconds(std::int64_t(tick << tick_bits));
    }

    // `soon(id)`: it may be the turn of that one before long.
    template <class Expired>
    void advance(Instant now, Expired&& expired) {
        advance(now, expired, [](std::uint32_t) {});
    }
    template <class Expired, class Soon>
    void advance(Instant now, Expired&& expired, Soon&& soon) {
        const std::uint64_t target = std::uint64_t(now.nanoseconds()) >> tick_bits;
        for (std::uint64_t tick; (tick = next_tick()) <= target;) {
            now_ = tick;
            const Place first = lowest();
            if (const std::uint32_t later = fourth_after(first); later != nil) soon(later);
            const std::uint32_t& head = heads_[first.level * slots + first.slot];
            // Pop one by one: a callback may arm or disarm any entry, also one of this very slot.
            for (std::uint32_t id; (id = head) != nil;) {
                unlink(id);
                if (entries_[id].tick <= now_) expired(id);
                else link(id);  // cascade to a lower level
            }
        }
        if (target > now_) now_ = target;
    }

private:
    static constexpr std::uint32_t nil = 0xffff'ffff;
    static std::uint64_t tick_of(Instant when) { return std::uint64_t(when.nanoseconds() >> tick_bits) + 1; }

    struct Entry {
        std::uint64_t tick{0};
        std::uint32_t next{nil}, previous{nil}, slot{nil};
    };

    struct Place {
        std::size_t level, slot;
    };

    Place place(std::uint64_t tick) const {
        const std::size_t level = std::size_t(63 - std::countl_zero((now_ ^ tick) | (slots - 1))) / slot_bits;
        return {level, std::size_t(tick >> (level * slot_bits)) & (slots - 1)};
    }

    Place lowest() const {
        for (std::size_t level = 0; level < levels; ++level)
            if (occupied_[level]) return {level, std::size_t(std::countr_zero(occupied_[level]))};
        return {levels, 0};
    }

    // The first of the fourth slot with entries behind this one; nil: there are not so many.
    std::uint32_t fourth_after(const Place& place) const {
        if (place.level != 0) return nil;
        std::uint64_t slots_with_entries = occupied_[0] & (0 - (2ull << place.slot));
        for (int skipped = 0; skipped < 3; ++skipped) slots_with_entries &= slots_with_entries - 1;
        return slots_with_entries != 0 ? heads_[std::size_t(std::countr_zero(slots_with_entries))] : nil;
    }

    std::uint64_t next_tick() const {
        const auto [level, slot] = lowest();
        if (level == levels) return ~0ull;
        const unsigned shift = unsigned(level * slot_bits);
        const std::uint64_t base = now_ >> (shift + slot_bits) << (shift + slot_bits);
        return base | std::uint64_t(slot) << shift;
    }

    void link(std::uint32_t id) {
        const auto [level, slot] = place(entries_[id].tick);
        const std::uint32_t at = std::uint32_t(level * slots + slot);
        entries_[id] = {entries_[id].tick, heads_[at], nil, at};
        if (heads_[at] != nil) entries_[heads_[at]].previous = id;
        heads_[at] = id;
        occupied_[level] |= 1ull << slot;
    }

    void unlink(std::uint32_t id) {
        Entry& e = entries_[id];
        if (e.next != nil) entries_[e.next].previous = e.previous;
        if (e.previous != nil) entries_[e.previous].next = e.next;
        else if ((heads_[e.slot] = e.next) == nil) occupied_[e.slot / slots] &= ~(1ull << (e.slot % slots));
        e.slot = nil;
    }

    std::uint64_t now_{0};
    std::array<std::uint64_t, levels> occupied_{};
    std::array<std::uint32_t, std::size_t(levels) * slots> heads_ = [] {
        std::array<std::uint32_t, std::size_t(levels) * slots> empty;
        empty.fill(nil);
        return empty;
    }();
    PageVector<Entry> entries_;
};

}  // namespace weft
