// The methods of the control socket: names, parameters, what they answer. rpc.discover shows this table.
#pragma once

#include <span>

#include "node/rpc.h"

namespace weft::node {

std::span<const RpcMethod> control_methods();

}  // namespace weft::node
