// What may be installed, and what a flow that asks for a slot is lent.
#include "stack/tcp/modules.h"

#include <algorithm>
#include <cstring>

#include "stack/tcp/congestion/fields.h"

namespace weft::tcp {
namespace {

constexpr std::uint32_t most_fields = 256, longest_name = 63;
constexpr std::size_t least_table = offsetof(weft_cc_v1, on_sent);  // what is required ends there
constexpr std::uint32_t least_stride = offsetof(weft_field, names);

const std::array<const weft_cc_v1*, compiled_slots> compiled_tables{&plugin::congestion_table<NewReno>,
                                                                    &plugin::congestion_table<Cubic>};

bool is_short_text(const char* text) { return text && text[0] != 0 && ::strnlen(text, longest_name + 1) <= longest_name; }

struct Need {
    std::uint32_t flag;
    std::string_view what;
};
// What a module may ask for and this engine does not give. Pacing, ECN (RFC 3168, RFC 9768) and WEFT_CC_OWN_RECOVERY it does.
constexpr std::array needs = std::to_array<Need>({
    {WEFT_CC_ECT1, "sending ECT(1) (WEFT_CC_ECT1)"},
    {WEFT_CC_PACKETS, "lists of packets (WEFT_CC_PACKETS)"},
});

std::string unmet(std::uint32_t flags) {
    std::string text;
    for (const Need& need : needs)
        if (flags & need.flag) text += (text.empty() ? "" : ", ") + std::string(need.what);
    std::uint32_t known = WEFT_CC_OWN_RECOVERY | WEFT_CC_NEEDS_PACING | WEFT_CC_ECN | WEFT_CC_ACCECN;
    for (const Need& need : needs) known |= need.flag;
    if (flags & ~known) text += (text.empty() ? "" : ", ") + std::string("a flag that this version does not know");
    return text;
}

std::string fault_of(const weft_fields& fields, std::uint32_t state_size, bool parameters) {
    const std::string kind = parameters ? "parameter " : "variable ";
    if (fields.count == 0) return {};
    if (!fields.at) return "its table of " + kind + "fields has a count and no place";
    if (fields.count > most_fields) return "it has more than 256 of " + kind + "fields";
    if (fields.stride < least_stride) return "the stride of its " + kind + "fields is smaller than a field";
    for (std::uint32_t i = 0; i < fields.count; ++i) {
        const weft_field field = field_at(fields, i);
        const std::string which = kind + std::to_string(i);
        if (!is_short_text(field.name)) return which + " has no name, or one of more than 63 bytes";
        const std::uint32_t size = field_size(field.type);
        if (size == 0) return which + " has an unknown type";
        if (state_size < size || field.offset > state_size - size) return which + " lies outside the state";
        if (parameters && !within(field, field.initial)) return which + " begins outside its own range";
        for (std::uint32_t before = 0; before < i; ++before)
            if (std::strcmp(field_at(fields, before).name, field.name) == 0) return which + " has the name of another";
    }
    return {};
}

std::string fault_of(const Module& module) {
    if (!module.table) return "it has no table";
    if (module.name[0] == 0 || module.name.back() != 0) return "it has no name, or one of more than 31 bytes";
    if (module.table->size < least_table)
        return "its table has " + std::to_string(module.table->size) + " bytes, and " + std::to_string(least_table) +
               " are required";
    const weft_cc_v1 table = known_part(*module.table);
    if (!table.init || !table.on_ack || !table.on_congestion) return "init, on_ack or on_congestion is missing";
    if (table.state_size > WEFT_CC_STATE_MAX)
        return "it wants " + std::to_string(table.state_size) + " bytes of state a flow, and 65536 is the most";
    if (table.shared_size > WEFT_CC_SHARED_MAX)
        return "it wants " + std::to_string(table.shared_size) + " shared bytes, and 1048576 is the most";
    if (std::string fault = fault_of(table.parameters, table.state_size, true); !fault.empty()) return fault;
    if (std::string fault = fault_of(table.variables, table.state_size, false); !fault.empty()) return fault;
    if (!module.parameters.empty() && module.parameters.size() != table.parameters.count)
        return std::to_string(module.parameters.size()) + " values were given for " +
               std::to_string(table.parameters.count) + " parameters";
    for (std::uint32_t i = 0; i < module.parameters.size(); ++i)
        if (!within(field_at(table.parameters, i), module.parameters[i]))
            return "the value of parameter " + std::to_string(i) + " is out of its range";
    return {};
}

}  // namespace

Module make_module(const weft_cc_v1& table, std::string_view name) {
    Module module{&table, {}, {}, {}};
    std::copy_n(name.begin(), std::min(name.size(), module.name.size() - 1), module.name.begin());
    return module;
}

std::string_view name_of(const Module& module) {
    return {module.name.begin(), std::find(module.name.begin(), module.name.end(), '\0')};
}

Refusal refusal(const Module& module) {
    if (std::string fault = fault_of(module); !fault.empty()) return {std::move(fault), false};
    if (const std::string missing = unmet(module.table->flags); !missing.empty())
        return {"it asks for what is not there yet: " + missing, true};
    return {};
}

// A successor may be retired, too; each step leads to a slot that was taken later, or to a module that is compiled in.
std::uint16_t Modules::resolve(std::uint16_t slot) const {
    for (std::uint16_t steps = 0; steps < module_slots && loaded(slot); ++steps) {
        const Slot& at = (*this)[slot];
        if (!at.retired) return at.quarantined ? std::uint16_t{0} : slot;  // a mended version ends a quarantine
        slot = at.successor;
    }
    return slot < compiled_slots ? slot : std::uint16_t{0};
}

bool Modules::is_successor(std::uint16_t slot) const {
    return std::ranges::any_of(slots_,
                               [&](const Slot& each) { return each.taken && each.retired && each.successor == slot; });
}

Result<void> Modules::install(std::uint16_t slot, const Module& module) {
    if (slot < compiled_slots || slot >= module_slots) return std::unexpected(Error::invalid);
    if (const Refusal why = refusal(module); !why.why.empty())
        return std::unexpected(why.not_supported ? Error::not_supported : Error::invalid);
    if (loaded(slot)) return std::unexpected(Error::in_use);
    if (slot >= end()) slots_.resize(std::size_t{slot} - compiled_slots + 1);
    Slot& into = (*this)[slot] = {};
    into.module = module;
    into.table = known_part(*module.table);
    into.shared.assign(into.table.shared_size, std::byte{});
    into.taken = true;
    return {};
}

void Modules::uninstall(std::uint16_t slot) { (*this)[slot] = {}; }

Controller Modules::begin(std::uint16_t slot) {
    if (slot < compiled_slots) return make_controller(slot);
    Slot& from = (*this)[slot];
    ++from.flows;
    const Loaded loaded{slot, from.table.state_size, store_.lend(from.table.state_size)};
    for (std::uint32_t i = 0; i < from.table.parameters.count; ++i) {
        const weft_field field = field_at(from.table.parameters, i);
        write_field(field, from.module.parameters.empty() ? field.initial : from.module.parameters[i], state(loaded));
    }
    return loaded;
}

void Modules::give_back(const Controller& controller) {
    const Loaded* const loaded = std::get_if<Loaded>(&controller);
    if (!loaded) return;
    --(*this)[loaded->slot].flows;
    store_.give_back(loaded->place, loaded->size);
}

std::uint16_t Modules::slot_of(const Controller& controller) const {
    const Loaded* const loaded = std::get_if<Loaded>(&controller);
    return loaded ? loaded->slot : std::uint16_t(controller.index());
}

std::string_view Modules::name(std::uint16_t slot) const {
    return slot < compiled_slots ? controller_names[slot]
           : loaded(slot)        ? name_of((*this)[slot].module)
                                 : std::string_view{};
}

const weft_cc_v1& Modules::table(std::uint16_t slot) const {
    return slot < compiled_slots ? *compiled_tables[slot] : (*this)[slot].table;
}

ModuleStatus Modules::status(std::uint16_t slot) const {
    ModuleStatus status;
    status.slot = slot;
    status.compiled = slot < compiled_slots;
    if (status.compiled) {
        status.module = make_module(*compiled_tables[slot], controller_names[slot]);
        return status;
    }
    const Slot& at = (*this)[slot];
    status.module = at.module;
    status.flows = at.flows;
    status.violations = at.violations;
    status.quarantined = at.quarantined;
    status.retired = at.retired;
    status.successor = at.successor;
    return status;
}

}  // namespace weft::tcp
