// The range that huge pages are asked for: what is given back is taken again by its size, and is nobody else's meanwhile.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "stack/core/page_memory.h"
#include "stack/link/huge_pages.h"

namespace weft::link {
namespace {

TEST(HugePages, WhatIsGivenBackIsTakenAgainByItsSizeInAnyOrder) {
    if (!use_huge_pages()) GTEST_SKIP() << "the kernel knows no MADV_HUGEPAGE";
    const PageMemory memory = std::exchange(page_memory, {});  // of this test alone
    constexpr std::size_t sizes[]{64, 100, 4'096, 70'000};
    std::vector<std::pair<std::size_t, void*>> taken;
    std::set<void*> all;
    for (int round = 0; round < 5; ++round)
        for (const std::size_t size : sizes) {
            void* const at = memory.take(size);
            ASSERT_NE(at, nullptr);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % 64, 0u);
            std::memset(at, 0xff, size);
            taken.emplace_back(size, at);
            all.insert(at);
        }
    EXPECT_EQ(all.size(), 20u);
    const std::vector<int> orders[]{{3, 1, 0, 2}, {0, 1, 2, 3}, {2, 3, 1, 0}};
    for (const std::vector<int>& order : orders) {
        for (const int which : order)
            for (const auto& [size, at] : taken)
                if (size == sizes[which]) { EXPECT_TRUE(memory.give(at, size)); }
        std::set<void*> again;
        for (auto& [size, at] : taken) {
            at = memory.take(size);
            std::memset(at, 0xff, size);
            EXPECT_TRUE(all.contains(at)) << size;
            again.insert(at);
        }
        EXPECT_EQ(again, all) << "each once, and nothing new";
    }
    int other = 0;
    EXPECT_FALSE(memory.give(&other, sizeof other));
    for (const auto& [size, at] : taken) EXPECT_TRUE(memory.give(at, size));
}

}  // namespace
}  // namespace weft::link
