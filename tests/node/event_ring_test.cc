// The ring between a shard and the telemetry thread: order, room by class, and what is counted when there is none.
#include "node/event_ring.h"

#include <gtest/gtest.h>

#include <thread>

namespace weft::node {
namespace {

using trace::Type;

trace::Record numbered(std::int64_t number, Type type = Type::state) { return {number, 1, type, 0, {}}; }

// All that the ring holds.
std::vector<std::int64_t> take(EventRing& ring) {
    std::vector<std::int64_t> numbers;
    for (auto some = ring.front(); !some.empty(); some = ring.front()) {
        for (const trace::Record& record : some) numbers.push_back(record.t_ns);
        ring.pop(some.size());
    }
    return numbers;
}

TEST(EventRing, GivesBackWhatWasAddedInItsOrderRoundAndRound) {
    EventRing ring{16};
    std::int64_t added = 0, taken = 0;
    for (int round = 0; round < 100; ++round) {
        for (int i = 0; i < 7; ++i) ASSERT_TRUE(ring.add(numbered(added++)));
        for (const std::int64_t number : take(ring)) ASSERT_EQ(number, taken++);
    }
    EXPECT_EQ(taken, 700);
}

TEST(EventRing, RefusesSamplesWhenSevenEighthsAreFullAndEdgesWhenAllIs) {
    EventRing ring{64};
    for (int i = 0; i < 56; ++i) ASSERT_TRUE(ring.add(numbered(i, Type::congestion)));
    EXPECT_FALSE(ring.add(numbered(0, Type::congestion)));
    EXPECT_FALSE(ring.add(numbered(0, Type::segment_sent)));
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(ring.add(numbered(i, Type::state)));
    EXPECT_FALSE(ring.add(numbered(0, Type::state)));
    EXPECT_FALSE(ring.add(numbered(0, Type::loss)));
    EXPECT_EQ(take(ring).size(), 64u);
    EXPECT_TRUE(ring.add(numbered(0, Type::congestion))) << "there is room again";
}

TEST(EventRing, CountsWhatItRefusesByClass) {
    EventRing ring{16};
    for (int i = 0; i < 20; ++i) ring.add(numbered(i, Type::rate));
    for (int i = 0; i < 20; ++i) ring.add(numbered(i, Type::state));
    EXPECT_EQ(ring.dropped(Type::rate), 6u);
    EXPECT_EQ(ring.dropped(Type::state), 18u);
    EXPECT_EQ(ring.dropped(Type::loss), 0u);
    EXPECT_EQ(take(ring).size(), 16u);
}

TEST(EventRing, TellsItsProducerNoLessThanThereIs) {
    EventRing ring{64};
    for (int i = 0; i < 40; ++i) ring.add(numbered(i));
    EXPECT_EQ(ring.backlog(), 40u);
    take(ring);
    EXPECT_EQ(ring.backlog(), 0u) << "beyond a half it looks";
    for (int i = 0; i < 3; ++i) ring.add(numbered(i));
    EXPECT_GE(ring.backlog(), 3u);
}

TEST(EventRing, ShowsWhatItsSinkWasToldWhenThatIsPublished) {
    EventRing ring{64};
    const trace::Sink sink = ring.sink();
    for (std::uint32_t i = 0; i < 10; ++i) sink.add(Instant::from_nanoseconds(i), 1, Type::limit, trace::Limit{i, 0});
    EXPECT_EQ(take(ring).size(), 0u);
    EXPECT_EQ(ring.backlog(), 10u) << "the producer knows";
    ring.publish();
    auto told = ring.front();
    ASSERT_EQ(told.size(), 10u);
    for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(trace::body_of<trace::Limit>(told[i]).limit, i);
    ring.pop(10);
    sink.add(Instant::from_nanoseconds(20), 1, Type::limit, trace::Limit{});
    EXPECT_TRUE(ring.add(numbered(21))) << "publishes what came before it, too";
    EXPECT_EQ(take(ring), (std::vector<std::int64_t>{20, 21}));
}

TEST(EventRing, GivesItsSinkNoMoreRoomThanRecordsThatAreAdded) {
    EventRing ring{64};
    const trace::Sink sink = ring.sink();
    for (int round = 0; round < 5; ++round) {
        for (int i = 0; i < 60; ++i) sink.add(Instant::from_nanoseconds(i), 1, Type::limit, trace::Limit{});
        for (int i = 60; i < 80; ++i) sink.add(Instant::from_nanoseconds(i), 1, Type::loss, trace::Loss{});
        ring.publish();
        EXPECT_EQ(ring.dropped(Type::limit), 4u * unsigned(round + 1));
        EXPECT_EQ(ring.dropped(Type::loss), 12u * unsigned(round + 1));
        const auto numbers = take(ring);
        ASSERT_EQ(numbers.size(), 64u);
        EXPECT_EQ(numbers[55], 55) << "the last sample that had room";
        EXPECT_EQ(numbers[56], 60);
        EXPECT_EQ(numbers.back(), 67);
    }
}

TEST(EventRing, LosesNothingBetweenTwoThreadsThatItDoesNotCount) {
    constexpr std::int64_t all = 300'000;
    EventRing ring{1'024};
    std::atomic<bool> ended{false};
    std::int64_t taken = 0, last = -1;
    bool ordered = true;
    std::thread consumer{[&] {
        for (;;) {
            const bool over = ended.load(std::memory_order_acquire);
            auto some = ring.front();
            for (trace::Record& record : some) {
                ordered = ordered && record.t_ns > last && record.body[47] == std::byte(std::uint8_t(record.t_ns));
                last = record.t_ns;
                record.flags = 1;  // the consumer may write, too
            }
            taken += std::int64_t(some.size());
            ring.pop(some.size());
            if (some.empty() && over) return;
        }
    }};
    const trace::Sink sink = ring.sink();
    for (std::int64_t i = 0; i < all; ++i) {  // one at a time, or made in place and published by the run
        trace::Text body{};
        body.utf8[47] = char(i);
        const Type type = i % 3 == 0 ? Type::state : Type::segment_sent;
        if (i / 5'000 % 2 == 0) {
            trace::Record record = numbered(i, type);
            record.body[47] = std::byte(std::uint8_t(i));
            ring.add(record);
            continue;
        }
        sink.add(Instant::from_nanoseconds(i), 1, type, body);
        if (i % 37 == 0) ring.publish();
    }
    ring.publish();
    ended.store(true, std::memory_order_release);
    consumer.join();
    EXPECT_TRUE(ordered);
    EXPECT_GT(taken, 0);
    EXPECT_EQ(taken + std::int64_t(ring.dropped(Type::state) + ring.dropped(Type::segment_sent)), all);
}

}  // namespace
}  // namespace weft::node
