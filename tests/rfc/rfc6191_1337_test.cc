// What may end TIME-WAIT early, and what may not: a new SYN by its timestamp or number (RFC 6191, section 2; RFC 9293: SHLD-4, MAY-2),
// and the hazards of RFC 1337.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

// In TIME-WAIT, two seconds after the last segment, its listener still there.
Peer waiting(bool timestamps) {
    Peer peer = established({.timestamps = timestamps});
    peer.sends(data(100));
    EXPECT_EQ(peer.reads(), 100u);
    peer.ignores_what_was_sent();
    peer.closes();
    peer.ignores_what_was_sent();
    peer.sends(fin());
    EXPECT_EQ(peer.statistics().time_wait, 1u);
    peer.ignores_what_was_sent();
    peer.reads_the_end();
    peer.after(seconds(2));
    return peer;
}

// Does a SYN with this number (from the one that would come next) and this timestamp (from the last one) open again?
bool opens_again(Peer& peer, std::int32_t number, std::optional<std::int32_t> stamp, std::uint32_t last) {
    Segment again = syn().seq(peer.peer_next() + std::uint32_t(number));
    if (stamp) again.timestamps(last + std::uint32_t(*stamp), 0);
    else again.no_timestamps();
    peer.watches = false;  // the answer belongs to another connection than the one that Peer knows
    peer.sends(again);
    return peer.statistics().half_open == 1;
}

TEST(Rfc6191, Shld4_ANewerTimestampOpensWhateverTheNumber) {  // section 2
    for (const std::int32_t number : {1, -50, 1'000'000, -1'000'000}) {
        Peer peer = waiting(true);
        EXPECT_TRUE(opens_again(peer, number, 1, peer.clock() - 2'000)) << number;
        EXPECT_EQ(peer.statistics().time_wait, 0u);
    }
}

TEST(Rfc6191, EqualTimestampsAreDecidedByTheNumber) {
    Peer later = waiting(true);
    EXPECT_TRUE(opens_again(later, 1, 0, later.clock() - 2'000));
    Peer same = waiting(true);
    EXPECT_FALSE(opens_again(same, -1, 0, same.clock() - 2'000));
    EXPECT_EQ(same.statistics().time_wait, 1u);
}

TEST(Rfc6191, AnOlderTimestampDoesNotOpenEvenWithAHigherNumber) {
    Peer peer = waiting(true);
    EXPECT_FALSE(opens_again(peer, 1'000, -1, peer.clock() - 2'000));
}

TEST(Rfc6191, May2_WithoutTimestampsTheNumberDecides) {
    for (const bool before : {true, false}) {
        Peer higher = waiting(before);
        EXPECT_TRUE(opens_again(higher, 1, before ? std::nullopt : std::optional<std::int32_t>{5}, higher.clock()));
        Peer lower = waiting(before);
        EXPECT_FALSE(opens_again(lower, -1, before ? std::nullopt : std::optional<std::int32_t>{5}, lower.clock()));
    }
}

TEST(Rfc6191, TheNewConnectionsNumbersLieBeyondTheOldOnes) {  // RFC 9293, section 3.6.1: larger than the largest used
    Peer peer = waiting(true);
    const SeqNum last = peer.seen_end();
    peer.begins_anew(Peer::peer_port, peer.peer_next() + 77);
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    EXPECT_TRUE(before(last, answer.seq + 1));
}

TEST(Rfc6191, WithoutAListenerItIsAnAckAsEver) {
    Peer peer = waiting(true);
    ASSERT_TRUE(peer.engine().unlisten(peer.listener(), peer.now));
    EXPECT_FALSE(opens_again(peer, 1'000, 1'000, peer.clock()));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
}

TEST(Rfc1337, AResetInTheWindowDoesNotAssassinateTimeWait) {  // section 3, fix (F1), as RFC 5961 has it: exact ones alone
    Peer peer = waiting(true);
    for (const std::uint32_t off : {1u, 100u, 10'000u}) {
        peer.sends(rst().seq(peer.peer_next() + off));
        EXPECT_EQ(peer.statistics().time_wait, 1u);
    }
}

TEST(Rfc1337, WhereTheTunableSaysSoNoResetEndsIt) {  // fix (F1) to the letter
    Opening how;
    how.config.rfc1337 = true;
    Peer peer = established(how);
    peer.closes();
    peer.ignores_what_was_sent();
    peer.sends(fin());
    ASSERT_EQ(peer.statistics().time_wait, 1u);
    peer.ignores_what_was_sent();
    peer.sends(rst().seq(peer.peer_next()));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
    peer.sees_nothing();
}

TEST(Rfc1337, OldTextAndOldAcksAreAnsweredAndChangeNothing) {  // sections 2 (H1) and (H2)
    Peer peer = waiting(true);
    peer.sends(data(100).seq(peer.peer_next() - 101));
    peer.sees(ack().ack(peer.peer_next()));
    peer.sends(ack().ack(peer.seen_end() + 1'000));
    peer.sees(ack().ack(peer.peer_next()));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
    EXPECT_EQ(peer.statistics().half_open, 0u);
}

}  // namespace
}  // namespace weft::test
