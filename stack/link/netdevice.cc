// Interfaces by ioctl; addresses by a netlink message, for IPv6 ones cannot be added by ioctl without their detection of duplicates.
#include "stack/link/netdevice.h"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "stack/core/bytes.h"

namespace weft::link {
namespace {

// A socket for one call.
class CallSocket {
public:
    CallSocket(int family, int type, int protocol) : descriptor_{::socket(family, type | SOCK_CLOEXEC, protocol)} {}
    CallSocket(const CallSocket&) = delete;
    CallSocket& operator=(const CallSocket&) = delete;
    ~CallSocket() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    int get() const { return descriptor_; }

private:
    int descriptor_;
};

std::unexpected<SystemError> failed(const std::string& what, int error) { return std::unexpected(SystemError{what, error}); }

// `what` is a phrase such as "set the MTU of weft0".
std::expected<ifreq, SystemError> ask(unsigned long request, const std::string& name, const char* what,
                                      ifreq argument = {}) {
    const std::string phrase = std::string{what} + " " + name;
    if (name.size() >= IFNAMSIZ) return failed(phrase, ENAMETOOLONG);
    std::memcpy(argument.ifr_name, name.c_str(), name.size() + 1);
    const CallSocket socket{AF_INET, SOCK_DGRAM, 0};
    if (socket.get() < 0 || ::ioctl(socket.get(), request, &argument) != 0) return failed(phrase, errno);
    return argument;
}

// One request, and the kernel's word on it: 0 or an errno.
int talk(Bytes request) {
    const CallSocket socket{AF_NETLINK, SOCK_RAW, NETLINK_ROUTE};
    if (socket.get() < 0) return errno;
    if (::send(socket.get(), request.data(), request.size(), 0) < 0) return errno;
    std::array<std::byte, 1024> answer{};
    const ssize_t got = ::recv(socket.get(), answer.data(), answer.size(), 0);
    if (got < 0) return errno;
    if (std::size_t(got) < sizeof(nlmsghdr) + sizeof(int)) return EPROTO;
    nlmsghdr header;
    std::memcpy(&header, answer.data(), sizeof header);
    int word = 0;
    std::memcpy(&word, answer.data() + sizeof header, sizeof word);
    return header.nlmsg_type == NLMSG_ERROR ? -word : EPROTO;
}

// rtattr: u16 length of header and value, u16 type, the value, padding to four bytes; all in the host's order.
void attribute(Writer& out, std::uint16_t type, Bytes value) {
    const rtattr header{std::uint16_t(sizeof(rtattr) + value.size()), type};
    out.put(std::as_bytes(std::span{&header, 1}));
    out.put(value);
    out.zeros((4 - value.size() % 4) % 4);
}

}  // namespace

std::expected<std::uint32_t, SystemError> NetDevice::index() const {
    const auto answer = ask(SIOCGIFINDEX, name_, "look for the interface");
    if (!answer) return std::unexpected(answer.error());
    return std::uint32_t(answer->ifr_ifindex);
}

std::expected<std::uint32_t, SystemError> NetDevice::mtu() const {
    const auto answer = ask(SIOCGIFMTU, name_, "ask the MTU of");
    if (!answer) return std::unexpected(answer.error());
    return std::uint32_t(answer->ifr_mtu);
}

std::expected<bool, SystemError> NetDevice::up() const {
    const auto answer = ask(SIOCGIFFLAGS, name_, "ask the state of");
    if (!answer) return std::unexpected(answer.error());
    return (answer->ifr_flags & IFF_UP) != 0;
}

std::expected<std::array<std::byte, 6>, SystemError> NetDevice::mac() const {
    const auto answer = ask(SIOCGIFHWADDR, name_, "ask the MAC of");
    if (!answer) return std::unexpected(answer.error());
    std::array<std::byte, 6> mac{};
    if (answer->ifr_hwaddr.sa_family == ARPHRD_ETHER) std::memcpy(mac.data(), answer->ifr_hwaddr.sa_data, mac.size());
    return mac;
}

std::expected<void, SystemError> NetDevice::set_mtu(std::uint32_t bytes) const {
    if (const auto now = mtu(); now && *now == bytes) return {};
    ifreq request{};
    request.ifr_mtu = int(bytes);
    const auto answer = ask(SIOCSIFMTU, name_, "set the MTU of", request);
    if (!answer) return std::unexpected(answer.error());
    return {};
}

std::expected<void, SystemError> NetDevice::set_up() const {
    auto flags = ask(SIOCGIFFLAGS, name_, "ask the state of");
    if (!flags) return std::unexpected(flags.error());
    if ((flags->ifr_flags & IFF_UP) != 0) return {};
    flags->ifr_flags = short(flags->ifr_flags | IFF_UP);
    const auto answer = ask(SIOCSIFFLAGS, name_, "bring up", *flags);
    if (!answer) return std::unexpected(answer.error());
    return {};
}

std::expected<void, SystemError> NetDevice::set_queue_length(std::uint32_t packets) const {
    ifreq request{};
    const auto now = ask(SIOCGIFTXQLEN, name_, "ask the queue of");
    if (now && now->ifr_qlen == int(packets)) return {};
    request.ifr_qlen = int(packets);
    const auto answer = ask(SIOCSIFTXQLEN, name_, "set the queue of", request);
    if (!answer) return std::unexpected(answer.error());
    return {};
}

std::expected<void, SystemError> NetDevice::add_address(const Address& address, std::uint8_t prefix) const {
    const std::string what = "give an address to " + name_;
    const auto number = index();
    if (!number) return std::unexpected(number.error());
    const bool v4 = address.family() == Family::ipv4;
    if ((!v4 && address.family() != Family::ipv6) || prefix > address.bytes().size() * 8) return failed(what, EINVAL);

    std::array<std::byte, 128> message{};
    Writer out{std::span{message}.subspan(sizeof(nlmsghdr))};
    ifaddrmsg body{};
    body.ifa_family = v4 ? AF_INET : AF_INET6;
    body.ifa_prefixlen = prefix;
    body.ifa_index = *number;
    out.put(std::as_bytes(std::span{&body, 1}));
    attribute(out, IFA_LOCAL, address.bytes());
    attribute(out, IFA_ADDRESS, address.bytes());
    const std::uint32_t flags = v4 ? 0 : IFA_F_NODAD;
    attribute(out, IFA_FLAGS, std::as_bytes(std::span{&flags, 1}));
    if (!out.ok()) return failed(what, EMSGSIZE);
    nlmsghdr header{};
    header.nlmsg_len = std::uint32_t(sizeof header + out.size());
    header.nlmsg_type = RTM_NEWADDR;
    header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    std::memcpy(message.data(), &header, sizeof header);
    const int error = talk(Bytes{message}.first(header.nlmsg_len));
    if (error != 0) return failed(what, error);
    return {};
}

}  // namespace weft::link
