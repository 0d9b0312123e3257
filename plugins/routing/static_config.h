// The configuration of the static table, {"routes": [{"to": "weft1..." or "*", "via": "weft1..."}]}: JSON of exactly this shape,
// read strictly, each mistake told with its place.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "stack/core/address.h"

namespace weft::routing {

struct StaticRoute {
    Address to;  // Family::none: any destination
    Address via;  // a neighbour
    friend bool operator==(const StaticRoute&, const StaticRoute&) = default;
};

inline constexpr std::size_t routes_at_most = 65'536;

// In their order. The error is a sentence for people.
std::expected<std::vector<StaticRoute>, std::string> parse_static_routes(std::string_view json);

}  // namespace weft::routing
