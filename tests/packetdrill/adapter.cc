// The table of functions that packetdrill calls: real descriptors (an eventfd each, for packetdrill closes them itself) that stand
// for sockets of a Machine. Blocking, readiness and addresses are translated here; what they mean is in stack/api.
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/times.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "tests/packetdrill/abi.h"
#include "tests/packetdrill/convert.h"
#include "tests/packetdrill/machine.h"
#include "tests/packetdrill/stamps.h"

namespace weft::drill {
namespace {

using api::Outcome;
using api::SocketId;
using api::Sockets;

constexpr int fast_open_flag = 0x2000'0000;  // MSG_FASTOPEN

struct Interest {
    epoll_event event{};
    bool ready{false};  // on the list of those that may have something to say
    bool armed{true};
};

struct Descriptor {
    SocketId socket;
    int flags{O_RDWR};
    std::unique_ptr<std::map<int, Interest>> epoll;  // of an epoll descriptor
    std::unique_ptr<Stamps> stamps;  // of a socket that wants them
};

struct Adapter {
    explicit Adapter(std::string_view flags) : machine{flags} {
        machine.wakes([this](const Sockets::Woken& woken) { wake(woken); });
        machine.moves([this] { look(); });
    }

    int add(SocketId socket, std::unique_ptr<std::map<int, Interest>> epoll = nullptr) {
        const int fd = eventfd(0, EFD_CLOEXEC);
        if (fd >= 0) {
            table[fd] = {socket, O_RDWR, std::move(epoll), nullptr};
            by_socket[socket.place] = fd;
        }
        return fd;
    }

    void wake(const Sockets::Woken& one) {
        const auto fd = by_socket.find(one.socket.place);
        if (fd == by_socket.end()) return;
        for (auto& [number, descriptor] : table) {
            if (!descriptor.epoll) continue;
            const auto found = descriptor.epoll->find(fd->second);
            if (found == descriptor.epoll->end()) continue;
            const std::uint32_t wanted = found->second.event.events | EPOLLERR | EPOLLHUP;
            if (one.what & wanted) found->second.ready = true;
        }
    }

    // What has left or was acknowledged since, for those that want to know when.
    void look() {
        for (auto& [number, descriptor] : table) {
            const api::Socket* socket = descriptor.stamps ? machine.sockets().find(descriptor.socket) : nullptr;
            const auto buffers =
                socket ? machine.sockets().engine().buffers(socket->flow) : std::unexpected(Error::no_such_flow);
            if (buffers) descriptor.stamps->look(*buffers, machine.now());
        }
    }

    Machine machine;
    std::map<int, Descriptor> table;
    std::map<std::uint32_t, int> by_socket;
};

Adapter* adapter = nullptr;

int fail(int error) {
    errno = error;
    return -1;
}

// ---- calls

Descriptor* find(int fd) {
    const auto found = adapter->table.find(fd);
    return found == adapter->table.end() ? nullptr : &found->second;
}

bool waits(const Descriptor& descriptor, int flags) {
    return (descriptor.flags & O_NONBLOCK) == 0 && (flags & api::dont_wait) == 0;
}

bool may_wait(int fd, int flags) {
    auto lock = adapter->machine.lock();
    const Descriptor* descriptor = find(fd);
    return descriptor && waits(*descriptor, flags);
}

// Runs `call` until it says something else than EAGAIN, if the descriptor blocks.
template <class Call>
ssize_t run(int fd, int flags, Call&& call) {
    auto lock = adapter->machine.lock();
    const Descriptor* descriptor = find(fd);
    if (!descriptor || descriptor->epoll) return fail(EBADF);
    const SocketId socket = descriptor->socket;
    Outcome<std::size_t> result = std::unexpected(EAGAIN);
    const bool patient = waits(*descriptor, flags);
    const auto attempt = [&] {
        result = call(adapter->machine.sockets(), socket);
        return result.has_value() || result.error() != EAGAIN;
    };
    (void)adapter->machine.block(attempt, patient ? Instant::never() : adapter->machine.now(), lock);
    if (!result) return fail(result.error());
    return ssize_t(*result);
}

template <class Call>
int run_now(int fd, Call&& call) {
    return int(run(fd, api::dont_wait, [&](Sockets& sockets, SocketId socket) -> Outcome<std::size_t> {
        const Outcome<void> done = call(sockets, socket);
        if (!done) return std::unexpected(done.error());
        return 0;
    }));
}

int do_socket(void*, int domain, int type, int protocol) {
    if (domain != AF_INET && domain != AF_INET6) return fail(EAFNOSUPPORT);
    const int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    if ((type & ~flags) != SOCK_STREAM || (protocol != 0 && protocol != IPPROTO_TCP)) return fail(EPROTONOSUPPORT);
    auto lock = adapter->machine.lock();
    adapter->machine.take_tunables();
    const auto made = adapter->machine.sockets().open(domain == AF_INET ? Family::ipv4 : Family::ipv6);
    if (!made) return fail(made.error());
    const int fd = adapter->add(*made);
    if (fd >= 0 && (flags & SOCK_NONBLOCK)) find(fd)->flags |= O_NONBLOCK;
    return fd;
}

int do_bind(void*, int fd, const sockaddr* address, socklen_t length) {
    const auto local = from_sockaddr(address, length);
    if (!local) return fail(local.error());
    return run_now(fd, [&](Sockets& sockets, SocketId socket) { return sockets.bind(socket, *local); });
}

int do_listen(void*, int fd, int backlog) {
    return run_now(fd, [&](Sockets& sockets, SocketId socket) {
        const auto done = sockets.listen(socket, backlog, adapter->machine.now());
        if (done) adapter->machine.listens(sockets.local(socket)->port);
        return done;
    });
}

int do_accept(void*, int fd, sockaddr* address, socklen_t* length) {
    SocketId made;
    const ssize_t done = run(fd, 0, [&](Sockets& sockets, SocketId socket) -> Outcome<std::size_t> {
        const auto accepted = sockets.accept(socket, adapter->machine.now());
        if (!accepted) return std::unexpected(accepted.error());
        made = *accepted;
        return 0;
    });
    if (done < 0) return -1;
    auto lock = adapter->machine.lock();
    give_address(adapter->machine.sockets().remote(made), address, length);
    return adapter->add(made);
}

// EINPROGRESS where nothing waits; where something does, the outcome.
Outcome<std::size_t> connect_step(Sockets& sockets, SocketId socket, const Endpoint& remote, bool may_wait, bool& begun) {
    const auto done = sockets.connect(socket, remote, adapter->machine.now());
    if (done) return 0;
    const int error = done.error();
    if (may_wait && (error == EINPROGRESS || (begun && error == EALREADY))) {
        begun = true;
        return std::unexpected(EAGAIN);
    }
    return std::unexpected(error);
}

int do_connect(void*, int fd, const sockaddr* address, socklen_t length) {
    if (address && length >= sizeof(sa_family_t) && address->sa_family == AF_UNSPEC)
        return run_now(
            fd, [&](Sockets& sockets, SocketId socket) { return sockets.disconnect(socket, adapter->machine.now()); });
    const auto remote = from_sockaddr(address, length);
    if (!remote) return fail(remote.error());
    const bool patient = may_wait(fd, 0);
    bool begun = false;
    return int(run(
        fd, 0, [&](Sockets& sockets, SocketId socket) { return connect_step(sockets, socket, *remote, patient, begun); }));
}

ssize_t receive(int fd, std::span<const iovec> parts, int flags) {
    if (faulty(parts)) return fail(EFAULT);
    std::size_t done = 0;
    std::vector<iovec> left{parts.begin(), parts.end()};
    return run(fd, flags, [&](Sockets& sockets, SocketId socket) -> Outcome<std::size_t> {
        const auto count = sockets.receive(socket, left, flags, adapter->machine.now());
        if (!count) return done > 0 && count.error() != EAGAIN ? Outcome<std::size_t>{done} : count;
        done += *count;
        if ((flags & api::wait_all) == 0 || (flags & api::peek) != 0 || *count == 0) return done;
        return skip(left, *count) ? Outcome<std::size_t>{done} : std::unexpected(EAGAIN);
    });
}

// The text that opens a connection. A blocking call waits for the handshake, and for what that says.
Outcome<std::size_t> open_step(Sockets& sockets, SocketId socket, const Endpoint* remote, std::vector<iovec>& left,
                               int flags, bool patient) {
    const auto count =
        sockets.send_first(socket, remote ? *remote : Endpoint{}, left, flags, adapter->machine.now(), patient);
    if (count) skip(left, *count);
    return count;
}

void note_written(int fd, std::size_t bytes, bool ends) {
    const Descriptor* descriptor = find(fd);
    if (descriptor && descriptor->stamps) descriptor->stamps->written(bytes, ends);
}

// A blocking send takes all of it, however long that takes. `first`: it opens the connection, with text in the SYN.
ssize_t transmit(int fd, std::span<const iovec> parts, int flags, const Endpoint* first = nullptr) {
    if (faulty(parts)) return fail(EFAULT);
    std::size_t done = 0;
    std::vector<iovec> left{parts.begin(), parts.end()};
    const bool patient = may_wait(fd, flags);
    bool begun = false, opening = false;
    return run(fd, flags, [&](Sockets& sockets, SocketId socket) -> Outcome<std::size_t> {
        using Kind = api::Socket::Kind;
        const api::Socket* before = sockets.find(socket);
        const bool opens = before && (before->kind == Kind::deferred || first);
        if (opens && !std::exchange(begun, true)) {
            const auto count = open_step(sockets, socket, first, left, flags, patient);
            if (!count || !patient) return count;
            opening = before->kind == Kind::connecting;
            done += *count;
            if (opening) return std::unexpected(EAGAIN);
        } else if (opening) {
            if (before->kind == Kind::connecting) return std::unexpected(EAGAIN);
            if (before->error != 0) done = 0;  // none of it arrived
            opening = false;
        }
        if (done > 0 && skip(left, 0)) return done;
        if (done > 0 && (sockets.poll(socket) & api::out) == 0) return std::unexpected(EAGAIN);
        const auto count = sockets.send(socket, left, flags, adapter->machine.now());
        if (!count) return done > 0 && count.error() != EAGAIN ? Outcome<std::size_t>{done} : count;
        done += *count;
        const bool all = skip(left, *count);
        note_written(fd, *count, all || !patient);
        return all || !patient ? Outcome<std::size_t>{done} : std::unexpected(EAGAIN);
    });
}

ssize_t send_to(int fd, std::span<const iovec> parts, int flags, const sockaddr* to, socklen_t length) {
    if ((flags & fast_open_flag) == 0) return transmit(fd, parts, flags);
    if (to && length >= sizeof(sa_family_t) && to->sa_family == AF_UNSPEC) return fail(EOPNOTSUPP);
    const auto remote = from_sockaddr(to, length);
    if (!remote) return fail(remote.error());
    return transmit(fd, parts, flags & ~fast_open_flag, &*remote);
}

ssize_t do_read(void*, int fd, void* buffer, std::size_t count) {
    const iovec part{buffer, count};
    return receive(fd, {&part, 1}, 0);
}
ssize_t do_readv(void*, int fd, const iovec* parts, int count) {
    if (count < 0) return fail(EINVAL);
    return receive(fd, {parts, std::size_t(count)}, 0);
}
ssize_t do_recv(void*, int fd, void* buffer, std::size_t count, int flags) {
    const iovec part{buffer, count};
    return receive(fd, {&part, 1}, flags);
}
ssize_t do_recvfrom(void*, int fd, void* buffer, std::size_t count, int flags, sockaddr*, socklen_t* length) {
    if (length) *length = 0;
    return do_recv(nullptr, fd, buffer, count, flags);
}
ssize_t do_recvmsg(void*, int fd, msghdr* message, int flags) {
    if (flags & MSG_ERRQUEUE) {
        auto lock = adapter->machine.lock();
        const Descriptor* descriptor = find(fd);
        if (!descriptor) return fail(EBADF);
        return descriptor->stamps ? descriptor->stamps->take(*message) : fail(EAGAIN);
    }
    const ssize_t done = receive(fd, {message->msg_iov, message->msg_iovlen}, flags);
    const std::size_t room = message->msg_controllen;
    message->msg_controllen = 0;
    message->msg_flags = 0;
    if (done < 0) return done;
    auto lock = adapter->machine.lock();
    const Descriptor* descriptor = find(fd);
    const api::Socket* socket = descriptor ? adapter->machine.sockets().find(descriptor->socket) : nullptr;
    if (socket && socket->options.inq && message->msg_control && room >= CMSG_SPACE(sizeof(int))) {
        cmsghdr header{};
        header.cmsg_len = CMSG_LEN(sizeof(int));
        header.cmsg_level = IPPROTO_TCP;
        header.cmsg_type = TCP_CM_INQ;
        int unread = adapter->machine.sockets().ask(descriptor->socket, FIONREAD).value_or(0);
        // The peer's FIN counts one, so that zero says: nothing, and more may come.
        if (unread == 0 && socket->end) unread = 1;
        std::memcpy(message->msg_control, &header, sizeof header);
        std::memcpy(static_cast<std::byte*>(message->msg_control) + CMSG_LEN(0), &unread, sizeof unread);
        message->msg_controllen = CMSG_SPACE(sizeof(int));
    }
    return done;
}
ssize_t do_write(void*, int fd, const void* buffer, std::size_t count) {
    const iovec part{const_cast<void*>(buffer), count};
    return transmit(fd, {&part, 1}, 0);
}
ssize_t do_writev(void*, int fd, const iovec* parts, int count) {
    if (count < 0) return fail(EINVAL);
    return transmit(fd, {parts, std::size_t(count)}, 0);
}
ssize_t do_send(void*, int fd, const void* buffer, std::size_t count, int flags) {
    const iovec part{const_cast<void*>(buffer), count};
    return transmit(fd, {&part, 1}, flags);
}
ssize_t do_sendto(void*, int fd, const void* buffer, std::size_t count, int flags, const sockaddr* to, socklen_t length) {
    const iovec part{const_cast<void*>(buffer), count};
    return send_to(fd, {&part, 1}, flags, to, length);
}
ssize_t do_sendmsg(void*, int fd, const msghdr* message, int flags) {
    return send_to(fd, {message->msg_iov, message->msg_iovlen}, flags, static_cast<const sockaddr*>(message->msg_name),
                   message->msg_namelen);
}

int do_fcntl(void*, int fd, int command, ...) {
    va_list list;
    va_start(list, command);
    const int argument = command == F_SETFL || command == F_SETFD ? va_arg(list, int) : 0;
    va_end(list);
    auto lock = adapter->machine.lock();
    Descriptor* descriptor = find(fd);
    if (!descriptor) return fail(EBADF);
    if (command == F_GETFL) return descriptor->flags;
    if (command == F_SETFL) descriptor->flags = (descriptor->flags & O_ACCMODE) | (argument & ~O_ACCMODE);
    return 0;
}

int do_ioctl(void*, int fd, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    int* into = va_arg(list, int*);
    va_end(list);
    auto lock = adapter->machine.lock();
    const Descriptor* descriptor = find(fd);
    if (!descriptor) return fail(EBADF);
    const auto answer = adapter->machine.sockets().ask(descriptor->socket, request);
    if (!answer) return fail(answer.error());
    *into = *answer;
    return 0;
}

int do_close(void*, int fd) {
    auto lock = adapter->machine.lock();
    const Descriptor* descriptor = find(fd);
    if (!descriptor) return fail(EBADF);
    if (!descriptor->epoll) {
        adapter->by_socket.erase(descriptor->socket.place);
        (void)adapter->machine.sockets().close(descriptor->socket, adapter->machine.now());
        adapter->machine.pump(lock);
    }
    for (auto& [number, other] : adapter->table)
        if (other.epoll) other.epoll->erase(fd);
    adapter->table.erase(fd);
    return ::close(fd);
}

int do_shutdown(void*, int fd, int how) {
    if (how < SHUT_RD || how > SHUT_RDWR) return fail(EINVAL);
    return run_now(fd, [&](Sockets& sockets, SocketId socket) {
        return sockets.shutdown(socket, Sockets::How(how), adapter->machine.now());
    });
}

int do_getsockopt(void*, int fd, int level, int name, void* value, socklen_t* length) {
    auto lock = adapter->machine.lock();
    const Descriptor* descriptor = find(fd);
    if (!descriptor || descriptor->epoll) return fail(EBADF);
    if (!value || !length) return fail(EFAULT);
    if (level == IPPROTO_TCP && name == TCP_CC_INFO) {  // no module has any
        *length = 0;
        return 0;
    }
    const auto size = adapter->machine.sockets().get_option(
        descriptor->socket, level, name, {static_cast<std::byte*>(value), *length}, adapter->machine.now());
    if (!size) return fail(size.error());
    *length = socklen_t(*size);
    return 0;
}

int do_setsockopt(void*, int fd, int level, int name, const void* value, socklen_t length) {
    if (!value) return fail(EFAULT);
    if (level == SOL_SOCKET && name == SO_TIMESTAMPING && length >= sizeof(std::uint32_t)) {
        auto lock = adapter->machine.lock();
        Descriptor* descriptor = find(fd);
        if (!descriptor || descriptor->epoll) return fail(EBADF);
        std::uint32_t flags = 0;
        std::memcpy(&flags, value, sizeof flags);
        if (!descriptor->stamps) descriptor->stamps = std::make_unique<Stamps>();
        descriptor->stamps->want(flags);
        return 0;
    }
    return run_now(fd, [&](Sockets& sockets, SocketId socket) {
        return sockets.set_option(socket, level, name, {static_cast<const std::byte*>(value), length},
                                  adapter->machine.now());
    });
}

int do_poll(void*, pollfd* fds, nfds_t count, int timeout) {
    auto lock = adapter->machine.lock();
    int ready = 0;
    const auto attempt = [&] {
        ready = 0;
        for (pollfd& one : std::span{fds, count}) {
            const Descriptor* descriptor = find(one.fd);
            const std::uint32_t has = descriptor ? adapter->machine.sockets().poll(descriptor->socket) : 0u;
            const std::uint32_t wanted = std::uint32_t(one.events) | POLLERR | POLLHUP;
            const std::uint32_t both = (has & api::in ? has | POLLRDNORM : has) | (has & api::out ? POLLWRNORM : 0u);
            one.revents = descriptor ? short(both & wanted) : short(POLLNVAL);
            ready += one.revents != 0;
        }
        return ready > 0;
    };
    const Instant until = timeout < 0 ? Instant::never() : adapter->machine.now() + Duration::milliseconds(timeout);
    (void)adapter->machine.block(attempt, until, lock);
    return ready;
}

int do_netdev_send(void*, const void* packet, std::size_t count) {
    auto lock = adapter->machine.lock();
    return adapter->machine.deliver(packet, count, lock) ? 0 : fail(ENOBUFS);
}

int do_netdev_receive(void*, void* packet, std::size_t* count, long long* time_usecs) {
    auto lock = adapter->machine.lock();
    const auto next = adapter->machine.next_packet(lock);
    *time_usecs = adapter->machine.now().nanoseconds() / 1'000;
    if (!next) {
        // Nothing will ever come, and packetdrill asks for ever: a packet that cannot be read ends the script with an error.
        std::fputs("weft_packetdrill: the stack has nothing more to send\n", stderr);
        *count = 1;
        std::memset(packet, 0, 1);
        return 0;
    }
    *time_usecs = next->at.nanoseconds() / 1'000;
    *count = std::min(*count, next->bytes.size());
    std::memcpy(packet, next->bytes.data(), *count);
    return 0;
}

int do_usleep(void*, useconds_t usec) {
    auto lock = adapter->machine.lock();
    adapter->machine.run_until(adapter->machine.now() + Duration::microseconds(usec), lock);
    adapter->machine.rest(lock);
    return 0;
}

int do_gettimeofday(void*, timeval* time, struct timezone*) {
    auto lock = adapter->machine.lock();
    const std::int64_t us = adapter->machine.read_clock(lock).nanoseconds() / 1'000;
    time->tv_sec = us / 1'000'000;
    time->tv_usec = us % 1'000'000;
    return 0;
}

int do_epoll_create(void*, int size) {
    if (size <= 0) return fail(EINVAL);
    auto lock = adapter->machine.lock();
    const int fd = eventfd(0, EFD_CLOEXEC);
    if (fd >= 0) adapter->table[fd] = {{}, O_RDWR, std::make_unique<std::map<int, Interest>>(), nullptr};
    return fd;
}

int do_epoll_ctl(void*, int epoll, int operation, int fd, epoll_event* event) {
    auto lock = adapter->machine.lock();
    Descriptor* descriptor = find(epoll);
    const Descriptor* target = find(fd);
    if (!descriptor || !target) return fail(EBADF);
    if (!descriptor->epoll || fd == epoll) return fail(EINVAL);
    auto& interests = *descriptor->epoll;
    const bool known = interests.contains(fd);
    if (operation == EPOLL_CTL_DEL) return interests.erase(fd) == 1 ? 0 : fail(ENOENT);
    if (!event) return fail(EFAULT);
    if (operation == EPOLL_CTL_ADD && known) return fail(EEXIST);
    if (operation == EPOLL_CTL_MOD && !known) return fail(ENOENT);
    const std::uint32_t has = adapter->machine.sockets().poll(target->socket);
    interests[fd] = {*event, (has & (event->events | EPOLLERR | EPOLLHUP)) != 0, true};
    return 0;
}

int do_epoll_wait(void*, int epoll, epoll_event* events, int most, int timeout) {
    if (most <= 0) return fail(EINVAL);
    auto lock = adapter->machine.lock();
    const Descriptor* descriptor = find(epoll);
    if (!descriptor || !descriptor->epoll) return fail(EINVAL);
    int ready = 0;
    const auto attempt = [&] {
        const Descriptor* now = find(epoll);
        if (!now) return true;
        for (auto& [fd, interest] : *now->epoll) {
            const Descriptor* target = find(fd);
            if (!interest.ready || !interest.armed || !target || ready == most) continue;
            const std::uint32_t has = adapter->machine.sockets().poll(target->socket);
            const std::uint32_t told = has & (interest.event.events | EPOLLERR | EPOLLHUP);
            interest.ready = told != 0 && (interest.event.events & EPOLLET) == 0;
            if (told == 0) continue;
            if (interest.event.events & EPOLLONESHOT) interest.armed = false;
            events[ready++] = {told, interest.event.data};
        }
        return ready > 0;
    };
    const Instant until = timeout < 0 ? Instant::never() : adapter->machine.now() + Duration::milliseconds(timeout);
    (void)adapter->machine.block(attempt, until, lock);
    return ready;
}

int do_pipe(void*, int fds[2]) { return ::pipe(fds); }

ssize_t splice_in(int from, int to, std::size_t count) {
    std::vector<std::byte> bytes(std::min<std::size_t>(count, 65'536));
    const iovec part{bytes.data(), bytes.size()};
    const ssize_t got = receive(from, {&part, 1}, 0);
    return got <= 0 ? got : ::write(to, bytes.data(), std::size_t(got));
}

int do_splice(void*, int from, loff_t*, int to, loff_t*, std::size_t count, unsigned int) {
    if (find(from)) return int(splice_in(from, to, count));
    std::vector<std::byte> bytes(std::min<std::size_t>(count, 65'536));
    const ssize_t got = ::read(from, bytes.data(), bytes.size());
    if (got <= 0) return int(got);
    const iovec part{bytes.data(), std::size_t(got)};
    return int(transmit(to, {&part, 1}, 0));
}

void do_free(void*) {
    delete adapter;
    adapter = nullptr;
}

}  // namespace

bool owns(int fd) {
    if (!adapter) return false;
    auto lock = adapter->machine.lock();
    return find(fd) != nullptr;
}

int own_getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
    return do_getsockopt(nullptr, fd, level, name, value, length);
}

}  // namespace weft::drill

extern "C" {

void packetdrill_interface_init(const char* flags, packetdrill_interface* table) {
    using namespace weft::drill;
    adapter = new Adapter{flags ? flags : ""};
    *table = {adapter,         do_free,       do_socket,     do_bind,        do_listen,         do_accept, do_connect,
              do_read,         do_readv,      do_recv,       do_recvfrom,    do_recvmsg,        do_write,  do_writev,
              do_send,         do_sendto,     do_sendmsg,    do_fcntl,       do_ioctl,          do_close,  do_shutdown,
              do_getsockopt,   do_setsockopt, do_poll,       do_netdev_send, do_netdev_receive, do_usleep, do_gettimeofday,
              do_epoll_create, do_epoll_ctl,  do_epoll_wait, do_pipe,        do_splice};
}
}
