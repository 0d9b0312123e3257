// A real `weft tap` in the caller's network namespace, and the kernel's programs against it: curl, sockets, echo requests.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/client.h"
#include "node/unique_fd.h"
#include "tests/node/daemon_support.h"

namespace weft::test {

using node::Json;
using node::UniqueFd;
using std::chrono::milliseconds;

// What a program said and how it ended: its exit status, or 128 and the signal.
struct Outcome {
    int status{-1};
    std::string out, err;
};

// Runs it to its end, at most a minute. The first word is looked for in PATH.
Outcome run(const std::vector<std::string>& words);

// The same for `ip` and its like, which must not fail.
void must(std::string_view line);

class TapNode {
public:
    explicit TapNode(std::vector<std::string> arguments) : arguments_{std::move(arguments)} {}
    TapNode(const TapNode&) = delete;
    TapNode& operator=(const TapNode&) = delete;
    ~TapNode();

    void start();            // until its control socket answers, or it has ended
    int end(int signal);     // its exit status, or -1 after 20 s
    bool running() const;
    std::string said() const { return node::read_file(directory_ / "said"); }

    node::Client client() const;
    Json call(std::string_view method, const Json& params = Json::object()) const;
    const node::TemporaryDirectory& directory() const { return directory_; }

private:
    node::TemporaryDirectory directory_;
    std::vector<std::string> arguments_;
    pid_t pid_{-1};
};

// Bytes that depend on size and seed alone.
std::string pattern_text(std::size_t size, std::uint32_t seed);

// A connected TCP socket of the kernel; none after 10 s. `congestion`: the kernel's controller, else its default.
UniqueFd connect_to(const std::string& address, std::uint16_t port, const std::string& congestion = {});

// Sends all of it and reads until as much has come back. What came.
std::string through_echo(int fd, const std::string& bytes);

// Sends an ICMP or ICMPv6 echo request of `size` bytes of payload for each number from 0 on and waits for its answer: how many
// were answered with the same payload. Up to `at_once` are on their way.
unsigned ping(const std::string& address, std::size_t size, unsigned count, unsigned at_once = 1);

}  // namespace weft::test
