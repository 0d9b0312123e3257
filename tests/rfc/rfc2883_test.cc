// RFC 2883: the first SACK block tells of a duplicate, once. The cases are those of its section 4.
#include <gtest/gtest.h>

#include "tests/rfc/flow.h"

namespace weft::test {
namespace {

using wire::SackBlock;
using Blocks = std::vector<SackBlock>;

struct Receiver {
    Peer peer = established(selective());
    SeqNum begin = peer.peer_next();

    SeqNum at(std::uint32_t offset) const { return begin + offset; }
    void arrives(std::uint32_t from, std::uint32_t to) { peer.sends(data(to - from).seq(at(from))); }
    // What the one acknowledgement since says.
    std::pair<std::uint32_t, Blocks> tells() {
        Blocks blocks;
        const auto seen = peer.next();
        EXPECT_TRUE(seen.has_value());
        if (!seen) return {};
        blocks.assign(seen->options.sack.begin(), seen->options.sack.begin() + seen->options.sack_count);
        EXPECT_FALSE(peer.next().has_value());
        return {seen->ack - begin, blocks};
    }
};

TEST(Rfc2883, FullDuplicateBelowTheAckIsTheOnlyBlock) {  // section 4.1.1, example 1
    Receiver receiver;
    receiver.arrives(0, 500);
    receiver.arrives(500, 1'000);
    receiver.peer.after(seconds(1));
    receiver.peer.ignores_what_was_sent();
    receiver.arrives(0, 500);
    EXPECT_EQ(receiver.tells(), (std::pair{1'000u, Blocks{{receiver.at(0), receiver.at(500)}}}));
}

TEST(Rfc2883, DuplicateIsToldOnce) {  // section 4, rule 1
    Receiver receiver;
    receiver.arrives(0, 500);
    receiver.arrives(0, 500);
    receiver.peer.ignores_what_was_sent();
    receiver.arrives(1'000, 1'500);
    EXPECT_EQ(receiver.tells(), (std::pair{500u, Blocks{{receiver.at(1'000), receiver.at(1'500)}}}));
}

TEST(Rfc2883, DuplicateBelowTheAckStandsInFrontOfWhatCameOutOfOrder) {  // section 4.1.2, example 2
    Receiver receiver;
    receiver.arrives(0, 500);
    receiver.arrives(1'000, 1'500);
    receiver.peer.ignores_what_was_sent();
    receiver.arrives(0, 500);
    EXPECT_EQ(receiver.tells(),
              (std::pair{500u, Blocks{{receiver.at(0), receiver.at(500)}, {receiver.at(1'000), receiver.at(1'500)}}}));
}

TEST(Rfc2883, DuplicateOutOfOrderIsFollowedByTheRangeThatHoldsIt) {  // section 4.1.3, example 3
    Receiver receiver;
    receiver.arrives(500, 1'000);
    receiver.arrives(1'000, 1'500);
    receiver.arrives(1'500, 2'000);
    receiver.peer.ignores_what_was_sent();
    receiver.arrives(1'000, 1'500);
    EXPECT_EQ(receiver.tells(),
              (std::pair{0u, Blocks{{receiver.at(1'000), receiver.at(1'500)}, {receiver.at(500), receiver.at(2'000)}}}));
}

TEST(Rfc2883, OnlyThePartThatWasThereIsTheDuplicate) {  // section 4.2.1, example 4
    Receiver receiver;
    receiver.arrives(0, 500);
    receiver.peer.after(seconds(1));
    receiver.peer.ignores_what_was_sent();
    receiver.arrives(0, 1'000);
    receiver.peer.after(ms(500));
    EXPECT_EQ(receiver.tells(), (std::pair{1'000u, Blocks{{receiver.at(0), receiver.at(500)}}}));
}

TEST(Rfc2883, PartOfASegmentBeyondAHoleThatWasThereIsTheDuplicate) {  // section 4.2.2, example 5
    Receiver receiver;
    receiver.arrives(1'000, 1'500);
    receiver.peer.ignores_what_was_sent();
    receiver.arrives(1'000, 2'000);
    EXPECT_EQ(receiver.tells(),
              (std::pair{0u, Blocks{{receiver.at(1'000), receiver.at(1'500)}, {receiver.at(1'000), receiver.at(2'000)}}}));
}

TEST(Rfc2883, IsOnlyForPeersWithSack) {
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    peer.sends(data(500));
    peer.sends(data(500).seq(begin));
    while (const auto seen = peer.next()) EXPECT_EQ(seen->options.sack_count, 0u);
}

TEST(Rfc2883, SenderTakesADuplicateForNoSack) {  // section 5
    Flow10 flow;
    const SeqNum una = flow.peer.snd_una();
    flow.peer.sends(ack().ack(una).sacks({{una - 1'000, una - 500}}));
    EXPECT_FALSE(flow.has_board());
    EXPECT_EQ(flow.peer.cold().reo_wnd_mult, 2u) << "but RACK heard it (RFC 8985, 6.2, step 4)";
    flow.peer.sends(ack().ack(una).sacks({{flow.at(4), flow.at(5)}, {flow.at(3), flow.at(6)}}));
    EXPECT_EQ(flow.board().sacked, 3 * flow.mss()) << "the second block is an ordinary one";
}

}  // namespace
}  // namespace weft::test
