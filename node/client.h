// The client's end of a node's control socket: JSON-RPC 2.0, one object a line, over a Unix stream socket. A flow comes
// as one end of a socketpair beside its line (SCM_RIGHTS); notifications that arrive while a call waits are kept.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "node/json.h"
#include "node/json_library.h"
#include "node/unique_fd.h"

namespace weft::node {

struct ControlError {
    enum class Kind : std::uint8_t {
        not_running,    // nobody listens at the socket
        not_permitted,  // it belongs to somebody else
        timed_out,      // no answer in time
        closed,         // the node ended the conversation
        malformed,      // what came is not this protocol
        rejected,       // the node answered with an error
        system,         // a call of this machine's kernel failed
    };
    Kind kind{};
    std::string message;
    int code{0};        // JSON-RPC's, when rejected
    std::string cause;  // data.error, when rejected: "refused", "timed_out", "unreachable", ...
};

struct Answer {
    Json result;
    UniqueFd flow;  // flow.connect alone carries one
};

struct Notification {
    std::string method;
    Json params;
    UniqueFd flow;  // flow.accepted alone carries one
};

class Client {
public:
    using Milliseconds = std::chrono::milliseconds;
    static constexpr std::size_t max_line = std::size_t{1} << 20;
    static constexpr std::size_t max_depth = 32;
    static constexpr std::size_t max_waiting = 256;  // notifications and descriptors kept for the caller

    static std::expected<Client, ControlError> connect(const std::string& path);
    explicit Client(UniqueFd connected);

    // `timeout` bounds the whole call. A late answer to a call that timed out is dropped when it comes.
    std::expected<Answer, ControlError> call(std::string_view method, const Json& params, Milliseconds timeout);
    // The next notification, the oldest first; timed_out if none comes.
    std::expected<Notification, ControlError> next(Milliseconds timeout);

    // The socket itself, for what it carries from here on; `rest`: what was read beyond the last line. Nothing may be asked any more.
    UniqueFd release(std::string& rest) {
        rest = std::move(received_);
        return std::move(socket_);
    }

    // Readable when next(0) may have something; what has_waiting() says was read already.
    int descriptor() const { return socket_.get(); }
    bool has_waiting() const { return !waiting_.empty(); }

private:
    using Clock = std::chrono::steady_clock;

    std::expected<void, ControlError> send_line(const std::string& line, Clock::time_point deadline);
    std::expected<Json, ControlError> read_message(Clock::time_point deadline);
    std::expected<void, ControlError> read_more(Clock::time_point deadline);
    std::expected<void, ControlError> keep_notification(Json message);
    std::expected<Answer, ControlError> conclude(Json message, bool carries_flow);
    std::expected<UniqueFd, ControlError> claim_flow();
    void drop_late_answer(const Json& message);

    UniqueFd socket_;
    std::string received_;  // bytes after the last whole line, and lines not yet taken
    std::size_t searched_{0};  // received_ holds no line feed before this offset
    std::deque<UniqueFd> descriptors_;  // in the order of the lines that carry one
    std::deque<Notification> waiting_;
    std::vector<std::uint64_t> abandoned_;  // flow.connect calls that timed out: their late answers carry a descriptor
    std::uint64_t last_id_{0};
};

// The socket of the node of this name (control_paths). A name with a slash is the socket itself; an empty one means
// $WEFT_NODE, then "default". The error is a message for a person.
std::expected<std::string, std::string> control_socket_path(std::string_view node);

}  // namespace weft::node
