// What somebody waits for: an attempt that is made again whenever what it waits for may have happened. A blocked thread, a
// coroutine and a handler of Asio wait in the same lists, by nodes of their own: waiting allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "stack/core/result.h"
#include "stack/core/time.h"

namespace weft::api {

class Shard;

// What an event may bring.
enum Want : std::uint8_t { want_read = 1, want_write = 2, want_open = 4, want_sent = 8, want_over = 16, want_any = 31 };

class Awaiting {
public:
    Awaiting() = default;
    Awaiting(const Awaiting&) = delete;
    Awaiting& operator=(const Awaiting&) = delete;

    // All of them under the shard's lock.
    virtual bool attempt() = 0;  // false: it would block
    virtual void give_up(Error why) = 0;  // its time is over, or what it waits for is gone
    virtual void finished() = 0;  // it is in no list any more: whoever waits is told
    virtual ~Awaiting() = default;  // in no list

private:
    friend class AwaitingList;
    friend class DueList;
    friend class Shard;
    class AwaitingList* list_{nullptr};
    Awaiting *previous_{nullptr}, *next_{nullptr};
    std::size_t due_{~std::size_t{0}};  // its place in the DueList
    Instant until_{Instant::never()};
    std::uint8_t wants_{0};
};

// Those that wait for one flow, or one listener. Copies as empty: a place of a slab that is used again waits for nothing.
class AwaitingList {
public:
    AwaitingList() = default;
    AwaitingList(const AwaitingList&) {}
    AwaitingList& operator=(const AwaitingList&) { return *this; }

    bool empty() const { return !first_; }
    Awaiting* first() const { return first_; }
    Awaiting* next(const Awaiting& one) const { return one.next_; }

    void add(Awaiting& one, std::uint8_t wants) {
        one.list_ = this;
        one.wants_ = wants;
        one.previous_ = last_;
        (last_ ? last_->next_ : first_) = &one;
        last_ = &one;
    }
    static void remove(Awaiting& one) {
        AwaitingList* list = std::exchange(one.list_, nullptr);
        if (!list) return;
        (one.previous_ ? one.previous_->next_ : list->first_) = one.next_;
        (one.next_ ? one.next_->previous_ : list->last_) = one.previous_;
        one.previous_ = one.next_ = nullptr;
    }

private:
    Awaiting *first_{nullptr}, *last_{nullptr};
};

// Those whose time ends: a heap, the earliest first. Its memory is that of the most that ever waited at once.
class DueList {
public:
    Instant earliest() const { return heap_.empty() ? Instant::never() : heap_.front()->until_; }
    Awaiting* first() const { return heap_.empty() ? nullptr : heap_.front(); }

    void add(Awaiting& one, Instant until) {
        one.until_ = until;
        if (until == Instant::never()) return;
        heap_.push_back(&one);
        one.due_ = heap_.size() - 1;
        rise(one.due_);
    }
    void remove(Awaiting& one) {
        const std::size_t at = std::exchange(one.due_, none);
        if (at == none) return;
        Awaiting* const last = heap_.back();
        heap_.pop_back();
        if (at == heap_.size()) return;
        put(at, last);
        rise(at);
        sink(last->due_);
    }

private:
    static constexpr std::size_t none = ~std::size_t{0};

    void put(std::size_t at, Awaiting* one) {
        heap_[at] = one;
        one->due_ = at;
    }
    void rise(std::size_t at) {
        for (Awaiting* const one = heap_[at]; at > 0 && one->until_ < heap_[(at - 1) / 2]->until_; put(at, one)) {
            put(at, heap_[(at - 1) / 2]);
            at = (at - 1) / 2;
        }
    }
    void sink(std::size_t at) {
        Awaiting* const one = heap_[at];
        for (std::size_t child = 2 * at + 1; child < heap_.size(); child = 2 * at + 1) {
            if (child + 1 < heap_.size() && heap_[child + 1]->until_ < heap_[child]->until_) ++child;
            if (heap_[child]->until_ >= one->until_) break;
            put(at, heap_[child]);
            at = child;
            put(at, one);
        }
    }

    std::vector<Awaiting*> heap_;
};

// An attempt with its answer. Step: Result<T> operator()(), Error::would_block: not yet.
template <class Step>
class Operation : public Awaiting {
public:
    using Answer = decltype(std::declval<Step&>()());

    explicit Operation(Step step) : step_{std::move(step)} {}
    bool attempt() override {
        Answer answer = step_();
        if (!answer && answer.error() == Error::would_block) return false;
        answer_.emplace(std::move(answer));
        return true;
    }
    void give_up(Error why) override { answer_.emplace(std::unexpected(why)); }
    Answer take_answer() { return std::move(*answer_); }

private:
    Step step_;
    std::optional<Answer> answer_;
};

}  // namespace weft::api
