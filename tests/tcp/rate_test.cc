// Delivery-rate samples, rounds and application limits as the core computes them (draft-ietf-ccwg-bbr, section 4.1), each
// figure worked out by hand: what was delivered since the sampled transmission left, over the longer of the time that sending
// and acknowledging it took.
#include <gtest/gtest.h>

#include <random>

#include "plugins/abi/weft_plugin.h"
#include "stack/core/trace.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

constexpr std::uint32_t largest_segment = 1'460;

// A flow without timestamps, and the samples of its acknowledgements.
struct Rated {
    explicit Rated(Config config = {.seed = {7, 11}, .minimum_rto = seconds(1)})
        : peer{established({.config = config, .scale = 14, .timestamps = false})} {
        peer.engine().trace({trace::bit(trace::Type::rate), &samples, [](void* context, const trace::Record& record) {
                                 static_cast<std::vector<trace::Rate>*>(context)->push_back(
                                     trace::body_of<trace::Rate>(record));
                             }});
    }
    Rated(const Rated&) = delete;

    void writes(std::uint32_t segments, WriteOptions options = {}) {
        ASSERT_EQ(peer.writes(std::size_t{segments} * largest_segment, options), std::size_t{segments} * largest_segment);
    }
    // After `later`, the peer acknowledges so many segments more.
    trace::Rate acks(Duration later, std::uint32_t segments) {
        peer.after(later);
        const std::size_t before = samples.size();
        peer.sends(ack().ack(peer.snd_una() + segments * largest_segment));
        EXPECT_EQ(samples.size(), before + 1);
        peer.ignores_what_was_sent();
        return samples.empty() ? trace::Rate{} : samples.back();
    }
    void duplicates(int count) {
        for (int i = 0; i < count; ++i) peer.sends(ack().ack(peer.snd_una()));
        peer.ignores_what_was_sent();
    }
    const tcp::Tcb::Rate& rate() const { return peer.tcb().rate; }

    std::vector<trace::Rate> samples;
    Peer peer;
};

bool is(const trace::Rate& sample, unsigned flag) { return (sample.flags & flag) != 0; }

TEST(DeliveryRate, OneFlightIsWhatItCarriedOverOneRoundTrip) {
    Rated flow;
    flow.writes(2);
    const trace::Rate sample = flow.acks(ms(100), 2);
    EXPECT_TRUE(is(sample, WEFT_ACK_RATE_VALID));
    EXPECT_TRUE(is(sample, WEFT_ACK_RTT_VALID));
    EXPECT_EQ(sample.rtt_ns, ms(100).count());
    EXPECT_EQ(sample.interval_ns, ms(100).count());
    EXPECT_EQ(sample.delivered, 2 * largest_segment);
    EXPECT_EQ(sample.in_flight, 2 * largest_segment);
    EXPECT_EQ(sample.lost, 0u);
    EXPECT_EQ(sample.total, 2 * largest_segment);
}

TEST(DeliveryRate, PartsOfASuperSegmentAndWhatFollowsThemAreSampledByTheirOwnState) {
    Rated flow;
    flow.writes(20);  // ten of them leave at 0 ms, as one
    trace::Rate sample = flow.acks(ms(100), 2);  // and four at 100 ms
    EXPECT_EQ(sample.delivered, 2 * largest_segment);
    EXPECT_EQ(sample.interval_ns, ms(100).count());
    EXPECT_EQ(sample.in_flight, 10 * largest_segment);
    sample = flow.acks(ms(10), 2);  // four more at 110 ms
    EXPECT_EQ(sample.delivered, 4 * largest_segment);  // all since 0 ms
    EXPECT_EQ(sample.interval_ns, ms(110).count());
    EXPECT_EQ(sample.rtt_ns, ms(110).count());
    sample = flow.acks(ms(90), 10);  // six that left at 0 ms, four at 100 ms
    EXPECT_EQ(sample.delivered, 12 * largest_segment);  // 14 by now, 2 when those left
    EXPECT_EQ(sample.interval_ns, ms(100).count());
    EXPECT_EQ(sample.rtt_ns, ms(100).count());
    EXPECT_EQ(sample.in_flight, 12 * largest_segment);
    EXPECT_TRUE(is(sample, WEFT_ACK_RATE_VALID));
}

TEST(DeliveryRate, SlowSendingCountsWhenAcknowledgementsComeTogether) {
    Rated flow;
    flow.writes(1);
    flow.acks(ms(100), 1);
    flow.writes(1);  // at 100 ms: nothing was in flight, so a new interval begins here
    flow.peer.after(ms(90));
    flow.writes(1, {.nodelay = true});
    const trace::Rate together = flow.acks(ms(40), 2);  // at 230 ms
    EXPECT_EQ(together.delivered, 2 * largest_segment);
    EXPECT_EQ(together.interval_ns, ms(130).count());
    EXPECT_EQ(together.rtt_ns, ms(40).count());

    Rated other;  // never without text in flight
    other.writes(1);
    other.peer.after(ms(60));
    other.writes(1, {.nodelay = true});
    other.acks(ms(40), 1);  // at 100 ms
    other.peer.after(ms(80));
    other.writes(1, {.nodelay = true});  // at 180 ms: since 0 ms, when what was acknowledged last had left
    const trace::Rate late = other.acks(ms(50), 2);  // at 230 ms: 180 ms of sending, 130 ms of acknowledging
    EXPECT_EQ(late.delivered, 2 * largest_segment);
    EXPECT_EQ(late.interval_ns, ms(180).count());
}

TEST(DeliveryRate, FasterThanTheShortestRoundTripIsNoSample) {
    Rated flow;
    flow.writes(1);
    EXPECT_EQ(flow.acks(Duration{}, 1).flags & WEFT_ACK_RATE_VALID, 0u) << "no time at all";
    EXPECT_EQ(flow.samples.back().interval_ns, 0);
}

TEST(DeliveryRate, RoundBeginsWhenWhatLeftAfterTheLastBeginningIsAcknowledged) {
    Rated flow;
    flow.writes(40);
    EXPECT_TRUE(is(flow.acks(ms(100), 2), WEFT_ACK_ROUND_START));
    EXPECT_EQ(flow.samples.back().round, 1u);
    EXPECT_FALSE(is(flow.acks(ms(10), 2), WEFT_ACK_ROUND_START));
    EXPECT_FALSE(is(flow.acks(ms(10), 6), WEFT_ACK_ROUND_START)) << "the last that left before the first was acknowledged";
    EXPECT_TRUE(is(flow.acks(ms(10), 1), WEFT_ACK_ROUND_START));
    EXPECT_EQ(flow.samples.back().round, 2u);
}

TEST(DeliveryRate, SampleIsTheApplicationsUntilWhatWasInFlightInItsPauseIsAcknowledged) {
    Rated flow;
    flow.writes(1);
    EXPECT_TRUE(is(flow.acks(ms(100), 1), WEFT_ACK_APP_LIMITED));
    flow.peer.after(ms(50));
    flow.writes(30);  // what leaves at once left after a pause
    EXPECT_TRUE(is(flow.acks(ms(100), 4), WEFT_ACK_APP_LIMITED));
    EXPECT_TRUE(is(flow.acks(ms(1), 6), WEFT_ACK_APP_LIMITED));
    EXPECT_TRUE(is(flow.samples.back(), WEFT_ACK_CWND_LIMITED));
    EXPECT_FALSE(is(flow.acks(ms(100), 4), WEFT_ACK_APP_LIMITED)) << "from here on the window was the limit";
    EXPECT_EQ(flow.rate().limited_until, 0u);
}

TEST(DeliveryRate, FullWindowIsNotThePauseOfTheApplication) {
    Rated flow;
    flow.writes(10);  // the initial window to the byte
    EXPECT_EQ(flow.rate().limited_until, 1u) << "of the pause before";
    flow.acks(ms(100), 2);  // nothing unsent, but the window was full when this came
    EXPECT_EQ(flow.rate().limited_until, 0u);
    flow.acks(ms(1), 2);
    EXPECT_EQ(flow.rate().limited_until, 10 * largest_segment) << "two delivered, eight in flight, room for more";
}

TEST(DeliveryRate, RetransmissionIsSampledByItsOwnStateAndTellsNoRoundTrip) {
    Rated flow;
    flow.writes(10);
    flow.peer.after(ms(100));
    flow.duplicates(3);
    EXPECT_EQ(flow.rate().lost, largest_segment);
    EXPECT_EQ(flow.rate().records, 2u);
    const trace::Rate sample = flow.acks(ms(100), 10);
    EXPECT_TRUE(is(sample, WEFT_ACK_IN_RECOVERY));
    EXPECT_FALSE(is(sample, WEFT_ACK_RTT_VALID));
    EXPECT_EQ(sample.delivered, 10 * largest_segment);
    EXPECT_EQ(sample.interval_ns, ms(200).count());
    EXPECT_EQ(sample.lost, 0u) << "since it left again";
    EXPECT_EQ(flow.rate().records, 0u);
}

TEST(DeliveryRate, EveryHoleOfAWindowCountsAsLostOnce) {
    Rated flow;
    flow.writes(10);
    flow.peer.after(ms(100));
    flow.duplicates(3);
    flow.acks(ms(100), 4);
    EXPECT_EQ(flow.rate().lost, 2 * largest_segment);
    flow.acks(ms(100), 3);
    EXPECT_EQ(flow.rate().lost, 3 * largest_segment);
    flow.acks(ms(100), 3);
    EXPECT_EQ(flow.rate().lost, 3 * largest_segment);
}

TEST(DeliveryRate, TimeoutGivesUpAllThatIsInFlight) {
    Rated flow;
    flow.writes(10);
    flow.peer.until_it_sends();
    EXPECT_EQ(flow.rate().lost, 10 * largest_segment);
    EXPECT_EQ(flow.rate().records, 1u);
    const trace::Rate sample = flow.acks(ms(10), 10);  // it was all there, but late
    EXPECT_EQ(flow.rate().delivered, 10 * largest_segment);
    EXPECT_EQ(flow.rate().records, 0u);
    EXPECT_FALSE(is(sample, WEFT_ACK_RTT_VALID));
    EXPECT_EQ(sample.interval_ns, ms(10).count());
}

TEST(DeliveryRate, FinIsNotDelivered) {
    Rated flow;
    flow.writes(1);
    flow.peer.closes();
    flow.peer.after(ms(10));
    flow.peer.sends(ack().ack(flow.peer.snd_nxt()));
    EXPECT_EQ(flow.rate().delivered, largest_segment);
    EXPECT_EQ(flow.rate().records, 0u);
}

TEST(DeliveryRate, RecordsAreBoundedHoweverSmallTheSegments) {
    Rated flow;
    flow.writes(600);
    flow.peer.ignores_what_was_sent();
    for (int i = 0; i < 40; ++i) flow.acks(ms(1), 10);  // a window of some hundred segments
    for (; flow.peer.snd_una() != flow.peer.snd_nxt();)
        flow.acks(ms(1), (flow.peer.snd_nxt() - flow.peer.snd_una()) / largest_segment);
    const std::uint32_t cwnd = flow.peer.tcb().sending.steering.cwnd;
    ASSERT_GT(cwnd, 10'000u);
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        ASSERT_EQ(flow.peer.writes(1, {.nodelay = true}), 1u);
        flow.peer.now = flow.peer.now + Duration::nanoseconds(1);
        ASSERT_LE(flow.rate().records, 4'096u);
    }
    EXPECT_EQ(flow.rate().records, 4'096u);
    flow.peer.after(ms(1));
    flow.peer.sends(ack().ack(flow.peer.snd_nxt()));
    EXPECT_EQ(flow.rate().records, 0u);
}

TEST(DeliveryRate, WhatWasJoinedForWantOfRecordsTellsNoRoundTrip) {  // it left at several times
    Rated flow;
    flow.writes(600);
    flow.peer.ignores_what_was_sent();
    for (int i = 0; i < 40; ++i) flow.acks(ms(1), 10);
    for (; flow.peer.snd_una() != flow.peer.snd_nxt();)
        flow.acks(ms(1), (flow.peer.snd_nxt() - flow.peer.snd_una()) / largest_segment);
    const auto write_bytes = [&](int count) {
        for (int i = 0; i < count; ++i) {
            ASSERT_EQ(flow.peer.writes(1, {.nodelay = true}), 1u);
            flow.peer.now = flow.peer.now + Duration::nanoseconds(1);
        }
    };
    write_bytes(4'096);
    flow.peer.after(ms(50));
    write_bytes(10);
    ASSERT_EQ(flow.rate().records, 4'096u);
    const auto acks_bytes = [&](std::uint32_t bytes) {
        flow.peer.sends(ack().ack(flow.peer.snd_una() + bytes));
        return flow.samples.back();
    };
    flow.peer.after(ms(7));
    EXPECT_TRUE(is(acks_bytes(4'000), WEFT_ACK_RTT_VALID));
    EXPECT_FALSE(is(acks_bytes(101), WEFT_ACK_RTT_VALID)) << "the second is of 7 or of 57 ms: nobody knows";
}

TEST(DeliveryRate, RecordsAreThereExactlyWhileSomethingIsInFlight) {  // whatever is lost, repeated or late
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        std::mt19937_64 random{seed};
        Rated flow;
        std::uint64_t acknowledged = 0;
        for (int i = 0; i < 200; ++i) {
            flow.peer.writes(random() % 20'000, {.nodelay = random() % 2 == 0});
            flow.peer.ignores_what_was_sent();
            if (random() % 16 == 0) flow.peer.until_it_sends(seconds(3));
            flow.peer.after(Duration::microseconds(std::int64_t(random() % 50'000)));
            const std::uint32_t sent = flow.peer.tcb().sending.snd_max - flow.peer.snd_una();
            if (random() % 4 == 0) {
                flow.duplicates(int(random() % 5));
            } else if (sent > 0) {
                const auto more = std::uint32_t(random() % (sent + 1));
                flow.peer.sends(ack().ack(flow.peer.snd_una() + more));
                acknowledged += more;
            }
            ASSERT_EQ(flow.rate().delivered, acknowledged) << seed;
            ASSERT_EQ(flow.rate().records > 0, flow.peer.snd_nxt() != flow.peer.snd_una()) << seed;
            ASSERT_LE(flow.rate().delivered_at, flow.peer.now);
        }
        for (const trace::Rate& sample : flow.samples) {
            ASSERT_LE(sample.delivered, sample.total);
            ASSERT_GE(sample.interval_ns, 0);
        }
    }
}

}  // namespace
}  // namespace weft::test
