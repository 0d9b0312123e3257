// Ethernet, ARP, neighbour discovery and ICMP: frames that a Linux 6.18 kernel sent, read and written again to the bit; then the rules
// that each parser holds.
#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "stack/core/address_text.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/ndp.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"

namespace weft::wire {
namespace {

using Buffer = std::vector<std::byte>;

Buffer hex(std::string_view text) {
    const auto digit = [](char c) { return unsigned(c <= '9' ? c - '0' : c - 'a' + 10); };
    Buffer out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) out.push_back(std::byte(digit(text[i]) << 4 | digit(text[i + 1])));
    return out;
}

// Between 10.0.0.1 and 10.0.0.2, fd00::1 and fd00::2, at 02:00:00:00:00:0a and 02:00:00:00:00:0b.
const Buffer arp_request = hex("ffffffffffff02000000000a0806000108000604000102000000000a0a0000010000000000000a000002");
const Buffer arp_reply = hex("02000000000a02000000000b0806000108000604000202000000000b0a00000202000000000a0a000001");
const Buffer solicitation =
    hex("3333ff00000202000000000a86dd6000000000203afffd000000000000000000000000000001ff0200000000000000000001ff00000287007d8"
        "e00000000"
        "fd000000000000000000000000000002010102000000000a");
const Buffer advertisement =
    hex("02000000000a02000000000b86dd6000000000203afffd000000000000000000000000000002fd00000000000000000000000000000188001c9"
        "160000000"
        "fd000000000000000000000000000002020102000000000b");
const Buffer probe = hex(  // for a duplicate, with a nonce (RFC 7527)
    "3333ff00000a02000000000a86dd6000000000203aff00000000000000000000000000000000ff0200000000000000000001ff00000a87001e17000"
    "00000"
    "fe80000000000000000000fffe00000a0e01bd14a4caef13");
const Buffer unreachable4 =
    hex("02000000000a02000000000b080045c0003ad932000040018cce0a0000020a0000010303f6ae000000004500001e09e9400040111ce40a00000"
        "10a00000289"
        "b30009000a141e6869");
const Buffer unreachable6 =
    hex("02000000000a02000000000b86dd6009f5d0003a3a40fd000000000000000000000000000002fd0000000000000000000000000000010104ff0"
        "c0000000060"
        "04865d000a1140fd000000000000000000000000000001fd000000000000000000000000000002b1280009000afa1f6869");

const Mac a{std::byte{2}, {}, {}, {}, {}, std::byte{0x0a}}, b{std::byte{2}, {}, {}, {}, {}, std::byte{0x0b}};

Address four(unsigned last) { return {Family::ipv4, std::array{std::byte{10}, std::byte{}, std::byte{}, std::byte(last)}}; }
Address six(unsigned last) {
    std::array<std::byte, 16> bytes{std::byte{0xfd}};
    bytes[15] = std::byte(last);
    return {Family::ipv6, bytes};
}

Parsed<NeighbourMessage> read(const Buffer& frame) {
    const auto packet = Ipv6View::parse(Bytes{frame}.subspan(14));
    const auto icmp = IcmpView::parse(Family::ipv6, packet->payload());
    EXPECT_TRUE(icmp->checksum_verifies(pseudo_sum(packet->source(), packet->destination())));
    return NeighbourMessage::parse(*icmp, packet->source(), packet->destination(), packet->hop_limit());
}

TEST(Arp, KernelsRequestAndReplyAreReadAndWrittenToTheBit) {
    const auto frame = EthernetView::parse(arp_request);
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->destination(), broadcast_mac);
    EXPECT_EQ(frame->source(), a);
    EXPECT_EQ(frame->type(), ethertype_arp);
    const ArpPacket request{ArpPacket::request, a, four(1), {}, four(2)}, reply{ArpPacket::reply, b, four(2), a, four(1)};
    EXPECT_EQ(ArpPacket::parse(frame->payload()), request);
    EXPECT_EQ(ArpPacket::parse(Bytes{arp_reply}.subspan(14)), reply);
    Buffer written(42);
    EthernetHeader{broadcast_mac, a, ethertype_arp}.write(written);
    EXPECT_EQ(request.write(MutableBytes{written}.subspan(14)), 28u);
    EXPECT_EQ(written, arp_request);
    EXPECT_EQ(request.write(MutableBytes{written}.first(27)), 0u);
}

TEST(Arp, OtherAddressTypesOperationsAndGroupsAreRefused) {
    const Buffer good(arp_reply.begin() + 14, arp_reply.end());
    const auto error = [&](std::size_t at, int value) {
        Buffer bent = good;
        bent[at] = std::byte(value);
        return ArpPacket::parse(bent).error();
    };
    for (const std::size_t at : {0u, 1u, 2u, 3u, 4u, 5u}) EXPECT_EQ(error(at, 9), Malformed::version);
    EXPECT_EQ(error(7, 3), Malformed::refused);
    EXPECT_EQ(error(6, 1), Malformed::refused);
    EXPECT_EQ(error(8, 3), Malformed::refused) << "a group for a sender";
    for (std::size_t size = 0; size < 28; ++size)
        EXPECT_EQ(ArpPacket::parse(Bytes{good}.first(size)).error(), Malformed::truncated);
}

TEST(EthernetFrame, TagsAndLengthsAreRefused) {
    Buffer frame = arp_request;
    for (const std::uint16_t type : std::to_array<std::uint16_t>({0x8100, 0x88a8, 0x05ff, 0x002e, 0x0000})) {
        store_big(frame.data() + 12, type);
        EXPECT_EQ(EthernetView::parse(frame).error(), Malformed::refused);
    }
    EXPECT_EQ(EthernetView::parse(Bytes{frame}.first(13)).error(), Malformed::truncated);
    EXPECT_EQ(group_mac(solicited_node(six(2))),
              (Mac{std::byte{0x33}, std::byte{0x33}, std::byte{0xff}, std::byte{}, std::byte{}, std::byte{2}}));
}

TEST(Ndp, KernelsSolicitationAndAdvertisementAreReadAndWrittenToTheBit) {
    NeighbourMessage ask{.target = six(2)},
        said{.advertisement = true, .solicited = true, .overrides = true, .target = six(2)};
    ask.mac = a;
    said.mac = b;
    EXPECT_EQ(read(solicitation), ask);
    EXPECT_EQ(read(advertisement), said);
    Buffer out(32);
    ASSERT_EQ(ask.write(out, six(1), solicited_node(six(2))), 32u);
    EXPECT_TRUE(std::equal(out.begin(), out.end(), solicitation.begin() + 54));
    ASSERT_EQ(said.write(out, six(2), six(1)), 32u);
    EXPECT_TRUE(std::equal(out.begin(), out.end(), advertisement.begin() + 54));
    const auto unspecified = read(probe);
    ASSERT_TRUE(unspecified);
    EXPECT_FALSE(unspecified->mac) << "the nonce is stepped over";
    EXPECT_EQ(said.write(MutableBytes{out}.first(31), six(2), six(1)), 0u);
}

TEST(Ndp, EachRuleOfValidationIsHeld) {  // RFC 4861, sections 7.1.1 and 7.1.2
    NeighbourMessage ask{.target = six(2)};
    ask.mac = a;
    const auto parse = [](const NeighbourMessage& message, const Address& source, const Address& destination,
                          unsigned hops = 255, std::size_t bend = 0, int value = 0, std::size_t cut = 0) {
        Buffer out(32);
        out.resize(message.write(out, source, destination) - cut);
        if (bend != 0) out[bend] = std::byte(value);
        const auto view = IcmpView::parse(Family::ipv6, out);
        return NeighbourMessage::parse(*view, source, destination, std::uint8_t(hops));
    };
    const Address group = solicited_node(six(2)), unspecified{Family::ipv6, std::array<std::byte, 16>{}};
    EXPECT_TRUE(parse(ask, six(1), group));
    EXPECT_EQ(parse(ask, six(1), group, 254).error(), Malformed::refused);
    EXPECT_EQ(parse(ask, six(1), group, 255, 1, 1).error(), Malformed::refused) << "code";
    EXPECT_EQ(parse(ask, six(1), group, 255, 8, 0xff).error(), Malformed::refused) << "a multicast target";
    EXPECT_EQ(parse(ask, six(1), group, 255, 25, 0).error(), Malformed::option) << "an option of length 0";
    EXPECT_EQ(parse(ask, six(1), group, 255, 25, 2).error(), Malformed::option);
    EXPECT_EQ(parse(ask, six(1), group, 255, 26, 3).error(), Malformed::refused) << "a group's MAC";
    EXPECT_EQ(parse(ask, six(1), group, 255, 0, 0, 4).error(), Malformed::option);
    EXPECT_EQ(parse(ask, six(1), group, 255, 0, 0, 9).error(), Malformed::truncated);
    EXPECT_EQ(parse(ask, unspecified, group).error(), Malformed::refused) << "a MAC of nobody";
    NeighbourMessage plain{.target = six(2)};
    EXPECT_TRUE(parse(plain, unspecified, group));
    EXPECT_EQ(parse(plain, unspecified, six(2)).error(), Malformed::refused);
    NeighbourMessage said{.advertisement = true, .solicited = true, .target = six(2)};
    EXPECT_TRUE(parse(said, six(2), six(1)));
    EXPECT_EQ(parse(said, six(2), group).error(), Malformed::refused);
}

TEST(Icmp, KernelsUnreachablePortIsReadWithWhatItQuotes) {
    const auto packet = Ipv4View::parse(Bytes{unreachable4}.subspan(14));
    const auto error = IcmpView::parse(Family::ipv4, packet->payload());
    ASSERT_TRUE(error);
    EXPECT_EQ(error->meaning(), IcmpMeaning::port);
    EXPECT_TRUE(error->checksum_verifies(0));
    const auto quote = IcmpQuote::parse(Family::ipv4, error->body());
    ASSERT_TRUE(quote);
    EXPECT_EQ(quote->source, four(1));
    EXPECT_EQ(quote->destination, four(2));
    EXPECT_EQ(quote->protocol, protocol_udp);
    EXPECT_EQ(quote->length, 30u);
    EXPECT_EQ(load_big<std::uint16_t>(quote->transport.data() + 2), 9u);
    Buffer out(8);
    IcmpHeader{3, 3, 0}.write(Family::ipv4, out, 0, error->body().size(), checksum::sum(error->body()));
    EXPECT_TRUE(std::equal(out.begin(), out.end(), error->bytes().begin()));
}

TEST(Icmp, KernelsUnreachablePortOverIpv6IsReadWithWhatItQuotes) {
    const auto packet = Ipv6View::parse(Bytes{unreachable6}.subspan(14));
    const auto error = IcmpView::parse(Family::ipv6, packet->payload());
    ASSERT_TRUE(error);
    EXPECT_EQ(error->meaning(), IcmpMeaning::port);
    EXPECT_TRUE(error->checksum_verifies(pseudo_sum(six(1), six(2))));
    const auto quote = IcmpQuote::parse(Family::ipv6, error->body());
    ASSERT_TRUE(quote);
    EXPECT_EQ(quote->source, six(1));
    EXPECT_EQ(quote->protocol, protocol_udp);
    EXPECT_EQ(quote->length, 50u);
    Buffer out(8);
    IcmpHeader{1, 4, 0}.write(Family::ipv6, out, pseudo_sum(six(1), six(2)), error->body().size(),
                              checksum::sum(error->body()));
    EXPECT_TRUE(std::equal(out.begin(), out.end(), error->bytes().begin()));
}

TEST(Icmp, MeaningsFollowTheTablesOfTheRfcs) {
    const auto meaning = [](Family family, unsigned type, unsigned code) {
        const Buffer message{std::byte(type), std::byte(code), {}, {}, {}, {}, {}, {}};
        return IcmpView::parse(family, message)->meaning();
    };
    using enum IcmpMeaning;
    const std::array codes4{no_route, no_route,   protocol,   port,     too_big,  no_route,   no_route, no_route,
                            no_route, prohibited, prohibited, no_route, no_route, prohibited, other};
    for (unsigned code = 0; code < codes4.size(); ++code) EXPECT_EQ(meaning(Family::ipv4, 3, code), codes4[code]);
    EXPECT_EQ(meaning(Family::ipv4, 4, 0), other) << "source quench is dead (RFC 6633)";
    EXPECT_EQ(meaning(Family::ipv4, 5, 1), other) << "redirects are not followed";
    EXPECT_EQ(meaning(Family::ipv4, 11, 0), time_exceeded);
    EXPECT_EQ(meaning(Family::ipv4, 12, 0), parameter_problem);
    const std::array codes6{no_route, prohibited, no_route, no_route, port, prohibited, prohibited, other};
    for (unsigned code = 0; code < codes6.size(); ++code) EXPECT_EQ(meaning(Family::ipv6, 1, code), codes6[code]);
    EXPECT_EQ(meaning(Family::ipv6, 2, 0), too_big);
    EXPECT_EQ(meaning(Family::ipv6, 135, 0), neighbour);
    EXPECT_EQ(meaning(Family::ipv6, 137, 0), other);
    EXPECT_EQ(meaning(Family::overlay, 1, 0), no_route);
    EXPECT_EQ(meaning(Family::overlay, 1, 1), port);
    EXPECT_EQ(meaning(Family::overlay, 1, 2), prohibited);
    EXPECT_EQ(meaning(Family::overlay, 1, 3), other);
    EXPECT_EQ(meaning(Family::overlay, 128, 0), echo_request);
    EXPECT_EQ(IcmpView::parse(Family::ipv4, Buffer(7)).error(), Malformed::truncated);
}

TEST(Icmp, QuotesThatAreNoHeaderAreErrors) {
    const Buffer good(unreachable4.begin() + 42, unreachable4.end());
    EXPECT_EQ(IcmpQuote::parse(Family::ipv4, Bytes{good}.first(19)).error(), Malformed::truncated);
    EXPECT_EQ(IcmpQuote::parse(Family::ipv6, good).error(), Malformed::truncated);
    EXPECT_EQ(IcmpQuote::parse(Family::ipv6, Buffer(40)).error(), Malformed::version);
    Buffer bent = good;
    bent[0] = std::byte{0x44};
    EXPECT_EQ(IcmpQuote::parse(Family::ipv4, bent).error(), Malformed::length);
    bent[0] = std::byte{0x4f};
    EXPECT_EQ(IcmpQuote::parse(Family::ipv4, bent).error(), Malformed::truncated);
    bent = good;
    bent[7] = std::byte{5};
    EXPECT_EQ(IcmpQuote::parse(Family::ipv4, bent).error(), Malformed::refused) << "a later fragment has no ports";
}

TEST(Wcmp, ErrorQuotesSixtyFourBytesOfTheFrame) {
    Buffer frame(200, std::byte{7});
    NetFrame{false, false, 0, protocol_tcp}.write(frame);
    Buffer out(72);
    ASSERT_EQ(write_wcmp_error(out, Wcmp::unreachable, Wcmp::prohibited, 0, frame, 0x1234, false), 72u);
    const auto error = IcmpView::parse(Family::overlay, out);
    EXPECT_EQ(error->meaning(), IcmpMeaning::prohibited);
    EXPECT_TRUE(error->checksum_verifies(0x1234));
    EXPECT_EQ(IcmpQuote::parse(Family::overlay, error->body())->protocol, protocol_tcp);
    EXPECT_EQ(IcmpQuote::parse(Family::overlay, error->body())->transport.size(), 61u);
    EXPECT_EQ(write_wcmp_error(MutableBytes{out}.first(71), 1, 2, 0, frame, 0x1234, false), 0u);
    ASSERT_EQ(write_wcmp_error(out, 1, 2, 0, Bytes{frame}.first(10), 0, true), 18u);
    EXPECT_EQ(load_big<std::uint16_t>(out.data() + 2), 0u) << "the session answers for integrity";
}

}  // namespace
}  // namespace weft::wire
