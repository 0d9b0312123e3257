// What the trace tells of one connection: who it is, what holds it back, its timers, losses, counters, and whose each segment was.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "stack/core/replay.h"
#include "tests/tcp/chronicle.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

struct Told {
    explicit Told(const Opening& setup = {}) : peer{setup} { heard->hear(peer.engine(), peer.now); }
    std::unique_ptr<Chronicle> heard = std::make_unique<Chronicle>();
    Peer peer;
};

class FlowBegins : public ::testing::TestWithParam<Family> {};
INSTANTIATE_TEST_SUITE_P(Families, FlowBegins, ::testing::Values(Family::ipv4, Family::ipv6, Family::overlay),
                         [](const auto& family) {
                             return family.param == Family::ipv4   ? "Ipv4"
                                    : family.param == Family::ipv6 ? "Ipv6"
                                                                   : "Overlay";
                         });

TEST_P(FlowBegins, NamesBothEndsTheRoleAndTheModule) {
    for (const bool active : {true, false}) {
        Opening setup{.family = GetParam(), .active = active};
        setup.options.congestion = 1;
        Told told{setup};
        told.peer.opens();
        trace::Replay all, again;
        for (const trace::Record& record : told.heard->records) all.apply(record);
        std::uint32_t cursor = 0;
        const trace::Sink into{trace::all, &again, [](void* self, const trace::Record& record) {
                                   static_cast<trace::Replay*>(self)->apply(record);
                               }};
        while (told.peer.engine().tell_flows(into, cursor, 1, told.peer.now)) {}
        for (const trace::Replay* replay : {&all, &again}) {
            const trace::FlowState* flow = replay->find(told.peer.flow().place, told.peer.flow().generation);
            ASSERT_NE(flow, nullptr);
            EXPECT_TRUE(flow->lives());
            EXPECT_EQ(flow->state, std::uint8_t(State::established));
            EXPECT_EQ(flow->begin.role, active ? 0 : 1);
            EXPECT_EQ(flow->begin.slot, 1);
            EXPECT_EQ(std::string_view{flow->module.data()}, "cubic");
            EXPECT_EQ(flow->begin.family, std::uint8_t(GetParam()));
            EXPECT_EQ(flow->begin.remote_port, told.peer.remote_port());
            EXPECT_EQ(flow->begin.opened_ns, told.peer.now.nanoseconds());
            EXPECT_EQ(flow->local, told.peer.local.address);
            EXPECT_EQ(flow->remote, told.peer.remote.address);
        }
    }
}

std::vector<std::uint32_t> limits(const Chronicle& heard) {
    std::vector<std::uint32_t> all;
    for (const auto& body : heard.bodies<trace::Limit>(trace::Type::limit)) all.push_back(body.limit);
    return all;
}

enum : std::uint32_t { cwnd = 1, rwnd = 2, app = 3, send_buffer = 5 };

TEST(Limits, AreToldWhenTheyChangeAndNotOtherwise) {
    Opening setup{.active = true};
    setup.config.send_buffer = 1 << 20;
    Told told{setup};
    told.peer.opens();
    told.peer.writes(100);
    told.peer.sends(ack());
    EXPECT_EQ(limits(*told.heard), (std::vector<std::uint32_t>{app}));
    told.peer.writes(200'000);
    EXPECT_EQ(limits(*told.heard), (std::vector<std::uint32_t>{app, cwnd}));
    for (int i = 0; i < 3; ++i) told.peer.sends(ack());
    EXPECT_EQ(limits(*told.heard), (std::vector<std::uint32_t>{app, cwnd})) << "the same still";
    told.peer.sends(ack().window(0));
    EXPECT_EQ(limits(*told.heard), (std::vector<std::uint32_t>{app, cwnd, rwnd}));
    for (int i = 0; i < 100; ++i) told.peer.sends(ack());
    EXPECT_EQ(limits(*told.heard).back(), app);
}

TEST(Limits, SendBufferThatIsTooSmallForTheApplicationIsOne) {
    Opening setup{.active = true};
    setup.config.send_buffer = 8'192;
    Told told{setup};
    told.peer.opens();
    EXPECT_EQ(told.peer.writes(20'000), 8'192u);
    EXPECT_EQ(limits(*told.heard).back(), send_buffer);
    told.peer.sends(ack());
    told.peer.writes(10);
    EXPECT_EQ(limits(*told.heard).back(), app);
}

TEST(Timers, AreToldArmedExpiredAndStopped) {
    enum : std::uint32_t { retransmission = 1, persist, delayed_ack, user };
    enum : std::uint32_t { armed, expired, stopped };
    Told told{{.active = true}};
    const auto some = [&](std::uint32_t timer) {
        std::vector<std::uint32_t> fired;
        for (const auto& body : told.heard->bodies<trace::TimerEvent>(trace::Type::timer))
            if (body.timer == timer) fired.push_back(body.fired);
        told.heard->records.clear();
        return fired;
    };
    using Fired = std::vector<std::uint32_t>;
    told.peer.connects();
    EXPECT_EQ(some(retransmission), (Fired{armed})) << "of the SYN";
    told.peer.until_it_sends();
    EXPECT_EQ(some(retransmission), (Fired{expired, armed}));
    told.peer.sends(syn_ack());
    EXPECT_EQ(some(retransmission), (Fired{stopped}));
    told.peer.sends(data(10));
    EXPECT_EQ(some(delayed_ack), (Fired{armed}));
    told.peer.until_it_sends();
    EXPECT_EQ(some(delayed_ack), (Fired{expired}));
    told.peer.sends(data(10));
    told.peer.writes(10);
    EXPECT_EQ(some(delayed_ack), (Fired{armed, stopped})) << "it rode with the text";
    told.peer.sends(ack().window(0));
    told.heard->records.clear();
    told.peer.writes(10);
    EXPECT_EQ(some(persist), (Fired{armed}));
    told.peer.until_it_sends();
    EXPECT_EQ(some(persist).front(), expired);
    told.peer.sends(ack());
    EXPECT_EQ(some(persist), (Fired{stopped}));
}

std::vector<std::uint32_t> reasons(const Chronicle& heard) {
    std::vector<std::uint32_t> all;
    for (const auto& body : heard.bodies<trace::Loss>(trace::Type::loss)) all.push_back(body.reason);
    return all;
}

TEST(Losses, AreToldWithTheReasonForWhichSomethingCountsAsLost) {
    enum : std::uint32_t { duplicates = 1, timeout = 2, partial = 5, path = 6 };
    Told told{{.family = Family::overlay, .active = true}};
    told.peer.opens();
    const std::uint32_t mss = told.peer.effective_mss();
    told.peer.writes(10 * mss);
    const SeqNum una = told.peer.snd_una();
    told.peer.sends(ack().ack(una));  // its window is another than the SYN,ACK said: no duplicate
    for (int i = 0; i < 3; ++i) told.peer.sends(ack().ack(una));
    EXPECT_EQ(reasons(*told.heard), (std::vector<std::uint32_t>{duplicates}));
    EXPECT_EQ(told.heard->bodies<trace::Loss>(trace::Type::loss).at(0).seq, una.raw());
    told.peer.sends(ack().ack(una + 2 * mss));
    EXPECT_EQ(reasons(*told.heard), (std::vector<std::uint32_t>{duplicates, partial}));
    EXPECT_EQ(told.heard->bodies<trace::Loss>(trace::Type::loss).at(1).seq, (una + 2 * mss).raw());
    told.peer.ignores_what_was_sent();
    told.peer.sends(ack());
    told.peer.writes(mss);
    told.peer.until_it_sends();
    EXPECT_EQ(reasons(*told.heard), (std::vector<std::uint32_t>{duplicates, partial, timeout}));
    told.peer.sends(ack());
    told.peer.writes(mss);
    told.peer.engine().change_path(told.peer.path(), {.mtu = 1'400}, told.peer.now);
    EXPECT_EQ(reasons(*told.heard).back(), path);
    EXPECT_EQ(reasons(*told.heard).size(), 4u);
}

TEST(Losses, SynAckThatNobodyAnswersIsOneOfItsHalfOpenRecord) {
    Told told;
    told.peer.listens();
    told.peer.sends(syn());
    told.peer.ignores_what_was_sent();
    told.peer.until_it_sends();
    const auto losses = told.heard->of(trace::Type::loss);
    ASSERT_EQ(losses.size(), 1u);
    EXPECT_TRUE(trace::is_half_open(losses[0].flow));
}

TEST(CountersRecord, IsToldALastTimeBeforeTheConnectionLeavesTheNetwork) {
    Told told;
    told.peer.opens();
    told.peer.sends(data(300));
    told.peer.writes(200);
    told.peer.sends(ack());
    EXPECT_TRUE(told.heard->of(trace::Type::counters).empty()) << "while it lives who wants them asks";
    told.peer.sends(rst());
    const auto last = told.heard->bodies<trace::Counters>(trace::Type::counters);
    ASSERT_EQ(last.size(), 1u);
    EXPECT_EQ(last[0].bytes_in, 300u);
    EXPECT_EQ(last[0].bytes_out, 200u);
    EXPECT_EQ(last[0].receive_queue, 300u);
    EXPECT_EQ(last[0].send_queue, 0u);
    EXPECT_EQ(told.heard->records.back().type, trace::Type::state) << "and then it is CLOSED";
}

TEST(SegmentRecords, NameWhoseTheyAre) {
    Told told;
    told.peer.opens();
    const auto sent = told.heard->of(trace::Type::segment_sent), received = told.heard->of(trace::Type::segment_received);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_TRUE(trace::is_half_open(sent[0].flow)) << "SYN,ACK";
    ASSERT_EQ(received.size(), 2u);
    EXPECT_EQ(received[0].flow, trace::no_flow) << "the SYN: nobody was there yet";
    EXPECT_EQ(received[1].flow, sent[0].flow);
    const std::uint32_t place = told.peer.flow().place, generation = told.peer.flow().generation;
    told.peer.aborts();
    const auto reset = told.heard->of(trace::Type::segment_sent).back();
    EXPECT_EQ(reset.flow, place);
    EXPECT_EQ(trace::body_of<trace::Segment>(reset).generation, generation);
    EXPECT_TRUE(trace::body_of<trace::Segment>(reset).tcp_flags & wire::rst);
}

}  // namespace
}  // namespace weft::test
