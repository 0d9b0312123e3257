// Packets along label paths (docs/wire.md): a session packet sealed inside, LABEL in front of it, the link's DATA sealed around
// both; what arrives so is carried on or ends here.
#include "overlay/ecn.h"
#include "overlay/frames.h"
#include "overlay/links_state.h"

namespace weft::overlay {
namespace {

constexpr std::size_t session_at = data_header + LabelHeader::size;  // in a datagram

// The 64-bit counter with these low bits that is nearest to the next one expected.
std::uint64_t nearest(std::uint64_t next, std::uint32_t low) {
    const auto ahead = std::int32_t(low - std::uint32_t(next));
    if (ahead < 0 && next < std::uint64_t(-std::int64_t{ahead})) return low;
    return next + std::uint64_t(std::int64_t{ahead});
}

std::size_t size_of_unsealed(Bytes message) {
    switch (Message(message.empty() ? std::byte{} : message[0])) {
    case Message::init: return init_head;
    case Message::resp: return resp_size;
    case Message::fin: return std::max(message.size(), fin_size);
    default: return 0;
    }
}

bool unsealed_is_sound(Bytes message) {
    if (message.size() < 4 || message.size() != size_of_unsealed(message)) return false;
    const bool zeros = message[2] == std::byte{} && message[3] == std::byte{};
    return message[1] == std::byte{protocol_version} && (zeros || Message(message[0]) == Message::init);
}

}  // namespace

// Nothing leaves by a way whose keys, the link's own ones included, could not seal so many packets.
std::optional<Departure> Links::State::departure(Peer& peer, const Way& way, std::size_t packets, Instant now) {
    Departure out;
    if (!way.labelled()) {
        if (way.endpoint.port == 0) return std::nullopt;
        out.to = way.endpoint;
        out.carries_ect = peer.carries_ect;
        out.ahead = data_header, out.around = data_overhead;
        out.room = config.mtu - out.around;
        return out;
    }
    LabelPath* path = find_label_path(way.path);
    if (!path || !path->open) return std::nullopt;
    Peer* link = path->link <= by_number.size() && path->link != 0 ? by_number[path->link - 1] : nullptr;
    if (!link || !link->linked || !may_seal(*link->current, now)) return std::nullopt;
    if (link->current->sent + packets > 2 * config.rekey_packets) return std::nullopt;
    out.to = link->way.endpoint;
    out.path = path;
    out.link = link;
    out.carries_ect = link->carries_ect;
    out.ahead = std::uint32_t(session_at) + session_header;
    out.around = std::uint32_t(data_overhead + LabelHeader::size) + session_overhead;
    out.room = path->mtu - out.around;
    return out;
}

// 0 receiver index u32 | 4 counter low u32 | AEAD(frames) | tag[16], AD = bytes 0..7; the counter is DATA's.
void Links::State::seal_for(const Departure& out, Peer& peer, Keying& keying, std::byte* datagram, std::size_t frames,
                            Ecn ecn, std::uint16_t flow) {
    if (!out.path) return seal(peer, keying, datagram, frames);
    std::byte* const session = datagram + session_at;
    store_little(session, keying.remote_index);
    store_little(session + 4, std::uint32_t(keying.sent));
    keying.keys->send.seal({session, session_header}, session + session_header, frames, keying.sent);
    count_sealed(peer, keying);
    ++peer.datagrams_out;
    peer.bytes_out += session_overhead + frames;
    seal_outside(out, datagram, session_overhead + frames, ecn, flow);
}

void Links::State::seal_outside(const Departure& out, std::byte* datagram, std::size_t session, Ecn ecn,
                                std::uint16_t flow) {
    const LabelHeader label{.ecn = std::uint8_t(ecn), .flow = flow, .label = out.path->label};
    label.write(datagram + data_header);
    seal(*out.link, *out.link->current, datagram, LabelHeader::size + session);
}

// The link carried LABEL: it owes an answer, as after NET.
void Links::State::carried(const Departure& out, Instant now) {
    if (!out.path) return;
    out.path->sent = now;
    sent_data(*out.link, *out.link->current, now);
}

// Index 0, four zero bytes, then RESP, FIN or INIT's first 40 bytes.
bool Links::State::send_unsealed(Bytes message, std::uint64_t path, Instant now) {
    LabelPath* end = find_label_path(path);
    if (!end || !end->open) return false;
    Peer* link = by_number[end->link - 1];
    const auto out = link ? departure(*link, Way::along(path), 1, now) : std::nullopt;
    if (!out) return false;
    const std::size_t session = session_header + message.size();
    std::byte* at = outbox.add(out->to, Ecn::not_capable, Instant{}, data_overhead + LabelHeader::size + session, 0);
    if (!at) {
        ++statistics.dropped_no_memory;
        return false;
    }
    std::fill_n(at + session_at, session_header, std::byte{0});
    append(at + session_at + session_header, message);
    seal_outside(*out, at, session, Ecn::not_capable, 0);
    carried(*out, now);
    return true;
}

// Only from a neighbour, over UDP: there is no tunnel in a tunnel.
void Links::State::take_label(Peer& peer, Keying& keying, const Arrival& arrival, const Slice& plain, const Frame& frame,
                              Instant now) {
    if (arrival.from.labelled() || !peer.linked) return drop(LinkDrop::no_tunnel, 1, now);
    constexpr std::size_t behind_type = LabelHeader::size - 1;
    if (frame.body.size() < behind_type + session_overhead) return drop(LinkDrop::malformed, frame.body.size(), now);
    got_data(peer, keying, now);
    const LabelHeader label = LabelHeader::read(frame.body.data() - 1);
    Ecn inner = Ecn(label.ecn);
    if (!decapsulate(arrival.ecn, inner)) return drop(LinkDrop::congestion_not_ect, 1, now);
    const auto at = std::uint32_t(frame.offset + behind_type);
    const Slice session = plain.sub(at, plain.size() - at);
    const Onward onward = fabric->onward(LinkNumber(peer.number), label.label, label.hop_limit,
                                         data_overhead + LabelHeader::size + session.size(), now);
    switch (onward.kind) {
    case Onward::Kind::drop: return drop(LinkDrop::label, std::uint64_t(onward.why), now);
    case Onward::Kind::forward: return forward(onward, label, inner, session.bytes(), now);
    case Onward::Kind::deliver: break;
    }
    LabelPath* path = find_label_path(onward.path);
    if (!path) return drop(LinkDrop::label, 0, now);
    receive_session(*path, session, {Way::along(path->id), session.size(), arrival.link, inner}, now);
}

// Opened by the last link's keys, sealed by the next one's: one copy into the train that waits for that neighbour.
void Links::State::forward(const Onward& onward, const LabelHeader& label, Ecn inner, Bytes session, Instant now) {
    Peer* next = onward.link != 0 && onward.link <= by_number.size() ? by_number[onward.link - 1] : nullptr;
    if (!next || !next->linked || !may_seal(*next->current, now)) return drop(LinkDrop::label, 0, now);
    const std::size_t frames = LabelHeader::size + session.size(), size = data_overhead + frames;
    if (size > config.mtu) return drop(LinkDrop::too_large, size, now);
    const Ecn outer = next->carries_ect ? inner : Ecn::not_capable;
    std::byte* at = outbox.add(next->way.endpoint, outer, Instant{}, size, batch_left * size);
    if (!at) return drop(LinkDrop::no_memory, 1, now);
    LabelHeader{std::uint8_t(inner), onward.hop_limit, label.flow, onward.label}.write(at + data_header);
    append(at + session_at, session);
    seal(*next, *next->current, at, frames);
    sent_data(*next, *next->current, now);
}

// The end of a path: the receiver index finds the keys; whose they are must be whose path it is.
void Links::State::receive_session(LabelPath& path, const Slice& packet, const Arrival& arrival, Instant now) {
    const Bytes bytes = packet.bytes();
    const std::uint32_t index = load_little<std::uint32_t>(&bytes[0]);
    if (index == 0) return receive_unsealed(path, bytes.subspan(session_header), arrival, now);
    const Target* target = indices.find(index);
    if (!target || target->kind != Target::Kind::keying) return drop(LinkDrop::unknown_index, 0, now);
    Peer& peer = *target->peer;
    Keying& keying = *target->keying;
    if (path.peer != &peer) return drop(LinkDrop::refused, 8, now);
    const std::uint64_t counter = nearest(keying.window.next(), load_little<std::uint32_t>(&bytes[4]));
    // The datagram's bytes were shown to nobody else: they are opened where they lie.
    const MutableBytes sealed{const_cast<std::byte*>(bytes.data()) + session_header, bytes.size() - session_header};
    bool highest = false;
    if (!unseal(peer, keying, bytes.first(session_header), sealed, counter, highest, now)) return;
    path.heard = now;
    if (now - path.renewed > Duration::seconds(30)) {
        path.renewed = now;
        fabric->renew(path.id, now);
    }
    Arrival whence = arrival;
    whence.newest = highest;
    heard(peer, keying, whence, now);
    read_frames(peer, keying, whence, packet.sub(session_header, std::uint32_t(bytes.size() - session_overhead)), now);
}

// Whoever carries the path may have written this: it counts no more than a datagram from a stranger.
void Links::State::receive_unsealed(LabelPath& path, Bytes message, const Arrival& arrival, Instant now) {
    if (!unsealed_is_sound(message)) return drop(LinkDrop::malformed, message.size(), now);
    switch (Message(message[0])) {
    case Message::init: return receive_inner_init(path, message, now);
    case Message::resp: return receive_resp(message, arrival.from, now);
    default: break;
    }
    const std::uint64_t id = path.id;
    receive_fin(message, arrival, now);
    LabelPath* left = find_label_path(id);
    if (left && !left->source && !left->peer && !half_open.find(left->half_open)) forget_label_path(*left, true, now);
}

// A rekey. The same INIT gets the same RESP; a fresh one is answered once in a while.
void Links::State::receive_inner_init(LabelPath& path, Bytes head, Instant now) {
    const Way from = Way::along(path.id);
    const HalfOpen* record = half_open.find(from, head);
    if (record) {  // repeated, not sooner than an honest end would
        if (now - path.last_resp < Duration::milliseconds(100)) return drop(LinkDrop::refused, 12, now);
    } else {
        const Duration pause = std::min(Duration::seconds(5), config.rekey_initiator / 2);
        if (!path.peer || (path.last_init != never && now - path.last_init < pause)) return drop(LinkDrop::refused, 9, now);
        if (!half_open.admits(from, true)) return drop(LinkDrop::half_open_full, half_open.size(), now);
        if (!sessions.take(path.link, config.sessions_a_second, now)) return drop(LinkDrop::refused, 13, now);
        path.last_init = now;
        record = answer_init(head, from, now);
    }
    path.last_resp = now;
    if (record) send_unsealed(record->resp, path.id, now);
}

}  // namespace weft::overlay
