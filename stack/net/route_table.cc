// A host has a few routes: a sorted list, which is looked at once for each path, never for a packet of a flow.
#include "stack/net/route_table.h"

#include <algorithm>
#include <array>
#include <span>

namespace weft::net {
namespace {

bool same_way(const RouteEntry& entry, const Prefix& to, const Route& by) {
    return entry.to == to && entry.by.gateway == by.gateway && entry.by.link == by.link;
}

}  // namespace

Address masked(const Address& address, unsigned bits) {
    std::array<std::byte, Address::max_size> bytes{};
    const auto from = address.bytes();
    for (std::size_t i = 0; i < from.size() && i * 8 < bits; ++i) {
        const unsigned kept = std::min<unsigned>(bits - unsigned(i * 8), 8);
        bytes[i] = from[i] & std::byte(0xff00u >> kept & 0xffu);
    }
    return {address.family(), std::span{bytes}.first(from.size())};
}

bool covers(const Prefix& prefix, const Address& address) {
    return prefix.address.family() == address.family() &&
           masked(address, prefix.bits) == masked(prefix.address, prefix.bits);
}

Result<void> RouteTable::add(const Prefix& to, const Route& by) {
    const bool has_gateway = by.gateway.family() != Family::none;
    if (to.address.family() == Family::none || to.bits > to.address.bytes().size() * 8 ||
        masked(to.address, to.bits) != to.address)
        return std::unexpected(Error::invalid);
    if (has_gateway && by.gateway.family() != to.address.family()) return std::unexpected(Error::invalid);
    std::erase_if(all_, [&](const RouteEntry& entry) { return same_way(entry, to, by); });
    if (all_.size() >= most) return std::unexpected(Error::no_memory);
    const RouteEntry entry{to, by};
    const auto better = [](const RouteEntry& a, const RouteEntry& b) {
        return a.to.bits != b.to.bits ? a.to.bits > b.to.bits : a.by.metric < b.by.metric;
    };
    all_.insert(std::upper_bound(all_.begin(), all_.end(), entry, better), entry);
    return {};
}

Result<void> RouteTable::remove(const Prefix& to, const Route& by) {
    if (std::erase_if(all_, [&](const RouteEntry& entry) { return same_way(entry, to, by); }) == 0)
        return std::unexpected(Error::invalid);
    return {};
}

void RouteTable::remove_link(std::uint32_t link) {
    std::erase_if(all_, [&](const RouteEntry& entry) { return entry.by.link == link; });
}

const RouteEntry* RouteTable::find(const Address& to, std::optional<std::uint32_t> link) const {
    const auto at = std::find_if(all_.begin(), all_.end(), [&](const RouteEntry& entry) {
        return (!link || entry.by.link == *link) && covers(entry.to, to);
    });
    return at == all_.end() ? nullptr : &*at;
}

}  // namespace weft::net
