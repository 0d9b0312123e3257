// Real files in the production engine: what ships keeps its bounds and does what is compiled in does, hostile files end in
// quarantine, and newer versions take the place of older ones while flows run.
#include <gtest/gtest.h>
#include <sodium.h>

#include "node/log.h"
#include "node/plugins.h"
#include "stack/tcp/tcb.h"
#include "tests/plugins/workshop.h"
#include "tests/sim/transfer.h"
#include "tests/tcp/module_property.h"

namespace weft::test {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }
constexpr std::uint16_t slot = tcp::compiled_slots;

// 20 ms there and back at 100 Mbit/s; of a million packets so many are lost.
Transfer::Plan lossy(std::uint64_t seed, std::uint64_t bytes, std::uint32_t loss = 5'000) {
    Transfer::Plan plan{.seed = seed, .forth = bytes};
    plan.config_a.seed[0] = seed, plan.config_b.seed[0] = seed + 1;
    plan.config_a.send_buffer = plan.config_b.receive_buffer = 2 << 20;
    plan.wire_ab = plan.wire_ba = {.rate = 100'000'000, .queue = 250'000, .delay = ms(10), .loss = loss};
    plan.a.options.user_timeout = plan.b.options.user_timeout = Duration::seconds(3'600);
    return plan;
}

std::unique_ptr<plugins::Plugin> shipped(std::string_view name) {
    EXPECT_GE(sodium_init(), 0);
    const plugins::Host host{{{built_plugins()}, ms(1), {"newreno", "cubic"}, {}}};
    const auto file = host.find(name);
    if (!file) return ADD_FAILURE() << file.error().message, nullptr;
    auto opened = host.open(*file, {});
    if (!opened) return ADD_FAILURE() << opened.error().message, nullptr;
    return std::move(*opened);
}

void ends_well(Transfer& transfer) {
    EXPECT_TRUE(transfer.run_until_finished(Duration::seconds(3'600))) << transfer.describe();
    EXPECT_TRUE(transfer.a->app.orderly() && transfer.b->app.orderly()) << transfer.describe();
    EXPECT_TRUE(transfer.a->app.bytes_equal() && transfer.b->app.bytes_equal());
}

TEST(LoadedModules, WhatShipsStaysWithinItsBounds) {
    for (const char* name : {"aimd", "cubic_plugin"}) {
        const auto file = shipped(name);
        ASSERT_TRUE(file);
        for (std::uint64_t seed = 0; seed < 40; ++seed)
            ASSERT_EQ(live_through(*file->modules()[0].installable.table, {}, seed), "") << name;
    }
}

TEST(LoadedModules, CubicCompiledInAndCubicAsAFileGiveTheSameDigest) {
    BufferPool pool{std::size_t{256} << 20};
    const auto file = shipped("cubic_plugin");
    ASSERT_TRUE(file);
    const auto digest = [&](std::uint64_t seed, std::uint16_t congestion) {
        Transfer::Plan plan = lossy(seed, 3 << 20, std::uint32_t(seed * 3'000));
        plan.modules = {file->modules()[0].installable};
        plan.traced = trace::all & ~trace::bit(trace::Type::plugin) &
                      ~trace::bit(trace::Type::flow);   // what a module is called is not what it does
        plan.a.options.congestion = plan.b.options.congestion = congestion;
        Transfer transfer{pool, plan};
        transfer.run_for(ms(50));
        EXPECT_EQ(transfer.a->engine().congestion_slot(transfer.a->app.flow()), congestion);
        ends_well(transfer);
        return transfer.digest();
    };
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        const std::string compiled = digest(seed, 1);
        EXPECT_EQ(digest(seed, slot), compiled) << seed;
        EXPECT_NE(digest(seed, 0), compiled) << "the module matters";
    }
}

TEST(LoadedModules, AHostileFileIsClampedThenPutInQuarantineAndItsFlowGoesOn) {
    BufferPool pool{std::size_t{256} << 20};
    const Workshop workshop;
    const std::pair<const char*, const char*> hostile[]{
        {"zero", "-DCWND=0"}, {"largest", "-DCWND=0xffffffffffffffffu"}, {"grows", "'-DCWND=(out->cwnd*2)' -DUNMOVED"}};
    for (const auto& [name, options] : hostile) {
        ASSERT_TRUE(workshop.build_odd(name, options));
        const plugins::Host host{workshop.config()};
        const auto file = host.open(host.find(name).value(), {});
        ASSERT_TRUE(file) << file.error().message;
        Transfer::Plan plan = lossy(7, 4 << 20);
        plan.modules = {(*file)->modules()[0].installable};
        plan.a.options.congestion = slot;
        Transfer transfer{pool, plan};
        ends_well(transfer);
        const auto status = transfer.a->engine().module(slot);
        ASSERT_TRUE(status);
        EXPECT_TRUE(status->quarantined) << name;
        EXPECT_EQ(status->violations, tcp::violation_limit) << name;
        EXPECT_EQ(status->flows, 0u) << name;
    }
}

// A node's own keeper of modules, over the engine of one end of a transfer in virtual time.
class Keeping : public testing::Test {
protected:
    Keeping() : keeper{{{workshop.directory()}, ms(1), {}}} {}

    std::string fault_of(const std::expected<node::Plugins::Report, plugins::Problem>& report) {
        return report ? "" : report.error().message;
    }

    // A transfer that is under way.
    std::unique_ptr<Transfer> begin() {
        Transfer::Plan plan = lossy(3, 6 << 20);
        auto transfer = std::make_unique<Transfer>(pool, plan);
        engine = &transfer->a->engine();
        world = &transfer->world;
        transfer->run_for(ms(100));
        return transfer;
    }
    auto load(std::string_view name) { return keeper.load(name, *engine, world->now()); }
    auto unload(std::string_view name, bool force = false) {
        return keeper.unload(name, force, listening, *engine, world->now());
    }

    BufferPool pool{std::size_t{256} << 20};
    Workshop workshop;
    node::Plugins keeper;
    Engine* engine{nullptr};
    std::vector<ListenerId> listening;
    sim::World* world{nullptr};
};

TEST_F(Keeping, ANewerVersionTakesTheFlowsOfTheOlderOneIfItsModuleAgrees) {
    const auto transfer = begin();
    const Flow flow = transfer->a->app.flow();
    ASSERT_TRUE(workshop.build_odd("odd", "-DMIGRATES"));
    auto report = load("odd");
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->outcome, node::Plugins::Outcome::loaded);
    EXPECT_EQ(keeper.slot("odd").value(), slot);
    ASSERT_TRUE(engine->steer(flow, slot, world->now()));
    transfer->run_for(ms(100));
    EXPECT_EQ(load("odd")->outcome, node::Plugins::Outcome::unchanged);

    ASSERT_TRUE(workshop.build_odd("odd", "-DMIGRATES -DINITIAL=2"));
    report = load("odd");
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->outcome, node::Plugins::Outcome::reloaded);
    ASSERT_EQ(report->changes.size(), 1u);
    EXPECT_EQ(report->changes[0].moved, 1u);
    EXPECT_EQ(report->changes[0].left, 0u);
    EXPECT_EQ(engine->congestion_slot(flow), report->changes[0].slot);
    EXPECT_FALSE(engine->module(slot)) << "nothing is left on the older one: it is closed";
    EXPECT_EQ(keeper.slot("odd").value(), report->changes[0].slot);
    ends_well(*transfer);
}

TEST_F(Keeping, AFlowThatCannotMoveEndsOnItsVersionWhichGoesWithIt) {
    const auto transfer = begin();
    const Flow flow = transfer->a->app.flow();
    ASSERT_TRUE(workshop.build_odd("odd"));
    ASSERT_TRUE(load("odd"));
    ASSERT_TRUE(engine->steer(flow, slot, world->now()));
    ASSERT_TRUE(workshop.build_odd("odd", "-DINITIAL=2"));
    const auto report = load("odd");
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->changes[0].moved, 0u);
    EXPECT_EQ(report->changes[0].left, 1u);
    EXPECT_EQ(engine->congestion_slot(flow), slot);
    EXPECT_TRUE(engine->module(slot)->retired);
    const auto later = engine->connect(transfer->a->app.plan().remote, {.congestion = slot}, world->now());
    EXPECT_EQ(engine->congestion_slot(later.value()), report->changes[0].slot) << "new flows begin with the newer one";
    (void)engine->abort(*later, world->now());
    EXPECT_TRUE(keeper.due());
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(keeper.tend(*engine, world->now())) << "looking is no work";
    EXPECT_TRUE(engine->module(slot)) << "a flow runs it";
    ends_well(*transfer);
    transfer->run_for(Duration::seconds(1));
    EXPECT_TRUE(keeper.tend(*engine, world->now()));
    EXPECT_FALSE(engine->module(slot));
    EXPECT_FALSE(keeper.due());
    EXPECT_EQ(keeper.files(), std::vector<std::string>{"odd"});
}

TEST_F(Keeping, UnloadingIsRefusedWhileAFlowUsesItUnlessItMayBeMoved) {
    const auto transfer = begin();
    const Flow flow = transfer->a->app.flow();
    EXPECT_EQ(unload("odd").error().cause, "not_loaded");
    ASSERT_TRUE(workshop.build_odd("odd"));
    ASSERT_TRUE(load("odd"));
    ASSERT_TRUE(engine->steer(flow, slot, world->now()));
    const auto refused = unload("odd");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().cause, "in_use");
    EXPECT_NE(refused.error().message.find("odd is used by 1 flows and 0 listeners: switch them (weft cc FLOW NAME)"),
              std::string::npos);
    const std::uint32_t window = engine->inspect(flow)->sending.steering.cwnd;
    EXPECT_EQ(unload("odd", true).value(), 1u);
    EXPECT_EQ(engine->congestion(flow), "newreno");
    EXPECT_EQ(engine->inspect(flow)->sending.steering.cwnd, window);
    EXPECT_FALSE(engine->module(slot));
    EXPECT_EQ(keeper.slot("odd").error().message,
              "there is no congestion module \"odd\": run `weft plugin load odd` first (there are: newreno, cubic)");
    ends_well(*transfer);
    ASSERT_TRUE(load("odd")) << "and it may come again";
    EXPECT_EQ(unload("odd").value(), 0u);
}

TEST_F(Keeping, AListenerIsMovedToo) {
    const auto transfer = begin();
    ASSERT_TRUE(workshop.build_odd("odd"));
    ASSERT_TRUE(load("odd"));
    ListenOptions options;
    options.local = transfer->a->engine().peers(transfer->a->app.flow())->local;
    options.local.port = 99;
    options.congestion = slot;
    const auto listener = engine->listen(options, world->now());
    ASSERT_TRUE(listener);
    EXPECT_NE(unload("odd").error().message.find("0 flows and 1 listeners"), std::string::npos);
    ASSERT_TRUE(workshop.build_odd("odd", "-DINITIAL=2"));
    ASSERT_TRUE(load("odd"));
    const std::uint16_t newer = keeper.slot("odd").value();
    EXPECT_EQ(engine->congestion_slot(*listener), newer);
    EXPECT_FALSE(engine->module(slot)) << "the older one is closed";
    listening = {*listener};
    ASSERT_TRUE(engine->quarantine(newer, world->now()));
    const auto again = load("odd");
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->outcome == node::Plugins::Outcome::unchanged && again->quarantined);
    ASSERT_TRUE(workshop.build_odd("odd", "-DINITIAL=3"));
    ASSERT_TRUE(load("odd"));
    EXPECT_NE(keeper.slot("odd").value(), newer);
    EXPECT_EQ(engine->congestion_slot(*listener), keeper.slot("odd").value()) << "from quarantine, too";
    EXPECT_FALSE(engine->module(newer));
    EXPECT_TRUE(unload("odd", true));
    EXPECT_EQ(engine->congestion_slot(*listener), 0u);
    EXPECT_FALSE(engine->module(newer));
}

TEST_F(Keeping, DefaultsAreWrittenAndWhatIsWrongWithThemIsSaid) {
    const auto transfer = begin();
    ASSERT_TRUE(workshop.build_odd("odd"));
    const auto with = [&](node::ModuleDefaults defaults) {
        node::Plugins other{{{workshop.directory()}, ms(1), std::move(defaults)}};
        const auto report = other.load("odd", *engine, world->now());
        std::string said = report ? std::string{} : report.error().message;
        if (const auto wrong = other.wrong_default(); report && wrong) said = wrong->message;
        if (report) {
            EXPECT_EQ(engine->module(slot)->module.parameters.at(0).integer, said.empty() ? 7 : 1);
            EXPECT_TRUE(other.unload("odd", true, {}, *engine, world->now()));
        }
        EXPECT_FALSE(engine->module(slot));
        return said;
    };
    EXPECT_EQ(with({{"odd", {{"step", std::int64_t{7}}}}}), "");
    EXPECT_EQ(with({{"odd", {{"step", std::int64_t{700}}}}}),
              "[plugins.odd]: \"step\" = 700; it must be from 1 to 100 bytes");
    EXPECT_EQ(with({{"odd", {{"stop", std::int64_t{7}}}}}),
              "[plugins.odd]: the module has no parameter \"stop\"; did you mean \"step\"? (it has: step)");
    EXPECT_EQ(with({{"oddd", {{"step", std::int64_t{7}}}}}),
              "[plugins.oddd] is of no loaded module; did you mean \"odd\"?: name its file in [plugins] load");
}

TEST_F(Keeping, AModuleWhoseCallsTakeTooLongIsPutInQuarantine) {
    const auto transfer = begin();
    const Flow flow = transfer->a->app.flow();
    ASSERT_TRUE(workshop.build_odd("slow", "-DSLEEPS=1500000 -D_POSIX_C_SOURCE=200809L '-DNAME=\"slow\"'"));
    ASSERT_TRUE(load("slow"));
    ASSERT_TRUE(engine->steer(flow, slot, world->now()));
    for (int i = 0; i < 200 && !keeper.due(); ++i) transfer->run_for(ms(5));
    EXPECT_TRUE(keeper.due()) << "its calls take 1.5 ms, and 1 ms is the budget";
    keeper.tend(*engine, world->now());
    EXPECT_TRUE(engine->module(slot)->quarantined);
    EXPECT_EQ(engine->congestion(flow), "newreno");
    ends_well(*transfer);
}

TEST_F(Keeping, AllSlotsCanBeTakenAndTheNextIsRefused) {
    const auto transfer = begin();
    node::set_log_level(node::LogLevel::error);
    ASSERT_TRUE(workshop.build_odd("first", "'-DNAME=\"m0000000\"'"));
    for (int i = 0; i < tcp::module_slots - slot; ++i) {
        const std::string name = "m" + std::to_string(i);
        std::string bytes = node::read_file(workshop / "first.so");
        std::string inside = "m" + std::to_string(1'000'000 + i);
        bytes.replace(bytes.find("m0000000"), 8, inside);
        std::ofstream{workshop / (name + ".so"), std::ios::binary} << bytes;
        ASSERT_EQ(fault_of(load(name)), "") << name;
    }
    EXPECT_NE(fault_of(load("first")).find("all 62 slots for modules are taken: unload some"), std::string::npos);
    EXPECT_TRUE(unload("m5"));
    EXPECT_EQ(fault_of(load("first")), "");
    node::set_log_level(node::LogLevel::info);
}

}  // namespace
}  // namespace weft::test
