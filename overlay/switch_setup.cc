// SETUP, SETUP_ACK and SETUP_NAK at a node (docs/wire.md). Loop freedom rests on the path id: a node that holds it takes it
// from one neighbour only. Every NAK costs one try and returns the rest, so the previous hop tries its next best.
#include <algorithm>
#include <utility>

#include "overlay/access.h"
#include "overlay/switch_state.h"

namespace weft::overlay {

namespace {

// What a source learns of several NAKs: the one that says most.
int telling(NakReason reason) {
    switch (reason) {
    case NakReason::admin: return 8;
    case NakReason::busy: return 7;
    case NakReason::timeout: return 6;
    case NakReason::loop: return 5;
    case NakReason::stale: return 4;
    case NakReason::hops: return 3;
    case NakReason::tries: return 2;
    case NakReason::no_route: return 1;
    case NakReason::none: break;
    }
    return 0;
}

std::uint16_t sum(std::uint16_t a, std::uint16_t b) { return std::uint16_t(std::min<unsigned>(a + b, 0xfffe)); }

}  // namespace

void Switch::State::receive_setup(LinkNumber from, const ControlHeader& header, Bytes message, Instant now) {
    auto setup = Setup::parse(header, message);
    if (!setup) return ++statistics.malformed, void();
    ++statistics.setups;
    note(RouteEvent::setup, false, setup->path, from, now, {}, 0, Setup::first_hops - setup->hops_left + 1u);
    Neighbour& at = *neighbour(from);
    const auto refused = [&](NakReason why, bool reliable) {
        nak(from, setup->path, {why, own_tag(), 0}, setup->tries_left, reliable, now);
    };
    if (!at.setups.take(config.setups_a_second, config.setups_a_second, now)) {
        if (at.naks.take(4 * config.setups_a_second, config.setups_a_second, now)) refused(NakReason::busy, false);
        return;
    }
    setup->cost = sum(setup->cost, cost_of(at));
    setup->pmtu = std::uint16_t(std::min<std::uint32_t>(setup->pmtu, at.mtu));
    if (const auto index = paths.find(setup->path)) return answer_known(from, *index, *setup, now);
    if (setup->dst == identity.address()) return offer(from, std::move(*setup), now);
    if (access && !access->transit_setup(at.address)) return refused(NakReason::admin, true);
    if (setup->hops_left <= 1) return refused(NakReason::hops, true);
    if (setup->pinned) return refused(NakReason::no_route, true);   // this version makes no shortcuts
    if (paths.size() >= config.labels) return refused(NakReason::busy, false);
    const Duration given = Duration::milliseconds(setup->deadline);
    const std::uint32_t index = begin(from, Role::transit, std::move(*setup), given, now);
    if (const auto why = attempt(index, now)) give_up(index, *why, now);
}

// A path id that this node holds: from another link a loop, from the same one a retransmission.
void Switch::State::answer_known(LinkNumber from, std::uint32_t index, const Setup& setup, Instant now) {
    PathRecord& record = paths[index];
    if (record.role == Role::source || record.up != from)
        return nak(from, setup.path, {NakReason::loop, own_tag(), 0}, setup.tries_left, true, now);
    if (!record.answer.empty()) {
        if (!neighbour(from)->reliable.holds(Op(record.answer[0]), record.id)) send(from, record.answer, record.id, now);
    } else if (record.stage == Stage::asked && record.role == Role::transit && record.down != 0 &&
               !neighbour(record.down)->reliable.holds(Op::setup, record.id)) {
        send_setup(index, record.down, now);
    }
}

// This node is the destination.
void Switch::State::offer(LinkNumber from, Setup&& setup, Instant now) {
    const auto refused = [&](NakReason why) { nak(from, setup.path, {why, own_tag(), 0}, setup.tries_left, false, now); };
    if (!verifications.take(config.verifications_a_second, config.verifications_a_second, now))
        return refused(NakReason::busy);
    if (!setup.verify(config.netid)) return ++statistics.bad_signatures, refused(NakReason::admin);
    if (paths.size() >= config.labels) return refused(NakReason::busy);
    const Duration given = Duration::milliseconds(setup.deadline);
    const std::uint32_t index = begin(from, Role::destination, std::move(setup), given, now);
    PathRecord& record = paths[index];
    const Setup& asked = record.pending->setup;
    record.forward = give_label(index, from, now);
    if (record.forward == 0) return give_up(index, {NakReason::busy, own_tag(), 0}, now);
    labels.find(record.forward)->flags |= LabelEntry::terminal;
    note(LabelEvent::made, record.forward, now);
    record.end = std::make_unique<PathEnd>();
    record.end->remote = asked.src;
    record.end->mtu = asked.pmtu;
    record.end->cost = asked.cost;
    record.end->hops = std::uint8_t(std::min(Setup::first_hops - asked.hops_left + 1, 255));
    record.end->since = now;
    record.end->visited.assign(asked.visited.begin(), asked.visited.end());
    std::reverse(record.end->visited.begin(), record.end->visited.end());
    path_timers.arm(index, record.pending->deadline);
    PathEvent offered = event(PathEvent::Kind::offered, index);
    offered.private_source = asked.private_source;
    offered.payload.assign(asked.payload.begin(), asked.payload.end());
    events.push_back(std::move(offered));
}

std::uint32_t Switch::State::begin(LinkNumber up, Role role, Setup&& setup, Duration given, Instant now) {
    const std::uint32_t index = paths.add(setup.path);
    PathRecord& record = paths[index];
    record.role = role;
    record.up = up;
    record.since = tick_of(now);
    record.out_back = role == Role::source ? Label{0} : setup.back_label;
    paths.bind_out(up, record.out_back, index);
    record.pending = std::make_unique<Pending>();
    record.pending->tries = std::min(setup.tries_left, Setup::first_tries);
    record.pending->deadline = now + std::min(given, longest_deadline);
    record.pending->setup = std::move(setup);
    set_stage(index, Stage::asked, now);
    return index;
}

// Asks the module where to, and goes there; again while a neighbour cannot take more.
std::optional<Refusal> Switch::State::attempt(std::uint32_t index, Instant now) {
    PathRecord& record = paths[index];
    Pending& pending = *record.pending;
    for (;;) {
        if (now >= pending.deadline) return Refusal{NakReason::timeout, own_tag(), 0};
        const Choice choice = choose(record, now);
        if (std::exchange(pending.asking, choice.kind == Choice::Kind::pending)) --waiting;
        if (pending.asking) {
            ++waiting;
            path_timers.arm(index, std::min(pending.deadline, now + ask_again));
            return std::nullopt;
        }
        if (choice.kind == Choice::Kind::none) {
            if (pending.reason != NakReason::none) return Refusal{pending.reason, pending.reporter, pending.accused};
            return Refusal{choice.reason, own_tag(), 0};
        }
        if (pending.tries == 0) return Refusal{NakReason::tries, own_tag(), 0};   // there was another way
        const Neighbour& next = *neighbour(choice.link);
        if (!neighbour(choice.link)->forwarded.take(record.up, config.setups_a_second, now)) {
            // It takes no more from us than we from others, and one neighbour's flood must not use it up.
            --pending.tries;
            pending.tried.push_back(next.tag);
            pending.reason = NakReason::busy, pending.reporter = own_tag(), pending.accused = 0;
            continue;
        }
        if (pending.deadline - now < next.srtt + hop_margin + Duration::milliseconds(1))
            return Refusal{NakReason::timeout, own_tag(), next.tag};
        record.back = record.back == 0 ? give_label(index, choice.link, now) : labels.move(record.back, choice.link);
        if (record.back == 0) return Refusal{NakReason::busy, own_tag(), 0};
        LabelEntry& entry = *labels.find(record.back);
        entry.out_label = record.out_back;
        entry.out_link = record.up;
        entry.expires = tick_of(pending.deadline);
        if (record.role == Role::source) entry.flags |= LabelEntry::terminal;
        else entry.mtu = std::uint16_t(std::min<std::uint32_t>(neighbour(record.up)->mtu, 0xffff));
        note(LabelEvent::made, record.back, now);
        record.down = choice.link;
        pending.via = choice.via;
        pending.mtu = choice.mtu;
        path_timers.arm(index, pending.deadline);
        if (send_setup(index, choice.link, now)) return std::nullopt;
        --pending.tries;
        pending.tried.push_back(next.tag);
    }
}

bool Switch::State::send_setup(std::uint32_t index, LinkNumber link, Instant now) {
    PathRecord& record = paths[index];
    const Pending& pending = *record.pending;
    const Neighbour& next = *neighbour(link);
    Setup out = pending.setup;
    out.back_label = record.back;
    out.via = pending.via;
    out.state = pending.state;
    out.tries_left = pending.tries;
    const Duration left = std::max(pending.deadline - now - next.srtt - hop_margin, Duration{});
    out.deadline = std::uint16_t(left.count() / 1'000'000);
    out.pmtu = std::uint16_t(std::min({std::uint32_t{out.pmtu}, next.mtu, pending.mtu == 0 ? 0xffffu : pending.mtu}));
    if (record.role == Role::transit) {
        --out.hops_left;
        out.visited.push_dropping_first(own_tag());
    }
    if (!send(link, out.body(), record.id, now)) return false;
    ++statistics.setups_forwarded;
    note(RouteEvent::setup, true, record.id, link, now, {}, 0, Setup::first_hops - out.hops_left + 1u);
    return true;
}

// The next hop said NAK, or nothing: the module's next best, or back.
void Switch::State::try_elsewhere(std::uint32_t index, const Refusal& why, std::uint8_t tries, Instant now) {
    PathRecord& record = paths[index];
    Pending& pending = *record.pending;
    const std::uint8_t rest = std::min(pending.tries, tries);
    pending.tries = rest == 0 ? rest : std::uint8_t(rest - 1);
    pending.tried.push_back(tag_at(record.down));
    record.down = 0;
    if (telling(why.reason) > telling(pending.reason))
        pending.reason = why.reason, pending.reporter = why.reporter, pending.accused = why.accused;
    if (const auto refusal = attempt(index, now)) give_up(index, *refusal, now);
}

// Back to the previous hop; the id stays known, so that it cannot loop through here.
void Switch::State::give_up(std::uint32_t index, const Refusal& why, Instant now) {
    PathRecord& record = paths[index];
    if (record.role == Role::source) {
        PathEvent failed = event(PathEvent::Kind::failed, index);
        failed.reason = why.reason;
        failed.reporter = why.reporter;
        failed.accused = why.accused;
        events.push_back(std::move(failed));
        return remove(index, now);
    }
    const std::uint8_t tries = record.pending->tries;
    set_stage(index, Stage::refused, now);
    record.answer = SetupNak{record.id, std::uint8_t(why.reason), tries, why.reporter, why.accused}.body(true);
    nak(record.up, record.id, why, tries, true, now);
    path_timers.arm(index, now + refused_life);
}

void Switch::State::nak(LinkNumber to, std::uint64_t path, const Refusal& why, std::uint8_t tries, bool reliable,
                        Instant now) {
    ++statistics.naks_out[std::size_t(why.reason)];
    note(RouteEvent::nak, true, path, to, now, why.reason, why.accused);
    Body body = SetupNak{path, std::uint8_t(why.reason), tries, why.reporter, why.accused}.body(reliable);
    if (reliable) send(to, std::move(body), path, now);
    else send_once(to, std::move(body));
}

void Switch::State::receive_nak(LinkNumber from, Bytes message, Instant now) {
    const auto said = SetupNak::parse(message);
    if (!said) return ++statistics.malformed, void();
    const NakReason reason = said->reason < nak_reasons ? NakReason(said->reason) : NakReason::no_route;
    ++statistics.naks_in[std::size_t(reason)];
    note(RouteEvent::nak, false, said->path, from, now, reason, said->accused);
    const auto index = paths.find(said->path);
    if (!index || paths[*index].down != from) return ++statistics.foreign, void();
    if (paths[*index].stage != Stage::asked) return;
    try_elsewhere(*index, {reason, said->reporter, said->accused}, said->tries_left, now);
}

void Switch::State::receive_ack(LinkNumber from, Bytes message, Instant now) {
    auto ack = SetupAck::parse(message);
    if (!ack) return ++statistics.malformed, void();
    ++statistics.acks;
    note(RouteEvent::ack, false, ack->path, from, now, {}, 0, ack->hops);
    const auto index = paths.find(ack->path);
    if (!index || paths[*index].stage == Stage::refused) {
        // Given up here, but not there.
        if (neighbour(from)->answers.take(config.setups_a_second, config.setups_a_second, now))
            send_teardown(from, ack->path, now);
        return;
    }
    PathRecord& record = paths[*index];
    if (record.down != from) {   // perhaps an earlier next hop, whose answer was not waited for
        ++statistics.foreign;
        if (neighbour(from)->answers.take(config.setups_a_second, config.setups_a_second, now))
            send_teardown(from, ack->path, now);
        return;
    }
    if (record.stage == Stage::open || ack->ts != record.pending->setup.ts) return;
    if (record.role == Role::source && !ack->verify(config.netid, record.end->remote, identity.address())) {
        ++statistics.bad_signatures;
        send_teardown(from, record.id, now);
        return try_elsewhere(*index, {NakReason::timeout, own_tag(), tag_at(from)}, record.pending->tries, now);
    }
    complete(*index, *ack, now);
}

// The next hop's label completes the pair; ours goes to the previous hop.
void Switch::State::complete(std::uint32_t index, SetupAck& ack, Instant now) {
    PathRecord& record = paths[index];
    const Neighbour& next = *neighbour(record.down);
    ack.pmtu = std::uint16_t(std::min<std::uint32_t>(ack.pmtu, next.mtu));
    if (record.role == Role::transit) {
        record.forward = give_label(index, record.up, now);
        if (record.forward == 0) {
            send_teardown(record.down, record.id, now);
            return give_up(index, {NakReason::busy, own_tag(), 0}, now);
        }
        LabelEntry& entry = *labels.find(record.forward);
        entry.out_label = ack.forward_label;
        entry.out_link = record.down;
        entry.mtu = std::uint16_t(std::min<std::uint32_t>(next.mtu, 0xffff));
        note(LabelEvent::made, record.forward, now);
    }
    record.out_forward = ack.forward_label;
    paths.bind_out(record.down, record.out_forward, index);
    for (const Label label : {record.back, record.forward})
        if (LabelEntry* entry = labels.find(label)) {
            entry->flags |= LabelEntry::acked;
            entry->expires = tick_of(now) + idle_ticks;
            note(LabelEvent::completed, label, now);
        }
    learn(record, ack, now);
    if (record.role == Role::source) return opened(index, ack, now);
    const Neighbour& previous = *neighbour(record.up);
    ack.pmtu = std::uint16_t(std::min<std::uint32_t>(ack.pmtu, previous.mtu));
    ack.cost = sum(ack.cost, cost_of(next));
    ack.hops = std::uint8_t(std::min(ack.hops + 1, 255));
    ack.forward_label = record.forward;
    set_stage(index, Stage::open, now);
    answer_ack(index, ack, now);
}

void Switch::State::opened(std::uint32_t index, const SetupAck& ack, Instant now) {
    PathRecord& record = paths[index];
    record.end->mtu = ack.pmtu;
    record.end->cost = sum(ack.cost, cost_of(*neighbour(record.down)));
    record.end->hops = ack.hops;
    record.end->visited.assign(ack.visited.begin(), ack.visited.end());
    set_stage(index, Stage::open, now);
    path_timers.arm(index, instant_of(expiry(record)));
    PathEvent event = this->event(PathEvent::Kind::opened, index);
    event.payload.assign(ack.payload.begin(), ack.payload.end());
    events.push_back(std::move(event));
}

// Upstream, and kept for a while: a SETUP that comes again gets the same.
void Switch::State::answer_ack(std::uint32_t index, const SetupAck& ack, Instant now) {
    PathRecord& record = paths[index];
    record.answer = ack.body();
    record.fresh = true;
    path_timers.arm(index, now + asked_life);
    note(RouteEvent::ack, true, record.id, record.up, now, {}, 0, ack.hops);
    send(record.up, record.answer, record.id, now);
}

}  // namespace weft::overlay
