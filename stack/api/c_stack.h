// What is behind a weft_stack: engine, sockets, the time last given, and packets on their way out.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "stack/api/sockets.h"
#include "stack/api/weft.h"
#include "stack/core/buffer.h"
#include "stack/engine/engine.h"

struct weft_lease {
    weft_stack* stack{nullptr};
    weft_lease* next{nullptr};  // of those that wait to be used again
    bool lent{false};
    std::array<weft::Slice, 64> slices;
};

struct weft_stack {
    weft_stack(const weft::Config& config, std::size_t memory)
        : pool{memory}, engine{config, pool}, sockets{engine, {config.seed[0] ^ 0x706f'7274, config.seed[1]}} {}
    ~weft_stack() {
        while (leases) delete std::exchange(leases, leases->next);
    }

    // Before each call that changes something.
    void at(weft_time time) { now = std::max(now, weft::Instant::from_nanoseconds(time)); }

    // Takes events, and asks the functions that listen. After each call that changes something.
    void settle();

    struct Function {
        weft_listener* ask;
        void* context;
    };

    std::mutex lock;
    std::atomic<std::thread::id> holder;  // of the lock
    weft::BufferPool pool;
    weft::Engine engine;
    weft::api::Sockets sockets;
    weft::Instant now;
    weft_lease* leases{nullptr};
    std::map<std::uint32_t, Function> functions;  // under the place of the listener's socket

    // weft_output: the packets of the last transmit(), cut, one after the other; the first ones were handed out.
    struct Out {
        std::size_t at, length;
        std::uint32_t link;
    };
    std::vector<std::byte> bytes;
    std::vector<Out> out;
    std::size_t handed{0};
};

namespace weft::api {

// The stack's lock for as long as this lives. False: this thread holds it already, as a listener's function does.
class Guard {
public:
    explicit Guard(weft_stack& stack) : stack_{stack} {
        const auto self = std::this_thread::get_id();
        if (stack.holder.load(std::memory_order_relaxed) == self) return;
        stack.lock.lock();
        stack.holder.store(self, std::memory_order_relaxed);
        ours_ = true;
    }
    ~Guard() {
        if (!ours_) return;
        stack_.holder.store({}, std::memory_order_relaxed);
        stack_.lock.unlock();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    explicit operator bool() const { return ours_; }

private:
    weft_stack& stack_;
    bool ours_{false};
};

SocketId socket_of(weft_fd fd);
weft_fd fd_of(SocketId id);
// What a listener's function is asked about is in no shard that a socket could be in: neither is taken for the other.
weft_fd fd_of(Question question);
std::optional<Question> question_of(weft_fd asked);
Endpoint endpoint_of(const weft_sockaddr& address);
void give(const Endpoint& endpoint, weft_sockaddr* out);

}  // namespace weft::api
