// Sessions along label paths: nodes in a line of which only neighbours know each other, in good and in bad weather.
#include <gtest/gtest.h>

#include "overlay/access.h"
#include "stack/wire/tcp.h"
#include "tests/overlay/line.h"

namespace weft::overlay {
namespace {

using Kind = LinkEvent::Kind;
using PeerState = PeerStatus::State;

void expect_session(Line& line, Node& a, Node& c) {
    EXPECT_EQ(a.status(c).state, PeerState::up);
    EXPECT_EQ(c.status(a).state, PeerState::up);
    EXPECT_TRUE(a.status(c).session && c.status(a).session);
    EXPECT_EQ(a.status(c).label_path, c.status(a).label_path);
    const std::size_t had_a = a.got.size(), had_c = c.got.size();
    line.send(a, c, 100);
    line.send(c, a, 50);
    line.world.run(ms(200));
    EXPECT_EQ(c.got.size(), had_c + 1);
    EXPECT_EQ(a.got.size(), had_a + 1);
}

TEST(Session, AFarNodeIsReachedInThreeTripsAndTheFirstPacketRidesInFin) {
    Line line{3};
    Node &a = line[0], &c = line[2];
    const Instant begun = line.world.now;
    line.send(a, c, 100);
    EXPECT_TRUE(line.world.run_until(ms(100), [&] { return !c.got.empty(); }));
    EXPECT_EQ((line.world.now - begun).count() / 1'000'000, 30);   // SETUP, its answer, FIN: three times two hops of 5 ms
    ASSERT_EQ(c.got.size(), 1u);
    EXPECT_EQ(c.got[0].size(), 120u);
    line.world.run(ms(100));
    EXPECT_EQ(a.status(c).hops, 2);
    EXPECT_EQ(a.status(c).link, a.status(line[1]).link);
    EXPECT_EQ(line[1].status(a).state, PeerState::up);
    EXPECT_EQ(line[1].links.peers().size(), 2u) << "who only carries knows neighbours alone";
    expect_session(line, a, c);
}

TEST(Session, APacketCosts67BytesAboveUdpAndTheEngineIsToldSo) {
    LinksConfig config;
    config.mtu = 1'472;
    Line line{3, config};
    Node &a = line[0], &c = line[2];
    line.send(a, c, 10);
    line.world.run(ms(100));
    ASSERT_EQ(a.events.size(), 1u);
    EXPECT_EQ(a.events[0].kind, Kind::up);
    EXPECT_TRUE(a.events[0].session);
    EXPECT_EQ(a.events[0].mtu, 1'472u - 67 + 136);
    std::size_t largest = 0;
    line.world.wiretap = [&](Datagram& d) {
        largest = std::max(largest, d.bytes.size());
        return true;
    };
    const std::size_t most = a.events[0].mtu - 136 - 20;
    line.send(a, c, most);
    line.world.run(ms(50));
    EXPECT_EQ(c.got.back().size(), most + 20);
    EXPECT_EQ(largest, 1'472u);
    const std::uint64_t dropped = a.links.statistics().dropped_other;
    line.send(a, c, most + 1);
    line.world.run(ms(50));
    EXPECT_EQ(a.links.statistics().dropped_other, dropped + 1) << "too large";
}

TEST(Session, ASuperSegmentTravelsAsATrainOnEveryLink) {
    Line line{4};
    Node &a = line.first(), &d = line.last();
    line.send(a, d, 10);
    line.world.run(ms(100));
    line.world.trains = 0;
    d.got.clear();
    line.send(a, d, 33'000, 1'100);
    line.world.run(ms(100));
    ASSERT_EQ(d.got.size(), 30u);
    EXPECT_EQ(line.world.trains, 1u) << "this world delivers one datagram at a time, so only the first node makes a train";
    std::uint8_t next = 0;
    for (const auto& segment : d.got)
        for (std::size_t i = 20; i < segment.size(); ++i) ASSERT_EQ(std::uint8_t(segment[i]), next++);
}

TEST(Session, BothEndsThatDialAtOnceEndOnOneHandshakeAndOnePath) {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        Line line{3, {}, seed};
        line.world.delay = Duration::microseconds(std::int64_t(1 + line.world.random() % 20'000));
        Node &a = line[0], &c = line[2];
        line.send(a, c, 10);
        line.world.run(Duration::microseconds(std::int64_t(line.world.random() % 60'000)));
        line.send(c, a, 20);
        line.world.run(sec(1));
        for (int i = 0; i < 30; ++i) {
            line.send(a, c, 100);
            line.send(c, a, 100);
            line.world.run(ms(100));
        }
        EXPECT_EQ(a.status(c).label_path, c.status(a).label_path) << seed;
        EXPECT_EQ(c.got.size(), 31u) << seed;
        EXPECT_EQ(a.got.size(), 31u) << seed;
        EXPECT_EQ(a.count(Kind::down) + c.count(Kind::down) + a.count(Kind::suspect) + c.count(Kind::suspect), 0u) << seed;
        line.world.run(sec(90));
        EXPECT_EQ(a.links.labels()->statistics().paths, 1u) << "the other path was given back";
        EXPECT_EQ(c.links.labels()->statistics().paths, 1u);
    }
}

TEST(Session, AnUnreachableDestinationIsToldAtOnceWithTheReason) {
    Line line{3};
    Node& a = line[0];
    const Address nobody = Identity{seed_of(99)}.address();
    const std::size_t held = a.pool.in_use();
    Packet lost{a, a.path_to(nobody), 10};
    a.links.send(lost.span(), line.world.now);   // no route here
    line.world.run(Duration{});
    ASSERT_EQ(a.count(Kind::unreachable), 1u);
    EXPECT_EQ(a.events.back().reason, NakReason::no_route);
    EXPECT_EQ(a.events.back().peer, nobody);
    a.events.clear();
    const Address beyond = Identity{seed_of(98)}.address();
    line.routers[0]->next_hops[tag_of(beyond)] = {tag_of(line[1].address())};   // the next node knows no further
    Packet more{a, a.path_to(beyond), 10};
    a.links.send(more.span(), line.world.now);
    line.world.run(ms(100));
    ASSERT_EQ(a.count(Kind::unreachable), 1u);
    EXPECT_EQ(a.events.back().reason, NakReason::no_route);
    EXPECT_EQ(a.events.back().reporter, tag_of(line[1].address()));
    lost.slices.clear(), more.slices.clear();
    EXPECT_EQ(a.pool.in_use(), held) << "nothing waits";
}

TEST(Session, AFlowThatAsksAgainWithinAMomentGetsTheSameAnswerAndNoSetup) {
    Line line{2};
    Node& a = line[0];
    const Address nobody = Identity{seed_of(99)}.address();
    for (int i = 0; i < 50; ++i) {
        Packet packet{a, a.path_to(nobody), 10};
        a.links.send(packet.span(), line.world.now);
        line.world.run(ms(20));
    }
    EXPECT_EQ(a.count(Kind::unreachable), 50u);
    EXPECT_LE(line.routers[0]->asked, 4u) << "one second: at once, then after 250 and 500 ms";
    line.routers[0]->next_hops[tag_of(nobody)] = {};
    EXPECT_LE(a.links.peers().size(), 2u);
}

TEST(Session, NobodyAtTheFarEndIsATimeoutWithinSixSeconds) {
    Line line{3};
    Node &a = line[0], &c = line[2];
    c.alive = false;
    line.send(a, c, 10);
    EXPECT_TRUE(line.world.run_until(sec(7), [&] { return a.count(Kind::unreachable) != 0; }));
    EXPECT_EQ(a.status(c).state, PeerState::idle);
    c.alive = true;
    line.world.run(sec(10));
    line.send(a, c, 10);
    line.world.run(sec(1));
    expect_session(line, a, c);
}

TEST(Session, ALossyLineLosesNoSessionAndRepeatsEveryMessageOfTheHandshake) {
    for (std::uint64_t seed = 1; seed <= 25; ++seed) {
        Line line{5, {}, seed};
        line.world.loss_percent = 10;
        Node &a = line.first(), &e = line.last();
        bool arrived = false;
        for (int i = 0; i < 20 && !arrived; ++i) {
            line.send(a, e, 10);
            arrived = line.world.run_until(sec(1), [&] { return !e.got.empty(); });
        }
        EXPECT_TRUE(arrived) << seed;
    }
}

TEST(Session, NewKeysEachSecondAlongALabelPathLoseNothing) {
    LinksConfig config;
    config.rekey_initiator = sec(1);
    config.rekey_responder = ms(1'400);
    Line line{3, config};
    Node &a = line[0], &c = line[2];
    for (int i = 0; i < 400; ++i) {
        line.send(a, c, 100);
        line.send(c, a, 100);
        line.world.run(ms(25));
    }
    line.world.run(ms(200));
    EXPECT_GE(a.status(c).handshakes, 6u);
    EXPECT_EQ(c.got.size(), 400u);
    EXPECT_EQ(a.got.size(), 400u);
    EXPECT_EQ(a.count(Kind::down) + c.count(Kind::down), 0u);
}

TEST(Session, AForwarderThatRestartsIsGoneRoundByANewPathUnderTheSameKeys) {
    Line line{3};
    Node &a = line[0], &c = line[2];
    line.send(a, c, 10);
    line.world.run(ms(100));
    const std::uint64_t before = a.status(c).label_path, handshakes = a.status(c).handshakes;
    line.restart(1, 77);
    line.world.run(ms(100));
    for (int i = 0; i < 20; ++i) {
        line.send(a, c, 100);
        line.send(c, a, 100);
        line.world.run(ms(100));
    }
    EXPECT_NE(a.status(c).label_path, before);
    EXPECT_EQ(a.status(c).handshakes, handshakes) << "the keys survive the path";
    EXPECT_EQ(a.count(Kind::down) + c.count(Kind::down), 0u);
    EXPECT_GE(c.got.size(), 15u);
    expect_session(line, a, c);
}

TEST(Session, AMiddleLinkThatGoesDownAndComesBackIsToldAndForgotten) {
    Line line{5};
    Node &a = line.first(), &e = line.last();
    line.send(a, e, 10);
    line.world.run(ms(200));
    const UdpEndpoint left = line[2].at, right = line[3].at;
    line.world.wiretap = [&](Datagram& d) {
        return !((d.from == left && d.to == right) || (d.from == right && d.to == left));
    };
    for (int i = 0; i < 60; ++i) {
        line.send(a, e, 100);
        line.world.run(ms(100));
    }
    EXPECT_GE(a.count(Kind::unreachable) + a.count(Kind::down) + a.count(Kind::suspect), 1u);
    EXPECT_NE(a.status(e).state, PeerState::up);
    line.world.wiretap = {};
    line.world.run(sec(12));   // the middle ones dial again at their own pace
    line.send(a, e, 10);
    line.world.run(sec(5));
    expect_session(line, a, e);
}

TEST(Session, AFarEndThatRestartsIsDialledAnew) {
    Line line{3};
    Node &a = line[0], &c = line[2];
    line.send(a, c, 10);
    line.world.run(ms(100));
    line.restart(2, 78);
    line.world.run(ms(300));
    for (int i = 0; i < 40; ++i) {
        line.send(a, c, 100);
        line.world.run(ms(100));
    }
    EXPECT_GE(c.got.size(), 30u);
    expect_session(line, a, c);
}

TEST(Session, APeerThatBecomesANeighbourIsSpokenToDirectly) {
    for (const bool dialled_by_first : {true, false}) {
        Line line{3};
        line.world.gaps = true;
        Node &a = line[0], &c = line[2];
        line.send(a, c, 10);
        line.world.run(ms(100));
        EXPECT_TRUE(a.status(c).session);
        if (dialled_by_first) line.world.introduce(a, c);
        else line.world.introduce(c, a);
        for (int i = 0; i < 70; ++i) {
            line.send(a, c, 100);
            line.send(c, a, 100);
            line.world.run(ms(100));
        }
        EXPECT_FALSE(a.status(c).session) << dialled_by_first;
        EXPECT_FALSE(c.status(a).session) << dialled_by_first;
        EXPECT_EQ(a.got.size(), 70u);
        EXPECT_EQ(c.got.size(), 71u);
        EXPECT_EQ(a.count(Kind::down) + c.count(Kind::down), 0u);
        line.world.run(sec(90));
        EXPECT_EQ(a.links.labels()->statistics().paths, 0u) << "the label path was given back";
    }
}

TEST(Session, ALinkThatFallsSilentIsReplacedByALabelPathAndPreferredAgainLater) {
    Line line{3};
    line.world.gaps = true;
    Node &a = line[0], &c = line[2];
    line.world.introduce(a, c);
    line.world.run(ms(100));
    EXPECT_FALSE(a.status(c).session);
    line.leads(0, 2, 1), line.leads(2, 0, 1);
    const bool* cut = nullptr;
    bool is_cut = true;
    cut = &is_cut;
    line.world.wiretap = [&](Datagram& d) {
        return !(*cut && ((d.from == a.at && d.to == c.at) || (d.from == c.at && d.to == a.at)));
    };
    for (int i = 0; i < 50; ++i) {
        line.send(a, c, 100);
        line.send(c, a, 100);
        line.world.run(ms(100));
    }
    EXPECT_TRUE(a.status(c).session);
    EXPECT_TRUE(c.status(a).session);
    EXPECT_GE(c.got.size(), 35u) << "less than a second and a half was lost";
    is_cut = false;
    for (int i = 0; i < 400; ++i) {
        line.send(a, c, 100);
        line.send(c, a, 100);
        line.world.run(ms(100));
    }
    EXPECT_FALSE(a.status(c).session);
    EXPECT_FALSE(c.status(a).session);
}

TEST(Session, AnIdleSessionIsKeptAliveThenRestsAndWakesByAPacket) {
    Line line{3};
    Node &a = line[0], &c = line[2];
    line.send(a, c, 10);
    line.world.run(sec(500));
    EXPECT_EQ(a.status(c).state, PeerState::up) << "labels live 300 s, challenges each 120 s renewed them";
    expect_session(line, a, c);
    a.events.clear(), c.events.clear();
    line.world.run(sec(700));
    EXPECT_EQ(a.count(Kind::resting) + c.count(Kind::resting), 2u);
    EXPECT_EQ(a.count(Kind::down) + c.count(Kind::down), 0u);
    EXPECT_EQ(line[1].links.labels()->statistics().labels, 0u);
    line.send(a, c, 10);
    line.world.run(ms(200));
    expect_session(line, a, c);
}

TEST(Session, AnEndThatClosesTakesItsSessionsAndLabelsWithIt) {
    Line line{3};
    Node &a = line[0], &c = line[2];
    line.send(a, c, 10);
    line.world.run(ms(100));
    a.links.close(line.world.now);
    line.world.run(ms(100));
    EXPECT_EQ(c.count(Kind::down), 1u);
    EXPECT_EQ(c.status(a).state, PeerState::idle);
    EXPECT_EQ(line[1].links.labels()->statistics().labels, 0u);
}

TEST(Session, IsBegunWithoutAPacketForWhoWantsToKnow) {
    Line line{3};
    line[0].links.want(line[2].address(), line.world.now);
    line.world.run(ms(100));
    EXPECT_EQ(line[0].count(Kind::up), 1u);
    EXPECT_EQ(line[0].status(line[2]).hops, 2);
    line[0].links.want(Identity{seed_of(99)}.address(), line.world.now);
    line.world.run(ms(100));
    EXPECT_EQ(line[0].count(Kind::unreachable), 1u);
}

// Reach is asked where a packet ends, and a refusal goes back by the way that it came.
TEST(Session, WhoMayNotReachAPortIsToldSoAndNothingIsDelivered) {
    Access access;
    Line line{2};
    LinksConfig guarded;
    guarded.access = &access;
    Node &a = line[0], &c = line.add(guarded);
    line.world.introduce(line[1], c);
    line.leads(0, 2, 1), line.leads(1, 2, 2), line.leads(1, 0, 0), line.leads(2, 0, 1);
    line.world.keep_packets = true;
    line.world.run(ms(200));
    line.send(a, c, 10);
    line.world.run(ms(200));
    EXPECT_EQ(a.status(c).state, PeerState::up) << "a session is every member's";
    EXPECT_TRUE(c.got.empty());
    EXPECT_EQ(c.links.statistics().reach_refused, 1u);
    ASSERT_EQ(a.packets.size(), 1u);
    EXPECT_EQ(a.packets[0].protocol, 6) << "its segment has no SYN: of a flow that is none there";
    const auto refusal = wire::TcpView::parse(a.packets[0].frame.bytes());
    ASSERT_TRUE(refusal);
    EXPECT_TRUE(refusal->has(wire::rst));
    access.open(6, 80);
    line.send(a, c, 10);
    line.world.run(ms(100));
    EXPECT_EQ(c.got.size(), 1u);
}

TEST(Session, MarksOfTheNetworkReachTheEndAndNoneAreInvented) {
    Line line{3};
    line.world.keep_packets = true;
    Node &a = line[0], &b = line[1], &c = line[2];
    line.send(a, c, 10);
    line.world.run(sec(3));   // challenges carried ECT over each link
    const auto sent_as = [&](Ecn ecn) {
        Packet packet{a, a.path_to(c), 10};
        packet.transmit.ecn = ecn;
        c.packets.clear();
        a.links.send(packet.span(), line.world.now);
        line.world.run(ms(50));
    };
    sent_as(Ecn::ect0);
    ASSERT_EQ(c.packets.size(), 1u);
    EXPECT_EQ(c.packets[0].ecn, Ecn::ect0);
    Ecn seen = Ecn::not_capable;
    line.world.wiretap = [&](Datagram& d) {   // the first link's queue marks
        if (d.from == a.at && d.to == b.at && d.bytes.size() > 90) seen = d.ecn, d.ecn = Ecn::congestion_experienced;
        return true;
    };
    sent_as(Ecn::ect0);
    EXPECT_EQ(seen, Ecn::ect0) << "the link was seen to carry it";
    ASSERT_EQ(c.packets.size(), 1u);
    EXPECT_EQ(c.packets[0].ecn, Ecn::congestion_experienced);
    sent_as(Ecn::not_capable);
    EXPECT_EQ(c.packets.size(), 0u) << "congestion met a flow that is not capable";
}

}  // namespace
}  // namespace weft::overlay
