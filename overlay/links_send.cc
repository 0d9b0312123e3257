// Packets of the engine: cut into datagrams and sealed in one pass, or held until the handshake ends (docs/wire.md).
#include <optional>

#include "overlay/access.h"
#include "overlay/frames.h"
#include "overlay/links_state.h"
#include "stack/wire/cut.h"
#include "stack/wire/pseudo.h"

namespace weft::overlay {
namespace {

// The engine's packet on its way into datagrams: NET's three bytes instead of the full header, then the transport's share.
class Frames {
public:
    // Elided only if both are so: what the engine left out without these keys' leave is put back.
    Frames(const Transmit& whole, bool elided) : whole_{&whole} {
        if (whole.sums_elided && !elided) {
            summed_ = whole;
            summed_->sums_elided = false;
            whole_ = &*summed_;
        }
        constexpr std::size_t full = wire::OverlayView::header_size;
        if (whole.transport != whole.network + full || whole.transport > whole.header_length ||
            whole.header_length > whole.header.size())
            return;
        const std::byte* header = &whole.header[whole.network];
        if ((header[0] & std::byte{0xf0}) != std::byte{0x80}) return;
        net_.protocol = std::to_integer<std::uint8_t>(header[6]);
        net_.traffic_class = std::uint8_t((load_big<std::uint16_t>(header) >> 4 & 0xfc) | unsigned(whole.ecn));
        net_.sums_elided = whole_->sums_elided;
        for (const Slice& slice : whole.payload) payload_ += slice.size();
        if (net_.protocol != wire::protocol_tcp) {
            sound_ = whole.segment_size == 0;
            return;
        }
        const auto cut = wire::Cut::make(*whole_, wire::Cut::Part::transport);
        if (cut) cut_ = *cut;
        sound_ = cut.has_value();
    }
    Frames(const Frames&) = delete;
    Frames& operator=(const Frames&) = delete;

    bool sound() const { return sound_; }
    std::size_t left() const { return cut_ ? cut_->left() : std::size_t{!done_}; }

    // Bytes of the next frame, and of all that follow it at least.
    std::size_t next_size() const {
        return wire::NetFrame::header_size + (cut_ ? cut_->next_size() : transport_header() + payload_);
    }

    void next(MutableBytes out) {
        net_.write(out);
        const MutableBytes rest = out.subspan(wire::NetFrame::header_size);
        if (cut_) {
            cut_->next(rest);
            return;
        }
        std::byte* at = append(rest.data(), Bytes{whole_->header}.subspan(whole_->transport, transport_header()));
        for (const Slice& slice : whole_->payload) at = append(at, slice.bytes());
        done_ = true;
    }

private:
    std::size_t transport_header() const { return std::size_t{whole_->header_length} - whole_->transport; }

    const Transmit* whole_;
    std::optional<Transmit> summed_;
    std::optional<wire::Cut> cut_;    // of TCP
    wire::NetFrame net_;
    std::size_t payload_{0};
    bool sound_{false}, done_{false};
};

std::uint8_t protocol_of(const Transmit& packet) {
    constexpr std::size_t full = wire::OverlayView::header_size;
    return packet.transport < full ? std::uint8_t{0}
                                   : std::to_integer<std::uint8_t>(packet.header[packet.transport - full + 6]);
}

// Which packets belong together, and no more than that: the key hides the ports.
std::uint16_t flow_of(const Transmit& packet, std::uint64_t key) {
    const std::uint64_t ports = load_little<std::uint32_t>(&packet.header[packet.transport]);
    return std::uint16_t((ports + 1) * key >> 48);
}

}  // namespace

void Links::State::send(const Transmit& packet, Instant now) {
    Peer** found = paths.find(packet.path);
    if (!found) return drop(LinkDrop::no_session, packet.path, now);
    Peer& peer = **found;
    if (config.access && packet.transport < packet.header_length && packet.header_length <= packet.header.size()) {
        const Bytes transport = Bytes{packet.header}.first(packet.header_length).subspan(packet.transport);
        config.access->outbound(peer.address, protocol_of(packet), transport, now);
    }
    if (peer.current && peer.way && may_seal(*peer.current, now)) return send_packet(peer, packet, now);
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

void Links::State::drop_waiting(Peer& peer) {
    statistics.dropped_no_session += peer.waiting.size();
    peer.waiting.clear();
    peer.waiting_bytes = 0;
}

void Links::State::flush(Peer& peer, Instant now) {
    if (!peer.current || !peer.way || !may_seal(*peer.current, now)) return;
    while (!peer.waiting.empty()) {
        Waiting next = std::move(peer.waiting.front());
        peer.waiting.pop_front();
        next.packet.payload = next.payload;
        next.packet.depart = Instant{};
        send_packet(peer, next.packet, now);
    }
    peer.waiting_bytes = 0;
}

// The first waiting packet as a NET frame behind `plain`, if it is one datagram and no more than `room` bytes.
bool Links::State::append_single(const Keying& keying, const Waiting& waiting, std::size_t room,
                                 std::vector<std::byte>& plain) {
    Transmit whole = waiting.packet;
    whole.payload = waiting.payload;
    Frames frames{whole, keying.elided};
    if (!frames.sound() || frames.left() != 1 || frames.next_size() > room) return false;
    const std::size_t at = plain.size();
    plain.resize(at + frames.next_size());
    frames.next(MutableBytes{plain}.subspan(at));
    return true;
}

void Links::State::send_packet(Peer& peer, const Transmit& packet, Instant now) {
    Keying& keying = *peer.current;
    Frames frames{packet, keying.elided};
    const auto out = departure(peer, peer.way, frames.left(), now);
    if (!out) return drop(LinkDrop::no_session, packet.path, now);
    if (!frames.sound() || frames.next_size() > out->room) return drop(LinkDrop::too_large, frames.next_size(), now);
    if (keying.sent + frames.left() > 2 * config.rekey_packets) return want(peer, now);
    // Not-ECT until this link was seen to carry ECT: a path that bleaches or drops it must not hide congestion.
    const Ecn outer = out->carries_ect ? packet.ecn : Ecn::not_capable;
    const std::uint16_t flow = out->path ? flow_of(packet, out->path->flow_key) : std::uint16_t{0};
    while (const std::size_t left = frames.left()) {
        const std::size_t size = frames.next_size();
        const std::size_t whole = out->around + size;
        std::byte* at = outbox.add(out->to, outer, packet.depart, whole, (left - 1) * whole);
        if (!at) return drop(LinkDrop::no_memory, left, now);
        frames.next({at + out->ahead, size});
        seal_for(*out, peer, keying, at, size, packet.ecn, flow);
    }
    sent_data(peer, keying, now);
    carried(*out, now);
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
