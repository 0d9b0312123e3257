// What congestion modules answer: nothing gets through unclamped or uncounted, and every one is held to its bounds.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "stack/tcp/congestion/fields.h"
#include "tests/tcp/module_property.h"
#include "tests/tcp/module_run.h"

namespace weft::test {
namespace {

// --- What it answers ---

using Answer = void (*)(weft_cc_control& out, std::int64_t now);

template <Answer answer>
struct Hostile {
    std::uint64_t window{0};
    std::uint8_t rest[120]{};   // it writes all of its state
    void begin(weft_cc_control& out) { speak(out, 0); }
    void on_ack(const weft_cc_ack& ack, weft_cc_control& out) { speak(out, ack.now); }
    void on_congestion(const weft_cc_congestion& event, weft_cc_control& out) { speak(out, event.now); }
    void on_timer(weft_instant now, std::uint64_t, weft_cc_control& out) {
        ++window;
        answer(out, now);
    }
    void speak(weft_cc_control& out, std::int64_t now) {
        std::memset(rest, 0xee, sizeof rest);
        answer(out, now);
    }
};

void zero(weft_cc_control& out, std::int64_t) { out = {}; }
void largest(weft_cc_control& out, std::int64_t) { std::memset(&out, 0xff, sizeof out); }
void doubles(weft_cc_control& out, std::int64_t) { out.cwnd *= 2; }
void negative_timer(weft_cc_control& out, std::int64_t) { out.timer = INT64_MIN; }
void past_timer(weft_cc_control& out, std::int64_t now) { out.timer = now == 0 ? 0 : now - 1; }
void next_nanosecond(weft_cc_control& out, std::int64_t now) { out.timer = now == 0 ? 0 : now + 1; }
void codepoint(weft_cc_control& out, std::int64_t) { out.ecn = 3; }

template <Answer answer>
void is_put_in_quarantine(std::uint16_t kind) {
    Peer peer = running(plugin::congestion_table<Hostile<answer>>, {.scale = 14, .timestamps = false});
    follow(peer.engine());
    for (int i = 0; i < 60 && peer.engine().congestion_slot(peer.flow()) != 0; ++i) {
        peer.writes(20'000);
        peer.after(ms(10));
        peer.ignores_what_was_sent();
        peer.sends(ack());
        const std::uint32_t window = peer.tcb().sending.steering.cwnd;
        EXPECT_GE(window, mss);
        EXPECT_LE(window, tcp::Steering::cap);
        EXPECT_GE(peer.tcb().sending.steering.ssthresh, 2 * mss);
    }
    EXPECT_EQ(peer.engine().congestion(peer.flow()), "newreno");
    const auto status = peer.engine().module(slot);
    EXPECT_TRUE(status->quarantined);
    EXPECT_EQ(status->violations, tcp::violation_limit);
    EXPECT_EQ(peer.engine().statistics().module_violations, tcp::violation_limit);
    EXPECT_GE(count(tcp::ModuleEvent::violation), 14u) << "each in the trace, from when it was looked at";
    EXPECT_EQ(count(tcp::ModuleEvent::quarantine), 1u);
    for (const trace::Plugin& each : heard)
        if (each.event == std::uint16_t(tcp::ModuleEvent::violation)) { EXPECT_EQ(each.reason & kind, kind); }
    EXPECT_LE(peer.tcb().sending.steering.cwnd, 200'000u) << "a window that nobody answers for is cut to what was used";
    // The flow goes on, and grows again.
    const std::uint32_t left = peer.tcb().sending.steering.cwnd;
    for (int i = 0; i < 20; ++i) {
        peer.writes(200'000);
        peer.after(ms(10));
        peer.ignores_what_was_sent();
        peer.sends(ack());
    }
    EXPECT_GT(peer.tcb().sending.steering.cwnd, left);
    EXPECT_GT(peer.tcb().sending.steering.cwnd, 20 * mss);
}

TEST(Modules, AnswersOutOfBoundsAreClampedCountedAndEndInQuarantine) {
    is_put_in_quarantine<zero>(tcp::window_violation | tcp::ssthresh_violation);
    is_put_in_quarantine<largest>(tcp::window_violation | tcp::ecn_violation | tcp::timer_violation);
    is_put_in_quarantine<doubles>(tcp::window_violation);
    is_put_in_quarantine<codepoint>(tcp::ecn_violation);
}

TEST(Modules, TimerThatIsPastIsPutOffAndEndsInQuarantine) {
    is_put_in_quarantine<negative_timer>(tcp::timer_violation);
    Peer peer = running(plugin::congestion_table<Hostile<past_timer>>);
    peer.writes(1'000);
    peer.sends(ack());
    peer.after(seconds(1));
    EXPECT_EQ(peer.engine().module(slot)->violations, tcp::violation_limit);
    EXPECT_EQ(peer.engine().congestion(peer.flow()), "newreno");
    EXPECT_EQ(peer.tcb().deadlines.module, Instant::never());
}

TEST(Modules, TimerOfTheNextNanosecondComesAtMostEveryHundredMicroseconds) {
    Peer peer = running(plugin::congestion_table<Hostile<next_nanosecond>>);
    peer.writes(1'000);
    peer.sends(ack());
    peer.after(ms(10));
    EXPECT_EQ(peer.engine().module(slot)->violations, 0u) << "it is honest, if hasty";
    EXPECT_GE(state_of<Hostile<next_nanosecond>>(peer).window, 90u);
    EXPECT_LE(state_of<Hostile<next_nanosecond>>(peer).window, 101u);
}

// Its sixteenth violation is in init: the flow begins as NewReno does.
TEST(Modules, FlowWhoseFirstAnswerEndsInQuarantineBeginsUnderNewReno) {
    Peer peer;
    ASSERT_TRUE(
        peer.engine().install(slot, tcp::make_module(plugin::congestion_table<Hostile<largest>>, "largest"), peer.now));
    peer.setup.options.congestion = slot;
    peer.opens();
    Engine& engine = peer.engine();
    for (int i = 0; i < 40; ++i) {
        ASSERT_TRUE(engine.steer(peer.flow(), 0, peer.now));
        ASSERT_TRUE(engine.steer(peer.flow(), slot, peer.now));
        ASSERT_FALSE(engine.module(slot)->quarantined);
        if (engine.module(slot)->violations < 15) continue;
        peer.ignores_what_was_sent();
        peer.begins_anew(50'000, SeqNum{77});
        peer.sends(syn());
        peer.sees(syn_ack());
        peer.sends(ack());
        ASSERT_TRUE(peer.accepts());
        break;
    }
    EXPECT_TRUE(engine.module(slot)->quarantined);
    EXPECT_EQ(engine.congestion(peer.flow()), "newreno");
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, tcp::NewReno::initial_window(peer.effective_mss()));
    EXPECT_EQ(peer.tcb().sending.steering.ssthresh, tcp::Steering::cap);
}

// --- Every module ---

TEST(Congestion, EveryModuleStaysWithinItsBoundsAndOnlyLossMakesTheWindowSmaller) {
    Peer peer;
    for (const tcp::ModuleStatus& each : peer.engine().modules())
        for (std::uint64_t seed = 0; seed < 50; ++seed)
            ASSERT_EQ(live_through(*each.module.table, {}, seed), "") << tcp::name_of(each.module);
}

TEST(Congestion, ThePropertyTestFindsEachFault) {
    const auto fault_of = [](const weft_cc_v1& table) {
        std::string fault;
        for (std::uint64_t seed = 0; seed < 10 && fault.empty(); ++seed) fault = live_through(table, {}, seed);
        return fault;
    };
    EXPECT_NE(fault_of(plugin::congestion_table<Hostile<zero>>).find("below one segment"), std::string::npos);
    EXPECT_NE(fault_of(plugin::congestion_table<Hostile<largest>>).find("above 2^30"), std::string::npos);
    EXPECT_NE(fault_of(plugin::congestion_table<Hostile<doubles>>), "");
    weft_cc_v1 grows = plugin::congestion_table<tcp::NewReno>;
    grows.on_congestion = [](void*, void*, const weft_cc_congestion* event, weft_cc_control* out) {
        out->cwnd += event->mss;
    };
    EXPECT_NE(fault_of(grows).find("a loss made the window larger"), std::string::npos);
    EXPECT_NE(fault_of(plugin::congestion_table<Hostile<past_timer>>).find("a timer that is past"), std::string::npos);
    EXPECT_NE(fault_of(plugin::congestion_table<Hostile<codepoint>>).find("codepoint"), std::string::npos);
    weft_cc_v1 table = plugin::congestion_table<tcp::NewReno>;
    table.on_ack = [](void* state, void*, const weft_cc_ack*, weft_cc_control*) {
        static_cast<unsigned char*>(state)[sizeof(tcp::NewReno)] = 1;
    };
    EXPECT_NE(fault_of(table).find("outside the state"), std::string::npos);
}

}  // namespace
}  // namespace weft::test
