// Packets of the engine: cut into datagrams and sealed in one pass, or held until the handshake ends (overlay.md, 4.2).
#include "overlay/frames.h"
#include "overlay/links_state.h"
#include "stack/core/checksum.h"
#include "stack/wire/cut.h"
#include "stack/wire/pseudo.h"

namespace weft::overlay {
namespace {

// What a Transmit says, checked once: spans, sizes, the NET frame's three bytes.
struct Packet {
    Bytes header;              // the transport header
    std::size_t payload{0};    // bytes
    std::size_t piece{0};      // bytes of payload a datagram
    std::size_t pieces{1};
    wire::NetFrame net;
    bool sound{false};
};

Packet examine(const Transmit& packet, const Keying& keying) {
    Packet out;
    if (packet.transport > packet.header_length || packet.header_length > packet.header.size()) return out;
    out.header = Bytes{packet.header}.subspan(packet.transport, std::size_t{packet.header_length} - packet.transport);
    for (const Slice& slice : packet.payload) out.payload += slice.size();
    out.piece = packet.segment_size == 0 ? out.payload : packet.segment_size;
    if (out.payload > out.piece) out.pieces = (out.payload + out.piece - 1) / out.piece;
    out.net.protocol = wire::protocol_tcp;
    // The network header that the engine writes for other links (version 8) says what NET keeps of it.
    if (packet.transport >= wire::OverlayView::header_size) {
        const std::byte* full = &packet.header[packet.transport - wire::OverlayView::header_size];
        if ((full[0] & std::byte{0xf0}) == std::byte{0x80}) {
            out.net.protocol = std::to_integer<std::uint8_t>(full[6]);
            out.net.traffic_class = std::uint8_t(load_big<std::uint16_t>(full) >> 4);
        }
    }
    out.net.traffic_class = std::uint8_t((out.net.traffic_class & ~3u) | unsigned(packet.ecn));
    const bool tcp = out.net.protocol == wire::protocol_tcp;
    out.net.sums_elided = keying.elided && tcp;
    out.sound = tcp ? out.header.size() >= 20 : out.pieces == 1;
    return out;
}

// Walks a packet's payload once, from piece to piece.
class Cursor {
public:
    explicit Cursor(std::span<const Slice> slices) : slices_{slices} {}

    // Copies `count` bytes to `to`; `sum` is theirs if it is wanted.
    void copy(std::byte* to, std::size_t count, std::uint16_t* sum) {
        std::size_t done = 0;
        while (done < count) {
            const Bytes rest = slices_.front().bytes().subspan(at_);
            const Bytes part = rest.first(std::min(rest.size(), count - done));
            if (sum) *sum = checksum::append(*sum, done, checksum::copy_and_sum(to + done, part));
            else append(to + done, part);
            done += part.size();
            at_ += part.size();
            if (part.size() == rest.size()) {
                slices_ = slices_.subspan(1);
                at_ = 0;
            }
        }
    }

private:
    std::span<const Slice> slices_;
    std::size_t at_{0};
};

// NET and one datagram's share of the packet, in clear, at `at`.
void write_net(std::byte* at, const Packet& packet, Cursor& cursor, std::size_t i, std::size_t bytes, std::uint16_t address_sum) {
    packet.net.write({at, wire::NetFrame::header_size});
    std::byte* header = at + wire::NetFrame::header_size;
    std::byte* payload = append(header, packet.header);
    if (packet.net.protocol != wire::protocol_tcp) return cursor.copy(payload, bytes, nullptr);
    wire::shape_segment(header, i * packet.piece, i + 1 == packet.pieces);
    if (packet.net.sums_elided) return cursor.copy(payload, bytes, nullptr);
    std::uint16_t sum = 0;
    cursor.copy(payload, bytes, &sum);
    store_big(header + 16, std::uint16_t{0});
    sum = checksum::add(sum, checksum::sum({header, packet.header.size()}));
    sum = checksum::add(sum, wire::pseudo_sum(address_sum, packet.net.protocol, std::uint32_t(packet.header.size() + bytes)));
    store_big(header + 16, checksum::field(sum));
}

}  // namespace

void Links::State::send(const Transmit& packet, Instant now) {
    Peer** found = paths.find(packet.path);
    if (!found) return drop(LinkDrop::no_session, packet.path, now);
    Peer& peer = **found;
    if (peer.current && may_seal(*peer.current, now)) return send_packet(peer, packet, now);
    hold(peer, packet);
    want(peer, now);
}

void Links::State::hold(Peer& peer, const Transmit& packet) {
    std::size_t bytes = packet.header_length;
    for (const Slice& slice : packet.payload) bytes += slice.size();
    peer.waiting.push_back({packet, {packet.payload.begin(), packet.payload.end()}, bytes});
    peer.waiting.back().packet.payload = {};
    peer.waiting_bytes += bytes;
    while (peer.waiting.size() > Peer::waiting_limit ||
           (peer.waiting_bytes > Peer::waiting_bytes_limit && peer.waiting.size() > 1)) {
        peer.waiting_bytes -= peer.waiting.front().bytes;
        peer.waiting.pop_front();
        ++statistics.dropped_no_session;
    }
}

void Links::State::flush(Peer& peer, Instant now) {
    if (!peer.current || !may_seal(*peer.current, now)) return;
    while (!peer.waiting.empty()) {
        Waiting next = std::move(peer.waiting.front());
        peer.waiting.pop_front();
        next.packet.payload = next.payload;
        next.packet.depart = Instant{};
        send_packet(peer, next.packet, now);
    }
    peer.waiting_bytes = 0;
}

// The first waiting packet as a NET frame behind `plain`, if it is one datagram and fits into FIN.
bool Links::State::append_single(Peer& peer, const Keying& keying, const Waiting& waiting, std::vector<std::byte>& plain) {
    Transmit whole = waiting.packet;
    whole.payload = waiting.payload;
    const Packet packet = examine(whole, keying);
    const std::size_t size = wire::NetFrame::header_size + packet.header.size() + packet.payload;
    if (!packet.sound || packet.pieces != 1 || fin_size + size > config.mtu) return false;
    const std::size_t at = plain.size();
    plain.resize(at + size);
    Cursor cursor{whole.payload};
    write_net(&plain[at], packet, cursor, 0, packet.payload, peer.address_sum);
    return true;
}

void Links::State::send_packet(Peer& peer, const Transmit& transmit, Instant now) {
    Keying& keying = *peer.current;
    const Packet packet = examine(transmit, keying);
    const std::size_t fixed = data_overhead + wire::NetFrame::header_size + packet.header.size();
    if (!packet.sound || fixed + std::min(packet.piece, packet.payload) > config.mtu)
        return drop(LinkDrop::too_large, fixed + packet.piece, now);
    if (keying.sent + packet.pieces > Keying::seal_below) return want(peer, now);
    // Not-ECT until this link was seen to carry ECT (RFC 6040's normal mode asks that of a tunnel's entry).
    const Ecn outer = peer.carries_ect ? transmit.ecn : Ecn::not_capable;
    Cursor cursor{transmit.payload};
    std::size_t left = packet.payload;
    for (std::size_t i = 0; i < packet.pieces; ++i) {
        const std::size_t bytes = std::min(packet.piece, left);
        left -= bytes;
        const std::size_t more = left + (packet.pieces - i - 1) * fixed;
        std::byte* at = outbox.add(peer.endpoint, outer, transmit.depart, fixed + bytes, more);
        if (!at) return drop(LinkDrop::no_memory, packet.pieces - i, now);
        write_net(at + data_header, packet, cursor, i, bytes, peer.address_sum);
        seal(peer, keying, at, fixed + bytes - data_overhead);
    }
    sent_data(peer, keying, now);
}

void Links::State::sent_data(Peer& peer, Keying& keying, Instant now) {
    peer.last_sent = peer.last_used = now;
    peer.report_due = never;
    if (keying.first_data == never) {
        keying.first_data = now;
        wake(peer, rekey_due(keying));
    }
    if (peer.awaiting == never) {
        peer.awaiting = now;
        peer.next_probe = now + peer.silence();
        peer.probes = 0;
        wake(peer, peer.next_probe);
    }
    if (peer.next_challenge == never) {
        peer.next_challenge = now + Duration::seconds(1);
        wake(peer, peer.next_challenge);
    }
}

}  // namespace weft::overlay
