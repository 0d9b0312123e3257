// weft-sim-record: writes a recording of a simulated crowd of flows, or one that is made up, of any size.
// usage: weft-sim-record FILE [--flows N] [--seconds N] [--seed N] [--loss PPM] [--plugin NAME] | FILE --made BYTES [--flows N] [--rate N]
#include <fmt/format.h>
#include <sodium.h>

#include <chrono>
#include <string_view>

#include "bench/options.h"
#include "bench/recordings.h"
#include "plugins/host/host.h"

namespace weft::bench {
namespace {

struct Options {
    std::string file, plugin;
    std::uint64_t flows{1'000}, seconds{20}, seed{1}, loss{1'000}, made{0}, rate{200'000};
};

bool read_options(char** words, Options& options) {
    for (; *words; ++words) {
        const std::string_view word = *words;
        bool taken = true;
        if (word == "--flows") taken = read_number(*++words, 1, 100'000, options.flows);
        else if (word == "--seconds") taken = read_number(*++words, 1, 3'600, options.seconds);
        else if (word == "--seed") taken = read_number(*++words, 0, ~0ull, options.seed);
        else if (word == "--loss") taken = read_number(*++words, 0, 100'000, options.loss);
        else if (word == "--made") taken = read_number(*++words, 1, 1ull << 40, options.made);
        else if (word == "--rate") taken = read_number(*++words, 1'000, 10'000'000, options.rate);
        else if (word == "--plugin" && words[1]) options.plugin = *++words;
        else if (!word.starts_with("--") && options.file.empty()) options.file = word;
        else return false;
        if (!taken) return false;
    }
    return !options.file.empty();
}

int fail(std::string_view why) {
    fmt::print(stderr, "weft-sim-record: {}\n", why);
    return 1;
}

int run(const Options& options) {
    const auto begin = std::chrono::steady_clock::now();
    std::expected<Written, std::string> written;
    sim::CrowdCounts counts;
    if (options.made != 0) {
        written = write_made(
            options.file, options.made,
            {.seed = options.seed, .flows = std::uint32_t(options.flows), .per_second = std::uint32_t(options.rate)});
    } else {
        sim::CrowdPlan plan{
            .seed = options.seed, .flows = std::uint32_t(options.flows), .loss = std::uint32_t(options.loss)};
        const plugins::Host host{{{WEFT_BINARY_DIR "/plugins"}, Duration::milliseconds(1), {"newreno", "cubic"}, {}}};
        std::unique_ptr<plugins::Plugin> plugin;
        if (!options.plugin.empty()) {
            const auto file = host.find(options.plugin);
            if (!file) return fail(file.error().message);
            auto opened = host.open(*file, {});
            if (!opened) return fail(opened.error().message);
            plugin = std::move(*opened);
            for (const auto& module : plugin->modules()) plan.modules.push_back(module.installable);
        }
        written = write_crowd(options.file, plan, Duration::seconds(std::int64_t(options.seconds)), &counts);
    }
    if (!written) return fail(written.error());
    if (options.made == 0 && counts.begun == 0) return fail("no flow began: the recording is empty");
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    fmt::print("{}: {} bytes, {} records, {:.1f} s of record time, written in {:.1f} s\n", options.file, written->bytes,
               written->records, double(written->end_ns - written->begin_ns) / 1e9, took);
    if (counts.begun != 0)
        fmt::print(
            "{} flows begun, {} connected, {} closed in order, {} failed, {} went on under another module; {} bytes sent\n",
            counts.begun, counts.connected, counts.ended, counts.failed, counts.moved, counts.sent);
    return 0;
}

}  // namespace
}  // namespace weft::bench

int main(int, char** arguments) {
    weft::bench::Options options;
    if (!weft::bench::read_options(arguments + 1, options)) {
        fmt::print(stderr,
                   "usage: weft-sim-record FILE [--flows N] [--seconds N] [--seed N] [--loss PPM] [--plugin NAME]\n"
                   "       weft-sim-record FILE --made BYTES [--flows N] [--rate RECORDS] [--seed N]\n");
        return 2;
    }
    if (sodium_init() < 0) return 1;
    return weft::bench::run(options);
}
