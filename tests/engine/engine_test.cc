// The engine as its user sees it.
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <string>

#include "stack/core/flat_table.h"
#include "stack/tcp/accurate.h"
#include "stack/tcp/congestion/controller.h"
#include "stack/wire/tcp.h"
#include "tests/engine/pair.h"

namespace weft::test {
namespace {

std::vector<std::byte> pattern(std::size_t size, std::uint64_t seed = 1) {
    std::mt19937_64 draw{seed};
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes) byte = std::byte(draw());
    return bytes;
}

// Writes all of `text` on one side, reads it on the other, and lets time pass as it must.
std::vector<std::byte> transfer(Pair& pair, Engine& from, Flow out, Engine& to, Flow in,
                                const std::vector<std::byte>& text) {
    std::vector<std::byte> got;
    std::vector<std::byte> buffer(65'536);
    std::size_t written = 0;
    const Instant end = pair.now + Duration::seconds(600);
    while (got.size() < text.size()) {
        if (written < text.size())
            if (const auto count = from.write(out, std::span{text}.subspan(written), {}, pair.now)) written += *count;
        pair.settle();
        bool progress = false;
        while (const auto count = to.read(in, buffer, pair.now)) {
            got.insert(got.end(), buffer.begin(), buffer.begin() + std::ptrdiff_t(*count));
            progress = true;
        }
        if (!progress && !pair.step(end)) break;
    }
    return got;
}

TEST(Engine, OpensTransfersAndClosesInOrder) {
    Pair pair;
    const auto [client, server] = pair.open();
    EXPECT_TRUE(has(pair.events(pair.a), Event::Kind::connected));
    EXPECT_EQ(pair.a.inspect(client)->receiving.state, tcp::State::established);
    EXPECT_EQ(pair.b.inspect(server)->receiving.state, tcp::State::established);

    const auto text = pattern(3'000'000);
    EXPECT_EQ(transfer(pair, pair.a, client, pair.b, server, text), text);
    const auto back = pattern(100'000, 2);
    EXPECT_EQ(transfer(pair, pair.b, server, pair.a, client, back), back);

    ASSERT_TRUE(pair.a.shutdown(client, Engine::Direction::both, pair.now));
    pair.settle();
    EXPECT_TRUE(has(pair.events(pair.b), Event::Kind::peer_closed));
    std::array<std::byte, 8> none;
    EXPECT_EQ(pair.b.read(server, none, pair.now).error(), Error::end_of_stream);
    ASSERT_TRUE(pair.b.shutdown(server, Engine::Direction::both, pair.now));
    pair.settle();
    EXPECT_TRUE(has(pair.events(pair.a), Event::Kind::closed));
    EXPECT_TRUE(has(pair.events(pair.b), Event::Kind::closed));
    EXPECT_EQ(pair.a.statistics().time_wait, 1u);
    EXPECT_EQ(pair.a.statistics().connections + pair.b.statistics().connections, 0u);
    EXPECT_EQ(pair.a.read(client, none, pair.now).error(), Error::no_such_flow);
    pair.run(Duration::seconds(61));
    EXPECT_EQ(pair.a.statistics().time_wait, 0u);
    EXPECT_EQ(pair.a.statistics().paths + pair.b.statistics().paths, 0u);
    EXPECT_EQ(pair.pool.in_use(), 0u);
    EXPECT_EQ(pair.a.deadline(), Instant::never());
}

TEST(Engine, AStreamSurvivesLoss) {
    std::uint64_t retransmitted = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Pair pair;
        std::mt19937_64 draw{seed};
        pair.lose = [&](std::uint64_t) { return draw() % 20 == 0; };
        const auto listener = pair.b.listen({{.local = {{}, 0, 80}}}, pair.now).value();
        const Flow client = pair.a.connect({ipv4(2), 0, 80}, {}, pair.now).value();
        Result<Flow> server = std::unexpected(Error::would_block);
        while (!server && pair.step(pair.now + Duration::seconds(100))) server = pair.b.accept(listener, pair.now);
        ASSERT_TRUE(server) << seed;
        const auto text = pattern(draw() % 400'000, seed);
        EXPECT_EQ(transfer(pair, pair.a, client, pair.b, *server, text), text) << seed;
        retransmitted += pair.a.statistics().retransmitted_segments;
    }
    EXPECT_GT(retransmitted, 100u);
}

TEST(Engine, ACopyContinuesBitIdentically) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        Pair pair;
        const auto [client, server] = pair.open();
        const auto rule = [draw = std::mt19937_64{seed}](std::uint64_t) mutable { return draw() % 50 == 0; };
        pair.lose = rule;
        const auto text = pattern(700'000, seed);
        transfer(pair, pair.a, client, pair.b, server,
                 {text.begin(), text.begin() + std::ptrdiff_t(50'000 + seed * 10'000)});
        (void)pair.a.write(client, std::span{text}.first(3'000), {},
                           pair.now);  // half a chunk that the original goes on filling

        Pair copy = pair;
        for (Pair* one : {&pair, &copy}) {
            one->lose = rule;
            EXPECT_GE(transfer(*one, one->a, client, one->b, server, text).size(), text.size());
            (void)one->b.shutdown(server, Engine::Direction::both, one->now);
            (void)one->a.connect({ipv4(2), 0, 81}, {}, one->now);
            one->run(Duration::seconds(10));
            one->events(one->a);
            one->run(Duration::seconds(100));
        }
        EXPECT_EQ(pair.digest, copy.digest) << seed;
        EXPECT_EQ(pair.segments, copy.segments);
        EXPECT_EQ(pair.now, copy.now);
    }
}

TEST(Engine, EverySegmentThatLeavesIsTracedAlsoThoseOfNoConnection) {
    Pair pair;
    std::uint64_t traced = 0;
    pair.b.trace({trace::bit(trace::Type::segment_sent), &traced,
                  [](void* context, const trace::Record&) { ++*static_cast<std::uint64_t*>(context); }});
    (void)pair.a.connect({ipv4(2), 0, 81}, {}, pair.now);  // a reset
    pair.settle();
    EXPECT_EQ(traced, 1u);
    const auto [client, server] = pair.open();  // a half-open record's SYN,ACK
    const auto text = pattern(100'000, 1);
    EXPECT_EQ(transfer(pair, pair.a, client, pair.b, server, text), text);
    (void)pair.b.shutdown(server, Engine::Direction::both, pair.now);
    pair.settle();
    (void)pair.a.shutdown(client, Engine::Direction::both, pair.now);
    pair.run(Duration::seconds(100));  // a TIME-WAIT record's acknowledgement
    EXPECT_EQ(traced, pair.b.statistics().segments_out);
}

TEST(Engine, TransmissionsAreNumberedInTheTraceAndSayWhatWasSentAgain) {
    Pair pair;
    pair.lose = [](std::uint64_t segment) { return segment % 50 == 20; };
    std::vector<trace::Segment> sent;
    pair.a.trace({trace::bit(trace::Type::segment_sent), &sent, [](void* context, const trace::Record& record) {
                      const auto body = trace::body_of<trace::Segment>(record);
                      if (body.length > 0 || (body.tcp_flags & (wire::syn | wire::fin)) != 0)
                          static_cast<std::vector<trace::Segment>*>(context)->push_back(body);
                  }});
    const auto [client, server] = pair.open();
    const auto text = pattern(300'000, 1);
    EXPECT_EQ(transfer(pair, pair.a, client, pair.b, server, text), text);
    ASSERT_GT(sent.size(), 10u);
    EXPECT_EQ(sent[0].window, 65'535u) << "the window of a SYN is not scaled";
    std::uint32_t again = 0, highest = sent[0].seq;
    for (std::uint32_t i = 0; i < sent.size(); ++i) {
        EXPECT_EQ(sent[i].transmission, i);
        again += std::int32_t(sent[i].seq - highest) < 0;  // perhaps a hole within the super-segment before it
        if (std::int32_t(sent[i].seq + sent[i].length - highest) > 0) highest = sent[i].seq + sent[i].length;
    }
    EXPECT_GT(again, 0u);
    EXPECT_LE(again, pair.a.statistics().retransmitted_segments);
}

TEST(Engine, ACopyHasNoTrace) {
    Pair pair;
    int records = 0;
    pair.a.trace({trace::all, &records, [](void* context, const trace::Record&) { ++*static_cast<int*>(context); }});
    Pair copy = pair;
    copy.open();
    EXPECT_EQ(records, 0);
    pair.open();
    EXPECT_GT(records, 5);
}

// The acknowledgement that was to be delayed left with the answer: nobody wakes for it.
TEST(Engine, AnAnswerThatCarriesTheAcknowledgementLeavesNoTimerForIt) {
    for (const bool answers : {false, true}) {
        Pair pair;
        const auto [client, server] = pair.open();
        pair.run(Duration::seconds(2));
        const auto byte = pattern(1);
        ASSERT_TRUE(pair.a.write(client, byte, {}, pair.now));
        pair.carry(pair.a, pair.b);
        if (answers) { ASSERT_TRUE(pair.b.write(server, byte, {}, pair.now)); }
        pair.carry(pair.b, pair.a);
        pair.b.advance(pair.now);
        const Duration wait = pair.b.deadline() - pair.now;
        if (answers) EXPECT_GE(wait, Duration::milliseconds(100)) << "its retransmission";
        else EXPECT_LE(wait, Duration::milliseconds(41));
        const std::uint64_t before = pair.segments;
        pair.run(Duration::milliseconds(60));
        EXPECT_EQ(pair.segments, before + 1) << "one end acknowledges";
    }
}

constexpr std::array one_byte{std::byte{1}};

using Flows = std::vector<std::pair<Flow, Flow>>;

// Sixteen flows, as many as are worth looking for ended timers; a has sent a byte on each, and b has it.
void open_many_that_ask(Pair& pair, Flows& flows) {
    for (int i = 0; i < 16; ++i) flows.push_back(pair.open());
    pair.run(Duration::seconds(2));  // what the handshakes left
    for (const auto& [client, server] : flows) ASSERT_TRUE(pair.a.write(client, one_byte, {}, pair.now));
    pair.carry(pair.a, pair.b);
}

TEST(Engine, ManyFlowsWhoseTextIsAcknowledgedLeaveNoTimersForIt) {
    Pair pair;
    Flows flows;
    ASSERT_NO_FATAL_FAILURE(open_many_that_ask(pair, flows));
    EXPECT_LE(pair.a.deadline(), pair.now + Duration::milliseconds(400)) << "their retransmission timers";
    pair.run(Duration::milliseconds(100));  // the other end acknowledges
    EXPECT_GT(pair.a.deadline(), pair.now + Duration::milliseconds(500));
}

// Each end's text takes its acknowledgement along: the next batch that comes finds who waited in line no longer.
TEST(Engine, ManyFlowsWhoseAcknowledgementsLeaveWithTextLeaveNoTimersForThem) {
    Pair pair;
    Flows flows;
    ASSERT_NO_FATAL_FAILURE(open_many_that_ask(pair, flows));
    EXPECT_LE(pair.b.deadline(), pair.now + Duration::milliseconds(41)) << "each waits for company";
    for (const auto& [client, server] : flows) ASSERT_TRUE(pair.b.write(server, one_byte, {}, pair.now));
    pair.carry(pair.b, pair.a);
    pair.b.receive({}, pair.now);
    EXPECT_GE(pair.b.deadline(), pair.now + Duration::milliseconds(100)) << "their retransmission";
}

// All that an engine has to say, as packets.
std::vector<Receive> packets_of(Engine& from, Pair& pair) {
    std::array<Transmit, 32> out;
    std::vector<Receive> packets;
    const std::size_t made = from.transmit(out, pair.now);
    for (const Transmit& each : std::span{out}.first(made)) {
        auto cut = wire::Cut::make(each);
        const std::size_t size = cut.value().next_size();
        Chunk* const chunk = pair.pool.allocate(size);
        cut->next({chunk->data(), size});
        packets.push_back({.frame = Slice{chunk, 0, std::uint32_t(size)}});
    }
    return packets;
}

// Whose a packet is was looked up while those in front of it were still to come, and one of them ends that flow.
TEST(Engine, APacketBehindTheResetOfItsFlowIsNobodysInTheSameBatchToo) {
    Pair pair;
    Flows flows;
    for (int i = 0; i < 16; ++i) flows.push_back(pair.open());
    for (const auto& [client, server] : flows) ASSERT_TRUE(pair.a.write(client, one_byte, {}, pair.now));
    std::vector<Receive> batch = packets_of(pair.a, pair);
    ASSERT_EQ(batch.size(), 16u);
    ASSERT_TRUE(pair.a.abort(flows[0].first, pair.now));
    const std::vector<Receive> reset = packets_of(pair.a, pair);
    ASSERT_EQ(reset.size(), 1u);
    const Receive text = batch[0];
    batch.insert(batch.begin() + 2, reset[0]);
    batch.insert(batch.begin() + 4, text);
    pair.events(pair.b);
    pair.b.receive(batch, pair.now);
    EXPECT_EQ(pair.b.inspect(flows[0].second)->receiving.state, tcp::State::closed);
    EXPECT_EQ(pair.b.statistics().resets_sent, 1u) << "to the text behind the reset";
    std::array<std::byte, 4> into;
    for (std::size_t i = 1; i < flows.size(); ++i) EXPECT_EQ(pair.b.read(flows[i].second, into, pair.now), 1u);
}

// An idle connection, all that it occupies: a table is at worst a third full, just after it grew.
TEST(Engine, AnIdleConnectionFitsIn640Bytes) {
    constexpr std::size_t wheel_entry = 24, table_entry = 3 * FlatTable::entry_size;
    constexpr std::size_t idle = sizeof(tcp::Tcb) + sizeof(tcp::Cold) + Slab<tcp::Tcb>::overhead + sizeof(tcp::Controller) +
                                 wheel_entry + table_entry;
    static_assert(idle <= 640);
    static_assert(sizeof(tcp::Accurate) <= 44, "what a flow that negotiated accurate ECN has beside that");
    Pair pair;
    const auto [client, server] = pair.open();
    const std::size_t owned = pair.pool.in_use();
    transfer(pair, pair.a, client, pair.b, server, pattern(100'000));
    pair.run(Duration::seconds(1));
    EXPECT_EQ(pair.pool.in_use(), owned);
    for (const Flow flow : {client}) {
        EXPECT_EQ(pair.a.inspect(flow)->sending.queue, none) << "no queue while nothing is in flight";
        EXPECT_EQ(pair.a.inspect(flow)->receiving.queue, none);
        EXPECT_EQ(pair.a.inspect(flow)->receiving.reassembly, none);
        EXPECT_EQ(pair.a.inspect(flow)->rate.records, 0u);
    }
}

TEST(Engine, AStaleHandleIsAnOrdinaryErrorAndNeverAnotherConnection) {
    Pair pair;
    const auto [client, server] = pair.open();
    ASSERT_TRUE(pair.a.abort(client, pair.now));
    pair.settle();
    const auto [second, other] = pair.open();
    EXPECT_EQ(second.index(), client.index());
    std::array<std::byte, 4> bytes{};
    std::array<Slice, 1> slices;
    EXPECT_EQ(pair.a.write(client, bytes, {}, pair.now).error(), Error::no_such_flow);
    EXPECT_EQ(pair.a.write(client, Slice{}, {}, pair.now).error(), Error::no_such_flow);
    EXPECT_EQ(pair.a.read(client, bytes, pair.now).error(), Error::no_such_flow);
    EXPECT_EQ(pair.a.take(client, slices, pair.now).error(), Error::no_such_flow);
    EXPECT_EQ(pair.a.shutdown(client, Engine::Direction::both, pair.now).error(), Error::no_such_flow);
    EXPECT_EQ(pair.a.abort(client, pair.now).error(), Error::no_such_flow);
    EXPECT_EQ(pair.a.set(client, {}, pair.now).error(), Error::no_such_flow);
    EXPECT_EQ(pair.a.peers(client).error(), Error::no_such_flow);
    EXPECT_EQ(pair.a.inspect(client), nullptr);
    EXPECT_EQ(pair.a.accept({}, pair.now).error(), Error::no_such_flow);
    EXPECT_EQ(pair.a.unlisten({}, pair.now).error(), Error::no_such_flow);
    EXPECT_EQ(pair.b.inspect(server)->receiving.state, tcp::State::closed) << "the abort reached the peer";
}

TEST(Engine, AnAbortIsAResetAtThePeer) {
    Pair pair;
    const auto [client, server] = pair.open();
    (void)pair.events(pair.b);
    ASSERT_TRUE(pair.a.abort(client, pair.now));
    pair.settle();
    const auto events = pair.events(pair.b);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, Event::Kind::failed);
    EXPECT_EQ(events[0].error, Error::reset);
    EXPECT_EQ(events[0].flow, server);
    EXPECT_EQ(pair.b.inspect(server), nullptr);
    EXPECT_EQ(pair.a.statistics().paths + pair.b.statistics().paths, 0u);
}

TEST(Engine, NobodyListensMeansRefused) {
    Pair pair;
    const Flow client = pair.a.connect({ipv4(2), 0, 9}, {}, pair.now).value();
    pair.settle();
    const auto events = pair.events(pair.a);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, Event::Kind::failed);
    EXPECT_EQ(events[0].error, Error::refused);
    EXPECT_EQ(events[0].flow, client);
    EXPECT_EQ(pair.a.statistics().paths, 0u);
}

TEST(Engine, EventsNeverGrowBeyondOneOfAKind) {
    Pair pair;
    const auto [client, server] = pair.open();
    std::array<std::byte, 64> buffer{};
    for (int i = 0; i < 10'000; ++i) {
        ASSERT_TRUE(pair.a.write(client, std::span{buffer}.first(8), {.nodelay = true}, pair.now));
        pair.settle();
        (void)pair.b.read(server, buffer, pair.now);
    }
    EXPECT_LE(pair.events(pair.a).size(), 3u);
    EXPECT_LE(pair.events(pair.b).size(), 3u);
}

TEST(Engine, OpeningAndAbortingWithoutEverTransmittingDoesNotGrow) {
    Pair pair;
    for (int i = 0; i < 100'000; ++i) {
        const auto flow = pair.a.connect({ipv4(2), 0, 80}, {}, pair.now);
        ASSERT_TRUE(flow);
        ASSERT_TRUE(pair.a.abort(*flow, pair.now));
    }
    EXPECT_EQ(pair.a.statistics().connections, 0u);
    EXPECT_EQ(pair.a.statistics().paths, 0u);
    std::array<Transmit, 4> out;
    EXPECT_EQ(pair.a.transmit(out, pair.now), 0u);
    EXPECT_EQ(pair.a.deadline(), Instant::never());
}

TEST(Engine, AFloodOfSynsKeepsToTheBacklog) {
    Pair pair;
    for (unsigned i = 3; i < 250; ++i) (void)pair.a.assign(ipv4(i), {}, pair.now);
    const auto listener = pair.b.listen({{.local = {{}, 0, 80}}, 16}, pair.now).value();
    pair.lose = [&](std::uint64_t) { return false; };
    for (unsigned i = 3; i < 250; ++i) {
        const Flow flow = pair.a.connect({ipv4(2), 0, 80}, {{ipv4(i), 0, 0}}, pair.now).value();
        std::array<Transmit, 4> out;
        while (const auto made = pair.a.transmit(out, pair.now))
            for (std::size_t j = 0; j < made; ++j) {
                auto cut = wire::Cut::make(out[j]);
                Chunk* chunk = pair.pool.allocate(cut->next_size());
                const auto size = cut->next({chunk->data(), chunk->capacity});
                std::array<Receive, 1> in{{{.frame = Slice{chunk, 0, std::uint32_t(size)}}}};
                pair.b.receive(in, pair.now);
            }
        (void)pair.a.abort(flow, pair.now);
    }
    EXPECT_EQ(pair.b.statistics().half_open, 16u);
    EXPECT_GT(pair.b.statistics().cookies_sent, 200u) << "the rest is answered by cookies, which keep nothing";
    EXPECT_LE(pair.b.statistics().paths, 16u + 231u);
    pair.settle();
    ASSERT_TRUE(pair.b.unlisten(listener, pair.now));
    pair.run(Duration::seconds(400));
    EXPECT_EQ(pair.b.statistics().half_open + pair.b.statistics().paths, 0u);
    EXPECT_EQ(pair.b.deadline(), Instant::never());
}

// Waits of the least timeout stand in a line of their own, and so do delayed acknowledgements; who tunes them while some stand there
// moves nobody's turn.
TEST(Engine, TimersThatStandInALineAreMetInTimeHoweverTheirDelayIsTuned) {
    const auto ms = [](std::int64_t n) { return Duration::milliseconds(n); };
    for (const Duration tuned : {ms(20), ms(200), ms(5'000)}) {
        Config config{.seed = {1, 1}, .sack = false};
        Pair pair{config};
        std::array<Flow, 3> flows;
        for (Flow& flow : flows) flow = pair.open().first;
        pair.lose = [](std::uint64_t) { return true; };
        std::array<Instant, 3> due;
        const auto says = [&](std::size_t i) {
            ASSERT_TRUE(pair.a.write(flows[i], pattern(100), {}, pair.now));
            pair.settle();
            due[i] = pair.now + pair.a.inspect(flows[i])->timing.rto;
            EXPECT_EQ(pair.a.inspect(flows[i])->deadlines.loss, due[i]);
        };
        says(0);
        pair.run(ms(50));
        says(1);
        pair.run(ms(10));
        config.minimum_rto = config.delayed_ack = tuned;
        pair.a.tune(Pair::with_seed(config, 1), pair.now);
        says(2);
        EXPECT_LE(pair.a.deadline(), due[0] + ms(1));
        for (std::size_t i = 0; i < flows.size(); ++i) {
            pair.run(due[i] + ms(-1) - pair.now);
            EXPECT_EQ(pair.a.statistics().retransmitted_segments, i) << tuned.count() << ": too early";
            pair.run(ms(3));
            EXPECT_EQ(pair.a.statistics().retransmitted_segments, i + 1) << tuned.count() << ": too late";
        }
    }
}

TEST(Engine, DelayedAcknowledgementsThatStandInALineAreMetInTime) {
    const auto ms = [](std::int64_t n) { return Duration::milliseconds(n); };
    for (const Duration tuned : {ms(2), ms(40), ms(150)}) {
        Config config{.seed = {1, 1}};
        Pair pair{config};
        std::array<std::pair<Flow, Flow>, 3> flows;
        for (auto& flow : flows) flow = pair.open();
        const auto sent = [&] { return pair.b.statistics().segments_out; };
        const auto says = [&](std::size_t i) {
            ASSERT_TRUE(pair.a.write(flows[i].first, pattern(100), {}, pair.now));
            pair.settle();
        };
        const Instant began = pair.now;
        const std::uint64_t before = sent();
        says(0);
        pair.run(ms(10));
        says(1);
        pair.run(ms(10));
        ASSERT_TRUE(pair.b.write(flows[0].second, pattern(10), {}, pair.now)) << "it takes the acknowledgement along";
        pair.settle();
        EXPECT_EQ(sent(), before + 1);
        config.delayed_ack = tuned;
        pair.b.tune(Pair::with_seed(config, 2), pair.now);
        says(2);
        std::array<Instant, 2> due{began + ms(50), began + ms(20) + tuned};
        std::ranges::sort(due);
        for (std::uint64_t i = 0; i < due.size(); ++i) {
            if (due[i] + ms(-1) > pair.now) pair.run(due[i] + ms(-1) - pair.now);
            EXPECT_EQ(sent(), before + 1 + i) << tuned.count() << ": too early";
            pair.run(due[i] + ms(2) - pair.now);
            EXPECT_EQ(sent(), before + 2 + i) << tuned.count() << ": too late";
        }
    }
}

TEST(Engine, APathThatGoesDownEndsItsFlowsUnreachable) {
    Pair pair;
    const auto path = pair.b.open_path({ipv4(2), 0, 0}, {ipv4(1), 0, 0}, {}, pair.now).value();
    const auto [client, server] = pair.open();
    ASSERT_TRUE(pair.b.set(server, {.user_timeout = Duration::seconds(5)}, pair.now));
    (void)pair.events(pair.b);
    pair.b.path_down(path, pair.now);
    EXPECT_TRUE(has(pair.events(pair.b), Event::Kind::soft_error));
    pair.run(Duration::seconds(4));
    EXPECT_TRUE(pair.events(pair.b).empty());
    pair.b.path_up(path, pair.now);
    pair.run(Duration::seconds(10));
    EXPECT_TRUE(pair.events(pair.b).empty());
    pair.b.path_down(path, pair.now);
    pair.run(Duration::seconds(6));
    const auto events = pair.events(pair.b);
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[1].kind, Event::Kind::failed);
    EXPECT_EQ(events[1].error, Error::unreachable);
    EXPECT_EQ(pair.b.statistics().paths, 1u) << "the session still holds it";
    pair.b.close_path(path, pair.now);
    EXPECT_EQ(pair.b.statistics().paths, 0u);
    pair.b.close_path(path, pair.now);
}

TEST(Engine, AChangedPathSendsAgainWhatIsInFlightInSmallerSegments) {
    Pair pair;
    const auto path = pair.a.open_path({ipv4(1), 0, 0}, {ipv4(2), 0, 0}, {.mtu = 9'000}, pair.now).value();
    const auto [client, server] = pair.open();
    EXPECT_EQ(pair.a.inspect(client)->receiving.mss, 1'448) << "theirs is of 1,500 bytes";
    pair.lose = [](std::uint64_t) { return true; };
    const auto text = pattern(20'000);
    (void)pair.a.write(client, text, {}, pair.now);
    pair.settle();
    pair.lose = nullptr;
    pair.a.change_path(path, {.mtu = 1'000}, pair.now);
    EXPECT_EQ(pair.a.inspect(client)->receiving.mss, 948);
    const Instant before = pair.now;
    pair.settle();
    std::vector<std::byte> got(20'000);
    EXPECT_EQ(pair.b.read(server, got, pair.now).value_or(0), 20'000u) << "without waiting for a timer";
    EXPECT_EQ(pair.now, before);
    EXPECT_EQ(got, text);
}

}  // namespace
}  // namespace weft::test
