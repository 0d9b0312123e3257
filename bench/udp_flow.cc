// The two ends of the measured flow. Both programs do as iperf3 does: one writes the same block again and again for some
// seconds, the other reads; but here it also checks.
#include "bench/udp_flow.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "bench/block.h"
#include "bench/child.h"
#include "bench/telemetry_cost.h"
#include "node/entropy.h"
#include "node/error_names.h"
#include "node/log.h"
#include "node/shard.h"

namespace weft::bench {
namespace {

constexpr std::uint16_t port = 5'201;

UdpEndpoint loopback(std::uint16_t udp_port) {
    UdpEndpoint endpoint;
    endpoint.ip[10] = endpoint.ip[11] = std::byte{0xff};
    endpoint.ip[12] = std::byte{127};
    endpoint.ip[15] = std::byte{1};
    endpoint.port = udp_port;
    return endpoint;
}

overlay::Identity identity(std::uint8_t which) {
    overlay::Seed seed{};
    seed.fill(std::byte{which});
    return overlay::Identity{seed};
}

void say(int pipe, const std::string& line) {
    if (::write(pipe, line.data(), line.size()) < 0) ::_exit(3);
}

std::unique_ptr<node::Shard> open_shard(std::uint8_t which, std::uint32_t mtu, int pipe) {
    node::ShardConfig config;
    config.links.network = overlay::Network::make("bench", 0);
    config.links.mtu = mtu;
    config.udp.listen4 = loopback(0);
    if (!node::start_sodium()) return nullptr;
    auto shard = node::Shard::open(identity(which), config, node::system_entropy());
    if (!shard) {
        say(pipe, "error " + shard.error() + "\n");
        return nullptr;
    }
    return std::move(*shard);
}

// Somebody who listens to all that the shard does, if that is wanted; false: it cannot be.
bool observe(node::Shard& shard, bool wanted, std::optional<Listener>& listener, int pipe) {
    if (!wanted) return true;
    auto started = Listener::start("bench");
    if (!started) {
        say(pipe, "error " + started.error() + "\n");
        return false;
    }
    listener.emplace(std::move(*started));
    shard.observe(listener->telemetry());
    return true;
}

Instant after(double seconds) { return node::monotonic_now() + Duration::milliseconds(std::int64_t(seconds * 1e3)); }

// Reads what is there and compares it; false at the end of the stream or of our patience.
class Checker {
public:
    enum class State { open, ended, wrong };

    State read(int descriptor) {
        while (true) {
            const ssize_t count = ::recv(descriptor, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
            if (count < 0) return errno == EAGAIN || errno == EINTR ? State::open : State::wrong;
            if (bytes_ == 0) first_ = seconds_now();
            if (count == 0) return State::ended;
            last_ = seconds_now();
            if (!follows(bytes_, std::span(buffer_).first(std::size_t(count)))) return State::wrong;
            bytes_ += std::uint64_t(count);
        }
    }

    std::uint64_t bytes() const { return bytes_; }
    double seconds() const { return last_ - first_; }

private:
    std::vector<std::byte> buffer_ = std::vector<std::byte>(block_size);
    std::uint64_t bytes_{0};
    double first_{0}, last_{0};
};

int receive(int pipe, double seconds, std::uint32_t mtu, bool listeners) {
    std::optional<Listener> listener;
    const auto shard = open_shard(2, mtu, pipe);
    if (!shard || !observe(*shard, listeners, listener, pipe)) return 1;
    Checker checker;
    node::UniqueFd stream;
    node::Loop::Watch watch;
    Checker::State state = Checker::State::open;
    bool over = false;
    node::FlowCallbacks callbacks;
    callbacks.opened = [&](Flow, const Peers&, node::UniqueFd fd) {
        stream = std::move(fd);
        watch = shard->loop().add(stream.get(), EPOLLIN, [&](std::uint32_t) {
            state = checker.read(stream.get());
            if (state == Checker::State::open) return;
            shard->loop().remove(watch);
            stream.reset();
        });
    };
    callbacks.ended = [&](Flow, std::optional<Error>, const node::FlowReport&) { over = true; };
    if (!shard->listen(port, {}, std::move(callbacks))) return 1;
    say(pipe, fmt::format("{}\n", shard->udp().local4().port));
    const Instant until = after(seconds + 20);
    while (!over && state != Checker::State::wrong && node::monotonic_now() < until) shard->turn(until);
    shard->close();
    if (state != Checker::State::ended) {
        say(pipe,
            fmt::format("{} after {} bytes", state == Checker::State::wrong ? "wrong bytes" : "no end", checker.bytes()));
        return 1;
    }
    say(pipe, fmt::format("{} {:.9f}\n", checker.bytes(), checker.seconds()));
    return 0;
}

int send(int pipe, double seconds, std::uint32_t mtu, std::uint16_t udp_port, bool listeners) {
    std::optional<Listener> listener;
    const auto shard = open_shard(1, mtu, pipe);
    if (!shard || !observe(*shard, listeners, listener, pipe)) return 1;
    const Address peer = identity(2).address();
    const UdpEndpoint endpoint = loopback(udp_port);
    shard->add_peer(peer, {&endpoint, 1});
    node::UniqueFd stream;
    node::Loop::Watch watch;
    std::uint64_t bytes = 0;
    bool over = false;
    double write_until = 0;
    node::FlowCallbacks callbacks;
    callbacks.opened = [&](Flow, const Peers&, node::UniqueFd fd) {
        stream = std::move(fd);
        write_until = seconds_now() + seconds;
        watch = shard->loop().add(stream.get(), EPOLLOUT, [&](std::uint32_t) {
            for (bool room = true; room && seconds_now() < write_until;) {
                const std::size_t place = bytes % block_size;
                const ssize_t count =
                    ::send(stream.get(), block().data() + place, block_size - place, MSG_NOSIGNAL | MSG_DONTWAIT);
                room = count > 0;
                if (room) bytes += std::uint64_t(count);
            }
            if (seconds_now() < write_until) return;
            shard->loop().remove(watch);
            ::shutdown(stream.get(), SHUT_WR);
        });
    };
    std::optional<Error> error;
    callbacks.ended = [&](Flow, std::optional<Error> why, const node::FlowReport&) { over = true, error = why; };
    if (!shard->connect(peer, port, {}, std::move(callbacks))) return 1;
    const Instant until = after(seconds + 20);
    while (!over && node::monotonic_now() < until) shard->turn(until);
    shard->close();
    say(pipe, over && !error ? fmt::format("{}\n", bytes)
                             : fmt::format("{} after {} bytes",
                                           error ? std::string{node::error_name(*error)} : std::string{"no end"}, bytes));
    return over && !error ? 0 : 1;
}

}  // namespace

std::expected<Transfer, std::string> run_weft(double seconds, std::uint32_t mtu, bool listeners) {
    node::set_log_level(node::LogLevel::warning);
    block();  // before the forks
    Child receiver = Child::call([&](int pipe) { return receive(pipe, seconds, mtu, listeners); });
    const std::string udp_port = receiver.line(10);
    if (udp_port.empty() || udp_port.starts_with("error")) return std::unexpected("the receiver did not start: " + udp_port);
    Child sender =
        Child::call([&](int pipe) { return send(pipe, seconds, mtu, std::uint16_t(std::stoi(udp_port)), listeners); });
    const Finished sent = sender.finish(seconds + 25), received = receiver.finish(10);
    if (sent.status != 0 || received.status != 0)
        return std::unexpected(fmt::format("the sender ended with {}, {}; the receiver with {}, {}", sent.status,
                                           sent.output, received.status, received.output));
    Transfer flow;
    flow.bytes = std::stod(received.output);
    flow.seconds = std::stod(received.output.substr(received.output.find(' ')));
    flow.cpu_seconds = sent.cpu_seconds + received.cpu_seconds;
    if (flow.bytes != std::stod(sent.output))
        return std::unexpected(fmt::format("{} of {} bytes arrived", received.output, sent.output));
    return flow;
}

}  // namespace weft::bench
