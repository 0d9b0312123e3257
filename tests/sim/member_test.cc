// Two members of the overlay, their sealed datagrams on the wires: the same objects that weftd runs, through bad weather,
// new keys each second and a port that changes in mid-transfer.
#include "sim/member.h"

#include <gtest/gtest.h>

#include "tests/sim/transfer.h"

namespace weft::test {
namespace {

constexpr Duration seconds(std::int64_t n) { return Duration::seconds(n); }
constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

UdpEndpoint loopback(std::uint16_t port) {
    UdpEndpoint at;
    at.ip[10] = at.ip[11] = std::byte{0xff};
    at.ip[12] = std::byte{127}, at.ip[15] = std::byte{1};
    at.port = port;
    return at;
}

overlay::Identity identity(std::uint64_t number) {
    overlay::Seed seed{};
    store_little(seed.data(), number);
    return overlay::Identity{seed};
}

struct Pair {
    using Node = sim::Member<Talker>;

    Pair(std::uint64_t seed, std::uint64_t forth, std::uint64_t back, const sim::WireOptions& wire,
         const overlay::LinksConfig& links = config())
        : world{pool(), seed} {
        const Address to = identity(seed * 2 + 2).address();
        Talker::Plan pa{.key = sim::mix(seed + 1), .peer_key = sim::mix(seed + 2), .to_send = forth, .to_receive = back};
        Talker::Plan pb{.key = pa.peer_key, .peer_key = pa.key, .to_send = back, .to_receive = forth, .listens = true};
        pa.remote = {to, 0, 80}, pb.local = {to, 0, 80};
        pa.options.user_timeout = pb.options.user_timeout = seconds(60);
        a = std::make_unique<Node>(world, Config{.seed = {seed, 1}}, links, identity(seed * 2 + 1), loopback(1), Talker{pa});
        b = std::make_unique<Node>(world, Config{.seed = {seed, 2}}, links, identity(seed * 2 + 2), loopback(2), Talker{pb});
        ab = world.connect(a->id(), b->id(), 0, wire);
        ba = world.connect(b->id(), a->id(), 0, wire);
        a->attach(b->at(), ab);
        b->attach(a->at(), ba);
        const std::array<UdpEndpoint, 1> there{b->at()};
        a->links().add_peer(to, there, world.now());
        b->app.begin(b->engine(), world.now());
        a->app.begin(a->engine(), world.now());
        b->settle();
        a->settle();
    }

    static BufferPool& pool() {
        static BufferPool warm{std::size_t{256} << 20};
        return warm;
    }
    static overlay::LinksConfig config() { return {.network = overlay::Network::make("simulated", 0)}; }

    bool finish(Duration limit) {
        return world.run(world.now() + limit, [&] { return a->app.finished() && b->app.finished(); });
    }
    void ends_well(Duration limit) {
        EXPECT_TRUE(finish(limit)) << describe();
        EXPECT_TRUE(a->app.orderly() && b->app.orderly()) << describe();
        EXPECT_TRUE(a->app.bytes_equal() && b->app.bytes_equal()) << describe();
    }
    std::string describe() const { return "a: " + a->app.describe() + "; b: " + b->app.describe(); }
    std::string digest() const { return a->digest().hex() + b->digest().hex() + std::to_string(world.steps()); }

    sim::World world;
    std::unique_ptr<Node> a, b;
    sim::WireId ab{0}, ba{0};
};

sim::WireOptions clear() { return {.rate = 100'000'000, .queue = 1 << 20, .delay = ms(10)}; }

sim::WireOptions foul() {
    sim::WireOptions wire = clear();
    wire.loss = 10'000, wire.reordering = 50'000, wire.duplication = 10'000, wire.corruption = 10'000;
    return wire;
}

TEST(Members, HandshakeThenTransferOverAClearWire) {
    Pair pair{1, 1 << 20, 1 << 16, clear()};
    pair.ends_well(seconds(60));
    EXPECT_EQ(pair.a->links().statistics().unauthentic, 0u);
    EXPECT_LE(pair.a->engine().statistics().retransmitted_segments, 1u)
        << "the SYN waited for the channel, and goes again once it is up";
    EXPECT_LE(pair.b->app.ended_at(), Instant{} + ms(500));
}

TEST(Members, LossReorderingDuplicationAndCorruptionAtOnce) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        Pair pair{seed, (seed * 0x1'5555) % (1 << 20), seed % 2 == 0 ? 0u : 100'000u, foul()};
        pair.ends_well(seconds(600));
        EXPECT_EQ(pair.b->engine().statistics().checksum_errors, 0u) << "the channel lets nothing through that was changed";
    }
}

TEST(Members, SameSeedSameRun) {
    const auto digest = [](std::uint64_t seed) {
        Pair pair{seed, 200'000, 0, foul()};
        pair.ends_well(seconds(600));
        return pair.digest();
    };
    EXPECT_EQ(digest(7), digest(7));
    EXPECT_NE(digest(7), digest(8));
}

TEST(Members, NewKeysEachSecondUnderLoadLoseNoByte) {
    overlay::LinksConfig links = Pair::config();
    links.rekey_initiator = seconds(1);
    links.rekey_responder = ms(1'400);
    Pair pair{3, 100 << 20, 0, clear(), links};
    pair.ends_well(seconds(60));
    EXPECT_GE(pair.a->links().peers().at(0).handshakes, 5u);
    EXPECT_EQ(pair.a->engine().statistics().timeouts, 0u);
}

TEST(Members, PortThatChangesInMidTransferHoldsUpTheFlowForLessThanASecond) {
    for (const bool sender : {true, false}) {
        Pair pair{4, 32 << 20, 0, clear()};
        pair.world.run_until(Instant{} + seconds(1));
        ASSERT_FALSE(pair.b->app.finished());
        Pair::Node& moved = sender ? *pair.a : *pair.b;
        Pair::Node& other = sender ? *pair.b : *pair.a;
        other.detach(moved.at());
        moved.move(loopback(99));
        other.attach(moved.at(), sender ? pair.ba : pair.ab);
        const std::uint64_t received = pair.b->app.received();
        pair.world.run_until(Instant{} + seconds(2));
        EXPECT_GT(pair.b->app.received(), received + (1 << 20));
        pair.ends_well(seconds(60));
    }
}

TEST(Members, PeerThatVanishesIsUnreachableOrTimedOutAndComesBackToo) {
    Pair pair{5, 64 << 20, 0, clear()};
    pair.a->app.soft_errors.clear();
    pair.world.run_until(Instant{} + seconds(1));
    for (const sim::WireId id : {pair.ab, pair.ba}) {
        pair.world.wire(id).options.down_from = pair.world.now();
        pair.world.wire(id).options.down_until = pair.world.now() + seconds(30);
    }
    pair.ends_well(seconds(300));   // the user timeout is a minute
    EXPECT_FALSE(pair.a->app.soft_errors.empty());
}

}  // namespace
}  // namespace weft::test
