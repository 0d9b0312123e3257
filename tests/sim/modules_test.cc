// Congestion modules in the simulator: one source compiled in and through the C table does the same to the bit, flows change
// their module in mid-transfer, and no module, whatever it answers, takes a byte from a stream.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "stack/core/address.h"
#include "stack/tcp/congestion/controller.h"
#include "stack/tcp/tcb.h"
#include "tests/sim/transfer.h"

namespace weft::test {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }
constexpr std::uint16_t slot = tcp::compiled_slots, second = slot + 1;

// What a module is called, and when it came, is not what its flows do.
constexpr std::uint32_t flows_alone = trace::all & ~trace::bit(trace::Type::plugin) & ~trace::bit(trace::Type::flow);

class ModulesInTheWorld : public ::testing::Test {
protected:
    static BufferPool& pool() {
        static BufferPool warm{std::size_t{256} << 20};
        return warm;
    }

    // 20 ms there and back at 100 Mbit/s, and one packet in a hundred lost.
    static Transfer::Plan lossy(std::uint64_t seed, std::uint64_t bytes, std::uint32_t loss = 10'000) {
        Transfer::Plan plan{.seed = seed, .forth = bytes};
        plan.config_a.seed[0] = seed, plan.config_b.seed[0] = seed + 1;
        plan.config_a.send_buffer = plan.config_b.receive_buffer = 2 << 20;
        plan.wire_ab = plan.wire_ba = {.rate = 100'000'000, .queue = 250'000, .delay = ms(10), .loss = loss};
        plan.a.options.user_timeout = plan.b.options.user_timeout = Duration::seconds(3'600);
        return plan;
    }

    static void ends_well(Transfer& transfer) {
        EXPECT_TRUE(transfer.run_until_finished(Duration::seconds(3'600))) << transfer.describe();
        EXPECT_TRUE(transfer.a->app.orderly() && transfer.b->app.orderly()) << transfer.describe();
        EXPECT_TRUE(transfer.a->app.bytes_equal() && transfer.b->app.bytes_equal());
        EXPECT_EQ(transfer.back_to_base(), "");
    }

    // The digest of a whole transfer whose both ends begin with `with`.
    static std::string digest(Transfer::Plan plan, std::uint16_t with, Duration copy_after = {}) {
        plan.traced = flows_alone;
        plan.modules = {tcp::make_module(plugin::congestion_table<tcp::Cubic>, "cubic_table"),
                        tcp::make_module(plugin::congestion_table<tcp::NewReno>, "newreno_table")};
        plan.a.options.congestion = plan.b.options.congestion = with;
        Transfer transfer{pool(), plan};
        if (copy_after > Duration{}) {
            transfer.run_for(copy_after);
            transfer.a->continue_with_a_copy();
            transfer.b->continue_with_a_copy();
        }
        ends_well(transfer);
        return transfer.digest();
    }
};

TEST_F(ModulesInTheWorld, CubicCompiledInAndThroughTheTableGiveTheSameDigest) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        const auto plan = lossy(seed, 3 << 20, std::uint32_t(seed % 3 * 5'000));
        const std::string compiled = digest(plan, 1);
        EXPECT_EQ(compiled, digest(plan, slot)) << seed;
        if (seed % 3 != 0) { EXPECT_NE(compiled, digest(plan, 0)) << "the module matters, with loss"; }
    }
    for (std::uint64_t seed = 1; seed <= 16; ++seed) {
        const auto plan = Transfer::storm(seed);
        EXPECT_EQ(digest(plan, 1), digest(plan, slot)) << "storm " << seed;
    }
}

TEST_F(ModulesInTheWorld, NewRenoCompiledInAndThroughTheTableGiveTheSameDigest) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        const auto plan = lossy(seed, 3 << 20);
        EXPECT_EQ(digest(plan, 0), digest(plan, second)) << seed;
    }
}

TEST_F(ModulesInTheWorld, CopyOfAnEngineGoesOnAlikeWithALoadedModule) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        const auto plan = lossy(seed, 3 << 20);
        const std::string whole = digest(plan, slot);
        for (const std::int64_t at : {1, 60, 333})
            EXPECT_EQ(digest(plan, slot, ms(at)), whole) << seed << " at " << at << " ms";
    }
}

// --- Ten changes in mid-transfer ---

struct Records {
    std::vector<trace::Plugin> all;
    static void write(void* context, const trace::Record& record) {
        static_cast<Records*>(context)->all.push_back(trace::body_of<trace::Plugin>(record));
    }
    std::size_t count(tcp::ModuleEvent event) const {
        return std::size_t(
            std::count_if(all.begin(), all.end(), [&](const auto& each) { return each.event == std::uint16_t(event); }));
    }
};

TEST_F(ModulesInTheWorld, FlowChangesItsModuleTenTimesUnderLossAndNoByteIsLost) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Transfer::Plan plan = lossy(seed, 6 << 20);
        plan.modules = {tcp::make_module(plugin::congestion_table<tcp::Cubic>, "cubic_table"),
                        tcp::make_module(plugin::congestion_table<tcp::NewReno>, "newreno_table")};
        Transfer transfer{pool(), plan};
        Records records;
        Engine& engine = transfer.a->engine();
        engine.trace({trace::bit(trace::Type::plugin), &records, &Records::write});
        std::uint16_t before = 0;
        for (const std::uint16_t next :
             std::initializer_list<std::uint16_t>{1, slot, second, 0, slot, 1, second, slot, 1, 0}) {
            transfer.run_for(ms(70));
            const Flow flow = transfer.a->app.flow();
            ASSERT_FALSE(transfer.a->app.finished()) << "the transfer is too short for the test";
            const std::uint32_t window = engine.inspect(flow)->sending.steering.cwnd;
            ASSERT_TRUE(engine.steer(flow, next, transfer.world.now()));
            EXPECT_EQ(engine.inspect(flow)->sending.steering.cwnd, window);
            transfer.a->settle();
            ASSERT_FALSE(records.all.empty());
            EXPECT_EQ(records.all.back().from_slot, before);
            EXPECT_EQ(records.all.back().slot, next);
            before = next;
        }
        EXPECT_EQ(records.count(tcp::ModuleEvent::steer), 10u);
        ends_well(transfer);
        EXPECT_GT(transfer.a->engine().statistics().retransmitted_segments, 10u) << "the loss was there";
        EXPECT_EQ(engine.module(slot)->flows + engine.module(second)->flows, 0u);
        EXPECT_TRUE(engine.uninstall(slot, transfer.world.now()));
    }
}

// --- Hostile ones ---

using Answer = void (*)(weft_cc_control& out, std::int64_t now, std::uint64_t& memory);

// Speaks through every door that there is, and fills its whole state.
template <Answer answer>
struct Hostile {
    std::uint64_t memory{0};
    std::uint8_t rest[1'000]{};
    void speak(weft_cc_control& out, std::int64_t now) {
        answer(out, now, memory);
        std::memset(rest, int(memory), sizeof rest);
    }
    void begin(weft_cc_control& out) { speak(out, 0); }
    void on_ack(const weft_cc_ack& event, weft_cc_control& out) { speak(out, event.now); }
    void on_congestion(const weft_cc_congestion& event, weft_cc_control& out) { speak(out, event.now); }
    void on_sent(const weft_cc_sent& event, weft_cc_control& out) { speak(out, event.now); }
    void on_idle(const weft_cc_idle& event, weft_cc_control& out) { speak(out, event.now); }
    void on_path(const weft_cc_path& event, weft_cc_control& out) { speak(out, event.now); }
    void on_timer(weft_instant now, std::uint64_t, weft_cc_control& out) { speak(out, now); }
};

void zero(weft_cc_control& out, std::int64_t, std::uint64_t&) { std::memset(&out, 0, sizeof out); }
void largest(weft_cc_control& out, std::int64_t, std::uint64_t&) { std::memset(&out, 0xff, sizeof out); }
void grows(weft_cc_control& out, std::int64_t, std::uint64_t&) { out.cwnd += out.cwnd / 4; }
void creeps(weft_cc_control& out, std::int64_t, std::uint64_t&) { out.cwnd += 4'000'000; }
void never_shrinks(weft_cc_control& out, std::int64_t, std::uint64_t& memory) { out.cwnd = memory += 10'000'000; }
void past(weft_cc_control& out, std::int64_t now, std::uint64_t&) { out.timer = now - 1'000'000; }
void now_at_once(weft_cc_control& out, std::int64_t now, std::uint64_t&) { out.timer = now; }
void noise(weft_cc_control& out, std::int64_t, std::uint64_t& memory) {
    const auto draw = [&] {
        return memory = (memory + 0x9e37'79b9'7f4a'7c15) * 0xd6e8'feb8'6659'fd93, memory ^= memory >> 32;
    };
    for (auto* word : {&out.cwnd, &out.ssthresh, &out.pacing_rate}) *word = draw() >> (draw() % 64);
    out.send_quantum = std::uint32_t(draw() >> (32 + draw() % 32));
    out.timer = std::int64_t(draw() >> (draw() % 64));
    out.ecn = std::uint32_t(draw() % 5);
}

template <Answer answer>
std::string survives(Transfer::Plan plan, bool copied, const char* name) {
    plan.modules = {tcp::make_module(plugin::congestion_table<Hostile<answer>>, name)};
    plan.a.options.congestion = plan.b.options.congestion = slot;
    static BufferPool warm{std::size_t{256} << 20};
    Transfer transfer{warm, plan};
    if (copied) {
        transfer.run_for(ms(45));
        transfer.a->continue_with_a_copy();
        transfer.b->continue_with_a_copy();
    }
    EXPECT_TRUE(transfer.run_until_finished(Duration::seconds(3'600))) << name << ": " << transfer.describe();
    EXPECT_TRUE(transfer.a->app.orderly() && transfer.b->app.orderly()) << name << ": " << transfer.describe();
    EXPECT_TRUE(transfer.a->app.bytes_equal() && transfer.b->app.bytes_equal()) << name;
    EXPECT_FALSE(transfer.world.stuck()) << name;
    const auto status = transfer.a->engine().module(slot);
    EXPECT_TRUE(status->quarantined) << name;
    EXPECT_EQ(status->violations, tcp::violation_limit) << name;
    EXPECT_EQ(status->flows, 0u) << name;
    EXPECT_EQ(transfer.back_to_base(), "") << name;
    EXPECT_LT(transfer.world.steps(), 100'000u) << name << ": nothing spins";
    return transfer.digest();
}

TEST_F(ModulesInTheWorld, HostileModuleIsPutInQuarantineAndItsFlowGoesOn) {
    const auto each = [](Transfer::Plan plan, auto run, const char* name) {
        const std::string first = run(plan, false, name);
        EXPECT_EQ(run(plan, false, name), first) << name << ": quarantine is a function of the inputs";
        EXPECT_EQ(run(plan, true, name), first) << name << ": of a copy, too";
    };
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        const Transfer::Plan plan = lossy(seed, 2 << 20);
        each(plan, survives<zero>, "zero");
        each(plan, survives<largest>, "largest");
        each(plan, survives<grows>, "grows");
        each(plan, survives<creeps>, "creeps");
        each(plan, survives<never_shrinks>, "never_shrinks");
        each(plan, survives<past>, "past");
        each(plan, survives<now_at_once>, "now");
        each(plan, survives<noise>, "noise");
    }
}

TEST_F(ModulesInTheWorld, FlowsThatAskForAQuarantinedModuleGetNewRenoAndTheTraceSaysSo) {
    Transfer::Plan plan = lossy(3, 2 << 20);
    plan.modules = {tcp::make_module(plugin::congestion_table<Hostile<zero>>, "zero")};
    plan.a.options.congestion = slot;
    Transfer transfer{pool(), plan};
    Records records;
    Engine& engine = transfer.a->engine();
    engine.trace({trace::bit(trace::Type::plugin), &records, &Records::write});
    ends_well(transfer);
    ASSERT_TRUE(engine.module(slot)->quarantined);
    EXPECT_EQ(records.count(tcp::ModuleEvent::violation), tcp::violation_limit);
    ASSERT_EQ(records.count(tcp::ModuleEvent::quarantine), 1u);
    ASSERT_EQ(records.count(tcp::ModuleEvent::steer), 1u);
    EXPECT_EQ(records.all.back().reason, std::uint16_t(tcp::ModuleReason::violations));
    EXPECT_EQ(records.all.back().slot, 0u);
    const auto next = engine.connect(transfer.a->app.plan().remote, {.congestion = slot}, transfer.world.now());
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(engine.congestion(*next), "newreno");
    EXPECT_EQ(records.all.back().event, std::uint16_t(tcp::ModuleEvent::begin));
    EXPECT_EQ(records.all.back().from_slot, slot);
    EXPECT_EQ(records.all.back().slot, 0u);
    EXPECT_EQ(records.all.back().reason, std::uint16_t(tcp::ModuleReason::quarantined));
    EXPECT_EQ(engine.statistics().module_fallbacks, 1u);
}

}  // namespace
}  // namespace weft::test
