// Links: the public face, the table of neighbours, events and traces.
#include "overlay/links.h"

#include <tuple>

#include "overlay/frames.h"
#include "overlay/links_state.h"
#include "stack/wire/overlay.h"

namespace weft::overlay {

std::uint32_t path_mtu(std::uint32_t datagram) {
    constexpr std::size_t channel = data_overhead + wire::NetFrame::header_size;
    return datagram - std::uint32_t(channel) + std::uint32_t(wire::OverlayView::header_size);
}

Links::State::State(Identity who, const LinksConfig& settings, Entropy random, BufferPool& buffers)
    : identity{std::move(who)}, config{settings}, entropy{random}, pool{buffers}, door{config.network, identity.address()},
      keyed_hash{entropy}, jar{entropy}, half_open{keyed_hash}, outbox{buffers, config.link} {
    config.suites &= suites_of_this_machine();
    config.rekey_packets = std::clamp<std::uint64_t>(config.rekey_packets, 1, 1ull << 30);
    config.mtu = std::clamp<std::uint32_t>(config.mtu, 1'200, 65'000);
    if (!config.router) return;
    SwitchConfig carrying{.netid = take<8>(config.network.net.data()), .unix_zero = config.unix_zero};
    fabric = std::make_unique<Switch>(identity, carrying, entropy, *config.router, config.routing);
    fabric->access(config.access);
}

Peer* Links::State::find_peer(const Address& address) {
    const auto found = peers.find(address);
    return found == peers.end() ? nullptr : found->second.get();
}

Peer* Links::State::make_peer(const Address& address, Instant now) {
    std::size_t place = 0;
    while (place < by_number.size() && by_number[place]) ++place;
    if (place == by_number.size()) by_number.push_back(nullptr);
    auto peer = std::make_unique<Peer>();
    peer->address = address;
    peer->number = std::uint32_t(place + 1);
    peer->since = now;
    by_number[place] = peer.get();
    define(*peer, sink, now);
    return peers.emplace(address, std::move(peer)).first->second.get();
}

void Links::State::define(const Peer& peer, const trace::Sink& to, Instant now, std::uint16_t flags) const {
    if (!to.wants(trace::Type::define)) return;
    for (std::uint32_t part = 0; part < 2; ++part) {
        trace::Define record{trace::peer_id | peer.number, part, {}};
        std::ranges::copy(peer.address.bytes().subspan(part == 0 ? 0 : 40, part == 0 ? 40 : 24), record.bytes.begin());
        to.add(now, trace::no_flow, trace::Type::define, record, std::uint16_t(flags | std::uint16_t(Family::overlay)));
    }
}

trace::LinkChange Links::State::change_of(const Peer& peer, LinkEvent::Kind kind, std::uint32_t mtu) const {
    return {peer.number, std::uint32_t(kind), mtu, peer.loss_ppm, peer.srtt.count(), tag_of(peer.address)};
}

// Of the strangers of its kind one makes room: who has no channel before a session that nobody uses, and of those who was silent
// longest. What this host itself wants (`local`) takes the place of a session in use, too; nobody takes that of who is waited for.
Peer* Links::State::make_room(const Address& address, bool far, bool local, Instant now) {
    Peer* last = nullptr;
    std::size_t alike = 0;
    const auto rank = [&](const Peer& peer) {
        return std::tuple{peer.current && wanted(peer, now), peer.current != nullptr,
                          std::max(peer.last_heard, peer.last_used)};
    };
    for (const auto& [key, peer] : peers) {
        if (peer->configured || (peer->way.endpoint.port == 0) != far) continue;
        ++alike;
        const bool kept = local ? !peer->waiting.empty() : wanted(*peer, now) || (peer->current && !far);
        if (!kept && (!last || rank(*peer) < rank(*last))) last = peer.get();
    }
    if (alike >= (far ? session_limit : neighbour_limit)) {
        if (!last) return nullptr;
        if (last->current) lose(*last, Loss::resting, now);
        forget(*last);
    }
    return make_peer(address, now);
}

void Links::State::say_no_room(const Address& address) {
    ++statistics.unreachable;
    LinkEvent event{.kind = LinkEvent::Kind::unreachable, .peer = address, .mtu = path_mtu(config.mtu)};
    event.reason = NakReason::busy;
    raised.push_back(event);
}

// Link permission, and a neighbour's place for who was none.
bool Links::State::may_link(const Peer* peer) const {
    if (peer && peer->configured) return true;
    if (!config.accept_members) return false;
    if (!peer || peer->way.endpoint.port != 0) return true;
    const auto neighbour = [](const auto& entry) {
        return !entry.second->configured && entry.second->way.endpoint.port != 0;
    };
    return std::size_t(std::count_if(peers.begin(), peers.end(), neighbour)) < neighbour_limit;
}

bool Links::State::is_far(const Address& address) const {
    return address.family() == Family::overlay && address.bytes().size() == 64 && address != identity.address();
}

void Links::State::bind(const Address& address, std::uint32_t path) {
    Peer* peer = find_peer(address);
    if (!peer && path != 0 && fabric && is_far(address) && !(peer = make_room(address, true, true, latest)))
        return say_no_room(address);
    if (!peer) return;
    if (peer->path != 0) paths.erase(peer->path);
    peer->path = path;
    if (path != 0) return paths.insert(path, peer);
    drop_waiting(*peer);  // nobody asks any more
    if (fabric && !peer->configured && !peer->current && !peer->way && peer->keyings.empty()) forget(*peer);
}

void Links::State::forget(Peer& peer) {
    end_attempt(peer);
    while (!peer.keyings.empty()) drop_keying(peer, *peer.keyings.back());
    if (fabric) tell_switch(peer, latest), forget_label_paths(peer, latest);
    if (peer.path != 0) paths.erase(peer.path);
    wheel.disarm(peer.number);
    by_number[peer.number - 1] = nullptr;
    for (std::size_t i = delivered; i < deliveries.size(); ++i)
        if (deliveries[i].peer == &peer) deliveries[i].peer = nullptr;
    peers.erase(Address{peer.address});
}

void Links::State::add_peer(const Address& address, std::span<const UdpEndpoint> endpoints, Instant now) {
    if (!is_far(address)) return;
    Peer* peer = find_peer(address);
    if (!peer) peer = make_peer(address, now);
    peer->configured = true;
    peer->endpoints.assign(endpoints.begin(),
                           endpoints.begin() + std::ptrdiff_t(std::min<std::size_t>(endpoints.size(), 8)));
    if (!peer->current && !peer->attempt) dial(*peer, now, false);
    wake(*peer, now);
}

void Links::State::remove_peer(const Address& address, Instant now) {
    Peer* peer = find_peer(address);
    if (!peer) return;
    if (peer->current) {
        const auto frame = make_frame(FrameType::close, Block<1>{});
        if (may_seal(*peer->current, now)) send_frames(*peer, *peer->current, frame, peer->way, Ecn::not_capable, now);
        raise(LinkEvent::Kind::down, *peer, now);
    }
    forget(*peer);
}

void Links::State::raise(LinkEvent::Kind kind, Peer& peer, Instant now) {
    LinkEvent event{kind, peer.address, path_mtu(datagram_mtu(peer)), peer.current && peer.current->elided,
                    peer.way.endpoint};
    event.session = peer.way.labelled();
    if (peer.linked && kind == LinkEvent::Kind::suspect) fabric->link_suspect(LinkNumber(peer.number), now);
    if (peer.linked && kind == LinkEvent::Kind::recovered) fabric->link_recovered(LinkNumber(peer.number), now);
    tell(event, peer, now);
}

void Links::State::tell(const LinkEvent& event, const Peer& peer, Instant now) {
    raised.push_back(event);
    if (sink.wants(trace::Type::link))
        sink.add(now, trace::no_flow, trace::Type::link, change_of(peer, event.kind, event.mtu));
}

void Links::State::drop(LinkDrop why, std::uint64_t detail, Instant now) {
    switch (why) {
    case LinkDrop::malformed: ++statistics.malformed; break;
    case LinkDrop::mac1_wrong: ++statistics.mac1_wrong; break;
    case LinkDrop::unknown_index: ++statistics.unknown_index; break;
    case LinkDrop::unauthentic: ++statistics.unauthentic; break;
    case LinkDrop::replayed: ++statistics.replayed; break;
    case LinkDrop::refused: ++statistics.refused; break;
    case LinkDrop::no_session: ++statistics.dropped_no_session; break;
    case LinkDrop::no_memory: ++statistics.dropped_no_memory; break;
    case LinkDrop::label: ++statistics.dropped_labels; break;
    case LinkDrop::reach: ++statistics.reach_refused; break;
    default: ++statistics.dropped_other; break;
    }
    sink.add(now, trace::no_flow, trace::Type::drop, trace::Drop{trace_links, std::uint32_t(why), 1, detail});
}

void Links::State::note_state(Peer& peer, Instant now) {
    using Now = PeerStatus::State;
    const bool waits_for_fin =
        std::any_of(peer.keyings.begin(), peer.keyings.end(), [](const auto& k) { return k->waits(); });
    const bool shaking = peer.attempt || waits_for_fin;
    Now state = shaking ? Now::init_sent : Now::idle;
    if (peer.current) state = peer.suspect ? Now::suspect : (peer.attempt ? Now::rekey : Now::up);
    if (state == peer.state) return;
    peer.state = state;
    peer.since = now;
}

void Links::State::wake(Peer& peer, Instant when) {
    if (when >= peer.armed) return;
    peer.armed = when;
    wheel.arm(peer.number, when);
}

std::uint32_t Links::State::fresh_index(const Target& target) {
    for (;;) {
        Block<4> bytes;
        entropy(bytes);
        const std::uint32_t index = load_little<std::uint32_t>(bytes.data());
        if (index == 0 || indices.find(index)) continue;
        indices.insert(index, target);
        return index;
    }
}

Id Links::State::own_id(const UdpEndpoint& observed, std::uint8_t aead, Instant now) const {
    Id id;
    id.aead = aead;
    id.features = config.checksum_elision ? Id::checksum_elision : std::uint16_t{0};
    id.key = identity.public_key();
    id.observed = observed;
    id.clock = config.unix_zero + std::uint64_t(now.nanoseconds() / 1'000'000'000);
    id.work_nonce = identity.work_nonce();
    return id;
}

Links::Links(Identity identity, const LinksConfig& config, Entropy entropy, BufferPool& pool)
    : state_{std::make_unique<State>(std::move(identity), config, entropy, pool)} {}
Links::Links(Links&&) noexcept = default;
Links& Links::operator=(Links&&) noexcept = default;
Links::~Links() = default;

const Address& Links::address() const { return state_->identity.address(); }

void Links::receive(std::span<Receive> datagrams, Instant now) {
    state_->latest = now;
    state_->batch_left = datagrams.size();
    for (Receive& datagram : datagrams) {
        --state_->batch_left;
        state_->receive(datagram, now);
    }
    state_->settle(now);
}

void Links::advance(Instant now) {
    state_->advance(now);
    if (state_->fabric && state_->fabric->deadline() <= now) state_->fabric->advance(now);
    state_->settle(now);
}

void Links::add_peer(const Address& peer, std::span<const UdpEndpoint> endpoints, Instant now) {
    state_->latest = now;
    state_->add_peer(peer, endpoints, now);
    state_->settle(now);
}

void Links::remove_peer(const Address& peer, Instant now) {
    state_->latest = now;
    state_->remove_peer(peer, now);
    state_->settle(now);
}

void Links::bind(const Address& address, std::uint32_t path) { state_->bind(address, path); }

void Links::want(const Address& address, Instant now) {
    state_->latest = now;
    Peer* peer = state_->find_peer(address);
    if (!peer && state_->fabric && state_->is_far(address) && !(peer = state_->make_room(address, true, true, now)))
        return state_->say_no_room(address);
    if (peer && !(peer->current && peer->way)) state_->want(*peer, now);
    state_->settle(now);
}

void Links::close(Instant now) {
    // Sessions first: they leave by the links.
    std::vector<Address> sessions;
    for (const auto& [address, peer] : state_->peers)
        if (!peer->linked) sessions.push_back(address);
    for (const Address& address : sessions) remove_peer(address, now);
    while (!state_->peers.empty()) remove_peer(Address{state_->peers.begin()->first}, now);
}

void Links::send(std::span<const Transmit> packets, Instant now) {
    state_->latest = now;
    for (const Transmit& packet : packets) state_->send(packet, now);
    state_->settle(now);
}

std::size_t Links::events(std::span<LinkEvent> out) {
    State& s = *state_;
    const std::size_t count = std::min(out.size(), s.raised.size() - s.told);
    std::copy_n(s.raised.begin() + std::ptrdiff_t(s.told), count, out.begin());
    if ((s.told += count) == s.raised.size()) {
        s.raised.clear();
        s.told = 0;
    }
    return count;
}

std::size_t Links::deliver(std::span<Receive> out) {
    State& s = *state_;
    std::size_t filled = 0;
    for (; filled < out.size() && s.delivered < s.deliveries.size(); ++s.delivered) {
        State::Delivery& next = s.deliveries[s.delivered];
        if (next.peer && next.peer->path != 0) {
            out[filled] = std::move(next.packet);
            out[filled++].path = next.peer->path;
        } else {
            ++s.statistics.dropped_no_session;
        }
        next = {};
    }
    if (s.delivered == s.deliveries.size()) {
        s.deliveries.clear();
        s.delivered = 0;
    }
    return filled;
}

std::size_t Links::transmit(std::span<Transmit> out, Instant) { return state_->outbox.transmit(out); }

Instant Links::deadline() const {
    if (!state_->outbox.empty()) return Instant{};
    return state_->fabric ? std::min(state_->wheel.next(), state_->fabric->deadline()) : state_->wheel.next();
}

std::vector<PeerStatus> Links::peers() const {
    std::vector<PeerStatus> out;
    for (const auto& [address, peer] : state_->peers) {
        PeerStatus status;
        status.address = address;
        status.endpoint =
            peer->way.endpoint.port == 0 && !peer->endpoints.empty() ? peer->endpoints.front() : peer->way.endpoint;
        status.state = peer->state;
        status.aead = peer->current ? std::uint8_t(peer->current->suite) : std::uint8_t{0};
        status.configured = peer->configured;
        status.srtt = peer->srtt;
        status.since = peer->since;
        status.last_heard = peer->last_heard;
        status.datagrams_in = peer->datagrams_in;
        status.datagrams_out = peer->datagrams_out;
        status.bytes_in = peer->bytes_in;
        status.bytes_out = peer->bytes_out;
        status.handshakes = peer->handshakes;
        status.replayed = peer->replayed;
        status.path = peer->path;
        status.mtu = state_->datagram_mtu(*peer);
        status.session = peer->way.labelled();
        status.link = LinkNumber(status.session ? 0 : peer->number);
        for (const LabelPath* path : peer->label_paths) {
            if (path->id != peer->way.path) continue;
            status.mtu = path->mtu;
            status.link = path->link, status.hops = path->hops, status.cost = path->cost, status.label_path = path->id;
        }
        out.push_back(status);
    }
    return out;
}

LinksStatistics Links::statistics() const {
    LinksStatistics out = state_->statistics;
    out.half_open = state_->half_open.size();
    return out;
}

Switch* Links::labels() { return state_->fabric.get(); }
const Switch* Links::labels() const { return state_->fabric.get(); }

void Links::trace(const trace::Sink& sink) {
    state_->sink = sink;
    if (state_->fabric) state_->fabric->trace(sink);
}

bool Links::tell(const trace::Sink& to, std::uint32_t& cursor, std::size_t most, Instant now) const {
    for (; cursor < state_->by_number.size(); ++cursor, --most) {
        if (most == 0) return true;
        const Peer* const peer = state_->by_number[cursor];
        if (!peer) continue;
        state_->define(*peer, to, now, trace::snapshot_flag);
        using Kind = LinkEvent::Kind;
        const Kind kind = !peer->current ? Kind::down : peer->suspect ? Kind::suspect : Kind::up;
        to.add(now, trace::no_flow, trace::Type::link, state_->change_of(*peer, kind, path_mtu(state_->datagram_mtu(*peer))),
               trace::snapshot_flag);
    }
    return false;
}

}  // namespace weft::overlay
