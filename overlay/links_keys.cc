// Keys: how long they live, which one is sent under, and sealing (docs/wire.md).
#include "overlay/frames.h"
#include "overlay/links_state.h"

namespace weft::overlay {

std::unique_ptr<Keying> Links::State::make_keying(bool initiator, Suite suite, const Id& id, Instant now) {
    auto keying = std::make_unique<Keying>();
    keying->keys = Lent{ciphers};
    keying->suite = suite;
    keying->initiator = initiator;
    keying->elided = config.checksum_elision && (id.features & Id::checksum_elision) != 0;
    keying->born = now;
    return keying;
}

void Links::State::set_keys(Keying& keying, const noise::State& state) {
    noise::Keys keys = noise::split(state);
    keying.keys->send.set(keying.suite, keying.initiator ? keys.initiator_sends : keys.responder_sends);
    keying.keys->receive.set(keying.suite, keying.initiator ? keys.responder_sends : keys.initiator_sends);
    sodium_memzero(&keys, sizeof keys);
}

// Bounded: the oldest that is not sent under makes room.
void Links::State::keep_keying(Peer& peer, std::unique_ptr<Keying> keying) {
    if (peer.keyings.size() == Peer::keyings_limit)
        drop_keying(peer, *peer.keyings[peer.keyings[0].get() == peer.current ? 1 : 0]);
    peer.keyings.push_back(std::move(keying));
}

// The design's 180 s for a rekey at 120 s and 3,660 s for one at 3,600 s, in proportion.
Instant Links::State::key_end(const Keying& keying) const {
    if (keying.first_data != never) return keying.first_data + config.rekey_initiator * 3 / 2;
    return keying.born + config.rekey_idle * 61 / 60;
}

// Without traffic the responder, too, waits three quarters of the time that is left, as 165 s are of 120 and 180 s.
Instant Links::State::rekey_due(const Keying& keying) const {
    if (keying.sent >= config.rekey_packets) return Instant{};
    if (keying.first_data != never)
        return keying.first_data + (keying.initiator ? config.rekey_initiator : config.rekey_responder);
    return patient(keying.born + (keying.initiator ? config.rekey_idle : config.rekey_idle * 81 / 80));
}

bool Links::State::may_seal(const Keying& keying, Instant now) const {
    return keying.sent < 2 * config.rekey_packets && now < key_end(keying);
}

bool Links::State::young(const Keying& keying, Instant now) const {
    const Instant due =
        keying.first_data != never ? keying.first_data + config.rekey_initiator : keying.born + config.rekey_idle;
    return now + Duration::seconds(1) < due && std::max(keying.sent, keying.window.next()) < config.rekey_packets;
}

void Links::State::drop_keying(Peer& peer, Keying& keying) {
    indices.erase(keying.local_index);
    if (peer.current == &keying) peer.current = nullptr;
    std::erase_if(peer.keyings, [&](const auto& held) { return held.get() == &keying; });
}

void Links::State::choose(Peer& peer, Keying* keying, Instant now) {
    const bool first = peer.current == nullptr;
    peer.current = keying;
    peer.awaiting = never;
    if (!first && !peer.suspect) {
        raise(LinkEvent::Kind::rekeyed, peer, now);
    } else if (!first) {
        raise(LinkEvent::Kind::rekeyed, peer, now);
        raise(LinkEvent::Kind::recovered, peer, now);
        // It answered no more under the old keys: a new process, which remembers no control message.
        if (peer.linked) fabric->link_up(LinkNumber(peer.number), peer.address, config.mtu, peer.srtt, now);
    } else {
        peer.last_heard = peer.up_since = now;
        raise(LinkEvent::Kind::up, peer, now);
    }
    peer.suspect = false;
    wake(peer, peer.way.labelled() ? now : std::min(rekey_due(*keying), key_end(*keying)));
    tell_switch(peer, now);
    note_state(peer, now);
}

// When keys end, others that were proved may still serve. A handshake under way goes on, unless the peer took its leave.
void Links::State::lose(Peer& peer, Loss why, Instant now) {
    const bool ended = why == Loss::closed || why == Loss::resting;
    peer.current = nullptr;
    for (std::size_t i = peer.keyings.size(); i-- > 0;) {
        Keying& keying = *peer.keyings[i];
        if (!keying.confirmed && !ended) continue;
        if (why == Loss::keys_ended && may_seal(keying, now)) {
            peer.current = &keying;
            return;
        }
        drop_keying(peer, keying);
    }
    if (ended) end_attempt(peer);
    peer.suspect = false;
    peer.awaiting = peer.report_due = peer.next_challenge = peer.kept_alive = never;
    peer.challenges = {};
    peer.roaming = {};
    tell_switch(peer, now);
    forget_label_paths(peer, now);
    raise(why == Loss::resting ? LinkEvent::Kind::resting : LinkEvent::Kind::down, peer, now);
    peer.gap = first_gap(peer);
    if (peer.configured || !peer.waiting.empty() || wanted(peer, now)) wake(peer, now);
    note_state(peer, now);
}

// 0 type 0x04 | 1 flags | 2 zero u16 | 4 receiver index u32 | 8 counter u64 | AEAD(frames) | tag[16]
void Links::State::seal(Peer& peer, Keying& keying, std::byte* datagram, std::size_t frames) {
    store_little(datagram, std::uint32_t(Message::data));
    store_little(datagram + 4, keying.remote_index);
    store_little(datagram + 8, keying.sent);
    keying.keys->send.seal({datagram, data_header}, datagram + data_header, frames, keying.sent);
    count_sealed(peer, keying);
    ++statistics.datagrams_out, ++peer.datagrams_out;
    statistics.bytes_out += data_overhead + frames, peer.bytes_out += data_overhead + frames;
}

// One counter a key and direction, whichever form the packet has.
void Links::State::count_sealed(Peer& peer, Keying& keying) {
    if (++keying.sent == config.rekey_packets) wake(peer, Instant{});
}

std::uint32_t Links::State::datagram_mtu(const Peer& peer) const {
    for (const LabelPath* path : peer.label_paths)
        if (path->id == peer.way.path) return path->mtu - std::uint32_t(LabelHeader::size) - session_overhead;
    return config.mtu;
}

// Small frames in a packet of their own. Only an answer and what keeps a NAT open may be empty.
bool Links::State::send_frames(Peer& peer, Keying& keying, Bytes frames, const Way& to, Ecn ecn, Instant now) {
    const auto out = departure(peer, to, 1, now);
    if (!out || frames.size() > out->room) {
        drop(LinkDrop::no_session, 0, now);
        return false;
    }
    const Ecn outer = out->path && !out->carries_ect ? Ecn::not_capable : ecn;
    std::byte* at = outbox.add(out->to, outer, Instant{}, out->around + frames.size(), 0);
    if (!at) {
        drop(LinkDrop::no_memory, 0, now);
        return false;
    }
    append(at + out->ahead, frames);
    seal_for(*out, peer, keying, at, frames.size(), ecn, 0);
    carried(*out, now);
    peer.last_sent = now;
    peer.report_due = never;
    return true;
}

bool Links::State::send_message(Peer& peer, Bytes message, const Way& to, Instant now) {
    return to.labelled() ? send_unsealed(message, to.path, now) : send_raw(&peer, message, to);
}

// A handshake message, straight over UDP.
bool Links::State::send_raw(Peer* peer, Bytes message, const Way& to) {
    std::byte* at = outbox.add(to.endpoint, Ecn::not_capable, Instant{}, message.size(), 0);
    if (!at) {
        ++statistics.dropped_no_memory;
        return false;
    }
    append(at, message);
    ++statistics.datagrams_out;
    statistics.bytes_out += message.size();
    if (peer) {
        ++peer->datagrams_out;
        peer->bytes_out += message.size();
    }
    return true;
}

}  // namespace weft::overlay
