// A flow's handle as people and programs write it: PLACE:GENERATION.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "stack/engine/engine.h"

namespace weft::node {

inline std::string flow_text(Flow flow) { return std::to_string(flow.place) + ":" + std::to_string(flow.generation); }

inline std::optional<Flow> parse_flow(std::string_view text) {
    Flow flow;
    const char* const end = text.data() + text.size();
    const auto place = std::from_chars(text.data(), end, flow.place);
    if (place.ec != std::errc{} || place.ptr == end || *place.ptr != ':') return std::nullopt;
    const auto generation = std::from_chars(place.ptr + 1, end, flow.generation);
    if (generation.ec != std::errc{} || generation.ptr != end) return std::nullopt;
    return flow;
}

}  // namespace weft::node
