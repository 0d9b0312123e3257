// What goes through a socket: send, receive, leases without a copy, and what of it is ready (POSIX.1-2024: recv, send, poll).
#include <algorithm>
#include <utility>

#include "stack/api/sockets.h"
#include "stack/tcp/tcb.h"

namespace weft::api {
namespace {

std::unexpected<int> fail(int error) { return std::unexpected{error}; }
std::unexpected<int> fail(Error error) { return std::unexpected{to_errno(error)}; }

std::size_t total(std::span<const iovec> parts) {
    std::size_t sum = 0;
    for (const iovec& part : parts) sum += part.iov_len;
    return sum;
}

}  // namespace

// In Linux's order: what came before comes first, then an error, then the end.
Outcome<std::size_t> Sockets::nothing_to_read(Socket& socket, Error why) {
    if (why != Error::would_block && why != Error::end_of_stream && why != Error::no_such_flow && socket.error == 0)
        socket.error = to_errno(why);
    if (const int error = take_error(socket)) return fail(error);
    if (why == Error::end_of_stream || socket.read_shut || socket.end) return 0;
    if (socket.kind == Socket::Kind::ended) return fail(ENOTCONN);
    return fail(EAGAIN);
}

Outcome<std::size_t> Sockets::receive(SocketId id, std::span<const iovec> into, int flags, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (s.kind == Socket::Kind::fresh || s.kind == Socket::Kind::listener) return fail(ENOTCONN);
    // Urgent text is never taken out of the stream (RFC 6093, section 6): there is nothing to be had out of band.
    if (flags & oob) return fail(EINVAL);
    if (s.flow == Flow{}) return nothing_to_read(s, Error::no_such_flow);
    if (total(into) == 0) return 0;
    std::size_t done = 0;
    for (const iovec& part : into) {
        if (part.iov_len == 0) continue;
        const std::span bytes{static_cast<std::byte*>(part.iov_base), part.iov_len};
        const auto count = flags & peek ? engine_->peek(s.flow, done, bytes, now) : engine_->read(s.flow, bytes, now);
        if (!count) {
            if (done > 0) break;
            return nothing_to_read(s, count.error());
        }
        done += *count;
        if (*count < part.iov_len) break;
    }
    if (s.urgent) s.urgent = engine_->urgent(s.flow).value_or(0) > 0;
    return done;
}

Outcome<std::size_t> Sockets::take(SocketId id, std::span<Slice> into, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (s.kind == Socket::Kind::fresh || s.kind == Socket::Kind::listener) return fail(ENOTCONN);
    if (s.flow == Flow{}) return nothing_to_read(s, Error::no_such_flow);
    const auto count = engine_->take(s.flow, into, now);
    if (!count) return nothing_to_read(s, count.error());
    return *count;
}

Outcome<void> Sockets::may_send(Socket& socket) {
    if (const int error = take_error(socket)) return fail(error);
    if (socket.write_shut) return fail(EPIPE);
    switch (socket.kind) {
    case Socket::Kind::fresh:
    case Socket::Kind::listener:
    case Socket::Kind::ended: return fail(EPIPE);
    case Socket::Kind::connecting: return fail(EAGAIN);
    case Socket::Kind::stream: return {};
    }
    return fail(EPIPE);
}

Outcome<std::size_t> Sockets::send(SocketId id, std::span<const iovec> from, int flags, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (const auto may = may_send(s); !may) return fail(may.error());
    const auto buffers = engine_->buffers(s.flow);
    if (buffers && s.options.unsent_low > 0 && buffers->unsent >= s.options.unsent_low) return fail(EAGAIN);
    std::size_t done = 0;
    while (!from.empty() && from.back().iov_len == 0) from = from.first(from.size() - 1);
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i].iov_len == 0) continue;
        const bool last = i + 1 == from.size();
        const WriteOptions options{.urgent = last && (flags & oob) != 0,
                                   .more = s.options.cork || (flags & more) != 0 || !last};
        const auto taken =
            engine_->write(s.flow, {static_cast<const std::byte*>(from[i].iov_base), from[i].iov_len}, options, now);
        if (!taken && done > 0) break;
        if (!taken) {
            if (taken.error() == Error::closed_by_peer || taken.error() == Error::no_such_flow) return fail(EPIPE);
            return fail(taken.error());
        }
        done += *taken;
        if (*taken < from[i].iov_len) break;
    }
    return done;
}

Outcome<std::size_t> Sockets::give(SocketId id, const Slice& slice, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (const auto may = may_send(s); !may) return fail(may.error());
    const auto taken = engine_->write(s.flow, slice, {.more = s.options.cork}, now);
    if (taken) return slice.size();
    return fail(taken.error());
}

bool Sockets::writable(const Socket& socket) const {
    const auto buffers = engine_->buffers(socket.flow);
    if (!buffers) return true;  // and the call says why it cannot
    return buffers->room > 0 && buffers->room >= buffers->unacknowledged / 2 &&
           (socket.options.unsent_low == 0 || buffers->unsent < socket.options.unsent_low);
}

std::uint32_t Sockets::poll(SocketId id) {
    Socket* socket = sockets_.find(id);
    if (!socket) return trouble;
    Socket& s = *socket;
    if (s.kind == Socket::Kind::listener) return engine_->waiting(s.listener) > 0 ? std::uint32_t{in} : 0u;
    std::uint32_t ready = s.error != 0 ? std::uint32_t{trouble} : 0u;
    if (s.kind == Socket::Kind::fresh) return ready | out | hang_up;
    if (s.kind == Socket::Kind::ended) return ready | in | out | hang_up | peer_shut;
    if (s.kind == Socket::Kind::connecting) return ready;
    const bool ends = s.end || s.read_shut;
    if (ends) ready |= in | peer_shut;
    if (ends && s.write_shut) ready |= hang_up;
    const auto buffers = engine_->buffers(s.flow);
    if (buffers && buffers->unread >= std::max(s.options.receive_low, 1u)) ready |= in;
    if (s.write_shut || writable(s)) ready |= out;
    if (s.urgent) ready |= priority;
    return ready;
}

}  // namespace weft::api
