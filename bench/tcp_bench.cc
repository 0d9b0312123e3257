// TCP alone: both ends on one core, a wire in memory, beside lwIP as Debian packages it. Streams, connections, echoes, idle flows.
// usage: bench_tcp [--json] [--rounds N] [--seconds S] [--case NAME]
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/child.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/tcp_cases.h"
#include "stack/link/huge_pages.h"

namespace weft::bench {
namespace {

struct Options {
    bool json{false};
    unsigned rounds{5}, seconds{1};
    std::string_view name;  // empty: all
};

bool read_options(char** words, Options& options) {
    for (; *words; ++words) {
        const std::string_view word = *words;
        if (word == "--json") options.json = true;
        else if (word == "--rounds" && read_number(words[1], 1, 1'000, options.rounds)) ++words;
        else if (word == "--seconds" && read_number(words[1], 1, 60, options.seconds)) ++words;
        else if (word == "--case" && words[1]) options.name = *++words;
        else return false;
    }
    return true;
}

// A figure, and what is to be said about it on stderr.
struct Measured {
    double value{0};
    std::string note;
};
using Measure = std::function<std::expected<Measured, std::string>()>;

// In a process of its own: it begins with a fresh memory, and leaves none behind.
std::expected<Measured, std::string> apart(const Measure& measure) {
    Child child = Child::call([&](int pipe) {
        static_cast<void>(link::use_huge_pages());  // as weftd does
        const auto measured = measure();
        const std::string line = measured ? fmt::format("{:.17g} {}\n", measured->value, measured->note)
                                          : fmt::format("failed {}\n", measured.error());
        return ::write(pipe, line.data(), line.size()) == ssize_t(line.size()) ? 0 : 1;
    });
    const Finished finished = child.finish(300);
    const std::string& said = finished.output;
    const std::size_t space = said.find(' ');
    Measured measured;
    if (finished.status != 0 || space == std::string::npos ||
        std::from_chars(said.data(), said.data() + space, measured.value).ptr != said.data() + space)
        return std::unexpected{said.empty() ? fmt::format("exit code {}", finished.status) : said};
    measured.note = said.substr(space + 1, said.find('\n') - space - 1);
    return measured;
}

std::expected<double, std::string> lwip(const std::vector<std::string>& words) {
    std::vector<std::string> command{std::getenv("WEFT_LWIP")};
    command.insert(command.end(), words.begin(), words.end());
    Child child = Child::run(command);
    const Finished finished = child.finish(300);
    double value = 0;
    const auto [stop, error] =
        std::from_chars(finished.output.data(), finished.output.data() + finished.output.size(), value);
    if (finished.status != 0 || error != std::errc{})
        return std::unexpected{"lwIP: exit code " + std::to_string(finished.status)};
    return value;
}

struct Subject {
    std::string name, unit;
    Better better;
    double scale;  // from what is measured
    Measure weft;
    std::string peer;  // its name, or none
    std::vector<std::string> words;  // for it
};

Measure streaming(Stream what) {
    return [what]() -> std::expected<Measured, std::string> {
        const auto cost = stream(what);
        if (!cost) return std::unexpected{cost.error()};
        return Measured{cost->bytes_a_second, fmt::format("{:.0f} ns a packet, {:.0f} % of the window in flight",
                                                          cost->ns_a_packet, 100 * cost->in_flight)};
    };
}

Measure churning(std::uint32_t alive, double seconds) {
    return [=]() -> std::expected<Measured, std::string> {
        const auto done = churn(alive, seconds);
        if (!done) return std::unexpected{done.error()};
        return Measured{done->opened_a_second,
                        fmt::format("{} opened, {} evicted from TIME-WAIT", done->opened, done->evicted)};
    };
}

Measure echoing(std::uint32_t alive, std::uint32_t outstanding, double seconds) {
    return [=]() -> std::expected<Measured, std::string> {
        const auto cost = echo(alive, outstanding, seconds);
        if (!cost) return std::unexpected{cost.error()};
        return Measured{*cost, fmt::format("{} outstanding", outstanding)};
    };
}

Measure idling(std::uint32_t endpoints) {
    return [=]() -> std::expected<Measured, std::string> {
        const auto cost = idle(endpoints);
        if (!cost) return std::unexpected{cost.error()};
        return Measured{cost->bytes, fmt::format("{:.0f} MB resident with {} endpoints", cost->megabytes, endpoints)};
    };
}

std::vector<Subject> subjects(const Options& options) {
    const double seconds = options.seconds;
    const std::string time = std::to_string(options.seconds);
    constexpr std::uint32_t kib64 = 64 << 10, mib4 = 4 << 20;
    const std::vector<std::string> referenced{"memory", time, "referenced"}, copied{"memory", time, "copied"};
    const double gbit = 8e-9, k = 1e-3, us = 1e6;
    return {
        {"memory_1460", "Gbit/s", Better::more, gbit, streaming({Crossing::referenced, kib64, seconds}), "lwip", referenced},
        {"memory_1460_copied", "Gbit/s", Better::more, gbit, streaming({Crossing::copied, kib64, seconds}), "lwip", copied},
        {"memory_4m", "Gbit/s", Better::more, gbit, streaming({Crossing::referenced, mib4, seconds}), "", {}},
        {"memory_4m_copied", "Gbit/s", Better::more, gbit, streaming({Crossing::copied, mib4, seconds}), "", {}},
        {"memory_super", "Gbit/s", Better::more, gbit, streaming({Crossing::whole, kib64 * 4, seconds}), "", {}},
        {"connections_1e3",
         "thousand/s",
         Better::more,
         k,
         churning(1'000, seconds),
         "lwip",
         {"connections", "1000", "8192"}},
        {"connections_1e5", "thousand/s", Better::more, k, churning(100'000, seconds), "", {}},
        {"connections_1e6", "thousand/s", Better::more, k, churning(1'000'000, seconds), "", {}},
        {"echo_2", "us", Better::less, us, echoing(2, 2, seconds), "lwip", {"echo", "2", "200000", "2"}},
        {"echo_1e5", "us", Better::less, us, echoing(100'000, 32, seconds), "", {}},
        {"echo_1e3", "us", Better::less, us, echoing(1'000, 32, seconds), "lwip", {"echo", "1000", "20000", "32"}},
        {"idle_bytes", "B", Better::less, 1, idling(1'000'000), "lwip", {"idle", "10000"}},
    };
}

bool measure(const Subject& subject, unsigned rounds, Case& into) {
    for (unsigned round = 0; round < rounds; ++round) {
        const auto weft = apart(subject.weft);
        if (!weft) return fmt::print(stderr, "bench_tcp: {}: {}\n", subject.name, weft.error()), false;
        fmt::print(stderr, "tcp: {}: {:.2f} {}, {}\n", subject.name, weft->value * subject.scale, subject.unit, weft->note);
        std::optional<double> peer;
        if (!subject.peer.empty() && std::getenv("WEFT_LWIP") && *std::getenv("WEFT_LWIP")) {
            const auto value = lwip(subject.words);
            if (!value) return fmt::print(stderr, "bench_tcp: {}: {}\n", subject.name, value.error()), false;
            peer = *value * subject.scale;
        }
        into.add(weft->value * subject.scale, peer);
    }
    return true;
}

}  // namespace
}  // namespace weft::bench

int main(int, char** words) {
    using namespace weft::bench;
    // Millions of flows lie in memory of large pages, those of the peer, too: the allocator asks for them when a program begins.
    if (!std::getenv("GLIBC_TUNABLES") && ::setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1) == 0)
        ::execv("/proc/self/exe", words);
    Options options;
    if (!read_options(words + 1, options)) {
        fmt::print(stderr, "usage: bench_tcp [--json] [--rounds N] [--seconds S] [--case NAME]\n");
        return 2;
    }
    bool headed = options.json;
    for (const Subject& subject : subjects(options)) {
        if (!options.name.empty() && subject.name != options.name) continue;
        Case one{subject.name, subject.unit, subject.better, subject.peer};
        if (!measure(subject, options.rounds, one)) return 1;
        if (!std::exchange(headed, true)) fmt::print("{}\n", Case::header());
        fmt::print("{}\n", options.json ? one.json("tcp") : one.row());
        std::fflush(stdout);
    }
    return 0;
}
