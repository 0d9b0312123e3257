// Label paths that begin or end here, and what the switch must know of the links: a session is dialled by SETUP, answered in its
// acknowledgement, and outlives the path that it came by (docs/wire.md).
#include "overlay/frames.h"
#include "overlay/links_state.h"

namespace weft::overlay {
namespace {

constexpr Duration wanted_for = Duration::seconds(60);  // after the last NET a lost path is looked for again
constexpr Duration surplus_lives = Duration::seconds(10);  // a path beside the one in use, unused
constexpr Duration proof_lasts = Duration::seconds(120);  // of a wanted idle path; labels live 300 s

}  // namespace

void Links::State::settle(Instant now) {
    if (!fabric) return;
    for (bool busy = true; busy;) {
        busy = false;
        for (PathEvent event; fabric->events({&event, 1}) != 0; busy = true) take_path_event(event, now);
        for (Switch::Control control; fabric->control({&control, 1}, now) != 0; busy = true) {
            Peer* peer = control.link <= by_number.size() && control.link != 0 ? by_number[control.link - 1] : nullptr;
            if (!peer || !peer->linked || !may_seal(*peer->current, now)) continue;
            control_frame.resize(FrameReader::header);
            control_frame[0] = std::byte(FrameType::ctrl);
            store_little(&control_frame[1], std::uint16_t(control.body.size()));
            control_frame.insert(control_frame.end(), control.body.begin(), control.body.end());
            send_frames(*peer, *peer->current, control_frame, peer->way, Ecn::not_capable, now);
        }
        while (const LinkNumber lost = fabric->take_lost()) {
            busy = true;
            if (lost <= by_number.size() && by_number[lost - 1]) suspect(*by_number[lost - 1], now);
        }
    }
}

// As if it had been silent for d after NET: challenged at once, and DOWN unless it answers.
void Links::State::suspect(Peer& peer, Instant now) {
    if (!peer.linked || peer.suspect) return;
    peer.awaiting = peer.next_probe = now;
    peer.probes = 0;
    wake(peer, now);
}

void Links::State::tell_switch(Peer& peer, Instant now) {
    if (!fabric || peer.number > 0xffff) return;
    const bool allowed = peer.configured || config.accept_members;
    const bool link = peer.current && !peer.way.labelled() && peer.way && allowed;
    if (link == peer.linked) return;
    peer.linked = link;
    const auto number = LinkNumber(peer.number);
    if (link) fabric->link_up(number, peer.address, config.mtu, peer.srtt, now);
    else fabric->link_down(number, now);
}

LabelPath* Links::State::find_label_path(std::uint64_t id) {
    if (last_path && last_path->id == id) return last_path;
    const auto found = label_paths.find(id);
    return found == label_paths.end() ? nullptr : last_path = found->second.get();
}

LabelPath& Links::State::keep_label_path(std::uint64_t id, const Address& remote, bool source, Instant now) {
    auto path = std::make_unique<LabelPath>();
    path->id = id;
    path->remote = remote;
    path->source = source;
    path->started = path->heard = path->sent = path->renewed = path->proved = now;
    Block<8> key;
    entropy(key);
    path->flow_key = load_little<std::uint64_t>(key.data()) | 1;
    return *label_paths.insert_or_assign(id, std::move(path)).first->second;
}

// FIN comes from whom SETUP came from, and a path has one peer as long as it lives.
bool Links::State::may_end_at(std::uint64_t id, const Address& address) {
    const LabelPath* path = find_label_path(id);
    return path && (path->any_remote || path->remote == address) && (!path->peer || path->peer->address == address);
}

// The oldest that is not in use makes room.
void Links::State::attach(LabelPath& path, Peer& peer, Instant now) {
    if (path.peer == &peer) return;
    if (Peer* before = path.peer) {
        std::erase(before->label_paths, &path);
        if (before->way == Way::along(path.id)) before->way = {};
    }
    if (peer.label_paths.size() == Peer::label_paths_limit) {
        const auto idle = [&](const LabelPath* held) { return held->id != peer.way.path && held->id != peer.search.path; };
        forget_label_path(**std::find_if(peer.label_paths.begin(), peer.label_paths.end(), idle), true, now);
    }
    path.peer = &peer;
    peer.label_paths.push_back(&path);
}

void Links::State::forget_label_path(LabelPath& path, bool tear_down, Instant now) {
    const Way way = Way::along(path.id);
    if (Peer* peer = path.peer) {
        std::erase(peer->label_paths, &path);
        if (peer->way == way) peer->way = {};
        if (peer->search.path == path.id) peer->search.path = 0;
        if (peer->attempt) std::erase(peer->attempt->to, way);
        if (peer->roaming.candidate == way) peer->roaming = {};
    }
    if (tear_down) fabric->close(path.id, now);
    if (last_path == &path) last_path = nullptr;
    label_paths.erase(way.path);
}

void Links::State::forget_label_paths(Peer& peer, Instant now) {
    const std::uint64_t kept = peer.attempt ? peer.search.path : 0;
    for (std::size_t i = peer.label_paths.size(); i-- > 0;)
        if (peer.label_paths[i]->id != kept) forget_label_path(*peer.label_paths[i], true, now);
}

// Under living keys SETUP carries no INIT: the channel goes on along the new path. A far end that has lost them says stale.
void Links::State::open_path(Peer& peer, Instant now) {
    if (!fabric || peer.search.path != 0) return;
    const Bytes head = peer.attempt ? Bytes{peer.attempt->init}.first(init_head) : Bytes{};
    if (head.empty() && !peer.current) return;
    PathWish wish;
    if (peer.search.timed_out) wish.deadline = wish.deadline * 3;
    PathEvent failure;
    failure.reason = NakReason::busy;
    if (label_paths.size() >= label_path_limit) return path_failed(peer, failure, now);
    const auto id = fabric->open(peer.address, head, now, wish);
    if (!id) {
        if (id.error() == Error::unreachable) failure.reason = NakReason::no_route;
        return path_failed(peer, failure, now);
    }
    attach(keep_label_path(*id, peer.address, true, now), peer, now);
    peer.search.path = *id;
    if (peer.attempt) peer.attempt->to.push_back(Way::along(*id));
}

// Is there a flow that would miss the path?
bool Links::State::wanted(const Peer& peer, Instant now) const {
    return !peer.waiting.empty() || (peer.path != 0 && peer.last_used != Instant{} && now - peer.last_used < wanted_for);
}

void Links::State::take_path_event(PathEvent& event, Instant now) {
    if (event.kind == PathEvent::Kind::offered) return path_offered(event, now);
    LabelPath* path = find_label_path(event.path);
    if (!path) return;
    switch (event.kind) {
    case PathEvent::Kind::opened: return path_opened(event, now);
    case PathEvent::Kind::broken:
    case PathEvent::Kind::closed:
        if (path->open) return path_gone(*path, event.kind == PathEvent::Kind::closed, now);
        [[fallthrough]];
    case PathEvent::Kind::failed:
        if (Peer* peer = path->peer) {
            forget_label_path(*path, false, now);
            return path_failed(*peer, event, now);
        }
        return forget_label_path(*path, false, now);
    case PathEvent::Kind::mtu: {
        const auto mtu = std::clamp<std::uint32_t>(event.mtu, 1'200, config.mtu);
        if (mtu >= path->mtu) return;  // a hint, and never below what every link carries
        path->mtu = mtu;
        if (path->peer && path->peer->way.path == path->id) raise(LinkEvent::Kind::mtu, *path->peer, now);
        return;
    }
    case PathEvent::Kind::offered: return;
    }
}

// A far node asks for a session, or for another path of one that lives.
void Links::State::path_offered(PathEvent& event, Instant now) {
    const auto refuse = [&](NakReason why) { fabric->refuse(event.path, why, now); };
    if (event.path == 0 || find_label_path(event.path) || label_paths.size() >= label_path_limit)
        return refuse(NakReason::busy);
    Peer* known = event.private_source ? nullptr : find_peer(event.remote);
    const bool lives = known && known->current && may_seal(*known->current, now);
    if (event.payload.empty() && !lives) return refuse(NakReason::stale);
    const HalfOpen* made = nullptr;
    if (!event.payload.empty()) {
        const bool init = event.payload.size() == init_head && event.payload[0] == std::byte(Message::init) &&
                          event.payload[1] == std::byte{protocol_version};
        if (!init) return refuse(NakReason::admin);
        if (!half_open.admits(Way::along(event.path), false) || !sessions.take(event.link, config.sessions_a_second, now))
            return refuse(NakReason::busy);
        made = answer_init(event.payload, Way::along(event.path), now);
        if (!made) return refuse(NakReason::admin);
    }
    LabelPath& path = keep_label_path(event.path, event.remote, false, now);
    path.open = true;
    path.any_remote = event.private_source;
    path.link = event.link, path.label = event.label;
    path.hops = event.hops, path.cost = event.cost;
    path.mtu = std::clamp<std::uint32_t>(event.mtu, 1'200, config.mtu);
    if (made) path.half_open = half_open_id(made->local_index);
    else attach(path, *known, now), wake(*known, now);
    fabric->accept(event.path, made ? Bytes{made->resp} : Bytes{}, now);
}

void Links::State::path_opened(PathEvent& event, Instant now) {
    LabelPath& path = *find_label_path(event.path);
    Peer* peer = path.peer;
    if (!peer) return forget_label_path(path, true, now);
    path.open = true;
    path.link = event.link, path.label = event.label;
    path.hops = event.hops, path.cost = event.cost;
    path.mtu = std::clamp<std::uint32_t>(event.mtu, 1'200, config.mtu);
    path.heard = now;
    peer->search = {};
    const Way way = Way::along(path.id);
    if (peer->srtt == Duration{}) sample_rtt(*peer, now - path.started);
    if (!event.payload.empty() && event.payload.size() == resp_size) receive_resp(event.payload, way, now);
    if (!peer->current) {  // its RESP was none
        if (LabelPath* left = find_label_path(way.path)) forget_label_path(*left, true, now);
        if (peer->attempt && peer->attempt->to.empty()) end_attempt(*peer);
        return say_unreachable(*peer, now);
    }
    wake(*peer, now);
    if (peer->way != way) {
        if (peer->way && !peer->suspect) return;  // what was in use came back meanwhile
        move_to(*peer, way, now);
        revive(*peer, now);
    }
    flush(*peer, now);
    challenge(*peer, now);  // at the latest now the far end hears of us along it
}

void Links::State::path_failed(Peer& peer, const PathEvent& event, Instant now) {
    const bool again = event.reason == NakReason::timeout && !peer.search.timed_out;
    Search next = peer.search;
    next.path = 0;
    next.reason = event.reason, next.reporter = event.reporter, next.accused = event.accused;
    next.timed_out = again;
    next.not_before = again ? now : now + next.pause;
    next.pause = std::min(next.pause * 2, Search::longest_pause);
    peer.search = next;
    const bool had_init = peer.attempt != nullptr;
    if (had_init && peer.attempt->to.empty()) end_attempt(peer);
    const bool forgotten = event.reason == NakReason::stale && !had_init && peer.current;
    if ((again || forgotten) && wanted(peer, now) && !peer.attempt) return dial(peer, now, true);
    note_state(peer, now);
    if (peer.attempt || (peer.current && peer.way)) return;  // another way may do
    say_unreachable(peer, now);
    if (peer.current) lose(peer, Loss::silent, now);
}

void Links::State::say_unreachable(Peer& peer, Instant now) {
    drop_waiting(peer);
    ++statistics.unreachable;
    LinkEvent event{LinkEvent::Kind::unreachable, peer.address, path_mtu(datagram_mtu(peer)), false, peer.way.endpoint};
    event.session = true;
    event.reason = peer.search.reason == NakReason::none ? NakReason::timeout : peer.search.reason;
    event.reporter = peer.search.reporter, event.accused = peer.search.accused;
    tell(event, peer, now);
}

// The keys survive the path. Another one takes its place; else who began it begins a new one at once, and the other end when
// that does not come.
void Links::State::path_gone(LabelPath& path, bool closed, Instant now) {
    Peer* peer = path.peer;
    const bool in_use = peer && peer->current && peer->way == Way::along(path.id), source = path.source;
    forget_label_path(path, false, now);
    if (!in_use) return;
    if (peer->attempt && peer->attempt->to.empty()) end_attempt(*peer);  // a rekey along it
    const auto other =
        std::find_if(peer->label_paths.begin(), peer->label_paths.end(), [](const LabelPath* p) { return p->open; });
    if (other != peer->label_paths.end()) {
        move_to(*peer, Way::along((*other)->id), now);
        return challenge(*peer, now);
    }
    peer->awaiting = never;
    if (!std::exchange(peer->suspect, true)) raise(LinkEvent::Kind::suspect, *peer, now);
    note_state(*peer, now);
    peer->search.not_before = source && !closed ? now : now + Search::first_pause;
    wake(*peer, now);
}

// Proves a wanted idle path, drops what is surplus, looks for a path where living keys have none.
Instant Links::State::keep_paths(Peer& peer, Instant now) {
    if (!fabric || !peer.current) return never;
    if (!peer.way) {
        if (peer.search.path != 0 || peer.attempt || !wanted(peer, now)) return never;
        if (now < peer.search.not_before) return peer.search.not_before;
        open_path(peer, now);
        return never;
    }
    Instant next = never;
    for (std::size_t i = peer.label_paths.size(); i-- > 0;) {
        LabelPath& path = *peer.label_paths[i];
        if (!path.open) continue;
        const bool in_use = path.id == peer.way.path;
        if (in_use && !path.source) continue;  // its other end sees to it
        Instant due = std::max(path.heard, path.sent) + (path.source ? surplus_lives : surplus_lives * 6);
        if (in_use) due = patient(std::max(std::min(path.heard, path.sent), path.proved) + proof_lasts);
        if (now < due) {
            next = std::min(next, due);
        } else if (!in_use) {
            forget_label_path(path, true, now);
        } else {
            path.proved = now;
            next = std::min(next, patient(now + proof_lasts));
            if (peer.awaiting == never) {
                peer.awaiting = now;
                peer.next_probe = now + peer.silence();
                peer.probes = 0;
                next = std::min(next, peer.next_probe);
            }
            challenge(peer, now);
        }
    }
    return next;
}

// A session that carried nothing for long ends; the next packet begins another. A link costs nobody else and stays.
Instant Links::State::rest(Peer& peer, Instant now) {
    if (!fabric || !peer.current || peer.configured || (peer.way && !peer.way.labelled())) return never;
    const Instant due = patient(std::max(peer.last_used, peer.up_since) + config.session_idle);
    if (now < due) return due;
    const auto frame = make_frame(FrameType::close, Block<1>{std::byte(close_resting)});
    if (may_seal(*peer.current, now)) send_frames(peer, *peer.current, frame, peer.way, Ecn::not_capable, now);
    lose(peer, Loss::resting, now);
    return never;
}

}  // namespace weft::overlay
