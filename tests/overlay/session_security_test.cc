// Sessions against those who carry them: nothing is read, replayed, forged or smuggled in, and nobody is kept busy.
#include <gtest/gtest.h>

#include <string_view>

#include "overlay/control.h"

#include "tests/overlay/relay.h"

namespace weft::overlay {
namespace {

using PeerState = PeerStatus::State;
using Kind = LinkEvent::Kind;

bool holds(Bytes where, Bytes what) {
    return std::search(where.begin(), where.end(), what.begin(), what.end()) != where.end();
}

// What the forwarder opens, and all that is on any wire, is searched for the text; the ends' buffers prove that the search works.
TEST(SessionSecurity, WhoCarriesAPathReadsNothingOfIt) {
    Line line{3};
    Node &a = line[0], &b = line[1], &c = line[2];
    ByteVector text(64);
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = std::byte(i);  // as Packet fills its payload
    std::map<const Node*, std::size_t> found, read;
    std::size_t on_wires = 0, datagrams = 0;
    line.world.opened = [&](Node& node, Bytes bytes) { ++read[&node], found[&node] += holds(bytes, text); };
    line.world.wiretap = [&](Datagram& d) {
        ++datagrams;
        on_wires += holds(d.bytes, text);
        return true;
    };
    for (int i = 0; i < 50; ++i) {
        line.send(a, c, 500, 0, 0);
        line.send(c, a, 300, 0, 0);
        line.world.run(ms(20));
    }
    EXPECT_GE(read[&b], 100u);
    EXPECT_EQ(found[&b], 0u);
    EXPECT_EQ(on_wires, 0u);
    EXPECT_GE(datagrams, 200u);
    EXPECT_GE(found[&c], 49u) << "the first one rode in FIN";
    EXPECT_GE(found[&a], 49u);
    EXPECT_TRUE(b.got.empty());
}

TEST(SessionSecurity, TheFormatsAreTheDocumentedOnes) {
    Relay r;
    ASSERT_TRUE(r.open_session());
    EXPECT_EQ(r.opened->payload.size(), 176u) << "RESP whole in SETUP's answer";
    EXPECT_EQ(r.session().state, PeerState::up);
    EXPECT_TRUE(r.session().session);
    ASSERT_FALSE(r.sessions.empty());
    EXPECT_EQ(r.sessions[0].size(), 24u) << "the answer to FIN: empty, index 4, counter 4, tag 16";
    EXPECT_EQ(load_little<std::uint32_t>(r.sessions[0].data()), r.far.local_index);
    EXPECT_EQ(load_little<std::uint32_t>(&r.sessions[0][4]), 0u);
    const MutableBytes sealed{r.sessions[0].data() + 8, 16};
    EXPECT_TRUE(r.far.receive.open(Bytes{r.sessions[0]}.first(8), sealed, 0));
    r.labelled(r.seal_session(Relay::net(40)));
    ASSERT_EQ(r.node.got.size(), 1u);
    EXPECT_EQ(r.node.got[0].size(), 40u);
}

TEST(SessionSecurity, APacketThatIsReplayedCountsOnce) {
    Relay r;
    ASSERT_TRUE(r.open_session());
    const ByteVector packet = r.seal_session(Relay::net(40));
    for (int i = 0; i < 100; ++i) r.labelled(packet);
    EXPECT_EQ(r.node.got.size(), 1u);
    EXPECT_EQ(r.session().replayed, 99u);
}

TEST(SessionSecurity, CountersGoOnBeyond32Bits) {
    Relay r;
    ASSERT_TRUE(r.open_session());
    std::size_t expected = 0;
    for (const std::uint64_t counter : {0x7fff'0000ull, 0xfffe'0000ull, 0xffff'fff0ull, 0x1'0000'0005ull, 0xffff'fff1ull,
                                        0x1'0000'0004ull, 0x1'7fff'0000ull}) {
        r.labelled(r.seal_session(Relay::net(10), counter));
        EXPECT_EQ(r.node.got.size(), ++expected) << counter;
    }
    r.labelled(r.seal_session(Relay::net(10), 0x1'0000'0005ull));
    r.labelled(r.seal_session(Relay::net(10), 5));
    EXPECT_EQ(r.node.got.size(), expected);
}

TEST(SessionSecurity, ForgedOrChangedPacketsOpenNothing) {
    Relay r;
    ASSERT_TRUE(r.open_session());
    const ByteVector packet = r.seal_session(Relay::net(40));
    const std::uint64_t before = r.node.links.statistics().unauthentic;
    for (std::size_t i = 4; i < packet.size(); ++i) {
        ByteVector bent = packet;
        bent[i] ^= std::byte{1};
        r.labelled(bent);
    }
    EXPECT_EQ(r.node.links.statistics().unauthentic - before, packet.size() - 4);
    EXPECT_TRUE(r.node.got.empty());
    r.labelled(packet);
    EXPECT_EQ(r.node.got.size(), 1u);
}

TEST(SessionSecurity, FinMustComeFromWhomSetupCameFrom) {
    Relay r;
    Script liar{seed_of(60), r.node.settings.network, r.node.address()};
    liar.local_index = r.far.local_index;
    const std::uint64_t refused = r.node.links.statistics().refused;
    r.open_session({}, &liar);
    EXPECT_GT(r.node.links.statistics().refused + r.node.links.statistics().unauthentic, refused);
    EXPECT_EQ(r.node.links.peers().size(), 1u) << "the neighbour alone";
    r.turn(100);
    EXPECT_EQ(r.node.links.labels()->statistics().paths, 0u) << "and the path is given back";
}

// The neighbour on the way shakes hands as itself inside another's path.
TEST(SessionSecurity, MessagesWithIndexZeroThatTheCarrierForgesChangeNothing) {
    Relay r;
    ASSERT_TRUE(r.open_session());
    r.sessions.clear();
    Script carrier{seed_of(50), r.node.settings.network, r.node.address()};
    carrier.local_index = 0x4242;
    r.turn(6'000);
    r.unsealed(Bytes{carrier.init()}.first(init_head));
    r.turn(5);
    ASSERT_EQ(r.sessions.size(), 1u);
    ASSERT_EQ(r.sessions[0].size(), session_header + resp_size);
    ASSERT_TRUE(carrier.take_resp(Bytes{r.sessions[0]}.subspan(session_header)));
    const std::uint64_t refused = r.node.links.statistics().refused;
    r.unsealed(carrier.fin());
    EXPECT_EQ(r.node.links.statistics().refused, refused + 1) << "FIN's address must be the path's peer";
    for (int i = 0; i < 100; ++i) {  // fresh INITs: one in five seconds
        r.unsealed(Bytes{carrier.init(1, std::uint8_t(i + 20))}.first(init_head));
        r.turn(10);
    }
    EXPECT_LE(r.sessions.size(), 2u);
    std::mt19937_64 random{4};
    for (int i = 0; i < 2'000; ++i) {
        ByteVector message(random() % 2 == 0 ? random() % 260 : (random() % 2 == 0 ? resp_size : init_head));
        for (std::byte& b : message) b = std::byte(random());
        if (!message.empty()) message[0] = std::byte(random() % 7);
        if (message.size() > 4 && random() % 2 == 0) message[1] = std::byte{1}, message[2] = message[3] = std::byte{};
        r.unsealed(message);
    }
    r.labelled(r.seal_session(Relay::net(40)));
    EXPECT_EQ(r.node.got.size(), 1u) << "the session lives under its keys";
    EXPECT_EQ(r.session().handshakes, 1u);
}

TEST(SessionSecurity, ARekeyAlongThePathIsTakenFromItsPeer) {
    Relay r;
    ASSERT_TRUE(r.open_session());
    r.turn(6'000);
    Script again{seed_of(51), r.node.settings.network, r.node.address()};
    again.local_index = 0x8888;
    r.sessions.clear();
    const Init init = again.init(1, 99);
    r.unsealed(Bytes{init}.first(init_head));
    r.turn(5);
    r.turn(250);
    r.unsealed(Bytes{init}.first(init_head));  // the same again: the same RESP
    r.unsealed(Bytes{init}.first(init_head));  // but not sooner than an honest end would ask
    r.turn(5);
    ASSERT_EQ(r.sessions.size(), 2u);
    EXPECT_EQ(r.sessions[0], r.sessions[1]);
    ASSERT_TRUE(again.take_resp(Bytes{r.sessions[0]}.subspan(session_header)));
    r.unsealed(again.fin());
    r.turn(5);
    EXPECT_EQ(r.session().handshakes, 2u);
    EXPECT_EQ(r.node.count(Kind::rekeyed), 1u);
}

// A private SETUP's throw-away source is replaced by whom the first FIN names; a second name on the same path is refused.
TEST(SessionSecurity, APathHasOnePeerAsLongAsItLives) {
    Relay r;
    r.passes_acks = false;  // its switch knows nothing of this path
    const Identity throw_away{seed_of(52)};
    overlay::Setup setup;  // GoogleTest keeps the bare name for itself
    setup.private_source = true;
    setup.path = 0x1234'5678'9abcull;
    setup.pmtu = 1'200, setup.deadline = 1'500, setup.ts = 1'700'000'001'000, setup.back_label = make_label(3, 1);
    setup.dst = r.node.address(), setup.src = throw_away.address(), setup.key = throw_away.public_key();
    const Init init = r.far.init();
    for (const std::byte b : Bytes{init}.first(init_head)) setup.payload.push_back(b);
    setup.sign(throw_away, {});
    r.say_control(setup.body());
    r.turn(50);
    for (const ByteVector& body : r.controls) {
        const auto ack = body[0] == std::byte{0x21} ? SetupAck::parse(Bytes{body}.subspan(4)) : std::nullopt;
        if (!ack) continue;
        r.label = ack->forward_label;
        ASSERT_TRUE(r.far.take_resp(ack->payload.span()));
    }
    ASSERT_NE(r.label, 0u);
    r.unsealed(r.far.fin());
    r.turn(20);
    ASSERT_EQ(r.session().state, PeerState::up);
    Script second{seed_of(60), r.node.settings.network, r.node.address()};
    second.local_index = 0x9999;
    r.sessions.clear();
    r.unsealed(Bytes{second.init(1, 33)}.first(init_head));
    r.turn(5);
    ASSERT_EQ(r.sessions.size(), 1u);
    ASSERT_TRUE(second.take_resp(Bytes{r.sessions[0]}.subspan(session_header)));
    const std::uint64_t refused = r.node.links.statistics().refused;
    r.unsealed(second.fin());
    EXPECT_EQ(r.node.links.statistics().refused, refused + 1);
    EXPECT_EQ(r.node.status(second.identity.address()).address, Address{});
    ByteVector teardown{std::byte{0x26}, std::byte{0x80}, std::byte{1}, std::byte{0}};
    teardown.resize(12);
    store_little(&teardown[4], setup.path);
    r.say_control(teardown);
    r.turn(2'000);
    Packet packet{r.node, r.node.path_to(r.x.address()), 10};
    r.node.links.send(packet.span(), r.world.now);
    r.turn(2'000);
    EXPECT_EQ(r.node.links.labels()->statistics().paths, 0u);
}

// The path is gone and the keys live: a datagram from a forged source makes no way, and gets a challenge and no more.
TEST(SessionSecurity, AForgedSourceBecomesNoWayWhenThePathIsGone) {
    Relay r;
    r.world.gaps = true;
    ASSERT_TRUE(r.open_session());
    r.labelled(r.seal_session(Relay::net(10)));
    r.x.labels->close(r.opened->path, r.world.now);
    r.turn(50);
    EXPECT_FALSE(r.session().session);
    const UdpEndpoint victim = ipv4(8, 8, 8, 8, 8);
    r.world.outsiders[victim];
    const ByteVector datagram = r.far.seal(Relay::net(100));
    r.world.inject({victim, r.node.at, datagram, Ecn{}});
    r.turn(30);
    for (int i = 0; i < 20; ++i) {
        Packet packet{r.node, r.node.path_to(r.x.address()), 900};
        r.node.links.send(packet.span(), r.world.now);
        r.turn(100);
    }
    EXPECT_EQ(r.session().endpoint.port, 0);
    std::size_t sent = 0;
    for (const Datagram& d : r.world.outsiders[victim]) sent += d.bytes.size();
    EXPECT_LE(sent, 3 * datagram.size());
}

// Sessions are every member's, links are not: who may not link does not become a neighbour by way of a session.
TEST(SessionSecurity, WhoMayNotLinkBecomesNoNeighbourThroughASession) {
    LinksConfig config;
    config.accept_members = false;
    Relay r{config};
    ASSERT_TRUE(r.open_session());
    const UdpEndpoint outside = ipv4(8, 8, 8, 8, 8);
    r.world.outsiders[outside];
    for (int i = 0; i < 20; ++i) {
        r.world.inject({outside, r.node.at, r.far.seal(Relay::net(100)), Ecn{}});
        r.turn(20);
        for (const Datagram& d : std::exchange(r.world.outsiders[outside], {})) {  // it would answer every challenge
            const auto plain = r.far.open(d.bytes);
            if (!plain) continue;
            FrameReader reader{*plain};
            for (Frame frame; reader.next(frame);)
                if (frame.type == FrameType::path_challenge)
                    r.world.inject({outside, r.node.at, r.far.seal(Relay::answer(frame)), Ecn{}});
        }
    }
    EXPECT_TRUE(r.session().session);
    EXPECT_EQ(r.session().endpoint.port, 0);
    EXPECT_EQ(r.node.links.peers().size(), 2u);
}

TEST(SessionSecurity, NoTunnelInATunnel) {
    Relay r;
    ASSERT_TRUE(r.open_session());
    const std::uint64_t before = r.node.links.statistics().dropped_other;
    ByteVector label(LabelHeader::size + 40);
    LabelHeader{0, 200, 7, r.label}.write(label.data());
    r.labelled(r.seal_session(label));
    ByteVector control(3 + 4 + 304);
    control[0] = std::byte(FrameType::ctrl), control[3] = std::byte{0x20};
    store_little(&control[1], std::uint16_t(control.size() - 3));
    const std::uint64_t heard = r.node.links.labels()->statistics().control_in;
    r.labelled(r.seal_session(control));
    EXPECT_EQ(r.node.links.statistics().dropped_other, before + 2);
    EXPECT_EQ(r.node.links.labels()->statistics().control_in, heard);
}

TEST(SessionSecurity, LabelsThatAreNotTheNeighboursAreDroppedAndCounted) {
    Line line{3};
    Node &a = line[0], &b = line[1], &c = line[2];
    line.send(a, c, 10);
    line.world.run(ms(100));
    c.got.clear();
    const UdpEndpoint at = ipv4(7, 7, 7, 7, 7);
    line.world.outsiders[at];
    Script third{seed_of(70), b.settings.network, b.address()};
    const auto say = [&](const ByteVector& bytes) {
        line.world.inject({at, b.at, bytes, Ecn{}});
        line.world.run(Duration{});
    };
    const Init init = third.init();
    say({init.begin(), init.end()});
    line.world.run(ms(10));
    ASSERT_FALSE(line.world.outsiders[at].empty());
    ASSERT_TRUE(third.take_resp(line.world.outsiders[at].back().bytes));
    say(third.fin());
    ASSERT_EQ(b.status(third.identity.address()).state, PeerState::up);
    const auto rows = b.links.labels()->labels(16);
    ASSERT_EQ(rows.size(), 2u);
    const auto frame = [&](Label label, std::uint8_t hops) {
        ByteVector out(LabelHeader::size + 60);
        LabelHeader{0, hops, 1, label}.write(out.data());
        say(third.seal(out));
    };
    const auto counted = [&](LabelDrop why) { return b.links.labels()->statistics().dropped[std::size_t(why)]; };
    const std::uint64_t forwarded = b.links.labels()->statistics().forwarded;
    for (const auto& row : rows) frame(row.label, 200);
    EXPECT_EQ(counted(LabelDrop::wrong_link) + counted(LabelDrop::unknown), 2u);
    std::mt19937_64 random{5};
    for (int i = 0; i < 1'000; ++i) frame(Label(random()), std::uint8_t(random()));
    EXPECT_EQ(b.links.statistics().dropped_labels, 1'002u);
    EXPECT_EQ(b.links.labels()->statistics().forwarded, forwarded);
    line.world.run(ms(50));
    EXPECT_TRUE(c.got.empty());
    line.send(a, c, 10);
    line.world.run(ms(50));
    EXPECT_EQ(c.got.size(), 1u);
}

TEST(SessionSecurity, TenThousandHostileFramesInsideAnAuthenticLinkHurtNobody) {
    Relay r;
    ASSERT_TRUE(r.open_session());
    std::mt19937_64 random{6};
    const std::size_t held = r.node.pool.in_use();
    for (int i = 0; i < 10'000; ++i) {
        ByteVector bytes(1 + random() % 400);
        for (std::byte& b : bytes) b = std::byte(random());
        constexpr std::uint8_t types[] = {0x10, 0x11, 0x13, 0x02, 0x02, 0x04, 0x05, 0x07, 0x40, 0x43};
        bytes[0] = std::byte(types[random() % std::size(types)]);
        if (bytes[0] == std::byte{2} && bytes.size() > 8) {
            store_little(&bytes[1], std::uint16_t(bytes.size() - 3));
            bytes[3] = std::byte(0x20 + random() % 9), bytes[4] = std::byte(random() % 2 == 0 ? 0x80 : 0);
        }
        if ((bytes[0] & std::byte{0xfc}) == std::byte{0x10} && bytes.size() > 16 && random() % 2 == 0) {
            store_little(&bytes[4], r.label);
            if (random() % 2 == 0) store_little(&bytes[8], random() % 2 == 0 ? r.far.remote_index : 0u);
        }
        r.say(bytes);
        if (i % 100 == 0) r.turn(1);
    }
    r.turn(200);
    EXPECT_TRUE(r.node.got.empty() || r.node.links.statistics().unauthentic > 0);
    r.node.got.clear();
    r.labelled(r.seal_session(Relay::net(40)));
    EXPECT_EQ(r.node.got.size(), 1u) << "the session lives";
    EXPECT_LE(r.node.links.peers().size(), 2u);
    r.node.got.clear();
    EXPECT_LE(r.node.pool.in_use(), held + (64 << 10));
}

TEST(SessionSecurity, OneNeighbourBringsAtMostItsShareOfNewSessions) {
    Relay r;
    unsigned opened = 0, busy = 0;
    for (unsigned i = 0; i < 60; ++i) {
        Script more{seed_of(51), r.node.settings.network, r.node.address()};
        const Init init = more.init(1, std::uint8_t(i + 1));
        if (!r.x.labels->open(r.node.address(), Bytes{init}.first(init_head), r.world.now)) ++busy;
        r.turn(5);
    }
    r.turn(200);
    for (const PathEvent& event : r.x.events) {
        opened += event.kind == PathEvent::Kind::opened;
        busy += event.kind == PathEvent::Kind::failed && event.reason == NakReason::busy;
    }
    EXPECT_LE(opened, 20u);
    EXPECT_GE(opened, 3u);
    EXPECT_GE(busy, 30u);
    r.turn(10'000);
    EXPECT_EQ(r.node.links.labels()->statistics().paths, 0u) << "no FIN came: all are given back";
    EXPECT_EQ(r.node.links.statistics().half_open, 0u);
}

}  // namespace
}  // namespace weft::overlay
