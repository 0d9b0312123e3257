// What a stack does where the documents leave it open: the habits of Linux, and that without them none of it is seen. And where records
// of an application end, which is for it to say on any stack.
#include <gtest/gtest.h>

#include "stack/tcp/info.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

constexpr std::uint8_t linux_row = 1;

Opening habit(bool linux_like) {
    Opening how;
    how.config.personality = linux_like ? linux_row : 0;
    return how;
}

TEST(Personality, TheFirstTextIsAcknowledgedAtOnceUnlessOursAnswersIt) {
    for (const bool linux_like : {false, true}) {
        Peer peer = established(habit(linux_like));
        peer.sends(data(100));
        EXPECT_EQ(peer.waiting(), linux_like ? 1u : 0u);
        peer.after(ms(100));
        peer.ignores_what_was_sent();
        peer.sends(data(100));
        EXPECT_EQ(peer.writes(50), 50u);
        peer.ignores_what_was_sent();
        peer.sends(data(100));
        EXPECT_EQ(peer.waiting(), 0u) << "the answer will carry it";
        EXPECT_LE(peer.until_it_sends(), ms(500));
    }
}

TEST(Personality, TrainsAreHalfOfTheWindowAtMostAndEachHasPush) {
    Peer plain = established(habit(false)), linux_like = established(habit(true));
    for (Peer* peer : {&plain, &linux_like}) {
        const std::uint64_t most = peer->most_in_a_super_segment();
        EXPECT_LE(most, 1u);
        const std::uint32_t mss = peer->effective_mss();
        peer->writes(10 * mss);
    }
    EXPECT_EQ(plain.most_in_a_super_segment(), 10u);
    EXPECT_EQ(linux_like.most_in_a_super_segment(), 5u);
}

TEST(Personality, WhatWasHeldBackHasNoPushAndGoesWithTheNextAcknowledgement) {
    for (const bool linux_like : {false, true}) {
        Peer peer = established(habit(linux_like));
        const std::uint32_t mss = peer.effective_mss();
        peer.writes(mss, {.more = true, .held_back = true});
        const auto first = peer.next();
        ASSERT_TRUE(first);
        EXPECT_EQ(first->has(wire::psh), !linux_like) << "MUST-61 has it on the last text that there is";
        peer.writes(10, {.more = true, .held_back = true});
        peer.sees_nothing();
        peer.sends(ack());
        EXPECT_EQ(peer.bytes_waiting(), linux_like ? 10u : 0u);
    }
}

TEST(Personality, InSlowStartHalfAWindowInUseIsEnoughToGrow) {
    for (const bool linux_like : {false, true}) {
        Peer peer = established(habit(linux_like));
        const std::uint32_t before = peer.tcb().sending.steering.cwnd, mss = peer.effective_mss();
        peer.writes(before / 2 + 2 * mss);
        peer.ignores_what_was_sent();
        peer.after(ms(10));
        peer.sends(ack().ack(peer.snd_una() + 2 * mss));
        EXPECT_EQ(peer.tcb().sending.steering.cwnd > before, linux_like);
    }
}

TEST(Personality, ALargeAcknowledgementOpensTheWindowByAllOfItOrByEightSegments) {  // RFC 3465; RFC 9406, section 4.3
    for (const bool linux_like : {false, true}) {
        Peer peer = established(habit(linux_like));
        const std::uint32_t before = peer.tcb().sending.steering.cwnd, mss = peer.effective_mss();
        peer.writes(before);
        peer.ignores_what_was_sent();
        peer.after(ms(10));
        const std::uint32_t acked = peer.snd_nxt() - peer.snd_una();
        ASSERT_GT(acked, 8 * mss);
        peer.sends(ack().ack(peer.snd_nxt()));
        EXPECT_EQ(peer.tcb().sending.steering.cwnd - before, linux_like ? acked : 8 * mss);
    }
}

TEST(Personality, EachAcknowledgementIsASampleOfTheRoundTrip) {
    for (const bool linux_like : {false, true}) {
        Peer peer = established(habit(linux_like));
        const std::uint32_t mss = peer.effective_mss();
        peer.writes(4 * mss);
        peer.after(ms(100));
        peer.sends(ack().ack(peer.snd_una() + 4 * mss));
        const Duration first = peer.tcb().timing.srtt;
        peer.writes(4 * mss);
        peer.after(ms(100));
        peer.sends(ack().ack(peer.snd_una() + mss));
        const Duration once = peer.tcb().timing.srtt;
        peer.after(ms(100));
        peer.sends(ack().ack(peer.snd_una() + mss));
        EXPECT_EQ(peer.tcb().timing.srtt > once, linux_like) << first.count();
    }
}

TEST(Personality, AWindowOfNothingIsProbedWithAnOctetOrWithout) {  // RFC 9293, section 3.8.6.1
    for (const bool linux_like : {false, true}) {
        Peer peer = established(habit(linux_like));
        peer.sends(ack().window(0));
        peer.writes(100);
        const SeqNum end = peer.snd_una() + 100;
        peer.sees_nothing();
        peer.until_it_sends();
        const auto probe = peer.next();
        ASSERT_TRUE(probe);
        EXPECT_EQ(probe->seq, linux_like ? peer.snd_una() - 1 : peer.snd_una());
        peer.sends(ack().window(60'000));
        peer.after(ms(300));
        EXPECT_EQ(peer.seen_end(), end);
    }
}

TEST(Personality, ASynAckThatEchoesNoTimestampOfOursIsReset) {
    for (const bool linux_like : {false, true}) {
        Opening how = habit(linux_like);
        how.active = true;
        Peer peer{how};
        peer.connects();
        const Seen first = peer.sees(syn());
        ASSERT_TRUE(first.options.timestamps);
        peer.sends(syn_ack().ack(first.seq + 1).echo(first.options.timestamps->value + 9'999));
        EXPECT_EQ(peer.state(), linux_like ? State::syn_sent : State::established);
    }
}

TEST(Personality, TheTimesThatAFlowWasBusyOrHeldBackAreKept) {
    Opening how = habit(true);
    how.window = 0;
    how.scale = {};
    Peer peer = established(how);
    peer.writes(1'000);
    peer.after(ms(100));
    const tcp::TcpInfo held = peer.engine().info(peer.flow(), peer.now).value();
    EXPECT_EQ(held.rwnd_limited, 100'000u);
    EXPECT_EQ(held.busy_time, 100'000u);
    peer.setup.window = 5'000;
    peer.sends(ack().window(5'000));
    peer.after(ms(50));
    const tcp::TcpInfo busy = peer.engine().info(peer.flow(), peer.now).value();
    EXPECT_EQ(busy.rwnd_limited, 100'000u);
    EXPECT_EQ(busy.busy_time, 150'000u);
}

TEST(Records, TextBehindTheEndOfOneSharesNoSegmentWithItAlsoWhenItGoesAgain) {
    for (const bool ends : {false, true}) {
        Peer peer = established();
        const std::uint32_t mss = peer.effective_mss();
        peer.writes(10 * mss);  // the window is full
        peer.ignores_what_was_sent();
        for (int i = 0; i < 3; ++i) peer.writes(100, {.ends_record = ends});
        peer.sends(ack().ack(peer.snd_una() + 10 * mss));
        EXPECT_EQ(peer.waiting(), ends ? 3u : 1u);
        for (std::size_t i = peer.waiting(); i > 0; --i) EXPECT_TRUE(peer.next()->has(wire::psh));
    }
}

}  // namespace
}  // namespace weft::test
