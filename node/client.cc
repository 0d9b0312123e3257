// The control socket's client (see client.h). All that the other end sends is checked: line length, depth, shape, descriptors.
#include "node/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "node/paths.h"

namespace weft::node {
namespace {

using Clock = std::chrono::steady_clock;

ControlError error(ControlError::Kind kind, std::string message) { return {kind, std::move(message), 0, {}}; }

ControlError system_error(const char* what, int number) {
    return error(ControlError::Kind::system, std::string{what} + ": " + std::strerror(number));
}

// Milliseconds to `deadline` as poll(2) takes them, rounded up so that the last wait does not spin.
int remaining(Clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return int(std::clamp<long long>(left, 0, 1'000'000));
}

std::expected<void, ControlError> wait_for(int fd, short events, Clock::time_point deadline) {
    for (;;) {
        pollfd entry{fd, events, 0};
        const int ready = ::poll(&entry, 1, remaining(deadline));
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return std::unexpected(system_error("poll", errno));
        if (Clock::now() >= deadline)
            return std::unexpected(error(ControlError::Kind::timed_out, "the node did not answer in time"));
    }
}

// The largest deadline that steady_clock can hold is far; a caller's "for ever" must not overflow it.
Clock::time_point deadline_after(std::chrono::milliseconds timeout) {
    return Clock::now() + std::min(timeout, std::chrono::milliseconds{std::chrono::hours{24 * 365}});
}

}  // namespace

Client::Client(UniqueFd connected) : socket_{std::move(connected)} {}

std::expected<Client, ControlError> Client::connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return std::unexpected(error(ControlError::Kind::system, "the path of the control socket is too long: " + path));
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!socket) return std::unexpected(system_error("socket", errno));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int number = errno;
        if (number == ENOENT || number == ECONNREFUSED || number == ENOTDIR)
            return std::unexpected(error(ControlError::Kind::not_running, "no node answers at " + path));
        if (number == EACCES || number == EPERM)
            return std::unexpected(error(ControlError::Kind::not_permitted, "no permission to use " + path));
        return std::unexpected(system_error(path.c_str(), number));
    }
    return Client{std::move(socket)};
}

std::expected<void, ControlError> Client::send_line(const std::string& line, Clock::time_point deadline) {
    for (std::size_t sent = 0; sent < line.size();) {
        const ssize_t n = ::send(socket_.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            sent += std::size_t(n);
        } else if (errno == EAGAIN) {
            if (auto ready = wait_for(socket_.get(), POLLOUT, deadline); !ready) return ready;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return std::unexpected(error(ControlError::Kind::closed, "the node closed the control connection"));
        } else if (errno != EINTR) {
            return std::unexpected(system_error("send", errno));
        }
    }
    return {};
}

// A descriptor arrives with or before the last byte of its line, and the lines that carry one are known by their kind.
// So the queue of descriptors stays in step with the lines, however the stream was cut.
std::expected<void, ControlError> Client::read_more(Clock::time_point deadline) {
    std::array<char, 65536> bytes;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 16)> control;
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (auto ready = wait_for(socket_.get(), POLLIN, deadline); !ready) return ready;
    const ssize_t n = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return {};
    if (n < 0 && errno != ECONNRESET) return std::unexpected(system_error("recvmsg", errno));
    if (n <= 0) return std::unexpected(error(ControlError::Kind::closed, "the node closed the control connection"));
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            descriptors_.emplace_back(fd);
        }
    }
    if ((message.msg_flags & MSG_CTRUNC) != 0 || descriptors_.size() > max_waiting)
        return std::unexpected(error(ControlError::Kind::malformed, "the node sent more descriptors than lines for them"));
    received_.append(bytes.data(), std::size_t(n));
    return {};
}

std::expected<Json, ControlError> Client::read_message(Clock::time_point deadline) {
    for (;;) {
        const std::size_t end = received_.find('\n', searched_);
        if (end != std::string::npos) {
            const std::string line = received_.substr(0, end);
            received_.erase(0, end + 1);
            searched_ = 0;
            auto message = parse_json(line, max_depth);
            if (!message)
                return std::unexpected(
                    error(ControlError::Kind::malformed, "the node's line is not JSON: " + message.error().message));
            if (!message->is_object())
                return std::unexpected(error(ControlError::Kind::malformed, "the node's line is not an object"));
            return std::move(*message);
        }
        searched_ = received_.size();
        if (received_.size() > max_line)
            return std::unexpected(error(ControlError::Kind::malformed, "the node's line is longer than 1 MiB"));
        if (auto more = read_more(deadline); !more) return std::unexpected(more.error());
    }
}

std::expected<UniqueFd, ControlError> Client::claim_flow() {
    if (descriptors_.empty())
        return std::unexpected(error(ControlError::Kind::malformed, "the node named a flow but did not hand it over"));
    UniqueFd flow = std::move(descriptors_.front());
    descriptors_.pop_front();
    return flow;
}

std::expected<void, ControlError> Client::keep_notification(Json message) {
    Notification notification;
    if (!message["method"].is_string())
        return std::unexpected(error(ControlError::Kind::malformed, "the node's line is neither answer nor notification"));
    notification.method = message["method"].get<std::string>();
    notification.params = message.contains("params") ? std::move(message["params"]) : Json::object();
    if (notification.method == "flow.accepted") {
        auto flow = claim_flow();
        if (!flow) return std::unexpected(flow.error());
        notification.flow = std::move(*flow);
    }
    if (waiting_.size() >= max_waiting)
        return std::unexpected(error(ControlError::Kind::malformed, "the node sent too many notifications"));
    waiting_.push_back(std::move(notification));
    return {};
}

std::expected<Answer, ControlError> Client::conclude(Json message, bool carries_flow) {
    if (message.contains("error")) {
        const Json& fault = message["error"];
        ControlError rejected = error(ControlError::Kind::rejected, "the node refused without a reason");
        if (fault.is_object()) {
            if (auto text = fault.find("message"); text != fault.end() && text->is_string())
                rejected.message = text->get<std::string>();
            if (auto code = fault.find("code"); code != fault.end() && code->is_number_integer())
                rejected.code = code->get<int>();
            if (auto data = fault.find("data"); data != fault.end() && data->is_object())
                if (auto cause = data->find("error"); cause != data->end() && cause->is_string())
                    rejected.cause = cause->get<std::string>();
        }
        return std::unexpected(std::move(rejected));
    }
    if (!message.contains("result"))
        return std::unexpected(error(ControlError::Kind::malformed, "the node's answer has neither result nor error"));
    Answer answer;
    answer.result = std::move(message["result"]);
    if (carries_flow) {
        auto flow = claim_flow();
        if (!flow) return std::unexpected(flow.error());
        answer.flow = std::move(*flow);
    }
    return answer;
}

void Client::drop_late_answer(const Json& message) {
    const auto late = std::ranges::find_if(abandoned_, [&](std::uint64_t id) { return message.at("id") == Json(id); });
    if (late == abandoned_.end()) return;
    abandoned_.erase(late);
    if (message.contains("result") && !descriptors_.empty()) descriptors_.pop_front();
}

std::expected<Answer, ControlError> Client::call(std::string_view method, const Json& params, Milliseconds timeout) {
    const Clock::time_point deadline = deadline_after(timeout);
    const bool carries_flow = method == "flow.connect";
    const std::uint64_t id = ++last_id_;
    const Json request{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}};
    if (auto sent = send_line(to_line(request) + '\n', deadline); !sent) return std::unexpected(sent.error());
    for (;;) {
        auto message = read_message(deadline);
        if (!message) {
            if (carries_flow && message.error().kind == ControlError::Kind::timed_out) abandoned_.push_back(id);
            return std::unexpected(message.error());
        }
        const auto answered = message->find("id");
        if (answered == message->end()) {
            if (auto kept = keep_notification(std::move(*message)); !kept) return std::unexpected(kept.error());
        } else if (*answered == Json(id) || (answered->is_null() && message->contains("error"))) {
            return conclude(std::move(*message), carries_flow);
        } else {
            drop_late_answer(*message);
        }
    }
}

std::expected<Notification, ControlError> Client::next(Milliseconds timeout) {
    const Clock::time_point deadline = deadline_after(timeout);
    while (waiting_.empty()) {
        auto message = read_message(deadline);
        if (!message) return std::unexpected(message.error());
        if (message->contains("id")) {
            drop_late_answer(*message);
        } else if (auto kept = keep_notification(std::move(*message)); !kept) {
            return std::unexpected(kept.error());
        }
    }
    Notification first = std::move(waiting_.front());
    waiting_.pop_front();
    return first;
}

std::expected<std::string, std::string> control_socket_path(std::string_view node) {
    std::string name{node};
    if (name.empty())
        if (const char* chosen = std::getenv("WEFT_NODE")) name = chosen;
    if (name.empty()) name = default_node;
    if (name.find('/') != std::string::npos) return name;
    auto paths = control_paths(name);
    if (!paths) return std::unexpected(paths.error());
    return paths->socket;
}

}  // namespace weft::node
