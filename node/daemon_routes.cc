// Routes, label paths and permissions: what the control socket tells of them, what a person is told when there is no path,
// and what changes when the configuration is read again.
#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "node/config_shard.h"
#include "node/daemon.h"
#include "node/log.h"
#include "node/methods.h"
#include "overlay/switch.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

using overlay::NakReason;

double in_seconds(Duration duration) { return double(duration.count() / 1'000) / 1e6; }

using overlay::tag_of;

// In the order of an address's text: as its first bytes stand.
std::string tag_text(overlay::Tag tag) {
    std::string text;
    for (unsigned byte = 0; byte < 8; ++byte) text += fmt::format("{:02x}", unsigned(tag >> 8 * byte & 0xff));
    return text;
}

Address address_of(const std::uint8_t* bytes) {
    return {Family::overlay, std::as_bytes(std::span(bytes, WEFT_ADDRESS_BYTES))};
}

std::string label_text(overlay::Label label) { return fmt::format("{:08x}", label); }

std::string_view verdict_name(std::uint32_t verdict) {
    switch (verdict) {
    case WEFT_ROUTE_FORWARD: return "forward";
    case WEFT_ROUTE_DELIVER: return "deliver";
    case WEFT_ROUTE_PENDING: return "pending";
    default: return "unreachable";
    }
}

const overlay::PeerStatus* status_of(const std::vector<overlay::PeerStatus>& peers, const Address& address) {
    const auto found = std::ranges::find(peers, address, &overlay::PeerStatus::address);
    return found == peers.end() ? nullptr : &*found;
}

bool is_up(const overlay::PeerStatus& peer) {
    using State = overlay::PeerStatus::State;
    return peer.state == State::up || peer.state == State::rekey || peer.state == State::suspect;
}

Json microseconds(Duration duration) { return duration > Duration{} ? Json(duration.count() / 1'000) : Json(nullptr); }

Json reasons_json(const std::uint64_t (&counts)[overlay::nak_reasons]) {
    Json all = Json::object();
    for (std::size_t reason = 1; reason < overlay::nak_reasons; ++reason)
        all[std::string(to_string(NakReason(reason)))] = counts[reason];
    return all;
}

std::string_view mode_name(overlay::TransitRules::Mode mode) {
    static constexpr std::string_view names[]{"off", "members", "listed"};
    return names[std::size_t(mode)];
}

Json dropped_json(const std::uint64_t (&dropped)[overlay::label_drops]) {
    static constexpr std::string_view names[overlay::label_drops]{"none",      "unknown",   "wrong_link", "stale_generation",
                                                                  "hop_limit", "too_large", "transit"};
    Json all = Json::object();
    for (std::size_t why = 1; why < overlay::label_drops; ++why) all[std::string(names[why])] = dropped[why];
    return all;
}

}  // namespace

void Daemon::overrule(NodeConfig& config) const {
    if (said_.name) config.name = *said_.name;
    if (!said_.http.empty()) config.services.http = said_.http;
    if (said_.http_port != 0) config.services.http_port = said_.http_port;
    config.services.echo = config.services.echo || said_.echo;
    for (const std::uint16_t port : said_.expose) config.reach.push_back({.who = {}, .protocol = 6, .port = port});
}

bool Daemon::reload_routes(const NodeConfig& read) {
    config_.names = read.names;
    if (read.reach != config_.reach) shard_->access().set_reach(read.reach);
    if (read.transit != config_.transit) shard_->set_transit(read.transit);
    config_.reach = read.reach;
    config_.transit = read.transit;
    if (read.routing == config_.routing && read.routes == config_.routes) return true;
    if (const auto set = shard_->set_routing(routing_config(read)); !set) {
        log(LogLevel::error, "config", set.error());
        return false;
    }
    config_.routing = read.routing;
    config_.routes = read.routes;
    return true;
}

std::string Daemon::label_of(const Address& address) const {
    const std::string name = name_of(address);
    return name.empty() ? format_short_form(address) : name;
}

std::string Daemon::label_of(overlay::Tag tag) const {
    const Json node = node_json(tag);
    if (node.contains("name")) return node["name"];
    return node.contains("short") ? node["short"].get<std::string>() : tag_text(tag);
}

Json Daemon::node_json(overlay::Tag tag) const {
    Json one{{"tag", tag_text(tag)}};
    const auto tell = [&](const Address& address) {
        if (tag_of(address) != tag || one.contains("address")) return;
        one["address"] = OverlayFamily::format(address);
        one["short"] = format_short_form(address);
        if (const std::string name = name_of(address); !name.empty()) one["name"] = name;
    };
    if (tag == tag_of(shard_->address())) one["name"] = "this node";
    tell(shard_->address());
    for (const auto* list : {&config_.peers, &added_})
        for (const PeerConfig& peer : *list) tell(peer.address);
    for (const auto& [name, address] : config_.names) tell(address);
    for (const overlay::PeerStatus& peer : shard_->links().peers()) tell(peer.address);
    return one;
}

std::map<overlay::LinkNumber, Address> Daemon::neighbours() const {
    std::map<overlay::LinkNumber, Address> all;
    for (const overlay::PeerStatus& peer : shard_->links().peers())
        if (!peer.session && peer.link != 0) all[peer.link] = peer.address;
    return all;
}

// Who said it and whom it blames, where that is known; with what to do about it.
std::string Daemon::why_not(const Address& peer) const {
    const std::string name = label_of(peer);
    const Unreachable* why = shard_->why_not(peer);
    if (!why)
        return fmt::format(
            "no route leads to {}: name it under [[peer]] with an endpoint, or a neighbour that leads to it "
            "under [[route]]",
            name);
    const bool own = why->reporter == 0 || why->reporter == tag_of(shard_->address());
    const std::string reporter = own ? "this node" : label_of(why->reporter);
    const std::string accused = why->accused == 0 ? "its next hop" : label_of(why->accused);
    switch (why->reason) {
    case NakReason::no_route:
        return fmt::format("no route to {}: {} said so; is there a [[route]] on it, and is its next hop up?", name,
                           reporter);
    case NakReason::loop:
        return fmt::format("no route to {}: the configured next hops form a loop at {}; look at [[route]] there", name,
                           reporter);
    case NakReason::hops: return fmt::format("no route to {}: it is too many hops away, said {}", name, reporter);
    case NakReason::tries:
        return fmt::format("no route to {}: all ways that were tried are closed, said {}", name, reporter);
    case NakReason::busy: return fmt::format("no path to {}: {} is busy; try again", name, reporter);
    case NakReason::timeout:
        if (own && why->accused == 0) return fmt::format("no path to {}: nobody answered in time; is it running?", name);
        return fmt::format("no path to {}: {} said that {} did not answer in time", name, reporter, accused);
    case NakReason::stale: return fmt::format("no path to {}: {} forgot it while it was set up; try again", name, reporter);
    case NakReason::admin:
        return fmt::format("no path to {}: {} carries nothing for others ([transit] in its configuration)", name, reporter);
    case NakReason::none: break;
    }
    return fmt::format("no path to {}: {} did not answer; is it running?", name, name);
}

std::optional<std::expected<Json, RpcError>> Daemon::answer_routes(const RpcRequest& request) {
    const std::string_view name = request.method->name;
    const Json& params = request.params;
    const std::size_t limit = params.value("limit", most_listed);
    if (name == "route.list") return route_list(limit);
    if (name == "route.lookup") return route_lookup(params);
    if (name == "label.list") return label_list(limit);
    if (name == "path.open") return path_open(params);
    if (name == "access.get") return access_get();
    if (name != "path.get") return std::nullopt;
    const auto address = resolve(params["address"]);
    if (!address) return std::unexpected(address.error());
    return path_of(*address);
}

Json Daemon::route_row(const weft_route_row& row) const {
    const Address via = address_of(row.via);
    Json one{{"to", "*"},
             {"via", OverlayFamily::format(via)},
             {"via_name", label_of(via)},
             {"link", row.link},
             {"cost", row.link != 0 ? Json(row.cost) : Json(nullptr)},
             {"used", (row.flags & WEFT_ROW_USED) != 0},
             {"direct", (row.flags & WEFT_ROW_DIRECT) != 0}};
    if ((row.flags & WEFT_ROW_ANY) == 0) {
        one["to"] = OverlayFamily::format(address_of(row.dst));
        one["to_name"] = label_of(address_of(row.dst));
    }
    return one;
}

Json Daemon::route_list(std::size_t limit) const {
    Json list = Json::array();
    for (const weft_route_row& row : shard_->router().rows(limit)) list.push_back(route_row(row));
    return Json{{"module", shard_->router().module()}, {"routes", std::move(list)}};
}

std::expected<Json, RpcError> Daemon::route_lookup(const Json& params) {
    const auto address = resolve(params["address"]);
    if (!address) return std::unexpected(address.error());
    const weft_decision decision =
        *address == shard_->address()
            ? weft_decision{.size = 0, .verdict = WEFT_ROUTE_DELIVER, .link = 0, .via = 0, .mtu = 0, .cost = 0, .reason = 0}
            : shard_->router().resolve(*address, monotonic_now());
    Json one{{"module", shard_->router().module()},
             {"address", OverlayFamily::format(*address)},
             {"name", label_of(*address)},
             {"verdict", verdict_name(decision.verdict)}};
    if (decision.verdict == WEFT_ROUTE_FORWARD) {
        one["link"] = decision.link;
        const auto known = neighbours();
        if (const auto via = known.find(overlay::LinkNumber(decision.link)); via != known.end()) {
            one["via"] = OverlayFamily::format(via->second);
            one["via_name"] = label_of(via->second);
        }
    } else if (decision.verdict == WEFT_ROUTE_UNREACHABLE) {
        one["reason"] = to_string(decision.reason == 0 ? NakReason::no_route : NakReason(decision.reason));
    }
    if (params.value("trace", false)) one["trace"] = lookup_trace(params["address"], *address, one);
    return one;
}

// What was looked at, in the order in which the module has it.
Json Daemon::lookup_trace(const std::string& text, const Address& address, const Json& answer) const {
    Json trace = Json::array();
    const auto step = [&](std::string_view what, std::string said) {
        trace.push_back({{"step", what}, {"text", std::move(said)}});
    };
    step("name", fmt::format("\"{}\" is {}", text, OverlayFamily::format(address)));
    if (address == shard_->address()) {
        step("self", "this node itself: what goes there is delivered here");
        return trace;
    }
    for (const weft_route_row& row : shard_->router().rows(most_listed)) {
        const bool any = (row.flags & WEFT_ROW_ANY) != 0;
        if (!any && address_of(row.dst) != address) continue;
        const std::string via = label_of(address_of(row.via));
        const bool direct = (row.flags & WEFT_ROW_DIRECT) != 0;
        step("row",
             fmt::format("{}: {}{}", any ? "every destination" : label_of(address), direct ? "a neighbour" : "via " + via,
                         row.link == 0 ? ", whose link is down"
                         : (row.flags & WEFT_ROW_USED) != 0
                             ? fmt::format(", link {}, cost {}: used", row.link, row.cost)
                             : fmt::format(", link {}, cost {}: not the best", row.link, row.cost)));
    }
    step("verdict",
         fmt::format("the module \"{}\" says {}{}", shard_->router().module(), answer["verdict"].get<std::string>(),
                     answer.contains("via_name") ? " to " + answer["via_name"].get<std::string>() : std::string{}));
    step("path", fmt::format("the way as it is now: {}", path_of(address)["state"].get<std::string>()));
    return trace;
}

Json Daemon::label_list(std::size_t limit) const {
    Json list = Json::array();
    const overlay::Switch* labels = shard_->links().labels();
    const Instant now = monotonic_now();
    const auto known = neighbours();
    const auto who = [&](overlay::LinkNumber link) {
        const auto found = known.find(link);
        return found == known.end() ? Json(nullptr) : Json(label_of(found->second));
    };
    if (labels)
        for (const overlay::LabelRow& row : labels->labels(limit))
            list.push_back({{"label", label_text(row.label)},
                            {"out_label", row.terminal ? Json(nullptr) : Json(label_text(row.out_label))},
                            {"in_link", row.in_link},
                            {"in", who(row.in_link)},
                            {"out_link", row.out_link},
                            {"out", row.terminal ? Json("this node") : who(row.out_link)},
                            {"generation", row.generation},
                            {"acked", row.acked},
                            {"terminal", row.terminal},
                            {"mtu", row.mtu},
                            {"expires_s", in_seconds(std::max(row.expires - now, Duration{}))},
                            {"packets", row.packets},
                            {"bytes", row.bytes},
                            {"path", fmt::format("{:016x}", row.path)}});
    return Json{{"labels", std::move(list)}, {"statistics", label_statistics()}};
}

Json Daemon::label_statistics() const {
    const overlay::Switch* labels = shard_->links().labels();
    const overlay::SwitchStatistics s = labels ? labels->statistics() : overlay::SwitchStatistics{};
    const overlay::AccessStatistics& a = shard_->access().statistics();
    return Json{{"labels", s.labels},
                {"paths", s.paths},
                {"forwarded", s.forwarded},
                {"forwarded_bytes", s.forwarded_bytes},
                {"delivered", s.delivered},
                {"dropped", dropped_json(s.dropped)},
                {"setups", s.setups},
                {"setups_forwarded", s.setups_forwarded},
                {"acks", s.acks},
                {"naks_in", reasons_json(s.naks_in)},
                {"naks_out", reasons_json(s.naks_out)},
                {"teardowns", s.teardowns},
                {"broken", s.broken},
                {"stale_sent", s.stale_sent},
                {"stale_received", s.stale_received},
                {"foreign", s.foreign},
                {"malformed", s.malformed},
                {"control_in", s.control_in},
                {"control_out", s.control_out},
                {"repeated", s.repeated},
                {"lost", s.lost},
                {"bad_signatures", s.bad_signatures},
                {"refused_answers", s.refused_answers},
                {"evicted", s.evicted},
                {"expired", s.expired},
                {"transit_refused", a.transit_refused},
                {"transit_capped", a.transit_capped}};
}

// The way to an address as it is now. `state`: self, up, opening, unreachable, or none where nothing was wanted yet.
Json Daemon::path_of(const Address& address) const {
    const auto peers = shard_->links().peers();
    const overlay::PeerStatus* peer = status_of(peers, address);
    const overlay::Switch* labels = shard_->links().labels();
    const auto path = labels ? labels->path(address) : std::nullopt;
    Json one{{"address", OverlayFamily::format(address)}, {"name", label_of(address)}, {"state", "none"}};
    const auto first_hop = [&](overlay::LinkNumber link) -> Json {
        for (const overlay::PeerStatus& other : peers)
            if (!other.session && other.link == link && link != 0)
                return {{"address", OverlayFamily::format(other.address)},
                        {"name", label_of(other.address)},
                        {"link", link},
                        {"srtt_us", microseconds(other.srtt)}};
        return nullptr;
    };
    if (address == shard_->address()) one["state"] = "self";
    else if (peer && is_up(*peer)) {
        one["state"] = "up";
        one["kind"] = peer->session ? "session" : "link";
        one["srtt_us"] = microseconds(peer->srtt);
        one["mtu"] = peer->mtu;
        one["silent"] = peer->state == overlay::PeerStatus::State::suspect;
        one["next_hop"] = first_hop(peer->link);
        one["hops"] = peer->session ? peer->hops : 1;
        one["cost"] = peer->session ? Json(peer->cost) : Json(nullptr);
    } else if (const Unreachable* why = shard_->why_not(address)) {
        one["state"] = "unreachable";
        one["reason"] = to_string(why->reason);
        one["reporter"] = why->reporter != 0 ? node_json(why->reporter) : Json(nullptr);
        one["accused"] = why->accused != 0 ? node_json(why->accused) : Json(nullptr);
        one["message"] = why_not(address);
    } else if (path || (peer && peer->state == overlay::PeerStatus::State::init_sent)) {
        one["state"] = "opening";
    }
    if (!path || (peer && is_up(*peer) && !peer->session)) return one;
    Json nodes = Json::array();
    for (const overlay::Tag tag : path->visited) nodes.push_back(node_json(tag));
    one["path"] = {{"id", fmt::format("{:016x}", path->path)},
                   {"begun_here", path->source},
                   {"open", path->open},
                   {"link", path->link},
                   {"label_out", label_text(path->label_out)},
                   {"label_in", label_text(path->label_in)},
                   {"mtu", path->mtu},
                   {"cost", path->cost},
                   {"hops", path->hops},
                   {"age_s", in_seconds(monotonic_now() - path->since)},
                   {"nodes", std::move(nodes)}};
    return one;
}

std::expected<Json, RpcError> Daemon::path_open(const Json& params) {
    const auto address = resolve(params["address"]);
    if (!address) return std::unexpected(address.error());
    if (*address == shard_->address()) return path_of(*address);
    if (const auto wanted = shard_->want(*address); !wanted)
        return std::unexpected(RpcError{RpcCode::failed, why_not(*address), "unreachable"});
    return path_of(*address);
}

Json Daemon::access_get() const {
    const overlay::Access& access = shard_->access();
    const overlay::AccessStatistics& s = access.statistics();
    Json reach = Json::array(), listening = Json::array(), from = Json::array();
    for (const overlay::ReachRule& rule : access.reach())
        reach.push_back({{"from", rule.who ? Json(label_of(*rule.who)) : Json("members")},
                         {"protocol", rule.protocol == 6    ? Json("tcp")
                                      : rule.protocol == 17 ? Json("udp")
                                      : rule.protocol == 0  ? Json("any")
                                                            : Json(rule.protocol)},
                         {"port", rule.port == 0 ? Json("any") : Json(rule.port)}});
    for (const std::uint16_t port : access.open_ports()) listening.push_back(port);
    for (const Address& address : access.transit().who) from.push_back(label_of(address));
    return Json{{"link", {{"members", config_.accept_members}}},
                {"reach",
                 {{"rules", std::move(reach)},
                  {"listening", std::move(listening)},
                  {"flows", s.flows},
                  {"refused", s.reach_refused},
                  {"evicted", s.flows_evicted}}},
                {"transit",
                 {{"allow", mode_name(access.transit().mode)},
                  {"from", std::move(from)},
                  {"bytes_per_s", access.transit().rate},
                  {"packets", s.transit_packets},
                  {"bytes", s.transit_bytes},
                  {"refused", s.transit_refused},
                  {"capped", s.transit_capped}}}};
}

}  // namespace weft::node
