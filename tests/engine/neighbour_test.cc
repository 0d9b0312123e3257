// An engine on an Ethernet link: who has an address, what waits for the answer, and whom it believes (RFC 826; RFC 1122, section
// 2.3.2; RFC 4861, section 7).
#include "tests/engine/station.h"

namespace weft::test {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }
const Mac nobody{};

NeighbourState state_of(const Station& s, const Address& who) {
    for (const NeighbourEntry& entry : s.engine.neighbours())
        if (entry.address == who) return entry.state;
    ADD_FAILURE() << "no such neighbour";
    return NeighbourState::failed;
}

Mac mac_of(const Station& s, const Address& who) {
    for (const NeighbourEntry& entry : s.engine.neighbours())
        if (entry.address == who) return entry.mac;
    return nobody;
}

TEST(Arp, RequestForOurAddressIsAnsweredToTheAsker) {
    Station s;
    const auto out = s.gets_arp(arp(1, s.other, s.other4, nobody, s.own4), s.other, wire::broadcast_mac);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].to(), s.other);
    EXPECT_EQ(out[0].type(), 0x0806);
    EXPECT_EQ(out[0].arp(), (wire::ArpPacket{2, s.own, s.own4, s.other, s.other4}));
    EXPECT_EQ(mac_of(s, s.other4), s.other) << "who asks for us is remembered (RFC 826)";
    EXPECT_EQ(s.engine.statistics().arp_in, 1u);
    EXPECT_EQ(s.engine.statistics().arp_out, 1u);
}

TEST(Arp, RequestForAnotherIsNeitherAnsweredNorRemembered) {
    Station s;
    EXPECT_TRUE(s.gets_arp(arp(1, s.other, s.other4, nobody, ip4(10, 0, 0, 9)), s.other, wire::broadcast_mac).empty());
    EXPECT_TRUE(s.engine.neighbours().empty());
}

TEST(Arp, ProbeForOurAddressIsAnsweredAndTeachesNothing) {  // RFC 5227, section 2.1.1
    Station s;
    const auto out = s.gets_arp(arp(1, s.other, ip4(0, 0, 0, 0), nobody, s.own4), s.other, wire::broadcast_mac);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].arp().sender, s.own4);
    EXPECT_TRUE(s.engine.neighbours().empty());
}

TEST(Arp, WhoClaimsOurAddressIsNotBelieved) {
    Station s;
    EXPECT_TRUE(s.gets_arp(arp(1, s.other, s.own4, nobody, s.own4), s.other, wire::broadcast_mac).empty());
    EXPECT_TRUE(s.gets_arp(arp(2, s.other, s.own4, s.own, s.own4)).empty());
    EXPECT_TRUE(s.engine.neighbours().empty());
    EXPECT_EQ(s.engine.statistics().martians, 2u);
}

TEST(Arp, SynWaitsForTheAnswerAndLeavesWithIt) {
    Station s;
    s.connect(s.other4);
    auto out = s.sent();
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].to(), wire::broadcast_mac);
    EXPECT_EQ(out[0].arp(), (wire::ArpPacket{1, s.own, s.own4, nobody, s.other4}));
    out = s.resolve(s.other4, s.other);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].to(), s.other);
    EXPECT_EQ(out[0].type(), 0x0800);
    EXPECT_TRUE(out[0].tcp().has(wire::syn));
    EXPECT_EQ(state_of(s, s.other4), NeighbourState::reachable);
}

TEST(Ndp, SynWaitsForTheAdvertisementAndLeavesWithIt) {
    Station s;
    s.connect(s.other6);
    auto out = s.sent();
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].to(),
              (Mac{std::byte{0x33}, std::byte{0x33}, std::byte{0xff}, std::byte{0}, std::byte{0}, std::byte{2}}));
    EXPECT_EQ(out[0].destination(), wire::solicited_node(s.other6));
    EXPECT_EQ(out[0].source(), s.own6) << "of the same network, not the link-local one";
    EXPECT_EQ(out[0].ndp().target, s.other6);
    EXPECT_EQ(out[0].ndp().mac, s.own);
    out = s.resolve(s.other6, s.other);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].to(), s.other);
    EXPECT_TRUE(out[0].tcp().has(wire::syn));
}

TEST(Ndp, SolicitationOfOurAddressIsAnsweredToTheAsker) {  // RFC 4861, section 7.2.4
    Station s;
    wire::NeighbourMessage ask{.target = s.own6};
    ask.mac = s.other;
    const Address group = wire::solicited_node(s.own6);
    const auto out = s.gets(ndp(s.other6, group, ask), s.other, wire::group_mac(group));
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].to(), s.other);
    EXPECT_EQ(out[0].destination(), s.other6);
    EXPECT_EQ(out[0].ipv6().hop_limit(), 255);
    EXPECT_TRUE(out[0].ndp().solicited && out[0].ndp().overrides && !out[0].ndp().router);
    EXPECT_EQ(out[0].ndp().mac, s.own);
    EXPECT_EQ(state_of(s, s.other6), NeighbourState::stale);
}

TEST(Ndp, LinkLocalAddressOfTheDeviceIsOursToo) {
    Station s;
    const Address own = net::link_local_of(s.own), peer = net::link_local_of(s.other);
    wire::NeighbourMessage ask{.target = own};
    ask.mac = s.other;
    const Address group = wire::solicited_node(own);
    auto out = s.gets(ndp(peer, group, ask), s.other, wire::group_mac(group));
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].source(), own);
    out = s.gets(echo(peer, own, 56));
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].icmp().type(), wire::Icmp6::echo_reply);
    s.connect(peer);
    EXPECT_EQ(s.sent().at(0).source(), own) << "from an address of the same reach";
}

TEST(Ndp, ProbeForADuplicateIsAnsweredToAllNodes) {  // section 7.2.4: S is not set, all nodes hear it
    Station s;
    const Address group = wire::solicited_node(s.own6);
    const auto out = s.gets(ndp(ip6(0, 0), group, {.target = s.own6}), s.other, wire::group_mac(group));
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].destination(), net::all_nodes());
    EXPECT_EQ(out[0].to(), wire::group_mac(net::all_nodes()));
    EXPECT_FALSE(out[0].ndp().solicited);
    EXPECT_TRUE(s.engine.neighbours().empty());
}

TEST(Ndp, HopLimitBelow255ProvesThatARouterPassedItOn) {  // sections 7.1.1, 7.1.2
    Station s;
    wire::NeighbourMessage ask{.target = s.own6};
    ask.mac = s.other;
    EXPECT_TRUE(s.gets(ndp(s.other6, s.own6, ask, 254)).empty());
    s.connect(s.other6);
    s.sent();
    wire::NeighbourMessage said{.advertisement = true, .solicited = true, .overrides = true, .target = s.other6};
    said.mac = s.other;
    EXPECT_TRUE(s.gets(ndp(s.other6, s.own6, said, 64)).empty());
    EXPECT_EQ(state_of(s, s.other6), NeighbourState::incomplete);
}

TEST(Neighbours, HeldFramesLeaveInOrderAndOnlyTheNewestFew) {
    Station s;
    std::vector<Flow> flows;
    for (int i = 0; i < 12; ++i) flows.push_back(s.connect(s.other4, std::uint16_t(100 + i)));
    EXPECT_EQ(s.sent().size(), 1u) << "one question for all of them";
    const auto out = s.resolve(s.other4, s.other);
    ASSERT_EQ(out.size(), net::Neighbours::most_held);
    for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i].tcp().destination_port(), 104 + i);
    EXPECT_EQ(s.engine.statistics().unresolved, 4u);
}

TEST(Neighbours, NobodyAnswersThreeQuestionsAndTheConnectFails) {
    Station s;
    s.connect(s.other4);
    EXPECT_EQ(s.sent().size(), 1u);
    const auto out = s.wait(ms(2'500));
    EXPECT_EQ(out.size(), 2u) << "again after one second, and after two";
    for (const Sent& each : out) EXPECT_EQ(each.type(), 0x0806);
    EXPECT_FALSE(s.error_of(Event::Kind::failed));
    s.wait(ms(600));
    EXPECT_EQ(s.error_of(Event::Kind::failed), Error::unreachable);
    s.wait(Duration::seconds(120));
    EXPECT_TRUE(s.engine.neighbours().empty()) << "no path goes through it any more";
    EXPECT_EQ(s.pool.in_use(), 0u);
}

TEST(Neighbours, OneThatFallsSilentIsProbedAndTheFlowHearsOfIt) {  // RFC 4861, section 7.3.3
    Station s;
    const Flow flow = s.established(s.other4);
    s.wait(Duration::seconds(50));  // longer than an address is believed
    const Octets text(10);
    ASSERT_TRUE(s.engine.write(flow, text, {}, s.now));
    auto out = s.sent();
    ASSERT_EQ(out.size(), 1u) << "it is used first, and asked later";
    EXPECT_EQ(out[0].tcp().payload().size(), 10u);
    EXPECT_EQ(state_of(s, s.other4), NeighbourState::delay);
    std::vector<Mac> asked;
    for (const Sent& each : s.wait(ms(11'100)))
        if (each.type() == 0x0806) asked.push_back(each.to());
    const Mac all = wire::broadcast_mac;
    EXPECT_EQ(asked, (std::vector{s.other, s.other, s.other, all, all, all})) << "unicast first (RFC 1122, section 2.3.2.1)";
    EXPECT_EQ(s.error_of(Event::Kind::soft_error), Error::unreachable);
    EXPECT_EQ(s.engine.inspect(flow)->receiving.state, tcp::State::established);
    // It comes back with another device: the flow goes on at once.
    s.wait(Duration::seconds(20));
    out = s.gets_arp(arp(1, s.gateway_mac, s.other4, nobody, s.own4), s.gateway_mac, wire::broadcast_mac);
    bool resumed = false;
    for (const Sent& each : out) resumed |= each.type() == 0x0800 && each.to() == s.gateway_mac;
    EXPECT_TRUE(resumed);
}

TEST(Neighbours, AnswerToAProbeKeepsTheAddress) {
    Station s;
    const Flow flow = s.established(s.other4);
    s.wait(Duration::seconds(50));
    const Octets text(10);
    ASSERT_TRUE(s.engine.write(flow, text, {}, s.now));
    s.sent();
    s.wait(ms(5'100));
    EXPECT_EQ(state_of(s, s.other4), NeighbourState::probe);
    s.resolve(s.other4, s.other);
    EXPECT_EQ(state_of(s, s.other4), NeighbourState::reachable);
}

TEST(Neighbours, GratuitousArpChangesWhatIsKnownAndMakesNothing) {
    Station s;
    s.gets_arp(arp(1, s.other, s.other4, nobody, s.other4), s.other, wire::broadcast_mac);
    s.gets_arp(arp(2, s.other, s.other4, s.other, s.other4), s.other, wire::broadcast_mac);
    EXPECT_TRUE(s.engine.neighbours().empty());
    const Flow flow = s.established(s.other4);
    s.gets_arp(arp(1, s.gateway_mac, s.other4, nobody, s.other4), s.gateway_mac, wire::broadcast_mac);
    EXPECT_EQ(state_of(s, s.other4), NeighbourState::stale) << "until it proves itself";
    const Octets text(10);
    ASSERT_TRUE(s.engine.write(flow, text, {}, s.now));
    EXPECT_EQ(s.sent().at(0).to(), s.gateway_mac) << "the path's header was written anew";
}

TEST(Neighbours, AdvertisementThatNobodyAskedForFollowsItsOverrideFlag) {  // RFC 4861, section 7.2.5
    Station s;
    s.established(s.other6);
    ASSERT_EQ(state_of(s, s.other6), NeighbourState::reachable);
    wire::NeighbourMessage said{.advertisement = true, .target = s.other6};
    said.mac = s.gateway_mac;
    s.gets(ndp(s.other6, net::all_nodes(), said), s.gateway_mac, wire::group_mac(net::all_nodes()));
    EXPECT_EQ(mac_of(s, s.other6), s.other) << "without Override the address stays";
    EXPECT_EQ(state_of(s, s.other6), NeighbourState::stale) << "but is doubted";
    said.overrides = true;
    s.gets(ndp(s.other6, net::all_nodes(), said), s.gateway_mac, wire::group_mac(net::all_nodes()));
    EXPECT_EQ(mac_of(s, s.other6), s.gateway_mac);
    EXPECT_EQ(state_of(s, s.other6), NeighbourState::stale);
    said.target = ip6(77);
    s.gets(ndp(ip6(77), net::all_nodes(), said), s.gateway_mac, wire::group_mac(net::all_nodes()));
    EXPECT_EQ(s.engine.neighbours().size(), 1u) << "of a stranger nothing is kept";
}

TEST(Neighbours, SolicitedFlagCountsOnlyWhenWeAsked) {
    Station s;
    s.established(s.other6);
    wire::NeighbourMessage said{.advertisement = true, .solicited = true, .overrides = true, .target = s.other6};
    said.mac = s.gateway_mac;
    s.gets(ndp(s.other6, s.own6, said), s.gateway_mac);
    EXPECT_EQ(state_of(s, s.other6), NeighbourState::stale);
}

TEST(Neighbours, NoFloodMakesTheTableGrow) {
    Station s;
    s.established(s.other4);
    for (unsigned i = 0; i < 5'000; ++i) {
        const Mac mac = station(1'000 + i);
        const Address four = ip4(10, 0, i >> 8, i & 0xff), six = ip6(1'000 + i);
        if (four != s.own4 && four != s.other4) s.gets_arp(arp(1, mac, four, nobody, s.own4), mac, wire::broadcast_mac);
        s.gets_arp(arp(2, mac, ip4(10, 1, i >> 8, i & 0xff), s.own, s.own4), mac);
        wire::NeighbourMessage ask{.target = s.own6},
            said{.advertisement = true, .solicited = true, .target = ip6(i, 0xfd11)};
        ask.mac = said.mac = mac;
        s.gets(ndp(six, s.own6, ask), mac);
        s.gets(ndp(said.target, s.own6, said), mac);
    }
    EXPECT_LE(s.engine.neighbours().size(), net::Neighbours::most_idle + 1u);
    EXPECT_EQ(mac_of(s, s.other4), s.other) << "whom a path goes through is not pushed out";
    EXPECT_EQ(s.pool.in_use(), 0u);
}

TEST(Neighbours, FloodOfForgedSynsHoldsNoMoreThanTheBacklog) {
    Station s;
    ASSERT_TRUE(s.engine.listen({{.local = {{}, 0, 80}}, 8}, s.now));
    for (unsigned i = 0; i < 2'000; ++i)
        s.gets(tcp(ip4(10, 0, 0, 3 + i % 250), s.own4,
                   {std::uint16_t(1'000 + i), 80, SeqNum{i}, {}, wire::syn, 1'000, 0, 0, {}}));
    EXPECT_LE(s.engine.neighbours().size(), 8u);
    EXPECT_LE(s.engine.statistics().half_open, 8u);
}

TEST(Routes, GatewayIsResolvedAndCarriesWhatIsBehindIt) {
    Station s;
    EXPECT_EQ(s.engine.connect({ip4(192, 0, 2, 1), 0, 80}, {}, s.now).error(), Error::network_unreachable);
    ASSERT_TRUE(s.engine.add_route({ip4(0, 0, 0, 0), 0}, {ip4(10, 0, 0, 254), 0, 0}, s.now));
    s.connect(ip4(192, 0, 2, 1));
    EXPECT_EQ(s.sent().at(0).arp().target, ip4(10, 0, 0, 254));
    const auto out = s.resolve(ip4(10, 0, 0, 254), s.gateway_mac);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].to(), s.gateway_mac);
    EXPECT_EQ(out[0].destination(), ip4(192, 0, 2, 1));
}

TEST(Routes, ChangeMovesALivingFlowToAnotherNextHop) {
    Station s;
    ASSERT_TRUE(s.engine.add_route({ip4(0, 0, 0, 0), 0}, {s.other4, 0, 10}, s.now));
    const Address far = ip4(192, 0, 2, 1);
    s.connect(far);
    s.sent();
    ASSERT_EQ(s.resolve(s.other4, s.other).size(), 1u);
    ASSERT_TRUE(s.engine.add_route({ip4(192, 0, 2, 0), 24}, {ip4(10, 0, 0, 254), 0, 10}, s.now));
    const auto again = s.wait(ms(1'100));  // the SYN goes again
    ASSERT_FALSE(again.empty());
    EXPECT_EQ(again.back().arp().target, ip4(10, 0, 0, 254));
    EXPECT_EQ(s.resolve(ip4(10, 0, 0, 254), s.gateway_mac).at(0).to(), s.gateway_mac);
}

TEST(Routes, ChangeElsewhereLeavesAloneWhatWaits) {
    Station s;
    s.connect(s.other4);
    s.sent();
    ASSERT_TRUE(s.engine.add_route({ip4(192, 0, 2, 0), 24}, {s.other4, 0, 0}, s.now));
    const auto out = s.resolve(s.other4, s.other);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_TRUE(out[0].tcp().has(wire::syn));
}

TEST(Links, DetachForgetsNeighboursRoutesAndTheLinkLocalAddress) {
    Station s;
    s.established(s.other4);
    s.engine.detach(0, s.now);
    EXPECT_TRUE(s.engine.neighbours().empty());
    EXPECT_TRUE(s.engine.routes().empty());
    EXPECT_EQ(s.engine.attach(0, {.mtu = 500}, s.now).error(), Error::invalid);
    EXPECT_EQ(s.engine.attach(0, {.ethernet = true, .mac = wire::broadcast_mac}, s.now).error(), Error::invalid);
}

TEST(Links, FramesForOthersAndOddFramesAreDropped) {
    Station s;
    const Octets ping = echo(s.other4, s.own4, 56);
    EXPECT_TRUE(s.gets(ping, s.other, station(9)).empty()) << "for another station";
    EXPECT_TRUE(s.gets(ping, wire::broadcast_mac).empty()) << "from a group";
    EXPECT_TRUE(s.gets(ping, s.other, wire::broadcast_mac).empty()) << "one host's packet to all stations (RFC 1122, 3.3.6)";
    EXPECT_TRUE(s.arrives(ethernet(s.own, s.other, 0x8100, ping)).empty()) << "tagged";
    EXPECT_TRUE(s.arrives(ethernet(s.own, s.other, 46, ping)).empty()) << "IEEE 802.2";
    EXPECT_TRUE(s.arrives(Octets(13)).empty());
    EXPECT_TRUE(s.arrives(Octets{}).empty());
    EXPECT_EQ(s.gets(ping + Octets(18)).size(), 1u) << "padding is cut off";
    EXPECT_EQ(s.engine.statistics().malformed, 4u);
}

TEST(Links, MtuOfTheDeviceBoundsTheSegments) {
    Station s{{.mtu = 1'300, .ethernet = true, .mac = Station::own}};
    s.connect(s.other4);
    s.sent();
    EXPECT_EQ(s.resolve(s.other4, s.other).at(0).tcp().options()->mss, 1'260);
}

TEST(Links, SuperSegmentsStayWholeOnEthernet) {
    Station s;
    const Flow flow = s.established(s.other4);
    const Octets text(8'000);
    ASSERT_TRUE(s.engine.write(flow, text, {}, s.now));
    std::array<Transmit, 4> out;
    ASSERT_EQ(s.engine.transmit(out, s.now), 1u);
    EXPECT_EQ(out[0].segment_size, 1'460);
    EXPECT_EQ(out[0].network, 14);
    EXPECT_EQ(out[0].transport, 34);
    EXPECT_EQ(out[0].header_length, 54);
    EXPECT_FALSE(out[0].complete);
}

TEST(Links, ResetOfASegmentForNobodyGoesBackToItsStation) {
    Station s;
    const auto out = s.gets(tcp(s.other4, s.own4, {5'000, 81, SeqNum{9}, {}, wire::syn, 1'000, 0, 0, {}}), s.gateway_mac);
    ASSERT_EQ(out.size(), 1u);
    EXPECT_EQ(out[0].to(), s.gateway_mac);
    EXPECT_TRUE(out[0].tcp().has(wire::rst));
    EXPECT_TRUE(s.engine.neighbours().empty()) << "a forged segment costs no entry";
}

}  // namespace
}  // namespace weft::test
