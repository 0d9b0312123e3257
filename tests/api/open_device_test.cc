// weft_open() over a real device, in a namespace of its own: the kernel's sockets on the other side, a device that goes, and one
// that is refused.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

#include "node/shard_carrier.h"
#include "stack/api/c_stack.h"
#include "stack/api/weft.h"

namespace weft::api {
namespace {

// In a namespace of its own: the kernel's sockets on the other side of a TUN device. What went wrong is its exit code.
int over_a_device() {
    if (::unshare(CLONE_NEWNET) != 0) return 77;
    ::alarm(120);  // nothing of it may wait for ever
    weft_stack* stack = nullptr;
    const char* config =
        "[listen]\nudp = []\n[[tap]]\nname = \"weft0\"\nmode = \"tun\"\n"
        "address = [\"10.9.0.2/24\"]\nkernel = [\"10.9.0.1/24\"]\n";
    if (weft_open(config, &stack) != 0) {
        std::fprintf(stderr, "%s\n", weft_why());
        return 1;
    }
    weft_sockaddr local;
    if (weft_self(stack, WEFT_IPV4, &local) != 0 || local.bytes[3] != 2) return 2;
    local.port = 80;
    const weft_fd listener = weft_listen(stack, &local, 5, nullptr);
    int failed = 0;
    std::thread kernel{[&] {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in to{AF_INET, htons(80), {}, {}};
        ::inet_pton(AF_INET, "10.9.0.2", &to.sin_addr);
        std::array<char, 5> back{};
        if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 || ::send(fd, "hello", 5, 0) != 5 ||
            ::recv(fd, back.data(), 5, MSG_WAITALL) != 5 || std::string_view{back.data(), 5} != "HELLO")
            failed = 3;
        ::close(fd);
    }};
    const weft_fd flow = weft_accept(stack, listener, nullptr);
    std::array<char, 8> text{};
    if (weft_read(stack, flow, text.data(), 5, 0) != 5) failed = 4;
    for (char& c : text) c = c >= 'a' ? char(c - 32) : c;
    if (weft_write(stack, flow, text.data(), 5, 0) != 5) failed = 5;
    if (weft_finish(stack, flow) != 0) failed = 6;
    kernel.join();
    weft_free(stack);
    return failed;
}

// A blocked read of a flow of the C API, and one of the C++ faces, on a device that is removed meanwhile.
int without_its_device() {
    if (::unshare(CLONE_NEWNET) != 0) return 77;
    ::alarm(120);
    weft_stack* stack = nullptr;
    const char* config =
        "[listen]\nudp = []\n[[tap]]\nname = \"weft0\"\nmode = \"tun\"\n"
        "address = [\"10.9.0.2/24\"]\nkernel = [\"10.9.0.1/24\"]\n";
    if (weft_open(config, &stack) != 0) return 1;
    weft_sockaddr local;
    if (weft_self(stack, WEFT_IPV4, &local) != 0) return 2;
    local.port = 80;
    const weft_fd listener = weft_listen(stack, &local, 5, nullptr);
    const int kernel = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in to{AF_INET, htons(80), {}, {}};
    ::inet_pton(AF_INET, "10.9.0.2", &to.sin_addr);
    (void)::connect(kernel, reinterpret_cast<sockaddr*>(&to), sizeof to);
    const weft_fd flow = weft_accept(stack, listener, nullptr);
    const auto gone = [&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));  // the reader sleeps, most likely
        const api::Entry entry{stack};
        if (!static_cast<node::ShardCarrier&>(*stack->carrier).shard().remove_tap(1)) ::_exit(3);
        stack->shard.flush();
    };
    std::thread removes{gone};
    char byte = 0;
    const ssize_t said = weft_read(stack, flow, &byte, 1, 0);
    removes.join();
    const ssize_t wrote = weft_write(stack, flow, &byte, 1, 0);
    weft_free(stack);
    ::close(kernel);
    if (said != -ENETUNREACH) return 4;
    return wrote < 0 && wrote != -EAGAIN ? 0 : 5;
}

int without_rights() {
    if (::setresuid(65'534, 65'534, 65'534) != 0) return 77;
    weft_stack* stack = nullptr;
    const char* config = "[listen]\nudp = []\n[[tap]]\nname = \"weft0\"\nmode = \"tun\"\naddress = [\"10.9.0.2/24\"]\n";
    const int said = weft_open(config, &stack);
    if (said != -EPERM && said != -EACCES) std::fprintf(stderr, "%d: %s\n", said, weft_why());
    return said == -EPERM || said == -EACCES ? 0 : 1;
}

void in_a_child(int (*test)()) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(test());
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "by signal " << WTERMSIG(status);
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "needs the right to make a network namespace (root)";
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(OpenDevice, TheKernelsSocketsReachABlockingCallOverATun) { in_a_child(over_a_device); }
TEST(OpenDevice, TheEndOfADeviceEndsItsFlowsAndWhoWaitsAtThem) { in_a_child(without_its_device); }
TEST(OpenDevice, ADeviceThatTheSystemRefusesHasTheSystemsErrno) { in_a_child(without_rights); }

}  // namespace
}  // namespace weft::api
