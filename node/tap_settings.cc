// Text forms of addresses with prefixes, routes and MACs.
#include "node/tap_settings.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "stack/core/address_text.h"
#include "stack/net/addresses.h"

namespace weft::node {
namespace {

std::unexpected<TextError> no(std::string why) { return std::unexpected(std::move(why)); }

std::expected<Prefix, TextError> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    if (!address) return no(fmt::format("begins with no address: {}", weft::to_string(address.error())));
    if (address->family() == Family::overlay) return no("is of the overlay: a device carries IPv4 and IPv6");
    const unsigned most = address->family() == Family::ipv4 ? 32 : 128;
    if (slash == std::string_view::npos)
        return no(fmt::format("has no prefix length: write {}/{}", text, address->family() == Family::ipv4 ? 24 : 64));
    const std::string_view digits = text.substr(slash + 1);
    unsigned bits = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || bits > most)
        return no(fmt::format("has a prefix length that is no number from 0 to {}", most));
    return Prefix{*address, std::uint16_t(bits)};
}

}  // namespace

std::expected<Prefix, TextError> parse_interface_address(std::string_view text) {
    const auto prefix = parse_prefix(text);
    if (!prefix) return prefix;
    const bool v4 = prefix->address.family() == Family::ipv4;
    if (!net::is_unicast(prefix->address)) return no("is the address of no single host");
    if (prefix->bits == 0) return no("has a prefix of no bits: every address would be on the link");
    const Address network = net::masked(prefix->address, prefix->bits);
    if (v4 && prefix->bits < 31) {
        std::array<std::byte, 4> last{};
        for (unsigned bit = 0; bit < 32; ++bit) {
            const std::byte mask{std::uint8_t(0x80u >> (bit % 8))};
            if (bit >= prefix->bits || (network.bytes()[bit / 8] & mask) != std::byte{0}) last[bit / 8] |= mask;
        }
        if (prefix->address == network) return no(fmt::format("is the network itself: write a host of it"));
        if (prefix->address == Address{Family::ipv4, last}) return no("is the broadcast address of its network");
    }
    return prefix;
}

std::expected<TapRoute, TextError> parse_tap_route(std::string_view text) {
    constexpr std::string_view via = " via ";
    const std::size_t between = text.find(via);
    TapRoute route;
    const auto to = parse_prefix(text.substr(0, between));
    if (!to) return no(to.error());
    if (net::masked(to->address, to->bits) != to->address)
        return no(fmt::format("has bits set behind its prefix: write {}",
                              to_string(Prefix{net::masked(to->address, to->bits), to->bits})));
    route.to = *to;
    if (between == std::string_view::npos) return route;
    const auto gateway = parse_address(text.substr(between + via.size()));
    if (!gateway) return no(fmt::format("has no address as its gateway: {}", weft::to_string(gateway.error())));
    if (gateway->family() != to->address.family() || !net::is_unicast(*gateway))
        return no("has a gateway that is no host of the same family");
    route.gateway = *gateway;
    return route;
}

std::expected<Mac, TextError> parse_mac(std::string_view text) {
    Mac mac{};
    if (text.size() != 17) return no("is no MAC");
    for (std::size_t i = 0; i < mac.size(); ++i) {
        unsigned value = 0;
        const char* const at = text.data() + 3 * i;
        const auto read = std::from_chars(at, at + 2, value, 16);
        if (read.ec != std::errc{} || read.ptr != at + 2 || (i > 0 && at[-1] != ':')) return no("is no MAC");
        mac[i] = std::byte(value);
    }
    if ((mac[0] & std::byte{1}) != std::byte{0}) return no("is the MAC of a group");
    if (mac == Mac{}) return no("is no station's MAC");
    return mac;
}

bool device_name_is_valid(std::string_view name) {
    const bool characters = std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f' && c != '/' && c != ':'; });
    const std::size_t percent = name.find('%');
    const bool number = percent == std::string_view::npos ||
                        (name.substr(percent, 2) == "%d" && name.find('%', percent + 1) == std::string_view::npos);
    return !name.empty() && name.size() <= 15 && characters && number && name != "." && name != "..";
}

std::string check_tap(const TapSettings& settings) {
    if (settings.addresses.empty())
        return "a device without an \"address\" for this node: give it one, such as \"10.0.0.2/24\"";
    for (const Prefix& ours : settings.addresses) {
        if (ours.address.family() == Family::ipv6 && settings.mtu < TapSettings::least_mtu6)
            return fmt::format("IPv6 needs an MTU of {} or more", TapSettings::least_mtu6);
        for (const Prefix& theirs : settings.kernel)
            if (theirs.address == ours.address)
                return fmt::format("{} is to be both ours and the kernel's: the two sides of a device have an address each",
                                   weft::to_string(ours.address));
    }
    for (const TapRoute& route : settings.routes) {
        const bool on_link =
            route.gateway.family() == Family::none ||
            (route.gateway.bytes()[0] == std::byte{0xfe} && route.gateway.family() == Family::ipv6) ||
            std::ranges::any_of(settings.addresses, [&](const Prefix& ours) { return net::covers(ours, route.gateway); });
        if (!on_link)
            return fmt::format("the gateway {} is in the network of no address of this device",
                               weft::to_string(route.gateway));
    }
    return {};
}

std::string to_string(const Prefix& prefix) { return fmt::format("{}/{}", weft::to_string(prefix.address), prefix.bits); }

std::string format_mac(const Mac& mac) {
    std::string text;
    for (const std::byte byte : mac)
        text += fmt::format("{}{:02x}", text.empty() ? "" : ":", std::to_integer<unsigned>(byte));
    return text;
}

}  // namespace weft::node
