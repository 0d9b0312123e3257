// After the answer's line the socket is a stream (node/telemetry.h): what was read with that line belongs to it.
#include "node/cli_events.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace weft::node {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds quiet{250};  // after which `take` hears that nothing came
constexpr std::chrono::milliseconds longest = std::chrono::hours{24 * 365};
constexpr int pieces_at_end = 256;  // 64 MiB: more than a node lets wait

sigset_t set_of(const std::vector<int>& numbers) {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : numbers) sigaddset(&set, number);
    return set;
}

}  // namespace

StopSignals::StopSignals() {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction now{};
        sigset_t held;
        ::sigaction(number, nullptr, &now);
        ::sigprocmask(SIG_BLOCK, nullptr, &held);
        if (now.sa_handler != SIG_IGN && !sigismember(&held, number)) blocked_.push_back(number);
    }
    const sigset_t set = set_of(blocked_);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_ = UniqueFd{::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
}

StopSignals::~StopSignals() {
    signalfd_siginfo taken{};
    while (::read(fd_.get(), &taken, sizeof taken) > 0) {}
    const sigset_t set = set_of(blocked_);
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

bool StopSignals::wait(std::chrono::milliseconds most) {
    pollfd one{fd_.get(), POLLIN, 0};
    return ::poll(&one, 1, int(most.count())) > 0;
}

std::expected<EventStream, Problem> subscribe(const CommonOptions& common, const Json& params) {
    auto client = connect_to_node(common.node);
    if (!client) return std::unexpected(client.error());
    const auto answer = client->call("events.subscribe", params, answer_time);
    if (!answer) return std::unexpected(problem_of(answer.error(), common.node));
    EventStream stream;
    stream.fd = client->release(stream.begun);
    return stream;
}

StreamEnd read_stream(EventStream& stream, StopSignals& signals, std::optional<std::chrono::milliseconds> duration,
                      const std::function<bool(std::span<const std::byte>)>& take) {
    const auto end = Clock::now() + std::min(duration.value_or(std::chrono::milliseconds{}), longest);
    if (!stream.begun.empty() && !take(std::as_bytes(std::span<const char>(stream.begun)))) return StreamEnd::refused;
    stream.begun.clear();
    std::vector<std::byte> piece(256 << 10);
    const auto take_rest = [&](StreamEnd why) {  // what came before the end is part of it
        for (int i = 0; i < pieces_at_end; ++i) {
            const ssize_t got = ::recv(stream.fd.get(), piece.data(), piece.size(), MSG_DONTWAIT);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) break;
            if (!take(std::span<const std::byte>(piece).first(std::size_t(got)))) return StreamEnd::refused;
        }
        return why;
    };
    for (;;) {
        std::array<pollfd, 2> ready{{{stream.fd.get(), POLLIN, 0}, {signals.descriptor(), POLLIN, 0}}};
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        if (duration && left.count() <= 0) return take_rest(StreamEnd::timed_out);
        const int found = ::poll(ready.data(), ready.size(), int((duration ? std::min(left, quiet) : quiet).count()));
        if (found < 0 && errno != EINTR) return StreamEnd::closed;
        if (found < 0) continue;
        if (ready[1].revents != 0) return take_rest(StreamEnd::stopped);
        if (ready[0].revents == 0) {
            if (!take({})) return StreamEnd::refused;
            continue;
        }
        const ssize_t got = ::recv(stream.fd.get(), piece.data(), piece.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got <= 0) return StreamEnd::closed;
        if (!take(std::span<const std::byte>(piece).first(std::size_t(got)))) return StreamEnd::refused;
    }
}

Json classes_json(std::string_view list) {
    Json words = Json::array();
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        words.push_back(std::string(list.substr(0, comma)));
        list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    }
    return words;
}

}  // namespace weft::node
