// Congestion that is marked and not lost, told by RFC 3168 and by RFC 9768, and networks on the way that strip options, clear bits or
// drop what they do not know.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>

#include "stack/tcp/info.h"
#include "stack/wire/pseudo.h"
#include "stack/wire/tcp.h"
#include "tests/sim/transfer.h"

namespace weft::test {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }
constexpr Duration seconds(std::int64_t n) { return Duration::seconds(n); }

class Marks : public ::testing::Test {
protected:
    BufferPool pool{std::size_t{256} << 20};

    // 50 Mbit/s and 40 ms there and back: 250 kB are on their way.
    static Transfer::Plan fifty(std::uint64_t bytes, std::uint8_t accecn) {
        Transfer::Plan plan{.seed = 17, .forth = bytes};
        for (Config* each : {&plan.config_a, &plan.config_b}) each->accecn = accecn, each->ecn = 1;
        plan.wire_ab = plan.wire_ba = {.rate = 50'000'000, .queue = 1 << 20, .delay = ms(20)};
        return plan;
    }

    static void ends_well(Transfer& transfer) {
        EXPECT_TRUE(transfer.run_until_finished(seconds(600))) << transfer.describe();
        EXPECT_TRUE(transfer.a->app.orderly() && transfer.b->app.orderly()) << transfer.describe();
        EXPECT_TRUE(transfer.a->app.bytes_equal() && transfer.b->app.bytes_equal());
    }
};

TEST_F(Marks, AQueueThatMarksIsFilledWithoutALoss) {
    for (const std::uint8_t accecn : {std::uint8_t{0}, std::uint8_t{2}})
        for (const std::uint16_t slot : {std::uint16_t{0}, std::uint16_t{1}}) {
            Transfer::Plan plan = fifty(24 << 20, accecn);
            plan.a.options.congestion = slot;
            plan.config_a.send_buffer = plan.config_b.receive_buffer = 2 << 20;
            plan.wire_ab.mark_above = 250'000;
            Transfer transfer{pool, plan};
            ends_well(transfer);
            const Statistics sent = transfer.a->engine().statistics();
            const auto& wire = transfer.world.wire(transfer.ab).statistics;
            const double rate = double(plan.forth) * 8e3 / double(transfer.b->app.ended_at().nanoseconds());
            std::printf("%s, %s: %.1f Mbit/s, %llu marks, %llu cuts\n", accecn ? "accurate" : "RFC 3168",
                        slot ? "cubic" : "newreno", rate, static_cast<unsigned long long>(wire.marked),
                        static_cast<unsigned long long>(sent.ecn_cuts));
            EXPECT_EQ(wire.overflowed, 0u);
            EXPECT_EQ(sent.retransmitted_segments, 0u);
            EXPECT_EQ(sent.timeouts, 0u);
            EXPECT_GT(wire.marked, 0u);
            EXPECT_GE(sent.ecn_cuts, 2u);
            EXPECT_GT(rate, 46.0) << "of 48.2 that the headers leave";
        }
}

TEST_F(Marks, EachIsToldOnce) {
    for (const bool stamps : {true, false})
        for (const std::uint32_t in_a_million : {2'000u, 50'000u, 500'000u}) {
            Transfer::Plan plan = fifty(3 << 20, 2);
            plan.config_a.timestamps = stamps;
            plan.back = in_a_million == 50'000 ? 1 << 20 : 0;
            plan.wire_ab.marking = in_a_million;
            Transfer transfer{pool, plan};
            ends_well(transfer);
            const Statistics sent = transfer.a->engine().statistics(), got = transfer.b->engine().statistics();
            EXPECT_EQ(sent.accurate_flows, 1u);
            EXPECT_EQ(got.accurate_flows, 1u);
            EXPECT_EQ(got.ecn_marks_in, transfer.world.wire(transfer.ab).statistics.marked);
            EXPECT_EQ(sent.ecn_marks_told, got.ecn_marks_in) << in_a_million << " stamps " << stamps;
            EXPECT_EQ(sent.ecn_mangled + got.ecn_mangled, 0u);
        }
}

TEST_F(Marks, AreNotUnderstatedWhenAcksAreLost) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        Transfer::Plan plan = fifty(2 << 20, 2);
        plan.seed = seed;
        plan.wire_ab.marking = 20'000;
        plan.wire_ba.loss = 300'000;
        Transfer transfer{pool, plan};
        ends_well(transfer);
        const std::uint64_t told = transfer.a->engine().statistics().ecn_marks_told,
                            marked = transfer.b->engine().statistics().ecn_marks_in;
        EXPECT_GE(told * 10, marked * 9) << seed;
        EXPECT_LE(told, marked * 5) << seed << ": where the SYN,ACK was lost no option corrects it";
    }
}

// What a middlebox does to each packet; false: it drops it. The checksum holds afterwards.
using Meddling = std::function<bool(MutableBytes tcp, MutableBytes network)>;

void meddle(Transfer& transfer, sim::WireId wire, Meddling with) {
    transfer.world.tap(wire, [with](const Receive& packet, Instant) {
        const Bytes seen = packet.frame.bytes();
        auto* const at = const_cast<std::byte*>(seen.data());  // each packet has bytes of its own
        const MutableBytes network{at, 20}, tcp{at + 20, seen.size() - 20};
        if (!with(tcp, network)) return false;
        store_big(at + 10, std::uint16_t{0});
        store_big(at + 10, checksum::field(checksum::sum(network)));
        store_big(tcp.data() + wire::TcpView::checksum_at, std::uint16_t{0});
        const std::uint16_t pseudo =
            wire::pseudo_sum(checksum::sum(Bytes{network}.subspan(12, 8)), wire::protocol_tcp, std::uint32_t(tcp.size()));
        store_big(tcp.data() + wire::TcpView::checksum_at, checksum::field(checksum::add(pseudo, checksum::sum(tcp))));
        return true;
    });
}

// Calls visit(option) for each option's bytes; true if one is AccECN's.
template <class Visit>
bool each_accurate(MutableBytes tcp, Visit&& visit) {
    bool any = false;
    const std::size_t end = (std::to_integer<std::size_t>(tcp[12]) >> 4) * 4;
    for (std::size_t i = 20; i < end;) {
        const auto kind = std::to_integer<unsigned>(tcp[i]);
        if (kind == 0) break;
        if (kind == 1) {
            ++i;
            continue;
        }
        const auto length = std::to_integer<std::size_t>(tcp[i + 1]);
        if (kind == 172 || kind == 174) {
            any = true;
            visit(tcp.subspan(i, length));
        }
        i += length;
    }
    return any;
}

TEST_F(Marks, AreToldByTheHeaderWhereOptionsAreStripped) {
    for (const bool both : {true, false}) {
        Transfer::Plan plan = fifty(2 << 20, 2);
        plan.wire_ab.marking = 50'000;
        Transfer transfer{pool, plan};
        const auto strip = [](MutableBytes tcp, MutableBytes) {
            each_accurate(tcp, [](MutableBytes option) { std::fill(option.begin(), option.end(), std::byte{1}); });
            return true;
        };
        meddle(transfer, transfer.ba, strip);
        if (both) meddle(transfer, transfer.ab, strip);
        ends_well(transfer);
        const Statistics sent = transfer.a->engine().statistics();
        EXPECT_EQ(sent.ecn_marks_told, transfer.b->engine().statistics().ecn_marks_in);
        EXPECT_GT(sent.ecn_marks_told, 20u);
        EXPECT_EQ(sent.retransmitted_segments, 0u);
    }
}

TEST_F(Marks, PacketsWithTheOptionThatAreDroppedEndIt) {
    Transfer::Plan plan = fifty(1 << 20, 2);
    plan.back = 200'000;
    Transfer transfer{pool, plan};
    for (const sim::WireId wire : {transfer.ab, transfer.ba})
        meddle(transfer, wire, [](MutableBytes tcp, MutableBytes) { return !each_accurate(tcp, [](MutableBytes) {}); });
    ends_well(transfer);
    EXPECT_EQ(transfer.a->engine().statistics().accurate_flows, 1u) << "the second SYN,ACK has none";
    EXPECT_LT(transfer.b->app.ended_at(), Instant{} + seconds(30));
}

TEST_F(Marks, SynsThatAreDroppedForTheirFlagsAreFollowedByOneWithout) {
    Transfer::Plan plan = fifty(100'000, 2);
    plan.wire_ab.lose_until = 1;  // the first one is on its way before anybody can meddle
    Transfer transfer{pool, plan};
    meddle(transfer, transfer.ab, [](MutableBytes tcp, MutableBytes) {
        return (tcp[13] & std::byte{0x02}) == std::byte{0} || (tcp[12] & std::byte{1}) == std::byte{0};
    });
    ends_well(transfer);
    EXPECT_EQ(transfer.a->engine().statistics().accurate_flows, 0u);
    EXPECT_LT(transfer.b->app.ended_at(), Instant{} + seconds(5)) << "1 + 2 seconds of waiting";
}

TEST_F(Marks, ACountThatIsClearedEndsEct) {
    Transfer::Plan plan = fifty(1 << 20, 2);
    Transfer transfer{pool, plan};
    meddle(transfer, transfer.ba, [](MutableBytes tcp, MutableBytes) {
        if ((tcp[13] & std::byte{0x02}) != std::byte{0}) return true;
        tcp[12] &= std::byte{0xfe}, tcp[13] &= std::byte{0x3f};
        return true;
    });
    ends_well(transfer);
    const Statistics sent = transfer.a->engine().statistics();
    EXPECT_EQ(sent.accurate_flows, 1u);
    EXPECT_EQ(sent.ecn_mangled, 1u);
    EXPECT_LE(sent.ecn_cuts, 1u) << "zeros are no marks";
}

TEST_F(Marks, AMarkOnEverythingEndsEctAndNotTheTransfer) {
    Transfer::Plan plan = fifty(4 << 20, 2);
    Transfer transfer{pool, plan};
    meddle(transfer, transfer.ab, [](MutableBytes, MutableBytes network) {
        network[1] |= std::byte{3};
        return true;
    });
    ends_well(transfer);
    EXPECT_EQ(transfer.a->engine().statistics().ecn_mangled, 1u);
    EXPECT_LT(transfer.b->app.ended_at(), Instant{} + seconds(6)) << "a window of two segments has to grow again";
}

TEST_F(Marks, CodepointsThatAreClearedAreNoMarks) {
    Transfer::Plan plan = fifty(1 << 20, 2);
    Transfer transfer{pool, plan};
    meddle(transfer, transfer.ab, [](MutableBytes, MutableBytes network) {
        network[1] &= std::byte{0xfc};
        return true;
    });
    ends_well(transfer);
    EXPECT_EQ(transfer.a->engine().statistics().ecn_cuts, 0u);
    EXPECT_EQ(transfer.b->engine().statistics().ecn_marks_in, 0u);
}

}  // namespace
}  // namespace weft::test
