// A hash table from 64-bit numbers that anybody may have chosen to 32-bit indices: open addressing with linear probing. When a
// search gets long the table takes another hash, so that no choice of numbers makes it slow. A plain value.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weft {

class PlaceTable {
public:
    static constexpr std::uint32_t none = 0xffff'ffff;  // no value; never stored

    std::uint32_t find(std::uint64_t key) const {
        if (entries_.empty()) return none;
        for (std::size_t at = home(key);; at = (at + 1) & mask())
            if (entries_[at].key == key || entries_[at].value == none) return entries_[at].value;
    }

    // Replaces what the key had.
    void insert(std::uint64_t key, std::uint32_t value) {
        if (2 * (size_ + 1) > entries_.size()) rebuild(entries_.empty() ? 64 : entries_.size() * 2);
        for (std::size_t tries = 0;; ++tries) {
            std::size_t at = home(key), length = 0;
            for (; entries_[at].value != none && entries_[at].key != key; at = (at + 1) & mask()) ++length;
            if (entries_[at].value == none) {
                if (length > longest && tries < 4) {
                    multiplier_ = multiplier_ * 0xd134'2543'de82'ef95 + 2;  // stays odd
                    rebuild(entries_.size());
                    continue;
                }
                ++size_;
            }
            entries_[at] = {key, value};
            return;
        }
    }

    bool erase(std::uint64_t key) {
        if (entries_.empty()) return false;
        std::size_t hole = home(key);
        for (; entries_[hole].key != key || entries_[hole].value == none; hole = (hole + 1) & mask())
            if (entries_[hole].value == none) return false;
        // Whoever was pushed past the hole moves back into it, so that no search ends early.
        for (std::size_t at = (hole + 1) & mask(); entries_[at].value != none; at = (at + 1) & mask()) {
            if (((at - home(entries_[at].key)) & mask()) < ((at - hole) & mask())) continue;
            entries_[hole] = entries_[at];
            hole = at;
        }
        entries_[hole] = {};
        --size_;
        return true;
    }

    std::size_t size() const { return size_; }

    // Room for so many keys at once, of an empty table.
    void reserve(std::size_t keys) {
        if (size_ == 0 && 2 * keys > entries_.size()) rebuild(std::bit_ceil(std::max<std::size_t>(2 * keys, 64)));
    }

private:
    static constexpr std::size_t longest = 64;
    struct Entry {
        std::uint64_t key{0};
        std::uint32_t value{none};
    };

    std::size_t mask() const { return entries_.size() - 1; }
    std::size_t home(std::uint64_t key) const {
        const std::uint64_t mixed = (key ^ key >> 32 ^ multiplier_ >> 40) * multiplier_;
        return std::size_t((mixed ^ mixed >> 29) * 0x9e37'79b9'7f4a'7c15 >> shift_);
    }

    void rebuild(std::size_t size) {
        std::vector<Entry> old(size);
        old.swap(entries_);
        shift_ = unsigned(64 - std::countr_zero(size));
        for (const Entry& entry : old) {
            if (entry.value == none) continue;
            std::size_t at = home(entry.key);
            while (entries_[at].value != none) at = (at + 1) & mask();
            entries_[at] = entry;
        }
    }

    std::vector<Entry> entries_;
    std::size_t size_{0};
    std::uint64_t multiplier_{0xa076'1d64'78bd'642f};
    unsigned shift_{58};
};

}  // namespace weft
