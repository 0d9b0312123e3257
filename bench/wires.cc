// unshare, setns, iproute2 and the ioctls of ethtool.
#include "bench/wires.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "bench/child.h"
#include "node/unique_fd.h"

namespace weft::bench {
namespace {

std::string failed(std::string_view what) { return fmt::format("{}: {}", what, std::strerror(errno)); }

// In a child, since a process does not come back from another network.
std::string in_network_of(pid_t process, const std::function<std::string()>& work) {
    Child child = Child::call([&](int pipe) {
        std::string fault = enter_network_of(process);
        if (fault.empty()) fault = work();
        if (::write(pipe, fault.data(), fault.size()) < 0) return 1;
        return 0;
    });
    const Finished finished = child.finish(10);
    return finished.status == 0 ? finished.output : "the namespace's helper failed";
}

std::string set_offload(const std::string& interface, std::uint32_t command, bool on) {
    const node::UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    ethtool_value value{.cmd = command, .data = on ? 1u : 0u};
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&value);
    return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0 ? "" : failed("an offload of " + interface);
}

std::string configure(const std::string& interface, const std::string& address, bool offloads) {
    for (const std::uint32_t command : {ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_STSO, ETHTOOL_STXCSUM, ETHTOOL_SRXCSUM}) {
        if (offloads) break;
        if (std::string fault = set_offload(interface, command, false); !fault.empty()) return fault;
    }
    if (std::string fault = run_quietly({"ip", "addr", "add", address, "dev", interface}); !fault.empty()) return fault;
    return run_quietly({"ip", "link", "set", interface, "up"});
}

}  // namespace

std::string run_quietly(const std::vector<std::string>& command) {
    const Finished finished = Child::run(command).finish(10);
    if (finished.status == 0) return "";
    return fmt::format("`{}` ended with {}", fmt::join(command, " "), finished.status);
}

std::string enter_new_network() {
    if (::unshare(CLONE_NEWNET) != 0) return failed("a namespace of one's own needs root (CAP_SYS_ADMIN)");
    return run_quietly({"ip", "link", "set", "lo", "up"});
}

std::string enter_network_of(pid_t process) {
    const node::UniqueFd file{::open(fmt::format("/proc/{}/ns/net", process).c_str(), O_RDONLY | O_CLOEXEC)};
    return file && ::setns(file.get(), CLONE_NEWNET) == 0 ? "" : failed("the other side's namespace");
}

std::string make_veth(pid_t process, bool offloads) {
    std::string fault = run_quietly(
        {"ip", "link", "add", "bench0", "type", "veth", "peer", "name", "bench1", "netns", std::to_string(process)});
    if (fault.empty()) fault = configure("bench0", "10.88.0.1/24", offloads);
    if (fault.empty()) fault = in_network_of(process, [&] { return configure("bench1", "10.88.0.2/24", offloads); });
    return fault;
}

bool pin(unsigned core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    const bool bound = ::sched_setaffinity(0, sizeof set, &set) == 0;
    const sched_param first{.sched_priority = 10};
    return ::sched_setscheduler(0, SCHED_FIFO, &first) == 0 && bound;
}

double cpu_of_process() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return double(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + double(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

}  // namespace weft::bench
