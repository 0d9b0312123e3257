// What the control socket's methods do: the node, its peers and links. Flows are in daemon_flows.cc.
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "node/daemon.h"
#include "node/log.h"
#include "node/methods.h"
#include "node/suggest.h"
#include "stack/core/address_text.h"
#include "stack/core/filter.h"

namespace weft::node {
namespace {

constexpr std::size_t most_endpoints = 8;

double seconds(Duration duration) { return double(duration.count() / 1'000) / 1e6; }

Json tcp_statistics(const Statistics& s) {
    return Json{{"segments_in", s.segments_in},
                {"segments_out", s.segments_out},
                {"bytes_in", s.bytes_in},
                {"bytes_out", s.bytes_out},
                {"retransmitted_segments", s.retransmitted_segments},
                {"retransmitted_bytes", s.retransmitted_bytes},
                {"timeouts", s.timeouts},
                {"checksum_errors", s.checksum_errors},
                {"malformed", s.malformed},
                {"no_listener", s.no_listener},
                {"challenge_acks", s.challenge_acks},
                {"resets_sent", s.resets_sent},
                {"resets_received", s.resets_received},
                {"connections_opened", s.connections_opened},
                {"connections_accepted", s.connections_accepted},
                {"connections_failed", s.connections_failed},
                {"backlog_overflows", s.backlog_overflows},
                {"connections", s.connections},
                {"half_open", s.half_open},
                {"time_wait", s.time_wait},
                {"listeners", s.listeners},
                {"paths", s.paths}};
}

Json overlay_statistics(const overlay::LinksStatistics& s) {
    return Json{{"datagrams_in", s.datagrams_in},
                {"datagrams_out", s.datagrams_out},
                {"bytes_in", s.bytes_in},
                {"bytes_out", s.bytes_out},
                {"malformed", s.malformed},
                {"unknown_index", s.unknown_index},
                {"unauthentic", s.unauthentic},
                {"replayed", s.replayed},
                {"mac1_wrong", s.mac1_wrong},
                {"cookies_sent", s.cookies_sent},
                {"half_open", s.half_open},
                {"handshakes", s.handshakes},
                {"refused", s.refused},
                {"dropped_no_session", s.dropped_no_session},
                {"dropped_no_memory", s.dropped_no_memory},
                {"dropped_labels", s.dropped_labels},
                {"reach_refused", s.reach_refused},
                {"unreachable", s.unreachable}};
}

std::size_t listed_limit(const Json& params) { return params.value("limit", most_listed); }

std::string_view state_name(overlay::PeerStatus::State state) {
    using State = overlay::PeerStatus::State;
    switch (state) {
    case State::idle: return "idle";
    case State::init_sent: return "init_sent";
    case State::up: return "up";
    case State::rekey: return "rekey";
    case State::suspect: return "suspect";
    }
    return "unknown";
}

}  // namespace

void Daemon::request(ClientId client, RpcRequest request) {
    const std::string_view name = request.method->name;
    if (name == "flow.connect" || name == "flow.list" || name == "events.subscribe" ||
        name == "record.stop") {  // they answer later, or otherwise
        // Without an answer there is no way to hand over a descriptor, or to say where a stream begins.
        if (!request.wants_answer && name != "record.stop") return;
        const auto error = name == "flow.connect"       ? flow_connect(client, request)
                           : name == "flow.list"        ? flow_list(client, request)
                           : name == "events.subscribe" ? events_subscribe(client, request)
                                                        : record_stop(client, request);
        if (error && request.wants_answer) control_->send(client, error_line(request.id, *error));
        return;
    }
    auto result = name == "flow.listen" ? flow_listen(client, request.params) : answer(request);
    if (!request.wants_answer) return;
    control_->send(client, result ? result_line(request.id, std::move(*result)) : error_line(request.id, result.error()));
}

std::expected<Json, RpcError> Daemon::answer(const RpcRequest& request) {
    const std::string_view name = request.method->name;
    if (name == "node.info") return node_info();
    if (name == "node.stop") {
        stop("node.stop");
        return Json{{"stopping", true}};
    }
    if (name == "peer.list") return peer_list(listed_limit(request.params));
    if (name == "peer.add") return peer_add(request.params);
    if (name == "peer.remove") return peer_remove(request.params);
    if (name == "link.list") return link_list();
    if (name == "link.add") return link_add(request.params);
    if (name == "link.remove") return link_remove(request.params);
    if (name == "link.set") return link_set(request.params);
    if (name == "flow.abort") return flow_abort(request.params);
    if (name == "flow.set") return flow_set(request.params);
    if (name == "plugin.list") return plugin_list();
    if (name == "plugin.load") return plugin_load(request.params);
    if (name == "plugin.unload") return plugin_unload(request.params);
    if (name == "plugin.swap") return plugin_swap(request.params);
    if (name == "record.start") return record_start(request.params);
    if (name == "record.mark") return record_mark(request.params);
    if (name == "record.status") return record_status();
    if (name == "rpc.discover") {
        Json all = describe(control_methods());
        for (const trace::Filter::Field& field : trace::Filter::fields())
            all["filter_fields"].push_back({{"name", field.name},
                                            {"kind", trace::Filter::kind_name(field.kind)},
                                            {"example", trace::Filter::example(field.kind)},
                                            {"doc", field.doc}});
        return all;
    }
    if (auto routed = answer_routes(request)) return std::move(*routed);
    return std::unexpected(RpcError{RpcCode::internal, fmt::format("{} has no handler", name), {}});
}

Json Daemon::node_info() const {
    const link::Udp& udp = shard_->udp();
    const BufferPool& pool = shard_->pool();
    Json info{{"name", config_.name},
              {"version", WEFT_VERSION},
              {"address", OverlayFamily::format(shard_->address())},
              {"short", format_short_form(shard_->address())},
              {"pid", ::getpid()},
              {"uptime_s", seconds(monotonic_now() - started_)},
              {"listen", listening_on(udp)},
              {"network", config_.network},
              {"work_bits", config_.work_bits},
              {"mtu", config_.mtu},
              {"udp", udp_statistics(udp.statistics())},
              {"tcp", tcp_statistics(shard_->engine().statistics())},
              {"overlay", overlay_statistics(shard_->links().statistics())},
              {"labels", label_statistics()},
              {"memory", Json{{"pool_owned", pool.owned()}, {"pool_in_use", pool.in_use()}, {"pool_limit", config_.memory}}},
              {"control", Json{{"clients", control_->clients()}}}};
    if (const link::FaultStatistics* fault = shard_->faults()) info["fault"] = fault_statistics(*fault);
    if (shard_->taps().size() > 0) info["taps"] = tap_list();
    return info;
}

Json Daemon::peer_list(std::size_t limit) const {
    const Instant now = monotonic_now();
    Json list = Json::array();
    const auto peers = shard_->links().peers();
    for (const overlay::PeerStatus& peer : peers) {
        if (list.size() == limit) break;
        Json one{{"address", OverlayFamily::format(peer.address)},
                 {"short", format_short_form(peer.address)},
                 {"endpoint", peer.endpoint.port != 0 ? Json(to_string(peer.endpoint)) : Json(nullptr)},
                 {"state", state_name(peer.state)},
                 {"state_s", seconds(now - peer.since)},
                 {"aead", peer.aead == 1 ? "aes-256-gcm" : "chacha20-poly1305"},
                 {"configured", peer.configured},
                 {"kind", peer.session ? "session" : "link"},
                 {"link", peer.link},
                 {"hops", peer.session ? peer.hops : 1},
                 {"srtt_us", peer.srtt > Duration{} ? Json(peer.srtt.count() / 1'000) : Json(nullptr)},
                 {"last_heard_s", peer.last_heard > Instant{} ? Json(seconds(now - peer.last_heard)) : Json(nullptr)},
                 {"datagrams_in", peer.datagrams_in},
                 {"datagrams_out", peer.datagrams_out},
                 {"bytes_in", peer.bytes_in},
                 {"bytes_out", peer.bytes_out},
                 {"handshakes", peer.handshakes},
                 {"replayed", peer.replayed}};
        if (const std::string name = name_of(peer.address); !name.empty()) one["name"] = name;
        list.push_back(std::move(one));
    }
    Json names = Json::array();
    for (const auto& [name, address] : config_.names)
        names.push_back({{"name", name}, {"address", OverlayFamily::format(address)}});
    return Json{{"peers", std::move(list)}, {"total", peers.size()}, {"names", std::move(names)}};
}

const PeerConfig* Daemon::find_peer(const Address& address) const {
    for (const auto* list : {&config_.peers, &added_})
        for (const PeerConfig& peer : *list)
            if (peer.address == address) return &peer;
    return nullptr;
}

std::string Daemon::name_of(const Address& address) const {
    const PeerConfig* peer = find_peer(address);
    if (peer && !peer->name.empty()) return peer->name;
    const auto named = std::ranges::find(config_.names, address, [](const auto& entry) { return entry.second; });
    return named != config_.names.end() ? named->first : std::string{};
}

// A name before a text form: names hold neither ':' nor 123 characters, so none is both.
std::expected<Address, RpcError> Daemon::resolve(const std::string& text) const {
    std::vector<std::string_view> names;
    for (const auto* list : {&config_.peers, &added_})
        for (const PeerConfig& peer : *list) {
            if (peer.name.empty()) continue;
            if (peer.name == text) return peer.address;
            names.push_back(peer.name);
        }
    for (const auto& [name, address] : config_.names) {
        if (name == text) return address;
        names.push_back(name);
    }
    if (const auto prefix = parse_short_form(text)) {
        std::vector<Address> found;
        for (const overlay::PeerStatus& peer : shard_->links().peers())
            if (begins_with(peer.address, *prefix)) found.push_back(peer.address);
        for (const auto& [name, address] : config_.names)
            if (begins_with(address, *prefix) && std::ranges::find(found, address) == found.end()) found.push_back(address);
        if (found.size() == 1) return found.front();
        return std::unexpected(bad_parameters(fmt::format(
            "{} known addresses begin with this short form: write the whole address", found.empty() ? "no" : "several")));
    }
    const auto address = OverlayFamily::parse(text);
    if (address) return *address;
    if (text.size() < 60)
        return std::unexpected(bad_parameters(
            fmt::format("\"{}\" is neither a configured name nor an address{}", text, did_you_mean(text, names))));
    return std::unexpected(bad_parameters(fmt::format("this is no overlay address: {}", to_string(address.error()))));
}

std::expected<Json, RpcError> Daemon::peer_add(const Json& params) {
    const std::string text = params["address"];
    const auto address = OverlayFamily::parse(text);
    if (!address)
        return std::unexpected(
            bad_parameters(fmt::format("\"address\" is no overlay address: {}", to_string(address.error()))));
    if (*address == shard_->address()) return std::unexpected(bad_parameters("this is the node's own address"));
    PeerConfig peer{params.value("name", std::string{}), *address, {}};
    if (!peer.name.empty() && !node_name_is_valid(peer.name))
        return std::unexpected(bad_parameters(
            "\"name\" must be 1 to 32 characters of a-z, A-Z, 0-9, -, _ and ., the first one a letter or a digit"));
    for (const auto* list : {&config_.peers, &added_})
        for (const PeerConfig& other : *list)
            if (!peer.name.empty() && other.name == peer.name && other.address != peer.address)
                return std::unexpected(bad_parameters(fmt::format("\"{}\" is the name of another peer", peer.name)));
    for (const Json& endpoint : params.value("endpoints", Json::array())) {
        const auto parsed = parse_udp_endpoint(endpoint.get_ref<const std::string&>());
        if (!parsed || parsed->port == 0)
            return std::unexpected(
                bad_parameters(fmt::format("\"{}\" is no UDP endpoint: write \"192.0.2.1:7001\" or \"[2001:db8::1]:7001\"",
                                           endpoint.get_ref<const std::string&>())));
        if (peer.endpoints.size() == most_endpoints)
            return std::unexpected(bad_parameters(fmt::format("a peer has at most {} endpoints", most_endpoints)));
        peer.endpoints.push_back(*parsed);
    }
    shard_->add_peer(peer.address, peer.endpoints);
    std::erase_if(added_, [&](const PeerConfig& other) { return other.address == peer.address; });
    if (std::ranges::find(config_.peers, peer.address, &PeerConfig::address) == config_.peers.end())
        added_.push_back(std::move(peer));
    log(LogLevel::info, "control", fmt::format("peer {} added", format_short_form(*address)));
    return Json{{"address", OverlayFamily::format(*address)}};
}

std::expected<Json, RpcError> Daemon::peer_remove(const Json& params) {
    const auto address = resolve(params["address"]);
    if (!address) return std::unexpected(address.error());
    const bool linked =
        std::ranges::any_of(shard_->links().peers(), [&](const auto& peer) { return peer.address == *address; });
    if (!linked && !find_peer(*address))
        return std::unexpected(RpcError{RpcCode::failed, "there is no such peer: peer.list shows them", "no_such_peer"});
    shard_->remove_peer(*address);
    std::erase_if(added_, [&](const PeerConfig& peer) { return peer.address == *address; });
    std::erase_if(config_.peers, [&](const PeerConfig& peer) { return peer.address == *address; });
    log(LogLevel::info, "control", fmt::format("peer {} removed", format_short_form(*address)));
    return Json{{"address", OverlayFamily::format(*address)}};
}

}  // namespace weft::node
