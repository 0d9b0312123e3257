// Whole packets: nothing is left to be filled in by whoever carries them.
#include "stack/net/icmp.h"

#include <algorithm>

#include "stack/net/addresses.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"

namespace weft::net {
namespace {

constexpr std::uint8_t hops = 64;

std::uint8_t protocol_of(Family family) { return family == Family::ipv4 ? wire::protocol_icmp : wire::protocol_icmpv6; }

// Types that are errors, or may be: below 128 in ICMPv6 and WCMP (RFC 4443, section 2.1).
bool is_error_type(Family family, std::uint8_t type) {
    if (family != Family::ipv4) return type < 128;
    return type != wire::Icmp4::echo_request && type != wire::Icmp4::echo_reply && (type < 13 || type > 18);
}

wire::IcmpHeader header_of(Family family, Complaint what, std::uint32_t protocol_at) {
    const bool port = what == Complaint::port;
    if (family == Family::ipv4) return {wire::Icmp4::unreachable, port ? wire::Icmp4::port : wire::Icmp4::protocol, 0};
    if (family == Family::overlay)
        return port ? wire::IcmpHeader{wire::Wcmp::unreachable, wire::Wcmp::port, 0}
                    : wire::IcmpHeader{wire::Wcmp::parameter_problem, wire::Icmp6::unknown_next_header, protocol_at};
    if (port) return {wire::Icmp6::unreachable, wire::Icmp6::port, 0};
    return {wire::Icmp6::parameter_problem, wire::Icmp6::unknown_next_header, protocol_at};
}

// Where the byte stands that names the transport: in the fixed header, or in the last extension header.
std::uint32_t next_header_at(const Arrived& about) {
    if (about.family == Family::overlay) return 2;  // of the NET frame
    const Bytes packet = about.packet.bytes();
    std::uint32_t at = 6;
    for (std::uint32_t header = wire::Ipv6View::header_size; header + 2 <= about.transport;) {
        at = header;
        header += 8 * (std::to_integer<std::uint32_t>(packet[header + 1]) + 1);
    }
    return at;
}

}  // namespace

std::size_t write_whole_header(const Address& source, const Address& destination, std::uint8_t protocol,
                               std::uint8_t hop_limit, std::size_t payload, MutableBytes out) {
    switch (source.family()) {
    case Family::ipv4:
        return wire::Ipv4Header{.total_length = std::uint16_t(wire::Ipv4View::min_size + payload),
                                .hop_limit = hop_limit,
                                .protocol = protocol,
                                .source = source,
                                .destination = destination}
            .write(out);
    case Family::ipv6:
        return wire::Ipv6Header{.payload_length = std::uint16_t(payload),
                                .protocol = protocol,
                                .hop_limit = hop_limit,
                                .source = source,
                                .destination = destination}
            .write(out);
    case Family::overlay:
        return wire::OverlayHeader{.payload_length = std::uint16_t(payload),
                                   .protocol = protocol,
                                   .hop_limit = hop_limit,
                                   .source = source,
                                   .destination = destination}
            .write(out);
    default: return 0;
    }
}

Held make_message(const Arrived& about, const Address& source, const wire::IcmpHeader& header, const Slice& body,
                  std::size_t in_front) {
    Held out;
    Transmit& frame = out.frame;
    const MutableBytes room = std::span{frame.header}.subspan(in_front);
    const std::size_t size = wire::IcmpView::header_size + body.size();
    const std::size_t network = write_whole_header(source, about.source, protocol_of(about.family), hops, size, room);
    const std::uint16_t addresses = wire::pseudo_sum(source, about.source);
    const std::size_t written =
        header.write(about.family, room.subspan(network), addresses, body.size(), checksum::sum(body.bytes()));
    frame.link = about.link;
    frame.path = about.path;
    frame.network = std::uint8_t(in_front);
    frame.transport = std::uint16_t(in_front + network);
    frame.header_length = std::uint16_t(frame.transport + written);
    frame.complete = true;
    if (body.size() > 0) out.payload.push_back(body);
    return out;
}

Held make_echo_reply(const Arrived& about, const wire::IcmpView& request, const Address& local, std::size_t in_front) {
    const std::uint8_t type = about.family == Family::ipv4 ? wire::Icmp4::echo_reply : wire::Icmp6::echo_reply;
    const auto at = std::uint32_t(about.transport + wire::IcmpView::header_size);
    return make_message(about, local, {type, 0, request.value()}, about.packet.sub(at, about.packet.size() - at), in_front);
}

bool may_complain(const Arrived& about) {
    if (about.to_group || !is_unicast(about.source)) return false;
    if (about.protocol != protocol_of(about.family)) return true;
    const Bytes message = about.message();
    return !message.empty() && !is_error_type(about.family, std::to_integer<std::uint8_t>(message[0]));
}

// A session carries no network header, so that WCMP quotes the NET frame: its three bytes are written anew.
Held make_complaint(const Arrived& about, Complaint what, std::size_t in_front) {
    const std::size_t most = wire::most_quoted(about.family);
    const wire::IcmpHeader header = header_of(about.family, what, next_header_at(about));
    if (about.family != Family::overlay)
        return make_message(about, about.destination, header, about.packet.sub(0, std::uint32_t(most)), in_front);
    Held out = make_message(about, about.destination, header, {}, in_front);
    std::array<std::byte, wire::Wcmp::most_concerned> quote{};
    const std::size_t front = wire::NetFrame{about.elided, false, about.traffic_class, about.protocol}.write(quote);
    const Bytes message = about.message().first(std::min(about.message().size(), most - front));
    std::copy(message.begin(), message.end(), quote.begin() + std::ptrdiff_t(front));
    const Bytes concerned = Bytes{quote}.first(front + message.size());
    Transmit& frame = out.frame;
    const std::size_t size =
        wire::write_wcmp_error(std::span{frame.header}.subspan(frame.transport), header.type, header.code, header.value,
                               concerned, wire::pseudo_sum(about.destination, about.source), false);
    frame.header_length = std::uint16_t(frame.transport + size);
    store_big(frame.header.data() + in_front + wire::OverlayView::length_at, std::uint16_t(size));
    return out;
}

}  // namespace weft::net
