// Records of what is: who a flow is and how it stands, of connections, half-open records and TIME-WAIT records alike.
#include "stack/tcp/tell.h"

#include <algorithm>
#include <string_view>

#include "stack/core/transitions.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/window.h"

namespace weft::tcp {
namespace {

static_assert(trace::state_names.size() == std::size_t(State::time_wait) + 1 &&
              trace::cause_names.size() == std::size_t(Cause::room) + 1);
static_assert([] {
    for (std::uint8_t state = 0; state <= std::uint8_t(State::time_wait); ++state)
        if (trace::state_name(state) != to_string(State(state))) return false;
    return true;
}());

enum Role : std::uint8_t { active, passive, listening, waiting };
enum Holds : std::uint32_t { cwnd = 1, rwnd, application, pacing, send_buffer };

trace::FlowBegin begin(const Host& host, FlowKey key, Host::Named who, Role role, Instant opened) {
    trace::FlowBegin body{};
    body.generation = who.generation;
    body.local_id = key.path * 2;
    body.remote_id = key.path * 2 + 1;
    body.local_port = key.local_port;
    body.remote_port = key.remote_port;
    body.family = host.paths[key.path].family;
    body.role = role;
    body.path = key.path;
    body.opened_ns = opened.nanoseconds();
    return body;
}

void set_module(trace::FlowBegin& body, const Host& host, std::uint16_t slot) {
    const std::string_view name = host.modules.name(slot);
    body.slot = slot;
    std::copy_n(name.begin(), std::min(name.size(), body.module.size()), body.module.begin());
}

trace::StateChange stands(State state, Host::Named who) {
    return {std::uint8_t(state), std::uint8_t(state), 0, 0, who.generation};
}

}  // namespace

Host::Named Host::name(Found found) const {
    switch (found.kind) {
    case Found::Kind::connection: {
        const auto handle = connections.handle(found.index);
        return {handle.place, handle.generation};
    }
    case Found::Kind::half_open: return name_half(found.index);
    case Found::Kind::time_wait: return name_time_wait(found.index);
    case Found::Kind::nothing: return {};
    }
    return {};
}

void tell_half_begin(const Host& host, std::uint32_t index, const trace::Sink& to, Instant now, std::uint16_t flags) {
    if (!to.wants(trace::Type::flow)) return;
    const HalfOpen& half = host.half_open[index];
    const Host::Named who = host.name_half(index);
    trace::FlowBegin body = begin(host, half.key, who, passive, half.born_at);
    if (const Listener* listener = host.listeners.find(half.listener))
        set_module(body, host, host.modules.resolve(listener->options.congestion));
    to.add(now, who.place, trace::Type::flow, body, flags);
}

void tell_half(const Host& host, std::uint32_t index, const trace::Sink& to, Instant now) {
    tell_half_begin(host, index, to, now, trace::snapshot_flag);
    const Host::Named who = host.name_half(index);
    to.add(now, who.place, trace::Type::state, stands(State::syn_received, who), trace::snapshot_flag);
}

bool tell_time_wait(const Host& host, std::uint32_t index, const trace::Sink& to, Instant now) {
    const Host::Named who = host.name_time_wait(index);
    if (host.connections.find({who.place, who.generation})) return false;
    const bool begun_anew = host.connections.lives(host.time_wait[index].flow);
    const auto flags = std::uint16_t(trace::snapshot_flag | (begun_anew ? trace::earlier_flag : 0));
    to.add(now, who.place, trace::Type::flow, begin(host, host.time_wait[index].key, who, waiting, Instant{}), flags);
    to.add(now, who.place, trace::Type::state, stands(State::time_wait, who), flags);
    return true;
}

bool told_closed(const Host& host, std::uint32_t index) {
    const Tcb::Receiving& flow = host.connections[index].receiving;
    if (flow.state != State::time_wait) return flow.state == State::closed;
    const Found found = host.find(flow.key);
    return found.kind != Found::Kind::time_wait ||
           host.name_time_wait(found.index).place != host.connections.handle(index).place ||
           host.time_wait[found.index].generation != host.connections.handle(index).generation;
}

void Connection::tell_begin(const trace::Sink& to, Instant now, std::uint16_t flags) const {
    if (!to.wants(trace::Type::flow)) return;
    const Role role = cold_.listener == Handle<Listener>{} ? active : passive;
    trace::FlowBegin body = begin(host_, in_.key, name(), role, cold_.opened_at);
    set_module(body, host_, congestion_slot());
    to.add(now, place(), trace::Type::flow, body, flags);
}

void Connection::tell_counters(const trace::Sink& to, Instant now, std::uint16_t flags) const {
    if (!to.wants(trace::Type::counters)) return;
    to.add(now, place(), trace::Type::counters,
           trace::Counters{cold_.bytes_in, cold_.bytes_out, cold_.segments_in, cold_.segments_out, cold_.retransmissions,
                           cold_.timeouts, queued(), unread(), out_.snd_wnd, receive_window()},
           flags);
}

void Connection::tell(const trace::Sink& to, Instant now) const {
    constexpr std::uint16_t again = trace::snapshot_flag;
    tell_begin(to, now, again);
    to.add(now, place(), trace::Type::state, stands(in_.state, name()), again);
    if (to.wants(trace::Type::plugin))
        to.add(now, place(), trace::Type::plugin,
               module_record(ModuleEvent::begin, congestion_slot(), 0, out_.steering.cwnd), again);
    if (to.wants(trace::Type::congestion) && module_began())
        to.add(now, place(), trace::Type::congestion, congestion_record(), again);
    tell_counters(to, now, again);
    if (to.wants(trace::Type::limit) && module_began())
        to.add(now, place(), trace::Type::limit, trace::Limit{held_by(), 0}, again);
}

void Connection::note_told() {
    cold_.told = cold_.segments_in + cold_.segments_out;
    if (module_began()) cold_.limit = std::uint8_t(held_by()) & 15;
}

bool Connection::tell_changed(Instant now) {
    const std::uint32_t sum = cold_.segments_in + cold_.segments_out;
    if (sum == cold_.told || ended()) return false;
    cold_.told = sum;
    tell_counters(host_.sink, now);
    return true;
}

// Why nothing more goes now. Nagle's wait is the application's: more text would end it.
std::uint32_t Connection::held_by() const {
    const SeqNum end = end_of_text();
    const std::uint32_t unsent = before(end, out_.snd_nxt) ? 0 : end - out_.snd_nxt;
    if (unsent == 0) return in_.flags.wants_room ? send_buffer : application;
    if (in_.flags.paced) return pacing;
    const std::uint32_t congestion = congestion_room();
    const std::uint32_t window = usable(out_.snd_una, out_.snd_nxt, out_.snd_wnd);
    const std::uint32_t room = std::min(congestion, window);
    if (room >= std::min<std::uint32_t>(unsent, in_.mss)) return application;
    return congestion <= window ? cwnd : rwnd;
}

void Connection::tell_limit(Instant now) {
    const std::uint32_t limit = held_by();
    if (limit == cold_.limit) return;
    cold_.limit = std::uint8_t(limit) & 15;
    host_.sink.add(now, place(), trace::Type::limit, trace::Limit{limit, 0});
}

}  // namespace weft::tcp
