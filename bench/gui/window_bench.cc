// The window under load, without a display: frames while 200,000 events a second come in, a recording of a gigabyte opened and searched,
// the program's start; and what telling the events costs the node.
// usage: bench_window [--json] [--rounds N] [--seconds S] [--frames | --recording | --start | --telemetry]
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>

#include "bench/gui/feeder.h"
#include "bench/gui/frames.h"
#include "bench/options.h"
#include "bench/recordings.h"
#include "bench/report.h"
#include "bench/telemetry_cost.h"
#include "bench/udp_flow.h"
#include "gui/main_window.h"
#include "gui/session.h"
#include "gui/theme.h"
#include "sim/random.h"

namespace weft::bench {
namespace {

constexpr std::uint32_t flows = 1'000, per_second = 200'000;
constexpr std::uint64_t gigabyte = 1'000'000'000;
constexpr unsigned warm_seeks = 100, cold_seeks = 12, bursts = 200;

struct Options {
    bool json{false};
    unsigned rounds{5}, seconds{4};
    std::string_view part;  // empty: all
    bool wants(std::string_view name) const { return part.empty() || part == name; }
};

bool read_options(char** words, Options& options) {
    for (; *words; ++words) {
        const std::string_view word = *words;
        if (word == "--json") options.json = true;
        else if (word == "--rounds" && read_number(words[1], 5, 1'000, options.rounds)) ++words;
        else if (word == "--seconds" && read_number(words[1], 1, 600, options.seconds)) ++words;
        else if (word == "--frames" || word == "--recording" || word == "--start" || word == "--telemetry")
            options.part = word.substr(2);
        else return false;
    }
    return true;
}

// Figures beside the cases go to stderr: they say under what the cases came about.
template <class... Arguments>
void note(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::print(stderr, "window: {}\n", fmt::format(format, std::forward<Arguments>(arguments)...));
}

bool fail(std::string_view why) {
    fmt::print(stderr, "bench_window: {}\n", why);
    return false;
}

class Cases {
public:
    explicit Cases(bool json) : json_{json} {}
    void print(const Case& one) {
        if (!json_ && !headed_) fmt::print("{}\n", Case::header());
        headed_ = true;
        fmt::print("{}\n", json_ ? one.json("window") : one.row());
        std::fflush(stdout);
    }

private:
    bool json_, headed_{false};
};

// ---- telemetry: before there is a window, since it forks

bool measure_telemetry(const Options& options, Cases& cases) {
    Case on{"telemetry_ns", "ns", Better::less, ""}, off{"telemetry_off_ns", "ns", Better::less, ""};
    Case throughput{"telemetry_throughput", "Mbit/s", Better::more, "nobody listens"};
    Case cpu{"telemetry_cpu_per_gb", "s", Better::less, "nobody listens"};
    for (unsigned round = 1; round <= options.rounds; ++round) {
        const auto cost = event_cost(bursts);
        if (!cost) return fail(cost.error());
        on.add(cost->on_ns, std::nullopt);
        off.add(cost->off_ns, std::nullopt);
    }
    for (unsigned round = 1; round <= options.rounds; ++round) {
        double rate[2]{}, seconds_per_gb[2]{};
        for (const unsigned turn : {0u, 1u}) {  // each goes first in every other round
            const bool listeners = (turn + round) % 2 == 1;
            const auto flow = run_weft(double(options.seconds) / 2, 1'200, listeners);
            if (!flow) return fail(flow.error());
            rate[listeners] = flow->bytes * 8 / flow->seconds / 1e6;
            seconds_per_gb[listeners] = flow->cpu_seconds / (flow->bytes / 1e9);
        }
        throughput.add(rate[1], rate[0]);
        cpu.add(seconds_per_gb[1], seconds_per_gb[0]);
    }
    for (const Case* one : {&on, &off, &throughput, &cpu}) cases.print(*one);
    return true;
}

// ---- a window that lives

struct Window {
    Window() : window{session} {
        window.resize(1'400, 860);
        window.show();
    }
    gui::Session session;
    gui::MainWindow window;
};

// The flow among the living that was measured most: its plots are full.
bool select_busy(gui::Session& session) {
    const trace::FlowState* best = nullptr;
    for (const trace::FlowState& flow : session.state().living())
        if (flow.state == trace::state_established && (!best || flow.rate.total > best->rate.total)) best = &flow;
    if (best) session.select({best->place, best->generation});
    return best != nullptr;
}

bool measure_frames(const Options& options, BusyApplication& application, const std::string& socket, Cases& cases) {
    Window shown;
    shown.window.openSocket(QString::fromStdString(socket));
    if (!runUntil([&] { return shown.session.status().kind == gui::SourceStatus::Kind::live && select_busy(shown.session); },
                  10))
        return fail("the window does not show the node: " + shown.session.status().message.toStdString());
    Frames frames{application, shown.window};
    runFor(3);
    Case case_{"frame_p95_ms", "ms", Better::less, ""};
    for (unsigned round = 1; round <= options.rounds; ++round) {
        if (!select_busy(shown.session)) return fail("no flow lives");
        runFor(0.5);
        frames.clear();
        runFor(options.seconds);
        if (frames.count() < 10 * options.seconds)
            return fail(fmt::format("{} frames in {} s", frames.count(), options.seconds));
        const double rate = shown.session.recordsPerSecond();
        if (rate < 0.95 * per_second) return fail(fmt::format("the window takes only {:.0f} events a second", rate));
        case_.add(frames.busyMs(0.95), std::nullopt);
        note(
            "round {}: {} frames in {} s, busy {:.1f} ms (p50), {:.1f} (p95), {:.1f} (most), one every {:.1f} ms (p50), "
            "{:.1f} (p95); {:.0f} events/s, {} flows",
            round, frames.count(), options.seconds, frames.busyMs(0.5), frames.busyMs(0.95), frames.busyMs(1),
            frames.intervalMs(0.5), frames.intervalMs(0.95), rate, shown.session.state().living().size());
    }
    cases.print(case_);
    return true;
}

// ---- a recording

// Out of the page cache, unless something maps it.
void forget(const std::string& path) {
    const node::UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file) (void)::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
}

// Made once, kept for the next time.
bool make_recording(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0 && std::uint64_t(status.st_size) >= gigabyte) return true;
    note("writing {}", path);
    const auto written = write_made(path + ".part", gigabyte, {.seed = 11, .flows = flows, .per_second = per_second});
    if (!written) return fail(written.error());
    const node::UniqueFd file{::open((path + ".part").c_str(), O_RDONLY | O_CLOEXEC)};
    (void)::fsync(file.get());
    note("{} records, {:.0f} s of record time", written->records, double(written->end_ns - written->begin_ns) / 1e9);
    return ::rename((path + ".part").c_str(), path.c_str()) == 0 || fail("cannot rename it");
}

// Seconds from the call until a picture of it is drawn.
std::optional<double> open_seconds(Window& shown, const std::string& path) {
    bool drawn = false;
    const auto connection = QObject::connect(&shown.window, &gui::MainWindow::painted, &shown.window, [&] {
        drawn |= shown.session.endNs() > shown.session.beginNs() && shown.session.state().size() != 0;
    });
    const std::int64_t begin = now_ns();
    shown.window.openRecording(QString::fromStdString(path));
    const bool done = runUntil([&] { return drawn; }, 60);
    const double took = double(now_ns() - begin) / 1e9;
    QObject::disconnect(connection);
    return done ? std::optional{took} : std::nullopt;
}

// Milliseconds from the call until the picture of that moment is drawn.
std::optional<double> seek_ms(Window& shown, std::int64_t to) {
    bool changed = false, drawn = false;
    const auto state = QObject::connect(&shown.session, &gui::Session::stateChanged, &shown.window, [&] { changed = true; });
    const auto paint = QObject::connect(&shown.window, &gui::MainWindow::painted, &shown.window, [&] { drawn |= changed; });
    const std::int64_t begin = now_ns();
    shown.session.seek(to);
    const bool done = runUntil([&] { return drawn; }, 20);
    const double took = double(now_ns() - begin) / 1e6;
    QObject::disconnect(state);
    QObject::disconnect(paint);
    return done && shown.session.cursorNs() == to ? std::optional{took} : std::nullopt;
}

// The 95th of a hundred of so many random seeks; none: one of them was never drawn.
std::optional<double> seeks(Window& shown, unsigned count, std::uint64_t seed) {
    sim::Draws draws{seed};
    std::vector<double> took;
    const std::int64_t begin = shown.session.beginNs(), end = shown.session.endNs();
    for (unsigned i = 0; i < count; ++i) {
        const auto one = seek_ms(shown, begin + 1 + std::int64_t(draws.below(std::uint64_t(end - begin - 1))));
        if (!one) return std::nullopt;
        took.push_back(*one);
    }
    return quantile(took, 0.95);
}

bool measure_recording(const Options& options, const std::string& path, Cases& cases) {
    if (!make_recording(path)) return false;
    Case open{"open_1gb_s", "s", Better::less, ""}, open_cold{"open_1gb_cold_s", "s", Better::less, ""};
    Case seek{"seek_ms", "ms", Better::less, ""}, seek_cold{"seek_cold_ms", "ms", Better::less, ""};
    for (unsigned round = 1; round <= options.rounds; ++round) {
        for (const bool cold : {true, false}) {
            if (cold) forget(path);
            Window shown;
            runFor(0.2);
            const auto opened = open_seconds(shown, path);
            if (!opened) return fail("the recording was never drawn: " + shown.session.status().message.toStdString());
            (cold ? open_cold : open).add(*opened, std::nullopt);
            if (cold) {
                const auto found = seeks(shown, cold_seeks, round);
                if (!found) return fail("a moment was never drawn");
                seek_cold.add(*found, std::nullopt);
                continue;
            }
            if (!runUntil([&] { return select_busy(shown.session); }, 5)) return fail("no flow lives in the recording");
            if (!runUntil([&] { return shown.session.seriesComplete(); }, 120)) return fail("the flow's curves never came");
            const auto found = seeks(shown, warm_seeks, 100 + round);
            if (!found) return fail("a moment was never drawn");
            seek.add(*found, std::nullopt);
            note("round {}: opened in {:.3f} s, seeks {:.1f} ms (p95)", round, *opened, *found);
        }
    }
    for (const Case* one : {&open, &open_cold, &seek, &seek_cold}) cases.print(*one);
    return true;
}

// ---- the program

bool measure_start(const Options& options, const std::string& small, Cases& cases) {
    if (const auto written = write_made(small, 4'000'000, {.flows = 100}); !written) return fail(written.error());
    Case start{"start_ms", "ms", Better::less, ""};
    for (unsigned round = 0; round <= options.rounds; ++round) {
        const std::int64_t begin = now_ns();
        Child program = Child::run({WEFT_BINARY_DIR "/gui/weft-gui", "--open", small, "--tell-first-frame"});
        const std::string line = program.line(20);
        const double took = double(now_ns() - begin) / 1e6;
        if (line != "first-frame") return fail("weft-gui drew no first frame");
        if (round != 0) start.add(took, std::nullopt);  // the first one reads the program from the disk
    }
    cases.print(start);
    return true;
}

int run(const Options& options, int& count, char** arguments) {
    Cases cases{options.json};
    const std::string folder = fmt::format("{}/bench/window.{}", WEFT_BINARY_DIR, ::getpid());
    if (::mkdir(folder.c_str(), 0700) != 0) return fail("no folder " + folder), 1;
    const auto measure = [&] {
        std::optional<Child> feeder;
        if (options.wants("frames")) {
            feeder.emplace(feed(folder + "/bench.ro.sock", flows, per_second));
            if (feeder->line(10) != "ready") return fail("no feeder");
        }
        if (options.wants("telemetry") && !measure_telemetry(options, cases)) return false;
        if (options.wants("start") && !measure_start(options, folder + "/small.weft", cases)) return false;
        BusyApplication application{count, arguments};
        gui::applyTheme(gui::ThemeChoice::dark);
        if (options.wants("frames") && !measure_frames(options, application, folder + "/bench.ro.sock", cases)) return false;
        return !options.wants("recording") || measure_recording(options, WEFT_BINARY_DIR "/bench/window-1gb.weft", cases);
    };
    const bool done = measure();
    for (const char* name : {"/bench.ro.sock", "/small.weft"}) ::unlink((folder + name).c_str());
    ::rmdir(folder.c_str());
    return done ? 0 : 1;
}

}  // namespace
}  // namespace weft::bench

int main(int count, char** arguments) {
    weft::bench::Options options;
    if (!weft::bench::read_options(arguments + 1, options)) {
        fmt::print(stderr,
                   "usage: bench_window [--json] [--rounds N] [--seconds S] [--frames | --recording | --start | "
                   "--telemetry]   (N at "
                   "least 5 rounds: a median of fewer says little)\n");
        return 2;
    }
    ::setenv("QT_QPA_PLATFORM", "offscreen", 1);
    return weft::bench::run(options, count, arguments);
}
