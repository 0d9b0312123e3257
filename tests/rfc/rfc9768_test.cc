// RFC 9768: more accurate ECN feedback once it was negotiated: counters, options, and the formulas of its appendix.
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <vector>

#include "tests/rfc/marks.h"

namespace weft::test {
namespace {

// --- The receiver ---

TEST(Rfc9768, EveryMarkedPacketThatIsAcceptableCounts) {  // section 3.2
    Peer peer = accurate(false);
    std::uint32_t count = 5;
    for (int i = 0; i < 20; ++i) {  // it goes round
        peer.sends(data(1'000).with(ace(5)).marked());
        peer.after(ms(100));
        const auto seen = peer.next();
        ASSERT_TRUE(seen);
        EXPECT_EQ(seen->flags & wire::ace_bits, ace(++count)) << "r.cep modulo 8";
        peer.ignores_what_was_sent();
    }
    peer.sends(data(500).seq(peer.rcv_nxt() - 500).with(ace(5)).marked());  // outside the window
    peer.sends(ack().seq(peer.rcv_nxt() + (1u << 30)).with(ace(5)).marked());
    peer.sends(data(10).ack(peer.snd_nxt() + 1'000).with(ace(5)).marked());  // acknowledges what was not sent
    EXPECT_EQ(info(peer).received_ce, 20u);
    peer.sends(ack().with(ace(5)).marked());
    EXPECT_EQ(info(peer).received_ce, 21u) << "pure acknowledgements count, too";
    EXPECT_EQ(info(peer).received_ce_bytes, 20'000u) << "and bring no bytes";
    EXPECT_EQ(peer.statistics().ecn_marks_in, 21u);
}

TEST(Rfc9768, BytesAreCountedByCodepoint) {  // sections 3.2 and 3.2.1
    Peer peer = accurate(false);
    peer.sends(data(100).with(ace(5)).marked(Ecn::ect0));
    peer.sends(data(200).with(ace(5)).marked(Ecn::ect1));
    peer.sends(data(400).with(ace(5)).marked(ce));
    peer.sends(data(800).with(ace(5)).marked(Ecn::not_capable));
    const TcpInfo counts = info(peer);
    EXPECT_EQ(counts.received_e0_bytes, 100u);
    EXPECT_EQ(counts.received_e1_bytes, 200u);
    EXPECT_EQ(counts.received_ce_bytes, 400u);
    peer.after(ms(500));
    std::optional<wire::AccurateEcn> last;
    while (const auto seen = peer.next())
        if (seen->options.accurate) last = seen->options.accurate;
    ASSERT_TRUE(last);
    EXPECT_EQ(*last, (wire::AccurateEcn{3, false, {101, 400, 201}})) << "e0b and e1b begin at 1, ceb at 0";
}

TEST(Rfc9768, AMarkAfterNoneIsAcknowledgedAtOnce) {  // section 3.2.2.5.1: change-triggered
    Peer peer = accurate(false);
    peer.sends(data(100).with(ace(5)).marked(Ecn::ect0));
    peer.sees_nothing();
    peer.sends(data(100).with(ace(5)).marked(ce));
    peer.sees(ack().with(ace(6)));
    peer.sends(data(100).with(ace(5)).marked(ce));
    peer.sees_nothing();
    peer.sends(data(100).with(ace(5)).marked(ce));  // increment-triggered: n is 2 with text that is not acknowledged
    peer.sees(ack().with(ace(8)));
}

TEST(Rfc9768, ThreeMarkedAcksAreAcknowledgedAndFewerAreNot) {  // section 3.2.2.5.1: n is 3 without such text
    Peer peer = accurate(false);
    for (std::uint32_t i = 1; i <= 9; ++i) {
        peer.sends(ack().with(ace(5)).marked(ce));
        if (i % 3 != 0) peer.sees_nothing();
        else EXPECT_EQ(peer.sees(ack().with(ace(5 + i))).options.sack_count, 0);
    }
}

TEST(Rfc9768, KeepAliveProbesSayTheCountToo) {  // section 3.2.1: every packet
    Opening how;
    how.options.keepalive = {.on = true, .idle = seconds(30)};
    Peer peer = accurate(how);
    peer.sends(data(100).with(ace(5)).marked(ce));
    peer.after(ms(500));
    peer.ignores_what_was_sent();
    peer.until_it_sends();
    EXPECT_EQ(peer.sees(ack().with(ace(6))).length, 0u);
}

// --- The option, from the receiver ---

TEST(Rfc9768, OnlyCountersThatEverGrewAreToldWhileTheyGrow) {  // section 3.2.3.3, its first example; table 5
    Peer peer = accurate(false);
    const auto told = [&](Ecn ecn) {
        peer.sends(data(1'000).with(ace(5)).marked(ecn));
        peer.sends(data(1'000).with(ace(5)).marked(ecn));
        peer.after(ms(500));
        std::optional<wire::AccurateEcn> last;
        while (const auto seen = peer.next()) last = seen->options.accurate;
        return last;
    };
    EXPECT_EQ(told(Ecn::not_capable), std::nullopt);
    EXPECT_EQ(told(Ecn::ect0), (wire::AccurateEcn{1, false, {2'001}}));
    EXPECT_EQ(told(ce), (wire::AccurateEcn{2, false, {2'001, 2'000}}));
    EXPECT_EQ(told(Ecn::ect0), (wire::AccurateEcn{2, false, {4'001, 2'000}}));
    EXPECT_EQ(told(Ecn::not_capable), std::nullopt);
    EXPECT_EQ(told(Ecn::ect1), (wire::AccurateEcn{3, false, {4'001, 2'000, 2'001}}));
    Peer other = accurate(false);
    other.sends(data(1'000).with(ace(5)).marked(Ecn::ect1));
    other.sends(data(1'000).with(ace(5)).marked(ce));
    EXPECT_EQ(other.sees(ack().with(ace(6))).options.accurate, (wire::AccurateEcn{2, true, {1'001, 1'000}}))
        << "ECT(1) alone: order 1 is shorter";
}

TEST(Rfc9768, TwoSackBlocksGoBeforeItAndAThirdDoesNot) {  // section 3.2.3.3
    Opening how{.sack = true};
    Peer peer = accurate(how);
    const SeqNum begin = peer.rcv_nxt();
    const auto beyond = [&](std::uint32_t at) {
        peer.sends(data(100).seq(begin + at).with(ace(5)).marked(Ecn::ect0));
        const auto seen = peer.next();
        EXPECT_TRUE(seen);
        peer.ignores_what_was_sent();
        return seen ? seen->options : wire::TcpOptions{};
    };
    for (std::uint32_t i = 1; i <= 4; ++i) {
        const wire::TcpOptions said = beyond(1'000 * i);
        EXPECT_EQ(said.sack_count, std::min(i, 2u)) << "with timestamps there would be room for three";
        EXPECT_EQ(said.accurate, (wire::AccurateEcn{1, false, {1 + 100 * i}}));
        EXPECT_TRUE(said.timestamps);
    }
    peer.sends(data(100).seq(begin + 6'000).with(ace(5)).marked(Ecn::ect1));
    const auto seen = peer.next();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->options.accurate, (wire::AccurateEcn{1, true, {101}})) << "the one that grew, when all do not fit";
    EXPECT_EQ(seen->options.sack_count, 2);
}

TEST(Rfc9768, FullSegmentsMakeRoomForItWhenMarksAreToBeTold) {  // section 3.2.3.3
    Peer peer = accurate(true);
    const std::uint32_t mss = peer.effective_mss();
    EXPECT_EQ(peer.writes(100), 100u);
    EXPECT_TRUE(peer.sees(data(100).with(ace(5))).options.accurate);
    peer.sends(data(100).with(ace(5)).marked(Ecn::ect0));
    EXPECT_EQ(peer.writes(mss), mss);
    const Seen full = peer.sees(data(mss).with(ace(5)));
    EXPECT_FALSE(full.options.accurate) << "bytes without a mark may wait for another acknowledgement";
    peer.sends(data(100).with(ace(5)));
    peer.after(ms(500));
    peer.ignores_what_was_sent();
    // Marks that arrive as a full segment is about to leave.
    EXPECT_EQ(peer.tcb().receiving.mss, mss);
    std::array<Segment, 2> both{data(1'000).with(ace(5)).marked(ce), ack().with(ace(5))};
    peer.sends(ack().with(ace(5)).window(0));
    EXPECT_EQ(peer.writes(3 * mss), 3 * mss);
    peer.ignores_what_was_sent();
    both[1].window(65'535);
    peer.sends_together(both);
    std::uint32_t with_option = 0, largest = 0;
    while (const auto seen = peer.next()) {
        with_option += seen->options.accurate.has_value();
        largest = std::max(largest, seen->length);
        EXPECT_LE(seen->packet_size, 1'500u);
    }
    EXPECT_LE(largest, mss);
    peer.sends(data(1'000).with(ace(5)).marked(ce));
    peer.after(ms(500));
    peer.ignores_what_was_sent();
}

TEST(Rfc9768, TextThatIsSentAgainHasNoOption) {  // section 3.2.3.2.2
    Peer peer = accurate(true);
    EXPECT_EQ(peer.writes(100), 100u);
    EXPECT_TRUE(peer.sees(data(100).with(ace(5))).options.accurate);
    peer.until_it_sends();
    const Seen again = peer.sees(data(100).with(ace(5)));
    EXPECT_FALSE(again.options.accurate);
    EXPECT_EQ(again.ecn(), Ecn::not_capable) << "RFC 3168, section 6.1.5";
    peer.sends(ack().with(ace(5)));
    peer.sends(data(1'000).with(ace(5)).marked(ce));
    EXPECT_FALSE(peer.sees(ack().with(ace(6))).options.accurate) << "the option may be what was lost";
}

TEST(Rfc9768, AcksThatNeverArriveWithAnOptionDoWithout) {  // section 3.2.3.2.2, for who sends no text
    Peer peer = accurate(false);
    for (int i = 0; i < 3; ++i) {
        peer.sends(data(1'000).with(ace(5)).marked(Ecn::ect0));
        peer.after(ms(500));
        EXPECT_TRUE(peer.sees(ack().with(ace(5))).options.accurate) << i;
        peer.sends(data(1'000).seq(peer.rcv_nxt() - 1'000).with(ace(5)));
        EXPECT_FALSE(peer.sees(ack().with(ace(5))).options.accurate);
    }
    peer.sends(data(1'000).with(ace(5)).marked(Ecn::ect0));
    peer.after(ms(500));
    EXPECT_FALSE(peer.sees(ack().with(ace(5))).options.accurate);
}

TEST(Rfc9768, OptionsOfAnyLengthAreRead) {  // section 3.2.3: whole fields, and the rest is padding
    for (const bool ect1_first : {false, true}) {
        const auto kind = std::uint8_t(ect1_first ? 174 : 172);
        for (std::uint8_t length = 2; length <= 16; ++length) {
            std::vector<std::byte> bytes{std::byte{kind}, std::byte{length}};
            for (std::uint8_t i = 2; i < length; ++i) bytes.push_back(std::byte(i - 1));
            const auto read = wire::TcpOptions::parse(bytes);
            ASSERT_TRUE(read && read->accurate) << int(length);
            const std::size_t fields = std::min<std::size_t>((length - 2u) / 3u, 3);
            EXPECT_EQ(read->accurate->fields, fields);
            EXPECT_EQ(read->accurate->ect1_first, ect1_first);
            constexpr std::array<std::uint32_t, 3> expected{0x010203, 0x040506, 0x070809};
            for (std::size_t i = 0; i < fields; ++i) EXPECT_EQ(read->accurate->counters[i], expected[i]);
        }
    }
}

TEST(Rfc9768, OptionsAreWrittenInEveryOrderAndLength) {  // figure 4, table 5
    for (const wire::OptionOrder order : {wire::OptionOrder::words, wire::OptionOrder::aligned})
        for (const bool ect1_first : {false, true})
            for (std::uint8_t fields = 0; fields <= 3; ++fields) {
                wire::TcpOptions said;
                said.timestamps = wire::TcpTimestamps{1, 2};
                said.accurate = wire::AccurateEcn{fields, ect1_first};
                for (std::size_t i = 0; i < fields; ++i) said.accurate->counters[i] = 0x123456 + std::uint32_t(i);
                std::array<std::byte, 40> bytes{};
                const std::size_t size = said.write(bytes, order);
                EXPECT_EQ(size, said.size());
                EXPECT_EQ(size % 4, 0u);
                EXPECT_EQ(wire::TcpOptions::parse(std::span{bytes}.first(size)), said);
            }
}

// --- The sender ---

TEST(Rfc9768, TheFormulasOfTheAppendix) {
    using namespace tcp;
    static_assert(ace_cycle == 8 && option_cycle == 1 << 24);
    static_assert(first_cep == 5 && first_e0b == 1 && first_e1b == 1 && first_ceb == 0);  // section 3.2.1
    // A.1: s.ceb is 33,554,433 and ECEB 1461.
    static_assert(option_step(1'461, 33'554'433) == 1'460 && 33'554'433 + option_step(1'461, 33'554'433) == 33'555'893);
    // A.2.1: nine segments and two marks are safe; ten might be ten marks.
    static_assert(safer_marks(2, 9) == 2 && safer_marks(2, 10) == 10);
    static_assert(safer_marks(5, 2) == 5, "more marks than segments: the count is right");
    static_assert(least_marks(1, 6) == 3 && least_marks(6, 6) == 0);
    // A.2.2, with an MSS of 1460: its three examples.
    static_assert(marks_by_bytes(0, 8, 1'460, 1'460) == 8);
    static_assert(marks_by_bytes(2, 10, 1'460, 1'460) == 2);
    static_assert(marks_by_bytes(7, 15, 10'200, 1'460) == 7);
    for (std::uint32_t count = 0; count < 100; ++count)
        for (std::uint32_t marks = 0; marks < 8; ++marks)
            EXPECT_EQ(least_marks(ace_of(flags_of_ace(count + marks)), count), marks);
    for (const Ecn each : all_codepoints) EXPECT_EQ(handshake_codepoint(ace_of(handshake_flags(each))), each);
}

TEST(Rfc9768, NewTextIsEctAndNothingElseIs) {  // RFC 3168, sections 6.1.1, 6.1.4 to 6.1.6, as section 4 leaves them
    Peer peer = accurate(true);
    EXPECT_EQ(sent_as(peer), Ecn::ect0);
    peer.until_it_sends();
    EXPECT_EQ(peer.sees(data(100).with(ace(5))).ecn(), Ecn::not_capable);
    peer.sends(ack().with(ace(5)).window(0));
    EXPECT_EQ(peer.writes(100), 100u);
    peer.until_it_sends();
    const auto probe = peer.next();
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->length, 1u);
    EXPECT_EQ(probe->ecn(), Ecn::not_capable);
    peer.sends(data(100).with(ace(5)).window(0));
    peer.after(ms(50));
    EXPECT_EQ(peer.sees(ack().with(ace(5))).ecn(), Ecn::not_capable);
}

TEST(Rfc9768, MarksCutTheWindowOnceARoundAndCwrIsNotSaid) {  // section 3.1.5; RFC 3168, section 6.1.2
    Peer peer = accurate(true);
    const std::uint32_t mss = peer.effective_mss();
    const SeqNum begin = in_flight(peer, 10);
    const std::uint32_t cwnd = peer.tcb().sending.steering.cwnd;
    peer.after(ms(50));
    peer.sends(ack().with(ace(6)).ack(begin + mss));
    const std::uint32_t cut = peer.tcb().sending.steering.cwnd;
    EXPECT_EQ(cut, 10 * mss / 2) << "as for a loss: half of what was in flight";
    EXPECT_LT(cut, cwnd);
    peer.sends(ack().with(ace(7)).ack(begin + 2 * mss));
    peer.sends(ack().with(ace(9)).ack(begin + 4 * mss));
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, cut) << "the same window of text";
    EXPECT_EQ(peer.statistics().ecn_cuts, 1u);
    EXPECT_EQ(info(peer).delivered_ce, 4u) << "but each mark is counted";
    EXPECT_EQ(peer.statistics().ecn_marks_told, 4u);
    peer.sends(ack().with(ace(9)).ack(begin + 10 * mss));
    EXPECT_EQ(peer.writes(2 * mss), 2 * mss);
    while (const auto seen = peer.next()) EXPECT_EQ(seen->flags & wire::ace_bits, ace(5)) << "a count, and no CWR";
    peer.after(ms(50));
    peer.sends(ack().with(ace(10)));
    EXPECT_EQ(peer.statistics().ecn_cuts, 2u) << "a round later a mark is news again";
}

TEST(Rfc9768, EverySegmentOfATrainCarriesTheWholeCount) {  // section 3.3.4
    Peer peer = accurate(true);
    peer.sends(data(100).with(ace(5)).marked());  // six: AE and CWR are set
    peer.after(ms(100));
    peer.ignores_what_was_sent();
    const std::uint32_t mss = peer.effective_mss();
    EXPECT_EQ(peer.writes(6 * mss), 6 * mss);
    EXPECT_GE(peer.most_in_a_super_segment(), 6u);
    int segments = 0;
    while (const auto seen = peer.next()) {
        EXPECT_EQ(seen->flags & wire::ace_bits, ace(6)) << segments;
        ++segments;
    }
    EXPECT_EQ(segments, 6);
}

TEST(Rfc9768, AnAckThatWasOvertakenSaysNothing) {  // section 3.2.2.2
    for (const bool timestamps : {true, false}) {
        Opening how{.active = true, .timestamps = timestamps};
        Peer peer = accurate(how);
        const std::uint32_t mss = peer.effective_mss();
        const SeqNum begin = in_flight(peer, 10);
        peer.after(ms(50));
        const std::uint32_t before = peer.clock();
        peer.after(ms(50));
        peer.sends(ack().with(ace(7)).ack(begin + 4 * mss));
        EXPECT_EQ(info(peer).delivered_ce, 2u);
        Segment late = ack().with(ace(6)).ack(begin + 2 * mss);
        if (timestamps) late.timestamps(before, peer.last_value());
        peer.sends(late);
        EXPECT_EQ(info(peer).delivered_ce, 2u) << "no seven marks more";
        Segment same = ack().with(ace(6)).ack(begin + 4 * mss);
        if (timestamps) same.timestamps(before, peer.last_value());
        peer.sends(same);
        EXPECT_EQ(info(peer).delivered_ce, 2u);
    }
    Peer peer = accurate({.active = true, .timestamps = false});
    const SeqNum begin = in_flight(peer, 10);
    peer.after(ms(100));
    peer.sends(ack().seq(peer.peer_next() + 10).with(ace(7)).ack(begin + 4 * peer.effective_mss()));
    EXPECT_EQ(info(peer).delivered_ce, 2u);
    peer.sends(data(10).with(ace(6)).ack(begin + 2 * peer.effective_mss()));
    EXPECT_EQ(info(peer).delivered_ce, 2u) << "its text is new, its acknowledgement is not";
}

TEST(Rfc9768, ALaterTimestampMakesAnAckOfNothingCount) {  // appendix A.1: newlyAckedT
    Peer peer = accurate(true);
    in_flight(peer, 4);
    peer.after(ms(50));
    peer.sends(ack().with(ace(5)));
    in_flight(peer, 4);
    const SeqNum una = peer.snd_una();
    peer.after(ms(50));
    peer.sends(ack().with(ace(6)).ack(una));
    EXPECT_EQ(info(peer).delivered_ce, 1u);
}

TEST(Rfc9768, AfterLostAcksTheCountIsReadAsSafelyAsCanBe) {  // section 3.2.2.5.2, appendix A.2.1
    for (const auto& [acked, said, marks] : {std::tuple{7u, 2u, 2u}, {9u, 2u, 2u}, {10u, 2u, 10u}, {8u, 0u, 8u}}) {
        Peer peer = accurate(true, false);
        const SeqNum begin = in_flight(peer, 10);
        peer.after(ms(50));
        peer.sends(ack().with(ace(5 + said)).ack(begin + acked * peer.effective_mss()));
        EXPECT_EQ(info(peer).delivered_ce, marks) << acked << " segments, " << said;
    }
}

TEST(Rfc9768, BytesTellWhetherTheCountWentRound) {  // appendix A.2.2
    for (const auto& [bytes, marks] : {std::pair{2u, 2u}, {10u, 10u}}) {
        Peer peer = accurate(true);
        const std::uint32_t mss = peer.effective_mss();
        const SeqNum begin = in_flight(peer, 10);
        peer.after(ms(50));
        peer.sends(ack().with(ace(7)).accurate({1 + 10 * mss, bytes * mss}).ack(begin + 10 * mss));
        EXPECT_EQ(info(peer).delivered_ce, marks);
        EXPECT_EQ(info(peer).delivered_ce_bytes, bytes * mss);
        EXPECT_EQ(info(peer).delivered_e0_bytes, 10 * mss);
    }
}

TEST(Rfc9768, CountersOfTheOptionGoRoundAt24Bits) {  // section 3.2.3.1
    Peer peer = accurate(true);
    std::uint64_t bytes = 0;
    std::uint32_t said = 1;
    for (int i = 0; i < 40; ++i) {
        in_flight(peer, 1);
        peer.after(ms(50));
        said += 1'000'000;  // more than was sent: a field knows nothing of that
        bytes += 1'000'000;
        peer.sends(ack().with(ace(5)).accurate({said % (1u << 24)}));
        EXPECT_EQ(info(peer).delivered_e0_bytes, bytes);
    }
}

TEST(Rfc9768, MarkedBytesWithoutAMarkedPacketEndEct) {  // section 3.2.3.2.5
    for (const bool counted : {true, false}) {
        Peer peer = accurate(true);
        in_flight(peer, 2);
        peer.after(ms(50));
        peer.sends(ack().with(ace(counted ? 6 : 5)).accurate({1, peer.effective_mss()}));
        EXPECT_EQ(sent_as(peer), counted ? Ecn::ect0 : Ecn::not_capable);
    }
    // A count that came without an option, and bytes that come later, belong together.
    Peer peer = accurate(true);
    const SeqNum begin = in_flight(peer, 2);
    peer.after(ms(50));
    peer.sends(ack().with(ace(6)).ack(begin + peer.effective_mss()));
    peer.sends(ack().with(ace(6)).accurate({1, peer.effective_mss()}));
    EXPECT_EQ(sent_as(peer), Ecn::ect0);
}

TEST(Rfc9768, WhatAnAckWithoutTheOptionLeftOpenTheNextOptionSettles) {  // section 3.2.3.2.5: both are reconciled
    for (const std::uint32_t marks : {0u, 8u}) {
        Peer peer = accurate(true);
        const std::uint32_t mss = peer.effective_mss();
        const SeqNum begin = in_flight(peer, 10);
        peer.after(ms(50));
        peer.sends(ack().with(ace(5)).ack(begin + 8 * mss));
        EXPECT_EQ(info(peer).delivered_ce, 0u) << "its options come through: it will tell";
        peer.after(ms(1));
        peer.sends(ack().with(ace(5)).accurate({1 + (8 - marks) * mss, marks * mss}).ack(begin + 9 * mss));
        EXPECT_EQ(info(peer).delivered_ce, marks);
        EXPECT_EQ(peer.statistics().ecn_cuts, marks > 0);
    }
}

TEST(Rfc9768, ZeroedOptionsAreIgnored) {  // section 3.2.3.2.4
    for (const std::initializer_list<std::uint32_t> first :
         {std::initializer_list<std::uint32_t>{0, 0, 0}, {1, 0, 0}, {0}}) {
        Peer peer{speaking(2, true)};
        peer.connects();
        const Seen opened = peer.sees(syn().with(ace(7)));
        peer.sends(syn_ack().with(ace(2)).accurate(first).ack(opened.seq + 1));
        peer.ignores_what_was_sent();
        in_flight(peer, 2);
        peer.after(ms(50));
        peer.sends(ack().with(ace(6)).accurate({1'001, 1'000}));
        EXPECT_EQ(info(peer).delivered_ce_bytes, 0u);
        EXPECT_EQ(info(peer).delivered_ce, 1u) << "the count is believed as before";
    }
}

TEST(Rfc9768, OptionsThatWereStrippedMakeTheCountCareful) {  // section 3.2.3.2.3
    Peer peer{speaking(2, true)};
    peer.connects();
    const Seen opened = peer.sees(syn().with(ace(7)));
    peer.sends(syn_ack().with(ace(2)).ack(opened.seq + 1));  // none
    EXPECT_TRUE(peer.sees(ack().with(ace(2))).options.accurate) << "ours may come through";
    const SeqNum begin = in_flight(peer, 10);
    peer.after(ms(50));
    peer.sends(ack().with(ace(5)).ack(begin + 8 * peer.effective_mss()));
    EXPECT_EQ(info(peer).delivered_ce, 8u);
}

TEST(Rfc9768, AStretchOfLongAcksIsNoSignOfLostOnes) {  // appendix A.2.1: where their mean is not well below 8
    Peer peer = accurate(true, false);
    for (int i = 0; i < 30; ++i) {
        in_flight(peer, 9);
        peer.after(ms(50));
        peer.sends(ack().with(ace(5)));
    }
    const std::uint32_t then = info(peer).delivered_ce;
    in_flight(peer, 16);
    peer.after(ms(50));
    peer.sends(ack().with(ace(5)));
    EXPECT_EQ(info(peer).delivered_ce, then);
}

}  // namespace
}  // namespace weft::test
