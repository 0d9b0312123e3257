// The control sockets of a node: clients, their lines in, lines and descriptors out (docs/architecture.md). What the
// methods do is not known here.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/loop.h"
#include "node/paths.h"
#include "node/rpc.h"
#include "node/unique_fd.h"

namespace weft::node {

// Names a client; one that has gone names nobody, and what is sent to it is dropped.
struct ClientId {
    std::uint32_t index{0}, generation{0};
    friend bool operator==(ClientId, ClientId) = default;
};

class Control {
public:
    static constexpr std::size_t max_clients = 64;          // on both sockets
    static constexpr std::size_t max_unread = 4 << 20;      // bytes that a client has not read: then its requests wait
    static constexpr std::size_t max_forced = 8 << 20;      // and, with notifications, then it is let go

    struct Callbacks {
        std::function<void(ClientId, RpcRequest)> request;
        std::function<void(ClientId)> gone;
    };

    // Takes the node's lock, so that two daemons never share a name; removes what a killed one left behind. `loop` must
    // outlive the object. The error is a message for a person.
    static std::expected<std::unique_ptr<Control>, std::string> open(Loop& loop, const ControlPaths& paths,
                                                                     std::span<const RpcMethod> methods,
                                                                     Callbacks callbacks);
    ~Control();  // removes both sockets
    Control(const Control&) = delete;
    Control& operator=(const Control&) = delete;

    // One line, and a descriptor that the client receives with its first byte.
    void send(ClientId client, std::string line, UniqueFd fd = {});

    // While it is held, a client that has ended its input is not let go: answers or notifications are to come.
    void hold(ClientId client);
    void release(ClientId client);

    // From stall() to resume() no further request of the client is taken: an answer that takes turns to make comes in its order.
    void stall(ClientId client);
    void resume(ClientId client);

    // A client that becomes something else than a client: its socket, and what it has not read yet. Refused (a sentence says why)
    // while flows or other answers are on their way to it, or it has sent more than this request.
    struct Taken {
        UniqueFd fd;
        std::string unsent;
    };
    std::expected<Taken, std::string> take(ClientId client);

    void flush();  // at the end: what fits into the sockets
    std::size_t clients() const { return living_; }

private:
    struct Out {
        std::string bytes;
        std::size_t sent{0};
        UniqueFd fd;
    };
    struct Client {
        UniqueFd fd;
        Loop::Watch watch;
        std::uint32_t generation{0};  // odd while it lives
        std::uint32_t watched{0};  // epoll events
        std::uint32_t holds{0};
        bool read_only{false}, input_ended{false};
        bool stalled{false};  // its requests wait for an answer
        bool closing{false};  // goes when `out` is empty
        bool cut_off{false};  // left too much unread: goes now
        std::string in;
        std::size_t begin{0};  // of the next line in `in`
        std::size_t searched{0};  // from `begin` to it there is no line feed
        std::deque<Out> out;
        std::size_t unsent{0};  // bytes in `out`
    };

    Control(Loop& loop, ControlPaths paths, std::span<const RpcMethod> methods, Callbacks callbacks);
    std::expected<void, std::string> prepare_directory();
    std::expected<void, std::string> take_lock();
    std::expected<UniqueFd, std::string> listen_at(const std::string& path) const;
    void accept(int listener, bool read_only);
    void turn_away_without_descriptors(int listener);
    void welcome(UniqueFd fd, bool read_only);
    void turn_away(int fd, RpcCode code, std::string_view message) const;
    Client* find(ClientId client);
    void ready(ClientId id, std::uint32_t events);
    void read(ClientId id, Client& client);
    void take_lines(ClientId id);
    void take_line(ClientId id, Client& client, std::string_view line);
    bool write(Client& client);  // false: the client has gone
    void settle(ClientId id);  // watches what is needed now, or lets the client go
    void drop(ClientId id);
    void forget(ClientId id, Client& client);

    Loop& loop_;
    ControlPaths paths_;
    std::span<const RpcMethod> methods_;
    Callbacks callbacks_;
    UniqueFd lock_, listener_, read_only_listener_;
    UniqueFd spare_;  // given up to turn a client away when there is no other
    Loop::Watch watch_, read_only_watch_;
    std::deque<Client> clients_;  // a client that is being served must not move
    std::size_t living_{0};
};

}  // namespace weft::node
