// Pages of objects before and after a process asked for huge ones, each in a child: what is asked for holds for a whole process.
#include "stack/link/huge_pages.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <source_location>
#include <utility>
#include <vector>

#include "stack/core/page_memory.h"
#include "stack/core/slab.h"

namespace weft::test {
namespace {

// What the range was asked since it is there.
struct WatchedPages {
    static constexpr int refused = 77;  // ends the child: the system has no such range
    static inline PageMemory range;
    static inline int taken = 0, came_back = 0, not_its_own = 0;

    static void watch() {
        range = page_memory;
        page_memory.take = [](std::size_t bytes) {
            ++taken;
            return range.take(bytes);
        };
        page_memory.give = [](void* at, std::size_t bytes) noexcept {
            const bool its_own = range.give(at, bytes);
            ++(its_own ? came_back : not_its_own);
            return its_own;
        };
    }
    static void holds(bool what, std::source_location where = std::source_location::current()) {
        if (what) return;
        std::fprintf(stderr, "%s:%u: does not hold\n", where.file_name(), unsigned(where.line()));
        std::_Exit(1);
    }
    static void come_and_go();
    static void give_and_take_again();
    static void give_large_ones();
};

void WatchedPages::come_and_go() {
    auto early = std::make_unique<Slab<std::uint64_t, 4>>();
    holds(early->find(early->insert(7)));
    if (!link::use_huge_pages()) std::_Exit(refused);
    holds(link::use_huge_pages());
    watch();
    {
        Slab<std::uint64_t, 4> numbers;
        std::vector<Handle<std::uint64_t>> handles;
        for (std::uint64_t i = 0; i < 40; ++i) handles.push_back(numbers.insert(i));
        holds(taken == 3);
        holds(reinterpret_cast<std::uintptr_t>(numbers.find(handles[0])) % 64 == 0);
        Slab<std::uint64_t, 4> copy{numbers};
        holds(taken == 6);
        *numbers.find(handles[39]) = 0;
        for (std::uint64_t i = 0; i < 40; ++i) holds(*copy.find(handles[i]) == i);
        holds(copy.find(handles[0]) != numbers.find(handles[0]));
    }
    holds(came_back == 6 && not_its_own == 0);
    const void* first = nullptr;
    for (int i = 0; i < 2; ++i) {
        Pages<std::uint32_t, 4> pages;
        pages.reach(0);
        holds(reinterpret_cast<std::uintptr_t>(&pages[0]) % 64 == 0);
        holds(pages[0] == 0);
        pages[0] = 5;
        if (i == 0) first = &pages[0];
        holds(&pages[0] == first);
        Pages<std::uint32_t, 4> copy{pages};
        holds(copy[0] == 5 && &copy[0] != &pages[0]);
        // The last to go is the first to come: `pages` is destroyed after its copy.
    }
    holds(taken == 10 && came_back == 10 && not_its_own == 0);
    early.reset();
    holds(came_back == 10 && not_its_own == 1);
    std::_Exit(0);
}

void WatchedPages::give_and_take_again() {
    if (!link::use_huge_pages()) std::_Exit(refused);
    const PageMemory memory = std::exchange(page_memory, {});  // of this test alone
    constexpr std::size_t sizes[]{64, 100, 4'096, 70'000};
    std::vector<std::pair<std::size_t, void*>> held;
    std::set<void*> all;
    for (int round = 0; round < 5; ++round)
        for (const std::size_t size : sizes) {
            void* const at = memory.take(size);
            ASSERT_NE(at, nullptr);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(at) % 64, 0u);
            std::memset(at, 0xff, size);
            held.emplace_back(size, at);
            all.insert(at);
        }
    EXPECT_EQ(all.size(), 20u);
    const std::vector<int> orders[]{{3, 1, 0, 2}, {0, 1, 2, 3}, {2, 3, 1, 0}};
    for (const std::vector<int>& order : orders) {
        for (const int which : order)
            for (const auto& [size, at] : held)
                if (size == sizes[which]) { EXPECT_TRUE(memory.give(at, size)); }
        std::set<void*> again;
        for (auto& [size, at] : held) {
            at = memory.take(size);
            std::memset(at, 0xff, size);
            EXPECT_TRUE(all.contains(at)) << size;
            again.insert(at);
        }
        EXPECT_EQ(again, all) << "each once, and nothing new";
    }
    int other = 0;
    EXPECT_FALSE(memory.give(&other, sizeof other));
    for (const auto& [size, at] : held) EXPECT_TRUE(memory.give(at, size));
}

// Tables that grew leave such behind.
void WatchedPages::give_large_ones() {
    if (!link::use_huge_pages()) std::_Exit(refused);
    const auto resident = [] {
        unsigned long all = 0, now = 0;
        std::FILE* const file = std::fopen("/proc/self/statm", "r");
        const bool read = file && std::fscanf(file, "%lu %lu", &all, &now) == 2;
        if (file) std::fclose(file);
        return read ? now * std::size_t(::sysconf(_SC_PAGESIZE)) : 0;
    };
    const std::size_t before = resident();
    ASSERT_NE(before, 0u);
    constexpr std::size_t large = std::size_t{32} << 20, small = 4'096;
    const PageMemory memory = std::exchange(page_memory, {});  // of this test alone
    void* const in_front = memory.take(small);
    void* const table = memory.take(large);
    void* const behind = memory.take(small);
    std::memset(in_front, 1, small), std::memset(table, 2, large), std::memset(behind, 3, small);
    EXPECT_GT(resident(), before + large / 2);
    EXPECT_TRUE(memory.give(table, large));
    EXPECT_LT(resident(), before + large / 2);
    EXPECT_EQ(memory.take(large), table);
    std::memset(table, 4, large);
    const auto all = [](const void* at, int what) {
        const auto* const bytes = static_cast<const unsigned char*>(at);
        return std::all_of(bytes, bytes + small, [what](unsigned char byte) { return byte == what; });
    };
    EXPECT_TRUE(all(in_front, 1));
    EXPECT_TRUE(all(behind, 3));
    for (void* const at : {in_front, behind}) EXPECT_TRUE(memory.give(at, small));
    EXPECT_TRUE(memory.give(table, large));
}

class HugePages : public ::testing::Test {
protected:
    // In a child of its own, which must succeed.
    template <class Does>
    static void in_a_child(Does&& does) {
        bool has_them = true;
        const auto ended = [&has_them](int status) {
            has_them = !WIFEXITED(status) || WEXITSTATUS(status) != WatchedPages::refused;
            return !has_them || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
        };
        EXPECT_EXIT((does(), std::_Exit(HasFailure() ? 1 : 0)), ended, "");
        if (!has_them) GTEST_SKIP() << "the kernel knows no MADV_HUGEPAGE, or gives no such range";
    }
};

TEST_F(HugePages, HoldWhatIsMadeOnceTheyAreAskedForAndTakeNothingThatWasMadeBefore) {
    in_a_child(WatchedPages::come_and_go);
}

TEST_F(HugePages, WhatIsGivenBackIsTakenAgainByItsSizeInAnyOrder) { in_a_child(WatchedPages::give_and_take_again); }

TEST_F(HugePages, WhatIsLargeGivesItsMemoryBackAndKeepsItsAddresses) { in_a_child(WatchedPages::give_large_ones); }

}  // namespace
}  // namespace weft::test
