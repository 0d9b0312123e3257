// RFC 9406: HyStart++. Its constants and thresholds exactly, and a flow of CUBIC whose round trips grow.
#include <gtest/gtest.h>

#include "stack/tcp/congestion/cubic.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

using tcp::Control;
using tcp::HyStart;

constexpr std::uint32_t mss = 1'000;

struct SlowStart {
    HyStart start;
    Control out{.size = sizeof(Control), .mss = mss, .cwnd = 100 * mss, .ssthresh = 1 << 30};
    bool over{false};

    void acks(Duration rtt, bool begins_round = false, std::uint64_t bytes = 2 * mss) {
        tcp::AckEvent event{};
        event.size = sizeof event;
        event.mss = mss;
        event.newly_acked = bytes;
        event.rtt = rtt.count();
        event.flags =
            unsigned(WEFT_ACK_RTT_VALID) | WEFT_ACK_CWND_LIMITED | (begins_round ? unsigned(WEFT_ACK_ROUND_START) : 0u);
        over |= start.on_ack(event, out);
    }
    void round(Duration rtt, int samples = 8) {
        for (int i = 0; i < samples; ++i) acks(rtt, i == 0);
    }
    bool conservative() const { return start.rounds != 0; }
};

TEST(Rfc9406, ConstantsAreThoseOfSectionFourThree) {
    EXPECT_EQ(HyStart::min_rtt_thresh, 4'000u);  // us
    EXPECT_EQ(HyStart::max_rtt_thresh, 16'000u);
    EXPECT_EQ(HyStart::min_rtt_divisor, 8u);
    EXPECT_EQ(HyStart::n_rtt_sample, 8u);
    EXPECT_EQ(HyStart::css_growth_divisor, 4u);
    EXPECT_EQ(HyStart::css_rounds, 5u);
    EXPECT_EQ(HyStart::limit, 8u);
}

TEST(Rfc9406, ThresholdIsAnEighthBetweenFourAndSixteenMilliseconds) {  // section 4.2
    EXPECT_EQ(HyStart::threshold(10'000), 4'000u);
    EXPECT_EQ(HyStart::threshold(32'000), 4'000u);
    EXPECT_EQ(HyStart::threshold(80'000), 10'000u);
    EXPECT_EQ(HyStart::threshold(128'000), 16'000u);
    EXPECT_EQ(HyStart::threshold(1'000'000), 16'000u);
}

TEST(Rfc9406, RoundTripThatGrewByTheThresholdSlowsTheGrowth) {
    for (const auto& [second, slows] : {std::pair{ms(109), false}, std::pair{Duration::microseconds(112'499), false},
                                        std::pair{Duration::microseconds(112'500), true}}) {
        SlowStart flow;
        flow.round(ms(100));
        flow.round(second);
        EXPECT_EQ(flow.conservative(), slows) << second.count();
    }
}

TEST(Rfc9406, SevenSamplesAreTooFew) {  // N_RTT_SAMPLE
    SlowStart flow;
    flow.round(ms(100));
    flow.round(ms(200), 7);
    EXPECT_FALSE(flow.conservative());
    flow.acks(ms(200));
    EXPECT_TRUE(flow.conservative());
}

TEST(Rfc9406, LowestOfARoundCounts) {
    SlowStart flow;
    flow.round(ms(100));
    flow.acks(ms(101), true);
    for (int i = 0; i < 20; ++i) flow.acks(ms(300));
    EXPECT_FALSE(flow.conservative());
}

TEST(Rfc9406, GrowthIsByEightSegmentsAnAckAndAQuarterOfThatWhenConservative) {  // L = 8, CSS_GROWTH_DIVISOR
    SlowStart flow;
    flow.acks(ms(100), true, 20 * mss);
    EXPECT_EQ(flow.out.cwnd, 108 * mss);
    flow.acks(ms(100), false, 3 * mss);
    EXPECT_EQ(flow.out.cwnd, 111 * mss);
    flow.round(ms(100));
    flow.round(ms(200));
    ASSERT_TRUE(flow.conservative());
    const std::uint64_t before = flow.out.cwnd;
    flow.acks(ms(200), false, 20 * mss);
    EXPECT_EQ(flow.out.cwnd, before + 2 * mss);
}

TEST(Rfc9406, PacedFlowGrowsByAllThatWasAcknowledged) {  // L is infinite
    SlowStart flow;
    flow.out.pacing_rate = 1'000'000;
    flow.acks(ms(100), true, 20 * mss);
    EXPECT_EQ(flow.out.cwnd, 120 * mss);
}

TEST(Rfc9406, FifthConservativeRoundIsTheLast) {  // CSS_ROUNDS; the one in which it began counts
    SlowStart flow;
    flow.round(ms(100));
    flow.round(ms(200));
    ASSERT_TRUE(flow.conservative());
    for (int round = 2; round <= 5; ++round) {
        flow.round(ms(200));
        EXPECT_FALSE(flow.over) << round;
    }
    flow.acks(ms(200), true);
    EXPECT_TRUE(flow.over);
}

TEST(Rfc9406, RoundTripThatFallsAgainMeansThatItWasJitter) {  // back to slow start
    SlowStart flow;
    flow.round(ms(100));
    flow.round(ms(200));
    ASSERT_TRUE(flow.conservative());
    flow.round(ms(150));
    EXPECT_FALSE(flow.conservative());
    const std::uint64_t before = flow.out.cwnd;
    flow.acks(ms(150));
    EXPECT_EQ(flow.out.cwnd, before + 2 * mss);
}

TEST(Rfc9406, EndOfItIsAvoidanceFromTheWindowThatWasReached) {
    tcp::Cubic cubic;
    Control out{.size = sizeof(Control), .mss = mss, .cwnd = 100 * mss, .ssthresh = 1 << 30};
    tcp::AckEvent event{};
    event.size = sizeof event;
    event.mss = mss;
    event.newly_acked = mss;
    for (int round = 0; round < 9 && out.ssthresh == 1 << 30; ++round)
        for (int i = 0; i < 8; ++i) {
            event.rtt = (round == 0 ? ms(100) : ms(200)).count();
            event.now += ms(1).count();
            event.flags =
                unsigned(WEFT_ACK_RTT_VALID) | WEFT_ACK_CWND_LIMITED | (i == 0 ? unsigned(WEFT_ACK_ROUND_START) : 0u);
            cubic.on_ack(event, out);
        }
    EXPECT_LT(out.ssthresh, 1u << 30);
    EXPECT_LE(out.ssthresh, out.cwnd);
}

TEST(Rfc9406, LaterSlowStartsAreOrdinary) {  // section 4: only the first one, before any loss
    tcp::Cubic cubic;
    Control out{.size = sizeof(Control), .mss = mss, .cwnd = 10 * mss, .ssthresh = 1'000 * mss};
    tcp::AckEvent event{};
    event.size = sizeof event;
    event.mss = mss;
    event.newly_acked = mss;
    for (int round = 0; round < 4; ++round)
        for (int i = 0; i < 8; ++i) {
            event.rtt = (round == 0 ? ms(100) : ms(300)).count();
            event.flags =
                unsigned(WEFT_ACK_RTT_VALID) | WEFT_ACK_CWND_LIMITED | (i == 0 ? unsigned(WEFT_ACK_ROUND_START) : 0u);
            cubic.on_ack(event, out);
        }
    EXPECT_EQ(out.cwnd, 42 * mss);
}

}  // namespace
}  // namespace weft::test
