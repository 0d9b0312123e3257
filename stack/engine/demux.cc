// From frames to connections: read, join, look up, hand over. What nobody claims meets a listener or a reset.
#include "stack/engine/state.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/handshake.h"
#include "stack/tcp/time_wait.h"
#include "stack/wire/ethernet.h"

namespace weft {

void Engine::State::receive(std::span<Receive> batch, Instant now) {
    engine::PacketReader reader{paths, addresses};
    engine::Packet packet;
    for (const Receive& frame : batch) {
        std::uint32_t at = 0;
        if (frame.path == 0 && link(frame.link).options.ethernet) {
            bool to_group = false;
            const auto network = enter_ethernet(frame, to_group, now);
            if (!network) reject(network.error(), now);
            else if (to_group && *network != 0) receive_other(frame, *network, true, now);
            if (!network || *network == 0 || to_group) continue;
            at = *network;
        }
        if (const auto read = reader.read(frame, at, packet); !read) {
            if (read.error() == engine::Reject::other) receive_other(frame, at, false, now);
            else ++host.statistics.segments_in, reject(read.error(), now);
            continue;
        }
        host.statistics.segments_in += packet.segment.count;
        if (coalescer.join(packet)) continue;
        if (!coalescer.empty()) dispatch(coalescer.take(), now);
        coalescer.begin(packet);
    }
    if (!coalescer.empty()) dispatch(coalescer.take(), now);
    coalescer.clear();
    free_idle_paths();
}

void Engine::State::reject(engine::Reject why, Instant now) {
    if (why == engine::Reject::checksum) ++host.statistics.checksum_errors;
    if (why == engine::Reject::malformed) ++host.statistics.malformed;
    if (why == engine::Reject::martian) ++host.statistics.martians;
    if (why == engine::Reject::no_route) ++host.statistics.no_route;
    if (host.sink.wants(trace::Type::drop))
        host.sink.add(now, trace::no_flow, trace::Type::drop, trace::Drop{1, std::uint32_t(why) + 1, 1, 0});
}

void Engine::State::dispatch(const engine::Packet& packet, Instant now) {
    const tcp::Segment& segment = packet.segment;
    const tcp::FlowKey key{packet.path, packet.local_port, packet.remote_port};
    const tcp::Found found = packet.path == 0 ? tcp::Found{} : host.find(key);
    if (host.sink.wants(trace::Type::segment_received)) {
        const bool known = found.kind == tcp::Found::Kind::connection;
        const auto [place, generation] = host.name(found);
        const unsigned shift = known && !segment.syn() ? host.connections[found.index].receiving.snd_shift : 0;
        host.sink.add(
            now, place, trace::Type::segment_received,
            trace::Segment{segment.seq.raw(), segment.ack.raw(), segment.length, std::uint32_t{segment.window} << shift, 0,
                           std::uint16_t(segment.flags & wire::tcp_flag_bits),
                           std::uint16_t(segment.count > 1 ? segment.length / segment.count : 0), 0, generation});
    }
    switch (found.kind) {
    case tcp::Found::Kind::connection: return tcp::Connection{host, found.index}.arrive(segment, now);
    case tcp::Found::Kind::half_open: return tcp::arrive_half(host, found.index, segment, now);
    case tcp::Found::Kind::time_wait: {
        const tcp::TimeWait& record = host.time_wait[found.index];
        if (!tcp::reusable(record, segment)) return tcp::arrive_time_wait(host, found.index, segment, now);
        if (listener_for(paths[packet.path].local, paths[packet.path].scope, packet.local_port) == ListenerId{})
            return tcp::arrive_time_wait(host, found.index, segment, now);
        const SeqNum floor = record.snd_nxt;
        tcp::drop_time_wait(host, found.index, tcp::Cause::segment, now, segment.flags);
        return arrive_unclaimed(packet, &floor, now);
    }
    case tcp::Found::Kind::nothing: return arrive_unclaimed(packet, nullptr, now);
    }
}

// RFC 9293, sections 3.10.7.1 (CLOSED) and 3.10.7.2 (LISTEN).
void Engine::State::arrive_unclaimed(const engine::Packet& packet, const SeqNum* floor, Instant now) {
    const tcp::Segment& segment = packet.segment;
    const net::Path* path = packet.path == 0 ? nullptr : &paths[packet.path];
    const Address& local = path ? path->local : packet.local;
    const ListenerId listener = listener_for(local, path ? path->scope : 0, packet.local_port);
    if (segment.rst()) return;                                                        // first: RST is ignored
    if (listener == ListenerId{}) {
        ++host.statistics.no_listener;
        return reset_unclaimed(packet);
    }
    if (segment.ack_set()) return reset_unclaimed(packet);                            // second: ACK
    if (!segment.syn()) return;  // third: SYN; else it should not be here
    std::uint32_t index = packet.path;
    if (index == 0) {
        const net::Assigned* assigned = addresses.find(packet.local);
        const std::uint32_t scope = net::is_link_local(packet.remote) ? packet.link : 0;
        if (!reachable({packet.remote, scope, 0}, {.link = packet.link})) return reject(engine::Reject::no_route, now);
        index = intern(packet.local, packet.remote, scope, {packet.link, assigned->mtu, assigned->sums_elided}, now);
        if (index == 0) {
            ++host.statistics.no_memory;
            return;
        }
    }
    host.hold_path(index);
    tcp::open_half(host, listener, {index, packet.local_port, packet.remote_port}, segment, floor, now);
    host.release_path(index);
}

// RFC 9293, section 3.10.7.1. Built from the packet: a forged one must not cost a path.
void Engine::State::reset_unclaimed(const engine::Packet& packet) {
    const tcp::Segment& segment = packet.segment;
    const bool answers = segment.ack_set();
    const SeqNum seq = answers ? segment.ack : SeqNum{};
    const SeqNum ack = answers ? SeqNum{} : segment.end();
    const auto flags = answers ? std::uint16_t{wire::rst} : std::uint16_t(wire::rst | wire::ack);
    if (packet.path != 0) return host.reply({{packet.path, packet.local_port, packet.remote_port}, seq, ack, flags, 0, {}});
    if (host.replies.size() >= tcp::Host::max_replies) return;
    tcp::Reply& reply = host.replies.emplace_back();
    std::size_t at = 0;
    if (packet.ethernet) {  // back to the station that it came from
        const auto came = wire::EthernetView::parse({packet.ethernet, wire::EthernetView::header_size});
        at = wire::EthernetHeader{came->source(), links[packet.link].options.mac, came->type()}.write(reply.frame.header);
    }
    const std::span network = std::span{reply.frame.header}.subspan(at);
    const std::size_t transport = net::write_header(packet.local, packet.remote, network);
    const wire::TcpHeader header{packet.local_port, packet.remote_port, seq, ack, flags, 0, 0, 0, {}};
    net::finish_header(packet.local.family(), network, 0, Ecn::not_capable, 64, 0);
    reply.frame.link = packet.link;
    reply.frame.network = std::uint8_t(at);
    reply.frame.transport = std::uint16_t(at + transport);
    reply.frame.header_length = std::uint16_t(at + transport + header.write(network.subspan(transport)));
    reply.complete = true;
    ++host.statistics.resets_sent;
}

std::uint64_t Engine::State::listener_word(const Address& local, std::uint32_t scope, std::uint16_t port) const {
    return local.family() == Family::none
               ? port
               : (siphash(listener_key, local.bytes()) ^ siphash(listener_key, scope)) << 16 | port;
}

// The listener of exactly this address, else of any.
ListenerId Engine::State::listener_for(const Address& local, std::uint32_t scope, std::uint16_t port) const {
    if (host.listeners.size() == 0) return {};
    for (const Address& address : {local, Address{}}) {
        const auto index = listener_table.find(listener_word(address, address.family() == Family::none ? 0 : scope, port));
        if (!index) continue;
        const Endpoint& bound = listener_local[*index];
        if (bound.port == port && bound.address == address) return host.listeners.handle(*index);
    }
    return {};
}

}  // namespace weft
