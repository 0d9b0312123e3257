// CRC-32C against its published values and bit by bit.
#include "stack/core/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace weft {
namespace {

std::uint32_t bit_by_bit(Bytes bytes) {
    std::uint32_t sum = ~0u;
    for (const std::byte byte : bytes) {
        sum ^= std::to_integer<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) sum = (sum & 1) != 0 ? sum >> 1 ^ 0x82f6'3b78 : sum >> 1;
    }
    return ~sum;
}

TEST(Crc32c, ValuesOfRfc3720) {  // appendix B.4
    EXPECT_EQ(crc32c(std::as_bytes(std::span{std::string_view{"123456789"}})), 0xe306'9283u);
    EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0})), 0x8a91'36aau);
    EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8'ab43u);
    EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, EveryLengthAgreesBitByBitInBothForms) {
    std::mt19937_64 draw{1};
    std::vector<std::byte> bytes(30'000);
    for (std::byte& byte : bytes) byte = std::byte(draw());
    for (std::size_t size = 0; size < bytes.size(); size += size < 1'000 ? 1 : 1'237) {
        const Bytes part = Bytes{bytes}.subspan(size % 9, size - std::min<std::size_t>(size, size % 9));
        ASSERT_EQ(crc32c(part), bit_by_bit(part)) << size;
        ASSERT_EQ(detail::scalar_crc32c(part), bit_by_bit(part)) << size;
    }
}

TEST(Crc32c, PiecesAddUp) {
    std::vector<std::byte> bytes(20'000, std::byte{0x5a});
    for (const std::size_t cut : {0, 1, 7, 800, 13'000, 20'000})
        EXPECT_EQ(crc32c(Bytes{bytes}.subspan(cut), crc32c(Bytes{bytes}.first(cut))), crc32c(bytes));
}

}  // namespace
}  // namespace weft
