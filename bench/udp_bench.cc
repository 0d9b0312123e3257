// One encrypted flow over loopback UDP between two processes, beside iperf3 over kernel TCP on the same loopback.
// usage: bench_udp [--json] [--rounds N] [--seconds S]
#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "bench/iperf3.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/udp_flow.h"

namespace weft::bench {
namespace {

constexpr std::uint32_t default_mtu = 1'200, jumbo_mtu = 8'952;  // bytes of UDP payload

struct Options {
    bool json{false};
    unsigned rounds{5}, seconds{3};
};

bool read_options(char** words, Options& options) {
    for (; *words; ++words) {
        const std::string_view word = *words;
        if (word == "--json") options.json = true;
        else if (word == "--rounds" && read_number(words[1], 5, 1'000, options.rounds)) ++words;
        else if (word == "--seconds" && read_number(words[1], 1, 3'600, options.seconds)) ++words;
        else return false;
    }
    return true;
}

std::optional<double> mbit_per_s(const std::optional<Transfer>& flow) {
    return flow ? std::optional{flow->bytes * 8 / 1e6 / flow->seconds} : std::nullopt;
}

std::optional<double> cpu_per_gb(const std::optional<Transfer>& flow) {
    return flow ? std::optional{flow->cpu_seconds / (flow->bytes / 1e9)} : std::nullopt;
}

int run(const Options& options) {
    const std::string program = find_iperf3();
    if (program.empty()) fmt::print(stderr, "bench_udp: no iperf3 was found, so weft runs alone\n");
    const std::string peer = "iperf3 over kernel TCP";
    std::vector<Case> cases{{"throughput", "Mbit/s", Better::more, peer},
                            {"cpu_per_gb", "s/GB", Better::less, peer},
                            {"throughput_mtu8952", "Mbit/s", Better::more, peer},
                            {"cpu_per_gb_mtu8952", "s/GB", Better::less, peer}};
    for (unsigned round = 1; round <= options.rounds; ++round) {
        if (!options.json) fmt::print(stderr, "round {} of {}\n", round, options.rounds);
        const auto small = run_weft(options.seconds, default_mtu);
        const std::optional<Transfer> kernel = program.empty() ? std::nullopt : run_iperf3(program, options.seconds);
        const auto large = run_weft(options.seconds, jumbo_mtu);
        for (const auto* flow : {&small, &large}) {
            if (*flow) continue;
            fmt::print(stderr, "bench_udp: {}\n", flow->error());
            return 1;
        }
        cases[0].add(*mbit_per_s(*small), mbit_per_s(kernel));
        cases[1].add(*cpu_per_gb(*small), cpu_per_gb(kernel));
        cases[2].add(*mbit_per_s(*large), mbit_per_s(kernel));
        cases[3].add(*cpu_per_gb(*large), cpu_per_gb(kernel));
    }
    if (!options.json) fmt::print("{}\n", Case::header());
    for (const Case& one : cases) fmt::print("{}\n", options.json ? one.json("udp") : one.row());
    return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int, char** arguments) {
    weft::bench::Options options;
    if (!weft::bench::read_options(arguments + 1, options)) {
        fmt::print(stderr,
                   "usage: bench_udp [--json] [--rounds N] [--seconds S]   (N at least 5: a median of fewer says little)\n");
        return 2;
    }
    return weft::bench::run(options);
}
