// Blocking and non-blocking streams over any address family (docs/api.md). A blocking call returns what it promises, an error, or
// timed_out when `until` has come; meanwhile its thread serves all flows of the shard. Any thread may call; a stream or listener is
// not moved or destroyed while others use it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "stack/api/shard.h"
#include "stack/core/buffer.h"
#include "stack/engine/options.h"

namespace weft::api {

// What came, lent and not copied, until this is destroyed; by any thread.
class Lease {
public:
    static constexpr std::size_t most = 16;  // parts

    Lease() = default;
    Lease(Lease&& other) noexcept { *this = std::move(other); }
    Lease& operator=(Lease&& other) noexcept {
        std::swap(shard_, other.shard_);
        std::swap(slices_, other.slices_);
        std::swap(parts_, other.parts_);
        std::swap(count_, other.count_);
        return *this;
    }
    ~Lease();

    std::span<const std::span<const std::byte>> parts() const { return std::span{parts_}.first(count_); }
    std::size_t size() const {  // bytes
        std::size_t sum = 0;
        for (const auto& part : parts()) sum += part.size();
        return sum;
    }

private:
    friend class Stream;
    Shard* shard_{nullptr};
    std::array<Slice, most> slices_;
    std::array<std::span<const std::byte>, most> parts_;
    std::size_t count_{0};
};

// What a call tries, and where it waits meanwhile.
template <class Step>
struct Wait {
    Shard* shard;
    AwaitingList* where;
    std::uint8_t wants;
    Step step;
};

// A connection. Errors of all calls: not_connected (nothing is open: closed here, or moved from), aborted (closed here while the
// call was waiting), not_permitted (it would wait inside a coroutine or an Ask), no_memory, and what the connection failed with:
// readers hear reset, timed_out or unreachable; writers hear closed_by_peer after a reset. A keep-alive that goes unanswered is
// the end of the stream to readers and closed_by_peer to writers.
class Stream {
public:
    static constexpr Instant never = Instant::never();
    using Bytes = std::span<const std::byte>;

    // Errors: refused, unreachable, network_unreachable, timed_out, address_in_use, address_not_available.
    static Result<Stream> connect(Shard& shard, const Endpoint& remote, const ConnectOptions& options = {},
                                  Instant until = never);
    static Result<Stream> start(Shard& shard, const Endpoint& remote, const ConnectOptions& options = {});  // never waits
    Result<void> await_connected(Instant until = never);  // errors of connect()
    Result<void> connected();  // would_block: not yet

    Stream() = default;
    Stream(Stream&& other) noexcept { *this = std::move(other); }
    Stream& operator=(Stream&& other) noexcept {
        std::swap(shard_, other.shard_);
        std::swap(id_, other.id_);
        std::swap(options_, other.options_);
        return *this;
    }
    ~Stream() { close(); }

    // At least one byte, unless `into` is empty. end_of_stream: the peer has ended its half, and all before it was read.
    Result<std::size_t> read_some(std::span<std::byte> into, Instant until = never);
    Result<std::size_t> try_read(std::span<std::byte> into);  // would_block
    Result<void> read_exactly(std::span<std::byte> into, Instant until = never);  // end_of_stream: it ended before
    Result<Lease> take(Instant until = never);

    // All of it is in the send buffer. After an error some of it may be.
    Result<void> write(Bytes bytes, Instant until = never);
    Result<void> write(std::span<const Bytes> parts, Instant until = never);
    Result<std::size_t> try_write(Bytes bytes);  // what fits; would_block: nothing
    Result<void> write_now(Bytes bytes);  // all of it, beyond the send buffer; never waits
    // Without Nagle's delay. All that was written so far has been transmitted once.
    Result<void> write_nodelay(Bytes bytes, Instant until = never);
    Result<void> write_nodelay(std::span<const Bytes> parts, Instant until = never);

    Result<void> shutdown();  // ends our half: what was written leaves before it; reading goes on
    // Ends our half and waits until the peer has ended its own and has all of ours. What it still sends is thrown away.
    Result<void> finish(Instant until = never);
    void close() noexcept;  // never waits: what was written still leaves; unread text makes it a reset (RFC 9293, 3.6.1)
    void abort() noexcept;  // a reset

    Result<Peers> peers() const;
    Result<void> keepalive(const KeepAlive& keepalive);
    Result<void> nodelay(bool on);
    Result<std::size_t> readable() const;  // bytes that read_some() would give
    std::optional<Error> failure() const;  // what it failed with, as it was; none while it lives, or after an orderly end
    bool is_open() const { return id_ != Shard::HeldId{}; }
    Flow flow() const;  // the engine's handle, for who looks in; stale when the connection is over
    Shard& shard() const { return *shard_; }

    // What the calls above try, for other faces.
    auto reading(std::span<std::byte> into, std::size_t least) {
        const auto step = [shard = shard_, id = id_, into, least, done = std::size_t{0}]() mutable {
            return read_step(*shard, id, into, least, done);
        };
        return Wait{shard_, where(), want_read, step};
    }
    auto taking() {
        return Wait{shard_, where(), want_read, [shard = shard_, id = id_] { return take_step(*shard, id); }};
    }
    auto writing(Bytes bytes, bool transmitted) {
        const auto step = [shard = shard_, id = id_, bytes, transmitted]() mutable {
            return write_step(*shard, id, {&bytes, 1}, transmitted);
        };
        return Wait{shard_, where(), std::uint8_t(want_write | want_sent), step};
    }
    auto writing_some(Bytes bytes) {
        const auto step = [shard = shard_, id = id_, bytes]() -> Result<std::size_t> {
            Bytes left = bytes;
            const auto written = write_step(*shard, id, {&left, 1}, false);
            if (!written && left.size() == bytes.size()) return std::unexpected(written.error());
            return bytes.size() - left.size();
        };
        return Wait{shard_, where(), want_write, step};
    }
    auto finishing() {
        return Wait{shard_, where(), std::uint8_t(want_read | want_over),
                    [shard = shard_, id = id_] { return finish_step(*shard, id); }};
    }
    auto connecting() {
        return Wait{shard_, where(), want_open, [shard = shard_, id = id_] { return connect_step(*shard, id); }};
    }

private:
    friend class Listener;
    Stream(Shard& shard, Shard::HeldId id, const ConnectOptions& options) : shard_{&shard}, id_{id}, options_{options} {}

    static Result<std::size_t> read_step(Shard& shard, Shard::HeldId id, std::span<std::byte> into, std::size_t least,
                                         std::size_t& done);
    static Result<Lease> take_step(Shard& shard, Shard::HeldId id);
    // Takes what it has written off the front of `parts`.
    static Result<void> write_step(Shard& shard, Shard::HeldId id, std::span<Bytes> parts, bool transmitted);
    static Result<void> finish_step(Shard& shard, Shard::HeldId id);
    static Result<void> connect_step(Shard& shard, Shard::HeldId id);
    Result<void> write_parts(std::span<const Bytes> parts, bool transmitted, Instant until);
    Result<void> change();
    AwaitingList* where() const;
    template <class Step>
    auto call(const Wait<Step>& wait, Instant until) {
        return wait.shard->call(wait.where, wait.wants, until, wait.step);
    }

    Shard* shard_{nullptr};
    Shard::HeldId id_;
    ConnectOptions options_;
};

// Errors of opening: address_in_use, address_not_available, invalid.
class Listener {
public:
    // With `ask` each SYN is asked about first.
    static Result<Listener> open(Shard& shard, ListenOptions options, Ask ask = {});
    Listener() = default;
    Listener(Listener&& other) noexcept { *this = std::move(other); }
    Listener& operator=(Listener&& other) noexcept {
        std::swap(shard_, other.shard_);
        std::swap(id_, other.id_);
        std::swap(options_, other.options_);
        return *this;
    }
    ~Listener() { close(); }

    Result<Stream> accept(Instant until = Instant::never());
    Result<Stream> try_accept();  // would_block
    Result<void> answer(Question question, Answer answer);  // of one that was answered `later`
    Result<Endpoint> local() const;
    void close() noexcept;  // connections that were accepted live on

    auto accepting() {
        return Wait{shard_, where(), want_open, [shard = shard_, id = id_, options = ConnectOptions{options_}] {
                        return accept_step(*shard, id, options);
                    }};
    }

private:
    static Result<Stream> accept_step(Shard& shard, Shard::ListeningId id, const ConnectOptions& options);
    AwaitingList* where() const;

    Shard* shard_{nullptr};
    Shard::ListeningId id_;
    ListenOptions options_;
};

}  // namespace weft::api
