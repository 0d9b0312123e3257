// Bursts, and waiting in between until the thread has taken everything.
#include "bench/telemetry_cost.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>
#include <vector>

#include "bench/report.h"

namespace weft::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr unsigned burst = 1'000;

// The records of an acknowledgement and of what it lets go, as the engine writes them.
[[gnu::noinline]] void write_events(const trace::Sink& sink, unsigned count, std::int64_t now) {
    for (unsigned i = 0; i < count; i += 4) {
        const Instant at = Instant::from_nanoseconds(now + i);
        const std::uint32_t flow = i & 63, seq = i * 1'448;
        if (sink.wants(trace::Type::segment_received))
            sink.add(at, flow, trace::Type::segment_received, trace::Segment{1, seq, 0, 1 << 20, 0, 16, 0, 0, 1});
        if (sink.wants(trace::Type::rate))
            sink.add(at, flow, trace::Type::rate, trace::Rate{1'000'000 + i, 1'000'000, 28'960, seq, 14'480, 0, i, 3});
        if (sink.wants(trace::Type::congestion))
            sink.add(at, flow, trace::Type::congestion,
                     trace::Congestion{28'960 + i, 1 << 20, 14'480, 1, 0, 1'000'000, 125'000});
        if (sink.wants(trace::Type::segment_sent))
            sink.add(at, flow, trace::Type::segment_sent, trace::Segment{seq, 1, 2'896, 1 << 20, i, 24, 1'448, 0, 1});
        asm volatile("" : : "r"(&sink) : "memory");  // what is wanted may have changed
    }
}

// As a turn of the shard does: events, and in the end the word that they are there.
double burst_ns(node::EventRing& ring, const trace::Sink& sink) {
    const auto begin = Clock::now();
    write_events(sink, burst, begin.time_since_epoch().count());
    ring.publish();
    return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() / burst;
}

bool drained(node::EventRing& ring) {
    const auto until = Clock::now() + std::chrono::seconds{5};
    while (ring.backlog() > ring.capacity() / 2 || !ring.front().empty()) {
        if (Clock::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::microseconds{200});
    }
    return true;
}

}  // namespace

std::expected<Listener, std::string> Listener::start(const std::string& node) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return std::unexpected{"no socket pair"};
    Listener listener;
    const pid_t parent = ::getpid();
    listener.reader_ = ::fork();
    if (listener.reader_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::prctl(PR_SET_NAME, "bench-reader");
        if (::getppid() != parent) ::_exit(1);
        ::close(ends[0]);
        std::vector<std::byte> buffer(1 << 20);
        while (::read(ends[1], buffer.data(), buffer.size()) > 0) {}
        ::_exit(0);
    }
    ::close(ends[1]);
    node::UniqueFd ours{ends[0]};
    if (listener.reader_ < 0) return std::unexpected{"no process for a reader"};
    node::TelemetryConfig config;
    config.node = node;
    auto telemetry = node::Telemetry::start(config);
    if (!telemetry) return std::unexpected{telemetry.error()};
    listener.telemetry_ = std::move(*telemetry);
    if (auto taken = listener.telemetry_->subscribe(std::move(ours), {}, ""); !taken) return std::unexpected{taken.error()};
    return listener;
}

Listener::~Listener() {
    telemetry_.reset();
    if (reader_ <= 0) return;
    ::kill(reader_, SIGKILL);
    ::waitpid(reader_, nullptr, 0);
}

std::uint64_t Listener::dropped() const {
    const node::TelemetryStatus status = telemetry_->status();
    std::uint64_t all = status.dropped;
    for (const auto& subscriber : status.subscribers) all += subscriber.dropped;
    return all;
}

std::expected<EventCost, std::string> event_cost(unsigned bursts) {
    auto listener = Listener::start("bench");
    if (!listener) return std::unexpected{listener.error()};
    node::EventRing& ring = listener->telemetry().ring();
    const trace::Sink on = ring.sink(), off{};
    std::vector<double> with, without;
    for (unsigned i = 0; i < bursts; ++i) {
        without.push_back(burst_ns(ring, off));
        with.push_back(burst_ns(ring, on));
        listener->telemetry().wake();
        if (!drained(ring)) return std::unexpected{"the telemetry thread does not drain its ring"};
    }
    if (listener->dropped() != 0) return std::unexpected{"events were dropped"};
    return EventCost{median(with), median(without)};
}

}  // namespace weft::bench
