// Coroutines over a shard: Task, what they await, timers. No thread, and no allocation but each coroutine's own frame. The leader
// resumes them from the shard's queue, one at a time; destroying a Task ends it where it waits, and all that it waits for. Who does so
// in another thread waits until the coroutine that runs there waits: that one must not need what he holds. Frames are destroyed
// under the shard's lock. A task does not destroy its own Task, nor an Ask any.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <span>
#include <utility>

#include "stack/api/stream.h"

namespace weft::api {

// What every coroutine of ours has in its frame.
struct TaskState : Resumable {
    struct Final {
        bool await_ready() noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> ended) noexcept {
            ended.promise().end();
        }
        void await_resume() noexcept {}
    };

    std::suspend_always initial_suspend() noexcept { return {}; }
    Final final_suspend() noexcept { return {}; }
    void unhandled_exception() { thrown = std::current_exception(); }

    // Its last act: whoever awaits it may go on; one that is the shard's own goes.
    void end() noexcept {
        Shard::Lock lock{*shard};
        if (parent) return shard->queue(*parent);
        if (waiter) {
            (void)waiter->attempt();
            return shard->finish(*waiter);
        }
        if (!spawned) return;
        if (thrown) std::terminate();  // as from a thread's function
        destroy();
    }
    // Of a spawned task alone.
    void destroy() noexcept {
        (before ? before->after : shard->spawned_) = after;
        if (after) after->before = before;
        shard->unqueue(*this);
        handle.destroy();
    }
    void spawn(Shard& on) {
        const Shard::Lock lock{on};
        shard = &on;
        spawned = true;
        after = std::exchange(on.spawned_, this);
        if (after) after->before = this;
        on.begin(*this);
    }

    Shard* shard{nullptr};
    Resumable* parent{nullptr};
    Awaiting* waiter{nullptr};
    std::exception_ptr thrown;
    bool spawned{false};
    TaskState *before{nullptr}, *after{nullptr};  // of the shard's own
};

template <class T>
struct TaskPromise : TaskState {
    Task<T> get_return_object();
    template <class Value>
    void return_value(Value&& returned) {
        value.emplace(std::forward<Value>(returned));
    }
    T take() {
        if (thrown) std::rethrow_exception(thrown);
        return std::move(*value);
    }
    std::optional<T> value;
};

template <>
struct TaskPromise<void> : TaskState {
    Task<void> get_return_object();
    void return_void() noexcept {}
    void take() {
        if (thrown) std::rethrow_exception(thrown);
    }
};

// It begins when it is awaited, run() or spawned.
template <class T = void>
class [[nodiscard]] Task {
public:
    using promise_type = TaskPromise<T>;

    Task() = default;
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_{handle} {}
    Task(Task&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    Task& operator=(Task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Task() {
        if (!handle_) return;
        Shard* const shard = handle_.promise().shard;
        std::optional<Shard::Lock> lock;
        if (shard) {
            lock.emplace(*shard);
            if (*lock) shard->still(*lock);  // else within what is destroyed under the lock
            shard->unqueue(handle_.promise());
        }
        handle_.destroy();
    }

    // Begins it without waiting for it, as a child of nobody: it runs while somebody leads, until this object is destroyed.
    void start(Shard& shard) {
        const Shard::Lock lock{shard};
        handle_.promise().shard = &shard;
        shard.begin(handle_.promise());
    }
    bool done() const { return handle_ && handle_.done(); }
    T take() { return handle_.promise().take(); }  // of one that is done

    bool await_ready() const noexcept { return false; }
    template <class Parent>
    void await_suspend(std::coroutine_handle<Parent> parent) {
        TaskState& mine = handle_.promise();
        TaskState& theirs = parent.promise();
        mine.parent = &theirs;
        mine.shard = theirs.shard;
        const Shard::Lock lock{*mine.shard};
        mine.shard->queue(mine);
    }
    T await_resume() { return take(); }

private:
    friend class Shard;
    std::coroutine_handle<promise_type> handle_;
};

template <class T>
Task<T> TaskPromise<T>::get_return_object() {
    const auto mine = std::coroutine_handle<TaskPromise>::from_promise(*this);
    handle = mine;
    return Task<T>{mine};
}
inline Task<void> TaskPromise<void>::get_return_object() {
    const auto mine = std::coroutine_handle<TaskPromise>::from_promise(*this);
    handle = mine;
    return Task<void>{mine};
}

template <class T>
Result<T> Shard::run(Task<T> task) {
    auto& promise = task.handle_.promise();
    const auto ended = [&]() -> Result<void> {
        if (task.done()) return {};
        return std::unexpected(Error::would_block);
    };
    {
        Lock lock{*this};
        if (!lock || leads()) return std::unexpected(Error::not_permitted);
        BlockedOperation<decltype(ended)> operation{ended};
        promise.shard = this;
        promise.waiter = &operation;
        queue(promise);
        list(operation, nullptr, 0, Instant::never());
        block(lock, operation, operation.self);
        promise.waiter = nullptr;
        flush();  // what the task wrote last
        if (const auto answer = operation.take_answer(); !answer) return std::unexpected(answer.error());
    }
    if constexpr (std::is_void_v<T>) {
        task.take();
        return {};
    } else {
        return task.take();
    }
}

inline void Shard::spawn(Task<void> task) { std::exchange(task.handle_, nullptr).promise().spawn(*this); }

// What a coroutine awaits: the same attempt as a blocking call makes, in the same lists.
template <class Step>
class [[nodiscard]] Await final : public Operation<Step>, private Resumable {
public:
    using typename Operation<Step>::Answer;

    Await(Shard& shard, AwaitingList* where, std::uint8_t wants, Instant until, Step step)
        : Operation<Step>{std::move(step)}, shard_{shard}, where_{where}, wants_{wants}, until_{until} {}
    ~Await() {  // also where its coroutine is destroyed
        if (!waits_) return;
        const Shard::Lock lock{shard_};
        shard_.forget(*this);
        shard_.unqueue(*this);
    }

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> waiting) {
        const Shard::Lock lock{shard_};
        if (this->attempt()) {
            shard_.flush();
            return false;
        }
        handle = waiting;
        waits_ = true;
        shard_.list(*this, where_, wants_, until_);
        shard_.flush();
        return true;
    }
    Answer await_resume() { return this->take_answer(); }
    void finished() override { shard_.queue(*this); }

private:
    Shard& shard_;
    AwaitingList* where_;
    std::uint8_t wants_;
    Instant until_;
    bool waits_{false};
};

// As the calls of Stream and Listener, awaited. Streams, listeners and buffers outlive the wait.
namespace async {

inline auto sleep_until(Shard& shard, Instant until) {
    const auto step = [&shard, until]() -> Result<void> {
        if (shard.now() < until) return std::unexpected(Error::would_block);
        return {};
    };
    return Await{shard, nullptr, 0, until, step};
}
inline auto sleep(Shard& shard, Duration time) { return sleep_until(shard, shard.in(time)); }

template <class Wait>
auto await(Wait wait, Instant until) {
    return Await{*wait.shard, wait.where, wait.wants, until, std::move(wait.step)};
}

inline auto read_some(Stream& stream, std::span<std::byte> into, Instant until = Instant::never()) {
    return await(stream.reading(into, 1), until);
}
inline auto read_exactly(Stream& stream, std::span<std::byte> into, Instant until = Instant::never()) {
    return await(stream.reading(into, into.size()), until);
}
inline auto take(Stream& stream, Instant until = Instant::never()) { return await(stream.taking(), until); }
inline auto write(Stream& stream, std::span<const std::byte> bytes, Instant until = Instant::never()) {
    return await(stream.writing(bytes, false), until);
}
inline auto write_nodelay(Stream& stream, std::span<const std::byte> bytes, Instant until = Instant::never()) {
    return await(stream.writing(bytes, true), until);
}
inline auto finish(Stream& stream, Instant until = Instant::never()) { return await(stream.finishing(), until); }
inline auto accept(Listener& listener, Instant until = Instant::never()) { return await(listener.accepting(), until); }
inline auto connected(Stream& stream, Instant until = Instant::never()) { return await(stream.connecting(), until); }

inline Task<Result<Stream>> connect(Shard& shard, Endpoint remote, ConnectOptions options = {},
                                    Instant until = Instant::never()) {
    Result<Stream> stream = Stream::start(shard, remote, options);
    if (!stream) co_return std::unexpected(stream.error());
    if (const auto open = co_await connected(*stream, until); !open) co_return std::unexpected(open.error());
    co_return std::move(stream);
}

}  // namespace async
}  // namespace weft::api
