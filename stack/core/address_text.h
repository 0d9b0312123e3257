// Addresses and endpoints as people write them: IPv4, IPv6 (RFC 4291, section 2.2; RFC 5952) and the overlay's text form
// `weft1...`, its host-name form and its short form (docs/wire.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "stack/core/address.h"
#include "stack/core/batch.h"

namespace weft {

// Four decimal numbers; no leading zeros, which some readers take for octal.
struct Ipv4Family {
    static constexpr Family family = Family::ipv4;
    static constexpr std::size_t size = 4;
    static std::expected<Address, ParseError> parse(std::string_view text);
    static std::string format(const Address& address);
    static std::uint32_t pseudo_sum(const Address& address);
};

// Any form of RFC 4291, without a zone; written as RFC 5952 says, ::ffff:a.b.c.d with dots.
struct Ipv6Family {
    static constexpr Family family = Family::ipv6;
    static constexpr std::size_t size = 16;
    static std::expected<Address, ParseError> parse(std::string_view text);
    static std::string format(const Address& address);
    static std::uint32_t pseudo_sum(const Address& address);
};

// `weft1` and 118 symbols, of which 15 are a checksum that finds any eight wrong ones; also as the host name
// `<60 symbols>.<58 symbols>.weft`. Letters of either case are read, small ones are written.
struct OverlayFamily {
    static constexpr Family family = Family::overlay;
    static constexpr std::size_t size = 64;
    static constexpr std::size_t text_size = 123;  // characters
    static std::expected<Address, ParseError> parse(std::string_view text);
    static std::string format(const Address& address);
    static std::string format_host_name(const Address& address);
    static std::uint32_t pseudo_sum(const Address& address);
};

// `weft:xxxx-xxxx-xxxx-xxxx`, the first 80 bits of an overlay address: to look at. As input it stands for an address only
// if exactly one locally known address begins with it.
using ShortForm = std::array<std::byte, 10>;
std::expected<ShortForm, ParseError> parse_short_form(std::string_view text);
std::string format_short_form(const Address& address);
bool begins_with(const Address& address, const ShortForm& prefix);

// Of whichever family the text is.
std::expected<Address, ParseError> parse_address(std::string_view text);
std::string to_string(const Address& address);  // "none" without a family

// `192.0.2.1:7000`, `[2001:db8::1]:7000`, `[fe80::1%3]:7000` with an interface's index as its zone (RFC 4007, section 11).
std::expected<UdpEndpoint, ParseError> parse_udp_endpoint(std::string_view text);
std::string to_string(const UdpEndpoint& endpoint);

// `address:port`, an IPv6 address in brackets.
std::string to_string(const Endpoint& endpoint);

// A sentence's worth: "unexpected character at position 7", counted from 1.
std::string to_string(const ParseError& error);

}  // namespace weft
