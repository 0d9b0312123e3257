// RFC 9768: how more accurate ECN feedback is negotiated (section 3.1, tables 2 to 4), and what it is to variants of TCP (section 5).
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <vector>

#include "stack/tcp/tunables.h"
#include "tests/rfc/marks.h"

namespace weft::test {
namespace {

TEST(Rfc9768, AServerAnswersWithTheCodepointThatTheSynCameWith) {  // table 2, first block
    for (const Ecn came_with : all_codepoints) {
        constexpr std::array<std::uint32_t, 4> told{0b010, 0b011, 0b100, 0b110};  // Not-ECT, ECT(1), ECT(0), CE
        for (const Family family : {Family::ipv4, Family::ipv6}) {
            Opening how = speaking(1);
            how.family = family;
            Peer peer{how};
            peer.listens();
            peer.sends(syn().with(ace(7)).marked(came_with));
            const Seen answer = peer.sees(syn_ack().with(ace(told[std::size_t(came_with)])));
            EXPECT_EQ(answer.ecn(), Ecn::not_capable);
            peer.sends(ack().with(ace(2)).ack(answer.seq + 1));
            ASSERT_TRUE(peer.accepts());
            EXPECT_TRUE(is_accurate(peer));
            EXPECT_EQ(info(peer).received_ce, 0u) << "a mark on the SYN is told by the code alone (section 3.2.2.2)";
            EXPECT_EQ(sent_as(peer), Ecn::ect0);
        }
    }
}

TEST(Rfc9768, AServerFallsBackToWhatAnOlderClientAsksFor) {  // table 2, third block
    for (const auto& [asked, answered, mode] : {std::tuple{0b011u, 0b001u, 1u}, {0b000u, 0b000u, 0u}}) {
        Peer peer{speaking(2)};
        peer.listens();
        peer.sends(syn().with(ace(asked)));
        const Seen answer = peer.sees(syn_ack().with(ace(answered)));
        EXPECT_FALSE(answer.options.accurate);
        peer.sends(ack().ack(answer.seq + 1));
        ASSERT_TRUE(peer.accepts());
        EXPECT_EQ(info(peer).ecn_mode, mode);
    }
}

TEST(Rfc9768, ReservedFlagsOfASynAskForItToo) {  // section 3.1.3
    for (const std::uint32_t asked : {0b001u, 0b010u, 0b100u, 0b101u, 0b110u}) {
        Peer peer{speaking(1)};
        peer.listens();
        peer.sends(syn().with(ace(asked)));
        peer.sees(syn_ack().with(ace(0b010)));
    }
}

TEST(Rfc9768, AClientGoesByTheFirstAnswer) {  // table 2
    struct Row {
        unsigned answered, mode;
        bool capable;
    };
    for (const Row& row : {Row{0b010, 2, true}, Row{0b011, 2, false}, Row{0b100, 2, false}, Row{0b110, 2, false},  // mangled
                           Row{0b101, 2, true},  // reserved: section 3.1.3
                           Row{0b001, 1, true}, Row{0b000, 0, false}, Row{0b111, 0, false}}) {
        Peer peer{speaking(2, true)};
        peer.connects();
        const Seen first = peer.sees(syn().with(ace(7)));
        EXPECT_FALSE(first.options.accurate) << "none on a SYN (section 3.2.3.2.1)";
        EXPECT_EQ(first.ecn(), Ecn::not_capable);
        peer.sends(syn_ack().with(ace(row.answered)).ack(first.seq + 1));
        peer.sees(row.mode == 2 ? ack().with(ace(2)) : ack());
        EXPECT_EQ(info(peer).ecn_mode, row.mode) << row.answered;
        EXPECT_EQ(sent_as(peer) != Ecn::not_capable, row.capable) << row.answered;
        EXPECT_EQ(peer.statistics().accurate_flows, row.mode == 2);
    }
}

TEST(Rfc9768, AMarkOnTheSynHalvesTheWindowThatAFlowBeginsWith) {  // section 3.2.2.2
    Peer calm = accurate(true), marked{speaking(2, true)};
    marked.connects();
    const Seen first = marked.sees(syn().with(ace(7)));
    marked.sends(syn_ack().with(ace(0b110)).ack(first.seq + 1));
    marked.ignores_what_was_sent();
    EXPECT_EQ(marked.tcb().sending.steering.cwnd, calm.tcb().sending.steering.cwnd / 2);
    EXPECT_EQ(info(marked).delivered_ce, 0u) << "s.cep stays 5";
}

TEST(Rfc9768, ByDefaultItIsAcceptedAndNotAskedFor) {
    Peer passive{Opening{}};
    passive.listens();
    passive.sends(syn().with(ace(7)));
    passive.sees(syn_ack().with(ace(2)));
    Peer active{Opening{.active = true}};
    active.connects();
    active.sees(syn());
}

TEST(Rfc9768, OffMeansThatItsSynAsksForTheOlderKind) {  // RFC 3168 takes (1,1,1) for its own
    Peer peer{speaking(0)};
    peer.listens();
    peer.sends(syn().with(ace(7)));
    EXPECT_FALSE(peer.sees(syn_ack().with(ace(1))).options.accurate);
}

TEST(Rfc9768, SynsAskTwiceAndThenDoWithout) {  // section 3.1.4.1
    Peer peer{speaking(2, true)};
    peer.connects();
    const Seen first = peer.sees(syn().with(ace(7)));
    peer.until_it_sends();
    EXPECT_EQ(peer.sees(syn().with(ace(7))).seq, first.seq);
    peer.until_it_sends();
    EXPECT_EQ(peer.sees(syn()).seq, first.seq) << "the same sequence number";
    peer.until_it_sends();
    peer.sees(syn());
    // An answer to one of the first two that comes late is as good.
    peer.sends(syn_ack().with(ace(2)).ack(first.seq + 1));
    peer.sees(ack().with(ace(2)));
    EXPECT_TRUE(is_accurate(peer));
    EXPECT_EQ(sent_as(peer), Ecn::ect0) << "a client knows that the server is in this mode (section 3.1.5)";
}

TEST(Rfc9768, AClientNeverAsksForBothKinds) {  // section 3.1.5
    Opening how = speaking(2, true);
    how.config.ecn = 1;
    Peer peer{how};
    peer.connects();
    for (int i = 0; i < 5; ++i) {
        const auto seen = peer.next();
        ASSERT_TRUE(seen);
        EXPECT_TRUE(!seen->has(wire::ece | wire::cwr) || seen->has(wire::ae));
        peer.until_it_sends();
    }
}

TEST(Rfc9768, PeersThatOnlyAnswerWithoutItAreNotAskedForAWhile) {  // section 3.1.4.1
    Peer peer{speaking(2, true)};
    const auto asks = [&](std::uint16_t port) {
        peer.begins_anew(port, SeqNum{port * 1'000u});
        peer.connects();
        const auto seen = peer.next();
        const bool asked = seen && seen->has(wire::ae);
        for (int i = 0; asked && i < 2; ++i) peer.until_it_sends();
        peer.ignores_what_was_sent();
        peer.sends(syn_ack().ack(peer.iss() + 1));
        peer.ignores_what_was_sent();
        peer.aborts();
        peer.ignores_what_was_sent();
        return asked;
    };
    for (std::uint16_t i = 0; i < 3; ++i) EXPECT_TRUE(asks(std::uint16_t(1'000 + i)));
    EXPECT_FALSE(asks(2'000));
    peer.after(seconds(601));
    EXPECT_TRUE(asks(2'001)) << "it is forgotten";
}

TEST(Rfc9768, ASynAckThatIsSentAgainDoesWithoutTheOptionAndThenWithoutAll) {  // section 3.2.3.2.2
    Peer peer{speaking(1)};
    peer.listens();
    peer.sends(syn().with(ace(7)));
    EXPECT_TRUE(peer.sees(syn_ack().with(ace(2))).options.accurate);
    peer.until_it_sends();
    EXPECT_FALSE(peer.sees(syn_ack().with(ace(2))).options.accurate);
    peer.until_it_sends();
    const Seen last = peer.sees(syn_ack());
    EXPECT_FALSE(last.options.accurate);
    peer.sends(ack().with(ace(2)).ack(last.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_TRUE(is_accurate(peer)) << "the mode stays";
    EXPECT_EQ(sent_as(peer), Ecn::not_capable) << "but nothing is ECN-capable any more (section 3.1.5)";
    peer.sends(data(1'000).marked().with(ace(5)));
    const auto seen = peer.next();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->flags & wire::ace_bits, ace(6)) << "marks are told as before";
    EXPECT_FALSE(seen->options.accurate);
}

TEST(Rfc9768, TheLatestSynCounts) {  // section 3.1.5
    Peer peer{speaking(1)};
    peer.listens();
    peer.sends(syn().with(ace(7)).marked(Ecn::ect0));
    EXPECT_TRUE(peer.sees(syn_ack().with(ace(0b100))).options.accurate);
    peer.sends(syn().seq(peer.setup.irs).with(ace(7)).marked());
    EXPECT_FALSE(peer.sees(syn_ack().with(ace(0b110))).options.accurate) << "the option may be what was lost";
    peer.sends(syn().seq(peer.setup.irs));
    const Seen last = peer.sees(syn_ack().with(ace(0b010)));
    peer.sends(ack().with(ace(2)).ack(last.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(sent_as(peer), Ecn::not_capable) << "a SYN did without: perhaps its client does, too";
}

TEST(Rfc9768, WhoAsksForBothKindsIsReset) {  // section 3.1.5
    for (const auto& [one, other] : {std::pair{7u, 3u}, {3u, 7u}}) {
        Peer peer{speaking(1)};
        peer.listens();
        peer.sends(syn().with(ace(one)));
        peer.ignores_what_was_sent();
        peer.sends(syn().seq(peer.setup.irs).with(ace(other)));
        const auto seen = peer.next();
        ASSERT_TRUE(seen);
        EXPECT_TRUE(seen->has(wire::rst)) << one << ", then " << other;
        EXPECT_EQ(peer.statistics().half_open, 0u);
    }
}

TEST(Rfc9768, AServerThatBeganWithoutStaysWithout) {  // section 3.1.5
    Peer peer{speaking(1)};
    peer.listens();
    peer.sends(syn());
    peer.sees(syn_ack());
    peer.sends(syn().seq(peer.setup.irs).with(ace(7)));
    const Seen last = peer.sees(syn_ack());
    peer.sends(ack().ack(last.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(info(peer).ecn_mode, 0u);
}

TEST(Rfc9768, InASimultaneousOpenEachAnswersAsAServerWould) {  // section 3.1.2
    for (const Ecn came_with : all_codepoints) {
        Peer peer{speaking(2, true)};
        peer.connects();
        const Seen first = peer.sees(syn().with(ace(7)));
        peer.sends(syn().with(ace(7)).marked(came_with));
        const Seen answer = peer.sees(syn_ack().with(tcp::handshake_flags(came_with)));
        EXPECT_TRUE(answer.options.accurate);
        // The other SYN,ACK: its flags are no count (section 3.2.2).
        peer.sends(syn_ack().seq(peer.setup.irs).with(ace(2)).ack(first.seq + 1));
        peer.ignores_what_was_sent();
        EXPECT_TRUE(is_accurate(peer));
        EXPECT_EQ(info(peer).delivered_ce, 0u);
        EXPECT_EQ(peer.statistics().ecn_cuts, 0u);
        EXPECT_EQ(sent_as(peer), Ecn::ect0);
    }
}

TEST(Rfc9768, AClientTellsTheCodepointOfTheSynAckInAPureAckBeforeItsText) {  // table 3, section 3.2.2.1
    for (const auto& [came_with, code, count] :
         {std::tuple{Ecn::not_capable, 0b010u, 5u}, {Ecn::ect1, 0b011u, 5u}, {Ecn::ect0, 0b100u, 5u}, {ce, 0b110u, 6u}}) {
        Peer peer{speaking(2, true)};
        peer.connects();
        const Seen first = peer.sees(syn().with(ace(7)));
        EXPECT_EQ(peer.writes(100), 100u);
        peer.sends(syn_ack().with(ace(2)).ack(first.seq + 1).marked(came_with));
        const Seen pure = peer.sees(ack().with(ace(code)));
        EXPECT_TRUE(pure.options.accurate) << "it tests the way of the option (section 3.2.3.2.1)";
        const Seen text = peer.sees(data(100).with(ace(count)));
        EXPECT_TRUE(text.options.accurate) << "and so does the first text";
        EXPECT_EQ(info(peer).received_ce, count - 5);
        // The SYN,ACK once more: the same code, and no second mark (section 3.2.2.2).
        peer.sends(syn_ack().seq(peer.setup.irs).with(ace(2)).ack(first.seq + 1).marked(came_with));
        peer.sees(ack().with(ace(code)));
        EXPECT_EQ(info(peer).received_ce, count - 5);
        peer.sends(data(100).with(ace(5)));
        peer.after(ms(500));
        peer.sees(ack().with(ace(count)));
    }
}

TEST(Rfc9768, AServerUnderstandsTheAckOfItsSynAck) {  // table 4
    struct Row {
        unsigned said;
        std::uint32_t marks;
        bool capable, heard;
    };
    for (const Row& row : {Row{0b000, 0, false, false}, Row{0b001, 0, true, true}, Row{0b010, 0, true, true},
                           Row{0b011, 0, false, true}, Row{0b100, 0, false, true},  // our SYN,ACK was Not-ECT: mangled
                           Row{0b101, 0, true, true}, Row{0b110, 1, false, true}, Row{0b111, 0, true, true}}) {
        Peer peer{speaking(1)};
        peer.listens();
        peer.sends(syn().with(ace(7)));
        const Seen answer = peer.sees(syn_ack().with(ace(2)));
        peer.sends(ack().with(ace(row.said)).accurate({1, 0, 1}).ack(answer.seq + 1));
        ASSERT_TRUE(peer.accepts());
        EXPECT_EQ(info(peer).delivered_ce, row.marks) << row.said;
        EXPECT_EQ(peer.statistics().ecn_cuts, row.marks) << row.said;
        EXPECT_EQ(sent_as(peer) == Ecn::ect0, row.capable) << row.said;
        peer.sends(ack().with(ace(5 + row.marks + 1)));
        EXPECT_EQ(peer.statistics().ecn_cuts, row.heard ? row.marks + 1 : 0u) << row.said;
        peer.sends(data(1'000).with(ace(5 + row.marks + 1)).marked());
        peer.sees(ack().with(ace(6)));
    }
}

TEST(Rfc9768, AnAckOfTheSynAckWithTextCarriesACount) {  // table 4 is for pure acknowledgements
    Peer peer{speaking(1)};
    peer.listens();
    peer.sends(syn().with(ace(7)));
    const Seen answer = peer.sees(syn_ack().with(ace(2)));
    peer.sends(data(100).with(ace(5)).ack(answer.seq + 1).marked(Ecn::ect0));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(sent_as(peer), Ecn::ect0);
    EXPECT_EQ(info(peer).received_e0_bytes, 100u);
}

TEST(Rfc9768, TheHandshakesCodeThatComesLateIsNoCount) {  // section 3.2.2.2: may be tested for
    Peer peer = accurate(false);
    peer.after(ms(10));
    peer.sends(ack().with(ace(0b110)));
    EXPECT_EQ(info(peer).delivered_ce, 0u);
    EXPECT_EQ(peer.statistics().ecn_cuts, 0u);
}

TEST(Rfc9768, ACountOfZeroAtFirstMeansThatNobodyCounts) {  // section 3.2.2.4
    for (const unsigned first : {0u, 5u}) {
        Peer peer = accurate(true);
        EXPECT_EQ(sent_as(peer), Ecn::ect0);
        peer.sends(ack().with(ace(first)));
        const Ecn then = sent_as(peer);
        EXPECT_EQ(then, first == 0 ? Ecn::not_capable : Ecn::ect0);
        peer.sends(ack().with(ace(first + 3)));
        EXPECT_EQ(peer.statistics().ecn_cuts, first == 0 ? 0u : 1u) << "and nothing that it says is believed";
        EXPECT_EQ(peer.statistics().ecn_mangled, first == 0);
    }
}

TEST(Rfc9768, MarksOnAllThatIsSentForFourRoundsComeOfNoQueue) {  // section 3.2.2.3
    Peer peer = accurate(true);
    std::uint32_t count = 5;
    for (int round = 0; round < 8; ++round) {
        const std::uint32_t segments = round == 0 ? 4 : 2;
        in_flight(peer, segments);
        peer.after(ms(50));
        count += segments;
        peer.sends(ack().with(ace(count)));
    }
    EXPECT_EQ(sent_as(peer), Ecn::not_capable);
    const std::uint64_t cuts = peer.statistics().ecn_cuts;
    in_flight(peer, 1);
    peer.after(ms(50));
    peer.sends(ack().with(ace(count + 2)));
    EXPECT_EQ(peer.statistics().ecn_cuts, cuts);
}

TEST(Rfc9768, SynCookiesRememberItByTheAck) {  // section 5.1
    for (unsigned said = 0; said < 8; ++said) {
        Opening how = speaking(1);
        how.config.syncookies = 2;
        Peer peer{how};
        peer.listens();
        peer.sends(syn().with(ace(7)).marked(Ecn::ect0));
        const Seen answer = peer.sees(syn_ack().with(ace(0b100)));
        EXPECT_TRUE(answer.options.accurate);
        EXPECT_EQ(peer.statistics().half_open, 0u);
        peer.sends(ack().with(ace(said)).ack(answer.seq + 1));
        ASSERT_TRUE(peer.accepts());
        EXPECT_EQ(info(peer).ecn_mode, said >= 2 ? 2u : 0u) << said;
    }
}

TEST(Rfc9768, TextOfASynIsNotCounted) {  // section 3.2
    Opening how = speaking(1);
    how.options.fast_open = true;
    how.timestamps = false;
    how.scale = {};
    Peer peer{how};
    peer.listens();
    const auto fast = [&](const wire::FastOpen* cookie) {
        std::vector<std::uint8_t> bytes{2, 4, 5, 180, 34, std::uint8_t(2 + (cookie ? cookie->size : 0))};
        for (std::size_t i = 0; cookie && i < cookie->size; ++i)
            bytes.push_back(std::to_integer<std::uint8_t>(cookie->cookie[i]));
        while (bytes.size() % 4 != 0) bytes.push_back(1);
        return syn().raw_options(bytes).with(ace(7)).marked();
    };
    peer.sends(fast(nullptr));
    const Seen grant = peer.sees(syn_ack().with(ace(0b110)));
    ASSERT_TRUE(grant.options.fast_open);
    EXPECT_TRUE(grant.options.accurate) << "both fit";
    peer.sends(rst().seq(peer.peer_next()));
    peer.begins_anew(50'001, SeqNum{77'000});
    peer.sends(fast(&*grant.options.fast_open).length(100));
    const Seen answer = peer.sees(syn_ack().with(ace(0b110)));
    EXPECT_EQ(answer.ack, SeqNum{77'101});
    ASSERT_TRUE(peer.accepts());
    peer.until_it_sends();
    EXPECT_FALSE(peer.sees(syn_ack().with(ace(0b110))).options.accurate);
    peer.sends(ack().seq(SeqNum{77'101}).with(ace(2)).ack(answer.seq + 1));
    EXPECT_TRUE(is_accurate(peer));
    EXPECT_EQ(info(peer).received_ce_bytes, 0u);
    EXPECT_EQ(info(peer).received_ce, 0u);
    EXPECT_EQ(peer.reads(), 100u);
}

TEST(Rfc9768, TimeWaitKeepsTheCountAndANewSynBeginsAnew) {  // section 3.1.2
    Peer peer = accurate(false);
    peer.sends(data(100).with(ace(5)).marked());
    peer.ignores_what_was_sent();
    EXPECT_EQ(peer.reads(), 100u);
    peer.closes();
    peer.sees(fin().with(ace(6)));
    peer.sends(fin().with(ace(5)));
    peer.sees(ack().with(ace(6)));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
    peer.sends(fin().seq(peer.peer_next() - 1).with(ace(5)));
    peer.sees(ack().with(ace(6)));
    peer.after(ms(10));
    peer.begins_anew(Peer::peer_port, peer.peer_next() + 1'000);
    peer.sends(syn().with(ace(3)));
    peer.sees(syn_ack().with(ace(1)));
}

TEST(Rfc9768, LinuxHasOneNumberForBothKinds) {
    for (const auto& [linux, classic, accecn] :
         {std::tuple{"0", 0, 0}, {"1", 1, 0}, {"2", 2, 0}, {"3", 1, 2}, {"4", 1, 1}, {"5", 2, 1}}) {
        Config config;
        ASSERT_TRUE(tcp::tune(config, "net.ipv4.tcp_ecn", linux));
        EXPECT_EQ(config.ecn, classic) << linux;
        EXPECT_EQ(config.accecn, accecn) << linux;
    }
    Config config;
    EXPECT_FALSE(tcp::tune(config, "net.ipv4.tcp_ecn", "6"));
    ASSERT_TRUE(tcp::tune(config, "accecn", "on"));
    EXPECT_EQ(config.accecn, 2);
    EXPECT_EQ(config.ecn, Config{}.ecn);
}

}  // namespace
}  // namespace weft::test
