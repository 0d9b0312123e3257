// What the Tcp signature of MirageOS promises, asked of streams and listeners.
#include <array>
#include <string>
#include <vector>

#include "stack/core/error_text.h"
#include "tests/seeds/stream_seed.h"

namespace weft::test {
namespace {

class Mirage : public StreamSeed {
protected:
    static constexpr KeepAlive probing{.on = true, .probes = 3, .idle = seconds(10), .interval = seconds(2)};

    std::uint32_t unsent(Stream& stream) {
        return stream.shard().engine([&](Engine& engine, Instant) { return engine.buffers(stream.flow())->unsent; });
    }
};
WEFT_SEED_FAMILIES(Mirage);

TEST_P(Mirage, InputIsGivenSegmentsWithTheirAddresses) {
    Pair pair{{}, GetParam()};
    const ListenerId open = pair.b.listen({{.local = {{}, 0, 80}}}, pair.now).value();
    const Flow client = pair.a.connect({pair.address(2), 0, 80}, {}, pair.now).value();
    pair.settle();
    const Flow server = pair.b.accept(open, pair.now).value();
    EXPECT_EQ(pair.b.peers(server)->remote, pair.a.peers(client)->local);
}

TEST_P(Mirage, ListenersAreAFunctionOfThePort) {
    std::vector<std::uint16_t> asked;
    ListenOptions any;
    any.any_port = true;
    listener = Listener::open(b, any, [&](Question, const Peers& peers) {
                   asked.push_back(peers.local.port);
                   return peers.local.port % 2 == 0 ? Answer::accept : Answer::refuse;
               }).value();
    EXPECT_TRUE(Stream::connect(a, server_at(8'080)));
    EXPECT_EQ(Stream::connect(a, server_at(8'081)).error(), Error::refused);
    EXPECT_EQ(asked, (std::vector<std::uint16_t>{8'080, 8'081}));
}

TEST_P(Mirage, ListenWithKeepaliveAppliesItBeforeTheFlowIsHandedOut) {
    ListenOptions options = at(80);
    options.keepalive = probing;
    listener = Listener::open(b, options).value();
    Stream client = Stream::connect(a, server_at()).value();
    Stream server = listener->accept().value();
    net.run(seconds(9));
    const std::uint64_t before = net.packets();
    net.run(seconds(2));
    EXPECT_EQ(net.packets() - before, 2u) << "a probe and its answer";
}

TEST_P(Mirage, UnlistenStopsTheListenerOfAPort) {
    auto [client, server] = opens();
    listener->close();
    EXPECT_EQ(Stream::connect(a, server_at()).error(), Error::refused);
    EXPECT_TRUE(client.write(bytes("lives")));
    EXPECT_EQ(reads(server, 5), "lives");
}

TEST_P(Mirage, CreateConnectionOpensAFlowOrSaysRefusedOrTimeout) {
    listener = Listener::open(b, at(80)).value();
    EXPECT_TRUE(Stream::connect(a, server_at()));
    EXPECT_EQ(Stream::connect(a, server_at(81)).error(), Error::refused);
    cuts_the_wire();
    const Instant before = net.now();
    EXPECT_EQ(Stream::connect(a, server_at(), {.user_timeout = seconds(200)}).error(), Error::timed_out);
    EXPECT_GE(net.now() - before, seconds(200));
}

TEST_P(Mirage, KeepaliveProbesAfterSilenceAtIntervalsAndGivesUpAfterSoMany) {
    auto [client, server] = opens({.keepalive = probing});
    net.run(seconds(1));
    cuts_the_wire();
    const Instant silent = net.now();
    const std::uint64_t before = net.packets();
    EXPECT_EQ(read_some(client).error(), Error::end_of_stream);
    EXPECT_GE(net.now() - silent, seconds(9 + 3 * 2) - ms(10)) << "the last that was heard came a moment before";
    EXPECT_LE(net.now() - silent, seconds(10 + 3 * 2 + 1));
    EXPECT_GE(net.packets() - before, 3u);
}

TEST_P(Mirage, AKeepaliveThatFailsIsEofToReadersAndClosedToWriters) {
    auto [client, server] = opens({.keepalive = probing});
    cuts_the_wire();
    EXPECT_EQ(read_some(client).error(), Error::end_of_stream);
    EXPECT_EQ(client.write(bytes("x")).error(), Error::closed_by_peer);
    EXPECT_EQ(client.failure(), Error::timed_out) << "who asks hears why";
}

TEST_P(Mirage, ReadGivesDataThenEof) {
    auto [client, server] = opens();
    ASSERT_TRUE(client.write(bytes("data")));
    client.close();
    EXPECT_EQ(reads(server, 4), "data");
    EXPECT_EQ(read_some(server).error(), Error::end_of_stream);
    EXPECT_EQ(read_some(server).error(), Error::end_of_stream) << "and again";
}

TEST_P(Mirage, WriteReturnsWhenItIsBufferedAndWritevJoinsItsParts) {
    auto [client, server] = opens();
    const Instant before = net.now();
    ASSERT_TRUE(client.write(bytes("one ")));
    const std::array parts{bytes("two "), bytes(""), bytes("three")};
    ASSERT_TRUE(client.write(parts));
    EXPECT_EQ(net.now(), before);
    EXPECT_EQ(reads(server, 13), "one two three");
}

TEST_P(Mirage, WriteNodelayReturnsWhenItWasTransmitted) {
    auto [client, server] = opens();
    ASSERT_TRUE(client.write(bytes("a")));
    ASSERT_TRUE(client.write(bytes("b")));
    EXPECT_EQ(unsent(client), 1u) << "Nagle keeps the second back";
    ASSERT_TRUE(client.write_nodelay(bytes("c")));
    EXPECT_EQ(unsent(client), 0u);
    EXPECT_EQ(reads(server, 3), "abc");
}

TEST_P(Mirage, WritevNodelayReturnsWhenAllPartsWereTransmitted) {
    auto [client, server] = opens();
    ASSERT_TRUE(client.write(bytes("a")));
    const std::string much(200'000, 'v');
    const std::array parts{bytes("b"), bytes(much), bytes("c")};
    std::size_t read = 0;
    Task<> reading = counts(server, read);
    reading.start(b);
    const Instant before = net.now();
    ASSERT_TRUE(client.write_nodelay(parts));
    EXPECT_EQ(unsent(client), 0u);
    EXPECT_GT(net.now(), before) << "more than a window: it had to wait";
    net.run(ms(100));
    EXPECT_EQ(read, much.size() + 3);
}

TEST_P(Mirage, NodelayIsAlsoOfAFlow) {  // what the interface announces for a later revision
    auto [client, server] = opens({.nodelay = true});
    ASSERT_TRUE(client.write(bytes("a")));
    ASSERT_TRUE(client.write(bytes("b")));
    EXPECT_EQ(unsent(client), 0u);
}

TEST_P(Mirage, CloseReturnsOnlyWhenThePeerHasClosed) {
    auto [client, server] = opens();
    const auto closes_late = [](Shard& shard, Stream stream) -> Task<> {
        (void)co_await async::sleep(shard, seconds(30));
        stream.close();
    };
    b.spawn(closes_late(b, std::move(server)));
    const Instant before = net.now();
    EXPECT_TRUE(client.finish());
    EXPECT_GE(net.now() - before, seconds(30));
    auto [other, its_peer] = opens();
    EXPECT_EQ(other.finish(a.in(seconds(5))).error(), Error::timed_out) << "or when it was told to wait no longer";
}

TEST_P(Mirage, ShutdownEndsOneDirection) {
    auto [client, server] = opens();
    ASSERT_TRUE(client.shutdown());
    EXPECT_EQ(read_some(server).error(), Error::end_of_stream);
    EXPECT_EQ(client.write(bytes("x")).error(), Error::closed_by_peer);
    ASSERT_TRUE(server.write(bytes("back")));
    EXPECT_EQ(reads(client, 4), "back");
}

TEST_P(Mirage, DstAndSrcAreTheEndsOfAFlow) {
    auto [client, server] = opens();
    EXPECT_EQ(client.peers()->remote, server_at());
    EXPECT_EQ(client.peers()->local.address, host_address(GetParam(), 1));
    EXPECT_EQ(server.peers()->remote, client.peers()->local);
}

TEST_P(Mirage, DisconnectNeverFails) {
    static_assert(noexcept(std::declval<Shard&>().disconnect()));
    auto [client, server] = opens();
    a.disconnect();
    net.run(ms(50));
    EXPECT_TRUE(a.peers().empty());
    EXPECT_EQ(read_some(server).error(), Error::reset);
    a.disconnect();
}

TEST_P(Mirage, ErrorsArePrettyPrinted) {
    const auto refused = Stream::connect(a, server_at(81));
    ASSERT_FALSE(refused);
    EXPECT_EQ(to_string(refused.error()), "the connection was refused");
    EXPECT_EQ(to_string(Error::timed_out), "no answer came in time");
    std::vector<std::string_view> all;
    for (unsigned i = 0; i <= unsigned(Error::in_use); ++i) {
        EXPECT_EQ(std::ranges::count(all, to_string(Error(i))), 0) << i;
        all.push_back(to_string(Error(i)));
    }
    EXPECT_EQ(std::ranges::count(all, "unknown error"), 0);
}

}  // namespace
}  // namespace weft::test
