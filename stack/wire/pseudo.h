// The pseudo-header's share of a transport checksum: RFC 9293, section 3.1 for 4-byte addresses, RFC 8200, section 8.1 for
// 16 bytes and, with the same layout, for 64. As ones' complement sums all three are one formula.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/core/address.h"
#include "stack/core/checksum.h"

namespace weft::wire {

inline constexpr std::uint8_t protocol_icmp = 1, protocol_tcp = 6, protocol_udp = 17, protocol_icmpv6 = 58;

// Both addresses, in either order: a path computes this once.
inline std::uint16_t pseudo_sum(const Address& source, const Address& destination) {
    return checksum::add(checksum::sum(source.bytes()), checksum::sum(destination.bytes()));
}

// The whole pseudo-header: `addresses` from pseudo_sum(), `length` of transport header and payload in bytes.
inline std::uint16_t pseudo_sum(std::uint16_t addresses, std::uint8_t protocol, std::uint32_t length) {
    return checksum::fold(std::uint64_t{addresses} + protocol + length);
}

// Does a segment's checksum hold? `segment` is the transport header, its checksum field included, and the payload.
inline bool transport_verifies(std::uint16_t addresses, std::uint8_t protocol, Bytes segment) {
    return checksum::verifies(
        checksum::add(pseudo_sum(addresses, protocol, std::uint32_t(segment.size())), checksum::sum(segment)));
}

}  // namespace weft::wire
