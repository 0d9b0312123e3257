// Recovery as a whole: tails that are lost, networks that reorder, a policer, and how fast a flow is for a rate of loss, held
// against the published response functions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "stack/core/address.h"
#include "stack/tcp/congestion/controller.h"
#include "stack/tcp/info.h"
#include "stack/wire/tcp.h"
#include "tests/sim/transfer.h"

namespace weft::test {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }
constexpr Duration seconds(std::int64_t n) { return Duration::seconds(n); }

class Recovery : public ::testing::Test {
protected:
    BufferPool pool{std::size_t{256} << 20};

    // 50 Mbit/s and 40 ms there and back.
    static Transfer::Plan fifty(std::uint64_t seed, std::uint64_t bytes) {
        return Transfer::plain(seed, bytes, {.rate = 50'000'000, .queue = 1 << 20, .delay = ms(20)});
    }

    static Statistics ends_well(Transfer& transfer) {
        EXPECT_EQ(transfer.run_well(), "");
        return transfer.a->engine().statistics();
    }
};

TEST_F(Recovery, LostTailsAreRepairedWithoutATimeout) {
    for (std::uint64_t lost = 1; lost <= 6; ++lost) {
        Transfer::Plan plan = fifty(lost, 10 * 1'448);  // the initial window: SYN, ACK and ten segments
        plan.wire_ab.lose_from = 12 - lost, plan.wire_ab.lose_until = 12;
        Transfer transfer{pool, plan};
        const Statistics all = ends_well(transfer);
        EXPECT_EQ(all.timeouts, 0u) << lost;
        EXPECT_GE(all.tail_probes, 1u) << lost;
        EXPECT_LE(transfer.b->app.ended_at(), Instant{} + ms(600)) << lost;
    }
}

// A transfer of 300,000 bytes, of which one segment in a hundred is lost, and the last two for certain, the first time: what a
// tail is.
struct LostTail {
    LostTail(BufferPool& pool, Transfer::Plan plan) : transfer{pool, plan} {
        transfer.world.tap(transfer.ab, [this](const Receive& packet, Instant) {
            note_fate_of_the_one_before();
            const auto view = wire::TcpView::parse(packet.frame.bytes().subspan(20));
            if (!view) return true;
            if (first == SeqNum{}) {  // the SYN is on its way already
                first = highest = view->seq();
                before_tail = transfer.a->engine().statistics().timeouts;
            }
            const SeqNum end = view->seq() + std::uint32_t(view->payload().size());
            again = !before(highest, end) && !view->payload().empty();
            highest = later(highest, end);
            const bool dropped = !again && view->seq() - first >= 300'000 - 2 * 1'448 && !view->payload().empty();
            tails += dropped;
            return !dropped;
        });
    }
    void note_fate_of_the_one_before() {
        const std::uint64_t lost = transfer.world.wire(transfer.ab).statistics.lost;
        repairs_lost += again && lost > lost_before;
        lost_before = lost;
        again = false;
    }
    Transfer transfer;
    SeqNum first, highest;
    bool again{false};  // what left last was a repair or a probe
    std::uint64_t lost_before{0}, before_tail{0};
    std::uint32_t tails{0}, repairs_lost{0};
};

// Data alone is lost. A timeout is due only where the repair or the probe is lost as well and nothing that left after it is
// answered: RFC 8985 sends one probe, and none in a recovery (section 7.3). A lost SYN has no probe.
TEST_F(Recovery, TailsUnderOneInAHundredLostNeedNoTimeout) {
    std::uint64_t timeouts = 0, probes = 0, excused = 0;
    for (std::uint64_t seed = 1; seed <= 240; ++seed) {
        Transfer::Plan plan = fifty(seed, 300'000);
        plan.wire_ab.loss = 10'000;
        LostTail run{pool, plan};
        const Statistics all = ends_well(run.transfer);
        run.note_fate_of_the_one_before();
        EXPECT_GE(run.tails, 1u);
        const std::uint64_t late = all.timeouts - run.before_tail;
        EXPECT_TRUE(late == 0 || run.repairs_lost > 0) << seed << ": " << late << " timeouts";
        timeouts += late;
        excused += late > 0;
        probes += all.tail_probes;
    }
    EXPECT_GT(probes, 100u);
    EXPECT_LE(excused, 4u);
    std::printf("240 tails: %llu probes, %llu timeouts\n", static_cast<unsigned long long>(probes),
                static_cast<unsigned long long>(timeouts));
}

TEST_F(Recovery, TailsAreRepairedWhereAcknowledgementsAreLostToo) {
    std::uint64_t timeouts = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        Transfer::Plan plan = fifty(seed, 300'000);
        plan.wire_ab.loss = plan.wire_ba.loss = 10'000;
        LostTail run{pool, plan};
        timeouts += ends_well(run.transfer).timeouts - run.before_tail;
    }
    EXPECT_LE(timeouts, 5u) << "the last acknowledgement may be lost, or the only one that told of a hole";
    std::printf("60 tails, acknowledgements lost too: %llu timeouts\n", static_cast<unsigned long long>(timeouts));
}

TEST_F(Recovery, ReorderingByAQuarterOfARoundTripIsLearnt) {
    Transfer::Plan plan = fifty(3, 24 << 20);
    plan.config_a.send_buffer = plan.config_b.receive_buffer = 512 << 10;  // what the path holds, twice
    plan.wire_ab.reordering = 50'000;
    plan.wire_ab.reordering_delay = ms(10);
    Transfer transfer{pool, plan};
    EXPECT_TRUE(transfer.world.run(Instant{} + seconds(60), [&] { return transfer.b->app.received() > 4 << 20; }));
    const std::uint64_t learnt = transfer.a->engine().statistics().retransmitted_segments;
    EXPECT_GT(transfer.world.wire(transfer.ab).statistics.reordered, 100u);
    const Statistics all = ends_well(transfer);
    EXPECT_EQ(all.retransmitted_segments, learnt) << "nothing was lost";
    EXPECT_EQ(all.timeouts, 0u);
    EXPECT_LT(transfer.b->app.ended_at(), Instant{} + seconds(8)) << "24 MiB take 4 s at 50 Mbit/s";
    std::printf("reordering: %llu segments were sent again until it was learnt, %llu after\n",
                static_cast<unsigned long long>(learnt),
                static_cast<unsigned long long>(all.retransmitted_segments - learnt));
}

// A queue that grows to half a second while packets overtake each other all the time: scoreboards come and go, samples must not.
TEST_F(Recovery, AFlowInWhichMuchIsReorderedIsMeasured) {
    Transfer::Plan plan = fifty(3, 24 << 20);
    plan.config_a.send_buffer = plan.config_b.receive_buffer = 4 << 20;
    plan.wire_ab.queue = 8 << 20;
    plan.wire_ab.reordering = 50'000;
    plan.wire_ab.reordering_delay = ms(10);
    Transfer transfer{pool, plan};
    EXPECT_TRUE(transfer.world.run(Instant{} + seconds(60), [&] { return transfer.b->app.received() > 16 << 20; }));
    const auto info = transfer.a->engine().info(transfer.a->app.flow(), transfer.world.now());
    ASSERT_TRUE(info.has_value());
    EXPECT_GT(info->rtt, 300'000u) << "us; it is 500 to 700 ms";
    EXPECT_LT(info->rtt, 900'000u);
    const Statistics all = ends_well(transfer);
    EXPECT_EQ(all.timeouts, 0u);
}

// A bucket of 256 KiB that 100 Mbit/s fill, and no queue: what is beyond it is lost at once, retransmissions alike.
TEST_F(Recovery, PolicerOfAHundredMegabitsIsFilledWithoutATimeout) {
    for (const bool sack : {true, false})
        for (const std::uint16_t slot : {std::uint16_t{0}, std::uint16_t{1}}) {
            Transfer::Plan plan{.seed = 5, .forth = 24 << 20};
            plan.a.options.congestion = slot;
            plan.config_a.sack = plan.config_b.sack = sack;
            plan.wire_ab = plan.wire_ba = {.rate = 1'000'000'000, .queue = 1 << 20, .delay = Duration::microseconds(250)};
            Transfer transfer{pool, plan};
            constexpr std::int64_t bucket = 256 << 10;
            std::int64_t bits = bucket * 8;
            Instant last;
            transfer.world.tap(transfer.ab, [&](const Receive& packet, Instant now) {
                bits = std::min(bucket * 8, bits + (now - last).count() / 10);  // 100 Mbit/s are a bit in 10 ns
                last = now;
                if (bits < std::int64_t{packet.frame.size()} * 8) return false;
                bits -= std::int64_t{packet.frame.size()} * 8;
                return true;
            });
            const Statistics all = ends_well(transfer);
            const double rate = double(plan.forth) * 8e3 / double(transfer.b->app.ended_at().nanoseconds());
            std::printf("policer, %s, sack %s: %.1f Mbit/s, %llu timeouts\n", slot == 0 ? "newreno" : "cubic",
                        sack ? "on" : "off", rate, static_cast<unsigned long long>(all.timeouts));
            if (!sack) continue;
            EXPECT_GT(rate, 90) << "of 96.5 that the headers leave";
            EXPECT_EQ(all.timeouts, 0u);
        }
}

// Every `period`-th full segment is lost: the deterministic loss of the response functions. The mean window in segments.
double mean_window(BufferPool& pool, std::uint16_t slot, std::uint64_t period, Duration one_way, int warm, int measured) {
    Transfer::Plan plan{.seed = 9, .forth = std::uint64_t{1} << 40};
    plan.a.options.congestion = slot;
    plan.config_a.send_buffer = plan.config_b.receive_buffer = 8 << 20;
    plan.wire_ab = plan.wire_ba = {.delay = one_way};
    Transfer transfer{pool, plan};
    std::uint64_t segments = 0, cycles = 0;
    transfer.world.tap(transfer.ab, [&](const Receive& packet, Instant) {
        if (packet.frame.size() < 1'400 || ++segments % period != 0) return true;
        ++cycles;
        return false;
    });
    const auto until = [&](std::uint64_t wanted) {
        EXPECT_TRUE(transfer.world.run(Instant{} + seconds(100'000), [&] { return cycles >= wanted; }));
        return std::pair{transfer.b->app.received(), transfer.world.now()};
    };
    const auto [first_bytes, first_time] = until(std::uint64_t(warm));
    const auto [last_bytes, last_time] = until(std::uint64_t(warm + measured));
    EXPECT_EQ(transfer.a->engine().statistics().timeouts, 0u);
    const double round_trips = double((last_time - first_time).count()) / double((one_way * 2).count());
    return double(last_bytes - first_bytes) / 1'448 / round_trips;
}

TEST_F(Recovery, NewRenosGoodputIsThatOfItsResponseFunction) {  // RFC 5348, section 3.1, without timeouts: sqrt(3 / 2p)
    for (const std::uint64_t period : {1'000u, 4'000u}) {
        const double expected = std::sqrt(1.5 * double(period));
        const double window = mean_window(pool, 0, period, ms(20), 6, 10);
        EXPECT_NEAR(window, expected, expected / 10) << period;
        std::printf("newreno, one of %llu lost: a window of %.1f segments, by the formula %.1f\n",
                    static_cast<unsigned long long>(period), window, expected);
    }
}

TEST_F(Recovery, CubicsGoodputIsThatOfItsResponseFunction) {  // RFC 9438, section 5.1, figure 6; beyond Reno's region
    const double round_trip = 0.1, c = 0.4, beta = 0.7;
    const std::uint64_t period = 20'000;
    const double expected =
        std::pow(c * (3 + beta) / (4 * (1 - beta)), 0.25) * std::pow(round_trip, 0.75) * std::pow(double(period), 0.75);
    ASSERT_GT(expected, 1.5 * std::sqrt(1.5 * double(period)));
    const double window = mean_window(pool, 1, period, ms(50), 4, 6);
    EXPECT_NEAR(window, expected, expected / 10);
    std::printf("cubic, one of %llu lost, 100 ms: a window of %.1f segments, by the formula %.1f\n",
                static_cast<unsigned long long>(period), window, expected);
}

}  // namespace
}  // namespace weft::test
