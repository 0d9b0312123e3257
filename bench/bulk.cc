// Plain blocking sockets.
#include "bench/bulk.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "bench/block.h"
#include "bench/child.h"
#include "bench/wires.h"
#include "node/unique_fd.h"

namespace weft::bench {
namespace {

using node::UniqueFd;

std::unexpected<std::string> failed(std::string_view what) {
    return std::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

sockaddr_in at(const char* address, std::uint16_t port) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &place.sin_addr);
    return place;
}

// The kernel's default may be another one.
std::expected<UniqueFd, std::string> cubic_socket() {
    UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!socket) return failed("socket");
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) != 0) return failed("cubic");
    timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return socket;
}

std::expected<UniqueFd, std::string> connected(Way way) {
    const sockaddr_in server = at("10.88.0.2", port_of(way));
    for (const double until = seconds_now() + 10;;) {  // a device that has just come up may want a moment
        auto socket = cubic_socket();
        if (!socket) return socket;
        if (::connect(socket->get(), reinterpret_cast<const sockaddr*>(&server), sizeof server) == 0) return socket;
        if (seconds_now() > until) return failed("connect");
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
}

// Writes blocks as long as `more` says so; how many bytes that was.
template <class More>
std::expected<std::uint64_t, std::string> write_blocks(int socket, More&& more) {
    std::uint64_t bytes = 0;
    while (more()) {
        const std::size_t at = bytes % block_size;
        const ssize_t count = ::send(socket, block().data() + at, block_size - at, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return failed("send");
        bytes += std::uint64_t(count);
    }
    ::shutdown(socket, SHUT_WR);
    return bytes;
}

// Reads to the end of the stream and compares; calls `each` after each read.
template <class Each>
std::expected<std::uint64_t, std::string> read_blocks(int socket, Each&& each) {
    static std::vector<std::byte> buffer(256 << 10);
    for (std::uint64_t bytes = 0;;) {
        const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed(fmt::format("recv after {} bytes", bytes));
        if (count == 0) return bytes;
        if (!follows(bytes, std::span(buffer).first(std::size_t(count))))
            return std::unexpected(fmt::format("wrong bytes after {}", bytes));
        bytes += std::uint64_t(count);
        each();
    }
}

}  // namespace

std::string to_line(const End& end) { return fmt::format("{} {:.9f} {:.9f}\n", end.bytes, end.seconds, end.cpu_seconds); }

std::expected<End, std::string> parse_end(const std::string& line) {
    std::istringstream in{line};
    End end;
    if (in >> end.bytes >> end.seconds >> end.cpu_seconds) return end;
    return std::unexpected(line.empty() ? "no word" : line);
}

std::expected<End, std::string> drive(Way way, double seconds) {
    const auto socket = connected(way);
    if (!socket) return std::unexpected(socket.error());
    const double begin = seconds_now(), until = begin + seconds, cpu = cpu_of_process();
    std::expected<std::uint64_t, std::string> bytes;
    if (way == Way::out) {
        bool told = false;
        bytes = read_blocks(socket->get(), [&] {
            if (!told && seconds_now() >= until) ::shutdown(socket->get(), SHUT_WR), told = true;
        });
    } else {
        bytes = write_blocks(socket->get(), [&] { return seconds_now() < until; });
        // The server ends when it has read all.
        if (const auto back = read_blocks(socket->get(), [] {}); bytes && (!back || *back != 0))
            return std::unexpected(back ? "the sink sent something" : back.error());
    }
    if (!bytes) return std::unexpected(bytes.error());
    return End{*bytes, seconds_now() - begin, cpu_of_process() - cpu};
}

std::expected<End, std::string> serve_kernel(Way way, int ready) {
    const auto listener = cubic_socket();
    if (!listener) return std::unexpected(listener.error());
    const sockaddr_in any = at("0.0.0.0", port_of(way));
    if (::bind(listener->get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 ||
        ::listen(listener->get(), 1) != 0)
        return failed("listen");
    if (::write(ready, "ready\n", 6) != 6) return failed("pipe");
    const UniqueFd socket{::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (!socket) return failed("accept");
    const double cpu = cpu_of_process();
    const auto bytes = way == Way::in ? read_blocks(socket.get(), [] {}) : write_blocks(socket.get(), [&] {
        char end = 0;
        return ::recv(socket.get(), &end, 1, MSG_DONTWAIT | MSG_PEEK) != 0;
    });
    if (!bytes) return std::unexpected(bytes.error());
    return End{*bytes, 0, cpu_of_process() - cpu};
}

}  // namespace weft::bench
