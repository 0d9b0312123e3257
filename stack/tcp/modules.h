// Congestion modules by slot: 0 and 1 are compiled in, 2 to 63 hold tables that were given at run time (plugins/abi). All is a
// value: what a flow's module knows lies in bytes that are lent to it here, so a copy of the engine goes on alike.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "stack/core/result.h"
#include "stack/core/time.h"
#include "stack/tcp/congestion/controller.h"
#include "stack/tcp/congestion/state_store.h"

namespace weft::tcp {

inline constexpr std::uint16_t compiled_slots = controller_names.size(), module_slots = 64;
inline constexpr std::uint64_t violation_limit = WEFT_CC_VIOLATIONS;  // of a slot: then it is quarantined

// What a slot holds. The table and all that it points to must stay where they are while the slot, or that of any copy of the
// engine, is taken.
struct Module {
    const weft_cc_v1* table{nullptr};
    std::array<char, 32> name{};  // ended by zero
    std::array<std::byte, 32> file_hash{};  // BLAKE2b-256 of the file; zero when it is compiled in
    std::vector<weft_value> parameters;  // as flows begin, one for each of the table's; empty: the table's `initial`
};

// The name up to its zero; at most 31 bytes of it are kept.
Module make_module(const weft_cc_v1& table, std::string_view name);
std::string_view name_of(const Module& module);

struct ModuleStatus {
    Module module;
    std::uint16_t slot{0};
    std::uint32_t flows{0};  // that run it now, ended ones that wait to be read included
    std::uint32_t listeners{0};  // whose flows begin with it
    std::uint64_t violations{0};  // answers out of bounds
    bool compiled{false}, quarantined{false};
    bool retired{false};  // new flows that ask for it get `successor`
    std::uint16_t successor{0};
};

// Why a module cannot be installed, as a sentence that says what is missing; empty: it can. `not_supported` says that it asks
// for what this engine does not do; the rest is unsound.
struct Refusal {
    std::string why;
    bool not_supported{false};
};
Refusal refusal(const Module& module);

// Why something became of a module: `reason` of trace::Plugin. Violations are a sum of bits.
enum class ModuleReason : std::uint16_t {
    asked = 0,  // by the application or the operator
    violations = 1,  // the slot had violation_limit of them
    judged = 2,  // the input quarantine(): the calls took too long, say
    migrated = 3,
    quarantined = 4,  // the flow asked for a slot that is in quarantine
    retired = 5  // the flow asked for a slot that has a successor
};
enum class ModuleEvent : std::uint16_t { install = 1, uninstall, steer, quarantine, violation, migrate, begin };
enum Violation : std::uint16_t { window_violation = 1, ssthresh_violation = 2, timer_violation = 4, ecn_violation = 8 };

// A loaded module and one flow's state, for the length of a call: the methods of a compiled-in one over the C table.
struct Bound {
    const weft_cc_v1& table;
    void* state;
    void* shared;

    void on_ack(const AckEvent& event, Control& out) const { table.on_ack(state, shared, &event, &out); }
    void on_congestion(const CongestionEvent& event, Control& out) const {
        table.on_congestion(state, shared, &event, &out);
    }
    void on_sent(const SentEvent& event, Control& out) const {
        if (table.on_sent) table.on_sent(state, shared, &event, &out);
    }
    void on_idle(const IdleEvent& event, Control& out) const {
        if (table.on_idle) table.on_idle(state, shared, &event, &out);
    }
    void on_path(const PathEvent& event, Control& out) const {
        if (table.on_path) table.on_path(state, shared, &event, &out);
    }
};

class Modules {
public:
    struct Slot {
        Module module;
        weft_cc_v1 table{};  // what the module's own size covers; the rest is zero
        std::vector<std::byte> shared;  // bytes lent to all its flows
        std::uint32_t flows{0};
        std::uint16_t successor{0};
        bool taken{false}, quarantined{false}, retired{false};
        std::uint64_t violations{0};
    };

    bool has(std::uint16_t slot) const { return slot < compiled_slots || loaded(slot); }
    bool loaded(std::uint16_t slot) const { return slot < end() && slot >= compiled_slots && (*this)[slot].taken; }
    std::uint16_t end() const { return std::uint16_t(compiled_slots + slots_.size()); }  // behind the highest slot
    // Of a loaded slot.
    Slot& operator[](std::uint16_t slot) { return slots_[std::size_t(slot - compiled_slots)]; }
    const Slot& operator[](std::uint16_t slot) const { return slots_[std::size_t(slot - compiled_slots)]; }

    // What a flow that asks for `slot` gets: itself, its successor, or NewReno.
    std::uint16_t resolve(std::uint16_t slot) const;
    bool is_successor(std::uint16_t slot) const;

    Result<void> install(std::uint16_t slot, const Module& module);
    void uninstall(std::uint16_t slot);

    // A flow's controller. For a loaded module its state is lent: zero, but for the parameters.
    Controller begin(std::uint16_t slot);
    void give_back(const Controller& controller);
    std::uint16_t slot_of(const Controller& controller) const;
    std::string_view name(std::uint16_t slot) const;
    std::span<std::byte> state(const Loaded& of) { return store_.at(of.place, of.size); }
    std::span<const std::byte> state(const Loaded& of) const { return store_.at(of.place, of.size); }
    const weft_cc_v1& table(std::uint16_t slot) const;
    Bound bind(const Loaded& of) {
        Slot& slot = (*this)[of.slot];
        return {slot.table, of.size == 0 ? nullptr : store_.at(of.place, of.size).data(),
                slot.shared.empty() ? nullptr : slot.shared.data()};
    }

    // Calls `call` with the module, whatever kind it is.
    template <class Call>
    void visit(Controller& controller, Call&& call) {
        std::visit(
            [&](auto& module) {
                if constexpr (std::is_same_v<decltype(module), Loaded&>) call(bind(module));
                else call(module);
            },
            controller);
    }

    ModuleStatus status(std::uint16_t slot) const;  // of one that has(); flows of a compiled-in one are not counted here

private:
    std::vector<Slot> slots_;  // from compiled_slots on, up to the highest that was ever taken
    StateStore store_;
};

}  // namespace weft::tcp
