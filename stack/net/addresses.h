// The addresses of this host, and what an address may not be.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/net/route_table.h"

namespace weft::net {

// What an address says of the packets that leave by it.
struct Assigned {
    Address address;
    std::uint32_t link{0};
    std::uint32_t mtu{1500};  // bytes, network header included
    bool sums_elided{false};
    std::uint8_t prefix{0};   // bits of its network, which is on the link; 0: none
};

inline bool is_unspecified(const Address& address) {
    const auto bytes = address.bytes();
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Never on a wire (RFC 1122, section 3.2.1.3 g; RFC 4291, section 2.5.3).
inline bool is_loopback(const Address& address) {
    const auto bytes = address.bytes();
    if (address.family() == Family::ipv4) return bytes[0] == std::byte{127};
    return address.family() == Family::ipv6 && bytes[15] == std::byte{1} &&
           std::all_of(bytes.begin(), bytes.begin() + 15, [](std::byte b) { return b == std::byte{0}; });
}

// ff02::1 (RFC 4291, section 2.7.1).
inline Address all_nodes() {
    std::array<std::byte, 16> bytes{std::byte{0xff}, std::byte{2}};
    bytes[15] = std::byte{1};
    return {Family::ipv6, bytes};
}

// fe80::/10: means something on its link alone (RFC 4291, section 2.5.6).
inline bool is_link_local(const Address& address) {
    const auto bytes = address.bytes();
    return address.family() == Family::ipv6 && bytes[0] == std::byte{0xfe} &&
           (bytes[1] & std::byte{0xc0}) == std::byte{0x80};
}

// fe80:: and the interface's identifier made of its MAC (RFC 4291, section 2.5.6 and appendix A).
inline Address link_local_of(const Mac& mac) {
    const std::array bytes{std::byte{0xfe},       std::byte{0x80}, std::byte{0}, std::byte{0},
                           std::byte{0},          std::byte{0},    std::byte{0}, std::byte{0},
                           mac[0] ^ std::byte{2}, mac[1],          mac[2],       std::byte{0xff},
                           std::byte{0xfe},       mac[3],          mac[4],       mac[5]};
    return {Family::ipv6, bytes};
}

// One host's address, neither unspecified nor multicast nor broadcast (RFC 9293: MUST-46, MUST-57, MUST-63).
inline bool is_unicast(const Address& address) {
    const auto bytes = address.bytes();
    if (std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; })) return false;
    if (address.family() == Family::ipv4) return bytes[0] != std::byte{0} && bytes[0] < std::byte{224};
    if (address.family() == Family::ipv6) return bytes[0] != std::byte{0xff};
    return address.family() != Family::none;
}

class Addresses {
public:
    // A link whose packets are all for us, whatever unicast address they name.
    void open(std::uint32_t link, bool open) {
        std::erase(open_links_, link);
        if (open) open_links_.push_back(link);
    }
    bool takes(const Address& address, std::uint32_t link) const {
        if (find(address)) return true;
        return std::find(open_links_.begin(), open_links_.end(), link) != open_links_.end() && is_unicast(address) &&
               !is_loopback(address);
    }

    const Assigned* find(const Address& address) const {
        const auto at = std::find_if(all_.begin(), all_.end(), [&](const Assigned& a) { return a.address == address; });
        return at == all_.end() ? nullptr : &*at;
    }

    // The default source of a family: the first one that was assigned; one of a link alone where there is no other.
    const Assigned* first(Family family) const {
        const Assigned* last_resort = nullptr;
        for (const Assigned& one : all_) {
            if (one.address.family() != family) continue;
            if (!is_link_local(one.address)) return &one;
            if (!last_resort) last_resort = &one;
        }
        return last_resort;
    }

    // The source towards `next`, which is on `link`: whose network covers it, else any of the link (RFC 1122, section 3.3.4.3;
    // RFC 6724, section 5, rules 2 and 8). nullptr: the link has none of the family.
    const Assigned* towards(const Address& next, std::uint32_t link) const {
        const Assigned* best = nullptr;
        const auto rank = [&](const Assigned& one) {
            const unsigned same_scope = is_link_local(one.address) == is_link_local(next) ? 512u : 0u;
            return same_scope + (one.prefix > 0 && covers({one.address, one.prefix}, next) ? 1u + one.prefix : 0u);
        };
        for (const Assigned& one : all_)
            if (one.link == link && one.address.family() == next.family() && (!best || rank(one) > rank(*best))) best = &one;
        return best;
    }

    // The last address of a network that is on a link (RFC 922), or all ones.
    bool is_broadcast(const Address& address) const {
        if (address.family() != Family::ipv4) return false;
        const auto ones = [&](unsigned from) {
            const auto bytes = address.bytes();
            std::uint32_t word = 0;
            for (const std::byte byte : bytes) word = word << 8 | std::to_integer<std::uint32_t>(byte);
            return (word | ~(0xffff'ffffu >> from)) == 0xffff'ffff;
        };
        if (ones(0)) return true;
        return std::any_of(all_.begin(), all_.end(), [&](const Assigned& a) {
            return a.prefix > 0 && a.prefix < 31 && covers({a.address, a.prefix}, address) && ones(a.prefix);
        });
    }

    const std::vector<Assigned>& all() const { return all_; }

    void assign(const Assigned& one) {
        if (const Assigned* known = find(one.address)) all_[std::size_t(known - all_.data())] = one;
        else all_.push_back(one);
    }

    bool unassign(const Address& address) {
        return std::erase_if(all_, [&](const Assigned& a) { return a.address == address; }) > 0;
    }

private:
    std::vector<Assigned> all_;  // a host has a few
    std::vector<std::uint32_t> open_links_;
};

}  // namespace weft::net
