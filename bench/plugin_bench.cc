// What the boundary to a loaded congestion module costs: CUBIC as it is compiled in, beside the same source as a file, through the
// host's table and its gate. Per call, and per segment of a whole engine in the simulator.
// usage: bench_plugin [--json] [--rounds N] [--calls N]
#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string_view>
#include <vector>

#include "bench/options.h"
#include "bench/report.h"
#include "plugins/host/host.h"
#include "sim/host.h"
#include "stack/core/address_text.h"
#include "stack/tcp/modules.h"

namespace weft::bench {
namespace {

constexpr std::uint32_t mss = 1'448;
constexpr std::uint16_t compiled = 1, loaded = tcp::compiled_slots;
constexpr unsigned block = 2'000;  // calls
constexpr std::uint64_t transfer = 16 << 20;  // bytes, of a round of the engine

struct Options {
    bool json{false};
    unsigned rounds{15}, calls{400'000};
};

bool read_options(char** words, Options& options) {
    for (; *words; ++words) {
        const std::string_view word = *words;
        if (word == "--json") options.json = true;
        else if (word == "--rounds" && read_number(words[1], 5, 1'000, options.rounds)) ++words;
        else if (word == "--calls" && read_number(words[1], 1'000, 100'000'000, options.calls)) ++words;
        else return false;
    }
    return true;
}

double nanoseconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
}

// A flow in congestion avoidance that reaches a megabyte of window and loses, again and again.
class Caller {
public:
    Caller(tcp::Modules& modules, std::uint16_t slot)
        : modules_{modules}, flow_{modules.begin(slot)}, out_{tcp::Steering{}.control(mss)} {
        modules_.visit(flow_, [&](auto&& module) {
            if constexpr (requires { module.begin(out_); }) module.begin(out_);
            else module.table.init(module.state, module.shared, 0, 0, &out_);
        });
        out_.ssthresh = 10 * mss;
        ack_.size = sizeof ack_;
        ack_.flags = WEFT_ACK_CWND_LIMITED | WEFT_ACK_RTT_VALID;
        ack_.mss = mss;
        ack_.newly_acked = 2 * mss;
        ack_.rtt = ack_.smoothed_rtt = ack_.min_rtt = 20'000'000;
        loss_.size = sizeof loss_;
        loss_.cause = WEFT_CONGESTION_LOSS;
        loss_.mss = mss;
    }
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;
    ~Caller() { modules_.give_back(flow_); }

    double call_ns() {  // of one block
        const auto begin = std::chrono::steady_clock::now();
        for (unsigned i = 0; i < block; ++i) {
            ack_.now += 100'000;
            modules_.visit(flow_, [&](auto&& module) { module.on_ack(ack_, out_); });
            if (out_.cwnd < 1'000'000) continue;
            loss_.prior_in_flight = out_.cwnd;
            modules_.visit(flow_, [&](auto&& module) { module.on_congestion(loss_, out_); });
        }
        return nanoseconds_since(begin) / block;
    }
    std::uint64_t window() const { return out_.cwnd; }

private:
    tcp::Modules& modules_;
    tcp::Controller flow_;
    tcp::Control out_;
    tcp::AckEvent ack_{};
    tcp::CongestionEvent loss_{};
};

// Both by turns, in blocks that are short beside a time slice: the medians of their calls, or nothing if they do not do the same.
std::optional<std::array<double, 2>> compare_calls(tcp::Modules& modules, unsigned calls) {
    Caller inside{modules, compiled}, outside{modules, loaded};
    std::vector<double> took[2];
    for (unsigned done = 0; done < calls; done += block) {
        took[0].push_back(inside.call_ns());
        took[1].push_back(outside.call_ns());
    }
    if (inside.window() != outside.window()) return std::nullopt;
    return std::array{median(took[0]), median(took[1])};
}

// Sends `transfer` bytes, or reads them.
struct End {
    bool listens{false};
    std::uint16_t congestion{0};
    Endpoint remote;
    std::vector<std::byte> piece = std::vector<std::byte>(65'536);
    ListenerId listener;
    Flow flow;
    std::uint64_t moved{0};

    void on(Engine& engine, const Event& event, Instant now) {
        if (event.kind == Event::Kind::accepted) flow = engine.accept(listener, now).value_or(Flow{});
        if (listens) read(engine, now);
        else if (event.kind == Event::Kind::connected || event.kind == Event::Kind::writable) write(engine, now);
    }
    void write(Engine& engine, Instant now) {
        while (moved < transfer) {
            const auto part = std::span{piece}.first(std::size_t(std::min<std::uint64_t>(piece.size(), transfer - moved)));
            const auto took = engine.write(flow, part, {}, now);
            if (!took) return;
            moved += *took;
            if (*took < part.size()) return;
        }
    }
    void read(Engine& engine, Instant now) {
        while (const auto got = engine.read(flow, piece, now)) moved += *got;
    }
    void advance(Engine&, Instant) {}
    Instant deadline() const { return Instant::never(); }
};

// A flow over a simulated gigabit with a loss in a thousand: ns of processor a segment, of both engines, wires and world.
double segment_ns(BufferPool& pool, const tcp::Module& module, std::uint16_t slot, std::string& digest) {
    sim::World world{pool, 7};
    const Address from = parse_address("10.0.0.1").value(), to = parse_address("10.0.0.2").value();
    Config config;
    config.send_buffer = config.receive_buffer = 4 << 20;
    sim::Host<End> a{world, config, {.congestion = slot, .remote = {to, 0, 80}}}, b{world, config, {.listens = true}};
    const sim::WireOptions wire{.rate = 1'000'000'000, .queue = 4 << 20, .delay = Duration::milliseconds(5), .loss = 1'000};
    a.attach(0, world.connect(a.id(), b.id(), 0, wire));
    b.attach(0, world.connect(b.id(), a.id(), 0, wire));
    for (auto* host : {&a, &b}) {
        std::uint32_t traced = trace::all;
        for (const auto left_out : {trace::Type::plugin, trace::Type::flow, trace::Type::timer, trace::Type::limit})
            traced &= ~trace::bit(left_out);
        host->digest_only(traced);
        (void)host->engine().install(loaded, module, world.now());
    }
    (void)a.engine().assign(from, {}, world.now());
    (void)b.engine().assign(to, {}, world.now());
    ListenOptions listen;
    listen.local = {to, 0, 80};
    b.app.listener = b.engine().listen(listen, world.now()).value_or(ListenerId{});
    ConnectOptions options;
    options.congestion = slot;
    const auto begin = std::chrono::steady_clock::now();
    a.app.flow = a.engine().connect(a.app.remote, options, world.now()).value_or(Flow{});
    a.settle();
    world.run(world.now() + Duration::seconds(600), [&] { return b.app.moved == transfer; });
    const double took = nanoseconds_since(begin);
    digest = a.digest().hex() + b.digest().hex();
    const auto segments = a.engine().statistics().segments_out + b.engine().statistics().segments_out;
    return b.app.moved == transfer ? took / double(segments) : 0;
}

int run(const Options& options) {
    if (sodium_init() < 0) return 1;
    const plugins::Host host{{{WEFT_BINARY_DIR "/plugins"}, Duration::milliseconds(1), {"newreno", "cubic"}, {}}};
    const auto file = host.find("cubic_plugin");
    if (!file) return fmt::print(stderr, "bench_plugin: {}\n", file.error().message), 1;
    const auto plugin = host.open(*file, {});
    if (!plugin) return fmt::print(stderr, "bench_plugin: {}\n", plugin.error().message), 1;
    tcp::Modules modules;
    const tcp::Module& module = (*plugin)->modules()[0].installable;
    if (!modules.install(loaded, module)) return fmt::print(stderr, "bench_plugin: CUBIC cannot be installed\n"), 1;
    BufferPool pool{std::size_t{256} << 20};

    Case call{"congestion_call_ns", "ns", Better::less, "CUBIC compiled in"};
    Case boundary{"congestion_boundary_ns", "ns", Better::less, ""};
    Case segment{"engine_segment_ns", "ns", Better::less, "CUBIC compiled in"};
    for (unsigned round = 1; round <= options.rounds; ++round) {
        const auto calls = compare_calls(modules, options.calls);
        std::string digests[2];
        double segments[2];
        for (const unsigned turn : {0u, 1u}) {  // each goes first in every other round
            const unsigned which = (turn + round) % 2;
            segments[which] = segment_ns(pool, module, which == 0 ? compiled : loaded, digests[which]);
        }
        if (segments[0] == 0 || segments[1] == 0) return fmt::print(stderr, "bench_plugin: a transfer did not end\n"), 1;
        if (!calls || digests[0] != digests[1])
            return fmt::print(stderr, "bench_plugin: CUBIC and its file do not do the same\n"), 1;
        call.add((*calls)[1], (*calls)[0]);
        boundary.add((*calls)[1] - (*calls)[0], std::nullopt);
        segment.add(segments[1], segments[0]);
    }
    if (!options.json) fmt::print("{}\n", Case::header());
    for (const Case* one : {&call, &boundary, &segment}) fmt::print("{}\n", options.json ? one->json("plugin") : one->row());
    return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int, char** arguments) {
    weft::bench::Options options;
    if (!weft::bench::read_options(arguments + 1, options)) {
        fmt::print(stderr,
                   "usage: bench_plugin [--json] [--rounds N] [--calls N]   (N at least 5 rounds: a median of fewer says "
                   "little)\n");
        return 2;
    }
    return weft::bench::run(options);
}
