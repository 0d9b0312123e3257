// What arrives and is no TCP for a flow: Ethernet, ARP, groups, ICMP, and packets that nobody here wants (RFC 1122, sections 2.3,
// 3.2.1 and 3.2.2; RFC 4443). Nothing is forwarded.
#include "stack/engine/state.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/ndp.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"

namespace weft {
namespace {

constexpr std::uint8_t no_next_header = 59;  // RFC 8200, section 4.7

bool is_multicast(const Address& address) {
    const auto first = std::to_integer<unsigned>(address.bytes()[0]);
    return address.family() == Family::ipv4 ? first >= 224 && first < 240
                                            : address.family() == Family::ipv6 && first == 0xff;
}

}  // namespace

// Where the network header begins, or why nothing of the frame is for us. ARP ends here.
std::expected<std::uint32_t, engine::Reject> Engine::State::enter_ethernet(const Receive& frame, bool& to_group,
                                                                           Instant now) {
    const auto view = wire::EthernetView::parse(frame.frame.bytes());
    if (!view) return std::unexpected(engine::Reject::malformed);
    const Mac destination = view->destination();
    to_group = wire::is_group(destination);
    if ((!to_group && destination != links[frame.link].options.mac) || wire::is_group(view->source()))
        return std::unexpected(engine::Reject::not_ours);
    switch (view->type()) {
    case wire::ethertype_arp: receive_arp(frame.link, view->payload(), !to_group, now); return 0;
    case wire::ethertype_ipv4:
    case wire::ethertype_ipv6: return std::uint32_t{wire::EthernetView::header_size};
    default: return std::unexpected(engine::Reject::not_ours);
    }
}

// The packet read down to its transport, and what may stand in its header (RFC 1122, section 3.2.1.3; RFC 4291, section 2.7).
std::expected<net::Arrived, engine::Reject> Engine::State::read_arrived(const Receive& frame, std::uint32_t at) const {
    using engine::Reject;
    net::Arrived out{.link = frame.link, .path = frame.path};
    if (frame.path != 0) {
        if (!paths.alive(frame.path)) return std::unexpected(Reject::not_ours);
        const net::Path& path = paths[frame.path];
        out.family = path.remote.family();
        out.source = path.remote, out.destination = path.local;
        out.protocol = frame.protocol;
        out.traffic_class = std::uint8_t(frame.ecn);
        out.elided = frame.checksum_verified;
        out.packet = frame.frame;
        return out;
    }
    const Bytes bytes = frame.frame.bytes().subspan(at);
    if (bytes.empty()) return std::unexpected(Reject::malformed);
    const unsigned version = std::to_integer<unsigned>(bytes[0]) >> 4;
    const auto fill = [&](Family family, const auto& view, std::size_t transport) {
        out.family = family;
        out.source = view.source(), out.destination = view.destination();
        out.protocol = view.protocol(), out.hop_limit = view.hop_limit();
        out.packet = frame.frame.sub(at, std::uint32_t(view.bytes().size()));
        out.transport = std::uint32_t(transport);
    };
    if (version == 4) {
        const auto view = wire::Ipv4View::parse(bytes);
        if (!view) return std::unexpected(Reject::malformed);
        if (!view->checksum_verifies()) return std::unexpected(Reject::checksum);
        if (view->fragment()) return std::unexpected(Reject::fragment);
        fill(Family::ipv4, *view, view->header_size());
    } else if (version == 6) {
        const auto view = wire::Ipv6View::parse(bytes);
        if (!view) return std::unexpected(Reject::malformed);
        if (view->fragment()) return std::unexpected(Reject::fragment);
        fill(Family::ipv6, *view, view->transport_at());
    } else {
        const auto view = wire::OverlayView::parse(bytes);
        if (!view) return std::unexpected(Reject::malformed);
        fill(Family::overlay, *view, wire::OverlayView::header_size);
    }
    return out;
}

// Whom it is for: 0 when it is ours, our own group's, or why not. Sources that nobody may have are martians.
std::optional<engine::Reject> Engine::State::not_for_us(net::Arrived& packet) const {
    using engine::Reject;
    const bool unspecified_ndp = packet.family == Family::ipv6 && packet.protocol == wire::protocol_icmpv6 &&
                                 packet.hop_limit == wire::ndp_hop_limit && net::is_unspecified(packet.source);
    if (!unspecified_ndp && (!net::is_unicast(packet.source) || net::is_loopback(packet.source) ||
                             addresses.is_broadcast(packet.source) || addresses.find(packet.source)))
        return Reject::martian;
    if (packet.path != 0 || addresses.find(packet.destination)) return std::nullopt;
    packet.to_group = true;
    if (addresses.is_broadcast(packet.destination)) return std::nullopt;
    if (!is_multicast(packet.destination)) return Reject::not_ours;
    if (packet.family != Family::ipv6) return Reject::not_ours;
    if (packet.destination == net::all_nodes()) return std::nullopt;
    for (const net::Assigned& own : addresses.all())
        if (own.link == packet.link && own.address.family() == Family::ipv6 &&
            packet.destination == wire::solicited_node(own.address))
            return std::nullopt;
    return Reject::not_ours;
}

// `to_group`: the frame was for a group of stations; then a packet for one host is an error of its sender's (RFC 1122, 3.3.6).
void Engine::State::receive_other(const Receive& frame, std::uint32_t at, bool to_group, Instant now) {
    auto read = read_arrived(frame, at);
    if (!read) return reject(read.error(), now);
    net::Arrived& packet = *read;
    if (const auto why = not_for_us(packet)) return reject(*why, now);
    if (to_group && !packet.to_group) return reject(engine::Reject::group, now);
    if (at != 0) packet.from = wire::EthernetView::parse(frame.frame.bytes())->source();
    const bool icmp = packet.protocol == (packet.family == Family::ipv4 ? wire::protocol_icmp : wire::protocol_icmpv6);
    if (icmp) return receive_icmp(packet, now);
    if (packet.protocol == wire::protocol_tcp || packet.to_group) return reject(engine::Reject::group, now);
    if (packet.protocol == no_next_header && packet.family == Family::ipv6) return;
    ++host.statistics.no_listener;
    complain(packet, packet.protocol == wire::protocol_udp ? net::Complaint::port : net::Complaint::protocol, now);
}

void Engine::State::receive_icmp(const net::Arrived& packet, Instant now) {
    ++host.statistics.icmp_in;
    const auto view = wire::IcmpView::parse(packet.family, packet.message());
    if (!view) return reject(engine::Reject::malformed, now);
    if (!packet.elided && !view->checksum_verifies(wire::pseudo_sum(packet.source, packet.destination)))
        return reject(engine::Reject::checksum, now);
    const wire::IcmpMeaning meaning = view->meaning();
    if (meaning == wire::IcmpMeaning::neighbour) return receive_ndp(packet, *view, now);
    if (meaning == wire::IcmpMeaning::echo_request) return answer_echo(packet, *view, now);
    if (wire::is_error(meaning)) return receive_trouble(packet, *view, now);
}

// Of a group only IPv6's all-nodes is answered; IPv4 broadcasts are not (RFC 1122, section 3.2.2.6, leaves it to us).
void Engine::State::answer_echo(const net::Arrived& packet, const wire::IcmpView& request, Instant now) {
    Address local = packet.destination;
    if (packet.to_group) {
        const net::Assigned* own = packet.family == Family::ipv6 ? addresses.towards(packet.source, packet.link) : nullptr;
        if (!own) return;
        local = own->address;
    }
    if (!net::is_unicast(packet.source)) return;
    if (!icmp_limits.echoes.take(now)) return limited(now);
    send_back(packet, net::make_echo_reply(packet, request, local, link_header(packet)));
    ++host.statistics.icmp_out;
}

void Engine::State::complain(const net::Arrived& packet, net::Complaint what, Instant now) {
    if (!net::may_complain(packet)) return;
    if (!icmp_limits.errors.take(now)) return limited(now);
    send_back(packet, net::make_complaint(packet, what, link_header(packet)));
    ++host.statistics.icmp_out;
}

void Engine::State::limited(Instant now) {
    ++host.statistics.icmp_limited;
    reject(engine::Reject::limited, now);
}

std::size_t Engine::State::link_header(const net::Arrived& packet) const {
    return packet.path == 0 && link(packet.link).options.ethernet ? wire::EthernetView::header_size : 0;
}

// Answers go to the station that the question came from: a forged source costs no entry among the neighbours.
void Engine::State::send_back(const net::Arrived& packet, net::Held answer) {
    if (packet.path != 0) answer.frame.link = paths[packet.path].link;
    if (answer.frame.network != 0)
        wire::EthernetHeader{packet.from, links[packet.link].options.mac, wire::ethertype_of(packet.family)}.write(
            answer.frame.header);
    send_packet(std::move(answer));
}

void Engine::State::send_packet(net::Held packet) {
    if (packets.size() - next_packet >= most_packets) return;  // as a full queue would
    packets.push_back(std::move(packet));
}

}  // namespace weft
