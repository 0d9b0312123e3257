// The Internet checksum (RFC 1071, RFC 1624) against a loop that does what the RFC says, word by word.
#include "stack/core/checksum.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace weft::checksum {
namespace {

std::uint16_t by_the_book(Bytes bytes) {
    std::uint32_t total = 0;
    for (std::size_t at = 0; at < bytes.size(); at += 2) {
        const unsigned low = at + 1 < bytes.size() ? std::to_integer<unsigned>(bytes[at + 1]) : 0;
        total += std::to_integer<unsigned>(bytes[at]) << 8 | low;
        if (total > 0xffff) total -= 0xffff;
    }
    return std::uint16_t(total);
}

std::vector<std::byte> random_bytes(std::mt19937_64& draw, std::size_t size) {
    std::vector<std::byte> bytes(size);
    const auto kind = draw() % 4;  // all ones and all zeros are where carries and the two zeros go wrong
    for (std::byte& byte : bytes) byte = kind == 0 ? std::byte{0xff} : kind == 1 ? std::byte{0} : std::byte(draw());
    return bytes;
}

TEST(Checksum, ExampleOfRfc1071) {  // section 3
    const std::array<std::byte, 8> bytes{std::byte{0x00}, std::byte{0x01}, std::byte{0xf2}, std::byte{0x03},
                                         std::byte{0xf4}, std::byte{0xf5}, std::byte{0xf6}, std::byte{0xf7}};
    EXPECT_EQ(sum(bytes), 0xddf2);
    EXPECT_EQ(field(sum(bytes)), 0x220d);
}

TEST(Checksum, EveryLengthAndAlignmentAgreesWithTheBook) {
    std::mt19937_64 draw{1};
    for (std::size_t size = 0; size <= 700; ++size) {
        const auto bytes = random_bytes(draw, size + 64);
        for (std::size_t shift = 0; shift < 64; shift += size < 200 ? 1 : 7) {
            const Bytes part = Bytes{bytes}.subspan(shift, size);
            const std::uint16_t expected = by_the_book(part);
            ASSERT_EQ(sum(part), expected) << size << " bytes at " << shift;
            ASSERT_EQ(detail::scalar_sum(part), expected) << size << " bytes at " << shift;
        }
    }
}

TEST(Checksum, CopyingSumsCopyEveryByteAndNoOther) {
    std::mt19937_64 draw{2};
    for (int round = 0; round < 4'000; ++round) {
        const std::size_t size = draw() % 3 ? draw() % 300 : draw() % 9'000, from = draw() % 40, to = draw() % 40;
        const auto source = random_bytes(draw, size + from);
        const Bytes part = Bytes{source}.subspan(from);
        for (const auto function : {&copy_and_sum, &detail::scalar_copy_and_sum}) {
            std::vector<std::byte> target(to + size + 40, std::byte{0x5a}), expected = target;
            std::copy(part.begin(), part.end(), expected.begin() + std::ptrdiff_t(to));
            ASSERT_EQ(function(target.data() + to, part), by_the_book(part));
            ASSERT_EQ(target, expected);
        }
    }
}

TEST(Checksum, LongSpansCarryCorrectly) {
    const std::vector<std::byte> ones(1 << 20, std::byte{0xff});
    EXPECT_EQ(sum(ones), 0xffff);
    std::mt19937_64 draw{3};
    std::vector<std::byte> bytes(1 << 20);
    for (std::byte& byte : bytes) byte = std::byte(draw());
    EXPECT_EQ(sum(bytes), by_the_book(bytes));
    EXPECT_EQ(sum(bytes), detail::scalar_sum(bytes));
}

TEST(Checksum, SumsOfPartsAppendToTheSumOfTheWhole) {
    std::mt19937_64 draw{4};
    for (int round = 0; round < 20'000; ++round) {
        const auto bytes = random_bytes(draw, draw() % 400);
        std::uint16_t whole = 0;
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t length = std::min<std::size_t>(1 + draw() % 50, bytes.size() - at);
            whole = append(whole, at, sum(Bytes{bytes}.subspan(at, length)));
            at += length;
        }
        ASSERT_EQ(whole, by_the_book(bytes));
    }
}

TEST(Checksum, UpdatingAFieldIsSummingAgain) {  // RFC 1624
    std::mt19937_64 draw{5};
    for (int round = 0; round < 20'000; ++round) {
        auto bytes = random_bytes(draw, 20 + draw() % 40 * 2);
        store_big(bytes.data(), std::uint16_t{0});
        store_big(bytes.data() + 2, std::uint16_t(draw() | 1));  // a header is never all zeros
        const std::uint16_t before = field(sum(bytes));
        const std::size_t at = 4 + draw() % (bytes.size() / 2 - 2) * 2;
        const auto was = load_big<std::uint16_t>(bytes.data() + at);
        const auto is = draw() % 4 == 0 ? std::uint16_t{0} : std::uint16_t(draw());
        store_big(bytes.data() + at, is);
        ASSERT_EQ(update(before, was, is), field(sum(bytes)));
        store_big(bytes.data(), update(before, was, is));
        ASSERT_TRUE(verifies(sum(bytes)));
    }
}

TEST(Checksum, SubtractingUndoesAdding) {
    std::mt19937_64 draw{6};
    for (int round = 0; round < 100'000; ++round) {
        const auto a = std::uint16_t(draw()), b = std::uint16_t(draw());
        ASSERT_EQ(subtract(add(a, b), b) % 0xffff, a % 0xffff);  // 0 and 0xffff are one number
        ASSERT_EQ(add(a, b) % 0xffff, (std::uint32_t{a} + b) % 0xffff);
    }
}

TEST(Checksum, AnyOneChangedBitIsNoticed) {
    std::mt19937_64 draw{7};
    for (int round = 0; round < 2'000; ++round) {
        auto bytes = random_bytes(draw, 2 + draw() % 1'500);
        const std::uint16_t before = sum(bytes);
        bytes[draw() % bytes.size()] ^= std::byte(1 << draw() % 8);
        ASSERT_NE(sum(bytes) % 0xffff, before % 0xffff);
    }
}

}  // namespace
}  // namespace weft::checksum
