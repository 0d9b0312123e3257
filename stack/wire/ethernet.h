// Ethernet frames (RFC 894, RFC 2464; type field of IEEE 802.3, section 3.2.6): a view over a received frame, and a writer.
// Frames with a VLAN tag and those of IEEE 802.2, whose field is a length, are refused: no network of ours is behind them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

inline constexpr std::uint16_t ethertype_ipv4 = 0x0800, ethertype_arp = 0x0806, ethertype_ipv6 = 0x86dd;
inline constexpr std::uint16_t ethertype_vlan = 0x8100, ethertype_provider_vlan = 0x88a8;
inline constexpr std::uint16_t least_ethertype = 0x0600;  // below: a length
inline constexpr Mac broadcast_mac{std::byte{0xff}, std::byte{0xff}, std::byte{0xff},
                                   std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};

constexpr std::uint16_t ethertype_of(Family family) { return family == Family::ipv4 ? ethertype_ipv4 : ethertype_ipv6; }

// An address of several stations, broadcast too.
constexpr bool is_group(const Mac& mac) { return (mac[0] & std::byte{1}) != std::byte{0}; }

// The group that an IPv6 multicast address is sent to (RFC 2464, section 7).
inline Mac group_mac(const Address& multicast) {
    const auto bytes = multicast.bytes();
    Mac mac{std::byte{0x33}, std::byte{0x33}};
    if (bytes.size() == 16) std::copy_n(bytes.begin() + 12, 4, mac.begin() + 2);
    return mac;
}

//  0 destination[6] | 6 source[6] | 12 type u16
class EthernetView {
public:
    static constexpr std::size_t header_size = 14;

    // A device may have padded the payload to 46 bytes: what is inside says how long it is.
    static Parsed<EthernetView> parse(Bytes frame) {
        if (frame.size() < header_size) return std::unexpected(Malformed::truncated);
        const EthernetView view{frame};
        if (view.type() < least_ethertype || view.type() == ethertype_vlan || view.type() == ethertype_provider_vlan)
            return std::unexpected(Malformed::refused);
        return view;
    }

    Mac destination() const { return mac(0); }
    Mac source() const { return mac(6); }
    std::uint16_t type() const { return load_big<std::uint16_t>(frame_.data() + 12); }
    Bytes payload() const { return frame_.subspan(header_size); }

private:
    explicit EthernetView(Bytes frame) : frame_{frame} {}
    Mac mac(std::size_t at) const {
        Mac out;
        std::copy_n(frame_.begin() + std::ptrdiff_t(at), out.size(), out.begin());
        return out;
    }
    Bytes frame_;  // at least header_size bytes
};

struct EthernetHeader {
    Mac destination{}, source{};
    std::uint16_t type{0};

    // Returns the bytes written, or 0 without writing when `out` is too short.
    std::size_t write(MutableBytes out) const {
        if (out.size() < EthernetView::header_size) return 0;
        Writer to{out};
        to.put(destination), to.put(source), to.big(type);
        return to.size();
    }

    friend constexpr bool operator==(const EthernetHeader&, const EthernetHeader&) = default;
};

}  // namespace weft::wire
