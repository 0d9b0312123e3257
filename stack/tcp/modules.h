// The congestion modules that an engine was given, by slot. Filled by journaled inputs, so a replay meets
// the same module, and the same quarantine, at the same moment.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>

#include "plugins/abi/weft_plugin.h"
#include "stack/core/result.h"

namespace weft::tcp {

struct Module {
    const weft_cc_v1* table{nullptr};          // code, held open by plugins/host; a checkpoint stores the rest
    std::array<char, 32> name{};               // ended by zero
    std::array<std::byte, 32> file_hash{};     // BLAKE2b-256 of the file; zero when compiled in
    std::uint32_t state_version{0};
    bool quarantined{false};                   // its flows have moved to NewReno

    bool same(const Module& other) const {
        return name == other.name && file_hash == other.file_hash && state_version == other.state_version;
    }
};

class Modules {
public:
    static constexpr std::size_t slots = 64;

    Result<void> install(std::uint16_t slot, const Module& module) {
        if (slot >= slots || !module.table || !valid(*module.table)) return std::unexpected(Error::invalid);
        at_[slot] = module;
        return {};
    }

    // Called with what a trampoline of plugins/host measured: the engine itself reads no clock.
    void quarantine(std::uint16_t slot) {
        if (slot < slots) at_[slot].quarantined = true;
    }

    const Module* find(std::uint16_t slot) const { return slot < slots && at_[slot].table ? &at_[slot] : nullptr; }

private:
    static bool valid(const weft_cc_v1& t) {
        return t.state_size <= WEFT_CC_STATE_MAX && t.init && t.on_ack && t.on_congestion;
    }
    std::array<Module, slots> at_{};
};

}  // namespace weft::tcp
