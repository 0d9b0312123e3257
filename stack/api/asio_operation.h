// A pending operation of weft as an Asio operation. What is pending belongs to its context: it ends there, or goes with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "stack/api/asio_which.h"
#include "stack/api/stream.h"

namespace weft::asio_api {

#ifdef WEFT_STANDALONE_ASIO
inline namespace standalone {  // one program may have both
#endif

// What is pending in a context: it goes with the context, its handlers uncalled, as those of Asio's own sockets do.
class Service final : public net::execution_context::service {
public:
    struct Entry : std::enable_shared_from_this<Entry> {
        virtual void abandon() = 0;  // forgets the handler; it may have ended meanwhile
        virtual ~Entry() = default;
        Entry *previous{nullptr}, *next{nullptr};
    };

    inline static net::execution_context::id id;
    explicit Service(net::execution_context& context) : net::execution_context::service{context} {}

    bool add(Entry& one) {  // false: the context ends
        const std::lock_guard lock{mutex_};
        if (ended_) return false;
        one.next = first_;
        if (first_) first_->previous = &one;
        first_ = &one;
        return true;
    }
    void remove(Entry& one) {
        const std::lock_guard lock{mutex_};
        take_out(one);
    }

private:
    void take_out(Entry& one) {
        if (!one.previous && first_ != &one) return;  // the end has taken it
        (one.previous ? one.previous->next : first_) = one.next;
        if (one.next) one.next->previous = one.previous;
        one.previous = one.next = nullptr;
    }
    void shutdown() override {
        for (;;) {
            std::shared_ptr<Entry> one;
            {
                const std::lock_guard lock{mutex_};
                ended_ = true;
                if (!first_) return;
                one = first_->shared_from_this();
                take_out(*one);
            }
            one->abandon();
        }
    }

    std::mutex mutex_;  // taken within a shard's lock, and no lock within it
    Entry* first_{nullptr};
    bool ended_{false};
};

// One pending operation, listed where blocking calls and coroutines wait; it holds no stream, which may move meanwhile.
// Finished: `void(error_code, Value)` is posted, never called from within. Whoever leads finishes it, maybe another thread than the
// handler's: the handler's cancellation slot is touched by who begins it and by what was posted, alone.
template <class Handler, class Step, class Finish>
class Pending final : public api::Operation<Step>, public Service::Entry {
public:
    Pending(api::Shard& shard, net::any_io_executor executor, Step step, Handler handler, Finish finish)
        : api::Operation<Step>{std::move(step)}, shard_{shard}, handler_{std::move(handler)}, finish_{std::move(finish)},
          service_{net::use_service<Service>(net::query(executor, net::execution::context))},
          work_{net::prefer(executor, net::execution::outstanding_work.tracked)},
          to_{net::prefer(net::get_associated_executor(*handler_, executor), net::execution::outstanding_work.tracked)} {}

    void begin(api::AwaitingList* where, std::uint8_t wants) {
        const api::Shard::Lock lock{shard_};
        if (this->attempt()) {
            post();
            return shard_.flush();
        }
        if (!service_.add(*this)) return;
        alive_ = std::static_pointer_cast<Pending>(this->shared_from_this());
        if (auto slot = net::get_associated_cancellation_slot(*handler_); slot.is_connected())
            slot.assign([weak = std::weak_ptr{alive_}](net::cancellation_type) {
                if (auto self = weak.lock()) self->cancel();
            });
        shard_.list(*this, where, wants, Instant::never());
        shard_.flush();
    }

    // Until the service lets go of it the context is there, and no longer: nothing of the context's is here then.
    void finished() override {
        const auto keep = std::exchange(alive_, nullptr);
        post();
        service_.remove(*this);
    }

    void abandon() override {
        std::shared_ptr<Pending> gone;  // without the lock: streams may go with the handler
        const api::Shard::Lock lock{shard_};
        if (!alive_) return;
        shard_.forget(*this);
        gone = std::move(alive_);
    }

private:
    void post() {
        const auto to = std::move(*to_);
        to_.reset();
        net::post(to, [handler = std::move(*handler_), work = std::exchange(work_, {}), to, finish = std::move(finish_),
                       answer = this->take_answer()]() mutable {
            net::get_associated_cancellation_slot(handler).clear();
            finish(handler, std::move(answer));
        });
        handler_.reset();
    }
    void cancel() {
        const api::Shard::Lock lock{shard_};
        if (!alive_) return;
        const auto keep = alive_;
        this->give_up(Error::aborted);
        shard_.finish(*this);
    }

    api::Shard& shard_;
    std::optional<Handler> handler_;  // until it is posted, as what follows
    Finish finish_;
    Service& service_;
    using To = std::decay_t<decltype(net::prefer(
        net::get_associated_executor(std::declval<const Handler&>(), std::declval<const net::any_io_executor&>()),
        net::execution::outstanding_work.tracked))>;
    net::any_io_executor work_;  // keeps run() from returning while this is pending
    std::optional<To> to_;  // as well: the handler's own
    std::shared_ptr<Pending> alive_;  // this, while it is listed
};

template <class Token, class Signature, class Wait, class Finish>
auto start(net::any_io_executor executor, Wait wait, Finish finish, Token&& token) {
    return net::async_initiate<Token, Signature>(
        [executor](auto handler, Wait waiting, Finish end) {
            using Operation = Pending<decltype(handler), decltype(waiting.step), Finish>;
            if (!waiting.shard) {  // nothing is open
                const auto to = net::get_associated_executor(handler, executor);
                return net::post(to, [handler = std::move(handler), end = std::move(end)]() mutable {
                    end(handler, typename Operation::Answer{std::unexpected(Error::not_connected)});
                });
            }
            std::make_shared<Operation>(*waiting.shard, executor, std::move(waiting.step), std::move(handler),
                                        std::move(end))
                ->begin(waiting.where, waiting.wants);
        },
        token, std::move(wait), std::move(finish));
}

#ifdef WEFT_STANDALONE_ASIO
}  // namespace standalone
#endif

}  // namespace weft::asio_api
