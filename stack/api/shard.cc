// The loop: who leads, who follows, and who is told what happened.
#include "stack/api/shard.h"

#include <utility>

#include "stack/api/task.h"
#include "stack/tcp/tcb.h"

namespace weft::api {

Shard::Lock::Lock(Shard& shard) : shard_{shard} {
    const auto self = std::this_thread::get_id();
    if (shard.holder_.load(std::memory_order_relaxed) == self) return;
    held_ = std::unique_lock{shard.mutex_};
    shard.holder_.store(self, std::memory_order_relaxed);
}

Shard::Lock::~Lock() {
    if (held_) shard_.holder_.store({}, std::memory_order_relaxed);
}

Shard::Shard(Carrier& carrier) : carrier_{carrier} {}

Shard::~Shard() { disconnect(); }

// ---- what is open ----------------------------------------------------------------------------------------------------

Shard::HeldId Shard::hold(Flow flow, bool open) {
    Held fresh;
    fresh.flow = flow;
    fresh.open = open;
    const HeldId id = held_.insert(fresh);
    if (flow.index() >= by_flow_.size()) by_flow_.resize(std::max<std::size_t>(flow.index() + 1, by_flow_.size() * 2));
    by_flow_[flow.index()] = id;
    return id;
}

Shard::ListeningId Shard::listen(ListenerId listener, const Endpoint& local, Ask ask) {
    Listening fresh;
    fresh.id = listener;
    fresh.local = local;
    fresh.ask = std::move(ask);
    const ListeningId id = listening_.insert(fresh);
    if (listener.index() >= by_listener_.size()) by_listener_.resize(listener.index() + 1);
    by_listener_[listener.index()] = id;
    carrier_.listening(local, true);
    return id;
}

void Shard::let_go(HeldId id) {
    Held* held = held_.find(id);
    if (!held) return;
    end_all(held->waiting, Error::aborted);
    held_.erase(id);
}

void Shard::let_go(ListeningId id) {
    Listening* listening = listening_.find(id);
    if (!listening) return;
    carrier_.listening(listening->local, false);
    end_all(listening->waiting, Error::aborted);
    listening->ask = {};
    listening_.erase(id);
}

void Shard::disconnect() noexcept {
    Lock lock{*this};
    if (lock) still(lock);
    ending_ = running_;  // by this thread, or by one that this one must not wait for
    while (!ending_ && spawned_) spawned_->destroy();
    const Instant time = now();
    for (const ListeningId id : by_listener_)
        if (const Listening* one = listening_.find(id)) {
            (void)raw().unlisten(one->id, time);
            let_go(id);
        }
    for (const HeldId id : by_flow_)
        if (const Held* one = held_.find(id)) {
            (void)raw().abort(one->flow, time);
            let_go(id);
        }
    flush();
}

std::vector<Peers> Shard::peers() {
    const Lock lock{*this};
    std::vector<Peers> all;
    for (const Flow flow : raw().flows())
        if (const auto peers = raw().peers(flow)) all.push_back(*peers);
    return all;
}

// ---- who waits -------------------------------------------------------------------------------------------------------

void Shard::list(Awaiting& one, AwaitingList* where, std::uint8_t wants, Instant until) {
    if (where) where->add(one, wants);
    due_.add(one, until);
    if (until < sleeps_until_) wake_leader();
}

void Shard::forget(Awaiting& one) {
    AwaitingList::remove(one);
    due_.remove(one);
}

void Shard::finish(Awaiting& one) {
    forget(one);
    if (&one == leads_for_) wake_leader();
    one.finished();
}

// The first ones are tried first; who is listed anew by what that brings about is not tried again.
void Shard::tell(AwaitingList& list, std::uint8_t what) {
    for (Awaiting* one = list.first(); one;) {
        Awaiting* const next = list.next(*one);
        if ((one->wants_ & what) != 0 && one->attempt()) finish(*one);
        one = next;
    }
}

void Shard::end_all(AwaitingList& list, Error why) {
    while (Awaiting* one = list.first()) {
        one->give_up(why);
        finish(*one);
    }
}

bool Shard::expire() {
    bool any = false;
    for (const Instant time = now(); due_.earliest() <= time; any = true) {
        Awaiting& one = *due_.first();
        if (!one.attempt()) one.give_up(Error::timed_out);
        finish(one);
    }
    return any;
}

void Shard::queue(Resumable& one) {
    if (std::exchange(one.queued, true)) return;
    one.previous = ready_last_;
    one.next = nullptr;
    (ready_last_ ? ready_last_->next : ready_) = &one;
    ready_last_ = &one;
    if (!leads()) wake_leader();
}

void Shard::begin(Resumable& one) {
    queue(one);
    expect_turn();
}

void Shard::unqueue(Resumable& one) {
    if (!std::exchange(one.queued, false)) return;
    (one.previous ? one.previous->next : ready_) = one.next;
    (one.next ? one.next->previous : ready_last_) = one.previous;
}

// ---- what happened ---------------------------------------------------------------------------------------------------

void Shard::hear(const Event& event) {
    using Kind = Event::Kind;
    if (event.kind == Kind::accepted || event.kind == Kind::asked) {
        const std::uint32_t at = event.listener.index();
        Listening* listening = at < by_listener_.size() ? listening_.find(by_listener_[at]) : nullptr;
        const bool ours = listening && listening->id == event.listener;
        if (!ours && others) others->hear(event);
        else if (ours && event.kind == Kind::asked) asked_.push_back(event);
        else if (ours) tell(listening->waiting, want_open);
    } else {
        hear_of_flow(event);
    }
    if (!anything_.empty()) tell(anything_, want_any);
}

void Shard::hear_of_flow(const Event& event) {
    using Kind = Event::Kind;
    const std::uint32_t at = event.flow.index();
    Held* held = at < by_flow_.size() ? held_.find(by_flow_[at]) : nullptr;
    if (!held || held->flow != event.flow) {
        if (others) others->hear(event);
        return;
    }
    switch (event.kind) {
    case Kind::connected: held->open = true; return tell(held->waiting, want_open | want_write);
    case Kind::readable: return tell(held->waiting, want_read);
    case Kind::peer_closed: held->ended = true; return tell(held->waiting, want_read | want_over);
    case Kind::writable: return tell(held->waiting, want_write);
    case Kind::transmitted: return tell(held->waiting, want_sent);
    case Kind::failed: held->failure = event.error; [[fallthrough]];
    case Kind::closed:
        held->over = held->ended = true;
        held->flow = {};
        return tell(held->waiting, want_any);
    case Kind::urgent:
    case Kind::soft_error:
    case Kind::accepted:
    case Kind::asked: return;
    }
}

void Shard::ask_all() {
    while (!asked_.empty()) {
        const std::vector<Event> asked = std::exchange(asked_, {});
        for (const Event& one : asked) {
            const auto peers = raw().peers(one.question);
            const std::uint32_t at = one.listener.index();
            Listening* listening = at < by_listener_.size() ? listening_.find(by_listener_[at]) : nullptr;
            if (!peers || !listening || listening->id != one.listener || !listening->ask) continue;
            Answer answer = Answer::refuse;
            try {
                const Ask ask = listening->ask;  // it may close its listener
                answer = ask(one.question, *peers);
            } catch (...) {  // it must not unwind the loop, which other calls need
            }
            (void)raw().answer(one.question, answer, now());
        }
        (void)carrier_.flush(*this);
    }
}

// ---- the loop --------------------------------------------------------------------------------------------------------

bool Shard::turn_locked() {
    const bool any = carrier_.turn(*this);
    ask_all();
    return expire() || any;
}

void Shard::flush() {
    if (leads() && !asleep_) return;  // it turns before it sleeps
    (void)carrier_.flush(*this);
    ask_all();
    if (asleep_ && (ready_ || deadline_locked() < sleeps_until_)) wake_leader();
    expect_turn();
}

// Whoever watches the descriptor hears when there is something to do.
void Shard::expect_turn() {
    if (leader_.load(std::memory_order_relaxed) == std::thread::id{}) carrier_.expect(deadline_locked());
}

Instant Shard::deadline_locked() {
    if (ready_) return {};
    return std::min(carrier_.deadline(), due_.earliest());
}

Instant Shard::deadline() {
    const Lock lock{*this};
    return deadline_locked();
}

int Shard::descriptor() {
    const Lock lock{*this};
    const int descriptor = carrier_.descriptor();
    expect_turn();
    return descriptor;
}

void Shard::wake_leader() {
    if (asleep_) carrier_.wake();
}

// By the leader alone, and without the lock: what a coroutine calls takes it.
bool Shard::run_ready(Lock& lock) {
    bool any = false;
    while (Resumable* const one = ready_) {
        unqueue(*one);
        const std::coroutine_handle<> handle = one->handle;
        running_ = true;
        holder_.store({}, std::memory_order_relaxed);
        lock.held_.unlock();
        handle.resume();
        lock.held_.lock();
        running_ = false;
        if (stillers_ > 0) {  // they come first: they destroy what may be resumed next
            still_.notify_all();
            still_.wait(lock.held_, [&] { return stillers_ == 0; });
        }
        holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
        if (std::exchange(ending_, false))
            while (spawned_) spawned_->destroy();
        any = true;
    }
    return any;
}

void Shard::still(Lock& lock) {
    if (!running_ || leads()) return;
    ++stillers_;
    holder_.store({}, std::memory_order_relaxed);
    still_.wait(lock.held_, [&] { return !running_; });
    holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    --stillers_;
    still_.notify_all();
}

void Shard::lead(Lock& lock, Awaiting& one, const Blocked& self) {
    leader_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    leads_for_ = &one;
    while (!self.done) {
        bool busy = turn_locked();
        busy = run_ready(lock) || busy;
        if (self.done || busy) continue;
        sleeps_until_ = deadline_locked();
        asleep_ = true;
        holder_.store({}, std::memory_order_relaxed);
        lock.held_.unlock();
        const bool alive = carrier_.wait(sleeps_until_);
        lock.held_.lock();
        holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
        asleep_ = false;
        sleeps_until_ = {};
        if (alive || self.done) continue;
        one.give_up(Error::timed_out);
        finish(one);
    }
    leads_for_ = nullptr;
    leader_.store({}, std::memory_order_relaxed);
}

void Shard::pass_lead() {
    for (Blocked* one = followers_; one; one = one->next)
        if (!one->done) return one->wake.notify_one();
}

void Shard::block(Lock& lock, Awaiting& one, Blocked& self) {
    while (!self.done) {
        if (leader_.load(std::memory_order_relaxed) == std::thread::id{}) {
            lead(lock, one, self);
            break;
        }
        self.next = followers_;
        self.previous = nullptr;
        if (followers_) followers_->previous = &self;
        followers_ = &self;
        wake_leader();  // its sleep may have to end earlier now
        holder_.store({}, std::memory_order_relaxed);
        self.wake.wait(lock.held_);
        holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
        (self.previous ? self.previous->next : followers_) = self.next;
        if (self.next) self.next->previous = self.previous;
    }
    if (leader_.load(std::memory_order_relaxed) == std::thread::id{}) pass_lead();
    expect_turn();
}

bool Shard::turn(Instant until) {
    Lock lock{*this};
    if (!lock) return false;
    bool busy = turn_locked();
    if (leader_.load(std::memory_order_relaxed) != std::thread::id{}) {
        if (ready_ || deadline_locked() < sleeps_until_) wake_leader();  // what this turn made due
        return busy;
    }
    leader_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    busy = run_ready(lock) || busy;
    if (!busy && until > now()) {
        sleeps_until_ = std::min(until, deadline_locked());
        asleep_ = true;
        holder_.store({}, std::memory_order_relaxed);
        lock.held_.unlock();
        (void)carrier_.wait(sleeps_until_);
        lock.held_.lock();
        holder_.store(std::this_thread::get_id(), std::memory_order_relaxed);
        asleep_ = false;
        sleeps_until_ = {};
        busy = turn_locked();
        busy = run_ready(lock) || busy;
    }
    (void)carrier_.flush(*this);  // what the coroutines asked for
    leader_.store({}, std::memory_order_relaxed);
    pass_lead();
    expect_turn();
    return busy;
}

}  // namespace weft::api
