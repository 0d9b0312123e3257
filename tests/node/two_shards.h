// Two nodes in one process over real loopback sockets, and what became of a flow between them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <random>
#include <string>

#include "node/entropy.h"
#include "node/shard.h"
#include "stack/core/address_text.h"
#include "tests/node/daemon_support.h"

namespace weft::node {

// What became of a flow, as its callbacks told it.
struct Seen {
    UniqueFd fd;
    Flow flow;
    Peers peers;
    bool opened{false}, ended{false};
    std::optional<Error> error;
    FlowReport report;

    FlowCallbacks callbacks() {
        return {[this](Flow f, const Peers& p, UniqueFd end) {
                    opened = true;
                    flow = f;
                    peers = p;
                    fd = std::move(end);
                    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
                },
                [this](Flow, std::optional<Error> e, const FlowReport& r) {
                    ended = true;
                    error = e;
                    report = r;
                }};
    }
};

class Shards : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(start_sodium());
        set_log_level(LogLevel::warning);
        a = make();
        b = make();
        ASSERT_TRUE(a && b);
        a->add_peer(b->address(), std::array{b->udp().local4()});
        b->add_peer(a->address(), {});
        ASSERT_TRUE(run_until([&] { return linked(*a) && linked(*b); }));
    }

    static std::unique_ptr<Shard> make() {
        overlay::Seed seed{};
        system_entropy()(seed);
        ShardConfig config;
        config.links.network = overlay::Network::make("test", 0);
        config.udp.listen4 = parse_udp_endpoint("127.0.0.1:0").value();
        config.engine.time_wait = Duration::milliseconds(10);
        config.engine.send_buffer = config.engine.receive_buffer = 256 << 10;
        config.memory = 64 << 20;
        auto opened = Shard::open(overlay::Identity{seed}, config, system_entropy());
        EXPECT_TRUE(opened) << opened.error();
        return opened ? std::move(*opened) : nullptr;
    }

    // Both nodes' turns, until it holds; false after five seconds.
    template <class Condition>
    bool run_until(Condition&& holds) {
        const Instant end = monotonic_now() + Duration::seconds(5);
        while (!holds()) {
            if (monotonic_now() > end) return false;
            a->turn(Instant{});
            b->turn(Instant{});
        }
        return true;
    }

    // A flow from a to b, both ends open.
    void open(Seen& from, Seen& to, std::uint16_t port = 7'000) {
        const auto listener = b->listen(port, {}, to.callbacks());
        ASSERT_TRUE(listener);
        ASSERT_TRUE(a->connect(b->address(), port, {}, from.callbacks()));
        ASSERT_TRUE(run_until([&] { return from.opened && to.opened; }));
        b->unlisten(*listener);
    }

    // A UDP link keeps up to 16 chunks of 66,560 bytes at hand for its next call, and nothing else is held.
    void expect_memory_at_base() const {
        for (const Shard* shard : {a.get(), b.get()}) {
            EXPECT_EQ(shard->pool().in_use() % 66'560, 0u);
            EXPECT_LE(shard->pool().in_use(), 16u * 66'560);
        }
    }

    static bool linked(const Shard& shard) {
        const auto peers = shard.links().peers();
        return std::ranges::any_of(peers, [](const auto& peer) { return peer.state == overlay::PeerStatus::State::up; });
    }

    static std::string noise(std::size_t size, std::uint64_t seed) {
        std::mt19937_64 random{seed};
        std::string bytes(size, '\0');
        for (char& c : bytes) c = char(random());
        return bytes;
    }
    // What the descriptor takes of it now.
    static void put(const UniqueFd& fd, const std::string& bytes, std::size_t& done) {
        while (done < bytes.size()) {
            const ssize_t sent = ::send(fd.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
            if (sent <= 0) return;
            done += std::size_t(sent);
        }
    }
    // What there is; true at the end of file.
    static bool get(const UniqueFd& fd, std::string& into) {
        std::array<char, 16'384> part{};
        for (;;) {
            const ssize_t got = ::recv(fd.get(), part.data(), part.size(), 0);
            if (got <= 0) return got == 0;
            into.append(part.data(), std::size_t(got));
        }
    }

    std::unique_ptr<Shard> a, b;
};

}  // namespace weft::node
