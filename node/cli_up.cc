// `weft up` and `weft down`: the daemon's life, from the outside.
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include <fmt/core.h>

#include "node/cli_commands.h"
#include "node/config.h"
#include "node/paths.h"

namespace weft::node {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds step{20};          // between two looks at a node that starts
constexpr std::size_t most_exposed = 64;  // ports by the command line
constexpr std::size_t shown_lines = 15;   // of the log of one that did not

struct Launch {
    std::string program, config, name;
    std::vector<std::string> more;         // of the daemon's options
    ControlPaths paths;
};

// Beside this program, else wherever PATH has it.
std::string find_daemon() {
    std::error_code fault;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", fault);
    if (!fault)
        if (const std::filesystem::path beside = self.parent_path() / "weftd"; ::access(beside.c_str(), X_OK) == 0)
            return beside.string();
    return "weftd";
}

// --node goes first, then a name in the file, then WEFT_NODE.
std::string name_of(const CommonOptions& common, const NodeConfig& config) {
    if (!common.node.empty()) return common.node;
    const char* chosen = std::getenv("WEFT_NODE");
    if (config.name == default_node && chosen != nullptr && *chosen != '\0') return chosen;
    return config.name;
}

std::expected<Launch, Problem> prepare(const UpOptions& options, const CommonOptions& common) {
    if (options.expose.size() > most_exposed)
        return std::unexpected(usage_problem(fmt::format("--expose: more than {} ports", most_exposed),
                                             "name them under [[expose]] in the configuration"));
    Launch launch;
    launch.program = find_daemon();
    launch.config = options.config.empty() ? default_config_path() : options.config;
    const auto config = read_config(launch.config);
    if (!config) {
        std::string all;
        for (const std::string& message : config.error().messages) all += (all.empty() ? "" : "\n") + printable(message);
        return std::unexpected(
            failure("config", all, "a configuration that holds is: [node], key = \"FILE\", made by `weft key gen -o FILE`"));
    }
    launch.name = name_of(common, *config);
    for (const std::uint16_t port : options.expose)
        launch.more.insert(launch.more.end(), {"--expose", std::to_string(port)});
    if (!options.http.empty()) {
        std::error_code fault;
        if (!std::filesystem::is_directory(options.http, fault))
            return std::unexpected(failure("no_directory",
                                           fmt::format("--http: {} is no directory", printable(options.http)),
                                           "name the directory whose files are to be served"));
        launch.more.insert(launch.more.end(), {"--http", std::filesystem::absolute(options.http).string()});
    }
    if (options.http_port != 0) launch.more.insert(launch.more.end(), {"--http-port", std::to_string(options.http_port)});
    if (options.echo) launch.more.push_back("--echo");
    auto paths = control_paths(launch.name);
    if (!paths) return std::unexpected(usage_problem(paths.error()));
    launch.paths = *paths;
    return launch;
}

// Returns only if it failed: errno.
int execute(const Launch& launch) {
    std::array<const char*, 12 + 2 * most_exposed> arguments{launch.program.c_str(), "-f", launch.config.c_str(), "--name",
                                                             launch.name.c_str()};
    std::size_t count = 5;
    for (const std::string& word : launch.more) {
        if (count + 1 >= arguments.size()) break;  // prepare() counted them
        arguments[count++] = word.c_str();
    }
    ::execvp(launch.program.c_str(), const_cast<char* const*>(arguments.data()));
    return errno;
}

Problem no_daemon(const Launch& launch, int number) {
    return failure("no_daemon", fmt::format("cannot run {}: {}", launch.program, std::strerror(number)),
                   "weftd belongs beside weft, or into PATH");
}

// The child's side between fork and exec: system calls only.
[[noreturn]] void become_daemon(const Launch& launch, int log, int report) {
    ::setsid();
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::syscall(SYS_close_range, 3u, ~0u, unsigned(CLOSE_RANGE_CLOEXEC));
    const int number = execute(launch);
    [[maybe_unused]] const ssize_t told = ::write(report, &number, sizeof number);
    ::_exit(127);
}

std::string last_lines(const std::string& file, off_t from) {
    const UniqueFd log{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
    std::array<char, 8192> bytes{};
    const off_t end = log ? ::lseek(log.get(), 0, SEEK_END) : 0;
    const ssize_t got = log ? ::pread(log.get(), bytes.data(), bytes.size(), std::max(from, end - off_t(bytes.size()))) : 0;
    std::string_view text{bytes.data(), std::size_t(std::max<ssize_t>(got, 0))};
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t stop = std::min(text.find('\n'), text.size());
        lines.push_back("  | " + printable(text.substr(0, stop)) + '\n');
        text.remove_prefix(std::min(stop + 1, text.size()));
    }
    std::string all;
    for (std::size_t i = lines.size() > shown_lines ? lines.size() - shown_lines : 0; i < lines.size(); ++i) all += lines[i];
    return all;
}

struct Started {
    pid_t pid{0};
    std::string log_file;
    off_t log_begin{0};  // what was in the log before
};

std::expected<Started, Problem> start(const Launch& launch) {
    std::error_code fault;
    std::filesystem::create_directories(std::filesystem::path{launch.paths.directory}.parent_path(), fault);
    if (::mkdir(launch.paths.directory.c_str(), 0700) != 0 && errno != EEXIST)
        return std::unexpected(failure("system",
                                       fmt::format("cannot make {}: {}", launch.paths.directory, std::strerror(errno)),
                                       "set WEFT_RUNTIME_DIR"));
    Started started;
    started.log_file = launch.paths.directory + "/" + launch.name + ".log";
    const UniqueFd log{::open(started.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!log)
        return std::unexpected(
            failure("system", fmt::format("cannot write {}: {}", started.log_file, std::strerror(errno))));
    started.log_begin = ::lseek(log.get(), 0, SEEK_END);
    std::array<int, 2> report{};
    if (::pipe2(report.data(), O_CLOEXEC) != 0)
        return std::unexpected(failure("system", fmt::format("pipe: {}", std::strerror(errno))));
    const UniqueFd reader{report[0]};
    UniqueFd writer{report[1]};
    started.pid = ::fork();
    if (started.pid < 0) return std::unexpected(failure("system", fmt::format("fork: {}", std::strerror(errno))));
    if (started.pid == 0) become_daemon(launch, log.get(), writer.get());
    writer.reset();
    int number = 0;
    if (::read(reader.get(), &number, sizeof number) == ssize_t(sizeof number)) {
        ::waitpid(started.pid, nullptr, 0);
        return std::unexpected(no_daemon(launch, number));
    }
    return started;
}

// node.info of the process that was started, once it answers.
std::optional<Json> answer_of(const Launch& launch, pid_t pid) {
    auto client = Client::connect(launch.paths.socket);
    if (!client) return std::nullopt;
    auto info = client->call("node.info", Json::object(), milliseconds{1000});
    if (!info || count_in(info->result, "pid") != std::uint64_t(pid)) return std::nullopt;
    return std::move(info->result);
}

std::expected<Json, Problem> await(const Launch& launch, const Started& started, std::chrono::seconds patience) {
    for (const Clock::time_point deadline = Clock::now() + patience;;) {
        if (auto info = answer_of(launch, started.pid)) return std::move(*info);
        int status = 0;
        const bool died = ::waitpid(started.pid, &status, WNOHANG) == started.pid;
        if (!died && Clock::now() < deadline) {
            std::this_thread::sleep_for(step);
            continue;
        }
        if (!died) ::kill(started.pid, SIGTERM);
        const std::string how = !died ? fmt::format("did not answer within {} s and was told to end", patience.count())
                                : WIFSIGNALED(status) ? fmt::format("was killed by signal {}", WTERMSIG(status))
                                                      : fmt::format("ended with exit code {}", WEXITSTATUS(status));
        Problem problem{died ? exit_failed : exit_timed_out,
                        died ? "start_failed" : "timed_out",
                        fmt::format("node {} {}", launch.name, how),
                        {}};
        problem.mend =
            fmt::format("its log, {}, ends with\n{}", started.log_file, last_lines(started.log_file, started.log_begin));
        if (problem.mend.ends_with('\n')) problem.mend.pop_back();
        return std::unexpected(problem);
    }
}

// Ends when the process has. Without a pidfd (an old kernel, another pid namespace): when its socket is silent.
bool gone(int process, const std::string& socket, Clock::time_point deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
        if (process >= 0) {
            pollfd entry{process, POLLIN, 0};
            const int ready = ::poll(&entry, 1, int(std::clamp<long long>(left, 0, 3'600'000)));
            if (ready > 0) return true;
            if (ready == 0) return false;
        } else {
            if (!Client::connect(socket)) return true;
            if (left <= 0) return false;
            std::this_thread::sleep_for(step);
        }
    }
}

}  // namespace

int run_up(const UpOptions& options, const CommonOptions& common, const Console& console) {
    const auto launch = prepare(options, common);
    if (!launch) return console.fail(launch.error());
    if (Client::connect(launch->paths.socket))
        return console.fail(
            failure("running", fmt::format("node {} is running already", launch->name),
                    fmt::format("`weft down --node {}` ends it; another node on this machine needs another --node NAME",
                                launch->name)));
    if (!options.detach) return console.fail(no_daemon(*launch, execute(*launch)));
    const auto started = start(*launch);
    if (!started) return console.fail(started.error());
    const auto info = await(*launch, *started, options.wait);
    if (!info) return console.fail(info.error());
    if (console.json) return console.print_json(*info), exit_done;
    console.print(text_in(*info, "address") + '\n');
    console.note(fmt::format("node {} is up, pid {}, log {}\n", launch->name, started->pid, started->log_file));
    return exit_done;
}

int run_down(const DownOptions& options, const CommonOptions& common, const Console& console) {
    const Clock::time_point deadline = Clock::now() + options.wait;
    const auto socket = control_socket_path(common.node);
    if (!socket) return console.fail(usage_problem(socket.error()));
    auto client = connect_to_node(common.node);
    if (!client) return console.fail(client.error());
    const auto info = ask(*client, "node.info", common.node);
    if (!info) return console.fail(info.error());
    const auto pid = pid_t(count_in(*info, "pid"));
    const UniqueFd process{pid > 0 ? int(::syscall(SYS_pidfd_open, pid, 0u)) : -1};
    const auto stopped = client->call("node.stop", Json::object(), options.wait);
    // A node that ends at once may close the connection before its answer.
    if (!stopped && stopped.error().kind != ControlError::Kind::closed)
        return console.fail(problem_of(stopped.error(), common.node));
    if (!gone(process.get(), *socket, deadline))
        return console.fail({exit_timed_out, "timed_out",
                             fmt::format("the node was told to end but is still there after {} s", options.wait.count()),
                             fmt::format("`kill -9 {}` ends it without order", pid)});
    if (console.json) console.print_json({{"stopped", text_in(*info, "name")}, {"pid", pid}});
    else console.note(fmt::format("node {} is down\n", text_in(*info, "name", "?")));
    return exit_done;
}

}  // namespace weft::node
