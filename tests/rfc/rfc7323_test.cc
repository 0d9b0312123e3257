// RFC 7323: window scaling, timestamps, and protection against wrapped sequence numbers.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

TEST(Rfc7323Scale, IsOfferedInEverySynThatWeSendFirst) {   // section 2.2
    Peer peer{{.active = true}};
    peer.connects();
    const Seen first = peer.sees(syn());
    ASSERT_TRUE(first.options.window_scale);
    EXPECT_LE(*first.options.window_scale, 14);
    ASSERT_TRUE(first.options.timestamps);
    EXPECT_EQ(first.options.timestamps->echo, 0u);   // section 3.2: TSecr is valid only with ACK
}

TEST(Rfc7323Scale, IsAnsweredOnlyWhereItWasOffered) {   // section 2.2; Peer checks it of each SYN,ACK too
    Peer peer{{.scale = {}, .timestamps = false}};
    peer.listens();
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    EXPECT_FALSE(answer.options.window_scale);
    EXPECT_FALSE(answer.options.timestamps);
}

TEST(Rfc7323Scale, IsNotUsedWhenThePeerDidNotAnswerIt) {
    Peer peer = established({.active = true, .scale = {}, .window = 1'000});
    EXPECT_EQ(peer.tcb().sending.snd_wnd, 1'000u);
    EXPECT_EQ(peer.tcb().receiving.rcv_shift, 0);
    EXPECT_EQ(peer.tcb().receiving.snd_shift, 0);
}

TEST(Rfc7323Scale, WindowOfASynIsNeverScaled) {   // section 2.2
    Peer peer{{.scale = 4, .window = 100}};
    peer.listens();
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    peer.sends(ack().ack(answer.seq + 1).window(50));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.tcb().sending.snd_wnd, 800u);
    Peer active = Peer{{.active = true, .scale = 4, .window = 100}};
    active.connects();
    const Seen first = active.sees(syn());
    active.sends(syn_ack().ack(first.seq + 1).window(100));
    EXPECT_EQ(active.tcb().sending.snd_wnd, 100u);
    active.sends(ack().window(100));
    EXPECT_EQ(active.tcb().sending.snd_wnd, 1'600u);
}

TEST(Rfc7323Scale, AboveFourteenIsTakenAsFourteen) {   // section 2.3
    Peer peer = established({.scale = 200, .window = 2});
    EXPECT_EQ(peer.tcb().receiving.snd_shift, 14);
    EXPECT_EQ(peer.tcb().sending.snd_wnd, 2u << 14);
}

TEST(Rfc7323Scale, IsLargeEnoughForTheReceiveBuffer) {
    for (const std::size_t buffer : {std::size_t{8'192}, std::size_t{65'536}, std::size_t{1} << 20, std::size_t{64} << 20}) {
        Opening how;
        how.config.receive_buffer = std::uint32_t(buffer);
        Peer peer = established(how);
        EXPECT_GE(std::uint64_t{65'535} << peer.engine_scale(), buffer - buffer / 8);
        peer.sends(data(1));
        peer.after(ms(500));
        EXPECT_LE(peer.advertised() - peer.rcv_nxt(), buffer);
    }
}

TEST(Rfc7323Scale, StaysAsTheSynAckSaidItHoweverTheStackIsTunedMeanwhile) {
    for (const std::uint8_t cookies : {std::uint8_t{0}, std::uint8_t{2}})
        for (const std::uint32_t buffer : {16'384u, 64u << 20}) {
            Opening how;
            how.config.receive_buffer = 1 << 20;
            how.config.syncookies = cookies;
            Peer peer{how};
            peer.listens();
            peer.sends(syn());
            const Seen answer = peer.sees(syn_ack());
            Config tuned = how.config;
            tuned.receive_buffer = buffer;
            peer.engine().tune(tuned, peer.now);
            peer.sends(syn().seq(how.irs));
            EXPECT_EQ(peer.sees(syn_ack()).options.window_scale, answer.options.window_scale) << "it is the same SYN,ACK";
            peer.sends(ack().ack(answer.seq + 1));
            ASSERT_TRUE(peer.accepts());
            EXPECT_EQ(peer.tcb().receiving.rcv_shift, answer.options.window_scale);
            peer.sends(data(1'000));  // Peer looks at each window by the scale that it was told
            EXPECT_EQ(peer.reads(), 1'000u);
            peer.after(ms(500));
        }
}

TEST(Rfc7323Scale, IsLargeEnoughForWhatAFlowAsksFor) {
    for (const bool active : {false, true}) {
        Opening how{.active = active};
        how.config.receive_buffer = 32'768;
        how.options.receive_buffer = 8 << 20;
        Peer peer = established(how);
        EXPECT_EQ(peer.engine_scale(), 8);
        peer.sends(data(1));
        peer.after(ms(500));
        EXPECT_GT(peer.advertised() - peer.rcv_nxt(), (8u << 20) - 4'096);
    }
}

TEST(Rfc7323Timestamps, EverySegmentEchoesTheLatestValueInOrder) {   // sections 3.2 and 4.3
    Peer peer = established();
    peer.sends(data(100).timestamps(1'000'000'001, peer.last_value()));
    peer.sends(data(100).timestamps(1'000'000'002, peer.last_value()));
    EXPECT_EQ(peer.writes(10), 10u);
    const auto seen = peer.next();
    ASSERT_TRUE(seen && seen->options.timestamps);
    EXPECT_TRUE(seen->options.timestamps->echo == 1'000'000'001 || seen->options.timestamps->echo == 1'000'000'002);
}

TEST(Rfc7323Timestamps, DelayedAckEchoesTheEarliestSegmentThatItAcknowledges) {   // section 4.3, case A
    Peer peer = established();
    const std::uint32_t t = peer.clock();
    peer.sends(data(100).timestamps(t + 10, peer.last_value()));
    peer.sends(data(100).timestamps(t + 20, peer.last_value()));
    peer.until_it_sends(ms(600));
    EXPECT_EQ(peer.sees(ack().ack(peer.peer_next())).options.timestamps->echo, t + 10);
}

TEST(Rfc7323Timestamps, SegmentBehindAGapDoesNotChangeTheEcho) {   // section 4.3, case B
    Peer peer = established();
    const std::uint32_t t = peer.clock();
    const SeqNum begin = peer.peer_next();
    peer.sends(data(100).seq(begin).timestamps(t + 1, peer.last_value()));
    peer.after(ms(500));
    peer.ignores_what_was_sent();
    peer.sends(data(100).seq(begin + 200).timestamps(t + 3, peer.last_value()));
    EXPECT_EQ(peer.sees(ack().ack(begin + 100)).options.timestamps->echo, t + 1);
    peer.sends(data(100).seq(begin + 100).timestamps(t + 2, peer.last_value()));
    EXPECT_EQ(peer.sees(ack().ack(begin + 300)).options.timestamps->echo, t + 2);
}

// Where acknowledgements are lost, what is sent again is a duplicate, whose timestamp the peer does not keep (section 5.3, R2): the echo is
// that of the first transmission, and says how long the sender waited. RFC 6298, section 3 (Karn) then leaves the timer backed off.
TEST(Rfc7323Timestamps, EchoOfWhatWasSentBeforeItWasSentAgainIsNoRoundTrip) {
    Peer peer = established({.active = true, .round_trip = ms(100)});
    const Duration srtt = peer.tcb().timing.srtt;
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    const std::uint32_t first = peer.last_value();
    for (int i = 0; i < 3; ++i) peer.until_it_sends();
    peer.ignores_what_was_sent();
    peer.after(ms(100));
    peer.sends(ack().timestamps(peer.clock(), first));
    EXPECT_EQ(peer.tcb().timing.srtt, srtt);
    EXPECT_EQ(peer.tcb().sending.backoff, 3u);
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    peer.after(ms(100));
    peer.sends(ack());
    EXPECT_LE(peer.tcb().timing.srtt, srtt + ms(2));
    EXPECT_EQ(peer.tcb().sending.backoff, 0u);
}

TEST(Rfc7323Timestamps, EchoOfWhatWasSentAgainIsARoundTrip) {  // section 4.1
    Peer peer = established({.active = true, .round_trip = ms(100)});
    const Duration srtt = peer.tcb().timing.srtt;
    EXPECT_EQ(peer.writes(100), 100u);
    for (int i = 0; i < 3; ++i) peer.until_it_sends();
    peer.ignores_what_was_sent();
    peer.after(ms(180));
    peer.sends(ack());
    EXPECT_GT(peer.tcb().timing.srtt, srtt + ms(5));
    EXPECT_LT(peer.tcb().timing.srtt, srtt + ms(20));
    EXPECT_EQ(peer.tcb().sending.backoff, 0u);
}

// With SACK the peer says that it was a duplicate (RFC 2883), and what is late is told from what was lost.
TEST(Rfc7323Timestamps, EchoBesideADuplicateIsNoRoundTripAndAloneItIs) {
    for (const bool duplicate : {true, false}) {
        Peer peer = established({.active = true, .sack = true, .round_trip = ms(100)});
        const Duration srtt = peer.tcb().timing.srtt;
        EXPECT_EQ(peer.writes(100), 100u);
        peer.sees(data(100));
        const SeqNum begin = peer.snd_una();
        const std::uint32_t first = peer.last_value();
        while (peer.statistics().timeouts < 3) peer.until_it_sends();
        peer.ignores_what_was_sent();
        peer.after(ms(100));
        Segment answer = ack().timestamps(peer.clock(), first);
        if (duplicate) answer.sacks({{begin, begin + 100}});
        peer.sends(answer);
        EXPECT_EQ(peer.tcb().timing.srtt <= srtt + ms(3), duplicate) << "RFC 4015, section 3.4, adds a little";
        EXPECT_EQ(peer.tcb().sending.backoff, 0u);
    }
}

TEST(Rfc7323Timestamps, ValuesNeverRunBackwardsAndTickBetweenAMillisecondAndASecond) {  // section 5.4
    Peer peer = established();
    const auto value = [&] {
        EXPECT_EQ(peer.writes(10), 10u);
        const auto seen = peer.next();
        EXPECT_TRUE(seen && seen->options.timestamps);
        peer.sends(ack());
        return seen && seen->options.timestamps ? seen->options.timestamps->value : 0;
    };
    const std::uint32_t first = value();
    peer.after(seconds(10));
    const std::uint32_t ticks = value() - first;
    EXPECT_GE(ticks, 10u);
    EXPECT_LE(ticks, 10'000u);
}

TEST(Rfc7323Timestamps, SegmentWithoutThemIsDroppedOnceTheyAreAgreed) {  // section 3.2
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    peer.sends(data(100).no_timestamps());
    EXPECT_EQ(peer.rcv_nxt(), begin);
    peer.sends(rst().seq(begin).no_timestamps());
    EXPECT_TRUE(peer.hears(Event::Kind::failed)) << "a RST needs none";
}

// A box on the way took them out of the SYN,ACK, say. The record waits on, with its timer, and goes in time.
TEST(Rfc7323Timestamps, SegmentWithoutThemDoesNotEndTheHandshake) {
    for (const bool heard : {true, false}) {
        Peer peer;
        peer.listens();
        peer.sends(syn());
        ASSERT_TRUE(peer.next());
        peer.sends(ack().no_timestamps());
        peer.sends(data(100).no_timestamps());
        EXPECT_EQ(peer.statistics().half_open, 1u);
        EXPECT_EQ(peer.statistics().connections, 0u);
        if (heard) peer.sends(data(100).seq(peer.peer_next() - 100));
        else peer.after(seconds(600));
        EXPECT_EQ(peer.statistics().half_open, 0u);
        EXPECT_EQ(peer.statistics().connections, heard ? 1u : 0u);
        if (!heard) continue;
        EXPECT_TRUE(peer.accepts());
        EXPECT_EQ(peer.state(), State::established);
    }
}

TEST(Rfc7323Timestamps, NotAgreedMeansNotSentAndIgnored) {
    Peer peer = established({.timestamps = false});
    peer.sends(data(100).timestamps(5, 5));
    EXPECT_EQ(peer.reads(), 100u);
    peer.ignores_what_was_sent();
    EXPECT_EQ(peer.writes(100), 100u);
    EXPECT_FALSE(peer.sees(data(100)).options.timestamps);
}

TEST(Rfc7323Paws, OlderTimestampIsDroppedAndAcknowledged) {  // section 5.3, R1
    Peer peer = established();
    const std::uint32_t t = peer.clock();
    peer.sends(data(100).timestamps(t + 1'000, peer.last_value()));
    EXPECT_EQ(peer.reads(), 100u);
    peer.ignores_what_was_sent();
    const SeqNum next = peer.rcv_nxt();
    peer.sends(data(100).seq(next).timestamps(t + 999, peer.last_value()));
    EXPECT_EQ(peer.rcv_nxt(), next);
    peer.sees(ack().seq(peer.snd_nxt()).ack(next));
    peer.sends(data(100).seq(next).timestamps(t + 1'000, peer.last_value()));
    EXPECT_EQ(peer.rcv_nxt(), next + 100);
}

TEST(Rfc7323Paws, ComparesInCircularSpace) {
    Peer peer = established();
    const std::uint32_t far = peer.clock() + 0x7fff'0000;
    peer.sends(data(10).timestamps(far, peer.last_value()));
    peer.after(ms(500));
    const SeqNum next = peer.rcv_nxt();
    peer.sends(data(10).seq(next).timestamps(far + 0x7000'0000, peer.last_value()));
    EXPECT_EQ(peer.rcv_nxt(), next + 10);
    peer.after(ms(500));  // TS.Recent moves with what was acknowledged (section 4.3)
    peer.sends(data(10).seq(next + 10).timestamps(far, peer.last_value()));
    EXPECT_EQ(peer.rcv_nxt(), next + 10);
}

TEST(Rfc7323Paws, DoesNotApplyToResets) {  // section 5.2
    Peer peer = established();
    peer.sends(data(10).timestamps(peer.clock() + 1'000, peer.last_value()));
    peer.sends(rst().timestamps(peer.clock() - 100'000, peer.last_value()));
    EXPECT_TRUE(peer.hears(Event::Kind::failed));
}

TEST(Rfc7323Paws, TimestampIsForgottenAfterTwentyFourDays) {  // section 5.5
    Peer peer = established();
    const std::uint32_t t = peer.clock();
    peer.sends(data(10).timestamps(t + 5'000, peer.last_value()));
    peer.after(seconds(23 * 86'400));
    peer.ignores_what_was_sent();
    const SeqNum next = peer.rcv_nxt();
    peer.sends(data(10).seq(next).timestamps(t + 4'000, peer.last_value()));
    EXPECT_EQ(peer.rcv_nxt(), next) << "still remembered after 23 days";
    peer.after(seconds(2 * 86'400));
    peer.sends(data(10).seq(next).timestamps(t + 4'000, peer.last_value()));
    EXPECT_EQ(peer.rcv_nxt(), next + 10);
}

}  // namespace
}  // namespace weft::test
