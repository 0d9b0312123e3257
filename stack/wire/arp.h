// ARP between Ethernet and IPv4 addresses (RFC 826): one packet of 28 bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

//  0 hardware type u16 = 1 | 2 protocol type u16 = 0x0800 | 4 lengths 6, 4 | 6 operation u16
//  8 sender's MAC[6] | 14 sender's IPv4[4] | 18 target's MAC[6] | 24 target's IPv4[4]
struct ArpPacket {
    static constexpr std::size_t size = 28;
    static constexpr std::uint16_t request = 1, reply = 2;

    std::uint16_t operation{request};
    Mac sender_mac{};
    Address sender;   // 0.0.0.0: a probe (RFC 5227, section 2.1.1)
    Mac target_mac{};
    Address target;

    // Bytes behind the 28 are the frame's padding. Errors: truncated; version (other address types); refused (an operation that is
    // neither request nor reply, or a group for the sender's MAC).
    static Parsed<ArpPacket> parse(Bytes packet);

    // Returns the bytes written, or 0 without writing when `out` is too short or an address is not IPv4.
    std::size_t write(MutableBytes out) const;

    friend bool operator==(const ArpPacket&, const ArpPacket&) = default;
};

}  // namespace weft::wire
