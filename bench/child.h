// Processes of a benchmark: what they say and the CPU time that the kernel charges them.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "node/unique_fd.h"

namespace weft::bench {

struct Finished {
    int status{-1};          // exit code; 128 + signal
    double cpu_seconds{0};   // user and system, of the process and the children it waited for
    std::string output;      // what it wrote to its pipe, at most 1 MiB
};

// A child that is killed and waited for with its owner. It writes its results to a pipe.
class Child {
public:
    static Child run(const std::vector<std::string>& command);          // its stdout is the pipe, its stderr is closed
    static Child call(const std::function<int(int pipe)>& body);        // a fork of this process; returns its exit code
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    ~Child();

    // The next line that it writes, without its end; "" when none comes within so many seconds.
    std::string line(double seconds);

    pid_t pid() const { return pid_; }

    // Waits for it, at most so many seconds: then it is killed.
    Finished finish(double seconds);

private:
    Child(pid_t pid, node::UniqueFd pipe) : pid_{pid}, pipe_{std::move(pipe)} {}
    pid_t pid_{-1};  // -1: waited for
    node::UniqueFd pipe_;
};

double seconds_now();  // monotonic

}  // namespace weft::bench
