// What Mnet.TCP's interface promises (sockets of a unikernel whose calls wait), asked of streams and listeners.
#include <array>
#include <optional>
#include <vector>

#include "tests/engine/station.h"
#include "tests/seeds/stream_seed.h"

namespace weft::test {
namespace {

class Mnet : public StreamSeed {};
WEFT_SEED_FAMILIES(Mnet);

TEST_P(Mnet, CreateLimitsConnectionsAndSynsAtTheLimitAreIgnored) {
    Shard& small = net.host({host_address(GetParam(), 3)}, {.connections_most = 2});
    Listener open = Listener::open(small, at(80)).value();
    const Endpoint there{host_address(GetParam(), 3), 0, 80};
    Stream one = Stream::connect(a, there).value(), two = Stream::connect(a, there).value();
    EXPECT_EQ(Stream::connect(a, there, {}, a.in(seconds(5))).error(), Error::timed_out) << "no answer, and no reset";
    EXPECT_GE(small.engine([](Engine& engine, Instant) { return engine.statistics().no_memory; }), 1u);
    EXPECT_EQ(Stream::connect(small, server_at()).error(), Error::no_memory) << "nor does it open more itself";
    one.abort();
    net.run(ms(100));
    EXPECT_TRUE(Stream::connect(a, there, {}, a.in(seconds(5)))) << "there is room again";
}

TEST_P(Mnet, KillEndsTheLoopAndAllThatWaitsOnIt) {
    auto [client, server] = opens();
    Result<std::size_t> said = 0;
    const auto reader = [](Stream& stream, Result<std::size_t>& answer) -> Task<> {
        std::array<std::byte, 8> into;
        answer = co_await async::read_some(stream, into);
    };
    Task<> reading = reader(server, said);
    reading.start(b);
    net.settle();
    b.disconnect();
    net.run(ms(50));
    EXPECT_TRUE(reading.done());
    EXPECT_EQ(said.error(), Error::aborted);
    EXPECT_TRUE(b.peers().empty());
    EXPECT_EQ(read_some(client).error(), Error::reset);
}

TEST_P(Mnet, HandlerTakesASegmentThatTheNetworkLayerReceived) {
    Pair pair{{}, GetParam()};
    const ListenerId open = pair.b.listen({{.local = {{}, 0, 80}}}, pair.now).value();
    ASSERT_TRUE(pair.a.connect({pair.address(2), 0, 80}, {}, pair.now));
    pair.carry(pair.a, pair.b);  // one Engine::receive() each
    EXPECT_EQ(pair.b.statistics().half_open, 1u);
    pair.carry(pair.b, pair.a);
    pair.carry(pair.a, pair.b);
    EXPECT_TRUE(pair.b.accept(open, pair.now));
}

TEST_P(Mnet, ConnectReturnsAnEstablishedFlow) {
    listener = Listener::open(b, at(80)).value();
    const Instant before = net.now();
    const Stream client = Stream::connect(a, server_at()).value();
    EXPECT_EQ(net.now() - before, ms(10)) << "it waited one round trip";
    EXPECT_TRUE(client.is_open());
    EXPECT_EQ(client.peers()->remote, server_at());
}

TEST_P(Mnet, ConnectionRefusedWhenNobodyListens) { EXPECT_EQ(Stream::connect(a, server_at(81)).error(), Error::refused); }

TEST_P(Mnet, NetUnreachWhenThereIsNoRoute) {
    Shard& lost = net.host({});
    EXPECT_EQ(Stream::connect(lost, server_at()).error(), Error::network_unreachable);
}

TEST_P(Mnet, NetUnreachWhenNoNeighbourAnswers) {  // ARP, NDP; of 512 bits the overlay says that nobody knows a way
    if (GetParam() == Family::overlay) {
        Pair pair{{}, GetParam()};
        const Flow flow = pair.a.connect({pair.address(2), 0, 80}, {}, pair.now).value();
        pair.a.path_unreachable(pair.path_a, pair.now);
        const auto events = pair.events(pair.a);
        ASSERT_TRUE(has(events, Event::Kind::failed));
        EXPECT_EQ(events.back().flow, flow);
        EXPECT_EQ(events.back().error, Error::unreachable);
        return;
    }
    Station station;
    station.connect(GetParam() == Family::ipv4 ? Station::other4 : Station::other6);
    EXPECT_FALSE(station.sent().empty()) << "it asks for the neighbour";
    station.wait(seconds(10));
    EXPECT_EQ(station.error_of(Event::Kind::failed), Error::unreachable);
}

TEST_P(Mnet, ListenTakesAPortAndAcceptWaitsForAClient) {
    listener = Listener::open(b, at(9'000)).value();
    const auto client = [](Shard& shard, Endpoint to) -> Task<> {
        (void)co_await async::sleep(shard, seconds(7));
        auto stream = co_await async::connect(shard, to);
        EXPECT_TRUE(stream);
        if (stream) (void)co_await async::write(*stream, bytes("here I am"));
    };
    a.spawn(client(a, server_at(9'000)));
    const Instant before = net.now();
    Stream server = listener->accept().value();
    EXPECT_GE(net.now() - before, seconds(7));
    EXPECT_EQ(server.peers()->local.port, 9'000);
    EXPECT_EQ(reads(server, 9), "here I am");
    EXPECT_EQ(Listener::open(b, at(9'000)).error(), Error::address_in_use);
}

TEST_P(Mnet, UnlistenRefusesConnectionsThatComeAfterwards) {
    auto [client, server] = opens();
    listener->close();
    EXPECT_EQ(Stream::connect(a, server_at()).error(), Error::refused);
    ASSERT_TRUE(client.write(bytes("goes on")));
    EXPECT_EQ(reads(server, 7), "goes on");
    EXPECT_TRUE(Listener::open(b, at(80))) << "the port is free again";
}

TEST_P(Mnet, GetLendsWhatIsInTheFramesBehindWhatWasLeft) {
    auto [client, server] = opens();
    const std::string text(5'000, 'g');
    ASSERT_TRUE(client.write(bytes(text)));
    net.run(ms(100));
    EXPECT_EQ(reads(server, 10), text.substr(0, 10)) << "part of a frame was read into a buffer";
    std::string got;
    std::size_t parts = 0;
    while (got.size() < text.size() - 10) {
        const Lease lease = server.take().value();
        parts += lease.parts().size();
        for (const auto part : lease.parts()) got.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    EXPECT_EQ(got, text.substr(10)) << "the rest comes first";
    EXPECT_GE(parts, 4u) << "frame by frame, as they came";
    client.close();
    EXPECT_EQ(server.take().error(), Error::end_of_stream) << "Eof";
}

TEST_P(Mnet, ReadKeepsWhatDoesNotFitForTheNextRead) {
    auto [client, server] = opens();
    ASSERT_TRUE(client.write(bytes("more than fits")));
    net.run(ms(100));
    std::array<std::byte, 4> into;
    std::string got;
    while (got.size() < 14) {
        const auto count = server.read_some(into).value();
        EXPECT_LE(count, into.size());
        got.append(reinterpret_cast<const char*>(into.data()), count);
    }
    EXPECT_EQ(got, "more than fits");
    EXPECT_EQ(server.read_some({}), 0u) << "nothing wanted, nothing waited for";
    client.close();
    EXPECT_EQ(server.read_some(into).error(), Error::end_of_stream);
}

TEST_P(Mnet, ReallyReadReadsAllOrSaysThatTheFileEnded) {
    auto [client, server] = opens();
    std::array<std::byte, 6> into;
    EXPECT_TRUE(server.read_exactly({})) << "of no bytes it does nothing";
    ASSERT_TRUE(client.write(bytes("abc")));
    EXPECT_EQ(server.read_exactly(into, b.in(seconds(1))).error(), Error::timed_out);
    const auto slowly = [](Shard& shard, Stream& stream) -> Task<> {
        for (int i = 0; i < 6; ++i) {
            (void)co_await async::sleep(shard, seconds(1));
            (void)co_await async::write(stream, bytes("x"));
        }
        stream.close();
    };
    a.spawn(slowly(a, client));
    EXPECT_TRUE(server.read_exactly(into)) << "pieces are gathered";
    EXPECT_EQ(server.read_exactly(into).error(), Error::end_of_stream);
}

TEST_P(Mnet, WriteWaitsForRoomAndSaysWhyItCannot) {
    auto [client, server] = opens({.send_buffer = 4'096});
    const std::string text(100'000, 'w');
    std::size_t read = 0;
    Task<> reading = counts(server, read);
    reading.start(b);
    ASSERT_TRUE(client.write(bytes(text).subspan(10, 90'000))) << "from an offset, so much";
    EXPECT_GE(read, 80'000u) << "all but what is under way";
    ASSERT_TRUE(client.shutdown());
    EXPECT_EQ(client.write(bytes("x")).error(), Error::closed_by_peer);
    Stream none;
    EXPECT_EQ(none.write(bytes("x")).error(), Error::not_connected);
    auto [other, gone] = opens();
    gone.abort();
    net.run(ms(50));
    EXPECT_EQ(other.write(bytes("x")).error(), Error::closed_by_peer) << "Closed_by_peer";
}

TEST_P(Mnet, WriteWithoutInterruptionNeverWaits) {
    auto [client, server] = opens({.send_buffer = 4'096});
    const std::string text(50'000, 'n');
    const Instant before = net.now();
    ASSERT_TRUE(client.write_now(bytes(text)));
    EXPECT_EQ(net.now(), before);
    EXPECT_EQ(reads(server, text.size()), text);
    server.abort();
    net.run(ms(50));
    EXPECT_EQ(client.write_now(bytes("x")).error(), Error::closed_by_peer);
}

TEST_P(Mnet, CloseNeverBlocksAndIsSafeInADestructor) {
    static_assert(noexcept(std::declval<Stream&>().close()) && noexcept(std::declval<Stream&>().~Stream()));
    auto [client, server] = opens();
    ASSERT_TRUE(client.write(bytes("last words")));
    const Instant before = net.now();
    client.close();
    EXPECT_EQ(net.now(), before);
    client.close();
    EXPECT_EQ(reads(server, 10), "last words") << "it is properly closed: what was written arrives";
    EXPECT_EQ(read_some(server).error(), Error::end_of_stream);
    {
        auto [held, other] = opens();
        server = std::move(other);
    }
    EXPECT_EQ(read_some(server).error(), Error::end_of_stream);
}

TEST_P(Mnet, ShutdownOfWritingIsEndOfFileToTheOtherEnd) {
    auto [client, server] = opens();
    ASSERT_TRUE(client.shutdown());
    EXPECT_EQ(read_some(server).error(), Error::end_of_stream);
    ASSERT_TRUE(server.write(bytes("still")));
    EXPECT_EQ(reads(client, 5), "still");
}

// Reading alone that is shut tells the peer nothing, in TCP: what comes is thrown away. Both halves shut: it is told.
TEST_P(Mnet, ShutdownOfBothIsClosedByPeerToWritesOfTheOtherEnd) {
    auto [client, server] = opens();
    client.close();
    net.run(ms(50));
    ASSERT_TRUE(server.write(bytes("into the void")));
    net.run(ms(50));
    EXPECT_EQ(server.write(bytes("again")).error(), Error::closed_by_peer);
}

TEST_P(Mnet, PeersAreLocalAndRemote) {
    auto [client, server] = opens();
    const Peers here = client.peers().value(), there = server.peers().value();
    EXPECT_EQ(here.local, there.remote);
    EXPECT_EQ(here.remote, there.local);
    EXPECT_EQ(here.remote, server_at());
}

TEST_P(Mnet, TagsOfAFlowNameItsEndsInTheTrace) {
    auto [client, server] = opens();
    struct Told {
        std::vector<std::byte> addresses;
        std::optional<trace::FlowBegin> begin;
        static void take(void* to, const trace::Record& record) {
            Told& told = *static_cast<Told*>(to);
            if (record.type == trace::Type::flow && trace::is_connection(record.flow))
                told.begin = trace::body_of<trace::FlowBegin>(record);
            if (record.type != trace::Type::define) return;
            const auto define = trace::body_of<trace::Define>(record);
            told.addresses.insert(told.addresses.end(), define.bytes.begin(), define.bytes.end());
        }
    } told;
    a.engine([&](Engine& engine, Instant now) {
        std::uint32_t cursor = 0;
        while (engine.tell_flows({trace::all, &told, &Told::take}, cursor, 16, now)) {}
    });
    ASSERT_TRUE(told.begin);
    const Peers peers = client.peers().value();
    EXPECT_EQ(told.begin->local_port, peers.local.port);
    EXPECT_EQ(told.begin->remote_port, peers.remote.port);
    EXPECT_EQ(told.begin->generation, client.flow().generation);
    EXPECT_EQ(Family(told.begin->family), GetParam());
    const auto address = peers.remote.address.bytes().first(std::min<std::size_t>(peers.remote.address.bytes().size(), 40));
    EXPECT_NE(std::search(told.addresses.begin(), told.addresses.end(), address.begin(), address.end()),
              told.addresses.end());
}

TEST_P(Mnet, ConnectionsCountsWhatThereIs) {
    const auto count = [](Shard& shard) {
        return shard.engine([](Engine& engine, Instant) { return engine.statistics().connections; });
    };
    EXPECT_EQ(count(a), 0u);
    auto [one, its_peer] = opens();
    auto [two, other_peer] = opens();
    EXPECT_EQ(count(a), 2u);
    EXPECT_EQ(count(b), 2u);
    two.abort();
    net.run(ms(50));
    EXPECT_EQ(count(a), 1u);
    EXPECT_EQ(a.peers().size(), 1u);
}

}  // namespace
}  // namespace weft::test
