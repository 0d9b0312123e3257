// The engine's calls: each finds its record and hands over to TCP.
#include "stack/engine/engine.h"

#include <utility>

#include "stack/engine/state.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/handshake.h"
#include "stack/tcp/info.h"
#include "stack/tcp/tunables.h"

namespace weft {
namespace {

constexpr std::uint32_t least_buffer = 2'048, most_buffer = 1 << 30;  // bytes: a window has no more (RFC 7323, section 2.3)

constexpr Duration longest = Duration::seconds(1 << 28);  // eight years: sums of times stay far from 2^63 ns

Duration bounded(Duration wanted, Duration least, Duration most) { return std::clamp(wanted, least, most); }

HashKey seed_of(const Config& config) { return {config.seed[0], config.seed[1]}; }

KeepAlive bounded(KeepAlive wanted) {
    wanted.idle = bounded(wanted.idle, {}, longest);
    wanted.interval = bounded(wanted.interval, {}, longest);
    return wanted;
}

tcp::FlowOptions flow_options(const ConnectOptions& options) {
    return {bounded(options.user_timeout, {}, longest),
            std::uint8_t(options.dscp & 0x3f),
            options.hop_limit,
            options.nodelay,
            options.congestion,
            bounded(options.keepalive),
            options.report_errors,
            options.exchange_user_timeout,
            options.send_buffer == 0 ? 0 : std::clamp(options.send_buffer, least_buffer, most_buffer),
            options.receive_buffer == 0 ? 0 : std::clamp(options.receive_buffer, least_buffer, most_buffer),
            options.maximum_segment,
            options.fast_open,
            options.fast_open_queue,
            options.syn_retries,
            options.keep_failed,
            {options.fast_open_key[0], options.fast_open_key[1]}};
}

}  // namespace

Engine::State::State(const Config& with, BufferPool& pool)
    : host{tcp::bounded(with), seed_of(with), pool, with.shard}, paths{host.defence.key(tcp::Defence::Use::paths)},
      neighbours{host.defence.key(tcp::Defence::Use::neighbours)},
      listener_key{host.defence.key(tcp::Defence::Use::listeners)}, listener_table{listener_key} {}

Engine::State::State(const State& other) = default;

Engine::Engine(const Config& config, BufferPool& pool) : state_{std::make_unique<State>(config, pool)} {}
Engine::Engine(const Engine& other) : state_{std::make_unique<State>(*other.state_)} {
    state_->host.sink = {};
    state_->begin();
}
Engine& Engine::operator=(const Engine& other) {
    Engine copy{other};
    state_.swap(copy.state_);
    return *this;
}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

void Engine::receive(std::span<Receive> batch, Instant now) {
    state_->begin();
    state_->receive(batch, now);
}

void Engine::advance(Instant now) {
    state_->begin();
    state_->advance(now);
}

std::size_t Engine::transmit(std::span<Transmit> out, Instant now) {
    state_->begin();
    return state_->transmit(out, now);
}

std::size_t Engine::events(std::span<Event> out, Instant) {
    state_->begin();
    return state_->events(out);
}

void Engine::tune(const Config& config, Instant) {
    state_->begin();
    Config& ours = state_->host.settings;
    const Config was = ours;
    ours = tcp::bounded(config);
    ours.seed[0] = was.seed[0], ours.seed[1] = was.seed[1], ours.shard = was.shard;
}

const Config& Engine::config() const { return state_->host.settings; }

void Engine::expect(Flow flow) const { state_->host.fetch(flow.index()); }

Instant Engine::deadline() const { return state_->deadline(); }

// RFC 9293, section 3.10.1, active. The local address stays what it was chosen to be (MUST-43 to 46).
Result<Flow> Engine::connect(const Endpoint& remote, const ConnectOptions& options, Instant now) {
    state_->begin();
    State& state = *state_;
    if (!net::is_unicast(remote.address) || remote.port == 0 || !state.host.modules.has(options.congestion))
        return std::unexpected(Error::invalid);
    const bool any = options.local.address.family() == Family::none;
    if (state.addresses.is_broadcast(remote.address)) return std::unexpected(Error::invalid);
    const net::Assigned* assigned = state.source_for(remote, options.local.address);
    if (!assigned) return std::unexpected(any ? Error::network_unreachable : Error::address_not_available);
    if (assigned->address.family() != remote.address.family()) return std::unexpected(Error::invalid);
    if (!state.reachable(remote, *assigned)) return std::unexpected(Error::network_unreachable);
    if (state.host.full()) return std::unexpected(Error::no_memory);
    const std::uint32_t scope = net::is_link_local(remote.address) ? assigned->link : remote.scope;
    const std::uint32_t path =
        state.intern(assigned->address, remote.address, scope, {assigned->link, assigned->mtu, assigned->sums_elided}, now);
    if (path == 0) return std::unexpected(Error::no_memory);
    state.host.hold_path(path);
    const auto opened = [&]() -> Result<Flow> {
        tcp::FlowKey key{path, options.local.port, remote.port};
        const auto free = [&](std::uint16_t port) {
            return state.host.find({path, port, remote.port}).kind == tcp::Found::Kind::nothing;
        };
        if (key.local_port == 0) key.local_port = state.host.port(state.host.paths[path].hash, remote.port, free);
        if (key.local_port == 0) return std::unexpected(Error::address_not_available);
        if (!free(key.local_port)) return std::unexpected(Error::address_in_use);
        const SeqNum iss = state.host.defence.initial_sequence(state.host.paths[path].hash, key, now);
        const auto index = tcp::Connection::open(state.host, key, flow_options(options), iss, now);
        if (!index) return std::unexpected(Error::no_memory);
        tcp::Connection{state.host, *index}.start(now, options.fast_open);
        return state.host.connections.handle(*index);
    }();
    state.host.release_path(path);
    state.free_idle_paths();
    return opened;
}

std::uint32_t Engine::fast_open_room(const Endpoint& remote, const ConnectOptions& options, Instant now) const {
    const State& state = *state_;
    const net::Assigned* assigned = state.source_for(remote, options.local.address);
    if (!assigned || assigned->address.family() != remote.address.family()) return 0;
    const std::uint32_t scope = net::is_link_local(remote.address) ? assigned->link : remote.scope;
    const std::uint32_t path = state.paths.find(assigned->address, remote.address, scope);
    const std::uint32_t mtu = path != 0 ? state.host.paths[path].mtu : assigned->mtu;
    const std::uint32_t headers = std::uint32_t(net::header_size(remote.address.family())) + 20u;
    std::uint32_t largest = mtu > headers ? mtu - headers : 0;
    if (options.maximum_segment != 0) largest = std::min<std::uint32_t>(largest, options.maximum_segment);
    return tcp::fast_open_offer(state.host, state.paths.hash_of(assigned->address, remote.address, scope), largest, now)
        .text;
}

void Engine::forget_cookies(Instant) {
    state_->begin();
    state_->host.fast_open = {};
}

// RFC 9293, section 3.10.1, passive. It disturbs no record of a connection (MUST-41, MUST-42).
Result<ListenerId> Engine::listen(const ListenOptions& options, Instant now) {
    state_->begin();
    State& state = *state_;
    if (!state.host.modules.has(options.congestion)) return std::unexpected(Error::invalid);
    Endpoint local = options.local;
    const bool any = local.address.family() == Family::none;
    if (!any && !state.addresses.find(local.address)) return std::unexpected(Error::address_not_available);
    const auto free = [&](std::uint16_t port) {
        return !state.listener_table.find(state.listener_word(local.address, any ? 0 : local.scope, port));
    };
    if (options.any_port && local.port != 0) return std::unexpected(Error::invalid);
    if (local.port == 0 && !options.any_port)
        local.port = state.host.port(state.listener_word(local.address, local.scope, 0), 0, free);
    if ((local.port == 0 && !options.any_port) || !free(local.port)) return std::unexpected(Error::address_in_use);
    tcp::Listener listener;
    listener.asks = options.ask;
    listener.options = flow_options(options);
    listener.backlog = std::max(options.backlog, 1u);
    const ListenerId id = state.host.listeners.insert(listener);
    if (id == ListenerId{}) return std::unexpected(Error::no_memory);
    state.listener_local.reach(id.index());
    state.listener_local[id.index()] = local;
    state.listener_table.insert(state.listener_word(local.address, any ? 0 : local.scope, local.port), id.index());
    state.tell_listening(id.index(), true, now);
    return id;
}

Result<void> Engine::unlisten(ListenerId listener, Instant now) {
    state_->begin();
    State& state = *state_;
    if (!state.host.listeners.find(listener)) return stale;
    const Endpoint& local = state.listener_local[listener.index()];
    state.listener_table.erase(
        state.listener_word(local.address, local.address.family() == Family::none ? 0 : local.scope, local.port));
    state.tell_listening(listener.index(), false, now);
    tcp::close_listener(state.host, listener, now);
    state.free_idle_paths();
    return {};
}

Result<Flow> Engine::accept(ListenerId id, Instant) {
    state_->begin();
    tcp::Host& host = state_->host;
    tcp::Listener* listener = host.listeners.find(id);
    if (!listener) return stale;
    if (listener->waiting.empty()) return std::unexpected(Error::would_block);
    const std::uint32_t index = listener->waiting.first;
    listener->waiting.remove(index, host.event_place());
    --listener->waiting_count;
    tcp::Connection{host, index}.accepted_by_user();
    return host.connections.handle(index);
}

Result<void> Engine::answer(Question question, Answer answer, Instant now) {
    state_->begin();
    if (!state_->host.half_open.find(question)) return stale;
    switch (answer) {
    case Answer::accept: tcp::accept_half(state_->host, question.index(), now); break;
    case Answer::refuse: tcp::refuse_half(state_->host, question.index(), now); break;
    case Answer::drop: tcp::drop_half(state_->host, question.index(), tcp::State::listen, tcp::Cause::call, now); break;
    case Answer::later: tcp::put_off_half(state_->host, question.index()); break;
    }
    state_->free_idle_paths();
    return {};
}

Result<std::size_t> Engine::write(Flow flow, std::span<const std::byte> bytes, WriteOptions options, Instant) {
    state_->begin();
    const auto index = state_->find(flow);
    if (!index) return stale;
    return tcp::Connection{state_->host, *index}.write(
        bytes, {options.nodelay, options.urgent, options.more, options.overflow, options.held_back, options.ends_record});
}

Result<void> Engine::write(Flow flow, const Slice& slice, WriteOptions options, Instant) {
    state_->begin();
    const auto index = state_->find(flow);
    if (!index) return stale;
    return tcp::Connection{state_->host, *index}.write(
        slice, {options.nodelay, options.urgent, options.more, options.overflow, options.held_back, options.ends_record});
}

Result<std::size_t> Engine::read(Flow flow, std::span<std::byte> into, Instant) {
    state_->begin();
    const auto index = state_->find(flow);
    if (!index) return stale;
    return tcp::Connection{state_->host, *index}.read(into);
}

Result<std::size_t> Engine::take(Flow flow, std::span<Slice> into, Instant) {
    state_->begin();
    const auto index = state_->find(flow);
    if (!index) return stale;
    return tcp::Connection{state_->host, *index}.take(into);
}

Result<std::size_t> Engine::peek(Flow flow, std::size_t offset, std::span<std::byte> into, Instant) {
    state_->begin();
    const auto index = state_->find(flow);
    if (!index) return stale;
    return tcp::Connection{state_->host, *index}.peek(offset, into);
}

Result<void> Engine::shutdown(Flow flow, Direction direction, Instant now) {
    state_->begin();
    const auto index = state_->find(flow);
    if (!index) return stale;
    tcp::Connection connection{state_->host, *index};
    switch (direction) {
    case Direction::read: connection.shutdown_read(); break;
    case Direction::write: connection.shutdown_write(); break;
    case Direction::both: connection.close(now); break;
    }
    return {};
}

Result<void> Engine::abort(Flow flow, Instant now) {
    state_->begin();
    const auto index = state_->find(flow);
    if (!index) return stale;
    tcp::Connection{state_->host, *index}.abort(now);
    state_->free_idle_paths();
    return {};
}

Result<void> Engine::set(Flow flow, const ConnectOptions& options, Instant now) {
    state_->begin();
    const auto index = state_->find(flow);
    if (!index) return stale;
    if (!state_->host.modules.has(options.congestion)) return std::unexpected(Error::invalid);
    tcp::Connection{state_->host, *index}.steer_to(options.congestion, now);
    tcp::Connection{state_->host, *index}.set(flow_options(options), now);
    return {};
}

Result<void> Engine::set(ListenerId listener, const ConnectOptions& options, Instant) {
    state_->begin();
    tcp::Listener* const found = state_->host.listeners.find(listener);
    if (!found) return stale;
    if (!state_->host.modules.has(options.congestion)) return std::unexpected(Error::invalid);
    found->options = flow_options(options);
    return {};
}

Result<Peers> Engine::peers(Flow flow) const {
    const tcp::Tcb* tcb = inspect(flow);
    if (!tcb) return stale;
    const tcp::FlowKey key = tcb->receiving.key;
    const net::Path& path = state_->paths[key.path];
    return Peers{{path.local, path.scope, key.local_port}, {path.remote, path.scope, key.remote_port}};
}

Result<Peers> Engine::peers(Question question) const {
    const tcp::HalfOpen* half = std::as_const(state_->host.half_open).find(question);
    if (!half) return stale;
    const net::Path& path = state_->paths[half->key.path];
    return Peers{{path.local, path.scope, half->key.local_port}, {path.remote, path.scope, half->key.remote_port}};
}

Result<Peers> Engine::peers(ListenerId listener) const {
    if (!state_->host.listeners.find(listener)) return stale;
    return Peers{state_->listener_local[listener.index()], {}};
}

Result<Buffers> Engine::buffers(Flow flow) const {
    if (!inspect(flow)) return stale;
    return tcp::Connection{state_->host, flow.index()}.buffers();
}

std::uint32_t Engine::waiting(ListenerId listener) const {
    const tcp::Listener* found = state_->host.listeners.find(listener);
    return found ? found->waiting_count : 0;
}

bool Engine::assigned(const Address& local) const { return state_->addresses.find(local) != nullptr; }

Result<tcp::TcpInfo> Engine::info(Flow flow, Instant now) const {
    if (!inspect(flow)) return stale;
    return tcp::info_of(state_->host, flow.index(), now);
}

Result<std::uint32_t> Engine::urgent(Flow flow) const {
    if (!inspect(flow)) return stale;
    return tcp::Connection{state_->host, flow.index()}.urgent_left();
}

const tcp::Tcb* Engine::inspect(Flow flow) const { return std::as_const(state_->host.connections).find(flow); }
const tcp::Cold* Engine::inspect_cold(Flow flow) const { return inspect(flow) ? &state_->host.cold[flow.index()] : nullptr; }

const tcp::Scoreboard* Engine::inspect_scoreboard(Flow flow) const {
    const tcp::Tcb* const found = inspect(flow);
    return found && found->sending.scoreboard != none ? &state_->host.scoreboards[found->sending.scoreboard] : nullptr;
}

std::vector<Flow> Engine::flows() const {
    std::vector<Flow> all;
    all.reserve(state_->host.connections.size());
    state_->host.connections.each([&](Flow flow) { all.push_back(flow); });
    return all;
}

Statistics Engine::statistics() const {
    Statistics now = state_->host.statistics;
    now.connections = std::uint32_t(state_->host.connections.size());
    now.half_open = std::uint32_t(state_->host.half_open.size());
    now.time_wait = std::uint32_t(state_->host.time_wait.size());
    now.listeners = std::uint32_t(state_->host.listeners.size());
    now.paths = state_->paths.size();
    now.unresolved = state_->neighbours.dropped();
    return now;
}

}  // namespace weft
