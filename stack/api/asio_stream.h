// A weft stream as an Asio stream: what is written for AsyncReadStream and AsyncWriteStream, Boost.Beast and ssl::stream among it, runs
// over any address family, 512-bit ones included. Header-only, so that the stack itself never depends on Asio.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/system/error_code.hpp>

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "stack/api/stream.h"

namespace weft::asio_api {

namespace net = boost::asio;
using error_code = boost::system::error_code;

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

// One pending operation, which ends before the context of its executor does: who stops a context with some pending closes their
// streams first. It is listed where blocking calls and coroutines wait, and holds no stream, which may move meanwhile.
// Finished: `void(error_code, Value)` is posted, never called from within. Whoever leads finishes it, maybe another thread than the
// handler's: the handler's cancellation slot is touched by who begins it and by what was posted, alone.
template <class Handler, class Step, class Finish>
class Pending final : public api::Operation<Step>, public std::enable_shared_from_this<Pending<Handler, Step, Finish>> {
public:
    Pending(api::Shard& shard, net::any_io_executor executor, Step step, Handler handler, Finish finish)
        : api::Operation<Step>{std::move(step)}, shard_{shard}, handler_{std::move(handler)}, finish_{std::move(finish)},
          work_{net::prefer(executor, net::execution::outstanding_work.tracked)},
          to_{net::prefer(net::get_associated_executor(handler_, executor), net::execution::outstanding_work.tracked)} {}

    void begin(api::AwaitingList* where, std::uint8_t wants) {
        const api::Shard::Lock lock{shard_};
        if (this->attempt()) {
            finished();
            return shard_.flush();
        }
        alive_ = this->shared_from_this();
        if (auto slot = net::get_associated_cancellation_slot(handler_); slot.is_connected())
            slot.assign([weak = this->weak_from_this()](net::cancellation_type) {
                if (auto self = weak.lock()) self->cancel();
            });
        shard_.list(*this, where, wants, Instant::never());
        shard_.flush();
    }

    void finished() override {
        const auto keep = std::exchange(alive_, nullptr);
        const auto to = to_;
        net::post(to, [handler = std::move(handler_), work = work_, to, finish = std::move(finish_),
                       answer = this->take_answer()]() mutable {
            net::get_associated_cancellation_slot(handler).clear();
            finish(handler, std::move(answer));
        });
    }

private:
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

struct FinishTransfer {
    template <class Handler>
    void operator()(Handler& handler, Result<std::size_t> answer) const {
        handler(answer ? error_code{} : to_error_code(answer.error()), answer.value_or(0));
    }
};
struct FinishVoid {
    template <class Handler>
    void operator()(Handler& handler, Result<void> answer) const {
        handler(answer ? error_code{} : to_error_code(answer.error()));
    }
};

class Stream {
public:
    using executor_type = net::any_io_executor;
    using lowest_layer_type = Stream;
    using endpoint_type = Endpoint;

    explicit Stream(executor_type executor, api::Stream stream = {})
        : executor_{std::move(executor)}, stream_{std::move(stream)} {}
    Stream(Stream&&) = default;
    Stream& operator=(Stream&&) = default;

    executor_type get_executor() { return executor_; }
    lowest_layer_type& lowest_layer() { return *this; }
    const lowest_layer_type& lowest_layer() const { return *this; }
    api::Stream& stream() { return stream_; }
    bool is_open() const { return stream_.is_open(); }

    void close() { stream_.close(); }
    error_code close(error_code& error) {
        stream_.close();
        return error = {};
    }
    error_code shutdown(error_code& error) {
        const auto shut = stream_.shutdown();
        return error = shut ? error_code{} : to_error_code(shut.error());
    }

    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_connect(api::Shard& shard, const Endpoint& remote, Token&& token = {}, const ConnectOptions& options = {}) {
        auto begun = api::Stream::start(shard, remote, options);
        Error failed{};
        if (begun) stream_ = std::move(*begun);
        else failed = begun.error();
        auto wait = stream_.connecting();
        wait.shard = &shard;
        const auto step = [inner = wait.step, failed, ok = begun.has_value()]() -> Result<void> {
            if (!ok) return std::unexpected(failed);
            return inner();
        };
        return start<Token, void(error_code)>(executor_, api::Wait{wait.shard, wait.where, wait.wants, step}, FinishVoid{},
                                              std::forward<Token>(token));
    }

    template <class Buffers, class Token = net::default_completion_token_t<executor_type>>
    auto async_read_some(const Buffers& buffers, Token&& token = {}) {
        const auto into = first<net::mutable_buffer>(buffers);
        auto wait = stream_.reading({static_cast<std::byte*>(into.data()), into.size()}, into.size() > 0 ? 1 : 0);
        return start<Token, void(error_code, std::size_t)>(executor_, std::move(wait), FinishTransfer{},
                                                           std::forward<Token>(token));
    }

    template <class Buffers, class Token = net::default_completion_token_t<executor_type>>
    auto async_write_some(const Buffers& buffers, Token&& token = {}) {
        const auto from = first<net::const_buffer>(buffers);
        auto wait = stream_.writing_some({static_cast<const std::byte*>(from.data()), from.size()});
        return start<Token, void(error_code, std::size_t)>(executor_, std::move(wait), FinishTransfer{},
                                                           std::forward<Token>(token));
    }

private:
    template <class Buffer, class Buffers>
    static Buffer first(const Buffers& buffers) {
        for (auto i = net::buffer_sequence_begin(buffers); i != net::buffer_sequence_end(buffers); ++i)
            if (Buffer buffer{*i}; buffer.size() != 0) return buffer;
        return {};
    }

    executor_type executor_;
    api::Stream stream_;
};

class Acceptor {
public:
    using executor_type = net::any_io_executor;
    Acceptor(executor_type executor, api::Listener listener)
        : executor_{std::move(executor)}, listener_{std::move(listener)} {}
    executor_type get_executor() { return executor_; }
    void close() { listener_.close(); }

    template <class Token = net::default_completion_token_t<executor_type>>
    auto async_accept(Token&& token = {}) {
        const auto finish = [executor = executor_](auto& handler, Result<api::Stream> answer) {
            if (answer) return handler(error_code{}, Stream{executor, std::move(*answer)});
            handler(to_error_code(answer.error()), Stream{executor});
        };
        return start<Token, void(error_code, Stream)>(executor_, listener_.accepting(), finish, std::forward<Token>(token));
    }

private:
    executor_type executor_;
    api::Listener listener_;
};

// Turns a shard from within an io_context, whenever its descriptor says that there is something to do: run() goes on while this
// lives, and who destroys it does so in a thread of the context. Virtual time has no descriptor: turn the net between calls of poll().
class Turner {
public:
    Turner(net::io_context& context, api::Shard& shard) : shard_{shard}, descriptor_{context, ::dup(shard.descriptor())} {
        wait();
    }
    Turner(const Turner&) = delete;
    Turner& operator=(const Turner&) = delete;
    ~Turner() {
        error_code ignored;
        descriptor_.close(ignored);
    }

private:
    void wait() {
        descriptor_.async_wait(net::posix::stream_descriptor::wait_read,
                               [this, alive = std::weak_ptr{alive_}](error_code error) {
                                   if (error || alive.expired()) return;  // it may have been queued when this went
                                   (void)shard_.turn();
                                   if (!alive.expired()) wait();
                               });
    }

    api::Shard& shard_;
    net::posix::stream_descriptor descriptor_;
    std::shared_ptr<bool> alive_{std::make_shared<bool>(true)};
};

}  // namespace weft::asio_api
