// A network namespace for the calling thread and what it starts: interfaces, addresses and routes of a test's own. It is gone with
// the last process in it, however that ended.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>

#include "stack/link/netdevice.h"

namespace weft::test {

class Namespace {
public:
    Namespace() : outside_{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)} {
        if (outside_ < 0) why_ = std::string{"/proc/thread-self/ns/net: "} + std::strerror(errno);
        else if (::unshare(CLONE_NEWNET) != 0)
            why_ = std::string{"a network namespace needs CAP_SYS_ADMIN: unshare: "} + std::strerror(errno);
        else if ((inside_ = ::open("/proc/thread-self/ns/net", O_RDONLY)) < 0) why_ = std::strerror(errno);
        else if (::access("/dev/net/tun", R_OK | W_OK) != 0) why_ = std::string{"/dev/net/tun: "} + std::strerror(errno);
        else if (const auto up = link::NetDevice{"lo"}.set_up(); !up) why_ = up.error().call;
    }
    Namespace(const Namespace&) = delete;
    Namespace& operator=(const Namespace&) = delete;
    ~Namespace() {
        if (inside_ >= 0) ::close(inside_);
        if (outside_ < 0) return;
        if (::setns(outside_, CLONE_NEWNET) != 0) std::abort();  // what follows would run in the wrong place
        ::close(outside_);
    }

    // The calling thread comes back into it, from another one that was made meanwhile.
    void enter() const {
        if (::setns(inside_, CLONE_NEWNET) != 0) throw std::runtime_error(std::string{"setns: "} + std::strerror(errno));
    }
    // A path by which `ip link ... netns PATH` finds it.
    std::string path() const { return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(inside_); }

    const std::string& why_not() const { return why_; }  // empty: it is there

    // A setting of this namespace, such as "ipv4/tcp_congestion_control".
    static bool set(const std::string& name, const std::string& value) {
        std::ofstream file{"/proc/sys/net/" + name};
        return bool(file << value << std::flush);
    }
    static std::string get(const std::string& name) {
        std::ifstream file{"/proc/sys/net/" + name};
        std::string line;
        std::getline(file, line);
        return line;
    }

private:
    int outside_, inside_{-1};
    std::string why_;
};

}  // namespace weft::test

// In a test's SetUp() or body: skipped, with the reason, where the right to make a namespace or a device is missing.
#define WEFT_NEEDS_NAMESPACE(space) \
    if (!(space).why_not().empty()) GTEST_SKIP() << (space).why_not()
