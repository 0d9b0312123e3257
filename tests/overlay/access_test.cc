// Who may reach this host and who may send through it.
#include "overlay/access.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "stack/wire/overlay.h"
#include "stack/wire/tcp.h"

namespace weft::overlay {
namespace {

using Verdict = Access::Verdict;
constexpr std::uint8_t tcp = 6, udp = 17, sctp = 132;
constexpr std::uint8_t syn = 2, rst = 4, ack = 16;

Address member(unsigned number) {
    std::array<std::byte, 64> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte((number >> (i % 4 * 8)) + i);
    return {Family::overlay, bytes};
}

const Address alice = member(1), bob = member(2);
const Instant beginning = Instant::from_nanoseconds(1'000'000'000);

std::vector<std::byte> segment(std::uint16_t from, std::uint16_t to, std::uint8_t flags) {
    std::vector<std::byte> header(20);
    store_big(&header[0], from);
    store_big(&header[2], to);
    header[12] = std::byte{5 << 4};
    header[13] = std::byte{flags};
    return header;
}

std::vector<std::byte> datagram(std::uint16_t from, std::uint16_t to) {
    std::vector<std::byte> header(8);
    store_big(&header[0], from);
    store_big(&header[2], to);
    return header;
}

TEST(Reach, IsForNobodyUntilSomethingOpensAPort) {
    Access access;
    EXPECT_EQ(access.inbound(alice, tcp, segment(5'000, 80, syn), beginning), Verdict::refuse);
    EXPECT_EQ(access.inbound(alice, udp, datagram(5'000, 53), beginning), Verdict::refuse);
    EXPECT_EQ(access.inbound(alice, sctp, datagram(5'000, 53), beginning), Verdict::refuse);
    EXPECT_EQ(access.statistics().reach_refused, 3u);
}

TEST(Reach, WcmpIsOpenToEveryMember) {
    Access access;
    EXPECT_EQ(access.inbound(alice, protocol_wcmp, datagram(0, 0), beginning), Verdict::pass);
}

TEST(Reach, AResetIsNeverAnsweredAndAFragmentOfAHeaderIsDropped) {
    Access access;
    EXPECT_EQ(access.inbound(alice, tcp, segment(5'000, 80, rst | ack), beginning), Verdict::drop);
    access.set_reach({{.who = {}, .protocol = tcp, .port = 80}});
    const auto whole = segment(5'000, 80, syn);
    EXPECT_EQ(access.inbound(alice, tcp, Bytes{whole}.first(19), beginning), Verdict::drop);
    EXPECT_EQ(access.inbound(alice, tcp, {}, beginning), Verdict::drop);
}

TEST(Reach, AnswersToAFlowOpenedHerePass) {
    Access access;
    access.outbound(bob, tcp, segment(40'000, 80, syn), beginning);
    EXPECT_EQ(access.inbound(bob, tcp, segment(80, 40'000, syn | ack), beginning), Verdict::pass);
    EXPECT_EQ(access.inbound(alice, tcp, segment(80, 40'000, syn | ack), beginning), Verdict::refuse);   // another host
    EXPECT_EQ(access.inbound(bob, tcp, segment(81, 40'000, ack), beginning), Verdict::refuse);           // another port
    EXPECT_EQ(access.inbound(bob, tcp, segment(80, 40'001, ack), beginning), Verdict::refuse);
    access.outbound(bob, udp, datagram(40'000, 53), beginning);
    EXPECT_EQ(access.inbound(bob, udp, datagram(53, 40'000), beginning), Verdict::pass);
}

TEST(Reach, AFlowIsForgottenWhenItIsIdle) {
    Access access;
    access.outbound(bob, tcp, segment(40'000, 80, syn), beginning);
    access.outbound(bob, udp, datagram(40'000, 53), beginning);
    EXPECT_EQ(access.inbound(bob, udp, datagram(53, 40'000), beginning + Duration::seconds(299)), Verdict::pass);
    EXPECT_EQ(access.inbound(bob, udp, datagram(53, 40'000), beginning + Duration::seconds(598)), Verdict::pass);
    EXPECT_EQ(access.inbound(bob, udp, datagram(53, 40'000), beginning + Duration::seconds(900)), Verdict::refuse);
    EXPECT_EQ(access.inbound(bob, tcp, segment(80, 40'000, ack), beginning + Duration::seconds(7'199)), Verdict::pass);
    EXPECT_EQ(access.inbound(bob, tcp, segment(80, 40'000, ack), beginning + Duration::seconds(15'000)), Verdict::refuse);
    EXPECT_EQ(access.statistics().flows, 0u);
}

TEST(Reach, AResetThatLeavesOpensNothing) {
    Access access;
    access.outbound(bob, tcp, segment(80, 40'000, rst | ack), beginning);
    EXPECT_EQ(access.inbound(bob, tcp, segment(40'000, 80, ack), beginning), Verdict::refuse);
}

TEST(Reach, ARunningListenerOpensItsPortToEveryMember) {
    Access access;
    access.open(tcp, 7'000);
    access.open(tcp, 7'000);
    EXPECT_EQ(access.inbound(alice, tcp, segment(5'000, 7'000, syn), beginning), Verdict::pass);
    EXPECT_EQ(access.inbound(alice, tcp, segment(5'000, 7'001, syn), beginning), Verdict::refuse);
    access.close(tcp, 7'000);
    EXPECT_TRUE(access.exposed(alice, tcp, 7'000));
    access.close(tcp, 7'000);
    access.close(tcp, 7'000);   // once too often
    EXPECT_FALSE(access.exposed(alice, tcp, 7'000));
}

TEST(Reach, AnAcceptedFlowOutlivesItsListener) {
    Access access;
    access.open(tcp, 7'000);
    ASSERT_EQ(access.inbound(alice, tcp, segment(5'000, 7'000, syn), beginning), Verdict::pass);
    access.outbound(alice, tcp, segment(7'000, 5'000, syn | ack), beginning);
    access.close(tcp, 7'000);
    EXPECT_EQ(access.inbound(alice, tcp, segment(5'000, 7'000, ack), beginning), Verdict::pass);
    access.set_reach({});   // rules that never named it change nothing
    EXPECT_EQ(access.inbound(alice, tcp, segment(5'000, 7'000, ack), beginning), Verdict::pass);
}

TEST(Reach, ARuleThatNamesAPortDecidesEvenWhereAListenerIs) {
    Access access;
    access.open(tcp, 7'000);
    access.set_reach({{.who = bob, .protocol = tcp, .port = 7'000}});
    EXPECT_FALSE(access.exposed(alice, tcp, 7'000));
    EXPECT_TRUE(access.exposed(bob, tcp, 7'000));
    access.set_reach({{.who = bob, .protocol = tcp, .port = 0}});   // all ports, for bob: names none
    EXPECT_TRUE(access.exposed(alice, tcp, 7'000));
    EXPECT_TRUE(access.exposed(bob, tcp, 9));
    EXPECT_FALSE(access.exposed(bob, udp, 9));
}

TEST(Reach, NewRulesEndWhatTheyNoLongerAllowAndNothingElse) {
    Access access;
    access.set_reach({{.who = {}, .protocol = tcp, .port = 80}, {.who = bob, .protocol = tcp, .port = 81}});
    access.outbound(alice, tcp, segment(80, 5'000, syn | ack), beginning);
    access.outbound(bob, tcp, segment(81, 5'000, syn | ack), beginning);
    access.outbound(alice, tcp, segment(40'000, 22, syn), beginning);
    access.set_reach({{.who = bob, .protocol = tcp, .port = 81}});
    EXPECT_EQ(access.inbound(alice, tcp, segment(5'000, 80, ack), beginning), Verdict::refuse);
    EXPECT_EQ(access.inbound(bob, tcp, segment(5'000, 81, ack), beginning), Verdict::pass);
    EXPECT_EQ(access.inbound(alice, tcp, segment(22, 40'000, ack), beginning), Verdict::pass);
    EXPECT_EQ(access.statistics().flows, 2u);
}

TEST(Reach, ForgetsTheLongestUnusedFlowWhenTheTableIsFull) {
    Access access;
    for (unsigned i = 0; i < Access::flows_at_most; ++i)
        access.outbound(member(i), tcp, segment(40'000, 80, syn), beginning + Duration::microseconds(i));
    access.outbound(member(0), tcp, segment(40'000, 80, ack), beginning + Duration::seconds(5));   // in use
    access.outbound(alice, udp, datagram(1, 2), beginning + Duration::seconds(6));
    const Instant later = beginning + Duration::seconds(7);
    EXPECT_EQ(access.statistics().flows, Access::flows_at_most);
    EXPECT_EQ(access.statistics().flows_evicted, 1u);
    EXPECT_EQ(access.inbound(member(0), tcp, segment(80, 40'000, ack), later), Verdict::pass);
    EXPECT_EQ(access.inbound(member(1), tcp, segment(80, 40'000, ack), later), Verdict::refuse);
    EXPECT_EQ(access.inbound(member(2), tcp, segment(80, 40'000, ack), later), Verdict::pass);
}

TEST(Reach, FlowsThatOthersOpenPushNoneOutThatWereOpenedHere) {
    Access access;
    access.outbound(alice, tcp, segment(40'000, 80, syn), beginning);
    access.open(tcp, 80);
    for (unsigned i = 0; i < Access::flows_at_most + 10; ++i)
        access.outbound(member(i), tcp, segment(80, 40'000, syn | ack), beginning);
    EXPECT_EQ(access.statistics().flows_evicted, 10u);
    EXPECT_EQ(access.inbound(alice, tcp, segment(80, 40'000, ack), beginning), Verdict::pass);
}

TEST(Reach, AnswersAtMostAHundredRefusalsASecond) {
    Access access;
    unsigned answered = 0;
    for (unsigned port = 1; port <= 1'000; ++port)
        answered += access.inbound(alice, tcp, segment(5'000, std::uint16_t(port), syn), beginning) == Verdict::refuse;
    EXPECT_EQ(answered, Access::refusals_a_second);
    EXPECT_EQ(access.inbound(alice, tcp, segment(5'000, 1, syn), beginning + Duration::seconds(1)), Verdict::refuse);
}

TEST(Reach, ARefusalIsTheSameForEveryPortButForWhatItConcerns) {
    std::vector<std::byte> frame(100, std::byte{7});
    std::array<std::byte, Access::refusal_size> out;
    const Access::Refusal refusal = Access::refusal(udp, frame, out);
    EXPECT_EQ(refusal.protocol, protocol_wcmp);
    ASSERT_EQ(refusal.size, 72u);
    EXPECT_EQ(out[0], std::byte{1});
    EXPECT_EQ(out[1], std::byte{2});
    EXPECT_EQ(out[71], std::byte{7});
    ASSERT_EQ(Access::refusal(udp, Bytes{frame}.first(23), out).size, 31u);
}

// Its host may have begun anew, or its rule went: WCMP would be a mere hint to a connection that is established.
TEST(Reach, ASegmentOfAFlowThatIsNoneHereIsAnsweredByAReset) {
    std::array<std::byte, Access::refusal_size> out;
    const auto answer = [&](std::uint8_t flags) {
        std::vector<std::byte> frame(wire::NetFrame::header_size);
        std::ranges::copy(segment(40'000, 80, flags), std::back_inserter(frame));
        frame[wire::NetFrame::header_size + 7] = std::byte{9};    // its sequence number
        frame[wire::NetFrame::header_size + 11] = std::byte{77};  // and its acknowledgement
        return Access::refusal(tcp, frame, out);
    };
    EXPECT_EQ(answer(syn).protocol, protocol_wcmp) << "it would begin one";
    for (const int flags : {0 + ack, syn | ack}) {
        const Access::Refusal refusal = answer(std::uint8_t(flags));
        EXPECT_EQ(refusal.protocol, tcp);
        const auto reset = wire::TcpView::parse(Bytes{out}.first(refusal.size));
        ASSERT_TRUE(reset);
        EXPECT_EQ(reset->source_port(), 80);
        EXPECT_EQ(reset->destination_port(), 40'000);
        EXPECT_EQ(reset->flags(), wire::rst);
        EXPECT_EQ(reset->seq(), SeqNum{77});
    }
    ASSERT_EQ(answer(0).protocol, tcp);
    const auto reset = wire::TcpView::parse(Bytes{out}.first(20));
    EXPECT_EQ(reset->flags(), wire::rst | wire::ack);
    EXPECT_EQ(reset->ack(), SeqNum{9});
}

TEST(Transit, IsForMembersUnlessTheOwnerSaysOtherwise) {
    Access access;
    EXPECT_TRUE(access.transit_setup(alice));
    access.set_transit({.mode = TransitRules::Mode::listed, .who = {bob}});
    EXPECT_FALSE(access.transit_setup(alice));
    EXPECT_TRUE(access.transit_setup(bob));
    access.set_transit({.mode = TransitRules::Mode::off, .who = {bob}});
    EXPECT_FALSE(access.transit_setup(bob));
    EXPECT_EQ(access.statistics().transit_refused, 2u);
}

// Offered three times the cap for ten seconds, in packets of 1,200 bytes.
TEST(Transit, HoldsEachNeighboursCapWithinFivePercent) {
    Access access;
    constexpr std::uint64_t cap = 12'500'000;
    std::uint64_t passed[2]{};
    Instant now = beginning;
    const Instant end = beginning + Duration::seconds(10);
    for (; now < end; now = now + Duration::microseconds(32)) {
        if (access.transit_bytes(1, 1'200, now)) passed[0] += 1'200;
        if (access.transit_bytes(70, 300, now)) passed[1] += 300;   // another neighbour, under the cap
    }
    EXPECT_GE(passed[0], cap * 10 * 95 / 100);
    EXPECT_LE(passed[0], cap * 10 * 105 / 100);
    EXPECT_EQ(passed[1], 300u * 312'500);
    EXPECT_EQ(access.statistics().transit_bytes, passed[0] + passed[1]);
    EXPECT_GT(access.statistics().transit_capped, 100'000u);
}

TEST(Transit, AnIdleNeighbourMaySendABurstOfFiftyMilliseconds) {
    Access access;
    unsigned passed = 0;
    while (access.transit_bytes(3, 1'000, beginning)) ++passed;
    EXPECT_EQ(passed, 625u);
    EXPECT_TRUE(access.transit_bytes(3, 1'000, beginning + Duration::milliseconds(1)));
}

TEST(Transit, HasNoCapWhereTheOwnerWantsNone) {
    Access access;
    access.set_transit({.mode = TransitRules::Mode::members, .who = {}, .rate = 0});
    for (unsigned i = 0; i < 100'000; ++i) ASSERT_TRUE(access.transit_bytes(3, 65'000, beginning));
}

}  // namespace
}  // namespace weft::overlay
