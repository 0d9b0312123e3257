// A hash table from 64-bit words to 32-bit indices: open addressing with linear probing, deletion that shifts back. The hash
// is keyed, so that who chooses the words cannot choose where they collide. A plain value.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "stack/core/fetch.h"
#include "stack/core/page_memory.h"
#include "stack/core/random.h"

namespace weft {

class FlatTable {
public:
    explicit FlatTable(const HashKey& key = {}) : key_{key} {}

    std::optional<std::uint32_t> find(std::uint64_t word) const {
        if (entries_.empty()) return std::nullopt;
        for (std::size_t at = home(word); entries_[at].used; at = after(at))
            if (entries_[at].word == word) return entries_[at].value;
        return std::nullopt;
    }

    // It will be looked for soon.
    void fetch(std::uint64_t word) const {
        if (!entries_.empty()) fetch_line(&entries_[home(word)]);
    }

    // Replaces what the word had.
    void insert(std::uint64_t word, std::uint32_t value) {
        if (3 * (size_ + 1) > 2 * entries_.size()) grow();
        std::size_t at = home(word);
        for (; entries_[at].used; at = after(at))
            if (entries_[at].word == word) {
                entries_[at].value = value;
                return;
            }
        entries_[at] = {word, value, 1};
        ++size_;
    }

    bool erase(std::uint64_t word) {
        if (entries_.empty()) return false;
        std::size_t hole = home(word);
        for (; entries_[hole].word != word || !entries_[hole].used; hole = after(hole))
            if (!entries_[hole].used) return false;
        // Whoever was pushed past the hole moves back into it, so that no search ends early.
        for (std::size_t at = after(hole); entries_[at].used; at = after(at)) {
            const std::size_t distance = (at - home(entries_[at].word)) & mask();
            if (distance < ((at - hole) & mask())) continue;
            entries_[hole] = entries_[at];
            hole = at;
        }
        entries_[hole] = {};
        --size_;
        return true;
    }

    std::size_t size() const { return size_; }
    std::size_t capacity() const { return entries_.size(); }
    static constexpr std::size_t entry_size = 16;  // bytes; between a third and two thirds of the entries are used

private:
    struct Entry {
        std::uint64_t word{0};
        std::uint32_t value{0};
        std::uint32_t used{0};
    };
    static_assert(sizeof(Entry) == entry_size);

    std::size_t mask() const { return entries_.size() - 1; }
    std::size_t after(std::size_t at) const { return (at + 1) & mask(); }

    // Three rounds of fold and multiply, which spread dense words evenly under any key, a small one too; the best bits are
    // the high ones.
    std::size_t home(std::uint64_t word) const {
        std::uint64_t h = word ^ key_.low;
        h = (h ^ h >> 32) * 0x9e37'79b9'7f4a'7c15;
        h = (h ^ h >> 29 ^ key_.high) * 0xbf58'476d'1ce4'e5b9;
        h = (h ^ h >> 32) * 0x94d0'49bb'1331'11eb;
        return std::size_t(h >> shift_);
    }

    void grow() {
        PageVector<Entry> old(entries_.empty() ? 16 : entries_.size() * 2);
        old.swap(entries_);
        shift_ = unsigned(64 - std::countr_zero(entries_.size()));
        for (const Entry& entry : old) {
            if (!entry.used) continue;
            std::size_t at = home(entry.word);
            while (entries_[at].used) at = after(at);
            entries_[at] = entry;
        }
    }

    HashKey key_;
    PageVector<Entry> entries_;
    std::size_t size_{0};
    unsigned shift_{60};
};

}  // namespace weft
