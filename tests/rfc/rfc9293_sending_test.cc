// When text leaves: Nagle's algorithm and the sender's half of silly-window avoidance (RFC 9293, sections 3.7.4 and
// 3.8.6.2.1), PSH (3.9.1.2), windows that shrink (3.8.6), and super-segments.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

TEST(Nagle, Shld7_ShortSegmentWaitsWhileAnotherIsUnderWay) {   // SHLD-7
    Peer peer = established();
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees(data(10));
    EXPECT_EQ(peer.writes(10), 10u);
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees_nothing();
    peer.sends(ack());
    peer.sees(data(20).seq(peer.iss() + 11));
}

TEST(Nagle, FullSegmentDoesNotWait) {
    Peer peer = established({.timestamps = false});
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees(data(10));
    EXPECT_EQ(peer.writes(2'000), 2'000u);
    peer.sees(data(1'460));
    peer.sees_nothing();
    peer.sends(ack().ack(peer.iss() + 11));   // Minshall's form: what it waits for is the earlier short one
    peer.sees(data(540));
}

TEST(Nagle, Must17_IsOffForAFlowThatSaysSo) {   // MUST-17
    Opening how;
    how.options.nodelay = true;
    Peer peer = established(how);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(peer.writes(10), 10u);
        peer.sees(data(10));
    }
}

TEST(Nagle, Must17_CanBeTurnedOffInTheMiddleAndForOneCall) {   // MUST-17
    Peer peer = established();
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees(data(10));
    EXPECT_EQ(peer.writes(10, {.nodelay = true}), 10u);
    peer.sees(data(10));
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees_nothing();
    ConnectOptions options = peer.setup.options;
    options.nodelay = true;
    ASSERT_TRUE(peer.engine().set(peer.flow(), options, peer.now));
    peer.settle();
    peer.sees(data(10));
}

TEST(Nagle, FinCarriesTheLastTextAlong) {
    Peer peer = established();
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees(data(10));
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees_nothing();
    peer.closes();
    peer.sees(fin().length(10));
}

TEST(More, HoldsAShortSegmentBackUntilTheRestIsWritten) {
    Peer peer = established();
    EXPECT_EQ(peer.writes(10, {.more = true}), 10u);
    peer.sees_nothing();
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees(data(20));
}

TEST(Push, Must61_Shld27_IsOnTheLastSegmentOfWhatWasWritten) {   // MUST-61, SHLD-27
    Peer peer = established({.timestamps = false});
    EXPECT_EQ(peer.writes(3'500), 3'500u);
    for (const std::uint32_t length : {1'460u, 1'460u, 580u}) {
        const auto seen = peer.next();
        ASSERT_TRUE(seen);
        EXPECT_EQ(seen->length, length);
        EXPECT_EQ(seen->has(wire::psh), length == 580u);
        if (length == 1'460u && peer.waiting() == 0) peer.sends(ack());   // Nagle
    }
}

TEST(SillyWindow, Must38_SenderWaitsForAWindowWorthASegment) {   // MUST-38
    Peer peer = established({.scale = {}, .timestamps = false, .window = 10'000});
    EXPECT_EQ(peer.writes(14'600), 14'600u);
    while (peer.next()) {}
    const SeqNum sent = peer.snd_nxt();
    peer.sends(ack().ack(sent).window(100));
    peer.sees_nothing();
    peer.sends(ack().ack(sent).window(1'459));
    peer.sees_nothing();
    peer.sends(ack().ack(sent).window(1'460));
    peer.sees(data(1'460).seq(sent));
}

TEST(SillyWindow, HalfOfTheLargestWindowIsEnough) {   // section 3.8.6.2.1, condition 3: Fs = 1/2
    Peer peer = established({.scale = {}, .timestamps = false, .window = 1'000});
    EXPECT_EQ(peer.writes(5'000), 5'000u);
    peer.sees(data(1'000));
    peer.sends(ack().window(499));
    peer.sees_nothing();
    peer.sends(ack().window(500));
    peer.sees(data(500));
}

TEST(SillyWindow, OverrideTimerSendsWhatFitsInTheEnd) {  // section 3.8.6.2.1, condition 4: 0.1 to 1 s, or the persist timer
    Peer peer = established({.scale = {}, .timestamps = false, .window = 5'000});
    EXPECT_EQ(peer.writes(5'000), 5'000u);
    while (peer.next()) {}
    peer.sends(ack());
    EXPECT_EQ(peer.writes(5'000), 5'000u);
    while (peer.next()) {}
    const SeqNum sent = peer.snd_nxt();
    EXPECT_EQ(peer.writes(5'000), 5'000u);
    peer.sends(ack().ack(sent).window(300));
    peer.sees_nothing();
    EXPECT_LE(peer.until_it_sends(seconds(10)), seconds(2));
    const auto seen = peer.next();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->seq, sent);
    EXPECT_LE(seen->length, 300u);
    EXPECT_GE(seen->length, 1u);
}

TEST(ShrunkWindow, Must34_Shld15_IsSurvivedAndNothingNewIsSentIntoIt) {  // MUST-34, SHLD-15
    Peer peer = established({.scale = {}, .timestamps = false, .window = 10'000});
    EXPECT_EQ(peer.writes(10'000), 10'000u);
    while (peer.next()) {}
    const SeqNum sent = peer.snd_nxt();
    ASSERT_EQ(sent, peer.iss() + 10'001);
    peer.sends(ack().ack(peer.iss() + 1 + 1'460).window(2'000));
    EXPECT_EQ(peer.writes(5'000), 5'000u);
    EXPECT_EQ(peer.snd_nxt() - sent, 0u);
    peer.ignores_what_was_sent();
    peer.sends(ack().ack(sent).window(10'000));
    peer.sees(data(1'460).seq(sent));
}

TEST(ShrunkWindow, Shld16_Shld17_TextInsideWhatIsLeftIsRetransmitted) {  // SHLD-16, 17
    Peer peer = established({.scale = {}, .timestamps = false, .window = 10'000});
    EXPECT_EQ(peer.writes(10'000), 10'000u);
    while (peer.next()) {}
    peer.sends(ack().ack(peer.iss() + 1).window(3'000));
    peer.until_it_sends();
    EXPECT_EQ(peer.next()->seq, peer.iss() + 1);
    peer.after(seconds(20));
    EXPECT_EQ(peer.state(), State::established);
}

TEST(SuperSegment, IsOneTransmitOfManySegments) {
    Peer peer = established({.timestamps = false});
    EXPECT_EQ(peer.writes(14'600), 14'600u);
    EXPECT_EQ(peer.most_in_a_super_segment(), 10u);
    EXPECT_EQ(peer.waiting(), 10u);
    SeqNum expected = peer.iss() + 1;
    while (const auto seen = peer.next()) {
        EXPECT_EQ(seen->seq, expected);
        EXPECT_EQ(seen->length, 1'460u);
        expected = expected + 1'460;
    }
    EXPECT_EQ(peer.statistics().bytes_out, 14'600u);
}

TEST(SuperSegment, IsAtMostSixtyFourKibibytesAndAllOfItArrives) {
    for (const Family family : {Family::ipv4, Family::ipv6, Family::overlay}) {
        Peer peer = established({.family = family, .scale = 14});
        std::uint64_t written = peer.writes(1'000'000), seen = 0;
        for (int round = 0; round < 400 && seen < 1'000'000; ++round) {
            while (const auto each = peer.next()) seen += each->length;
            peer.after(ms(1));
            peer.sends(ack());
            if (written < 1'000'000) written += peer.writes(1'000'000 - written);
        }
        EXPECT_EQ(seen, 1'000'000u);
        EXPECT_GT(peer.most_in_a_super_segment(), 20u);
        EXPECT_EQ(peer.snd_una(), peer.iss() + 1'000'001);
        EXPECT_EQ(peer.statistics().retransmitted_bytes, 0u);
    }
}

TEST(SuperSegment, WhatIsSentDoesNotDependOnHowTheTextWasWritten) {  // nor on how it lies in chunks
    const auto lengths = [](std::size_t piece) {
        Peer peer = established({.timestamps = false, .window = 0});
        for (std::size_t done = 0; done < 14'600; done += piece)
            EXPECT_EQ(peer.writes(std::min(piece, 14'600 - done)), std::min(piece, 14'600 - done));
        peer.sends(ack().window(65'535));
        std::vector<std::uint32_t> all;
        while (const auto seen = peer.next()) all.push_back(seen->length);
        return all;
    };
    const auto whole = lengths(14'600);
    EXPECT_EQ(whole.size(), 10u);
    for (const std::size_t piece : {1u, 7u, 536u, 1'461u, 5'000u}) EXPECT_EQ(lengths(piece), whole) << piece;
}

TEST(Write, SharedSliceIsSentWithoutACopy) {
    Peer peer = established();
    BufferPool pool{1 << 20};
    Chunk* const chunk = pool.allocate(1'000);
    for (std::uint32_t i = 0; i < 1'000; ++i) chunk->data()[i] = pattern(i);
    ASSERT_TRUE(peer.engine().write(peer.flow(), Slice{chunk, 0, 1'000}, {}, peer.now));
    peer.settle();
    peer.sees(data(1'000));
    EXPECT_GT(pool.in_use(), 0u) << "it may have to be sent again";
    peer.sends(ack());
    EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Write, TakesWhatTheSendBufferHoldsAndSaysWhenThereIsRoomAgain) {
    Opening how{.window = 0};
    how.config.send_buffer = 10'000;
    Peer peer = established(how);
    const std::size_t taken = peer.writes(50'000);
    EXPECT_GT(taken, 0u);
    EXPECT_LE(taken, 10'000u);
    EXPECT_EQ(peer.writes(10), 0u);
    EXPECT_FALSE(peer.hears(Event::Kind::writable));
    peer.sends(ack().window(1'000));
    peer.ignores_what_was_sent();
    for (int i = 0; i < 20 && !peer.hears(Event::Kind::writable); ++i) peer.sends(ack());
    EXPECT_GT(peer.writes(10), 0u);
}

TEST(Write, OverflowTakesAllOfIt) {
    Opening how{.window = 0};
    how.config.send_buffer = 10'000;
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(50'000, {.overflow = true}), 50'000u);
}

TEST(Write, SaysWhenAllWasTransmitted) {
    Peer peer = established({.window = 0});
    EXPECT_EQ(peer.writes(1'000), 1'000u);
    EXPECT_FALSE(peer.hears(Event::Kind::transmitted));
    peer.sends(ack().window(65'535));
    EXPECT_TRUE(peer.hears(Event::Kind::transmitted));
}

TEST(NetworkHeader, Must48_Must49_Shld21_Shld22_CarriesDscpAndHopLimit) {  // MUST-48, MUST-49, SHLD-21, 22
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        Opening how{.family = family};
        how.options.dscp = 46;
        how.options.hop_limit = 33;
        Peer peer = established(how);
        EXPECT_EQ(peer.writes(10), 10u);
        const Seen seen = peer.sees(data(10));
        EXPECT_EQ(seen.hop_limit, 33);
        EXPECT_EQ(seen.traffic_class >> 2, 46);
        ConnectOptions options = how.options;
        options.dscp = 8;
        ASSERT_TRUE(peer.engine().set(peer.flow(), options, peer.now));
        peer.sends(ack());
        EXPECT_EQ(peer.writes(10), 10u);
        EXPECT_EQ(peer.sees(data(10)).traffic_class >> 2, 8);
    }
}

}  // namespace
}  // namespace weft::test
