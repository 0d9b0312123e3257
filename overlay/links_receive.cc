// What arrives: the dispatch by type, packets under keys, and the frames inside them (docs/wire.md).
#include "overlay/access.h"
#include "overlay/ecn.h"
#include "overlay/frames.h"
#include "overlay/links_state.h"
#include "stack/wire/pseudo.h"

namespace weft::overlay {

void Links::State::receive(Receive& datagram, Instant now) {
    const Bytes bytes = datagram.frame.bytes();
    ++statistics.datagrams_in;
    statistics.bytes_in += bytes.size();
    if (!well_formed(bytes)) return drop(LinkDrop::malformed, bytes.size(), now);
    switch (Message(bytes[0])) {
    case Message::init: return receive_init(datagram, now);
    case Message::resp: return receive_resp(bytes, datagram.from, now);
    case Message::cookie: return receive_cookie(datagram, now);
    case Message::data: return receive_data(datagram, now);
    case Message::fin: return receive_fin(bytes, {datagram.from, bytes.size(), datagram.link, datagram.ecn}, now);
    }
}

void Links::State::receive_data(Receive& datagram, Instant now) {
    const Bytes bytes = datagram.frame.bytes();
    const Target* target = indices.find(load_little<std::uint32_t>(&bytes[4]));
    if (!target || target->kind != Target::Kind::keying) return drop(LinkDrop::unknown_index, 0, now);
    Peer& peer = *target->peer;
    Keying& keying = *target->keying;
    const std::uint64_t counter = load_little<std::uint64_t>(&bytes[8]);
    // The caller shows these bytes to nobody else: they are opened where they lie.
    const MutableBytes sealed{const_cast<std::byte*>(bytes.data()) + data_header, bytes.size() - data_header};
    bool highest = false;
    if (!unseal(peer, keying, bytes.first(data_header), sealed, counter, highest, now)) return;
    const Arrival arrival{datagram.from, bytes.size(), datagram.link, datagram.ecn, highest};
    heard(peer, keying, arrival, now);
    const Slice plain = datagram.frame.sub(data_header, std::uint32_t(bytes.size() - data_overhead));
    read_frames(peer, keying, arrival, plain, now);
}

bool Links::State::unseal(Peer& peer, Keying& keying, Bytes ad, MutableBytes sealed, std::uint64_t counter, bool& highest,
                          Instant now) {
    const auto replayed = [&] {
        ++peer.replayed;
        drop(LinkDrop::replayed, counter, now);
        return false;
    };
    if (!keying.window.acceptable(counter)) return replayed();
    if (!keying.keys->receive.open(ad, sealed, counter)) {
        drop(LinkDrop::unauthentic, counter, now);
        return false;
    }
    highest = counter >= keying.window.next();
    if (!keying.window.take(counter)) return replayed();
    ++keying.received;
    return true;
}

// Anything authentic: the peer lives. What comes by another way, if either is a label path, says nothing of the one in use.
void Links::State::heard(Peer& peer, Keying& keying, const Arrival& arrival, Instant now) {
    ++peer.datagrams_in;
    peer.bytes_in += arrival.bytes;
    peer.last_heard = keying.last_received = now;
    if (keying.first_received == never) {
        keying.first_received = now;
        wake(peer, now);   // older keys may now be counted down
    }
    if (arrival.ecn != Ecn::not_capable) peer.carries_ect = true;
    if (arrival.ecn == Ecn::congestion_experienced) ++keying.ce_marks;
    const bool was_silent = peer.suspect;
    const bool detour = !peer.way || peer.way.labelled() || arrival.from.labelled();
    if (!detour || arrival.from == peer.way) {
        peer.awaiting = never;
        revive(peer, now);
    }
    if (arrival.from == peer.way) {
        peer.way_heard = now;
    } else if (const bool better = !arrival.from.labelled() && peer.way.labelled();
               (!peer.way && arrival.from.labelled()) ||   // over UDP a source may be anybody's: it is asked first
               (!keying.confirmed && arrival.from == keying.fin_to && (was_silent || better || !peer.way))) {
        move_to(peer, arrival.from, now);
        revive(peer, now);
    } else if (arrival.newest && (!detour || peer.suspect || !peer.way)) consider(peer, arrival.from, arrival.bytes, now);
    if (!keying.confirmed) confirm(peer, keying, now);
}

namespace {
bool rests(const Peer& peer, const Frame& close) { return peer.way.labelled() && close.body[0] == std::byte(close_resting); }
}  // namespace

void Links::State::read_frames(Peer& peer, Keying& keying, const Arrival& arrival, const Slice& plain, Instant now) {
    FrameReader reader{plain.bytes()};
    bool answered = false;
    for (Frame frame; reader.next(frame);) {
        switch (frame.type) {
        case FrameType::net: take_net(peer, keying, arrival, plain, frame, now); break;
        case FrameType::path_challenge:  // the answer returns on the challenge's path; one a packet, so that it is no larger
            note_challenge(peer, now);
            if (!std::exchange(answered, true) && may_seal(keying, now)) {
                const auto response = make_frame(FrameType::path_response, take<8>(frame.body.data()));
                if (arrival.from == peer.roaming.candidate) peer.roaming.sent += data_overhead + response.size();
                send_frames(peer, keying, response, arrival.from, Ecn::ect0, now);
            }
            break;
        case FrameType::path_response: take_response(peer, frame.body, arrival.from, now); break;
        case FrameType::report: take_report(peer, keying, frame.body); break;
        case FrameType::close:
            peer.next_attempt = now + Duration::seconds(5);
            return lose(peer, rests(peer, frame) ? Loss::resting : Loss::closed, now);
        case FrameType::label: take_label(peer, keying, arrival, plain, frame, now); break;
        case FrameType::ctrl:
            if (arrival.from.labelled() || !peer.linked) drop(LinkDrop::no_tunnel, 2, now);
            else fabric->receive_control(LinkNumber(peer.number), frame.body, now);
            break;
        case FrameType::pad: break;
        }
    }
    if (reader.malformed()) drop(LinkDrop::malformed, plain.size(), now);
}

// A challenge on an idle path, right after an empty packet: the NAT had forgotten us and the peer saw a new source.
void Links::State::note_challenge(Peer& peer, Instant now) {
    if (peer.kept_alive == never || now - peer.kept_alive > Duration::seconds(1) || peer.last_used >= peer.kept_alive)
        return;
    peer.kept_alive = never;
    peer.keepalive_cap = peer.keepalive = std::max(Duration::seconds(15), peer.keepalive / 2);
}

void Links::State::got_data(Peer& peer, Keying& keying, Instant now) {
    peer.last_used = now;
    if (keying.first_data == never) {
        keying.first_data = now;
        wake(peer, rekey_due(keying));
    }
    if (peer.report_due == never) {
        peer.report_due = now + peer.report_after();
        wake(peer, peer.report_due);
    }
    if (peer.next_challenge == never) {
        peer.next_challenge = now + Duration::seconds(1);
        wake(peer, peer.next_challenge);
    }
}

void Links::State::take_net(Peer& peer, Keying& keying, const Arrival& arrival, const Slice& plain, const Frame& frame,
                            Instant now) {
    const bool detour = peer.way.labelled() || arrival.from.labelled();
    if (arrival.newest && detour && arrival.from != peer.way)
        consider(peer, arrival.from, arrival.bytes, now);  // it sends there
    // Elided sums count only where both ends agreed; extension headers have no user yet.
    if ((frame.net.sums_elided && !keying.elided) || frame.net.extension_headers) return drop(LinkDrop::malformed, 0, now);
    if (!may_reach(peer, keying, arrival, plain, frame, now)) return;
    got_data(peer, keying, now);  // who is refused keeps nothing alive
    Receive packet;
    packet.link = arrival.link;
    packet.from = arrival.from.endpoint;
    packet.ecn = Ecn(frame.net.traffic_class & 3);
    if (!decapsulate(arrival.ecn, packet.ecn)) return drop(LinkDrop::congestion_not_ect, 0, now);
    packet.frame = plain.sub(std::uint32_t(frame.offset), std::uint32_t(frame.body.size()));
    packet.protocol = frame.net.protocol;
    packet.checksum_verified = frame.net.sums_elided;
    if (deliveries.size() - delivered >= delivery_limit) return drop(LinkDrop::no_memory, 0, now);
    deliveries.push_back({std::move(packet), &peer});
}

// Reach: asked of every packet, so that a rule that is gone counts at once.
bool Links::State::may_reach(Peer& peer, Keying& keying, const Arrival& arrival, const Slice& plain, const Frame& frame,
                             Instant now) {
    if (!config.access) return true;
    const Access::Verdict verdict = config.access->inbound(peer.address, frame.net.protocol, frame.body, now);
    if (verdict == Access::Verdict::pass) return true;
    if (verdict == Access::Verdict::refuse)
        refuse_reach(peer, keying, arrival.from, frame.net.protocol,
                     plain.bytes().subspan(frame.offset - wire::NetFrame::header_size), now);
    drop(LinkDrop::reach, frame.net.protocol, now);
    return false;
}

// By the way that the packet came.
void Links::State::refuse_reach(Peer& peer, Keying& keying, const Way& from, std::uint8_t protocol, Bytes net_frame,
                                Instant now) {
    if (!may_seal(keying, now)) return;
    std::array<std::byte, Access::refusal_size> packet;
    const Access::Refusal refusal = Access::refusal(protocol, net_frame, packet);
    std::array<std::byte, wire::NetFrame::header_size + Access::refusal_size> frame;
    const wire::NetFrame net{.sums_elided = keying.elided, .protocol = refusal.protocol};
    net.write(frame);
    if (!keying.elided) {
        const std::uint16_t addresses = wire::pseudo_sum(identity.address(), peer.address);
        const std::uint16_t sum = checksum::add(wire::pseudo_sum(addresses, refusal.protocol, std::uint32_t(refusal.size)),
                                                checksum::sum(Bytes{packet}.first(refusal.size)));
        store_big(&packet[refusal.checksum_at], std::uint16_t(~sum));
    }
    append(&frame[wire::NetFrame::header_size], Bytes{packet}.first(refusal.size));
    send_frames(peer, keying, Bytes{frame}.first(wire::NetFrame::header_size + refusal.size), from, Ecn::not_capable, now);
}

void Links::State::take_response(Peer& peer, Bytes body, const Way& from, Instant now) {
    for (Peer::Challenge& made : peer.challenges) {
        if (made.sent == never || !equal(body, made.bytes)) continue;
        sample_rtt(peer, now - made.sent);
        made.sent = never;
        return;
    }
    if (!peer.roaming.active) return;
    const bool detour = !peer.way || peer.way.labelled() || peer.roaming.candidate.labelled();
    // The challenge to the old endpoint went nowhere else: whoever brings the answer, that endpoint still reaches the peer.
    if (equal(body, peer.roaming.to_old)) {
        if (!peer.way.labelled()) keep_way(peer, now);
        return;
    }
    if (from != peer.roaming.candidate || !equal(body, peer.roaming.to_new)) return;
    peer.roaming.answered = true;
    if (detour && (!peer.way || peer.way.labelled() || peer.suspect)) {  // nothing is to be waited for
        move_to(peer, from, now);
        return revive(peer, now);
    }
    wake(peer, now);  // perhaps it is what was waited for
}

// Highest counter, received, CE marks, of what we sent under these keys.
void Links::State::take_report(Peer& peer, Keying& keying, Bytes body) {
    const std::uint64_t through = std::uint64_t{load_little<std::uint32_t>(&body[0])} + 1;
    const std::uint64_t received = load_little<std::uint32_t>(&body[4]);
    if (through > keying.sent || received > through) return;
    peer.loss_ppm = std::uint32_t((through - received) * 1'000'000 / through);
}

void Links::State::sample_rtt(Peer& peer, Duration sample) {
    peer.srtt = peer.srtt == Duration{} ? sample : (peer.srtt * 7 + sample) / 8;
    if (peer.linked) fabric->link_quality(LinkNumber(peer.number), peer.srtt, peer.loss_ppm, latest);
}

}  // namespace weft::overlay
