// The world itself: the order of events, what a wire does to packets, and that every draw belongs to its packet.
#include "sim/world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "sim/entropy.h"

namespace weft::sim {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

// A node that notes what arrives, and wakes when it is told to.
struct Recorder {
    std::vector<std::pair<Instant, std::vector<std::byte>>> heard;
    std::vector<std::size_t> batches;
    std::vector<Instant> woken;
    std::vector<Instant> alarms;   // descending

    void receive(std::span<Receive> batch, Instant now) {
        batches.push_back(batch.size());
        for (const Receive& packet : batch)
            heard.emplace_back(now, std::vector<std::byte>{packet.frame.bytes().begin(), packet.frame.bytes().end()});
    }
    void advance(Instant now) {
        woken.push_back(now);
        while (!alarms.empty() && alarms.back() <= now) alarms.pop_back();
    }
    Instant deadline() { return alarms.empty() ? Instant::never() : alarms.back(); }
};

struct Two {
    explicit Two(const WireOptions& options, std::uint64_t seed = 1)
        : world{pool, seed}, a{world.add(from)}, b{world.add(to)} {
        wire = world.connect(a, b, 3, options);
    }
    void send(std::uint32_t index, std::uint32_t size = 100) {
        Chunk* const chunk = pool.allocate(size);
        std::fill_n(chunk->data(), size, std::byte(index));
        world.send(wire, Receive{.frame = Slice{chunk, 0, size}}, world.now());
    }
    std::vector<unsigned> order() const {
        std::vector<unsigned> all;
        for (const auto& [at, bytes] : to.heard) all.push_back(std::to_integer<unsigned>(bytes[0]));
        return all;
    }
    const WireStatistics& statistics() { return world.wire(wire).statistics; }

    BufferPool pool{1 << 26};
    World world;
    Recorder from, to;
    NodeId a, b;
    WireId wire{0};
};

TEST(EventHeap, PopsInTheTotalOrder) {
    std::mt19937_64 random{5};
    EventHeap heap;
    std::vector<Event> all;
    for (std::uint32_t i = 0; i < 5'000; ++i) {
        const Event event{Instant::from_nanoseconds(std::int64_t(random() % 50)), std::uint32_t(random() % 4), i, 0, i};
        all.push_back(event);
        heap.push(event);
        if (i % 7 == 0) {
            const auto least =
                std::min_element(all.begin(), all.end(), [](const Event& x, const Event& y) { return before(x, y); });
            ASSERT_EQ(heap.pop().sequence, least->sequence);
            all.erase(least);
        }
    }
    std::sort(all.begin(), all.end(), [](const Event& x, const Event& y) { return before(x, y); });
    for (const Event& event : all) ASSERT_EQ(heap.pop().sequence, event.sequence);
    EXPECT_TRUE(heap.empty());
}

TEST(Wire, DelayIsOneWayAndExact) {
    Two two{{.delay = ms(7)}};
    two.send(1);
    two.world.run_until(Instant::from_nanoseconds(1'000'000'000));
    ASSERT_EQ(two.to.heard.size(), 1u);
    EXPECT_EQ(two.to.heard[0].first, Instant::from_nanoseconds(7'000'000));
    EXPECT_EQ(two.world.now(), Instant::from_nanoseconds(1'000'000'000));
    EXPECT_EQ(two.pool.in_use(), 0u);
}

TEST(Wire, RateSpacesPacketsByTheirSize) {   // 8 Mbit/s: a microsecond a byte
    Two two{{.rate = 8'000'000, .delay = ms(1)}};
    for (std::uint32_t i = 0; i < 3; ++i) two.send(i, 1'000 + i);
    two.world.run_until(Instant::from_nanoseconds(1'000'000'000));
    ASSERT_EQ(two.to.heard.size(), 3u);
    EXPECT_EQ(two.to.heard[0].first.nanoseconds(), 2'000'000);
    EXPECT_EQ(two.to.heard[1].first.nanoseconds(), 3'001'000);
    EXPECT_EQ(two.to.heard[2].first.nanoseconds(), 4'003'000);
}

TEST(Wire, FractionsOfANanosecondAddUp) {   // 3 Gbit/s: 2,666 ps a byte
    Two two{{.rate = 3'000'000'000, .delay = Duration{}}};
    for (std::uint32_t i = 0; i < 1'000; ++i) two.send(i, 1);
    two.world.run_until(Instant::from_nanoseconds(1'000'000));
    EXPECT_EQ(two.to.heard.back().first.nanoseconds(), 2'666);
}

TEST(Wire, QueueDropsItsTail) {
    Two two{{.rate = 8'000'000, .queue = 3'000}};
    for (std::uint32_t i = 0; i < 10; ++i) two.send(i, 1'000);
    EXPECT_EQ(two.statistics().overflowed, 7u);
    two.world.run_until(Instant::from_nanoseconds(1'000'000'000));
    EXPECT_EQ(two.order(), (std::vector<unsigned>{0, 1, 2}));
    two.send(10, 1'000);
    EXPECT_EQ(two.statistics().overflowed, 7u) << "the queue has drained";
}

TEST(Wire, JitterKeepsTheOrderAndReorderingDoesNot) {
    Two jitter{{.jitter = ms(20)}};
    for (std::uint32_t i = 0; i < 200; ++i) jitter.send(i);
    jitter.world.run_until(Instant::from_nanoseconds(1'000'000'000));
    const auto kept = jitter.order();
    EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
    Two reordered{{.rate = 80'000'000, .reordering = 50'000}};
    for (std::uint32_t i = 0; i < 200; ++i) reordered.send(i);
    reordered.world.run_until(Instant::from_nanoseconds(1'000'000'000));
    auto moved = reordered.order();
    EXPECT_FALSE(std::is_sorted(moved.begin(), moved.end()));
    std::sort(moved.begin(), moved.end());
    EXPECT_EQ(moved, kept) << "nothing is lost by it";
}

TEST(Wire, ChancesAreWhatTheySay) {
    Two two{{.loss = 10'000, .duplication = 20'000, .corruption = 30'000, .reordering = 50'000}};
    constexpr std::uint64_t packets = 100'000;
    for (std::uint32_t i = 0; i < packets; ++i) {
        two.send(i, 20);
        if (i % 1'000 == 0) two.world.run_until(two.world.now() + ms(100));
    }
    two.world.run_until(two.world.now() + ms(1'000));
    const WireStatistics& all = two.statistics();
    const auto near = [](std::uint64_t got, std::uint64_t expected) {
        return got > expected * 9 / 10 && got < expected * 11 / 10;
    };
    EXPECT_TRUE(near(all.lost, packets / 100)) << all.lost;
    EXPECT_TRUE(near(all.duplicated, packets / 50)) << all.duplicated;
    EXPECT_TRUE(near(all.corrupted, packets * 3 / 100)) << all.corrupted;
    EXPECT_TRUE(near(all.reordered, packets / 20)) << all.reordered;
    EXPECT_EQ(all.sent, packets);
    EXPECT_EQ(all.sent + all.duplicated, all.delivered + all.lost) << "packets are conserved";
    EXPECT_EQ(two.world.in_flight(), 0u);
    EXPECT_EQ(two.pool.in_use(), 0u);
}

TEST(Wire, CorruptionChangesOneByteOfOneCopy) {
    Two two{{.duplication = 1'000'000, .corruption = 1'000'000}};
    for (std::uint32_t i = 0; i < 100; ++i) two.send(i);
    two.world.run_until(Instant::from_nanoseconds(1'000'000'000));
    ASSERT_EQ(two.to.heard.size(), 200u);
    std::size_t whole = 0;
    for (const auto& [at, bytes] : two.to.heard) {
        std::set<std::byte> values{bytes.begin(), bytes.end()};
        ASSERT_LE(values.size(), 2u);
        whole += values.size() == 1;
        if (values.size() == 1) continue;
        const auto common = bytes[0] == bytes[1] ? bytes[0] : bytes[2];
        EXPECT_EQ(std::count(bytes.begin(), bytes.end(), common), 99);
    }
    EXPECT_EQ(whole, 100u);
}

TEST(Wire, AuthenticatedWireLosesWhatWasCorrupted) {
    Two two{{.corruption = 1'000'000, .authenticated = true}};
    two.send(1);
    two.world.run_until(Instant::from_nanoseconds(1'000'000'000));
    EXPECT_TRUE(two.to.heard.empty());
    EXPECT_EQ(two.statistics().unauthentic, 1u);
}

// What the first bytes of a packet mean depends on who sent it.
struct Marking : Two {
    explicit Marking(std::uint32_t front) : Two{{.marking = 1'000'000, .front = front}} {}
    std::vector<std::byte> after(std::vector<std::byte> bytes, Receive packet = {}) {
        WriteRight right{pool.allocate(bytes.size())};
        packet.frame = right.append(bytes);
        world.send(wire, std::move(packet), world.now());
        world.run_until(world.now() + ms(100));
        return to.heard.back().second;
    }
};
std::vector<std::byte> packet_that_begins(std::initializer_list<unsigned> bytes) {
    std::vector<std::byte> packet(60);
    std::ranges::transform(bytes, packet.begin(), [](unsigned byte) { return std::byte(byte); });
    return packet;
}

TEST(Wire, MarksNetworkHeadersWhereTheyBegin) {
    Marking plain{0}, ethernet{14};
    EXPECT_EQ(plain.after(packet_that_begins({0x45, 2}))[1], std::byte{3});
    EXPECT_EQ(plain.after(packet_that_begins({0x60, 0x20}))[1], std::byte{0x30});
    EXPECT_EQ(plain.after(packet_that_begins({0x45, 0}))[1], std::byte{0}) << "not capable";
    EXPECT_EQ(plain.statistics().marked, 2u);
    // A device's address may look as the header of any version, and be capable of marks.
    const auto frame = packet_that_begins({0x45, 2, 0, 0, 0, 1, 0x60, 0x20, 0, 0, 0, 2, 8, 0, 0x45, 1});
    auto expected = frame;
    expected[15] = std::byte{3};
    auto got = ethernet.after(frame);
    std::fill_n(got.begin() + 24, 2, std::byte{});  // the sum
    EXPECT_EQ(got, expected);
    const auto question = packet_that_begins({0x45, 2, 0, 0, 0, 1, 0x60, 0x20, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0});
    EXPECT_EQ(ethernet.after(question), question) << "ARP";
    EXPECT_EQ(ethernet.statistics().marked, 1u);
}

TEST(Wire, MarksBesideWhatBeginsWithPortsAndNotInThem) {
    for (const bool session : {true, false}) {
        Marking wire{0};
        const auto segment = packet_that_begins({0x45, 2});
        Receive packet{.ecn = Ecn::ect0};
        if (session) packet.protocol = 6;
        else packet.from.port = 4'242;
        EXPECT_EQ(wire.after(segment, packet), segment);
        EXPECT_EQ(wire.statistics().marked, 1u);
        packet.ecn = Ecn::not_capable;
        EXPECT_EQ(wire.after(segment, packet), segment);
        EXPECT_EQ(wire.statistics().marked, 1u);
    }
}

TEST(Wire, BlackoutMtuAndIndexLoseWhatTheyName) {
    Two two{{.lose_from = 1,
             .lose_until = 3,
             .down_from = Instant::from_nanoseconds(1'000'000'000),
             .down_until = Instant::from_nanoseconds(2'000'000'000),
             .mtu = 1'500}};
    for (std::uint32_t i = 0; i < 5; ++i) two.send(i, 1'500);
    two.send(5, 1'501);
    two.world.run_until(Instant::from_nanoseconds(1'000'000'000));
    two.send(6);
    two.world.run_until(Instant::from_nanoseconds(2'000'000'000));
    two.send(7);
    two.world.run_until(Instant::from_nanoseconds(3'000'000'000));
    EXPECT_EQ(two.order(), (std::vector<unsigned>{0, 3, 4, 7}));
    EXPECT_EQ(two.statistics().lost, 2u);
    EXPECT_EQ(two.statistics().too_large, 1u);
    EXPECT_EQ(two.statistics().blacked_out, 1u);
}

TEST(Wire, BatchingHoldsArrivalsUpAndHandsThemOverTogether) {
    Two two{{.rate = 80'000'000, .delay = Duration{}, .batching = ms(1)}};
    for (std::uint32_t i = 0; i < 20; ++i) two.send(i, 1'000);   // 100 us each
    two.world.run_until(Instant::from_nanoseconds(1'000'000'000));
    EXPECT_EQ(two.to.batches, (std::vector<std::size_t>{10, 10}));
    for (const auto& [at, bytes] : two.to.heard) EXPECT_EQ(at.nanoseconds() % 1'000'000, 0);
}

// The fate of packet n is its own: another impairment, or one more wire, moves no draw of it.
TEST(Wire, ImpairmentsDoNotDisturbEachOther) {
    const auto lost = [](const WireOptions& options) {
        Two two{options, 99};
        std::vector<bool> gone(256, true);
        for (std::uint32_t i = 0; i < 256; ++i) two.send(i);
        two.world.run_until(Instant::from_nanoseconds(10'000'000'000));
        for (const unsigned index : two.order()) gone[index] = false;
        return gone;
    };
    const auto plain = lost({.loss = 100'000});
    EXPECT_GT(std::count(plain.begin(), plain.end(), true), 5);
    EXPECT_EQ(plain, lost({.loss = 100'000, .duplication = 300'000}));
    EXPECT_EQ(plain, lost({.rate = 8'000'000, .jitter = ms(5), .loss = 100'000, .reordering = 500'000}));
    EXPECT_NE(plain, lost({.loss = 120'000}));
}

TEST(World, WakesANodeAtItsDeadlineAndNotBefore) {
    BufferPool pool{1 << 20};
    World world{pool};
    Recorder node;
    for (const int at : {30, 20, 10}) node.alarms.push_back(Instant{} + ms(at));
    const NodeId id = world.add(node);
    world.touch(id);
    node.alarms.pop_back();      // the first deadline went away: the armed event passes without waking anyone
    world.run_until(Instant{} + ms(100));
    EXPECT_EQ(node.woken, (std::vector<Instant>{Instant{} + ms(20), Instant{} + ms(30)}));
    node.alarms = {Instant{} + ms(200)};
    world.touch(id);
    node.alarms = {Instant{} + ms(200), Instant{} + ms(150)};   // an earlier one takes its place
    world.touch(id);
    world.run_until(Instant{} + ms(300));
    EXPECT_EQ(node.woken.size(), 4u);
    EXPECT_EQ(node.woken[2], Instant{} + ms(150));
    EXPECT_EQ(node.woken[3], Instant{} + ms(200));
}

TEST(World, NoticesANodeThatNeverLetsTimePass) {
    struct Spinner {
        void receive(std::span<Receive>, Instant) {}
        void advance(Instant) {}
        Instant deadline() { return Instant{}; }
    } node;
    BufferPool pool{1 << 20};
    World world{pool};
    world.touch(world.add(node));
    world.run_until(Instant{} + ms(1));
    EXPECT_TRUE(world.stuck());
    EXPECT_FALSE(world.step());
}

TEST(World, ResetStartsAgainWithWarmMemory) {
    Two two{{.delay = ms(1)}};
    for (std::uint32_t i = 0; i < 50; ++i) two.send(i);
    const std::size_t owned = two.pool.owned();
    two.world.reset(2);
    EXPECT_EQ(two.world.now(), Instant{});
    EXPECT_EQ(two.world.in_flight(), 0u);
    EXPECT_EQ(two.pool.in_use(), 0u) << "what was under way is let go";
    EXPECT_EQ(two.pool.owned(), owned);
    EXPECT_FALSE(two.world.step());
}

TEST(Entropy, SameSeedSameBytesAndOneStreamANode) {
    const auto bytes = [](std::uint64_t seed, std::uint64_t node) {
        SeededEntropy source{seed, node};
        std::vector<std::byte> out(100);
        source.lend()(std::span{out}.first(33));
        source.lend()(std::span{out}.subspan(33));
        return out;
    };
    EXPECT_EQ(bytes(1, 0), bytes(1, 0));
    EXPECT_NE(bytes(1, 0), bytes(1, 1));
    EXPECT_NE(bytes(1, 0), bytes(2, 0));
}

}  // namespace
}  // namespace weft::sim
