// The boundary between the engine and a module's code: a table whose functions go on to the module's, and time some of the
// calls. C functions get no context pointer, so each gate has functions of its own, made by a template over its number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "plugins/abi/weft_plugin.h"
#include "stack/core/time.h"

namespace weft::plugins {

// What a gate has seen. Reading a clock twice costs more than most calls, so one call in `sample_interval` is timed (a prime, for
// calls come in patterns); after one that took longer than the budget each of the next ones is, for a while. A late call counts
// 8 points and a timely one takes one away: a thread that lost its processor within a call does not add up, a module that
// computes too long does.
struct GateStatus {
    std::uint64_t timed{0}, late{0};  // calls
    Duration longest;
    bool faulty{false};  // the points reached the limit
};

inline constexpr std::size_t most_gates = 128;
inline constexpr std::uint32_t sample_interval = 31, watched_calls = 64, late_points = 8, fault_points = 64;

class Gate {
public:
    // nullopt: all are taken. `module` is copied; what it points to must live as long as the gate.
    static std::optional<Gate> open(const weft_cc_v1& module, Duration budget);
    Gate(Gate&& other) noexcept;
    Gate& operator=(Gate&& other) noexcept;
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    ~Gate();

    const weft_cc_v1* table() const;  // at the same place while the gate is open
    GateStatus status() const;

private:
    explicit Gate(std::size_t number) : number_{number} {}
    std::size_t number_;  // most_gates: moved from
};

// How many gates have become faulty since the process began: one load, for a loop that asks in each turn.
std::uint64_t gate_faults();

}  // namespace weft::plugins
