// What RFC 9293 asks of a TCP as its user sees it, where no other file here says it: sections 3.1, 3.6, 3.7, 3.8.1 to 3.8.3, 3.9.1.
#include <gtest/gtest.h>

#include "stack/tcp/congestion/controller.h"
#include "stack/wire/pseudo.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

constexpr std::array families{Family::ipv4, Family::ipv6, Family::overlay};

TEST(Header, Must2_EverySegmentCarriesItsChecksum) {  // Peer verifies the sum of each segment; here none of them is left out
    for (const Family family : families) {
        Opening how{.family = family};
        how.path.sums_elided = false;
        Peer peer = established(how);
        EXPECT_EQ(peer.writes(5'000), 5'000u);
        peer.sends(data(10));
        peer.closes();
        peer.sends(rst().seq(peer.rcv_nxt() + 1));
        EXPECT_GT(peer.waiting(), 3u);
        EXPECT_EQ(peer.statistics().checksum_errors, 0u);
    }
}

TEST(Header, Must65_MssIsInSynsAlone) {
    Peer peer{Opening{.active = true}};
    peer.connects();
    const Seen first = peer.sees(syn());
    EXPECT_TRUE(first.options.mss);
    peer.sends(syn_ack().ack(first.seq + 1));
    EXPECT_FALSE(peer.sees(ack()).options.mss);
    EXPECT_EQ(peer.writes(3'000), 3'000u);
    while (const auto seen = peer.next()) EXPECT_FALSE(seen->options.mss);
    peer.closes();
    while (const auto seen = peer.next()) EXPECT_FALSE(seen->options.mss);
}

TEST(Header, May3_EverySynCarriesAnMss) {
    for (const Family family : families)
        for (const std::uint32_t mtu : {576u, 1'280u, 1'500u, 9'000u}) {
            if (family == Family::overlay && mtu < 1'280) continue;
            Opening how{.family = family, .active = true};
            how.path.mtu = mtu;
            Peer peer{how};
            peer.connects();
            EXPECT_TRUE(peer.sees(syn()).options.mss) << mtu;
        }
}

TEST(Header, Rec1_WindowsAreKeptAs32Bits) {
    Peer peer = established({.scale = 14, .window = 65'535});
    peer.sends(ack());
    EXPECT_EQ(peer.tcb().sending.snd_wnd, 65'535u << 14);
    Opening how;
    how.config.receive_buffer = 1 << 30;
    Peer wide = established(how);
    wide.sends(data(1'000));
    wide.after(ms(500));
    EXPECT_GT(wide.advertised() - wide.rcv_nxt(), 1u << 29);
}

TEST(Timers, Must18_AnAckOfWhatWasSentTwiceIsNoSample) {  // RFC 6298, section 3
    Peer peer = established({.timestamps = false});
    peer.after(ms(10));
    EXPECT_EQ(peer.writes(100), 100u);
    peer.until_it_sends();
    peer.ignores_what_was_sent();
    const Duration srtt = peer.tcb().timing.srtt;
    peer.after(seconds(3));
    peer.sends(ack());
    EXPECT_EQ(peer.tcb().timing.srtt, srtt);
}

TEST(Timers, Must19_SlowStartAvoidanceAndBackOffAreThere) {
    Peer peer = established({.timestamps = false});
    const std::uint32_t mss = peer.effective_mss(), initial = peer.tcb().sending.steering.cwnd;
    EXPECT_EQ(initial, 10 * mss);
    EXPECT_EQ(peer.writes(40 * mss), 40u * mss);
    peer.sends(ack().ack(peer.snd_una() + 4 * mss));
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, 14 * mss) << "slow start: by what was acknowledged";
    peer.ignores_what_was_sent();
    const Duration first = peer.until_it_sends();
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, mss) << "a timeout begins anew";
    const Duration second = peer.until_it_sends();
    EXPECT_GE(second, first * 2 - ms(1)) << "and is doubled by the next";
    const std::uint32_t threshold = peer.tcb().sending.steering.ssthresh;
    while (peer.tcb().sending.steering.cwnd < threshold) {
        peer.sends(ack());
        ASSERT_TRUE(peer.waiting() > 0);
        peer.ignores_what_was_sent();
        if (peer.snd_una() == peer.snd_nxt()) peer.writes(40 * mss);
    }
    peer.writes(200 * mss);
    const std::uint32_t at = peer.tcb().sending.steering.cwnd;
    peer.sends(ack().ack(peer.snd_una() + mss));
    EXPECT_LT(peer.tcb().sending.steering.cwnd, at + mss) << "avoidance: less than a segment for one";
}

TEST(Timers, Shld11_TextIsRetransmittedForAtLeast100Seconds) {  // R2
    EXPECT_GE(ConnectOptions{}.user_timeout, seconds(100));
    Peer peer = established({.options = {ConnectOptions{}, 128}});
    EXPECT_EQ(peer.writes(100), 100u);
    EXPECT_GE(peer.until_event(Event::Kind::failed), seconds(100));
}

TEST(Timers, State10_TheUserTimeoutFlushesTheQueuesAndTellsTheUser) {  // section 3.10.8
    Opening how;
    how.options.user_timeout = seconds(20);
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(100'000), 100'000u);
    EXPECT_GT(peer.pool_in_use(), 0u);
    peer.until_event(Event::Kind::failed);
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::timed_out);
    EXPECT_TRUE(peer.gone());
    EXPECT_EQ(peer.pool_in_use(), 0u);
    EXPECT_EQ(peer.statistics().connections, 0u);
}

TEST(Timers, Shld14_TheReceiverNeverShrinksItsWindow) {  // Peer checks each segment; here the reader is slow and small
    Opening how;
    how.config.receive_buffer = 10'000;
    Peer peer = established(how);
    for (int i = 0; i < 50; ++i) {
        const std::uint32_t room = peer.advertised() - peer.rcv_nxt();
        if (room > 0) peer.sends(data(std::min(room, 700u)));
        peer.reads(300);
        peer.after(ms(50));
    }
    EXPECT_FALSE(peer.hears(Event::Kind::failed));
}

TEST(Timers, May7_OldTextBeyondAShrunkWindowIsNotRetransmitted) {  // the MAY is not taken up: the window holds for it, too
    Peer peer = established({.scale = {}, .window = 10'000});
    const std::uint32_t mss = peer.effective_mss();
    EXPECT_EQ(peer.writes(4 * mss), 4u * mss);
    peer.ignores_what_was_sent();
    peer.sends(ack().ack(peer.snd_una()).window(std::uint16_t(mss)).seq(peer.peer_next()));
    const SeqNum una = peer.snd_una();
    for (int i = 0; i < 6; ++i) peer.until_it_sends();
    while (const auto seen = peer.next()) EXPECT_TRUE(at_or_before(seen->end(), una + mss));
}

TEST(Calls, Must60_Must61_WhatIsWrittenWithoutAPushFlagIsNotKeptForEver) {
    for (const bool nodelay : {false, true}) {
        Peer peer = established();
        EXPECT_EQ(peer.writes(10, {.nodelay = nodelay}), 10u);
        EXPECT_TRUE(peer.sees(data(10)).has(wire::psh));
        EXPECT_EQ(peer.writes(10, {.nodelay = nodelay}), 10u);
        peer.sends(ack());
        EXPECT_TRUE(peer.sees(data(10)).has(wire::psh)) << "Nagle ends with the acknowledgement";
    }
}

TEST(Calls, Shld28_May16_ManySmallWritesBecomeFullSegments) {
    Peer peer = established();
    const std::uint32_t mss = peer.effective_mss();
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees(data(10));
    for (std::uint32_t i = 0; i < 3 * mss; i += 100) EXPECT_EQ(peer.writes(100), 100u);
    peer.sends(ack());
    peer.sees(data(mss));
    peer.sees(data(mss));
}

TEST(Calls, May1_HalfAConnectionCanBeClosed) {
    Peer peer = established();
    peer.closes();
    peer.sees(fin());
    peer.sends(ack());
    peer.sends(data(500));
    EXPECT_EQ(peer.reads(), 500u);
    EXPECT_EQ(peer.state(), State::fin_wait_2);
}

TEST(Calls, May18_OtherCongestionControlOfTheStandardsTrackIsThere) {  // RFC 9438
    Opening how;
    how.options.congestion = tcp::controller_slot("cubic").value();
    Peer peer = established(how);
    EXPECT_EQ(peer.engine().congestion(peer.flow()), "cubic");
}

TEST(Blind, May12_AnAckFarBehindIsNoAck) {  // RFC 5961, section 5.2
    Peer peer = established({.scale = {}, .window = 1'000});
    const SeqNum begin = peer.peer_next();
    peer.sends(data(10).seq(begin).ack(peer.snd_una() - 1'001));
    EXPECT_EQ(peer.rcv_nxt(), begin) << "its text is not taken";
    peer.sees(ack());
}

}  // namespace
}  // namespace weft::test
