// TUN and TAP devices with the kernel of this host behind them, in a namespace of each test's own; the packets are made by hand.
#include "stack/link/tap.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <functional>

#include "stack/core/checksum.h"
#include "stack/link/fault.h"
#include "stack/link/vnet_header.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/pseudo.h"
#include "stack/wire/tcp.h"
#include "tests/link/namespace.h"
#include "tests/link/support.h"

namespace weft::test {
namespace {

using link::NetDevice;
using link::Tap;

static_assert(Link<Tap> && Link<link::Fault<Tap>>);

constexpr std::uint16_t server_port = 80, our_port = 4'000;

Address v4(std::uint8_t last) {
    return {Family::ipv4, std::array{std::byte{10}, std::byte{9}, std::byte{0}, std::byte{last}}};
}
Address v6(std::uint8_t last) {
    std::array<std::byte, 16> bytes{std::byte{0xfd}};
    bytes[15] = std::byte{last};
    return {Family::ipv6, bytes};
}

Tap open(link::TapConfig config) {
    config.name = "test%d";
    auto opened = Tap::open(config);
    if (!opened) throw std::runtime_error(opened.error().call + ": " + std::strerror(opened.error().error));
    return std::move(*opened);
}

// Takes what the device gives, one by one, until `wanted` says yes to a packet or nothing has come for `patience` milliseconds.
bool await(Tap& tap, BufferPool& pool, const std::function<bool(const Receive&)>& wanted, int patience = 5'000) {
    std::array<Receive, 1> in;
    for (;;) {
        if (tap.receive(in, pool) == 1) {
            if (wanted(in[0])) return true;
            continue;
        }
        pollfd waiting{tap.descriptor(), POLLIN, 0};
        if (::poll(&waiting, 1, patience) <= 0) return false;
    }
}

struct Kind {
    bool v6, vnet_hdr;
};

std::string name_of(const ::testing::TestParamInfo<Kind>& kind) {
    return std::string{kind.param.v6 ? "Ipv6" : "Ipv4"} + (kind.param.vnet_hdr ? "Vnet" : "Plain");
}

// A TCP of a few lines over a TUN device, against a listening socket of the kernel.
class HandMade : public ::testing::TestWithParam<Kind> {
protected:
    void SetUp() override {
        WEFT_NEEDS_NAMESPACE(space);
        tap.emplace(open({.link = 3, .tun = true, .vnet_hdr = GetParam().vnet_hdr}));
        ASSERT_EQ(tap->vnet_hdr(), GetParam().vnet_hdr);
        const NetDevice device{tap->name()};
        ASSERT_TRUE(device.add_address(GetParam().v6 ? v6(1) : v4(1), GetParam().v6 ? 64 : 24));
        listener = ::socket(GetParam().v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in6 any{};
        any.sin6_family = GetParam().v6 ? AF_INET6 : AF_INET;
        any.sin6_port = htons(server_port);  // sockaddr_in has it at the same place
        ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
        ASSERT_EQ(::listen(listener, 1), 0);
    }
    void TearDown() override {
        for (const int fd : {listener, accepted})
            if (fd >= 0) ::close(fd);
        tap.reset();
    }

    Transmit segment(std::uint16_t flags, std::span<const Slice> text = {}, std::uint16_t size = 0) {
        Transmit out;
        std::size_t network = 0;
        if (GetParam().v6)
            network =
                wire::Ipv6Header{.protocol = wire::protocol_tcp, .source = v6(2), .destination = v6(1)}.write(out.header);
        else
            network =
                wire::Ipv4Header{.total_length = 20, .protocol = wire::protocol_tcp, .source = v4(2), .destination = v4(1)}
                    .write(out.header);
        wire::TcpOptions options;
        if (flags & wire::syn) options.mss = 1'460;
        if (flags & wire::syn) options.window_scale = std::uint8_t{7};
        const wire::TcpHeader tcp{our_port, server_port, seq, ack, flags, 0xffff, 0, 0, options};
        out.transport = std::uint16_t(network);
        out.header_length = std::uint16_t(network + tcp.write(std::span{out.header}.subspan(network)));
        out.segment_size = size;
        out.payload = text;
        return out;
    }

    // The next TCP segment from the server; what is next of its text is appended to `text`, and acknowledged from then on.
    std::optional<wire::TcpView> hear(Bytes* text = nullptr, int patience = 5'000) {
        std::optional<wire::TcpView> heard;
        await(
            *tap, pool,
            [&](const Receive& packet) {
                const auto bytes = packet.frame.bytes();
                std::span<const std::byte> inside;
                std::uint16_t addresses = 0;
                if (const auto four = wire::Ipv4View::parse(bytes); four && four->protocol() == wire::protocol_tcp) {
                    EXPECT_TRUE(four->checksum_verifies());
                    inside = four->payload(), addresses = wire::pseudo_sum(four->source(), four->destination());
                } else if (const auto six = wire::Ipv6View::parse(bytes); six && six->protocol() == wire::protocol_tcp) {
                    inside = six->payload(), addresses = wire::pseudo_sum(six->source(), six->destination());
                } else {
                    return false;
                }
                EXPECT_EQ(packet.link, 3u);
                EXPECT_TRUE(packet.checksum_verified || wire::transport_verifies(addresses, wire::protocol_tcp, inside));
                EXPECT_TRUE(GetParam().vnet_hdr || !packet.checksum_verified);
                last = packet;
                const auto view = wire::TcpView::parse(inside);
                if (!view) return false;
                heard = *view;
                if (!text || view->seq() != ack) return true;
                text->insert(text->end(), inside.begin() + std::ptrdiff_t(view->header_size()), inside.end());
                ack = ack + std::uint32_t(inside.size() - view->header_size());
                return true;
            },
            patience);
        return heard;
    }

    void send(const Transmit& one) { ASSERT_EQ(tap->send({&one, 1}), 1u); }

    void handshake() {
        std::optional<wire::TcpView> answer;
        for (int attempt = 0; attempt < 20 && !answer; ++attempt) {  // a device that is new may not be ready for IPv6
            send(segment(wire::syn));
            answer = hear(nullptr, 300);
        }
        ASSERT_TRUE(answer && (answer->flags() & wire::syn));
        ack = answer->seq() + 1;
        seq = seq + 1;
        send(segment(wire::ack));
        accepted = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        ASSERT_GE(accepted, 0);
    }

    Namespace space;
    BufferPool pool{64 << 20};
    std::optional<Tap> tap;
    Receive last;
    int listener{-1}, accepted{-1};
    SeqNum seq{1'000}, ack{0};
};

INSTANTIATE_TEST_SUITE_P(Tap, HandMade,
                         ::testing::Values(Kind{false, true}, Kind{false, false}, Kind{true, true}, Kind{true, false}),
                         name_of);

TEST_P(HandMade, ASuperSegmentInManySlicesReachesTheKernelsSocketWhole) {
    ASSERT_NO_FATAL_FAILURE(handshake());
    const Bytes bytes = pattern(43'210, 5);
    for (const std::size_t slice : {50'000, 1'000, 60}) {  // the last: more slices than a call takes
        Outgoing out{pool};
        Transmit whole = segment(wire::ack | wire::psh, out.add({}, bytes, 0, slice).payload, 1'448);
        const std::uint64_t before = tap->statistics().packets_out, cut = tap->statistics().segments_out;
        send(whole);
        EXPECT_EQ(tap->statistics().packets_out - before, GetParam().vnet_hdr ? 1u : 30u);
        EXPECT_EQ(tap->statistics().segments_out - cut, 30u);
        seq = seq + std::uint32_t(bytes.size());
        Bytes got(bytes.size());
        ASSERT_EQ(::recv(accepted, got.data(), got.size(), MSG_WAITALL), ssize_t(got.size()));
        EXPECT_EQ(got, bytes);
        while (const auto answer = hear())
            if (answer->ack() == seq) break;
    }
}

TEST_P(HandMade, WhatTheKernelSendsComesWholeWithItsSegmentSize) {
    ASSERT_NO_FATAL_FAILURE(handshake());
    const Bytes bytes = pattern(300'000, 6);
    std::size_t written = 0;
    Bytes got;
    std::uint16_t largest = 0;
    while (got.size() < bytes.size()) {
        if (written < bytes.size()) {
            const ssize_t count = ::send(accepted, bytes.data() + written, bytes.size() - written, MSG_DONTWAIT);
            written += std::size_t(std::max<ssize_t>(count, 0));
        }
        ASSERT_TRUE(hear(&got)) << got.size();
        largest = std::max(largest, last.segment_size);
        send(segment(wire::ack));
    }
    EXPECT_EQ(got, bytes);
    EXPECT_EQ(largest != 0, GetParam().vnet_hdr);
}

TEST_P(HandMade, AnUrgentSuperSegmentIsCutHereForTheKernelWouldRepeatItsPointer) {
    ASSERT_NO_FATAL_FAILURE(handshake());
    const Bytes bytes = pattern(5'000, 7);
    Outgoing out{pool};
    const std::uint64_t before = tap->statistics().packets_out;
    send(segment(wire::ack | wire::urg, out.add({}, bytes).payload, 1'448));
    EXPECT_EQ(tap->statistics().packets_out - before, 4u);
    Bytes got(bytes.size());
    int inline_urgent = 1;
    ::setsockopt(accepted, SOL_SOCKET, SO_OOBINLINE, &inline_urgent, sizeof inline_urgent);
    std::size_t have = 0;
    while (have < got.size()) {
        const ssize_t count = ::recv(accepted, got.data() + have, got.size() - have, 0);
        ASSERT_GT(count, 0);
        have += std::size_t(count);
    }
    EXPECT_EQ(got, bytes);
}

struct Refusal {
    std::string call;
    int error{0};
};

Refusal refusal(const link::TapConfig& config) {
    const auto opened = Tap::open(config);
    return opened ? Refusal{} : Refusal{opened.error().call, opened.error().error};
}

class TapDevice : public ::testing::Test {
protected:
    void SetUp() override { WEFT_NEEDS_NAMESPACE(space); }
    Namespace space;
    BufferPool pool{16 << 20};
};

TEST_F(TapDevice, IsUpWithItsMtuAndQueueAndGoneWithItsObject) {
    std::string name;
    {
        const Tap tap = open({.mtu = 1'400, .queue = 77});
        name = tap.name();
        EXPECT_TRUE(tap.ethernet());
        EXPECT_EQ(name, "test0");
        EXPECT_EQ(NetDevice{name}.mtu().value_or(0), 1'400u);
        EXPECT_TRUE(NetDevice{name}.up().value_or(false));
        EXPECT_EQ(NetDevice{name}.mac().value(), tap.kernel_mac());
        EXPECT_NE(tap.kernel_mac(), (std::array<std::byte, 6>{}));
        EXPECT_FALSE(tap.gone());
    }
    const auto index = NetDevice{name}.index();
    ASSERT_FALSE(index);
    EXPECT_EQ(index.error().error, ENODEV);
}

TEST_F(TapDevice, SaysWhichCallFailedAndWhy) {
    EXPECT_EQ(refusal({.name = ""}).error, EINVAL);
    EXPECT_EQ(refusal({.name = "sixteen_letters_"}).error, EINVAL);
    EXPECT_EQ(refusal({.name = "lo"}).call, "make the TAP device lo");
    EXPECT_EQ(refusal({.name = "lo", .tun = true}).call, "make the TUN device lo");
    EXPECT_EQ(refusal({.name = "lo"}).error, EINVAL);
    EXPECT_EQ(refusal({.mtu = 67}).error, ERANGE);
    EXPECT_EQ(refusal({.mtu = 65'522}).error, ERANGE);
    const auto first = Tap::open({.name = "mine"});
    ASSERT_TRUE(first);
    EXPECT_EQ(refusal({.name = "mine"}).error, EBUSY);
}

TEST_F(TapDevice, CarriesEthernetFramesThatAreCompleteAsTheyAre) {
    for (const bool vnet_hdr : {true, false}) {
        Tap tap = open({.vnet_hdr = vnet_hdr});
        ASSERT_TRUE(NetDevice{tap.name()}.add_address(v4(1), 24));
        Transmit request;  // who has 10.9.0.1? tell 10.9.0.2 (RFC 826)
        Writer out{request.header};
        for (int i = 0; i < 6; ++i) out.u8(0xff);
        const std::array<std::byte, 6> ours{std::byte{2}, std::byte{}, std::byte{}, std::byte{}, std::byte{}, std::byte{9}};
        out.put(ours), out.big(std::uint16_t{0x0806});
        out.big(std::uint64_t{0x0001'0800'0604'0001});
        out.put(ours), out.put(v4(2).bytes()), out.zeros(6), out.put(v4(1).bytes());
        request.header_length = std::uint16_t(out.size());
        request.complete = true;
        request.network = 14;
        ASSERT_EQ(tap.send({&request, 1}), 1u);
        EXPECT_TRUE(await(tap, pool, [&](const Receive& frame) {
            const auto bytes = frame.frame.bytes();
            return bytes.size() >= 42 && load_big<std::uint16_t>(bytes.data() + 12) == 0x0806 &&
                   load_big<std::uint16_t>(bytes.data() + 20) == 2 && std::ranges::equal(bytes.first(6), ours) &&
                   std::ranges::equal(bytes.subspan(22, 6), tap.kernel_mac());
        }));
        EXPECT_EQ(tap.statistics().bytes_out, 42u);
        EXPECT_EQ(tap.statistics().malformed_in, 0u);
    }
}

TEST_F(TapDevice, ThatWasRemovedSaysSoAndStaysQuiet) {
    Tap tap = open({.tun = true});
    ASSERT_EQ(std::system(("ip link del " + tap.name()).c_str()), 0);
    pollfd waiting{tap.descriptor(), POLLIN, 0};
    EXPECT_EQ(::poll(&waiting, 1, 2'000), 1);  // whoever polls hears of it
    std::array<Receive, 4> in;
    EXPECT_EQ(tap.receive(in, pool), 0u);
    EXPECT_TRUE(tap.gone());
    Transmit packet;
    packet.header[0] = std::byte{0x45};
    packet.header_length = 20;
    packet.complete = true;
    EXPECT_EQ(tap.send({&packet, 1}), 1u);
    EXPECT_EQ(tap.statistics().dropped_out, 1u);
}

TEST_F(TapDevice, WithoutMemoryThrowsAwayWhatWaits) {
    Tap tap = open({.tun = true});
    ASSERT_TRUE(NetDevice{tap.name()}.add_address(v4(1), 24));
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(0x0a09'0002);
    for (int i = 0; i < 200; ++i)
        ASSERT_EQ(::sendto(socket, "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to), 1);
    ::close(socket);
    BufferPool none{0};
    std::array<Receive, 4> in;
    pollfd waiting{tap.descriptor(), POLLIN, 0};
    while (::poll(&waiting, 1, 0) == 1) ASSERT_EQ(tap.receive(in, none), 0u);
    EXPECT_GE(tap.statistics().dropped_in, 200u);
    EXPECT_EQ(tap.statistics().packets_in, 0u);
}

TEST_F(TapDevice, RefusesWhatNoPacketCanHold) {
    Tap tap = open({.tun = true});
    Outgoing out{pool};
    Transmit& large = out.add({}, pattern(66'000, 1));
    large.complete = true;
    EXPECT_EQ(tap.send(out.all()), 1u);
    Transmit nothing;
    EXPECT_EQ(tap.send({&nothing, 1}), 1u);
    EXPECT_EQ(tap.statistics().dropped_out, 2u);
}

TEST(Vnet, HeadersThatContradictTheirPacketAreRefused) {
    using link::VnetHeader;
    std::array<std::byte, VnetHeader::size + 60> frame{};
    const auto parse = [&](const VnetHeader& header) {
        header.write(frame);
        return VnetHeader::parse(frame);
    };
    EXPECT_TRUE(parse({}));
    EXPECT_EQ(VnetHeader::parse(std::span{frame}.first(9)).error(), wire::Malformed::truncated);
    const VnetHeader whole{1, VnetHeader::tcp4 | VnetHeader::with_ecn, 54, 1'448, 34, 16};
    EXPECT_EQ(parse(whole).value(), whole);
    EXPECT_EQ(parse({1, VnetHeader::tcp6, 54, 0, 34, 16}).error(), wire::Malformed::length);
    EXPECT_EQ(parse({1, 3, 54, 1'448, 34, 16}).error(), wire::Malformed::version);  // UDP was not allowed
    EXPECT_TRUE(parse({1, 0, 0, 0, 42, 16}));  // its field ends with the packet
    EXPECT_EQ(parse({1, 0, 0, 0, 43, 16}).error(), wire::Malformed::length);
    EXPECT_EQ(parse({1, 0, 0, 0, 0xffff, 0xffff}).error(), wire::Malformed::length);
    EXPECT_TRUE(parse({0, 0, 0, 0, 0xffff, 0xffff}));  // nobody asked for a sum
    EXPECT_FALSE(parse({0, 0, 0, 0, 0, 0})->verified());
    EXPECT_TRUE(parse({2, 0, 0, 0, 0, 0})->verified());
    EXPECT_EQ(parse({0, 0, 0, 9, 0, 0})->segment_size, 0);  // it means nothing without a kind
}

}  // namespace
}  // namespace weft::test
