// What a configuration makes of a node: its identity and its shard. For the daemon, and for weft_open().
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "node/config.h"
#include "node/plugins.h"
#include "node/shard.h"
#include "overlay/identity.h"

namespace weft::node {

// The error is a message for a person.
std::expected<overlay::Identity, std::string> read_identity(const NodeConfig& config);
std::expected<ShardConfig, std::string> shard_config(const NodeConfig& config);
RoutingConfig routing_config(const NodeConfig& config);  // what its routing module is made of
link::FaultConfig fault_link(const FaultConfig& fault);
// What [tcp] says of flows, and of listeners and what they accept; `congestion`: the slot of its module.
ListenOptions listen_options(const NodeConfig& config, std::uint16_t congestion);
Plugins::Settings plugin_settings(const NodeConfig& config);
// [plugins] load, and whether there is the module that [tcp] congestion names: its slot.
std::expected<std::uint16_t, std::string> load_plugins(const NodeConfig& config, Plugins& plugins, Shard& shard);
// Begins what [services] asks for: a line of each for the log.
std::expected<std::vector<std::string>, std::string> open_services(const ServicesConfig& services,
                                                                   const ListenOptions& options, Shard& shard);

}  // namespace weft::node
