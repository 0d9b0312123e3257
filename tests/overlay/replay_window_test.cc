// The replay window against a set of all counters ever taken.
#include "overlay/replay_window.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace weft::overlay {
namespace {

TEST(ReplayWindow, ADuplicateIsRefusedAtEveryDistance) {
    ReplayWindow window;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        ASSERT_TRUE(window.take(i));
        ASSERT_FALSE(window.take(i));
    }
    for (std::uint64_t i = 0; i < 20'000; ++i) EXPECT_FALSE(window.take(i)) << i;
}

TEST(ReplayWindow, OnceWide8191BehindIsTakenAnd8193BehindIsNot) {
    ReplayWindow window;
    ASSERT_TRUE(window.take(100));
    ASSERT_FALSE(window.take(10));   // 90 behind: makes the window wide and counts as received itself
    ASSERT_TRUE(window.wide());
    ASSERT_TRUE(window.take(30'000));
    EXPECT_TRUE(window.take(30'000 - 8'191));
    EXPECT_FALSE(window.take(30'000 - 8'191));
    EXPECT_FALSE(window.take(30'000 - 8'192));
    EXPECT_FALSE(window.take(30'000 - 8'193));
    EXPECT_TRUE(window.take(30'000 - 8'190));
}

TEST(ReplayWindow, TheInlineWindowAllocatesNothingInOrderOrNearlySo) {
    ReplayWindow window;
    for (std::uint64_t i = 0; i < 10'000; i += 2) {
        ASSERT_TRUE(window.take(i + 1));
        ASSERT_TRUE(window.take(i));
    }
    EXPECT_FALSE(window.wide());
}

TEST(ReplayWindow, WhatLayBehindTheInlineWindowWhenItWidenedCountsAsReceived) {
    ReplayWindow window;
    for (std::uint64_t i = 0; i < 1'000; i += 2) ASSERT_TRUE(window.take(i));
    ASSERT_FALSE(window.take(1));
    ASSERT_TRUE(window.wide());
    for (std::uint64_t i = 0; i < 998; ++i) {
        const bool expected = 998 - i < 64 && i % 2 == 1;
        EXPECT_EQ(window.take(i), expected) << i;
    }
}

// The model remembers everything; the window may refuse what is old, never take anything twice, and must take what is
// new and, once it is wide, at most 8,191 behind and not from before it widened.
TEST(ReplayWindow, TheLastCounterOfAllWouldBeginItAnewAndIsRefused) {
    ReplayWindow window;
    ASSERT_TRUE(window.take(5));
    EXPECT_FALSE(window.take(~0ull));
    EXPECT_FALSE(window.take(5));
    EXPECT_TRUE(window.take(~0ull - 1));
    EXPECT_FALSE(window.take(5));
}

TEST(ReplayWindow, AgreesWithASetOverRandomOrders) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        std::mt19937_64 random{seed};
        ReplayWindow window;
        std::set<std::uint64_t> taken;
        std::uint64_t top = random() % 3 == 0 ? random() % 100'000 : 0, floor = 0;
        bool wide = false;
        for (int step = 0; step < 3'000; ++step) {
            const std::uint64_t back = random() % 4 == 0 ? random() % 9'000 : random() % 80;
            const std::uint64_t jump = random() % 50 == 0 ? random() % 20'000 : random() % 3;
            const std::uint64_t counter = random() % 2 == 0 ? top + jump : (back > top ? 0 : top - back);
            const bool got = window.take(counter);
            bool expected = !taken.contains(counter);
            if (!taken.empty() && counter < *taken.rbegin()) {
                const std::uint64_t behind = *taken.rbegin() - counter;
                if (behind >= 64 && !wide && behind < 8'192) {
                    expected = false;
                    wide = true;
                    floor = *taken.rbegin() < 63 ? 0 : *taken.rbegin() - 63;
                } else if (behind >= 64) {
                    expected = expected && wide && behind < 8'192 && counter >= floor;
                }
            }
            ASSERT_EQ(got, expected) << "seed " << seed << " step " << step << " counter " << counter << " top " << top;
            ASSERT_EQ(window.wide(), wide);
            if (got) taken.insert(counter);
            top = window.next() == 0 ? top : window.next() - 1;
        }
    }
}

}  // namespace
}  // namespace weft::overlay
