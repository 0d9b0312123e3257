// One flow between a server on our stack and the kernel over a TAP device, beside kernel to kernel over a veth pair and beside
// lwIP on a TUN device.
// usage: bench_tap [--json] [--rounds N] [--seconds S] [--same-core]
#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <thread>

#include "bench/options.h"
#include "bench/report.h"
#include "bench/tap_flow.h"

namespace weft::bench {
namespace {

struct Options {
    bool json{false}, same_core{false};
    unsigned rounds{5}, seconds{2};
};

bool read_options(char** words, Options& options) {
    for (; *words; ++words) {
        const std::string_view word = *words;
        if (word == "--json") options.json = true;
        else if (word == "--same-core") options.same_core = true;
        else if (word == "--rounds" && read_number(words[1], 5, 1'000, options.rounds)) ++words;
        else if (word == "--seconds" && read_number(words[1], 1, 3'600, options.seconds)) ++words;
        else return false;
    }
    return true;
}

double gbit_per_s(const Transfer& flow) { return flow.bytes * 8 / 1e9 / flow.seconds; }
double cpu_per_gb(const Transfer& flow) { return flow.cpu_seconds / (flow.bytes / 1e9); }

// One direction with super-segments or without, beside each peer.
struct Setting {
    Setting(std::string name, Way way, bool whole)
        : run{.way = way, .whole = whole}, cases{{name, "Gbit/s", Better::more, "kernel_veth"},
                                                 {name, "Gbit/s", Better::more, "lwip"},
                                                 {name + "_cpu", "s/GB", Better::less, "kernel_veth"},
                                                 {name + "_cpu", "s/GB", Better::less, "lwip"}} {}

    // False: weft itself failed.
    bool round(const std::string& lwip) {
        const auto ours = run_tap(run), veth = run_veth(run);
        const auto other = lwip.empty() ? std::unexpected(std::string{}) : run_lwip(run, lwip);
        if (!veth) fmt::print(stderr, "bench_tap: kernel_veth: {}\n", veth.error());
        if (!other && !lwip.empty()) fmt::print(stderr, "bench_tap: lwip: {}\n", other.error());
        if (!ours) return fmt::print(stderr, "bench_tap: {}\n", ours.error()), false;
        const auto value = [](const auto& flow, auto of) { return flow ? std::optional{of(*flow)} : std::nullopt; };
        cases[0].add(gbit_per_s(*ours), value(veth, gbit_per_s));
        cases[1].add(gbit_per_s(*ours), value(other, gbit_per_s));
        cases[2].add(cpu_per_gb(*ours), value(veth, cpu_per_gb));
        cases[3].add(cpu_per_gb(*ours), value(other, cpu_per_gb));
        return true;
    }

    TapRun run;
    std::vector<Case> cases;
};

int run(const Options& options) {
    const std::string lwip = find_lwip();
    if (lwip.empty()) fmt::print(stderr, "bench_tap: no lwIP was found: that peer is left out\n");
    std::vector<Setting> settings{{"out_vnet", Way::out, true},
                                  {"in_vnet", Way::in, true},
                                  {"out_plain", Way::out, false},
                                  {"in_plain", Way::in, false}};
    const bool two = std::thread::hardware_concurrency() > 1 && !options.same_core;
    fmt::print(stderr, "server on core {}, client on core {}, SCHED_FIFO 10 where it is allowed\n", two ? 1 : 0, 0);
    for (unsigned round = 1; round <= options.rounds; ++round) {
        if (!options.json) fmt::print(stderr, "round {} of {}\n", round, options.rounds);
        for (Setting& setting : settings) {
            setting.run.seconds = options.seconds;
            setting.run.server_core = two ? 1 : 0;
            if (!setting.round(lwip)) return 1;
        }
    }
    if (!options.json) fmt::print("{}\n", Case::header());
    for (const Setting& setting : settings)
        for (const Case& one : setting.cases) fmt::print("{}\n", options.json ? one.json("tap") : one.row());
    return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int, char** arguments) {
    weft::bench::Options options;
    if (!weft::bench::read_options(arguments + 1, options)) {
        fmt::print(stderr,
                   "usage: bench_tap [--json] [--rounds N] [--seconds S] [--same-core]   (N at least 5: a median of "
                   "fewer says little)\n");
        return 2;
    }
    return weft::bench::run(options);
}
