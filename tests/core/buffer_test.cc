// Chunks, slices and write rights against a model that copies every byte.
#include "stack/core/buffer.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <vector>

namespace weft {
namespace {

using Text = std::vector<std::byte>;

Text text_of(const Slice& slice) { return {slice.bytes().begin(), slice.bytes().end()}; }

struct Held {
    Slice slice;
    Text expected;
};

TEST(Buffer, WhatASliceHasShownNeverChanges) {
    std::mt19937_64 draw{1};
    BufferPool pool{1 << 20};
    {
        std::vector<Held> held;
        std::vector<WriteRight> rights;
        for (int step = 0; step < 60'000; ++step) {
            switch (draw() % 7) {
            case 0:
                if (Chunk* chunk = pool.allocate(1 + draw() % 3'000)) rights.emplace_back(chunk);
                break;
            case 1:
                if (rights.size() > 20) rights.erase(rights.begin() + std::ptrdiff_t(draw() % rights.size()));
                break;
            case 2:
            case 3:
                if (!rights.empty()) {
                    WriteRight& right = rights[draw() % rights.size()];
                    Text text(1 + draw() % 400);
                    for (std::byte& byte : text) byte = std::byte(draw());
                    const std::uint32_t room = right.room();
                    const Slice slice = right.append(text);
                    ASSERT_EQ(slice.size(), std::min<std::size_t>(room, text.size()));
                    ASSERT_EQ(right.room(), room - slice.size());
                    text.resize(slice.size());
                    held.push_back({slice, text});
                }
                break;
            case 4:
                if (!held.empty()) {
                    const Held& from = held[draw() % held.size()];
                    const auto offset = std::uint32_t(draw() % 500), length = std::uint32_t(draw() % 500);
                    const Slice part = from.slice.sub(offset, length);
                    const std::size_t begin = std::min<std::size_t>(offset, from.expected.size());
                    const std::size_t count = std::min<std::size_t>(length, from.expected.size() - begin);
                    held.push_back({part, Text(from.expected.begin() + std::ptrdiff_t(begin),
                                               from.expected.begin() + std::ptrdiff_t(begin + count))});
                }
                break;
            case 5:
                if (held.size() > 1) {
                    Held& to = held[draw() % held.size()];
                    const std::size_t from = draw() % held.size();
                    if (draw() % 2) {
                        to = held[from];
                    } else if (&to != &held[from]) {
                        to = std::move(held[from]);
                        ASSERT_EQ(held[from].slice.size(), 0u);
                        held[from].expected.clear();
                    }
                }
                break;
            case 6:
                while (held.size() > 60) held.erase(held.begin() + std::ptrdiff_t(draw() % held.size()));
                break;
            }
            if (!held.empty()) {
                const Held& look = held[draw() % held.size()];
                ASSERT_EQ(text_of(look.slice), look.expected);
            }
        }
        for (const Held& look : held) ASSERT_EQ(text_of(look.slice), look.expected);
        ASSERT_LE(pool.owned(), std::size_t{1} << 20);
    }
    EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Buffer, ACopyOfAWriteRightMayNotWrite) {
    BufferPool pool{1 << 16};
    WriteRight right{pool.allocate(100)};
    const Text first(10, std::byte{1}), second(10, std::byte{2});
    const Slice shown = right.append(first);
    WriteRight copy = right;
    EXPECT_EQ(copy.room(), 0u);
    EXPECT_EQ(copy.append(second).size(), 0u);
    WriteRight moved = std::move(right);
    EXPECT_GT(moved.room(), 0u);
    const Slice next = moved.append(second);
    EXPECT_EQ(text_of(shown), first);
    EXPECT_EQ(text_of(next), second);
    copy = moved;
    EXPECT_EQ(copy.room(), 0u);
}

TEST(Buffer, ThePoolRefusesBeyondItsLimitAndReusesWhatComesBack) {
    BufferPool pool{10'000};
    std::vector<Slice> held;
    while (Chunk* chunk = pool.allocate(2'000)) held.emplace_back(chunk, 0, 1);
    EXPECT_EQ(held.size(), 4u);
    EXPECT_LE(pool.owned(), 10'000u);
    EXPECT_EQ(pool.in_use(), pool.owned());
    EXPECT_EQ(pool.allocate(1'000'000), nullptr);
    const std::byte* place = held.back().bytes().data();
    held.pop_back();
    Chunk* again = pool.allocate(2'000);
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(again->data(), place);
    held.emplace_back(again, 0, 1);
    held.clear();
    EXPECT_EQ(pool.in_use(), 0u);
    EXPECT_GT(pool.owned(), 0u);
}

TEST(Buffer, APoolOnceFullOfSmallChunksGivesLargeOnesAgain) {
    BufferPool pool{1 << 20};
    std::vector<Slice> held;
    while (Chunk* chunk = pool.allocate(2'048)) held.emplace_back(chunk, 0u, chunk->capacity);
    EXPECT_EQ(pool.allocate(66'000), nullptr);
    held.clear();
    EXPECT_EQ(pool.in_use(), 0u);
    while (Chunk* chunk = pool.allocate(66'000)) held.emplace_back(chunk, 0u, chunk->capacity);
    EXPECT_EQ(held.size(), (1u << 20) / 66'560);
    EXPECT_LE(pool.owned(), 1u << 20);
}

TEST(Buffer, AChunkLivesAsLongAsItsLastSlice) {
    BufferPool pool{1 << 16};
    std::optional<Slice> last;
    {
        WriteRight right{pool.allocate(256)};
        const Text text(64, std::byte{7});
        const Slice whole = right.append(text);
        last = whole.sub(32, 8);
        EXPECT_EQ(last->charge(), whole.charge());
    }
    EXPECT_GT(pool.in_use(), 0u);
    EXPECT_EQ(text_of(*last), Text(8, std::byte{7}));
    last.reset();
    EXPECT_EQ(pool.in_use(), 0u);
}

}  // namespace
}  // namespace weft
