// The engine as its user sees it.
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <string>

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
std::vector<std::byte> transfer(Pair& pair, Engine& from, Flow out, Engine& to, Flow in, const std::vector<std::byte>& text) {
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

}  // namespace
}  // namespace weft::test
