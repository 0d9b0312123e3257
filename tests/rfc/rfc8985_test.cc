// RFC 8985: RACK and tail loss probes. A round trip is 100 ms, so a quarter of it 25 ms and a probe is due after 200 ms.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/rfc/flow.h"

namespace weft::test {
namespace {

using Numbers = std::vector<std::uint32_t>;

constexpr Duration slack = ms(1);

void near(Duration value, Duration expected, Where where = Where::current()) {
    EXPECT_LE(value, expected + slack) << "at line " << where.line();
    EXPECT_LE(expected, value + slack) << "at line " << where.line();
}

// ---- section 6.2 ----

TEST(Rack, WaitsForAQuarterOfTheRoundTripBeforeItCallsASegmentLost) {  // step 4: min_RTT / 4
    Flow10 flow;
    flow.sacks({{1, 2}});
    EXPECT_EQ(flow.resent(), Numbers{});
    near(flow.peer.until_it_sends(), ms(25));
    EXPECT_EQ(flow.resent(), Numbers{0});
    EXPECT_TRUE(flow.flags().recovering);
    EXPECT_EQ(flow.peer.statistics().timeouts, 0u);
}

TEST(Rack, WaitsForNothingOnceThreeSegmentsWereSacked) {  // step 4: no reordering was seen, DupThresh
    Flow10 flow;
    flow.sacks({{2, 3}});
    flow.sacks({{2, 4}});
    EXPECT_EQ(flow.resent(), Numbers{});
    flow.sacks({{2, 5}});
    EXPECT_EQ(flow.resent(), Numbers{0});
    EXPECT_EQ(flow.board().given_up, flow.mss()) << "segment 1 waits for its turn (RFC 9937)";
}

TEST(Rack, WaitsEvenThenWhereReorderingWasSeen) {  // steps 3 and 4
    Flow10 flow;
    flow.sacks({{1, 2}});
    flow.acks_and_sacks(1, {});  // segment 0 came late, and 1 with it
    flow.acks(2);
    EXPECT_TRUE(flow.flags().reordering);
    flow.sacks({{4, 9}});
    EXPECT_EQ(flow.resent(), Numbers{});
    near(flow.peer.until_it_sends(), ms(25));
    EXPECT_EQ(flow.resent().front(), 2u);
}

TEST(Rack, OneAcknowledgementThatTellsOfTwoRangesIsNoReordering) {  // step 3: acknowledgements may be lost
    Flow10 flow;
    flow.sacks({{7, 8}, {4, 5}, {1, 2}});
    EXPECT_FALSE(flow.flags().reordering);
}

TEST(Rack, RetransmissionThatArrivesLateIsNoReordering) {  // step 3: only what was sent once
    Flow10 flow;
    flow.sacks({{1, 5}});
    EXPECT_EQ(flow.resent(), Numbers{0});
    flow.peer.after(ms(100));
    flow.acks(5);
    EXPECT_FALSE(flow.flags().reordering);
}

TEST(Rack, WindowGrowsByAQuarterForEachRoundWithADuplicate) {  // step 4: reo_wnd_mult, once a round
    Flow10 flow;
    const SeqNum una = flow.peer.snd_una();
    const auto duplicate = [&] { flow.peer.sends(ack().ack(flow.peer.snd_una()).sacks({{una - 1'448, una}})); };
    EXPECT_EQ(flow.peer.cold().reo_wnd_mult, 1u);
    duplicate();
    duplicate();
    EXPECT_EQ(flow.peer.cold().reo_wnd_mult, 2u) << "once until SND.NXT of that time is acknowledged";
    EXPECT_EQ(flow.peer.cold().reo_wnd_persist, 16u);
    flow.sacks({{1, 2}});
    near(flow.peer.until_it_sends(), ms(50));
    EXPECT_EQ(flow.resent(), Numbers{0});
    flow.acks(10);
    duplicate();
    EXPECT_EQ(flow.peer.cold().reo_wnd_mult, 3u);
}

TEST(Rack, WindowIsNeverLongerThanTheSmoothedRoundTrip) {  // step 4: min(..., SRTT)
    Opening how = NumberedFlow::with_active(selective());
    how.config.minimum_rto = seconds(1);  // or the timeout would be due when the window ends
    Flow10 flow{how};
    for (int i = 0; i < 30; ++i) {
        flow.peer.sends(ack().ack(flow.peer.snd_una()).sacks({{flow.begin - 1'448, flow.begin}}));
        flow.peer.writes(flow.mss(), {.nodelay = true});
        flow.peer.ignores_what_was_sent();
        flow.peer.after(ms(100));
        flow.peer.sends(ack().ack(flow.peer.snd_nxt()));
    }
    EXPECT_GT(flow.peer.cold().reo_wnd_mult, 20u);
    const SeqNum from = flow.peer.snd_nxt();
    EXPECT_EQ(flow.peer.writes(5 * flow.mss()), 5u * flow.mss());
    flow.peer.ignores_what_was_sent();
    flow.peer.after(ms(100));
    flow.peer.sends(ack().ack(from).sacks({{from + flow.mss(), from + 2 * flow.mss()}}));
    near(flow.peer.until_it_sends(), flow.peer.tcb().timing.srtt);
    EXPECT_TRUE(flow.flags().recovering);
}

TEST(Rack, SixteenRecoveriesWithoutADuplicateResetTheWindow) {  // step 4: reo_wnd_persist
    Flow10 flow;
    flow.peer.sends(ack().ack(flow.peer.snd_una()).sacks({{flow.begin - 1'448, flow.begin}}));
    flow.acks(10);
    flow.peer.writes(1 << 20);
    for (int recovery = 1; recovery <= 16; ++recovery) {
        EXPECT_EQ(flow.peer.cold().reo_wnd_mult, 2u) << recovery;
        while (flow.cwnd() < 8 * flow.mss()) flow.peer.sends(ack().ack(flow.peer.snd_nxt()));
        flow.begin = flow.peer.snd_una();
        flow.peer.ignores_what_was_sent();
        flow.peer.after(ms(100));
        flow.acked = 0;
        flow.sacks({{1, 6}});
        flow.peer.after(ms(100));
        flow.peer.sends(ack().ack(flow.peer.snd_nxt()));
        flow.peer.ignores_what_was_sent();
    }
    EXPECT_EQ(flow.peer.cold().reo_wnd_mult, 1u);
}

TEST(Rack, FindsARetransmissionThatWasLost) {  // section 3.3: what three duplicates cannot
    Opening how = NumberedFlow::with_active(selective());
    how.config.minimum_rto = seconds(1);
    NumberedFlow flow{20, how};
    EXPECT_GT(flow.peer.writes(40 * flow.mss()), 0u);
    flow.peer.ignores_what_was_sent();
    flow.known_end = flow.peer.snd_nxt();
    flow.sacks({{1, 12}});
    const Numbers first = flow.sent();
    ASSERT_FALSE(first.empty());
    EXPECT_EQ(first.front(), 0u);
    EXPECT_EQ(std::count(first.begin(), first.end(), 0u), 1);
    flow.peer.after(ms(50));
    flow.sacks({{1, 20}});  // lets new text out, behind the retransmission
    const Numbers fresh = flow.sent();
    ASSERT_FALSE(fresh.empty());
    flow.peer.after(ms(100));
    flow.peer.sends(ack().ack(flow.at(0)).sacks({{flow.at(1), flow.peer.snd_nxt()}}));  // all but segment 0
    Numbers again = flow.sent();
    if (std::count(again.begin(), again.end(), 0u) == 0) {
        EXPECT_LE(flow.peer.until_it_sends(), ms(26)) << "the window of reordering, sooner than a probe of the tail";
        again = flow.sent();
    }
    EXPECT_EQ(std::count(again.begin(), again.end(), 0u), 1);
    EXPECT_EQ(flow.peer.statistics().timeouts, 0u);
}

TEST(Rack, AcknowledgementOfTheFirstTransmissionDoesNotCountForTheSecond) {  // step 2: by the echoed timestamp
    Flow10 flow;
    flow.sacks({{1, 5}});
    EXPECT_EQ(flow.resent(), Numbers{0});
    const Instant before_it = flow.board().rack.xmit_ts;
    flow.peer.after(ms(110));  // late enough to be of the second, were it not for the echo
    flow.peer.sends(ack().ack(flow.at(1)).sacks({{flow.at(2), flow.at(5)}}).echo(flow.peer.last_value() - 100));
    ASSERT_TRUE(flow.has_board());
    EXPECT_EQ(flow.board().rack.xmit_ts, before_it);
}

TEST(Rack, TimeoutGivesUpWhatIsOlderThanARoundTripAndItsWindow) {  // section 6.3: RACK_mark_losses_on_RTO
    Flow10 flow;
    for (std::uint32_t left = 8; left > 4; --left) {
        flow.sacks({{left, 10}});
        flow.peer.after(ms(30));
    }
    EXPECT_GT(flow.resent().size(), 2u);  // one after the other, and lost again
    while (flow.peer.statistics().timeouts == 0) flow.peer.until_it_sends();
    EXPECT_EQ(flow.cwnd(), flow.mss());
    EXPECT_EQ(flow.pipe(), flow.mss()) << "the head again, all else is given up";
}

// ---- section 7 ----

TEST(TailLossProbe, IsDueAfterTwoRoundTrips) {  // section 7.2
    Flow10 flow{NumberedFlow::with_active(selective()), Duration{}};
    near(flow.peer.until_it_sends(), flow.peer.tcb().timing.srtt * 2);
    EXPECT_EQ(flow.resent(), Numbers{9}) << "the highest segment, for there is nothing new";
    EXPECT_EQ(flow.peer.statistics().timeouts, 0u);
    EXPECT_EQ(flow.peer.statistics().tail_probes, 1u);
    EXPECT_EQ(flow.cwnd(), 10 * flow.mss()) << "the window stays";
}

TEST(TailLossProbe, OfALoneSegmentWaitsForADelayedAcknowledgementToo) {  // section 7.2: TLP.max_ack_delay, 200 ms
    Opening how = selective();
    how.active = true;
    how.config.minimum_rto = seconds(1);
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    near(peer.until_it_sends(), peer.tcb().timing.srtt * 2 + ms(200));
}

TEST(TailLossProbe, IsNeverLaterThanTheTimeout) {  // section 7.2
    Opening how = selective();
    how.active = true;
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    const Duration rto = peer.tcb().timing.rto;
    ASSERT_LT(rto, peer.tcb().timing.srtt * 2 + ms(200));
    near(peer.until_it_sends(), rto);
    EXPECT_EQ(peer.statistics().timeouts, 0u);
}

TEST(TailLossProbe, BeforeAnyMeasurementIsDueAfterASecond) {  // section 7.2: SRTT is not available
    Opening how = selective(Duration{});
    how.active = true;
    how.timestamps = false;
    Peer peer{how};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.until_it_sends();  // the SYN again, so that its answer tells no round trip (Karn)
    peer.ignores_what_was_sent();
    peer.sends(syn_ack().ack(first.seq + 1));
    peer.ignores_what_was_sent();
    ASSERT_EQ(peer.tcb().timing.srtt, Duration{});
    EXPECT_EQ(peer.writes(3 * peer.effective_mss()), 3u * peer.effective_mss());
    peer.ignores_what_was_sent();
    near(peer.until_it_sends(), seconds(1));
}

TEST(TailLossProbe, CarriesNewTextIfThereIsAny) {  // section 7.3
    NumberedFlow flow{10, NumberedFlow::with_active(selective()), Duration{}};
    EXPECT_GT(flow.peer.writes(5 * flow.mss()), 0u);
    EXPECT_EQ(flow.sent(), Numbers{}) << "the congestion window is full";
    flow.peer.until_it_sends();
    EXPECT_EQ(flow.sent(), Numbers{10});
    EXPECT_EQ(flow.pipe(), 11 * flow.mss());
}

TEST(TailLossProbe, IsFollowedByTheTimeoutAndNotByAnother) {  // sections 7.2 and 7.3
    Flow10 flow{NumberedFlow::with_active(selective()), Duration{}};
    flow.peer.until_it_sends();
    flow.peer.ignores_what_was_sent();
    near(flow.peer.until_it_sends(), flow.peer.tcb().timing.rto);
    EXPECT_EQ(flow.resent(), Numbers{0});
    EXPECT_EQ(flow.peer.statistics().timeouts, 1u);
    EXPECT_EQ(flow.peer.statistics().tail_probes, 1u);
}

TEST(TailLossProbe, IsNotSentWhileSomethingIsSacked) {  // section 7.2
    Flow10 flow;
    flow.sacks({{1, 2}});
    flow.peer.after(ms(300));
    EXPECT_EQ(flow.peer.statistics().tail_probes, 0u);
}

TEST(TailLossProbe, RevealsALostTailWithoutATimeout) {  // section 3.2, example
    Flow10 flow;
    flow.acks(7);
    flow.peer.until_it_sends();
    EXPECT_EQ(flow.resent(), Numbers{9});
    flow.peer.after(ms(100));
    flow.sacks({{9, 10}});
    EXPECT_EQ(flow.resent(), Numbers{7});
    flow.peer.after(ms(100));
    flow.acks(8);
    EXPECT_EQ(flow.resent(), Numbers{8});
    EXPECT_EQ(flow.peer.statistics().timeouts, 0u);
}

TEST(TailLossProbe, ThatRepairedTheLossHalvesTheWindow) {  // section 7.4.2: the congestion control must know
    Flow10 flow;
    flow.acks(9);
    flow.peer.until_it_sends();
    EXPECT_EQ(flow.resent(), Numbers{9});
    flow.peer.after(ms(100));
    flow.acks(10);
    const std::uint32_t window = flow.cwnd();
    EXPECT_TRUE(flow.flags().tail_out) << "it may have been a duplicate: a DSACK would tell";
    EXPECT_EQ(flow.peer.writes(flow.mss()), flow.mss());
    flow.peer.ignores_what_was_sent();
    flow.peer.after(ms(100));
    flow.acks(11);
    EXPECT_FALSE(flow.flags().tail_out);
    EXPECT_LT(flow.cwnd(), window);
    EXPECT_EQ(flow.peer.statistics().timeouts, 0u);
}

TEST(TailLossProbe, ThatWasADuplicateChangesNothing) {  // section 7.4.1, case 1
    Flow10 flow;
    flow.acks(9);
    flow.peer.until_it_sends();
    EXPECT_EQ(flow.resent(), Numbers{9});
    flow.acks(10);  // late, but it came
    const std::uint32_t window = flow.cwnd();
    flow.peer.sends(ack().ack(flow.at(10)).sacks({{flow.at(9), flow.at(10)}}));
    EXPECT_FALSE(flow.flags().tail_out);
    EXPECT_EQ(flow.cwnd(), window);
}

TEST(TailLossProbe, AnswerWithoutBlocksEndsItToo) {  // section 7.4.1, case 3
    Flow10 flow;
    flow.acks(9);
    flow.peer.until_it_sends();
    flow.peer.ignores_what_was_sent();
    flow.acks(10);
    const std::uint32_t window = flow.cwnd();
    flow.acks(10);
    EXPECT_FALSE(flow.flags().tail_out);
    EXPECT_EQ(flow.cwnd(), window);
}

TEST(TailLossProbe, NeedsSack) {  // section 7.2
    Opening how = selective();
    how.active = true;
    how.sack = false;
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(3'000, {.nodelay = true}), 3'000u);
    peer.ignores_what_was_sent();
    peer.after(seconds(5));
    EXPECT_EQ(peer.statistics().tail_probes, 0u);
    EXPECT_GT(peer.statistics().timeouts, 0u);
}

}  // namespace
}  // namespace weft::test
