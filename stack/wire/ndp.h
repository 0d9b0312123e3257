// Neighbour solicitation and advertisement (RFC 4861, sections 4.3, 4.4, 4.6.1 and 7.1): what stands behind ICMPv6's header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/wire/icmp.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

// ff02::1:ffXX:XXXX, where the XX are an address's last three bytes (RFC 4291, section 2.7.1).
Address solicited_node(const Address& address);
inline constexpr std::uint8_t ndp_hop_limit = 255;  // proof that no router passed it on

// ICMPv6's value (flags of an advertisement: R, S, O from the top, else 0), then
//  8 target[16] | options: type u8, length u8 in units of eight bytes, data; 1 and 2: the source's and the target's MAC
struct NeighbourMessage {
    static constexpr std::size_t size = 16, with_mac = 24;  // of the body behind ICMPv6's header

    bool advertisement{false};
    bool router{false}, solicited{false}, overrides{false};  // of an advertisement
    Address target;
    std::optional<Mac> mac;  // of the source in a solicitation, of the target in an advertisement

    // Holds all of RFC 4861, sections 7.1.1 and 7.1.2, but for the checksum, against the packet's header. Errors: truncated,
    // option (an option's length is 0 or leaves the message), refused (any other rule: hop limit, code, multicast target,
    // an unspecified source with a MAC or not to a solicited-node group, a solicited advertisement to a group, a group's MAC),
    // version (neither of the two).
    static Parsed<NeighbourMessage> parse(const IcmpView& message, const Address& source, const Address& destination,
                                          std::uint8_t hop_limit);

    // Writes header and body with the checksum for a packet between the two. Returns the bytes written, 24 or 32, or 0 without
    // writing when `out` is too short or the target is not IPv6.
    std::size_t write(MutableBytes out, const Address& source, const Address& destination) const;

    friend bool operator==(const NeighbourMessage&, const NeighbourMessage&) = default;
};

}  // namespace weft::wire
