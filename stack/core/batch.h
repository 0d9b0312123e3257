// What crosses the edge of the engine: batches of packets, and what a link is. Links themselves live in link/.
#pragma once

#include <array>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "stack/core/buffer.h"
#include "stack/core/time.h"

namespace weft {

// The two ECN bits of the network header (RFC 3168, section 5).
enum class Ecn : std::uint8_t { not_capable = 0, ect1 = 1, ect0 = 2, congestion_experienced = 3 };

// Where a datagram came from or goes to under the overlay. An IPv4 address is held as ::ffff:a.b.c.d (RFC 4291,
// section 2.5.5.2), so one form serves both families. It travels with each datagram: a table of endpoints would grow
// with every forged source.
struct UdpEndpoint {
    std::array<std::byte, 16> ip{};
    std::uint32_t scope{0};  // zone of a link-local address (RFC 4007): an interface's index, else 0
    std::uint16_t port{0};   // host order; 0: no endpoint
    friend constexpr auto operator<=>(const UdpEndpoint&, const UdpEndpoint&) = default;
};

// A device's address (IEEE 802-2014, section 8).
using Mac = std::array<std::byte, 6>;

// What the engine learns of a device. A link that was never attached carries network packets.
struct LinkOptions {
    std::uint32_t mtu{1500};  // bytes, network header included
    bool ethernet{false};     // frames begin with an Ethernet header, both ways
    Mac mac{};                // ours, on Ethernet: an individual address
    bool any_address{false};  // TCP to whatever unicast address is for us: a listener of any address answers as that one
    friend bool operator==(const LinkOptions&, const LinkOptions&) = default;
};

// One frame, in a chunk of the shard's pool: the engine keeps it (take, reassembly) or lets it go.
// A train of UDP_GRO is split by the link, for each datagram has its own header and its own seal.
struct Receive {
    std::uint32_t link{0};           // where it came in
    std::uint32_t path{0};           // set on the overlay: the path of the session that authenticated it
    Slice frame;  // from the network header on; from the Ethernet header on where the link was attached as
        // Ethernet; with `path` set, from the transport header on
    UdpEndpoint from;  // of a datagram under the overlay
    std::uint16_t segment_size{0};  // bytes; set when the link (vnet_hdr) joined several segments behind one header
    std::uint8_t protocol{0};  // with `path` set: IP protocol number of the transport header (6: TCP)
    Ecn ecn{Ecn::not_capable};  // with `path` set: of the inner packet; else of the outer one
    bool checksum_verified{false};  // by the device (NEEDS_CSUM, DATA_VALID) or by an end-to-end session
};

// One super-segment: a header written once, and a payload that wire/cut or the device cuts every
// `segment_size` bytes. The slices are valid until the next call on the engine; whoever queues copies them.
// `complete`: one packet that is no TCP (ARP, NDP, ICMP): lengths and sums are in the header, it leaves as header and payload.
// Under the overlay: a train of sealed datagrams of `segment_size` bytes (the last may be shorter), no header, to `to`.
struct Transmit {
    std::uint32_t link{0};
    std::uint32_t path{0};  // the interned address pair: the overlay finds its session by it
    UdpEndpoint to;  // of a datagram under the overlay
    std::uint16_t segment_size{0};  // bytes; 0: a single packet
    std::uint16_t header_length{0};  // bytes used of `header`
    std::uint16_t transport{0};  // where TCP's, or ICMP's, header begins in it
    std::uint8_t network{0};  // where the network header begins in it: 14 on an Ethernet link, else 0
    bool complete{false};  // nothing is left to be filled in, and nothing to cut
    std::uint16_t payload_sum{0};  // ones' complement, folded, if `payload_summed`
    bool payload_summed{false};
    bool sums_elided{false};  // the path's session answers for integrity: no checksum is wanted
    bool accurate_ecn{false};  // AE, CWR and ECE are a counter: each segment of a cut carries all three
    Ecn ecn{Ecn::not_capable};
    Instant depart;  // not before: pacing, done by the link where it can (SO_TXTIME)
    std::array<std::byte, 224> header{};  // Ethernet and VLAN tag 18, overlay 136, TCP with 40 bytes of options 60: 214
    std::span<const Slice> payload;
};

struct LinkCapabilities {
    std::uint32_t mtu{1500};  // bytes of one packet, network header included
    std::uint32_t max_super_segment{0};  // bytes of payload; 0: one packet at a time
    bool segments_tcp{false};  // vnet_hdr: the device cuts TCP
    bool segments_udp{false};  // UDP_SEGMENT: equal datagrams in one call
    bool sums_checksums{false};  // NEEDS_CSUM: the device completes the transport checksum
};

template <class L>
concept Link = requires(L link, std::span<const Transmit> out, std::span<Receive> in, BufferPool& pool) {
    { link.capabilities() } -> std::same_as<LinkCapabilities>;
    { link.send(out) } -> std::same_as<std::size_t>;  // how many were taken
    { link.receive(in, pool) } -> std::same_as<std::size_t>;  // how many were filled
};

}  // namespace weft
