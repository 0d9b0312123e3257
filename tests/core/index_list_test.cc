// Lists by index against std::list, and the page arrays beside the slab against std::map.
#include "stack/core/index_list.h"

#include <gtest/gtest.h>

#include <list>
#include <map>
#include <random>
#include <vector>

#include "stack/core/slab.h"

namespace weft {
namespace {

TEST(IndexList, KeepsTheOrderInWhichTheyCame) {
    std::mt19937_64 draw{1};
    std::vector<Place> places(64);
    const auto place = [&](std::uint32_t index) -> Place& { return places[index]; };
    std::array<IndexList, 3> lists;
    std::array<std::list<std::uint32_t>, 3> models;
    std::map<std::uint32_t, std::size_t> member;
    for (int step = 0; step < 50'000; ++step) {
        const auto index = std::uint32_t(draw() % places.size());
        if (const auto where = member.find(index); where != member.end()) {
            lists[where->second].remove(index, place);
            models[where->second].remove(index);
            member.erase(where);
        } else {
            const std::size_t list = draw() % lists.size();
            lists[list].append(index, place);
            models[list].push_back(index);
            member[index] = list;
        }
        for (std::size_t i = 0; i < lists.size(); ++i) {
            std::vector<std::uint32_t> forward, backward;
            for (std::uint32_t at = lists[i].first; at != none; at = places[at].next) forward.push_back(at);
            for (std::uint32_t at = lists[i].last; at != none; at = places[at].previous) backward.push_back(at);
            ASSERT_EQ(forward, std::vector(models[i].begin(), models[i].end()));
            ASSERT_EQ(backward, std::vector(models[i].rbegin(), models[i].rend()));
            ASSERT_EQ(lists[i].empty(), models[i].empty());
        }
    }
}

TEST(Lent, NoIndexIsLentTwiceAndMemoryStaysWithIt) {
    std::mt19937_64 draw{2};
    Lent<std::vector<int>, 3> lent;
    std::map<std::uint32_t, int> out;
    for (int step = 0; step < 20'000; ++step) {
        if (draw() % 2 && out.size() < 300) {
            const std::uint32_t index = lent.lend();
            ASSERT_FALSE(out.contains(index));
            ASSERT_TRUE(lent[index].empty());
            lent[index].push_back(out[index] = int(draw() % 1'000'000));
        } else if (!out.empty()) {
            auto victim = out.lower_bound(std::uint32_t(draw() % 300));
            if (victim == out.end()) victim = out.begin();
            ASSERT_EQ(lent[victim->first], std::vector{victim->second});
            lent[victim->first].clear();
            lent.give_back(victim->first);
            out.erase(victim);
        }
        ASSERT_EQ(lent.out(), out.size());
    }
    const Lent<std::vector<int>, 3> copy = lent;
    for (const auto& [index, value] : out) {
        lent[index][0] = -1;
        ASSERT_EQ(copy[index], std::vector{value});
    }
}

TEST(Lent, AMillionAreLentInNoTime) {  // lending must not copy the list of the free ones each time
    Lent<int> lent;
    for (int i = 0; i < 1'000'000; ++i) lent.lend();
    EXPECT_EQ(lent.out(), 1'000'000u);
}

TEST(Slab, VisitsWhatLivesInTheOrderOfIndices) {
    std::mt19937_64 draw{3};
    Slab<int, 3> slab{9};
    std::map<std::uint32_t, Handle<int>> alive;
    for (int step = 0; step < 3'000; ++step) {
        if (draw() % 5 < 3) {
            const auto handle = slab.insert(step);
            alive[handle.index()] = handle;
            ASSERT_EQ(slab.handle(handle.index()), handle);
            ASSERT_EQ(slab[handle.index()], step);
        } else if (!alive.empty()) {
            const auto victim = std::next(alive.begin(), std::ptrdiff_t(draw() % alive.size()));
            slab.erase(victim->second);
            alive.erase(victim);
        }
    }
    std::vector<Handle<int>> seen, expected;
    slab.each([&](Handle<int> handle) { seen.push_back(handle); });
    for (const auto& [index, handle] : alive) expected.push_back(handle);
    EXPECT_EQ(seen, expected);
}

}  // namespace
}  // namespace weft
