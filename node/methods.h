// The methods of the control socket: names, parameters, what they answer. rpc.discover shows this table.
#pragma once

#include <span>

#include "node/rpc.h"

namespace weft::node {

// Entries of one answer: so many always fit into a line.
inline constexpr std::size_t most_listed = 1'000;

std::span<const RpcMethod> control_methods();

}  // namespace weft::node
