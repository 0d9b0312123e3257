// The flows of a shard: from a call or a listener to a program's descriptor, and to their end.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "node/pump.h"
#include "node/shard.h"
#include "stack/tcp/tcb.h"
#include "stack/wire/pseudo.h"

namespace weft::node {
namespace {

constexpr Duration starved_pause = Duration::milliseconds(5);
constexpr int socketpair_buffer = 1 << 20;   // bytes asked of the kernel each way; it may give less

bool make_socketpair(UniqueFd& ours, UniqueFd& theirs) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
    ours = UniqueFd{ends[0]};
    theirs = UniqueFd{ends[1]};
    for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &socketpair_buffer, sizeof socketpair_buffer);
    return true;
}

}  // namespace

Result<Flow> Shard::connect(const Address& peer, std::uint16_t port, const ConnectOptions& options,
                            FlowCallbacks callbacks) {
    if (peer == address() || port == 0) return std::unexpected(Error::invalid);
    const bool known = peer.family() != Family::overlay || reachable(peer);  // of a device's networks the engine has routes
    if (!known || finishing_) return std::unexpected(Error::network_unreachable);
    const Instant now = monotonic_now();
    const auto flow = engine_.connect({.address = peer, .port = port}, options, now);
    if (flow) carry(*flow, std::move(callbacks), now);
    work_left_ = true;
    return flow;
}

Result<ListenerId> Shard::listen(std::uint16_t port, ListenOptions options, FlowCallbacks callbacks) {
    if (port == 0) return std::unexpected(Error::invalid);
    options.local = {.port = port};
    if (taps_.size() == 0) options.local.address = address();
    const auto listener = engine_.listen(options, monotonic_now());
    if (listener) listeners_.push_back({*listener, std::move(callbacks), {}, port});
    if (listener) access_.open(wire::protocol_tcp, port);
    return listener;
}

Result<ListenerId> Shard::serve(std::uint16_t port, ServiceFactory factory, ListenOptions options) {
    if (port == 0 || !factory) return std::unexpected(Error::invalid);
    options.local.port = port;
    const auto listener = engine_.listen(options, monotonic_now());
    const bool exposed = options.local.address.family() == Family::none || options.local.address == address();
    if (listener) listeners_.push_back({*listener, {}, std::move(factory), exposed ? port : std::uint16_t{0}});
    if (listener && exposed) access_.open(wire::protocol_tcp, port);
    return listener;
}

void Shard::unlisten(ListenerId listener) {
    (void)engine_.unlisten(listener, monotonic_now());
    for (const Listening& entry : listeners_)
        if (entry.id == listener && entry.exposed != 0) access_.close(wire::protocol_tcp, entry.exposed);
    std::erase_if(listeners_, [&](const Listening& entry) { return entry.id == listener; });
    work_left_ = true;
}

std::uint32_t Shard::carry(Flow flow, FlowCallbacks callbacks, Instant now) {
    if (free_.empty()) {
        free_.push_back(std::uint32_t(carried_.size()));
        carried_.emplace_back();
    }
    const std::uint32_t place = free_.back();
    free_.pop_back();
    Carried& carried = carried_[place];
    carried.flow = flow;
    carried.callbacks = std::move(callbacks);
    carried.opened_at = now;
    place_of_[flow.place] = place;
    ++living_;
    return place;
}

Shard::Carried* Shard::carried(Flow flow) {
    const auto place = place_of_.find(flow.place);
    if (place == place_of_.end()) return nullptr;
    Carried& found = carried_[place->second];
    return found.flow == flow ? &found : nullptr;
}

void Shard::queue(std::uint32_t place) {
    if (std::exchange(carried_[place].queued, true)) return;
    queue_.push_back(place);
}

void Shard::serve(std::uint32_t place, std::unique_ptr<Service> service, Instant now) {
    Carried& carried = carried_[place];
    carried.opened_at = now;
    carried.service = std::move(service);
    carried.service->tell_payload(payload_);
    carried.service->on_wake([this, place] { queue(place), work_left_ = true; });
    if (finishing_) carried.service->finish();
    queue(place);
}

// The handshake is through: the program gets its end of a socketpair.
void Shard::open(Carried& carried, std::uint32_t place, Instant now) {
    UniqueFd ours, theirs;
    if (!make_socketpair(ours, theirs)) { return reset(place, Error::no_memory, now); }
    const int fd = ours.get();
    auto made = std::make_unique<Pump>(carried.flow, std::move(ours));
    carried.watch =
        loop_.add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, [this, place, pump = made.get()](std::uint32_t events) {
            pump->socket_ready(events);
            queue(place);
        });
    serve(place, std::move(made), now);
    if (carried.watch.generation == 0) return reset(place, Error::no_memory, now);
    const Flow flow = carried.flow;
    if (const auto peers = engine_.peers(flow); peers && carried.callbacks.opened)
        carried.callbacks.opened(flow, *peers, std::move(theirs));
}

void Shard::accept_all(ListenerId listener, Instant now) {
    const auto entry = std::ranges::find(listeners_, listener, &Listening::id);
    if (entry == listeners_.end()) return;
    const Listening accepting = *entry;
    while (const auto flow = engine_.accept(listener, now)) {
        const std::uint32_t place = carry(*flow, accepting.callbacks, now);
        if (!accepting.factory) {
            open(carried_[place], place, now);
            continue;
        }
        const auto peers = engine_.peers(*flow);
        auto service = peers ? accepting.factory(*flow, *peers, now) : nullptr;
        if (service) serve(place, std::move(service), now);
        else reset(place, Error::aborted, now);
    }
}

void Shard::take_event(const Event& event, Instant now) {
    using Kind = Event::Kind;
    const bool ours = std::ranges::find(listeners_, event.listener, &Listening::id) != listeners_.end();
    if (event.kind == Kind::accepted && ours) return accept_all(event.listener, now);
    Carried* found = carried(event.flow);
    if (!found) {
        if (others_) others_(event);
        return;
    }
    const std::uint32_t place = place_of_[event.flow.place];
    switch (event.kind) {
    case Kind::connected: return open(*found, place, now);
    case Kind::readable:
    case Kind::peer_closed:
        if (found->service) found->service->flow_readable();
        break;
    case Kind::writable:
        if (found->service) found->service->flow_writable();
        break;
    case Kind::closed:
    case Kind::failed:
        if (event.kind == Kind::failed) found->error = event.error;
        found->retransmissions = event.retransmissions;
        if (!found->service) return end(place, now);
        found->service->flow_over();
        break;
    default: return;
    }
    if (found->service) queue(place);
}

// True if there was work.
bool Shard::run_services(Instant now) {
    turn_.swap(queue_);
    const bool any = !turn_.empty();
    for (const std::uint32_t place : turn_) {
        carried_[place].queued = false;
        if (carried_[place].service) run_service(place, now);
    }
    turn_.clear();
    return any;
}

void Shard::run_service(std::uint32_t place, Instant now) {
    using Progress = Service::Progress;
    Carried& carried = carried_[place];
    switch (carried.service->run(engine_, pool_, now)) {
    case Progress::waiting: break;
    case Progress::more: queue(place); break;
    case Progress::starved:
        starved_.push_back(place);
        starved_until_ = now + starved_pause;
        break;
    case Progress::aborted: return reset(place, carried.error.value_or(Error::aborted), now);
    case Progress::ended: return end(place, now);
    }
    // An entry that comes too early costs one look; one that is moved at each run costs more.
    if (const Instant deadline = carried.service->deadline(); deadline < carried.due) wake_at(place, deadline);
}

void Shard::wake_at(std::uint32_t place, Instant when) {
    Carried& carried = carried_[place];
    if (carried.due != Instant::never()) due_.erase({carried.due, place});
    carried.due = when;
    if (when != Instant::never()) due_.emplace(when, place);
}

void Shard::wake_due(Instant now) {
    while (!due_.empty() && due_.begin()->first <= now) {
        const std::uint32_t place = due_.begin()->second;
        const Instant deadline = carried_[place].service->deadline();
        wake_at(place, deadline > now ? deadline : Instant::never());
        if (deadline <= now) queue(place);
    }
}

// The peer is told by an RST, if the flow still lives.
void Shard::reset(std::uint32_t place, Error error, Instant now) {
    Carried& carried = carried_[place];
    if (const tcp::Cold* cold = engine_.inspect_cold(carried.flow)) carried.retransmissions = cold->retransmissions;
    (void)engine_.abort(carried.flow, now);
    carried.error = error;
    end(place, now);
    work_left_ = true;
}

void Shard::end(std::uint32_t place, Instant now) {
    Carried& carried = carried_[place];
    const Flow flow = carried.flow;
    FlowReport report{0, 0, carried.retransmissions, now - carried.opened_at};
    if (carried.service) {
        report.bytes_in = carried.service->bytes_in();
        report.bytes_out = carried.service->bytes_out();
    }
    if (carried.watch.generation != 0) loop_.remove(carried.watch);
    wake_at(place, Instant::never());
    const auto ended = std::move(carried.callbacks.ended);
    const std::optional<Error> error = carried.error;
    const bool queued = carried.queued;
    if (const auto known = place_of_.find(flow.place); known != place_of_.end() && known->second == place)
        place_of_.erase(known);
    carried = Carried{};
    carried.queued = queued;
    free_.push_back(place);
    --living_;
    if (ended) ended(flow, error, report);
}

Result<void> Shard::abort(Flow flow) {
    if (!carried(flow)) return std::unexpected(Error::no_such_flow);
    reset(place_of_[flow.place], Error::aborted, monotonic_now());
    return {};
}

FlowReport Shard::report(Flow flow) const {
    const auto place = place_of_.find(flow.place);
    if (place == place_of_.end() || carried_[place->second].flow != flow) return {};
    const Carried& found = carried_[place->second];
    FlowReport report{0, 0, found.retransmissions, monotonic_now() - found.opened_at};
    if (const tcp::Cold* cold = engine_.inspect_cold(flow)) report.retransmissions = cold->retransmissions;
    if (found.service) {
        report.bytes_in = found.service->bytes_in();
        report.bytes_out = found.service->bytes_out();
    }
    return report;
}

void Shard::finish() {
    finishing_ = true;
    const Instant now = monotonic_now();
    while (!listeners_.empty()) unlisten(listeners_.back().id);
    for (std::uint32_t place = 0; place < carried_.size(); ++place) {
        Carried& carried = carried_[place];
        if (carried.flow == Flow{}) continue;
        if (carried.service) {
            carried.service->finish();
            queue(place);
        } else {
            reset(place, Error::aborted, now);
        }
    }
    work_left_ = true;
}

std::vector<ListenerId> Shard::listeners() const {
    std::vector<ListenerId> all;
    for (const auto& entry : listeners_) all.push_back(entry.id);
    return all;
}

}  // namespace weft::node
