// What the engine does with its neighbours: asks for them, holds packets for them, hears them (ARP: RFC 826; NDP: RFC 4861).
#include "stack/engine/state.h"

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
bool Engine::State::leaves_to_neighbour(Transmit& frame, const net::Path& path, std::uint32_t first_slice, Instant now) {
    if (path.neighbour != none && neighbours.usable(path.neighbour, now)) return true;
    if (path.neighbour != none) neighbours.keep(path.neighbour, frame, std::span{host.lent}.subspan(first_slice));
    host.lent.resize(first_slice);
    return false;
}

}  // namespace weft
