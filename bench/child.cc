// fork, pipe, poll and wait4.
#include "bench/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <system_error>

namespace weft::bench {
namespace {

constexpr std::size_t most_output = 1 << 20;

double seconds_of(const timeval& time) { return double(time.tv_sec) + double(time.tv_usec) / 1e6; }

struct Forked {
    pid_t pid;
    node::UniqueFd read, write;
};

// In the child, the parent's death is the child's.
Forked fork_with_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    Forked forked{-1, node::UniqueFd{ends[0]}, node::UniqueFd{ends[1]}};
    const pid_t parent = ::getpid();
    forked.pid = ::fork();
    if (forked.pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (forked.pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(1);
    }
    return forked;
}

bool readable_before(int descriptor, double until) {
    pollfd waiting{descriptor, POLLIN, 0};
    for (double left = until - seconds_now(); left > 0; left = until - seconds_now())
        if (const int ready = ::poll(&waiting, 1, int(left * 1e3) + 1); ready > 0) return true;
        else if (ready < 0 && errno != EINTR) return false;
    return false;
}

}  // namespace

double seconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return double(now.tv_sec) + double(now.tv_nsec) / 1e9;
}

Child Child::run(const std::vector<std::string>& command) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    Forked forked = fork_with_pipe();
    if (forked.pid == 0) {
        const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        ::dup2(nothing, STDIN_FILENO);
        ::dup2(forked.write.get(), STDOUT_FILENO);
        ::dup2(nothing, STDERR_FILENO);
        ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }
    return {forked.pid, std::move(forked.read)};
}

Child Child::call(const std::function<int(int pipe)>& body) {
    Forked forked = fork_with_pipe();
    if (forked.pid == 0) {
        forked.read.reset();
        ::_exit(body(forked.write.get()));
    }
    return {forked.pid, std::move(forked.read)};
}

Child::Child(Child&& other) noexcept : pid_{std::exchange(other.pid_, -1)}, pipe_{std::move(other.pipe_)} {}

Child::~Child() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

// Byte by byte: what follows the line stays in the pipe.
std::string Child::line(double seconds) {
    const double until = seconds_now() + seconds;
    for (std::string text;;) {
        char next = 0;
        if (!readable_before(pipe_.get(), until) || ::read(pipe_.get(), &next, 1) != 1) return "";
        if (next == '\n') return text;
        text += next;
    }
}

Finished Child::finish(double seconds) {
    Finished finished;
    std::array<char, 4'096> some;
    const double until = seconds_now() + seconds;
    for (bool open = true; open;) {
        if (!readable_before(pipe_.get(), until)) {
            ::kill(pid_, SIGKILL);
            break;
        }
        const ssize_t count = ::read(pipe_.get(), some.data(), some.size());
        if (count < 0 && errno == EINTR) continue;
        open = count > 0;
        if (open && finished.output.size() < most_output) finished.output.append(some.data(), std::size_t(count));
    }
    rusage used{};
    int status = 0;
    while (::wait4(pid_, &status, 0, &used) < 0 && errno == EINTR) {}
    pid_ = -1;
    finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    finished.cpu_seconds = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
    return finished;
}

}  // namespace weft::bench
