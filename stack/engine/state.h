// What an engine is made of: TCP's part, the network's part, and what leads from one to the other.
#pragma once

#include <algorithm>
#include <cstdint>
#include <expected>
#include <optional>
#include <vector>

#include "stack/core/flat_table.h"
#include "stack/engine/ahead.h"
#include "stack/engine/coalesce.h"
#include "stack/engine/engine.h"
#include "stack/engine/packet.h"
#include "stack/net/addresses.h"
#include "stack/net/icmp.h"
#include "stack/net/neighbour.h"
#include "stack/net/path.h"
#include "stack/net/route_table.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/cookie.h"
#include "stack/tcp/host.h"
#include "stack/wire/arp.h"
#include "stack/wire/ndp.h"

namespace weft {

inline constexpr auto stale = std::unexpected(Error::no_such_flow);  // a handle of what is no more

struct Engine::State {
    State(const Config& config, BufferPool& pool);
    State(const State& other);

    // demux.cc: from packets to connections
    void receive(std::span<Receive> batch, Instant now);
    void reject(engine::Reject why, Instant now);
    void take(const Receive& frame, std::uint32_t guess, engine::PacketReader& reader, Instant now);
    void dispatch(engine::Packet& packet, Instant now);
    void arrive_unclaimed(const engine::Packet& packet, const SeqNum* floor, Instant now);
    void reset_unclaimed(const engine::Packet& packet);
    std::uint32_t path_of(const engine::Packet& packet, Instant now);
    std::uint64_t fast_open_cookie(std::uint32_t path, const tcp::Listener& by) const;
    tcp::CookieOf cookie_of(const engine::Packet& packet, SeqNum irs) const;
    bool wants_cookie(const tcp::Listener& listener) const;
    void send_cookie(const engine::Packet& packet, ListenerId id, Instant now);
    bool take_cookie(const engine::Packet& packet, ListenerId id, Instant now);
    void reply_to(const engine::Packet& packet, const wire::TcpHeader& header, std::uint8_t dscp = 0,
                  std::uint8_t hop_limit = 64);
    ListenerId listener_for(const Address& local, std::uint32_t scope, std::uint16_t port) const;
    std::uint64_t listener_word(const Address& local, std::uint32_t scope, std::uint16_t port) const;

    // paths.cc: from addresses to paths
    std::uint32_t intern(const Address& local, const Address& remote, std::uint32_t scope, const PathOptions& options,
                         Instant now);
    void set_path(std::uint32_t path, const PathOptions& options, Instant now);
    void drop_network(const net::Assigned& was);
    void free_idle_paths();
    template <class Visit>
    void each_flow(std::uint32_t path, Visit&& visit);

    // tell.cc: what trace records say of what is
    void tell_address(const trace::Sink& to, std::uint32_t id, const Address& address, Instant now,
                      std::uint16_t flags) const;
    void tell_path(const trace::Sink& to, std::uint32_t path, Instant now, std::uint16_t flags) const;
    void tell_listener(const trace::Sink& to, std::uint32_t index, Instant now, std::uint16_t flags) const;
    void tell_listening(std::uint32_t index, bool begins, Instant now) const;
    bool tell_at(const trace::Sink& to, std::uint32_t part, std::uint32_t index, Instant now);
    bool tell(const trace::Sink& to, std::uint32_t& cursor, std::size_t most, Instant now);

    // network.cc: what is no TCP
    static constexpr std::size_t most_packets = 1'024;  // waiting ones
    std::expected<std::uint32_t, engine::Reject> enter_ethernet(const Receive& frame, bool& to_group, Instant now);
    std::expected<net::Arrived, engine::Reject> read_arrived(const Receive& frame, std::uint32_t at) const;
    std::optional<engine::Reject> not_for_us(net::Arrived& packet) const;
    void receive_other(const Receive& frame, std::uint32_t at, bool to_group, Instant now);
    void receive_icmp(const net::Arrived& packet, Instant now);
    void answer_echo(const net::Arrived& packet, const wire::IcmpView& request, Instant now);
    void complain(const net::Arrived& packet, net::Complaint what, Instant now);
    void limited(Instant now);
    std::size_t link_header(const net::Arrived& packet) const;
    void send_back(const net::Arrived& packet, net::Held answer);
    void send_packet(net::Held packet);

    // trouble.cc: ICMP errors
    struct Quoted {
        std::uint32_t path, connection;
    };
    std::optional<Quoted> quoted_flow(const net::Arrived& packet, const wire::IcmpQuote& quote);
    bool forget_quoted(const net::Arrived& packet, const wire::IcmpQuote& quote, wire::IcmpMeaning meaning, Instant now);
    void receive_trouble(const net::Arrived& packet, const wire::IcmpView& error, Instant now);
    void lower_mtu(std::uint32_t index, std::uint32_t mtu, std::uint32_t quoted, Instant now);
    void forget_lowered(std::uint32_t index);
    void raise_mtus(Instant now);
    auto lowered_place() {
        return [this](std::uint32_t i) -> Place& { return paths[i].lowered; };
    }

    // neighbours.cc: questions for neighbours, their answers, and what waits for them
    std::size_t transmit_packets(std::span<Transmit> out);
    bool leaves_to_neighbour(const Transmit& frame, const net::Path& path, std::uint32_t first_slice, Instant now);
    void ask_neighbours();
    void ask_by_arp(const net::Neighbour& of, const Address& from, bool unicast);
    void ask_by_ndp(const net::Neighbour& of, const Address& from, bool unicast);
    void send_arp(std::uint32_t to, const Mac& station, const wire::ArpPacket& arp);
    void send_ndp(std::uint32_t by, const Mac& station, const Address& from, const Address& to,
                  const wire::NeighbourMessage& message);
    void receive_arp(std::uint32_t by, Bytes bytes, bool to_us_alone, Instant now);
    void receive_ndp(const net::Arrived& packet, const wire::IcmpView& icmp, Instant now);
    void heard(const Address& who, std::uint32_t by, const net::Neighbours::Said& said, Instant now);
    void advance_neighbours(Instant now);

    // next_hop.cc: from paths to links and neighbours
    struct Attached {
        LinkOptions options;
        bool attached{false};
    };
    const Attached& link(std::uint32_t index) const;
    const RouteEntry* route_to(const Address& remote, std::uint32_t scope, std::uint32_t preferred) const;
    const net::Assigned* source_for(const Endpoint& remote, const Address& wanted) const;
    bool reachable(const Endpoint& remote, const net::Assigned& from) const;
    void route_path(std::uint32_t index, Instant now);
    void route_paths(Instant now);
    void leave_neighbour(std::uint32_t index);
    void set_mtu(std::uint32_t index, Instant now);
    auto neighbour_place() {
        return [this](std::uint32_t i) -> Place& { return paths[i].by_neighbour; };
    }

    // transmit.cc: from connections to packets
    std::size_t transmit(std::span<Transmit> out, Instant now);
    std::size_t transmit_replies(std::span<Transmit> out, Instant now);
    bool finish(Transmit& frame, std::uint8_t dscp, std::uint8_t hop_limit, std::uint32_t first_slice, Instant now);
    void trace_reply(const tcp::Reply& reply, Instant now) const;
    std::size_t events(std::span<Event> out);
    void advance(Instant now);
    void advance_lines(Instant now);
    void sift(tcp::Line which, Instant now);
    Instant deadline() const;

    // What transmit() showed last is valid until the next call.
    void begin() { host.lent.clear(); }

    std::optional<std::uint32_t> find(Flow flow) {
        return host.connections.find(flow) ? std::optional{flow.index()} : std::nullopt;
    }

    tcp::Host host;
    net::PathTable paths;
    net::Addresses addresses;
    std::vector<Attached> links;        // under the link's number
    net::RouteTable routes;
    net::Neighbours neighbours;
    net::IcmpLimits icmp_limits;
    IndexList lowered;                  // paths whose MTU the network lowered, in the order in which that ends
    HashKey listener_key;
    FlatTable listener_table;           // of local address, scope and port, hashed, to the listener's index
    Pages<Endpoint> listener_local;     // under the listener's index
    engine::Coalescer coalescer;
    engine::Ahead ahead;
    engine::LastPair last_pair;
    std::uint64_t dispatched{0};        // runs of segments, ever
    std::size_t next_reply{0};          // of host.replies
    std::vector<net::Held> packets;     // of the network layer, for transmit()
    std::size_t next_packet{0};         // of them
    struct Lent {
        std::uint32_t first, count;
    };
    std::vector<Lent> lent;             // of each frame of a transmit(): its part of host.lent
};

template <class Visit>
void Engine::State::each_flow(std::uint32_t path, Visit&& visit) {
    for (std::uint32_t index = host.paths[path].flows.first; index != none;) {
        const std::uint32_t next = host.connections[index].places.path.next;
        visit(tcp::Connection{host, index});
        index = next;
    }
}

}  // namespace weft
