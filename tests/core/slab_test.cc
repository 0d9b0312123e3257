// The slab against a map from handle to value, with every handle that was ever given out.
#include "stack/core/slab.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace weft {
namespace {

using Number = Handle<std::uint64_t>;
using Numbers = Slab<std::uint64_t, 4>;

TEST(Slab, FindsWhatLivesAndNothingThatDied) {
    std::mt19937_64 draw{1};
    Numbers slab{5};
    std::vector<Number> ever;
    std::map<std::size_t, std::uint64_t> alive;  // by index in `ever`
    for (int step = 0; step < 60'000; ++step) {
        if (alive.empty() || draw() % 100 < (step / 5'000 % 2 == 0 ? 60 : 40)) {
            const std::uint64_t value = draw() | 1;
            const Number handle = slab.insert(value);
            ASSERT_EQ(handle.generation % 2, 1u);
            ASSERT_EQ(handle.shard(), 5u);
            alive[ever.size()] = value;
            ever.push_back(handle);
        } else {
            auto victim = alive.lower_bound(draw() % ever.size());
            if (victim == alive.end()) victim = alive.begin();
            ASSERT_TRUE(slab.erase(ever[victim->first]));
            ASSERT_FALSE(slab.erase(ever[victim->first]));
            alive.erase(victim);
        }
        ASSERT_EQ(slab.size(), alive.size());
        for (int look = 0; look < 4; ++look) {
            const std::size_t which = draw() % ever.size();
            const std::uint64_t* found = slab.find(ever[which]);
            const auto expected = alive.find(which);
            ASSERT_EQ(found != nullptr, expected != alive.end());
            if (found) { ASSERT_EQ(*found, expected->second); }
        }
    }
}

TEST(Slab, HandlesOfAnotherShardAndForgedOnesFindNothing) {
    Numbers here{1}, there{2};
    const Number mine = here.insert(1), theirs = there.insert(2);
    EXPECT_EQ(mine.index(), theirs.index());
    EXPECT_EQ(mine.generation, theirs.generation);
    EXPECT_EQ(here.find(theirs), nullptr);
    EXPECT_FALSE(there.erase(mine));
    EXPECT_EQ(here.find(Number{}), nullptr);
    std::mt19937_64 draw{2};
    for (int round = 0; round < 100'000; ++round) {
        const Number forged{std::uint32_t(draw()), std::uint32_t(draw())};
        ASSERT_TRUE(here.find(forged) == nullptr || forged == mine);
    }
}

TEST(Slab, ObjectsNeverMoveAndACopyIsItsOwn) {
    Numbers slab;
    std::vector<std::pair<Number, std::uint64_t*>> places;
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        const Number handle = slab.insert(i);
        places.emplace_back(handle, slab.find(handle));
    }
    Numbers copy = slab;
    for (const auto& [handle, place] : places) {
        ASSERT_EQ(slab.find(handle), place);
        ASSERT_NE(copy.find(handle), place);
        ASSERT_EQ(*copy.find(handle), *place);
        *copy.find(handle) += 1;
    }
    std::uint64_t value = 0;
    for (const auto& [handle, place] : places) ASSERT_EQ(*place, value++);
    // The same calls bring the same handles from both.
    for (int i = 0; i < 100; ++i) {
        const Number victim = places[std::size_t(i) * 7].first;
        ASSERT_EQ(slab.erase(victim), copy.erase(victim));
    }
    for (int i = 0; i < 200; ++i) ASSERT_EQ(slab.insert(7), copy.insert(7));
}

TEST(Slab, ErasingLetsGoOfTheValue) {
    Slab<std::vector<int>> slab;
    const auto handle = slab.insert(std::vector<int>(1'000));
    std::vector<int>* place = slab.find(handle);
    ASSERT_TRUE(slab.erase(handle));
    EXPECT_EQ(place->capacity(), 0u);
}

}  // namespace
}  // namespace weft
