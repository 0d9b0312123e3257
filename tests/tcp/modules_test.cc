// Congestion modules through the C table: what may be installed, what a module hears and when, how its state lies, and which
// one runs.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "stack/tcp/accurate.h"
#include "stack/tcp/congestion/fields.h"
#include "stack/tcp/modules.h"
#include "tests/tcp/module_run.h"

namespace weft::test {
namespace {

using tcp::make_module;
using tcp::Module;

constexpr std::uint16_t other_slot = 7;

// Keeps what it hears, and a window that a parameter says.
struct Listening {
    std::uint64_t window{20'000};  // parameter
    std::int64_t interval{0};  // parameter: ns between timers; 0: none
    std::uint64_t acks{0}, sent{0}, sent_bytes{0}, idles{0}, paths{0}, timers{0}, parameters{0}, random{0};
    std::int64_t at{0}, idle{0};
    std::uint32_t mtu{0}, last_parameter{99};
    std::uint64_t last_id{0}, in_flight{0};
    std::uint64_t marked{0}, newly_marked{0}, echoes{0};

    void begin(weft_cc_control& out) {
        out.cwnd = window;
        out.pacing_rate = 50'000'000'000;
        out.send_quantum = 2'920;
    }
    void on_ack(const weft_cc_ack& ack, weft_cc_control& out) {
        ++acks, random = ack.random;
        marked = ack.marked, newly_marked += ack.newly_marked, echoes += (ack.flags & WEFT_ACK_ECN_ECHO) != 0;
        out.cwnd = window;
        if (interval != 0 && out.timer == 0) out.timer = ack.now + interval;
    }
    void on_congestion(const weft_cc_congestion& event, weft_cc_control& out) {
        if (event.cause == WEFT_CONGESTION_LOSS) out.ssthresh = out.cwnd = 10ull * event.mss;
    }
    void on_sent(const weft_cc_sent& event, weft_cc_control&) {
        ++sent, sent_bytes += event.length, last_id = event.id, in_flight = event.in_flight;
    }
    void on_idle(const weft_cc_idle& event, weft_cc_control&) { ++idles, idle = event.idle; }
    void on_path(const weft_cc_path& event, weft_cc_control&) { ++paths, mtu = event.mtu; }
    void on_timer(weft_instant now, std::uint64_t word, weft_cc_control& out) {
        ++timers, at = now, random = word;
        if (interval != 0) out.timer = now + interval;
    }
    void on_parameter(std::uint32_t index, weft_cc_control& out) {
        ++parameters, last_parameter = index;
        out.cwnd = window;
    }
};

// The same, one version later.
struct Later : Listening {
    static constexpr std::uint32_t state_version = 2;
    static bool migrate(std::uint32_t from, const void* old, std::uint32_t size, Later& fresh) {
        if (from != 1 || size != sizeof(Listening)) return false;
        std::memcpy(&fresh, old, sizeof(Listening));
        return fresh.acks % 2 == 0;
    }
};

}  // namespace
}  // namespace weft::test

template <>
struct weft::plugin::Fields<weft::test::Listening> {
    using T = weft::test::Listening;
    static constexpr weft_field parameters[]{WEFT_PARAMETER(T, window, "bytes", "the window", 20'000, 1'000, 1 << 30),
                                             WEFT_PARAMETER(T, interval, "ns", "between timers", 0, 0, 1'000'000'000)};
    static constexpr weft_field variables[]{WEFT_VARIABLE(T, acks, WEFT_KIND_COUNTER, "", "acknowledgements")};
};

namespace weft::test {
namespace {

const weft_cc_v1& listening = plugin::congestion_table<Listening>;

Listening state_of(Peer& peer) { return state_of<Listening>(peer); }

// --- What may be installed ---

TEST(Modules, CompiledInOnesAreThereWithTheirTables) {
    Peer peer;
    const auto all = peer.engine().modules();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(tcp::name_of(all[0].module), "newreno");
    EXPECT_EQ(tcp::name_of(all[1].module), "cubic");
    for (const auto& each : all) {
        EXPECT_TRUE(each.compiled);
        ASSERT_NE(each.module.table, nullptr);
        EXPECT_EQ(tcp::refusal(each.module).why, "") << "what is compiled in would pass as a file";
    }
    EXPECT_FALSE(peer.engine().module(slot).has_value());
    EXPECT_FALSE(peer.engine().module(64).has_value());
}

TEST(Modules, InstalledOneIsShownWithWhatWasGiven) {
    Peer peer;
    follow(peer.engine());
    Module module = make_module(listening, "test");
    module.file_hash.fill(std::byte{0x5a});
    module.parameters = {weft_value{.integer = 30'000}, weft_value{.integer = 0}};
    ASSERT_TRUE(peer.engine().install(slot, module, peer.now));
    const auto status = peer.engine().module(slot);
    ASSERT_TRUE(status.has_value());
    EXPECT_EQ(tcp::name_of(status->module), "test");
    EXPECT_EQ(status->module.file_hash, module.file_hash);
    EXPECT_FALSE(status->compiled || status->quarantined || status->retired);
    ASSERT_EQ(heard.size(), 1u);
    EXPECT_EQ(heard[0].event, std::uint16_t(tcp::ModuleEvent::install));
    EXPECT_EQ(heard[0].slot, slot);
    EXPECT_EQ(heard[0].file_tag, 0x5a5a'5a5a'5a5a'5a5au);
    EXPECT_STREQ(heard[0].name.data(), "test");
    EXPECT_EQ(peer.engine().install(slot, module, peer.now).error(), Error::in_use);
    ASSERT_TRUE(peer.engine().uninstall(slot, peer.now));
    EXPECT_EQ(count(tcp::ModuleEvent::uninstall), 1u);
    EXPECT_FALSE(peer.engine().module(slot).has_value());
    EXPECT_TRUE(peer.engine().install(slot, module, peer.now)) << "the slot is free again";
}

TEST(Modules, SlotsOfCompiledInOnesAndBeyondTheLastAreRefused) {
    Peer peer;
    for (const std::uint16_t taken : std::initializer_list<std::uint16_t>{0, 1, 64, 65'535})
        EXPECT_EQ(peer.engine().install(taken, make_module(listening, "test"), peer.now).error(), Error::invalid);
    EXPECT_TRUE(peer.engine().install(63, make_module(listening, "test"), peer.now));
    EXPECT_EQ(peer.engine().uninstall(0, peer.now).error(), Error::invalid);
    EXPECT_EQ(peer.engine().uninstall(5, peer.now).error(), Error::invalid);
}

TEST(Modules, UnsoundTableIsRefusedAndTheReasonSaysWhy) {
    struct Case {
        std::string_view says;
        void (*spoil)(weft_cc_v1&, Module&);
    };
    static weft_field field{"x", "", "", 0, WEFT_TYPE_U32, WEFT_KIND_GAUGE, {}, {}, {.integer = 9}, nullptr};
    static weft_field twins[2]{field, field};
    static weft_field outside{"x", "", "", sizeof(Listening) - 3, WEFT_TYPE_U32, WEFT_KIND_GAUGE, {}, {}, {}, nullptr};
    static weft_field far{"x", "", "", 0xffff'fffe, WEFT_TYPE_U32, WEFT_KIND_GAUGE, {}, {}, {}, nullptr};
    static weft_field untyped{"x", "", "", 0, 77, WEFT_KIND_GAUGE, {}, {}, {}, nullptr};
    static weft_field nameless{nullptr, "", "", 0, WEFT_TYPE_U32, WEFT_KIND_GAUGE, {}, {}, {}, nullptr};
    static weft_field beyond{"x", "", "", 0, WEFT_TYPE_U32, WEFT_KIND_GAUGE, {.integer = 10}, {}, {.integer = 9}, nullptr};
    const Case cases[]{
        {"no table", [](weft_cc_v1&, Module& module) { module.table = nullptr; }},
        {"no name", [](weft_cc_v1&, Module& module) { module.name = {}; }},
        {"no name", [](weft_cc_v1&, Module& module) { module.name.fill('x'); }},
        {"are required", [](weft_cc_v1& table, Module&) { table.size = 8; }},
        {"on_ack", [](weft_cc_v1& table, Module&) { table.on_ack = nullptr; }},
        {"65536 is the most", [](weft_cc_v1& table, Module&) { table.state_size = 65'537; }},
        {"1048576 is the most", [](weft_cc_v1& table, Module&) { table.shared_size = (1 << 20) + 1; }},
        {"no place", [](weft_cc_v1& table, Module&) { table.parameters = {nullptr, 1, sizeof field}; }},
        {"more than 256", [](weft_cc_v1& table, Module&) { table.variables = {&field, 257, sizeof field}; }},
        {"stride", [](weft_cc_v1& table, Module&) { table.variables = {&field, 1, 8}; }},
        {"name of another", [](weft_cc_v1& table, Module&) { table.variables = {twins, 2, sizeof field}; }},
        {"outside the state", [](weft_cc_v1& table, Module&) { table.variables = {&outside, 1, sizeof field}; }},
        {"outside the state", [](weft_cc_v1& table, Module&) { table.variables = {&far, 1, sizeof field}; }},
        {"unknown type", [](weft_cc_v1& table, Module&) { table.variables = {&untyped, 1, sizeof field}; }},
        {"has no name", [](weft_cc_v1& table, Module&) { table.variables = {&nameless, 1, sizeof field}; }},
        {"its own range", [](weft_cc_v1& table, Module&) { table.parameters = {&beyond, 1, sizeof field}; }},
        {"1 values were given", [](weft_cc_v1&, Module& module) { module.parameters.resize(1); }},
        {"out of its range", [](weft_cc_v1&, Module& module) { module.parameters.resize(2); }},
    };
    for (const Case& each : cases) {
        weft_cc_v1 table = listening;
        Module module = make_module(table, "test");
        each.spoil(table, module);
        Peer peer;
        const tcp::Refusal why = tcp::refusal(module);
        EXPECT_NE(why.why.find(each.says), std::string::npos) << each.says << ": " << why.why;
        const auto answer = peer.engine().install(slot, module, peer.now);
        ASSERT_FALSE(answer.has_value()) << each.says;
        EXPECT_EQ(answer.error(), Error::invalid);
        EXPECT_FALSE(peer.engine().module(slot).has_value());
    }
}

TEST(Modules, WhatTheEngineCannotGiveIsRefusedByName) {
    for (const auto& [flag, name] : {std::pair{WEFT_CC_ECT1, "ECT1"}, {WEFT_CC_PACKETS, "PACKETS"}}) {
        weft_cc_v1 table = listening;
        table.flags = std::uint32_t(flag) | WEFT_CC_OWN_RECOVERY;
        Peer peer;
        EXPECT_EQ(peer.engine().install(slot, make_module(table, "test"), peer.now).error(), Error::not_supported);
        const std::string why = tcp::refusal(make_module(table, "test")).why;
        EXPECT_NE(why.find(name), std::string::npos) << why;
        EXPECT_EQ(why.find("OWN_RECOVERY"), std::string::npos) << "that one is given";
    }
    weft_cc_v1 table = listening;
    table.flags = 1u << 30;
    EXPECT_TRUE(tcp::refusal(make_module(table, "test")).not_supported);
}

// A table that an older compiler made: on its page nothing lies behind it.
TEST(Modules, TableIsReadOnlyAsFarAsItSaysItGoes) {
    constexpr std::uint32_t required = offsetof(weft_cc_v1, on_sent);
    const auto page = std::make_unique<std::byte[]>(required);  // the sanitizer watches its end
    weft_cc_v1 whole = listening;
    whole.size = required;
    std::memcpy(page.get(), &whole, required);
    const auto& cut = *reinterpret_cast<const weft_cc_v1*>(page.get());
    Peer peer = running(cut);
    peer.writes(50'000);
    peer.after(ms(10));
    peer.sends(ack());
    EXPECT_EQ(state_of(peer).sent, 0u) << "on_sent is behind the end";
    EXPECT_EQ(state_of(peer).acks, 1u);
}

// Fields of an older compiler: without `names`, back to back.
TEST(Modules, FieldsAreReadByTheirOwnStride) {
    constexpr std::size_t stride = offsetof(weft_field, names);
    std::vector<std::byte> packed(2 * stride);
    for (std::uint32_t i = 0; i < 2; ++i) std::memcpy(packed.data() + i * stride, &listening.parameters.at[i], stride);
    weft_cc_v1 table = listening;
    table.parameters = {reinterpret_cast<const weft_field*>(packed.data()), 2, std::uint32_t{stride}};
    Peer peer = running(table);
    EXPECT_EQ(state_of(peer).window, 20'000u);
    EXPECT_STREQ(tcp::field_at(table.parameters, 1).name, "interval");
    EXPECT_EQ(tcp::field_at(table.parameters, 1).names, nullptr);
}

// --- State ---

template <std::uint32_t size>
void begin_sized(void* state, void* shared, weft_instant, std::uint64_t, weft_cc_control* out) {
    out->cwnd = 10ull * out->mss;
    EXPECT_EQ(state == nullptr, size == 0);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(state) % 16, 0u);
    for (std::uint32_t i = 0; i < size; ++i) EXPECT_EQ(static_cast<unsigned char*>(state)[i], 0) << "zeroed";
    std::memset(state == nullptr ? &out->size : state, 0xff, state == nullptr ? 0 : size);
    ++*static_cast<std::uint32_t*>(shared);
}

template <std::uint32_t size>
weft_cc_v1 sized() {
    weft_cc_v1 table{};
    table.size = sizeof table;
    table.state_size = size;
    table.shared_size = 4;
    table.init = begin_sized<size>;
    table.on_ack = [](void* state, void*, const weft_cc_ack*, weft_cc_control*) {
        for (std::uint32_t i = 0; i < size; ++i) static_cast<unsigned char*>(state)[i] = static_cast<unsigned char>(i * 7);
    };
    table.on_congestion = [](void*, void*, const weft_cc_congestion*, weft_cc_control*) {};
    return table;
}

template <std::uint32_t size>
void lives_in() {
    const weft_cc_v1 table = sized<size>();
    Peer peer = running(table);
    const auto state = [&](Engine& engine) { return engine.congestion_state(peer.flow()); };
    ASSERT_EQ(state(peer.engine()).size(), size);
    for (const std::byte each : state(peer.engine())) ASSERT_EQ(each, std::byte{0xff});
    const Engine copy{peer.engine()};
    peer.writes(5'000);
    peer.sends(ack());
    for (std::uint32_t i = 0; i < size; ++i) ASSERT_EQ(state(peer.engine())[i], std::byte(i * 7)) << size;
    for (const std::byte each : copy.congestion_state(peer.flow()))
        ASSERT_EQ(each, std::byte{0xff}) << "the copy has its own";
    peer.ignores_what_was_sent();
    // Given back and lent again it is zeroed again: begin_sized looks.
    ASSERT_TRUE(peer.engine().steer(peer.flow(), 0, peer.now));
    EXPECT_EQ(peer.engine().module(slot)->flows, 0u);
    ASSERT_TRUE(peer.engine().steer(peer.flow(), slot, peer.now));
    for (const std::byte each : state(peer.engine())) ASSERT_EQ(each, std::byte{0xff});
}

TEST(Modules, StateOfEachSizeIsZeroedAlignedTheFlowsOwnAndCopied) {
    lives_in<0>();
    lives_in<1>();
    lives_in<32>();
    lives_in<33>();
    lives_in<512>();
    lives_in<513>();
    lives_in<65'536>();
}

TEST(Modules, ParametersAreWrittenBeforeInitAndRefusedOutOfTheirRange) {
    Module module = make_module(listening, "test");
    module.parameters = {weft_value{.integer = 44'000}, weft_value{.integer = 5'000'000}};
    Peer peer = running(module);
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, 44'000u) << "init saw it";
    EXPECT_EQ(state_of(peer).interval, 5'000'000);
    Engine& engine = peer.engine();
    const auto set = [&](std::uint32_t index, std::int64_t to) {
        return engine.set_parameter(peer.flow(), index, {.integer = to}, peer.now);
    };
    EXPECT_EQ(set(0, 999).error(), Error::invalid);
    EXPECT_EQ(set(0, (1 << 30) + 1).error(), Error::invalid);
    EXPECT_EQ(set(0, -1).error(), Error::invalid) << "the type is unsigned";
    EXPECT_EQ(set(2, 5'000).error(), Error::invalid) << "there is no third";
    EXPECT_EQ(state_of(peer).window, 44'000u);
    EXPECT_EQ(state_of(peer).parameters, 0u);
    ASSERT_TRUE(set(0, 60'000));
    EXPECT_EQ(state_of(peer).last_parameter, 0u);
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, 60'000u) << "on_parameter may answer";
    EXPECT_EQ(engine.set_parameter(Flow{}, 0, {.integer = 5'000}, peer.now).error(), Error::no_such_flow);
    ASSERT_TRUE(engine.steer(peer.flow(), 0, peer.now));
    EXPECT_EQ(set(0, 60'000).error(), Error::not_supported);
}

TEST(Modules, WhatIsNoNumberLiesInNoRange) {
    const weft_field field{"x", "", "", 0, WEFT_TYPE_F64, WEFT_KIND_GAUGE, {.real = 1}, {.real = 0.5}, {.real = 2}, nullptr};
    EXPECT_TRUE(tcp::within(field, {.real = 0.5}));
    EXPECT_FALSE(tcp::within(field, {.real = 2.1}));
    EXPECT_FALSE(tcp::within(field, {.real = __builtin_nan("")}));
    EXPECT_FALSE(tcp::within(field, {.real = __builtin_inf()}));
}

// --- What a module hears ---

TEST(Modules, HearsWhatIsSentAndWhatIsAcknowledged) {
    Peer peer = running(listening);
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, 20'000u);
    EXPECT_EQ(peer.writes(50'000), 50'000u);
    const Listening sent = state_of(peer);
    EXPECT_EQ(sent.sent_bytes, 18'980u) << "13 segments";
    EXPECT_EQ(sent.in_flight, 18'980u) << "the last one included";
    EXPECT_EQ(sent.last_id, peer.tcb().recovery.transmissions - 1);
    peer.after(ms(50));
    peer.sends(ack());
    EXPECT_EQ(state_of(peer).acks, 1u);
    EXPECT_NE(state_of(peer).random, 0u);
    EXPECT_GT(state_of(peer).sent, sent.sent);
}

TEST(Modules, HearsOfEachMarkThatThePeerCounts) {  // RFC 9768: bytes, as its option tells them
    weft_cc_v1 table = listening;
    table.flags = WEFT_CC_ACCECN | WEFT_CC_NEEDS_PACING;
    Peer peer{Opening{.timestamps = false}};
    ASSERT_TRUE(peer.engine().install(slot, make_module(table, "test"), peer.now).has_value());
    peer.setup.options.congestion = slot;
    peer.listens();
    peer.sends(syn().with(wire::ace_bits));
    const Seen answer = peer.sees(syn_ack().with(tcp::flags_of_ace(2)));
    peer.sends(ack().with(tcp::flags_of_ace(2)).accurate({1, 0, 1}).ack(answer.seq + 1));
    ASSERT_TRUE(peer.accepts());
    for (std::uint32_t round = 1; round <= 2; ++round) {
        EXPECT_EQ(peer.writes(5 * mss), 5 * mss);
        peer.after(ms(50));
        const std::uint32_t marks = 2 * round;
        peer.sends(ack().with(tcp::flags_of_ace(5 + marks)).accurate({1 + 3 * round * mss, marks * mss}));
        EXPECT_EQ(state_of(peer).marked, marks * mss);
        EXPECT_EQ(state_of(peer).newly_marked, marks * mss);
        EXPECT_EQ(state_of(peer).echoes, round);
    }
}

TEST(Modules, HearsOfIdlenessAndOfTheRoute) {
    Peer peer = running(listening, {.family = Family::overlay, .timestamps = false});
    peer.writes(5'000);
    peer.after(ms(50));
    peer.sends(ack());
    peer.after(seconds(20));
    peer.writes(5'000);
    EXPECT_EQ(state_of(peer).idles, 1u);
    EXPECT_GT(state_of(peer).idle, 19'000'000'000);
    peer.engine().change_path(peer.path(), {.mtu = 1'300}, peer.now);
    EXPECT_EQ(state_of(peer).paths, 1u);
    EXPECT_EQ(state_of(peer).mtu, 1'300u);
}

TEST(Modules, TimerComesWhenItWasAskedFor) {
    Module module = make_module(listening, "test");
    module.parameters = {weft_value{.integer = 20'000}, weft_value{.integer = 10'000'000}};
    Peer peer = running(module);
    peer.writes(1'000);
    peer.sends(ack());
    const Instant began = peer.now;
    peer.after(ms(9));
    EXPECT_EQ(state_of(peer).timers, 0u);
    peer.after(ms(2));
    EXPECT_EQ(state_of(peer).timers, 1u);
    EXPECT_GE(state_of(peer).at, (began + ms(10)).nanoseconds());
    EXPECT_LT(state_of(peer).at, (began + ms(10)).nanoseconds() + 2'048);
    peer.after(ms(1'000));
    EXPECT_NEAR(double(state_of(peer).timers), 101, 1);
    ASSERT_TRUE(peer.engine().steer(peer.flow(), 1, peer.now));
    EXPECT_EQ(peer.tcb().deadlines.module, Instant::never()) << "the next module has asked for none";
}

TEST(Modules, PacingRateAndQuantumAreKeptShownAndForgottenWithTheModule) {
    static std::vector<trace::Congestion> shown;
    shown.clear();
    Peer peer = running(listening);
    peer.engine().trace({trace::bit(trace::Type::congestion), nullptr, [](void*, const trace::Record& record) {
                             shown.push_back(trace::body_of<trace::Congestion>(record));
                         }});
    peer.writes(50'000);
    peer.ignores_what_was_sent();
    peer.after(ms(50));
    peer.sends(ack());
    ASSERT_FALSE(shown.empty());
    EXPECT_EQ(shown.back().pacing_rate, 50'000'000'000u);
    EXPECT_LE(peer.most_in_a_super_segment(), 2u) << "the quantum of two segments bounds it";
    ASSERT_TRUE(peer.engine().steer(peer.flow(), 0, peer.now));
    EXPECT_EQ(peer.tcb().pace.rate, 0u);
    EXPECT_EQ(peer.tcb().pace.quantum, 0u);
}

// RFC 6582 leaves a calm window after a recovery; WEFT_CC_OWN_RECOVERY keeps the module's.
TEST(Modules, OwnRecoveryKeepsTheModulesWindow) {
    const auto after_recovery = [](std::uint32_t flags) {
        weft_cc_v1 table = listening;
        table.flags = flags;
        Peer peer = running(table);
        peer.writes(17'520);
        const SeqNum first = peer.snd_una();
        peer.ignores_what_was_sent();
        for (int i = 0; i < 4; ++i) peer.sends(ack().ack(first));
        EXPECT_TRUE(peer.tcb().receiving.flags.recovering);
        peer.ignores_what_was_sent();
        peer.sends(ack());
        EXPECT_FALSE(peer.tcb().receiving.flags.recovering);
        return peer.tcb().sending.steering.cwnd;
    };
    EXPECT_EQ(after_recovery(WEFT_CC_OWN_RECOVERY), 20'000u);
    EXPECT_EQ(after_recovery(0), 2 * mss) << "nothing was in flight: no burst";
}

// --- Which module runs ---

TEST(Modules, WindowStaysWhenTheModuleChangesAndTheTraceSaysSo) {
    Peer peer = running(listening);
    ASSERT_TRUE(
        peer.engine().install(other_slot, make_module(plugin::congestion_table<tcp::Cubic>, "cubic_file"), peer.now));
    follow(peer.engine());
    peer.writes(50'000);
    for (const std::uint16_t next : std::initializer_list<std::uint16_t>{1, 7, 0, 2, 7, 2, 1, 0, 7, 2}) {
        const std::uint32_t before = peer.tcb().sending.steering.cwnd;
        const std::uint16_t from = peer.engine().congestion_slot(peer.flow());
        ASSERT_TRUE(peer.engine().steer(peer.flow(), next, peer.now));
        EXPECT_EQ(peer.tcb().sending.steering.cwnd, before);
        EXPECT_EQ(peer.engine().congestion_slot(peer.flow()), next);
        ASSERT_FALSE(heard.empty());
        EXPECT_EQ(heard.back().event, std::uint16_t(tcp::ModuleEvent::steer));
        EXPECT_EQ(heard.back().from_slot, from);
        EXPECT_EQ(heard.back().slot, next);
        EXPECT_EQ(heard.back().window, before);
    }
    EXPECT_EQ(count(tcp::ModuleEvent::steer), 10u);
    ASSERT_TRUE(peer.engine().steer(peer.flow(), 2, peer.now));
    EXPECT_EQ(count(tcp::ModuleEvent::steer), 10u) << "it runs it already";
    EXPECT_EQ(peer.engine().steer(peer.flow(), 9, peer.now).error(), Error::invalid);
    EXPECT_EQ(peer.engine().steer(Flow{}, 1, peer.now).error(), Error::no_such_flow);
    EXPECT_EQ(peer.engine().congestion(peer.flow()), "test");
}

TEST(Modules, SlotInUseIsNotUninstalled) {
    Peer peer = running(listening);
    Engine& engine = peer.engine();
    EXPECT_EQ(engine.uninstall(slot, peer.now).error(), Error::in_use) << "a flow runs it";
    ASSERT_TRUE(engine.steer(peer.flow(), 0, peer.now));
    EXPECT_EQ(engine.module(slot)->listeners, 1u);
    EXPECT_EQ(engine.uninstall(slot, peer.now).error(), Error::in_use) << "a listener's flows begin with it";
    ASSERT_TRUE(engine.steer(peer.listener(), 1, peer.now));
    EXPECT_TRUE(engine.uninstall(slot, peer.now));
    EXPECT_EQ(engine.steer(peer.listener(), slot, peer.now).error(), Error::invalid);
}

TEST(Modules, FlowThatEndsGivesItsStateBack) {
    Peer peer = running(listening);
    EXPECT_EQ(peer.engine().module(slot)->flows, 1u);
    peer.aborts();
    EXPECT_EQ(peer.engine().module(slot)->flows, 0u);
}

TEST(Modules, FlowThatEndedAndWaitsToBeReadPinsNoSlot) {
    Peer peer = running(listening);
    Engine& engine = peer.engine();
    ASSERT_TRUE(engine.steer(peer.listener(), 0, peer.now));
    peer.sends(data(100));
    peer.closes();
    peer.ignores_what_was_sent();
    peer.sends(fin());
    ASSERT_EQ(peer.state(), State::time_wait);
    EXPECT_EQ(engine.congestion(peer.flow()), "test") << "what really ran";
    EXPECT_EQ(engine.uninstall(slot, peer.now).error(), Error::in_use);
    ASSERT_TRUE(engine.steer(peer.flow(), 0, peer.now));
    EXPECT_TRUE(engine.uninstall(slot, peer.now));
    EXPECT_EQ(peer.reads(), 100u);
}

TEST(Modules, MigrationMovesTheFlowsForWhichTheNewModuleAgrees) {
    for (const bool agrees : {true, false}) {
        Peer peer = running(listening);
        Engine& engine = peer.engine();
        peer.writes(30'000);
        for (int i = 0; i < (agrees ? 2 : 1); ++i) {
            peer.ignores_what_was_sent();
            peer.sends(ack());
        }
        const Listening before = state_of(peer);
        ASSERT_EQ(before.acks % 2 == 0, agrees);
        ASSERT_TRUE(engine.install(other_slot, make_module(plugin::congestion_table<Later>, "test"), peer.now));
        follow(engine);
        const std::uint32_t window = peer.tcb().sending.steering.cwnd;
        const auto moved = engine.migrate(slot, other_slot, peer.now);
        ASSERT_TRUE(moved.has_value());
        EXPECT_EQ(*moved, agrees ? 1u : 0u);
        EXPECT_EQ(engine.congestion_slot(peer.flow()), agrees ? other_slot : slot) << "else it ends on what it began with";
        EXPECT_EQ(peer.tcb().sending.steering.cwnd, window);
        EXPECT_EQ(count(tcp::ModuleEvent::migrate), 1u);
        EXPECT_EQ(count(tcp::ModuleEvent::steer), agrees ? 1u : 0u);
        if (agrees) { EXPECT_EQ(state_of<Later>(peer).sent_bytes, before.sent_bytes); }
        EXPECT_TRUE(engine.module(slot)->retired);
        EXPECT_EQ(engine.module(slot)->successor, other_slot);
        EXPECT_EQ(engine.module(slot)->listeners, 0u) << "the listener has moved, too";
        EXPECT_EQ(engine.module(other_slot)->listeners, 1u);
        EXPECT_EQ(engine.migrate(slot, other_slot, peer.now).error(), Error::not_permitted);
        EXPECT_EQ(engine.uninstall(other_slot, peer.now).error(), Error::in_use) << "it stands for the retired one";
        const auto flow = engine.connect({peer.remote.address, 0, 99}, {.congestion = slot}, peer.now);
        ASSERT_TRUE(flow.has_value());
        EXPECT_EQ(engine.congestion_slot(*flow), other_slot) << "who asks for the old one gets the new one";
        EXPECT_EQ(heard.back().event, std::uint16_t(tcp::ModuleEvent::begin));
        EXPECT_EQ(heard.back().reason, std::uint16_t(tcp::ModuleReason::retired));
        EXPECT_EQ(heard.back().from_slot, slot);
        EXPECT_EQ(engine.uninstall(slot, peer.now).has_value(), agrees);
        EXPECT_EQ(engine.statistics().module_fallbacks, 0u);
    }
    Peer peer;
    EXPECT_EQ(peer.engine().migrate(2, 3, peer.now).error(), Error::invalid);
    EXPECT_EQ(peer.engine().migrate(0, 1, peer.now).error(), Error::invalid);
}

TEST(Modules, QuarantineMovesEachFlowToNewRenoAndKeepsOthersOut) {
    Peer peer = running(listening);
    Engine& engine = peer.engine();
    follow(engine);
    peer.writes(50'000);
    ASSERT_TRUE(engine.quarantine(slot, peer.now));
    EXPECT_EQ(engine.congestion(peer.flow()), "newreno");
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, 20'000u) << "a sane window stays";
    ASSERT_EQ(heard.size(), 2u);
    EXPECT_EQ(heard[0].event, std::uint16_t(tcp::ModuleEvent::quarantine));
    EXPECT_EQ(heard[0].reason, std::uint16_t(tcp::ModuleReason::judged));
    EXPECT_EQ(heard[0].flows, 1u);
    EXPECT_EQ(heard[1].event, std::uint16_t(tcp::ModuleEvent::steer));
    EXPECT_EQ(engine.statistics().modules_quarantined, 1u);
    ASSERT_TRUE(engine.quarantine(slot, peer.now)) << "once is enough";
    EXPECT_EQ(engine.statistics().modules_quarantined, 1u);
    ASSERT_TRUE(engine.steer(peer.flow(), slot, peer.now));
    EXPECT_EQ(engine.congestion(peer.flow()), "newreno");
    ASSERT_EQ(heard.size(), 3u);
    EXPECT_EQ(heard[2].reason, std::uint16_t(tcp::ModuleReason::quarantined)) << "it asked, and did not get it";
    const auto flow = engine.connect({peer.remote.address, 0, 99}, {.congestion = slot}, peer.now);
    ASSERT_TRUE(flow.has_value());
    EXPECT_EQ(engine.congestion(*flow), "newreno");
    EXPECT_EQ(heard.back().reason, std::uint16_t(tcp::ModuleReason::quarantined)) << "no fallback is silent";
    EXPECT_EQ(engine.statistics().module_fallbacks, 2u);
    EXPECT_TRUE(engine.uninstall(slot, peer.now)) << "its listener begins with NewReno now";
    EXPECT_EQ(engine.quarantine(slot, peer.now).error(), Error::invalid);
}

}  // namespace
}  // namespace weft::test
