// The rules of RFC 4861, section 7.1, and the options' walk.
#include "stack/wire/ndp.h"

#include <algorithm>
#include <array>

#include "stack/wire/ethernet.h"
#include "stack/wire/pseudo.h"

namespace weft::wire {
namespace {

constexpr std::uint8_t source_mac = 1, target_mac = 2;  // options
constexpr std::array<std::byte, 13> group{std::byte{0xff}, std::byte{2}, std::byte{0},   std::byte{0}, std::byte{0},
                                          std::byte{0},    std::byte{0}, std::byte{0},   std::byte{0}, std::byte{0},
                                          std::byte{0},    std::byte{1}, std::byte{0xff}};

bool is_multicast(const Address& address) { return address.bytes()[0] == std::byte{0xff}; }

bool is_unspecified(const Address& address) {
    const auto bytes = address.bytes();
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

// The MAC of the option that is asked for; of one that comes twice the last counts. Unknown ones are stepped over.
Parsed<std::optional<Mac>> read_options(Bytes options, std::uint8_t wanted) {
    std::optional<Mac> found;
    while (!options.empty()) {
        if (options.size() < 8) return std::unexpected(Malformed::option);
        const std::size_t length = 8 * std::to_integer<std::size_t>(options[1]);
        if (length == 0 || length > options.size()) return std::unexpected(Malformed::option);
        if (options[0] == std::byte{wanted} && length == 8) {
            found.emplace();
            std::copy_n(options.begin() + 2, found->size(), found->begin());
        }
        options = options.subspan(length);
    }
    return found;
}

}  // namespace

Address solicited_node(const Address& address) {
    std::array<std::byte, 16> bytes{};
    std::copy(group.begin(), group.end(), bytes.begin());
    if (address.bytes().size() == 16) std::copy_n(address.bytes().begin() + 13, 3, bytes.begin() + 13);
    return {Family::ipv6, bytes};
}

Parsed<NeighbourMessage> NeighbourMessage::parse(const IcmpView& message, const Address& source, const Address& destination,
                                                 std::uint8_t hop_limit) {
    NeighbourMessage out;
    out.advertisement = message.type() == Icmp6::neighbour_advertisement;
    if (message.family() != Family::ipv6 || (!out.advertisement && message.type() != Icmp6::neighbour_solicitation))
        return std::unexpected(Malformed::version);
    const Bytes body = message.body();
    if (body.size() < size) return std::unexpected(Malformed::truncated);
    if (hop_limit != ndp_hop_limit || message.code() != 0) return std::unexpected(Malformed::refused);
    out.target = {Family::ipv6, body.first(16)};
    if (is_multicast(out.target) || is_unspecified(out.target)) return std::unexpected(Malformed::refused);
    const auto mac = read_options(body.subspan(size), out.advertisement ? target_mac : source_mac);
    if (!mac) return std::unexpected(mac.error());
    if (*mac && is_group(**mac)) return std::unexpected(Malformed::refused);
    out.mac = *mac;
    if (out.advertisement) {
        out.router = (message.value() >> 31 & 1) != 0;
        out.solicited = (message.value() >> 30 & 1) != 0;
        out.overrides = (message.value() >> 29 & 1) != 0;
        if (out.solicited && is_multicast(destination)) return std::unexpected(Malformed::refused);
    } else if (is_unspecified(source)) {
        if (out.mac || destination != solicited_node(out.target)) return std::unexpected(Malformed::refused);
    }
    return out;
}

std::size_t NeighbourMessage::write(MutableBytes out, const Address& source, const Address& destination) const {
    const std::size_t body = mac ? with_mac : size;
    if (out.size() < IcmpView::header_size + body || target.bytes().size() != 16) return 0;
    Writer to{out.subspan(IcmpView::header_size)};
    to.put(target.bytes());
    if (mac) to.u8(advertisement ? target_mac : source_mac), to.u8(1), to.put(*mac);
    IcmpHeader header{advertisement ? Icmp6::neighbour_advertisement : Icmp6::neighbour_solicitation, 0, 0};
    if (advertisement)
        header.value = std::uint32_t{router} << 31 | std::uint32_t{solicited} << 30 | std::uint32_t{overrides} << 29;
    header.write(Family::ipv6, out, pseudo_sum(source, destination), body, checksum::sum(to.written()));
    return IcmpView::header_size + body;
}

}  // namespace weft::wire
