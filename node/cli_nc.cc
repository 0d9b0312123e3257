// `weft nc`: opens or awaits a flow, moves a file or the standard streams through it, and sums up.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <utility>

#include <fmt/core.h>

#include "node/cli_commands.h"
#include "node/cli_session.h"

namespace weft::node {
namespace {

using std::chrono::milliseconds;

// The node gives up long before: this bounds the wait for a node that hangs.
constexpr milliseconds connect_time = std::chrono::minutes{10};

// The two ends on this side. Descriptors of our own are closed with it, stdin and stdout stay.
struct Ends {
    UniqueFd input_file, output_file;
    int input{-1}, output{STDOUT_FILENO};
    bool input_is_terminal{false};
    std::optional<std::uint64_t> expected;  // bytes of the input, if it is a file
};

std::string trouble(std::string_view what, const std::string& file) {
    return fmt::format("cannot {} {}: {}", what, printable(file), std::strerror(errno));
}

std::expected<void, Problem> open_input(const NcOptions& options, Ends& ends) {
    const bool sends_nothing = options.input.empty() && (options.keep || !options.output.empty());
    if (sends_nothing) return {};
    ends.input = STDIN_FILENO;
    if (!options.input.empty() && options.input != "-") {
        ends.input_file = UniqueFd{::open(options.input.c_str(), O_RDONLY | O_CLOEXEC)};
        if (!ends.input_file) return std::unexpected(usage_problem(trouble("read", options.input)));
        ends.input = ends.input_file.get();
    }
    struct stat status{};
    if (::fstat(ends.input, &status) != 0) return std::unexpected(failure("input", trouble("read", "the input")));
    if (S_ISDIR(status.st_mode))
        return std::unexpected(
            usage_problem(printable(options.input) + " is a directory", "tar c DIR | weft nc ... sends one"));
    if (S_ISREG(status.st_mode)) ends.expected = std::uint64_t(status.st_size);
    ends.input_is_terminal = ::isatty(ends.input) == 1;
    return {};
}

// An existing file keeps its bytes until there is a connection.
std::expected<void, Problem> open_output(const NcOptions& options, Ends& ends) {
    if (options.output.empty() || options.output == "-") return {};
    ends.output_file = UniqueFd{::open(options.output.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)};
    if (!ends.output_file) return std::unexpected(usage_problem(trouble("write", options.output)));
    ends.output = ends.output_file.get();
    struct stat status{};
    if (::fstat(ends.output, &status) != 0) return std::unexpected(failure("output", trouble("write", options.output)));
    if (options.sha256 && !S_ISREG(status.st_mode))
        return std::unexpected(
            usage_problem("--sha256 reads the output again: " + printable(options.output) + " is not a regular file"));
    return {};
}

std::expected<Ends, Problem> open_ends(const NcOptions& options) {
    Ends ends;
    if (auto opened = open_input(options, ends); !opened) return std::unexpected(opened.error());
    if (auto opened = open_output(options, ends); !opened) return std::unexpected(opened.error());
    return ends;
}

std::expected<OpenFlow, Problem> connect_flow(const NcOptions& options, const CommonOptions& common, Client& client) {
    auto address = parse_own_form(options.address);
    if (!address) {
        auto peers = ask(client, "peer.list", common.node);
        if (!peers) return std::unexpected(peers.error());
        address = resolve_address(options.address, *peers);
        if (!address) return std::unexpected(address.error());
    }
    Json params{{"address", *address}, {"port", options.port}};
    if (options.timeout.count() > 0)
        params["user_timeout_ms"] = std::clamp<std::int64_t>(options.timeout.count(), 100, 86'400'000);  // the node's bounds
    auto answer = client.call("flow.connect", params,
                              options.timeout.count() > 0 ? options.timeout + milliseconds{500} : connect_time);
    if (answer) return OpenFlow{text_in(answer->result, "flow"), *address, options.port, std::move(answer->flow)};
    const ControlError& error = answer.error();
    const std::string where = fmt::format("{} port {}", printable(options.address), options.port);
    const bool too_late = error.kind == ControlError::Kind::timed_out && options.timeout.count() > 0;
    Problem problem = too_late              ? flow_problem("timed_out", where)
                      : error.cause.empty() ? problem_of(error, common.node)
                                            : flow_problem(printable(error.cause), where);
    // The node knows more.
    if (problem.mend.empty() || error.cause == "unreachable") problem.message = printable(error.message);
    return std::unexpected(problem);
}

std::expected<void, Problem> tell_ready(const NcOptions& options, std::uint64_t port, const Console& console) {
    Console always = console;
    always.quiet = false;  // scripts wait for this line
    always.note(fmt::format("listening on {}\n", port));
    if (!options.ready_fd) return {};
    const std::string text = fmt::format("{}\n", port);
    if (::write(*options.ready_fd, text.data(), text.size()) != ssize_t(text.size()))
        return std::unexpected(
            usage_problem(fmt::format("cannot write to descriptor {}: {}", *options.ready_fd, std::strerror(errno))));
    ::close(*options.ready_fd);
    return {};
}

std::expected<OpenFlow, Problem> await_flow(const NcOptions& options, const CommonOptions& common, FlowEvents& events) {
    const auto deadline = std::chrono::steady_clock::now() + options.timeout;
    for (;;) {
        if (auto flow = events.accepted()) return std::move(*flow);
        milliseconds left{1000};
        if (options.timeout.count() > 0) {
            left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
            if (left.count() <= 0)
                return std::unexpected(
                    Problem{exit_timed_out, "timed_out", "nobody connected in time", "--timeout sets how long to wait"});
        }
        if (events.take(left)) continue;
        if (auto flow = events.accepted()) return std::move(*flow);  // it came before the node went
        return std::unexpected(problem_of(events.error(), common.node));
    }
}

double rounded(double value, double parts) { return std::round(value * parts) / parts; }

Json summary_of(const OpenFlow& flow, const SessionResult& result, const std::string& sha256) {
    const std::uint64_t both = result.bytes_in + result.bytes_out;
    const double rate = result.seconds > 0 ? double(both) * 8e-6 / result.seconds : 0;
    Json summary{{"bytes_in", result.bytes_in},
                 {"bytes_out", result.bytes_out},
                 {"seconds", rounded(result.seconds, 1e6)},
                 {"mbit_per_s", rounded(rate, 1e3)},
                 {"remote", {{"address", flow.address}, {"port", flow.port}}},
                 {"flow", flow.id},
                 {"retransmissions", result.retransmissions},
                 {"error", nullptr}};
    if (!sha256.empty()) summary["sha256"] = sha256;
    if (result.problem) {
        summary["error"] = result.problem->kind;
        summary["message"] = result.problem->message;
    }
    return summary;
}

void print_summary(const NcOptions& options, const OpenFlow& flow, const SessionResult& result, const std::string& sha256,
                   const Console& console) {
    const std::uint64_t both = result.bytes_in + result.bytes_out;
    const double rate = result.seconds > 0 ? double(both) * 8e-6 / result.seconds : 0;
    if (console.json) console.print_json(summary_of(flow, result, sha256));
    if (options.summary) {
        const std::uint64_t bytes = options.output.empty() ? both : result.bytes_in;
        std::string line = fmt::format("bytes={}", bytes);
        if (!sha256.empty()) line += " sha256=" + sha256;
        std::fputs(fmt::format("{} seconds={:.3f} mbit_per_s={:.1f}\n", line, result.seconds, rate).c_str(), console.err);
    } else if (!console.json) {
        std::string line = fmt::format("{} in, {} out in {}", human_bytes(result.bytes_in), human_bytes(result.bytes_out),
                                       human_seconds(result.seconds));
        if (result.seconds > 0) line += fmt::format(" ({:.1f} Mbit/s)", rate);
        if (result.retransmissions > 0) line += fmt::format(", {} retransmissions", result.retransmissions);
        console.note(line + '\n');
        if (!sha256.empty()) console.note(fmt::format("sha256 {}\n", sha256));
    }
}

// Runs one flow to its end; the exit code.
int serve(const NcOptions& options, OpenFlow flow, Ends& ends, FlowEvents& events, const Console& console) {
    if (ends.output_file && ::ftruncate(ends.output_file.get(), 0) != 0 && errno != EINVAL)
        return console.fail(failure("output", trouble("write", options.output)));
    const SessionPlan plan{ends.input, ends.output, ends.input_is_terminal, ends.expected, options.timeout};
    SessionResult result = run_session(flow, events, plan, console);
    std::string sha256;
    if (options.sha256 && !result.problem) {
        if (auto hash = sha256_of_file(options.output)) sha256 = *hash;
        else result.problem = hash.error();
    }
    print_summary(options, flow, result, sha256, console);
    if (!result.problem) return exit_done;
    Console plain = console;
    plain.json = false;  // the summary said it
    return plain.fail(*result.problem);
}

int listen_and_serve(const NcOptions& options, const CommonOptions& common, Ends& ends, Client& client,
                     const Console& console) {
    FlowEvents events{client};
    auto answer = client.call("flow.listen", {{"port", options.port}}, answer_time);
    if (!answer) {
        if (answer.error().cause == "address_in_use")
            return console.fail(failure("address_in_use", fmt::format("port {} is taken", options.port),
                                        "choose another one, or end the `weft nc -l` that has it"));
        return console.fail(problem_of(answer.error(), common.node));
    }
    if (auto told = tell_ready(options, count_in(answer->result, "port", options.port), console); !told)
        return console.fail(told.error());
    for (;;) {
        auto flow = await_flow(options, common, events);
        if (!flow) return console.fail(flow.error());
        console.note(fmt::format("connection from {} port {}\n", flow->address, flow->port));
        const int code = serve(options, std::move(*flow), ends, events, console);
        if (!options.keep) return code;
        if (ends.input_file && ::lseek(ends.input, 0, SEEK_SET) != 0)
            return console.fail(
                failure("input", trouble("begin again with", options.input), "--keep needs a regular file as --input"));
    }
}

}  // namespace

int run_nc(const NcOptions& options, const CommonOptions& common, const Console& console) {
    ::signal(SIGPIPE, SIG_IGN);
    if (options.ready_fd && ::fcntl(*options.ready_fd, F_GETFD) < 0)
        return console.fail(usage_problem(fmt::format("--ready-fd: descriptor {} is not open", *options.ready_fd)));
    auto ends = open_ends(options);
    if (!ends) return console.fail(ends.error());
    auto client = connect_to_node(common.node);
    if (!client) return console.fail(client.error());
    if (options.listen) return listen_and_serve(options, common, *ends, *client, console);
    auto flow = connect_flow(options, common, *client);
    if (!flow) return console.fail(flow.error());
    FlowEvents events{*client};
    return serve(options, std::move(*flow), *ends, events, console);
}

}  // namespace weft::node
