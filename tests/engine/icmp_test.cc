// Echoes, complaints about packets that nobody wants, and what ICMP errors may do to a flow (RFC 792, 1122, 1191, 4443, 5461, 5927,
// 8201), over IPv4, IPv6 and the overlay's WCMP.
#include "tests/engine/station.h"

namespace weft::test {
namespace {

struct Pair {
    Address own, other;
};
const std::array<Pair, 2> both{Pair{Station::own4, Station::other4}, Pair{Station::own6, Station::other6}};

TEST(Echo, EverySizeUpToTheMtuComesBackAsItWas) {
    for (const bool ethernet : {true, false}) {
        Station s{{.ethernet = ethernet, .mac = Station::own}};
        for (const auto& [own, other] : both)
            for (const std::size_t size : {0u, 1u, 56u, 57u, 1'000u, 1'452u, 1'472u}) {
                const auto out = s.gets(echo(other, own, size, 0xabcd'0007));
                ASSERT_EQ(out.size(), 1u);
                const wire::IcmpView reply = out[0].icmp();
                EXPECT_EQ(reply.meaning(), wire::IcmpMeaning::echo_reply);
                EXPECT_EQ(reply.value(), 0xabcd'0007u);
                EXPECT_EQ(reply.body().size(), size);
                for (std::size_t i = 0; i < reply.body().size(); ++i) ASSERT_EQ(reply.body()[i], std::byte(i * 7));
                EXPECT_TRUE(reply.checksum_verifies(wire::pseudo_sum(own, other)));
                EXPECT_EQ(out[0].source(), own);
                EXPECT_EQ(out[0].destination(), other);
                if (own.family() == Family::ipv4) { EXPECT_TRUE(out[0].ipv4().checksum_verifies()); }
            }
        EXPECT_EQ(s.engine.statistics().icmp_in, 14u);
        EXPECT_EQ(s.engine.statistics().icmp_out, 14u);
        EXPECT_EQ(s.pool.in_use(), 0u);
    }
}

TEST(Echo, IsLimitedAndComesAgainWithTime) {
    Station s;
    std::size_t replies = 0;
    for (int i = 0; i < 3'000; ++i) replies += s.gets(echo(s.other4, s.own4, 8)).size();
    EXPECT_EQ(replies, 1'000u);
    EXPECT_EQ(s.engine.statistics().icmp_limited, 2'000u);
    s.wait(Duration::seconds(1));
    EXPECT_EQ(s.gets(echo(s.other4, s.own4, 8)).size(), 1u);
}

TEST(Echo, OfAWrongSumAForeignSourceOrABroadcastIsNotAnswered) {
    Station s;
    Octets wrong = echo(s.other4, s.own4, 8);
    wrong.back() ^= std::byte{1};
    EXPECT_TRUE(s.gets(wrong).empty());
    EXPECT_EQ(s.engine.statistics().checksum_errors, 1u);
    for (const Address& source :
         {ip4(127, 0, 0, 1), ip4(224, 0, 0, 1), ip4(255, 255, 255, 255), ip4(10, 0, 0, 255), ip4(0, 0, 0, 0), Station::own4})
        EXPECT_TRUE(s.gets(echo(source, s.own4, 8)).empty());
    EXPECT_EQ(s.engine.statistics().martians, 6u);
    EXPECT_TRUE(s.gets(echo(s.other4, ip4(10, 0, 0, 255), 8), s.other, wire::broadcast_mac).empty());
    EXPECT_TRUE(s.gets(echo(s.other4, ip4(10, 0, 0, 77), 8)).empty()) << "not ours, and nothing is forwarded";
    const Address all = net::all_nodes();
    const auto out = s.gets(echo(s.other6, all, 8), s.other, wire::group_mac(all));
    ASSERT_EQ(out.size(), 1u) << "ff02::1 is us, too";
    EXPECT_EQ(out[0].source(), s.own6);
}

TEST(Complaints, UdpToAClosedPortIsTold) {  // RFC 1122, section 4.1.3.1
    Station s;
    for (const auto& [own, other] : both) {
        const Octets datagram = udp(other, own, 53, 1'000);
        const auto out = s.gets(datagram);
        ASSERT_EQ(out.size(), 1u);
        EXPECT_EQ(out[0].icmp().meaning(), wire::IcmpMeaning::port);
        const std::size_t most = wire::most_quoted(own.family());
        const Bytes quote = out[0].icmp().body();
        EXPECT_EQ(quote.size(), std::min(most, datagram.size()));
        EXPECT_TRUE(std::equal(quote.begin(), quote.end(), datagram.begin()));
        EXPECT_TRUE(out[0].icmp().checksum_verifies(wire::pseudo_sum(own, other)));
        EXPECT_EQ(out[0].to(), s.other);
    }
}

TEST(Complaints, UnknownProtocolIsTold) {  // RFC 1122, section 3.2.2.1; RFC 8200, section 4
    Station s;
    const auto four = s.gets(packet(s.other4, s.own4, 99, Octets(8)));
    ASSERT_EQ(four.size(), 1u);
    EXPECT_EQ(four[0].icmp().meaning(), wire::IcmpMeaning::protocol);
    const auto six = s.gets(packet(s.other6, s.own6, 99, Octets(8)));
    ASSERT_EQ(six.size(), 1u);
    EXPECT_EQ(six[0].icmp().type(), wire::Icmp6::parameter_problem);
    EXPECT_EQ(six[0].icmp().code(), 1);
    EXPECT_EQ(six[0].icmp().value(), 6u) << "where the next header stands";
    EXPECT_TRUE(s.gets(packet(s.other6, s.own6, 59, {})).empty()) << "no next header is no error";
}

TEST(Complaints, AreNeverAboutErrorsGroupsFragmentsOrOddSources) {  // RFC 1122, section 3.2.2; RFC 4443, section 2.4 e
    Station s;
    EXPECT_TRUE(s.gets(icmp(s.other4, s.own4, {3, 3, 0}, udp(s.own4, s.other4, 9, 0))).empty());
    EXPECT_TRUE(s.gets(icmp(s.other4, s.own4, {200, 0, 0}, {})).empty()) << "an unknown type";
    EXPECT_TRUE(s.gets(icmp(s.other6, s.own6, {100, 0, 0}, {})).empty());
    EXPECT_TRUE(s.gets(udp(s.other4, ip4(10, 0, 0, 255), 53, 8), s.other, wire::broadcast_mac).empty());
    EXPECT_TRUE(s.gets(udp(s.other6, net::all_nodes(), 53, 8), s.other, wire::group_mac(net::all_nodes())).empty());
    EXPECT_TRUE(s.gets(udp(ip4(0, 0, 0, 0), s.own4, 53, 8)).empty());
    Octets fragment = udp(s.other4, s.own4, 53, 8);
    store_big(fragment.data() + 6, std::uint16_t{0x2000});
    store_big(fragment.data() + 10, std::uint16_t{0});
    store_big(fragment.data() + 10, checksum::field(checksum::sum(Bytes{fragment}.first(20))));
    EXPECT_TRUE(s.gets(fragment).empty());
    EXPECT_EQ(s.engine.statistics().icmp_out, 0u);
}

TEST(Complaints, AreLimited) {  // RFC 4443, section 2.4 f
    Station s;
    std::size_t told = 0;
    for (int i = 0; i < 500; ++i) told += s.gets(udp(s.other4, s.own4, 53, 8)).size();
    EXPECT_EQ(told, 50u);
}

// The overlay: the session says who is there, and what follows is a transport header alone.
struct Session {
    static Address key(unsigned last) {
        std::array<std::byte, 64> bytes{std::byte{1}};
        bytes[63] = std::byte(last);
        return {Family::overlay, bytes};
    }
    Session() : engine{{.seed = {3, 3}}, pool} {
        EXPECT_TRUE(engine.assign(key(1), {}, now));
        path = engine.open_path({key(1), 0, 0}, {key(2), 0, 0}, {.link = 5}, now).value();
    }
    std::vector<Octets> gets(std::uint8_t protocol, const Octets& bytes) {
        WriteRight right{pool.allocate(bytes.size())};
        std::array<Receive, 1> one{Receive{.path = path, .frame = right.append(bytes), .protocol = protocol}};
        engine.receive(one, now);
        return sent();
    }
    std::vector<Octets> sent() {
        std::vector<Octets> all;
        std::array<Transmit, 4> out;
        while (const std::size_t made = engine.transmit(out, now))
            for (const Transmit& each : std::span{out}.first(made)) {
                EXPECT_EQ(each.path, path);
                EXPECT_EQ(each.link, 5u);
                EXPECT_EQ(each.transport, 136u);
                auto cut = wire::Cut::make(each, wire::Cut::Part::transport);
                all.emplace_back(cut->next_size());
                cut->next(all.back());
            }
        return all;
    }
    BufferPool pool{1 << 20};
    Instant now = Instant::from_nanoseconds(1'000'000'000);
    Engine engine;
    PathId path{0};
};

TEST(Wcmp, EchoIsAnsweredInItsSession) {
    Session s;
    Octets ask(8 + 20, std::byte{7});
    wire::IcmpHeader{128, 0, 0x0001'0002}.write(Family::overlay, ask, wire::pseudo_sum(s.key(1), s.key(2)), 20,
                                                checksum::sum(Bytes{ask}.subspan(8)));
    const auto out = s.gets(58, ask);
    ASSERT_EQ(out.size(), 1u);
    const auto reply = wire::IcmpView::parse(Family::overlay, out[0]);
    EXPECT_EQ(reply->meaning(), wire::IcmpMeaning::echo_reply);
    EXPECT_EQ(reply->value(), 0x0001'0002u);
    EXPECT_EQ(reply->body().size(), 20u);
    EXPECT_TRUE(reply->checksum_verifies(wire::pseudo_sum(s.key(1), s.key(2))));
}

TEST(Wcmp, RefusalEndsTheAttemptToConnectWithAnErrorOfItsOwn) {
    const std::array<std::pair<std::uint8_t, Error>, 2> errors{std::pair{wire::Wcmp::prohibited, Error::prohibited},
                                                               std::pair{wire::Wcmp::port, Error::refused}};
    for (const auto& [code, error] : errors) {
        Session s;
        ASSERT_TRUE(s.engine.connect({s.key(2), 0, 80}, {}, s.now));
        const Octets syn = s.sent().at(0);
        Octets frame(3);
        wire::NetFrame{false, false, 0, wire::protocol_tcp}.write(frame);
        Octets refusal(72);
        refusal.resize(wire::write_wcmp_error(refusal, wire::Wcmp::unreachable, code, 0, frame + syn,
                                              wire::pseudo_sum(s.key(1), s.key(2)), false));
        EXPECT_LE(refusal.size(), 72u);
        EXPECT_TRUE(s.gets(58, refusal).empty());
        std::array<Event, 2> events;
        ASSERT_EQ(s.engine.events(events, s.now), 1u);
        EXPECT_EQ(events[0].kind, Event::Kind::failed);
        EXPECT_EQ(events[0].error, error);
    }
}

TEST(Wcmp, DatagramThatNobodyWantsIsToldByTheFrameItCameIn) {
    Session s;
    const Octets datagram = udp(Station::other4, Station::own4, 53, 100);
    const Octets transport(datagram.begin() + 20, datagram.end());
    const auto out = s.gets(wire::protocol_udp, transport);
    ASSERT_EQ(out.size(), 1u);
    const auto error = wire::IcmpView::parse(Family::overlay, out[0]);
    EXPECT_EQ(error->meaning(), wire::IcmpMeaning::port);
    EXPECT_EQ(error->body().size(), 64u);
    EXPECT_TRUE(error->checksum_verifies(wire::pseudo_sum(s.key(1), s.key(2))));
    const auto quote = wire::IcmpQuote::parse(Family::overlay, error->body());
    EXPECT_EQ(quote->protocol, wire::protocol_udp);
    EXPECT_TRUE(std::equal(quote->transport.begin(), quote->transport.end(), transport.begin()));
}

}  // namespace
}  // namespace weft::test
