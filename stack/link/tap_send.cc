// The sending half of a TAP link: a writev a packet. With vnet_hdr that is a whole super-segment, its transport checksum begun with
// the pseudo-header's sum and left to the kernel; without, stack/wire/cut makes complete segments of it.
#include <algorithm>
#include <cerrno>

#include "stack/core/checksum.h"
#include "stack/link/tap_state.h"
#include "stack/wire/cut.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/pseudo.h"
#include "stack/wire/tcp.h"

namespace weft::link {
namespace {

// Fills in the lengths, IPv4's checksum and TCP's share of its pseudo-header. False: not TCP over IPv4 or IPv6 without options.
bool finish_header(const Transmit& transmit, MutableBytes header, std::size_t payload) {
    const std::size_t at = transmit.network, transport = transmit.transport;
    if (header.size() < transport + wire::TcpView::min_size || transport < at) return false;
    std::byte* const network = header.data() + at;
    const unsigned version = std::to_integer<unsigned>(*network) >> 4;
    const std::size_t tcp_length = header.size() - transport + payload;
    Bytes addresses;
    if (version == 4 && transport - at == wire::Ipv4View::min_size) {
        store_big(network + wire::Ipv4View::length_at, std::uint16_t(transport - at + tcp_length));
        store_big(network + wire::Ipv4View::checksum_at, std::uint16_t{0});
        store_big(network + wire::Ipv4View::checksum_at,
                  checksum::field(checksum::sum({network, wire::Ipv4View::min_size})));
        addresses = {network + 12, 8};
    } else if (version == 6 && transport - at == wire::Ipv6View::header_size) {
        store_big(network + wire::Ipv6View::length_at, std::uint16_t(tcp_length));
        addresses = {network + 8, 32};
    } else {
        return false;
    }
    const std::uint16_t pseudo = wire::pseudo_sum(checksum::sum(addresses), wire::protocol_tcp, std::uint32_t(tcp_length));
    store_big(header.data() + transport + wire::TcpView::checksum_at, pseudo);
    return true;
}

iovec part(Bytes bytes) { return {const_cast<std::byte*>(bytes.data()), bytes.size()}; }

}  // namespace

bool Tap::State::send(const Transmit& transmit) {
    std::size_t payload = 0;
    for (const Slice& slice : transmit.payload) payload += slice.size();
    const bool finished = transmit.complete || transmit.header_length == 0;
    const std::size_t whole = transmit.header_length + payload;
    if (transmit.header_length > transmit.header.size() || whole == 0 || whole > longest_packet + transmit.network)
        return drop();
    if (finished) return send_parts(Bytes{transmit.header}.first(transmit.header_length), {}, transmit, 1) != Outcome::full;
    if (!vnet_hdr) return send_cut(transmit);
    const Outcome outcome = send_offloaded(transmit, payload);
    return outcome == Outcome::unfit ? send_cut(transmit) : outcome != Outcome::full;
}

// One writev. `unfit`: what only wire/cut can do, or a super-segment that this kernel refuses.
Tap::State::Outcome Tap::State::send_offloaded(const Transmit& transmit, std::size_t payload) {
    std::array<std::byte, sizeof transmit.header> copy;
    const MutableBytes header = std::span{copy}.first(transmit.header_length);
    std::copy_n(transmit.header.begin(), header.size(), header.begin());
    if (!finish_header(transmit, header, payload)) return Outcome::unfit;
    VnetHeader vnet{.flags = VnetHeader::needs_checksum,
                    .header_length = transmit.header_length,
                    .sum_start = transmit.transport,
                    .sum_field = wire::TcpView::checksum_at};
    std::size_t segments = 1;
    if (transmit.segment_size != 0 && payload > transmit.segment_size) {
        const std::uint16_t flags = load_big<std::uint16_t>(header.data() + transmit.transport + wire::TcpView::flags_at);
        if ((flags & wire::urg) != 0) return Outcome::unfit;  // the kernel would give each segment the same pointer
        const bool v4 = std::to_integer<unsigned>(header[transmit.network]) >> 4 == 4;
        vnet.kind = v4 ? VnetHeader::tcp4 : VnetHeader::tcp6;
        if ((flags & wire::cwr) != 0) {
            if (transmit.accurate_ecn) return Outcome::unfit;  // all segments carry it: the kernel would clear it
            vnet.kind |= VnetHeader::with_ecn;  // on the first segment alone
        }
        vnet.segment_size = transmit.segment_size;
        segments = (payload + transmit.segment_size - 1) / transmit.segment_size;
    }
    return send_parts(header, vnet, transmit, segments);
}

// Segments with all their sums, one after the other. Those behind one that found the device full are lost, as in any queue.
bool Tap::State::send_cut(const Transmit& transmit) {
    auto cut = wire::Cut::make(transmit);
    if (!cut) return drop();
    Transmit none;
    for (bool first = true; const std::size_t size = cut->next_size(); first = false) {
        if (flat.size() < size) flat.resize(size);
        cut->next(flat);
        if (send_parts(Bytes{flat}.first(size), {}, none, 1) != Outcome::full) continue;
        if (first) return false;
        statistics.dropped_out += 1 + cut->left();
        return true;
    }
    return true;
}

bool Tap::State::drop() {
    ++statistics.dropped_out;
    return true;
}

// `head`, then the payload of `transmit`.
Tap::State::Outcome Tap::State::send_parts(Bytes head, const VnetHeader& vnet, const Transmit& transmit,
                                           std::size_t segments) {
    std::array<std::byte, VnetHeader::size> front;
    std::array<iovec, most_parts> parts;
    std::size_t count = 0;
    if (vnet_hdr) {
        vnet.write(front);
        parts[count++] = part(front);
    }
    parts[count++] = part(head);
    if (transmit.payload.size() > parts.size() - count) {
        // Rare: many small pieces. `flat` is free, for what send_cut() puts there has no payload beside it.
        flat.clear();
        for (const Slice& slice : transmit.payload) flat.insert(flat.end(), slice.bytes().begin(), slice.bytes().end());
        parts[count++] = part(flat);
    } else {
        for (const Slice& slice : transmit.payload) parts[count++] = part(slice.bytes());
    }
    return write(std::span{parts}.first(count), segments);
}

Tap::State::Outcome Tap::State::write(std::span<const iovec> parts, std::size_t segments) {
    for (;;) {
        const ssize_t written = ::writev(descriptor, parts.data(), int(parts.size()));
        if (written >= 0) {
            ++statistics.packets_out;
            statistics.segments_out += segments;
            statistics.bytes_out += std::uint64_t(written) - (vnet_hdr ? VnetHeader::size : 0);
            return Outcome::taken;
        }
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            ++statistics.blocked;
            return Outcome::full;
        }
        if (errno == EINVAL && segments > 1) return Outcome::unfit;
        gone = gone || errno == EBADFD;
        ++statistics.dropped_out;
        return Outcome::taken;
    }
}

}  // namespace weft::link
