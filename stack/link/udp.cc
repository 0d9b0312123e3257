// Opens and configures the sockets of a UDP link, and translates addresses. Sockets are non-blocking; DF is set and the
// kernel's path MTU cache ignored (RFC 8899: the overlay probes for itself).
#include "stack/link/udp.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/link/udp_state.h"

namespace weft::link {
namespace {

constexpr std::array<std::byte, 12> mapped_prefix{
    {{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::byte{0xff}, std::byte{0xff}}};

bool set(int descriptor, int level, int option, int value) {
    return ::setsockopt(descriptor, level, option, &value, sizeof value) == 0;
}

// SO_*BUFFORCE passes the administrator's limit, which a daemon with CAP_NET_ADMIN may; else we take what we get.
void set_buffers(int descriptor, std::size_t bytes) {
    const int value = int(std::min<std::size_t>(bytes, 1 << 30));
    if (!set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, value)) set(descriptor, SOL_SOCKET, SO_RCVBUF, value);
    if (!set(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, value)) set(descriptor, SOL_SOCKET, SO_SNDBUF, value);
}

// Old kernels lack some of these; without them the link is slower or blind to ECN, but works.
void set_options(UdpSocket& socket, const UdpConfig& config) {
    const int fd = socket.descriptor;
    if (socket.v6) {
        set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
        set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    } else {
        set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
        set(fd, IPPROTO_IP, IP_RECVTOS, 1);
    }
    set(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    set_buffers(fd, config.socket_buffer);
    if (!config.offload) return;
    set(fd, IPPROTO_UDP, UDP_GRO, 1);
    socket.segments = set(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
}

std::unexpected<SystemError> failed(const char* call, const UdpEndpoint& endpoint, int error) {
    return std::unexpected(SystemError{std::string{call} + " " + to_string(endpoint), error});
}

// The descriptor belongs to `socket` from the moment it exists: its owner closes it whatever happens here.
std::expected<void, SystemError> open_socket(UdpSocket& socket, const UdpEndpoint& listen, bool v6,
                                             const UdpConfig& config) {
    if (is_v4(listen) == v6) return failed("listen on", listen, EINVAL);
    socket.v6 = v6;
    socket.descriptor = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (socket.descriptor < 0) return failed("open a socket for", listen, errno);
    if (v6 && !set(socket.descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1)) return failed("set IPV6_V6ONLY for", listen, errno);
    set_options(socket, config);
    SocketAddress address{};
    socklen_t length = to_kernel(listen, address);
    if (::bind(socket.descriptor, &address.any, length) != 0) return failed("bind", listen, errno);
    length = sizeof address;
    if (::getsockname(socket.descriptor, &address.any, &length) != 0) return failed("ask the address of", listen, errno);
    socket.local = from_kernel(address);
    return {};
}

}  // namespace

bool is_v4(const UdpEndpoint& endpoint) {
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), endpoint.ip.begin());
}

socklen_t to_kernel(const UdpEndpoint& endpoint, SocketAddress& address) {
    if (is_v4(endpoint)) {
        address.v4 = {};
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(endpoint.port);
        std::memcpy(&address.v4.sin_addr, endpoint.ip.data() + 12, 4);
        return sizeof address.v4;
    }
    address.v6 = {};
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(endpoint.port);
    address.v6.sin6_scope_id = endpoint.scope;
    std::memcpy(&address.v6.sin6_addr, endpoint.ip.data(), 16);
    return sizeof address.v6;
}

UdpEndpoint from_kernel(const SocketAddress& address) {
    UdpEndpoint endpoint;
    if (address.any.sa_family == AF_INET) {
        std::copy(mapped_prefix.begin(), mapped_prefix.end(), endpoint.ip.begin());
        std::memcpy(endpoint.ip.data() + 12, &address.v4.sin_addr, 4);
        endpoint.port = ntohs(address.v4.sin_port);
    } else {
        std::memcpy(endpoint.ip.data(), &address.v6.sin6_addr, 16);
        endpoint.port = ntohs(address.v6.sin6_port);
        endpoint.scope = address.v6.sin6_scope_id;
    }
    return endpoint;
}

std::string to_string(const UdpEndpoint& endpoint) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool v4 = is_v4(endpoint);
    ::inet_ntop(v4 ? AF_INET : AF_INET6, endpoint.ip.data() + (v4 ? 12 : 0), text.data(), text.size());
    std::string whole = v4 ? text.data() : std::string{"["} + text.data();
    if (!v4 && endpoint.scope) whole += "%" + std::to_string(endpoint.scope);
    if (!v4) whole += "]";
    return whole + ":" + std::to_string(endpoint.port);
}

std::expected<Udp, SystemError> Udp::open(const UdpConfig& config) {
    auto state = std::make_unique<State>();
    state->config = config;
    for (const bool v6 : {false, true}) {
        const std::optional<UdpEndpoint>& listen = v6 ? config.listen6 : config.listen4;
        if (!listen) continue;
        UdpSocket& socket = state->sockets[state->socket_count++];
        WEFT_TRY(open_socket(socket, *listen, v6, config));
        state->descriptors[state->socket_count - 1] = socket.descriptor;
    }
    if (state->socket_count == 0) return std::unexpected(SystemError{"open a UDP link without an address", EINVAL});
    return Udp{std::move(state)};
}

std::expected<void, SystemError> Udp::add(const UdpEndpoint& listen) {
    const bool v6 = !is_v4(listen);
    for (std::size_t i = 0; i < state_->socket_count; ++i)
        if (state_->sockets[i].v6 == v6) return failed("bind", listen, EADDRINUSE);
    UdpSocket& socket = state_->sockets[state_->socket_count];
    if (auto opened = open_socket(socket, listen, v6, state_->config); !opened) {
        if (socket.descriptor >= 0) ::close(socket.descriptor);
        socket = {};
        return opened;
    }
    state_->descriptors[state_->socket_count++] = socket.descriptor;
    return {};
}

bool Udp::remove(const UdpEndpoint& local) {
    State& state = *state_;
    for (std::size_t i = 0; i < state.socket_count; ++i) {
        if (state.sockets[i].local != local) continue;
        ::close(state.sockets[i].descriptor);
        const std::size_t last = --state.socket_count;
        state.sockets[i] = state.sockets[last];
        state.descriptors[i] = state.descriptors[last];
        state.sockets[last] = {};
        state.turn = 0;
        return true;
    }
    return false;
}

Udp Udp::none() { return Udp{std::make_unique<State>()}; }

Udp::Udp(std::unique_ptr<State> state) : state_{std::move(state)} {}
Udp::Udp(Udp&&) noexcept = default;
Udp& Udp::operator=(Udp&&) noexcept = default;
Udp::~Udp() = default;

Udp::State::~State() {
    for (const UdpSocket& socket : sockets)
        if (socket.descriptor >= 0) ::close(socket.descriptor);
}

UdpSocket* Udp::State::socket_for(const UdpEndpoint& endpoint) {
    const bool v6 = !is_v4(endpoint);
    for (std::size_t i = 0; i < socket_count; ++i)
        if (sockets[i].v6 == v6) return &sockets[i];
    return nullptr;
}

LinkCapabilities Udp::capabilities() const {
    const bool segments =
        std::any_of(state_->sockets.begin(), state_->sockets.end(), [](const UdpSocket& s) { return s.segments; });
    return {.mtu = State::longest, .max_super_segment = segments ? 65'536u : 0u, .segments_udp = segments};
}

std::size_t Udp::send(std::span<const Transmit> out) { return state_->send(out); }
std::size_t Udp::receive(std::span<Receive> in, BufferPool& pool) { return state_->receive(in, pool); }
std::span<const int> Udp::descriptors() const { return {state_->descriptors.data(), state_->socket_count}; }
Udp::Statistics Udp::statistics() const { return state_->statistics; }

UdpEndpoint Udp::local4() const {
    for (std::size_t i = 0; i < state_->socket_count; ++i)
        if (!state_->sockets[i].v6) return state_->sockets[i].local;
    return {};
}

UdpEndpoint Udp::local6() const {
    for (std::size_t i = 0; i < state_->socket_count; ++i)
        if (state_->sockets[i].v6) return state_->sockets[i].local;
    return {};
}

}  // namespace weft::link
