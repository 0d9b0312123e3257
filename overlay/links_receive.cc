// What arrives: the dispatch by type, packets under keys, and the frames inside them (docs/wire.md).
#include "overlay/frames.h"
#include "overlay/links_state.h"

namespace weft::overlay {
namespace {

// RFC 6040, section 4.2: the ECN field of what leaves the tunnel; false: drop, congestion met a flow that is not capable.
bool decapsulate(Ecn outer, Ecn& inner) {
    if (outer == Ecn::congestion_experienced) {
        if (inner == Ecn::not_capable) return false;
        inner = outer;
    } else if (outer == Ecn::ect1 && inner == Ecn::ect0) {
        inner = outer;
    }
    return true;
}

}  // namespace

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
    if (!keying.window.acceptable(counter)) {
        ++peer.replayed;
        return drop(LinkDrop::replayed, counter, now);
    }
    // The caller shows these bytes to nobody else: they are opened where they lie.
    const MutableBytes sealed{const_cast<std::byte*>(bytes.data()) + data_header, bytes.size() - data_header};
    if (!keying.keys->receive.open(bytes.first(data_header), sealed, counter))
        return drop(LinkDrop::unauthentic, counter, now);
    const bool highest = counter >= keying.window.next();
    if (!keying.window.take(counter)) {
        ++peer.replayed;
        return drop(LinkDrop::replayed, counter, now);
    }
    ++keying.received;
    const Arrival arrival{datagram.from, bytes.size(), datagram.link, datagram.ecn};
    heard(peer, keying, arrival, highest, now);
    const Slice plain = datagram.frame.sub(data_header, std::uint32_t(bytes.size() - data_overhead));
    read_frames(peer, keying, arrival, plain, now);
}

// Anything authentic: the peer lives.
void Links::State::heard(Peer& peer, Keying& keying, const Arrival& arrival, bool highest, Instant now) {
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
    peer.awaiting = never;
    if (peer.suspect) {
        peer.suspect = false;
        if (peer.attempt && peer.attempt->for_silence) end_attempt(peer);
        raise(LinkEvent::Kind::recovered, peer, now);
        note_state(peer, now);
    }
    if (arrival.from == peer.way) peer.way_heard = now;
    else if (!keying.confirmed && was_silent && arrival.from == keying.fin_to) move_to(peer, arrival.from, now);
    else if (highest) consider(peer, arrival.from, arrival.bytes, now);
    if (!keying.confirmed) confirm(peer, keying, now);
}

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
        case FrameType::close: peer.next_attempt = now + Duration::seconds(5); return lose(peer, Loss::closed, now);
        case FrameType::ctrl:
        case FrameType::label: drop(LinkDrop::no_session, 0, now); break;
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

void Links::State::take_net(Peer& peer, Keying& keying, const Arrival& arrival, const Slice& plain, const Frame& frame,
                            Instant now) {
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
    // Elided sums count only where both ends agreed; extension headers have no user yet.
    if ((frame.net.sums_elided && !keying.elided) || frame.net.extension_headers) return drop(LinkDrop::malformed, 0, now);
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

void Links::State::take_response(Peer& peer, Bytes body, const Way& from, Instant now) {
    for (Peer::Challenge& made : peer.challenges) {
        if (made.sent == never || !equal(body, made.bytes)) continue;
        sample_rtt(peer, now - made.sent);
        made.sent = never;
        return;
    }
    if (!peer.roaming.active) return;
    // The challenge to the old endpoint went nowhere else: whoever brings the answer, that endpoint still reaches the peer.
    if (equal(body, peer.roaming.to_old)) return keep_way(peer, now);
    if (from != peer.roaming.candidate || !equal(body, peer.roaming.to_new)) return;
    peer.roaming.answered = true;
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
}

}  // namespace weft::overlay
