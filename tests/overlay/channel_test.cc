// A channel in use: liveness, restart, rekey, roaming, NAT, ECN, CLOSE. All in virtual time.
#include <gtest/gtest.h>

#include "overlay/links.h"
#include "tests/overlay/world.h"

namespace weft::overlay {
namespace {

using Kind = LinkEvent::Kind;
using PeerState = PeerStatus::State;

struct Channel {
    explicit Channel(const LinksConfig& config = {}, std::uint64_t seed = 1)
        : world{seed}, a{world.add(1, config)}, b{world.add(2, config)} {
        world.introduce(a, b);
        world.run(ms(100));
        a.got.clear(), b.got.clear();
    }
    void send(Node& from, Node& to, std::size_t bytes = 100) {
        Packet packet{from, from.path_to(to), bytes};
        from.links.send(packet.span(), world.now);
    }
    // One packet each way every `gap`; runs for `span`.
    void talk(Duration span, Duration gap = ms(1), bool both = true) {
        for (const Instant end = world.now + span; world.now < end; world.run(gap)) {
            send(a, b);
            ++sent_a;
            if (both) send(b, a), ++sent_b;
        }
    }
    World world;
    Node &a, &b;
    std::size_t sent_a{0}, sent_b{0};
};

TEST(Liveness, AnIdleChannelStaysUpWithoutAPacket) {
    Channel c;
    const std::uint64_t before = c.world.carried;
    c.world.run(sec(3'500));
    EXPECT_EQ(c.world.carried, before);
    EXPECT_EQ(c.a.status(c.b).state, PeerState::up);
}

TEST(Liveness, SilenceAfterDataIsSuspectAfter200MsAndDownAfterEightTimesThat) {
    Channel c;
    c.b.alive = false;
    const Instant start = c.world.now;
    std::vector<std::int64_t> challenges;
    c.world.wiretap = [&](Datagram& d) {
        if (d.type() == 4 && d.bytes.size() == 43) challenges.push_back((c.world.now - start).count() / 1'000'000);
        return true;
    };
    c.send(c.a, c.b);
    EXPECT_TRUE(c.world.run_until(sec(1), [&] { return c.a.count(Kind::suspect) == 1; }));
    EXPECT_NEAR(double((c.world.now - start).count()), 200e6, 2e6);
    EXPECT_EQ(c.a.status(c.b).state, PeerState::suspect);
    EXPECT_TRUE(c.world.run_until(sec(3), [&] { return c.a.count(Kind::down) == 1; }));
    EXPECT_NEAR(double((c.world.now - start).count()), 1'600e6, 2e6);
    ASSERT_EQ(challenges.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(double(challenges[i]), 200.0 * double(1 << i), 2.0);
}

TEST(Liveness, OneWayDataIsReportedSoThatTheSenderDoesNotSuspect) {
    Channel c;
    c.talk(sec(5), ms(20), false);
    c.world.run(sec(3));
    EXPECT_EQ(c.b.got.size(), c.sent_a);
    EXPECT_EQ(c.a.count(Kind::suspect), 0u);
    // REPORTs at most each 50 ms, one PATH_CHALLENGE a second and its answer: what the receiver sent in 5 s.
    EXPECT_LE(c.b.status(c.a).datagrams_out, 5u * 20 + 5 * 2 + 8);
    EXPECT_GE(c.b.status(c.a).datagrams_out, 5u * 10);
}

TEST(Liveness, ASinglePacketIsAnsweredAndNothingElseIsSaid) {
    Channel c;
    const std::uint64_t before = c.world.carried;
    c.send(c.a, c.b);
    c.world.run(sec(60));
    // The packet, a REPORT; then at most a challenge from each end, with its answer.
    EXPECT_LE(c.world.carried - before, 6u);
    EXPECT_EQ(c.a.count(Kind::suspect) + c.b.count(Kind::suspect), 0u);
}

TEST(Liveness, APauseShorterThanDownRecovers) {
    Channel c;
    c.b.alive = false;
    c.send(c.a, c.b);
    c.world.run(ms(1'000));
    c.b.alive = true;
    c.world.run(ms(1'500));
    EXPECT_EQ(c.a.count(Kind::suspect), 1u);
    EXPECT_EQ(c.a.count(Kind::recovered), 1u);
    EXPECT_EQ(c.a.count(Kind::down), 0u);
    EXPECT_EQ(c.a.status(c.b).state, PeerState::up);
}

TEST(Liveness, SrttFollowsTheWire) {
    Channel c;
    c.world.delay = ms(40);
    c.talk(sec(60), ms(20));
    EXPECT_NEAR(double(c.a.status(c.b).srtt.count()), 80e6, 2e6);
    EXPECT_NEAR(double(c.b.status(c.a).srtt.count()), 80e6, 2e6);
}

// Longer than the interval of the challenges, so that each answer comes after the next question was sent.
TEST(Liveness, ARoundTripOfMoreThanASecondIsMeasuredAndNoSilence) {
    Channel c;
    c.world.delay = ms(700);
    c.talk(sec(5), ms(20));
    const auto suspected = c.a.count(Kind::suspect) + c.b.count(Kind::suspect);
    c.talk(sec(60), ms(20));
    EXPECT_NEAR(double(c.a.status(c.b).srtt.count()), 1'400e6, 2e6);
    EXPECT_NEAR(double(c.b.status(c.a).srtt.count()), 1'400e6, 2e6);
    EXPECT_EQ(c.a.count(Kind::suspect) + c.b.count(Kind::suspect), suspected);
    EXPECT_EQ(c.a.count(Kind::down) + c.b.count(Kind::down), 0u);
}

// Either end is killed in mid-transfer and comes back with nothing but its key after any pause: reachable in well under 2 s.
TEST(Restart, AKilledPeerIsReachableAgainWithinASecondOfItsReturn) {
    std::int64_t worst = 0;
    for (const bool configured_both : {false, true})
        for (const bool dialler : {false, true})
            for (std::int64_t pause : {50, 150, 250, 450, 700, 1'000, 1'500, 1'700, 2'500, 5'000, 12'000, 40'000}) {
                if (dialler && !configured_both) continue;  // below: it dials anew itself
                Channel c;
                if (configured_both) c.world.introduce(c.b, c.a);
                c.talk(ms(300), ms(10));
                Node &dead = dialler ? c.a : c.b, &living = dialler ? c.b : c.a;
                dead.alive = false;
                for (const Instant end = c.world.now + ms(pause); c.world.now < end; c.world.run(ms(100)))
                    c.send(living, dead);  // TCP would retransmit
                c.world.restart(dead, 77, dialler ? 1 : 2);
                dead.got.clear();
                const Instant back = c.world.now;
                const bool reached = c.world.run_until(sec(4), [&] {
                    if ((c.world.now - back).count() % 100'000'000 == 0) c.send(living, dead);
                    return !dead.got.empty();
                });
                EXPECT_TRUE(reached) << "pause " << pause;
                const std::int64_t took = (c.world.now - back).count() / 1'000'000;
                worst = std::max(worst, took);
                EXPECT_LE(took, 1'000) << "pause " << pause << " dialler " << dialler << " both " << configured_both;
            }
    RecordProperty("worst_ms", int(worst));
}

TEST(Restart, ARestartedDiallerTakesOverTheChannelAtOnce) {
    Channel c;
    c.talk(ms(300), ms(10));
    c.a.alive = false;
    c.world.run(ms(20));
    c.world.restart(c.a, 99, 1);
    c.world.introduce(c.a, c.b);
    c.world.run(ms(16));
    EXPECT_EQ(c.a.status(c.b).state, PeerState::up);
    EXPECT_EQ(c.b.count(Kind::rekeyed), 1u);
    EXPECT_EQ(c.b.count(Kind::down), 0u);
    c.a.got.clear();
    c.a.path_to(c.b);
    c.send(c.b, c.a);
    c.world.run(ms(10));
    EXPECT_EQ(c.a.got.size(), 1u);
}

LinksConfig rekeying_each_second() {
    LinksConfig config;
    config.rekey_initiator = ms(1'000);
    config.rekey_responder = ms(1'375);
    config.rekey_idle = ms(30'000);
    return config;
}

TEST(Rekey, EachSecondUnderLoadNothingIsLost) {
    Channel c{rekeying_each_second()};
    c.talk(sec(30));
    c.world.run(ms(100));
    EXPECT_EQ(c.b.got.size(), c.sent_a);
    EXPECT_EQ(c.a.got.size(), c.sent_b);
    EXPECT_GE(c.a.status(c.b).handshakes, 29u);
    EXPECT_EQ(c.a.count(Kind::down) + c.b.count(Kind::down), 0u);
    EXPECT_EQ(c.a.count(Kind::suspect) + c.b.count(Kind::suspect), 0u);
    EXPECT_EQ(c.a.status(c.b).state, PeerState::up);
}

TEST(Rekey, EachSecondOneWayAndUnderLossTheChannelLives) {
    for (const unsigned loss : {0u, 2u, 10u}) {
        Channel c{rekeying_each_second(), 7};
        c.world.loss_percent = loss;
        c.talk(sec(20), ms(2), false);
        c.world.loss_percent = 0;
        c.world.run(sec(2));
        EXPECT_GE(c.b.got.size(), c.sent_a * (100 - loss) / 100 * 95 / 100) << loss;
        if (loss == 0) { EXPECT_EQ(c.b.got.size(), c.sent_a); }
    }
}

TEST(Rekey, TheDesignsTimesAre120And165SecondsAfterTheFirstDataAnd3600Idle) {
    Channel c;
    c.world.run(sec(50));
    c.talk(sec(119), ms(1'000));
    EXPECT_EQ(c.a.status(c.b).handshakes, 1u);
    c.talk(sec(3), ms(1'000));
    EXPECT_EQ(c.a.status(c.b).handshakes, 2u);
    EXPECT_EQ(c.a.count(Kind::rekeyed), 1u);

    Channel idle;
    idle.world.run(sec(3'590));
    EXPECT_EQ(idle.a.status(idle.b).handshakes, 1u);
    idle.world.run(sec(15));
    EXPECT_EQ(idle.a.status(idle.b).handshakes, 2u);
    EXPECT_EQ(idle.a.status(idle.b).state, PeerState::up);
}

TEST(Rekey, TheResponderBeginsWhenTheInitiatorDoesNot) {
    LinksConfig lazy, eager;
    lazy.rekey_initiator = sec(120);
    eager.rekey_initiator = sec(120);
    Channel c;
    c.world.wiretap = [&](Datagram& d) { return !(d.type() == 1 && d.from == c.a.at); };  // its INITs are lost
    c.talk(sec(170), ms(500));
    EXPECT_EQ(c.a.count(Kind::down) + c.b.count(Kind::down), 0u);
    EXPECT_GE(c.b.status(c.a).handshakes, 2u);
    EXPECT_EQ(c.b.got.size(), c.sent_a);
}

TEST(Rekey, KeysEndThreeHalvesOfTheirTimeAndTheChannelWithThem) {
    Channel c;
    c.world.wiretap = [&](Datagram& d) { return d.type() != 1; };  // no handshake succeeds any more
    c.talk(sec(179), ms(1'000));
    EXPECT_EQ(c.a.count(Kind::down), 0u);
    const std::size_t before = c.b.got.size();
    c.talk(sec(10), ms(1'000));
    EXPECT_EQ(c.a.count(Kind::down), 1u);
    EXPECT_LE(c.b.got.size(), before + 3);
    c.world.wiretap = {};
    c.send(c.a, c.b);
    c.world.run(sec(1));
    EXPECT_EQ(c.a.status(c.b).state, PeerState::up);
}

TEST(Rekey, APacketCountBringsNewKeysAndNothingIsSealedBeyondTwiceThat) {
    LinksConfig config;
    config.rekey_packets = 1'000;
    Channel c{config};
    std::uint64_t highest = 0;
    c.world.wiretap = [&](Datagram& d) {
        if (d.type() == 4) highest = std::max(highest, load_little<std::uint64_t>(&d.bytes[8]));
        return true;
    };
    c.talk(sec(5));
    c.world.run(ms(10));
    EXPECT_EQ(c.b.got.size(), c.sent_a);
    EXPECT_GE(c.a.status(c.b).handshakes, 5u);
    EXPECT_LT(highest, 1'100u);
    c.world.wiretap = [&](Datagram& d) {
        if (d.type() == 4) highest = std::max(highest, load_little<std::uint64_t>(&d.bytes[8]));
        return d.type() != 1;
    };
    c.talk(sec(5));
    EXPECT_LT(highest, 2'000u);
    EXPECT_GE(highest, 1'900u);
}

// Both INITs leave at the same time, beside keys that live.
TEST(Rekey, CrossingHandshakesEndOnTheOneWhoseInitiatorHasTheLowerAddress) {
    LinksConfig config;
    config.rekey_initiator = config.rekey_responder = sec(10);
    Channel c{config};
    Node &lower = c.a.address() < c.b.address() ? c.a : c.b, &higher = &lower == &c.a ? c.b : c.a;
    std::uint32_t to_lower = 0, to_higher = 0;  // receiver indices of the lower one's handshake
    std::size_t inits = 0, others = 0, data = 0;
    bool settled = false;
    c.world.wiretap = [&](Datagram& d) {
        inits += d.type() == 1;
        if (d.type() == 1 && d.from == lower.at) to_lower = load_little<std::uint32_t>(&d.bytes[4]);
        if (d.type() == 2 && d.from == higher.at) to_higher = load_little<std::uint32_t>(&d.bytes[4]);
        if (d.type() != 4 || !settled) return true;
        ++data;
        others += load_little<std::uint32_t>(&d.bytes[4]) != (d.to == lower.at ? to_lower : to_higher);
        return true;
    };
    c.send(c.a, c.b);
    c.send(c.b, c.a);
    c.world.run(sec(11));
    ASSERT_EQ(inits, 2u);
    settled = true;
    c.talk(sec(1));
    EXPECT_GE(data, 2'000u);
    EXPECT_EQ(others, 0u);
    EXPECT_EQ(c.a.count(Kind::down) + c.b.count(Kind::down), 0u);
}

// The peer's port changes in mid-transfer: a NAT rebinds, or the socket moves.
TEST(Roaming, APortChangeInMidTransferGoesOnWithinASecond) {
    for (const bool of_dialler : {true, false}) {
        Channel c;
        c.talk(ms(500), ms(5));
        Node &moving = of_dialler ? c.a : c.b, &still = of_dialler ? c.b : c.a;
        moving.at.port = 7'777;
        const Instant moved = c.world.now;
        const std::size_t before = moving.got.size();
        Instant resumed = Instant::never();
        for (int i = 0; i < 400; ++i) {
            c.send(c.a, c.b);
            c.send(c.b, c.a);
            c.world.run(ms(5));
            if (resumed == Instant::never() && moving.got.size() > before + 2) resumed = c.world.now;
        }
        EXPECT_LE((resumed - moved).count(), 400'000'000) << of_dialler;
        EXPECT_EQ(still.status(moving).endpoint.port, 7'777);
        EXPECT_EQ(still.count(Kind::roamed), 1u);
        EXPECT_EQ(still.count(Kind::down) + moving.count(Kind::down), 0u);
    }
}

// Before a round trip was measured, or where the new path is the slower one, the candidate answers late.
TEST(Roaming, AnAnswerThatTakesLongerThanTheOldEndpointsTimeStillMoves) {
    for (const int first : {5, 140, 300}) {
        Channel c;
        if (first == 5) c.talk(ms(500), ms(5));
        c.world.delay = ms(std::max(first, 140));
        if (first != 5) {
            c.a.links.remove_peer(c.b.address(), c.world.now);
            c.world.run(sec(1));
            c.world.introduce(c.a, c.b);
        }
        c.world.run(sec(3));
        c.a.at.port = 7'777;
        c.b.got.clear(), c.a.got.clear();
        c.talk(sec(2), ms(10));
        EXPECT_EQ(c.b.status(c.a).endpoint, c.a.at) << first;
        EXPECT_GE(c.a.got.size(), 50u) << first;
        EXPECT_EQ(c.a.count(Kind::roamed), 0u) << first;
    }
}

TEST(Roaming, AnIdlePeerThatMovedIsFollowedWhenItSpeaks) {
    Channel c;
    c.world.run(sec(30));
    c.a.at.port = 7'001;
    c.send(c.a, c.b);
    c.world.run(ms(400));
    EXPECT_EQ(c.b.status(c.a).endpoint.port, 7'001);
    c.send(c.b, c.a);
    c.world.run(ms(10));
    EXPECT_EQ(c.a.got.size(), 1u);
}

// A copier on the path sends every datagram on from its own address, faster than the original, and relays what it is sent.
TEST(Roaming, ACopierThatRelaysDoesNotBecomeTheEndpoint) {
    for (const bool faster : {true, false}) {
        Channel c;
        const UdpEndpoint copier = ipv4(66, 6, 6, 6, 6'666);
        c.world.outsiders[copier];
        c.world.wiretap = [&](Datagram& d) {
            if (d.from == c.a.at && d.to == c.b.at) {
                Datagram copy = d;
                copy.from = copier;
                c.world.inject(copy, faster ? ms(2) : ms(6));
            }
            return true;
        };
        for (int i = 0; i < 3'000; ++i) {
            c.send(c.a, c.b);
            c.send(c.b, c.a);
            c.world.run(ms(5));
            for (Datagram& d : std::exchange(c.world.outsiders[copier], {})) {  // what b sends to the copier goes on to a
                d.from = copier;
                d.to = c.a.at;
                c.world.inject(d, ms(1));
            }
            ASSERT_EQ(c.b.status(c.a).endpoint, c.a.at) << i;
            ASSERT_EQ(c.a.status(c.b).endpoint, c.b.at) << i;
        }
        EXPECT_EQ(c.b.count(Kind::roamed) + c.a.count(Kind::roamed), 0u);
        EXPECT_EQ(c.a.got.size(), 3'000u);
    }
}

TEST(Roaming, ACandidateGetsAtMostThreeTimesWhatItSent) {
    Channel c;
    const UdpEndpoint forged = ipv4(66, 6, 6, 6, 6'666);
    c.world.outsiders[forged];
    std::size_t from_candidate = 0;
    c.world.wiretap = [&](Datagram& d) {
        if (d.from == c.a.at) {
            d.from = forged;  // a man in the middle moves every packet to an address of his victim's
            from_candidate += d.bytes.size();
        }
        return true;
    };
    for (int i = 0; i < 30; ++i) {
        c.send(c.a, c.b, 0);
        for (int k = 0; k < 20; ++k) c.send(c.b, c.a, 1'000);
        c.world.run(ms(50));
        std::size_t to_candidate = 0;
        for (const Datagram& d : c.world.outsiders[forged]) to_candidate += d.bytes.size();
        ASSERT_LE(to_candidate, 3 * from_candidate);
    }
    EXPECT_EQ(c.b.status(c.a).endpoint, c.a.at);
}

TEST(Nat, AnEmptyPacketKeepsTheMappingOnlyWhereThePeerSeesAnotherEndpoint) {
    LinksConfig behind;
    behind.own = {ipv4(192, 168, 0, 2, 7'000)};  // not what the peer will see
    World world;
    Node &a = world.add(1, behind), &b = world.add(2);
    world.introduce(a, b);
    world.run(ms(100));
    std::vector<std::int64_t> gaps;
    Instant last = world.now;
    world.wiretap = [&](Datagram& d) {
        EXPECT_EQ(d.bytes.size(), 32u);
        EXPECT_EQ(d.from, a.at);
        gaps.push_back((world.now - last).count() / 1'000'000'000);
        last = world.now;
        return true;
    };
    world.run(sec(1'500));
    ASSERT_GE(gaps.size(), 12u);
    EXPECT_LE(gaps[0], 16);
    EXPECT_NEAR(double(gaps.back()), 120.0, 1.0);
    for (std::size_t i = 1; i < gaps.size(); ++i) EXPECT_GE(gaps[i], gaps[i - 1] - 1);
}

// A NAT that forgets after 50 s: the interval settles below that, and the peer follows each new mapping.
TEST(Nat, TheIntervalAdaptsToWhatTheNatRemembers) {
    LinksConfig behind;
    behind.own = {ipv4(192, 168, 0, 2, 7'000)};
    World world;
    Node &a = world.add(1, behind), &b = world.add(2);
    Instant last;
    std::uint16_t port = 40'000;
    std::vector<std::int64_t> gaps;
    a.at.port = port;
    world.introduce(a, b);
    world.wiretap = [&](Datagram& d) {
        if (d.to == b.at) {
            const Duration idle = world.now - last;
            if (d.bytes.size() == 32 && d.type() == 4) gaps.push_back(idle.count() / 1'000'000'000);
            if (idle > sec(50)) a.at.port = ++port;
            d.from = a.at;
            last = world.now;
        }
        return true;
    };
    world.run(sec(3'000));
    EXPECT_LE(port, 40'003);
    ASSERT_GE(gaps.size(), 20u);
    EXPECT_LE(gaps.back(), 50);
    EXPECT_EQ(b.status(a).endpoint.port, port);
}

TEST(Ecn, TheOuterMarkIsMergedAndNotCapableCongestionIsDropped) {
    for (unsigned outer = 0; outer < 4; ++outer)
        for (unsigned inner = 0; inner < 4; ++inner) {
            Channel c;
            c.world.keep_packets = true;
            c.world.wiretap = [&](Datagram& d) {
                if (d.from == c.a.at) d.ecn = Ecn(outer);
                return true;
            };
            Packet packet{c.a, c.a.path_to(c.b), 10};
            packet.transmit.ecn = Ecn(inner);
            c.a.links.send(packet.span(), c.world.now);
            c.world.run(ms(10));
            // RFC 6040, figure 4
            const unsigned expected[4][4] = {{0, 0, 0, 9}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
            if (expected[inner][outer] == 9) {
                EXPECT_TRUE(c.b.packets.empty());
                continue;
            }
            ASSERT_EQ(c.b.packets.size(), 1u);
            EXPECT_EQ(unsigned(c.b.packets[0].ecn), expected[inner][outer]) << inner << " " << outer;
        }
}

TEST(Ecn, DatagramsCarryEctOnlyOnceTheLinkWasSeenToCarryIt) {
    Channel c;
    std::vector<Ecn> seen;
    c.world.wiretap = [&](Datagram& d) {
        if (d.from == c.a.at && d.bytes.size() > 100) seen.push_back(d.ecn);
        return true;
    };
    for (int i = 0; i < 3'000; ++i) {
        Packet packet{c.a, c.a.path_to(c.b), 100};
        packet.transmit.ecn = Ecn::ect0;
        c.a.links.send(packet.span(), c.world.now);
        c.world.run(ms(1));
    }
    EXPECT_EQ(seen.front(), Ecn::not_capable);
    EXPECT_EQ(seen.back(), Ecn::ect0);  // the peer's PATH_CHALLENGE or RESPONSE came with a mark
}

TEST(Close, TellsTheOtherEndAtOnce) {
    Channel c;
    c.b.links.close(c.world.now);
    c.world.run(ms(6));
    EXPECT_EQ(c.a.count(Kind::down), 1u);
    EXPECT_EQ(c.a.status(c.b).state, PeerState::idle);
    EXPECT_TRUE(c.b.links.peers().empty());
    c.world.run(ms(4'900));
    EXPECT_EQ(c.a.status(c.b).state, PeerState::idle);  // it took its leave: not dialled again at once
    c.world.run(sec(3));
    EXPECT_EQ(c.a.status(c.b).state, PeerState::up);
}

TEST(Close, ARemovedPeerIsForgottenWithItsPath) {
    Channel c;
    c.a.links.remove_peer(c.b.address(), c.world.now);
    EXPECT_TRUE(c.a.links.peers().empty());
    c.send(c.a, c.b);
    EXPECT_EQ(c.a.links.statistics().dropped_no_session, 1u);
    c.world.run(ms(10));
    EXPECT_EQ(c.b.count(Kind::down), 1u);
}

// The thing as a value of time and input: two runs tell the same story.
TEST(Determinism, TheSameSeedsGiveTheSameDatagrams) {
    std::vector<std::vector<std::byte>> stories[2];
    for (auto& story : stories) {
        Channel c{rekeying_each_second(), 3};
        c.world.loss_percent = 5;
        c.world.wiretap = [&](Datagram& d) {
            story.push_back(d.bytes);
            return true;
        };
        c.talk(sec(5), ms(7));
    }
    EXPECT_EQ(stories[0], stories[1]);
    EXPECT_GT(stories[0].size(), 1'000u);
}

}  // namespace
}  // namespace weft::overlay
