// What a configuration makes of a node: its identity and its shard. For the daemon, and for weft_open().
#pragma once

#include <expected>
#include <string>

#include "node/config.h"
#include "node/shard.h"
#include "overlay/identity.h"

namespace weft::node {

// The error is a message for a person.
std::expected<overlay::Identity, std::string> read_identity(const NodeConfig& config);
std::expected<ShardConfig, std::string> shard_config(const NodeConfig& config);
RoutingConfig routing_config(const NodeConfig& config);  // what its routing module is made of
link::FaultConfig fault_link(const FaultConfig& fault);

}  // namespace weft::node
