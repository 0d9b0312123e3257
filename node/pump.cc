// The socket is watched edge-triggered: it is read and written until it would block. Text is lent both ways, not copied.
#include "node/pump.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <utility>

namespace weft::node {

void Pump::socket_ready(std::uint32_t events) {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) socket_readable_ = true;
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) socket_writable_ = true;
    if ((events & EPOLLHUP) != 0) hung_up_ = true;
}

void Pump::finish() {
    ::shutdown(fd_.get(), SHUT_RD);
    socket_readable_ = true;
}

Pump::Progress Pump::run(Engine& engine, BufferPool& pool, Instant now) {
    const Progress out = over_ ? Progress::waiting : to_flow(engine, pool, now);
    if (out == Progress::aborted) return out;
    const Progress in = to_socket(engine, now);
    if (in == Progress::aborted || in == Progress::ended) return in;
    return in == Progress::more || out == Progress::more ? Progress::more : out;
}

Pump::Progress Pump::to_flow(Engine& engine, BufferPool& pool, Instant now) {
    for (unsigned turn = 0; turn < turns; ++turn) {
        if (const Progress sent = send(engine, staged_, now); sent != Progress::more) return sent;
        if (input_ended_) {
            if (!std::exchange(fin_passed_, true)) (void)engine.shutdown(flow_, Engine::Direction::write, now);
            // Nobody reads any more: the engine resets the flow if there is text, or more comes.
            if (hung_up_ && !std::exchange(reading_shut_, true)) (void)engine.shutdown(flow_, Engine::Direction::both, now);
            return Progress::waiting;
        }
        if (!socket_readable_) return Progress::waiting;
        Chunk* chunk = pool.allocate(piece);
        if (!chunk) return Progress::starved;
        staged_ = Slice{chunk, 0, 0};
        const ssize_t got = ::recv(fd_.get(), chunk->data(), piece, MSG_DONTWAIT);
        if (got < 0) {
            staged_ = {};
            if (errno == EINTR) continue;
            socket_readable_ = false;
            // ECONNRESET: closed with bytes that it had not read.
            return errno == EAGAIN ? Progress::waiting : Progress::aborted;
        }
        if (got == 0) input_ended_ = true;
        else flow_writable_ = true;
        staged_ = Slice{chunk, 0, std::uint32_t(got)};
    }
    return Progress::more;
}

Pump::Progress Pump::hand_over() {
    std::array<iovec, 32> parts{};
    while (first_ < last_) {
        std::size_t count = 0;
        for (std::uint32_t i = first_; i < last_; ++i, ++count) {
            const auto bytes = taken_[i].bytes();
            parts[count] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
        }
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = count;
        const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) {
            socket_writable_ = false;
            return errno == EAGAIN ? Progress::waiting : Progress::aborted;
        }
        bytes_in_ += std::uint64_t(sent);
        for (std::size_t left = std::size_t(sent); left > 0 && first_ < last_;) {
            Slice& slice = taken_[first_];
            const std::size_t used = std::min<std::size_t>(left, slice.size());
            left -= used;
            slice = used == slice.size() ? Slice{} : slice.sub(std::uint32_t(used), slice.size());
            if (slice.size() == 0) ++first_;
        }
    }
    first_ = last_ = 0;
    return Progress::more;
}

Pump::Progress Pump::to_socket(Engine& engine, Instant now) {
    for (unsigned turn = 0; turn < turns; ++turn) {
        if (first_ < last_) {
            const Progress handed = socket_writable_ ? hand_over() : Progress::waiting;
            if (handed != Progress::more) return handed;
        }
        if (over_ || end_passed_ || !flow_readable_ || reading_shut_) break;
        const auto count = take(engine, taken_, now);
        if (count && *count > 0) {
            last_ = std::uint32_t(*count);
            continue;
        }
        flow_readable_ = false;
        if (!count && count.error() == Error::end_of_stream) {
            end_passed_ = true;
            ::shutdown(fd_.get(), SHUT_WR);
        }
    }
    if (first_ < last_) return Progress::more;
    if (over_) return Progress::ended;
    return flow_readable_ && !end_passed_ && !reading_shut_ ? Progress::more : Progress::waiting;
}

}  // namespace weft::node
