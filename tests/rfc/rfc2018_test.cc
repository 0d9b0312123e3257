// RFC 2018, selective acknowledgements: what the receiver tells, and what the sender makes of it.
#include <gtest/gtest.h>

#include <vector>

#include "tests/rfc/flow.h"

namespace weft::test {
namespace {

using wire::SackBlock;

TEST(Rfc2018, IsOfferedInTheSynAndOnlyThere) {  // section 2
    Peer peer{selective()};
    peer.listens();
    peer.sends(syn());
    const auto answer = peer.next();
    ASSERT_TRUE(answer);
    EXPECT_TRUE(answer->options.sack_permitted);  // Peer checks that no later segment has it
    Opening active = selective();
    active.active = true;
    Peer caller{active};
    caller.connects();
    EXPECT_TRUE(caller.next()->options.sack_permitted);
}

TEST(Rfc2018, IsNotAnsweredWhereItWasNotOffered) {
    Opening how = selective();
    how.sack = false;
    Peer peer{how};
    peer.listens();
    peer.sends(syn());
    EXPECT_FALSE(peer.next()->options.sack_permitted);
}

TEST(Rfc2018, CanBeTurnedOff) {
    Opening how = selective();
    how.config.sack = false;
    Peer peer{how};
    peer.listens();
    peer.sends(syn());
    EXPECT_FALSE(peer.next()->options.sack_permitted);
    how.active = true;
    Peer caller{how};
    caller.connects();
    EXPECT_FALSE(caller.next()->options.sack_permitted);
}

// What the next acknowledgement tells.
std::vector<SackBlock> told(Peer& peer) {
    std::vector<SackBlock> blocks;
    while (const auto seen = peer.next())
        blocks.assign(seen->options.sack.begin(), seen->options.sack.begin() + seen->options.sack_count);
    return blocks;
}

TEST(Rfc2018, FirstBlockHoldsTheSegmentThatTriggeredTheAck) {  // section 4, rule 1
    Peer peer = established(selective());
    const SeqNum begin = peer.peer_next();
    const auto at = [&](std::uint32_t n) { return begin + n * 500; };
    peer.sends(data(500).seq(at(1)));
    EXPECT_EQ(told(peer), (std::vector<SackBlock>{{at(1), at(2)}}));
    peer.sends(data(500).seq(at(3)));
    EXPECT_EQ(told(peer), (std::vector<SackBlock>{{at(3), at(4)}, {at(1), at(2)}}));
    peer.sends(data(500).seq(at(5)));
    EXPECT_EQ(told(peer), (std::vector<SackBlock>{{at(5), at(6)}, {at(3), at(4)}, {at(1), at(2)}}));
    peer.sends(data(500).seq(at(2)));  // it closes the gap between two ranges
    EXPECT_EQ(told(peer), (std::vector<SackBlock>{{at(1), at(4)}, {at(5), at(6)}}));
}

TEST(Rfc2018, ThreeBlocksFitBesideTimestampsAndFourWithout) {  // section 3
    for (const bool timestamps : {true, false}) {
        Opening how = selective();
        how.timestamps = timestamps;
        Peer peer = established(how);
        const SeqNum begin = peer.peer_next();
        for (std::uint32_t i = 1; i <= 13; i += 2) peer.sends(data(100).seq(begin + i * 100));
        const auto blocks = told(peer);
        ASSERT_EQ(blocks.size(), timestamps ? 3u : 4u);
        for (std::uint32_t i = 0; i < blocks.size(); ++i)  // rule 3: the most recent ones, in this order
            EXPECT_EQ(blocks[i].left, begin + (13 - 2 * i) * 100);
    }
}

TEST(Rfc2018, BlocksAreContiguousAndIsolatedAndBeyondTheAck) {  // section 3: whatever comes in whatever order
    std::mt19937_64 random{7};
    for (int run = 0; run < 20; ++run) {
        Peer peer = established(selective());
        const SeqNum begin = peer.peer_next();
        std::vector<bool> there(60);
        for (int i = 0; i < 200; ++i) {
            const auto at = std::uint32_t(random() % 59 + 1);
            if (there[at]) continue;
            there[at] = true;
            peer.sends(data(100).seq(begin + at * 100));
            const auto blocks = told(peer);
            ASSERT_FALSE(blocks.empty());
            EXPECT_TRUE(at_or_before(blocks[0].left, begin + at * 100) && before(begin + at * 100, blocks[0].right));
            for (const SackBlock& block : blocks) {
                const std::uint32_t left = (block.left - begin) / 100, right = (block.right - begin) / 100;
                for (std::uint32_t n = left; n < right; ++n) EXPECT_TRUE(there[n]);
                EXPECT_FALSE(there[left - 1]);
                EXPECT_FALSE(right < there.size() && there[right]);
            }
        }
        peer.sends(data(100).seq(begin));
        peer.reads();
    }
}

TEST(Rfc2018, AckOfAllHasNoBlocks) {
    Peer peer = established(selective());
    const SeqNum begin = peer.peer_next();
    peer.sends(data(500).seq(begin + 500));
    EXPECT_EQ(told(peer).size(), 1u);
    peer.sends(data(500).seq(begin));
    const auto seen = peer.next();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->ack, begin + 1'000);
    EXPECT_EQ(seen->options.sack_count, 0u);
}

TEST(Rfc2018, TextOnTheWayBackDoesNotHideTheBlocks) {  // section 4: they are in every ACK that does not cover all
    Peer peer = established(selective());
    const SeqNum begin = peer.peer_next();
    EXPECT_EQ(peer.writes(5'000), 5'000u);
    peer.ignores_what_was_sent();
    peer.sends(data(500).seq(begin + 500));
    EXPECT_EQ(told(peer), (std::vector<SackBlock>{{begin + 500, begin + 1'000}}));
}

TEST(Rfc2018, WhatIsSackedIsNotSentAgain) {  // section 5
    Flow10 flow;
    flow.sacks({{3, 10}});
    const auto again = flow.resent();
    ASSERT_EQ(again, (std::vector<std::uint32_t>{0, 1, 2}));
    EXPECT_EQ(flow.board().sacked, 7 * flow.mss());
}

TEST(Rfc2018, BlocksThatNameNothingThatWasSentAreIgnored) {  // section 5: what was never sent cannot have come
    Flow10 flow;
    const SeqNum una = flow.peer.snd_una(), nxt = flow.peer.snd_nxt();
    for (const SackBlock& lie : {SackBlock{nxt, nxt + 1'000}, SackBlock{una + 5'000, una + 3'000}, SackBlock{una, una},
                                 SackBlock{una + 1'000, nxt + 1}, SackBlock{una - 2'000'000'000, una + 2'000},
                                 SackBlock{nxt + 0x7000'0000, nxt + 0x7000'1000}, SackBlock{una - 5'000, una - 1'000}}) {
        flow.peer.sends(ack().ack(una).sacks({lie}));
        EXPECT_TRUE(!flow.has_board() || flow.board().sacked == 0) << lie.left.raw() << ' ' << lie.right.raw();
        EXPECT_FALSE(flow.flags().recovering);
    }
    flow.peer.ignores_what_was_sent();
    flow.peer.sends(ack().ack(nxt));
    EXPECT_EQ(flow.peer.snd_una(), nxt);
}

TEST(Rfc2018, BlocksOfAnAckThatWasOvertakenAreTaken) {  // they are news whatever the acknowledgement itself says
    Flow10 flow;
    flow.acks_and_sacks(2, {{4, 5}});
    ASSERT_TRUE(flow.has_board());
    EXPECT_EQ(flow.board().sacked, flow.mss());
    const SeqNum una = flow.peer.snd_una();
    flow.acks_and_sacks(1, {{6, 8}});  // it left before the other one, and says an earlier window too
    EXPECT_EQ(flow.peer.snd_una(), una);
    EXPECT_EQ(flow.board().sacked, 3 * flow.mss());
    flow.acks_and_sacks(1, {{0, 2}});  // what is acknowledged is no block
    EXPECT_EQ(flow.board().sacked, 3 * flow.mss());
    flow.peer.ignores_what_was_sent();
    flow.acks(10);
    EXPECT_EQ(flow.peer.snd_una(), flow.at(10));
}

TEST(Rfc2018, ABlockThatCouldNotBeRememberedIsTakenWhenItIsToldAgain) {  // the records of a flow are bounded
    NumberedFlow flow{20};
    Peer& peer = flow.peer;
    const auto told = [&](SeqNum ack_to, std::uint32_t from, std::uint32_t to) {
        peer.sends(ack().ack(ack_to).sacks({{flow.begin + from, flow.begin + to}}));
        peer.ignores_what_was_sent();
    };
    for (std::uint32_t i = 1; i < 4'000; ++i) told(flow.begin, 2 * i, 2 * i + 1);  // single bytes
    ASSERT_GE(peer.tcb().rate.records, 4'095u);
    const std::uint32_t had = flow.board().sacked, from = 15 * flow.mss() + 10;
    for (int i = 0; i < 3; ++i) told(flow.begin, from, from + 100);
    EXPECT_EQ(flow.board().sacked, had) << "there is no room";
    peer.sends(ack().ack(flow.begin + 2'000));
    const std::uint32_t left = flow.board().sacked;
    told(flow.begin + 2'000, from, from + 100);
    EXPECT_EQ(flow.board().sacked, left + 100);
}

TEST(Rfc2018, LeftEdgeIsSentAgainAfterATimeoutEvenIfItWasSacked) {  // section 8: the peer may have dropped it
    Flow10 flow;
    flow.sacks({{1, 4}});
    flow.resent();
    flow.acks(1);  // and no more: 1 to 3 were dropped after all
    flow.peer.ignores_what_was_sent();
    flow.peer.until_it_sends(seconds(5));
    std::vector<std::uint32_t> again = flow.resent();
    ASSERT_FALSE(again.empty());
    while (flow.peer.statistics().timeouts == 0) {
        flow.peer.until_it_sends(seconds(5));
        again = flow.resent();
    }
    ASSERT_FALSE(again.empty());
    EXPECT_EQ(again.front(), 1u);
    EXPECT_EQ(flow.board().sacked, 0u) << "what it said does not count any more";
}

TEST(Rfc2018, SecondTimeoutInARowForgetsWhatWasSacked) {  // section 8
    Flow10 flow;
    flow.sacks({{5, 10}});
    EXPECT_GT(flow.board().sacked, 0u);
    while (flow.peer.statistics().timeouts < 2) flow.peer.until_it_sends(seconds(10));
    EXPECT_EQ(flow.board().sacked, 0u);
}

TEST(Rfc2018, WhateverAPeerSaysCountersHoldAndAllCanBeAcknowledged) {  // blocks that lie, lose their way, or take it back
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        std::mt19937_64 random{seed};
        const auto below = [&](std::uint64_t n) { return std::uint32_t(random() % n); };
        Opening how = selective(ms(std::int64_t(below(50))));
        how.active = true;
        how.timestamps = below(4) != 0;
        how.config.recovery = below(3) == 0 ? Config::Recovery::sack : Config::Recovery::rack;
        how.config.pacing = below(3) == 0;
        how.options.congestion = std::uint16_t(below(2));
        how.options.user_timeout = Duration{};
        Peer peer = established(how);
        for (int step = 0; step < 250; ++step) {
            const std::uint32_t flight = peer.snd_nxt() - peer.snd_una();
            const auto somewhere = [&] { return peer.snd_una() + below(flight + 2) - (below(8) == 0 ? below(5'000) : 0); };
            switch (below(6)) {
            case 0: peer.writes(below(30'000), {.nodelay = below(3) == 0}); break;
            case 1: peer.after(Duration::microseconds(below(below(10) == 0 ? 2'000'000 : 20'000))); break;
            case 2: peer.sends(ack().ack(peer.snd_una() + below(flight + 1) / (1 + below(4)))); break;
            default: {
                const SeqNum a = somewhere(), b = somewhere(), c = somewhere();
                Segment segment = ack().ack(below(3) == 0 ? peer.snd_una() + below(flight + 1) / 8 : peer.snd_una());
                peer.sends(below(2) ? segment.sacks({{a, later(b, a + 1'448)}})
                                    : segment.sacks({{a, b}, {b, c}, {c, a + 4'000}}));
            }
            }
            peer.ignores_what_was_sent();
            ASSERT_FALSE(peer.gone()) << seed;
            const std::uint32_t now = peer.snd_nxt() - peer.snd_una();
            if (const tcp::Scoreboard* const board = peer.scoreboard()) {
                ASSERT_LE(board->sacked + board->given_up, now) << seed << ' ' << step;
            }
            ASSERT_EQ(peer.tcb().rate.records > 0, now > 0) << seed << ' ' << step;
        }
        for (int i = 0; i < 2'000 && peer.tcb().sending.queue != none; ++i) {
            peer.sends(ack().ack(peer.snd_nxt()));
            peer.after(ms(50));
            peer.ignores_what_was_sent();
        }
        EXPECT_EQ(peer.tcb().sending.queue, none) << seed << ": all that was written is acknowledged in the end";
        EXPECT_EQ(peer.scoreboard(), nullptr) << seed;
        EXPECT_EQ(peer.tcb().rate.records, 0u) << seed;
    }
}

}  // namespace
}  // namespace weft::test
