// The families of fixed size, IPv4 and IPv6, as text: RFC 4291, section 2.2; RFC 5952; and what serves all families.
#include "stack/core/address_text.h"

#include <charconv>
#include <optional>
#include <utility>

#include "stack/core/checksum.h"

namespace weft {
namespace {

using Failure = std::unexpected<ParseError>;

Failure fail(ParseError::Kind kind, std::size_t at) { return Failure{ParseError{kind, std::uint32_t(at)}}; }

bool digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
    if (digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<ParseError> error(ParseError::Kind kind, std::size_t at) { return ParseError{kind, std::uint32_t(at)}; }

// Four numbers from `at` to the end of `text`.
std::optional<ParseError> read_dotted(std::string_view text, std::size_t at, std::span<std::byte, 4> out) {
    for (std::size_t part = 0; part < 4; ++part) {
        if (part != 0) {
            if (at == text.size()) return error(ParseError::wrong_length, at);
            if (text[at] != '.') return error(ParseError::bad_character, at);
            ++at;
        }
        const std::size_t begin = at;
        unsigned value = 0;
        for (; at < text.size() && digit(text[at]); ++at) {
            value = value * 10 + unsigned(text[at] - '0');
            if (value > 255 || (at > begin && text[begin] == '0')) return error(ParseError::out_of_range, begin);
        }
        if (at == begin) return error(at == text.size() ? ParseError::wrong_length : ParseError::bad_character, at);
        out[part] = std::byte(value);
    }
    if (at == text.size()) return std::nullopt;
    return error(text[at] == '.' ? ParseError::wrong_length : ParseError::bad_character, at);
}

// The groups of an IPv6 address, `::` remembered as the index of the group that it stands before.
struct Groups {
    std::array<std::byte, 16> bytes{};
    std::size_t size{0};  // bytes
    std::optional<std::size_t> gap;
};

// One group, or the dotted last four bytes; `at` moves behind it.
std::optional<ParseError> read_group(std::string_view text, std::size_t& at, Groups& groups) {
    const std::size_t begin = at;
    unsigned value = 0;
    for (; at < text.size() && hex_value(text[at]) >= 0; ++at) {
        value = value << 4 | unsigned(hex_value(text[at]));
        if (at - begin == 4) return error(ParseError::out_of_range, begin);
    }
    if (at < text.size() && text[at] == '.') {
        if (groups.size > 12) return error(ParseError::wrong_length, begin);
        if (auto wrong = read_dotted(text, begin, std::span<std::byte, 4>{groups.bytes.data() + groups.size, 4}))
            return wrong;
        groups.size += 4;
        at = text.size();
        return std::nullopt;
    }
    if (at == begin) return error(at == text.size() ? ParseError::wrong_length : ParseError::bad_character, at);
    if (groups.size == 16) return error(ParseError::wrong_length, begin);
    groups.bytes[groups.size++] = std::byte(value >> 8);
    groups.bytes[groups.size++] = std::byte(value & 0xff);
    return std::nullopt;
}

std::optional<ParseError> read_groups(std::string_view text, Groups& groups) {
    std::size_t at = 0;
    if (text.starts_with("::")) {
        groups.gap = 0;
        at = 2;
        if (at == text.size()) return std::nullopt;
    }
    while (true) {
        if (auto wrong = read_group(text, at, groups)) return wrong;
        if (at == text.size()) break;
        if (text[at] != ':') return error(ParseError::bad_character, at);
        if (text.substr(at).starts_with("::")) {
            if (groups.gap) return error(ParseError::bad_character, at + 1);
            groups.gap = groups.size;
            at += 2;
            if (at == text.size()) break;
        } else {
            ++at;
        }
    }
    // `::` stands for at least one group.
    if (groups.gap ? groups.size > 14 : groups.size < 16) return error(ParseError::wrong_length, text.size());
    return std::nullopt;
}

template <class T>
void append_number(std::string& out, T value, int base = 10) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
    out.append(digits.data(), end);
}

void append_dotted(std::string& out, std::span<const std::byte> four) {
    for (std::size_t i = 0; i < 4; ++i) {
        if (i != 0) out += '.';
        append_number(out, std::to_integer<unsigned>(four[i]));
    }
}

constexpr std::array<std::byte, 12> mapped_prefix = [] {
    std::array<std::byte, 12> prefix{};
    prefix[10] = prefix[11] = std::byte{0xff};
    return prefix;
}();

bool mapped(std::span<const std::byte> sixteen) {
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), sixteen.begin());
}

// The longest run of two or more zero groups, the first of equals (RFC 5952, section 4.2): [begin, end).
std::pair<std::size_t, std::size_t> zero_run(std::span<const std::byte> bytes) {
    std::pair<std::size_t, std::size_t> best{8, 8};
    std::size_t length = 1;
    for (std::size_t begin = 0; begin < 8; ++begin) {
        std::size_t end = begin;
        while (end < 8 && bytes[2 * end] == std::byte{0} && bytes[2 * end + 1] == std::byte{0}) ++end;
        if (end - begin > length) {
            best = {begin, end};
            length = end - begin;
        }
    }
    return best;
}

// A decimal number up to `limit` that fills [at, end) of `text`.
std::expected<std::uint32_t, ParseError> read_number(std::string_view text, std::size_t at, std::size_t end,
                                                     std::uint32_t limit) {
    if (at == end) return fail(ParseError::wrong_length, at);
    std::uint64_t value = 0;
    for (std::size_t i = at; i < end; ++i) {
        if (!digit(text[i])) return fail(ParseError::bad_character, i);
        value = value * 10 + std::uint64_t(text[i] - '0');
        if (value > limit || (i > at && text[at] == '0')) return fail(ParseError::out_of_range, at);
    }
    return std::uint32_t(value);
}

}  // namespace

std::expected<Address, ParseError> Ipv4Family::parse(std::string_view text) {
    if (text.empty()) return fail(ParseError::empty, 0);
    std::array<std::byte, 4> bytes{};
    if (const auto wrong = read_dotted(text, 0, bytes)) return Failure{*wrong};
    return Address{Family::ipv4, bytes};
}

std::string Ipv4Family::format(const Address& address) {
    std::string out;
    if (address.bytes().size() == size) append_dotted(out, address.bytes());
    return out;
}

std::uint32_t Ipv4Family::pseudo_sum(const Address& address) { return checksum::sum(address.bytes()); }

std::expected<Address, ParseError> Ipv6Family::parse(std::string_view text) {
    if (text.empty()) return fail(ParseError::empty, 0);
    Groups groups;
    if (const auto wrong = read_groups(text, groups)) return Failure{*wrong};
    std::array<std::byte, 16> bytes{};
    const std::size_t before = groups.gap.value_or(groups.size);
    std::copy_n(groups.bytes.begin(), before, bytes.begin());
    std::copy(groups.bytes.begin() + std::ptrdiff_t(before), groups.bytes.begin() + std::ptrdiff_t(groups.size),
              bytes.end() - std::ptrdiff_t(groups.size - before));
    return Address{Family::ipv6, bytes};
}

std::string Ipv6Family::format(const Address& address) {
    const auto bytes = address.bytes();
    std::string out;
    if (bytes.size() != size) return out;
    if (mapped(bytes)) {
        out = "::ffff:";
        append_dotted(out, bytes.subspan(12));
        return out;
    }
    const auto [begin, end] = zero_run(bytes);
    for (std::size_t group = 0; group < 8; ++group) {
        if (group == begin) {
            out += "::";
            group = end - 1;
            continue;
        }
        if (group != 0 && group != end) out += ':';
        append_number(
            out, std::to_integer<unsigned>(bytes[2 * group]) << 8 | std::to_integer<unsigned>(bytes[2 * group + 1]), 16);
    }
    return out;
}

std::uint32_t Ipv6Family::pseudo_sum(const Address& address) { return checksum::sum(address.bytes()); }

std::expected<Address, ParseError> parse_address(std::string_view text) {
    if (text.empty()) return fail(ParseError::empty, 0);
    const auto is = [text](std::size_t at, std::string_view word) {
        if (at > text.size() || text.size() - at < word.size()) return false;
        for (std::size_t i = 0; i < word.size(); ++i)
            if (text[at + i] != word[i] && text[at + i] != word[i] - 'a' + 'A') return false;
        return true;
    };
    if (is(0, "weft") && text.size() > 4 && text[4] == '1') return OverlayFamily::parse(text);
    if (text.size() > 5 && text[text.size() - 5] == '.' && is(text.size() - 4, "weft")) return OverlayFamily::parse(text);
    if (text.find(':') != std::string_view::npos) return Ipv6Family::parse(text);
    if (digit(text[0])) return Ipv4Family::parse(text);
    return fail(ParseError::unknown_family, 0);
}

std::string to_string(const Address& address) {
    switch (address.family()) {
    case Family::ipv4: return Ipv4Family::format(address);
    case Family::ipv6: return Ipv6Family::format(address);
    case Family::overlay: return OverlayFamily::format(address);
    case Family::none: break;
    }
    return "none";
}

std::expected<UdpEndpoint, ParseError> parse_udp_endpoint(std::string_view text) {
    if (text.empty()) return fail(ParseError::empty, 0);
    UdpEndpoint endpoint;
    std::size_t port_at = 0;
    if (text[0] == '[') {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return fail(ParseError::wrong_length, text.size());
        const std::size_t zone = text.substr(0, close).find('%');
        const std::size_t end = zone == std::string_view::npos ? close : zone;
        const auto address = Ipv6Family::parse(text.substr(1, end - 1));
        if (!address) return fail(address.error().kind, address.error().at + 1);
        if (end != close) {
            const auto scope = read_number(text, end + 1, close, 0xffff'ffff);
            if (!scope) return Failure{scope.error()};
            endpoint.scope = *scope;
        }
        std::copy_n(address->bytes().begin(), 16, endpoint.ip.begin());
        port_at = close + 1;
    } else {
        const std::size_t colon = std::min(text.rfind(':'), text.size());
        const auto address = Ipv4Family::parse(text.substr(0, colon));
        if (!address) return Failure{address.error()};
        std::copy(mapped_prefix.begin(), mapped_prefix.end(), endpoint.ip.begin());
        std::copy_n(address->bytes().begin(), 4, endpoint.ip.begin() + 12);
        port_at = colon;
    }
    if (port_at == text.size()) return fail(ParseError::wrong_length, port_at);
    if (text[port_at] != ':') return fail(ParseError::bad_character, port_at);
    const auto port = read_number(text, port_at + 1, text.size(), 0xffff);
    if (!port) return Failure{port.error()};
    endpoint.port = std::uint16_t(*port);
    return endpoint;
}

std::string to_string(const UdpEndpoint& endpoint) {
    std::string out;
    if (mapped(endpoint.ip) && endpoint.scope == 0) {
        append_dotted(out, std::span{endpoint.ip}.subspan(12));
    } else {
        out = '[' + Ipv6Family::format(Address{Family::ipv6, endpoint.ip});
        if (endpoint.scope != 0) append_number(out += '%', endpoint.scope);
        out += ']';
    }
    append_number(out += ':', endpoint.port);
    return out;
}

std::string to_string(const Endpoint& endpoint) {
    std::string out = to_string(endpoint.address);
    if (endpoint.scope != 0) append_number(out += '%', endpoint.scope);
    if (endpoint.address.family() == Family::ipv6) out = '[' + out + ']';
    append_number(out += ':', endpoint.port);
    return out;
}

std::string to_string(const ParseError& error) {
    std::string out;
    switch (error.kind) {
    case ParseError::empty: return "nothing to read";
    case ParseError::bad_checksum: return "the checksum does not match: at least one letter is wrong";
    case ParseError::unknown_family: return "neither an IPv4, an IPv6 nor a weft1 address";
    case ParseError::bad_character: out = "unexpected character"; break;
    case ParseError::wrong_length: out = "too short or too long"; break;
    case ParseError::out_of_range: out = "number out of range"; break;
    case ParseError::bad_padding: out = "padding that is not zero"; break;
    }
    append_number(out += " at position ", error.at + 1);
    return out;
}

}  // namespace weft
