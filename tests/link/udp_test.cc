// UDP links over real sockets on loopback: trains with and without offload, both families, errors of the kernel.
#include "stack/link/udp.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "tests/link/support.h"

namespace weft::test {
namespace {

using link::Udp;

enum class Family4or6 { v4, v6 };

struct Case {
    Family4or6 family;
    bool sender_offload, receiver_offload;
};

Udp open_link(Family4or6 family, bool offload, std::uint32_t number = 0, std::size_t buffer = 4 << 20) {
    link::UdpConfig config;
    config.link = number;
    config.offload = offload;
    config.socket_buffer = buffer;
    if (family == Family4or6::v4) config.listen4 = loopback4();
    else config.listen6 = loopback6();
    auto opened = Udp::open(config);
    if (!opened) throw std::runtime_error(opened.error().call);
    return std::move(*opened);
}

UdpEndpoint local(const Udp& udp) { return udp.local4().port ? udp.local4() : udp.local6(); }

// All that comes until `count` datagrams are there or nothing has come for a second.
std::vector<Receive> receive(Udp& udp, BufferPool& pool, std::size_t count, std::size_t batch = 32) {
    std::vector<Receive> all, some(batch);
    while (all.size() < count) {
        const std::size_t filled = udp.receive(some, pool);
        for (std::size_t i = 0; i < filled; ++i) all.push_back(std::move(some[i]));
        if (filled > 0) continue;
        pollfd waiting{udp.descriptors()[0], POLLIN, 0};
        if (::poll(&waiting, 1, 1'000) <= 0) break;
    }
    return all;
}

void expect_datagrams(const std::vector<Receive>& received, const std::vector<Bytes>& sent) {
    ASSERT_EQ(received.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_EQ(bytes_of(received[i].frame), sent[i]) << "datagram " << i;
}

class UdpPairs : public ::testing::TestWithParam<Case> {
protected:
    BufferPool pool{256 << 20};
    Udp a{open_link(GetParam().family, GetParam().sender_offload)};
    Udp b{open_link(GetParam().family, GetParam().receiver_offload, 7)};
};

INSTANTIATE_TEST_SUITE_P(Udp, UdpPairs,
                         ::testing::Values(Case{Family4or6::v4, true, true}, Case{Family4or6::v4, true, false},
                                           Case{Family4or6::v4, false, true}, Case{Family4or6::v4, false, false},
                                           Case{Family4or6::v6, true, true}, Case{Family4or6::v6, true, false},
                                           Case{Family4or6::v6, false, true}, Case{Family4or6::v6, false, false}),
                         [](const auto& pair) {
                             return std::string{pair.param.family == Family4or6::v4 ? "Ipv4" : "Ipv6"} +
                                    (pair.param.sender_offload ? "Segments" : "Single") +
                                    (pair.param.receiver_offload ? "Gro" : "Plain");
                         });

TEST_P(UdpPairs, DatagramsOfEverySizeArriveAsTheyWereSent) {
    Outgoing out{pool};
    std::vector<Bytes> sent;
    for (const std::size_t size :
         {1, 2, 255, 256, 257, 1200, 1472, 2047, 2048, 2049, 8952, 10'240, 10'241, 30'000, 65'000, 65'488}) {
        sent.push_back(pattern(size, std::uint32_t(size)));
        out.add(local(b), sent.back());
    }
    ASSERT_EQ(a.send(out.all()), sent.size());
    const std::vector<Receive> received = receive(b, pool, sent.size());
    expect_datagrams(received, sent);
    for (const Receive& one : received) {
        EXPECT_EQ(one.link, 7u);
        EXPECT_EQ(one.from, local(a));
    }
    EXPECT_EQ(b.statistics().datagrams_in, sent.size());
    EXPECT_EQ(a.statistics().bytes_out, b.statistics().bytes_in);
}

TEST_P(UdpPairs, AnEmptyDatagramArrives) {
    Outgoing out{pool};
    out.add(local(b), {});
    out.add(local(b), pattern(5, 5));
    ASSERT_EQ(a.send(out.all()), 2u);
    expect_datagrams(receive(b, pool, 2), {Bytes{}, pattern(5, 5)});
}

TEST_P(UdpPairs, TrainsArriveAsTheirDatagrams) {
    Outgoing out{pool};
    std::vector<Bytes> sent;
    for (const auto& [size, segment] : {std::pair{1'200, 1'200},
                                        {1'201, 1'200},
                                        {2'400, 1'200},
                                        {12'345, 1'234},
                                        {64'000, 1'400},
                                        {65'536, 1'472},
                                        {64, 1},
                                        {300, 3},
                                        {65'000, 32'500},
                                        {65'536, 40'000},
                                        {17'000, 8'952}}) {
        const Bytes train = pattern(std::size_t(size), std::uint32_t(size));
        for (Bytes& datagram : cut(train, std::size_t(segment))) sent.push_back(std::move(datagram));
        out.add(local(b), train, std::uint16_t(segment));
    }
    ASSERT_EQ(a.send(out.all()), out.all().size());
    expect_datagrams(receive(b, pool, sent.size()), sent);
    EXPECT_EQ(a.statistics().datagrams_out, sent.size());
    EXPECT_EQ(b.statistics().datagrams_in, sent.size());
    EXPECT_EQ(a.statistics().dropped_out, 0u);
}

TEST_P(UdpPairs, AnyTrainInAnySlicesArrivesEqual) {
    std::mt19937_64 draw{7};
    for (int round = 0; round < 60; ++round) {
        Outgoing out{pool};
        std::vector<Bytes> sent;
        for (std::size_t i = 0, trains = draw() % 6 + 1; i < trains; ++i) {
            const std::size_t segment = draw() % (draw() % 8 == 0 ? 20'000 : 1'500) + 1;
            const Bytes train = pattern(draw() % std::min<std::size_t>(segment * 90, 65'536) + 1, std::uint32_t(draw()));
            out.add(local(b), train, std::uint16_t(segment), draw() % 5'000 + 100).ecn = Ecn(draw() % 4);
            for (Bytes& datagram : cut(train, segment)) sent.push_back(std::move(datagram));
        }
        ASSERT_EQ(a.send(out.all()), out.all().size());
        expect_datagrams(receive(b, pool, sent.size(), draw() % 64 + 1), sent);
    }
}

TEST_P(UdpPairs, TheTwoEcnBitsTravelWithEachMessage) {
    Outgoing out{pool};
    for (const Ecn ecn : {Ecn::not_capable, Ecn::ect0, Ecn::ect1, Ecn::congestion_experienced}) {
        out.add(local(b), pattern(100, 1)).ecn = ecn;
        out.add(local(b), pattern(3'000, 2), 1'000).ecn = ecn;
    }
    ASSERT_EQ(a.send(out.all()), 8u);
    const std::vector<Receive> received = receive(b, pool, 16);
    ASSERT_EQ(received.size(), 16u);
    for (std::size_t i = 0; i < 16; ++i)
        EXPECT_EQ(received[i].ecn, (std::array{Ecn::not_capable, Ecn::ect0, Ecn::ect1, Ecn::congestion_experienced})[i / 4]);
}

TEST_P(UdpPairs, ATrainThatDoesNotFitTheCallersBatchWaitsForTheNextCall) {
    Outgoing out{pool};
    const Bytes train = pattern(20'000, 3);
    out.add(local(b), train, 500);
    ASSERT_EQ(a.send(out.all()), 1u);
    expect_datagrams(receive(b, pool, 40, 3), cut(train, 500));
}

TEST_P(UdpPairs, ReceivingAllocatesNothingOnceThePoolIsWarm) {
    std::size_t owned = 0;
    for (int round = 0; round < 30; ++round) {
        Outgoing out{pool};
        for (int i = 0; i < 4; ++i) out.add(local(b), pattern(50'000, 1), 1'400);
        ASSERT_EQ(a.send(out.all()), 4u);
        ASSERT_EQ(receive(b, pool, 144).size(), 144u);
        if (round == 4) owned = pool.owned();
    }
    EXPECT_EQ(pool.owned(), owned);
}

TEST_P(UdpPairs, WithoutMemoryDatagramsAreDroppedAndCounted) {
    BufferPool none{1'000};
    Outgoing out{pool};
    out.add(local(b), pattern(3'000, 2), 1'000);
    out.add(local(b), pattern(100, 2));
    ASSERT_EQ(a.send(out.all()), 2u);
    std::vector<Receive> in(8);
    for (int i = 0; i < 100 && b.statistics().dropped_in < 4; ++i) {
        EXPECT_EQ(b.receive(in, none), 0u);
        pollfd waiting{b.descriptors()[0], POLLIN, 0};
        if (b.statistics().dropped_in < 4) ::poll(&waiting, 1, 1'000);
    }
    EXPECT_EQ(b.statistics().dropped_in, 4u);
    out.add(local(b), pattern(9, 9));
    ASSERT_EQ(a.send(out.all().subspan(2)), 1u);
    expect_datagrams(receive(b, pool, 1), {pattern(9, 9)});
}

TEST_P(UdpPairs, WhatTheKernelLosesForLackOfRoomIsCounted) {
    Udp small = open_link(GetParam().family, GetParam().receiver_offload, 0, 4'096);
    Outgoing out{pool};
    for (int i = 0; i < 64; ++i) out.add(local(small), pattern(1'400, 2));
    ASSERT_EQ(a.send(out.all()), 64u);
    const std::size_t came = receive(small, pool, 1).size();
    ASSERT_GT(came, 0u);
    std::vector<Receive> in(64);
    std::size_t all = came;
    while (const std::size_t more = small.receive(in, pool)) all += more;
    ASSERT_LT(all, 64u);
    ASSERT_EQ(a.send(out.all().first(1)), 1u);  // the kernel tells of its losses with the next datagram
    ASSERT_EQ(receive(small, pool, 1).size(), 1u);
    EXPECT_EQ(small.statistics().overflowed, 64 - all);
}

TEST(Udp, ASmallDatagramDoesNotPinALargeChunk) {
    BufferPool pool{64 << 20};
    Udp a = open_link(Family4or6::v4, true), b = open_link(Family4or6::v4, true);
    Outgoing out{pool};
    for (const std::size_t size : {60, 1'400, 9'000}) out.add(local(b), pattern(size, 1));
    out.add(local(b), pattern(60'000, 1), 1'400);
    ASSERT_EQ(a.send(out.all()), 4u);
    const std::vector<Receive> received = receive(b, pool, 3 + 43);
    ASSERT_EQ(received.size(), 46u);
    EXPECT_EQ(received[0].frame.charge(), 256u);
    EXPECT_EQ(received[1].frame.charge(), 2'048u);
    EXPECT_EQ(received[2].frame.charge(), 10'240u);
    EXPECT_EQ(received[3].frame.charge(), 66'560u);
    EXPECT_EQ(received[3].frame.bytes().data() + 1'400, received[4].frame.bytes().data());  // one chunk, side by side
}

TEST(Udp, ATrainCrossesInOneCall) {
    BufferPool pool{64 << 20};
    Udp a = open_link(Family4or6::v4, true), b = open_link(Family4or6::v4, true);
    if (!a.capabilities().segments_udp) GTEST_SKIP() << "this kernel has no UDP_SEGMENT";
    Outgoing out{pool};
    out.add(local(b), pattern(64 * 1'000, 1), 1'000);
    ASSERT_EQ(a.send(out.all()), 1u);
    ASSERT_EQ(receive(b, pool, 64, 64).size(), 64u);
    EXPECT_EQ(a.statistics().calls_out, 1u);
    EXPECT_LE(b.statistics().calls_in, 2u);
}

// A socket without checksums is one that the kernel refuses UDP_SEGMENT with EINVAL, like a device that lacks it.
TEST(Udp, WhenTheKernelRefusesTrainsTheyGoOutSinglyAndNothingIsLost) {
    BufferPool pool{64 << 20};
    Udp a = open_link(Family4or6::v4, true), b = open_link(Family4or6::v4, true);
    if (!a.capabilities().segments_udp) GTEST_SKIP() << "this kernel has no UDP_SEGMENT";
    const int on = 1;
    ASSERT_EQ(::setsockopt(a.descriptors()[0], SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
    Outgoing out{pool};
    std::vector<Bytes> sent;
    for (std::uint32_t i = 0; i < 5; ++i) {
        const Bytes train = pattern(100'000, i);
        out.add(local(b), train, 1'400, 777);
        for (Bytes& datagram : cut(train, 1'400)) sent.push_back(std::move(datagram));
        sent.push_back(pattern(10, i));
        out.add(local(b), sent.back());
    }
    ASSERT_EQ(a.send(out.all()), 10u);
    EXPECT_FALSE(a.capabilities().segments_udp);
    EXPECT_EQ(a.statistics().dropped_out, 0u);
    expect_datagrams(receive(b, pool, sent.size()), sent);
    ASSERT_EQ(a.send(out.all()), 10u);
    expect_datagrams(receive(b, pool, sent.size()), sent);
}

TEST(Udp, WhatIsTooLongForAnyPacketIsDroppedAndTheBatchGoesOn) {
    BufferPool pool{64 << 20};
    Udp a = open_link(Family4or6::v4, true), b = open_link(Family4or6::v4, true);
    Outgoing out{pool};
    out.add(local(b), pattern(65'530, 1));
    out.add(local(b), pattern(131'040, 1), 65'520);
    out.add(local(b), pattern(3'000, 1), 1'000);
    ASSERT_EQ(a.send(out.all()), 3u);
    EXPECT_EQ(a.statistics().dropped_out, 3u);
    expect_datagrams(receive(b, pool, 3), cut(pattern(3'000, 1), 1'000));
}

TEST(Udp, OneLinkServesBothFamilies) {
    BufferPool pool{64 << 20};
    auto opened = Udp::open({.link = 3, .listen4 = loopback4(), .listen6 = loopback6()});
    ASSERT_TRUE(opened);
    Udp both = std::move(*opened);
    ASSERT_EQ(both.descriptors().size(), 2u);
    Udp four = open_link(Family4or6::v4, true), six = open_link(Family4or6::v6, true);
    Outgoing out{pool}, back{pool};
    for (std::uint32_t i = 0; i < 6; ++i) back.add(i % 2 ? local(four) : local(six), pattern(100, i));
    ASSERT_EQ(both.send(back.all()), 6u);
    expect_datagrams(receive(four, pool, 3), {pattern(100, 1), pattern(100, 3), pattern(100, 5)});
    expect_datagrams(receive(six, pool, 3), {pattern(100, 0), pattern(100, 2), pattern(100, 4)});
    out.add(both.local4(), pattern(4'000, 4), 1'000);
    ASSERT_EQ(four.send(out.all()), 1u);
    out.add(both.local6(), pattern(6'000, 6), 1'000);
    ASSERT_EQ(six.send(out.all().subspan(1)), 1u);
    std::vector<Receive> received;
    for (int tries = 0; tries < 100 && received.size() < 10; ++tries)
        for (Receive& one : receive(both, pool, 10 - received.size())) received.push_back(std::move(one));
    EXPECT_EQ(std::ranges::count(received, local(four), &Receive::from), 4);
    EXPECT_EQ(std::ranges::count(received, local(six), &Receive::from), 6);
}

TEST(Udp, WhatHasNoSocketOrNoPortIsDroppedAndCounted) {
    BufferPool pool{1 << 20};
    Udp four = open_link(Family4or6::v4, true);
    Outgoing out{pool};
    out.add(loopback6(9), pattern(3'000, 1), 1'000);
    out.add(loopback4(0), pattern(10, 1));
    EXPECT_EQ(four.send(out.all()), 2u);
    EXPECT_EQ(four.statistics().dropped_out, 4u);
}

TEST(Udp, AnUnreachablePortDoesNotStopTheBatch) {
    BufferPool pool{1 << 20};
    Udp a = open_link(Family4or6::v4, true), b = open_link(Family4or6::v4, true);
    UdpEndpoint closed;
    {
        const Udp gone = open_link(Family4or6::v4, true);
        closed = local(gone);
    }
    const int on = 1;  // as a tracing tool might set it: the kernel then reports ICMP at the next call
    ASSERT_EQ(::setsockopt(a.descriptors()[0], IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
    std::vector<Bytes> sent;
    for (std::uint32_t i = 0; i < 10; ++i) {
        Outgoing out{pool};
        for (std::uint32_t j = 0; j < 3; ++j) out.add(local(b), sent.emplace_back(pattern(20, 3 * i + j)));
        out.add(closed, pattern(10, 1));  // answered at once: the next call hears of it
        EXPECT_EQ(a.send(out.all()), 4u);
    }
    EXPECT_EQ(a.statistics().dropped_out, 0u);
    EXPECT_GT(a.statistics().soft_errors, 0u);
    expect_datagrams(receive(b, pool, 30), sent);
}

TEST(Udp, AFailedOpenNamesTheAddressAndTheError) {
    const Udp first = open_link(Family4or6::v4, true), sixth = open_link(Family4or6::v6, true);
    const auto taken = Udp::open({.listen4 = first.local4()});
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().call, "bind 127.0.0.1:" + std::to_string(first.local4().port));
    EXPECT_EQ(taken.error().error, EADDRINUSE);
    const auto taken6 = Udp::open({.listen4 = loopback4(), .listen6 = sixth.local6()});
    ASSERT_FALSE(taken6);
    EXPECT_EQ(taken6.error().call, "bind [::1]:" + std::to_string(sixth.local6().port));
    EXPECT_EQ(taken6.error().error, EADDRINUSE);
    EXPECT_EQ(Udp::open({}).error().error, EINVAL);
    EXPECT_EQ(Udp::open({.listen4 = loopback6()}).error().error, EINVAL);
    EXPECT_EQ(Udp::open({.listen6 = loopback4()}).error().error, EINVAL);
}

TEST(Udp, ALinkLocalSourceComesWithItsZoneAndCanBeAnsweredThroughIt) {
    UdpEndpoint elsewhere = loopback6();
    elsewhere.ip[0] = std::byte{0xfe}, elsewhere.ip[1] = std::byte{0x80}, elsewhere.ip[15] = std::byte{0x99};
    elsewhere.scope = 0x7fff'0000;  // no such interface
    const auto opened = Udp::open({.listen6 = elsewhere});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().call, "bind [fe80::99%2147418112]:0");
}

}  // namespace
}  // namespace weft::test
