// A shard's ways to those who are no neighbours: what routing knows, paths that are wanted, and what becomes of flows when
// there is none.
#include <algorithm>

#include "node/shard.h"

namespace weft::node {
namespace {

constexpr std::size_t failures_at_most = 1'024;

}  // namespace

bool Shard::reachable(const Address& peer) const {
    using State = overlay::PeerStatus::State;
    const auto peers = links_.peers();
    const bool known = std::ranges::any_of(peers, [&](const overlay::PeerStatus& status) {
        return status.address == peer &&
               (status.endpoint.port != 0 || status.state == State::up || status.state == State::rekey);
    });
    return known || router_->resolve(peer, monotonic_now()).verdict == WEFT_ROUTE_FORWARD;
}

Result<void> Shard::want(const Address& peer) {
    if (peer == address()) return std::unexpected(Error::invalid);
    if (!reachable(peer) || finishing_) return std::unexpected(Error::network_unreachable);
    const Instant now = monotonic_now();
    unreachable_.erase(peer);
    links_.want(peer, now);
    take_link_events(now);
    work_left_ = true;
    return {};
}

const Unreachable* Shard::why_not(const Address& peer) const {
    const auto found = unreachable_.find(peer);
    return found == unreachable_.end() ? nullptr : &found->second;
}

// Flows that were opening end at once; living ones may outlast it, as long as their user timeout lets them.
void Shard::take_unreachable(const overlay::LinkEvent& event, Instant now) {
    if (unreachable_.size() >= failures_at_most) unreachable_.clear();
    unreachable_[event.peer] = {event.reason, event.reporter, event.accused, now};
    for (std::uint32_t place = 0; place < carried_.size(); ++place) {
        const Carried& carried = carried_[place];
        if (carried.flow == Flow{} || carried.service) continue;
        const auto peers = engine_.peers(carried.flow);
        if (peers && peers->remote.address == event.peer) reset(place, Error::network_unreachable, now);
    }
}

void Shard::set_transit(const overlay::TransitRules& rules) {
    access_.set_transit(rules);
    const Instant now = monotonic_now();
    if (overlay::Switch* labels = links_.labels()) labels->review_transit(now);
    links_.advance(now);   // what the switch has to say leaves
    take_link_events(now);
    work_left_ = true;
}

std::expected<void, std::string> Shard::set_routing(const RoutingConfig& routing) {
    work_left_ = true;
    return router_->replace(routing, monotonic_now());
}

}  // namespace weft::node
