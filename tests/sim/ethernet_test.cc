// Two hosts on an Ethernet wire: neighbours are found, lost questions are asked again, and the text arrives as it was.
#include <gtest/gtest.h>

#include "tests/engine/host_address.h"
#include "tests/sim/transfer.h"

namespace weft::test {
namespace {

Mac mac(unsigned last) { return {std::byte{2}, {}, {}, {}, {}, std::byte(last)}; }

// A transfer as others, but for the wire: what the hosts know of each other they must ask.
struct Lan {
    Lan(BufferPool& pool, Family family, const sim::WireOptions& wire, std::uint64_t seed, std::uint8_t ecn = 0)
        : world{pool, seed} {
        Talker::Plan from, to;
        from.key = 1, to.key = 2, from.peer_key = 2, to.peer_key = 1;
        from.to_send = to.to_receive = 600'000;
        to.to_send = from.to_receive = 200'000;
        from.remote = {host_address(family, 2), 0, 80};
        to.local = {host_address(family, 2), 0, 80};
        to.listens = true;
        a = std::make_unique<Transfer::Node>(world, config(seed, 1, ecn), Talker{from});
        b = std::make_unique<Transfer::Node>(world, config(seed, 2, ecn), Talker{to});
        ab = world.connect(a->id(), b->id(), 0, wire);
        ba = world.connect(b->id(), a->id(), 0, wire);
        const std::uint8_t prefix = family == Family::ipv4 ? 24 : 64;
        EXPECT_TRUE(a->attach_ethernet(0, ab, {.ethernet = true, .mac = mac(1)}));
        EXPECT_TRUE(b->attach_ethernet(0, ba, {.ethernet = true, .mac = mac(2)}));
        EXPECT_TRUE(a->engine().assign(host_address(family, 1), {.prefix = prefix}, world.now()));
        EXPECT_TRUE(b->engine().assign(host_address(family, 2), {.prefix = prefix}, world.now()));
        b->app.begin(b->engine(), world.now());
        a->app.begin(a->engine(), world.now());
        b->settle();
        a->settle();
    }
    static Config config(std::uint64_t seed, std::uint64_t end, std::uint8_t ecn) {
        Config one{.seed = {seed, end}};
        one.ecn = ecn;
        return one;
    }
    bool finish() {
        return world.run(world.now() + Duration::seconds(3'600), [&] { return a->app.finished() && b->app.finished(); });
    }

    sim::World world;
    std::unique_ptr<Transfer::Node> a, b;
    sim::WireId ab{0}, ba{0};
};

class Ethernet : public ::testing::Test {
protected:
    BufferPool pool{std::size_t{64} << 20};

    void arrives_whole(Lan& lan) {
        EXPECT_TRUE(lan.finish()) << lan.a->app.describe() << "; " << lan.b->app.describe();
        EXPECT_TRUE(lan.a->app.orderly() && lan.b->app.orderly()) << lan.a->app.describe() << "; " << lan.b->app.describe();
        EXPECT_TRUE(lan.a->app.bytes_equal() && lan.b->app.bytes_equal());
        EXPECT_EQ(lan.a->malformed() + lan.b->malformed(), 0u);
    }
};

TEST_F(Ethernet, TextArrivesOverBothFamilies) {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        Lan lan{pool, family, {.rate = 100'000'000, .delay = Duration::milliseconds(1), .mtu = 1'514}, 1};
        arrives_whole(lan);
        EXPECT_EQ(lan.a->engine().statistics().retransmitted_segments, 0u);
        EXPECT_EQ(lan.a->engine().neighbours().size(), 1u);
    }
}

TEST_F(Ethernet, TextArrivesThroughLossReorderingAndCorruption) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed)  // a frame's check sequence drops what was corrupted
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            const sim::WireOptions wire{.delay = Duration::milliseconds(2),
                                        .loss = 20'000,
                                        .duplication = 10'000,
                                        .corruption = 5'000,
                                        .reordering = 20'000,
                                        .authenticated = true};
            Lan lan{pool, family, wire, seed};
            arrives_whole(lan);
        }
}

TEST_F(Ethernet, MarksGoBehindItsHeader) {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        Lan lan{pool, family, {.delay = Duration::milliseconds(1), .marking = 50'000}, 3, 1};
        arrives_whole(lan);
        EXPECT_GT(lan.world.wire(lan.ab).statistics.marked, 0u);
        EXPECT_GT(lan.a->engine().statistics().ecn_cuts, 0u) << "they were told";
        EXPECT_EQ(lan.b->engine().statistics().checksum_errors, 0u);
        EXPECT_EQ(lan.a->engine().statistics().retransmitted_segments, 0u);
    }
}

TEST_F(Ethernet, LostQuestionIsAskedAgainAfterASecond) {
    Lan lan{pool, Family::ipv4, {.delay = Duration::milliseconds(1), .lose_from = 0, .lose_until = 1}, 1};
    arrives_whole(lan);
    EXPECT_GE(lan.a->app.ended_at(), Instant{} + Duration::seconds(1));
    EXPECT_GE(lan.a->engine().statistics().arp_out, 2u);
}

TEST_F(Ethernet, SameSeedGivesTheSameRun) {
    const sim::WireOptions wire{.delay = Duration::milliseconds(2), .loss = 20'000};
    std::array<std::string, 2> digests;
    for (std::string& digest : digests) {
        Lan lan{pool, Family::ipv6, wire, 9};
        arrives_whole(lan);
        digest = lan.a->digest().hex() + lan.b->digest().hex();
    }
    EXPECT_EQ(digests[0], digests[1]);
}

}  // namespace
}  // namespace weft::test
