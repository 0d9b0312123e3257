// How sockets begin, end, and hear of what happened (POSIX.1-2024: socket, bind, listen, accept, connect, shutdown, close; what
// it leaves open is as Linux does it).
#include "stack/api/sockets.h"

#include <algorithm>
#include <utility>

namespace weft::api {
namespace {

constexpr std::uint16_t first_ephemeral = 49'152;  // RFC 6335, section 6
constexpr std::uint32_t ephemeral_ports = 65'536 - first_ephemeral;

bool is_any(const Address& address) {
    return address.family() == Family::none ||
           std::ranges::all_of(address.bytes(), [](std::byte b) { return b == std::byte{}; });
}

// What the engine takes for "any" has no family.
Endpoint listened(const Endpoint& local) {
    if (is_any(local.address)) return {{}, 0, local.port};
    return local;
}

}  // namespace

Outcome<SocketId> Sockets::open(Family family) {
    Socket fresh;
    fresh.family = family;
    fresh.options = defaults_;
    const SocketId id = sockets_.insert(fresh);
    if (id == SocketId{}) return fail(ENFILE);
    return id;
}

Outcome<Socket*> Sockets::get(SocketId id) {
    Socket* socket = sockets_.find(id);
    if (!socket) return fail(EBADF);
    return socket;
}

SocketId Sockets::owner(Flow flow) const {
    if (flow.index() >= by_flow_.size()) return {};
    const SocketId id = by_flow_[flow.index()];
    const Socket* socket = sockets_.find(id);
    return socket && socket->flow == flow ? id : SocketId{};
}

void Sockets::own(Flow flow, SocketId id) {
    if (flow.index() >= by_flow_.size()) by_flow_.resize(std::max<std::size_t>(flow.index() + 1, by_flow_.size() * 2));
    by_flow_[flow.index()] = id;
}

bool Sockets::port_taken(const Endpoint& local, bool reuse) const {
    const auto [begin, end] = by_port_.equal_range(local.port);
    return std::any_of(begin, end, [&](const auto& entry) {
        const Socket* other = sockets_.find(entry.second);
        if (!other) return false;
        const bool apart = !is_any(other->local.address) && !is_any(local.address) && other->local.address != local.address;
        const bool shared = reuse && other->options.reuse_address && other->kind != Socket::Kind::listener;
        return !apart && !shared;
    });
}

// RFC 6056: a port that nobody can foresee, and the next ones if it is taken.
Outcome<std::uint16_t> Sockets::free_port(const Endpoint& local, bool reuse) {
    const std::uint64_t draw = siphash(ports_, {reinterpret_cast<const std::byte*>(&++drawn_), sizeof drawn_});
    for (std::uint32_t i = 0; i < ephemeral_ports; ++i) {
        Endpoint wanted = local;
        wanted.port = std::uint16_t(first_ephemeral + (draw + i) % ephemeral_ports);
        if (!port_taken(wanted, reuse)) return wanted.port;
    }
    return fail(EADDRINUSE);
}

void Sockets::forget_port(const Socket& socket, SocketId id) {
    if (!socket.bound) return;
    const auto [begin, end] = by_port_.equal_range(socket.local.port);
    const auto at = std::find_if(begin, end, [&](const auto& entry) { return entry.second == id; });
    if (at != end) by_port_.erase(at);
}

Outcome<void> Sockets::bind(SocketId id, const Endpoint& local, bool any_port) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (s.kind != Socket::Kind::fresh || s.bound) return fail(EINVAL);
    if (local.address.family() != Family::none && local.address.family() != s.family) return fail(EAFNOSUPPORT);
    if (!is_any(local.address) && !engine_->assigned(local.address)) return fail(EADDRNOTAVAIL);
    Endpoint wanted = local;
    if (any_port && local.port == 0) {
        s.local = local;
        return {};
    }
    if (wanted.port == 0) {
        const auto port = free_port(local, s.options.reuse_address);
        if (!port) return fail(port.error());
        wanted.port = *port;
    } else if (port_taken(wanted, s.options.reuse_address)) {
        return fail(EADDRINUSE);
    }
    s.local = wanted;
    s.bound = true;
    by_port_.emplace(wanted.port, id);
    return {};
}

Outcome<void> Sockets::listen(SocketId id, int backlog, Instant now, bool ask, bool any_port) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (s.kind == Socket::Kind::listener) return {};
    if (s.kind != Socket::Kind::fresh) return fail(EINVAL);
    if (!s.bound && !any_port)
        if (const auto bound = bind(id, {}); !bound) return bound;
    ListenOptions options;
    static_cast<ConnectOptions&>(options) = connect_options(s);
    options.local = listened(s.local);
    options.ask = ask;
    options.any_port = any_port;
    options.backlog = std::uint32_t(std::clamp(backlog, 0, 1 << 16)) + 1;  // Linux lets one more wait than is asked for
    const auto listener = engine_->listen(options, now);
    if (!listener) return fail(listener.error());
    s.listener = *listener;
    s.kind = Socket::Kind::listener;
    if (listener->index() >= by_listener_.size()) by_listener_.resize(listener->index() + 1);
    by_listener_[listener->index()] = id;
    return {};
}

Outcome<SocketId> Sockets::accept(SocketId id, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    if ((*socket)->kind != Socket::Kind::listener) return fail(EINVAL);
    const auto flow = engine_->accept((*socket)->listener, now);
    if (!flow) return fail(flow.error());
    Socket accepted;
    accepted.kind = Socket::Kind::stream;
    accepted.told_connected = true;
    accepted.flow = *flow;
    accepted.options = (*socket)->options;
    const auto peers = engine_->peers(*flow);
    if (peers) {
        accepted.local = peers->local;
        accepted.remote = peers->remote;
        accepted.family = peers->remote.address.family();
    }
    const SocketId made = sockets_.insert(accepted);
    if (made == SocketId{}) {
        (void)engine_->abort(*flow, now);
        return fail(ENFILE);
    }
    own(*flow, made);
    counted_.erase(flow->index());
    return made;
}

Outcome<void> Sockets::connect(SocketId id, const Endpoint& remote, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    switch (s.kind) {
    case Socket::Kind::listener: return fail(EISCONN);
    case Socket::Kind::connecting: return fail(EALREADY);
    case Socket::Kind::deferred: return fail(EISCONN);
    case Socket::Kind::stream:
        if (std::exchange(s.told_connected, true)) return fail(EISCONN);
        return {};
    case Socket::Kind::ended: {
        if (s.told_connected) return fail(EISCONN);
        const int error = take_error(s);
        (void)disconnect(id, now);
        return fail(error ? error : ECONNABORTED);
    }
    case Socket::Kind::fresh: break;
    }
    if (remote.address.family() != s.family) return fail(EAFNOSUPPORT);
    if (s.options.fast_open_connect && engine_->fast_open_room(remote, active_options(s), now) > 0) {
        s.remote = remote;
        s.kind = Socket::Kind::deferred;
        return {};
    }
    if (const auto begun = begin(s, id, remote, s.options.fast_open_connect, now); !begun) return begun;
    return fail(EINPROGRESS);
}

ConnectOptions Sockets::active_options(const Socket& socket) const {
    ConnectOptions options = connect_options(socket);
    if (socket.bound) options.local = listened(socket.local);
    return options;
}

// The SYN is due.
Outcome<void> Sockets::begin(Socket& s, SocketId id, const Endpoint& remote, bool fast_open, Instant now) {
    ConnectOptions options = active_options(s);
    options.fast_open = fast_open;
    const auto flow = engine_->connect(remote, options, now);
    if (!flow) return fail(flow.error());
    s.flow = *flow;
    s.kind = Socket::Kind::connecting;
    if (const auto peers = engine_->peers(*flow)) {
        s.local = {peers->local.address, peers->local.scope, peers->local.port};
        s.remote = peers->remote;
    }
    own(*flow, id);
    counted_.erase(flow->index());
    return {};
}

// connect() with AF_UNSPEC: what was connected is reset, and the socket may be used again.
Outcome<void> Sockets::disconnect(SocketId id, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (s.listener != ListenerId{}) (void)engine_->unlisten(s.listener, now);
    if (s.flow != Flow{}) (void)engine_->abort(s.flow, now);
    Socket fresh;
    fresh.family = s.family;
    fresh.options = s.options;
    fresh.bound = s.bound;
    if (s.bound) fresh.local = s.local;
    s = fresh;
    return {};
}

Outcome<void> Sockets::shutdown(SocketId id, How how, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (s.kind == Socket::Kind::fresh || s.kind == Socket::Kind::ended) return fail(ENOTCONN);
    if (s.kind == Socket::Kind::listener) {
        if (how == How::write) return {};
        return disconnect(id, now);
    }
    if (s.kind == Socket::Kind::connecting || s.kind == Socket::Kind::deferred) return disconnect(id, now);
    // What arrives for a socket that reads no more is kept, as Linux does it: it was promised by the window.
    s.read_shut = s.read_shut || how != How::write;
    if (how != How::read && !std::exchange(s.write_shut, true))
        (void)engine_->shutdown(s.flow, Engine::Direction::write, now);
    wake(id, in | out | (s.read_shut ? std::uint32_t{peer_shut} : 0u));
    return {};
}

Outcome<void> Sockets::close(SocketId id, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    const Socket s = **socket;
    forget_port(s, id);
    sockets_.erase(id);
    if (s.listener != ListenerId{}) (void)engine_->unlisten(s.listener, now);
    if (s.flow == Flow{}) return {};
    counted_.erase(s.flow.index());
    const bool at_once = s.kind == Socket::Kind::ended || (s.options.linger && s.options.linger_seconds == 0);
    if (at_once) (void)engine_->abort(s.flow, now);
    else (void)engine_->shutdown(s.flow, Engine::Direction::both, now);
    return {};
}

Outcome<void> Sockets::abort(SocketId id, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    (*socket)->options.linger = true;
    (*socket)->options.linger_seconds = 0;
    return close(id, now);
}

Outcome<Endpoint> Sockets::local(SocketId id) const {
    const Socket* socket = sockets_.find(id);
    if (!socket) return fail(EBADF);
    Endpoint local = socket->local;
    if (local.address.family() == Family::none && socket->family != Family::none) {
        const std::array<std::byte, Address::max_size> zero{};
        const std::size_t size = socket->family == Family::ipv4 ? 4 : socket->family == Family::ipv6 ? 16 : 64;
        local.address = Address{socket->family, std::span{zero}.first(size)};
    }
    return local;
}

Outcome<Endpoint> Sockets::remote(SocketId id) const {
    const Socket* socket = sockets_.find(id);
    if (!socket) return fail(EBADF);
    if (socket->kind != Socket::Kind::stream && !(socket->kind == Socket::Kind::ended && socket->told_connected))
        return fail(ENOTCONN);
    return socket->remote;
}

void Sockets::settle(Instant now) {
    std::array<Event, 16> some;
    while (const std::size_t count = engine_->events(some, now))
        for (const Event& event : std::span{some}.first(count)) take_event(event);
}

void Sockets::wake(SocketId id, std::uint32_t what) {
    Socket* socket = sockets_.find(id);
    if (!socket) return;
    if (std::exchange(socket->woken, socket->woken | what) != 0) return;
    if (woken_.size() >= 64 && woken_.size() >= sockets_.size() * 2) {  // nobody asks: those that are gone must not pile up
        std::erase_if(woken_, [&](SocketId one) { return !sockets_.find(one) || sockets_.find(one)->woken == 0; });
        told_ = 0;
    }
    woken_.push_back(id);
}

bool Sockets::next_woken(Woken& out) {
    while (told_ < woken_.size()) {
        const SocketId id = woken_[told_++];
        Socket* socket = sockets_.find(id);
        if (!socket || socket->woken == 0) continue;
        out = {id, std::exchange(socket->woken, 0u)};
        return true;
    }
    woken_.clear();
    told_ = 0;
    return false;
}

bool Sockets::next_question(Asked& out) {
    if (asked_.empty()) return false;
    out = asked_.back();
    asked_.pop_back();
    return true;
}

void Sockets::take_event(const Event& event) {
    using Kind = Event::Kind;
    if (event.kind == Kind::accepted) {
        if (event.listener.index() < by_listener_.size()) wake(by_listener_[event.listener.index()], in);
        return;
    }
    if (event.kind == Kind::asked) {
        if (event.listener.index() < by_listener_.size())
            asked_.insert(asked_.begin(), {event.question, by_listener_[event.listener.index()]});
        return;
    }
    const SocketId id = owner(event.flow);
    Socket* socket = sockets_.find(id);
    if (!socket) return;  // closed: nobody wants to hear of it
    switch (event.kind) {
    case Kind::connected: socket->kind = Socket::Kind::stream; return wake(id, out);
    case Kind::urgent: socket->urgent = true; return wake(id, priority);
    case Kind::readable: return wake(id, in);
    case Kind::writable: return wake(id, out);
    case Kind::peer_closed: socket->end = true; return wake(id, in | peer_shut);
    case Kind::closed:
        socket->flow = {};
        socket->kind = Socket::Kind::ended;
        socket->end = socket->told_connected = true;
        return wake(id, in | out | hang_up);
    case Kind::failed:
        // RFC 9293, section 3.10.7.4: Linux tells the reset of a half that is already closed as a broken pipe.
        socket->error = event.error == Error::reset && socket->end ? EPIPE : to_errno(event.error);
        socket->fate = socket->error;
        socket->told_connected = socket->told_connected || socket->kind == Socket::Kind::stream;
        if (!engine_->inspect(event.flow)) socket->flow = {};  // else what had come can still be read
        socket->kind = Socket::Kind::ended;
        socket->end = true;
        return wake(id, in | out | trouble | hang_up);
    case Kind::accepted:
    case Kind::transmitted:
    case Kind::asked:  // no socket listens in that way
    case Kind::soft_error: return;
    }
}

int Sockets::take_error(Socket& socket) { return std::exchange(socket.error, 0); }

}  // namespace weft::api
