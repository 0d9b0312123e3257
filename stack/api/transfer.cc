// What goes through a socket: send, receive, leases without a copy, and what of it is ready (POSIX.1-2024: recv, send, poll).
#include <algorithm>
#include <utility>

#include "stack/api/sockets.h"
#include "stack/tcp/tcb.h"

namespace weft::api {
namespace {

std::size_t total(std::span<const iovec> parts) {
    std::size_t sum = 0;
    for (const iovec& part : parts) sum += part.iov_len;
    return sum;
}

}  // namespace

// In Linux's order: what came before comes first, then an error, then the end.
Outcome<std::size_t> Sockets::nothing_to_read(Socket& socket, Error why) {
    const bool news = why != Error::would_block && why != Error::end_of_stream && why != Error::no_such_flow;
    if (news && socket.kind != Socket::Kind::ended && socket.error == 0)  // of what has ended it was told already
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
    case Socket::Kind::deferred:
    case Socket::Kind::connecting: return fail(EAGAIN);
    case Socket::Kind::stream: return {};
    }
    return fail(EPIPE);
}

Outcome<std::size_t> Sockets::send(SocketId id, std::span<const iovec> from, int flags, Instant now) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if (s.kind == Socket::Kind::deferred) return send_first(id, s.remote, from, flags, now);
    if (const auto may = may_send(s); !may) return fail(may.error());
    const auto buffers = engine_->buffers(s.flow);
    if (counts_packets_ && total(from) > 0) return send_counted(s, from, flags, now);
    if (buffers && unsent_low(s) > 0 && buffers->unsent >= unsent_low(s)) return fail(EAGAIN);
    std::size_t done = 0;
    while (!from.empty() && from.back().iov_len == 0) from = from.first(from.size() - 1);
    for (std::size_t i = 0; i < from.size(); ++i) {
        if (from[i].iov_len == 0) continue;
        const bool last = i + 1 == from.size();
        const WriteOptions options{.urgent = last && (flags & oob) != 0,
                                   .more = s.options.cork || (flags & more) != 0 || !last,
                                   .held_back = (flags & more) != 0,
                                   .ends_record = last && (flags & end_of_record) != 0};
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

// What the packets have room for goes to the engine whatever its own bound says.
Outcome<std::size_t> Sockets::send_counted(Socket& s, std::span<const iovec> from, int flags, Instant now) {
    Counted& counted = counted_[s.flow.index()];
    const std::size_t wanted = total(from);
    std::size_t left = packets_take(s, counted, wanted), done = 0;
    if (left == 0) return fail(EAGAIN);
    const bool whole = left == wanted;
    for (const iovec& part : from) {
        const std::size_t some = std::min(part.iov_len, left);
        if (some == 0) continue;
        left -= some;
        const bool last = left == 0 && whole;
        const WriteOptions options{.urgent = last && (flags & oob) != 0,
                                   .more = s.options.cork || (flags & more) != 0 || left > 0,
                                   .overflow = true,
                                   .held_back = (flags & more) != 0,
                                   .ends_record = last && (flags & end_of_record) != 0};
        const auto taken =
            engine_->write(s.flow, std::span{static_cast<const std::byte*>(part.iov_base), some}, options, now);
        if (!taken) return fail(taken.error() == Error::closed_by_peer ? EPIPE : to_errno(taken.error()));
        done += *taken;
    }
    return done;
}

namespace {

constexpr std::uint64_t packet_overhead = 1'280;  // bytes of a packet's record, besides its text

}  // namespace

std::uint64_t Sockets::memory_limit(const Socket& s) const {
    if (s.options.send_buffer > 0) return std::uint64_t{s.options.send_buffer} * 2;
    const tcp::Tcb* tcb = engine_->inspect(s.flow);
    return tcb ? tcb->sending.limit : engine_->config().send_buffer;
}

std::uint64_t Sockets::packet_memory(const Socket& s, const Counted& counted) const {
    const auto buffers = engine_->buffers(s.flow);
    const std::uint32_t text = buffers ? buffers->unacknowledged : 0;
    const auto alive = std::upper_bound(counted.ends.begin(), counted.ends.end(), counted.written - text);
    return text + packet_overhead * std::uint64_t(counted.ends.end() - alive);
}

bool Sockets::packets_ready(const Socket& s, const Counted& counted) const {
    return packet_memory(s, counted) <= memory_limit(s) * 2 / 3;
}

// Packets are filled to half of the largest window that the peer ever offered; a full one is pushed, and what the window lets out of it
// leaves the rest to be filled up again. Only a new packet asks whether there is memory, and how much is unsent.
std::size_t Sockets::packets_take(const Socket& s, Counted& counted, std::size_t wanted) {
    const auto buffers = engine_->buffers(s.flow);
    const tcp::Tcb* tcb = engine_->inspect(s.flow);
    if (!buffers || !tcb) return 0;
    while (!counted.ends.empty() && counted.ends.front() <= counted.written - buffers->unacknowledged)
        counted.ends.pop_front();
    const tcp::Tcb::Sending& out = tcb->sending;
    const std::uint32_t mss = tcb->receiving.mss, flight = out.snd_nxt - out.snd_una;
    const std::uint32_t window = std::min(out.snd_wnd, out.steering.cwnd), open = window > flight ? window - flight : 0;
    const std::uint64_t goal = std::max(mss, std::min(65'535u, out.max_snd_wnd / 2) / mss * mss);
    const std::uint64_t begin = counted.written, may_leave = begin - buffers->unsent + open / mss * mss;
    std::uint64_t pushed = begin - buffers->unsent, written = begin;
    std::uint64_t memory = packet_memory(s, counted);
    const std::uint64_t limit = memory_limit(s);
    const auto tail_begin = [&] {
        const std::uint64_t before = counted.ends.size() < 2 ? 0 : counted.ends[counted.ends.size() - 2];
        return std::max(
            {before, pushed, written - std::min(written, std::uint64_t{buffers->unacknowledged} + (written - begin))});
    };
    while (wanted > 0) {
        std::uint64_t tail = counted.ends.empty() ? 0 : written - std::min(written, tail_begin());
        if (tail == 0 || tail >= goal) {
            const bool many_unsent = unsent_low(s) > 0 && written - pushed >= unsent_low(s);
            if (memory >= limit || many_unsent) break;
            counted.ends.push_back(written);
            memory += packet_overhead;
            tail = 0;
        }
        const std::uint64_t some = std::min<std::uint64_t>(wanted, goal - tail);
        written += some, memory += some, wanted -= some;
        counted.ends.back() = written;
        if (tail + some < goal || pushed >= may_leave) continue;
        pushed = std::min(written, may_leave);
        if (pushed == written) continue;
        counted.ends.insert(counted.ends.end() - 1, pushed);
        memory += packet_overhead;
    }
    counted.written = written;
    return std::size_t(written - begin);
}

Outcome<std::size_t> Sockets::send_first(SocketId id, const Endpoint& remote, std::span<const iovec> from, int flags,
                                         Instant now, bool all) {
    const auto socket = get(id);
    if (!socket) return fail(socket.error());
    Socket& s = **socket;
    if ((engine_->config().fast_open & 1) == 0) return fail(EOPNOTSUPP);
    if (s.kind == Socket::Kind::listener) return fail(EISCONN);
    if (s.kind == Socket::Kind::connecting) return fail(EALREADY);
    if (s.kind == Socket::Kind::ended) return send(id, from, flags, now);
    if (s.kind == Socket::Kind::stream) {
        if (std::exchange(s.told_connected, true)) return fail(EISCONN);
        return send(id, from, flags, now);
    }
    const Endpoint to = s.kind == Socket::Kind::deferred ? s.remote : remote;
    if (to.address.family() != s.family) return fail(EAFNOSUPPORT);
    std::size_t left = total(from);
    if (!all) left = std::min<std::size_t>(left, engine_->fast_open_room(to, active_options(s), now));
    if (const auto begun = begin(s, id, to, true, now); !begun) return fail(begun.error());
    std::size_t done = 0;
    for (const iovec& part : from) {
        const std::span bytes{static_cast<const std::byte*>(part.iov_base), std::min(part.iov_len, left)};
        if (bytes.empty()) continue;
        const auto taken = engine_->write(s.flow, bytes, {}, now);
        if (!taken) break;
        if (counts_packets_) {
            Counted& counted = counted_[s.flow.index()];
            counted.ends.push_back(counted.written += *taken);
        }
        done += *taken;
        left -= *taken;
        if (*taken < bytes.size()) break;
    }
    if (done == 0 && !all) return fail(EINPROGRESS);
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
    const auto counted = counts_packets_ ? counted_.find(socket.flow.index()) : counted_.end();
    if (counted != counted_.end())
        return packets_ready(socket, counted->second) && (unsent_low(socket) == 0 || buffers->unsent < unsent_low(socket));
    return buffers->room > 0 && buffers->room >= buffers->unacknowledged / 2 &&
           (unsent_low(socket) == 0 || buffers->unsent < unsent_low(socket));
}

std::uint32_t Sockets::poll(SocketId id) {
    Socket* socket = sockets_.find(id);
    if (!socket) return trouble;
    Socket& s = *socket;
    if (s.kind == Socket::Kind::listener) return engine_->waiting(s.listener) > 0 ? std::uint32_t{in} : 0u;
    std::uint32_t ready = s.error != 0 ? std::uint32_t{trouble} : 0u;
    if (s.kind == Socket::Kind::fresh) return ready | out | hang_up;
    if (s.kind == Socket::Kind::deferred) return ready | out;
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
