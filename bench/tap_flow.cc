// A run is two processes: the server makes the network and stays in it, the client comes into it, or has one of its own at the
// other end of a veth pair.
#include "bench/tap_flow.h"

#include <unistd.h>

#include <cstdlib>
#include <functional>

#include <fmt/format.h>

#include "bench/block.h"
#include "bench/child.h"
#include "bench/wires.h"
#include "node/entropy.h"
#include "node/log.h"
#include "node/shard.h"

namespace weft::bench {
namespace {

constexpr std::size_t half = block_size / 2;  // fits a chunk

int say(int pipe, const std::string& line, int status) {
    return ::write(pipe, line.data(), line.size()) == ssize_t(line.size()) ? status : 3;
}

int report(int pipe, const std::expected<End, std::string>& end) {
    return end ? say(pipe, to_line(*end), 0) : say(pipe, end.error() + "\n", 1);
}

// What the service of a flow tells its process.
struct Outcome {
    bool ended{false}, wrong{false};
    std::uint64_t bytes{0};
    double cpu_at_begin{0};
};

// Reads and compares to the end, or lends the two halves of the block again and again until the client has ended.
class BulkService final : public node::Service {
public:
    BulkService(Flow flow, Way way, Outcome& outcome) : Service{flow}, way_{way}, outcome_{outcome} {
        outcome_.cpu_at_begin = cpu_of_process();
    }

    Progress run(Engine& engine, BufferPool& pool, Instant now) override {
        if (over_) return outcome_.ended = true, Progress::ended;
        for (unsigned turn = 0; turn < 8; ++turn) {
            const bool read = flow_readable_ && take(engine, now);
            if (outcome_.wrong) return Progress::aborted;
            const bool sent = way_ == Way::out && !ended_ && give(engine, pool, now);
            if (!read && !sent) return Progress::waiting;
        }
        return Progress::more;
    }
    void finish() override {}

private:
    bool take(Engine& engine, Instant now) {
        std::array<Slice, 32> taken;
        const auto count = engine.take(flow_, taken, now);
        if (count && *count > 0) {
            for (const Slice& slice : std::span(taken).first(*count)) {
                outcome_.wrong = outcome_.wrong || way_ == Way::out || !follows(outcome_.bytes, slice.bytes());
                outcome_.bytes += slice.size();
            }
            return true;
        }
        flow_readable_ = false;
        if (!count && count.error() == Error::end_of_stream) {
            ended_ = true;
            (void)engine.shutdown(flow_, Engine::Direction::write, now);
        }
        return false;
    }

    bool give(Engine& engine, BufferPool& pool, Instant now) {
        Slice& next = halves_[outcome_.bytes / half % 2];
        if (next.size() == 0) {
            Chunk* chunk = pool.allocate(half);
            if (!chunk) return false;
            std::copy_n(block().begin() + std::ptrdiff_t(outcome_.bytes % block_size), half, chunk->data());
            next = Slice{chunk, 0, half};
        }
        if (!flow_writable_ || !engine.write(flow_, next, {}, now)) return flow_writable_ = false;
        outcome_.bytes += half;
        return true;
    }

    Way way_;
    Outcome& outcome_;
    std::array<Slice, 2> halves_;
    bool ended_{false};
};

std::expected<End, std::string> serve_weft(const TapRun& run, int ready) {
    node::ShardConfig config;
    node::TapConfig tap;
    tap.settings.vnet_hdr = run.whole;
    tap.settings.addresses = {*node::parse_interface_address("10.88.0.2/24")};
    tap.settings.kernel = {*node::parse_interface_address("10.88.0.1/24")};
    config.taps = {tap};
    if (!node::start_sodium()) return std::unexpected("libsodium cannot start");
    overlay::Seed seed{};
    auto shard = node::Shard::open(overlay::Identity{seed}, config, node::system_entropy());
    if (!shard) return std::unexpected(shard.error());
    Outcome outcome;
    ListenOptions options;
    options.congestion = 1;  // CUBIC, as the kernel's side
    const auto factory = [&](Flow flow, const Peers&, Instant) {
        return std::make_unique<BulkService>(flow, run.way, outcome);
    };
    if (!(*shard)->serve(port_of(run.way), factory, options)) return std::unexpected("cannot listen");
    if (::write(ready, "ready\n", 6) != 6) return std::unexpected("pipe");
    const Instant until = node::monotonic_now() + Duration::milliseconds(std::int64_t((run.seconds + 20) * 1e3));
    while (!outcome.ended && !outcome.wrong && node::monotonic_now() < until) (*shard)->turn(until);
    const End end{outcome.bytes, 0, cpu_of_process() - outcome.cpu_at_begin};
    (*shard)->close();
    if (outcome.wrong) return std::unexpected(fmt::format("wrong bytes before {}", outcome.bytes));
    if (!outcome.ended) return std::unexpected(fmt::format("no end after {} bytes", outcome.bytes));
    return end;
}

// The server is up in a network of its own; `link` gives the client its way there.
std::expected<Transfer, std::string> meet(const TapRun& run, Child server, const std::function<std::string(pid_t)>& link) {
    if (const std::string said = server.line(20); said != "ready") return std::unexpected("the server said: " + said);
    Child client = Child::call([&](int pipe) {
        if (const std::string fault = link(server.pid()); !fault.empty()) return say(pipe, fault + "\n", 1);
        pin(run.client_core);
        return report(pipe, drive(run.way, run.seconds));
    });
    const Finished driven = client.finish(run.seconds + 40);
    const auto near = parse_end(driven.output);
    const auto far = parse_end(server.line(10));
    if (!near || !far)
        return std::unexpected(fmt::format("client: {}; server: {}", near ? "ok" : near.error(), far ? "ok" : far.error()));
    if (near->bytes != far->bytes || near->bytes == 0)
        return std::unexpected(fmt::format("the client counts {} bytes, the server {}", near->bytes, far->bytes));
    Transfer flow;
    flow.bytes = double(near->bytes);
    flow.seconds = near->seconds;
    flow.cpu_seconds = near->cpu_seconds + far->cpu_seconds;
    return flow;
}

template <class Serve>
Child in_new_network(unsigned core, Serve&& serve) {
    return Child::call([&, serve](int pipe) {
        if (const std::string fault = enter_new_network(); !fault.empty()) return say(pipe, fault + "\n", 1);
        pin(core);
        return serve(pipe);
    });
}

}  // namespace

std::expected<Transfer, std::string> run_tap(const TapRun& run) {
    node::set_log_level(node::LogLevel::warning);
    block();  // before the forks
    return meet(run, in_new_network(run.server_core, [&](int pipe) { return report(pipe, serve_weft(run, pipe)); }),
                enter_network_of);
}

std::expected<Transfer, std::string> run_veth(const TapRun& run) {
    block();
    Child server = in_new_network(run.server_core, [&](int pipe) { return report(pipe, serve_kernel(run.way, pipe)); });
    return meet(run, std::move(server), [&](pid_t other) {
        const std::string fault = enter_new_network();
        return fault.empty() ? make_veth(other, run.whole) : fault;
    });
}

std::expected<Transfer, std::string> run_lwip(const TapRun& run, const std::string& program) {
    block();
    Child server = in_new_network(run.server_core, [&](int pipe) {
        ::dup2(pipe, STDOUT_FILENO);
        ::execl(program.c_str(), program.c_str(), "benchtun", nullptr);
        return 127;
    });
    return meet(run, std::move(server), enter_network_of);
}

std::string find_lwip() {
    const char* named = std::getenv("WEFT_LWIP");
    return named && ::access(named, X_OK) == 0 ? named : "";
}

}  // namespace weft::bench
