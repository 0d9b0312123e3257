// ICMP errors about a flow's packets: which are believed (RFC 5927, section 4), what they may do (RFC 1122, section 4.2.3.9; RFC 5461,
// section 2), and what they say of the path's MTU (RFC 1191, RFC 8201).
#include "tests/engine/station.h"

namespace weft::test {
namespace {

constexpr Duration seconds(std::int64_t n) { return Duration::seconds(n); }

struct Pair {
    Address own, other;
};
const std::array<Pair, 2> both{Pair{Station::own4, Station::other4}, Pair{Station::own6, Station::other6}};

// An error of a router's about a segment of a flow.
Octets trouble(const Address& own, const Address& other, std::uint8_t type, std::uint8_t code, std::uint32_t value,
               std::uint16_t port, SeqNum seq, std::size_t text = 1'460) {
    const wire::TcpHeader quoted{port, 80, seq, {}, wire::ack, 0, 0, 0, {}};
    Octets about = tcp(own, other, quoted, Octets(text));
    about.resize((own.family() == Family::ipv4 ? 20 : 40) + 8);
    const bool ipv4 = own.family() == Family::ipv4;
    return icmp(ipv4 ? ip4(10, 0, 0, 99) : ip6(99), own, {type, code, value}, about);
}

struct Code {
    std::uint8_t type, code;
};

TEST(Trouble, Must54_Shld26_HardErrorEndsAnAttemptToConnectAtOnce) {  // RFC 1122, section 4.2.3.9; RFC 5461, section 2
    const std::array<std::tuple<Code, Code, Error>, 2> errors{std::tuple{Code{3, 3}, Code{1, 4}, Error::refused},
                                                              std::tuple{Code{3, 13}, Code{1, 1}, Error::prohibited}};
    for (const auto& [four, six, error] : errors)
        for (const auto& [own, other] : both) {
            Station s{{}};
            s.connect(other);
            const auto syn = s.sent().at(0).tcp();
            const Code code = own.family() == Family::ipv4 ? four : six;
            s.gets(trouble(own, other, code.type, code.code, 0, syn.source_port(), syn.seq(), 0));
            EXPECT_EQ(s.error_of(Event::Kind::failed), error);
        }
}

TEST(Trouble, Must47_Shld25_SoftErrorIsToldAndTheAttemptGoesOn) {
    for (const auto& [own, other] : both) {
        Station s{{}};
        const Flow flow = s.connect(other);
        const auto syn = s.sent().at(0).tcp();
        const bool ipv4 = own.family() == Family::ipv4;
        s.gets(trouble(own, other, ipv4 ? 3 : 1, ipv4 ? 1 : 0, 0, syn.source_port(), syn.seq(), 0));
        EXPECT_EQ(s.error_of(Event::Kind::soft_error), Error::unreachable);
        EXPECT_EQ(s.tcb(flow).receiving.state, tcp::State::syn_sent);
    }
}

TEST(Trouble, Must56_EstablishedFlowSurvivesEveryError) {  // RFC 5927, section 5.2
    for (const auto& [own, other] : both) {
        Station s{{}};
        const Flow flow = s.established(other);
        ASSERT_TRUE(s.engine.write(flow, Octets(100), {}, s.now));
        s.sent();
        for (unsigned type = 0; type < 256; ++type)
            for (unsigned code = 0; code < 16; ++code)
                s.gets(trouble(own, other, std::uint8_t(type), std::uint8_t(code), 0, s.local_port,
                               s.tcb(flow).sending.snd_una));
        EXPECT_EQ(s.tcb(flow).receiving.state, tcp::State::established);
        EXPECT_FALSE(s.error_of(Event::Kind::failed));
    }
}

TEST(Trouble, Must54_IsBelievedOnlyIfItQuotesWhatIsInFlight) {  // RFC 5927, section 4
    Station s{{}};
    const Flow flow = s.established(s.other4);
    const auto ignored = [&](std::uint16_t port, SeqNum seq, const Address& other) {
        const std::uint64_t before = s.engine.statistics().icmp_ignored;
        s.gets(trouble(s.own4, other, 3, 1, 0, port, seq));
        EXPECT_EQ(s.engine.statistics().icmp_ignored, before + 1);
        EXPECT_FALSE(s.error_of(Event::Kind::soft_error));
    };
    ignored(s.local_port, s.tcb(flow).sending.snd_una, s.other4);  // nothing is in flight
    ASSERT_TRUE(s.engine.write(flow, Octets(100), {}, s.now));
    s.sent();
    const SeqNum una = s.tcb(flow).sending.snd_una;
    ignored(s.local_port, una - 1, s.other4);
    ignored(s.local_port, una + 100, s.other4);
    ignored(std::uint16_t(s.local_port ^ 1), una, s.other4);
    ignored(s.local_port, una, ip4(10, 0, 0, 3));
    s.gets(trouble(s.own4, s.other4, 3, 1, 0, s.local_port, una + 99));
    EXPECT_EQ(s.error_of(Event::Kind::soft_error), Error::unreachable);
}

TEST(Trouble, ShortOrBrokenQuotesAreIgnored) {
    Station s{{}};
    const Flow flow = s.established(s.other4);
    ASSERT_TRUE(s.engine.write(flow, Octets(100), {}, s.now));
    s.sent();
    const Octets whole = trouble(s.own4, s.other4, 3, 3, 0, s.local_port, s.tcb(flow).sending.snd_una);
    const Octets quote(whole.begin() + 28, whole.end());
    for (std::size_t size = 0; size < quote.size(); ++size)
        s.gets(icmp(s.other4, s.own4, {3, 3, 0}, {quote.begin(), quote.begin() + std::ptrdiff_t(size)}));
    EXPECT_FALSE(s.error_of(Event::Kind::soft_error));
    s.gets(icmp(s.other4, s.own4, {3, 3, 0}, quote));
    EXPECT_EQ(s.error_of(Event::Kind::soft_error), Error::refused);
}

TEST(Trouble, Must55_SourceQuenchIsDroppedSilently) {  // RFC 6633, section 3
    Station s{{}};
    const Flow flow = s.established(s.other4);
    ASSERT_TRUE(s.engine.write(flow, Octets(100), {}, s.now));
    s.sent();
    const std::uint32_t cwnd = s.tcb(flow).sending.steering.cwnd;
    EXPECT_TRUE(s.gets(trouble(s.own4, s.other4, 4, 0, 0, s.local_port, s.tcb(flow).sending.snd_una)).empty());
    for (const Event& event : s.events()) EXPECT_EQ(event.kind, Event::Kind::transmitted) << "nobody hears of it";
    EXPECT_EQ(s.tcb(flow).sending.steering.cwnd, cwnd);
    EXPECT_EQ(s.tcb(flow).receiving.state, tcp::State::established);
}

TEST(Trouble, Must56_NoSoftErrorEndsAnAttemptToConnect) {
    struct Said {
        bool ipv4;
        std::uint8_t type, code;
    };
    for (const Said& said : {Said{true, 3, 0},
                             {true, 3, 1},
                             {true, 3, 5},
                             {true, 11, 0},
                             {true, 11, 1},
                             {true, 12, 0},
                             {false, 1, 0},
                             {false, 1, 3},
                             {false, 3, 0},
                             {false, 3, 1},
                             {false, 4, 0},
                             {false, 4, 2}}) {
        const auto& [own, other] = both[said.ipv4 ? 0 : 1];
        Station s{{}};
        const Flow flow = s.connect(other);
        const auto syn = s.sent().at(0).tcp();
        s.gets(trouble(own, other, said.type, said.code, 0, syn.source_port(), syn.seq(), 0));
        ASSERT_TRUE(s.engine.inspect(flow)) << unsigned(said.type) << "/" << unsigned(said.code);
        EXPECT_EQ(s.tcb(flow).receiving.state, tcp::State::syn_sent);
        EXPECT_FALSE(s.error_of(Event::Kind::failed));
    }
}

// RFC 5461, section 4.1, of a passive open: only who shows the habit, only about the SYN,ACK itself, and not for its size.
TEST(Trouble, HalfOpenRecordIsForgottenWhereTheHabitIsShownAndKeptElsewhere) {
    struct Case {
        std::uint8_t personality;
        std::uint8_t code;  // of IPv4's and IPv6's "unreachable"
        std::int32_t off;  // from the sequence number of the SYN,ACK
        bool forgotten;
    };
    constexpr std::uint8_t linux_row = 1;
    for (const auto& [own, other] : both)
        for (const Case& one : {Case{linux_row, 1, 0, true},
                                {linux_row, 3, 0, true},
                                {linux_row, 1, 1, false},
                                {linux_row, 1, -1, false},
                                {0, 1, 0, false},
                                {0, 3, 0, false}}) {
            Station s{{}, {.seed = {7, 7}, .personality = one.personality}};
            ListenOptions listening;
            listening.local = {{}, 0, 80};
            ASSERT_TRUE(s.engine.listen(listening, s.now));
            const auto answers = s.gets(tcp(other, own, {5'000, 80, SeqNum{1}, {}, wire::syn, 65'535, 0, 0, {}}));
            ASSERT_EQ(answers.size(), 1u);
            const SeqNum seq = answers[0].tcp().seq();
            ASSERT_EQ(s.engine.statistics().half_open, 1u);
            const wire::TcpHeader quoted{80, 5'000, seq + std::uint32_t(one.off), SeqNum{2}, wire::syn | wire::ack, 0, 0,
                                         0,  {}};
            const bool ipv4 = own.family() == Family::ipv4;
            const std::uint8_t type = ipv4 ? 3 : 1;
            s.gets(icmp(ipv4 ? ip4(10, 0, 0, 99) : ip6(99), own, {type, one.code, 0}, tcp(own, other, quoted)));
            EXPECT_EQ(s.engine.statistics().half_open, one.forgotten ? 0u : 1u)
                << unsigned(one.personality) << ", code " << unsigned(one.code) << ", off by " << one.off;
            EXPECT_EQ(s.engine.statistics().icmp_ignored, one.forgotten ? 0u : 1u);
        }
}

TEST(Trouble, HalfOpenRecordIsNotForgottenForThePathsMtu) {
    Station s{{}, {.seed = {7, 7}, .personality = 1}};
    ListenOptions listening;
    listening.local = {{}, 0, 80};
    ASSERT_TRUE(s.engine.listen(listening, s.now));
    const auto answers = s.gets(tcp(s.other4, s.own4, {5'000, 80, SeqNum{1}, {}, wire::syn, 65'535, 0, 0, {}}));
    ASSERT_EQ(answers.size(), 1u);
    const wire::TcpHeader quoted{80, 5'000, answers[0].tcp().seq(), SeqNum{2}, wire::syn | wire::ack, 0, 0, 0, {}};
    s.gets(icmp(ip4(10, 0, 0, 99), s.own4, {3, 4, 1'000}, tcp(s.own4, s.other4, quoted)));
    EXPECT_EQ(s.engine.statistics().half_open, 1u);
}

TEST(Trouble, Shld20_ReportsCanBeSwitchedOff) {  // section 3.9.1.8
    Station s{{}};
    const Flow flow = s.established(s.other4);
    ConnectOptions options;
    options.report_errors = false;
    ASSERT_TRUE(s.engine.set(flow, options, s.now));
    ASSERT_TRUE(s.engine.write(flow, Octets(100), {}, s.now));
    s.sent();
    s.gets(trouble(s.own4, s.other4, 3, 1, 0, s.local_port, s.tcb(flow).sending.snd_una));
    EXPECT_FALSE(s.error_of(Event::Kind::soft_error));
    EXPECT_EQ(s.engine.inspect_cold(flow)->soft_error, Error::unreachable) << "who asks is still told";
}

TEST(Sources, Must44_TheNetworkLayerChoosesTheLocalAddressBeforeTheFirstSyn) {
    Station s{{}};
    const Address third = ip4(10, 9, 0, 1);
    ASSERT_TRUE(s.engine.assign(third, {.prefix = 24}, s.now));
    s.connect(ip4(10, 9, 0, 7));
    EXPECT_EQ(s.sent().at(0).source(), third) << "the address on the peer's network, although another one is the default";
    s.connect(s.other4);
    EXPECT_EQ(s.sent().at(0).source(), s.own4);
}

TEST(Sources, Must45_AFlowKeepsItsLocalAddressWhateverIsAssignedLater) {
    Station s{{}};
    const Flow flow = s.established(s.other4);
    ASSERT_TRUE(s.engine.assign(ip4(10, 0, 0, 200), {.prefix = 32}, s.now));
    ASSERT_TRUE(s.engine.unassign(s.own4, s.now));
    ASSERT_TRUE(s.engine.write(flow, Octets(10), {}, s.now));
    EXPECT_EQ(s.sent().at(0).source(), s.own4);
}

TEST(NetworkHeader, Must50_May10_May11_IpOptionsThatAreNotUnderstoodAreIgnored) {  // section 3.9.2
    Station s{{}};
    ListenOptions listening;
    listening.local = {{}, 0, 80};
    ASSERT_TRUE(s.engine.listen(listening, s.now));
    wire::TcpHeader syn{5'000, 80, SeqNum{1}, {}, wire::syn, 65'535, 0, 0, {}};
    const Octets plain = tcp(s.other4, s.own4, syn);
    // Record route, timestamp, one that nobody knows, end of list: each of them leaves the segment as it is.
    for (const auto& options : {Octets{std::byte{7}, std::byte{7}, std::byte{4}, {}, {}, {}, {}, {}},
                                Octets{std::byte{68}, std::byte{8}, std::byte{5}, {}, {}, {}, {}, {}},
                                Octets{std::byte{99}, std::byte{4}, {}, {}}}) {
        Octets with{plain.begin(), plain.begin() + 20};
        with = with + options + Octets{plain.begin() + 20, plain.end()};
        with[0] = std::byte(0x40 | (20 + options.size()) / 4);
        store_big(with.data() + 2, std::uint16_t(with.size()));
        store_big(with.data() + 10, std::uint16_t{0});
        store_big(with.data() + 10, checksum::field(checksum::sum(Bytes{with}.first(20 + options.size()))));
        const auto answer = s.gets(with);
        ASSERT_EQ(answer.size(), 1u);
        EXPECT_EQ(answer[0].tcp().flags(), wire::syn | wire::ack);
        EXPECT_EQ(answer[0].ipv4().header_size(), 20u) << "and none goes back";
    }
}

TEST(Sources, Must57_ASynToAGroupOrToAllIsDroppedSilently) {
    Station s{{}};
    ListenOptions listening;
    listening.local = {{}, 0, 80};
    ASSERT_TRUE(s.engine.listen(listening, s.now));
    const wire::TcpHeader syn{5'000, 80, SeqNum{1}, {}, wire::syn, 65'535, 0, 0, {}};
    for (const Address& to : {ip4(224, 0, 0, 1), ip4(255, 255, 255, 255), ip4(10, 0, 0, 255)})
        EXPECT_TRUE(s.gets(tcp(s.other4, to, syn)).empty());
    EXPECT_TRUE(s.gets(tcp(s.other6, net::all_nodes(), syn)).empty());
    EXPECT_EQ(s.engine.statistics().half_open, 0u);
    EXPECT_EQ(s.gets(tcp(s.other4, s.own4, syn)).size(), 1u) << "to us it is answered";
}

TEST(Sources, Must63_ASynFromASourceThatNobodyMayHaveIsIgnored) {
    Station s{{}};
    ListenOptions listening;
    listening.local = {{}, 0, 80};
    ASSERT_TRUE(s.engine.listen(listening, s.now));
    const wire::TcpHeader syn{5'000, 80, SeqNum{1}, {}, wire::syn, 65'535, 0, 0, {}};
    for (const Address& from : {ip4(224, 0, 0, 1), ip4(255, 255, 255, 255), ip4(127, 0, 0, 1), ip4(0, 0, 0, 0), s.own4})
        EXPECT_TRUE(s.gets(tcp(from, s.own4, syn)).empty());
    for (const Address& from : {net::all_nodes(), ip6(0, 0), s.own6}) EXPECT_TRUE(s.gets(tcp(from, s.own6, syn)).empty());
    EXPECT_EQ(s.engine.statistics().half_open, 0u);
    EXPECT_EQ(s.engine.statistics().martians, 8u);
}

TEST(Mss, Shld6_IsOfTheSmallestMtuThatThePathMayHave) {  // section 3.7.3
    Station s{{.mtu = 1'400}};
    s.connect(s.other4);
    EXPECT_EQ(s.sent().at(0).tcp().options()->mss, 1'360) << "the device carries less than the address says";
    s.connect(s.other6);
    EXPECT_EQ(s.sent().at(0).tcp().options()->mss, 1'340);
}

// Of one transmit() the sizes of the packets.
std::vector<std::size_t> sizes(const std::vector<Sent>& sent) {
    std::vector<std::size_t> all;
    for (const Sent& each : sent) all.push_back(each.network().size());
    return all;
}

TEST(PathMtu, TooBigLowersItAndTheFlowSendsAgainAtOnce) {  // RFC 1191, section 6; RFC 8201, section 4
    for (const bool ethernet : {false, true})
        for (const auto& [own, other] : both) {
            Station s{{.ethernet = ethernet, .mac = Station::own}};
            const Flow flow = s.established(other);
            ASSERT_TRUE(s.engine.write(flow, Octets(2'920), {}, s.now));
            const auto first = s.sent();
            ASSERT_EQ(sizes(first).front(), 1'500u);
            const std::uint32_t cwnd = s.tcb(flow).sending.steering.cwnd;
            const bool ipv4 = own.family() == Family::ipv4;
            const auto again =
                s.gets(trouble(own, other, ipv4 ? 3 : 2, ipv4 ? 4 : 0, 1'400, s.local_port, s.tcb(flow).sending.snd_una));
            ASSERT_FALSE(again.empty());
            for (const std::size_t size : sizes(again)) EXPECT_LE(size, 1'400u);
            EXPECT_EQ(again[0].tcp().seq(), first[0].tcp().seq());
            EXPECT_EQ(sizes(again).front(), 1'400u);
            EXPECT_EQ(s.tcb(flow).sending.steering.cwnd, cwnd) << "it says nothing of congestion";
            EXPECT_EQ(s.engine.statistics().mtu_lowered, 1u);
        }
}

TEST(PathMtu, IsTriedAgainAfterTenMinutes) {
    Station s{{}};
    const Flow flow = s.established(s.other4);
    ASSERT_TRUE(s.engine.write(flow, Octets(1'460), {}, s.now));
    s.sent();
    s.gets(trouble(s.own4, s.other4, 3, 4, 1'000, s.local_port, s.tcb(flow).sending.snd_una));
    EXPECT_EQ(s.tcb(flow).receiving.mss, 960);
    s.gets(
        tcp(s.other4, s.own4, {80, s.local_port, SeqNum{1'001}, s.tcb(flow).sending.snd_max, wire::ack, 65'535, 0, 0, {}}));
    s.wait(seconds(599));
    EXPECT_EQ(s.tcb(flow).receiving.mss, 960);
    s.wait(seconds(2));
    EXPECT_EQ(s.tcb(flow).receiving.mss, 1'460);
}

TEST(PathMtu, FalseWordsLowerNothing) {  // RFC 5927, section 7.2; RFC 8201, section 4
    Station s{{}};
    const Flow four = s.established(s.other4);
    const std::uint16_t port4 = s.local_port;
    const Flow six = s.established(s.other6);
    const std::uint16_t port6 = s.local_port;
    for (const Flow flow : {four, six}) ASSERT_TRUE(s.engine.write(flow, Octets(1'000), {}, s.now));
    s.sent();
    const SeqNum una4 = s.tcb(four).sending.snd_una, una6 = s.tcb(six).sending.snd_una;
    s.gets(trouble(s.own4, s.other4, 3, 4, 1'500, port4, una4));  // not smaller
    s.gets(trouble(s.own4, s.other4, 3, 4, 9'000, port4, una4));
    s.gets(trouble(s.own4, s.other4, 3, 4, 1'200, port4, una4, 1'000));  // the quoted packet fitted
    s.gets(trouble(s.own4, s.other4, 3, 4, 1'200, port4, una4 + 5'000));  // nothing of ours
    s.gets(trouble(s.own6, s.other6, 2, 0, 1'279, port6, una6));  // below what every link carries
    s.gets(trouble(s.own6, s.other6, 2, 0, 68, port6, una6));
    EXPECT_EQ(s.tcb(four).receiving.mss, 1'460);
    EXPECT_EQ(s.tcb(six).receiving.mss, 1'440);
    EXPECT_EQ(s.engine.statistics().mtu_lowered, 0u);
    EXPECT_EQ(s.engine.statistics().icmp_ignored, 6u);
    s.gets(trouble(s.own4, s.other4, 3, 4, 60, port4, una4));
    EXPECT_EQ(s.tcb(four).receiving.mss, 512) << "552 bytes are the floor";
}

TEST(PathMtu, OldRouterThatDoesNotSayItMeansTheNextPlateau) {  // RFC 1191, section 7.1
    Station s{{}};
    const Flow flow = s.established(s.other4);
    ASSERT_TRUE(s.engine.write(flow, Octets(1'460), {}, s.now));
    s.sent();
    s.gets(trouble(s.own4, s.other4, 3, 4, 0, s.local_port, s.tcb(flow).sending.snd_una));
    EXPECT_EQ(s.tcb(flow).receiving.mss, 1'492 - 40);
}

}  // namespace
}  // namespace weft::test
