// Timeouts and recoveries that were none: F-RTO (RFC 5682), timestamps (RFC 3522), duplicate SACKs (RFC 3708), and what is done
// about it (RFC 4015).
#include <gtest/gtest.h>

#include "tests/rfc/flow.h"

namespace weft::test {
namespace {

using Numbers = std::vector<std::uint32_t>;

Opening without_timestamps() {
    Opening how = selective();
    how.active = true;
    how.timestamps = false;
    return how;
}

// Twenty segments in flight, and as many that wait; the timer went off and sent the first again.
struct TimedOut : NumberedFlow {
    explicit TimedOut(const Opening& how) : NumberedFlow{20, how, Duration{}} {
        EXPECT_GT(peer.writes(40 * mss()), 0u);
        peer.ignores_what_was_sent();
        window = cwnd();
        threshold = ssthresh();
        while (peer.statistics().timeouts == 0) peer.until_it_sends();
        next = (peer.snd_nxt() - begin) / mss();
        peer.ignores_what_was_sent();
    }
    std::uint32_t window{0}, threshold{0}, next{0};
};

TEST(Rfc5682, AckThatAdvancesIsAnsweredByTwoNewSegments) {  // section 3, step 2b
    TimedOut flow{without_timestamps()};
    flow.acks(2);
    EXPECT_EQ(flow.sent(), (Numbers{flow.next, flow.next + 1}));
}

TEST(Rfc5682, SecondAckOfWhatWasSentOnceShowsThatTheTimeoutWasNone) {  // step 3a
    TimedOut flow{without_timestamps()};
    EXPECT_EQ(flow.cwnd(), flow.mss());
    flow.acks(2);
    flow.peer.ignores_what_was_sent();
    flow.acks(4);
    EXPECT_EQ(flow.peer.statistics().spurious_recoveries, 1u);
    for (const std::uint32_t number : flow.sent()) EXPECT_GE(number, flow.next) << "nothing else is sent again";
    EXPECT_GE(flow.ssthresh(), 20 * flow.mss()) << "RFC 4015: pipe_prev";
    EXPECT_GE(flow.cwnd(), flow.pipe()) << "RFC 4015: FlightSize and what was acknowledged";
    EXPECT_LE(flow.cwnd(), flow.pipe() + 10 * flow.mss());
}

TEST(Rfc5682, SackOfWhatWasSentOnceShowsItToo) {  // step 3a
    TimedOut flow{without_timestamps()};
    flow.acks(2);
    flow.peer.ignores_what_was_sent();
    flow.sacks({{3, 4}});
    EXPECT_EQ(flow.peer.statistics().spurious_recoveries, 1u);
}

TEST(Rfc5682, DuplicateAfterTheTimeoutMeansThatItWasReal) {  // step 2: conventional recovery
    TimedOut flow{without_timestamps()};
    flow.acks(0);
    flow.sacks({{5, 6}});
    flow.acks_and_sacks(1, {{5, 6}});
    const Numbers again = flow.sent();
    ASSERT_FALSE(again.empty());
    EXPECT_EQ(again.front(), 1u);
    EXPECT_EQ(flow.peer.statistics().spurious_recoveries, 0u);
}

TEST(Rfc5682, SackOfTheNewSegmentsAloneMeansThatItWasReal) {  // step 3b
    TimedOut flow{without_timestamps()};
    flow.acks(1);
    EXPECT_EQ(flow.sent(), (Numbers{flow.next, flow.next + 1}));
    flow.sacks({{flow.next, flow.next + 1}});
    EXPECT_EQ(flow.peer.statistics().spurious_recoveries, 0u);
    const Numbers again = flow.sent();
    ASSERT_FALSE(again.empty());
    EXPECT_EQ(again.front(), 1u);
}

TEST(Rfc5682, NewTextThatMayNotLeaveYetIsNotWaitedFor) {  // step 2b: if nothing new may be sent, as a recovery does
    NumberedFlow flow{20, without_timestamps(), Duration{}};
    while (flow.peer.statistics().timeouts == 0) flow.peer.until_it_sends();
    EXPECT_EQ(flow.peer.writes(50, {.more = true}), 50u);
    flow.peer.ignores_what_was_sent();
    flow.acks(1);
    const Numbers again = flow.sent();
    ASSERT_FALSE(again.empty());
    EXPECT_EQ(again.front(), 1u);
}

TEST(Rfc5682, SecondTimeoutIsNotAskedAgain) {  // step 1
    TimedOut flow{without_timestamps()};
    while (flow.peer.statistics().timeouts < 2) flow.peer.until_it_sends();
    flow.peer.ignores_what_was_sent();
    flow.acks(1);
    const Numbers again = flow.sent();
    ASSERT_FALSE(again.empty());
    EXPECT_EQ(again.front(), 1u);
}

TEST(Rfc3522, EchoOfAnEarlierTimestampShowsItAtOnce) {  // section 3.2
    Opening how = selective();
    how.active = true;
    TimedOut flow{how};
    flow.acked = 2;
    flow.peer.sends(ack().ack(flow.at(2)).echo(flow.peer.last_value() - 200));
    EXPECT_EQ(flow.peer.statistics().spurious_recoveries, 1u);
    for (const std::uint32_t number : flow.sent()) EXPECT_GE(number, flow.next);
}

TEST(Rfc3522, EchoOfTheRetransmissionMeansThatItWasReal) {
    Opening how = selective();
    how.active = true;
    TimedOut flow{how};
    flow.peer.after(ms(100));
    flow.acks(1);
    EXPECT_EQ(flow.peer.statistics().spurious_recoveries, 0u);
}

TEST(Rfc4015, RoundTripsAreMadeLongerByTheOneThatWasTooLong) {  // section 3.4: the timeout comes later from now on
    TimedOut flow{without_timestamps()};
    const Duration rto = flow.peer.tcb().timing.rto;
    flow.acks(2);
    flow.acks(4);
    EXPECT_GT(flow.peer.tcb().timing.rto, rto);
    EXPECT_EQ(flow.peer.tcb().sending.backoff, 0u);
}

TEST(Rfc3708, RecoveryOfWhichAllWasADuplicateIsUndone) {  // section 3
    NumberedFlow flow{20, without_timestamps()};
    flow.known_end = flow.at(20);
    const std::uint32_t window = flow.pipe();
    flow.sacks({{2, 6}});
    EXPECT_EQ(flow.sent(), (Numbers{0, 1}));
    EXPECT_EQ(flow.ssthresh(), window / 2);
    flow.acks_and_sacks(6, {});  // they had only been overtaken
    flow.peer.sends(ack().ack(flow.at(6)).sacks({{flow.at(0), flow.at(1)}}));
    EXPECT_EQ(flow.peer.statistics().spurious_recoveries, 0u) << "the other one may have been needed";
    flow.peer.sends(ack().ack(flow.at(6)).sacks({{flow.at(1), flow.at(2)}}));
    EXPECT_EQ(flow.peer.statistics().spurious_recoveries, 1u);
    EXPECT_GE(flow.ssthresh(), window);
    EXPECT_FALSE(flow.flags().recovering);
}

}  // namespace
}  // namespace weft::test
