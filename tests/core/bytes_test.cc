// Loads, stores, Reader and Writer, against shifts of single bytes.
#include "stack/core/bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace weft {
namespace {

template <class T>
void check_orders(std::mt19937_64& draw) {
    std::array<std::byte, 24> bytes{};
    const std::size_t at = draw() % 16;
    const T value = T(draw());
    store_big(bytes.data() + at, value);
    for (std::size_t i = 0; i < sizeof(T); ++i)
        ASSERT_EQ(bytes[at + i], std::byte(std::uint64_t{value} >> 8 * (sizeof(T) - 1 - i)));
    ASSERT_EQ(load_big<T>(bytes.data() + at), value);
    store_little(bytes.data() + at, value);
    for (std::size_t i = 0; i < sizeof(T); ++i) ASSERT_EQ(bytes[at + i], std::byte(std::uint64_t{value} >> 8 * i));
    ASSERT_EQ(load_little<T>(bytes.data() + at), value);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i < at || i >= at + sizeof(T)) { ASSERT_EQ(bytes[i], std::byte{0}); }
    }
}

TEST(Bytes, BothOrdersAtAnyAlignment) {
    std::mt19937_64 draw{1};
    for (int round = 0; round < 5'000; ++round) {
        check_orders<std::uint8_t>(draw);
        check_orders<std::uint16_t>(draw);
        check_orders<std::uint32_t>(draw);
        check_orders<std::uint64_t>(draw);
    }
}

TEST(Bytes, WhatAWriterWroteAReaderReads) {
    std::mt19937_64 draw{2};
    for (int round = 0; round < 20'000; ++round) {
        std::vector<std::byte> room(draw() % 64);
        Writer to{room};
        std::vector<std::pair<int, std::uint64_t>> script;
        std::size_t size = 0;
        bool fits = true;
        for (std::size_t count = draw() % 16; count > 0; --count) {
            const int kind = int(draw() % 5);
            const std::uint64_t value = draw();
            const std::size_t width = kind == 0 ? 1 : kind == 1 ? 2 : kind == 2 ? 4 : kind == 3 ? 8 : value % 6;
            switch (kind) {
            case 0: to.u8(std::uint8_t(value)); break;
            case 1: to.big(std::uint16_t(value)); break;
            case 2: to.little(std::uint32_t(value)); break;
            case 3: to.big(value); break;
            case 4: to.zeros(width); break;
            }
            fits = fits && size + width <= room.size();
            if (fits) {
                size += width;
                script.emplace_back(kind, value);
            }
            ASSERT_EQ(to.ok(), fits);  // once it failed it stays so, even for what would have fitted
            ASSERT_EQ(to.size(), size);
        }
        Reader from{to.written()};
        for (const auto& [kind, value] : script) {
            switch (kind) {
            case 0: ASSERT_EQ(from.u8(), std::uint8_t(value)); break;
            case 1: ASSERT_EQ(from.big<std::uint16_t>(), std::uint16_t(value)); break;
            case 2: ASSERT_EQ(from.little<std::uint32_t>(), std::uint32_t(value)); break;
            case 3: ASSERT_EQ(from.big<std::uint64_t>(), value); break;
            case 4:
                for (const std::byte byte : from.take(value % 6)) ASSERT_EQ(byte, std::byte{0});
                break;
            }
        }
        ASSERT_TRUE(from.ok());
        ASSERT_EQ(from.left(), 0u);
        ASSERT_EQ(from.u8(), 0u);
        ASSERT_FALSE(from.ok());
    }
}

TEST(Bytes, AReaderThatFailedYieldsNothingMore) {
    std::array<std::byte, 6> bytes;
    bytes.fill(std::byte{0xff});
    Reader from{bytes};
    EXPECT_EQ(from.big<std::uint32_t>(), 0xffff'ffffu);
    EXPECT_EQ(from.big<std::uint32_t>(), 0u);
    EXPECT_FALSE(from.ok());
    EXPECT_EQ(from.u8(), 0u);  // though two bytes were left
    std::array<std::byte, 3> copied;
    copied.fill(std::byte{0x11});
    from.copy(copied);
    EXPECT_EQ(copied, (std::array<std::byte, 3>{}));
    EXPECT_FALSE(from.ok());
}

TEST(Bytes, TakingNothingFromAnEmptyReaderIsNoFailure) {
    Reader from{Bytes{}};
    EXPECT_TRUE(from.take(0).empty());
    EXPECT_TRUE(from.ok());
}

}  // namespace
}  // namespace weft
