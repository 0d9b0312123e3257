// flow.connect, flow.listen, flow.list, flow.abort: connections for the clients of the control socket.
#include <algorithm>

#include <fmt/format.h>

#include "node/config_shard.h"
#include "node/daemon.h"
#include "node/error_names.h"
#include "node/methods.h"
#include "stack/core/address_text.h"
#include "stack/core/filter.h"
#include "stack/core/replay.h"
#include "stack/engine/flow_text.h"
#include "stack/tcp/tcb.h"

namespace weft::node {
namespace {

constexpr std::size_t most_listeners = 1'024, most_openings = 1'024, most_listings = 16;
constexpr std::size_t rows_a_turn = 32, looked_at_a_turn = 32;  // flows: well under a millisecond of the shard's

Json endpoint_json(const Endpoint& endpoint) {
    return Json{{"address", to_string(endpoint.address)}, {"port", endpoint.port}};
}

// RFC 9293's names as an identifier: a '-' would be an operator to a filter.
std::string state_text(tcp::State state) {
    std::string text{tcp::to_string(state)};
    std::ranges::replace(text, '-', '_');
    return text;
}

}  // namespace

RpcError Daemon::connect_error(Error error, const Address& peer, std::uint16_t port) const {
    const std::string known = name_of(peer);
    const bool overlay = peer.family() == Family::overlay;
    const std::string name = !known.empty() ? known : overlay ? format_short_form(peer) : to_string(peer);
    if (!overlay && error == Error::prohibited)
        return {RpcCode::failed, fmt::format("port {} of {} is closed by whoever rules it or the way to it", port, name),
                "prohibited"};
    if (!overlay && (error == Error::unreachable || error == Error::network_unreachable))
        return {RpcCode::failed,
                error == Error::unreachable ? fmt::format("{} does not answer on its network: is the address right?", name)
                                            : fmt::format("no route leads to {}: add a \"route\" to its [[tap]]", name),
                "unreachable"};
    std::string message, cause{error_name(error)};
    switch (error) {
    case Error::refused:
        message =
            fmt::format("{} refuses port {}: nothing listens there; run `weft nc -l {}` on that node", name, port, port);
        break;
    case Error::timed_out:
        message = fmt::format("{} did not answer in time: is it running, and `weft peers` says up?", name);
        break;
    case Error::unreachable:
        message = fmt::format("the link to {} is down: is it running, and is its endpoint right?", name);
        break;
    case Error::network_unreachable:
        message = why_not(peer);
        cause = "unreachable";
        break;
    case Error::prohibited:
        message = fmt::format(
            "{} lets this node reach no port {}: run `weft nc -l {}` on it, or expose the port there "
            "([[expose]], `weft up --expose {}`)",
            name, port, port, port);
        break;
    case Error::reset: message = fmt::format("{} reset the connection while it was opening", name); break;
    case Error::aborted: message = "the connection was aborted while it was opening"; break;
    case Error::invalid: message = "this is the node's own address: connect to another node"; break;
    case Error::no_memory: message = "the node is out of memory or descriptors for another flow"; break;
    default: message = fmt::format("the connection to {} could not be opened: {}", name, cause); break;
    }
    return {RpcCode::failed, std::move(message), std::move(cause)};
}

std::optional<RpcError> Daemon::flow_connect(ClientId client, const RpcRequest& request) {
    const std::string& wanted = request.params["address"].get_ref<const std::string&>();
    const auto plain = parse_address(wanted);
    const bool by_device = plain && plain->family() != Family::overlay;
    const auto address = by_device ? std::expected<Address, RpcError>{*plain} : resolve(wanted);
    if (!address) return address.error();
    if (by_device && shard_->taps().size() == 0)
        return RpcError{RpcCode::failed,
                        "this node has no device to reach IP addresses by: [[tap]] or `weft tap` gives it one",
                        "unreachable"};
    if (opening_.size() == most_openings)
        return RpcError{RpcCode::too_many, "too many connections are opening: try again", {}};
    const auto congestion = plugins_->slot(config_.congestion);
    if (!congestion) return RpcError{RpcCode::failed, congestion.error().message, congestion.error().cause};
    const auto port = request.params["port"].get<std::uint16_t>();
    ConnectOptions options = listen_options(config_, *congestion);
    if (const auto timeout = request.params.find("user_timeout_ms"); timeout != request.params.end())
        options.user_timeout = Duration::milliseconds(timeout->get<std::int64_t>());

    const std::uint64_t number = ++last_number_;
    FlowCallbacks callbacks;
    callbacks.opened = [this, number](Flow flow, const Peers&, UniqueFd fd) { flow_opened(number, flow, std::move(fd)); };
    callbacks.ended = [this, number, client, peer = *address, port](Flow flow, std::optional<Error> error,
                                                                    const FlowReport& report) {
        const auto opening = std::ranges::find(opening_, number, [](const auto& entry) { return entry.first; });
        if (opening == opening_.end()) return flow_ended(client, number, flow, error, report);
        const Json id = std::move(opening->second.id);
        opening_.erase(opening);
        control_->send(client, error_line(id, connect_error(error.value_or(Error::aborted), peer, port)));
        control_->release(client);
    };
    const auto flow = shard_->connect(*address, port, options, std::move(callbacks));
    if (!flow) return connect_error(flow.error(), *address, port);
    opening_.emplace_back(number, Opening{client, request.id, *flow});
    control_->hold(client);
    return std::nullopt;
}

void Daemon::flow_opened(std::uint64_t number, Flow flow, UniqueFd fd) {
    const auto opening = std::ranges::find(opening_, number, [](const auto& entry) { return entry.first; });
    if (opening == opening_.end()) return;
    const Opening opened = std::move(opening->second);
    opening_.erase(opening);
    control_->send(opened.client, result_line(opened.id, Json{{"flow", to_string(flow)}}), std::move(fd));
}

void Daemon::flow_ended(ClientId client, std::uint64_t, Flow flow, std::optional<Error> error, const FlowReport& report) {
    control_->send(client, notification_line("flow.ended", Json{{"flow", to_string(flow)},
                                                                {"error", error ? Json(error_name(*error)) : Json(nullptr)},
                                                                {"bytes_in", report.bytes_in},
                                                                {"bytes_out", report.bytes_out},
                                                                {"retransmissions", report.retransmissions},
                                                                {"seconds", double(report.lived.count() / 1'000) / 1e6}}));
    control_->release(client);
}

std::expected<Json, RpcError> Daemon::flow_listen(ClientId client, const Json& params) {
    if (listening_.size() == most_listeners)
        return std::unexpected(RpcError{RpcCode::too_many, "the node has too many listeners", {}});
    const auto congestion = plugins_->slot(config_.congestion);
    if (!congestion) return std::unexpected(RpcError{RpcCode::failed, congestion.error().message, congestion.error().cause});
    const auto port = params["port"].get<std::uint16_t>();
    const std::uint64_t number = ++last_number_;
    ListenOptions options = listen_options(config_, *congestion);
    FlowCallbacks callbacks;
    callbacks.opened = [this, client, number](Flow flow, const Peers& peers, UniqueFd fd) {
        control_->hold(client);
        control_->send(client,
                       notification_line(
                           "flow.accepted",
                           Json{{"listener", number}, {"flow", to_string(flow)}, {"remote", endpoint_json(peers.remote)}}),
                       std::move(fd));
    };
    callbacks.ended = [this, client, number](Flow flow, std::optional<Error> error, const FlowReport& report) {
        flow_ended(client, number, flow, error, report);
    };
    const auto listener = shard_->listen(port, options, std::move(callbacks));
    if (!listener && listener.error() == Error::address_in_use)
        return std::unexpected(RpcError{
            RpcCode::failed, fmt::format("port {} is taken by another listener of this node: choose another one", port),
            "address_in_use"});
    if (!listener)
        return std::unexpected(RpcError{RpcCode::failed,
                                        fmt::format("cannot listen on port {}: {}", port, error_name(listener.error())),
                                        std::string(error_name(listener.error()))});
    listening_.push_back({number, client, *listener, port});
    control_->hold(client);
    return Json{{"listener", number}, {"port", port}};
}

// Its listeners close, and what was still opening; flows in transfer belong to whoever holds their descriptor.
void Daemon::client_gone(ClientId client) {
    if (!shard_) return;
    std::erase_if(listings_, [&](const Listing& listing) { return listing.client == client; });
    std::vector<Flow> opening;
    for (const auto& [number, entry] : opening_)
        if (entry.client == client) opening.push_back(entry.flow);
    for (const Flow flow : opening) (void)shard_->abort(flow);
    for (const Listening& listening : listening_)
        if (listening.client == client) shard_->unlisten(listening.listener);
    std::erase_if(listening_, [&](const Listening& listening) { return listening.client == client; });
}

std::expected<Json, RpcError> Daemon::flow_abort(const Json& params) {
    const auto flow = parse_flow(params["flow"].get_ref<const std::string&>());
    if (!flow)
        return std::unexpected(
            RpcError{RpcCode::bad_parameters, "\"flow\" must be PLACE:GENERATION, as flow.list shows it", {}});
    if (!shard_->abort(*flow))
        return std::unexpected(RpcError{RpcCode::failed, "there is no such flow: flow.list shows them", "no_such_flow"});
    return Json{{"flow", to_string(*flow)}};
}

Json Daemon::describe_flow(Flow flow) const {
    const Engine& engine = shard_->engine();
    const tcp::Tcb* tcb = engine.inspect(flow);
    const tcp::Cold* cold = engine.inspect_cold(flow);
    const auto peers = engine.peers(flow);
    if (!tcb || !cold || !peers) return nullptr;
    const auto& r = tcb->receiving;
    const auto& s = tcb->sending;
    const auto& t = tcb->timing;
    const Instant since = cold->established_at;
    const FlowReport carried = shard_->report(flow);
    const std::uint64_t unacked = s.snd_max - s.snd_una;
    const std::uint64_t acked = cold->bytes_out - std::min(cold->bytes_out, unacked);
    Json one{{"flow", to_string(flow)},
             {"state", state_text(r.state)},
             {"local", endpoint_json(peers->local)},
             {"remote", endpoint_json(peers->remote)},
             {"congestion", engine.congestion(flow)},
             {"nodelay", bool{r.flags.nodelay}},
             {"mss", r.mss},
             {"cwnd", s.steering.cwnd},
             {"ssthresh", s.steering.ssthresh},
             {"srtt_us", t.srtt.count() / 1'000},
             {"rttvar_us", t.rttvar.count() / 1'000},
             {"rto_ms", t.rto.count() / 1'000'000},
             {"snd_wnd", s.snd_wnd},
             {"rcv_wnd", r.rcv_adv - r.rcv_nxt},
             {"unacked", unacked},
             {"send_queue", carried.bytes_out - std::min(carried.bytes_out, acked)},
             {"receive_queue", cold->bytes_in - std::min(cold->bytes_in, carried.bytes_in)},
             {"bytes_in", cold->bytes_in},
             {"bytes_out", cold->bytes_out},
             {"segments_in", cold->segments_in},
             {"segments_out", cold->segments_out},
             {"retransmissions", cold->retransmissions},
             {"timeouts", cold->timeouts},
             {"age_s", since > Instant{} ? double((monotonic_now() - since).count() / 1'000) / 1e6 : 0.0}};
    one["module"] = describe_module(flow);
    if (t.min_rtt > Duration{}) one["min_rtt_us"] = t.min_rtt.count() / 1'000;
    return one;
}

// A client may ask for all flows of a large node again and again: no other waits for it meanwhile, and it has one list at a time.
std::optional<RpcError> Daemon::flow_list(ClientId client, const RpcRequest& request) {
    const auto filter = trace::Filter::parse(request.params.value("filter", std::string{}));
    if (!filter) return RpcError{RpcCode::bad_parameters, "\"filter\": " + trace::to_string(filter.error()), "bad_filter"};
    if (listings_.size() == most_listings)
        return RpcError{RpcCode::too_many, "too many lists of flows are being made: try again", {}};
    Listing& listing = listings_.emplace_back();
    listing.client = client;
    listing.id = request.id;
    listing.limit = request.params.value("limit", most_listed);
    listing.filter = *filter;
    if (filter->empty()) {
        listing.flows = shard_->engine().flows();
        listing.matching = listing.flows.size();
    }
    control_->hold(client);
    control_->stall(client);
    return std::nullopt;
}

void Daemon::tend_listings() {
    if (listings_.empty()) return;
    Listing listing = std::move(listings_.front());  // each in its turn
    listings_.pop_front();
    if (!advance(listing)) {
        listings_.push_back(std::move(listing));
        return;
    }
    control_->send(listing.client, result_line(listing.id, listing_json(listing)));
    control_->release(listing.client);
    control_->resume(listing.client);  // which may begin the next
}

void Daemon::add_row(Listing& listing, Flow flow) const {
    if (listing.rows.size() == listing.limit) return;
    if (Json one = describe_flow(flow); !one.is_null()) listing.rows.push_back(std::move(one));
}

// A filter looks at flows as trace records tell of them: here, too.
bool Daemon::advance(Listing& listing) const {
    const Engine& engine = shard_->engine();
    if (listing.filter.empty()) {
        const std::size_t end = std::min(listing.next + rows_a_turn, listing.flows.size());
        while (listing.next < end) add_row(listing, listing.flows[listing.next++]);
        return end == listing.flows.size() || listing.rows.size() == listing.limit;
    }
    trace::Replay some;
    const trace::Sink fold{~trace::bit(trace::Type::define), &some,
                           [](void* to, const trace::Record& record) { static_cast<trace::Replay*>(to)->apply(record); }};
    const bool more = engine.tell_flows(fold, listing.cursor, looked_at_a_turn, monotonic_now());
    for (trace::FlowState known : some.living()) {
        const Flow flow{known.place, known.generation};
        const auto peers = engine.peers(flow);
        if (!peers || !engine.inspect(flow)) continue;  // a listener, or half of a connection
        known.local = peers->local.address;
        known.remote = peers->remote.address;
        if (!listing.filter.matches(some, known)) continue;
        ++listing.matching;
        add_row(listing, flow);
    }
    return !more;
}

Json Daemon::listing_json(Listing& listing) const {
    std::map<std::string, unsigned> hops;  // of the sessions, by their text forms
    for (const overlay::PeerStatus& peer : shard_->links().peers())
        if (peer.session) hops[OverlayFamily::format(peer.address)] = peer.hops;
    for (Json& one : listing.rows) {
        const std::string& remote = one["remote"]["address"].get_ref<const std::string&>();
        const auto session = hops.find(remote);
        one["way"] = session != hops.end() ? "session" : remote.starts_with("weft1") ? "link" : "device";
        one["hops"] = session != hops.end() ? session->second : 1;
    }
    return Json{{"flows", std::move(listing.rows)},
                {"total", shard_->engine().statistics().connections},
                {"matching", listing.matching}};
}

}  // namespace weft::node
