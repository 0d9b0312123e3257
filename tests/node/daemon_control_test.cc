// The control sockets under abuse: garbage, half lines, floods, too many clients, clients that go or never read.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cstring>
#include <random>

#include "node/control.h"
#include "node/methods.h"
#include "tests/node/daemon_support.h"

namespace weft::node {
namespace {

// A control socket whose node answers every request with its method's name, and the loop that serves it.
class ControlSocket : public testing::Test {
protected:
    void SetUp() override {
        auto made = Loop::create();
        ASSERT_TRUE(made);
        loop.emplace(std::move(*made));
        const std::string base = directory / "run";
        paths = {base, base + "/n.sock", base + "/n.ro.sock", base + "/n.lock"};
        open();
    }
    void TearDown() override {
        control.reset();
        EXPECT_FALSE(std::filesystem::exists(paths.socket));
    }

    void open() {
        auto opened = Control::open(*loop, paths, control_methods(),
                                    {[this](ClientId client, RpcRequest request) {
                                         last = client;
                                         ++requests;
                                         if (slow) {  // its answer is the test's
                                             control->hold(client);
                                             control->stall(client);
                                             return slow_ids.push_back(request.id);
                                         }
                                         control->send(client, result_line(request.id, Json(request.method->name)));
                                     },
                                     [this](ClientId) { ++gone; }});
        ASSERT_TRUE(opened) << opened.error();
        control = std::move(*opened);
    }

    UniqueFd connect(bool read_only = false) {
        UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
        sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
        const std::string& path = read_only ? paths.read_only_socket : paths.socket;
        std::memcpy(name.sun_path, path.data(), path.size());
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0) << std::strerror(errno);
        return fd;
    }

    void serve(int turns = 20) {
        for (int i = 0; i < turns; ++i) loop->wait(Instant{});
    }
    void say(const UniqueFd& fd, std::string_view text) {
        while (!text.empty()) {
            const ssize_t sent = ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (sent > 0) text.remove_prefix(std::size_t(sent));
            else if (errno != EAGAIN) return;
            serve(2);
        }
        serve();
    }
    // What has come; "END" after it if the connection has ended.
    std::string hear(const UniqueFd& fd) {
        std::string all;
        std::array<char, 65'536> part{};
        for (;;) {
            const ssize_t got = ::recv(fd.get(), part.data(), part.size(), 0);
            if (got > 0) all.append(part.data(), std::size_t(got));
            else return got == 0 ? all + "END" : all;
            serve(2);
        }
    }
    static std::string request(int id) {
        return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":"node.info"})" + "\n";
    }
    static std::string answer(int id) {
        return R"({"id":)" + std::to_string(id) + R"(,"jsonrpc":"2.0","result":"node.info"})" + "\n";
    }

    const TemporaryDirectory directory;
    ControlPaths paths;
    std::optional<Loop> loop;
    std::unique_ptr<Control> control;
    ClientId last;
    int requests{0}, gone{0};
    bool slow{false};
    std::vector<Json> slow_ids;
};

TEST_F(ControlSocket, DirectoryAndSocketsAreOursAlone) {
    struct stat status{};
    ASSERT_EQ(::stat(paths.directory.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700u);
    for (const std::string& path : {paths.socket, paths.read_only_socket, paths.lock}) {
        ASSERT_EQ(::stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777, 0600u) << path;
    }
}

TEST_F(ControlSocket, ADirectoryThatOthersMayEnterIsRefused) {
    control.reset();
    ::chmod(paths.directory.c_str(), 0755);
    const auto opened = Control::open(*loop, paths, control_methods(), {});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error(),
              paths.directory + ": others may enter it (mode 0755): run `chmod 700 " + paths.directory + "`");
    ::chmod(paths.directory.c_str(), 0700);
}

TEST_F(ControlSocket, ASecondNodeOfTheNameIsRefusedAndTheFirstServesOn) {
    const auto second = Control::open(*loop, paths, control_methods(), {});
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("a node of this name is running already"), std::string::npos) << second.error();
    const UniqueFd client = connect();
    say(client, request(1));
    EXPECT_EQ(hear(client), answer(1));
}

TEST_F(ControlSocket, SocketsOfAKilledNodeAreReplaced) {
    control.reset();
    for (const std::string& path : {paths.socket, paths.read_only_socket}) {
        const UniqueFd stale{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
        std::memcpy(name.sun_path, path.data(), path.size());
        ASSERT_EQ(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    }
    open();
    const UniqueFd client = connect();
    say(client, request(1));
    EXPECT_EQ(hear(client), answer(1));
}

TEST_F(ControlSocket, LinesMayComeByteByByteOrManyAtOnce) {
    const UniqueFd client = connect();
    for (const char c : request(1)) say(client, std::string(1, c));
    EXPECT_EQ(hear(client), answer(1));
    std::string many, answers;
    for (int i = 0; i < 1'000; ++i) {
        many += request(i);
        answers += answer(i);
    }
    say(client, many);
    serve(200);
    EXPECT_EQ(hear(client), answers);
}

TEST_F(ControlSocket, AHalfLineIsKeptAndWhatEndsWithTheInputIsServed) {
    const UniqueFd client = connect();
    const std::string line = request(1);
    say(client, line.substr(0, 10));
    EXPECT_EQ(hear(client), "");
    say(client, line.substr(10, line.size() - 11));
    EXPECT_EQ(hear(client), "");
    ::shutdown(client.get(), SHUT_WR);
    serve();
    EXPECT_EQ(hear(client), answer(1) + "END");
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(control->clients(), 0u);
}

TEST_F(ControlSocket, AClientWithAnswersToComeIsKeptAfterItsInputEnded) {
    const UniqueFd client = connect();
    say(client, request(1));
    control->hold(last);
    ::shutdown(client.get(), SHUT_WR);
    serve();
    EXPECT_EQ(hear(client), answer(1));
    control->send(last, "later\n");
    control->release(last);
    serve();
    EXPECT_EQ(hear(client), "later\nEND");
}

TEST_F(ControlSocket, AStalledClientIsAnsweredInOrderOneRequestAtATime) {
    slow = true;
    const UniqueFd client = connect(), other = connect();
    std::string lines, answers;
    for (int id = 1; id <= 200; ++id) lines += request(id), answers += answer(id);
    say(client, lines);
    const ClientId stalled = last;
    EXPECT_EQ(requests, 1);
    slow = false;
    say(other, request(7));
    EXPECT_EQ(hear(other), answer(7)) << "no other waits for it";
    slow = true;
    ::shutdown(client.get(), SHUT_WR);
    for (int id = 1; id <= 200; ++id) {
        ASSERT_EQ(slow_ids.size(), std::size_t(id)) << "one at a time";
        control->send(stalled, result_line(slow_ids.back(), Json("node.info")));
        control->release(stalled);
        control->resume(stalled);
        serve(2);
    }
    EXPECT_EQ(hear(client), answers + "END");
    EXPECT_EQ(control->clients(), 1u);
}

TEST_F(ControlSocket, AStalledClientSendsNoMoreThanItsSocketHoldsAndMayGo) {
    slow = true;
    UniqueFd client = connect();
    say(client, request(1));
    const std::string endless(64 << 10, 'x');  // of one line
    std::size_t sent = 0;
    for (int i = 0; i < 200; ++i) {
        const ssize_t took = ::send(client.get(), endless.data(), endless.size(), MSG_NOSIGNAL);
        sent += std::size_t(std::max<ssize_t>(0, took));
        serve(2);
    }
    EXPECT_LT(sent, std::size_t{4} << 20) << "nothing is read while it is stalled";
    client.reset();
    serve();
    EXPECT_EQ(gone, 1);
    control->resume(last);
    EXPECT_EQ(control->clients(), 0u);
}

TEST_F(ControlSocket, WhatWasStalledMayBecomeAnEventConnection) {
    slow = true;
    const UniqueFd client = connect();
    say(client, request(1) + request(2));
    EXPECT_FALSE(control->take(last)) << "its answer is on the way";
    control->send(last, "first\n");
    control->release(last);
    slow = false;
    control->resume(last);
    EXPECT_EQ(hear(client), "first\n" + answer(2));
    const auto taken = control->take(last);
    ASSERT_TRUE(taken) << taken.error();
}

TEST_F(ControlSocket, GarbageIsAnsweredAndTheConnectionGoesOn) {
    const UniqueFd client = connect();
    say(client, "garbage\n");
    EXPECT_EQ(
        hear(client),
        R"({"error":{"code":-32700,"message":"the line is not JSON: unexpected text at byte 1"},"id":null,"jsonrpc":"2.0"})"
        "\n");
    say(client, std::string(100'000, '[') + "\n");
    EXPECT_NE(hear(client).find("nested deeper than 32 levels"), std::string::npos);
    std::mt19937_64 random{7};
    for (int i = 0; i < 300; ++i) {
        std::string noise(random() % 200, '\0');
        for (char& c : noise)
            if ((c = char(random())) == '\n') c = ' ';
        say(client, noise + "\n");
        const std::string heard = hear(client);
        EXPECT_EQ(std::ranges::count(heard, '\n'), 1);
        EXPECT_NE(heard.find("\"error\""), std::string::npos);
    }
    say(client, request(2));
    EXPECT_EQ(hear(client), answer(2));
}

TEST_F(ControlSocket, ALineBeyondOneMebibyteEndsTheConnection) {
    const UniqueFd client = connect();
    say(client, std::string(rpc_max_line - 100, ' ') + request(1));
    EXPECT_EQ(hear(client), answer(1)) << "a long line is served";
    say(client, std::string(rpc_max_line + 1, ' '));
    const std::string heard = hear(client);
    EXPECT_NE(heard.find("a line is longer than 1048576 bytes: the connection ends"), std::string::npos)
        << heard.substr(0, 200);
    EXPECT_TRUE(heard.ends_with("END"));
    EXPECT_EQ(control->clients(), 0u);
}

TEST_F(ControlSocket, The65thClientIsTurnedAwayAndTheOthersServed) {
    std::vector<UniqueFd> clients;
    for (std::size_t i = 0; i < Control::max_clients; ++i) {
        clients.push_back(connect(i % 2 == 1));
        serve(2);
    }
    EXPECT_EQ(control->clients(), 64u);
    const UniqueFd extra = connect();
    serve();
    const std::string heard = hear(extra);
    EXPECT_NE(heard.find("the node has 64 clients already"), std::string::npos) << heard;
    EXPECT_TRUE(heard.ends_with("END"));
    say(clients[63], request(5));
    EXPECT_EQ(hear(clients[63]), answer(5));
    clients.pop_back();
    serve();
    const UniqueFd again = connect();
    say(again, request(6));
    EXPECT_EQ(hear(again), answer(6));
}

TEST_F(ControlSocket, TheReadOnlySocketReads) {
    const UniqueFd client = connect(true);
    say(client, request(1) + R"({"jsonrpc":"2.0","id":2,"method":"node.stop"})" + "\n");
    const std::string heard = hear(client);
    EXPECT_TRUE(heard.starts_with(answer(1))) << heard;
    EXPECT_NE(heard.find("\"code\":-32001"), std::string::npos) << heard;
    EXPECT_EQ(requests, 1);
}

TEST_F(ControlSocket, AClientThatNeverReadsIsNotServedWithoutBound) {
    const UniqueFd client = connect();
    std::string flood;
    for (int i = 0; i < 500; ++i) flood += request(i);
    int sent = 0;
    for (int i = 0; i < 400; ++i) {
        if (::send(client.get(), flood.data(), flood.size(), MSG_NOSIGNAL) != ssize_t(flood.size())) ++sent;
        serve(1);
    }
    EXPECT_GT(sent, 0) << "its requests wait in its own socket";
    EXPECT_LT(requests, 100'000);
    EXPECT_EQ(control->clients(), 1u);
    // Notifications cannot wait: beyond 8 MiB the client is let go.
    for (int i = 0; i < 200; ++i) control->send(last, std::string(65'536, 'n') + "\n");
    serve();
    EXPECT_EQ(control->clients(), 0u);
}

TEST_F(ControlSocket, ADescriptorComesWithItsLine) {
    const UniqueFd client = connect();
    say(client, request(1));
    EXPECT_EQ(hear(client), answer(1));
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd ours{ends[0]};
    control->send(last, "with\n", UniqueFd{ends[1]});

    std::array<char, 64> text{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
    iovec part{text.data(), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    ASSERT_EQ(::recvmsg(client.get(), &message, MSG_CMSG_CLOEXEC), 5);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    ASSERT_NE(header, nullptr);
    int received = -1;
    std::memcpy(&received, CMSG_DATA(header), sizeof received);
    const UniqueFd theirs{received};
    ASSERT_EQ(::send(ours.get(), "x", 1, 0), 1);
    EXPECT_EQ(::recv(theirs.get(), text.data(), 1, 0), 1);
}

TEST_F(ControlSocket, AnAnswerToAClientThatHasGoneIsDropped) {
    {
        const UniqueFd client = connect();
        say(client, request(1));
    }
    serve();
    EXPECT_EQ(gone, 1);
    control->send(last, "nobody\n");
    control->hold(last);
    control->release(last);
    const UniqueFd next = connect();
    say(next, request(2));
    EXPECT_EQ(hear(next), answer(2)) << "the place is another client's now";
}

TEST_F(ControlSocket, ClientsThatComeAndGoAtOnceLeaveNothing) {
    for (int i = 0; i < 500; ++i) {
        const UniqueFd client = connect();
        if (i % 3 == 0) ::send(client.get(), "{\"a", 3, MSG_NOSIGNAL);
        if (i % 2 == 0) serve(1);
    }
    serve(600);
    EXPECT_EQ(control->clients(), 0u);
}

}  // namespace
}  // namespace weft::node
