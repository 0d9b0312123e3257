// The sections of weft.toml about the overlay: where the node listens, whom it knows, by which way, and who may reach and cross it.
#include <algorithm>

#include <fmt/format.h>

#include "node/config_reader.h"
#include "node/paths.h"
#include "node/suggest.h"
#include "node/units.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

constexpr std::size_t most_peers = 4'096, most_endpoints = 8, most_routes = 65'536, most_rules = 4'096;

}  // namespace

void ConfigReader::read_network(const toml::table& root, NodeConfig& config) {
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

void ConfigReader::read_listen_endpoint(const toml::value<std::string>& value, NodeConfig& config) {
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

void ConfigReader::read_listen(const toml::table& root, NodeConfig& config) {
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

void ConfigReader::read_peer(const toml::table& table, NodeConfig& config) {
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

void ConfigReader::read_peers(const toml::table& root, NodeConfig& config) {
    const toml::array* array = tables(root, "peer", most_peers);
    if (!array) return;
    for (const toml::node& element : *array) read_peer(*element.as_table(), config);
}

void ConfigReader::read_names(const toml::table& root, NodeConfig& config) {
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

void ConfigReader::read_groups(const toml::table& root, const NodeConfig& config) {
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
void ConfigReader::who(const toml::value<std::string>& value, const NodeConfig& config, bool groups,
                       std::vector<Address>& into) {
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

void ConfigReader::read_routes(const toml::table& root, NodeConfig& config) {
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

void ConfigReader::read_ports(const toml::table& table, std::vector<std::uint16_t>& ports) {
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

void ConfigReader::read_expose(const toml::table& root, NodeConfig& config) {
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

void ConfigReader::read_transit(const toml::table& root, NodeConfig& config) {
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

}  // namespace weft::node
