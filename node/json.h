// JSON as the control socket speaks it: bounded, and with errors that say where.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace weft::node {

using Json = nlohmann::json;

struct JsonError {
    std::string message;   // "unexpected end of input at byte 7"
    bool too_deep{false};
};

// One value, and nothing after it. Depth counts objects and arrays; a member that stands twice is refused.
std::expected<Json, JsonError> parse_json(std::string_view text, std::size_t max_depth);

// On one line; bytes that are not UTF-8 are replaced.
std::string to_line(const Json& value);

}  // namespace weft::node
