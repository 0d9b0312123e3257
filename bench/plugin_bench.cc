// What the boundary to a loaded congestion module costs: CUBIC as it is compiled in, beside the same source as a file, through the
// host's table and its gate. Per call, and per segment of a whole engine in the simulator.
// usage: bench_plugin [--json] [--rounds N] [--calls N]
#include <fmt/format.h>
#include <sodium.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "bench/report.h"
#include "plugins/host/host.h"
#include "sim/host.h"
#include "stack/core/address_text.h"
#include "stack/tcp/modules.h"

namespace weft::bench {
namespace {

constexpr std::uint32_t mss = 1'448;
constexpr std::uint16_t compiled = 1, loaded = tcp::compiled_slots;
constexpr std::uint64_t transfer = 16 << 20;   // bytes, of a round of the engine

struct Options {
    bool json{false};
    unsigned rounds{15}, calls{400'000};
};

bool read_number(const char* text, unsigned least, unsigned most, unsigned& value) {
    if (!text) return false;
    const char* const end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    return error == std::errc{} && stop == end && value >= least && value <= most;
}

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

// on_ack of a flow in congestion avoidance that reaches a megabyte of window and loses, again and again: ns a call. The window in
// the end must be the same both ways.
double call_ns(tcp::Modules& modules, std::uint16_t slot, unsigned calls, std::uint64_t& window) {
    tcp::Controller flow = modules.begin(slot);
    tcp::Control out = tcp::Steering{}.control(mss);
    modules.visit(flow, [&](auto&& module) {
        if constexpr (requires { module.begin(out); }) module.begin(out);
        else module.table.init(module.state, module.shared, 0, 0, &out);
    });
    out.ssthresh = 10 * mss;
    tcp::AckEvent ack{};
    ack.size = sizeof ack;
    ack.flags = WEFT_ACK_CWND_LIMITED | WEFT_ACK_RTT_VALID;
    ack.mss = mss;
    ack.newly_acked = 2 * mss;
    ack.rtt = ack.smoothed_rtt = ack.min_rtt = 20'000'000;
    tcp::CongestionEvent loss{};
    loss.size = sizeof loss;
    loss.cause = WEFT_CONGESTION_LOSS;
    loss.mss = mss;
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned i = 0; i < calls; ++i) {
        ack.now += 100'000;
        modules.visit(flow, [&](auto&& module) { module.on_ack(ack, out); });
        if (out.cwnd < 1'000'000) continue;
        loss.prior_in_flight = out.cwnd;
        modules.visit(flow, [&](auto&& module) { module.on_congestion(loss, out); });
    }
    const double took = nanoseconds_since(begin);
    window = out.cwnd;
    modules.give_back(flow);
    return took / calls;
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
            const auto took = engine.write(flow, piece, {}, now);
            if (!took) return;
            moved += *took;
            if (*took < piece.size()) return;
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
        host->digest_only(trace::all & ~trace::bit(trace::Type::plugin));
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
        std::uint64_t windows[2]{};
        std::string digests[2];
        double calls[2], segments[2];
        for (const unsigned turn : {0u, 1u}) {   // each goes first in every other round
            const unsigned which = (turn + round) % 2;
            const std::uint16_t slot = which == 0 ? compiled : loaded;
            calls[which] = call_ns(modules, slot, options.calls, windows[which]);
            segments[which] = segment_ns(pool, module, slot, digests[which]);
        }
        if (windows[0] != windows[1] || digests[0] != digests[1] || segments[0] == 0 || segments[1] == 0)
            return fmt::print(stderr, "bench_plugin: the two do not do the same\n"), 1;
        call.add(calls[1], calls[0]);
        boundary.add(calls[1] - calls[0], std::nullopt);
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
        fmt::print(stderr, "usage: bench_plugin [--json] [--rounds N] [--calls N]   (N at least 5 rounds: a median of fewer says little)\n");
        return 2;
    }
    return weft::bench::run(options);
}
