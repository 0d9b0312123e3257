// Paths that swallow full segments and say nothing (RFC 4821, section 7.7; RFC 8899, section 4.3), and RFC 9293's buffers that grow.
#include <gtest/gtest.h>

#include "stack/tcp/info.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

TEST(Rfc8899, FullSegmentsThatTimeOutAgainAndAgainBecomeSmaller) {
    for (const auto& [family, mtus] :
         {std::pair{Family::ipv4, std::vector<std::uint32_t>{1'280, 552}}, {Family::ipv6, {1'280}}}) {
        Peer peer = established({.family = family});
        EXPECT_EQ(peer.writes(20'000), 20'000u);
        peer.ignores_what_was_sent();
        std::vector<std::uint32_t> sizes;
        for (int i = 0; i < 7; ++i) {
            peer.until_it_sends();
            while (const auto seen = peer.next())
                if (sizes.empty() || sizes.back() != seen->packet_size) sizes.push_back(seen->packet_size);
        }
        ASSERT_GE(sizes.size(), 1u);
        EXPECT_EQ(sizes.front(), 1'500u) << "a few losses are no black hole";
        EXPECT_EQ((std::vector<std::uint32_t>{sizes.begin() + 1, sizes.end()}), mtus);
        EXPECT_EQ(peer.statistics().black_holes, mtus.size());
        peer.sends(ack());
        EXPECT_EQ(peer.state(), State::established);
    }
}

TEST(Rfc8899, ALargerOneIsTriedAgainLater) {  // section 5.1.1: PMTU_RAISE_TIMER, 600 seconds
    Peer peer = established();
    EXPECT_EQ(peer.writes(3'000), 3'000u);
    while (peer.statistics().black_holes == 0) peer.until_it_sends();
    peer.ignores_what_was_sent();
    peer.sends(ack());
    EXPECT_EQ(peer.tcb().receiving.mss, 1'280 - 52);
    for (const auto& [passed, size] : {std::pair{seconds(500), 1'280u}, {seconds(101), 1'500u}}) {
        peer.after(passed);
        EXPECT_EQ(peer.writes(3'000), 3'000u);
        EXPECT_EQ(peer.next()->packet_size, size);
        peer.ignores_what_was_sent();
        peer.sends(ack());
    }
}

TEST(Rfc8899, WhatOneFlowSuspectsBindsNoOtherOfTheSamePath) {  // its peer may be gone: anybody could do that to all
    Peer peer = established();
    const Flow well = peer.flow();
    peer.begins_anew(50'000, SeqNum{7});
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    peer.sends(ack().ack(answer.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.writes(20'000), 20'000u);
    while (peer.statistics().black_holes == 0) peer.until_it_sends();
    EXPECT_EQ(peer.tcb().receiving.mss, 1'280 - 52);
    EXPECT_EQ(peer.engine().inspect(well)->receiving.mss, 1'500 - 52);
    EXPECT_EQ(peer.engine().info(peer.flow(), peer.now)->pmtu, 1'280u);
    EXPECT_EQ(peer.engine().info(well, peer.now)->pmtu, 1'500u);
}

TEST(Rfc8899, ShortSegmentsThatTimeOutSayNothingOfThePath) {
    Peer peer = established();
    EXPECT_EQ(peer.writes(500), 500u);
    for (int i = 0; i < 6; ++i) peer.until_it_sends();
    EXPECT_EQ(peer.statistics().black_holes, 0u);
}

TEST(Rfc8899, TextThatGrewWhileNobodyAnsweredIsSuspectedToo) {  // the window let out little, and then more
    Peer peer = established({.scale = 0, .window = 224});
    EXPECT_EQ(peer.writes(20'000), 20'000u);
    const auto times_out = [&](std::uint64_t times) {
        for (int i = 0; i < 30 && peer.statistics().timeouts < times; ++i) peer.until_it_sends();
        EXPECT_EQ(peer.statistics().timeouts, times);
    };
    times_out(6);
    peer.sends(ack().ack(peer.snd_una()).window(8'192));
    times_out(8);
    EXPECT_EQ(peer.statistics().black_holes, 0u);
    times_out(9);
    EXPECT_EQ(peer.statistics().black_holes, 1u);
    EXPECT_EQ(peer.tcb().receiving.mss, 1'280 - 52);
    times_out(11);
    EXPECT_EQ(peer.tcb().receiving.mss, 552 - 52);
    times_out(12);
    EXPECT_EQ(peer.statistics().black_holes, 2u) << "there is nothing smaller";
}

TEST(Rfc8899, WhatIsLargerThanTheNextSizeIsSuspectedEvenIfItIsNoFullSegment) {  // a send buffer may hold less than one
    Opening how{.family = Family::ipv6, .mss = 8'940};
    how.path.mtu = 9'000;
    how.config.send_buffer = 8'192;
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(20'000), 8'192u);
    for (int i = 0; i < 6; ++i) peer.until_it_sends();
    EXPECT_EQ(peer.statistics().black_holes, 1u);
    EXPECT_EQ(peer.tcb().receiving.mss, 1'280 - 72);
}

TEST(Rfc8899, WhatLeftIsWhatIsSuspected) {  // 1,124 bytes of text where 9,000 would fit: 1,280 is no smaller
    Opening how{.mss = 8'960};
    how.path.mtu = 9'000;
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(1'124), 1'124u);
    for (int i = 0; i < 6; ++i) peer.until_it_sends();
    EXPECT_EQ(peer.statistics().black_holes, 1u);
    EXPECT_EQ(peer.tcb().receiving.mss, 552 - 52);
}

TEST(Rfc8899, OptionsCountToo) {  // 1,217 bytes of text and 72 around them
    Peer peer = established({.family = Family::ipv6});
    EXPECT_EQ(peer.writes(1'217), 1'217u);
    while (peer.statistics().timeouts < 4) peer.until_it_sends();
    EXPECT_EQ(peer.statistics().black_holes, 1u);
}

TEST(Rfc8899, WhatThePeerWantsMayBeTooLargeToo) {
    Peer peer = established({.mss = 1'240});
    EXPECT_EQ(peer.writes(20'000), 20'000u);
    for (int i = 0; i < 8 && peer.statistics().black_holes == 0; ++i) peer.until_it_sends();
    EXPECT_EQ(peer.tcb().receiving.mss, 552 - 52);
}

TEST(Rfc8899, OffMeansThatOnlyMessagesCount) {
    Opening how;
    how.config.mtu_probing = 0;
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(20'000), 20'000u);
    for (int i = 0; i < 6; ++i) peer.until_it_sends();
    EXPECT_EQ(peer.statistics().black_holes, 0u);
}

TEST(Buffers, OfAReceiverGrowWithWhatIsReadInARoundTripUpToTheirBound) {
    Opening how{.active = true, .round_trip = ms(50)};
    how.config.receive_buffer = 65'536, how.config.receive_buffer_most = 400'000;
    Peer peer = established(how);
    EXPECT_EQ(peer.engine_scale(), 3) << "the scale has room for what it may become";
    for (int i = 0; i < 20; ++i) {
        for (std::uint32_t room = peer.advertised() - peer.rcv_nxt(); room >= 1'400; room -= 1'400) {
            peer.sends(data(1'400));
            peer.reads();
        }
        peer.after(ms(50));
        ASSERT_LE(peer.tcb().receiving.limit, 400'000u);
    }
    EXPECT_EQ(peer.tcb().receiving.limit, 400'000u);
    EXPECT_GT(peer.advertised() - peer.rcv_nxt(), 300'000u);
}

TEST(Buffers, KeepWhatTheyHaveWhenTheirBoundIsTunedDown) {
    for (const std::uint32_t bound : {0u, 70'000u}) {
        Opening how{.active = true, .round_trip = ms(50)};
        how.config.receive_buffer = 65'536, how.config.receive_buffer_most = 400'000;
        Peer peer = established(how);
        const auto fills = [&](int rounds) {
            for (; rounds > 0; --rounds) {
                for (std::uint32_t room = peer.advertised() - peer.rcv_nxt(); room >= 1'400; room -= 1'400) {
                    peer.sends(data(1'400));
                    peer.reads();
                }
                peer.after(ms(50));
            }
        };
        fills(3);
        const std::uint32_t had = peer.tcb().receiving.limit;
        ASSERT_GT(had, 70'000u);
        how.config.receive_buffer_most = bound;
        peer.engine().tune(how.config, peer.now);
        fills(6);
        EXPECT_EQ(peer.tcb().receiving.limit, had);
        EXPECT_GT(peer.advertised() - peer.rcv_nxt(), 65'000u);
    }
}

TEST(Buffers, OfASlowReaderStayAsTheyAre) {
    Opening how{.active = true, .round_trip = ms(50)};
    how.config.receive_buffer = 65'536, how.config.receive_buffer_most = 1 << 20;
    Peer peer = established(how);
    for (int i = 0; i < 300; ++i) {
        const std::uint32_t room = std::min(peer.advertised() - peer.rcv_nxt(), 1'400u);
        if (room > 0) peer.sends(data(room));
        peer.reads(100);
        peer.after(ms(5));
    }
    EXPECT_EQ(peer.tcb().receiving.limit, 65'536u);
}

TEST(Buffers, OfAReaderThatStandsStillStayAsTheyAre) {
    Opening how{.active = true, .round_trip = ms(50)};
    how.config.receive_buffer = 65'536, how.config.receive_buffer_most = 1 << 20;
    Peer peer = established(how);
    for (std::uint32_t length = 100; length <= 1'400; length += 100) {
        peer.sends(data(length));
        peer.after(ms(60));
    }
    EXPECT_EQ(peer.tcb().receiving.limit, 65'536u);
}

TEST(Buffers, OfASenderGrowWithItsWindowUpToTheirBound) {
    Opening how{.active = true, .round_trip = ms(50)};
    how.config.send_buffer = 32'768, how.config.send_buffer_most = 200'000;
    how.scale = 14;
    Peer peer = established(how);
    for (int i = 0; i < 60; ++i) {
        while (peer.writes(50'000) > 0) {}
        peer.ignores_what_was_sent();
        peer.after(ms(50));
        peer.sends(ack());
        ASSERT_LE(peer.tcb().sending.limit, 200'000u);
    }
    EXPECT_EQ(peer.tcb().sending.limit, 200'000u);
    EXPECT_LE(peer.engine().buffers(peer.flow())->unacknowledged, 200'000u);
}

TEST(Buffers, StayAsTheyAreUnlessABoundAboveThemSaysOtherwise) {
    Peer peer = established();
    for (int i = 0; i < 3'000; ++i) {
        peer.sends(data(1'400));
        peer.reads();
    }
    EXPECT_EQ(peer.tcb().receiving.limit, 1u << 20);
}

}  // namespace
}  // namespace weft::test
