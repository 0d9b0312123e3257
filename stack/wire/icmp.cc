// What ICMP's numbers mean (RFC 792; RFC 1122, section 3.2.2; RFC 1812, section 5.2.7; RFC 4443), sums, and quotes.
#include "stack/wire/icmp.h"

#include <algorithm>

#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"

namespace weft::wire {
namespace {

IcmpMeaning unreachable4(std::uint8_t code) {
    switch (code) {
    case 0:
    case 1:
    case 5:
    case 6:
    case 7:
    case 8:
    case 11:
    case 12: return IcmpMeaning::no_route;
    case Icmp4::protocol: return IcmpMeaning::protocol;
    case Icmp4::port: return IcmpMeaning::port;
    case Icmp4::fragmentation_needed: return IcmpMeaning::too_big;
    case 9:
    case 10:
    case 13: return IcmpMeaning::prohibited;
    default: return IcmpMeaning::other;
    }
}

IcmpMeaning meaning4(std::uint8_t type, std::uint8_t code) {
    switch (type) {
    case Icmp4::echo_reply: return IcmpMeaning::echo_reply;
    case Icmp4::unreachable: return unreachable4(code);
    case Icmp4::echo_request: return IcmpMeaning::echo_request;
    case Icmp4::time_exceeded: return IcmpMeaning::time_exceeded;
    case Icmp4::parameter_problem: return IcmpMeaning::parameter_problem;
    default: return IcmpMeaning::other;
    }
}

IcmpMeaning unreachable6(std::uint8_t code) {
    switch (code) {
    case Icmp6::no_route:
    case 2:
    case Icmp6::address: return IcmpMeaning::no_route;
    case Icmp6::prohibited:
    case 5:
    case 6: return IcmpMeaning::prohibited;
    case Icmp6::port: return IcmpMeaning::port;
    default: return IcmpMeaning::other;
    }
}

// An unknown error is one still: its type is below 128 (RFC 4443, section 2.1).
IcmpMeaning meaning6(std::uint8_t type, std::uint8_t code) {
    switch (type) {
    case Icmp6::unreachable: return unreachable6(code);
    case Icmp6::too_big: return IcmpMeaning::too_big;
    case Icmp6::time_exceeded: return IcmpMeaning::time_exceeded;
    case Icmp6::parameter_problem: return IcmpMeaning::parameter_problem;
    case Icmp6::echo_request: return IcmpMeaning::echo_request;
    case Icmp6::echo_reply: return IcmpMeaning::echo_reply;
    case Icmp6::neighbour_solicitation:
    case Icmp6::neighbour_advertisement: return IcmpMeaning::neighbour;
    default: return IcmpMeaning::other;
    }
}

IcmpMeaning meaning_overlay(std::uint8_t type, std::uint8_t code) {
    switch (type) {
    case Wcmp::unreachable:
        return code == Wcmp::no_route     ? IcmpMeaning::no_route
               : code == Wcmp::port       ? IcmpMeaning::port
               : code == Wcmp::prohibited ? IcmpMeaning::prohibited
                                          : IcmpMeaning::other;
    case Wcmp::too_big: return IcmpMeaning::too_big;
    case Wcmp::parameter_problem: return IcmpMeaning::parameter_problem;
    case Wcmp::echo_request: return IcmpMeaning::echo_request;
    case Wcmp::echo_reply: return IcmpMeaning::echo_reply;
    default: return IcmpMeaning::other;
    }
}

}  // namespace

IcmpMeaning IcmpView::meaning() const {
    switch (family_) {
    case Family::ipv4: return meaning4(type(), code());
    case Family::ipv6: return meaning6(type(), code());
    case Family::overlay: return meaning_overlay(type(), code());
    default: return IcmpMeaning::other;
    }
}

bool IcmpView::checksum_verifies(std::uint16_t addresses) const {
    if (family_ == Family::ipv4) return checksum::verifies(checksum::sum(message_));
    return transport_verifies(addresses, protocol_icmpv6, message_);
}

std::size_t IcmpHeader::write(Family family, MutableBytes out, std::uint16_t addresses, std::size_t body_size,
                              std::uint16_t body_sum) const {
    if (out.size() < IcmpView::header_size) return 0;
    Writer to{out};
    to.u8(type), to.u8(code), to.big(std::uint16_t{0}), to.big(value);
    std::uint16_t sum = checksum::add(checksum::sum(to.written()), body_sum);
    if (family != Family::ipv4)
        sum = checksum::add(sum, pseudo_sum(addresses, protocol_icmpv6, std::uint32_t(to.size() + body_size)));
    store_big(out.data() + IcmpView::checksum_at, checksum::field(sum));
    return to.size();
}

Parsed<IcmpQuote> IcmpQuote::parse(Family family, Bytes body) {
    IcmpQuote quote;
    const std::size_t needed = family == Family::ipv4   ? Ipv4View::min_size
                               : family == Family::ipv6 ? Ipv6View::header_size
                                                        : NetFrame::header_size;
    if (body.size() < needed) return std::unexpected(Malformed::truncated);
    if (family == Family::overlay) {
        const auto frame = NetFrame::parse(body);
        if (!frame) return std::unexpected(frame.error());
        quote.protocol = frame->protocol;
        quote.transport = body.subspan(NetFrame::header_size);
        return quote;
    }
    const unsigned version = std::to_integer<unsigned>(body[0]) >> 4;
    if (version != (family == Family::ipv4 ? 4u : 6u)) return std::unexpected(Malformed::version);
    if (family == Family::ipv6) {
        const std::size_t length = Ipv6View::header_size + load_big<std::uint16_t>(body.data() + Ipv6View::length_at);
        quote.length = std::uint16_t(std::min<std::size_t>(length, 0xffff));
        quote.protocol = std::to_integer<std::uint8_t>(body[6]);
        quote.source = {family, body.subspan(8, 16)};
        quote.destination = {family, body.subspan(24, 16)};
        quote.transport = body.subspan(Ipv6View::header_size);
        return quote;
    }
    const std::size_t header = std::size_t(std::to_integer<unsigned>(body[0]) & 0xf) * 4;
    if (header < Ipv4View::min_size) return std::unexpected(Malformed::length);
    if (header > body.size()) return std::unexpected(Malformed::truncated);
    if ((load_big<std::uint16_t>(body.data() + 6) & 0x1fff) != 0)
        return std::unexpected(Malformed::refused);  // no ports in it
    quote.length = load_big<std::uint16_t>(body.data() + Ipv4View::length_at);
    quote.protocol = std::to_integer<std::uint8_t>(body[9]);
    quote.source = {family, body.subspan(12, 4)};
    quote.destination = {family, body.subspan(16, 4)};
    quote.transport = body.subspan(header);
    return quote;
}

std::size_t most_quoted(Family family) {
    switch (family) {
    case Family::ipv4: return 576 - Ipv4View::min_size - IcmpView::header_size;
    case Family::ipv6: return 1'280 - Ipv6View::header_size - IcmpView::header_size;
    case Family::overlay: return Wcmp::most_concerned;
    default: return 0;
    }
}

std::size_t write_wcmp_error(MutableBytes out, std::uint8_t type, std::uint8_t code, std::uint32_t value, Bytes concerned,
                             std::uint16_t addresses, bool elided) {
    concerned = concerned.first(std::min(concerned.size(), Wcmp::most_concerned));
    if (out.size() < IcmpView::header_size + concerned.size()) return 0;
    std::copy(concerned.begin(), concerned.end(), out.begin() + IcmpView::header_size);
    const IcmpHeader header{type, code, value};
    header.write(Family::overlay, out, addresses, concerned.size(), checksum::sum(concerned));
    if (elided) store_big(out.data() + IcmpView::checksum_at, std::uint16_t{0});
    return IcmpView::header_size + concerned.size();
}

}  // namespace weft::wire
