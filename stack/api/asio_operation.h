// A pending operation of weft as an Asio operation, and which Asio: Boost's, or with WEFT_STANDALONE_ASIO the one without Boost.
// What is pending belongs to its context: it ends there, or goes with it.
#pragma once

#ifdef WEFT_STANDALONE_ASIO
#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/error_code.hpp>
#include <asio/execution.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/query.hpp>
#else
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/system/error_code.hpp>
#endif

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

#include "stack/api/stream.h"

namespace weft::asio_api {

#ifdef WEFT_STANDALONE_ASIO
inline namespace standalone {  // one program may have both
namespace net = ::asio;
using error_code = net::error_code;
#else
namespace net = boost::asio;
using error_code = boost::system::error_code;
#endif

inline error_code to_error_code(Error error) {
    switch (error) {
    case Error::end_of_stream: return net::error::eof;
    case Error::aborted: return net::error::operation_aborted;  // closed here while it was pending
    case Error::not_connected: return net::error::bad_descriptor;
    case Error::refused: return net::error::connection_refused;
    case Error::reset: return net::error::connection_reset;
    case Error::closed_by_peer: return net::error::broken_pipe;
    case Error::timed_out: return net::error::timed_out;
    case Error::unreachable: return net::error::host_unreachable;
    case Error::network_unreachable: return net::error::network_unreachable;
    case Error::no_memory: return net::error::no_buffer_space;
    case Error::address_in_use: return net::error::address_in_use;
    case Error::not_permitted:
    case Error::prohibited: return net::error::access_denied;
    default: return net::error::invalid_argument;
    }
}

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
          to_{net::prefer(net::get_associated_executor(handler_, executor), net::execution::outstanding_work.tracked)} {}

    void begin(api::AwaitingList* where, std::uint8_t wants) {
        const api::Shard::Lock lock{shard_};
        if (this->attempt()) {
            post();
            return shard_.flush();
        }
        if (!service_.add(*this)) return;
        alive_ = std::static_pointer_cast<Pending>(this->shared_from_this());
        if (auto slot = net::get_associated_cancellation_slot(handler_); slot.is_connected())
            slot.assign([weak = std::weak_ptr{alive_}](net::cancellation_type) {
                if (auto self = weak.lock()) self->cancel();
            });
        shard_.list(*this, where, wants, Instant::never());
        shard_.flush();
    }

    // The service lets go of it last: until then the context is there.
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
        const auto to = to_;
        net::post(to, [handler = std::move(handler_), work = work_, to, finish = std::move(finish_),
                       answer = this->take_answer()]() mutable {
            net::get_associated_cancellation_slot(handler).clear();
            finish(handler, std::move(answer));
        });
    }
    void cancel() {
        const api::Shard::Lock lock{shard_};
        if (!alive_) return;
        const auto keep = alive_;
        this->give_up(Error::aborted);
        shard_.finish(*this);
    }

    api::Shard& shard_;
    Handler handler_;
    Finish finish_;
    Service& service_;
    using To = std::decay_t<decltype(net::prefer(
        net::get_associated_executor(std::declval<const Handler&>(), std::declval<const net::any_io_executor&>()),
        net::execution::outstanding_work.tracked))>;
    net::any_io_executor work_;  // keeps run() from returning while this is pending
    To to_;  // as well: the handler's own
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
