// Whole nodes over real UDP on loopback, through links that lose, reorder, duplicate and corrupt at once: what programs
// send is what programs get, and both ends know that it is over.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "node/entropy.h"
#include "node/shard.h"

namespace weft::test {
namespace {

using node::FlowReport;
using node::Shard;
using node::UniqueFd;
using Bytes = std::vector<std::byte>;

constexpr std::uint16_t port = 4'000;
constexpr std::uint32_t percent = 10'000;  // parts per million

UdpEndpoint loopback(bool v6) {
    UdpEndpoint endpoint;
    endpoint.ip[15] = std::byte{1};
    if (v6) return endpoint;
    endpoint.ip[10] = endpoint.ip[11] = std::byte{0xff};
    endpoint.ip[12] = std::byte{127};
    return endpoint;
}

overlay::Identity identity(std::uint8_t which) {
    overlay::Seed seed{};
    seed.fill(std::byte{which});
    return overlay::Identity{seed};
}

Bytes pattern(std::size_t size, std::uint32_t word) {
    Bytes bytes(size);
    for (std::byte& byte : bytes) {
        word = word * 1'664'525 + 1'013'904'223;
        byte = std::byte(word >> 24);
    }
    return bytes;
}

std::unique_ptr<Shard> open_shard(std::uint8_t which, bool v6, bool offload) {
    node::ShardConfig config;
    config.links.network = overlay::Network::make("interop", 0);
    (v6 ? config.udp.listen6 : config.udp.listen4) = loopback(v6);
    config.udp.offload = offload;
    config.fault = {.seed = which, .loss = percent, .reorder = 5 * percent, .duplicate = percent, .corrupt = percent};
    auto opened = Shard::open(identity(which), config, node::system_entropy());
    if (!opened) throw std::runtime_error(opened.error());
    return std::move(*opened);
}

// One program: writes all it has, reads to the end, without ever blocking.
struct Program {
    Bytes output, input;
    std::size_t written{0};
    UniqueFd fd;
    bool input_ended{false}, output_ended{false}, over{false};
    std::optional<Error> error;

    node::FlowCallbacks callbacks() {
        node::FlowCallbacks calls;
        calls.opened = [this](Flow, const Peers&, UniqueFd given) { fd = std::move(given); };
        calls.ended = [this](Flow, std::optional<Error> why, const FlowReport&) { over = true, error = why; };
        return calls;
    }

    void run() {
        if (!fd) return;
        while (written < output.size()) {
            const ssize_t count =
                ::send(fd.get(), output.data() + written, output.size() - written, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count <= 0) break;
            written += std::size_t(count);
        }
        if (written == output.size() && !output_ended) output_ended = ::shutdown(fd.get(), SHUT_WR) == 0;
        std::array<std::byte, 65'536> some;
        while (!input_ended) {
            const ssize_t count = ::recv(fd.get(), some.data(), some.size(), MSG_DONTWAIT);
            if (count < 0) break;
            input_ended = count == 0;
            input.insert(input.end(), some.begin(), some.begin() + count);
        }
        if (input_ended && output_ended) fd.reset();
    }
};

struct Road {
    bool v6, offload;
};

class OverFaultyUdp : public ::testing::TestWithParam<Road> {
protected:
    void SetUp() override { ASSERT_TRUE(node::start_sodium()); }
};

INSTANTIATE_TEST_SUITE_P(Interop, OverFaultyUdp, ::testing::Values(Road{false, true}, Road{false, false}, Road{true, true}),
                         [](const auto& kind) {
                             return std::string{kind.param.v6 ? "Ipv6" : "Ipv4"} +
                                    (kind.param.offload ? "Trains" : "Single");
                         });

TEST_P(OverFaultyUdp, TransfersOfEverySizeAreEqualAndBothEndsClose) {
    const auto [v6, offload] = GetParam();
    const auto client = open_shard(1, v6, offload), server = open_shard(2, v6, offload);
    const UdpEndpoint endpoint = v6 ? server->udp().local6() : server->udp().local4();
    client->add_peer(server->address(), {&endpoint, 1});
    Program answering;
    ASSERT_TRUE(server->listen(
        port, {},
        {[&](Flow f, const Peers& p, UniqueFd fd) { answering.callbacks().opened(f, p, std::move(fd)); },
         [&](Flow f, std::optional<Error> e, const FlowReport& r) { answering.callbacks().ended(f, e, r); }}));
    for (const std::size_t size : {0, 1, 1'000, 30'000, 300'000, 2'000'000}) {
        Program asking;
        asking.output = pattern(size, 1 + std::uint32_t(size));
        answering = {};
        answering.output = pattern(size / 2, 2 + std::uint32_t(size));
        ASSERT_TRUE(client->connect(server->address(), port, {}, asking.callbacks()));
        const Instant until = node::monotonic_now() + Duration::seconds(60);
        while (!(asking.over && answering.over) && node::monotonic_now() < until) {
            for (Shard* shard : {client.get(), server.get()})
                shard->turn(node::monotonic_now() + Duration::microseconds(100));
            asking.run();
            answering.run();
        }
        ASSERT_TRUE(asking.over && answering.over) << size << " bytes";
        EXPECT_FALSE(asking.error) << size << " bytes";
        EXPECT_FALSE(answering.error) << size << " bytes";
        EXPECT_TRUE(answering.input == asking.output) << size << " bytes";  // not EXPECT_EQ: nobody reads two million bytes
        EXPECT_TRUE(asking.input == answering.output) << size << " bytes";
    }
    for (const Shard* shard : {client.get(), server.get()}) {
        ASSERT_NE(shard->faults(), nullptr);
        EXPECT_GT(shard->faults()->lost, 0u);
        EXPECT_GT(shard->faults()->reordered, 0u);
        EXPECT_GT(shard->faults()->duplicated, 0u);
        EXPECT_GT(shard->faults()->corrupted, 0u);
        EXPECT_EQ(shard->engine().statistics().checksum_errors, 0u);  // what was corrupted did not pass the channel
    }
    EXPECT_GT(server->links().statistics().unauthentic + client->links().statistics().unauthentic, 0u);
}

}  // namespace
}  // namespace weft::test
