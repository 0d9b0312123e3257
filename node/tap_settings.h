// What a node is told of its TUN and TAP devices, by [[tap]] in weft.toml or by `weft tap`, and the text forms in it.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/net/route_table.h"

namespace weft::node {

struct TapRoute {
    Prefix to;
    Address gateway;                      // none: the destinations are on the link
    friend bool operator==(const TapRoute&, const TapRoute&) = default;
};

struct TapSettings {
    static constexpr std::uint32_t least_mtu = 576, least_mtu6 = 1'280,
                                   most_mtu = 65'521;  // RFC 791; RFC 8200, section 5; Linux

    std::string name{"weft%d"};           // 1 to 15 bytes; for %d the kernel puts the first free number
    bool tun{false};                      // network packets instead of Ethernet frames
    bool vnet_hdr{true};
    std::uint32_t mtu{1'500};             // bytes, network header included
    std::optional<Mac> mac;               // ours, of a TAP device; none: drawn
    std::vector<Prefix> addresses;        // ours, each with the length of its network's prefix
    std::vector<Prefix> kernel;           // the other side's: given to the kernel's interface
    std::vector<TapRoute> routes;
    friend bool operator==(const TapSettings&, const TapSettings&) = default;
};

// A part of a sentence that follows the text, such as "has no prefix length".
using TextError = std::string;

// "10.0.0.2/24", "fd00::2/64": an address of one host, and how many of its bits are its network's.
std::expected<Prefix, TextError> parse_interface_address(std::string_view text);
inline constexpr std::string_view interface_address_form =
    "an address and the length of its prefix, such as \"10.0.0.2/24\"";

// "0.0.0.0/0 via 10.0.0.1", "fd01::/64": a destination, and the gateway unless it is on the link.
std::expected<TapRoute, TextError> parse_tap_route(std::string_view text);
inline constexpr std::string_view tap_route_form = "a destination and its gateway, such as \"0.0.0.0/0 via 10.0.0.1\"";

// "02:00:00:00:00:01": of one station, so that its second digit is even.
std::expected<Mac, TextError> parse_mac(std::string_view text);
inline constexpr std::string_view mac_form = "six pairs of hexadecimal digits, such as \"02:00:00:00:00:01\"";

bool device_name_is_valid(std::string_view name);
inline constexpr std::string_view device_name_form =
    "1 to 15 characters, no '/', no ':' and no space; \"weft%d\" takes the first free number";

// What is wrong with the settings as a whole, such as a device without an address; empty: nothing.
std::string check_tap(const TapSettings& settings);

std::string to_string(const Prefix& prefix);    // "10.0.0.2/24"
std::string format_mac(const Mac& mac);

}  // namespace weft::node
