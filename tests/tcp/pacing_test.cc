// Pacing: how much leaves at once and when the next may. And what received text may keep alive: queues charge the chunks they hold.
#include <gtest/gtest.h>

#include <map>

#include "stack/tcp/info.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

// Bytes by the instant at which they left.
std::map<std::int64_t, std::uint32_t> trains(Peer& peer) {
    std::map<std::int64_t, std::uint32_t> all;
    while (const auto seen = peer.next())
        if (seen->length > 0) all[seen->at.nanoseconds()] += seen->length;
    return all;
}

Peer paced(Duration round_trip, bool wanted = true) {
    Opening how{.active = true, .scale = 14, .round_trip = round_trip};
    how.config.pacing = wanted;
    return established(how);
}

TEST(Pacing, LetsTwoSegmentsOutAtOnceHoweverSlowTheRateIs) {
    Peer peer = paced(ms(50));
    const std::uint32_t mss = peer.effective_mss();
    const std::uint64_t rate = peer.engine().info(peer.flow(), peer.now).value().pacing_rate;
    EXPECT_NEAR(double(rate), 2.0 * 10 * mss / 0.05, 0.02 * double(rate)) << "in slow start two windows a round trip";
    EXPECT_LT(rate / 1'000, 2 * mss);
    EXPECT_EQ(peer.writes(10 * mss), 10 * mss);
    peer.after(ms(45));
    const auto sent = trains(peer);
    ASSERT_EQ(sent.size(), 5u);
    for (const auto& [at, bytes] : sent) EXPECT_EQ(bytes, 2 * mss);
    // Each but the first, which makes up for a millisecond, waits for what left before it.
    for (auto each = std::next(sent.begin(), 2); each != sent.end(); ++each)
        EXPECT_NEAR(double(each->first - std::prev(each)->first), 2e9 * mss / double(rate), 2e5);
}

TEST(Pacing, LetsAMillisecondOfTheRateOutAtOnce) {
    Peer peer = paced(ms(4));
    const std::uint32_t mss = peer.effective_mss();
    const std::uint64_t rate = peer.engine().info(peer.flow(), peer.now).value().pacing_rate;
    EXPECT_EQ(peer.writes(10 * mss), 10 * mss);
    peer.after(ms(4));
    std::uint32_t most = 0, all = 0;
    for (const auto& [at, bytes] : trains(peer)) most = std::max(most, bytes), all += bytes;
    EXPECT_EQ(all, 10 * mss);
    EXPECT_LE(most, 2 * rate / 1'000) << "and a millisecond that a pause left unused";
    EXPECT_GE(most, 4 * mss) << "more than two segments, for it is faster";
    EXPECT_LE(peer.most_in_a_super_segment(), 5u);
}

TEST(Pacing, IsNotThereUnlessAskedFor) {
    Peer peer = paced(ms(50), false);
    const std::uint32_t mss = peer.effective_mss();
    EXPECT_EQ(peer.writes(10 * mss), 10 * mss);
    EXPECT_EQ(trains(peer).size(), 1u);
    EXPECT_EQ(peer.engine().info(peer.flow(), peer.now).value().pacing_rate, ~std::uint64_t{0});
}

TEST(Charges, OutOfOrderTextInLargeChunksGoesBeforeTheBoundIsPassed) {
    Opening how;
    how.config.receive_buffer = 16'384;
    Peer peer = established(how);
    const std::size_t before = peer.pool_in_use();
    const SeqNum begin = peer.rcv_nxt();
    for (std::uint32_t i = 0; i < 1'000; ++i) {
        peer.sends(data(1).seq(begin + 2 * i + 1));
        ASSERT_LE(peer.pool_in_use() - before, 3u * 16'384) << "a byte keeps its whole chunk alive: " << i;
    }
    peer.ignores_what_was_sent();
    std::uint32_t rounds = 0;
    while (peer.rcv_nxt() - begin < 2'000 && ++rounds < 3'000) peer.sends(data(1).seq(peer.rcv_nxt()));
    EXPECT_EQ(peer.rcv_nxt() - begin, 2'000u);
    EXPECT_EQ(peer.reads(), 2'000u) << "what went was sent again";
}

TEST(Charges, UnreadTextThatCameInCrumbsMovesCloserTogether) {
    Opening how;
    how.config.receive_buffer = 16'384;
    Peer peer = established(how);
    const std::size_t before = peer.pool_in_use();
    for (std::uint32_t i = 0; i < 4'000; ++i) {
        peer.sends(data(1));
        ASSERT_LE(peer.pool_in_use() - before, 3u * 16'384) << i;
    }
    EXPECT_EQ(peer.reads(), 4'000u);
}

TEST(Charges, AFlowThatNeverHadMuchTextLendsNothingToGrow) {
    Opening how;
    how.config.receive_buffer = 65'536, how.config.receive_buffer_most = 1 << 20;
    Peer peer = established(how);
    EXPECT_EQ(peer.cold().extra, none);
    peer.sends(data(1'000));
    EXPECT_EQ(peer.reads(), 1'000u);
    EXPECT_EQ(peer.cold().extra, none);
    for (int i = 0; i < 40; ++i) {
        peer.sends(data(1'000));
        peer.reads();
    }
    EXPECT_NE(peer.cold().extra, none);
}

}  // namespace
}  // namespace weft::test
