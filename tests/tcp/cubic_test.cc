// CUBIC (RFC 9438): its constants exactly, its curve against the RFC's formulas in floating point, and a flow that runs it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "stack/tcp/congestion/controller.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

using tcp::Control;
using tcp::Cubic;

constexpr std::uint32_t segment_size = 1'000;
constexpr std::uint64_t segment = segment_size;
constexpr std::int64_t tick = Cubic::ticks_a_second;

Control window(std::uint64_t cwnd, std::uint64_t ssthresh = 1 << 30) {
    tcp::Steering steering{std::uint32_t(cwnd), std::uint32_t(ssthresh)};
    return steering.control(segment_size);
}

tcp::AckEvent acknowledges(std::uint64_t bytes, Duration at, Duration rtt, unsigned flags = WEFT_ACK_CWND_LIMITED) {
    tcp::AckEvent event{};
    event.size = sizeof event;
    event.flags = flags;
    event.now = at.count();
    event.newly_acked = bytes;
    event.smoothed_rtt = rtt.count();
    event.mss = segment_size;
    return event;
}

tcp::CongestionEvent congestion(std::uint32_t cause, std::uint64_t in_flight) {
    tcp::CongestionEvent event{};
    event.size = sizeof event;
    event.cause = cause;
    event.prior_in_flight = in_flight;
    event.mss = segment_size;
    return event;
}

TEST(Rfc9438, CurveIsFigureOneWithCOfTwoFifths) {   // section 4.2; C: 5.1
    EXPECT_EQ(Cubic::w_cubic(2 * tick, 2 * tick, 100 * segment, segment_size), 100 * segment) << "t = K: W_max";
    EXPECT_EQ(Cubic::w_cubic(3 * tick, 2 * tick, 100 * segment, segment_size), 100 * segment + 400);
    EXPECT_EQ(Cubic::w_cubic(12 * tick, 2 * tick, 100 * segment, segment_size), 500 * segment);
    EXPECT_EQ(Cubic::w_cubic(0, 5 * tick, 100 * segment, segment_size), 50 * segment);
    EXPECT_EQ(Cubic::w_cubic(0, 10 * tick, 100 * segment, segment_size), 0u) << "never below nothing";
    EXPECT_EQ(Cubic::w_cubic(1'000'000'000, 0, segment, 65'000), std::uint64_t{tcp::Steering::cap});
}

TEST(Rfc9438, KIsTheCubeRootOfFigureTwo) {   // section 4.2
    EXPECT_EQ(Cubic::ticks_to(100 * segment, 50 * segment, segment_size), 5 * tick);  // cbrt(50 / 0.4) = 5
    EXPECT_EQ(Cubic::ticks_to(100 * segment, 100 * segment, segment_size), 0u);
    EXPECT_EQ(Cubic::ticks_to(70 * segment, 100 * segment, segment_size), 0u);
    std::mt19937_64 random{9'438};
    for (int i = 0; i < 20'000; ++i) {
        const auto size = std::uint32_t(36 + random() % 64'965);
        const std::uint64_t most = 1 + random() % tcp::Steering::cap, epoch = random() % most;
        const double k = std::cbrt(double(most - epoch) / size / 0.4);
        EXPECT_NEAR(Cubic::ticks_to(most, epoch, size), k * double(tick), 1.01) << most << ' ' << epoch << ' ' << size;
        const auto t = std::int64_t(random() % std::uint64_t(2 * (k + 1) * double(tick)));
        const std::uint32_t ticks = Cubic::ticks_to(most, epoch, size);
        const double away = double(t - std::int64_t{ticks}) / double(tick);
        const double w = std::clamp(0.4 * size * away * away * away + double(most), 0.0, double(tcp::Steering::cap));
        EXPECT_NEAR(double(Cubic::w_cubic(t, ticks, most, size)), w, 1.01 + w / 1e12);
    }
}

TEST(Rfc9438, LossLeavesSevenTenths) {   // section 4.6
    Cubic cubic;
    Control out = window(100 * segment);
    cubic.on_congestion(congestion(WEFT_CONGESTION_LOSS, 100 * segment), out);
    EXPECT_EQ(out.ssthresh, 70 * segment);
    EXPECT_EQ(out.cwnd, 70 * segment);
    EXPECT_EQ(cubic.w_max, 100 * segment);
    EXPECT_EQ(cubic.prior, 100 * segment);
    out = window(3 * segment);
    cubic.on_congestion(congestion(WEFT_CONGESTION_LOSS, segment), out);
    EXPECT_EQ(out.ssthresh, 2 * segment) << "never below two segments";
}

TEST(Rfc9438, FastConvergenceGivesUpMore) {   // section 4.7: cwnd (1 + beta) / 2
    Cubic cubic;
    Control out = window(100 * segment);
    cubic.on_congestion(congestion(WEFT_CONGESTION_LOSS, 100 * segment), out);
    out.cwnd = 80 * segment;
    cubic.on_congestion(congestion(WEFT_CONGESTION_LOSS, 80 * segment), out);
    EXPECT_EQ(cubic.w_max, 68 * segment);
    EXPECT_EQ(cubic.prior, 80 * segment);
    out.cwnd = 90 * segment;
    cubic.on_congestion(congestion(WEFT_CONGESTION_LOSS, 90 * segment), out);
    EXPECT_EQ(cubic.w_max, 90 * segment) << "above the last: all of it";
}

TEST(Rfc9438, AfterATimeoutTheCurveStartsAtItsMiddle) {   // section 4.8
    Cubic cubic;
    Control out = window(100 * segment);
    cubic.on_congestion(congestion(WEFT_CONGESTION_TIMEOUT, 100 * segment), out);
    EXPECT_EQ(out.cwnd, segment);
    EXPECT_EQ(out.ssthresh, 70 * segment);
    out.cwnd = 70 * segment;
    cubic.on_ack(acknowledges(segment, seconds(10), ms(100)), out);
    EXPECT_EQ(cubic.k, 0u);
    EXPECT_EQ(cubic.w_max, 70 * segment);
    EXPECT_EQ(cubic.w_est, 70 * segment + 1'000 * 9 / 17 / 70) << "from cwnd on, by alpha of one segment in seventy";
}

TEST(Rfc9438, SlowStartIsByteCountedAsNewRenos) {   // section 4.10
    Cubic cubic;
    Control out = window(10 * segment);
    cubic.on_ack(acknowledges(2 * segment, ms(100), ms(100)), out);
    EXPECT_EQ(out.cwnd, 12 * segment);
    cubic.on_ack(acknowledges(50 * segment, ms(100), ms(100)), out);
    EXPECT_EQ(out.cwnd, 20 * segment) << "one acknowledgement: eight segments";
    cubic.on_ack(acknowledges(2 * segment, ms(100), ms(100), 0), out);
    EXPECT_EQ(out.cwnd, 20 * segment) << "the application did not fill it";
    cubic.on_ack(acknowledges(2 * segment, ms(100), ms(100), WEFT_ACK_CWND_LIMITED | WEFT_ACK_IN_RECOVERY), out);
    EXPECT_EQ(out.cwnd, 20 * segment);
}

// Section 4, by the RFC's formulas, in segments and seconds.
struct Model {
    double cwnd, w_max, prior, w_est, epoch, k;

    void ack(double now, double rtt, double acked) {
        const auto w = [&](double t) { return 0.4 * std::pow(t - k, 3) + w_max; };
        const double t = now - epoch;
        w_est += (w_est < prior ? 3 * (1 - 0.7) / (1 + 0.7) : 1.0) * acked / cwnd;
        if (w(t) < w_est) cwnd = std::max(cwnd, w_est);
        else cwnd += acked * (std::clamp(w(t + rtt), cwnd, 1.5 * cwnd) - cwnd) / cwnd;
    }
};

TEST(Rfc9438, WindowFollowsTheModelInConcaveConvexAndRenoFriendlyRegions) {   // sections 4.2 to 4.5
    for (const std::uint64_t segments : {10u, 40u, 200u, 1'000u, 5'000u})
        for (const std::int64_t round : {2, 10, 40, 100, 300}) {
            Cubic cubic;
            Control out = window(segments * segment);
            cubic.on_congestion(congestion(WEFT_CONGESTION_LOSS, segments * segment), out);
            const double start = double(out.cwnd) / segment_size;
            Model model{start, double(segments),    double(segments),
                        start, double(round) / 1e3, std::cbrt((double(segments) - start) / 0.4)};
            bool reno = false, concave = false, convex = false;
            Duration now = ms(round);
            for (; now < ms(std::min<std::int64_t>(40'000, 1'000 * round)) && model.cwnd < 20'000; now = now + ms(round)) {
                for (std::uint64_t left = out.cwnd / segment; left > 0;) {
                    const std::uint64_t some = std::min(left, std::max<std::uint64_t>(2, out.cwnd / segment / 16));
                    cubic.on_ack(acknowledges(some * segment, now, ms(round)), out);
                    model.ack(double(now.count()) / 1e9, double(round) / 1e3, double(some));
                    left -= some;
                }
                ASSERT_NEAR(double(out.cwnd) / segment_size, model.cwnd, 1.5 + model.cwnd / 100)
                    << segments << ' ' << round << ' ' << now.count();
                const bool friendly = double(cubic.w_est) / segment_size + 1 >= model.cwnd;
                reno |= friendly;
                concave |= !friendly && model.cwnd < double(segments);
                convex |= !friendly && model.cwnd > double(segments);
            }
            if (segments == 5'000 && round == 100) { EXPECT_TRUE(concave && convex); }
            if (segments == 10 && round == 2) { EXPECT_TRUE(reno); }
        }
}

TEST(Rfc9438, TargetIsAtMostOneAndAHalfWindows) {   // section 4.2
    Cubic cubic;
    Control out = window(10 * segment, 10 * segment);
    cubic.on_ack(acknowledges(segment, seconds(1), ms(10)), out);
    cubic.on_ack(acknowledges(10 * segment, seconds(100), ms(10)), out);
    EXPECT_LE(out.cwnd, 15 * segment + 100);
    EXPECT_GE(out.cwnd, 14 * segment);
}

TEST(Rfc9438, PauseOfTheApplicationDoesNotMakeTheCurveRun) {   // section 4.2: t counts no such time
    const auto grown = [](bool pause) {
        Cubic cubic;
        Control out = window(100 * segment, 100 * segment);
        cubic.on_ack(acknowledges(segment, seconds(1), ms(100)), out);
        Duration now = seconds(1);
        if (pause) {
            now = seconds(61);
            cubic.on_ack(acknowledges(segment, now, ms(100), 0), out);
        }
        now = now + ms(100);
        cubic.on_ack(acknowledges(100 * segment, now, ms(100)), out);
        return out.cwnd;
    };
    EXPECT_EQ(grown(true), grown(false));
}

Opening with_cubic() {
    Opening how{.scale = 14, .timestamps = false};
    how.config.minimum_rto = seconds(1);
    how.options.congestion = *tcp::controller_slot("cubic");
    return how;
}

TEST(Congestion, FlowRunsTheModuleThatItsOptionsName) {
    for (const bool active : {false, true}) {
        Opening how = with_cubic();
        how.active = active;
        Peer peer = established(how);
        EXPECT_EQ(peer.engine().congestion(peer.flow()), "cubic");
        ASSERT_EQ(peer.writes(14'600), 14'600u);
        for (int i = 0; i < 4; ++i) peer.sends(ack().ack(peer.snd_una()));  // the first may tell a new window
        peer.ignores_what_was_sent();
        EXPECT_EQ(peer.tcb().sending.steering.ssthresh, 10'220u) << "0.7 of ten segments";
    }
    Peer plain = established();
    EXPECT_EQ(plain.engine().congestion(plain.flow()), "newreno");
    EXPECT_EQ(plain.engine().congestion(Flow{}), "");
}

TEST(Congestion, ModuleMayChangeInTheMiddleOfAFlowAndTheWindowStays) {
    Peer peer = established(with_cubic());
    ASSERT_EQ(peer.writes(100'000), 100'000u);
    peer.ignores_what_was_sent();
    peer.sends(ack());
    peer.ignores_what_was_sent();
    const std::uint32_t cwnd = peer.tcb().sending.steering.cwnd;
    ConnectOptions options = peer.setup.options;
    options.congestion = *tcp::controller_slot("newreno");
    ASSERT_TRUE(peer.engine().set(peer.flow(), options, peer.now));
    EXPECT_EQ(peer.engine().congestion(peer.flow()), "newreno");
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, cwnd);
    options.congestion = *tcp::controller_slot("cubic");
    ASSERT_TRUE(peer.engine().set(peer.flow(), options, peer.now));
    EXPECT_EQ(peer.engine().congestion(peer.flow()), "cubic");
    options.congestion = std::uint16_t(tcp::controller_names.size());
    EXPECT_EQ(peer.engine().set(peer.flow(), options, peer.now).error(), Error::invalid);
    EXPECT_EQ(peer.engine().congestion(peer.flow()), "cubic");
    EXPECT_FALSE(tcp::controller_slot("reno"));
    peer.sends(ack());
    while (peer.next()) {}
    EXPECT_GE(peer.tcb().sending.steering.cwnd, cwnd);
}

}  // namespace
}  // namespace weft::test
