// weft.toml: what a node is told at its start, and again at SIGHUP. Reading it finds every mistake, each with its place,
// what is allowed there, and what was probably meant.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/log.h"
#include "node/tap_settings.h"
#include "overlay/access.h"
#include "plugins/host/values.h"
#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/time.h"

namespace weft::node {

struct PeerConfig {
    std::string name;                     // unique, or empty
    Address address;                      // of the overlay
    std::vector<UdpEndpoint> endpoints;   // at most 8; none: the peer dials us
    friend bool operator==(const PeerConfig&, const PeerConfig&) = default;
};

// [fault]: what a link to test with does to datagrams that leave. All zero: no such link.
struct FaultConfig {
    std::uint32_t loss_ppm{0}, duplicate_ppm{0}, corrupt_ppm{0}, reorder_ppm{0};  // parts per million
    Duration delay, jitter;
    std::uint64_t rate{0};                // bytes a second; 0: no limit
    std::uint64_t seed{1};
    bool any() const {
        return rate != 0 || loss_ppm != 0 || duplicate_ppm != 0 || corrupt_ppm != 0 || reorder_ppm != 0 ||
               delay > Duration{} || jitter > Duration{};
    }
    friend bool operator==(const FaultConfig&, const FaultConfig&) = default;
};

// [[route]]: the next hops towards a destination, in their order.
struct RouteConfig {
    std::optional<Address> to;            // none: every destination
    std::vector<Address> via;             // neighbours
    friend bool operator==(const RouteConfig&, const RouteConfig&) = default;
};

// [[tap]]
struct TapEntry {
    TapSettings device;
    FaultConfig fault;                    // of what leaves by it
    friend bool operator==(const TapEntry&, const TapEntry&) = default;
};

// [services]: what answers by itself, on each address of this node.
struct ServicesConfig {
    std::string http;                     // directory; empty: none
    std::uint16_t http_port{80};
    bool echo{false}, discard{false}, source{false};  // ports 7, 9, 19
    friend bool operator==(const ServicesConfig&, const ServicesConfig&) = default;
};

// [record]
struct RecordConfig {
    std::string directory;                // of recordings
    std::string classes{"all"};           // of events, unless record.start says which
    std::uint64_t limit{4ull << 30};      // bytes of a recording, at most
    bool start{false};                    // with the node
    std::uint64_t queue{8 << 20};         // bytes that a listener may leave unread
    friend bool operator==(const RecordConfig&, const RecordConfig&) = default;
};

struct NodeConfig {
    // [node]
    std::string name{"default"};
    std::string key;                      // path of the key file
    std::uint64_t memory{512 << 20};      // bytes of packet buffers, at most
    bool core_dumps{false};               // a core holds keys

    // [log]
    LogLevel log_level{LogLevel::info};
    LogFormat log_format{LogFormat::text};

    // [network]
    std::string network{"weft"};
    std::string secret;                   // path of the network's secret; empty: none
    std::uint8_t work_bits{20};

    // [listen]
    std::optional<UdpEndpoint> listen4, listen6;
    bool overlay{true};                   // false: `udp = []`, no socket; a node of devices alone needs no key
    bool listen_anywhere{false};          // nothing was said: port 7001 of every address, of the families that there are
    std::uint32_t mtu{1'200};             // bytes of UDP payload
    std::uint16_t suites{3};              // bit 0 ChaCha20-Poly1305, bit 1 AES-256-GCM
    bool accept_members{true};            // false: configured peers alone

    std::vector<PeerConfig> peers;        // [[peer]]

    std::vector<std::pair<std::string, Address>> names;   // [names]: what to call nodes that are no peers

    std::string routing{"static"};        // [routing] module
    std::vector<RouteConfig> routes;      // [[route]]
    std::vector<overlay::ReachRule> reach;                // [[expose]]
    overlay::TransitRules transit;        // [transit]

    // [tcp]
    Duration user_timeout{Duration::seconds(300)};
    Duration time_wait{Duration::seconds(60)};
    std::uint64_t send_buffer{1 << 20}, receive_buffer{1 << 20};  // bytes a flow
    std::uint32_t backlog{128};
    bool nodelay{false};
    std::vector<std::pair<std::string, std::string>> tunables;  // [tcp.tunables]: names and values that tcp::tune() takes
    std::string congestion{"newreno"};    // compiled in, or of a plugin that is loaded at the start

    // [plugins]
    std::optional<std::vector<std::string>> plugin_directories;   // nullopt: default_plugin_directories()
    std::vector<std::string> plugin_files;     // files to load at the start, without their ending
    Duration call_budget{Duration::milliseconds(1)};   // of one call into a module
    std::map<std::string, std::map<std::string, plugins::Number>> module_defaults;   // [plugins.MODULE]

    // [rekey]: after the first packet under a key
    Duration rekey_initiator{Duration::seconds(120)}, rekey_responder{Duration::seconds(165)},
        rekey_idle{Duration::seconds(3'600)};

    FaultConfig fault;

    std::vector<TapEntry> taps;           // [[tap]]
    ServicesConfig services;
    RecordConfig record;

    friend bool operator==(const NodeConfig&, const NodeConfig&) = default;
};

// Every mistake, a line each: "FILE:LINE:COLUMN: what is wrong; what is allowed; did you mean".
struct ConfigError {
    std::vector<std::string> messages;
};

// `path` names the file in messages, and is what relative paths in it begin at.
std::expected<NodeConfig, ConfigError> parse_config(std::string_view text, const std::string& path);
std::expected<NodeConfig, ConfigError> read_config(const std::string& path);

}  // namespace weft::node
