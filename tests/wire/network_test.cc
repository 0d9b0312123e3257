// IPv4, IPv6, overlay and UDP headers: written and read back, mutated, and against a published packet.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "stack/core/address_text.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace weft::wire {
namespace {

using Buffer = std::vector<std::byte>;

Buffer bytes_of(std::initializer_list<int> values) {
    Buffer bytes;
    for (const int value : values) bytes.push_back(std::byte(value));
    return bytes;
}

Address some_address(std::mt19937_64& draw, Family family, std::size_t size) {
    Buffer bytes(size);
    for (std::byte& byte : bytes) byte = std::byte(draw());
    return {family, bytes};
}

TEST(Ipv4, WhatIsWrittenIsReadBack) {
    std::mt19937_64 draw{1};
    for (int round = 0; round < 10'000; ++round) {
        Buffer packet(20 + draw() % 40);
        const std::size_t total = 20 + draw() % (packet.size() - 19);
        const Ipv4Header header{std::uint8_t(draw() % 64),
                                Ecn(draw() % 4),
                                std::uint16_t(total),
                                std::uint16_t(draw()),
                                draw() % 2 != 0,
                                std::uint8_t(draw()),
                                std::uint8_t(draw()),
                                some_address(draw, Family::ipv4, 4),
                                some_address(draw, Family::ipv4, 4)};
        ASSERT_EQ(header.write(packet), 20u);
        const auto view = Ipv4View::parse(packet);
        ASSERT_TRUE(view);
        const Ipv4Header read{view->dscp(),     view->ecn(),           view->total_length(),
                              view->id(),       view->dont_fragment(), view->hop_limit(),
                              view->protocol(), view->source(),        view->destination()};
        ASSERT_EQ(read, header);
        ASSERT_TRUE(view->checksum_verifies());
        ASSERT_FALSE(view->fragment());
        ASSERT_EQ(view->payload().size(), total - 20);  // padding of the frame is cut off
        packet[draw() % 20] ^= std::byte(1 << draw() % 8);
        if (const auto changed = Ipv4View::parse(packet); changed && changed->header_size() == 20) {
            ASSERT_FALSE(changed->checksum_verifies());
        }
    }
}

TEST(Ipv4, AKnownHeaderVerifies) {  // the worked example that textbooks share: checksum 0xb861
    const Buffer packet = bytes_of({0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                                    0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7});
    EXPECT_TRUE(checksum::verifies(checksum::sum(packet)));
    Buffer out(20);
    const Ipv4Header header{.total_length = 0x73,
                            .protocol = 17,
                            .source = *parse_address("192.168.0.1"),
                            .destination = *parse_address("192.168.0.199")};
    ASSERT_EQ(header.write(out), 20u);
    EXPECT_EQ(out, packet);
}

TEST(Ipv4, ContradictionsAreErrors) {
    Buffer packet(40);
    const Address a = *parse_address("192.0.2.1");
    ASSERT_EQ((Ipv4Header{.total_length = 40, .source = a, .destination = a}.write(packet)), 20u);
    const auto error_of = [&](std::size_t at, int value) {
        Buffer changed = packet;
        changed[at] = std::byte(value);
        const auto view = Ipv4View::parse(changed);
        return view ? Malformed::refused : view.error();
    };
    EXPECT_EQ(error_of(0, 0x65), Malformed::version);
    EXPECT_EQ(error_of(0, 0x44), Malformed::length);      // header shorter than 20
    EXPECT_EQ(error_of(0, 0x4b), Malformed::length);      // header longer than the packet
    EXPECT_EQ(error_of(3, 19), Malformed::length);
    EXPECT_EQ(error_of(3, 41), Malformed::truncated);
    EXPECT_EQ(Ipv4View::parse(Bytes{packet}.first(19)).error(), Malformed::truncated);
    EXPECT_EQ((Ipv4Header{.source = a, .destination = *parse_address("::1")}.write(packet)), 0u);
}

TEST(Ipv4, FragmentsAreRecognised) {
    Buffer packet(28);
    const Address a = *parse_address("192.0.2.1");
    ASSERT_EQ((Ipv4Header{.total_length = 28, .dont_fragment = false, .source = a, .destination = a}.write(packet)), 20u);
    EXPECT_FALSE(Ipv4View::parse(packet)->fragment());
    packet[6] = std::byte{0x20};
    EXPECT_TRUE(Ipv4View::parse(packet)->fragment() && Ipv4View::parse(packet)->more_fragments());
    packet[6] = std::byte{0};
    packet[7] = std::byte{3};
    EXPECT_TRUE(Ipv4View::parse(packet)->fragment());
    EXPECT_EQ(Ipv4View::parse(packet)->fragment_offset(), 24);
}

// An IPv6 packet built header by header, and what the walk should find in it.
struct Chain {
    Buffer packet = Buffer(40);
    std::size_t next_at{6};

    Chain() {
        const Address a = *parse_address("2001:db8::1");
        EXPECT_EQ((Ipv6Header{.protocol = 59, .source = a, .destination = a}.write(packet)), 40u);
    }
    Chain& add(int kind, const Buffer& body) {  // the first byte of the body will say what follows
        packet[next_at] = std::byte(kind);
        next_at = packet.size();
        packet.insert(packet.end(), body.begin(), body.end());
        store_big(packet.data() + 4, std::uint16_t(packet.size() - 40));
        return *this;
    }
    Parsed<Ipv6View> end(int protocol, std::size_t payload = 0) {
        packet[next_at] = std::byte(protocol);
        packet.resize(packet.size() + payload);
        store_big(packet.data() + 4, std::uint16_t(packet.size() - 40));
        return Ipv6View::parse(packet);
    }
};

Buffer options(std::initializer_list<int> body) {  // six bytes, or fourteen, ...
    Buffer header = bytes_of({0, int(body.size() + 2) / 8 - 1});
    for (const int value : body) header.push_back(std::byte(value));
    return header;
}

const Buffer padding = options({1, 4, 0, 0, 0, 0});

TEST(Ipv6, WhatIsWrittenIsReadBack) {
    std::mt19937_64 draw{2};
    for (int round = 0; round < 10'000; ++round) {
        Buffer packet(40 + draw() % 40);
        const Ipv6Header header{
            std::uint8_t(draw()), std::uint32_t(draw() % (1 << 20)),    std::uint16_t(draw() % (packet.size() - 39)), 17,
            std::uint8_t(draw()), some_address(draw, Family::ipv6, 16), some_address(draw, Family::ipv6, 16)};
        ASSERT_EQ(header.write(packet), 40u);
        const auto view = Ipv6View::parse(packet);
        ASSERT_TRUE(view);
        const Ipv6Header read{view->traffic_class(), view->flow_label(), view->payload_length(), view->protocol(),
                              view->hop_limit(),     view->source(),     view->destination()};
        ASSERT_EQ(read, header);
        ASSERT_EQ(view->payload().size(), header.payload_length);
        ASSERT_EQ(view->ecn(), Ecn(header.traffic_class & 3));
    }
}

TEST(Rfc8200, ExtensionHeadersAreWalkedToTheTransport) {  // section 4.1
    const auto view = Chain{}
                          .add(0, padding)
                          .add(60, options({5, 2, 0, 0, 0, 0, 1, 4, 9, 9, 9, 9, 0, 0}))
                          .add(43, bytes_of({0, 0, 0, 0, 0, 0, 0, 0}))
                          .add(60, padding)
                          .end(6, 20);
    ASSERT_TRUE(view) << to_string(view.error());
    EXPECT_EQ(view->protocol(), 6);
    EXPECT_EQ(view->transport_at(), 40u + 8 + 16 + 8 + 8);
    EXPECT_EQ(view->payload().size(), 20u);
    EXPECT_FALSE(view->fragment());
}

TEST(Rfc8200, TheWalkEndsAtAFragmentHeader) {  // section 4.5
    const auto view = Chain{}.add(0, padding).add(44, bytes_of({0, 0, 0x01, 0x09, 1, 2, 3, 4})).end(60, 5);
    ASSERT_TRUE(view);
    EXPECT_EQ(view->fragment(), (Ipv6Fragment{0x01020304, 0x108, true}));
    EXPECT_EQ(view->protocol(), 60);  // of the packet that reassembly makes
    EXPECT_EQ(view->payload().size(), 5u);
}

TEST(Rfc8200, UnknownOptionsAreTreatedAsTheirHighestBitsSay) {  // section 4.2
    const auto walk = [](int type) { return Chain{}.add(60, options({type, 4, 0, 0, 0, 0})).end(6, 20); };
    EXPECT_TRUE(walk(0x1e));
    for (const int type : {0x5e, 0x9e, 0xde}) EXPECT_EQ(walk(type).error(), Malformed::refused);
}

TEST(Rfc8200, OptionsThatLeaveTheirHeaderAreErrors) {
    EXPECT_EQ(Chain{}.add(60, options({5, 5, 0, 0, 0, 0})).end(6, 20).error(), Malformed::option);
    EXPECT_EQ(Chain{}.add(60, options({1, 3, 0, 0, 0, 5})).end(6, 20).error(), Malformed::option);  // a type, no length
    EXPECT_TRUE(Chain{}.add(60, options({0, 0, 0, 0, 0, 0})).end(6, 20));                            // Pad1 six times
    Chain longer;
    longer.add(60, bytes_of({0, 9, 1, 4, 0, 0, 0, 0}));
    EXPECT_EQ(longer.end(6).error(), Malformed::truncated);
    EXPECT_EQ(Chain{}.add(60, bytes_of({0, 0, 1, 4})).end(6).error(), Malformed::truncated);
}

TEST(Rfc8200, HopByHopOptionsComeFirstOrNotAtAll) {  // section 4.3
    EXPECT_EQ(Chain{}.add(60, padding).add(0, padding).end(6, 20).error(), Malformed::refused);
}

TEST(Rfc8200, ARoutingHeaderWithSegmentsLeftIsRefused) {  // section 4.4: of a type that we do not know, and we know none
    EXPECT_EQ(Chain{}.add(43, bytes_of({0, 0, 4, 1, 0, 0, 0, 0})).end(6, 20).error(), Malformed::refused);
}

TEST(Ipv6, TheChainOfExtensionHeadersIsBounded) {
    Chain most, more;
    for (std::size_t i = 0; i < Ipv6View::max_extensions; ++i) most.add(60, padding), more.add(60, padding);
    EXPECT_TRUE(most.end(6, 20));
    EXPECT_EQ(more.add(60, padding).end(6, 20).error(), Malformed::too_many);
}

TEST(Overlay, WhatIsWrittenIsReadBack) {
    std::mt19937_64 draw{3};
    for (int round = 0; round < 10'000; ++round) {
        Buffer packet(136 + draw() % 40);
        const OverlayHeader header{std::uint8_t(draw()),
                                   std::uint32_t(draw() % (1 << 20)),
                                   std::uint16_t(draw() % (packet.size() - 135)),
                                   std::uint8_t(draw()),
                                   std::uint8_t(draw()),
                                   some_address(draw, Family::overlay, 64),
                                   some_address(draw, Family::overlay, 64)};
        ASSERT_EQ(header.write(packet), 136u);
        const auto view = OverlayView::parse(packet);
        ASSERT_TRUE(view);
        const OverlayHeader read{view->traffic_class(), view->flow(),   view->payload_length(), view->protocol(),
                                 view->hop_limit(),     view->source(), view->destination()};
        ASSERT_EQ(read, header);
        ASSERT_EQ(view->payload().size(), header.payload_length);
        ASSERT_TRUE(std::ranges::equal(Bytes{packet}.subspan(8, 64), header.destination.bytes()));  // destination first
        ASSERT_EQ(OverlayView::parse(Bytes{packet}.first(135u + header.payload_length)).error(), Malformed::truncated);
    }
}

TEST(NetFrame, IsThreeBytes) {
    Buffer out(3);
    ASSERT_EQ((NetFrame{true, false, 0xb8, 6}.write(out)), 3u);
    EXPECT_EQ(out, bytes_of({0x41, 0xb8, 0x06}));
    for (int first = 0; first < 256; ++first) {
        Buffer frame = bytes_of({first, 1, 2, 3});
        const auto read = NetFrame::parse(frame);
        ASSERT_EQ(read.has_value(), first >= 0x40 && first <= 0x43);
        ASSERT_EQ(NetFrame::matches(frame[0]), read.has_value());
        if (!read) continue;
        ASSERT_EQ(read->write(out), 3u);
        ASSERT_TRUE(std::equal(out.begin(), out.end(), frame.begin()));
    }
    EXPECT_EQ(NetFrame::parse(Bytes{out}.first(2)).error(), Malformed::truncated);
}

TEST(Udp, WhatIsWrittenIsReadBack) {
    std::mt19937_64 draw{4};
    for (int round = 0; round < 10'000; ++round) {
        Buffer datagram(8 + draw() % 40);
        const UdpHeader header{std::uint16_t(draw()), std::uint16_t(draw()),
                               std::uint16_t(8 + draw() % (datagram.size() - 7)), std::uint16_t(draw())};
        ASSERT_EQ(header.write(datagram), 8u);
        const auto view = UdpView::parse(datagram);
        ASSERT_TRUE(view);
        ASSERT_EQ((UdpHeader{view->source_port(), view->destination_port(), view->length(), view->checksum()}), header);
        ASSERT_EQ(view->payload().size(), header.length - 8u);
    }
    EXPECT_EQ(UdpView::parse(bytes_of({0, 1, 0, 2, 0, 7, 0, 0})).error(), Malformed::length);
    EXPECT_EQ(UdpView::parse(bytes_of({0, 1, 0, 2, 0, 9, 0, 0})).error(), Malformed::truncated);
    EXPECT_EQ(UdpView::parse(bytes_of({0, 1, 0, 2, 0, 8, 0})).error(), Malformed::truncated);
}

// The pseudo-header written out in full, as its RFC draws it, and summed.
TEST(PseudoHeader, SumsAsThePicturesInTheRfcsDo) {
    std::mt19937_64 draw{5};
    for (int round = 0; round < 3'000; ++round) {
        const std::size_t size = std::array<std::size_t, 3>{4, 16, 64}[draw() % 3];
        const Family family = size == 4 ? Family::ipv4 : size == 16 ? Family::ipv6 : Family::overlay;
        const Address source = some_address(draw, family, size), destination = some_address(draw, family, size);
        Buffer segment(20 + draw() % 3'000);
        for (std::byte& byte : segment) byte = std::byte(draw());

        Buffer picture(source.bytes().begin(), source.bytes().end());
        picture.insert(picture.end(), destination.bytes().begin(), destination.bytes().end());
        const auto length = std::uint32_t(segment.size());
        if (size == 4) {  // RFC 9293, section 3.1
            for (const std::uint32_t value : {0u, 6u, length >> 8, length & 0xff}) picture.push_back(std::byte(value));
        } else {          // RFC 8200, section 8.1
            for (const std::uint32_t value :
                 {length >> 24, length >> 16 & 0xff, length >> 8 & 0xff, length & 0xff, 0u, 0u, 0u, 6u})
                picture.push_back(std::byte(value));
        }
        const std::uint16_t addresses = pseudo_sum(source, destination);
        ASSERT_EQ(addresses, pseudo_sum(destination, source));
        ASSERT_EQ(pseudo_sum(addresses, protocol_tcp, length), checksum::sum(picture));

        store_big(segment.data() + TcpView::checksum_at, std::uint16_t{0});
        picture.insert(picture.end(), segment.begin(), segment.end());
        store_big(segment.data() + TcpView::checksum_at, checksum::field(checksum::sum(picture)));
        ASSERT_TRUE(transport_verifies(addresses, protocol_tcp, segment));
        segment[draw() % segment.size()] ^= std::byte(1 << draw() % 8);
        ASSERT_FALSE(transport_verifies(addresses, protocol_tcp, segment));
    }
}

TEST(PseudoHeader, LengthsBeyond64KiBAreCountedToo) {  // 32 bits of length for IPv6 and the overlay
    EXPECT_EQ(pseudo_sum(0, protocol_udp, 0x0001'0000), 18);
}

}  // namespace
}  // namespace weft::wire
