// Streams and listeners: each call's attempt, made under the shard's lock.
#include "stack/api/stream.h"

#include <vector>

#include "stack/tcp/tcb.h"

namespace weft::api {
namespace {

// What a reader, or a writer, hears of a connection that is over.
Error reader_hears(const Held& held) {
    if (!held.failure) return Error::end_of_stream;
    return *held.failure == Error::timed_out && held.keepalive ? Error::end_of_stream : *held.failure;
}
Error writer_hears(const Held& held) {
    if (!held.failure || *held.failure == Error::reset) return Error::closed_by_peer;
    return *held.failure == Error::timed_out && held.keepalive ? Error::closed_by_peer : *held.failure;
}

}  // namespace

Lease::~Lease() {
    if (!shard_ || count_ == 0) return;
    const Shard::Lock lock{*shard_};  // who is asked about a SYN holds it already
    for (Slice& slice : slices_) slice = {};
}

// ---- attempts --------------------------------------------------------------------------------------------------------

Result<void> Stream::connect_step(Shard& shard, Shard::HeldId id) {
    const Held* held = shard.find(id);
    if (!held) return std::unexpected(Error::not_connected);
    if (held->open) return {};
    if (held->over) return std::unexpected(held->failure.value_or(Error::aborted));
    return std::unexpected(Error::would_block);
}

Result<std::size_t> Stream::read_step(Shard& shard, Shard::HeldId id, std::span<std::byte> into, std::size_t least,
                                      std::size_t& done) {
    const Held* held = shard.find(id);
    if (!held) return std::unexpected(Error::not_connected);
    if (done == into.size()) return done;
    if (held->over) return std::unexpected(reader_hears(*held));
    while (done < into.size()) {
        const auto count = shard.raw().read(held->flow, into.subspan(done), shard.now());
        if (!count && done > 0 && done >= least) break;
        if (!count) return std::unexpected(count.error());
        done += *count;
        if (*count == 0) break;
    }
    if (done < least) return std::unexpected(Error::would_block);
    return done;
}

Result<Lease> Stream::take_step(Shard& shard, Shard::HeldId id) {
    const Held* held = shard.find(id);
    if (!held) return std::unexpected(Error::not_connected);
    if (held->over) return std::unexpected(reader_hears(*held));
    Lease lease;
    const auto count = shard.raw().take(held->flow, lease.slices_, shard.now());
    if (!count) return std::unexpected(count.error());
    lease.shard_ = &shard;
    lease.count_ = *count;
    for (std::size_t i = 0; i < *count; ++i) lease.parts_[i] = lease.slices_[i].bytes();
    return lease;
}

Result<void> Stream::write_step(Shard& shard, Shard::HeldId id, std::span<Bytes> parts, bool transmitted) {
    const Held* held = shard.find(id);
    if (!held) return std::unexpected(Error::not_connected);
    if (held->over) return std::unexpected(writer_hears(*held));
    if (held->shut) return std::unexpected(Error::closed_by_peer);
    if (!held->open) return std::unexpected(Error::would_block);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        Bytes& part = parts[i];
        if (part.empty()) continue;
        const WriteOptions options{.nodelay = transmitted && i + 1 == parts.size(), .more = i + 1 < parts.size()};
        const auto taken = shard.raw().write(held->flow, part, options, shard.now());
        if (!taken) return std::unexpected(taken.error());
        part = part.subspan(*taken);
        if (!part.empty()) return std::unexpected(Error::would_block);
    }
    if (!transmitted) return {};
    const auto buffers = shard.raw().buffers(held->flow);
    if (buffers && buffers->unsent > 0) return std::unexpected(Error::would_block);
    return {};
}

Result<void> Stream::finish_step(Shard& shard, Shard::HeldId id) {
    Held* held = shard.find(id);
    if (!held) return std::unexpected(Error::not_connected);
    if (!held->over && held->open && !std::exchange(held->shut, true))
        (void)shard.raw().shutdown(held->flow, Engine::Direction::write, shard.now());
    std::array<Slice, 16> thrown_away;
    while (!held->over && shard.raw().take(held->flow, thrown_away, shard.now()).value_or(0) > 0) {}
    if (!held->over) return std::unexpected(Error::would_block);
    if (held->failure) return std::unexpected(*held->failure);
    return {};
}

// ---- streams ---------------------------------------------------------------------------------------------------------

AwaitingList* Stream::where() const {
    if (!shard_) return nullptr;
    const Shard::Lock lock{*shard_};
    Held* held = shard_->find(id_);
    return held ? &held->waiting : nullptr;
}

Result<Stream> Stream::start(Shard& shard, const Endpoint& remote, const ConnectOptions& options) {
    const Shard::Lock lock{shard};
    if (!lock) return std::unexpected(Error::not_permitted);
    const auto flow = shard.raw().connect(remote, options, shard.now());
    if (!flow) return std::unexpected(flow.error());
    const Shard::HeldId id = shard.hold(*flow, false);
    shard.find(id)->keepalive = options.keepalive.on;
    shard.flush();
    return Stream{shard, id, options};
}

Result<Stream> Stream::connect(Shard& shard, const Endpoint& remote, const ConnectOptions& options, Instant until) {
    Result<Stream> stream = start(shard, remote, options);
    if (!stream) return stream;
    if (const auto open = stream->await_connected(until); !open) {
        stream->abort();
        return std::unexpected(open.error());
    }
    return stream;
}

Result<void> Stream::await_connected(Instant until) {
    if (!shard_) return std::unexpected(Error::not_connected);
    return call(connecting(), until);
}

Result<void> Stream::connected() {
    if (!shard_) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    return connect_step(*shard_, id_);
}

Result<std::size_t> Stream::read_some(std::span<std::byte> into, Instant until) {
    if (!shard_) return std::unexpected(Error::not_connected);
    return call(reading(into, 1), until);
}

Result<std::size_t> Stream::try_read(std::span<std::byte> into) {
    if (!shard_) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    if (!lock) return std::unexpected(Error::not_permitted);
    std::size_t done = 0;
    const auto read = read_step(*shard_, id_, into, 1, done);
    if (read) shard_->flush();  // the window that it opens
    return read;
}

Result<void> Stream::read_exactly(std::span<std::byte> into, Instant until) {
    if (!shard_) return std::unexpected(Error::not_connected);
    if (const auto read = call(reading(into, into.size()), until); !read) return std::unexpected(read.error());
    return {};
}

Result<Lease> Stream::take(Instant until) {
    if (!shard_) return std::unexpected(Error::not_connected);
    return call(taking(), until);
}

Result<void> Stream::write(Bytes bytes, Instant until) { return write_parts({&bytes, 1}, false, until); }
Result<void> Stream::write(std::span<const Bytes> parts, Instant until) { return write_parts(parts, false, until); }
Result<void> Stream::write_nodelay(Bytes bytes, Instant until) { return write_parts({&bytes, 1}, true, until); }
Result<void> Stream::write_nodelay(std::span<const Bytes> parts, Instant until) { return write_parts(parts, true, until); }

Result<void> Stream::write_parts(std::span<const Bytes> parts, bool transmitted, Instant until) {
    if (!shard_) return std::unexpected(Error::not_connected);
    std::vector<Bytes> left{parts.begin(), parts.end()};
    const auto step = [&] { return write_step(*shard_, id_, left, transmitted); };
    return shard_->call(where(), want_write | want_sent, until, step);
}

Result<std::size_t> Stream::try_write(Bytes bytes) {
    if (!shard_) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    if (!lock) return std::unexpected(Error::not_permitted);
    Bytes left = bytes;
    const auto written = write_step(*shard_, id_, {&left, 1}, false);
    const std::size_t count = bytes.size() - left.size();
    if (!written && count == 0) return std::unexpected(written.error());
    shard_->flush();
    return count;
}

Result<void> Stream::write_now(Bytes bytes) {
    if (!shard_) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    if (!lock) return std::unexpected(Error::not_permitted);
    const Held* held = shard_->find(id_);
    if (!held) return std::unexpected(Error::not_connected);
    if (held->over) return std::unexpected(writer_hears(*held));
    if (held->shut) return std::unexpected(Error::closed_by_peer);
    const auto taken = shard_->raw().write(held->flow, bytes, {.overflow = true}, shard_->now());
    shard_->flush();
    if (!taken) return std::unexpected(taken.error());
    if (*taken < bytes.size()) return std::unexpected(Error::no_memory);
    return {};
}

Result<void> Stream::shutdown() {
    if (!shard_) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    if (!lock) return std::unexpected(Error::not_permitted);
    Held* held = shard_->find(id_);
    if (!held || held->over) return std::unexpected(Error::not_connected);
    if (std::exchange(held->shut, true)) return {};
    const auto shut = shard_->raw().shutdown(held->flow, Engine::Direction::write, shard_->now());
    shard_->flush();
    return shut;
}

Result<void> Stream::finish(Instant until) {
    if (!shard_) return std::unexpected(Error::not_connected);
    return call(finishing(), until);
}

void Stream::close() noexcept {
    if (!shard_ || id_ == Shard::HeldId{}) return;
    const Shard::Lock lock{*shard_};
    if (const Held* held = shard_->find(id_); held && !held->over)
        (void)shard_->raw().shutdown(held->flow, Engine::Direction::both, shard_->now());
    shard_->let_go(std::exchange(id_, {}));
    shard_->flush();
}

void Stream::abort() noexcept {
    if (!shard_ || id_ == Shard::HeldId{}) return;
    const Shard::Lock lock{*shard_};
    if (const Held* held = shard_->find(id_); held && !held->over) (void)shard_->raw().abort(held->flow, shard_->now());
    shard_->let_go(std::exchange(id_, {}));
    shard_->flush();
}

Result<Peers> Stream::peers() const {
    const Flow mine = flow();
    if (mine == Flow{}) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    return shard_->raw().peers(mine);
}

Result<std::size_t> Stream::readable() const {
    const Flow mine = flow();
    if (mine == Flow{}) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    const auto buffers = shard_->raw().buffers(mine);
    if (!buffers) return std::unexpected(buffers.error());
    return buffers->unread;
}

Result<void> Stream::change() {
    const Flow mine = flow();
    if (mine == Flow{}) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    if (Held* held = shard_->find(id_)) held->keepalive = options_.keepalive.on;
    const auto changed = shard_->raw().set(mine, options_, shard_->now());
    shard_->flush();
    return changed;
}

Result<void> Stream::keepalive(const KeepAlive& keepalive) {
    options_.keepalive = keepalive;
    return change();
}

Result<void> Stream::nodelay(bool on) {
    options_.nodelay = on;
    return change();
}

std::optional<Error> Stream::failure() const {
    if (!shard_) return std::nullopt;
    const Shard::Lock lock{*shard_};
    const Held* held = shard_->find(id_);
    return held ? held->failure : std::nullopt;
}

Flow Stream::flow() const {
    if (!shard_) return {};
    const Shard::Lock lock{*shard_};
    const Held* held = shard_->find(id_);
    return held ? held->flow : Flow{};
}

// ---- listeners -------------------------------------------------------------------------------------------------------

AwaitingList* Listener::where() const {
    if (!shard_) return nullptr;
    const Shard::Lock lock{*shard_};
    Listening* listening = shard_->find(id_);
    return listening ? &listening->waiting : nullptr;
}

Result<Listener> Listener::open(Shard& shard, ListenOptions options, Ask ask) {
    const Shard::Lock lock{shard};
    if (!lock) return std::unexpected(Error::not_permitted);
    options.ask = bool(ask);
    const auto listens = shard.raw().listen(options, shard.now());
    if (!listens) return std::unexpected(listens.error());
    Listener listener;
    listener.shard_ = &shard;
    listener.id_ = shard.listen(*listens, options.local, std::move(ask));
    listener.options_ = options;
    return listener;
}

Result<Stream> Listener::accept_step(Shard& shard, Shard::ListeningId id, const ConnectOptions& options) {
    const Listening* listening = shard.find(id);
    if (!listening) return std::unexpected(Error::not_connected);
    const auto flow = shard.raw().accept(listening->id, shard.now());
    if (!flow) return std::unexpected(flow.error());
    const Shard::HeldId held = shard.hold(*flow, true);
    shard.find(held)->keepalive = options.keepalive.on;
    return Stream{shard, held, options};
}

Result<Stream> Listener::accept(Instant until) {
    if (!shard_) return std::unexpected(Error::not_connected);
    const auto wait = accepting();
    return shard_->call(wait.where, wait.wants, until, wait.step);
}

Result<Stream> Listener::try_accept() {
    if (!shard_) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    if (!lock) return std::unexpected(Error::not_permitted);
    return accept_step(*shard_, id_, options_);
}

Result<void> Listener::answer(Question question, Answer answer) {
    if (!shard_) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    if (!lock) return std::unexpected(Error::not_permitted);
    const auto answered = shard_->raw().answer(question, answer, shard_->now());
    shard_->flush();
    return answered;
}

Result<Endpoint> Listener::local() const {
    if (!shard_) return std::unexpected(Error::not_connected);
    const Shard::Lock lock{*shard_};
    const Listening* listening = shard_->find(id_);
    if (!listening) return std::unexpected(Error::not_connected);
    const auto peers = shard_->raw().peers(listening->id);
    if (!peers) return std::unexpected(peers.error());
    return peers->local;
}

void Listener::close() noexcept {
    if (!shard_ || id_ == Shard::ListeningId{}) return;
    const Shard::Lock lock{*shard_};
    if (const Listening* listening = shard_->find(id_)) (void)shard_->raw().unlisten(listening->id, shard_->now());
    shard_->let_go(std::exchange(id_, {}));
    shard_->flush();
}

}  // namespace weft::api
