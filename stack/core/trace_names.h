// The names of what trace records say, as commands, filters and the window write them; and sets of classes by name.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "stack/core/trace.h"
#include "stack/core/transitions.h"

namespace weft::trace {

// "segment_sent"; "" of a number that is no type. The same word in every command, filter and message.
std::string_view name(Type type);
std::optional<Type> type_named(std::string_view name);

// Samples: what a full queue loses first, because the next one tells as much. All else is an edge: told once.
inline constexpr std::uint32_t sample_classes = bit(Type::congestion) | bit(Type::segment_sent) |
                                                bit(Type::segment_received) | bit(Type::timer) | bit(Type::limit) |
                                                bit(Type::variable) | bit(Type::rate) | bit(Type::counters);
constexpr bool is_sample(Type type) { return std::uint32_t(type) < 32 && (sample_classes & bit(type)) != 0; }

// "state,loss", "all,-segments": names of classes, `all`, `samples`, `edges` and `segments`, from left to right; a minus takes away.
// What keeps a fold over records true (define, flow, state, lagged, summary) is always in. Errors name the word and the choice.
std::expected<std::uint32_t, std::string> parse_classes(std::string_view list);
std::string to_string_of_classes(std::uint32_t classes);  // "state,loss"; "all"
inline constexpr std::uint32_t fold_classes =
    bit(Type::define) | bit(Type::state) | bit(Type::flow) | bit(Type::lagged) | bit(Type::summary);

// Numbers of tcp::State that a fold over records must know; names of all of them, and of causes, are in transitions.h.
inline constexpr std::uint8_t state_closed = 0, state_listen = 1, state_syn_received = 3, state_established = 4,
                              state_time_wait = 10;
std::optional<std::uint8_t> state_named(std::string_view name);  // either case; `_` stands for `-`

// The cause of an end that no record told: the place was seen in other use.
inline constexpr std::uint8_t cause_unheard = 0xff;

std::string_view phase_name(std::uint32_t phase);  // of Congestion: "slow start", "avoidance", "recovery", "after a timeout"
std::string_view limit_name(std::uint32_t limit);  // of Limit: "cwnd", "rwnd", "app", "pacing", "sndbuf"; "" of 0
std::string_view loss_name(
    std::uint32_t reason);  // of Loss: "duplicate acks", "timeout", "RACK", "probe", "partial ack", "path"
std::string_view role_name(std::uint8_t role);  // of FlowBegin: "active", "passive", "listener", "time-wait"

// The part of a fixed field of text before its first zero byte.
template <std::size_t size>
std::string_view text_of(const std::array<char, size>& field) {
    const std::string_view all_of_it{field.data(), size};
    return all_of_it.substr(0, all_of_it.find('\0'));
}

}  // namespace weft::trace
