// An engine behind one device, and a test at the other end of it that makes and reads frames itself.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <vector>

#include "stack/engine/engine.h"
#include "stack/net/addresses.h"
#include "stack/tcp/tcb.h"
#include "stack/wire/arp.h"
#include "stack/wire/cut.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/ndp.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace weft::test {

using Octets = std::vector<std::byte>;

inline Address ip4(unsigned a, unsigned b, unsigned c, unsigned d) {
    return {Family::ipv4, std::array{std::byte(a), std::byte(b), std::byte(c), std::byte(d)}};
}

// fd00::host, or with a leading word of another prefix.
inline Address ip6(unsigned host, unsigned first = 0xfd00) {
    std::array<std::byte, 16> bytes{std::byte(first >> 8), std::byte(first & 0xff)};
    bytes[14] = std::byte(host >> 8), bytes[15] = std::byte(host & 0xff);
    return {Family::ipv6, bytes};
}

inline Mac station(unsigned number) {
    return {std::byte{2},
            std::byte{0},
            std::byte{0},
            std::byte(number >> 16),
            std::byte(number >> 8 & 0xff),
            std::byte(number & 0xff)};
}

inline Octets operator+(Octets a, const Octets& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

inline Octets ethernet(const Mac& to, const Mac& from, std::uint16_t type, const Octets& payload) {
    Octets out(wire::EthernetView::header_size);
    wire::EthernetHeader{to, from, type}.write(out);
    return out + payload;
}

// A whole IPv4 or IPv6 packet.
inline Octets packet(const Address& from, const Address& to, std::uint8_t protocol, const Octets& payload,
                     unsigned hops = 64) {
    Octets out(from.family() == Family::ipv4 ? 20 : 40);
    if (from.family() == Family::ipv4)
        wire::Ipv4Header{.total_length = std::uint16_t(20 + payload.size()),
                         .hop_limit = std::uint8_t(hops),
                         .protocol = protocol,
                         .source = from,
                         .destination = to}
            .write(out);
    else
        wire::Ipv6Header{.payload_length = std::uint16_t(payload.size()),
                         .protocol = protocol,
                         .hop_limit = std::uint8_t(hops),
                         .source = from,
                         .destination = to}
            .write(out);
    return out + payload;
}

inline std::uint8_t icmp_of(Family family) { return family == Family::ipv4 ? wire::protocol_icmp : wire::protocol_icmpv6; }

inline Octets icmp(const Address& from, const Address& to, const wire::IcmpHeader& header, const Octets& body,
                   unsigned hops = 64) {
    Octets out(8);
    header.write(from.family(), out, wire::pseudo_sum(from, to), body.size(), checksum::sum(body));
    return packet(from, to, icmp_of(from.family()), out + body, hops);
}

inline Octets echo(const Address& from, const Address& to, std::size_t size, std::uint32_t value = 0x1234'0001) {
    Octets data(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = std::byte(i * 7);
    return icmp(from, to, {std::uint8_t(from.family() == Family::ipv4 ? 8 : 128), 0, value}, data);
}

inline Octets tcp(const Address& from, const Address& to, const wire::TcpHeader& header, const Octets& text = {}) {
    Octets out(header.size());
    header.write(out);
    out = out + text;
    const std::uint16_t sum = checksum::add(
        wire::pseudo_sum(wire::pseudo_sum(from, to), wire::protocol_tcp, std::uint32_t(out.size())), checksum::sum(out));
    store_big(out.data() + wire::TcpView::checksum_at, checksum::field(sum));
    return packet(from, to, wire::protocol_tcp, out);
}

inline Octets udp(const Address& from, const Address& to, std::uint16_t port, std::size_t size) {
    Octets out(wire::UdpView::header_size + size);
    wire::UdpHeader{4'000, port, std::uint16_t(out.size()), 0}.write(out);
    return packet(from, to, wire::protocol_udp, out);
}

inline Octets arp(std::uint16_t operation, const Mac& sender_mac, const Address& sender, const Mac& target_mac,
                  const Address& target) {
    Octets out(wire::ArpPacket::size);
    wire::ArpPacket{operation, sender_mac, sender, target_mac, target}.write(out);
    return out;
}

inline Octets ndp(const Address& from, const Address& to, const wire::NeighbourMessage& message, unsigned hops = 255) {
    Octets out(64);
    out.resize(message.write(out, from, to));
    return packet(from, to, wire::protocol_icmpv6, out, hops);
}

// A frame that the engine sent; its station keeps the bytes.
struct Sent {
    Bytes bytes;
    bool ethernet{false};

    Bytes network() const { return bytes.subspan(ethernet ? 14 : 0); }
    Mac to() const { return wire::EthernetView::parse(bytes)->destination(); }
    std::uint16_t type() const { return wire::EthernetView::parse(bytes)->type(); }
    wire::ArpPacket arp() const { return wire::ArpPacket::parse(network()).value(); }
    wire::Ipv4View ipv4() const { return wire::Ipv4View::parse(network()).value(); }
    wire::Ipv6View ipv6() const { return wire::Ipv6View::parse(network()).value(); }
    bool is_ipv6() const { return std::to_integer<unsigned>(network()[0]) >> 4 == 6; }
    Bytes transport() const { return is_ipv6() ? ipv6().payload() : ipv4().payload(); }
    Address source() const { return is_ipv6() ? ipv6().source() : ipv4().source(); }
    Address destination() const { return is_ipv6() ? ipv6().destination() : ipv4().destination(); }
    wire::IcmpView icmp() const {
        return wire::IcmpView::parse(is_ipv6() ? Family::ipv6 : Family::ipv4, transport()).value();
    }
    wire::NeighbourMessage ndp() const {
        return wire::NeighbourMessage::parse(icmp(), source(), destination(), ipv6().hop_limit()).value();
    }
    wire::TcpView tcp() const { return wire::TcpView::parse(transport()).value(); }
};

class Station {
public:
    static inline const Mac own = station(1), other = station(2), gateway_mac = station(3);
    static inline const Address own4 = ip4(10, 0, 0, 1), other4 = ip4(10, 0, 0, 2), own6 = ip6(1), other6 = ip6(2);

    explicit Station(LinkOptions link = {.ethernet = true, .mac = own}, Config config = {.seed = {7, 7}})
        : engine{config, pool}, ethernet_{link.ethernet} {
        EXPECT_TRUE(engine.attach(0, link, now));
        EXPECT_TRUE(engine.assign(own4, {.prefix = 24}, now));
        EXPECT_TRUE(engine.assign(own6, {.prefix = 64}, now));
        static_cast<void>(sent());
    }

    // The bytes arrive as one frame. What is answered comes back.
    std::vector<Sent> arrives(const Octets& bytes, std::uint32_t link = 0) {
        WriteRight right{pool.allocate(std::max<std::size_t>(bytes.size(), 1))};
        std::array<Receive, 1> one{Receive{.link = link, .frame = right.append(bytes)}};
        engine.receive(one, now);
        one = {};
        return sent();
    }
    // From the neighbour `other`, inside Ethernet where the link is.
    std::vector<Sent> gets(const Octets& network, const Mac& from = other, const Mac& to = own) {
        const std::uint16_t type = std::to_integer<unsigned>(network[0]) >> 4 == 6 ? 0x86dd : 0x0800;
        return arrives(ethernet_ ? ethernet(to, from, type, network) : network);
    }
    std::vector<Sent> gets_arp(const Octets& bytes, const Mac& from = other, const Mac& to = own) {
        return arrives(ethernet(to, from, 0x0806, bytes));
    }

    std::vector<Sent> sent() {
        std::vector<Sent> all;
        std::array<Transmit, 3> out;
        while (const std::size_t made = engine.transmit(out, now)) {
            for (const Transmit& each : std::span{out}.first(made)) {
                EXPECT_EQ(each.network, ethernet_ ? 14 : 0);
                auto cut = wire::Cut::make(each);
                EXPECT_TRUE(cut) << "a transmit that cannot be cut";
                while (cut && cut->left() > 0) {
                    Octets& bytes = kept_.emplace_back(cut->next_size());
                    cut->next(bytes);
                    all.push_back({bytes, ethernet_});
                }
            }
        }
        return all;
    }

    std::vector<Event> events() {
        std::vector<Event> all;
        std::array<Event, 4> some;
        while (const std::size_t count = engine.events(some, now))
            all.insert(all.end(), some.begin(), some.begin() + std::ptrdiff_t(count));
        return all;
    }
    std::optional<Error> error_of(Event::Kind kind) {
        std::optional<Error> error;
        for (const Event& event : events())
            if (event.kind == kind) error = event.error;
        return error;
    }

    // Time goes on; what is sent on the way comes back.
    std::vector<Sent> wait(Duration time) {
        std::vector<Sent> all;
        const Instant end = now + time;
        while (engine.deadline() <= end) {
            now = std::max(now, engine.deadline());
            engine.advance(now);
            for (Sent& each : sent()) all.push_back(std::move(each));
        }
        now = end;
        engine.advance(now);
        for (Sent& each : sent()) all.push_back(std::move(each));
        return all;
    }

    Flow connect(const Address& to, std::uint16_t port = 80) { return engine.connect({to, 0, port}, {}, now).value(); }

    // The neighbour says who it is, as it would when asked.
    std::vector<Sent> resolve(const Address& who, const Mac& mac) {
        if (who.family() == Family::ipv4) return gets_arp(arp(2, mac, who, own, own4), mac);
        wire::NeighbourMessage said{.advertisement = true, .solicited = true, .overrides = true, .target = who};
        said.mac = mac;
        return gets(ndp(who, own6, said), mac);
    }

    // A flow to `to` that is established, its neighbour resolved. The peer's next sequence number is 1001.
    Flow established(const Address& to, std::uint16_t mss = 1'460) {
        const Flow flow = connect(to);
        std::vector<Sent> out = sent();
        if (ethernet_ && out.at(0).type() != 0x0806 && out.at(0).icmp().type() == 135) out = resolve(to, other);
        else if (ethernet_ && out.at(0).type() == 0x0806) out = resolve(to, other);
        const wire::TcpView syn = out.at(0).tcp();
        local_port = syn.source_port();
        wire::TcpHeader answer{80, local_port, SeqNum{1'000}, syn.seq() + 1, wire::syn | wire::ack, 65'535, 0, 0, {}};
        answer.options.mss = mss;
        static_cast<void>(gets(test::tcp(to, out.at(0).source(), answer)));
        EXPECT_EQ(engine.inspect(flow)->receiving.state, tcp::State::established);
        static_cast<void>(events());
        return flow;
    }

    const tcp::Tcb& tcb(Flow flow) { return *engine.inspect(flow); }

    BufferPool pool{std::size_t{64} << 20};
    Instant now = Instant::from_nanoseconds(1'000'000'000);
    Engine engine;
    std::uint16_t local_port{0};  // of the flow that established() opened

private:
    bool ethernet_;
    std::deque<Octets> kept_;
};

}  // namespace weft::test
