// Unix stream sockets in a directory of our own (0700), each client's uid checked (SO_PEERCRED).
#include "node/control.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "node/log.h"

namespace weft::node {
namespace {

constexpr std::size_t read_size = 64 << 10;    // bytes a turn and client
constexpr std::size_t lines_a_turn = 64;

std::string reason(const std::string& what) { return fmt::format("{}: {}", what, std::strerror(errno)); }

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

}  // namespace

std::expected<std::unique_ptr<Control>, std::string> Control::open(Loop& loop, const ControlPaths& paths,
                                                                   std::span<const RpcMethod> methods, Callbacks callbacks) {
    std::unique_ptr<Control> control{new Control(loop, paths, methods, std::move(callbacks))};
    if (auto made = control->prepare_directory(); !made) return std::unexpected(made.error());
    if (auto locked = control->take_lock(); !locked) return std::unexpected(locked.error());
    auto full = control->listen_at(paths.socket);
    if (!full) return std::unexpected(full.error());
    auto read_only = control->listen_at(paths.read_only_socket);
    if (!read_only) return std::unexpected(read_only.error());
    control->listener_ = std::move(*full);
    control->read_only_listener_ = std::move(*read_only);
    control->spare_ = UniqueFd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    Control* self = control.get();
    control->watch_ =
        loop.add(self->listener_.get(), EPOLLIN, [self](std::uint32_t) { self->accept(self->listener_.get(), false); });
    control->read_only_watch_ = loop.add(self->read_only_listener_.get(), EPOLLIN,
                                         [self](std::uint32_t) { self->accept(self->read_only_listener_.get(), true); });
    return control;
}

Control::Control(Loop& loop, ControlPaths paths, std::span<const RpcMethod> methods, Callbacks callbacks)
    : loop_{loop}, paths_{std::move(paths)}, methods_{methods}, callbacks_{std::move(callbacks)} {}

Control::~Control() {
    for (Client& client : clients_)
        if (client.fd) loop_.remove(client.watch);
    loop_.remove(watch_);
    loop_.remove(read_only_watch_);
    if (listener_) ::unlink(paths_.socket.c_str());
    if (read_only_listener_) ::unlink(paths_.read_only_socket.c_str());
}

std::expected<void, std::string> Control::prepare_directory() {
    const std::string& directory = paths_.directory;
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        return std::unexpected(reason(directory + ": cannot make this directory for the control socket") +
                               "; set XDG_RUNTIME_DIR or WEFT_RUNTIME_DIR to a directory of yours");
    struct stat status{};
    if (::lstat(directory.c_str(), &status) != 0) return std::unexpected(reason(directory));
    if (!S_ISDIR(status.st_mode)) return std::unexpected(directory + ": is not a directory");
    if (status.st_uid != ::geteuid())
        return std::unexpected(
            fmt::format("{}: belongs to user {}, not to this one ({}); set WEFT_RUNTIME_DIR to a directory of yours",
                        directory, status.st_uid, ::geteuid()));
    if ((status.st_mode & 077) != 0)
        return std::unexpected(fmt::format("{}: others may enter it (mode {:04o}): run `chmod 700 {}`", directory,
                                           status.st_mode & 07777, directory));
    return {};
}

std::expected<void, std::string> Control::take_lock() {
    lock_ = UniqueFd{::open(paths_.lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!lock_) return std::unexpected(reason(paths_.lock));
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return std::unexpected(reason(paths_.lock));
        return std::unexpected(
            fmt::format("a node of this name is running already ({} is locked): end it with `weft down`, or choose another "
                        "--name",
                        paths_.lock));
    }
    return {};
}

// Who holds the lock is alone: a socket that is there was left by a node that was killed.
std::expected<UniqueFd, std::string> Control::listen_at(const std::string& path) const {
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (!fd) return std::unexpected(reason("socket"));
    sockaddr_un name{.sun_family = AF_UNIX, .sun_path = {}};
    std::memcpy(name.sun_path, path.data(), std::min(path.size(), sizeof name.sun_path - 1));
    ::unlink(path.c_str());
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0)
        return std::unexpected(reason("bind " + path));
    if (::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), 64) != 0) return std::unexpected(reason("listen at " + path));
    return fd;
}

void Control::turn_away(int fd, RpcCode code, std::string_view message) const {
    const std::string line = error_line(nullptr, {code, std::string(message), {}});
    ::send(fd, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Control::accept(int listener, bool read_only) {
    for (std::size_t i = 0; i < max_clients; ++i) {
        UniqueFd fd{::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
        if (!fd && (errno == EMFILE || errno == ENFILE)) return turn_away_without_descriptors(listener);
        if (!fd) return;
        welcome(std::move(fd), read_only);
    }
}

// A client that stayed in the queue would wake the loop for ever: the spare descriptor takes it, to say so and to close.
void Control::turn_away_without_descriptors(int listener) {
    spare_.reset();
    if (const UniqueFd fd{::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)})
        turn_away(fd.get(), RpcCode::too_many, "the node has no descriptor left: end a flow and try again");
    spare_ = UniqueFd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
}

void Control::welcome(UniqueFd fd, bool read_only) {
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || (who.uid != 0 && who.uid != ::geteuid()))
        return turn_away(fd.get(), RpcCode::not_permitted, "this node belongs to another user");
    if (living_ == max_clients)
        return turn_away(fd.get(), RpcCode::too_many,
                         fmt::format("the node has {} clients already: end one and try again", max_clients));

    std::uint32_t index = 0;
    while (index < clients_.size() && clients_[index].fd) ++index;
    if (index == clients_.size()) clients_.emplace_back();
    Client& client = clients_[index];
    const ClientId id{index, client.generation + 1};
    client.watched = EPOLLIN | EPOLLRDHUP;
    client.watch = loop_.add(fd.get(), client.watched, [this, id](std::uint32_t events) { ready(id, events); });
    if (client.watch.generation == 0) return turn_away(fd.get(), RpcCode::internal, "the node cannot watch another client");
    client.fd = std::move(fd);
    client.generation = id.generation;
    client.read_only = read_only;
    ++living_;
}

Control::Client* Control::find(ClientId id) {
    if (id.index >= clients_.size() || (id.generation & 1) == 0) return nullptr;
    Client& client = clients_[id.index];
    return client.generation == id.generation ? &client : nullptr;
}

void Control::ready(ClientId id, std::uint32_t events) {
    Client* client = find(id);
    if (!client) return;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
        // Both directions have ended: what it sent last is still served, but nothing can be answered.
        if (!client->input_ended) read(id, *client);
        if (find(id)) drop(id);
        return;
    }
    const bool line_waits = client->in.find('\n', client->searched) != std::string::npos;
    if ((events & (EPOLLIN | EPOLLRDHUP)) != 0 && !client->input_ended && !line_waits) read(id, *client);
    if (find(id) && !write(*client)) return drop(id);
    if (find(id)) settle(id);
}

void Control::read(ClientId id, Client& client) {
    const std::size_t had = client.in.size();
    client.in.resize(had + read_size);
    const ssize_t got = ::recv(client.fd.get(), client.in.data() + had, read_size, MSG_DONTWAIT);
    client.in.resize(had + std::size_t(std::max<ssize_t>(0, got)));
    if (got == 0) client.input_ended = true;
    if (got < 0 && errno != EAGAIN && errno != EINTR) return drop(id);
    take_lines(id);
}

// A request may end with its client gone: it is looked up anew after each line.
void Control::take_lines(ClientId id) {
    for (std::size_t lines = 0;; ++lines) {
        Client* client = find(id);
        if (!client) return;
        const std::size_t end = client->in.find('\n', client->searched);
        const bool waits = client->closing || client->stalled || client->unsent > max_unread || lines == lines_a_turn;
        if (!waits && end != std::string::npos && end - client->begin <= rpc_max_line) {
            const std::string line = client->in.substr(client->begin, end - client->begin);
            client->searched = client->begin = end + 1;
            take_line(id, *client, line);
            continue;
        }
        client->in.erase(0, client->begin);
        client->searched = end != std::string::npos ? end - client->begin : client->in.size();
        client->begin = 0;
        if (waits) return;
        if (client->in.size() > rpc_max_line) {
            client->closing = true;
            client->in.clear();
            return send(
                id, error_line(nullptr, {RpcCode::not_a_request,
                                         fmt::format("a line is longer than {} bytes: the connection ends", rpc_max_line),
                                         {}}));
        }
        if (client->input_ended && !is_blank(client->in)) {
            const std::string line = std::move(client->in);
            client->in.clear();
            client->searched = 0;
            take_line(id, *client, line);
        }
        return;
    }
}

void Control::take_line(ClientId id, Client& client, std::string_view line) {
    auto request = parse_request(line, methods_, client.read_only);
    if (request) return callbacks_.request(id, std::move(*request));
    if (request.error().wants_answer) send(id, error_line(request.error().id, request.error().error));
}

void Control::send(ClientId id, std::string line, UniqueFd fd) {
    Client* client = find(id);
    if (!client || client->cut_off) return;
    client->unsent += line.size();
    client->out.push_back({std::move(line), 0, std::move(fd)});
    if (client->unsent > max_forced && client->out.size() > 1) {
        log(LogLevel::warning, "control", fmt::format("a client has left {} bytes unread and is let go", client->unsent));
        client->closing = client->cut_off = true;
        client->out.clear();
        client->unsent = 0;
        ::shutdown(client->fd.get(), SHUT_RDWR);  // the loop sees a hang-up and drops it, not under its caller
        return;
    }
    if (client->out.size() == 1) write(*client);
    const std::uint32_t wanted = client->watched | (client->out.empty() ? 0u : std::uint32_t(EPOLLOUT)) |
                                 (client->closing ? std::uint32_t(EPOLLOUT) : 0u);
    if (wanted != client->watched) loop_.modify(client->watch, client->watched = wanted);
}

bool Control::write(Client& client) {
    while (!client.out.empty()) {
        Out& out = client.out.front();
        iovec part{out.bytes.data() + out.sent, out.bytes.size() - out.sent};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
        if (out.fd) {
            message.msg_control = control.data();
            message.msg_controllen = control.size();
            cmsghdr* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int));
            const int fd = out.fd.get();
            std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
        }
        const ssize_t sent = ::sendmsg(client.fd.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN || errno == EINTR;
        out.fd.reset();
        out.sent += std::size_t(sent);
        client.unsent -= std::size_t(sent);
        if (out.sent < out.bytes.size()) return true;
        client.out.pop_front();
    }
    return true;
}

void Control::settle(ClientId id) {
    take_lines(id);  // what waited while too much was unread
    Client* client = find(id);
    if (!client) return;
    const bool more = !client->closing && (client->in.find('\n', client->searched) != std::string::npos ||
                                           (client->input_ended && !is_blank(client->in)));
    if (client->out.empty() && (client->closing || (client->input_ended && client->holds == 0 && !more))) return drop(id);
    const bool reads = !client->input_ended && !client->closing && !client->stalled && !more;
    std::uint32_t wanted = reads ? std::uint32_t(EPOLLIN | EPOLLRDHUP) : 0u;
    if (!client->out.empty() || (more && !client->stalled)) wanted |= EPOLLOUT;  // more: lines beyond what a turn takes
    if (wanted != client->watched) loop_.modify(client->watch, client->watched = wanted);
}

void Control::hold(ClientId id) {
    if (Client* client = find(id)) ++client->holds;
}

void Control::release(ClientId id) {
    Client* client = find(id);
    if (!client || client->holds == 0) return;
    if (--client->holds == 0 && client->input_ended) loop_.modify(client->watch, client->watched = EPOLLOUT);
}

void Control::stall(ClientId id) {
    if (Client* client = find(id)) client->stalled = true;
}

void Control::resume(ClientId id) {
    Client* client = find(id);
    if (!client || !client->stalled) return;
    client->stalled = false;
    settle(id);
}

void Control::drop(ClientId id) {
    Client* client = find(id);
    if (!client) return;
    loop_.remove(client->watch);
    forget(id, *client);
}

std::expected<Control::Taken, std::string> Control::take(ClientId id) {
    Client* client = find(id);
    if (!client) return std::unexpected("the client has gone");
    if (client->holds > 0 || std::ranges::any_of(client->out, [](const Out& out) { return bool(out.fd); }))
        return std::unexpected("this connection carries flows or waits for answers: use one of its own");
    if (!is_blank(std::string_view(client->in).substr(client->begin)))
        return std::unexpected("more was sent behind this request, and nothing may follow it: use a connection of its own");
    Taken taken;
    for (const Out& out : client->out) taken.unsent += std::string_view(out.bytes).substr(out.sent);
    loop_.remove(client->watch);
    taken.fd = std::move(client->fd);
    client->watch = {};
    forget(id, *client);
    return taken;
}

void Control::forget(ClientId id, Client& client) {
    const std::uint32_t next = client.generation + 1;
    client = Client{};
    client.generation = next;
    --living_;
    callbacks_.gone(id);
}

void Control::flush() {
    for (Client& client : clients_)
        if (client.fd) write(client);
}

}  // namespace weft::node
