// A configuration as a shard wants it: secrets are read, addresses of families that this host has not are left out.
#include "node/config_shard.h"

#include <sys/socket.h>

#include <array>
#include <optional>

#include <sodium.h>

#include "node/entropy.h"
#include "node/keyfile.h"
#include "node/unique_fd.h"
#include "stack/core/address_text.h"
#include "stack/tcp/tunables.h"

namespace weft::node {

link::FaultConfig fault_link(const FaultConfig& fault) {
    link::FaultConfig made;
    made.seed = fault.seed;
    made.loss = fault.loss_ppm;
    made.reorder = fault.reorder_ppm;
    made.duplicate = fault.duplicate_ppm;
    made.corrupt = fault.corrupt_ppm;
    made.delay = fault.delay;
    made.jitter = fault.jitter;
    made.rate = fault.rate;
    return made;
}

RoutingConfig routing_config(const NodeConfig& config) {
    std::string routes;
    for (const RouteConfig& route : config.routes)
        for (const Address& via : route.via)
            routes += (routes.empty() ? "" : ",") + ("{\"to\":\"" + (route.to ? OverlayFamily::format(*route.to) : "*")) +
                      "\",\"via\":\"" + OverlayFamily::format(via) + "\"}";
    return {config.routing, "{\"routes\":[" + routes + "]}"};
}

std::expected<overlay::Identity, std::string> read_identity(const NodeConfig& config) {
    if (!config.overlay) {  // nobody will see it
        overlay::Seed seed{};
        system_entropy()(seed);
        return overlay::Identity{seed};
    }
    const auto seed = read_secret_file(config.key, SecretKind::node_key);
    if (!seed) return std::unexpected(seed.error());
    overlay::Identity identity{seed->bytes()};
    if (config.work_bits > 0) identity.set_work_nonce(overlay::find_work(identity.address(), config.work_bits));
    return identity;
}

namespace {

std::optional<link::FaultConfig> fault_if_any(const FaultConfig& fault) {
    if (!fault.any()) return std::nullopt;
    return fault_link(fault);
}

}  // namespace

std::expected<ShardConfig, std::string> shard_config(const NodeConfig& config) {
    ShardConfig shard;
    std::optional<std::array<std::byte, 32>> secret;
    if (!config.secret.empty()) {
        const auto read = read_secret_file(config.secret, SecretKind::network_secret);
        if (!read) return std::unexpected(read.error());
        secret = read->bytes();
    }
    shard.links.network = overlay::Network::make(config.network, config.work_bits, secret);
    if (secret) sodium_memzero(secret->data(), secret->size());
    shard.links.suites = config.suites;
    shard.links.mtu = config.mtu;
    shard.links.accept_members = config.accept_members;
    shard.links.rekey_initiator = config.rekey_initiator;
    shard.links.rekey_responder = config.rekey_responder;
    shard.links.rekey_idle = config.rekey_idle;
    shard.udp.listen4 = config.listen4;
    const bool no_ipv6 = config.listen_anywhere && !UniqueFd{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (!no_ipv6) shard.udp.listen6 = config.listen6;
    shard.fault = fault_if_any(config.fault);
    for (const TapEntry& tap : config.taps) shard.taps.push_back({tap.device, fault_if_any(tap.fault)});
    shard.engine.send_buffer = std::uint32_t(config.send_buffer);
    shard.engine.receive_buffer = std::uint32_t(config.receive_buffer);
    shard.engine.time_wait = config.time_wait;
    for (const auto& [name, value] : config.tunables) static_cast<void>(tcp::tune(shard.engine, name, value));
    shard.memory = config.memory;
    shard.routing = routing_config(config);
    shard.reach = config.reach;
    shard.transit = config.transit;
    return shard;
}

}  // namespace weft::node
