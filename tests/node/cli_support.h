// What the tests of the command line share: a directory of their own, a node that is only pretended, and the built
// program run as a person would.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "node/client.h"

namespace weft::node::test {

class TemporaryDirectory {
public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    std::string operator/(std::string_view name) const { return (path_ / name).string(); }
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

std::pair<UniqueFd, UniqueFd> stream_pair();
void write_file(const std::string& path, std::string_view bytes);
std::string read_file(const std::string& path);
std::string read_to_end(int fd);
bool write_all(int fd, std::string_view bytes);
std::string noise(std::size_t size, std::uint64_t seed);

// One conversation, seen from the node's side.
class FakeConnection {
public:
    explicit FakeConnection(UniqueFd socket) : socket_{std::move(socket)} {}

    Json request();  // null at the end
    void raw(std::string_view bytes, int descriptor = -1);
    void answer(const Json& request, const Json& result, int descriptor = -1);
    void refuse(const Json& request, std::string_view message, std::string_view cause);
    void notify(std::string_view method, const Json& params, int descriptor = -1);

private:
    UniqueFd socket_;
    std::string received_;
};

// Listens at a path and gives each connection to `serve`, one after another, in a thread of its own.
class FakeNode {
public:
    FakeNode(std::string path, std::function<void(FakeConnection&)> serve);
    ~FakeNode();
    FakeNode(const FakeNode&) = delete;
    FakeNode& operator=(const FakeNode&) = delete;

private:
    std::string path_;
    UniqueFd listener_, stop_;
    std::thread thread_;
};

using Environment = std::map<std::string, std::string>;

struct Outcome {
    int exit_code{-1};  // 128 and the signal's number if one ended it
    std::string out, err;
};

// A program that runs. Its stdin is a pipe that the test holds, unless one is given.
class Program {
public:
    Program(const std::vector<std::string>& arguments, const Environment& environment, int input = -1);
    ~Program();  // kills what is still there
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    int input() const { return input_.get(); }
    void close_input() { input_.reset(); }
    void close_output();                            // as a reader that goes away
    bool wait_for_err(std::string_view text);       // until stderr holds it; false at its end
    void kill(int signal);
    Outcome finish();                               // closes the input, reads all, waits

private:
    int pid_{-1};
    UniqueFd input_, out_, err_;
    std::string err_text_;
};

std::string weft_binary();
Outcome run_weft(std::vector<std::string> arguments, const Environment& environment = {}, std::string_view input = {});

}  // namespace weft::node::test
