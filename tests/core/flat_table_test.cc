// The hash table against std::map, on words that are dense, sparse and alike.
#include "stack/core/flat_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace weft {
namespace {

TEST(FlatTable, FindsWhatWasInsertedAndNotErased) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        std::mt19937_64 draw{seed};
        FlatTable table{HashKey{draw(), draw()}};
        std::map<std::uint64_t, std::uint32_t> model;
        const auto word = [&]() -> std::uint64_t {
            const std::uint64_t small = draw() % 600;
            switch (seed % 4) {
            case 0: return small;                    // dense, zero among them
            case 1: return small << 32 | 0x50'0050;  // paths that differ, ports that do not
            case 2: return ~small;
            default: return small * 0x9e37'79b9'7f4a'7c15;
            }
        };
        for (int step = 0; step < 40'000; ++step) {
            const std::uint64_t w = word();
            const bool filling = step / 2'000 % 2 == 0;
            if (draw() % 100 < (filling ? 60 : 30)) {
                const auto value = std::uint32_t(draw());
                table.insert(w, value);
                model[w] = value;
            } else if (draw() % 2) {
                ASSERT_EQ(table.erase(w), model.erase(w) != 0);
            } else {
                const auto found = table.find(w);
                const auto expected = model.find(w);
                ASSERT_EQ(found.has_value(), expected != model.end());
                if (found) { ASSERT_EQ(*found, expected->second); }
            }
            ASSERT_EQ(table.size(), model.size());
        }
        const FlatTable copy = table;
        for (const auto& [w, value] : model) {
            ASSERT_EQ(table.find(w), value);
            ASSERT_EQ(copy.find(w), value);
        }
    }
}

TEST(FlatTable, AnEmptyTableFindsNothingAndTakesNoMemory) {
    FlatTable table;
    EXPECT_EQ(table.find(0), std::nullopt);
    EXPECT_FALSE(table.erase(0));
    EXPECT_EQ(table.capacity(), 0u);
}

TEST(FlatTable, StaysBetweenAThirdAndTwoThirdsFull) {
    FlatTable table{HashKey{1, 2}};
    for (std::uint64_t word = 0; word < 100'000; ++word) {
        table.insert(word << 32, std::uint32_t(word));
        ASSERT_LE(3 * table.size(), 2 * table.capacity());
        if (word > 16) { ASSERT_GE(3 * table.size() + 3, table.capacity()); }
    }
}

}  // namespace
}  // namespace weft
