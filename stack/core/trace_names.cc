// Tables of names, and the reading of lists of classes.
#include "stack/core/trace_names.h"

#include <algorithm>
#include <array>

#include "stack/core/lower_case.h"
#include "stack/core/recording.h"

namespace weft::trace {
namespace {

constexpr std::array<std::string_view, 23> type_names{
    "",         "define", "state", "congestion", "segment_sent", "segment_received", "loss", "timer", "limit",
    "route",    "label",  "link",  "plugin",     "drop",         "variable",         "text", "rate",  "flow",
    "counters", "lagged", "mark",  "summary",    "history"};

constexpr std::uint32_t known_classes = (1u << type_names.size()) - 2;

struct Group {
    std::string_view name;
    std::uint32_t classes;
};
constexpr std::array<Group, 4> groups{{{"all", known_classes},
                                       {"samples", sample_classes},
                                       {"edges", known_classes & ~sample_classes},
                                       {"segments", bit(Type::segment_sent) | bit(Type::segment_received)}}};

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return text;
}

std::optional<std::uint32_t> classes_named(std::string_view word) {
    for (const Group& group : groups)
        if (group.name == word) return group.classes;
    if (const auto type = type_named(word)) return bit(*type);
    return std::nullopt;
}

template <std::size_t size>
std::string_view of(const std::array<std::string_view, size>& names, std::size_t number) {
    return number < size ? names[number] : "?";
}

}  // namespace

std::string_view name(Type type) {
    const auto number = std::size_t(type);
    if (number == lagged_payload) return "payload";
    return number < type_names.size() ? type_names[number] : "";
}

std::optional<Type> type_named(std::string_view name) {
    for (std::size_t i = 1; i < type_names.size(); ++i)
        if (type_names[i] == name) return Type(i);
    return std::nullopt;
}

std::expected<std::uint32_t, std::string> parse_classes(std::string_view list) {
    std::uint32_t classes = 0;
    bool first = true;
    for (bool more = true; more; first = false) {
        const std::size_t comma = list.find(',');
        more = comma != std::string_view::npos;
        std::string_view word = trimmed(list.substr(0, comma));
        if (more) list.remove_prefix(comma + 1);
        const bool minus = word.starts_with('-');
        if (minus) word.remove_prefix(1);
        const auto named = classes_named(word);
        if (!named) {
            std::string known;
            for (const Group& group : groups) known += std::string(group.name) + ", ";
            for (std::size_t i = 1; i < type_names.size(); ++i)
                known += std::string(type_names[i]) + (i + 1 < type_names.size() ? ", " : "");
            return std::unexpected("no class of events is called '" + std::string(word.substr(0, 40)) + "': choose among " +
                                   known);
        }
        if (minus && first) classes = known_classes;  // "-segments" alone: all but these
        classes = minus ? classes & ~*named : classes | *named;
    }
    return classes | fold_classes;
}

std::string to_string_of_classes(std::uint32_t classes) {
    if ((classes & known_classes) == known_classes) return "all";
    std::string text;
    for (std::size_t i = 1; i < type_names.size(); ++i)
        if (classes & 1u << i) text += (text.empty() ? "" : ",") + std::string(type_names[i]);
    return text;
}

std::optional<std::uint8_t> state_named(std::string_view name) {
    const auto same = [](char a, char b) { return lower_case(a == '_' ? '-' : a) == lower_case(b); };
    for (std::size_t i = 0; i < state_names.size(); ++i)
        if (std::ranges::equal(name, state_names[i], same)) return std::uint8_t(i);
    return std::nullopt;
}

std::string_view phase_name(std::uint32_t phase) {
    return of(std::array<std::string_view, 4>{"slow start", "avoidance", "recovery", "after a timeout"}, phase);
}

std::string_view limit_name(std::uint32_t limit) {
    return of(std::array<std::string_view, 6>{"", "cwnd", "rwnd", "app", "pacing", "sndbuf"}, limit);
}

std::string_view loss_name(std::uint32_t reason) {
    return of(std::array<std::string_view, 7>{"", "duplicate acks", "timeout", "RACK", "probe", "partial ack", "path"},
              reason);
}

std::string_view role_name(std::uint8_t role) {
    return of(std::array<std::string_view, 4>{"active", "passive", "listener", "time-wait"}, role);
}

}  // namespace weft::trace
