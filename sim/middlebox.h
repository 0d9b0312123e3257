// What boxes on the way do to packets that they do not carry unchanged: options of SYNs that they take out, marks that they set or wipe,
// and what a router says of a packet that its next link does not carry. A packet begins with its IPv4 or IPv6 header; of a session of
// the overlay with TCP's.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/core/checksum.h"
#include "stack/net/path.h"
#include "stack/wire/icmp.h"
#include "stack/wire/pseudo.h"
#include "stack/wire/tcp.h"

namespace weft::sim {

// Bits of what a box takes out of SYNs, by the kinds of the options (RFC 9768 has two).
inline constexpr std::array<std::uint8_t, 8> stripped_kinds{2, 3, 4, 8, 28, 34, 172, 174};
enum Strips : std::uint8_t {
    no_mss = 1,
    no_scale = 2,
    no_sack = 4,
    no_timestamps = 8,
    no_user_timeout = 16,
    no_fast_open = 32,
    no_accurate_ecn = 192
};

inline std::size_t transport_at(Family family) { return family == Family::overlay ? 0 : net::header_size(family); }

inline bool is_tcp(Family family, Bytes packet) {
    if (family == Family::overlay) return true;
    const std::size_t at = family == Family::ipv4 ? 9 : 6;
    return packet.size() > at && packet[at] == std::byte{wire::protocol_tcp};
}

inline std::uint16_t sum_of_ends(Family family, Bytes packet) {
    return checksum::sum(family == Family::ipv4 ? packet.subspan(12, 8) : packet.subspan(8, 32));
}

// TCP's checksum, after a change. A session that elides sums has none. `addresses`: pseudo_sum() of both ends.
inline void mend_tcp(MutableBytes segment, std::uint16_t addresses) {
    store_big(segment.data() + wire::TcpView::checksum_at, std::uint16_t{0});
    const auto sum = checksum::add(wire::pseudo_sum(addresses, wire::protocol_tcp, std::uint32_t(segment.size())),
                                   checksum::sum(segment));
    store_big(segment.data() + wire::TcpView::checksum_at, std::uint16_t(~sum));
}

inline void mend_ipv4(MutableBytes header) {
    store_big(header.data() + 10, std::uint16_t{0});
    store_big(header.data() + 10, std::uint16_t(~checksum::sum(header.first(20))));
}

// NOPs in the place of options, in a SYN's TCP header; the sum is not mended. False: nothing changed.
inline bool strip(MutableBytes segment, std::uint8_t strips) {
    const auto view = wire::TcpView::parse(segment);
    if (!view || !view->has(wire::syn)) return false;
    const MutableBytes options = segment.subspan(wire::TcpView::min_size, view->option_bytes().size());
    bool changed = false;
    for (std::size_t at = 0; at < options.size();) {
        const auto kind = std::to_integer<std::uint8_t>(options[at]);
        if (kind == 0) break;
        const std::size_t length = kind == 1 || at + 1 >= options.size() ? 1 : std::to_integer<std::size_t>(options[at + 1]);
        if (kind != 1 && (length < 2 || length > options.size() - at)) break;
        const auto which = std::size_t(std::ranges::find(stripped_kinds, kind) - stripped_kinds.begin());
        if (which < stripped_kinds.size() && (strips >> which & 1) != 0) {
            std::ranges::fill(options.subspan(at, length), std::byte{1});
            changed = true;
        }
        at += length;
    }
    return changed;
}

// RFC 3168, section 5, in the network header; the overlay's travels beside the packet.
inline Ecn ecn_of(Family family, Bytes packet) {
    const auto byte = std::to_integer<unsigned>(packet[1]);
    return Ecn((family == Family::ipv4 ? byte : byte >> 4) & 3);
}
inline void set_ecn(Family family, MutableBytes packet, Ecn ecn) {
    const unsigned shift = family == Family::ipv4 ? 0 : 4;
    packet[1] = (packet[1] & ~(std::byte{3} << shift)) | (std::byte(ecn) << shift);
    if (family == Family::ipv4) mend_ipv4(packet);
}

// An ICMP error about `packet`, to whom it came from (RFC 792, RFC 4443): it quotes `quoted` bytes behind the network header.
inline std::vector<std::byte> icmp_about(Family family, Bytes packet, wire::IcmpHeader header, std::size_t quoted) {
    const bool four = family == Family::ipv4;
    const std::size_t front = net::header_size(family), body = std::min(packet.size(), front + quoted), size = four ? 4 : 16;
    const Bytes ends = packet.subspan(four ? 12 : 8, 2 * size);
    const Address from{family, ends.subspan(size)}, to{family, ends.first(size)};
    std::vector<std::byte> made(front + wire::IcmpView::header_size + body);
    const MutableBytes all{made};
    net::write_header(from, to, all.first(front));
    net::finish_header(family, all.first(front), 0, Ecn::not_capable, 64, 0);
    all[four ? 9 : 6] = std::byte{four ? wire::protocol_icmp : wire::protocol_icmpv6};
    store_big(all.data() + (four ? 2 : 4), std::uint16_t(four ? all.size() : all.size() - front));
    if (four) mend_ipv4(all);
    std::ranges::copy(packet.first(body), all.begin() + std::ptrdiff_t(front + wire::IcmpView::header_size));
    header.write(family, all.subspan(front), wire::pseudo_sum(from, to), body, checksum::sum(packet.first(body)));
    return made;
}

// "It is too large for my next link, which carries `mtu` bytes" (RFC 1191, RFC 4443).
inline std::vector<std::byte> too_big(Family family, Bytes packet, std::uint32_t mtu) {
    const bool four = family == Family::ipv4;
    const wire::IcmpHeader header{four ? wire::Icmp4::unreachable : wire::Icmp6::too_big,
                                  four ? wire::Icmp4::fragmentation_needed : std::uint8_t{0}, mtu};
    return icmp_about(family, packet, header, four ? 28 : 1'000);
}

}  // namespace weft::sim
