// What uTCP's interface promises (a TCP that is a value: state and input in, state and output out), asked of the engine.
#include <algorithm>
#include <array>
#include <set>

#include "stack/core/seq.h"
#include "stack/engine/flow_text.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"
#include "stack/wire/tcp.h"
#include "tests/seeds/seed.h"

namespace weft::test {
namespace {

using tcp::State;

class Utcp : public Seed {
protected:
    State state(Engine& at, Flow flow) {
        const tcp::Tcb* tcb = at.inspect(flow);
        return tcb ? tcb->receiving.state : State::closed;
    }

    // A segment with a good checksum, addresses and all.
    std::vector<std::byte> packet(const Address& from, const Address& to, const wire::TcpHeader& header) const {
        std::vector<std::byte> bytes(wire::OverlayView::header_size + header.size());
        const auto length = std::uint16_t(header.size());
        const std::size_t at = GetParam() == Family::ipv4 ? wire::Ipv4Header{.total_length = std::uint16_t(20 + length),
                                                                             .protocol = wire::protocol_tcp,
                                                                             .source = from,
                                                                             .destination = to}
                                                                .write(bytes)
                               : GetParam() == Family::ipv6 ? wire::Ipv6Header{.payload_length = length,
                                                                               .protocol = wire::protocol_tcp,
                                                                               .source = from,
                                                                               .destination = to}
                                                                  .write(bytes)
                                                            : wire::OverlayHeader{.payload_length = length,
                                                                                  .protocol = wire::protocol_tcp,
                                                                                  .source = from,
                                                                                  .destination = to}
                                                                  .write(bytes);
        bytes.resize(at + length);
        const auto segment = std::span{bytes}.subspan(at);
        header.write(segment);
        const std::uint16_t sum =
            checksum::add(wire::pseudo_sum(wire::pseudo_sum(from, to), wire::protocol_tcp, length), checksum::sum(segment));
        store_big(segment.data() + wire::TcpView::checksum_at, checksum::field(sum));
        return bytes;
    }
    void arrives(Engine& at, const std::vector<std::byte>& bytes) {
        Chunk* chunk = pair.pool.allocate(bytes.size());
        std::copy(bytes.begin(), bytes.end(), chunk->data());
        std::array<Receive, 1> one{Receive{.frame = Slice{chunk, 0, std::uint32_t(bytes.size())}}};
        at.receive(one, pair.now);
    }
    std::size_t answers(Engine& at) {
        std::array<Transmit, 4> out;
        return at.transmit(out, pair.now);
    }
    static wire::TcpHeader syn_to(std::uint16_t port) {
        wire::TcpHeader header{40'000, port, SeqNum{1'000}, {}, wire::syn, 65'535, 0, 0, {}};
        header.options.mss = 1'200;
        return header;
    }
};
WEFT_SEED_FAMILIES(Utcp);

TEST_P(Utcp, EmptyHasNoListenerNoConnectionNoTimerAndNothingToSay) {
    Engine empty{Config{}, pair.pool};
    const Statistics all = empty.statistics();
    EXPECT_EQ(all.connections + all.half_open + all.time_wait + all.listeners + all.paths, 0u);
    EXPECT_TRUE(empty.flows().empty());
    EXPECT_EQ(empty.deadline(), Instant::never());
    EXPECT_EQ(answers(empty), 0u);
    EXPECT_TRUE(pair.events(empty).empty());
}

TEST_P(Utcp, EmptyGivesAStackItsIdentifier) {
    for (const std::uint32_t shard : {0u, 1u, 127u}) {
        Engine engine{Config{.shard = shard}, pair.pool};
        ASSERT_TRUE(engine.assign(pair.address(1), {}, pair.now));
        const Flow flow = engine.connect(server_at(), {}, pair.now).value();
        EXPECT_EQ(flow.shard(), shard);
        EXPECT_EQ(pair.b.peers(flow).error(), Error::no_such_flow) << "another stack's flow is nobody's";
    }
}

TEST_P(Utcp, AStateIsAValueAndTheOldOneStaysAsItWas) {
    const auto [client, server] = opens();
    const Engine before{pair.a};
    ASSERT_TRUE(writes(pair.a, client, "text"));
    pair.settle();
    EXPECT_EQ(reads(pair.b, server), "text");
    EXPECT_EQ(before.inspect_cold(client)->bytes_out, 0u);
    EXPECT_EQ(pair.a.inspect_cold(client)->bytes_out, 4u);
}

TEST_P(Utcp, StartListenAddsAPort) {
    const Flow refused = connects();
    pair.settle();
    const auto failed = hears(pair.a, Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->flow, refused);
    EXPECT_EQ(failed->error, Error::refused);
    const ListenerId listener = listens(pair.b);
    EXPECT_EQ(pair.b.statistics().listeners, 1u);
    connects();
    pair.settle();
    EXPECT_TRUE(pair.b.accept(listener, pair.now));
}

TEST_P(Utcp, StopListenRemovesThePortAndItsConnectionsStay) {
    const ListenerId listener = listens(pair.b);
    const Flow client = connects();
    pair.settle();
    const Flow server = pair.b.accept(listener, pair.now).value();
    ASSERT_TRUE(pair.b.unlisten(listener, pair.now));
    EXPECT_EQ(pair.b.statistics().listeners, 0u);
    pair.events(pair.a);
    connects();
    pair.settle();
    EXPECT_EQ(hears(pair.a, Event::Kind::failed)->error, Error::refused);
    ASSERT_TRUE(writes(pair.a, client, "still here"));
    pair.settle();
    EXPECT_EQ(reads(pair.b, server), "still here");
    EXPECT_EQ(pair.b.unlisten(listener, pair.now).error(), Error::no_such_flow) << "and once only";
}

TEST_P(Utcp, PpFlowNamesBothEndsAndTheFlow) {
    const auto [client, server] = opens();
    const Peers peers = pair.a.peers(client).value();
    const std::string text = to_string(peers);
    EXPECT_EQ(text, to_string(peers.local) + " to " + to_string(peers.remote));
    EXPECT_TRUE(text.ends_with(":80")) << text;
    EXPECT_NE(text.find(to_string(pair.address(1))), std::string::npos) << text;
    EXPECT_EQ(parse_flow(to_string(client)), client) << "and the handle's text is read back";
    EXPECT_FALSE(parse_flow(to_string(client) + "x"));
}

TEST_P(Utcp, NumConnectionsCountsThoseInAnyState) {
    const auto count = [](const Engine& engine) {
        const Statistics all = engine.statistics();
        return all.connections + all.half_open + all.time_wait;
    };
    cuts_the_wire();
    const Flow one = connects(81);
    pair.settle();
    EXPECT_EQ(count(pair.a), 1u) << "SYN-SENT";
    cuts_the_wire(false);
    ASSERT_TRUE(pair.a.abort(one, pair.now));
    EXPECT_EQ(count(pair.a), 0u);
    const auto [client, server] = opens();
    EXPECT_EQ(count(pair.a), 1u);
    EXPECT_EQ(count(pair.b), 1u);
    for (Engine* engine : {&pair.a, &pair.b})
        ASSERT_TRUE(engine->shutdown(engine == &pair.a ? client : server, Engine::Direction::both, pair.now));
    pair.settle();
    pair.events(pair.a), pair.events(pair.b);
    EXPECT_EQ(count(pair.a) + count(pair.b), pair.a.statistics().time_wait + pair.b.statistics().time_wait);
    EXPECT_GE(count(pair.a) + count(pair.b), 1u) << "TIME-WAIT";
    pair.run(seconds(61));
    EXPECT_EQ(count(pair.a) + count(pair.b), 0u);
}

TEST_P(Utcp, PeersAreTheTwoEndpointsAddressAndPort) {
    const auto [client, server] = opens(4'433);
    const Peers here = pair.a.peers(client).value(), there = pair.b.peers(server).value();
    EXPECT_EQ(here.local, there.remote);
    EXPECT_EQ(here.remote, there.local);
    EXPECT_EQ(here.remote, server_at(4'433));
    EXPECT_EQ(here.local.address, pair.address(1));
    EXPECT_EQ(here.local.address.bytes().size(), GetParam() == Family::ipv4 ? 4u : GetParam() == Family::ipv6 ? 16u : 64u);
}

// RFC 1982: comparison is that of serial numbers, arithmetic wraps.
TEST_P(Utcp, SequenceAddsWrapsAndCompares) {
    const SeqNum low{0xffff'fff0}, high = low + 0x20;
    EXPECT_EQ(SeqNum{}.raw(), 0u);
    EXPECT_EQ(high.raw(), 0x10u) << "of_int32, to_int32, addi";
    EXPECT_EQ(SeqNum{0xffff'ffff} + 1, SeqNum{}) << "incr";
    EXPECT_EQ(low + high.raw(), SeqNum{}) << "add";
    EXPECT_EQ(high - low, 0x20u) << "window";
    EXPECT_EQ(SeqNum{} - 1, SeqNum{0xffff'ffff});
    EXPECT_TRUE(before(low, high) && !before(high, low) && !before(low, low)) << "less, greater";
    EXPECT_TRUE(at_or_before(low, high) && at_or_before(low, low) && !at_or_before(high, low))
        << "less_equal, greater_equal";
    EXPECT_EQ(earlier(low, high), low);
    EXPECT_EQ(earlier(high, low), low) << "min";
    EXPECT_EQ(later(low, high), high);
    EXPECT_EQ(later(high, low), high) << "max";
    EXPECT_NE(low, high);
    EXPECT_TRUE(before(low, low + 0x7fff'ffff) && !before(low, low + 0x8000'0001)) << "half of the circle lies behind";
}

TEST_P(Utcp, SegmentIsDecodedAsItWasEncoded) {
    wire::TcpHeader header{40'000, 80, SeqNum{7}, SeqNum{9}, wire::syn | wire::psh, 512, 0, 0, {}};
    header.options.mss = 1'400;
    header.options.window_scale = 5;
    std::vector<std::byte> bytes(header.size());
    EXPECT_EQ(header.write(std::span{bytes}.first(bytes.size() - 1)), 0u) << "encode_into: a short buffer takes nothing";
    ASSERT_EQ(header.write(bytes), bytes.size());
    bytes.push_back(std::byte{42});
    const auto view = wire::TcpView::parse(bytes);
    ASSERT_TRUE(view);
    const auto read = wire::TcpHeader::read(*view);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, header) << "all fields are equal";
    EXPECT_EQ(view->sequence_length(), 2u) << "the SYN counts, and so does the payload";
    EXPECT_EQ(view->payload().size(), 1u);
    wire::TcpHeader other = *read;
    other.options.mss = 1'399;
    EXPECT_NE(other, header);
}

TEST_P(Utcp, SegmentKeepsUnknownOptionsOutOfTheWay) {
    const std::array bytes{std::byte{254}, std::byte{4}, std::byte{0xab}, std::byte{0xcd},
                           std::byte{2},   std::byte{4}, std::byte{5},    std::byte{0xb4}};
    const auto options = wire::TcpOptions::parse(bytes);
    ASSERT_TRUE(options);
    EXPECT_EQ(options->mss, 1'460);
    EXPECT_FALSE(options->window_scale);
}

TEST_P(Utcp, SegmentWithAWrongChecksumIsRefused) {
    listens(pair.b);
    const auto good = packet(pair.address(9), pair.address(2), syn_to(80));
    for (std::size_t at = good.size() - 24; at < good.size(); ++at) {
        auto bad = good;
        bad[at] ^= std::byte{1};
        arrives(pair.b, bad);
    }
    EXPECT_EQ(answers(pair.b), 0u);
    EXPECT_EQ(pair.b.statistics().checksum_errors, 24u);
    arrives(pair.b, good);
    EXPECT_EQ(pair.b.statistics().half_open, 1u);
}

TEST_P(Utcp, SegmentsOfGroupsAndBroadcastAreRefused) {
    ListenOptions any;
    any.any_port = true;
    ASSERT_TRUE(pair.b.listen(any, pair.now));
    std::vector<std::byte> ones(pair.address(1).bytes().size(), std::byte{0xff}), zeros(ones.size());
    ones.back() = GetParam() == Family::ipv4 ? std::byte{0xff} : std::byte{1};
    std::vector<Address> never{{GetParam(), zeros}};  // a hash knows no groups: of 512 bits nothing but zero is nobody's
    if (GetParam() != Family::overlay) never.push_back({GetParam(), ones});
    for (const Address& group : never) {
        arrives(pair.b, packet(group, pair.address(2), syn_to(80)));
        arrives(pair.b, packet(pair.address(9), group, syn_to(80)));
    }
    EXPECT_EQ(answers(pair.b), 0u);
    EXPECT_EQ(pair.b.statistics().half_open, 0u);
    EXPECT_EQ(pair.b.statistics().martians, never.size());
}

TEST_P(Utcp, SegmentFromAndToTheSameEndpointIsRefused) {
    listens(pair.b, 40'000);
    arrives(pair.b, packet(pair.address(2), pair.address(2), syn_to(40'000)));
    EXPECT_EQ(answers(pair.b), 0u);
    EXPECT_EQ(pair.b.statistics().half_open, 0u);
    EXPECT_EQ(pair.b.statistics().martians, 1u);
}

TEST_P(Utcp, ConnectPicksASourcePortAtRandomAndSendsOneSegment) {
    std::set<std::uint16_t> ports;
    int in_a_row = 0;
    std::uint16_t last = 0;
    for (int i = 0; i < 32; ++i) {
        const Flow flow = connects(std::uint16_t(1'000 + i));
        const std::uint16_t port = pair.a.peers(flow)->local.port;
        EXPECT_GE(port, 49'152);
        in_a_row += port == last + 1;
        ports.insert(last = port);
    }
    EXPECT_GT(ports.size(), 28u);
    EXPECT_LT(in_a_row, 4) << "whoever saw one cannot tell the next";
    std::array<Transmit, 64> out;
    EXPECT_EQ(pair.a.transmit(out, pair.now), 32u) << "a SYN each";
}

TEST_P(Utcp, ConnectTakesTheSourcePortThatIsGivenOnce) {
    ConnectOptions options;
    options.local = {pair.address(1), 0, 5'555};
    const Flow flow = connects(80, options);
    EXPECT_EQ(pair.a.peers(flow)->local, options.local);
    EXPECT_EQ(pair.a.connect(server_at(), options, pair.now).error(), Error::address_in_use);
    EXPECT_TRUE(pair.a.connect(server_at(81), options, pair.now)) << "another quadruple";
}

TEST_P(Utcp, CloseEndsBothDirectionsInAnyStateAndOnlyALivingFlow) {
    const auto [client, server] = opens();
    ASSERT_TRUE(writes(pair.a, client, "last words"));
    ASSERT_TRUE(pair.a.shutdown(client, Engine::Direction::both, pair.now));
    pair.settle();
    EXPECT_EQ(reads(pair.b, server), "last words") << "what was written before goes out first";
    EXPECT_EQ(reads(pair.b, server).error(), Error::end_of_stream);
    EXPECT_EQ(writes(pair.a, client, "more").error(), Error::closed_by_peer);
    ASSERT_TRUE(pair.b.shutdown(server, Engine::Direction::both, pair.now));
    pair.settle();
    EXPECT_TRUE(hears(pair.a, Event::Kind::closed) && hears(pair.b, Event::Kind::closed));
    EXPECT_EQ(pair.a.shutdown(client, Engine::Direction::both, pair.now).error(), Error::no_such_flow);
    const Flow opening = connects(81);
    EXPECT_TRUE(pair.a.shutdown(opening, Engine::Direction::both, pair.now)) << "SYN-SENT, too";
    EXPECT_EQ(state(pair.a, opening), State::closed);
}

TEST_P(Utcp, ShutdownOfWritingIsTheEndOfThePeersReading) {
    const auto [client, server] = opens();
    ASSERT_TRUE(pair.a.shutdown(client, Engine::Direction::write, pair.now));
    pair.settle();
    EXPECT_TRUE(hears(pair.b, Event::Kind::peer_closed));
    EXPECT_EQ(reads(pair.b, server).error(), Error::end_of_stream);
    EXPECT_EQ(writes(pair.a, client, "x").error(), Error::closed_by_peer);
    ASSERT_TRUE(writes(pair.b, server, "the other half is open"));
    pair.settle();
    EXPECT_EQ(reads(pair.a, client), "the other half is open");
}

TEST_P(Utcp, ShutdownOfReadingThrowsAwayWhatWasReceived) {
    const auto [client, server] = opens();
    ASSERT_TRUE(writes(pair.b, server, "unread"));
    pair.settle();
    EXPECT_EQ(pair.a.buffers(client)->unread, 6u);
    ASSERT_TRUE(pair.a.shutdown(client, Engine::Direction::read, pair.now));
    EXPECT_EQ(reads(pair.a, client).error(), Error::end_of_stream);
    ASSERT_TRUE(writes(pair.a, client, "writing goes on"));
    pair.settle();
    EXPECT_EQ(reads(pair.b, server), "writing goes on");
}

TEST_P(Utcp, RecvGivesDataThenEofThenNotFound) {
    const auto [client, server] = opens();
    EXPECT_EQ(reads(pair.b, server).error(), Error::would_block);
    ASSERT_TRUE(writes(pair.a, client, "data"));
    pair.settle();
    EXPECT_TRUE(hears(pair.b, Event::Kind::readable)) << "the notification to wait for";
    EXPECT_EQ(reads(pair.b, server), "data");
    ASSERT_TRUE(pair.a.shutdown(client, Engine::Direction::write, pair.now));
    pair.settle();
    EXPECT_EQ(reads(pair.b, server).error(), Error::end_of_stream);
    ASSERT_TRUE(pair.b.abort(server, pair.now));
    EXPECT_EQ(reads(pair.b, server).error(), Error::no_such_flow);
}

TEST_P(Utcp, SendTellsHowMuchWasEnqueuedAndNotifiesWhenThereIsRoom) {
    const auto [client, server] = opens(80, {.send_buffer = 4'096});
    const std::string text(10'000, 'w');
    EXPECT_EQ(writes(pair.a, client, text), 4'096u);
    EXPECT_EQ(writes(pair.a, client, text).error(), Error::would_block);
    EXPECT_EQ(pair.a.buffers(client)->room, 0u);
    pair.settle();
    EXPECT_TRUE(hears(pair.a, Event::Kind::writable));
    EXPECT_EQ(reads(pair.b, server)->size(), 4'096u);
    EXPECT_EQ(writes(pair.a, client, text.substr(10, 20)), 20u) << "from an offset, so long";
    ASSERT_TRUE(pair.a.abort(client, pair.now));
    EXPECT_EQ(writes(pair.a, client, text).error(), Error::no_such_flow);
}

TEST_P(Utcp, SendBeforeTheHandshakeWaitsForIt) {  // uTCP refuses it; RFC 9293, section 3.10.2 queues it
    listens(pair.b);
    const Flow client = connects();
    EXPECT_EQ(writes(pair.a, client, "early"), 5u);
    EXPECT_EQ(pair.a.buffers(client)->unsent, 5u);
    pair.settle();
    EXPECT_EQ(pair.a.buffers(client)->unsent, 0u);
}

TEST_P(Utcp, ForceEnqueueMayExceedTheQueue) {
    const auto [client, server] = opens(80, {.send_buffer = 4'096});
    const std::string text(100'000, 'f');
    ASSERT_EQ(writes(pair.a, client, text.substr(0, 4'096)), 4'096u);
    EXPECT_EQ(writes(pair.a, client, text.substr(4'096)).error(), Error::would_block);
    EXPECT_EQ(writes(pair.a, client, text.substr(4'096), {.overflow = true}), 100'000u - 4'096);
    EXPECT_EQ(pair.a.buffers(client)->unacknowledged, 100'000u);
    std::string got;
    for (const Instant end = pair.now + seconds(60); got.size() < text.size();) {
        pair.settle();
        while (const auto some = reads(pair.b, server)) got += *some;
        if (got.size() < text.size() && !pair.step(end)) break;
    }
    EXPECT_EQ(got, text);
}

TEST_P(Utcp, TimerSendsWhatIsDueAndTellsWhenItWantsToRunAgain) {
    const auto [client, server] = opens();
    cuts_the_wire();
    ASSERT_TRUE(writes(pair.a, client, "lost"));
    pair.settle();
    cuts_the_wire(false);
    const Instant due = pair.a.deadline(), sent = pair.now;
    ASSERT_NE(due, Instant::never());
    EXPECT_GT(due, pair.now);
    pair.a.advance(pair.now);
    EXPECT_EQ(answers(pair.a), 0u) << "not before";
    while (!reads(pair.b, server)) ASSERT_TRUE(pair.step(sent + seconds(3))) << "it always says when";
    EXPECT_GE(pair.now, due);
}

TEST_P(Utcp, TimerEndsAFlowWhoseRetransmissionsAreExceeded) {
    const auto [client, server] = opens(80, {.user_timeout = seconds(30)});
    cuts_the_wire();
    ASSERT_TRUE(writes(pair.a, client, "nobody hears"));
    pair.run(seconds(31));
    const auto failed = hears(pair.a, Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->flow, client);
    EXPECT_EQ(failed->error, Error::timed_out);
    EXPECT_EQ(failed->limit, Event::Limit::retransmission);
    EXPECT_GT(failed->timeouts, 2u);
}

TEST_P(Utcp, TimerEndsAFlowThatIsNotEstablishedInTime) {
    cuts_the_wire();
    const Flow client = connects(80, {.user_timeout = seconds(200)});
    pair.run(seconds(199));
    EXPECT_FALSE(hears(pair.a, Event::Kind::failed));
    pair.run(seconds(2));
    const auto failed = hears(pair.a, Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->flow, client);
    EXPECT_EQ(failed->error, Error::timed_out);
    EXPECT_EQ(failed->limit, Event::Limit::handshake);
}

TEST_P(Utcp, TimerEndsFinWait2WhenThePeersFinDoesNotCome) {
    const auto [client, server] = opens();
    ASSERT_TRUE(pair.a.shutdown(client, Engine::Direction::both, pair.now));
    pair.run(seconds(59));
    EXPECT_EQ(state(pair.a, client), State::fin_wait_2);
    pair.run(seconds(2));
    const auto failed = hears(pair.a, Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::timed_out);
    EXPECT_EQ(failed->limit, Event::Limit::fin_wait_2);
}

TEST_P(Utcp, TimerEndsTimeWaitAfterTwoMsl) {  // the user heard `closed` before: it is no failure, the trace tells it
    struct Seen {
        std::vector<trace::StateChange> changes;
        static void take(void* to, const trace::Record& record) {
            if (record.type == trace::Type::state)
                static_cast<Seen*>(to)->changes.push_back(trace::body_of<trace::StateChange>(record));
        }
    } seen;
    const auto [client, server] = opens();
    ASSERT_TRUE(pair.a.shutdown(client, Engine::Direction::both, pair.now));
    pair.settle();
    ASSERT_TRUE(pair.b.shutdown(server, Engine::Direction::both, pair.now));
    pair.settle();
    EXPECT_TRUE(hears(pair.a, Event::Kind::closed));
    EXPECT_EQ(pair.a.statistics().time_wait, 1u);
    pair.a.trace({trace::bit(trace::Type::state), &seen, &Seen::take});
    pair.run(seconds(59));
    EXPECT_TRUE(seen.changes.empty());
    pair.run(seconds(2));
    ASSERT_EQ(seen.changes.size(), 1u);
    EXPECT_EQ(State(seen.changes[0].from), State::time_wait);
    EXPECT_EQ(State(seen.changes[0].to), State::closed);
    EXPECT_EQ(seen.changes[0].cause, 2u) << "a timer";
    EXPECT_EQ(seen.changes[0].generation, client.generation);
    EXPECT_EQ(pair.a.statistics().time_wait, 0u);
    EXPECT_FALSE(hears(pair.a, Event::Kind::failed));
}

TEST_P(Utcp, HandleBufTellsWhichSideOpenedAnEstablishedFlow) {
    const ListenerId listener = listens(pair.b);
    const Flow client = connects();
    pair.settle();
    const auto active = hears(pair.a, Event::Kind::connected), passive = hears(pair.b, Event::Kind::accepted);
    ASSERT_TRUE(active && passive);
    EXPECT_EQ(active->flow, client);
    EXPECT_EQ(passive->listener, listener);
}

TEST_P(Utcp, HandleBufDropsAFlowThatThePeerReset) {
    const auto [client, server] = opens();
    ASSERT_TRUE(pair.a.abort(client, pair.now));
    pair.settle();
    const auto dropped = hears(pair.b, Event::Kind::failed);
    ASSERT_TRUE(dropped);
    EXPECT_EQ(dropped->flow, server);
    EXPECT_EQ(dropped->error, Error::reset);
    EXPECT_EQ(dropped->limit, Event::Limit::other);
    EXPECT_EQ(reads(pair.b, server).error(), Error::no_such_flow);
}

TEST_P(Utcp, HandleBufTellsDataAndEofApartAndAnswersWithSegments) {
    const auto [client, server] = opens();
    ASSERT_TRUE(writes(pair.a, client, "data"));
    pair.settle();
    auto events = pair.events(pair.b);
    EXPECT_TRUE(has(events, Event::Kind::readable) && !has(events, Event::Kind::peer_closed));
    EXPECT_EQ(reads(pair.b, server), "data");
    const std::uint64_t sent = pair.b.statistics().segments_out;
    ASSERT_TRUE(pair.a.shutdown(client, Engine::Direction::write, pair.now));
    pair.settle();
    events = pair.events(pair.b);
    EXPECT_TRUE(!has(events, Event::Kind::readable) && has(events, Event::Kind::peer_closed));
    EXPECT_GT(pair.b.statistics().segments_out, sent);
}

}  // namespace
}  // namespace weft::test
