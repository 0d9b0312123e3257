// Streams and listeners in virtual time: blocking calls of one side turn the whole net, the other side runs as coroutines; over IPv4,
// IPv6 and 512-bit addresses.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "stack/api/stream.h"
#include "stack/api/task.h"
#include "stack/api/virtual_net.h"
#include "tests/engine/host_address.h"

namespace weft::api {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span{text}); }
std::string_view text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Task<> echo_one(Stream stream) {
    std::array<std::byte, 4'096> into;
    while (const auto count = co_await async::read_some(stream, into))
        if (!co_await async::write(stream, std::span{into}.first(*count))) break;
    (void)stream.shutdown();
    (void)co_await async::finish(stream);
}

Task<> echo(Listener& listener, Shard& shard) {
    while (Result<Stream> stream = co_await async::accept(listener)) shard.spawn(echo_one(std::move(*stream)));
}

struct Streams : testing::TestWithParam<Family> {
    Streams() {
        listener = Listener::open(b, {{.local = {{}, 0, 80}}}).value();
        net.delay = Duration::milliseconds(5);
    }
    Result<Stream> connect(std::uint16_t port = 80, const ConnectOptions& options = {}) {
        return Stream::connect(a, {test::host_address(GetParam(), 2), 0, port}, options);
    }
    std::pair<Stream, Stream> pair() {
        Stream client = connect().value();
        return {std::move(client), listener.accept().value()};
    }

    VirtualNet net;
    Shard& a = net.host({test::host_address(GetParam(), 1)});
    Shard& b = net.host({test::host_address(GetParam(), 2)});
    Listener listener;
};
INSTANTIATE_TEST_SUITE_P(Families, Streams, testing::Values(Family::ipv4, Family::ipv6, Family::overlay),
                         [](const auto& one) {
                             return one.param == Family::ipv4 ? "ipv4" : one.param == Family::ipv6 ? "ipv6" : "overlay";
                         });

TEST_P(Streams, ABlockingCallTurnsTheWholeNetUntilItIsAnswered) {
    b.spawn(echo(listener, b));
    Stream client = connect().value();
    EXPECT_EQ(net.now().nanoseconds(), 1'010'000'000) << "one round trip";
    ASSERT_TRUE(client.write(bytes("hello")));
    std::array<std::byte, 5> into;
    ASSERT_TRUE(client.read_exactly(into));
    EXPECT_EQ(text(into), "hello");
    EXPECT_EQ(client.peers()->remote.port, 80);
    EXPECT_EQ(client.peers()->remote.address, test::host_address(GetParam(), 2));
    ASSERT_TRUE(client.finish());
    EXPECT_EQ(client.failure(), std::nullopt);
}

TEST_P(Streams, MuchTextGoesBothWaysThroughSmallBuffers) {
    b.spawn(echo(listener, b));
    Stream client = connect(80, {.send_buffer = 8'192, .receive_buffer = 8'192}).value();
    std::vector<std::byte> sent(300'000), received(sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = std::byte(i * 7 >> 3);
    const auto writer = [](Stream& stream, std::span<const std::byte> all) -> Task<Result<void>> {
        co_return co_await async::write(stream, all);
    };
    Task<Result<void>> writing = writer(client, sent);
    writing.start(a);
    ASSERT_TRUE(client.read_exactly(received));
    EXPECT_EQ(sent, received);
    EXPECT_TRUE(writing.done());
    EXPECT_TRUE(writing.take());
}

TEST_P(Streams, WhatWouldBlockSaysSoAndADeadlineEndsAWait) {
    EXPECT_EQ(listener.try_accept().error(), Error::would_block);
    auto [client, server] = pair();
    std::array<std::byte, 8> into;
    EXPECT_EQ(client.try_read(into).error(), Error::would_block);
    const Instant until = net.now() + Duration::milliseconds(100);
    EXPECT_EQ(client.read_some(into, until).error(), Error::timed_out);
    EXPECT_EQ(net.now(), until);
    EXPECT_EQ(listener.accept(net.now()).error(), Error::timed_out);
    EXPECT_EQ(client.read_some(into).error(), Error::timed_out) << "nothing can come any more: nobody else is there";
    EXPECT_TRUE(server.write(bytes("text")));
    net.settle();
    net.run(Duration::milliseconds(5));
    EXPECT_EQ(client.readable(), 4u);
    EXPECT_EQ(client.try_read(into), 4u);
    std::vector<std::byte> much(4 << 20);
    const auto taken = client.try_write(much);
    ASSERT_TRUE(taken);
    EXPECT_LT(*taken, much.size());
    EXPECT_EQ(client.try_write(much).error(), Error::would_block);
    EXPECT_EQ(client.write(bytes("x"), net.now() + Duration::milliseconds(1)).error(), Error::timed_out);
}

TEST_P(Streams, AWriteThatMayNotWaitTakesAllBeyondTheBuffer) {
    auto [client, server] = pair();
    std::vector<std::byte> much(4 << 20, std::byte{7});
    ASSERT_TRUE(client.write_now(much));
    client.close();
    std::size_t got = 0;
    std::vector<std::byte> into(65'536);
    for (Result<std::size_t> count = 0; (count = server.read_some(into)); got += *count) {}
    EXPECT_EQ(got, much.size());
}

TEST_P(Streams, PartsAreOneStreamAndALeaseLendsWhatCame) {
    auto [client, server] = pair();
    const std::array parts{bytes("one "), bytes(""), bytes("two "), bytes("three")};
    ASSERT_TRUE(client.write(parts));
    std::string all;
    while (all.size() < 13) {
        const Lease lease = server.take().value();
        for (const auto part : lease.parts()) all += text(part);
        EXPECT_EQ(lease.size() > 0, true);
    }
    EXPECT_EQ(all, "one two three");
    Lease kept;
    ASSERT_TRUE(client.write(bytes("kept")));
    kept = server.take().value();
    ASSERT_TRUE(client.write(bytes("next")));
    std::array<std::byte, 4> into;
    ASSERT_TRUE(server.read_exactly(into));
    EXPECT_EQ(text(kept.parts()[0]), "kept");
    EXPECT_EQ(text(into), "next");
}

TEST_P(Streams, CloseNeverWaitsAndFinishWaitsForThePeer) {
    auto [client, server] = pair();
    const Instant before = net.now();
    ASSERT_TRUE(server.write(bytes("thrown away")));
    const auto close_later = [](Shard& shard, Stream stream) -> Task<> {
        (void)co_await async::sleep(shard, Duration::seconds(5));
        std::array<std::byte, 8> into;
        EXPECT_EQ((co_await async::read_some(stream, into)).error(), Error::end_of_stream);
        stream.close();
    };
    b.spawn(close_later(b, std::move(server)));
    EXPECT_TRUE(client.finish());
    EXPECT_GE(net.now() - before, Duration::seconds(5));

    auto [second, its_peer] = pair();
    const Instant then = net.now();
    second.close();
    EXPECT_EQ(net.now(), then);
    EXPECT_FALSE(second.is_open());
    EXPECT_EQ(second.write(bytes("x")).error(), Error::not_connected);
    std::array<std::byte, 8> into;
    EXPECT_EQ(its_peer.read_some(into).error(), Error::end_of_stream);
}

TEST_P(Streams, AHalfThatIsShutStillReads) {
    auto [client, server] = pair();
    ASSERT_TRUE(client.write(bytes("question")));
    ASSERT_TRUE(client.shutdown());
    EXPECT_EQ(client.write(bytes("x")).error(), Error::closed_by_peer);
    std::array<std::byte, 8> into;
    ASSERT_TRUE(server.read_exactly(into));
    EXPECT_EQ(server.read_some(into).error(), Error::end_of_stream);
    EXPECT_EQ(server.read_exactly(into).error(), Error::end_of_stream);
    ASSERT_TRUE(server.write(bytes("answered")));
    ASSERT_TRUE(client.read_exactly(into));
    EXPECT_EQ(text(into), "answered");
}

TEST_P(Streams, TroubleHasANameForEach) {
    EXPECT_EQ(connect(81).error(), Error::refused);
    const Address nobody = test::host_address(GetParam(), 9);
    EXPECT_EQ(Stream::connect(a, {nobody, 0, 80}, {}, a.in(Duration::seconds(3))).error(), Error::timed_out);
    EXPECT_EQ(Listener::open(b, {{.local = {{}, 0, 80}}}).error(), Error::address_in_use);
    auto [client, server] = pair();
    server.abort();
    std::array<std::byte, 8> into;
    EXPECT_EQ(client.read_some(into).error(), Error::reset);
    EXPECT_EQ(client.read_some(into).error(), Error::reset) << "as often as it is asked";
    EXPECT_EQ(client.write(bytes("x")).error(), Error::closed_by_peer);
    EXPECT_EQ(client.failure(), Error::reset);
    Stream none;
    EXPECT_EQ(none.read_some(into).error(), Error::not_connected);
    EXPECT_EQ(none.finish().error(), Error::not_connected);
}

TEST_P(Streams, AKeepAliveThatGoesUnansweredIsTheEndToReadersAndClosedToWriters) {
    auto [client, server] = pair();
    ASSERT_TRUE(client.keepalive({true, 3, Duration::seconds(10), Duration::seconds(1)}));
    net.lose = [](std::uint64_t) { return true; };
    std::array<std::byte, 8> into;
    EXPECT_EQ(client.read_some(into).error(), Error::end_of_stream);
    EXPECT_EQ(client.write(bytes("x")).error(), Error::closed_by_peer);
    EXPECT_EQ(client.failure(), Error::timed_out);
}

TEST_P(Streams, AWriteWithoutDelayReturnsWhenAllWasTransmitted) {
    auto [client, server] = pair();
    ASSERT_TRUE(client.write(bytes("a")));
    ASSERT_TRUE(client.write(bytes("b"))) << "Nagle holds it back";
    const std::uint64_t before = net.packets();
    ASSERT_TRUE(client.write_nodelay(bytes("c")));
    EXPECT_GT(net.packets(), before);
    a.engine([&](Engine& engine, Instant) { EXPECT_EQ(engine.buffers(client.flow())->unsent, 0u); });
    ASSERT_TRUE(client.nodelay(true));
    std::array<std::byte, 3> into;
    ASSERT_TRUE(server.read_exactly(into));
    EXPECT_EQ(text(into), "abc");
}

TEST_P(Streams, AFunctionMayListen) {
    std::vector<std::uint16_t> asked;
    std::optional<Question> later;
    Listener any = Listener::open(b, {{}, 128, true}, [&](Question question, const Peers& peers) {
                       asked.push_back(peers.local.port);
                       EXPECT_EQ(Stream::start(b, peers.remote).error(), Error::not_permitted) << "asked under the lock";
                       if (peers.local.port == 1) return Answer::refuse;
                       if (peers.local.port == 3) return later = question, Answer::later;
                       return Answer::accept;
                   }).value();
    EXPECT_EQ(connect(1).error(), Error::refused);
    ASSERT_TRUE(connect(2));
    Stream third = Stream::start(a, {test::host_address(GetParam(), 2), 0, 3}).value();
    net.run(Duration::milliseconds(500));
    EXPECT_EQ(third.connected().error(), Error::would_block);
    ASSERT_TRUE(later);
    EXPECT_TRUE(any.answer(*later, Answer::accept));
    EXPECT_TRUE(third.await_connected());
    EXPECT_EQ(asked, (std::vector<std::uint16_t>{1, 2, 3}));
}

TEST_P(Streams, DisconnectResetsWhatIsOpenAndEndsEveryWait) {
    auto [client, server] = pair();
    Result<std::size_t> answer = 0;
    const auto reader = [](Stream& stream, Result<std::size_t>& said) -> Task<> {
        std::array<std::byte, 8> into;
        said = co_await async::read_some(stream, into);
    };
    Task<> reading = reader(server, answer);
    reading.start(b);
    net.settle();
    EXPECT_EQ(b.peers().size(), 1u);
    b.disconnect();
    net.run(Duration::milliseconds(50));
    EXPECT_EQ(answer.error(), Error::aborted);
    std::array<std::byte, 8> into;
    EXPECT_EQ(client.read_some(into).error(), Error::reset);
    EXPECT_EQ(b.peers().size(), 0u);
}

TEST_P(Streams, ATaskThatIsDestroyedLeavesNothingBehind) {
    auto [client, server] = pair();
    bool went_on = false;
    const auto reader = [](Stream& stream, bool& further) -> Task<> {
        std::array<std::byte, 8> into;
        (void)co_await async::read_some(stream, into);
        further = true;
    };
    const auto outer = [&reader](Stream& stream, bool& further) -> Task<> {
        co_await reader(stream, further);
        further = true;
    };
    {
        Task<> waiting = outer(server, went_on), begun = outer(server, went_on);
        waiting.start(b);
        net.settle();
        begun.start(b);
    }
    ASSERT_TRUE(client.write(bytes("text")));
    net.run(Duration::milliseconds(50));
    EXPECT_FALSE(went_on);
    EXPECT_EQ(server.readable(), 4u);
}

TEST_P(Streams, ACoroutineMayNotBlockWhatWouldResumeIt) {
    auto [client, server] = pair();
    const auto wrong = [](Stream& stream) -> Task<Error> {
        std::array<std::byte, 8> into;
        co_return stream.read_some(into).error();
    };
    EXPECT_EQ(b.run(wrong(server)), Error::not_permitted);
}

TEST_P(Streams, RunReturnsWhatTheTaskReturnsAndTimersRunInOrder) {
    std::vector<int> order;
    const auto wait = [](Shard& shard, std::vector<int>& done, int n) -> Task<int> {
        (void)co_await async::sleep(shard, Duration::milliseconds(n));
        done.push_back(n);
        co_return n;
    };
    const auto both = [&](Shard& shard) -> Task<int> {
        std::vector<Task<int>> some;
        for (const int n : {30, 10, 20, 25, 5}) some.push_back(wait(shard, order, n));
        for (auto& one : some) one.start(shard);
        co_return co_await wait(shard, order, 40) + 2;
    };
    EXPECT_EQ(a.run(both(a)), 42);
    EXPECT_EQ(order, (std::vector<int>{5, 10, 20, 25, 30, 40}));
    const auto connect_and_send = [](Shard& shard, Endpoint to) -> Task<Result<void>> {
        auto stream = co_await async::connect(shard, to);
        if (!stream) co_return std::unexpected(stream.error());
        co_return co_await async::write(*stream, bytes("by a coroutine"));
    };
    EXPECT_TRUE(a.run(connect_and_send(a, {test::host_address(GetParam(), 2), 0, 80})).value());
    EXPECT_EQ(a.run(connect_and_send(a, {test::host_address(GetParam(), 2), 0, 81})).value().error(), Error::refused);
}

TEST_P(Streams, ThreadsShareOneShardAndHandTheLeadOn) {
    net.threads = true;
    constexpr int flows = 4;
    constexpr std::size_t total = 200'000;
    std::vector<std::thread> threads;
    std::atomic<std::size_t> received{0};
    for (int i = 0; i < flows; ++i) {
        threads.emplace_back([&] {
            Stream client = connect().value();
            std::vector<std::byte> some(10'000);
            for (std::size_t sent = 0; sent < total; sent += some.size()) ASSERT_TRUE(client.write(some));
            ASSERT_TRUE(client.finish());
        });
        threads.emplace_back([&] {
            Stream server = listener.accept().value();
            std::vector<std::byte> into(4'096);
            while (const auto count = server.read_some(into)) received += *count;
            ASSERT_TRUE(server.finish());
        });
    }
    for (std::thread& one : threads) one.join();
    EXPECT_EQ(received, flows * total);
}

TEST_P(Streams, WhatATaskWroteLastHasLeftWhenRunReturns) {
    auto [client, server] = pair();
    const auto say = [](Stream& to) -> Task<> { (void)co_await async::write(to, bytes("hello")); };
    EXPECT_TRUE(a.run(say(client)));
    const auto unsent = a.raw().buffers(client.flow())->unsent;
    EXPECT_EQ(unsent, 0u);
}

TEST_P(Streams, ASpawnedTaskThatDisconnectsItsShardEndsWhereItWaitsNext) {
    struct Counts {
        int &steps, &ended;
        ~Counts() { ++ended; }
    };
    int steps = 0, ended = 0;
    const auto ends = [](Shard& shard, int& count, int& over) -> Task<> {
        const Counts counts{count, over};
        ++count;
        shard.disconnect();
        ++count;
        co_await async::sleep(shard, Duration::milliseconds(1));
        ++count;
    };
    const auto waits = [](Shard& shard, int& count, int& over) -> Task<> {
        const Counts counts{count, over};
        co_await async::sleep(shard, Duration::seconds(1'000));
        ++count;
    };
    a.spawn(waits(a, steps, ended));
    (void)a.turn();
    a.spawn(ends(a, steps, ended));
    (void)a.turn();
    EXPECT_EQ(steps, 2);
    EXPECT_EQ(ended, 2);
}

TEST_P(Streams, AListenerMayBeMovedWhileSomebodyWaitsAtIt) {
    auto wait = listener.accepting();
    std::optional<Listener> moved{std::move(listener)};
    listener = {};
    Stream client = connect().value();
    std::byte none{};
    EXPECT_FALSE(client.read_some({&none, 1}, a.in(Duration::milliseconds(20)))) << "the handshake's end has come there";
    EXPECT_TRUE(wait.step());
}

TEST_P(Streams, AFunctionThatThrowsHasRefusedTheSyn) {
    int asked = 0;
    const auto function = [&](Question, const Peers&) -> Answer {
        ++asked;
        throw std::runtime_error("nobody catches this");
    };
    const Listener asks = Listener::open(b, {{.local = {{}, 0, 81}}}, function).value();
    const auto until = a.in(Duration::seconds(2));
    const auto nobody = Stream::connect(a, {test::host_address(GetParam(), 2), 0, 81}, {}, until);
    EXPECT_EQ(nobody.error(), Error::refused);
    EXPECT_EQ(asked, 1);
    EXPECT_TRUE(connect()) << "the loop goes on";
}

TEST_P(Streams, WhatACallOnTheEngineThatThrowsHasWrittenLeaves) {
    Stream client = connect().value();
    Stream server = listener.accept().value();
    const std::array text{std::byte{7}};
    const auto writes = [&](Engine& engine, Instant now) {
        EXPECT_TRUE(engine.write(client.flow(), text, {}, now));
        throw std::runtime_error("after it");
    };
    EXPECT_THROW(a.engine(writes), std::runtime_error);
    std::array<std::byte, 1> into{};
    EXPECT_TRUE(server.read_exactly(into, b.in(Duration::seconds(1))));
    EXPECT_EQ(into, text);
}

}  // namespace
}  // namespace weft::api
