// Which congestion module a flow runs, and what becomes of the flows of a whole slot. Each change leaves a trace record.
#include <algorithm>
#include <cstring>

#include "stack/tcp/congestion/fields.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/handshake.h"

namespace weft::tcp {
namespace {

trace::Plugin record(const Host& host, ModuleEvent event, std::uint16_t slot, std::uint16_t from, std::uint16_t reason) {
    trace::Plugin body{slot, from, std::uint16_t(event), reason, 0, 0, 0, 0, {}};
    const std::string_view name = host.modules.name(slot);
    std::copy_n(name.begin(), std::min(name.size(), body.name.size()), body.name.begin());
    if (host.modules.loaded(slot)) body.file_tag = load_little<std::uint64_t>(host.modules[slot].module.file_hash.data());
    return body;
}

}  // namespace

// A flow begins with what it asked for, or what stands for that now.
void Connection::ask_for_module(std::uint16_t slot, Instant now) {
    const std::uint16_t given = host_.modules.resolve(slot);
    host_.congestion[index_] = host_.modules.begin(given);
    in_.flags.hears_sent = host_.modules.table(given).on_sent != nullptr;
    const bool fell_back = given != slot && given < compiled_slots;
    if (fell_back) ++host_.statistics.module_fallbacks;
    const ModuleReason reason = given == slot ? ModuleReason::asked
                                : fell_back   ? ModuleReason::quarantined
                                              : ModuleReason::retired;
    tell_begin(host_.sink, now);
    trace_module(ModuleEvent::begin, slot, std::uint16_t(reason), out_.steering.cwnd, now);
}

// A retired slot leads to its successor and a quarantined one to NewReno, never in silence; the slot that the flow runs already,
// retired or not, is no change. A flow that has ended and waits to be read gives up its module, too: it pins no slot.
void Connection::steer_to(std::uint16_t slot, Instant now) {
    const std::uint16_t from = congestion_slot();
    if (slot == from) return;
    const std::uint16_t given = host_.modules.resolve(slot);
    const bool fell_back = given != slot && given < compiled_slots;
    if (fell_back) ++host_.statistics.module_fallbacks;
    const ModuleReason reason = given == slot ? ModuleReason::asked
                                : fell_back   ? ModuleReason::quarantined
                                              : ModuleReason::retired;
    if (given != from) change_module(given, reason, now);
    else trace_module(ModuleEvent::steer, from, std::uint16_t(reason), out_.steering.cwnd, now);
}

// The window stays, and what the last module wished beside it is forgotten.
void Connection::change_module(std::uint16_t slot, ModuleReason reason, Instant now) {
    Controller& controller = host_.congestion[index_];
    const std::uint16_t from = congestion_slot();
    host_.modules.give_back(controller);
    controller = host_.modules.begin(slot);
    in_.flags.hears_sent = host_.modules.table(slot).on_sent != nullptr;
    tcb_.pace = {};
    stop(tcb_.deadlines.module, now);
    trace_module(ModuleEvent::steer, from, std::uint16_t(reason), out_.steering.cwnd, now);
    if (!module_began()) return;
    begin_module(true, now);
    want_output();
}

// Of a window that nobody answers for no more is left than what is in flight supports (as RFC 7661, section 4.3), and slow
// start finds the rest.
void Connection::leave_quarantined(ModuleReason reason, Instant now) {
    if (module_began()) {
        const auto initial = std::uint32_t(NewReno::initial_window(in_.mss));
        out_.steering.cwnd = std::min(out_.steering.cwnd, std::max(2 * std::min(flight(), Steering::cap / 2), initial));
        if (reason == ModuleReason::violations) out_.steering.ssthresh = Steering::cap;
    }
    change_module(0, reason, now);
}

// True if the flow runs `slot` now: the new module has taken over what the old one knew.
bool Connection::migrate_module(std::uint16_t slot, Instant now) {
    Controller& controller = host_.congestion[index_];
    if (!module_began()) {  // nothing is known yet
        change_module(slot, ModuleReason::migrated, now);
        return true;
    }
    const Loaded old = std::get<Loaded>(controller);
    const auto migrate = host_.modules.table(slot).migrate;
    if (!migrate) return false;
    const Controller next = host_.modules.begin(slot);
    const Bound from = host_.modules.bind(old), to = host_.modules.bind(std::get<Loaded>(next));
    if (migrate(from.table.state_version, from.state, old.size, to.state) == 0) {
        host_.modules.give_back(next);
        return false;
    }
    host_.modules.give_back(controller);
    controller = next;
    in_.flags.hears_sent = to.table.on_sent != nullptr;
    trace_module(ModuleEvent::steer, old.slot, std::uint16_t(ModuleReason::migrated), out_.steering.cwnd, now);
    return true;
}

Result<void> Connection::set_parameter(std::uint32_t index, weft_value value, Instant now) {
    const auto* const loaded = std::get_if<Loaded>(&host_.congestion[index_]);
    if (!loaded) return std::unexpected(Error::not_supported);
    const weft_cc_v1& table = host_.modules.table(loaded->slot);
    if (index >= table.parameters.count) return std::unexpected(Error::invalid);
    const weft_field field = field_at(table.parameters, index);
    if (!within(field, value)) return std::unexpected(Error::invalid);
    write_field(field, value, host_.modules.state(*loaded));
    if (!table.on_parameter || !module_began()) return {};
    Control wanted = control();
    const Bound module = host_.modules.bind(*loaded);
    table.on_parameter(module.state, module.shared, index, &wanted);
    take(wanted, now);
    want_output();
    return {};
}

void Connection::trace_module(ModuleEvent event, std::uint16_t from, std::uint16_t reason, std::uint64_t window,
                              Instant now) const {
    if (host_.sink.wants(trace::Type::plugin))
        host_.sink.add(now, place(), trace::Type::plugin, module_record(event, from, reason, window));
}

trace::Plugin Connection::module_record(ModuleEvent event, std::uint16_t from, std::uint16_t reason,
                                        std::uint64_t window) const {
    const std::uint16_t slot = congestion_slot();
    trace::Plugin body = record(host_, event, slot, from, reason);
    body.generation = name().generation;
    body.window = window;
    if (event == ModuleEvent::violation && slot >= compiled_slots)
        body.flows = std::uint32_t(host_.modules[slot].violations);
    return body;
}

void trace_module(const Host& host, ModuleEvent event, std::uint16_t slot, std::uint16_t from, ModuleReason reason,
                  std::uint32_t flows, Instant now) {
    if (!host.sink.wants(trace::Type::plugin)) return;
    trace::Plugin body = record(host, event, slot, from, std::uint16_t(reason));
    body.flows = flows;
    host.sink.add(now, trace::no_flow, trace::Type::plugin, body);
}

// Its flows go on under NewReno; who asks for it from now on gets NewReno.
void quarantine_module(Host& host, std::uint16_t slot, ModuleReason reason, Instant now) {
    Modules::Slot& at = host.modules[slot];
    if (at.quarantined) return;
    at.quarantined = true;
    ++host.statistics.modules_quarantined;
    trace_module(host, ModuleEvent::quarantine, slot, slot, reason, at.flows, now);
    host.connections.each([&](Handle<Tcb> handle) {
        Connection flow{host, handle.index()};
        if (flow.congestion_slot() == slot) flow.leave_quarantined(reason, now);
    });
}

std::uint32_t migrate_module(Host& host, std::uint16_t from, std::uint16_t to, Instant now) {
    std::uint32_t moved = 0;
    host.modules[from].retired = true;
    host.modules[from].successor = to;
    host.connections.each([&](Handle<Tcb> handle) {
        Connection flow{host, handle.index()};
        if (flow.congestion_slot() == from && flow.migrate_module(to, now)) ++moved;
    });
    host.listeners.each([&](Handle<Listener> handle) {
        std::uint16_t& begins_with = host.listeners[handle.index()].options.congestion;
        if (begins_with == from) begins_with = to;
    });
    trace_module(host, ModuleEvent::migrate, to, from, ModuleReason::migrated, moved, now);
    return moved;
}

}  // namespace weft::tcp
