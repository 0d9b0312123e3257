// Who runs the engine when a thread blocks: the thread itself. A shard has one lock, and whoever holds it is the loop: it moves
// packets and serves every flow until its own is ready, then hands the lead to another that waits.
#pragma once

#include <concepts>

#include "stack/core/time.h"

namespace weft::api {

// How the leader sleeps: epoll and a timerfd with 1 ns of slack (link/epoll_waiter.h), or virtual time in tests.
template <class W>
concept Waiter = requires(W waiter, Instant until) {
    { waiter.now() } -> std::same_as<Instant>;
    { waiter.wait(until) } -> std::same_as<void>;  // until a link has something, wake() was called, or it is time
    { waiter.wake() } noexcept -> std::same_as<void>;  // from any thread: somebody wants the leader's attention
};

// Virtual time: to wait is to be there.
class VirtualWaiter {
public:
    Instant now() const { return now_; }
    void wait(Instant until) {
        if (until != Instant::never() && until > now_) now_ = until;
    }
    void wake() noexcept {}

private:
    Instant now_;
};
static_assert(Waiter<VirtualWaiter>);

}  // namespace weft::api
