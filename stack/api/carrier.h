// What a shard runs over: who moves packets between an engine and its links, knows the time, and sleeps. Virtual time, a node's
// links, and the stack without I/O of the C API each are one.
#pragma once

#include <concepts>

#include "stack/core/buffer.h"
#include "stack/core/time.h"
#include "stack/engine/engine.h"

namespace weft::api {

// How the leader of a shard sleeps: epoll and a timer, or virtual time.
template <class W>
concept Waiter = requires(W waiter, Instant until) {
    { waiter.now() } -> std::same_as<Instant>;
    // Until a link has something, wake() was called, or it is time. False: nothing will ever come (virtual time has an end).
    { waiter.wait(until) } -> std::same_as<bool>;
    { waiter.wake() } noexcept -> std::same_as<void>;  // from any thread
    { waiter.descriptor() } -> std::same_as<int>;  // readable when wait() would return; -1: there is none
};

// Who is told the events of an engine.
class Hearer {
public:
    virtual void hear(const Event& event) = 0;

protected:
    ~Hearer() = default;
};

class Carrier {
public:
    virtual ~Carrier() = default;

    virtual Engine& engine() = 0;
    virtual BufferPool& pool() = 0;

    // Under the shard's lock. turn() takes in what came and what is due, lets out what the engine has to say, and tells its events;
    // it never sleeps. flush() does no more than let out and tell. True: there was something.
    virtual bool turn(Hearer& hearer) = 0;
    virtual bool flush(Hearer& hearer) = 0;
    virtual Instant deadline() = 0;  // of the next turn, unless something comes before

    // Without the lock: as Waiter has it.
    virtual Instant now() = 0;
    virtual bool wait(Instant until) = 0;
    virtual void wake() noexcept = 0;
    virtual int descriptor() { return -1; }
    virtual void expect(Instant /*deadline*/) {}  // when the descriptor must be readable, while nobody waits in wait()

    // A listener of TCP begins there, or ends: who lets only what is wanted in must know.
    virtual void listening(const Endpoint& /*local*/, bool /*begins*/) {}
};
static_assert(Waiter<Carrier&>);

}  // namespace weft::api
