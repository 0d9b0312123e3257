// SipHash-2-4 against the vectors that its authors published, and the streams made of it.
#include "stack/core/random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

namespace weft {
namespace {

// Key bytes 00 to 0f, message bytes 00, 01, ..: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), appendix A
// for 15 bytes, and the first rows of the table in their reference implementation.
TEST(SipHash, PublishedVectors) {
    const HashKey key{0x0706'0504'0302'0100, 0x0f0e'0d0c'0b0a'0908};
    std::array<std::byte, 15> message{};
    for (std::size_t i = 0; i < message.size(); ++i) message[i] = std::byte(i);
    const std::array<std::uint64_t, 9> table{0x726f'db47'dd0e'0e31, 0x74f8'39c5'93dc'67fd, 0x0d6c'8009'd9a9'4f5a,
                                             0x8567'6696'd7fb'7e2d, 0xcf27'94e0'2771'87b7, 0x1876'5564'cd99'a68d,
                                             0xcbc9'466e'58fe'e3ce, 0xab02'00f5'8b01'd137, 0x93f5'f579'9a93'2462};
    for (std::size_t size = 0; size < table.size(); ++size) EXPECT_EQ(siphash(key, Bytes{message}.first(size)), table[size]);
    EXPECT_EQ(siphash(key, message), 0xa129'ca61'49be'45e5);
}

TEST(SipHash, WordsAreTheirLittleEndianBytes) {
    const HashKey key{3, 4};
    std::array<std::byte, 16> bytes{};
    store_little(bytes.data(), std::uint64_t{0x0123'4567'89ab'cdef});
    store_little(bytes.data() + 8, std::uint64_t{77});
    EXPECT_EQ(siphash(key, std::uint64_t{0x0123'4567'89ab'cdef}), siphash(key, Bytes{bytes}.first(8)));
    EXPECT_EQ(siphash(key, 0x0123'4567'89ab'cdef, 77), siphash(key, bytes));
}

TEST(RandomStream, IsAFunctionOfKeyStreamAndNumber) {
    RandomStream a{HashKey{1, 2}, 7}, same{HashKey{1, 2}, 7};
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1'000; ++i) {
        const std::uint64_t value = a.next();
        ASSERT_EQ(value, same.next());
        ASSERT_TRUE(seen.insert(value).second);
    }
    EXPECT_EQ(a.drawn(), 1'000u);
    RandomStream copy = a, other_stream{HashKey{1, 2}, 8}, other_key{HashKey{1, 3}, 7};
    EXPECT_EQ(copy.next(), a.next());
    for (int i = 0; i < 1'000; ++i) {
        ASSERT_TRUE(seen.insert(other_stream.next()).second);
        ASSERT_TRUE(seen.insert(other_key.next()).second);
    }
}

TEST(RandomStream, BelowStaysBelowAndReachesEveryValue) {
    RandomStream stream{HashKey{5, 6}, 0};
    for (const std::uint64_t bound : {1u, 2u, 3u, 10u, 1'000u}) {
        std::vector<int> counts(bound);
        for (std::uint64_t i = 0; i < bound * 200; ++i) {
            const std::uint64_t value = stream.below(bound);
            ASSERT_LT(value, bound);
            ++counts[value];
        }
        for (const int count : counts)
            ASSERT_TRUE(count > 100 && count < 300) << "200 were expected, about 14 of them by chance";
    }
    EXPECT_EQ(stream.below(0), 0u);
}

}  // namespace
}  // namespace weft
