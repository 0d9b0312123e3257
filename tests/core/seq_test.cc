// Sequence numbers (RFC 9293, section 3.4) against arithmetic in 64 bits on an unrolled line.
#include "stack/core/seq.h"

#include <gtest/gtest.h>

#include <random>

namespace weft {
namespace {

SeqNum wrap(std::int64_t position) { return SeqNum{std::uint32_t(position)}; }

std::int64_t some_position(std::mt19937_64& draw) {
    const std::int64_t lap = std::int64_t(draw() % 8) << 32;
    return draw() % 2 ? lap + std::int64_t(draw() % 0x1'0000'0000) : lap + std::int64_t(draw() % 64) - 32 + (1ll << 32);
}

TEST(SeqNum, OrderIsThatOfTheLineWithinHalfTheCircle) {
    std::mt19937_64 draw{1};
    for (int round = 0; round < 200'000; ++round) {
        const std::int64_t a = some_position(draw);
        const std::int64_t distance = draw() % 4 == 0 ? std::int64_t(draw() % 4) : std::int64_t(draw() % 0x8000'0000);
        const std::int64_t b = a + distance;
        ASSERT_EQ(before(wrap(a), wrap(b)), distance > 0);
        ASSERT_EQ(before(wrap(b), wrap(a)), false);
        ASSERT_TRUE(at_or_before(wrap(a), wrap(b)));
        ASSERT_EQ(at_or_before(wrap(b), wrap(a)), distance == 0);
        ASSERT_EQ(later(wrap(a), wrap(b)), wrap(b));
        ASSERT_EQ(later(wrap(b), wrap(a)), wrap(b));
        ASSERT_EQ(wrap(b) - wrap(a), std::uint32_t(distance));
        ASSERT_EQ(wrap(a) + std::uint32_t(distance), wrap(b));
        ASSERT_EQ(wrap(b) - std::uint32_t(distance), wrap(a));
        SeqNum moved = wrap(a);
        moved += std::uint32_t(distance);
        ASSERT_EQ(moved, wrap(b));
    }
}

TEST(SeqSpan, ContainsWhatLiesBetweenItsEndsOnTheLine) {
    std::mt19937_64 draw{2};
    for (int round = 0; round < 200'000; ++round) {
        const std::int64_t begin = some_position(draw);
        const auto length = std::int64_t(draw() % 4 == 0 ? draw() % 4 : draw() % 0x4000'0000);
        const std::int64_t point = begin + std::int64_t(draw() % 0x8000'0000) - 0x4000'0000 + (draw() % 2 ? length : 0);
        const SeqSpan span{wrap(begin), std::uint32_t(length)};
        ASSERT_EQ(span.contains(wrap(point)), point >= begin && point < begin + length);
        ASSERT_EQ(span.end(), wrap(begin + length));
        ASSERT_EQ(span.contains(span.begin), length > 0);
        ASSERT_FALSE(span.contains(span.end()));
    }
}

TEST(SeqNum, TheAntipodeIsBeforeFromBothSides) {  // why there is no total order
    EXPECT_TRUE(before(SeqNum{0}, SeqNum{0x8000'0000}));
    EXPECT_TRUE(before(SeqNum{0x8000'0000}, SeqNum{0}));
}

}  // namespace
}  // namespace weft
