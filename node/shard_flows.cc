// The flows of a shard: from a call or a listener to a program's descriptor, and to their end.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "node/shard.h"
#include "stack/tcp/tcb.h"

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
    if (!reachable(peer) || finishing_) return std::unexpected(Error::network_unreachable);
    const Instant now = monotonic_now();
    const auto flow = engine_.connect({.address = peer, .port = port}, options, now);
    if (flow) carry(*flow, std::move(callbacks), now);
    work_left_ = true;
    return flow;
}

Result<ListenerId> Shard::listen(std::uint16_t port, ListenOptions options, FlowCallbacks callbacks) {
    if (port == 0) return std::unexpected(Error::invalid);
    options.local = {.address = address(), .port = port};
    const auto listener = engine_.listen(options, monotonic_now());
    if (listener) listeners_.emplace_back(*listener, std::move(callbacks));
    return listener;
}

void Shard::unlisten(ListenerId listener) {
    (void)engine_.unlisten(listener, monotonic_now());
    std::erase_if(listeners_, [&](const auto& entry) { return entry.first == listener; });
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

// The handshake is through: the program gets its end of a socketpair.
void Shard::open(Carried& carried, std::uint32_t place, Instant now) {
    UniqueFd ours, theirs;
    if (!make_socketpair(ours, theirs)) { return reset(place, Error::no_memory, now); }
    const int fd = ours.get();
    carried.opened_at = now;
    carried.pump.emplace(carried.flow, std::move(ours));
    carried.watch = loop_.add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, [this, place](std::uint32_t events) {
        carried_[place].pump->socket_ready(events);
        queue(place);
    });
    queue(place);
    if (carried.watch.generation == 0) return reset(place, Error::no_memory, now);
    const Flow flow = carried.flow;
    if (finishing_) carried.pump->end_input();
    if (const auto peers = engine_.peers(flow); peers && carried.callbacks.opened)
        carried.callbacks.opened(flow, *peers, std::move(theirs));
}

void Shard::accept_all(ListenerId listener, Instant now) {
    const auto entry = std::ranges::find(listeners_, listener, [](const auto& e) { return e.first; });
    if (entry == listeners_.end()) return;
    const FlowCallbacks callbacks = entry->second;
    while (const auto flow = engine_.accept(listener, now)) {
        const std::uint32_t place = carry(*flow, callbacks, now);
        open(carried_[place], place, now);
    }
}

void Shard::take_event(const Event& event, Instant now) {
    using Kind = Event::Kind;
    if (event.kind == Kind::accepted) return accept_all(event.listener, now);
    Carried* found = carried(event.flow);
    if (!found) return;
    const std::uint32_t place = place_of_[event.flow.place];
    switch (event.kind) {
    case Kind::connected: return open(*found, place, now);
    case Kind::readable:
    case Kind::peer_closed:
        if (found->pump) found->pump->flow_readable();
        break;
    case Kind::writable:
        if (found->pump) found->pump->flow_writable();
        break;
    case Kind::closed:
    case Kind::failed:
        if (event.kind == Kind::failed) found->error = event.error;
        found->retransmissions = event.retransmissions;
        if (!found->pump) return end(place, now);
        found->pump->flow_over();
        break;
    default: return;
    }
    if (found->pump) queue(place);
}

// True if there was work.
bool Shard::run_pumps(Instant now) {
    turn_.swap(queue_);
    const bool any = !turn_.empty();
    for (const std::uint32_t place : turn_) {
        Carried& carried = carried_[place];
        carried.queued = false;
        if (carried.flow == Flow{} || !carried.pump) continue;
        const Pump::Progress progress = carried.pump->run(engine_, pool_, now);
        switch (progress) {
        case Pump::Progress::waiting: break;
        case Pump::Progress::more: queue(place); break;
        case Pump::Progress::starved:
            starved_.push_back(place);
            starved_until_ = now + starved_pause;
            break;
        case Pump::Progress::aborted: reset(place, carried.error.value_or(Error::aborted), now); break;
        case Pump::Progress::ended: end(place, now); break;
        }
    }
    turn_.clear();
    return any;
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
    if (carried.pump) {
        report.bytes_in = carried.pump->bytes_in();
        report.bytes_out = carried.pump->bytes_out();
        loop_.remove(carried.watch);
    }
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
    if (found.pump) {
        report.bytes_in = found.pump->bytes_in();
        report.bytes_out = found.pump->bytes_out();
    }
    return report;
}

void Shard::finish() {
    finishing_ = true;
    const Instant now = monotonic_now();
    while (!listeners_.empty()) unlisten(listeners_.back().first);
    for (std::uint32_t place = 0; place < carried_.size(); ++place) {
        Carried& carried = carried_[place];
        if (carried.flow == Flow{}) continue;
        if (carried.pump) {
            carried.pump->end_input();
            queue(place);
        } else {
            reset(place, Error::aborted, now);
        }
    }
    work_left_ = true;
}

}  // namespace weft::node
