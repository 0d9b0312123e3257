// Named scenarios: two hosts and one thing that happens to them.
#include <gtest/gtest.h>

#include "stack/tcp/congestion/controller.h"
#include "stack/tcp/tcb.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/tcp.h"
#include "tests/sim/transfer.h"

namespace weft::test {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }
constexpr Duration seconds(std::int64_t n) { return Duration::seconds(n); }

class Scenario : public ::testing::Test {
protected:
    BufferPool pool{std::size_t{256} << 20};

    // 1 MiB over 100 Mbit/s and 20 ms there and back, nothing lost.
    static Transfer::Plan clear() {
        return Transfer::plain(1, 1 << 20, {.rate = 100'000'000, .queue = 1 << 20, .delay = ms(10)});
    }

    static void ends_well(Transfer& transfer) {
        EXPECT_EQ(transfer.run_well(), "");
        EXPECT_EQ(transfer.back_to_base(), "");
    }

    // Who held its reading back goes on.
    static void read_again(Transfer& transfer, Transfer::Node& node) {
        node.app.hold_reading(false);
        node.app.read_now(node.engine(), transfer.world.now());
        node.settle();
    }
};

TEST_F(Scenario, ClearWireIsFilledAndNothingIsSentTwice) {
    Transfer transfer{pool, clear()};
    ends_well(transfer);
    EXPECT_LE(transfer.a->app.ended_at(), Instant{} + ms(400))
        << "1 MiB takes 84 ms on the wire, slow start four more round trips";
    EXPECT_EQ(transfer.a->engine().statistics().retransmitted_segments, 0u);
    EXPECT_EQ(transfer.b->engine().statistics().bytes_in, 1u << 20);
    EXPECT_LT(transfer.b->engine().statistics().segments_out, transfer.a->engine().statistics().segments_out * 2 / 3)
        << "acks are delayed";
}

// 100 Mbit/s over 100 ms there and back are 1.25 MB on their way: more than the buffers that a flow begins with.
TEST_F(Scenario, BuffersThatMayGrowFillALongFatPathAndStayWithinTheirBound) {
    constexpr std::uint32_t most = 4 << 20;
    const auto carried = [&](std::uint32_t bound) {  // Mbit/s of text, once it has had time to open
        Transfer::Plan plan = Transfer::plain(1, 200 << 20, {.rate = 100'000'000, .queue = 2 << 20, .delay = ms(50)});
        for (Config* one : {&plan.config_a, &plan.config_b}) one->send_buffer_most = one->receive_buffer_most = bound;
        const std::size_t before = pool.in_use();
        Transfer transfer{pool, plan};
        std::uint64_t then = 0;
        for (int tenth = 0; tenth < 60; ++tenth) {
            if (tenth == 30) then = transfer.b->app.received();
            transfer.run_for(ms(100));
            EXPECT_LE(pool.in_use() - before, std::size_t{4} * most) << tenth;
        }
        const tcp::Tcb* const from = transfer.a->engine().inspect(transfer.a->app.flow());
        const tcp::Tcb* const to = transfer.b->engine().inspect(transfer.b->app.flow());
        EXPECT_TRUE(from && to);
        if (!from || !to) return std::uint64_t{0};
        EXPECT_LE(std::max(from->sending.limit, to->receiving.limit),
                  std::max(bound, transfer.a->engine().config().send_buffer));
        return (transfer.b->app.received() - then) * 8 / 3'000'000;
    };
    const std::uint64_t fixed = carried(0), grown = carried(most);
    EXPECT_LE(fixed, 85u);
    EXPECT_GE(grown, 93u) << "of 95 that headers leave";
}

TEST_F(Scenario, TailLossIsRepairedByATimeout) {
    Transfer::Plan plan = clear();
    plan.forth = 14'480;   // one window of ten segments
    plan.config_b.sack = false;  // with it a probe comes first (recovery_test.cc)
    Transfer transfer{pool, plan};
    transfer.world.wire(transfer.ab).options.lose_from = 10;   // SYN, ACK, then ten: the last ones and the FIN
    transfer.world.wire(transfer.ab).options.lose_until = 12;
    ends_well(transfer);
    const Statistics all = transfer.a->engine().statistics();
    EXPECT_GE(all.timeouts, 1u);
    EXPECT_LE(all.timeouts, 3u);
    EXPECT_LE(transfer.b->app.ended_at(), Instant{} + seconds(3));
}

TEST_F(Scenario, OneLossInTheMiddleNeedsNoTimeout) {
    Transfer::Plan plan = clear();
    plan.wire_ab.lose_from = 100, plan.wire_ab.lose_until = 101;
    Transfer transfer{pool, plan};
    ends_well(transfer);
    const Statistics all = transfer.a->engine().statistics();
    EXPECT_EQ(all.timeouts, 0u);
    EXPECT_EQ(all.retransmitted_segments, 1u);
}

TEST_F(Scenario, BlackoutEndsAndTheFlowGoesOn) {
    Transfer::Plan plan = clear();
    plan.forth = 8 << 20;
    for (sim::WireOptions* wire : {&plan.wire_ab, &plan.wire_ba}) {
        wire->down_from = Instant{} + ms(300);
        wire->down_until = Instant{} + seconds(10);
    }
    Transfer transfer{pool, plan};
    transfer.world.run_until(Instant{} + seconds(10));
    const std::uint64_t received = transfer.b->app.received();
    EXPECT_GT(received, 0u);
    EXPECT_LT(received, plan.forth);
    ends_well(transfer);
    EXPECT_LE(transfer.b->app.ended_at(), Instant{} + seconds(30));
    EXPECT_FALSE(transfer.a->app.soft_errors.empty()) << "R1 was reported (SHLD-9)";
}

TEST_F(Scenario, ReaderThatStallsForAnHourLosesNothing) {   // zero-window probes
    Transfer::Plan plan = clear();
    plan.config_a.send_buffer = plan.config_b.receive_buffer = 1 << 16;
    plan.forth = 1 << 19;
    Transfer transfer{pool, plan};
    transfer.b->app.hold_reading(true);
    transfer.world.run_until(Instant{} + seconds(3'600));
    EXPECT_FALSE(transfer.a->app.finished());
    EXPECT_EQ(transfer.b->app.received(), 0u);
    const std::uint64_t probes = transfer.a->engine().statistics().segments_out;
    EXPECT_LT(probes, 400u) << "probes are backed off";
    read_again(transfer, *transfer.b);
    ends_well(transfer);
}

TEST_F(Scenario, LostWindowUpdateIsFoundByAProbe) {
    Transfer::Plan plan = clear();
    plan.config_b.receive_buffer = 1 << 15;
    plan.forth = 1 << 17;
    Transfer transfer{pool, plan};
    transfer.b->app.hold_reading(true);
    transfer.run_for(seconds(5));
    auto& back = transfer.world.wire(transfer.ba).options;
    back.down_from = transfer.world.now(), back.down_until = transfer.world.now() + ms(1);
    read_again(transfer, *transfer.b);
    EXPECT_GT(transfer.world.wire(transfer.ba).statistics.blacked_out, 0u);
    ends_well(transfer);
}

TEST_F(Scenario, PathThatChangesInMidTransferLosesNoByte) {
    Transfer::Plan plan = clear();
    plan.family = Family::overlay;
    plan.forth = 4 << 20;
    Transfer transfer{pool, plan};
    transfer.run_for(ms(150));
    // A smaller MTU and a slower wire: what is under way on the old one is gone.
    auto& forth = transfer.world.wire(transfer.ab).options;
    forth.mtu = 1'280 - 136, forth.rate = 20'000'000, forth.delay = ms(30);
    PathOptions smaller = plan.path;
    smaller.mtu = 1'280;
    transfer.a->engine().change_path(transfer.path_a, smaller, transfer.world.now());
    transfer.b->engine().change_path(transfer.path_b, smaller, transfer.world.now());
    transfer.a->settle();
    transfer.b->settle();
    EXPECT_EQ(transfer.run_well(seconds(600)), "");
    EXPECT_EQ(transfer.world.wire(transfer.ab).statistics.too_large, 0u);
    EXPECT_LE(transfer.b->app.ended_at(), Instant{} + seconds(10));
    EXPECT_EQ(transfer.back_to_base(), "");
}

TEST_F(Scenario, PeerThatVanishesLeavesTheSenderTimedOutAndTheReceiverUnreachable) {
    Transfer::Plan plan = clear();
    plan.family = Family::overlay;
    plan.forth = 64 << 20;
    plan.a.options.user_timeout = plan.b.options.user_timeout = seconds(5);
    Transfer transfer{pool, plan};
    transfer.run_for(seconds(1));
    const Instant gone = transfer.world.now();
    for (const sim::WireId id : {transfer.ab, transfer.ba}) {
        transfer.world.wire(id).options.down_from = gone;
        transfer.world.wire(id).options.down_until = Instant::never();
    }
    // The receiver's session notices after some seconds, the sender has only its own timer.
    transfer.world.run_until(gone + seconds(2));
    transfer.b->engine().path_down(transfer.path_b, transfer.world.now());
    transfer.b->settle();
    EXPECT_TRUE(transfer.run_until_finished(seconds(60))) << transfer.describe();
    EXPECT_EQ(transfer.a->app.failure(), Error::timed_out);
    EXPECT_GE(transfer.a->app.ended_at(), gone + seconds(5));
    EXPECT_LE(transfer.a->app.ended_at(), gone + seconds(6));
    EXPECT_EQ(transfer.b->app.failure(), Error::unreachable);
    EXPECT_LE(transfer.b->app.ended_at(), gone + seconds(8));
    ASSERT_FALSE(transfer.b->app.soft_errors.empty());
    EXPECT_EQ(transfer.b->app.soft_errors.front(), Error::unreachable);
    EXPECT_EQ(transfer.back_to_base(), "");
}

TEST_F(Scenario, PeerThatForgotEverythingAnswersWithAReset) {   // RFC 9293, section 3.5.1: half-open connections
    Transfer::Plan plan = clear();
    plan.forth = 16 << 20;
    Transfer transfer{pool, plan};
    transfer.run_for(ms(500));
    Config fresh = plan.config_b;
    fresh.seed[1] = 99;
    const Address local = transfer.b->app.plan().local.address;
    transfer.b->engine() = Engine{fresh, pool};
    ASSERT_TRUE(transfer.b->engine().assign(local, plan.path, transfer.world.now()));
    transfer.b->settle();
    EXPECT_TRUE(transfer.world.run(transfer.world.now() + seconds(60), [&] { return transfer.a->app.finished(); }));
    EXPECT_EQ(transfer.a->app.failure(), Error::reset);
}

TEST_F(Scenario, ShallowQueueIsOverrunBySlowStartAndTheFlowRecovers) {
    Transfer::Plan plan = clear();
    plan.forth = 16 << 20;
    plan.wire_ab.queue = 125'000;   // half of 100 Mbit/s times 20 ms
    plan.config_a.send_buffer = plan.config_b.receive_buffer = 4 << 20;
    Transfer transfer{pool, plan};
    ends_well(transfer);
    const double took = double(transfer.b->app.ended_at().nanoseconds()) / 1e9;
    EXPECT_LE(took, 16 * 8.389 / 100 * 4)
        << "a quarter of the rate: NewReno repairs one hole a round trip, and there are many";
    EXPECT_GT(transfer.world.wire(transfer.ab).statistics.overflowed, 0u);
}

// A long fat path: after the one loss the window has far to go, and CUBIC goes it by time and not by round trips.
TEST_F(Scenario, CubicIsAheadOfNewRenoWhereTheRoundTripIsLong) {
    double took[2]{};
    for (const std::uint16_t slot : {std::uint16_t{0}, *tcp::controller_slot("cubic")}) {
        Transfer::Plan plan = clear();
        plan.forth = 64 << 20;
        plan.wire_ab.delay = plan.wire_ba.delay = ms(100);
        plan.wire_ab.queue = 2'500'000;
        plan.wire_ab.lose_from = 2'000;
        plan.wire_ab.lose_until = 2'001;
        plan.config_a.send_buffer = plan.config_b.receive_buffer = 8 << 20;
        plan.a.options.congestion = plan.b.options.congestion = slot;
        Transfer transfer{pool, plan};
        ends_well(transfer);
        took[slot] = double(transfer.b->app.ended_at().nanoseconds()) / 1e9;
    }
    EXPECT_LT(took[1], took[0]);
}

TEST_F(Scenario, BothWaysAtOnceInEachFamily) {
    for (const Family family : {Family::ipv4, Family::ipv6, Family::overlay}) {
        Transfer::Plan plan = clear();
        plan.family = family;
        plan.back = 1 << 20;
        Transfer transfer{pool, plan};
        ends_well(transfer);
    }
}

// A segment that comes twice is answered by a duplicate SACK, and that finds the other end in front of a shut window.
TEST_F(Scenario, OldTextBeforeAShutWindowDoesNotEndItsProbes) {
    Transfer::Plan plan = clear();
    plan.config_b.receive_buffer = 1 << 15;
    plan.forth = 1 << 17;
    std::vector<std::byte> old;
    plan.box = [&](bool back, Receive& packet, Instant) {
        const Bytes bytes = packet.frame.bytes();
        if (!back && old.empty() && bytes.size() > 1'000) old.assign(bytes.begin(), bytes.end());
        return true;
    };
    Transfer transfer{pool, plan};
    transfer.b->app.hold_reading(true);
    const auto probing = [&] {  // and no octet of it is out yet
        const tcp::Tcb* const tcb = transfer.a->engine().inspect(transfer.a->app.flow());
        return tcb && tcb->receiving.flags.probing;
    };
    ASSERT_TRUE(transfer.world.run(Instant{} + seconds(5), probing));
    ASSERT_FALSE(old.empty());
    {
        WriteRight right{pool.allocate(old.size())};
        transfer.world.send(transfer.ab, {.frame = right.append(old)}, transfer.world.now());
    }
    transfer.run_for(ms(30));
    EXPECT_EQ(transfer.b->engine().statistics().duplicates_told, 1u);
    auto& back = transfer.world.wire(transfer.ba).options;  // what tells of the room is lost
    back.down_from = transfer.world.now(), back.down_until = transfer.world.now() + ms(1);
    read_again(transfer, *transfer.b);
    ends_well(transfer);
}

// Both windows are shut, and both are opened while a probe is under way each way; what would tell of it is lost. Each octet is taken.
TEST_F(Scenario, ProbesThatCrossDoNotSilenceBothEnds) {
    Transfer::Plan plan = clear();
    plan.back = plan.forth = 1 << 17;
    plan.config_a.receive_buffer = plan.config_b.receive_buffer = 1 << 15;
    bool loses = false;
    std::optional<Receive> probes[2];
    plan.box = [&](bool back, Receive& packet, Instant) {
        if (!loses) return true;
        const auto view = wire::TcpView::parse(packet.frame.bytes().subspan(20));
        if (view && view->payload().size() == 1 && !probes[back]) probes[back] = packet;
        return false;
    };
    Transfer transfer{pool, plan};
    const std::array nodes{transfer.a.get(), transfer.b.get()};
    for (Transfer::Node* node : nodes) node->app.hold_reading(true);
    transfer.run_for(seconds(5));
    loses = true;
    ASSERT_TRUE(transfer.world.run(Instant{} + seconds(100), [&] { return probes[0] && probes[1]; }));
    for (Transfer::Node* node : nodes) read_again(transfer, *node);
    loses = false;
    for (const bool back : {false, true})
        transfer.world.send(back ? transfer.ba : transfer.ab, *std::exchange(probes[back], std::nullopt),
                            transfer.world.now());
    ends_well(transfer);
    EXPECT_LE(transfer.a->app.ended_at(), Instant{} + seconds(200));
}

// What was sent is no larger than what any path carries, and so it is not its size that keeps it from coming.
TEST_F(Scenario, SilenceIsABlackHoleOnlyForPacketsOfSomeSize) {
    for (const std::uint16_t segment : {std::uint16_t{0}, std::uint16_t{500}}) {
        Transfer::Plan plan = clear();
        plan.forth = 4 << 20;
        plan.b.options.maximum_segment = segment;
        plan.wire_ab.down_from = plan.wire_ba.down_from = Instant{} + ms(200);
        plan.wire_ab.down_until = plan.wire_ba.down_until = Instant{} + seconds(30);
        Transfer transfer{pool, plan};
        ends_well(transfer);
        EXPECT_EQ(transfer.a->engine().statistics().black_holes > 0, segment == 0);
    }
}

// The handshake told no round trip, and what was measured of full segments is a little more than what the probe, of some bytes, takes.
TEST_F(Scenario, AnswerToAShortProbeIsBelieved) {
    Transfer::Plan plan = Transfer::plain(1, 5 * 1'448 + 10, {.rate = 100'000'000, .delay = ms(10)});
    int syns = 0, texts = 0;
    plan.box = [&](bool back, Receive& packet, Instant) {
        const auto view = wire::TcpView::parse(packet.frame.bytes().subspan(20));
        if (back || !view) return true;
        if (view->has(wire::syn)) return ++syns != 1;
        if (!view->payload().empty()) ++texts;
        return texts != 5 && texts != 6;  // the last full one, and the one behind it
    };
    Transfer transfer{pool, plan};
    ends_well(transfer);
    const Statistics all = transfer.a->engine().statistics();
    EXPECT_EQ(all.timeouts, 1u) << "the SYN's";
    EXPECT_GE(all.tail_probes, 1u);
}

// What is sent again because its acknowledgement was lost is a duplicate, and the echo that it brings is that of the first. Taken for a
// round trip, it made the timeout longer, and that the next wait.
TEST_F(Scenario, WaitsForLostAcknowledgementsAreNoRoundTrips) {
    for (const bool sack : {true, false}) {
        Duration all;
        int looks = 0;
        for (std::uint64_t seed = 1; seed <= 10; ++seed) {
            Transfer::Plan plan = Transfer::plain(seed, 20'000, {.rate = 100'000'000, .delay = ms(20)});
            plan.wire_ba.loss = 400'000;
            plan.config_b.sack = sack;
            plan.a.largest_write = 500, plan.a.write_pause = ms(400);
            Transfer transfer{pool, plan};
            for (int i = 0; i < 600 && !transfer.a->app.finished(); ++i) {
                transfer.run_for(ms(100));
                const tcp::Tcb* const tcb = transfer.a->engine().inspect(transfer.a->app.flow());
                if (tcb) all = all + tcb->timing.srtt, ++looks;
            }
            EXPECT_TRUE(transfer.b->app.bytes_equal());
        }
        ASSERT_GT(looks, 1'000);
        EXPECT_LE((all / looks).count(), ms(400).count()) << "ns, of 40 ms and a delayed acknowledgement; SACK " << sack;
        std::printf("SRTT with SACK %d: %lld us\n", sack, static_cast<long long>((all / looks).count() / 1'000));
    }
}

TEST_F(Scenario, NothingToSayIsOpenedAndClosedInOrder) {
    Transfer::Plan plan = clear();
    plan.forth = 0;
    Transfer transfer{pool, plan};
    ends_well(transfer);
}

}  // namespace
}  // namespace weft::test
