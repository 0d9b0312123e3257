// One engine under one lock, and the loop over it (docs/api.md). Whoever blocks is the loop: it moves packets and serves every
// flow until its own call is answered, then hands the lead to another that waits. Coroutines are resumed by the leader, from a queue.
#pragma once

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <functional>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "stack/api/awaiting.h"
#include "stack/api/carrier.h"
#include "stack/core/slab.h"

namespace weft::api {

class Stream;
class Listener;
template <class T>
class Task;

// What becomes of a SYN, asked with both endpoints. It runs under the lock: calls on the same shard say not_permitted, and it
// destroys no Task. One that throws has answered refuse.
using Ask = std::function<Answer(Question question, const Peers& peers)>;

struct TaskState;  // task.h

// A coroutine that may go on, in the queue of its shard.
struct Resumable {
    std::coroutine_handle<> handle;
    Resumable *previous{nullptr}, *next{nullptr};
    bool queued{false};
};

// A flow that somebody holds.
struct Held {
    Flow flow;  // none: it is over, and the engine has forgotten it
    bool open{false}, ended{false}, over{false}, shut{false}, keepalive{false};
    std::optional<Error> failure;
    AwaitingList waiting;
};
struct Listening {
    ListenerId id;
    Endpoint local;  // as it was asked for
    Ask ask;
    AwaitingList waiting;
};

class Shard final : private Hearer {
public:
    explicit Shard(Carrier& carrier);  // which outlives it
    ~Shard();  // as disconnect(); streams, listeners, leases and tasks are gone before
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    Instant now() { return carrier_.now(); }
    Instant in(Duration time) { return now() + time; }

    // One turn of the loop, for who has a loop of his own: serves all, and sleeps until `until` if there is nothing to do. True: there
    // was. While another thread leads it does not sleep.
    bool turn(Instant until = {});
    Instant deadline();  // of the next turn, if nothing comes before
    int descriptor();  // readable when turn() has something to do; -1: of virtual time

    // Runs a task to its end, as a blocking call does; timed_out: it waits for what cannot come any more (virtual time).
    template <class T>
    Result<T> run(Task<T> task);
    // Begins a task that is the shard's: it runs while somebody leads, and is destroyed when it ends, or with the shard.
    void spawn(Task<void> task);

    // Everything that is open is reset, every call that waits says aborted, spawned tasks end: when a coroutine calls it, as soon as
    // that one waits or has ended, and from another thread not before the one that runs waits.
    void disconnect() noexcept;
    std::vector<Peers> peers();  // of all connections

    // A call on the engine, under the lock; what it wants sent leaves, also where it throws. Not for who is asked about a SYN.
    template <class Call>
    auto engine(Call&& call) {
        const Lock lock{*this};
        const auto made = [&] {
            try {
                return call(carrier_.engine(), now());
            } catch (...) {
                flush();
                throw;
            }
        };
        if constexpr (std::is_void_v<decltype(made())>) {
            made();
            flush();
        } else {
            auto done = made();
            flush();
            return done;
        }
    }

    // ---- for the faces: stream.h, task.h, asio_stream.h, c_stack.h ----------------------------------------------------------

    // The lock for as long as this lives. False: this thread holds it already, as one that is asked about a SYN does.
    class Lock {
    public:
        explicit Lock(Shard& shard);
        ~Lock();
        Lock(const Lock&) = delete;
        Lock& operator=(const Lock&) = delete;
        explicit operator bool() const { return held_.owns_lock(); }

    private:
        friend class Shard;
        Shard& shard_;
        std::unique_lock<std::mutex> held_;
    };

    using HeldId = Handle<Held>;
    using ListeningId = Handle<Listening>;

    // These under the lock.
    HeldId hold(Flow flow, bool open);
    Held* find(HeldId id) { return held_.find(id); }
    Listening* find(ListeningId id) { return listening_.find(id); }
    ListeningId listen(ListenerId id, const Endpoint& local, Ask ask);
    void let_go(HeldId id);
    void let_go(ListeningId id);
    Engine& raw() { return carrier_.engine(); }
    void listening(const Endpoint& local, bool begins) { carrier_.listening(local, begins); }
    void flush();  // what a call brought about leaves
    void list(Awaiting& one, AwaitingList* where, std::uint8_t wants, Instant until);
    void forget(Awaiting& one);
    void finish(Awaiting& one);  // out of its lists, and told
    void end_waits(Error why) { end_all(anything_, why); }
    void try_again() { tell(anything_, want_any); }
    AwaitingList& anything() { return anything_; }  // those that try again after every event
    void queue(Resumable& one);
    void unqueue(Resumable& one);
    void begin(Resumable& one);  // queued, and whoever watches the descriptor hears of it
    void still(Lock& lock);  // waits while a coroutine runs in another thread; none is resumed before the lock is given up
    Hearer* others{nullptr};  // who hears the events of flows and listeners that are not held here

    // A call that blocks: tries, and leads or follows until it is answered. not_permitted: from within a coroutine or an Ask.
    template <class Step>
    auto call(AwaitingList* where, std::uint8_t wants, Instant until, Step step) -> decltype(step());
    bool leads() const { return leader_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

private:
    friend struct TaskState;

    struct Blocked {
        std::condition_variable wake;
        bool done{false};
        Blocked *previous{nullptr}, *next{nullptr};  // followers
    };
    template <class Step>
    struct BlockedOperation;

    void hear(const Event& event) override;
    void hear_of_flow(const Event& event);
    void ask_all();
    void tell(AwaitingList& list, std::uint8_t what);
    void end_all(AwaitingList& list, Error why);
    bool turn_locked();
    bool expire();
    bool run_ready(Lock& lock);
    Instant deadline_locked();
    void block(Lock& lock, Awaiting& one, Blocked& self);
    void lead(Lock& lock, Awaiting& one, const Blocked& self);
    void pass_lead();
    void wake_leader();
    void expect_turn();

    Carrier& carrier_;
    std::mutex mutex_;
    std::atomic<std::thread::id> holder_;  // of the lock
    std::atomic<std::thread::id> leader_;  // written under the lock
    bool asleep_{false};  // the leader
    const Awaiting* leads_for_{nullptr};  // what the leader itself waits for
    Instant sleeps_until_;
    Blocked* followers_{nullptr};
    Slab<Held> held_;
    Slab<Listening> listening_;
    std::vector<HeldId> by_flow_;  // under the flow's index
    std::vector<ListeningId> by_listener_;
    std::vector<Event> asked_;
    AwaitingList anything_;
    DueList due_;
    Resumable *ready_{nullptr}, *ready_last_{nullptr};
    TaskState* spawned_{nullptr};  // tasks that are ours
    bool running_{false}, ending_{false};  // a coroutine, by the leader; disconnect() was called meanwhile
    unsigned stillers_{0};  // threads in still()
    std::condition_variable still_;
};

template <class Step>
struct Shard::BlockedOperation final : Operation<Step> {
    using Operation<Step>::Operation;
    void finished() override {
        self.done = true;
        self.wake.notify_one();
    }
    Blocked self;
};

template <class Step>
auto Shard::call(AwaitingList* where, std::uint8_t wants, Instant until, Step step) -> decltype(step()) {
    Lock lock{*this};
    if (!lock) return std::unexpected(Error::not_permitted);
    BlockedOperation<Step> operation{std::move(step)};
    if (!operation.attempt()) {
        if (leads()) return std::unexpected(Error::not_permitted);
        list(operation, where, wants, until);
        block(lock, operation, operation.self);
    }
    flush();
    return operation.take_answer();
}

}  // namespace weft::api
