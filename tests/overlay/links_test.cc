// Two and three nodes: handshakes, loss at every message, crossing dials, packets, rekeys, liveness.
#include "overlay/links.h"

#include <gtest/gtest.h>

#include "stack/wire/pseudo.h"
#include "tests/overlay/world.h"

namespace weft::overlay {
namespace {

using Kind = LinkEvent::Kind;
using PeerState = PeerStatus::State;

struct Pair {
    explicit Pair(const LinksConfig& config = {}) : a{world.add(1, config)}, b{world.add(2, config)} {}
    void dial() {
        world.introduce(a, b);
        world.run(ms(100));
    }
    void send(Node& from, Node& to, std::size_t bytes, std::uint16_t segment = 0, std::uint32_t seq = 1000,
              std::uint8_t fill = 0) {
        Packet packet{from, from.path_to(to), bytes, segment, seq, fill};
        from.links.send(packet.span(), world.now);
    }
    World world;
    Node &a, &b;
};

TEST(Links, ADialledNeighbourIsUpAfterOneRoundTripAndTheOtherAfterOneAndAHalf) {
    Pair p;
    p.world.introduce(p.a, p.b);
    EXPECT_EQ(p.a.status(p.b).state, PeerState::init_sent);
    p.world.run(ms(10));
    EXPECT_EQ(p.a.status(p.b).state, PeerState::up);
    EXPECT_EQ(p.a.count(Kind::up), 1u);
    EXPECT_EQ(p.b.count(Kind::up), 0u);
    p.world.run(ms(5));
    EXPECT_EQ(p.b.status(p.a).state, PeerState::up);
    EXPECT_EQ(p.b.count(Kind::up), 1u);
    EXPECT_EQ(p.b.status(p.a).endpoint, p.a.at);
    EXPECT_FALSE(p.b.status(p.a).configured);
    EXPECT_EQ(p.a.events[0].mtu, 1200u - 35 + 136);
    EXPECT_TRUE(p.a.events[0].sums_elided && p.b.events[0].sums_elided);
    EXPECT_EQ(p.a.status(p.b).srtt, ms(10));
}

TEST(Links, TheWireSizesAreTheDesigns) {
    Pair p;
    std::map<int, std::size_t> sizes;
    p.world.wiretap = [&](Datagram& d) {
        sizes.try_emplace(d.type(), d.bytes.size());
        return true;
    };
    p.dial();
    EXPECT_EQ(sizes[1], 192u);
    EXPECT_EQ(sizes[2], 176u);
    EXPECT_EQ(sizes[5], 140u);
    EXPECT_EQ(sizes[4], 32u);   // the responder's first packet, empty
    std::size_t data = 0;
    p.world.wiretap = [&](Datagram& d) {
        data = std::max(data, d.bytes.size());
        return true;
    };
    p.send(p.a, p.b, 100);
    p.world.run(ms(20));
    EXPECT_EQ(data, 100u + 20 + 35);   // direct: 35 bytes above UDP
}

TEST(Links, PacketsArriveBothWaysWithPathProtocolAndVerifiedChecksum) {
    Pair p;
    p.world.keep_packets = true;
    p.dial();
    p.send(p.a, p.b, 300);
    p.send(p.b, p.a, 0);
    p.world.run(ms(20));
    ASSERT_EQ(p.b.packets.size(), 1u);
    EXPECT_EQ(p.b.packets[0].path, p.b.path_to(p.a));
    EXPECT_EQ(p.b.packets[0].protocol, 6);
    EXPECT_TRUE(p.b.packets[0].checksum_verified);
    EXPECT_EQ(p.b.packets[0].frame.size(), 320u);
    ASSERT_EQ(p.a.packets.size(), 1u);
    EXPECT_EQ(p.a.packets[0].frame.size(), 20u);
}

// Cut: sequence numbers advance, CWR only on the first, PSH only on the last; payload in order; trains of equal datagrams.
TEST(Links, ASuperSegmentIsCutIntoEqualDatagrams) {
    for (const bool elision : {true, false}) {
        LinksConfig config;
        config.checksum_elision = elision;
        Pair p{config};
        p.world.keep_packets = true;
        p.dial();
        p.world.trains = 0;
        const std::size_t bytes = 64'000, segment = 1'133;
        p.send(p.a, p.b, bytes, std::uint16_t(segment), 0xffff'f000);
        p.world.run(ms(20));
        const std::size_t pieces = (bytes + segment - 1) / segment;
        ASSERT_EQ(p.b.packets.size(), pieces);
        EXPECT_EQ(p.world.trains, 2u);   // 55 datagrams fill what one UDP_SEGMENT call takes
        std::uint8_t next = 0;
        const std::uint16_t sums = wire::pseudo_sum(p.a.address(), p.b.address());
        for (std::size_t i = 0; i < pieces; ++i) {
            const Bytes tcp = p.b.packets[i].frame.bytes();
            EXPECT_EQ(load_big<std::uint32_t>(&tcp[4]), std::uint32_t(0xffff'f000 + i * segment));
            const unsigned flags = unsigned(tcp[13]);
            EXPECT_EQ(flags & 0x80, i == 0 ? 0x80u : 0u);
            EXPECT_EQ(flags & 0x08, i + 1 == pieces ? 0x08u : 0u);
            EXPECT_EQ(p.b.packets[i].checksum_verified, elision);
            EXPECT_TRUE(elision || wire::transport_verifies(sums, 6, tcp)) << i;
            for (const std::byte byte : tcp.subspan(20)) ASSERT_EQ(std::uint8_t(byte), next++);
        }
        EXPECT_EQ(next, std::uint8_t(bytes));
    }
}

TEST(Links, BothAeadsCarryPacketsAndAreChosenByWhatBothOffer) {
    for (std::uint16_t mine = 1; mine <= 3; ++mine)
        for (std::uint16_t theirs = 1; theirs <= 3; ++theirs) {
            LinksConfig first, second;
            first.suites = mine;
            second.suites = theirs;
            World world;
            Node &a = world.add(1, first), &b = world.add(2, second);
            world.introduce(a, b);
            world.run(ms(100));
            const bool common = (mine & theirs) != 0;
            EXPECT_EQ(a.status(b).state == PeerState::up, common);
            if (!common) continue;
            EXPECT_EQ(a.status(b).aead, (mine & theirs & 2) != 0 ? 1 : 0);
            EXPECT_EQ(b.status(a).aead, a.status(b).aead);
            Packet packet{a, a.path_to(b), 700};
            a.links.send(packet.span(), world.now);
            world.run(ms(10));
            EXPECT_EQ(b.got.size(), 1u);
        }
}

TEST(Links, TheFirstWaitingPacketRidesInFin) {
    Pair p;
    const UdpEndpoint endpoints[] = {p.b.at};
    p.a.links.add_peer(p.b.address(), endpoints, p.world.now);
    p.send(p.a, p.b, 40);
    p.send(p.a, p.b, 50);
    std::size_t fin = 0, data_first = 0;
    p.world.wiretap = [&](Datagram& d) {
        if (d.type() == 5) fin = d.bytes.size();
        if (d.type() == 4 && d.from == p.a.at && data_first == 0) data_first = d.bytes.size();
        return true;
    };
    p.world.run(ms(15));
    EXPECT_EQ(fin, 140u + 3 + 20 + 40);
    EXPECT_EQ(data_first, 35u + 20 + 50);
    ASSERT_EQ(p.b.got.size(), 2u);
    EXPECT_EQ(p.b.got[0].size(), 60u);
    EXPECT_EQ(p.b.got[1].size(), 70u);
}

TEST(Links, WhileTheHandshakeRunsTheNewest32PacketsWait) {
    Pair p;
    p.b.alive = false;
    p.world.introduce(p.a, p.b);
    for (std::size_t i = 0; i < 100; ++i) p.send(p.a, p.b, i);
    p.world.run(ms(600));
    p.b.alive = true;
    p.world.run(sec(2));
    ASSERT_EQ(p.b.got.size(), 32u);
    for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(p.b.got[i].size(), 20u + 68 + i);
}

// Loss of the n-th datagram of the handshake, for each of them, and of the first two of its kind.
TEST(Links, EachHandshakeMessageMayBeLostAndIsRepeatedInTime) {
    for (const int type : {1, 2, 5, 4})
        for (unsigned times = 1; times <= 3; ++times) {
            Pair p;
            unsigned left = times;
            p.world.wiretap = [&](Datagram& d) { return !(d.type() == type && left > 0 && left-- > 0); };
            p.world.introduce(p.a, p.b);
            const bool up = p.world.run_until(
                sec(4), [&] { return p.a.status(p.b).state == PeerState::up && p.b.status(p.a).state == PeerState::up; });
            EXPECT_TRUE(up) << "type " << type << " lost " << times << " times";
            p.world.wiretap = {};
            p.send(p.a, p.b, 10);
            p.send(p.b, p.a, 10);
            p.world.run(ms(50));
            EXPECT_EQ(p.a.got.size(), 1u);
            EXPECT_EQ(p.b.got.size(), 1u);
            EXPECT_EQ(p.a.count(Kind::up), 1u);
            EXPECT_EQ(p.b.count(Kind::up), 1u);
        }
}

TEST(Links, InitIsRepeatedByteForByteAtTheDesignsTimes) {
    Pair p;
    p.b.alive = false;
    std::vector<std::pair<std::int64_t, std::vector<std::byte>>> sent;
    const Instant start = p.world.now;
    p.world.wiretap = [&](Datagram& d) {
        sent.emplace_back((p.world.now - start).count() / 1'000'000, d.bytes);
        return true;
    };
    p.world.introduce(p.a, p.b);
    p.world.run(sec(5) - ms(1));
    ASSERT_EQ(sent.size(), 5u);
    const std::int64_t times[] = {0, 250, 750, 1750, 3750};
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(sent[i].first, times[i]);
        EXPECT_EQ(sent[i].second, sent[0].second);
    }
    p.world.run(sec(2));   // then a fresh one after 5 s and up to a second of jitter
    ASSERT_GT(sent.size(), 5u);
    EXPECT_GE(sent[5].first, 5'000);
    EXPECT_LE(sent[5].first, 6'001);
    EXPECT_NE(sent[5].second, sent[0].second);
    p.world.run(sec(3'600));
    EXPECT_LT(sent.size(), 5u * 30);   // the gaps have grown to five minutes
    const std::int64_t gap = sent.back().first - sent[sent.size() - 6].first;
    EXPECT_GT(gap, 280'000);
}

TEST(Links, ALocalPacketDialsAtOnceHoweverLongThePeerWasAway) {
    Pair p;
    p.b.alive = false;
    p.world.introduce(p.a, p.b);
    p.world.run(sec(2'000));
    p.b.alive = true;
    p.send(p.a, p.b, 10);
    p.world.run(ms(20));
    EXPECT_EQ(p.b.got.size(), 1u);
}

TEST(Links, WhatWaitsForAStrangerGoesWithItsPathAndNobodyDialsItAnyMore) {
    Pair p;
    p.world.introduce(p.b, p.a);   // to a, b is a stranger
    p.world.run(ms(100));
    p.b.alive = false;
    for (int i = 0; i < 20; ++i) {
        p.send(p.a, p.b, 1'000);
        p.world.run(ms(200));
    }
    EXPECT_EQ(p.a.status(p.b).state, PeerState::init_sent);
    EXPECT_GT(p.a.pool.in_use(), 0u);
    p.a.links.bind(p.b.address(), 0);
    p.world.run(sec(6));
    EXPECT_EQ(p.a.pool.in_use(), 0u);
    const std::uint64_t before = p.world.carried;
    p.world.run(sec(3'600));
    EXPECT_EQ(p.world.carried, before);
}

TEST(Links, CrossingDialsEndInOneChannelThatBothSendOn) {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        World world{seed};
        Node &a = world.add(1 + seed * 2), &b = world.add(2 + seed * 2);
        world.delay = Duration::microseconds(std::int64_t(1 + world.random() % 60'000));
        world.loss_percent = unsigned(seed % 4) * 10;
        world.introduce(a, b);
        world.run(Duration::microseconds(std::int64_t(world.random() % 200'000)));
        world.introduce(b, a);
        world.run(sec(9));
        world.loss_percent = 0;
        world.run(sec(3));
        ASSERT_EQ(a.status(b).state, PeerState::up) << seed;
        ASSERT_EQ(b.status(a).state, PeerState::up) << seed;
        // Ends that send on the same keys see the same receiver indices all the time.
        for (int i = 0; i < 20; ++i) {
            Packet to_b{a, a.path_to(b), 100}, to_a{b, b.path_to(a), 100};
            a.links.send(to_b.span(), world.now);
            b.links.send(to_a.span(), world.now);
            world.run(sec(1));
        }
        EXPECT_EQ(a.got.size(), 20u) << seed;
        EXPECT_EQ(b.got.size(), 20u) << seed;
        if (seed % 4 == 0) { EXPECT_EQ(a.count(Kind::down) + b.count(Kind::down), 0u) << seed; }
    }
}

}  // namespace
}  // namespace weft::overlay
