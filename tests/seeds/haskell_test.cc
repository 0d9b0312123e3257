// What the TCP in Haskell of 2007 and its thread library promise, asked of engine, coroutines and the mode without I/O.
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "stack/api/weft.h"
#include "stack/core/address_text.h"
#include "tests/seeds/stream_seed.h"

namespace weft::test {
namespace {

class Haskell : public StreamSeed {
protected:
    // Echoes until the other end has ended its half.
    static Task<> echo(Stream stream) {
        std::array<std::byte, 256> into;
        while (const auto count = co_await async::read_some(stream, into))
            if (!co_await async::write(stream, std::span{into}.first(*count))) break;
        stream.close();
    }
    static Task<> serve(Shard& shard, Listener& listener) {
        while (auto stream = co_await async::accept(listener)) shard.spawn(echo(std::move(*stream)));
    }
    static Task<bool> ask(Shard& shard, Endpoint to, int number) {
        auto stream = co_await async::connect(shard, to);
        if (!stream) co_return false;
        const std::string question = "question " + std::to_string(number);
        if (!co_await async::write(*stream, bytes(question))) co_return false;
        std::string answer(question.size(), ' ');
        if (!co_await async::read_exactly(*stream, std::as_writable_bytes(std::span{answer}))) co_return false;
        co_return answer == question;
    }
};
WEFT_SEED_FAMILIES(Haskell);

// The same state and the same input: the same output, also where each step goes on from a copy of the state.
TEST_P(Haskell, TcpIsAPureFunctionOfStateAndInput) {
    const auto run = [](Family family, std::uint64_t seed, bool copies) {
        Pair pair{{.seed = {seed, 0}}, family};
        const auto [client, server] = pair.open();
        const std::vector<std::byte> text(50'000, std::byte{7});
        std::vector<std::byte> into(65'536);
        pair.lose = [](std::uint64_t number) { return number % 50 == 0; };
        for (int i = 0; i < 20; ++i) {
            if (copies) {
                const Engine first{pair.a}, second{pair.b};
                pair.a = first, pair.b = second;
            }
            (void)pair.a.write(client, text, {}, pair.now);
            pair.run(ms(50));
            while (pair.b.read(server, into, pair.now)) {}
        }
        return pair.digest;
    };
    const std::uint64_t digest = run(GetParam(), 1, false);
    EXPECT_EQ(run(GetParam(), 1, false), digest);
    EXPECT_EQ(run(GetParam(), 1, true), digest);
    EXPECT_NE(run(GetParam(), 2, false), digest) << "the seed is part of the state";
}

TEST_P(Haskell, PacketsGoInAndOutAsBytesWithoutASocket) {
    const auto make = [](unsigned host) {
        const std::string config = "address = " + to_string(host_address(GetParam(), host));
        std::array<std::uint8_t, 16> seed{std::uint8_t(host)};
        weft_stack* stack = nullptr;
        EXPECT_EQ(weft_new(config.c_str(), seed.data(), &stack), 0) << weft_why();
        return std::unique_ptr<weft_stack, decltype(&weft_free)>{stack, &weft_free};
    };
    const auto one = make(1), two = make(2);
    const weft_time now = 1'000'000'000;
    const auto carry = [&](weft_stack* from, weft_stack* to) {
        weft_packet packet{};
        int moved = 0;
        for (; weft_output(from, &packet, 1, now) == 1; ++moved) EXPECT_EQ(weft_input(to, &packet, 1, now), 1);
        return moved;
    };
    const auto settle = [&] {
        while (carry(one.get(), two.get()) + carry(two.get(), one.get()) > 0) {}
    };
    weft_sockaddr to{};
    ASSERT_EQ(weft_parse(to_string(server_at()).c_str(), &to), 0) << to_string(server_at());
    const weft_fd open = weft_listen(two.get(), &to, 5, nullptr), client = weft_connect(one.get(), nullptr, &to, nullptr);
    ASSERT_GT(open, 0);
    ASSERT_GT(client, 0);
    settle();
    const weft_fd server = weft_accept(two.get(), open, nullptr);
    ASSERT_GT(server, 0);
    EXPECT_EQ(weft_write(one.get(), client, "packets", 7, 0), 7);
    settle();
    std::array<char, 8> into{};
    EXPECT_EQ(weft_read(two.get(), server, into.data(), into.size(), 0), 7);
    EXPECT_STREQ(into.data(), "packets");
}

TEST_P(Haskell, ThreadsAreCoroutinesOverEventsAndOneSystemThreadRunsThemAll) {
    listener = Listener::open(b, at(80)).value();
    b.spawn(serve(b, *listener));
    std::vector<Task<bool>> all;
    for (int i = 0; i < 200; ++i) all.push_back(ask(a, server_at(), i));
    for (Task<bool>& one : all) one.start(a);
    net.run(seconds(2));
    for (Task<bool>& one : all) {
        ASSERT_TRUE(one.done());
        EXPECT_TRUE(one.take());
    }
}

TEST_P(Haskell, AThreadBlocksOnFlowsAndTimersAlike) {
    listener = Listener::open(b, at(80)).value();
    const auto slow_server = [](Shard& shard, Listener& open) -> Task<> {
        auto stream = co_await async::accept(open);
        (void)co_await async::sleep(shard, seconds(3));
        (void)co_await async::write(*stream, bytes("slept"));
    };
    b.spawn(slow_server(b, *listener));
    const auto client = [](Shard& shard, Endpoint to) -> Task<std::string> {
        auto stream = co_await async::connect(shard, to);
        std::string text(5, ' ');
        const auto early =
            co_await async::read_exactly(*stream, std::as_writable_bytes(std::span{text}), shard.in(seconds(1)));
        if (early || early.error() != Error::timed_out) co_return "it did not wait";
        (void)co_await async::read_exactly(*stream, std::as_writable_bytes(std::span{text}));
        co_return text;
    };
    EXPECT_EQ(a.run(client(a, server_at())), "slept");
}

TEST_P(Haskell, EventLoopsMayBeTheProgramsOwn) {
    listener = Listener::open(b, at(80)).value();
    Stream client = Stream::start(a, server_at()).value();
    int rounds = 0;
    while (client.connected() == std::unexpected(Error::would_block)) {
        ASSERT_LT(++rounds, 1'000);
        const bool any = a.turn() | b.turn();  // neither sleeps
        if (!any) net.run(ms(1));
    }
    EXPECT_TRUE(client.connected());
    net.run(ms(10));  // the last acknowledgement arrives
    EXPECT_TRUE(listener->try_accept());
    EXPECT_EQ(listener->try_accept().error(), Error::would_block);
    EXPECT_NE(a.deadline(), Instant{}) << "it says when it wants the next turn";
}

}  // namespace
}  // namespace weft::test
