// IPv6 headers and the walk over their extension headers (RFC 8200, sections 3 and 4): a view, and a writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

// A fragment header (RFC 8200, section 4.5).
struct Ipv6Fragment {
    std::uint32_t id{0};
    std::uint16_t offset{0};  // bytes
    bool more{false};
    friend constexpr bool operator==(const Ipv6Fragment&, const Ipv6Fragment&) = default;
};

class Ipv6View {
public:
    static constexpr std::size_t header_size = 40, length_at = 4;
    static constexpr std::size_t max_extensions = 8;  // RFC 8504, section 5.3 lets a host have such a limit

    // Walks hop-by-hop options, routing, fragment and destination options up to the first other header; behind a
    // fragment header the walk ends, for what follows belongs to the packet that reassembly makes. Options and routing
    // headers that we do not know and that must not be passed over are Malformed::refused (RFC 8200, sections 4.2, 4.4).
    // Bytes behind the payload length are cut off.
    static Parsed<Ipv6View> parse(Bytes packet);

    std::uint8_t traffic_class() const { return std::uint8_t(load_big<std::uint16_t>(packet_.data()) >> 4); }
    Ecn ecn() const { return Ecn(traffic_class() & 3); }
    std::uint32_t flow_label() const { return load_big<std::uint32_t>(packet_.data()) & 0xf'ffff; }
    std::uint16_t payload_length() const { return load_big<std::uint16_t>(packet_.data() + length_at); }
    std::uint8_t hop_limit() const { return std::to_integer<std::uint8_t>(packet_[7]); }
    Address source() const { return {Family::ipv6, packet_.subspan(8, 16)}; }
    Address destination() const { return {Family::ipv6, packet_.subspan(24, 16)}; }

    std::uint8_t protocol() const { return protocol_; }  // of the first header behind the extensions
    const std::optional<Ipv6Fragment>& fragment() const { return fragment_; }
    std::size_t transport_at() const { return transport_at_; }  // bytes from the packet's begin: 40 without extensions
    Bytes payload() const { return packet_.subspan(transport_at_); }
    Bytes bytes() const { return packet_; }

private:
    Ipv6View() = default;
    Parsed<std::uint8_t> step(std::uint8_t kind);  // over one extension header; returns the kind of the next

    Bytes packet_;  // exactly header_size + payload_length() bytes
    std::size_t transport_at_{header_size};
    std::uint8_t protocol_{0};
    std::optional<Ipv6Fragment> fragment_;
};

// A header without extensions, as this stack sends it.
struct Ipv6Header {
    std::uint8_t traffic_class{0};
    std::uint32_t flow_label{0};  // 20 bits
    std::uint16_t payload_length{0};  // bytes behind this header
    std::uint8_t protocol{0}, hop_limit{64};
    Address source, destination;  // of sixteen bytes each

    // Returns the bytes written, or 0 without writing when `out` is too short or an address is not IPv6.
    std::size_t write(MutableBytes out) const {
        if (out.size() < Ipv6View::header_size || source.bytes().size() != 16 || destination.bytes().size() != 16) return 0;
        Writer to{out};
        to.big(6u << 28 | std::uint32_t{traffic_class} << 20 | (flow_label & 0xf'ffff));
        to.big(payload_length), to.u8(protocol), to.u8(hop_limit);
        to.put(source.bytes()), to.put(destination.bytes());
        return to.size();
    }

    friend bool operator==(const Ipv6Header&, const Ipv6Header&) = default;
};

}  // namespace weft::wire
