// The C API's flows: each call finds its socket, does what it is asked, and takes the events that came of it.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "stack/api/c_stack.h"

using namespace weft;
using api::Outcome;
using api::SocketId;
using api::Sockets;

namespace weft::api {

SocketId socket_of(weft_fd fd) {
    return fd < 0 ? SocketId{} : SocketId{std::uint32_t(std::uint64_t(fd) >> 32), std::uint32_t(fd)};
}

weft_fd fd_of(SocketId id) { return weft_fd(std::uint64_t{id.place} << 32 | id.generation); }

constexpr std::uint64_t asked_shard = 127;

weft_fd fd_of(Question question) {
    const std::uint64_t place = asked_shard << 24 | (question.place & 0xff'ffff);
    return weft_fd(place << 32 | question.generation);
}

std::optional<Question> question_of(weft_fd asked) {
    const auto bits = std::uint64_t(asked);
    if (bits >> 56 != asked_shard) return std::nullopt;
    return Question{std::uint32_t(bits >> 32) & 0xff'ffff, std::uint32_t(bits)};
}

Endpoint endpoint_of(const weft_sockaddr& address) {
    const auto* bytes = reinterpret_cast<const std::byte*>(address.bytes);
    Endpoint endpoint{{}, address.scope, address.port};
    if (address.family != WEFT_ANY)
        endpoint.address =
            Address{Family(address.family), {bytes, std::min<std::size_t>(address.length, Address::max_size)}};
    return endpoint;
}

void give(const Endpoint& endpoint, weft_sockaddr* out) {
    if (!out) return;
    *out = {sizeof(weft_sockaddr),
            std::uint8_t(endpoint.address.family()),
            std::uint8_t(endpoint.address.bytes().size()),
            endpoint.port,
            endpoint.scope,
            {}};
    std::memcpy(out->bytes, endpoint.address.bytes().data(), endpoint.address.bytes().size());
}

}  // namespace weft::api

namespace {

void explain_throw(const char* what) noexcept {
    try {
        api::explain("a listener's function threw (" + std::string(what) + "): its SYN was refused; let it answer instead");
    } catch (...) {  // no memory to say so
    }
}

// What C++ behind a listener's function throws must not unwind the loop, which other calls need.
int answer_of(const weft_stack::Function& function, weft_fd asked, const weft_sockaddr& local, const weft_sockaddr& remote) {
    try {
        return function.ask(function.context, asked, &local, &remote);
    } catch (const std::exception& thrown) { explain_throw(thrown.what()); } catch (...) {
        explain_throw("no std::exception");
    }
    return WEFT_REFUSE;
}

}  // namespace

void weft_stack::hear(const Event& event) {
    sockets.hear(event);
    for (api::Sockets::Asked asked; sockets.next_question(asked);) {
        const auto function = functions.find(asked.listener.place);
        const auto peers = carrier->engine().peers(asked.question);
        if (function == functions.end() || !peers) continue;
        weft_sockaddr local, remote;
        api::give(peers->local, &local);
        api::give(peers->remote, &remote);
        const int answer = answer_of(function->second, api::fd_of(asked.question), local, remote);
        (void)carrier->engine().answer(asked.question, Answer(std::clamp(answer, int(WEFT_ACCEPT), int(WEFT_LATER))), now());
    }
}

namespace {

// The value of an outcome, or minus its errno.
template <class Done>
std::int64_t said(const Done& done) {
    if (!done) return -std::int64_t{done.error()};
    if constexpr (std::is_void_v<typename Done::value_type>) return 0;
    else return std::int64_t(*done);
}

// A call under the stack's lock. `gone`: a listener's function has freed the stack meanwhile.
template <class Call>
std::int64_t under_lock(weft_stack* s, Call&& call, bool* gone = nullptr) {
    const api::Entry entry{s};
    if (!entry) return -EDEADLK;
    const auto done = call(s->sockets);
    s->shard.flush();
    s->shard.try_again();  // who waits in another thread for what this call has done
    if (gone) *gone = s->freed;
    return said(done);
}

// The same, again and again while it says EAGAIN, until `until`: that is what it says then. Meanwhile this thread serves the stack.
template <class Call>
std::int64_t waiting(weft_stack* s, Instant until, Call&& call, bool* gone = nullptr) {
    using Done = decltype(call(s->sockets));
    const auto step = [&]() -> Result<Done> {
        Done done = call(s->sockets);
        if (!done && done.error() == EAGAIN) return std::unexpected(Error::would_block);
        return done;
    };
    const auto answer = s->shard.call(&s->shard.anything(), api::want_any, until, step);
    const api::Entry entry{s};  // if it was freed meanwhile, it goes here
    if (gone) *gone = s->freed;
    if (answer) return said(*answer);
    if (answer.error() == Error::timed_out) return -EAGAIN;
    return answer.error() == Error::not_permitted ? -EDEADLK : -api::to_errno(answer.error());
}

// A call on `fd` that waits where that may wait.
template <class Call>
std::int64_t on(weft_stack* s, weft_fd fd, int flags, Call&& call, bool* gone = nullptr) {
    bool waits = s->without_io == nullptr && (flags & WEFT_DONTWAIT) == 0;
    if (waits) {
        const api::Entry entry{s};
        if (!entry) return -EDEADLK;
        waits = !s->nonblocking.contains(fd);
    }
    return waits ? waiting(s, Instant::never(), call, gone) : under_lock(s, call, gone);
}

void keep_nonblocking(weft_stack* s, weft_fd fd, const weft_options* options) {
    if (!options || options->size != sizeof(weft_options)) return;
    if ((options->flags & WEFT_NONBLOCK) != 0) s->nonblocking.insert(fd);
    else s->nonblocking.erase(fd);
}

bool sound(const weft_sockaddr& address) {
    switch (address.family) {
    case WEFT_ANY: return address.length == 0;
    case WEFT_IPV4: return address.length == 4;
    case WEFT_IPV6: return address.length == 16;
    case WEFT_OVERLAY: return address.length == 64;
    default: return false;
    }
}

Outcome<void> set(Sockets& sockets, SocketId id, int level, int name, int value, Instant now) {
    return sockets.set_option(id, level, name, std::as_bytes(std::span{&value, 1}), now);
}

// `fresh`: a socket that is made has what the stack's flows begin with where a flag does not ask for more.
Outcome<void> set_all(Sockets& sockets, SocketId id, const weft_options* options, Instant now, bool fresh = false) {
    if (!options) return {};
    if (options->size != sizeof(weft_options)) return std::unexpected(EINVAL);
    const auto one = [&](bool wanted, int level, int name, std::uint32_t value) -> Outcome<void> {
        if (!wanted) return {};
        return set(sockets, id, level, name, int(std::min<std::uint32_t>(value, 0x7fff'ffff)), now);
    };
    const weft_options& o = *options;
    if (o.congestion) {
        const std::string_view name{o.congestion};
        const auto done = sockets.set_option(id, IPPROTO_TCP, TCP_CONGESTION, std::as_bytes(std::span{name}), now);
        if (!done) return done;
    }
    const Outcome<void> all[] = {
        one(!fresh || (o.flags & WEFT_NODELAY) != 0, IPPROTO_TCP, TCP_NODELAY, (o.flags & WEFT_NODELAY) != 0),
        one(true, SOL_SOCKET, SO_KEEPALIVE, (o.flags & WEFT_KEEPALIVE) != 0),
        one(o.user_timeout_ms > 0, IPPROTO_TCP, TCP_USER_TIMEOUT, o.user_timeout_ms),
        one(o.send_buffer > 0, SOL_SOCKET, SO_SNDBUF, o.send_buffer),
        one(o.receive_buffer > 0, SOL_SOCKET, SO_RCVBUF, o.receive_buffer),
        one(o.dscp > 0, IPPROTO_IP, IP_TOS, std::uint32_t{o.dscp} << 2),
        one(o.hop_limit > 0, IPPROTO_IP, IP_TTL, o.hop_limit),
    };
    for (const auto& done : all)
        if (!done) return done;
    return {};
}

// A socket with its options, bound where it is to be; gone again when one of the steps fails.
Outcome<SocketId> make(Sockets& sockets, Family family, const weft_sockaddr* local, const weft_options* options, Instant now,
                       bool any_port = false) {
    const auto id = sockets.open(family);
    if (!id) return id;
    Outcome<void> done = set_all(sockets, *id, options, now, true);
    if (done && local && (local->family != WEFT_ANY || local->port != 0))
        done = sockets.bind(*id, api::endpoint_of(*local), any_port);
    if (done) return id;
    (void)sockets.close(*id, now);
    return std::unexpected(done.error());
}

Outcome<void> fast_open(Sockets& sockets, SocketId id, int name, int value, const weft_options* options, Instant now) {
    if (!options || (options->flags & WEFT_FAST_OPEN) == 0) return {};
    return set(sockets, id, IPPROTO_TCP, name, value, now);
}

constexpr int read_flags = WEFT_PEEK | WEFT_DONTWAIT, write_flags = WEFT_URGENT | WEFT_DONTWAIT | WEFT_MORE;

int ready(Sockets& sockets, std::span<weft_pollfd> fds) {
    int found = 0;
    for (weft_pollfd& one : fds) {
        const std::uint32_t wanted = std::uint32_t(std::uint16_t(one.events)) | api::trouble | api::hang_up;
        one.revents = std::int16_t(sockets.poll(api::socket_of(one.fd)) & wanted);
        found += one.revents != 0;
    }
    return found;
}

// It goes: what is kept beside its socket goes with it.
void forget(weft_stack* s, Sockets& sockets, weft_fd fd) {
    const api::Socket* socket = sockets.find(api::socket_of(fd));
    if (!socket) return;
    s->nonblocking.erase(fd);
    if (socket->kind == api::Socket::Kind::listener) s->shard.listening(socket->local, false);
}

// Takes what was written off the parts. False: nothing is left.
bool cut_front(std::vector<iovec>& parts, std::size_t count) {
    std::size_t whole = 0;
    for (; whole < parts.size() && parts[whole].iov_len <= count; ++whole) count -= parts[whole].iov_len;
    parts.erase(parts.begin(), parts.begin() + std::ptrdiff_t(whole));
    if (parts.empty()) return false;
    parts.front() = {static_cast<char*>(parts.front().iov_base) + count, parts.front().iov_len - count};
    return true;
}

bool sound(const iovec* iov, int count) { return count >= 0 && count <= 1'024 && (iov || count == 0); }

}  // namespace

extern "C" {

weft_fd weft_connect(weft_stack* s, const weft_sockaddr* local, const weft_sockaddr* remote, const weft_options* options) {
    if (!remote || !sound(*remote) || remote->family == WEFT_ANY || (local && !sound(*local))) return -EINVAL;
    bool gone = false;
    const auto begin = [&](Sockets& sockets) -> Outcome<weft_fd> {
        const auto id = make(sockets, Family(remote->family), local, options, s->now());
        if (!id) return std::unexpected(id.error());
        auto begun = fast_open(sockets, *id, TCP_FASTOPEN_CONNECT, 1, options, s->now());
        if (begun) begun = sockets.connect(*id, api::endpoint_of(*remote), s->now());
        if (begun || begun.error() == EINPROGRESS) {
            keep_nonblocking(s, api::fd_of(*id), options);
            return api::fd_of(*id);
        }
        (void)sockets.close(*id, s->now());
        return std::unexpected(begun.error());
    };
    const weft_fd fd = under_lock(s, begin, &gone);
    if (gone) return -ECONNABORTED;
    if (fd < 0) return fd;
    const auto connected = [&](Sockets& sockets) -> Outcome<void> {
        const api::Socket* socket = sockets.find(api::socket_of(fd));
        if (!socket) return std::unexpected(EBADF);
        if (s->without_io || s->nonblocking.contains(fd)) return {};
        if (socket->kind == api::Socket::Kind::connecting) return std::unexpected(EAGAIN);
        if (socket->fate != 0) return std::unexpected(socket->fate);
        return {};
    };
    const std::int64_t open = on(s, fd, s->without_io ? int{WEFT_DONTWAIT} : 0, connected, &gone);
    if (gone) return -ECONNABORTED;
    if (open == 0) return fd;
    (void)weft_close(s, fd);
    return open;
}

weft_fd weft_listen(weft_stack* s, const weft_sockaddr* local, int backlog, const weft_options* options) {
    return weft_listen_with(s, local, backlog, options, nullptr, nullptr);
}

weft_fd weft_listen_with(weft_stack* s, const weft_sockaddr* local, int backlog, const weft_options* options,
                         weft_listener* function, void* context) {
    if (!local || !sound(*local)) return -EINVAL;
    if (backlog <= 0) backlog = s->backlog;
    return under_lock(s, [&](Sockets& sockets) -> Outcome<weft_fd> {
        const auto id = make(sockets, Family(local->family), local, options, s->now(), function != nullptr);
        if (!id) return std::unexpected(id.error());
        auto listens = fast_open(sockets, *id, TCP_FASTOPEN, std::clamp(backlog, 1, 0xffff), options, s->now());
        if (listens) listens = sockets.listen(*id, backlog, s->now(), function != nullptr, function && local->port == 0);
        if (!listens) {
            (void)sockets.close(*id, s->now());
            return std::unexpected(listens.error());
        }
        s->functions.erase(id->place);
        if (function) s->functions[id->place] = {function, context};
        keep_nonblocking(s, api::fd_of(*id), options);
        s->shard.listening(sockets.find(*id)->local, true);
        return api::fd_of(*id);
    });
}

int weft_answer(weft_stack* s, weft_fd asked, int answer) {
    if (answer < WEFT_ACCEPT || answer > WEFT_LATER) return -EINVAL;
    return int(under_lock(s, [&](Sockets& sockets) -> Outcome<void> {
        const auto question = api::question_of(asked);
        if (!question) return std::unexpected(EBADF);
        if (const auto done = sockets.engine().answer(*question, Answer(answer), s->now()); !done)
            return std::unexpected(api::to_errno(done.error()));
        return {};
    }));
}

weft_fd weft_accept(weft_stack* s, weft_fd listener, weft_sockaddr* remote) {
    return on(s, listener, 0, [&](Sockets& sockets) -> Outcome<weft_fd> {
        const auto id = sockets.accept(api::socket_of(listener), s->now());
        if (!id) return std::unexpected(id.error());
        if (const auto peer = sockets.remote(*id)) api::give(*peer, remote);
        return api::fd_of(*id);
    });
}

ssize_t weft_readv(weft_stack* s, weft_fd fd, const struct iovec* iov, int count, int flags) {
    if (!sound(iov, count) || (flags & ~read_flags) != 0) return -EINVAL;
    return on(s, fd, flags, [&](Sockets& sockets) {
        return sockets.receive(api::socket_of(fd), {iov, std::size_t(count)}, flags, s->now());
    });
}

ssize_t weft_read(weft_stack* s, weft_fd fd, void* buffer, size_t length, int flags) {
    const iovec part{buffer, length};
    return weft_readv(s, fd, &part, 1, flags);
}

ssize_t weft_writev(weft_stack* s, weft_fd fd, const struct iovec* iov, int count, int flags) {
    if (!sound(iov, count) || (flags & ~write_flags) != 0) return -EINVAL;
    if (s->without_io)
        return under_lock(s, [&](Sockets& sockets) {
            return sockets.send(api::socket_of(fd), {iov, std::size_t(count)}, flags, s->now());
        });
    std::vector<iovec> left{iov, iov + count};
    ssize_t written = 0;
    const std::int64_t done = on(s, fd, flags, [&](Sockets& sockets) -> Outcome<ssize_t> {
        const bool waits = (flags & WEFT_DONTWAIT) == 0 && !s->nonblocking.contains(fd);
        auto taken = sockets.send(api::socket_of(fd), left, flags, s->now());
        if (!taken && taken.error() == EINPROGRESS && waits) taken = std::unexpected(EAGAIN);  // the SYN left without text
        if (!taken)
            return written > 0 && taken.error() != EAGAIN ? Outcome<ssize_t>{written} : std::unexpected(taken.error());
        written += ssize_t(*taken);
        if (!waits) return written;
        return cut_front(left, *taken) ? Outcome<ssize_t>{std::unexpected(EAGAIN)} : written;
    });
    return done < 0 && written > 0 ? written : done;
}

ssize_t weft_write(weft_stack* s, weft_fd fd, const void* buffer, size_t length, int flags) {
    const iovec part{const_cast<void*>(buffer), length};
    return weft_writev(s, fd, &part, 1, flags);
}

ssize_t weft_take(weft_stack* s, weft_fd fd, struct iovec* iov, int count, weft_lease** lease) {
    if (lease) *lease = nullptr;
    if (!iov || count < 1 || !lease) return -EINVAL;
    return on(s, fd, 0, [&](Sockets& sockets) -> Outcome<std::size_t> {
        weft_lease* made = s->leases;
        if (made) s->leases = made->next;
        else made = new (std::nothrow) weft_lease{};
        if (!made) return std::unexpected(ENOMEM);
        made->stack = s;
        const std::size_t room = std::min<std::size_t>(std::size_t(count), made->slices.size());
        const auto taken = sockets.take(api::socket_of(fd), std::span{made->slices}.first(room), s->now());
        if (!taken || *taken == 0) {
            made->next = std::exchange(s->leases, made);
            return taken;
        }
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < std::size_t(count); ++i) {
            const auto part = i < *taken ? made->slices[i].bytes() : std::span<const std::byte>{};
            iov[i] = {const_cast<std::byte*>(part.data()), part.size()};
            bytes += part.size();
        }
        made->lent = true;
        *lease = made;
        return bytes;
    });
}

void weft_return(weft_lease* lease) {
    if (!lease) return;
    weft_stack* s = lease->stack;
    const api::Entry entry{s};  // who listens may return, too: then the lock is held already
    if (!std::exchange(lease->lent, false)) return;
    for (Slice& slice : lease->slices) slice = {};
    lease->next = std::exchange(s->leases, lease);
}

int weft_shutdown(weft_stack* s, weft_fd fd, int directions) {
    if (directions < WEFT_READ || directions > (WEFT_READ | WEFT_WRITE)) return -EINVAL;
    const auto how = directions == WEFT_READ    ? Sockets::How::read
                     : directions == WEFT_WRITE ? Sockets::How::write
                                                : Sockets::How::both;
    return int(under_lock(s, [&](Sockets& sockets) {
        const api::Socket* socket = sockets.find(api::socket_of(fd));
        if (socket && socket->kind == api::Socket::Kind::listener && how != Sockets::How::write)
            s->shard.listening(socket->local, false);
        return sockets.shutdown(api::socket_of(fd), how, s->now());
    }));
}

int weft_close(weft_stack* s, weft_fd fd) {
    return int(under_lock(s, [&](Sockets& sockets) {
        forget(s, sockets, fd);
        return sockets.close(api::socket_of(fd), s->now());
    }));
}

int weft_abort(weft_stack* s, weft_fd fd) {
    return int(under_lock(s, [&](Sockets& sockets) {
        forget(s, sockets, fd);
        return sockets.abort(api::socket_of(fd), s->now());
    }));
}

int weft_finish(weft_stack* s, weft_fd fd) {
    return int(on(s, fd, 0, [&](Sockets& sockets) -> Outcome<void> {
        using Kind = api::Socket::Kind;
        const api::Socket* socket = sockets.find(api::socket_of(fd));
        if (!socket) return std::unexpected(EBADF);
        if (socket->kind == Kind::fresh || socket->kind == Kind::listener || socket->kind == Kind::deferred)
            return std::unexpected(ENOTCONN);  // no end will ever come
        if (socket->kind == Kind::stream && !socket->write_shut)
            if (const auto shut = sockets.shutdown(api::socket_of(fd), Sockets::How::write, s->now()); !shut) return shut;
        std::array<Slice, 16> thrown_away;
        while (!s->without_io && sockets.take(api::socket_of(fd), thrown_away, s->now()).value_or(0) > 0) {}
        if (socket->kind != Kind::ended) return std::unexpected(EAGAIN);
        if (socket->fate != 0) return std::unexpected(socket->fate);
        return {};
    }));
}

int weft_peers(weft_stack* s, weft_fd fd, weft_sockaddr* local, weft_sockaddr* remote) {
    return int(under_lock(s, [&](Sockets& sockets) -> Outcome<void> {
        const auto ours = sockets.local(api::socket_of(fd));
        if (!ours) return std::unexpected(ours.error());
        api::give(*ours, local);
        const auto theirs = sockets.remote(api::socket_of(fd));
        if (!theirs && remote) return std::unexpected(theirs.error());
        if (theirs) api::give(*theirs, remote);
        return {};
    }));
}

int weft_set(weft_stack* s, weft_fd fd, const weft_options* options) {
    return int(under_lock(s, [&](Sockets& sockets) {
        const auto done = set_all(sockets, api::socket_of(fd), options, s->now());
        if (done) keep_nonblocking(s, fd, options);
        return done;
    }));
}

int weft_setsockopt(weft_stack* s, weft_fd fd, int level, int name, const void* value, size_t length) {
    if (!value) return -EFAULT;
    return int(under_lock(s, [&](Sockets& sockets) {
        return sockets.set_option(api::socket_of(fd), level, name, {static_cast<const std::byte*>(value), length}, s->now());
    }));
}

int weft_getsockopt(weft_stack* s, weft_fd fd, int level, int name, void* value, size_t* length) {
    if (!value || !length) return -EFAULT;
    const auto size = under_lock(s, [&](Sockets& sockets) {
        return sockets.get_option(api::socket_of(fd), level, name, {static_cast<std::byte*>(value), *length}, s->now());
    });
    if (size < 0) return int(size);
    *length = std::size_t(size);
    return 0;
}

int weft_ioctl(weft_stack* s, weft_fd fd, unsigned long request) {
    return int(under_lock(s, [&](Sockets& sockets) { return sockets.ask(api::socket_of(fd), request); }));
}

int weft_poll(weft_stack* s, weft_pollfd* fds, size_t count) {
    if (!fds && count > 0) return -EINVAL;
    return int(under_lock(s, [&](Sockets& sockets) -> Outcome<int> { return ready(sockets, {fds, count}); }));
}

int weft_wait(weft_stack* s, weft_pollfd* fds, size_t count, int timeout_ms) {
    if ((!fds && count > 0) || timeout_ms < -1) return -EINVAL;
    if (s->without_io) return weft_poll(s, fds, count);
    const Instant until = timeout_ms < 0 ? Instant::never() : s->now() + Duration::milliseconds(timeout_ms);
    const std::int64_t some = waiting(s, until, [&](Sockets& sockets) -> Outcome<int> {
        const int found = ready(sockets, {fds, count});
        if (found == 0) return std::unexpected(EAGAIN);
        return found;
    });
    return some == -EAGAIN ? 0 : int(some);
}

int weft_events(weft_stack* s, weft_pollfd* out, size_t capacity) {
    if (!out && capacity > 0) return -EINVAL;
    return int(under_lock(s, [&](Sockets& sockets) -> Outcome<int> {
        std::size_t made = 0;
        Sockets::Woken one;
        for (; made < capacity && sockets.next_woken(one); ++made)
            out[made] = {api::fd_of(one.socket), 0, std::int16_t(one.what), 0};
        return int(made);
    }));
}
}
