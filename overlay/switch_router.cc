// The routing module as the switch asks it: what it is told, what of its answers is believed (plugins/abi/weft_plugin.h), and
// what it learns of paths that pass (docs/wire.md).
#include <algorithm>
#include <utility>

#include "overlay/switch_state.h"

namespace weft::overlay {

namespace {

const std::uint8_t* raw_of(const Address& address) { return reinterpret_cast<const std::uint8_t*>(address.bytes().data()); }

// What the module calls meanwhile must not take away the record that it is asked about.
struct Asking {
    explicit Asking(bool& flag) : flag_{flag} { flag_ = true; }
    ~Asking() { flag_ = false; }
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;

private:
    bool& flag_;
};

constexpr std::uint64_t learnt_within = 600'000;  // ms between a SETUP's time and ours

}  // namespace

Switch::State::Choice Switch::State::choose(PathRecord& record, Instant now) {
    Pending& pending = *record.pending;
    const Setup& setup = pending.setup;
    weft_query query{};
    query.size = sizeof query;
    query.in_link = record.up;
    query.via = setup.via;
    query.hops_left = record.role == Role::source ? setup.hops_left : setup.hops_left - 1u;
    query.dst = raw_of(setup.dst);
    query.src = raw_of(setup.src);
    query.visited = setup.visited.begin();
    query.avoid = setup.avoid.begin();
    query.tried = pending.tried.begin();
    query.visited_count = std::uint32_t(setup.visited.size());
    query.avoid_count = std::uint32_t(setup.avoid.size());
    query.tried_count = std::uint32_t(pending.tried.size());
    query.state_length = std::uint32_t(setup.state.size());
    std::transform(setup.state.begin(), setup.state.end(), query.state, [](std::byte b) { return std::uint8_t(b); });
    weft_decision decision{};
    decision.size = sizeof decision;
    if (router.decide) {
        const Asking guard{asking};
        router.decide(module, now.nanoseconds(), &query, &decision);
    }
    pending.state.clear();
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(query.state_length, WEFT_ROUTE_STATE_MAX); ++i)
        pending.state.push_back(std::byte(query.state[i]));
    if (decision.verdict == WEFT_ROUTE_PENDING) return {Choice::Kind::pending};
    const bool believed = decision.verdict == WEFT_ROUTE_FORWARD && query.state_length <= WEFT_ROUTE_STATE_MAX &&
                          (decision.via == 0 || is_label(decision.via)) && usable(record, decision.link);
    if (believed) return {Choice::Kind::forward, LinkNumber(decision.link), decision.via, decision.mtu, NakReason::none};
    if (decision.verdict != WEFT_ROUTE_UNREACHABLE) ++statistics.refused_answers;
    const bool known = decision.verdict == WEFT_ROUTE_UNREACHABLE && decision.reason != 0 && decision.reason < nak_reasons;
    return along_via(record, known ? NakReason(decision.reason) : NakReason::no_route);
}

// The module knows no way, but the SETUP names a label of this node that leads to a waypoint.
Switch::State::Choice Switch::State::along_via(const PathRecord& record, NakReason otherwise) {
    const Choice nowhere{Choice::Kind::none, 0, 0, 0, otherwise};
    const Setup& setup = record.pending->setup;
    if (setup.via == 0 || record.role == Role::source) return nowhere;
    LabelDrop why{};
    const LabelEntry* entry = labels.look_up(record.up, setup.via, why);
    if (!entry) return {Choice::Kind::none, 0, 0, 0, NakReason::stale};
    if ((entry->flags & (LabelEntry::terminal | LabelEntry::acked)) != LabelEntry::acked) return nowhere;
    if (!usable(record, entry->out_link)) return nowhere;
    return {Choice::Kind::forward, entry->out_link, entry->out_label, entry->mtu, NakReason::none};
}

// Up, not where it came from, and not one that said NAK.
bool Switch::State::usable(const PathRecord& record, std::uint32_t link) {
    if (link == 0 || link > 0xffff || link == record.up) return false;
    const Neighbour* next = neighbour(LinkNumber(link));
    return next && !next->gone && !record.pending->tried.contains(next->tag);
}

void Switch::State::tell_link(LinkNumber link, std::uint32_t what, Instant now) {
    const Neighbour* at = neighbour(link);
    if (!at || !router.on_link) return;
    weft_link told{};
    told.size = sizeof told;
    told.event = what;
    told.link = link;
    told.mtu = at->mtu;
    told.neighbour = raw_of(at->address);
    told.srtt = at->srtt.count();
    told.loss_ppm = at->loss_ppm;
    router.on_link(module, now.nanoseconds(), &told);
}

void Switch::State::tell_broken(const PathRecord& record, Instant now) {
    if (!router.on_broken || !record.end) return;
    weft_path path{};
    path.size = sizeof path;
    path.link = record.role == Role::source ? record.down : record.up;
    path.id = record.id;
    path.remote = raw_of(record.end->remote);
    path.mtu = record.end->mtu;
    path.cost = record.end->cost;
    path.hops = record.end->hops;
    const Asking guard{asking};
    router.on_broken(module, now.nanoseconds(), &path);
}

void Switch::State::tell_learnt(const PathRecord& record, LinkNumber link, const Address& remote, std::uint16_t cost,
                                std::uint8_t hops, Instant now) {
    weft_path path{};
    path.size = sizeof path;
    path.link = link;
    path.id = record.id;
    path.remote = raw_of(remote);
    path.mtu = record.pending->setup.pmtu;
    path.cost = cost;
    path.hops = hops;
    const Asking guard{asking};
    router.on_learnt(module, now.nanoseconds(), &path);
}

// A bad signature stops learning, never forwarding.
void Switch::State::learn(const PathRecord& record, const SetupAck& ack, Instant now) {
    if (!router.on_learnt) return;
    const Setup& setup = record.pending->setup;
    if (record.role == Role::transit) {
        const std::uint64_t ours = unix_ms(now), apart = ours > setup.ts ? ours - setup.ts : setup.ts - ours;
        if (setup.private_source || apart > learnt_within) return;
        if (!learning.take(verifications_for_learning, verifications_for_learning, now, 2)) return;
        if (!setup.verify(config.netid) || !ack.verify(config.netid, setup.dst, setup.src))
            return ++statistics.bad_signatures, void();
        tell_learnt(record, record.up, setup.src, setup.cost, std::uint8_t(std::min(256 - setup.hops_left, 255)), now);
    }
    const unsigned cost = ack.cost + 0u + cost_of(*neighbour(record.down));
    tell_learnt(record, record.down, setup.dst, std::uint16_t(std::min<unsigned>(cost, cost_limit)), ack.hops, now);
}

void Switch::State::learn_source(const PathRecord& record, Instant now) {
    const Setup& setup = record.pending->setup;
    const std::uint64_t ours = unix_ms(now), apart = ours > setup.ts ? ours - setup.ts : setup.ts - ours;
    if (!router.on_learnt || setup.private_source || apart > learnt_within) return;
    tell_learnt(record, record.up, setup.src, setup.cost, std::uint8_t(std::min(256 - setup.hops_left, 255)), now);
}

// Something has changed: set-ups that the module could not place may go on.
void Switch::State::ask_waiting(Instant now) {
    if (waiting == 0) return;
    for (std::uint32_t index = 0; index < paths.made(); ++index) {
        const PathRecord& record = paths[index];
        if (record.stage != Stage::asked || !record.pending->asking) continue;
        if (const auto why = attempt(index, now)) give_up(index, *why, now);
    }
}

void Switch::State::close_unwanted(Instant now) {
    for (const std::uint64_t path : std::exchange(unwanted, {})) close(path, now);
}

}  // namespace weft::overlay
