// When acknowledgements leave: delayed ones (RFC 9293, section 3.8.6.3; RFC 5681, section 4.2), and the receiver's half of
// silly-window avoidance (RFC 9293, section 3.8.6.2.2).
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

TEST(DelayedAck, Must40_Shld18_LoneSegmentIsAcknowledgedWithinHalfASecond) {   // MUST-40, SHLD-18
    Peer peer = established();
    peer.sends(data(100));
    peer.sees_nothing();
    const Duration waited = peer.until_it_sends(seconds(2));
    EXPECT_GT(waited, ms(1));
    EXPECT_LT(waited, ms(500));
    peer.sees(ack().ack(peer.peer_next()));
    peer.after(seconds(10));
    peer.sees_nothing();
}

TEST(DelayedAck, Shld19_SecondFullSegmentIsAcknowledgedAtOnce) {   // SHLD-19
    Peer peer = established({.timestamps = false});
    for (int i = 0; i < 6; ++i) {
        peer.sends(data(1'460));
        if (i % 2 == 0) peer.sees_nothing();
        else peer.sees(ack().ack(peer.peer_next()));
    }
}

TEST(DelayedAck, May13_GapIsAcknowledgedAtOnceAndSoIsEverySegmentBehindIt) {   // RFC 5681, section 4.2; MAY-13
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    for (std::uint32_t i = 1; i <= 4; ++i) {
        peer.sends(data(100).seq(begin + i * 100));
        peer.sees(ack().ack(begin));
    }
    peer.sends(data(100).seq(begin));
    peer.sees(ack().ack(begin + 500));
}

TEST(DelayedAck, FillingPartOfAGapIsAcknowledgedAtOnce) {
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    peer.sends(data(100).seq(begin + 300));
    peer.sees(ack().ack(begin));
    peer.sends(data(100).seq(begin));
    peer.sees(ack().ack(begin + 100));
}

TEST(DelayedAck, DuplicateTextIsAcknowledgedAtOnce) {   // section 3.10.7.4, first check
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    peer.sends(data(100));
    peer.after(seconds(1));
    peer.ignores_what_was_sent();
    peer.sends(data(100).seq(begin));
    peer.sees(ack().ack(begin + 100));
}

TEST(DelayedAck, FinIsAcknowledgedAtOnce) {
    Peer peer = established();
    peer.sends(fin().length(10));
    peer.sees(ack().ack(peer.peer_next()));
}

TEST(DelayedAck, Must58_AnswerCarriesIt) {   // MUST-58
    Peer peer = established();
    peer.sends(data(100));
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees(data(10).ack(peer.peer_next()));
    peer.sends(ack());
    peer.after(seconds(1));
    peer.sees_nothing();
}

TEST(DelayedAck, Must59_BatchPaysWhatItOwesOnce) {   // MUST-59
    Peer peer = established({.timestamps = false});
    std::vector<Segment> batch(10, data(1'460));
    peer.sends_together(batch);
    peer.sees(ack().ack(peer.peer_next()));
    peer.sees_nothing();
}

// A delay is a SHOULD (RFC 5681, section 4.2): a flow whose delays are for nothing acknowledges at once.
struct VainDelays {
    explicit VainDelays(const Opening& how = {}) : peer{established(how)} {}

    // Text arrives; is it acknowledged at once? It is within half a second, and nothing else happens.
    bool at_once() {
        peer.sends(data(100));
        const bool prompt = peer.next().has_value();
        peer.after(seconds(1));
        const bool later = peer.next().has_value();
        EXPECT_NE(prompt, later) << "acknowledged once";
        return prompt;
    }
    // Text arrives, and the application answers so much later.
    void answered_after(Duration wait) {
        peer.sends(data(100));
        peer.after(wait);
        EXPECT_EQ(peer.writes(10), 10u);
        peer.ignores_what_was_sent();
        peer.sends(ack());
        peer.after(seconds(1));
        peer.ignores_what_was_sent();
    }

    Peer peer;
};

TEST(VainDelays, AfterTwoOfThemAcknowledgementsGoAtOnce) {
    VainDelays flow;
    EXPECT_FALSE(flow.at_once());
    EXPECT_FALSE(flow.at_once());
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(flow.at_once());
}

TEST(VainDelays, CountOnce) {  // also the one behind which those that follow go at once
    VainDelays flow;
    EXPECT_FALSE(flow.at_once());
    EXPECT_FALSE(flow.at_once());
    flow.answered_after(ms(10));
    EXPECT_FALSE(flow.at_once()) << "two for nothing, one that would have served";
}

TEST(VainDelays, StayInVainWhereSegmentsWithoutTextComeBeforeEachWithText) {
    VainDelays flow;
    for (std::uint16_t i = 0; i < 8; ++i) {
        if (i >= 2) EXPECT_TRUE(flow.at_once()) << i;
        else EXPECT_FALSE(flow.at_once()) << i;
        flow.peer.sends(ack().window(std::uint16_t(40'000 + i)));
        flow.peer.after(ms(10));
    }
}

TEST(VainDelays, AreForgottenBeyondTwiceWhatTheStackIsTunedDownTo) {
    Opening how;
    how.config.vain_delays = 50;
    VainDelays flow{how};
    for (int i = 0; i < 60; ++i) (void)flow.at_once();
    how.config.vain_delays = 2;
    flow.peer.engine().tune(how.config, flow.peer.now);
    for (int i = 0; i < 3; ++i) flow.answered_after(ms(10));
    EXPECT_FALSE(flow.at_once());
}

TEST(VainDelays, Shld18_NoneIsWhereAnswersComeWithinTheDelay) {  // SHLD-18
    VainDelays flow;
    for (int i = 0; i < 5; ++i) flow.answered_after(ms(10));
    EXPECT_FALSE(flow.at_once());
    flow.answered_after(ms(10));
    EXPECT_FALSE(flow.at_once()) << "those that served count, too";
}

TEST(VainDelays, AnswersThatDelaysWouldHaveWaitedForBringThemBack) {
    VainDelays flow;
    for (int i = 0; i < 10; ++i) (void)flow.at_once();
    flow.answered_after(ms(100));
    EXPECT_TRUE(flow.at_once()) << "later than any delay";
    for (int i = 0; i < 3; ++i) flow.answered_after(ms(10));
    EXPECT_FALSE(flow.at_once());
}

TEST(VainDelays, SegmentsThatFollowSoonBringThemBack) {
    VainDelays flow{{.timestamps = false}};
    for (int i = 0; i < 10; ++i) (void)flow.at_once();
    std::size_t acknowledgements = 0;
    for (int i = 0; i < 20; ++i) {
        flow.peer.sends(data(1'460));
        while (flow.peer.next()) ++acknowledgements;
        flow.peer.after(ms(1));
    }
    EXPECT_GE(acknowledgements, 10u);
    EXPECT_LE(acknowledgements, 13u) << "every second one, once that is seen (SHLD-19)";
}

TEST(VainDelays, AreMadeAgainAndAgainWhereTheStackIsTunedSo) {
    Opening how;
    how.config.vain_delays = 0;
    VainDelays flow{how};
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(flow.at_once());
}

TEST(VainDelays, ChangeNothingForWhoShowsTheHabitsOfLinux) {
    Opening how;
    how.config.personality = 1;
    VainDelays flow{how};
    for (int i = 0; i < 60; ++i) {  // within its timeout, so that the first sixteen alone are quick
        flow.peer.sends(data(100));
        flow.peer.after(ms(100));
        flow.peer.ignores_what_was_sent();
    }
    flow.peer.sends(data(100));
    EXPECT_FALSE(flow.peer.next());
}

TEST(DuplicateAcks, EachSegmentOfABatchBehindAGapIsAnsweredByOne) {  // RFC 5681, section 4.2: fast retransmit counts them
    Peer peer = established({.timestamps = false});
    const SeqNum begin = peer.peer_next();
    std::vector<Segment> batch;
    for (std::uint32_t i = 1; i <= 4; ++i) batch.push_back(data(1'460).seq(begin + i * 1'460));
    peer.sends_together(batch);
    EXPECT_GE(peer.waiting(), 3u);
    EXPECT_LE(peer.waiting(), 4u);
    while (const auto seen = peer.next()) {
        EXPECT_EQ(seen->ack, begin);
        EXPECT_EQ(seen->length, 0u);
    }
}

// A receiver with a small buffer whose application does not read: the window closes.
struct Closed {
    Peer peer;
    SeqNum begin;
    std::uint32_t sent{0};
};

Closed closed_window(std::size_t buffer = 8'192) {
    Opening how{.timestamps = false};
    how.config.receive_buffer = std::uint32_t(buffer);
    Closed closed{established(how), {}, 0};
    Peer& peer = closed.peer;
    closed.begin = peer.peer_next();
    for (int i = 0; i < 1'000 && peer.advertised() != peer.rcv_nxt(); ++i) {
        const std::uint32_t length = std::min(1'460u, peer.advertised() - peer.rcv_nxt());
        peer.sends(data(length));
        closed.sent += length;
        peer.after(ms(500));
    }
    EXPECT_EQ(peer.advertised(), peer.rcv_nxt()) << "the window must close";
    EXPECT_GE(closed.sent, buffer / 4);
    peer.ignores_what_was_sent();
    return closed;
}

TEST(ReceiveWindow, ClosesWhenNobodyReadsAndNothingIsLost) {
    Closed closed = closed_window();
    EXPECT_EQ(closed.peer.reads(), closed.sent);
}

TEST(ReceiveWindow, Must39_DoesNotOpenByLittle) {  // MUST-39: not before min(half the buffer, one MSS)
    Closed closed = closed_window();
    Peer& peer = closed.peer;
    const std::uint32_t step = std::min(1'460u, 8'192u / 2);
    EXPECT_EQ(peer.reads(100), 100u);
    peer.sees_nothing();
    EXPECT_EQ(peer.reads(closed.sent - 100), closed.sent - 100);
    const auto update = peer.next();
    ASSERT_TRUE(update);
    EXPECT_EQ(update->ack, peer.rcv_nxt());
    EXPECT_GE(peer.advertised() - peer.rcv_nxt(), step);
}

TEST(ReceiveWindow,
     Must39_EveryAdvertisedOpeningIsWorthASegment) {  // MUST-39, as a property: Peer checks that it never shrinks
    Closed closed = closed_window();
    Peer& peer = closed.peer;
    SeqNum edge = peer.advertised();
    for (int i = 0; i < 400; ++i) {
        if (peer.reads(37) == 0) break;
        while (peer.next()) {}
        const std::uint32_t opened = peer.advertised() - edge;
        if (opened == 0) continue;
        EXPECT_GE(opened, 1'460u);
        edge = peer.advertised();
    }
}

TEST(ReceiveWindow, TextBeyondItIsDroppedAndAnswered) {  // section 3.10.7.4, first check
    Closed closed = closed_window();
    Peer& peer = closed.peer;
    const SeqNum next = peer.rcv_nxt();
    peer.sends(data(1).seq(next));  // a probe
    peer.sees(ack().ack(next).window(0));
    EXPECT_EQ(peer.rcv_nxt(), next);
}

TEST(ReceiveWindow, StaysOpenForALargeBufferUnderAFastReader) {
    Opening how;
    how.config.receive_buffer = 1 << 18;
    Peer peer = established(how);
    for (int i = 0; i < 500; ++i) {
        peer.sends(data(1'448));
        EXPECT_EQ(peer.reads(), 1'448u);
    }
    EXPECT_GE(peer.advertised() - peer.rcv_nxt(), 1u << 17);
}

}  // namespace
}  // namespace weft::test
