// What the engine does with its neighbours: asks for them, holds packets for them, hears and answers them (ARP: RFC 826; NDP:
// RFC 4861, section 7.2).
#include "stack/engine/state.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ndp.h"
#include "stack/wire/pseudo.h"

namespace weft {

// Packets of the network layer, whole. The frames of this call name their text by places in host.lent.
std::size_t Engine::State::transmit_packets(std::span<Transmit> out) {
    std::size_t made = 0;
    for (; made < out.size() && next_packet < packets.size(); ++made) {
        const net::Held& packet = packets[next_packet++];
        out[made] = packet.frame;
        const auto first = std::uint32_t(host.lent.size());
        host.lent.insert(host.lent.end(), packet.payload.begin(), packet.payload.end());
        lent.push_back({first, std::uint32_t(packet.payload.size())});
    }
    if (next_packet == packets.size()) {
        packets.clear();
        next_packet = 0;
    }
    return made;
}

// The neighbour's MAC is in the path's header. While nobody has said it, the packet waits.
bool Engine::State::leaves_to_neighbour(const Transmit& frame, const net::Path& path, std::uint32_t first_slice,
                                        Instant now) {
    if (path.neighbour != none && neighbours.usable(path.neighbour, now)) {
        if (!neighbours.asks.empty()) ask_neighbours();
        return true;
    }
    if (path.neighbour == none) reject(engine::Reject::no_route, now);
    else neighbours.keep(path.neighbour, frame, std::span{host.lent}.subspan(first_slice));
    host.lent.resize(first_slice);
    ask_neighbours();
    return false;
}

void Engine::State::ask_neighbours() {
    for (const net::Neighbours::Ask& ask : neighbours.asks) {
        const net::Neighbour& of = neighbours[ask.index];
        const net::Assigned* from = of.alive ? addresses.towards(of.address, of.link) : nullptr;
        if (!from || !link(of.link).options.ethernet) continue;
        if (of.address.family() == Family::ipv4) ask_by_arp(of, from->address, ask.unicast);
        else ask_by_ndp(of, from->address, ask.unicast);
    }
    neighbours.asks.clear();
}

void Engine::State::ask_by_arp(const net::Neighbour& of, const Address& from, bool unicast) {
    const Mac& own = links[of.link].options.mac;
    send_arp(of.link, unicast ? of.mac : wire::broadcast_mac, {wire::ArpPacket::request, own, from, {}, of.address});
}

void Engine::State::send_arp(std::uint32_t to, const Mac& station, const wire::ArpPacket& arp) {
    net::Held out;
    Transmit& frame = out.frame;
    wire::EthernetHeader{station, links[to].options.mac, wire::ethertype_arp}.write(frame.header);
    frame.link = to;
    frame.network = wire::EthernetView::header_size;
    frame.transport = frame.network;
    frame.header_length =
        std::uint16_t(frame.network + arp.write(std::span{frame.header}.subspan(wire::EthernetView::header_size)));
    frame.complete = true;
    send_packet(std::move(out));
    ++host.statistics.arp_out;
}

void Engine::State::ask_by_ndp(const net::Neighbour& of, const Address& from, bool unicast) {
    const Address to = unicast ? of.address : wire::solicited_node(of.address);
    wire::NeighbourMessage message{.target = of.address};
    message.mac = links[of.link].options.mac;
    send_ndp(of.link, unicast ? of.mac : wire::group_mac(to), from, to, message);
}

void Engine::State::send_ndp(std::uint32_t by, const Mac& station, const Address& from, const Address& to,
                             const wire::NeighbourMessage& message) {
    net::Held out;
    Transmit& frame = out.frame;
    wire::EthernetHeader{station, links[by].options.mac, wire::ethertype_ipv6}.write(frame.header);
    const MutableBytes room = std::span{frame.header}.subspan(wire::EthernetView::header_size);
    const std::size_t body =
        wire::IcmpView::header_size + (message.mac ? wire::NeighbourMessage::with_mac : wire::NeighbourMessage::size);
    const std::size_t network = net::write_whole_header(from, to, wire::protocol_icmpv6, wire::ndp_hop_limit, body, room);
    frame.link = by;
    frame.network = wire::EthernetView::header_size;
    frame.transport = std::uint16_t(frame.network + network);
    frame.header_length = std::uint16_t(frame.transport + message.write(room.subspan(network), from, to));
    frame.complete = true;
    send_packet(std::move(out));
    ++host.statistics.ndp_out;
}

// RFC 826, "Packet Reception"; only for the address of the link that it came by (RFC 1122, section 3.3.4.2).
void Engine::State::receive_arp(std::uint32_t by, Bytes bytes, bool to_us_alone, Instant now) {
    ++host.statistics.arp_in;
    const auto arp = wire::ArpPacket::parse(bytes);
    if (!arp) return reject(engine::Reject::malformed, now);
    const net::Assigned* target = addresses.find(arp->target);
    const bool for_us = target && target->link == by;
    const bool probe = net::is_unspecified(arp->sender);
    if (!probe && (!net::is_unicast(arp->sender) || addresses.find(arp->sender)))
        return reject(engine::Reject::martian, now);  // who claims our address is not believed
    const bool request = arp->operation == wire::ArpPacket::request;
    if (!probe)
        heard(arp->sender, by,
              {.mac = arp->sender_mac, .solicited = !request && for_us && to_us_alone, .asks_us = request && for_us}, now);
    if (!request || !for_us) return;
    send_arp(by, arp->sender_mac,
             {wire::ArpPacket::reply, links[by].options.mac, arp->target, arp->sender_mac, arp->sender});
}

void Engine::State::receive_ndp(const net::Arrived& packet, const wire::IcmpView& icmp, Instant now) {
    ++host.statistics.ndp_in;
    if (packet.path != 0 || !link(packet.link).options.ethernet) return reject(engine::Reject::not_ours, now);
    const auto message = wire::NeighbourMessage::parse(icmp, packet.source, packet.destination, packet.hop_limit);
    if (!message) return reject(engine::Reject::malformed, now);
    const net::Assigned* own = addresses.find(message->target);
    const bool ours = own && own->link == packet.link;
    if (message->advertisement) {
        if (ours) return reject(engine::Reject::martian, now);
        return heard(message->target, packet.link,
                     {message->mac.value_or(Mac{}), message->mac.has_value(), message->solicited, message->overrides, false},
                     now);
    }
    if (!ours) return reject(engine::Reject::not_ours, now);
    const bool probes = net::is_unspecified(packet.source);  // RFC 4861, section 7.2.4: then all nodes hear the answer
    if (!probes && message->mac) heard(packet.source, packet.link, {.mac = *message->mac, .asks_us = true}, now);
    wire::NeighbourMessage answer{.advertisement = true, .solicited = !probes, .overrides = true, .target = message->target};
    answer.mac = links[packet.link].options.mac;
    const Address to = probes ? net::all_nodes() : packet.source;
    const Mac station = probes ? wire::group_mac(to) : message->mac.value_or(packet.from);
    send_ndp(packet.link, station, message->target, to, answer);
}

// What a neighbour said of itself goes into the headers of the paths through it, and what waited for it leaves.
void Engine::State::heard(const Address& who, std::uint32_t by, const net::Neighbours::Said& said, Instant now) {
    if (neighbours.hear(who, by, said, now) == net::Neighbours::Heard::nothing) return;
    const std::uint32_t index = neighbours.find(who, by);
    const Mac mac = neighbours[index].mac;
    for (std::uint32_t path = neighbours[index].paths.first; path != none; path = paths[path].by_neighbour.next) {
        std::copy(mac.begin(), mac.end(), paths[path].header.begin());
        if (!std::exchange(host.paths[path].down, false)) continue;
        each_flow(path, [&](tcp::Connection flow) { flow.path_up(now); });
    }
    for (net::Held& held : neighbours.take_held(index)) {
        std::copy(mac.begin(), mac.end(), held.frame.header.begin());
        send_packet(std::move(held));
    }
}

void Engine::State::advance_neighbours(Instant now) {
    const std::uint64_t dropped = neighbours.dropped();
    neighbours.advance(now);
    if (neighbours.dropped() != dropped && host.sink.wants(trace::Type::drop))
        host.sink.add(now, trace::no_flow, trace::Type::drop,
                      trace::Drop{1, std::uint32_t(engine::Reject::unresolved) + 1, neighbours.dropped() - dropped, 0});
    ask_neighbours();
    for (const std::uint32_t index : neighbours.failed) {
        for (std::uint32_t path = neighbours[index].paths.first; path != none; path = paths[path].by_neighbour.next) {
            host.paths[path].down = true;
            each_flow(path, [&](tcp::Connection flow) { flow.unreachable(now); });
        }
    }
    neighbours.failed.clear();
}

}  // namespace weft
