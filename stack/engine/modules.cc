// Congestion modules at run time: what is installed, which flow runs which, and looking into it.
#include "stack/engine/state.h"
#include "stack/tcp/connection.h"

namespace weft {
namespace {

std::uint32_t listeners_of(const tcp::Host& host, std::uint16_t slot) {
    std::uint32_t count = 0;
    host.listeners.each([&](ListenerId id) { count += host.listeners[id.index()].options.congestion == slot; });
    return count;
}

std::uint32_t flows_of(const tcp::Host& host, std::uint16_t slot) {
    std::uint32_t count = 0;
    host.connections.each([&](Flow flow) { count += host.modules.slot_of(host.congestion[flow.index()]) == slot; });
    return count;
}

tcp::ModuleStatus status_of(const tcp::Host& host, std::uint16_t slot) {
    tcp::ModuleStatus status = host.modules.status(slot);
    status.listeners = listeners_of(host, slot);
    if (status.compiled) status.flows = flows_of(host, slot);
    return status;
}

}  // namespace

Result<void> Engine::install(std::uint16_t slot, const tcp::Module& module, Instant now) {
    state_->begin();
    WEFT_TRY(state_->host.modules.install(slot, module));
    tcp::trace_module(state_->host, tcp::ModuleEvent::install, slot, slot, tcp::ModuleReason::asked, 0, now);
    return {};
}

Result<void> Engine::uninstall(std::uint16_t slot, Instant now) {
    state_->begin();
    tcp::Host& host = state_->host;
    if (!host.modules.loaded(slot)) return std::unexpected(Error::invalid);
    const bool quarantined = host.modules[slot].quarantined;
    if (host.modules[slot].flows > 0 || host.modules.is_successor(slot) || (!quarantined && listeners_of(host, slot) > 0))
        return std::unexpected(Error::in_use);
    host.listeners.each([&](ListenerId id) {
        std::uint16_t& begins_with = host.listeners[id.index()].options.congestion;
        if (begins_with == slot) begins_with = 0;
    });
    tcp::trace_module(host, tcp::ModuleEvent::uninstall, slot, slot, tcp::ModuleReason::asked, 0, now);
    host.modules.uninstall(slot);
    return {};
}

Result<void> Engine::quarantine(std::uint16_t slot, Instant now) {
    state_->begin();
    if (!state_->host.modules.loaded(slot)) return std::unexpected(Error::invalid);
    tcp::quarantine_module(state_->host, slot, tcp::ModuleReason::judged, now);
    return {};
}

Result<std::uint32_t> Engine::migrate(std::uint16_t from, std::uint16_t to, Instant now) {
    state_->begin();
    const tcp::Modules& modules = state_->host.modules;
    if (from == to || !modules.loaded(from) || !modules.loaded(to)) return std::unexpected(Error::invalid);
    if (modules[from].retired || modules[to].quarantined || modules[to].retired)
        return std::unexpected(Error::not_permitted);
    return tcp::migrate_module(state_->host, from, to, now);
}

Result<void> Engine::steer(Flow flow, std::uint16_t slot, Instant now) {
    state_->begin();
    const auto index = state_->find(flow);
    if (!index) return stale;
    if (!state_->host.modules.has(slot)) return std::unexpected(Error::invalid);
    tcp::Connection{state_->host, *index}.steer_to(slot, now);
    return {};
}

Result<void> Engine::steer(ListenerId listener, std::uint16_t slot, Instant) {
    state_->begin();
    tcp::Listener* const found = state_->host.listeners.find(listener);
    if (!found) return stale;
    if (!state_->host.modules.has(slot)) return std::unexpected(Error::invalid);
    found->options.congestion = slot;
    return {};
}

Result<void> Engine::set_parameter(Flow flow, std::uint32_t index, weft_value value, Instant now) {
    state_->begin();
    const auto found = state_->find(flow);
    if (!found) return stale;
    return tcp::Connection{state_->host, *found}.set_parameter(index, value, now);
}

std::optional<tcp::ModuleStatus> Engine::module(std::uint16_t slot) const {
    if (!state_->host.modules.has(slot)) return std::nullopt;
    return status_of(state_->host, slot);
}

std::vector<tcp::ModuleStatus> Engine::modules() const {
    std::vector<tcp::ModuleStatus> all;
    for (std::uint16_t slot = 0; slot < state_->host.modules.end(); ++slot)
        if (state_->host.modules.has(slot)) all.push_back(status_of(state_->host, slot));
    return all;
}

std::uint16_t Engine::congestion_slot(Flow flow) const {
    return inspect(flow) ? state_->host.modules.slot_of(state_->host.congestion[flow.index()]) : std::uint16_t{0};
}

std::uint16_t Engine::congestion_slot(ListenerId listener) const {
    const tcp::Listener* const found = state_->host.listeners.find(listener);
    return found ? found->options.congestion : std::uint16_t{0};
}

std::string_view Engine::congestion(Flow flow) const {
    return inspect(flow) ? state_->host.modules.name(congestion_slot(flow)) : std::string_view{};
}

std::span<const std::byte> Engine::congestion_state(Flow flow) const {
    if (!inspect(flow)) return {};
    const tcp::Host& host = state_->host;
    return std::visit(
        [&](const auto& module) -> std::span<const std::byte> {
            if constexpr (std::is_same_v<decltype(module), const tcp::Loaded&>) return host.modules.state(module);
            else return std::as_bytes(std::span{&module, 1});
        },
        host.congestion[flow.index()]);
}

}  // namespace weft
