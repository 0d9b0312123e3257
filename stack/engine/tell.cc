// Trace: where records go, who listens, and what is told again to those who come late.
#include <algorithm>
#include <array>
#include <string_view>

#include "stack/engine/state.h"
#include "stack/tcp/tell.h"

namespace weft {
namespace {

// A cursor is a part and an index in it. TIME-WAIT comes before connections: a place may have begun again since.
enum Part : std::uint32_t { paths_part, listeners_part, half_open_part, time_wait_part, connections_part, parts };
constexpr unsigned part_shift = 29;
constexpr std::uint32_t index_mask = (1u << part_shift) - 1;

// Looks at places until `most` were told, or 16 times as many seen. False: at the end.
template <class Tell>
bool walk(std::uint32_t& index, std::uint32_t end, std::int64_t& budget, Tell&& tell) {
    for (; index < end && budget > 0; ++index) budget -= tell(index) ? 16 : 1;
    return index < end;
}

std::int64_t budget_of(std::size_t most) { return std::int64_t(std::clamp<std::size_t>(most, 1, 1u << 24)) * 16; }

}  // namespace

void Engine::trace(const trace::Sink& sink) { state_->host.sink = sink; }

void Engine::State::tell_address(const trace::Sink& to, std::uint32_t id, const Address& address, Instant now,
                                 std::uint16_t flags) const {
    if (!to.wants(trace::Type::define)) return;
    for (std::uint32_t part = 0; part < 2; ++part) {
        trace::Define body{id, part, {}};
        const auto bytes = address.bytes().subspan(std::min<std::size_t>(part * 40, address.bytes().size()));
        std::copy_n(bytes.begin(), std::min<std::size_t>(bytes.size(), 40), body.bytes.begin());
        to.add(now, trace::no_flow, trace::Type::define, body, std::uint16_t(flags | std::uint16_t(address.family())));
    }
}

void Engine::State::tell_path(const trace::Sink& to, std::uint32_t path, Instant now, std::uint16_t flags) const {
    tell_address(to, path * 2, paths[path].local, now, flags);
    tell_address(to, path * 2 + 1, paths[path].remote, now, flags);
}

void Engine::State::tell_listener(const trace::Sink& to, std::uint32_t index, Instant now, std::uint16_t flags) const {
    const Endpoint& local = listener_local[index];
    const bool any = local.address.family() == Family::none;
    if (!any) tell_address(to, trace::listener_id | index, local.address, now, flags);
    if (!to.wants(trace::Type::flow)) return;
    trace::FlowBegin body{};
    body.generation = host.listeners.handle(index).generation;
    body.local_id = any ? trace::no_id : trace::listener_id | index;
    body.remote_id = trace::no_id;
    body.local_port = local.port;
    body.family = std::uint8_t(local.address.family());
    body.role = 2;
    body.slot = host.listeners[index].options.congestion;
    const std::string_view name = host.modules.name(body.slot);
    std::copy_n(name.begin(), std::min(name.size(), body.module.size()), body.module.begin());
    to.add(now, trace::place_of(trace::listener_place, host.shard, index), trace::Type::flow, body, flags);
}

void Engine::State::tell_listening(std::uint32_t index, bool begins, Instant now) const {
    if (begins) tell_listener(host.sink, index, now, 0);
    const tcp::Host::Named who{trace::place_of(trace::listener_place, host.shard, index),
                               host.listeners.handle(index).generation};
    const tcp::State from = begins ? tcp::State::closed : tcp::State::listen;
    host.tell_state(who, from, begins ? tcp::State::listen : tcp::State::closed, tcp::Cause::call, now);
}

// False: nothing is there.
bool Engine::State::tell_at(const trace::Sink& to, std::uint32_t part, std::uint32_t index, Instant now) {
    switch (part) {
    case paths_part:
        if (!paths.alive(index)) return false;
        tell_path(to, index, now, trace::snapshot_flag);
        return true;
    case listeners_part: {
        if (!host.listeners.lives(index)) return false;
        tell_listener(to, index, now, trace::snapshot_flag);
        const auto listening = std::uint8_t(tcp::State::listen);
        to.add(now, trace::place_of(trace::listener_place, host.shard, index), trace::Type::state,
               trace::StateChange{listening, listening, 0, 0, host.listeners.handle(index).generation},
               trace::snapshot_flag);
        return true;
    }
    case half_open_part:
        if (!host.half_open.lives(index)) return false;
        tcp::tell_half(host, index, to, now);
        return true;
    case time_wait_part: return host.time_wait.lives(index) && tcp::tell_time_wait(host, index, to, now);
    default:
        if (!host.connections.lives(index) || tcp::told_closed(host, index)) return false;
        tcp::Connection{host, index}.tell(to, now);
        return true;
    }
}

bool Engine::State::tell(const trace::Sink& to, std::uint32_t& cursor, std::size_t most, Instant now) {
    std::int64_t budget = budget_of(most);
    for (;;) {
        const std::uint32_t part = cursor >> part_shift;
        if (part >= parts) return false;
        const std::array ends{paths.end(), host.listeners.places(), host.half_open.places(), host.time_wait.places(),
                              host.connections.places()};
        std::uint32_t index = cursor & index_mask;
        const bool more = walk(index, ends[part], budget, [&](std::uint32_t at) { return tell_at(to, part, at, now); });
        cursor = more ? part << part_shift | index : (part + 1) << part_shift;
        if (more) return true;
    }
}

bool Engine::tell_flows(const trace::Sink& to, std::uint32_t& cursor, std::size_t most, Instant now) const {
    return state_->tell(to, cursor, most, now);
}

// Who was told knows the counters and the limit: later records say what differs from that.
bool Engine::tell_flows(std::uint32_t& cursor, std::size_t most, Instant now) {
    tcp::Host& host = state_->host;
    const std::uint32_t begin = cursor;
    const bool more = state_->tell(host.sink, cursor, most, now);
    if (cursor >> part_shift < connections_part) return more;
    const std::uint32_t first = begin >> part_shift == connections_part ? begin & index_mask : 0;
    const std::uint32_t last = more ? cursor & index_mask : host.connections.places();
    if (begin >> part_shift <= connections_part)
        for (std::uint32_t index = first; index < last; ++index)
            if (host.connections.lives(index)) tcp::Connection{host, index}.note_told();
    return more;
}

bool Engine::tell_counters(std::uint32_t& cursor, std::size_t most, Instant now) {
    tcp::Host& host = state_->host;
    if (!host.sink.wants(trace::Type::counters)) return false;
    std::int64_t budget = budget_of(most);
    return walk(cursor, host.connections.places(), budget, [&](std::uint32_t index) {
        return host.connections.lives(index) && tcp::Connection{host, index}.tell_changed(now);
    });
}

}  // namespace weft
