// Two shards in one process over loopback UDP: what becomes of flows when neighbours go and come again.
#include "node/shard.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>

#include "node/entropy.h"

namespace weft::node {
namespace {

constexpr std::uint16_t port = 7;

struct Two {
    static std::unique_ptr<Shard> make(std::uint8_t which) {
        overlay::Seed seed{};
        seed.fill(std::byte{which});
        ShardConfig config;
        config.memory = 64 << 20;
        config.udp.listen4.emplace();
        config.udp.listen4->ip[10] = config.udp.listen4->ip[11] = std::byte{0xff};
        config.udp.listen4->ip[12] = std::byte{127}, config.udp.listen4->ip[15] = std::byte{1};
        auto shard = Shard::open(overlay::Identity{seed}, config, system_entropy());
        return shard ? std::move(*shard) : nullptr;
    }

    // Both loops, until `done` or for five seconds.
    template <class Done>
    bool run(Done done) {
        for (const Instant end = monotonic_now() + Duration::seconds(5); monotonic_now() < end;) {
            for (Shard* shard : {a.get(), b.get()}) shard->turn(monotonic_now() + Duration::milliseconds(1));
            if (done()) return true;
        }
        return false;
    }

    void pause(Duration span) {
        const Instant end = monotonic_now() + span;
        run([&] { return monotonic_now() >= end; });
    }

    // `text` from one program arrives at the other.
    bool carry(const UniqueFd& from, const UniqueFd& to, std::string_view text) {
        if (::send(from.get(), text.data(), text.size(), MSG_DONTWAIT) != ssize_t(text.size())) return false;
        std::string got;
        return run([&] {
            std::array<char, 256> some{};
            if (const ssize_t n = ::recv(to.get(), some.data(), some.size(), MSG_DONTWAIT); n > 0)
                got.append(some.data(), std::size_t(n));
            return got == text;
        });
    }

    FlowCallbacks into(UniqueFd& fd) {
        return {[&fd](Flow, const Peers&, UniqueFd opened) { fd = std::move(opened); }, {}};
    }

    std::unique_ptr<Shard> a = make(1), b = make(2);
    UniqueFd at_a, at_b;
};

TEST(Shard, ARemovedNeighbourThatDialsAgainWhileItsFlowStillSendsIsHeard) {
    ASSERT_TRUE(start_sodium());
    Two two;
    ASSERT_TRUE(two.a && two.b);
    const UdpEndpoint endpoints[] = {two.a->udp().local4()};
    two.b->add_peer(two.a->address(), endpoints);
    ASSERT_TRUE(two.a->listen(port, {}, two.into(two.at_a)));
    ASSERT_TRUE(two.b->connect(two.a->address(), port, {}, two.into(two.at_b)));
    ASSERT_TRUE(two.run([&] { return two.at_a && two.at_b; }));
    ASSERT_TRUE(two.carry(two.at_a, two.at_b, "before"));

    two.pause(Duration::milliseconds(100));   // nothing is left to acknowledge
    two.a->remove_peer(two.b->address());
    const std::string_view lost = "sent to nobody, and again later";
    ASSERT_EQ(::send(two.at_a.get(), lost.data(), lost.size(), MSG_DONTWAIT), ssize_t(lost.size()));
    two.pause(Duration::milliseconds(1'000));
    EXPECT_TRUE(two.carry(two.at_b, two.at_a, "after"));   // dials, too
}

}  // namespace
}  // namespace weft::node
