// Text out of order (RFC 9293, section 3.10.7.4, seventh; SHLD-31): every order gives the same stream, and what it may
// hold is bounded.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

TEST(Reassembly, EveryOrderOfFiveSegmentsGivesTheSameText) {
    std::array<std::uint32_t, 5> order{0, 1, 2, 3, 4};
    do {
        Peer peer = established();
        const SeqNum begin = peer.peer_next();
        for (const std::uint32_t i : order) peer.sends(data(100).seq(begin + i * 100));
        ASSERT_EQ(peer.rcv_nxt(), begin + 500);
        ASSERT_EQ(peer.reads(), 500u);   // checks each byte
    } while (std::next_permutation(order.begin(), order.end()));
}

// Random pieces, overlapping at random, until all is there: against nothing but the pattern and the count.
TEST(Reassembly, RandomOverlapsGiveTheText) {
    std::mt19937_64 random{1};
    for (int round = 0; round < 60; ++round) {
        Opening how;
        how.irs = SeqNum{std::uint32_t(random())};
        Peer peer = established(how);
        const SeqNum begin = peer.peer_next();
        constexpr std::uint32_t total = 20'000;
        std::vector<bool> sent(total, false);
        std::uint64_t read = 0;
        for (int i = 0; i < 4'000 && read < total; ++i) {
            const std::uint32_t next = peer.rcv_nxt() - begin;
            const std::uint32_t at = random() % 4 == 0 ? next : std::uint32_t(random() % total);
            const std::uint32_t length = std::min(std::uint32_t(random() % 1'400 + 1), total - at);
            if (length == 0) continue;
            peer.sends(data(length).seq(begin + at));
            std::fill(sent.begin() + at, sent.begin() + at + length, true);
            if (random() % 3 == 0) read += peer.reads(random() % 3'000);
            peer.ignores_what_was_sent();
            const auto hole = std::find(sent.begin(), sent.end(), false) - sent.begin();
            ASSERT_LE(peer.rcv_nxt() - begin, std::uint32_t(hole)) << "acknowledged what never came";
        }
        read += peer.reads();
        ASSERT_EQ(read, total);
    }
}

TEST(Reassembly, Shld31_KeepsWhatIsOutOfOrderInsteadOfDroppingIt) {   // SHLD-31
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    for (std::uint32_t i = 1; i < 20; ++i) peer.sends(data(1'000).seq(begin + i * 1'000));
    peer.ignores_what_was_sent();
    peer.sends(data(1'000).seq(begin));
    peer.sees(ack().ack(begin + 20'000));
}

TEST(Reassembly, MemoryIsBoundedWhateverThePeerSends) {   // one octet a segment, a hole after each
    for (const std::uint32_t length : {1u, 100u}) {
        Opening how{.timestamps = false};
        how.config.receive_buffer = 1 << 16;
        Peer peer = established(how);
        const std::size_t base = peer.pool_in_use();
        const SeqNum begin = peer.peer_next();
        std::size_t most = 0;
        for (std::uint32_t i = 0; i < 20'000; ++i) {
            peer.sends(data(length).seq(begin + 1 + (i * 2 * length) % 65'000));
            most = std::max(most, peer.pool_in_use() - base);
            peer.ignores_what_was_sent();
        }
        EXPECT_LE(most, std::size_t{4} << 16) << length;
        EXPECT_EQ(peer.state(), State::established);
        peer.aborts();
        EXPECT_EQ(peer.pool_in_use(), base);
    }
}

TEST(Reassembly, FlowThatDroppedSomeStillEndsComplete) {   // what was given up for memory is asked for again
    Opening how{.timestamps = false};
    how.config.receive_buffer = 1 << 15;
    Peer peer = established(how);
    const SeqNum begin = peer.peer_next();
    for (std::uint32_t i = 0; i < 4'000; ++i) {
        peer.sends(data(1).seq(begin + 1 + i * 2));
        peer.ignores_what_was_sent();
    }
    for (int i = 0; i < 100 && peer.rcv_nxt() != begin + 8'000; ++i) {
        const SeqNum next = peer.rcv_nxt();
        peer.sends(data(std::min(1'000u, begin + 8'000 - next)).seq(next));
    }
    EXPECT_EQ(peer.reads(), 8'000u);
}

TEST(Reassembly, TextBehindTheFinIsNeverDelivered) {
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    peer.sends(data(100).seq(begin + 200));
    peer.sends(fin().seq(begin + 100));
    peer.sends(data(100).seq(begin));
    peer.sends(fin().seq(begin + 100));
    EXPECT_EQ(peer.reads(), 100u);
    EXPECT_EQ(peer.rcv_nxt(), begin + 101);
}

}  // namespace
}  // namespace weft::test
