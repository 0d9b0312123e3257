// What is behind a weft_stack: a shard over what moves its packets, sockets, and packets on their way out.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "stack/api/shard.h"
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

namespace weft::api {

// The carrier of a stack without I/O: the packets are moved by who calls, and so is the time.
class NoIo final : public Carrier {
public:
    NoIo(const Config& config, std::size_t memory) : pool_{memory}, engine_{config, pool_} {}

    Engine& engine() override { return engine_; }
    BufferPool& pool() override { return pool_; }
    Instant now() override { return now_; }
    Instant deadline() override { return engine_.deadline(); }
    bool turn(Hearer& hearer) override { return flush(hearer); }
    bool flush(Hearer& hearer) override;
    bool wait(Instant) override { return false; }  // nobody waits here
    void wake() noexcept override {}

    // Before each call that brings a time; it never runs backwards.
    void at(weft_time time) { now_ = std::max(now_, Instant::from_nanoseconds(time)); }

private:
    BufferPool pool_;
    Engine engine_;
    Instant now_;
};

}  // namespace weft::api

struct weft_stack final : private weft::api::Hearer {
    explicit weft_stack(std::unique_ptr<weft::api::Carrier> over, const weft::HashKey& ports)
        : carrier{std::move(over)}, shard{*carrier}, sockets{carrier->engine(), ports} {
        shard.others = this;
    }
    ~weft_stack() {
        shard.others = nullptr;
        while (leases) delete std::exchange(leases, leases->next);
    }

    weft::Instant now() { return carrier->now(); }

    struct Function {
        weft_listener* ask;
        void* context;
    };

    std::unique_ptr<weft::api::Carrier> carrier;
    weft::api::NoIo* without_io{nullptr};  // the carrier, if it is that
    weft::api::Shard shard;
    weft::api::Sockets sockets;
    std::vector<weft::Address> addresses;  // of this stack, the first of a family first
    weft_lease* leases{nullptr};
    std::map<std::uint32_t, Function> functions;  // under the place of the listener's socket
    std::set<weft_fd> nonblocking;  // descriptors whose calls never wait
    int backlog{128};  // of listeners that name none
    bool freed{false};  // by who was asked about a SYN: it goes when the call that asked ends

    // weft_output: the packets of the last transmit(), cut, one after the other; the first ones were handed out.
    struct Out {
        std::size_t at, length;
        std::uint32_t link;
    };
    std::vector<std::byte> bytes;
    std::vector<Out> out;
    std::size_t handed{0};

private:
    void hear(const weft::Event& event) override;  // and asks the functions that listen
};

namespace weft::api {

// A call on a stack: its lock for as long as this lives, then the end of a stack that was freed meanwhile. False: this thread is
// in a call on it already, as a listener's function is.
class Entry {
public:
    explicit Entry(weft_stack* stack) : stack_{stack} {
        lock_.emplace(stack->shard);
        ours_ = bool(*lock_);
    }
    ~Entry() {
        lock_.reset();
        if (ours_ && stack_->freed) delete stack_;
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    explicit operator bool() const { return ours_; }

private:
    weft_stack* stack_;
    std::optional<Shard::Lock> lock_;
    bool ours_{false};
};

// What weft_why() says from now on.
void explain(std::string reason);
SocketId socket_of(weft_fd fd);
weft_fd fd_of(SocketId id);
// What a listener's function is asked about is in no shard that a socket could be in: neither is taken for the other.
weft_fd fd_of(Question question);
std::optional<Question> question_of(weft_fd asked);
Endpoint endpoint_of(const weft_sockaddr& address);
void give(const Endpoint& endpoint, weft_sockaddr* out);

}  // namespace weft::api
