// Labels: slots, generations and limits (docs/wire.md).
#include "overlay/label_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace weft::overlay {
namespace {

TEST(LabelTable, FreedSlotsAreReusedFirstInFirstOutUnderANewGeneration) {
    LabelTable table{100};
    std::vector<Label> first;
    for (std::uint32_t i = 0; i < 10; ++i) first.push_back(table.allocate(1, i));
    for (const int i : {3, 7, 1}) table.free(first[std::size_t(i)]);
    EXPECT_EQ(table.size(), 7u);
    for (const int i : {3, 7, 1}) {
        const Label again = table.allocate(2, 50);
        EXPECT_EQ(index_of(again), index_of(first[std::size_t(i)]));
        EXPECT_NE(generation_of(again), generation_of(first[std::size_t(i)]));
        EXPECT_EQ(table.find(first[std::size_t(i)]), nullptr);
        LabelDrop why{};
        EXPECT_EQ(table.look_up(2, first[std::size_t(i)], why), nullptr);
        EXPECT_EQ(why, LabelDrop::stale_generation);
        EXPECT_EQ(table.look_up(1, again, why), nullptr);
        EXPECT_EQ(why, LabelDrop::wrong_link);
        EXPECT_NE(table.look_up(2, again, why), nullptr);
    }
    EXPECT_EQ(index_of(table.allocate(1, 0)), 10u);   // none is free: a new slot
}

TEST(LabelTable, GenerationIsNeverZero) {
    LabelTable table{1};
    std::set<std::uint8_t> seen;
    for (int i = 0; i < 600; ++i) {
        const Label label = table.allocate(1, 0);
        ASSERT_NE(label, 0u);
        EXPECT_TRUE(is_label(label));
        seen.insert(generation_of(label));
        EXPECT_EQ(table.allocate(1, 0), 0u);   // full
        table.free(label);
        table.free(label);   // once is enough
        EXPECT_EQ(table.size(), 0u);
    }
    EXPECT_EQ(seen.size(), 255u);
}

TEST(LabelTable, MoveGivesTheSlotToAnotherNeighbour) {
    LabelTable table{4};
    const Label label = table.allocate(1, 9), moved = table.move(label, 2);
    EXPECT_EQ(index_of(moved), index_of(label));
    EXPECT_EQ(table.find(label), nullptr);
    EXPECT_EQ(table.find(moved)->in_link, 2);
    EXPECT_EQ(table.find(moved)->path, 9u);
    EXPECT_EQ(table.size(), 1u);
    EXPECT_EQ(table.move(label, 3), 0u);
}

TEST(LabelTable, AgreesWithAMapOverRandomUse) {
    std::mt19937_64 random{5};
    LabelTable table{500};
    std::map<Label, LinkNumber> model;
    for (int i = 0; i < 50'000; ++i) {
        if (random() % 2 == 0) {
            const LinkNumber link = LinkNumber(1 + random() % 5);
            const Label label = table.allocate(link, 0);
            ASSERT_EQ(label == 0, model.size() == 500);
            ASSERT_TRUE(label == 0 || model.emplace(label, link).second);
        } else if (!model.empty()) {
            auto at = model.begin();
            std::advance(at, std::ptrdiff_t(random() % std::min<std::size_t>(model.size(), 9)));
            table.free(at->first);
            model.erase(at);
        }
        ASSERT_EQ(table.size(), model.size());
        const Label guess = make_label(std::uint32_t(random() % 520), std::uint8_t(1 + random() % 3));
        LabelDrop why{};
        const LinkNumber in = LinkNumber(1 + random() % 5);
        const auto known = model.find(guess);
        ASSERT_EQ(table.look_up(in, guess, why) != nullptr, known != model.end() && known->second == in);
    }
    EXPECT_LE(table.memory(), 500 * sizeof(LabelEntry) + 4'096 * sizeof(LabelEntry));
}

}  // namespace
}  // namespace weft::overlay
