// UDP links over devices that loopback does not offer: a small MTU, a queue that stands still. Each test makes its device in
// a network namespace of its own, in a child process, and is skipped where that is not allowed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stack/link/udp.h"
#include "tests/link/support.h"

namespace weft::test {
namespace {

using link::Udp;

constexpr int not_allowed = 77;

// What `body` returns in a child with network devices of its own: 0 is success, else the line that failed.
template <class Body>
void in_own_namespace(Body body) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (::unshare(CLONE_NEWNET) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) ::_exit(not_allowed);
        ::_exit(body());
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == not_allowed) GTEST_SKIP() << "no network namespace or device may be made here";
    EXPECT_EQ(WEXITSTATUS(status), 0) << "the child's step that failed, counted from 1";
}

bool bring_up(const char* name, int mtu, std::uint32_t address = 0) {
    const int descriptor = ::socket(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    bool good = true;
    if (address) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_addr.s_addr = htonl(address);
        std::memcpy(&request.ifr_addr, &in, sizeof in);
        good = ::ioctl(descriptor, SIOCSIFADDR, &request) == 0;
    }
    request.ifr_mtu = mtu;
    good = good && ::ioctl(descriptor, SIOCSIFMTU, &request) == 0;
    request.ifr_flags = IFF_UP;
    good = good && ::ioctl(descriptor, SIOCSIFFLAGS, &request) == 0;
    ::close(descriptor);
    return good;
}

UdpEndpoint endpoint4(std::uint32_t address, std::uint16_t port) {
    UdpEndpoint endpoint = loopback4(port);
    for (unsigned i = 0; i < 4; ++i) endpoint.ip[12 + i] = std::byte(address >> (24 - 8 * i));
    return endpoint;
}

// A device with Ethernet's addresses and nobody behind it: a datagram waits for an answer to ARP and stays in the socket's
// account.
bool open_deaf_device() {
    const int tap = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (tap < 0) return false;
    ifreq request{};
    std::strncpy(request.ifr_name, "deaf0", IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    return ::ioctl(tap, TUNSETIFF, &request) == 0 &&
           bring_up("deaf0", 1'500, 0x0a01'0101);  // 10.1.1.1, lives as long as the child
}

TEST(UdpDevices, ATrainWhoseDatagramsExceedTheMtuIsDroppedAndTrainsGoOn) {
    in_own_namespace([] {
        if (!bring_up("lo", 1'500)) return not_allowed;
        BufferPool pool{64 << 20};
        auto a = Udp::open({.listen4 = loopback4()}), b = Udp::open({.listen4 = loopback4()});
        if (!a || !b) return 1;
        const bool segments = a->capabilities().segments_udp;
        Outgoing out{pool};
        out.add(b->local4(), pattern(6'000, 1), 2'000);
        out.add(b->local4(), pattern(1'473, 1));
        out.add(b->local4(), pattern(1'472 * 3, 2), 1'472);
        if (a->send(out.all()) != 3) return 2;
        if (a->statistics().dropped_out != 4) return 3;
        if (a->capabilities().segments_udp != segments) return 4;
        std::vector<Receive> in(8);
        pollfd waiting{b->descriptors()[0], POLLIN, 0};
        for (std::size_t came = 0; came < 3;) {
            if (::poll(&waiting, 1, 1'000) != 1) return 5;
            const std::size_t filled = b->receive(in, pool);
            for (std::size_t i = 0; i < filled; ++i, ++came)
                if (bytes_of(in[i].frame) != cut(pattern(1'472 * 3, 2), 1'472)[came]) return 6;
        }
        return 0;
    });
}

TEST(UdpDevices, AFullSocketTakesPartOfTheBatchAndSaysSo) {
    in_own_namespace([] {
        if (!open_deaf_device()) return not_allowed;
        BufferPool pool{64 << 20};
        auto a = Udp::open({.listen4 = endpoint4(0x0a01'0101, 0), .socket_buffer = 4'096});
        if (!a) return 1;
        Outgoing out{pool};
        for (std::uint32_t i = 0; i < 40; ++i) out.add(endpoint4(0x0a01'0102, 7), pattern(1'400, i));
        const std::size_t taken = a->send(out.all());
        if (taken == 0 || taken >= 40) return 2;
        if (a->statistics().blocked != 1 || a->statistics().dropped_out != 0 || a->statistics().datagrams_out != taken)
            return 3;
        if (a->send(out.all().subspan(taken)) != 0) return 4;
        return a->statistics().blocked == 2 ? 0 : 5;
    });
}

TEST(UdpDevices, ATrainThatAFullSocketCutsShortCountsAsTakenAndItsRestAsDropped) {
    in_own_namespace([] {
        if (!open_deaf_device()) return not_allowed;
        BufferPool pool{64 << 20};
        auto a = Udp::open({.listen4 = endpoint4(0x0a01'0101, 0), .offload = false, .socket_buffer = 4'096});
        if (!a) return 1;
        Outgoing out{pool};
        out.add(endpoint4(0x0a01'0102, 7), pattern(70'000, 1), 700);
        out.add(endpoint4(0x0a01'0102, 7), pattern(700, 1));
        if (a->send(out.all()) != 1) return 2;
        const Udp::Statistics seen = a->statistics();
        if (seen.datagrams_out == 0 || seen.datagrams_out + seen.dropped_out != 100) return 3;
        return seen.blocked == 1 ? 0 : 4;
    });
}

}  // namespace
}  // namespace weft::test
