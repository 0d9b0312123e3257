// NewReno as a flow shows it: slow start, congestion avoidance, fast retransmit and recovery (RFC 5681, RFC 6582) and the
// initial window (RFC 6928), each constant exactly.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

constexpr std::uint32_t mss = 1'460;

Opening plain() {
    Opening how{.scale = 14, .timestamps = false};
    how.config.minimum_rto = seconds(1);
    return how;
}

std::uint32_t cwnd(const Peer& peer) { return peer.tcb().sending.steering.cwnd; }
std::uint32_t ssthresh(const Peer& peer) { return peer.tcb().sending.steering.ssthresh; }

// A flow with `segments` under way, all looked at.
Peer in_flight(std::uint32_t segments, Opening how = plain()) {
    Peer peer = established(how);
    std::uint32_t acked = 0;
    while (cwnd(peer) < segments * mss) {   // grow the window first
        EXPECT_GT(peer.writes(cwnd(peer)), 0u);
        while (peer.next()) {}
        peer.sends(ack());
        if (++acked > 100) break;
    }
    while (peer.next()) {}
    EXPECT_EQ(peer.writes(std::size_t{segments} * mss), std::size_t{segments} * mss);
    while (peer.next()) {}
    EXPECT_EQ(peer.snd_nxt() - peer.snd_una(), segments * mss);
    return peer;
}

TEST(Rfc6928, InitialWindowIsMinOfTenSegmentsAndMaxOfTwoAnd14600) {   // section 2
    for (const auto& [size, window] : {std::pair{1'460u, 14'600u},
                                       {536u, 5'360u},
                                       {1'000u, 10'000u},
                                       {1'448u, 14'480u},
                                       {2'000u, 14'600u},
                                       {7'300u, 14'600u},
                                       {7'400u, 14'800u}}) {
        Opening how = plain();
        how.path.mtu = 9'040;
        how.mss = std::uint16_t(size);
        Peer peer = established(how);
        EXPECT_EQ(cwnd(peer), window) << size;
        EXPECT_EQ(peer.writes(100'000), 100'000u);
        EXPECT_EQ(peer.bytes_waiting(), window / size * size) << "whole segments";
    }
    Opening jumbo = plain();
    jumbo.path.mtu = 9'040;
    jumbo.mss = 9'000;
    EXPECT_EQ(cwnd(established(jumbo)), 18'000u);
}

TEST(Rfc5681, SlowStartGrowsByWhatWasAcknowledged) {   // section 3.1, with RFC 3465
    Peer peer = established(plain());
    EXPECT_EQ(peer.writes(500'000), 500'000u);
    while (peer.next()) {}
    const std::uint32_t begin = cwnd(peer);
    peer.sends(ack().ack(peer.snd_una() + 2 * mss));
    EXPECT_EQ(cwnd(peer), begin + 2 * mss);
    peer.sends(ack().ack(peer.snd_una() + mss / 2));
    EXPECT_EQ(cwnd(peer), begin + 2 * mss + mss / 2);
}

TEST(Rfc5681, OneAcknowledgementGrowsItByEightSegmentsAtMost) {   // RFC 3465's L
    Opening how = plain();
    Peer peer = in_flight(40, how);
    const std::uint32_t begin = cwnd(peer);
    peer.sends(ack().ack(peer.snd_una() + 20 * mss));
    EXPECT_LE(cwnd(peer), begin + 8 * mss);
}

TEST(Rfc5681, WindowThatTheApplicationDoesNotFillDoesNotGrow) {   // RFC 7661's reason; congestion-window-limited
    Peer peer = established(plain());
    const std::uint32_t begin = cwnd(peer);
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(peer.writes(100), 100u);
        peer.ignores_what_was_sent();
        peer.sends(ack());
    }
    EXPECT_EQ(cwnd(peer), begin);
}

TEST(Rfc5681, TimeoutHalvesTheFlightIntoSsthreshAndLeavesOneSegment) {   // equation 4, and 3.1
    Peer peer = in_flight(20);
    peer.until_it_sends();
    EXPECT_EQ(ssthresh(peer), 10 * mss);
    EXPECT_EQ(cwnd(peer), mss);
    peer.sees(data(mss).seq(peer.snd_una()));
    peer.sees_nothing();
}

TEST(Rfc5681, SsthreshIsNeverBelowTwoSegments) {   // equation 4
    Peer peer = in_flight(1);
    peer.until_it_sends();
    EXPECT_EQ(ssthresh(peer), 2 * mss);
}

TEST(Rfc5681, SecondTimeoutOfTheSameSegmentLeavesSsthresh) {   // 3.1: already retransmitted by timeout
    Peer peer = in_flight(20);
    peer.until_it_sends();
    peer.until_it_sends();
    EXPECT_EQ(ssthresh(peer), 10 * mss);
    EXPECT_EQ(cwnd(peer), mss);
}

TEST(Rfc5681, AvoidanceGrowsByOneSegmentAWindow) {   // section 3.1
    Peer peer = in_flight(20);
    peer.until_it_sends();                       // ssthresh is 10 segments now
    peer.sends(ack());
    peer.ignores_what_was_sent();
    for (int i = 0; i < 50 && cwnd(peer) < ssthresh(peer); ++i) {
        EXPECT_GT(peer.writes(20 * mss), 0u);
        peer.sends(ack());
        peer.ignores_what_was_sent();
    }
    const std::uint32_t begin = cwnd(peer);
    ASSERT_GE(begin, ssthresh(peer));
    EXPECT_GT(peer.writes(200 * mss), 0u);
    peer.ignores_what_was_sent();
    std::uint32_t acknowledged = 0;
    while (acknowledged + mss <= begin) {
        peer.sends(ack().ack(peer.snd_una() + mss));
        acknowledged += mss;
    }
    EXPECT_GE(cwnd(peer), begin);
    EXPECT_LE(cwnd(peer), begin + 2 * mss);
    while (acknowledged <= begin + mss) {
        peer.sends(ack().ack(peer.snd_una() + mss));
        acknowledged += mss;
    }
    EXPECT_GE(cwnd(peer), begin + mss);
    EXPECT_LE(cwnd(peer), begin + 2 * mss);
}

TEST(Rfc5681, ThirdDuplicateAckRetransmits) {   // section 3.2, step 2
    Peer peer = in_flight(10);
    const SeqNum una = peer.snd_una();
    peer.sends(ack().ack(una));
    peer.sends(ack().ack(una));
    for (const Seen& seen : {peer.next().value_or(Seen{}), peer.next().value_or(Seen{})})
        EXPECT_FALSE(seen.length != 0 && seen.seq == una) << "not before the third";
    peer.sends(ack().ack(una));
    bool again = false;
    while (const auto seen = peer.next()) again |= seen->seq == una && seen->length == mss;
    EXPECT_TRUE(again);
    EXPECT_EQ(ssthresh(peer), 5 * mss);
    EXPECT_TRUE(peer.tcb().receiving.flags.recovering);
    EXPECT_EQ(peer.statistics().timeouts, 0u);
}

TEST(Rfc5681, AckWithTextOrAnotherWindowOrNothingOutstandingIsNoDuplicate) {   // section 2
    Peer peer = in_flight(10);
    const SeqNum una = peer.snd_una();
    for (std::uint16_t i = 0; i < 5; ++i) peer.sends(data(10).ack(una));
    for (std::uint16_t i = 0; i < 5; ++i) peer.sends(ack().ack(una).window(std::uint16_t(40'000 + i)));
    while (const auto seen = peer.next()) EXPECT_NE(seen->length, mss);
    EXPECT_FALSE(peer.tcb().receiving.flags.recovering);
    Peer idle = established(plain());
    for (int i = 0; i < 10; ++i) idle.sends(ack());
    EXPECT_EQ(cwnd(idle), 10 * mss);
    idle.sees_nothing();
}

TEST(Rfc5681, WindowBeginsAnewAfterAPauseUnlessThatIsTurnedOff) {   // section 4.1: idle for more than a timeout
    for (const bool restarts : {true, false}) {
        Opening how = plain();
        how.config.idle_restart = restarts;
        Peer peer = in_flight(40, how);
        peer.sends(ack());
        const std::uint32_t window = cwnd(peer);
        ASSERT_GE(window, 40 * mss);
        peer.after(peer.tcb().timing.rto - ms(10));
        EXPECT_EQ(peer.writes(mss), mss);
        peer.sees(data(mss));
        peer.sends(ack());
        EXPECT_GE(cwnd(peer), window) << "not yet";
        peer.after(peer.tcb().timing.rto + ms(10));
        EXPECT_EQ(peer.writes(40 * mss), 40 * mss);
        EXPECT_EQ(peer.bytes_waiting(), restarts ? 10 * mss : 40 * mss);
    }
}

TEST(Rfc5681, DuplicatesInRecoveryLetNewTextOut) {   // section 3.2, steps 3 to 5
    Peer peer = in_flight(10);
    const SeqNum una = peer.snd_una(), end = peer.snd_nxt();
    EXPECT_GT(peer.writes(20 * mss), 0u);
    while (peer.next()) {}
    const SeqNum from = peer.snd_nxt();
    for (int i = 0; i < 9; ++i) peer.sends(ack().ack(una));
    std::uint32_t news = 0;
    while (const auto seen = peer.next())
        if (!before(seen->seq, later(from, end))) news += seen->length;
    EXPECT_GT(news, 0u) << "ssthresh + 3 and one more for each: beyond the flight of ten in the end";
    EXPECT_LE(news, 9 * mss);
}

TEST(Rfc6582, PartialAckRetransmitsTheNextHoleAndStaysInRecovery) {   // section 3.2, step 3
    Peer peer = in_flight(10);
    const SeqNum una = peer.snd_una(), recover = peer.snd_nxt();
    for (int i = 0; i < 3; ++i) peer.sends(ack().ack(una));
    while (peer.next()) {}
    peer.sends(ack().ack(una + 4 * mss));   // segments 1 to 3 had come, 4 had not
    bool again = false;
    while (const auto seen = peer.next()) again |= seen->seq == una + 4 * mss && seen->length == mss;
    EXPECT_TRUE(again);
    EXPECT_TRUE(peer.tcb().receiving.flags.recovering);
    peer.sends(ack().ack(recover));
    EXPECT_FALSE(peer.tcb().receiving.flags.recovering);
    EXPECT_LE(cwnd(peer), 5 * mss);
    EXPECT_EQ(ssthresh(peer), 5 * mss);
}

TEST(Rfc6582, ManyLossesOfOneWindowAreRepairedWithoutATimeout) {
    Peer peer = in_flight(20);
    const SeqNum una = peer.snd_una(), recover = peer.snd_nxt();
    for (int i = 0; i < 3; ++i) peer.sends(ack().ack(una));
    for (std::uint32_t hole = 0; hole < 20; hole += 4) {
        bool again = false;
        while (const auto seen = peer.next()) again |= seen->seq == una + hole * mss && seen->length >= mss;
        EXPECT_TRUE(again) << hole;
        peer.after(ms(100));
        peer.sends(ack().ack(una + std::min(hole + 4, 20u) * mss));
    }
    EXPECT_EQ(peer.snd_una(), recover);
    EXPECT_EQ(peer.statistics().timeouts, 0u);
    EXPECT_EQ(peer.statistics().retransmitted_segments, 5u);
}

TEST(Rfc6582, DuplicatesOfWhatATimeoutSentAgainBeginNoRecovery) {   // section 3.2, step 1: beyond `recover` only
    Peer peer = in_flight(10);
    const SeqNum una = peer.snd_una();
    peer.until_it_sends();
    peer.sends(ack().ack(una + mss));
    while (peer.next()) {}
    for (int i = 0; i < 5; ++i) peer.sends(ack().ack(una + mss));
    EXPECT_FALSE(peer.tcb().receiving.flags.recovering);
}

TEST(Rfc5681, IdleFlowStartsAgainWithTheInitialWindow) {   // section 4.1
    Peer peer = in_flight(40);
    peer.sends(ack());
    EXPECT_GE(cwnd(peer), 40 * mss);
    peer.after(seconds(10));
    EXPECT_EQ(peer.writes(60 * mss), 60u * mss);
    EXPECT_EQ(peer.bytes_waiting(), 10 * mss);
}

TEST(Congestion, WindowIsNeverBelowOneSegmentWhateverHappens) {
    Opening how = plain();
    how.options.user_timeout = Duration{};
    Peer peer = established(how);
    for (int i = 0; i < 30; ++i) {
        EXPECT_GE(cwnd(peer), peer.tcb().receiving.mss);
        peer.writes(5'000);
        peer.until_it_sends();
        for (int n = 0; n < 4; ++n) peer.sends(ack().ack(peer.snd_una()));
        EXPECT_GE(cwnd(peer), peer.tcb().receiving.mss);
        peer.ignores_what_was_sent();
        peer.sends(ack().ack(peer.snd_una() + (i % 3 == 0 ? 100 : 0)));
    }
}

}  // namespace
}  // namespace weft::test
