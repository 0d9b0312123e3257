// Which way a path goes: routes, the device they name, and the neighbour behind it. What is found lies in the path, so that a
// packet of a flow asks for nothing.
#include "stack/engine/state.h"
#include "stack/tcp/connection.h"
#include "stack/wire/ethernet.h"

namespace weft {

const Engine::State::Attached& Engine::State::link(std::uint32_t index) const {
    static constexpr Attached unknown{};
    return index < links.size() ? links[index] : unknown;
}

// A link-local address means its zone's link; else the best route, one of `preferred` first.
const RouteEntry* Engine::State::route_to(const Address& remote, std::uint32_t scope, std::uint32_t preferred) const {
    if (net::is_link_local(remote)) return routes.find(remote, scope != 0 ? scope : preferred);
    const RouteEntry* best = routes.find(remote);
    if (best && best->by.link != preferred)
        if (const RouteEntry* same = routes.find(remote, preferred); same && same->to.bits == best->to.bits) return same;
    return best;
}

// The address to speak from: the one that was asked for, else of the route's link, else the family's first.
const net::Assigned* Engine::State::source_for(const Endpoint& remote, const Address& wanted) const {
    if (wanted.family() != Family::none) return addresses.find(wanted);
    if (const RouteEntry* route = route_to(remote.address, remote.scope, remote.scope)) {
        const bool direct = route->by.gateway.family() == Family::none;
        if (const net::Assigned* near = addresses.towards(direct ? remote.address : route->by.gateway, route->by.link)) {
            const bool narrow = net::is_link_local(near->address) && !net::is_link_local(remote.address);
            if (!narrow) return near;
        }
    }
    return addresses.first(remote.address.family());
}

// Is there a way at all? Without routes only an Ethernet link needs one.
bool Engine::State::reachable(const Endpoint& remote, const net::Assigned& from) const {
    return route_to(remote.address, remote.scope, from.link) || !link(from.link).options.ethernet;
}

void Engine::State::leave_neighbour(std::uint32_t index) {
    net::Path& path = paths[index];
    if (path.neighbour == none) return;
    neighbours[path.neighbour].paths.remove(index, neighbour_place());
    neighbours.release(std::exchange(path.neighbour, none));
}

void Engine::State::route_path(std::uint32_t index, Instant now) {
    net::Path& path = paths[index];
    const bool fixed = path.remote.family() == Family::overlay || host.paths[index].sessions > 0;
    const RouteEntry* route = fixed ? nullptr : route_to(path.remote, path.scope, path.given_link);
    path.link = route ? route->by.link : path.given_link;
    const Attached& device = link(path.link);
    const bool ethernet = device.options.ethernet && !fixed;
    path.network = ethernet ? std::uint8_t{wire::EthernetView::header_size} : std::uint8_t{0};
    host.paths[index].room = path.network;
    net::write_header(path.local, path.remote, std::span{path.header}.subspan(path.network));
    set_mtu(index, now);
    // Held before the old one is left: what waits for a neighbour that stays the next hop goes on waiting.
    std::uint32_t next = none;
    if (ethernet && route) {
        const bool direct = route->by.gateway.family() == Family::none;
        next = neighbours.hold(direct ? path.remote : route->by.gateway, path.link);
    }
    leave_neighbour(index);
    path.neighbour = next;
    if (!ethernet) return;
    Mac to{};
    if (path.neighbour != none) {
        neighbours[path.neighbour].paths.append(index, neighbour_place());
        to = neighbours[path.neighbour].mac;
        const bool answers = neighbours[path.neighbour].state != NeighbourState::failed;
        if (answers && std::exchange(host.paths[index].down, false))
            each_flow(index, [&](tcp::Connection flow) { flow.path_up(now); });
    }
    wire::EthernetHeader{to, device.options.mac, wire::ethertype_of(path.remote.family())}.write(path.header);
}

void Engine::State::route_paths(Instant now) {
    for (std::uint32_t index = 1; index < paths.end(); ++index)
        if (paths.alive(index)) route_path(index, now);
}

// The least of what the address or session, the device and the network say. Flows hear of a change.
void Engine::State::set_mtu(std::uint32_t index, Instant now) {
    net::Path& path = paths[index];
    std::uint32_t mtu = path.given_mtu;
    if (link(path.link).attached) mtu = std::min(mtu, link(path.link).options.mtu);
    if (path.lowered_mtu != 0) mtu = std::min<std::uint32_t>(mtu, path.lowered_mtu);
    const std::uint32_t was = std::exchange(host.paths[index].mtu, mtu);
    if (was == mtu) return;
    each_flow(index, [&](tcp::Connection flow) { flow.path_mtu(mtu < was, now); });
}

}  // namespace weft
