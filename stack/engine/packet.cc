// From the bytes of a frame to a segment: network header, address pair, checksum, TCP header.
#include "stack/engine/packet.h"

#include <algorithm>

#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"

namespace weft::engine {
namespace {

using Outcome = std::expected<void, Reject>;
constexpr auto malformed = std::unexpected(Reject::malformed);

}  // namespace

Outcome PacketReader::read_network(const Receive& frame, Packet& out, std::uint32_t& transport_at, std::uint32_t& end,
                                   std::uint16_t& addresses_sum) {
    const Bytes bytes = frame.frame.bytes();
    if (bytes.empty()) return malformed;
    std::uint8_t protocol = 0;
    switch (std::to_integer<unsigned>(bytes[0]) >> 4) {
    case 4: {
        const auto view = wire::Ipv4View::parse(bytes);
        if (!view || view->fragment()) return malformed;
        if (!frame.checksum_verified && !view->checksum_verifies()) return std::unexpected(Reject::checksum);
        protocol = view->protocol();
        transport_at = std::uint32_t(view->header_size());  // options are stepped over (MUST-50)
        end = std::uint32_t(view->bytes().size());
        out.local = view->destination(), out.remote = view->source(), out.ecn = view->ecn();
        break;
    }
    case 6: {
        const auto view = wire::Ipv6View::parse(bytes);
        if (!view || view->fragment()) return malformed;
        protocol = view->protocol();
        transport_at = std::uint32_t(view->transport_at());
        end = std::uint32_t(view->bytes().size());
        out.local = view->destination(), out.remote = view->source(), out.ecn = view->ecn();
        break;
    }
    case 8: {
        const auto view = wire::OverlayView::parse(bytes);
        if (!view) return malformed;
        protocol = view->protocol();
        transport_at = std::uint32_t(wire::OverlayView::header_size);
        end = std::uint32_t(view->bytes().size());
        out.local = view->destination(), out.remote = view->source(), out.ecn = view->ecn();
        break;
    }
    default: return malformed;
    }
    if (protocol != wire::protocol_tcp) return std::unexpected(Reject::not_ours);
    if (!net::is_unicast(out.remote)) return std::unexpected(Reject::not_ours);  // MUST-63
    look_up(out);
    if (out.path == 0 && !addresses_.find(out.local)) return std::unexpected(Reject::not_ours);  // MUST-57, too
    addresses_sum = wire::pseudo_sum(out.remote, out.local);
    return {};
}

void PacketReader::look_up(Packet& out) {
    if (last_ != 0 && paths_[last_].remote == out.remote && paths_[last_].local == out.local) out.path = last_;
    else out.path = paths_.find(out.local, out.remote, 0);
    if (out.path != 0) last_ = out.path;
}

Outcome PacketReader::read(const Receive& frame, Packet& out) {
    out.path = frame.path;
    out.link = frame.link;
    std::uint32_t transport_at = 0, end = frame.frame.size();
    std::uint16_t sum = 0;
    if (frame.path != 0) {
        if (!paths_.alive(frame.path) || frame.protocol != wire::protocol_tcp) return std::unexpected(Reject::not_ours);
        out.ecn = frame.ecn;
        const net::Path& path = paths_[frame.path];
        if (!frame.checksum_verified) sum = wire::pseudo_sum(path.remote, path.local);
    } else if (const auto network = read_network(frame, out, transport_at, end, sum); !network) {
        return network;
    }
    const Bytes transport = frame.frame.bytes().first(end).subspan(transport_at);
    if (!frame.checksum_verified && !wire::transport_verifies(sum, wire::protocol_tcp, transport)) return std::unexpected(Reject::checksum);
    const auto view = wire::TcpView::parse(transport);
    if (!view) return malformed;
    const auto options = view->options();
    if (!options) return malformed;  // MUST-7
    out.options = *options;
    out.local_port = view->destination_port();
    out.remote_port = view->source_port();
    tcp::Segment& segment = out.segment = {};
    segment.seq = view->seq();
    segment.ack = view->ack();
    segment.flags = view->flags();
    segment.window = view->window();
    segment.urgent_pointer = view->urgent_pointer();
    if (options->timestamps) {
        segment.timestamps = true;
        segment.ts_value = options->timestamps->value;
        segment.ts_echo = options->timestamps->echo;
    }
    const auto header = std::uint32_t(view->header_size());
    segment.length = std::uint32_t(transport.size()) - header;
    if (frame.segment_size != 0 && segment.length > frame.segment_size)
        segment.count = std::uint16_t((segment.length + frame.segment_size - 1u) / frame.segment_size);
    out.text = frame.frame.sub(transport_at + header, segment.length);
    return {};
}

}  // namespace weft::engine
