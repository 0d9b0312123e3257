// Walks the parsed TOML with a table of what may stand where; toml++ is seen by this file alone.
#include "node/config.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "node/paths.h"
#include "node/recordings.h"
#include "node/suggest.h"
#include "node/units.h"
#include "plugins/host/file.h"
#include "stack/core/address_text.h"
#include "stack/core/trace_names.h"
#include "stack/tcp/congestion/controller.h"
#include "stack/tcp/tunables.h"

namespace weft::node {
namespace {

constexpr std::size_t longest_file = 1 << 20, most_mistakes = 20, most_peers = 4'096, most_endpoints = 8;
constexpr std::size_t most_routes = 65'536, most_rules = 4'096;
constexpr std::size_t most_taps = 64;
constexpr std::string_view fault_keys[]{"loss", "delay", "jitter", "rate", "reorder", "duplicate", "corrupt", "seed"};

std::string_view type_of(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number with a point";
    case toml::node_type::boolean: return "a boolean";
    default: return "a date or time";
    }
}

class Reader {
public:
    explicit Reader(const std::string& path) : path_{path} {}

    std::vector<std::string> mistakes;

    NodeConfig read(const toml::table& root);

private:
    using Keys = std::span<const std::string_view>;

    void mistake(const toml::source_region& at, std::string what) {
        if (mistakes.size() < most_mistakes)
            mistakes.push_back(fmt::format("{}:{}:{}: {}", path_, at.begin.line, at.begin.column, what));
    }

    void only(const toml::table& table, std::string_view where, Keys allowed) {
        for (const auto& [key, value] : table) {
            if (std::ranges::find(allowed, key.str()) != allowed.end()) continue;
            mistake(key.source(), fmt::format("unknown key \"{}\" in {}{} (allowed: {})", key.str(), where,
                                              did_you_mean(key.str(), allowed), listed(allowed)));
        }
    }

    // The table of this name, checked for unknown keys; nullptr if it is absent or something else.
    const toml::table* section(const toml::table& root, std::string_view name, Keys allowed) {
        const toml::node* node = root.get(name);
        if (!node) return nullptr;
        const toml::table* table = node->as_table();
        if (!table)
            mistake(node->source(), fmt::format("\"{}\" is {}; it must be a table: [{}]", name, type_of(*node), name));
        else only(*table, fmt::format("[{}]", name), allowed);
        return table;
    }

    // The string under a key; nullptr if it is absent or something else.
    const toml::value<std::string>* text(const toml::table* table, std::string_view key, std::string_view form) {
        const toml::node* node = table ? table->get(key) : nullptr;
        if (!node) return nullptr;
        const toml::value<std::string>* value = node->as_string();
        if (!value) mistake(node->source(), fmt::format("\"{}\" is {}; it must be a string: {}", key, type_of(*node), form));
        return value;
    }

    void boolean(const toml::table* table, std::string_view key, bool& into) {
        const toml::node* node = table ? table->get(key) : nullptr;
        if (!node) return;
        if (const auto* value = node->as_boolean()) into = value->get();
        else mistake(node->source(), fmt::format("\"{}\" is {}; it must be true or false", key, type_of(*node)));
    }

    template <class Number>
    void integer(const toml::table* table, std::string_view key, std::int64_t least, std::int64_t most, Number& into) {
        const toml::node* node = table ? table->get(key) : nullptr;
        if (!node) return;
        const auto* value = node->as_integer();
        if (!value)
            return mistake(node->source(), fmt::format("\"{}\" is {}; it must be an integer from {} to {}", key,
                                                       type_of(*node), least, most));
        if (value->get() < least || value->get() > most)
            return mistake(node->source(),
                           fmt::format("\"{}\" = {}; it must be from {} to {}", key, value->get(), least, most));
        into = Number(value->get());
    }

    void duration(const toml::table* table, std::string_view key, Duration least, Duration most, std::string_view range,
                  Duration& into) {
        const auto* value = text(table, key, duration_form);
        if (!value) return;
        const auto parsed = parse_duration(value->get());
        if (!parsed)
            return mistake(value->source(),
                           fmt::format("\"{}\": \"{}\" {}; write {}", key, value->get(), parsed.error(), duration_form));
        if (*parsed < least || *parsed > most)
            return mistake(value->source(), fmt::format("\"{}\" = \"{}\"; it must be from {}", key, value->get(), range));
        into = *parsed;
    }

    void size(const toml::table* table, std::string_view key, std::uint64_t least, std::uint64_t most,
              std::string_view range, std::uint64_t& into) {
        const auto* value = text(table, key, size_form);
        if (!value) return;
        const auto parsed = parse_size(value->get());
        if (!parsed)
            return mistake(value->source(),
                           fmt::format("\"{}\": \"{}\" {}; write {}", key, value->get(), parsed.error(), size_form));
        if (*parsed < least || *parsed > most)
            return mistake(value->source(), fmt::format("\"{}\" = \"{}\"; it must be from {}", key, value->get(), range));
        into = *parsed;
    }

    void percent(const toml::table* table, std::string_view key, std::uint32_t& into) {
        const auto* value = text(table, key, percent_form);
        if (!value) return;
        const auto parsed = parse_percent(value->get());
        if (!parsed)
            return mistake(value->source(),
                           fmt::format("\"{}\": \"{}\" {}; write {}", key, value->get(), parsed.error(), percent_form));
        into = *parsed;
    }

    // One of `words`: its index.
    std::optional<std::size_t> choice(const toml::value<std::string>& value, std::string_view key, Keys words) {
        const auto found = std::ranges::find(words, value.get());
        if (found != words.end()) return std::size_t(found - words.begin());
        mistake(value.source(), fmt::format("\"{}\" = \"{}\"{} (allowed: {})", key, value.get(),
                                            did_you_mean(value.get(), words), listed(words)));
        return std::nullopt;
    }

    // The strings of an array, or a single string.
    std::vector<const toml::value<std::string>*> strings(const toml::table& table, std::string_view key,
                                                         std::string_view form) {
        std::vector<const toml::value<std::string>*> values;
        const toml::node* node = table.get(key);
        if (!node) return values;
        if (const auto* single = node->as_string()) return {single};
        const toml::array* array = node->as_array();
        if (!array) {
            mistake(node->source(),
                    fmt::format("\"{}\" is {}; it must be an array of strings: {}", key, type_of(*node), form));
            return values;
        }
        for (const toml::node& element : *array) {
            if (const auto* value = element.as_string()) values.push_back(value);
            else
                mistake(element.source(),
                        fmt::format("an element of \"{}\" is {}; it must be a string: {}", key, type_of(element), form));
        }
        return values;
    }

    std::string beside(const std::string& file) const {
        return std::filesystem::path(file).is_absolute() ? file
                                                         : (std::filesystem::path(path_).parent_path() / file).string();
    }

    void read_node(const toml::table& root, NodeConfig& config);
    void read_log(const toml::table& root, NodeConfig& config);
    void read_network(const toml::table& root, NodeConfig& config);
    void read_listen(const toml::table& root, NodeConfig& config);
    void read_listen_endpoint(const toml::value<std::string>& value, NodeConfig& config);
    void read_peers(const toml::table& root, NodeConfig& config);
    void read_peer(const toml::table& table, NodeConfig& config);
    const toml::array* tables(const toml::table& root, std::string_view name, std::size_t at_most);
    void read_names(const toml::table& root, NodeConfig& config);
    void read_groups(const toml::table& root, const NodeConfig& config);
    void who(const toml::value<std::string>& value, const NodeConfig& config, bool groups, std::vector<Address>& into);
    void read_routes(const toml::table& root, NodeConfig& config);
    void read_expose(const toml::table& root, NodeConfig& config);
    void read_ports(const toml::table& table, std::vector<std::uint16_t>& ports);
    void read_transit(const toml::table& root, NodeConfig& config);
    void read_tcp(const toml::table& root, NodeConfig& config);
    void read_tunables(const toml::table& table, NodeConfig& config);
    void read_rekey(const toml::table& root, NodeConfig& config);
    void read_plugins(const toml::table& root, NodeConfig& config);
    void read_module(std::string_view module, const toml::table& table, NodeConfig& config);
    void read_fault(const toml::table* table, FaultConfig& fault);
    void read_taps(const toml::table& root, NodeConfig& config);
    void read_tap(const toml::table& table, NodeConfig& config);
    template <class Value, class Parse>
    void each_text(const toml::table& table, std::string_view key, std::string_view form, Parse parse,
                   std::vector<Value>& into);
    void read_services(const toml::table& root, NodeConfig& config);
    void read_record(const toml::table& root, NodeConfig& config);

    const std::string& path_;
    std::map<std::string, std::vector<Address>, std::less<>> groups_;
};

NodeConfig Reader::read(const toml::table& root) {
    static constexpr std::string_view sections[]{"node",   "log",     "network", "listen", "peer",     "names",
                                                 "groups", "routing", "route",   "expose", "transit",  "tcp",
                                                 "rekey",  "fault",   "plugins", "tap",    "services", "record"};
    NodeConfig config;
    config.key = default_key_path(path_);
    only(root, "the file", sections);
    read_node(root, config);
    read_log(root, config);
    read_network(root, config);
    read_listen(root, config);
    read_peers(root, config);
    read_names(root, config);
    read_groups(root, config);
    read_routes(root, config);
    read_expose(root, config);
    read_transit(root, config);
    read_plugins(root, config);
    read_tcp(root, config);
    read_rekey(root, config);
    read_fault(section(root, "fault", fault_keys), config.fault);
    read_taps(root, config);
    read_services(root, config);
    read_record(root, config);
    if (!config.overlay && !config.peers.empty())
        mistake(root.get("peer")->source(),
                "[[peer]] needs a UDP socket: name an endpoint in \"udp\" of [listen], such as \"0.0.0.0:7001\"");
    return config;
}

void Reader::read_node(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"name", "key", "memory", "core_dumps"};
    const toml::table* table = section(root, "node", keys);
    if (const auto* name = text(table, "name", "a name such as \"alice\"")) {
        if (node_name_is_valid(name->get())) config.name = name->get();
        else
            mistake(
                name->source(),
                fmt::format("\"name\" = \"{}\"; it must be 1 to 32 characters of a-z, A-Z, 0-9, -, _ and ., the first one a "
                            "letter or a digit",
                            name->get()));
    }
    if (const auto* key = text(table, "key", "the path of the key file")) {
        if (key->get().empty()) mistake(key->source(), "\"key\" is empty; it must be the path of the key file");
        else config.key = beside(key->get());
    }
    size(table, "memory", 4 << 20, 1ull << 40, "4MiB to 1024GiB", config.memory);
    boolean(table, "core_dumps", config.core_dumps);
}

void Reader::read_log(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"level", "format"}, formats[]{"text", "json"};
    static constexpr std::string_view levels[]{"error", "warning", "info", "debug", "trace"};
    const toml::table* table = section(root, "log", keys);
    if (const auto* level = text(table, "level", listed(levels)))
        if (const auto index = choice(*level, "level", levels)) config.log_level = LogLevel(*index);
    if (const auto* format = text(table, "format", listed(formats)))
        if (const auto index = choice(*format, "format", formats)) config.log_format = LogFormat(*index);
}

void Reader::read_network(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"name", "secret", "work"};
    const toml::table* table = section(root, "network", keys);
    if (const auto* name = text(table, "name", "the network's name")) {
        if (name->get().empty() || name->get().size() > 255) mistake(name->source(), "\"name\" must be 1 to 255 bytes");
        else config.network = name->get();
    }
    if (const auto* secret = text(table, "secret", "the path of the network's secret")) {
        if (secret->get().empty())
            mistake(secret->source(), "\"secret\" is empty; it must be a path, or left out where there is none");
        else config.secret = beside(secret->get());
    }
    integer(table, "work", 0, 28, config.work_bits);
}

void Reader::read_listen_endpoint(const toml::value<std::string>& value, NodeConfig& config) {
    const auto endpoint = parse_udp_endpoint(value.get());
    if (!endpoint)
        return mistake(value.source(),
                       fmt::format("\"{}\" is no UDP endpoint: {}; write \"192.0.2.1:7001\" or \"[2001:db8::1]:7001\"",
                                   value.get(), to_string(endpoint.error())));
    const bool v4 = !value.get().starts_with('[');
    std::optional<UdpEndpoint>& place = v4 ? config.listen4 : config.listen6;
    if (place)
        return mistake(value.source(), fmt::format("\"{}\" is the second IPv{} endpoint; there is one socket of each family",
                                                   value.get(), v4 ? 4 : 6));
    place = *endpoint;
}

void Reader::read_listen(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"udp", "mtu", "aead", "members"}, suites[]{"chacha20-poly1305", "aes-256-gcm"};
    const toml::table* table = section(root, "listen", keys);
    if (table && table->get("udp")) {
        const auto endpoints = strings(*table, "udp", "\"0.0.0.0:7001\", \"[::]:7001\"");
        for (const auto* value : endpoints) read_listen_endpoint(*value, config);
        const toml::array* const array = table->get_as<toml::array>("udp");
        config.overlay = !(array && array->empty());
        if (!config.overlay && !root.get("tap"))
            mistake(table->get("udp")->source(),
                    "\"udp\" names no endpoint; write at least one, such as \"0.0.0.0:7001\", or a [[tap]]");
    } else {
        config.listen_anywhere = true;
        config.listen4 = parse_udp_endpoint("0.0.0.0:7001").value();
        config.listen6 = parse_udp_endpoint("[::]:7001").value();
    }
    integer(table, "mtu", 1'200, 65'000, config.mtu);
    if (table && table->get("aead")) {
        config.suites = 0;
        for (const auto* value : strings(*table, "aead", listed(suites)))
            if (const auto index = choice(*value, "aead", suites))
                config.suites = std::uint16_t(config.suites | 1u << *index);
        if (config.suites == 0 && mistakes.empty())
            mistake(table->get("aead")->source(), fmt::format("\"aead\" names no cipher (allowed: {})", listed(suites)));
    }
    boolean(table, "members", config.accept_members);
}

void Reader::read_peer(const toml::table& table, NodeConfig& config) {
    static constexpr std::string_view keys[]{"name", "address", "endpoints"};
    only(table, "[[peer]]", keys);
    PeerConfig peer;
    if (const auto* name = text(&table, "name", "a name such as \"bob\"")) {
        if (!node_name_is_valid(name->get()))
            mistake(
                name->source(),
                fmt::format("\"name\" = \"{}\"; it must be 1 to 32 characters of a-z, A-Z, 0-9, -, _ and .", name->get()));
        else if (std::ranges::find(config.peers, name->get(), &PeerConfig::name) != config.peers.end())
            mistake(name->source(), fmt::format("\"{}\" is the name of two peers", name->get()));
        peer.name = name->get();
    }
    if (!table.get("address"))
        return mistake(table.source(), "a peer without \"address\"; it must have its weft1... text form");
    const auto* address = text(&table, "address", "its weft1... text form");
    if (!address) return;
    const auto parsed = OverlayFamily::parse(address->get());
    if (!parsed)
        return mistake(address->source(), fmt::format("\"address\" is no overlay address: {}", to_string(parsed.error())));
    if (std::ranges::find(config.peers, *parsed, &PeerConfig::address) != config.peers.end())
        return mistake(address->source(), "this address is that of two peers");
    peer.address = *parsed;
    for (const auto* value : strings(table, "endpoints", "\"192.0.2.1:7001\"")) {
        const auto endpoint = parse_udp_endpoint(value->get());
        if (!endpoint || endpoint->port == 0)
            mistake(value->source(),
                    fmt::format("\"{}\" is no UDP endpoint: {}; write \"192.0.2.1:7001\" or \"[2001:db8::1]:7001\"",
                                value->get(), endpoint ? "port 0 cannot be dialled" : to_string(endpoint.error())));
        else if (peer.endpoints.size() == most_endpoints)
            mistake(value->source(), fmt::format("a peer has at most {} endpoints", most_endpoints));
        else peer.endpoints.push_back(*endpoint);
    }
    config.peers.push_back(std::move(peer));
}

// The array of tables [[name]]; nullptr if it is absent or something else.
const toml::array* Reader::tables(const toml::table& root, std::string_view name, std::size_t at_most) {
    const toml::node* node = root.get(name);
    if (!node) return nullptr;
    const toml::array* array = node->as_array();
    if (!array || !array->is_array_of_tables()) {
        mistake(node->source(), fmt::format("\"{0}\" must be written as [[{0}]], once for each {0}", name));
        return nullptr;
    }
    if (array->size() <= at_most) return array;
    mistake(node->source(), fmt::format("more than {} of [[{}]]", at_most, name));
    return nullptr;
}

void Reader::read_peers(const toml::table& root, NodeConfig& config) {
    const toml::array* array = tables(root, "peer", most_peers);
    if (!array) return;
    for (const toml::node& element : *array) read_peer(*element.as_table(), config);
}

void Reader::read_names(const toml::table& root, NodeConfig& config) {
    const toml::node* node = root.get("names");
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table) return mistake(node->source(), fmt::format("\"names\" is {}; it must be a table: [names]", type_of(*node)));
    for (const auto& [key, value] : *table) {
        const std::string name{key.str()};
        const auto* text = value.as_string();
        const auto address = text ? OverlayFamily::parse(text->get()) : std::unexpected(ParseError{});
        if (!node_name_is_valid(name))
            mistake(key.source(), fmt::format("\"{}\"; a name is 1 to 32 characters of a-z, A-Z, 0-9, -, _ and .", name));
        else if (std::ranges::find(config.peers, name, &PeerConfig::name) != config.peers.end())
            mistake(key.source(), fmt::format("\"{}\" is the name of a peer, too", name));
        else if (!address)
            mistake(value.source(), fmt::format("\"{}\" must be a weft1... text form{}{}", name, text ? ": " : "",
                                                text ? to_string(address.error()) : ""));
        else config.names.emplace_back(name, *address);
    }
}

void Reader::read_groups(const toml::table& root, const NodeConfig& config) {
    const toml::node* node = root.get("groups");
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table)
        return mistake(node->source(), fmt::format("\"groups\" is {}; it must be a table: [groups]", type_of(*node)));
    for (const auto& [key, value] : *table) {
        std::vector<Address>& group = groups_[std::string{key.str()}];
        for (const auto* member : strings(*table, key.str(), "names and addresses")) who(*member, config, false, group);
    }
}

// A name, a weft1... text form or, with `groups`, @GROUP.
void Reader::who(const toml::value<std::string>& value, const NodeConfig& config, bool groups, std::vector<Address>& into) {
    const std::string& text = value.get();
    if (groups && text.starts_with('@')) {
        const auto group = groups_.find(std::string_view(text).substr(1));
        if (group == groups_.end()) return mistake(value.source(), fmt::format("\"{}\" is no group of [groups]", text));
        into.insert(into.end(), group->second.begin(), group->second.end());
        return;
    }
    std::vector<std::string_view> known;
    for (const PeerConfig& peer : config.peers) {
        if (!peer.name.empty() && peer.name == text) return into.push_back(peer.address);
        if (!peer.name.empty()) known.push_back(peer.name);
    }
    for (const auto& [name, address] : config.names) {
        if (name == text) return into.push_back(address);
        known.push_back(name);
    }
    const auto address = OverlayFamily::parse(text);
    if (address) return into.push_back(*address);
    if (text.starts_with("weft1") && text.size() > 32)
        return mistake(value.source(), fmt::format("\"{}\" is no overlay address: {}", text, to_string(address.error())));
    mistake(value.source(), fmt::format("\"{}\" is neither the name of a [[peer]] or in [names] nor an address{}{}", text,
                                        groups ? " nor an @group" : "", did_you_mean(text, known)));
}

void Reader::read_routes(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view routing_keys[]{"module"}, keys[]{"to", "via"};
    if (const auto* module = text(section(root, "routing", routing_keys), "module", "a routing module such as \"static\"")) {
        if (module->get().empty())
            mistake(module->source(), "\"module\" is empty; it must name a routing module: \"static\"");
        else config.routing = module->get();
    }
    const toml::array* array = tables(root, "route", most_routes);
    if (!array) return;
    for (const toml::node& element : *array) {
        const toml::table& table = *element.as_table();
        only(table, "[[route]]", keys);
        RouteConfig route;
        if (!table.get("to") || !table.get("via")) {
            mistake(table.source(),
                    "a route needs \"to\", a name, an address or \"*\", and \"via\", one neighbour or several");
            continue;
        }
        const std::size_t before = mistakes.size();
        if (const auto* to = text(&table, "to", "a name, an address or \"*\""); to && to->get() != "*") {
            std::vector<Address> found;
            who(*to, config, false, found);
            if (!found.empty()) route.to = found.front();
        }
        for (const auto* via : strings(table, "via", "names or addresses of neighbours"))
            who(*via, config, false, route.via);
        if (mistakes.size() != before) continue;
        if (route.via.empty()) mistake(table.source(), "\"via\" names no neighbour");
        else config.routes.push_back(std::move(route));
    }
}

void Reader::read_ports(const toml::table& table, std::vector<std::uint16_t>& ports) {
    constexpr std::string_view form = "a port from 1 to 65535, an array of them, or \"any\"";
    const toml::node* node = table.get("port");
    if (!node) return mistake(table.source(), fmt::format("[[expose]] without \"port\": {}", form));
    if (const auto* word = node->as_string(); word && word->get() == "any") return ports.push_back(0);
    const auto add = [&](const toml::node& one) {
        const auto* number = one.as_integer();
        if (!number || number->get() < 1 || number->get() > 65'535)
            return mistake(one.source(), fmt::format("\"port\" must be {}", form));
        ports.push_back(std::uint16_t(number->get()));
    };
    if (const toml::array* array = node->as_array())
        for (const toml::node& one : *array) add(one);
    else add(*node);
}

void Reader::read_expose(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"port", "protocol", "from"}, protocols[]{"tcp", "udp", "any"};
    static constexpr std::uint8_t numbers[]{6, 17, 0};
    const toml::array* array = tables(root, "expose", most_rules);
    if (!array) return;
    for (const toml::node& element : *array) {
        const toml::table& table = *element.as_table();
        only(table, "[[expose]]", keys);
        overlay::ReachRule rule;
        if (const auto* protocol = text(&table, "protocol", listed(protocols)))
            if (const auto index = choice(*protocol, "protocol", protocols)) rule.protocol = numbers[*index];
        std::vector<std::uint16_t> ports;
        read_ports(table, ports);
        std::vector<Address> from;
        for (const auto* value : strings(table, "from", "names, addresses and @groups")) who(*value, config, true, from);
        for (const std::uint16_t port : ports) {
            rule.port = port;
            if (!table.get("from")) config.reach.push_back(rule);
            for (const Address& address : from) {
                rule.who = address;
                config.reach.push_back(rule);
            }
            rule.who.reset();
        }
    }
    if (config.reach.size() > most_rules)
        mistake(root.get("expose")->source(), fmt::format("[[expose]] makes more than {} rules", most_rules));
}

void Reader::read_transit(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"allow", "from", "rate"}, modes[]{"off", "members", "listed"};
    const toml::table* table = section(root, "transit", keys);
    if (!table) return;
    using Mode = overlay::TransitRules::Mode;
    if (const auto* allow = text(table, "allow", listed(modes)))
        if (const auto index = choice(*allow, "allow", modes)) config.transit.mode = Mode(*index);
    for (const auto* value : strings(*table, "from", "names, addresses and @groups"))
        who(*value, config, true, config.transit.who);
    if ((config.transit.mode == Mode::listed) != (table->get("from") != nullptr))
        mistake(table->source(), "\"from\" in [transit] goes with allow = \"listed\", and that with \"from\"");
    const auto* rate = text(table, "rate", rate_form);
    if (!rate) return;
    if (rate->get() == "unlimited") {
        config.transit.rate = 0;
        return;
    }
    const auto parsed = parse_rate(rate->get());
    if (!parsed || *parsed < 1'000)
        return mistake(rate->source(), fmt::format("\"rate\": \"{}\" {}; write {}, at least \"8kbit\", or \"unlimited\"",
                                                   rate->get(), parsed ? "is too little" : parsed.error(), rate_form));
    config.transit.rate = *parsed;
}

// Any number of the stack by its name (docs/tunables.md).
void Reader::read_tunables(const toml::table& table, NodeConfig& config) {
    Config probe;
    for (const auto& [key, value] : table) {
        const std::string name{key.str()};
        std::string text;
        if (const auto* whole = value.as_integer()) text = std::to_string(whole->get());
        else if (const auto* said = value.as_string()) text = said->get();
        else if (const auto* yes = value.as_boolean()) text = yes->get() ? "on" : "off";
        if (const auto tuned = tcp::tune(probe, name, text); !tuned) mistake(value.source(), tuned.error());
        else config.tunables.emplace_back(name, text);
    }
}

void Reader::read_tcp(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"user_timeout", "time_wait", "send_buffer", "receive_buffer",
                                             "backlog",      "nodelay",   "congestion",  "tunables"};
    const toml::table* table = section(root, "tcp", keys);
    if (table)
        if (const toml::node* given = table->get("tunables")) {
            if (const auto* values = given->as_table()) read_tunables(*values, config);
            else mistake(given->source(), "\"tunables\" must be written as a table: [tcp.tunables]");
        }
    duration(table, "user_timeout", Duration::milliseconds(100), Duration::seconds(86'400), "100ms to 24h",
             config.user_timeout);
    duration(table, "time_wait", Duration::seconds(0), Duration::seconds(240), "0s to 4min", config.time_wait);
    size(table, "send_buffer", 128 << 10, 1 << 30, "128KiB to 1GiB", config.send_buffer);
    size(table, "receive_buffer", 128 << 10, 1 << 30, "128KiB to 1GiB", config.receive_buffer);
    integer(table, "backlog", 1, 65'535, config.backlog);
    boolean(table, "nodelay", config.nodelay);
    if (const auto* name = text(table, "congestion", listed(tcp::controller_names))) {
        // What the files of [plugins] load hold is known when they are open.
        if (!config.plugin_files.empty() || choice(*name, "congestion", tcp::controller_names))
            config.congestion = name->get();
    }
}

void Reader::read_rekey(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"initiator", "responder", "idle"};
    const toml::table* table = section(root, "rekey", keys);
    duration(table, "initiator", Duration::milliseconds(100), Duration::seconds(120), "100ms to 2min",
             config.rekey_initiator);
    duration(table, "responder", Duration::milliseconds(100), Duration::seconds(165), "100ms to 165s",
             config.rekey_responder);
    duration(table, "idle", Duration::seconds(1), Duration::seconds(3'600), "1s to 1h", config.rekey_idle);
}

void Reader::read_module(std::string_view module, const toml::table& table, NodeConfig& config) {
    auto& values = config.module_defaults[std::string(module)];
    for (const auto& [key, value] : table) {
        const std::string name{key.str()};
        if (const auto* whole = value.as_integer()) values[name] = whole->get();
        else if (const auto* real = value.as_floating_point()) values[name] = real->get();
        else mistake(value.source(), fmt::format("\"{}\" is {}; a parameter of a module is a number", name, type_of(value)));
    }
}

// Beside its own keys a table for each module: what its parameters begin with.
void Reader::read_plugins(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"directories", "load", "call_budget"};
    const toml::node* node = root.get("plugins");
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table)
        return mistake(node->source(), fmt::format("\"plugins\" is {}; it must be a table: [plugins]", type_of(*node)));
    for (const auto& [key, value] : *table) {
        if (std::ranges::find(keys, key.str()) != std::end(keys)) continue;
        if (const toml::table* module = value.as_table()) read_module(key.str(), *module, config);
        else
            mistake(
                key.source(),
                fmt::format(
                    "unknown key \"{}\" in [plugins]{}; parameters of a module stand under [plugins.MODULE] (allowed: {})",
                    key.str(), did_you_mean(key.str(), keys), listed(keys)));
    }
    if (table->get("directories")) {
        config.plugin_directories.emplace();
        for (const auto* value : strings(*table, "directories", "\"/usr/local/lib/weft/plugins\"")) {
            if (value->get().empty()) mistake(value->source(), "\"directories\" holds an empty path");
            else config.plugin_directories->push_back(beside(value->get()));
        }
    }
    for (const auto* value : strings(*table, "load", "\"aimd\"")) {
        if (plugins::name_is_valid(value->get())) config.plugin_files.push_back(value->get());
        else
            mistake(value->source(),
                    fmt::format("\"load\" = \"{}\"; write a file's name without its directory and without .so, such "
                                "as \"aimd\"",
                                value->get()));
    }
    duration(table, "call_budget", Duration::microseconds(10), Duration::seconds(10), "10us to 10s", config.call_budget);
}

void Reader::read_fault(const toml::table* table, FaultConfig& fault) {
    percent(table, "loss", fault.loss_ppm);
    percent(table, "reorder", fault.reorder_ppm);
    percent(table, "duplicate", fault.duplicate_ppm);
    percent(table, "corrupt", fault.corrupt_ppm);
    duration(table, "delay", Duration{}, Duration::seconds(10), "0s to 10s", fault.delay);
    duration(table, "jitter", Duration{}, Duration::seconds(10), "0s to 10s", fault.jitter);
    integer(table, "seed", 0, std::numeric_limits<std::int64_t>::max(), fault.seed);
    const auto* rate = text(table, "rate", rate_form);
    const auto parsed = rate ? parse_rate(rate->get()) : std::uint64_t{0};
    if (!parsed || (rate && *parsed < 1'000))
        return mistake(rate->source(), fmt::format("\"rate\": \"{}\" {}; write {}, at least \"8kbit\"", rate->get(),
                                                   parsed ? "is too little" : parsed.error(), rate_form));
    fault.rate = *parsed;
}

// The strings under a key, each through `parse`, whose error is a part of a sentence.
template <class Value, class Parse>
void Reader::each_text(const toml::table& table, std::string_view key, std::string_view form, Parse parse,
                       std::vector<Value>& into) {
    for (const auto* value : strings(table, key, form)) {
        const auto parsed = parse(value->get());
        if (parsed) into.push_back(*parsed);
        else mistake(value->source(), fmt::format("\"{}\": \"{}\" {}; write {}", key, value->get(), parsed.error(), form));
    }
}

void Reader::read_tap(const toml::table& table, NodeConfig& config) {
    static constexpr std::string_view keys[]{"name",     "mode", "address", "kernel", "route",
                                             "vnet_hdr", "mtu",  "mac",     "fault"};
    static constexpr std::string_view modes[]{"tap", "tun"};
    only(table, "[[tap]]", keys);
    TapEntry entry;
    TapSettings& device = entry.device;
    if (const auto* name = text(&table, "name", device_name_form)) {
        if (!device_name_is_valid(name->get()))
            mistake(name->source(), fmt::format("\"name\" = \"{}\"; it must be {}", name->get(), device_name_form));
        device.name = name->get();
    }
    if (const auto* mode = text(&table, "mode", listed(modes)))
        if (const auto index = choice(*mode, "mode", modes)) device.tun = *index == 1;
    each_text(table, "address", interface_address_form, parse_interface_address, device.addresses);
    each_text(table, "kernel", interface_address_form, parse_interface_address, device.kernel);
    each_text(table, "route", tap_route_form, parse_tap_route, device.routes);
    boolean(&table, "vnet_hdr", device.vnet_hdr);
    integer(&table, "mtu", TapSettings::least_mtu, TapSettings::most_mtu, device.mtu);
    if (const auto* mac = text(&table, "mac", mac_form)) {
        if (const auto parsed = parse_mac(mac->get())) device.mac = *parsed;
        else mistake(mac->source(), fmt::format("\"mac\": \"{}\" {}; write {}", mac->get(), parsed.error(), mac_form));
        if (device.tun) mistake(mac->source(), "\"mac\" is for Ethernet: a device of mode \"tun\" has none");
    }
    read_fault(section(table, "fault", fault_keys), entry.fault);
    const auto fault = check_tap(device);
    if (!fault.empty()) return mistake(table.source(), fault);
    if (device.name.find('%') == std::string::npos &&
        std::ranges::any_of(config.taps, [&](const TapEntry& other) { return other.device.name == device.name; }))
        return mistake(table.source(), fmt::format("\"{}\" is the name of two devices", device.name));
    config.taps.push_back(std::move(entry));
}

void Reader::read_taps(const toml::table& root, NodeConfig& config) {
    const toml::array* array = tables(root, "tap", most_taps);
    if (!array) return;
    for (const toml::node& element : *array) read_tap(*element.as_table(), config);
}

void Reader::read_services(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"http", "http_port", "echo", "discard", "source"};
    const toml::table* table = section(root, "services", keys);
    if (const auto* http = text(table, "http", "the directory whose files are served")) {
        if (http->get().empty()) mistake(http->source(), "\"http\" is empty; it must be a directory, or left out");
        else config.services.http = beside(http->get());
    }
    integer(table, "http_port", 1, 65'535, config.services.http_port);
    boolean(table, "echo", config.services.echo);
    boolean(table, "discard", config.services.discard);
    boolean(table, "source", config.services.source);
}

void Reader::read_record(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"directory", "classes", "limit", "start", "queue"};
    const toml::table* table = section(root, "record", keys);
    config.record.directory = default_recording_directory();
    if (const auto* directory = text(table, "directory", "the directory of recordings")) {
        if (directory->get().empty())
            mistake(directory->source(), "\"directory\" is empty; it must be the directory of recordings");
        else config.record.directory = beside(directory->get());
    }
    if (const auto* classes = text(table, "classes", "names of classes of events such as \"all,-segments\"")) {
        const auto parsed = trace::parse_classes(classes->get());
        if (!parsed) mistake(classes->source(), fmt::format("\"classes\": {}", parsed.error()));
        else config.record.classes = classes->get();
    }
    size(table, "limit", 1 << 20, 1ull << 40, "1MiB to 1024GiB", config.record.limit);
    boolean(table, "start", config.record.start);
    size(table, "queue", 64 << 10, 1 << 30, "64KiB to 1GiB", config.record.queue);
}

}  // namespace

std::expected<NodeConfig, ConfigError> parse_config(std::string_view text, const std::string& path) {
    if (text.size() > longest_file)
        return std::unexpected(ConfigError{{fmt::format("{}: longer than {} bytes", path, longest_file)}});
    try {
        const toml::table root = toml::parse(text, path);
        Reader reader{path};
        NodeConfig config = reader.read(root);
        if (!reader.mistakes.empty()) return std::unexpected(ConfigError{std::move(reader.mistakes)});
        return config;
    } catch (const toml::parse_error& error) {
        const auto& at = error.source().begin;
        return std::unexpected(
            ConfigError{{fmt::format("{}:{}:{}: this is not TOML: {}", path, at.line, at.column, error.description())}});
    }
}

std::expected<NodeConfig, ConfigError> read_config(const std::string& path) {
    std::error_code error;
    if (const auto type = std::filesystem::status(path, error).type(); type == std::filesystem::file_type::directory)
        return std::unexpected(ConfigError{{fmt::format("{}: is a directory, not a file", path)}});
    std::ifstream file{path, std::ios::binary};
    if (!file) return std::unexpected(ConfigError{{fmt::format("{}: cannot open: {}", path, std::strerror(errno))}});
    std::string text(longest_file + 1, '\0');
    file.read(text.data(), std::streamsize(text.size()));
    if (file.bad()) return std::unexpected(ConfigError{{fmt::format("{}: cannot read: {}", path, std::strerror(errno))}});
    text.resize(std::size_t(file.gcount()));
    return parse_config(text, path);
}

}  // namespace weft::node
