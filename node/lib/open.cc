// weft_open(): a stack of the C API over a node of its own: a configuration's links, peers and addresses.
#include <algorithm>
#include <cerrno>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "node/config.h"
#include "node/config_shard.h"
#include "node/entropy.h"
#include "node/log.h"
#include "node/paths.h"
#include "node/recordings.h"
#include "node/shard_carrier.h"
#include "node/telemetry.h"
#include "stack/api/c_stack.h"
#include "stack/core/random.h"
#include "stack/core/trace_names.h"

using namespace weft;

namespace {

int refuse(std::string reason, int error) {
    api::explain(std::move(reason));
    return -error;
}

std::expected<overlay::Identity, std::string> identity_of(const node::NodeConfig& config, const std::string& path) {
    if (!config.overlay || config.key != node::default_key_path(path)) return node::read_identity(config);
    overlay::Seed seed{};
    node::system_entropy()(seed);
    overlay::Identity identity{seed};
    if (config.work_bits > 0) identity.set_work_nonce(overlay::find_work(identity.address(), config.work_bits));
    return identity;
}

// What a recording has to say that somebody should know: there is no other who does.
void tell_trouble(node::Telemetry& telemetry) {
    for (const node::TelemetryNotice& notice : telemetry.notices()) {
        using Kind = node::TelemetryNotice::Kind;
        if (notice.kind == Kind::warning) node::log(node::LogLevel::error, "record", notice.text);
        if (notice.kind == Kind::record_ended && !notice.record->error.empty())
            node::log(node::LogLevel::error, "record", notice.record->path + " ended: " + notice.record->error);
    }
}

// [record] start: its thread writes until the stack goes. The file comes last: where something fails there is none.
std::expected<void, std::string> begin_recording(const node::NodeConfig& config, node::ShardCarrier& carrier) {
    node::Shard& shard = carrier.shard();
    auto telemetry = node::Telemetry::start(
        {.node = config.name, .address = config.overlay ? shard.address() : Address{}, .queue = config.record.queue});
    if (!telemetry) return std::unexpected("[record] start: " + telemetry.error());
    auto file = node::open_new_recording(config.record.directory, config.name);
    if (!file) return std::unexpected("[record] start: " + file.error().message);
    file->limit = config.record.limit;
    node::Subscription wants;
    wants.classes = trace::parse_classes(config.record.classes).value_or(trace::all);
    if (const auto began = (*telemetry)->record(std::move(*file), wants); !began) return began;
    shard.observe(**telemetry, [from = telemetry->get()] { tell_trouble(*from); });
    carrier.keep(std::move(*telemetry));
    return {};
}

// What [tcp] says of flows that a program opens or accepts.
void set_defaults(weft_stack& stack, const ListenOptions& options) {
    api::SocketOptions begin;
    begin.nodelay = options.nodelay;
    begin.user_timeout = std::uint32_t(options.user_timeout.count() / 1'000'000);
    begin.congestion = options.congestion;
    stack.sockets.begin_with(begin);
    stack.backlog = int(options.backlog);
}

int open_node(const node::NodeConfig& config, const std::string& path, weft_stack** out) {
    auto identity = identity_of(config, path);
    if (!identity) return refuse(identity.error(), EINVAL);
    const auto settings = node::shard_config(config);
    if (!settings) return refuse(settings.error(), EINVAL);
    node::Beside beside;  // outlives the shard
    auto opened = node::Shard::open(std::move(*identity), *settings, node::system_entropy());
    if (!opened) return refuse(opened.error(), errno > 0 ? errno : EINVAL);
    node::Shard& shard = **opened;
    beside.plugins = std::make_unique<node::Plugins>(node::plugin_settings(config));
    const auto congestion = node::load_plugins(config, *beside.plugins, shard);
    if (!congestion) return refuse(congestion.error(), EINVAL);
    const ListenOptions options = node::listen_options(config, *congestion);
    if (const auto services = node::open_services(config.services, options, shard); !services)
        return refuse(services.error(), EINVAL);
    for (const node::PeerConfig& peer : config.peers) shard.add_peer(peer.address, peer.endpoints);
    auto carrier = node::ShardCarrier::make(std::move(*opened), std::move(beside));
    if (!carrier) return refuse(carrier.error(), ENFILE);
    node::ShardCarrier& over = **carrier;
    HashKey ports;
    node::system_entropy()(std::as_writable_bytes(std::span(&ports, 1)));
    auto stack = std::make_unique<weft_stack>(std::move(*carrier), ports);
    set_defaults(*stack, options);
    if (config.overlay) stack->addresses.push_back(shard.address());
    for (const node::TapEntry& tap : config.taps)
        for (const Prefix& own : tap.device.addresses) stack->addresses.push_back(own.address);
    if (config.record.start)
        if (const auto recording = begin_recording(config, over); !recording) return refuse(recording.error(), EIO);
    *out = stack.release();
    return 0;
}

int open_text(const char* config, weft_stack** out) {
    if (!out) return refuse("weft_open needs a place for the stack: out is NULL", EINVAL);
    if (!node::start_sodium()) return refuse("there is no source of randomness (/dev/urandom)", EIO);
    const std::string path = "weft_open.toml";
    auto read = node::parse_config(config ? config : "", path);
    if (!read) {
        std::string all;
        for (const std::string& message : read.error().messages) all += (all.empty() ? "" : "\n") + message;
        return refuse(std::move(all), EINVAL);
    }
    node::set_log_level(std::min(read->log_level, node::LogLevel::error));  // what goes wrong is said by the calls
    return open_node(*read, path, out);
}

// What is thrown must not cross C: to be called where it was caught.
int refuse_thrown() noexcept {
    try {
        try {
            throw;
        } catch (const std::bad_alloc&) { return refuse("out of memory", ENOMEM); } catch (const std::system_error& error) {
            return refuse(error.what(), error.code().value() > 0 ? error.code().value() : EIO);
        } catch (const std::exception& error) { return refuse(error.what(), EIO); }
    } catch (...) {  // not even for the reason
        return -ENOMEM;
    }
}

}  // namespace

extern "C" int weft_open(const char* config, weft_stack** out) try { return open_text(config, out); } catch (...) {
    return refuse_thrown();
}
