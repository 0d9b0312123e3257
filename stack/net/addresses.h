// The addresses of this host, and what an address may not be.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "stack/core/address.h"

namespace weft::net {

// What an address says of the packets that leave by it.
struct Assigned {
    Address address;
    std::uint32_t link{0};
    std::uint32_t mtu{1500};  // bytes, network header included
    bool sums_elided{false};
};

class Addresses {
public:
    const Assigned* find(const Address& address) const {
        const auto at = std::find_if(all_.begin(), all_.end(), [&](const Assigned& a) { return a.address == address; });
        return at == all_.end() ? nullptr : &*at;
    }

    // The default source of a family: the first one that was assigned.
    const Assigned* first(Family family) const {
        const auto at =
            std::find_if(all_.begin(), all_.end(), [&](const Assigned& a) { return a.address.family() == family; });
        return at == all_.end() ? nullptr : &*at;
    }

    void assign(const Assigned& one) {
        if (const Assigned* known = find(one.address)) all_[std::size_t(known - all_.data())] = one;
        else all_.push_back(one);
    }

    bool unassign(const Address& address) {
        return std::erase_if(all_, [&](const Assigned& a) { return a.address == address; }) > 0;
    }

private:
    std::vector<Assigned> all_;  // a host has a few
};

// One host's address, neither unspecified nor multicast nor broadcast (RFC 9293: MUST-46, MUST-57, MUST-63).
inline bool is_unicast(const Address& address) {
    const auto bytes = address.bytes();
    if (std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; })) return false;
    if (address.family() == Family::ipv4) return bytes[0] != std::byte{0} && bytes[0] < std::byte{224};
    if (address.family() == Family::ipv6) return bytes[0] != std::byte{0xff};
    return address.family() != Family::none;
}

}  // namespace weft::net
