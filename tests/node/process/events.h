// Real nodes with somebody who watches them, and `weft` as a process beside them.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <expected>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "stack/core/recording.h"
#include "tests/node/event_stream.h"
#include "tests/node/process/line.h"

namespace weft::node {

// `weft` as a process of its own, its output in a file.
class Running {
public:
    Running(const TemporaryDirectory& directory, std::vector<std::string> words)
        : out_{directory / ("out." + std::to_string(++count_))} {
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::setenv("WEFT_RUNTIME_DIR", (directory / "run").c_str(), 1);
        if (::chdir(directory.path().c_str()) != 0) ::_exit(126);
        const int out = ::open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
        std::vector<char*> arguments{const_cast<char*>("weft")};
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        ::execv(WEFT_BINARY_DIR "/node/weft", arguments.data());
        ::_exit(127);
    }
    ~Running() {
        if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    }
    void interrupt() const { ::kill(pid_, SIGINT); }
    // Its exit status, or -1 when it does not end.
    int wait() {
        int status = 0;
        for (const auto begin = Clock::now(); since(begin) < milliseconds{10'000};
             std::this_thread::sleep_for(milliseconds{5}))
            if (::waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = -1;
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            }
        return -1;
    }
    std::string text() const { return read_file(out_); }

private:
    static inline int count_ = 0;
    std::string out_;
    pid_t pid_{-1};
};

class Events : public Line {
protected:
    void SetUp() override { ::setenv("WEFT_RUNTIME_DIR", (directory / "run").c_str(), 1); }
    // Two neighbours; recordings lie in `rec` of the test's directory.
    void start_two(std::string_view more = {}) {
        make(2);
        for (std::size_t i = 0; i < 2; ++i)
            configure(i, "[record]\ndirectory = \"rec-" + node(i).name() + "\"\n" + std::string(more));
        ASSERT_NO_FATAL_FAILURE(start());
    }
    std::string socket_of(std::size_t i, bool read_only) const {
        return directory / ("run/" + nodes[i]->name() + (read_only ? ".ro.sock" : ".sock"));
    }
    EventReader subscribe(std::size_t i, const Json& params = Json::object(), bool read_only = true) {
        auto client = Client::connect(socket_of(i, read_only));
        EXPECT_TRUE(client);
        const auto answer = client->call("events.subscribe", params, milliseconds{5'000});
        EXPECT_TRUE(answer) << answer.error().message;
        std::string begun;
        UniqueFd socket = client->release(begun);
        return EventReader{std::move(socket), std::move(begun)};
    }
    UniqueFd raw(std::size_t i, bool read_only) const {
        UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
        std::snprintf(name.sun_path, sizeof name.sun_path, "%s", socket_of(i, read_only).c_str());
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
        const timeval patience{10, 0};
        ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        return fd;
    }
    static std::expected<Json, ControlError> call(const NodeProcess& node, std::string_view method, const Json& params) {
        Client control = node.client();
        auto answer = control.call(method, params, milliseconds{10'000});
        if (!answer) return std::unexpected(answer.error());
        return std::move(answer->result);
    }
    static std::expected<trace::Recording, std::string> open(const std::string& bytes) {
        return trace::Recording::open(std::as_bytes(std::span(bytes)));
    }
};

// Text that stands nowhere else: a marker again and again.
inline std::string marked_text(std::size_t size) {
    std::mt19937_64 random{std::random_device{}()};
    std::string marker, text;
    while (marker.size() < 16) marker += char('A' + random() % 26);
    while (text.size() < size) text += marker + ' ';
    return text;
}

inline void carry(const Ends& ends, const std::string& text) {
    std::thread sender{[&] {
        for (std::size_t at = 0; at < text.size();) {
            const ssize_t wrote = ::send(ends.sender.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL);
            if (wrote <= 0) return;
            at += std::size_t(wrote);
        }
    }};
    std::string got(text.size(), '\0');
    EXPECT_EQ(::recv(ends.receiver.get(), got.data(), got.size(), MSG_WAITALL), ssize_t(got.size()));
    sender.join();
    EXPECT_EQ(got, text);
}

}  // namespace weft::node
