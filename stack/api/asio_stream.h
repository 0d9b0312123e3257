// A weft stream as an Asio stream: what is written for AsyncReadStream and AsyncWriteStream, Boost.Beast and ssl::stream among it, runs
// over any address family, 512-bit ones included. Header-only, so that the stack itself never depends on Asio. A shard is there longer
// than the contexts whose handlers hold streams of it.
#include "stack/api/asio_which.h"  // each time: it says no where a source asks for both
#ifndef WEFT_ASIO_STREAM_H
#define WEFT_ASIO_STREAM_H

#include <unistd.h>

#include <cstddef>
#include <memory>
#include <utility>

#include "stack/api/asio_operation.h"

namespace weft::asio_api {

#ifdef WEFT_STANDALONE_ASIO
inline namespace standalone {
#endif

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

#ifdef WEFT_STANDALONE_ASIO
}  // namespace standalone
#endif

}  // namespace weft::asio_api

#endif
