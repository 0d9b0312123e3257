// The walk over IPv6 extension headers: RFC 8200, sections 4.1 to 4.6.
#include "stack/wire/ipv6.h"

namespace weft::wire {
namespace {

enum Extension : std::uint8_t { hop_by_hop = 0, routing = 43, fragment_header = 44, destination_options = 60 };

// The options of one header, behind its two fixed bytes. Pad1 alone has no length; of an unknown one the two highest
// bits of its type say whether a host may pass over it (RFC 8200, section 4.2).
std::optional<Malformed> check_options(Bytes options) {
    for (std::size_t at = 0; at < options.size();) {
        const auto type = std::to_integer<unsigned>(options[at]);
        if (type == 0) {
            ++at;
            continue;
        }
        if (options.size() - at < 2) return Malformed::option;
        const auto length = std::to_integer<std::size_t>(options[at + 1]);
        if (length > options.size() - at - 2) return Malformed::option;
        if (type >> 6 != 0) return Malformed::refused;
        at += 2 + length;
    }
    return std::nullopt;
}

}  // namespace

Parsed<std::uint8_t> Ipv6View::step(std::uint8_t kind) {
    const Bytes left = packet_.subspan(transport_at_);
    if (left.size() < 8) return std::unexpected(Malformed::truncated);
    const std::uint8_t next = std::to_integer<std::uint8_t>(left[0]);
    if (kind == fragment_header) {
        const std::uint16_t word = load_big<std::uint16_t>(left.data() + 2);
        fragment_ = Ipv6Fragment{load_big<std::uint32_t>(left.data() + 4), std::uint16_t(word & 0xfff8), (word & 1) != 0};
        transport_at_ += 8;
        return next;
    }
    const std::size_t size = 8 * (std::to_integer<std::size_t>(left[1]) + 1);
    if (size > left.size()) return std::unexpected(Malformed::truncated);
    if (kind == routing) {
        if (left[3] != std::byte{0}) return std::unexpected(Malformed::refused);  // segments left, and we know no type
    } else if (const auto wrong = check_options(left.subspan(2, size - 2))) {
        return std::unexpected(*wrong);
    }
    transport_at_ += size;
    return next;
}

Parsed<Ipv6View> Ipv6View::parse(Bytes packet) {
    if (packet.size() < header_size) return std::unexpected(Malformed::truncated);
    if (std::to_integer<unsigned>(packet[0]) >> 4 != 6) return std::unexpected(Malformed::version);
    Ipv6View view;
    view.packet_ = packet;
    if (view.payload_length() > packet.size() - header_size) return std::unexpected(Malformed::truncated);
    view.packet_ = packet.first(header_size + view.payload_length());

    std::uint8_t kind = std::to_integer<std::uint8_t>(packet[6]);
    for (std::size_t count = 0; !view.fragment_; ++count) {
        const bool extension =
            kind == routing || kind == fragment_header || kind == destination_options || (kind == hop_by_hop && count == 0);
        if (kind == hop_by_hop && count != 0) return std::unexpected(Malformed::refused);  // only as the first
        if (!extension) break;
        if (count == max_extensions) return std::unexpected(Malformed::too_many);
        const auto next = view.step(kind);
        if (!next) return std::unexpected(next.error());
        kind = *next;
    }
    view.protocol_ = kind;
    return view;
}

}  // namespace weft::wire
