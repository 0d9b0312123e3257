// The registry of tunables: names, ranges, Linux's aliases, errors that name their mend, and docs/tunables.md, which is made from it.
#include "stack/tcp/tunables.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

using tcp::find_tunable, tcp::tune, tcp::tuned, tcp::Tunable;

std::string mistake(std::string_view name, std::string_view value) {
    Config config;
    const auto done = tune(config, name, value);
    return done ? "" : done.error();
}

TEST(Tunables, EachHasAUnitARangeThatHoldsItsDefaultAndAMeaning) {
    std::set<std::string_view> names, aliases;
    for (const Tunable& tunable : tcp::tunables()) {
        EXPECT_TRUE(names.insert(tunable.name).second) << tunable.name;
        EXPECT_TRUE(tunable.sysctl.empty() || aliases.insert(tunable.sysctl).second) << tunable.sysctl;
        EXPECT_LE(tunable.least, tunable.initial()) << tunable.name;
        EXPECT_GE(tunable.most, tunable.initial()) << tunable.name;
        EXPECT_FALSE(tunable.unit.empty()) << tunable.name;
        EXPECT_GT(tunable.doc.size(), 15u) << tunable.name;
        EXPECT_EQ(find_tunable(tunable.name), &tunable);
        EXPECT_TRUE(tunable.choices.empty() || std::size_t(tunable.most) + 1 == tunable.choices.size()) << tunable.name;
    }
}

TEST(Tunables, EachIsSetAndReadByItsNameAndTouchesNoOther) {
    for (const Tunable& tunable : tcp::tunables())
        for (const std::int64_t value : {tunable.least, tunable.most, tunable.initial()}) {
            Config config;
            ASSERT_TRUE(tune(config, tunable.name, std::to_string(value))) << tunable.name << " " << value;
            EXPECT_EQ(tunable.get(config), value) << tunable.name;
            const auto text = tuned(config, tunable.name);
            ASSERT_TRUE(text);
            Config again;
            ASSERT_TRUE(tune(again, tunable.name, *text)) << *text;
            EXPECT_EQ(tunable.get(again), value) << "what tuned() says, tune() reads";
            for (const Tunable& other : tcp::tunables())
                EXPECT_TRUE(&other == &tunable || other.get(config) == other.initial())
                    << tunable.name << ", " << other.name;
        }
}

TEST(Tunables, AreKnownByTheNamesOfLinuxToo) {
    EXPECT_EQ(find_tunable("net.ipv4.tcp_timestamps"), find_tunable("timestamps"));
    EXPECT_EQ(find_tunable("net/ipv4/tcp_timestamps"), find_tunable("timestamps"));
    EXPECT_EQ(find_tunable("tcp_timestamps"), find_tunable("timestamps"));
    EXPECT_EQ(find_tunable("net.ipv4.tcp_teleport"), nullptr);
    Config config;
    ASSERT_TRUE(tune(config, "net.ipv4.tcp_rmem", "4096\t131072 6291456"));
    EXPECT_EQ(config.receive_buffer, 131'072u);
    ASSERT_TRUE(tune(config, "tcp_timestamps", "0"));
    EXPECT_FALSE(config.timestamps);
}

TEST(Tunables, AnErrorSaysWhatWouldBeRightAndChangesNothing) {
    EXPECT_EQ(mistake("delayed_ack", "500"), "\"delayed_ack\": \"500\" is not 0 to 499 ms");
    EXPECT_EQ(mistake("delayed_ack", "soon"), "\"delayed_ack\": \"soon\" is not 0 to 499 ms");
    EXPECT_EQ(mistake("delayed_ack", ""), "\"delayed_ack\": \"\" is not 0 to 499 ms");
    EXPECT_EQ(mistake("timestamps", "yes"), "\"timestamps\": \"yes\" is not on or off");
    EXPECT_EQ(mistake("timestamp", "1"), "\"timestamp\" is not a tunable; near it: timestamps, time_wait, time_wait_limit");
    EXPECT_EQ(mistake("", "1"), "\"\" is not a tunable; docs/tunables.md lists them");
    Config config;
    EXPECT_FALSE(tuned(config, "nothing"));
    EXPECT_FALSE(tune(config, "delayed_ack", "-1"));
    EXPECT_EQ(config.delayed_ack, ms(40));
}

TEST(Tunables, AnEngineClampsWhatIsOutOfRange) {
    BufferPool pool{1 << 20};
    Config config;
    config.receive_buffer = 1;
    config.minimum_rto = Duration{};
    config.first_port = 60'000, config.last_port = 100;
    const Engine engine{config, pool};
    EXPECT_EQ(engine.config().receive_buffer, 2'048u);
    EXPECT_EQ(engine.config().minimum_rto, ms(1));
    EXPECT_EQ(engine.config().last_port, 60'000u);
}

TEST(Tunables, AreTunedWhileAnEngineRuns) {
    Peer peer;
    Config other = peer.engine().config();
    other.timestamps = other.window_scaling = false;
    other.seed[0] = 99;
    peer.engine().tune(other, peer.now);
    EXPECT_EQ(peer.engine().config().seed[0], 7u) << "the seed stays";
    peer.listens();
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    EXPECT_FALSE(answer.options.timestamps);
    EXPECT_FALSE(answer.options.window_scale);
}

TEST(Tunables, WhatIsSwitchedOffIsNotOfferedAndNotTakenUp) {
    Opening how{.active = true};
    how.config.timestamps = how.config.window_scaling = false;
    Peer peer{how};
    peer.connects();
    const Seen first = peer.sees(syn());
    EXPECT_FALSE(first.options.timestamps);
    EXPECT_FALSE(first.options.window_scale);
    peer.sends(syn_ack().ack(first.seq + 1).no_timestamps());
    peer.sees(ack().seq(first.seq + 1));
    EXPECT_FALSE(peer.tcb().receiving.flags.timestamps);
    EXPECT_EQ(peer.tcb().receiving.snd_shift, 0) << "the peer scales, but nobody asked it to";
}

TEST(Tunables, ActiveOpensChooseFromTheirPorts) {
    Opening how{.active = true};
    how.config.first_port = 1'000, how.config.last_port = 1'003;
    Peer peer{how};
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 4; ++i) {
        peer.connects();
        ports.insert(peer.engine().peers(peer.flow())->local.port);
    }
    EXPECT_EQ(ports, (std::set<std::uint16_t>{1'000, 1'001, 1'002, 1'003}));
    const auto none_left = peer.engine().connect({peer.remote.address, 0, 40'000}, {}, peer.now);
    ASSERT_FALSE(none_left);
    EXPECT_EQ(none_left.error(), Error::address_not_available);
}

// WEFT_WRITE_DOCS=1 writes it.
TEST(Tunables, TheirPageIsTrue) {
    const std::string path = std::string(WEFT_SOURCE_DIR) + "/docs/tunables.md";
    if (std::getenv("WEFT_WRITE_DOCS")) std::ofstream{path} << tcp::tunables_page();
    std::ifstream file{path};
    const std::string page{std::istreambuf_iterator<char>{file}, {}};
    EXPECT_TRUE(page == tcp::tunables_page())
        << "WEFT_WRITE_DOCS=1 test_tcp --gtest_filter=Tunables.* writes docs/tunables.md";
}

}  // namespace
}  // namespace weft::test
