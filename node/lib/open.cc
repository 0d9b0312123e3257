// weft_open(): a stack of the C API over a node of its own: a configuration's links, peers and addresses.
#include <algorithm>
#include <cerrno>
#include <new>
#include <string>
#include <utility>

#include "node/config.h"
#include "node/config_shard.h"
#include "node/entropy.h"
#include "node/log.h"
#include "node/paths.h"
#include "node/shard_carrier.h"
#include "stack/api/c_stack.h"
#include "stack/core/random.h"

using namespace weft;

namespace {

int refuse(std::string reason, int error) {
    api::explain(std::move(reason));
    return -error;
}

// What a node does beside its links is weftd's.
const char* too_much(const node::NodeConfig& config) {
    const node::ServicesConfig& services = config.services;
    if (!services.http.empty() || services.echo || services.discard || services.source)
        return "weft_open() has no [services]: the program is the service; weftd has them";
    if (config.record.start) return "weft_open() writes no recordings: weftd does";
    if (!config.plugin_files.empty()) return "weft_open() loads no [plugins]: weftd does";
    return nullptr;
}

std::expected<overlay::Identity, std::string> identity_of(const node::NodeConfig& config, const std::string& path) {
    if (!config.overlay || config.key != node::default_key_path(path)) return node::read_identity(config);
    overlay::Seed seed{};
    node::system_entropy()(seed);
    overlay::Identity identity{seed};
    if (config.work_bits > 0) identity.set_work_nonce(overlay::find_work(identity.address(), config.work_bits));
    return identity;
}

int open_node(const node::NodeConfig& config, const std::string& path, weft_stack** out) {
    auto identity = identity_of(config, path);
    if (!identity) return refuse(identity.error(), EINVAL);
    const auto shard = node::shard_config(config);
    if (!shard) return refuse(shard.error(), EINVAL);
    auto opened = node::Shard::open(std::move(*identity), *shard, node::system_entropy());
    if (!opened) return refuse(opened.error(), errno > 0 ? errno : EINVAL);
    for (const node::PeerConfig& peer : config.peers) (*opened)->add_peer(peer.address, peer.endpoints);
    auto carrier = node::ShardCarrier::make(std::move(*opened));
    if (!carrier) return refuse(carrier.error(), ENFILE);
    HashKey ports;
    node::system_entropy()(std::as_writable_bytes(std::span(&ports, 1)));
    node::Shard& running = (*carrier)->shard();
    auto stack = std::make_unique<weft_stack>(std::move(*carrier), ports);
    if (config.overlay) stack->addresses.push_back(running.address());
    for (const node::TapEntry& tap : config.taps)
        for (const Prefix& own : tap.device.addresses) stack->addresses.push_back(own.address);
    *out = stack.release();
    return 0;
}

}  // namespace

extern "C" int weft_open(const char* config, weft_stack** out) {
    if (!out) return refuse("weft_open needs a place for the stack: out is NULL", EINVAL);
    if (!node::start_sodium()) return refuse("there is no source of randomness (/dev/urandom)", EIO);
    const std::string path = "weft_open.toml";
    auto read = node::parse_config(config ? config : "", path);
    if (!read) {
        std::string all;
        for (const std::string& message : read.error().messages) all += (all.empty() ? "" : "\n") + message;
        return refuse(std::move(all), EINVAL);
    }
    if (const char* const why = too_much(*read)) return refuse(why, EINVAL);
    node::set_log_level(std::min(read->log_level, node::LogLevel::error));  // what goes wrong is said by the calls
    return open_node(*read, path, out);
}
