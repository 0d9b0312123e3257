// The initiator: INIT and its repetitions, COOKIE, RESP, FIN until it is answered (docs/wire.md).
#include "overlay/frames.h"
#include "overlay/links_state.h"

namespace weft::overlay {

Duration Links::State::first_gap(const Peer& peer) {
    return peer.endpoints.empty() && !peer.way ? Duration::milliseconds(500) : Duration::seconds(5);
}

// A living channel rekeys by its way; without one, or when it fell silent, every configured endpoint is tried. So it is while a
// neighbour is reached along a label path: its link is better. Who has no endpoint is looked for by the switch.
void Links::State::dial(Peer& peer, Instant now, bool for_silence) {
    end_attempt(peer);
    auto attempt = std::make_unique<Attempt>(Door{config.network, peer.address});
    const bool detour = peer.current && peer.way.labelled();
    const bool for_link = detour && !for_silence && !peer.endpoints.empty() && now < rekey_due(*peer.current);
    if (peer.way && !for_link) attempt->to.push_back(peer.way);
    if (!peer.current || for_silence || for_link)
        for (const UdpEndpoint& endpoint : peer.endpoints)
            if (std::find(attempt->to.begin(), attempt->to.end(), Way{endpoint}) == attempt->to.end())
                attempt->to.push_back(endpoint);
    const bool searched = fabric && (attempt->to.empty() || (detour && for_silence));
    if (attempt->to.empty() && !searched) return;

    attempt->state = Lent{states};
    attempt->index = fresh_index({Target::Kind::attempt, &peer, nullptr, 0});
    noise::Key ephemeral;
    entropy(ephemeral);
    attempt->init = make_init(attempt->door, *attempt->state, config.suites, attempt->index, ephemeral);
    sodium_memzero(ephemeral.data(), ephemeral.size());
    attempt->started = now;
    attempt->for_silence = for_silence;
    peer.attempt = std::move(attempt);

    Block<2> jitter;
    entropy(jitter);  // up to a second
    peer.next_attempt = now + peer.gap + Duration::microseconds(load_little<std::uint16_t>(jitter.data()) * 15);
    if (for_link) peer.next_for_link = std::exchange(peer.next_attempt, now);
    if (!peer.current || for_link) peer.gap = std::min(peer.gap * 2, Duration::seconds(300));
    if (searched) open_path(peer, now);
    if (peer.attempt) send_init(peer, now);
    note_state(peer, now);
}

// A flow does not wait for the schedule of those who keep dialling: it asks at once, and again as if for the first time.
void Links::State::want(Peer& peer, Instant now) {
    peer.gap = first_gap(peer);
    const bool lost = fabric && peer.current && !peer.way && may_seal(*peer.current, now);
    if (lost) return wake(peer, std::max(now, peer.search.not_before));  // living keys, and no way
    for (const auto& keying : peer.keyings)  // a FIN is on its way
        if (keying->waits() && now - keying->fin_sent < Duration::seconds(1)) return;
    if (peer.attempt && now - peer.attempt->started < Attempt::lifetime) {
        if (now - peer.attempt->last_sent < repetitions[0]) return;
        peer.attempt->step = 0;
        send_init(peer, now);
    } else if (fabric && peer.endpoints.empty() && !peer.way && now < peer.search.not_before) {
        say_unreachable(peer, now);
    } else {
        dial(peer, now, false);
    }
}

void Links::State::send_init(Peer& peer, Instant now) {
    Attempt& attempt = *peer.attempt;
    for (const Way& to : attempt.to)
        send_message(peer, Bytes{attempt.init}.first(to.labelled() ? init_head : init_size), to, now);
    attempt.last_sent = now;
    ++attempt.sent;
    wake(peer, now + repetitions[0]);
}

void Links::State::end_attempt(Peer& peer) {
    if (!peer.attempt) return;
    indices.erase(peer.attempt->index);
    peer.attempt.reset();
}

void Links::State::receive_cookie(const Receive& datagram, Instant now) {
    const Bytes message = datagram.frame.bytes();
    Target* target = indices.find(load_little<std::uint32_t>(&message[4]));
    if (!target || target->kind != Target::Kind::attempt) return drop(LinkDrop::unknown_index, 0, now);
    Peer& peer = *target->peer;
    Attempt& attempt = *peer.attempt;
    const bool asked = std::find(attempt.to.begin(), attempt.to.end(), Way{datagram.from}) != attempt.to.end();
    if (!asked || attempt.cookies == Attempt::cookies_taken_at_most) return drop(LinkDrop::refused, 0, now);
    const auto cookie = attempt.door.open_cookie(message, attempt.init);
    if (!cookie) return drop(LinkDrop::unauthentic, 0, now);
    ++attempt.cookies;
    append(&attempt.init[176], Door::mac2(*cookie, attempt.init));
    send_init(peer, now);
}

// The checks of whoever reads an ID, in their order: address, static key, AEAD; permission is the dialler's own.
void Links::State::receive_resp(Bytes message, const Way& from, Instant now) {
    Target* target = indices.find(load_little<std::uint32_t>(&message[8]));
    if (!target || target->kind != Target::Kind::attempt) return drop(LinkDrop::unknown_index, 0, now);
    Peer& peer = *target->peer;
    Attempt& attempt = *peer.attempt;
    const bool asked = std::find(attempt.to.begin(), attempt.to.end(), from) != attempt.to.end();
    if (!asked || now - attempt.started > Attempt::lifetime) return drop(LinkDrop::refused, 0, now);

    Lent<noise::State> copy{states};
    *copy = *attempt.state;
    Block<Id::size> bytes;
    if (!noise::read_second(*copy, message.subspan(12), bytes.data())) return drop(LinkDrop::unauthentic, 0, now);
    const Id id = Id::decode(bytes);
    if (id.address_suite != suite_ed25519 || address_of(id.key, id.address_suite) != peer.address)
        return drop(LinkDrop::refused, 1, now);
    if (!peer.noise_public) peer.noise_public = noise_public_of(id.key);
    if (!peer.noise_public || *peer.noise_public != copy->rs) return drop(LinkDrop::refused, 2, now);
    if (id.aead > 15 || (config.suites >> id.aead & 1) == 0) return drop(LinkDrop::refused, 3, now);

    if (!from.labelled()) {
        if (attempt.sent == 1) sample_rtt(peer, now - attempt.last_sent);
        peer.behind_nat = std::find(config.own.begin(), config.own.end(), id.observed) == config.own.end();
    }
    Id own = own_id(from.endpoint, id.aead, now);
    const bool crossed = attempt.crossed;
    auto fresh = make_keying(true, Suite(id.aead), id, now);
    fresh->remote_index = load_little<std::uint32_t>(&message[4]);
    fresh->local_index = attempt.index;
    fresh->crossed = crossed;
    fresh->fin_to = from;
    Keying& keying = *fresh;
    peer.attempt->index = 0;  // the keys inherit it
    end_attempt(peer);
    indices.insert(keying.local_index, {Target::Kind::keying, &peer, &keying, 0});
    keep_keying(peer, std::move(fresh));
    make_fin(peer, keying, *copy, own, now);
}

void Links::State::make_fin(Peer& peer, Keying& keying, noise::State& state, const Id& id, Instant now) {
    // The first waiting packet rides along if it is one datagram: NET runs to the end, so there is room for one.
    std::vector<std::byte> plain(Id::size);
    append(plain.data(), id.encode());
    const bool first = !peer.current;
    const auto leaves = departure(peer, keying.fin_to, 1, now);
    const std::size_t room = !leaves ? 0 : leaves->path ? leaves->room + noise::tag_size : config.mtu;
    const bool rides = first && !peer.waiting.empty() && room > fin_size &&
                       append_single(keying, peer.waiting.front(), room - fin_size, plain);
    if (rides) {
        peer.waiting_bytes -= peer.waiting.front().bytes;
        peer.waiting.pop_front();
    }
    Chunk* chunk = pool.allocate(plain.size() + fin_size - Id::size);
    if (!chunk) {
        drop(LinkDrop::no_memory, 0, now);
        return drop_keying(peer, keying);
    }
    keying.fin = Slice{chunk, 0, std::uint32_t(plain.size() + fin_size - Id::size)};
    std::byte* out = chunk->data();
    std::fill_n(out, 8, std::byte{0});
    out[0] = std::byte(Message::fin);
    out[1] = std::byte{protocol_version};
    store_little(out + 4, keying.remote_index);
    if (!noise::write_third(state, own_keys(), plain, out + 8)) {
        drop(LinkDrop::refused, 4, now);
        return drop_keying(peer, keying);
    }
    set_keys(keying, state);
    keying.fin_sent = now;
    send_fin(peer, keying, now);
    ++peer.handshakes;
    ++statistics.handshakes;
    if (first) {  // UP: sends at once
        move_to(peer, keying.fin_to, now);
        choose(peer, &keying, now);
        if (rides) sent_data(peer, keying, now);
        flush(peer, now);
    }
    note_state(peer, now);
}

void Links::State::send_fin(Peer& peer, Keying& keying, Instant now) {
    send_message(peer, keying.fin.bytes(), keying.fin_to, now);
    wake(peer, now + repetitions[0]);
}

// Crossing handshakes end on the one whose initiator has the lower address; else the newest wins.
void Links::State::confirm(Peer& peer, Keying& keying, Instant now) {
    keying.confirmed = true;
    keying.confirmed_at = now;
    keying.fin = {};
    peer.gap = Duration::seconds(5);
    peer.next_attempt = now;
    peer.next_for_link = now + peer.gap;
    if (&keying == peer.current) return note_state(peer, now);
    const bool theirs =
        keying.crossed && !(identity.address() < peer.address) && peer.current && may_seal(*peer.current, now);
    if (theirs || (!keying.crossed && peer.current && peer.current->born > keying.born)) return;
    choose(peer, &keying, now);
    flush(peer, now);
}

}  // namespace weft::overlay
