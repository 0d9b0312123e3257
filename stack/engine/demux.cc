// From frames to connections: read, join, look up, hand over. What nobody claims meets a listener or a reset.
#include "stack/engine/state.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/handshake.h"
#include "stack/tcp/time_wait.h"
#include "stack/wire/ethernet.h"

namespace weft {

void Engine::State::receive(std::span<Receive> batch, Instant now) {
    constexpr std::size_t some = 16;  // timers of so many connections are worth looking for such as ended
    if (host.ack_line.unsettled() >= some) sift(tcp::Line::acks, now);
    engine::PacketReader reader{paths, addresses, last_pair};
    const bool looks = batch.size() >= engine::Ahead::least;
    const std::size_t lead = looks ? engine::Ahead::depth : 0;
    ahead.begin();
    const std::uint64_t before = dispatched;
    for (std::size_t i = 0; i < batch.size() + lead; ++i) {
        if (looks) ahead.look(batch, i, host);
        if (i >= lead) take(batch[i - lead], looks ? ahead.guess(i - lead) : none, reader, now);
    }
    if (!coalescer.empty()) dispatch(coalescer.take(), now);
    coalescer.clear();
    if (looks) ahead.end(std::size_t(dispatched - before), batch.size());
    if (reader.last_path() != 0) ahead.learn(reader.last_path(), reader.last_addresses());
    if (host.loss_line.unsettled() >= some) sift(tcp::Line::losses, now);
    free_idle_paths();
}

void Engine::State::take(const Receive& frame, std::uint32_t guess, engine::PacketReader& reader, Instant now) {
    std::uint32_t at = 0;
    if (frame.path == 0 && link(frame.link).options.ethernet) {
        bool to_group = false;
        const auto network = enter_ethernet(frame, to_group, now);
        if (!network) reject(network.error(), now);
        else if (to_group && *network != 0) receive_other(frame, *network, true, now);
        if (!network || *network == 0 || to_group) return;
        at = *network;
    }
    engine::Packet& packet = coalescer.scratch();
    if (const auto read = reader.read(frame, at, packet); !read) {
        if (read.error() == engine::Reject::other) receive_other(frame, at, false, now);
        else ++host.statistics.segments_in, reject(read.error(), now);
        return;
    }
    host.statistics.segments_in += packet.segment.count;
    packet.guess = guess;
    if (coalescer.join()) return;
    if (!coalescer.empty()) dispatch(coalescer.take(), now);
    coalescer.begin();
}

void Engine::State::reject(engine::Reject why, Instant now) {
    if (why == engine::Reject::checksum) ++host.statistics.checksum_errors;
    if (why == engine::Reject::malformed) ++host.statistics.malformed;
    if (why == engine::Reject::martian) ++host.statistics.martians;
    if (why == engine::Reject::no_route) ++host.statistics.no_route;
    if (host.sink.wants(trace::Type::drop))
        host.sink.add(now, trace::no_flow, trace::Type::drop, trace::Drop{1, std::uint32_t(why) + 1, 1, 0});
}

void Engine::State::dispatch(engine::Packet& packet, Instant now) {
    ++dispatched;
    if (packet.path == 0)  // what was read while the packet in front of it was still to be dispatched may have a path now
        packet.path = paths.find(packet.local, packet.remote, net::is_link_local(packet.remote) ? packet.link : 0);
    const tcp::Segment& segment = packet.segment;
    const tcp::FlowKey key{packet.path, packet.local_port, packet.remote_port};
    const tcp::Found found = packet.path == 0 ? tcp::Found{} : host.find(key, packet.guess);
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
    if (segment.ack_set()) {                                                          // second: ACK
        if (!segment.syn() && take_cookie(packet, listener, now)) return;
        return reset_unclaimed(packet);
    }
    if (!segment.syn()) return;  // third: SYN; else it should not be here
    if (wants_cookie(host.listeners[listener.index()]) && !floor) return send_cookie(packet, listener, now);
    const std::uint32_t index = path_of(packet, now);
    if (index == 0) return;
    host.hold_path(index);
    const tcp::Listener& by = host.listeners[listener.index()];
    const bool bare = (host.settings.fast_open_bare & 2) != 0 && segment.length > 0;
    const bool early = (packet.options.fast_open || bare) && (by.options.fast_open || host.settings.fast_open_all) &&
                       !by.asks && (host.settings.fast_open & 2) != 0;
    const std::uint64_t cookie = early ? fast_open_cookie(index, by) : 0;
    tcp::open_half(host, listener, {index, packet.local_port, packet.remote_port}, segment, floor, early ? &cookie : nullptr,
                   now);
    host.release_path(index);
}

// RFC 7413, section 4.1.2.
std::uint64_t Engine::State::fast_open_cookie(std::uint32_t path, const tcp::Listener& by) const {
    const auto& its = by.options.fast_open_key;
    const auto& given = its[0] != 0 || its[1] != 0 ? its : host.settings.fast_open_key;
    const bool own = given[0] == 0 && given[1] == 0;
    const HashKey key = own ? host.defence.key(tcp::Defence::Use::fast_open) : HashKey{given[0], given[1]};
    return tcp::fast_open_cookie(key, paths[path].remote.bytes(), paths[path].local.bytes());
}

// The path of a packet, made if need be; 0: there can be none.
std::uint32_t Engine::State::path_of(const engine::Packet& packet, Instant now) {
    if (packet.path != 0) return packet.path;
    const net::Assigned* found = addresses.find(packet.local);
    const net::Assigned foreign{.address = packet.local, .link = packet.link, .mtu = link(packet.link).options.mtu};
    const net::Assigned& assigned = found ? *found : foreign;
    const std::uint32_t scope = net::is_link_local(packet.remote) ? packet.link : 0;
    if (!reachable({packet.remote, scope, 0}, {.link = packet.link})) return reject(engine::Reject::no_route, now), 0;
    const std::uint32_t index =
        intern(packet.local, packet.remote, scope, {packet.link, assigned.mtu, assigned.sums_elided}, now);
    if (index == 0) ++host.statistics.no_memory;
    return index;
}

// RFC 9293, section 3.10.7.1.
void Engine::State::reset_unclaimed(const engine::Packet& packet) {
    const tcp::Segment& segment = packet.segment;
    const bool answers = segment.ack_set();
    reply_to(packet, {.seq = answers ? segment.ack : SeqNum{},
                      .ack = answers ? SeqNum{} : segment.end(),
                      .flags = answers ? std::uint16_t{wire::rst} : std::uint16_t(wire::rst | wire::ack)});
}

// Built from the packet: a forged one must not cost a path. Ports are filled in.
void Engine::State::reply_to(const engine::Packet& packet, const wire::TcpHeader& answer, std::uint8_t dscp,
                             std::uint8_t hop_limit) {
    if (packet.path != 0)
        return host.reply({{packet.path, packet.local_port, packet.remote_port},
                           answer.seq,
                           answer.ack,
                           answer.flags,
                           answer.window,
                           answer.options,
                           dscp,
                           hop_limit});
    if (host.replies.size() >= tcp::Host::max_replies) return;
    tcp::Reply& reply = host.replies.emplace_back();
    std::size_t at = 0;
    if (packet.ethernet) {  // back to the station that it came from
        const auto came = wire::EthernetView::parse({packet.ethernet, wire::EthernetView::header_size});
        at = wire::EthernetHeader{came->source(), links[packet.link].options.mac, came->type()}.write(reply.frame.header);
    }
    const std::span network = std::span{reply.frame.header}.subspan(at);
    const std::size_t transport = net::write_header(packet.local, packet.remote, network);
    wire::TcpHeader header = answer;
    header.source_port = packet.local_port, header.destination_port = packet.remote_port;
    net::finish_header(packet.local.family(), network, dscp, Ecn::not_capable, hop_limit, 0);
    reply.frame.link = packet.link;
    reply.frame.network = std::uint8_t(at);
    reply.frame.transport = std::uint16_t(at + transport);
    reply.frame.header_length = std::uint16_t(at + transport + header.write(network.subspan(transport)));
    reply.complete = true;
    if (answer.flags & wire::rst) ++host.statistics.resets_sent;
}

std::uint64_t Engine::State::listener_word(const Address& local, std::uint32_t scope, std::uint16_t port) const {
    return local.family() == Family::none
               ? port
               : (siphash(listener_key, local.bytes()) ^ siphash(listener_key, scope)) << 16 | port;
}

// The listener of exactly this address, else of any; of exactly this port, else of any.
ListenerId Engine::State::listener_for(const Address& local, std::uint32_t scope, std::uint16_t port) const {
    if (host.listeners.size() == 0) return {};
    for (const std::uint16_t wanted : {port, std::uint16_t{0}})  // 0: of every port
        for (const Address& address : {local, Address{}}) {
            const std::uint32_t zone = address.family() == Family::none ? 0 : scope;
            const auto index = listener_table.find(listener_word(address, zone, wanted));
            if (!index) continue;
            const Endpoint& bound = listener_local[*index];
            if (bound.port == wanted && bound.address == address) return host.listeners.handle(*index);
        }
    return {};
}

}  // namespace weft
