// From the bytes of a frame to a segment: network header, address pair, checksum, TCP header.
#include "stack/engine/packet.h"

#include <algorithm>
#include <cstring>

#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"

namespace weft::engine {
namespace {

constexpr auto malformed = std::unexpected(Reject::malformed);
constexpr auto not_ours = std::unexpected(Reject::not_ours);
constexpr auto other = std::unexpected(Reject::other);

// The form in which nearly every segment carries its timestamps (RFC 7323, appendix A): two NOPs in front.
constexpr std::uint32_t lone_timestamps = 0x0101080a;

bool read_options(const wire::TcpView& view, wire::TcpOptions& out) {
    const Bytes bytes = view.option_bytes();
    if (bytes.size() == 12 && load_big<std::uint32_t>(bytes.data()) == lone_timestamps) {
        out = {};
        out.timestamps =
            wire::TcpTimestamps{load_big<std::uint32_t>(bytes.data() + 4), load_big<std::uint32_t>(bytes.data() + 8)};
        return true;
    }
    const auto options = wire::TcpOptions::parse(bytes);
    if (options) out = *options;
    return options.has_value();
}

}  // namespace

std::expected<PacketReader::Transport, Reject> PacketReader::read_network(const Receive& frame, std::uint32_t at,
                                                                          Packet& out) {
    const Bytes bytes = frame.frame.bytes().subspan(at);
    if (bytes.empty()) return malformed;
    Transport transport;
    switch (std::to_integer<unsigned>(bytes[0]) >> 4) {
    case 4: {
        const auto view = wire::Ipv4View::parse(bytes);
        if (!view) return malformed;
        if (view->fragment()) return std::unexpected(Reject::fragment);
        if (!frame.checksum_verified && !view->checksum_verifies()) return std::unexpected(Reject::checksum);
        transport = {view->header_size(), view->bytes().size(), 0, view->protocol(),
                     bytes.subspan(12, 8)};  // past options (MUST-50)
        out.ecn = view->ecn();
        break;
    }
    case 6: {
        const auto view = wire::Ipv6View::parse(bytes);
        if (!view) return malformed;
        if (view->fragment()) return std::unexpected(Reject::fragment);
        transport = {view->transport_at(), view->bytes().size(), 0, view->protocol(), bytes.subspan(8, 32)};
        out.ecn = view->ecn();
        break;
    }
    case 8: {
        const auto view = wire::OverlayView::parse(bytes);
        if (!view) return malformed;
        transport = {wire::OverlayView::header_size, view->bytes().size(), 0, view->protocol(), bytes.subspan(8, 128)};
        out.ecn = view->ecn();
        break;
    }
    default: return malformed;
    }
    if (transport.protocol != wire::protocol_tcp) return other;
    if (const auto found = find_path(transport, out); !found) return std::unexpected(found.error());
    return transport;
}

// The path of a raw packet's addresses. Those of the packet before it in the batch are looked at first.
std::expected<void, Reject> PacketReader::find_path(Transport& transport, Packet& out) {
    const Bytes both = transport.addresses;
    if (last_.path != 0 && last_.size == both.size() && last_.link == out.link &&
        std::memcmp(both.data(), last_.both.data(), both.size()) == 0) {
        out.path = last_.path;
        transport.addresses_sum = last_.sum;
        return {};
    }
    const std::size_t half = both.size() / 2;
    const Family family = half == 4 ? Family::ipv4 : half == 16 ? Family::ipv6 : Family::overlay;
    const bool destination_first = family == Family::overlay;
    out.local = {family, both.subspan(destination_first ? 0 : half, half)};
    out.remote = {family, both.subspan(destination_first ? half : 0, half)};
    out.path = paths_.find(out.local, out.remote, net::is_link_local(out.remote) ? out.link : 0);
    if (out.path == 0) {  // the addresses of a path were looked at when it was made
        if (!net::is_unicast(out.remote) || net::is_loopback(out.remote) || addresses_.is_broadcast(out.remote))
            return std::unexpected(Reject::martian);      // MUST-63
        if (!addresses_.takes(out.local, out.link)) return not_ours;  // MUST-57, too
        if (addresses_.find(out.remote)) return std::unexpected(Reject::martian);
    }
    transport.addresses_sum = wire::pseudo_sum(out.remote, out.local);
    last_.path = out.path;
    last_.sum = transport.addresses_sum;
    last_.size = std::uint8_t(both.size());
    last_.link = out.link;
    std::copy(both.begin(), both.end(), last_.both.begin());
    return {};
}

std::expected<void, Reject> PacketReader::read(const Receive& frame, std::uint32_t at, Packet& out) {
    out.path = frame.path;
    out.link = frame.link;
    out.ethernet = at == 0 ? nullptr : frame.frame.bytes().data();
    Transport transport{0, frame.frame.size(), 0, frame.protocol, {}};
    if (frame.path != 0) {
        if (!paths_.alive(frame.path)) return not_ours;
        if (frame.protocol != wire::protocol_tcp) return other;
        out.ecn = frame.ecn;
        const net::Path& path = paths_[frame.path];
        if (!frame.checksum_verified) transport.addresses_sum = wire::pseudo_sum(path.remote, path.local);
    } else {
        const auto network = read_network(frame, at, out);
        if (!network) return std::unexpected(network.error());
        transport = *network;
        transport.at += at;
        transport.end += at;
    }
    const Bytes bytes = frame.frame.bytes().first(transport.end).subspan(transport.at);
    if (!frame.checksum_verified && !wire::transport_verifies(transport.addresses_sum, wire::protocol_tcp, bytes))
        return std::unexpected(Reject::checksum);
    const auto view = wire::TcpView::parse(bytes);
    if (!view || !read_options(*view, out.options)) return malformed;  // MUST-7
    out.local_port = view->destination_port();
    out.remote_port = view->source_port();
    tcp::Segment& segment = out.segment = {};
    segment.seq = view->seq();
    segment.ack = view->ack();
    segment.flags = std::uint16_t(view->flags() | (out.ecn == Ecn::congestion_experienced ? tcp::ce_mark : 0) |
                                  (out.options.user_timeout ? tcp::rare_option : 0));
    segment.ecn = out.ecn;
    segment.window = view->window();
    segment.urgent_pointer = view->urgent_pointer();
    if (out.options.timestamps) {
        segment.timestamps = true;
        segment.ts_value = out.options.timestamps->value;
        segment.ts_echo = out.options.timestamps->echo;
    }
    segment.sack_count = out.options.sack_count;
    const std::size_t header = view->header_size();
    segment.length = std::uint32_t(bytes.size() - header);
    if (frame.segment_size != 0 && segment.length > frame.segment_size)
        segment.count = std::uint16_t((segment.length + frame.segment_size - 1u) / frame.segment_size);
    out.text = frame.frame.sub(std::uint32_t(transport.at + header), segment.length);
    return {};
}

}  // namespace weft::engine
