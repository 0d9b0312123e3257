// A flow as people and programs write it: its handle PLACE:GENERATION, and its two ends.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "stack/core/address_text.h"
#include "stack/engine/engine.h"

namespace weft {

inline std::string to_string(Flow flow) { return std::to_string(flow.place) + ":" + std::to_string(flow.generation); }

inline std::optional<Flow> parse_flow(std::string_view text) {
    Flow flow;
    const char* const end = text.data() + text.size();
    const auto place = std::from_chars(text.data(), end, flow.place);
    if (place.ec != std::errc{} || place.ptr == end || *place.ptr != ':') return std::nullopt;
    const auto generation = std::from_chars(place.ptr + 1, end, flow.generation);
    if (generation.ec != std::errc{} || generation.ptr != end) return std::nullopt;
    return flow;
}

// `10.0.0.1:49152 to 10.0.0.2:80`.
inline std::string to_string(const Peers& peers) { return to_string(peers.local) + " to " + to_string(peers.remote); }

}  // namespace weft
