// A flat table from 32-bit numbers to small values: receiver indices (random) and the engine's paths. 0 is never a key.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weft::overlay {

template <class Value>
class IndexMap {
public:
    Value* find(std::uint32_t key) {
        if (key == 0 || slots_.empty()) return nullptr;
        for (std::size_t at = home(key); slots_[at].key != 0; at = (at + 1) & mask())
            if (slots_[at].key == key) return &slots_[at].value;
        return nullptr;
    }

    // Overwrites.
    void insert(std::uint32_t key, Value value) {
        if (Value* old = find(key)) {
            *old = std::move(value);
            return;
        }
        if ((size_ + 1) * 2 > slots_.size()) grow();
        place(key, std::move(value));
        ++size_;
    }

    void erase(std::uint32_t key) {
        if (!find(key)) return;
        std::size_t hole = home(key);
        while (slots_[hole].key != key) hole = (hole + 1) & mask();
        // Move back every later entry of the run that the hole would cut off from its home.
        for (std::size_t at = (hole + 1) & mask(); slots_[at].key != 0; at = (at + 1) & mask()) {
            if (((at - home(slots_[at].key)) & mask()) < ((at - hole) & mask())) continue;
            slots_[hole] = std::move(slots_[at]);
            hole = at;
        }
        slots_[hole] = {};
        --size_;
    }

    std::size_t size() const { return size_; }

private:
    struct Slot {
        std::uint32_t key{0};
        Value value{};
    };

    std::size_t mask() const { return slots_.size() - 1; }
    std::size_t home(std::uint32_t key) const { return (key * 0x9e37'79b1u >> 7) & mask(); }

    void place(std::uint32_t key, Value value) {
        std::size_t at = home(key);
        while (slots_[at].key != 0) at = (at + 1) & mask();
        slots_[at] = {key, std::move(value)};
    }

    void grow() {
        std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 16 : slots_.size() * 2));
        for (Slot& slot : old)
            if (slot.key != 0) place(slot.key, std::move(slot.value));
    }

    std::vector<Slot> slots_;
    std::size_t size_{0};
};

}  // namespace weft::overlay
