// The line of equal delays against a list that is searched from end to end, and who leaves it early.
#include "stack/core/delay_line.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

namespace weft {
namespace {

Instant instant(std::int64_t ns) { return Instant::from_nanoseconds(ns); }
constexpr std::int64_t delay = 40'000'000;

TEST(DelayLine, ShowsEachEntryBeforeItsTurnAndHandsItOutOnceItIsDueInTheOrderInWhichTheyCame) {
    std::mt19937_64 draw{3};
    DelayLine line;
    std::vector<std::pair<std::int64_t, std::uint32_t>> expected;  // due, id
    std::set<std::uint32_t> shown;
    std::int64_t now = 5;
    std::size_t handed = 0;
    for (std::uint32_t id = 0; id < 20'000; ++id) {
        now += std::int64_t(draw() % 100'000);
        ASSERT_TRUE(line.takes(instant(now + delay)));
        line.push({instant(now + delay), id});
        expected.emplace_back(now + delay, id);
        if (draw() % 3 != 0) continue;
        line.advance(
            instant(now),
            [&](const DelayLine::Entry& turn) {
                ASSERT_LT(handed, expected.size());
                EXPECT_EQ(turn.id, expected[handed].second);
                EXPECT_LE(expected[handed].first, now);
                EXPECT_TRUE(shown.contains(turn.id));
                ++handed;
                line.leave();
            },
            [&](std::uint32_t soon) { shown.insert(soon); });
        ASSERT_EQ(line.next(), handed < expected.size() ? instant(expected[handed].first) : Instant::never());
        EXPECT_EQ(line.size(), expected.size() - handed);
    }
    EXPECT_GT(handed, 10'000u);
}

TEST(DelayLine, TakesNobodyWhoIsDueBeforeThoseThatAreInIt) {
    DelayLine line;
    line.push({instant(100), 1});
    EXPECT_FALSE(line.takes(instant(99)));
    EXPECT_TRUE(line.takes(instant(100)));
}

TEST(DelayLine, SiftsThoseThatCameSinceItWasSiftedAndNoneBefore) {
    DelayLine line;
    for (std::uint32_t id = 0; id < 100; ++id) line.push({instant(id), id});
    std::vector<std::uint32_t> asked;
    const auto nothing = [](const DelayLine::Entry&) {};
    line.sift(
        [&](const DelayLine::Entry& entry) {
            asked.push_back(entry.id);
            return entry.id % 3 == 0;
        },
        nothing);
    EXPECT_EQ(asked.size(), 100u);
    EXPECT_EQ(line.size(), 34u);
    asked.clear();
    line.push({instant(100), 100});
    line.sift(
        [&](const DelayLine::Entry& entry) {
            asked.push_back(entry.id);
            return true;
        },
        nothing);
    EXPECT_EQ(asked, std::vector<std::uint32_t>{100});
    std::vector<std::uint32_t> left;
    line.advance(instant(1'000), [&](const DelayLine::Entry& entry) { left.push_back(entry.id); }, [](std::uint32_t) {});
    EXPECT_EQ(left.size(), 35u);
    EXPECT_TRUE(std::is_sorted(left.begin(), left.end()));
}

TEST(DelayLine, StaysInOrderWhereWhoIsSiftedOutComesBackAtOnce) {
    DelayLine line;
    line.push({instant(40), 1});
    line.push({instant(41), 2});
    line.sift(
        [&](const DelayLine::Entry& entry) {
            if (entry.id == 1) line.leave();
            return entry.id == 2;
        },
        [&](const DelayLine::Entry& entry) {
            ASSERT_TRUE(line.takes(instant(60)));
            line.push({instant(60), entry.id});
        });
    EXPECT_EQ(line.next(), instant(41)) << "nobody is kept waiting by who came later";
    std::vector<std::uint32_t> left;
    const auto leaves = [&](const DelayLine::Entry& entry) { left.push_back(entry.id), line.leave(); };
    line.advance(instant(41), leaves, [](std::uint32_t) {});
    EXPECT_EQ(left, std::vector<std::uint32_t>{2});
    line.advance(instant(60), leaves, [](std::uint32_t) {});
    EXPECT_EQ(left, (std::vector<std::uint32_t>{2, 1}));
}

// Each owner of a place leaves with its entry still in line, as who is reset does; the next one arms a new entry in its turn.
TEST(DelayLine, OfAPlaceThatChangesHandsOneEntryIsItsOwnersHoweverManyOthersLeft) {
    DelayLine line;
    line.push({instant(1'000'000), 99, 1});  // somebody who stays, so that the line does
    for (std::uint32_t owner = 1; owner <= 50; ++owner) {
        line.push({instant(1'000'000), 7, owner});
        if (owner < 50) line.leave();
    }
    std::uint32_t looks = 0;
    for (std::int64_t now = 1'000'000; now < 1'000'005; ++now)
        line.advance(
            instant(now),
            [&](const DelayLine::Entry& entry) {
                if (entry.id != 7 || entry.owner != 50) return;
                ++looks;
                line.leave();
                line.push({instant(now + 1), entry.id, entry.owner});
            },
            [](std::uint32_t) {});
    EXPECT_EQ(looks, 5u) << "one each time";
    EXPECT_EQ(line.size(), 1u);
}

TEST(DelayLine, IsEmptyOnceTheLastThatWaitedHasLeft) {
    DelayLine line;
    line.push({instant(1), 1});
    line.push({instant(2), 2});
    line.leave();
    EXPECT_EQ(line.next(), instant(1)) << "one still waits";
    line.leave();
    EXPECT_EQ(line.next(), Instant::never());
    EXPECT_EQ(line.size(), 0u);
}

}  // namespace
}  // namespace weft
