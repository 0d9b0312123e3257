// What setsockopt(), getsockopt() and ioctl() say of a socket, by the levels, names and values of Linux's headers (socket(7), tcp(7),
// ip(7)): what is set is read back as Linux reads it back, buffers doubled.
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "stack/api/sockets.h"
#include "stack/tcp/info.h"
#include "stack/tcp/modules.h"
#include "stack/tcp/tcb.h"

namespace weft::api {
namespace {

constexpr std::uint32_t least_send_buffer = 4'608, least_receive_buffer = 2'304;  // bytes, as Linux reads them back
constexpr std::uint32_t most_buffer = 1u << 29;  // bytes asked for: doubled, a window has no more
constexpr std::uint16_t least_segment = 88, most_segment = 32'767;  // bytes: TCP_MAXSEG

Outcome<int> integer(std::span<const std::byte> value, bool byte_will_do = false) {
    int number = 0;
    if (byte_will_do && !value.empty() && value.size() < sizeof number) return std::to_integer<int>(value.front());
    if (value.size() < sizeof number) return fail(EINVAL);
    std::memcpy(&number, value.data(), sizeof number);
    return number;
}

template <class T>
std::size_t store(const T& record, std::span<std::byte> into) {
    const std::size_t size = std::min(sizeof record, into.size());
    std::memcpy(into.data(), &record, size);
    return size;
}

Outcome<void> bounded(int value, int least, int most, auto& into) {
    if (value < least || value > most) return fail(EINVAL);
    into = static_cast<std::remove_reference_t<decltype(into)>>(value);
    return {};
}

// What people call the modules that are compiled in.
std::string_view linux_name(std::string_view name) { return name == "newreno" ? "reno" : name; }

}  // namespace

ConnectOptions Sockets::connect_options(const Socket& socket) const {
    const SocketOptions& o = socket.options;
    ConnectOptions options;
    if (o.user_timeout > 0) options.user_timeout = Duration::milliseconds(o.user_timeout);
    options.nodelay = o.nodelay;
    options.keepalive = {o.keepalive, o.keep_probes, Duration::seconds(o.keep_idle), Duration::seconds(o.keep_interval)};
    options.send_buffer = o.send_buffer;
    options.receive_buffer = o.receive_buffer;
    options.maximum_segment = o.max_segment;
    options.dscp = o.dscp;
    options.hop_limit = o.hop_limit;
    options.congestion = o.congestion;
    options.syn_retries = o.syn_count;
    options.keep_failed = keep_failed_;
    options.fast_open = o.fast_open > 0;
    options.fast_open_queue = std::uint16_t(std::min(o.fast_open, 0xffffu));
    std::ranges::copy(o.fast_open_key, options.fast_open_key);
    return options;
}

// Tells the engine what changed. A listener's options reach the sockets that it accepts.
Outcome<void> Sockets::apply(Socket& socket, Instant now) {
    if (socket.kind == Socket::Kind::listener) (void)engine_->set(socket.listener, connect_options(socket), now);
    if (socket.flow == Flow{}) return {};
    if (const auto set = engine_->set(socket.flow, connect_options(socket), now); !set) return fail(set.error());
    return {};
}

// What waited for more goes now, short as it may be.
void Sockets::let_go(Socket& socket, Instant now) {
    const auto buffers = engine_->buffers(socket.flow);
    if (!buffers || buffers->unsent == 0) return;
    (void)engine_->write(socket.flow, std::span<const std::byte>{}, {.nodelay = true}, now);
}

Outcome<void> Sockets::set_option(SocketId id, int level, int name, std::span<const std::byte> value, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (level == SOL_SOCKET) return set_socket_level(s, name, value, now);
    if (level == IPPROTO_TCP) return set_tcp_level(s, name, value, now);
    if (level != IPPROTO_IP && level != IPPROTO_IPV6) return fail(ENOPROTOOPT);
    const auto number = integer(value, true);
    if (!number) return fail(number.error());
    const bool v6 = level == IPPROTO_IPV6;
    if (name == (v6 ? IPV6_TCLASS : IP_TOS)) {
        s.options.dscp = std::uint8_t(*number >> 2 & 0x3f);
        s.options.ecn = std::uint8_t(*number & 3);
        return apply(s, now);
    }
    if (name == (v6 ? IPV6_UNICAST_HOPS : IP_TTL)) {
        if (const auto ok = bounded(*number == -1 ? 64 : *number, 1, 255, s.options.hop_limit); !ok) return ok;
        return apply(s, now);
    }
    const bool known = v6 ? name == IPV6_V6ONLY || name == IPV6_RECVERR || name == IPV6_MTU_DISCOVER
                          : name == IP_RECVERR || name == IP_MTU_DISCOVER || name == IP_FREEBIND;
    if (!known) return fail(ENOPROTOOPT);
    return {};
}

Outcome<void> Sockets::set_socket_level(Socket& socket, int name, std::span<const std::byte> value, Instant now) {
    SocketOptions& o = socket.options;
    if (name == SO_LINGER) {
        linger wanted{};
        if (value.size() < sizeof wanted) return fail(EINVAL);
        std::memcpy(&wanted, value.data(), sizeof wanted);
        o.linger = wanted.l_onoff != 0;
        o.linger_seconds = wanted.l_linger;
        return {};
    }
    const auto number = integer(value);
    if (!number) return fail(number.error());
    const auto wanted = std::uint32_t(std::clamp<std::int64_t>(*number, 0, most_buffer));
    switch (name) {
    case SO_REUSEADDR: o.reuse_address = *number != 0; return {};
    case SO_KEEPALIVE: o.keepalive = *number != 0; return apply(socket, now);
    case SO_OOBINLINE: o.oob_inline = *number != 0; return {};
    case SO_SNDBUF:
    case SO_SNDBUFFORCE: o.send_buffer = std::max(wanted, least_send_buffer / 2); return apply(socket, now);
    case SO_RCVBUF:
    case SO_RCVBUFFORCE: o.receive_buffer = std::max(wanted, least_receive_buffer / 2); return apply(socket, now);
    case SO_RCVLOWAT: o.receive_low = std::max(wanted, 1u); return {};
    case SO_REUSEPORT:
    case SO_PRIORITY:
    case SO_ZEROCOPY:  // what is sent is copied all the same
    case SO_MARK:
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: return {};
    case SO_ERROR:
    case SO_TYPE:
    case SO_ACCEPTCONN: return fail(ENOPROTOOPT);
    default: return fail(ENOPROTOOPT);
    }
}

Outcome<void> Sockets::set_tcp_level(Socket& socket, int name, std::span<const std::byte> value, Instant now) {
    SocketOptions& o = socket.options;
    if (name == TCP_CONGESTION) {
        std::string_view wanted{reinterpret_cast<const char*>(value.data()), value.size()};
        wanted = wanted.substr(0, wanted.find('\0'));
        for (const tcp::ModuleStatus& module : engine_->modules())
            if (linux_name(tcp::name_of(module.module)) == linux_name(wanted)) {
                o.congestion = module.slot;
                return apply(socket, now);
            }
        return fail(ENOENT);
    }
    if (name == TCP_FASTOPEN_KEY) {
        if (value.size() != sizeof o.fast_open_key) return fail(EINVAL);
        std::memcpy(o.fast_open_key.data(), value.data(), value.size());
        return apply(socket, now);
    }
    const auto number = integer(value);
    if (!number) return fail(number.error());
    switch (name) {
    case TCP_NODELAY:
        o.nodelay = *number != 0;
        if (o.nodelay) let_go(socket, now);  // a cork or not
        break;
    case TCP_MAXSEG:
        if (*number == 0) o.max_segment = 0;
        else if (const auto ok = bounded(*number, least_segment, most_segment, o.max_segment); !ok) return ok;
        break;
    case TCP_CORK: {
        const bool was = std::exchange(o.cork, *number != 0);
        if (was && !o.cork) let_go(socket, now);
        return {};
    }
    case TCP_QUICKACK: o.quickack = *number != 0; break;
    case TCP_USER_TIMEOUT:
        if (*number < 0) return fail(EINVAL);
        o.user_timeout = std::uint32_t(*number);
        break;
    case TCP_KEEPIDLE:
        if (const auto ok = bounded(*number, 1, 32'767, o.keep_idle); !ok) return ok;
        break;
    case TCP_KEEPINTVL:
        if (const auto ok = bounded(*number, 1, 32'767, o.keep_interval); !ok) return ok;
        break;
    case TCP_KEEPCNT:
        if (const auto ok = bounded(*number, 1, 127, o.keep_probes); !ok) return ok;
        break;
    case TCP_SYNCNT:
        if (const auto ok = bounded(*number, 1, 127, o.syn_count); !ok) return ok;
        break;
    case TCP_DEFER_ACCEPT: o.defer_accept = std::uint8_t(std::clamp(*number, 0, 255)); return {};
    case TCP_NOTSENT_LOWAT: o.unsent_low = std::uint32_t(*number); return {};  // 0: no bound
    case TCP_INQ:
        if (*number < 0 || *number > 1) return fail(EINVAL);
        o.inq = *number != 0;
        return {};
    case TCP_FASTOPEN:
        if (socket.kind != Socket::Kind::fresh && socket.kind != Socket::Kind::listener) return fail(EINVAL);
        if (*number < 0) return fail(EINVAL);
        o.fast_open = std::uint32_t(*number);
        break;
    case TCP_FASTOPEN_CONNECT:
        if (*number < 0 || *number > 1) return fail(EINVAL);
        if ((engine_->config().fast_open & 1) == 0) return fail(EOPNOTSUPP);
        if (socket.kind != Socket::Kind::fresh) return fail(EINVAL);
        o.fast_open_connect = *number != 0;
        return {};
    default: return fail(ENOPROTOOPT);
    }
    return apply(socket, now);
}

Outcome<std::size_t> Sockets::get_option(SocketId id, int level, int name, std::span<std::byte> value, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (level == SOL_SOCKET && name == SO_LINGER) return store(linger{s.options.linger, s.options.linger_seconds}, value);
    if (level == IPPROTO_TCP && name == TCP_INFO) {
        const auto info = engine_->info(s.flow, now);
        if (info) return store(*info, value);
        tcp::TcpInfo none;
        none.state = s.kind == Socket::Kind::listener ? tcp::TcpInfo::listen : tcp::TcpInfo::closed;
        return store(none, value);
    }
    if (level == SOL_SOCKET && name == SO_MEMINFO) {
        const Buffers buffers = engine_->buffers(s.flow).value_or(Buffers{});
        const auto limit = [&](int of) { return std::uint32_t(get_socket_level(s, of).value_or(0)); };
        const std::array<std::uint32_t, 9> memory{
            // what lies there, what may lie there; the rest is the kernel's own
            buffers.unread, limit(SO_RCVBUF), buffers.unacknowledged, limit(SO_SNDBUF), 0, buffers.unacknowledged, 0, 0, 0};
        return store(memory, value);
    }
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
        std::array<char, 16> text{};
        const std::uint16_t slot = s.flow == Flow{} ? s.options.congestion : engine_->congestion_slot(s.flow);
        for (const tcp::ModuleStatus& module : engine_->modules())
            if (module.slot == slot)
                std::ranges::copy(linux_name(tcp::name_of(module.module)).substr(0, text.size() - 1), text.begin());
        return store(text, value);
    }
    if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY) return store(s.options.fast_open_key, value);
    Outcome<int> number = fail(ENOPROTOOPT);
    if (level == SOL_SOCKET) number = get_socket_level(s, name);
    else if (level == IPPROTO_TCP) number = get_tcp_level(s, name);
    else if (level == IPPROTO_IP && name == IP_TOS) number = s.options.dscp << 2 | s.options.ecn;
    else if (level == IPPROTO_IP && name == IP_TTL) number = int{s.options.hop_limit};
    else if (level == IPPROTO_IPV6 && name == IPV6_TCLASS) number = s.options.dscp << 2 | s.options.ecn;
    else if (level == IPPROTO_IPV6 && name == IPV6_UNICAST_HOPS) number = int{s.options.hop_limit};
    if (!number) return fail(number.error());
    return store(*number, value);
}

Outcome<int> Sockets::get_socket_level(Socket& socket, int name) {
    const SocketOptions& o = socket.options;
    switch (name) {
    case SO_ERROR: return take_error(socket);
    case SO_TYPE: return int{SOCK_STREAM};
    case SO_PROTOCOL: return int{IPPROTO_TCP};
    case SO_DOMAIN: return socket.family == Family::ipv6 ? AF_INET6 : AF_INET;
    case SO_ACCEPTCONN: return int{socket.kind == Socket::Kind::listener};
    case SO_REUSEADDR: return int{o.reuse_address};
    case SO_KEEPALIVE: return int{o.keepalive};
    case SO_OOBINLINE: return int{o.oob_inline};
    case SO_RCVLOWAT: return int(o.receive_low);
    case SO_SNDBUF:
        if (o.send_buffer > 0) return int(o.send_buffer * 2);
        if (const tcp::Tcb* tcb = engine_->inspect(socket.flow)) return int(tcb->sending.limit);
        return int(engine_->config().send_buffer);
    case SO_RCVBUF:
        if (o.receive_buffer > 0) return int(o.receive_buffer * 2);
        if (const tcp::Tcb* tcb = engine_->inspect(socket.flow)) return int(tcb->receiving.limit);
        return int(engine_->config().receive_buffer);
    default: return fail(ENOPROTOOPT);
    }
}

Outcome<int> Sockets::get_tcp_level(const Socket& socket, int name) const {
    const SocketOptions& o = socket.options;
    switch (name) {
    case TCP_NODELAY: return int{o.nodelay};
    case TCP_CORK: return int{o.cork};
    case TCP_QUICKACK: return int{o.quickack};
    case TCP_USER_TIMEOUT: return int(o.user_timeout);
    case TCP_KEEPIDLE:
        return o.keep_idle > 0 ? int(o.keep_idle) : int(engine_->config().keepalive_idle.count() / 1'000'000'000);
    case TCP_KEEPINTVL:
        return o.keep_interval > 0 ? int(o.keep_interval)
                                   : int(engine_->config().keepalive_interval.count() / 1'000'000'000);
    case TCP_KEEPCNT: return o.keep_probes > 0 ? int{o.keep_probes} : int{engine_->config().keepalive_probes};
    case TCP_SYNCNT: return int{o.syn_count};
    case TCP_DEFER_ACCEPT: return int{o.defer_accept};
    case TCP_NOTSENT_LOWAT: return int(o.unsent_low);
    case TCP_INQ: return int{o.inq};
    case TCP_FASTOPEN: return int(o.fast_open);
    case TCP_FASTOPEN_CONNECT: return int{o.fast_open_connect};
    case TCP_MAXSEG:
        if (const tcp::Tcb* tcb = engine_->inspect(socket.flow)) return int{tcb->receiving.mss};
        return o.max_segment > 0 ? int{o.max_segment} : 536;  // RFC 9293, section 3.7.1
    default: return fail(ENOPROTOOPT);
    }
}

Outcome<int> Sockets::ask(SocketId id, unsigned long request) const {
    const Socket* socket = sockets_.find(id);
    if (!socket) return fail(EBADF);
    if (socket->kind == Socket::Kind::listener) return fail(EINVAL);
    const auto buffers = engine_->buffers(socket->flow);
    switch (request) {
    case FIONREAD: return buffers ? int(buffers->unread) : 0;
    case SIOCOUTQ: return buffers ? int(buffers->unacknowledged) : 0;
    case SIOCOUTQNSD: return buffers ? int(buffers->unsent) : 0;
    case SIOCATMARK: return int(socket->urgent && engine_->urgent(socket->flow).value_or(0) == 0);
    default: return fail(ENOTTY);
    }
}

}  // namespace weft::api
