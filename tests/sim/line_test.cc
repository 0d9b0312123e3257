// Members in a line of which only neighbours know each other, production engines at the ends: TCP along label paths.
#include "sim/member.h"

#include <gtest/gtest.h>

#include "tests/overlay/switch_world.h"
#include "tests/sim/transfer.h"

namespace weft::test {
namespace {

constexpr Duration seconds(std::int64_t n) { return Duration::seconds(n); }

struct Row {
    using Node = sim::Member<Talker>;

    Row(std::uint64_t seed, std::size_t count, std::uint64_t forth, std::uint64_t back, const sim::WireOptions& wire,
        overlay::LinksConfig links = config())
        : world{pool(), seed}, routers(count), count_{count} {
        const auto key = [&](std::size_t i) { return seed * 100 + i + 1; };
        const Address first = overlay::Identity{overlay::seed_of(key(0))}.address();
        const Address last = overlay::Identity{overlay::seed_of(key(count - 1))}.address();
        Talker::Plan pa{.key = sim::mix(seed + 1), .peer_key = sim::mix(seed + 2), .to_send = forth, .to_receive = back};
        Talker::Plan pb{.key = pa.peer_key, .peer_key = pa.key, .to_send = back, .to_receive = forth, .listens = true};
        pa.remote = {last, 0, 80}, pb.local = {last, 0, 80};
        pa.options.user_timeout = pb.options.user_timeout = seconds(60);
        for (std::size_t i = 0; i < count; ++i) {
            links.router = &overlay::TableRouter::table();
            links.routing = &routers[i];
            links.unix_zero = 1'700'000'000;
            if (i > 0) routers[i].next_hops[overlay::tag_of(first)] = {overlay::tag_of(members[i - 1]->address())};
            Talker::Plan idle{.listens = true};
            idle.local = {{}, 0, 81};
            members.push_back(std::make_unique<Node>(world, Config{.seed = {seed, i}}, links,
                                                     overlay::Identity{overlay::seed_of(key(i))}, at(i),
                                                     Talker{i == 0 ? pa : (i + 1 == count ? pb : idle)}));
        }
        for (std::size_t i = 0; i + 1 < count; ++i) {
            routers[i].next_hops[overlay::tag_of(last)] = {overlay::tag_of(members[i + 1]->address())};
            Node &left = *members[i], &right = *members[i + 1];
            left.attach(right.at(), world.connect(left.id(), right.id(), 0, wire));
            right.attach(left.at(), world.connect(right.id(), left.id(), 0, wire));
            const std::array<UdpEndpoint, 1> there{right.at()};
            left.links().add_peer(right.address(), there, world.now());
            left.settle();
        }
        world.run_until(world.now() + seconds(3));
        b().app.begin(b().engine(), world.now());
        b().settle();
        a().app.begin(a().engine(), world.now());
        a().settle();
    }

    static UdpEndpoint at(std::size_t i) { return overlay::ipv4(10, 0, 0, std::uint8_t(i + 1), std::uint16_t(i + 1)); }
    static BufferPool& pool() {
        static BufferPool warm{std::size_t{256} << 20};
        return warm;
    }
    static overlay::LinksConfig config() { return {.network = overlay::Network::make("simulated", 0)}; }
    Node& a() { return *members.front(); }
    Node& b() { return *members.back(); }

    void ends_well(Duration limit) {
        EXPECT_TRUE(world.run(world.now() + limit, [&] { return a().app.finished() && b().app.finished(); })) << describe();
        EXPECT_TRUE(a().app.orderly() && b().app.orderly()) << describe();
        EXPECT_TRUE(a().app.bytes_equal() && b().app.bytes_equal()) << describe();
        for (const overlay::PeerStatus& peer : members[count_ / 2]->links().peers())
            EXPECT_FALSE(peer.session) << "who carries has no session";
    }
    std::string describe() { return "a: " + a().app.describe() + "; b: " + b().app.describe(); }

    sim::World world;
    std::vector<overlay::TableRouter> routers;
    std::vector<std::unique_ptr<Node>> members;
    std::size_t count_;
};

sim::WireOptions clear() { return {.rate = 100'000'000, .queue = 1 << 20, .delay = Duration::milliseconds(5)}; }

sim::WireOptions foul() {
    sim::WireOptions wire = clear();
    wire.loss = 5'000, wire.reordering = 30'000, wire.duplication = 10'000, wire.corruption = 5'000;
    return wire;
}

TEST(MembersInALine, TransferBothWaysOverOneAndOverThreeNodesBetween) {
    for (const std::size_t count : {3u, 5u}) {
        Row row{count, count, 4 << 20, 1 << 20, clear()};
        row.ends_well(seconds(60));
        EXPECT_LE(row.a().engine().statistics().retransmitted_segments, 1u) << "the SYN alone may go again";
        EXPECT_GE(row.members[1]->links().labels()->statistics().forwarded, 4'000u);
        EXPECT_EQ(row.members[1]->engine().statistics().connections_failed, 0u);
    }
}

TEST(MembersInALine, LossReorderingDuplicationAndCorruptionOnEveryLink) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Row row{seed, 3 + seed % 3, 300'000, seed % 2 == 0 ? 0u : 100'000u, foul()};
        row.ends_well(seconds(600));
        EXPECT_EQ(row.b().engine().statistics().checksum_errors, 0u);
    }
}

TEST(MembersInALine, NewKeysEachSecondOfLinksAndSessionLoseNoByte) {
    overlay::LinksConfig links = Row::config();
    links.rekey_initiator = seconds(1);
    links.rekey_responder = Duration::milliseconds(1'400);
    Row row{9, 3, 40 << 20, 0, clear(), links};
    row.ends_well(seconds(120));
    EXPECT_EQ(row.a().engine().statistics().timeouts, 0u);
}

TEST(MembersInALine, MiddleLinkThatIsGoneForTenSecondsHoldsTheFlowUpAndDoesNotEndIt) {
    Row row{10, 4, 20 << 20, 0, clear()};
    row.world.run_until(row.world.now() + seconds(1));
    ASSERT_FALSE(row.b().app.finished());
    for (const sim::WireId id : {sim::WireId{2}, sim::WireId{3}}) {   // between the second and the third
        row.world.wire(id).options.down_from = row.world.now();
        row.world.wire(id).options.down_until = row.world.now() + seconds(10);
    }
    row.ends_well(seconds(120));
    EXPECT_FALSE(row.a().app.soft_errors.empty()) << "it was told";
}

TEST(MembersInALine, FlowToNobodyEndsUnreachableAtOnce) {
    Row row{11, 3, 1'000, 0, clear()};
    // The second node has never heard of it.
    row.routers[0].next_hops[overlay::tag_of(overlay::Identity{overlay::seed_of(7)}.address())] = {
        overlay::tag_of(row.members[1]->address())};
    Engine& engine = row.a().engine();
    const Instant begun = row.world.now();
    const auto flow = engine.connect({overlay::Identity{overlay::seed_of(7)}.address(), 0, 80}, {}, begun);
    ASSERT_TRUE(flow);
    row.a().settle();
    row.world.run_until(begun + Duration::milliseconds(100));
    EXPECT_EQ(row.a().links().statistics().unreachable, 1u);
    EXPECT_EQ(engine.statistics().connections_failed, 1u);
}

}  // namespace
}  // namespace weft::test
