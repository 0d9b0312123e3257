// What must not be guessed: initial sequence numbers (RFC 6528, RFC 9293, section 3.4.1) and ephemeral ports (RFC 6056).
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

// Begins a connection from a fixed port and forgets it again.
SeqNum isn(Peer& peer, std::uint16_t local_port, std::uint16_t remote_port = 80) {
    ConnectOptions options;
    options.local = {peer.local.address, 0, local_port};
    const auto flow = peer.engine().connect({peer.remote.address, 0, remote_port}, options, peer.now);
    EXPECT_TRUE(flow.has_value());
    if (!flow) return {};
    const SeqNum iss = peer.engine().inspect_cold(*flow)->iss;
    EXPECT_TRUE(peer.engine().abort(*flow, peer.now).has_value());
    std::array<Transmit, 8> out;
    while (peer.engine().transmit(out, peer.now) != 0) {}
    std::array<Event, 8> events;
    while (peer.engine().events(events, peer.now) != 0) {}
    return iss;
}

TEST(Rfc6528, Must8_SequenceNumbersOfOneFlowFollowAFourMicrosecondClock) {   // section 3, MUST-8
    Peer peer;
    const SeqNum first = isn(peer, 5'000);
    for (const std::int64_t later_by : {1, 100, 10'000}) {
        const SeqNum before_it = isn(peer, 5'000);
        peer.after(ms(later_by));
        const std::uint32_t ticks = isn(peer, 5'000) - before_it;
        EXPECT_NEAR(double(ticks), double(later_by) * 250.0, double(later_by) * 13.0 + 2.0) << later_by;  // 4.096 us will do
    }
    EXPECT_TRUE(before(first, isn(peer, 5'000)));
}

TEST(Rfc6528, Shld1_Must9_FlowsHaveUnrelatedSpaces) {  // SHLD-1, MUST-9
    Peer peer;
    std::set<std::uint32_t> seen, gaps;
    SeqNum last;
    for (std::uint16_t port = 1; port <= 500; ++port) {
        const SeqNum each = isn(peer, 5'000, port);
        EXPECT_TRUE(seen.insert(each.raw()).second);
        gaps.insert((each - last) >> 16);
        last = each;
    }
    EXPECT_GT(gaps.size(), 450u) << "the distance from one flow's to the next tells nothing";
}

TEST(Rfc6528, DependOnTheSecretOfTheEngine) {
    Opening other;
    other.config.seed[0] = 8;
    Peer one, two{other}, same;
    EXPECT_NE(isn(one, 5'000), isn(two, 5'000));
    EXPECT_EQ(isn(one, 6'000), isn(same, 6'000)) << "same seed, same run";
}

TEST(Rfc6056, PortsToOneDestinationAreEphemeralAndDistinct) {
    Peer peer;
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 1'000; ++i) {
        const auto flow = peer.engine().connect({peer.remote.address, 0, 80}, {}, peer.now);
        ASSERT_TRUE(flow);
        const std::uint16_t port = peer.engine().peers(*flow)->local.port;
        EXPECT_TRUE(ports.insert(port).second);
        EXPECT_GE(port, 1'024);
    }
}

// Section 3.3.3: where a destination's ports begin is a keyed hash of it, so one destination's ports tell nothing of another's.
TEST(Rfc6056, PortsToManyDestinationsAreInNoOrder) {
    Peer peer;
    std::vector<std::uint16_t> ports;
    for (std::uint16_t port = 1; port <= 1'000; ++port) {
        const auto flow = peer.engine().connect({peer.remote.address, 0, port}, {}, peer.now);
        ASSERT_TRUE(flow);
        ports.push_back(peer.engine().peers(*flow)->local.port);
    }
    const std::set<std::uint16_t> distinct{ports.begin(), ports.end()};
    EXPECT_GT(distinct.size(), 900u);
    EXPECT_GE(*distinct.begin(), 1'024);
    std::size_t neighbours = 0, rising = 0;
    for (std::size_t i = 1; i < ports.size(); ++i) {
        neighbours += ports[i] == ports[i - 1] + 1;
        rising += ports[i] > ports[i - 1];
    }
    EXPECT_LT(neighbours, 10u);
    EXPECT_GT(rising, 350u);
    EXPECT_LT(rising, 650u);
    EXPECT_GT(int(*distinct.rbegin()) - int(*distinct.begin()), 10'000);
}

TEST(Rfc6056, PortsRunOutAsAnErrorAndComeBack) {
    Peer peer;
    std::vector<Flow> flows;
    Error error{};
    for (int i = 0; i < 70'000; ++i) {
        const auto flow = peer.engine().connect({peer.remote.address, 0, 80}, {}, peer.now);
        if (!flow) {
            error = flow.error();
            break;
        }
        flows.push_back(*flow);
        if (flows.size() % 1'000 == 0) {
            std::array<Transmit, 64> out;
            while (peer.engine().transmit(out, peer.now) != 0) {}
        }
    }
    EXPECT_EQ(error, Error::address_not_available);
    EXPECT_GE(flows.size(), 16'000u);
    ASSERT_FALSE(flows.empty());
    EXPECT_TRUE(peer.engine().abort(flows[100], peer.now));
    std::array<Transmit, 64> out;
    while (peer.engine().transmit(out, peer.now) != 0) {}
    std::array<Event, 64> events;
    while (peer.engine().events(events, peer.now) != 0) {}
    bool again = false;
    for (int i = 0; i < 10 && !again; ++i)
        again = peer.engine().connect({peer.remote.address, 0, 80}, {}, peer.now).has_value();
    EXPECT_TRUE(again);
}

}  // namespace
}  // namespace weft::test
