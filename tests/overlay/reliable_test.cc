// Reliable control messages of one link: numbers, repetitions, GOT, duplicates, bounds (docs/wire.md).
#include "overlay/reliable.h"

#include <gtest/gtest.h>

#include "tests/overlay/world.h"

namespace weft::overlay {
namespace {

Body some(std::uint8_t op = 0x20, std::uint8_t mark = 0) {
    return {std::byte(op), std::byte{0x80}, {}, {}, std::byte(mark)};
}

struct Side {
    Reliable reliable{65'530};
    std::vector<Body> out(Instant now, bool with_others = false) {
        std::vector<Body> bodies;
        reliable.drain([&](Body&& body) { bodies.push_back(std::move(body)); }, with_others, now);
        return bodies;
    }
};

std::uint16_t txid_of(const Body& body) { return ControlHeader::parse(body)->txid; }
Op op_of(const Body& body) { return ControlHeader::parse(body)->op; }

constexpr Instant start = Instant::from_nanoseconds(1'000'000'000);

TEST(Reliable, MessageIsSentFourTimesAndThenLost) {
    Side side;
    ASSERT_TRUE(side.reliable.send(some(), 77, ms(40), start));
    EXPECT_EQ(side.out(start).size(), 1u);
    for (int times = 1; times <= 3; ++times) {
        const Instant due = start + ms(80 * times);   // twice the round trip
        EXPECT_EQ(side.reliable.deadline(), due);
        side.reliable.advance(ms(40), due + ms(-1));
        EXPECT_TRUE(side.out(due).empty());
        side.reliable.advance(ms(40), due);
        const std::vector<Body> again = side.out(due);
        ASSERT_EQ(again.size(), 1u);
        EXPECT_EQ(txid_of(again[0]), 65'530);
        EXPECT_TRUE(side.reliable.take_lost().empty());
    }
    side.reliable.advance(ms(40), start + ms(320));
    EXPECT_TRUE(side.out(start + ms(320)).empty());
    const std::vector<Reliable::Lost> lost = side.reliable.take_lost();
    ASSERT_EQ(lost.size(), 1u);
    EXPECT_EQ(lost[0].op, Op::setup);
    EXPECT_EQ(lost[0].about, 77u);
    EXPECT_EQ(side.reliable.deadline(), Instant::never());
    EXPECT_EQ(side.reliable.repeated(), 3u);
}

TEST(Reliable, RepetitionsAreNeverCloserThanFiftyMilliseconds) {
    Side side;
    ASSERT_TRUE(side.reliable.send(some(), 1, Duration::microseconds(100), start));
    EXPECT_EQ(side.reliable.deadline(), start + ms(50));
    Side unmeasured;
    ASSERT_TRUE(unmeasured.reliable.send(some(), 1, {}, start));
    EXPECT_EQ(unmeasured.reliable.deadline(), start + ms(250));
}

TEST(Reliable, GotEndsTheRepetitions) {
    Side side;
    ASSERT_TRUE(side.reliable.send(some(), 1, ms(10), start));
    EXPECT_TRUE(side.reliable.holds(Op::setup, 1));
    side.reliable.got(1, ms(10), start);   // another number
    EXPECT_TRUE(side.reliable.holds(Op::setup, 1));
    side.reliable.got(65'530, ms(10), start);
    EXPECT_FALSE(side.reliable.holds(Op::setup, 1));
    EXPECT_EQ(side.reliable.deadline(), Instant::never());
}

TEST(Reliable, GotsAreCoalescedWithinFiveMilliseconds) {
    Side side;
    for (std::uint16_t txid = 10; txid < 13; ++txid) EXPECT_TRUE(side.reliable.receive(txid, start + ms(txid - 10)));
    EXPECT_TRUE(side.out(start + ms(4)).empty());
    EXPECT_EQ(side.reliable.deadline(), start + ms(5));
    const std::vector<Body> out = side.out(start + ms(5));
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(op_of(out[0]), Op::got);
    EXPECT_EQ(out[0].size(), ControlHeader::size + 3 * GotItem::size);
    EXPECT_TRUE(side.reliable.receive(13, start + ms(6)));
    EXPECT_EQ(side.out(start + ms(6), true).size(), 1u);   // something else leaves: at once
}

TEST(Reliable, LastTwoHundredFiftySixNumbersAreKnownAgain) {
    Side side;
    for (std::uint16_t txid = 65'500; txid != 220; ++txid) {   // 256 of them, through the wrap
        EXPECT_TRUE(side.reliable.receive(txid, start));
        side.out(start, true);
    }
    for (std::uint16_t txid = 65'500; txid != 220; ++txid) {
        EXPECT_FALSE(side.reliable.receive(txid, start)) << txid;
        side.out(start, true);
    }
    EXPECT_TRUE(side.reliable.receive(220, start));
    EXPECT_TRUE(side.reliable.receive(65'500, start));   // forgotten for 220's sake
    EXPECT_FALSE(side.reliable.receive(219, start));
    side.reliable.forget_received();
    EXPECT_TRUE(side.reliable.receive(219, start));
}

TEST(Reliable, QueueIsBoundedAndNumbersInFlightStayWithinTheMemoryOfTheOther) {
    Side side;
    std::size_t taken = 0;
    while (side.reliable.send(some(), taken, ms(10), start)) ++taken;
    EXPECT_EQ(taken, Reliable::in_flight_limit + Reliable::waiting_limit);
    const std::vector<Body> first = side.out(start);
    EXPECT_EQ(first.size(), Reliable::in_flight_limit);
    // All but the oldest are acknowledged, again and again: the oldest stays known to the other side.
    std::uint16_t newest = 0;
    for (int round = 0; round < 20; ++round) {
        for (std::uint16_t txid = 65'531; txid != std::uint16_t(65'531 + 300); ++txid)
            side.reliable.got(txid, ms(10), start);
        for (const Body& body : side.out(start)) newest = txid_of(body);
    }
    EXPECT_LT(std::uint16_t(newest - 65'530), Reliable::span_limit);
    side.reliable.got(65'530, ms(10), start);
    EXPECT_FALSE(side.out(start).empty());
}

}  // namespace
}  // namespace weft::overlay
