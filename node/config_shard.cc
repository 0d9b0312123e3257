// A configuration as a shard wants it: secrets are read, addresses of families that this host has not are left out.
#include "node/config_shard.h"

#include <sys/socket.h>

#include <array>
#include <optional>

#include <sodium.h>

#include <fmt/format.h>

#include "node/entropy.h"
#include "node/http_files.h"
#include "node/keyfile.h"
#include "node/paths.h"
#include "node/unique_fd.h"
#include "stack/core/address_text.h"
#include "stack/tcp/tunables.h"

namespace weft::node {
namespace {

constexpr std::uint16_t echo_port = 7, discard_port = 9, source_port = 19;  // RFC 862, 863, 864

}  // namespace

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

ListenOptions listen_options(const NodeConfig& config, std::uint16_t congestion) {
    ListenOptions options;
    options.user_timeout = config.user_timeout;
    options.nodelay = config.nodelay;
    options.congestion = congestion;
    options.backlog = config.backlog;
    return options;
}

Plugins::Settings plugin_settings(const NodeConfig& config) {
    return {config.plugin_directories.value_or(default_plugin_directories()), config.call_budget, config.module_defaults};
}

// What was asked for must be there: a node that runs something else than it was told is no node to measure with.
std::expected<std::uint16_t, std::string> load_plugins(const NodeConfig& config, Plugins& plugins, Shard& shard) {
    for (const std::string& name : config.plugin_files) {
        const auto loaded = shard.input([&](Engine& engine, Instant now) { return plugins.load(name, engine, now); });
        if (!loaded) return std::unexpected(fmt::format("[plugins] load \"{}\": {}", name, loaded.error().message));
    }
    if (const auto wrong = plugins.wrong_default()) return std::unexpected(wrong->message);
    const auto slot = plugins.slot(config.congestion);
    if (!slot) return std::unexpected(fmt::format("[tcp] congestion: {}", slot.error().message));
    return *slot;
}

std::expected<std::vector<std::string>, std::string> open_services(const ServicesConfig& services,
                                                                   const ListenOptions& options, Shard& shard) {
    std::vector<std::string> lines;
    const auto serve = [&](std::uint16_t port, std::string_view what,
                           ServiceFactory factory) -> std::expected<void, std::string> {
        if (const auto listener = shard.serve(port, std::move(factory), options); !listener)
            return std::unexpected(fmt::format("{} cannot have port {}: another service of this node has it", what, port));
        lines.push_back(fmt::format("{} on port {}", what, port));
        return {};
    };
    if (!services.http.empty()) {
        auto http = http_service({.directory = services.http});
        if (!http) return std::unexpected(http.error());
        if (auto served = serve(services.http_port, "HTTP", std::move(*http)); !served)
            return std::unexpected(served.error());
    }
    const auto one = [&](bool wanted, std::uint16_t port, std::string_view what,
                         ServiceFactory factory) -> std::expected<void, std::string> {
        if (!wanted) return {};
        return serve(port, what, std::move(factory));
    };
    for (const auto& served : {one(services.echo, echo_port, "echo", echo_service()),
                               one(services.discard, discard_port, "discard", discard_service()),
                               one(services.source, source_port, "source", source_service())})
        if (!served) return std::unexpected(served.error());
    return lines;
}

}  // namespace weft::node
