// Stacks with links of their own: weft_open() and the C++ faces over a node's shard, on real sockets of loopback.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "node/entropy.h"
#include "node/log.h"
#include "node/shard_carrier.h"
#include "stack/api/c_stack.h"
#include "stack/api/task.h"
#include "stack/api/weft.h"
#include "stack/core/address_text.h"

namespace weft::api {
namespace {

std::uint16_t free_port() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
    ::close(fd);
    return ntohs(address.sin_port);
}

std::string base(std::uint16_t port) {
    return "[network]\nname = \"open\"\nwork = 0\n[listen]\nudp = [\"127.0.0.1:" + std::to_string(port) + "\"]\n";
}

// Two nodes of the overlay in this process; the second knows where the first one is.
struct Open : testing::Test {
    Open() {
        const std::uint16_t port = free_port();
        EXPECT_EQ(weft_open(base(port).c_str(), &a), 0) << weft_why();
        EXPECT_EQ(weft_self(a, WEFT_OVERLAY, &there), 0);
        std::array<char, 200> text{};
        EXPECT_GT(weft_format(&there, text.data(), text.size()), 0);
        const std::string address = std::string(text.data()).substr(0, 123);
        const std::string known =
            "[[peer]]\naddress = \"" + address + "\"\nendpoints = [\"127.0.0.1:" + std::to_string(port) + "\"]\n";
        EXPECT_EQ(weft_open((base(free_port()) + known).c_str(), &b), 0) << weft_why();
        there.port = 80;
        any.port = 80;
    }
    ~Open() override {
        weft_free(a);
        weft_free(b);
    }

    weft_stack *a = nullptr, *b = nullptr;
    weft_sockaddr there{}, any{sizeof(weft_sockaddr), WEFT_OVERLAY, 64, 0, 0, {}};
};

TEST_F(Open, BlockingCallsOfTwoThreadsCarryAMegabyteThereAndBack) {
    constexpr std::size_t total = 1 << 20;
    const weft_fd listener = weft_listen(a, &any, 5, nullptr);
    ASSERT_GT(listener, 0);
    std::thread server{[&] {
        const weft_fd flow = weft_accept(a, listener, nullptr);
        ASSERT_GT(flow, 0);
        std::vector<char> all(total);
        std::size_t got = 0;
        while (got < total) {
            const ssize_t count = weft_read(a, flow, all.data() + got, total - got, 0);
            ASSERT_GT(count, 0);
            got += std::size_t(count);
        }
        EXPECT_EQ(weft_write(a, flow, all.data(), total, 0), ssize_t(total)) << "a blocking write takes all";
        EXPECT_EQ(weft_finish(a, flow), 0);
        EXPECT_EQ(weft_close(a, flow), 0);
    }};
    const weft_fd flow = weft_connect(b, nullptr, &there, nullptr);
    ASSERT_GT(flow, 0) << flow;
    std::vector<char> sent(total), back(total);
    for (std::size_t i = 0; i < total; ++i) sent[i] = char(i * 31 >> 4);
    std::thread writer{[&] { EXPECT_EQ(weft_write(b, flow, sent.data(), total, 0), ssize_t(total)); }};
    for (std::size_t got = 0; got < total;) {
        const ssize_t count = weft_read(b, flow, back.data() + got, total - got, 0);
        ASSERT_GT(count, 0);
        got += std::size_t(count);
    }
    writer.join();
    EXPECT_EQ(sent, back);
    char byte = 0;
    EXPECT_EQ(weft_read(b, flow, &byte, 1, 0), 0);
    EXPECT_EQ(weft_finish(b, flow), 0);
    server.join();
}

TEST_F(Open, AnOuterLoopWaitsForBothByTheirDescriptors) {
    const weft_options now{.size = sizeof now, .flags = WEFT_NONBLOCK};
    const weft_fd listener = weft_listen(a, &any, 5, &now), client = weft_connect(b, nullptr, &there, &now);
    ASSERT_GT(client, 0);
    EXPECT_EQ(weft_accept(a, listener, nullptr), -EAGAIN);
    std::array<pollfd, 2> watched{{{weft_event_fd(a), POLLIN, 0}, {weft_event_fd(b), POLLIN, 0}}};
    EXPECT_EQ(weft_event_fd(a), watched[0].fd);
    weft_fd server = 0;
    std::string got;
    bool sent = false;
    for (int turn = 0; turn < 10'000 && got.size() < 5; ++turn) {
        ASSERT_GT(::poll(watched.data(), watched.size(), 20'000), 0) << "nobody says that there is something to do";
        EXPECT_EQ(weft_advance(a, 0), 0);
        EXPECT_EQ(weft_advance(b, 0), 0);
        std::array<weft_pollfd, 8> edges;
        const int count = weft_events(b, edges.data(), edges.size());
        for (int i = 0; i < count; ++i)
            if (edges[std::size_t(i)].fd == client && (edges[std::size_t(i)].revents & POLLOUT) != 0 && !sent)
                sent = weft_write(b, client, "hello", 5, 0) == 5;
        if (server <= 0) server = weft_accept(a, listener, nullptr);
        std::array<char, 8> into{};
        const ssize_t bytes = server > 0 ? weft_read(a, server, into.data(), into.size(), WEFT_DONTWAIT) : 0;
        if (bytes > 0) got.append(into.data(), std::size_t(bytes));
    }
    EXPECT_EQ(got, "hello");
}

TEST_F(Open, TroubleHasLinuxsNumbersAndAWaitEnds) {
    weft_sockaddr closed = there;
    closed.port = 81;
    const weft_fd listener = weft_listen(a, &any, 5, nullptr);
    std::atomic<bool> done{false};
    std::thread serves{[&] {
        while (!done) weft_wait(a, nullptr, 0, 10);
    }};
    const std::int64_t nobody = weft_connect(b, nullptr, &closed, nullptr);
    EXPECT_TRUE(nobody == -ECONNREFUSED || nobody == -EHOSTUNREACH || nobody == -EACCES) << nobody;
    const weft_fd flow = weft_connect(b, nullptr, &there, nullptr);
    ASSERT_GT(flow, 0);
    char byte = 0;
    EXPECT_EQ(weft_read(b, flow, &byte, 1, WEFT_DONTWAIT), -EAGAIN);
    const weft_options never_wait{.size = sizeof never_wait, .flags = WEFT_NONBLOCK};
    EXPECT_EQ(weft_set(b, flow, &never_wait), 0);
    EXPECT_EQ(weft_read(b, flow, &byte, 1, 0), -EAGAIN);
    weft_pollfd one{flow, POLLIN, 0, 0};
    EXPECT_EQ(weft_wait(b, &one, 1, 20), 0);
    one.events = POLLIN | POLLOUT;
    EXPECT_EQ(weft_wait(b, &one, 1, -1), 1);
    EXPECT_EQ(one.revents, POLLOUT);
    EXPECT_EQ(weft_input(b, nullptr, 0, 0), -EOPNOTSUPP);
    EXPECT_EQ(weft_output(b, nullptr, 0, 0), -EOPNOTSUPP);
    EXPECT_GT(weft_deadline(b), 0);
    EXPECT_EQ(weft_close(a, listener), 0);
    done = true;
    serves.join();

    weft_stack* none = nullptr;
    EXPECT_EQ(weft_open("[listen]\nudp = [\"127.0.0.300:1\"]\n", &none), -EINVAL);
    EXPECT_NE(std::string(weft_why()).find("weft_open.toml:2"), std::string::npos) << weft_why();
    EXPECT_EQ(none, nullptr);
}

std::string scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-open-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    return name;
}

TEST(OpenErrors, EachKindOfConfigurationThatDoesNotOpenHasItsErrnoAndSaysWhy) {
    const std::string nowhere = scratch() + "/none", file = nowhere + ".toml";
    ::close(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    const std::uint16_t port = free_port();
    weft_stack* first = nullptr;
    ASSERT_EQ(weft_open(base(port).c_str(), &first), 0) << weft_why();
    struct {
        std::string config;
        int said;
        const char* why;
    } const all[]{
        {"[listen]\nudp = ", -EINVAL, "weft_open.toml:2"},
        {"[listen]\nupd = []\n", -EINVAL, "udp"},
        {"[tcp]\nbacklog = 0\n", -EINVAL, "backlog"},
        {"[tcp]\ncongestion = \"cubik\"\n", -EINVAL, "cubic"},
        {base(free_port()) + "[node]\nkey = \"" + nowhere + "\"\n", -EINVAL, nowhere.c_str()},
        {"[network]\nwork = 0\nsecret = \"" + nowhere + "\"\n[listen]\nudp = [\"127.0.0.1:0\"]\n", -EINVAL, nowhere.c_str()},
        {base(free_port()) + "[routing]\nmodule = \"none-such\"\n", -EINVAL, "none-such"},
        {base(free_port()) + "[plugins]\nload = [\"none-such\"]\n", -EINVAL, "none-such"},
        {base(free_port()) + "[services]\nhttp = \"" + nowhere + "\"\n", -EINVAL, nowhere.c_str()},
        {base(free_port()) + "[record]\nstart = true\ndirectory = \"" + file + "\"\n", -EIO, "[record]"},
        {base(port), -EADDRINUSE, "in use"},
        {"[network]\nwork = 0\n[listen]\nudp = [\"192.0.2.1:7\"]\n", -EADDRNOTAVAIL, "192.0.2.1"},
    };
    for (const auto& one : all) {
        weft_stack* none = nullptr;
        errno = EDOM;  // of something before
        EXPECT_EQ(weft_open(one.config.c_str(), &none), one.said) << one.config << weft_why();
        EXPECT_NE(std::string(weft_why()).find(one.why), std::string::npos) << one.config << weft_why();
        EXPECT_EQ(none, nullptr);
    }
    EXPECT_EQ(weft_open(nullptr, nullptr), -EINVAL);
    weft_free(first);
    std::filesystem::remove_all(std::filesystem::path(nowhere).parent_path());
}

std::string option(weft_stack* stack, weft_fd fd, int name) {
    std::array<char, 16> text{};
    std::size_t length = text.size();
    EXPECT_EQ(weft_getsockopt(stack, fd, IPPROTO_TCP, name, text.data(), &length), 0);
    if (name == TCP_CONGESTION) return text.data();
    int number = 0;
    std::memcpy(&number, text.data(), sizeof number);
    return std::to_string(number);
}

TEST(OpenTcp, WhatTheConfigurationSaysOfFlowsHoldsUnlessTheProgramSaysOtherwise) {
    const std::string directory = scratch();
    const std::string config = base(free_port()) +
                               "[tcp]\nuser_timeout = \"7s\"\nnodelay = true\nbacklog = 9\ncongestion = \"aimd\"\n"
                               "[plugins]\ndirectories = [\"" WEFT_BINARY_DIR
                               "/plugins\"]\nload = [\"aimd\"]\n[record]\nstart = true\ndirectory = \"" +
                               directory + "\"\n";
    weft_stack* stack = nullptr;
    ASSERT_EQ(weft_open(config.c_str(), &stack), 0) << weft_why();
    EXPECT_EQ(stack->backlog, 9);
    weft_sockaddr to{};
    ASSERT_EQ(weft_self(stack, WEFT_OVERLAY, &to), 0);
    weft_sockaddr any{sizeof(weft_sockaddr), WEFT_OVERLAY, 64, 0, 80, {}};
    const weft_options plain{.size = sizeof plain, .flags = WEFT_NONBLOCK};
    const weft_options own{.size = sizeof own, .flags = WEFT_NONBLOCK, .congestion = "reno", .user_timeout_ms = 1'000};
    const weft_fd listener = weft_listen(stack, &any, 0, &plain);
    ASSERT_GT(listener, 0);
    any.port = 81;
    const weft_fd otherwise = weft_listen(stack, &any, 0, &own);
    EXPECT_EQ(option(stack, listener, TCP_USER_TIMEOUT), "7000");
    EXPECT_EQ(option(stack, listener, TCP_NODELAY), "1");
    EXPECT_EQ(option(stack, listener, TCP_CONGESTION), "aimd");
    EXPECT_EQ(option(stack, otherwise, TCP_USER_TIMEOUT), "1000");
    EXPECT_EQ(option(stack, otherwise, TCP_CONGESTION), "reno");
    const int off = 0;
    EXPECT_EQ(weft_setsockopt(stack, listener, IPPROTO_TCP, TCP_NODELAY, &off, sizeof off), 0);
    EXPECT_EQ(weft_set(stack, listener, &plain), 0);
    EXPECT_EQ(option(stack, listener, TCP_NODELAY), "0") << "what was taken back stays so";
    for (int turn = 0; turn < 3; ++turn) weft_wait(stack, nullptr, 0, 5);
    weft_free(stack);
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) files += entry.file_size() > 0;
    EXPECT_EQ(files, 1u) << "a recording, whole";
    std::filesystem::remove_all(directory);
}

// The signals that the threads of this name block, a bit of each; none of them: no such thread.
std::vector<std::uint64_t> blocked_by(const std::string& name) {
    std::vector<std::uint64_t> all;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        std::ifstream status{task.path() / "status"};
        bool ours = false;
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("Name:")) ours = line.ends_with("\t" + name);
            else if (ours && line.starts_with("SigBlk:")) all.push_back(std::stoull(line.substr(8), nullptr, 16));
    }
    return all;
}

TEST(OpenRecording, ItsThreadTakesNoSignalOfTheProgram) {
    const std::string directory = scratch();
    weft_stack* stack = nullptr;
    const std::string config = base(free_port()) + "[record]\nstart = true\ndirectory = \"" + directory + "\"\n";
    ASSERT_EQ(weft_open(config.c_str(), &stack), 0);
    std::vector<std::uint64_t> blocked = blocked_by("weft-telemetry");
    // Until it runs, the C library blocks all there are.
    for (int turn = 0; turn < 1'000 && !blocked.empty() && (blocked[0] >> (SIGSEGV - 1) & 1) != 0; ++turn) {
        weft_wait(stack, nullptr, 0, 5);
        blocked = blocked_by("weft-telemetry");
    }
    ASSERT_EQ(blocked.size(), 1u);
    const std::set<int> never{SIGKILL, SIGSTOP}, of_its_own{SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    for (int signal = 1; signal <= 64; ++signal) {
        if (never.contains(signal) || (signal > 31 && signal < SIGRTMIN)) continue;  // those are glibc's
        EXPECT_EQ((blocked[0] >> (signal - 1) & 1) != 0, !of_its_own.contains(signal)) << signal;
    }
    sigset_t here;
    ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &here), 0);
    EXPECT_EQ(::sigismember(&here, SIGTERM), 0) << "the caller's are as they were";
    weft_free(stack);
    std::filesystem::remove_all(directory);
}

TEST(OpenRecording, WhatItCannotWriteIsALineOnStderr) {
    const std::string directory = scratch(), record = "[record]\nstart = true\ndirectory = \"" + directory + "\"\n";
    int ends[2], before = ::dup(STDERR_FILENO);
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    ::dup2(ends[1], STDERR_FILENO);
    rlimit was{};
    ::getrlimit(RLIMIT_FSIZE, &was);
    const rlimit tiny{16, was.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &tiny);
    weft_stack* stack = nullptr;
    const int opened = weft_open((base(free_port()) + record).c_str(), &stack);
    std::array<char, 1'000> said{};
    for (int turn = 0; turn < 1'000 && opened == 0 && ::read(ends[0], said.data(), said.size() - 1) <= 0; ++turn)
        weft_wait(stack, nullptr, 0, 20);
    if (stack) weft_free(stack);
    ::setrlimit(RLIMIT_FSIZE, &was);
    ::dup2(before, STDERR_FILENO);
    for (const int fd : {before, ends[0], ends[1]}) ::close(fd);
    EXPECT_NE(std::string(said.data()).find("cannot be written"), std::string::npos) << opened << said.data();
    std::filesystem::remove_all(directory);
}

TEST(OpenRecording, WhatDoesNotOpenLeavesNoFile) {
    const std::string directory = scratch();
    weft_stack* none = nullptr;
    const std::string config = base(free_port()) + "[services]\nhttp = \"" + directory +
                               "/none\"\n[record]\nstart = true\ndirectory = \"" + directory + "\"\n";
    EXPECT_EQ(weft_open(config.c_str(), &none), -EINVAL);
    EXPECT_TRUE(std::filesystem::is_empty(directory));
    std::filesystem::remove_all(directory);
}

TEST_F(Open, ServicesOfTheConfigurationAnswerWhileSomebodyWaits) {
    const std::uint16_t port = free_port();
    weft_stack* serving = nullptr;
    ASSERT_EQ(weft_open((base(port) + "[services]\necho = true\n").c_str(), &serving), 0) << weft_why();
    weft_sockaddr echo{};
    ASSERT_EQ(weft_self(serving, WEFT_OVERLAY, &echo), 0);
    std::array<char, 200> text{};
    EXPECT_GT(weft_format(&echo, text.data(), text.size()), 0);
    const std::string known = "[[peer]]\naddress = \"" + std::string(text.data()).substr(0, 123) +
                              "\"\nendpoints = [\"127.0.0.1:" + std::to_string(port) + "\"]\n";
    weft_stack* asking = nullptr;
    ASSERT_EQ(weft_open((base(free_port()) + known).c_str(), &asking), 0) << weft_why();
    weft_sockaddr taken = any;
    echo.port = taken.port = 7;
    EXPECT_EQ(weft_listen(serving, &taken, 1, nullptr), -EADDRINUSE);
    std::atomic<bool> done{false};
    std::thread serves{[&] {
        while (!done) weft_wait(serving, nullptr, 0, 10);
    }};
    const weft_fd flow = weft_connect(asking, nullptr, &echo, nullptr);
    EXPECT_GT(flow, 0);
    std::array<char, 6> back{};
    EXPECT_EQ(weft_write(asking, flow, "hello", 5, 0), 5);
    EXPECT_EQ(weft_read(asking, flow, back.data(), 5, 0), 5);
    EXPECT_STREQ(back.data(), "hello");
    done = true;
    serves.join();
    weft_free(serving);
    weft_free(asking);
}

TEST_F(Open, AFunctionThatThrowsLeavesTheLoopToOtherCalls) {
    const auto throws = [](void*, weft_fd, const weft_sockaddr*, const weft_sockaddr*) -> enum weft_answer {
        throw std::runtime_error("nobody catches this");
    };
    ASSERT_GT(weft_listen_with(a, &any, 5, nullptr, throws, nullptr), 0);
    std::atomic<bool> done{false};
    std::string why;
    std::thread serves{[&] {
        while (!done) weft_wait(a, nullptr, 0, 10);
        why = weft_why();
    }};
    for (int round = 0; round < 3; ++round) EXPECT_EQ(weft_connect(b, nullptr, &there, nullptr), -ECONNREFUSED);
    done = true;
    serves.join();
    EXPECT_NE(why.find("nobody catches this"), std::string::npos) << why;
}

// Of a flow that connect() put off: with the cookie that it waited for, and after it is lost, when the SYN goes alone.
TEST_F(Open, ABlockingWriteOfADeferredFlowTakesAllOfIt) {
    constexpr std::size_t total = 3 << 20;  // more than the send buffer
    const weft_options fast{.size = sizeof fast, .flags = WEFT_FAST_OPEN};
    const weft_fd listener = weft_listen(a, &any, 5, &fast);
    ASSERT_GT(listener, 0);
    std::thread server{[&] {
        for (const std::size_t expected : {std::size_t{1}, total, total}) {
            const weft_fd flow = weft_accept(a, listener, nullptr);
            ASSERT_GT(flow, 0);
            std::vector<char> into(1 << 16);
            std::size_t got = 0;
            for (ssize_t count = 0; (count = weft_read(a, flow, into.data(), into.size(), 0)) > 0;
                 got += std::size_t(count)) {}
            EXPECT_EQ(got, expected);
            EXPECT_EQ(weft_finish(a, flow), 0);
            EXPECT_EQ(weft_close(a, flow), 0);
        }
    }};
    const std::vector<char> text(total, 'x');
    for (int round = 0; round < 3; ++round) {
        const std::size_t length = round == 0 ? 1 : total;
        const weft_fd flow = weft_connect(b, nullptr, &there, &fast);
        ASSERT_GT(flow, 0) << flow;
        if (const api::Entry entry{b}; round > 0) {
            EXPECT_EQ(b->sockets.find(socket_of(flow))->kind, Socket::Kind::deferred) << round;
            if (round == 2) b->carrier->engine().forget_cookies(b->now());
        }
        EXPECT_EQ(weft_write(b, flow, text.data(), length, 0), ssize_t(length)) << round;
        EXPECT_EQ(weft_finish(b, flow), 0);
        EXPECT_EQ(weft_close(b, flow), 0);
    }
    server.join();
}

TEST_F(Open, AWaitEndsWhereAnotherThreadClosesWhatItWaitsFor) {
    const weft_fd listener = weft_listen(a, &any, 5, nullptr);
    std::atomic<std::int64_t> said{0};
    std::thread waiter{[&] { said = weft_accept(a, listener, nullptr); }};
    std::thread other{[&] { EXPECT_EQ(weft_wait(a, nullptr, 0, 50), 0); }};
    other.join();
    EXPECT_EQ(weft_close(a, listener), 0);
    waiter.join();
    EXPECT_EQ(said, -EBADF);
}

// The other one asks for the stack's port until its function, which frees the stack, has been asked.
TEST_F(Open, AStackThatItsOwnFunctionFreesEndsTheConnectThatServedIt) {
    weft_sockaddr silent = there, back;
    silent.port = 82;
    const auto drop = [](void*, weft_fd, const weft_sockaddr*, const weft_sockaddr*) { return WEFT_DROP; };
    const auto frees = [](void* context, weft_fd, const weft_sockaddr*, const weft_sockaddr*) {
        weft_free(static_cast<weft_stack*>(context));
        return WEFT_DROP;
    };
    weft_sockaddr at = any;
    at.port = 82;
    ASSERT_GT(weft_listen_with(a, &at, 5, nullptr, drop, nullptr), 0);
    at.port = 80;
    ASSERT_GT(weft_listen(a, &at, 5, nullptr), 0);
    ASSERT_GT(weft_listen_with(b, &at, 5, nullptr, frees, b), 0);
    ASSERT_EQ(weft_self(b, WEFT_OVERLAY, &back), 0);
    back.port = 80;
    std::atomic<bool> done{false}, linked{false};
    std::thread other{[&] {
        while (!linked) weft_wait(a, nullptr, 0, 10);
        const weft_options now{.size = sizeof now, .flags = WEFT_NONBLOCK};
        EXPECT_GT(weft_connect(a, nullptr, &back, &now), 0);
        while (!done) weft_wait(a, nullptr, 0, 10);
    }};
    const weft_fd first = weft_connect(b, nullptr, &there, nullptr);
    EXPECT_GT(first, 0);
    linked = true;
    EXPECT_EQ(weft_connect(b, nullptr, &silent, nullptr), -ECONNABORTED);
    b = nullptr;
    done = true;
    other.join();
}

TEST_F(Open, FinishDoesNotWaitForAnEndThatCannotCome) {
    const weft_fd listener = weft_listen(a, &any, 5, nullptr);
    EXPECT_EQ(weft_finish(a, listener), -ENOTCONN);
    EXPECT_EQ(weft_shutdown(a, listener, WEFT_READ), 0);
    EXPECT_EQ(weft_finish(a, listener), -ENOTCONN);
}

// ---- the C++ faces over the same -----------------------------------------------------------------------------------------

std::unique_ptr<node::ShardCarrier> carrier(std::uint16_t port) {
    EXPECT_TRUE(node::start_sodium());
    node::set_log_level(node::LogLevel::error);
    overlay::Seed seed{};
    node::system_entropy()(seed);
    node::ShardConfig config;
    config.links.network = overlay::Network::make("open", 0, std::nullopt);
    config.udp.listen4 = parse_udp_endpoint("127.0.0.1:" + std::to_string(port)).value();
    auto shard = node::Shard::open(overlay::Identity{seed}, config, node::system_entropy());
    EXPECT_TRUE(shard) << shard.error();
    return node::ShardCarrier::make(std::move(*shard)).value();
}

TEST(OpenStreams, OneServerAsACoroutineAndOneThatBlocksSpeakOverRealSockets) {
    const std::uint16_t port = free_port();
    const auto left = carrier(port), right = carrier(free_port());
    const std::array where{parse_udp_endpoint("127.0.0.1:" + std::to_string(port)).value()};
    right->shard().add_peer(left->shard().address(), where);
    const Endpoint to{left->shard().address(), 0, 80}, to_blocking{left->shard().address(), 0, 81};
    Shard a{*left}, b{*right};
    {
        Listener listener = Listener::open(a, {{.local = {{}, 0, 80}}}).value();
        Listener blocking = Listener::open(a, {{.local = {{}, 0, 81}}}).value();
        const auto serve = [](Listener& at) -> Task<> {
            Stream stream = (co_await async::accept(at)).value();
            std::array<std::byte, 4'096> into;
            while (const auto count = co_await async::read_some(stream, into))
                (void)co_await async::write(stream, std::span{into}.first(*count));
            (void)co_await async::finish(stream);
        };
        a.spawn(serve(listener));
        std::thread server{[&] {
            Stream stream = blocking.accept().value();
            std::array<std::byte, 4'096> into;
            while (const auto count = stream.read_some(into)) ASSERT_TRUE(stream.write(std::span{into}.first(*count)));
            EXPECT_TRUE(stream.finish());
        }};
        for (const Endpoint& one : {to, to_blocking}) {
            auto stream = Stream::connect(b, one, {}, b.in(Duration::seconds(60)));
            ASSERT_TRUE(stream) << int(stream.error());
            const std::vector<std::byte> sent(100'000, std::byte{42});
            std::vector<std::byte> back(sent.size());
            ASSERT_TRUE(stream->write(sent));
            ASSERT_TRUE(stream->read_exactly(back));
            EXPECT_EQ(sent, back);
            EXPECT_TRUE(stream->finish(b.in(Duration::seconds(60))));
        }
        server.join();
    }
}

// Two shards over loopback, the second knows where the first one is.
struct TwoShards : testing::Test {
    TwoShards() {
        const std::array where{parse_udp_endpoint("127.0.0.1:" + std::to_string(port)).value()};
        right->shard().add_peer(left->shard().address(), where);
    }
    const std::uint16_t port = free_port();
    const std::unique_ptr<node::ShardCarrier> left = carrier(port), right = carrier(free_port());
};

TEST_F(TwoShards, AThreadThatTurnsTakesNoWakingFromTheOneThatLeads) {
    Shard a{*left}, b{*right};
    Listener listener = Listener::open(a, {{.local = {{}, 0, 80}}}).value();
    std::atomic<bool> done{false};
    std::thread turns{[&] {
        while (!done) (void)a.turn();
    }};
    Stream client = Stream::connect(b, {left->shard().address(), 0, 80}, {}, b.in(Duration::seconds(60))).value();
    Stream server = listener.accept(a.in(Duration::seconds(60))).value();
    for (int round = 0; round < 50; ++round) {
        std::atomic<bool> answered{false};
        std::thread reads{[&] {
            std::byte one{};
            const Instant late = a.in(Duration::seconds(20));
            EXPECT_TRUE(server.read_some({&one, 1}, late)) << round;
            EXPECT_LT(a.now(), late) << round;
            answered = true;
        }};
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        EXPECT_TRUE(client.write(std::array{std::byte{1}}));
        while (!answered) (void)b.turn(b.in(Duration::milliseconds(1)));
        reads.join();
        if (HasFailure()) break;
    }
    done = true;
    turns.join();
}

TEST_F(TwoShards, ATaskThatAnotherThreadDestroysRunsNoMore) {
    Shard a{*left};
    std::atomic<bool> done{false};
    std::thread leads{[&] {
        while (!done) (void)a.turn(a.in(Duration::seconds(20)));
    }};
    for (int round = 0; round < 200; ++round) {
        std::atomic<int> steps{0};
        const auto walk = [](Shard& shard, std::atomic<int>& count) -> Task<> {
            for (;; ++count) co_await async::sleep(shard, Duration::microseconds(10));
        };
        Task<> task = walk(a, steps);
        task.start(a);
        while (steps < 3) std::this_thread::yield();
    }
    done = true;
    const auto nothing = []() -> Task<> { co_return; };
    a.spawn(nothing());
    leads.join();
}

TEST_F(TwoShards, ADisconnectedShardHasNoPortOpenToTheOverlay) {
    Shard a{*left};
    Listener first = Listener::open(a, {{.local = {{}, 0, 80}}}).value();
    const Listener second = Listener::open(a, {{.local = {{}, 0, 81}}}).value();
    EXPECT_EQ(left->shard().access().open_ports().size(), 2u);
    first.close();
    EXPECT_EQ(left->shard().access().open_ports().size(), 1u);
    a.disconnect();
    EXPECT_EQ(left->shard().access().open_ports().size(), 0u);
}

TEST_F(TwoShards, AnOuterLoopHearsOfATaskThatIsSpawned) {
    Shard a{*left};
    pollfd watched{a.descriptor(), POLLIN, 0};
    for (int turn = 0; turn < 1'000 && ::poll(&watched, 1, 20) > 0; ++turn) (void)a.turn();
    bool ran = false;
    const auto run = [](bool& mine) -> Task<> {
        mine = true;
        co_return;
    };
    a.spawn(run(ran));
    EXPECT_EQ(::poll(&watched, 1, 0), 1);
    (void)a.turn();
    EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace weft::api
