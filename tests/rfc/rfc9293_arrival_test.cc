// RFC 9293, section 3.10.7.4: a segment arrives in a synchronized state. The eight checks, in their order, in every state.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

// Every synchronized state that has a TCB, each with nothing to look at.
struct Case {
    const char* name;
    State state;
};
void PrintTo(const Case& each, std::ostream* out) { *out << each.name; }

Peer brought_to(State state) {
    Peer peer = established();
    if (state == State::close_wait || state == State::last_ack) peer.sends(fin());
    if (state == State::fin_wait_1 || state == State::fin_wait_2 || state == State::closing || state == State::last_ack) {
        peer.ignores_what_was_sent();
        peer.closes();
    }
    if (state == State::fin_wait_2) peer.sends(ack());
    if (state == State::closing) peer.sends(fin().ack(peer.snd_una()));
    peer.ignores_what_was_sent();
    EXPECT_EQ(peer.state(), state);
    return peer;
}

class EveryState : public ::testing::TestWithParam<Case> {
protected:
    Peer peer = brought_to(GetParam().state);
    State state() const { return GetParam().state; }
    // Segments carry the acknowledgement that is already known, so that it moves no state.
    SeqNum una() { return peer.snd_una(); }
};
INSTANTIATE_TEST_SUITE_P(Rfc9293, EveryState,
                         ::testing::Values(Case{"Established", State::established}, Case{"CloseWait", State::close_wait},
                                           Case{"FinWait1", State::fin_wait_1}, Case{"FinWait2", State::fin_wait_2},
                                           Case{"Closing", State::closing}, Case{"LastAck", State::last_ack}),
                         [](const auto& each) { return each.param.name; });

TEST_P(EveryState, State4_UnacceptableSegmentIsAnsweredByAnAckAndDropped) {   // first, STATE-4
    const SeqNum next = peer.rcv_nxt();
    for (const SeqNum at : {next - 100, peer.advertised() + 1, next + 0x7000'0000}) {
        peer.after(seconds(2));
        peer.ignores_what_was_sent();
        peer.sends(data(10).seq(at).ack(una()));
        peer.sees(ack().seq(peer.snd_nxt()).ack(next));
        EXPECT_EQ(peer.rcv_nxt(), next);
        EXPECT_EQ(peer.state(), state());
    }
}

TEST_P(EveryState, State5_UnacceptableResetIsDroppedSilently) {   // first and second, STATE-5
    const SeqNum next = peer.rcv_nxt();
    peer.sends(rst().seq(next - 1));
    peer.sends(rst().seq(peer.advertised() + 1));
    peer.sees_nothing();
    EXPECT_EQ(peer.state(), state());
}

TEST_P(EveryState, State5_ExactResetEndsTheConnection) {   // second, STATE-5
    peer.sends(rst().seq(peer.rcv_nxt()));
    const bool over = state() == State::closing || state() == State::last_ack;  // all of ours is through: nothing was lost
    if (over) peer.reads_the_end();
    EXPECT_EQ(peer.hears(Event::Kind::failed).has_value(), !over);
    EXPECT_EQ(peer.hears(Event::Kind::closed).has_value(), over);
    EXPECT_TRUE(peer.gone());
    peer.sees_nothing();
    EXPECT_EQ(peer.statistics().time_wait, 0u);
    EXPECT_EQ(peer.statistics().resets_received, 1u);
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
}

TEST_P(EveryState, State5_ResetElsewhereInTheWindowIsChallenged) {  // second, STATE-5
    const SeqNum next = peer.rcv_nxt();
    peer.sends(rst().seq(next + 1));
    peer.sees(ack().seq(peer.snd_nxt()).ack(next));
    EXPECT_EQ(peer.state(), state());
    EXPECT_EQ(peer.statistics().challenge_acks, 1u);
}

TEST_P(EveryState, State6_SynIsChallengedWhereverItLies) {  // fourth, STATE-6
    const SeqNum next = peer.rcv_nxt();
    for (const SeqNum at : {next, next + 10, next - 1'000, next + 0x7000'0000}) {
        peer.after(seconds(2));
        peer.ignores_what_was_sent();
        peer.sends(syn().seq(at));
        peer.sees(ack().seq(peer.snd_nxt()).ack(next));
        EXPECT_EQ(peer.state(), state());
    }
}

TEST_P(EveryState, SegmentWithoutAckIsDropped) {  // fifth: if the ACK bit is off, drop the segment
    const SeqNum next = peer.rcv_nxt();
    peer.sends(Segment{wire::psh}.length(10).seq(next));
    peer.sees_nothing();
    EXPECT_EQ(peer.rcv_nxt(), next);
    EXPECT_EQ(peer.state(), state());
}

TEST_P(EveryState, State7_AckOfWhatWasNotSentIsAnsweredAndDropped) {  // fifth, STATE-7
    const SeqNum next = peer.rcv_nxt();
    peer.sends(data(10).seq(next).ack(peer.snd_nxt() + 1));
    peer.sees(ack().seq(peer.snd_nxt()).ack(next));
    EXPECT_EQ(peer.rcv_nxt(), next);
    EXPECT_EQ(peer.state(), state());
}

TEST_P(EveryState, TextIsTakenWhereThePeerHasNotClosedAndIgnoredElsewhere) {  // seventh
    const SeqNum next = peer.rcv_nxt();
    peer.sends(data(10).seq(next).ack(una()));
    const bool open = state() == State::established || state() == State::fin_wait_1 || state() == State::fin_wait_2;
    EXPECT_EQ(peer.rcv_nxt(), open ? next + 10 : next);
    EXPECT_EQ(peer.reads(), open ? 10u : 0u);
    EXPECT_EQ(peer.state(), state());
}

TEST_P(EveryState, State8_FinIsTakenOnceAndAcknowledgedAlways) {  // eighth, STATE-8
    const bool open = state() == State::established || state() == State::fin_wait_1 || state() == State::fin_wait_2;
    const SeqNum next = peer.rcv_nxt();
    peer.sends(fin().seq(open ? next : next - 1).ack(una()));
    peer.sees(ack().ack(open ? next + 1 : next));
    switch (state()) {
    case State::established: EXPECT_EQ(peer.state(), State::close_wait); break;
    case State::fin_wait_1: EXPECT_EQ(peer.state(), State::closing); break;
    case State::fin_wait_2: EXPECT_EQ(peer.statistics().time_wait, 1u); break;
    default: EXPECT_EQ(peer.state(), state()); break;
    }
}

TEST(Rfc9293Arrival, AckOfTheFinMovesEachClosingState) {  // fifth, per state
    Peer one = brought_to(State::fin_wait_1);
    one.sends(ack());
    EXPECT_EQ(one.state(), State::fin_wait_2);
    Peer two = brought_to(State::closing);
    two.sends(ack());
    EXPECT_EQ(two.statistics().time_wait, 1u);
    Peer three = brought_to(State::last_ack);
    three.sends(ack());
    EXPECT_EQ(three.state(), State::closed);
    three.reads_the_end();
    EXPECT_EQ(three.statistics().connections, 0u);
    EXPECT_EQ(three.statistics().time_wait, 0u);
}

TEST(Rfc9293Arrival, TextBeforeTheWindowIsTrimmed) {  // after the first check: trim to the window
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    peer.sends(data(100));
    EXPECT_EQ(peer.reads(), 100u);
    peer.sends(data(80).seq(begin + 50));
    EXPECT_EQ(peer.rcv_nxt(), begin + 130);
    EXPECT_EQ(peer.reads(), 30u);
}

TEST(Rfc9293Arrival, TextBehindTheWindowIsTrimmed) {
    Opening how{.scale = {}};
    how.config.receive_buffer = 4'096;
    Peer peer = established(how);
    const SeqNum begin = peer.peer_next();
    const std::uint32_t window = peer.advertised() - begin;
    ASSERT_GE(window, 1'000u);
    std::uint32_t sent = 0;
    while (sent + 1'000 < window) peer.sends(data(1'000).seq(begin + sent)), sent += 1'000;
    const SeqNum edge = peer.advertised();
    peer.sends(data(1'400).seq(begin + sent));
    EXPECT_TRUE(at_or_before(peer.rcv_nxt(), edge));
    EXPECT_TRUE(before(begin + sent - 1, peer.rcv_nxt()));
    EXPECT_EQ(peer.reads(), peer.rcv_nxt() - begin);
}

TEST(Rfc9293Arrival, State7_WindowIsUpdatedOnlyBySegmentsThatAreNotOld) {  // SND.WL1, SND.WL2: STATE-7
    Peer peer = established({.scale = {}});
    peer.sends(data(10).seq(peer.peer_next() + 10).window(5'000));
    EXPECT_EQ(peer.tcb().sending.snd_wnd, 5'000u);
    peer.sends(data(10).window(9'000));  // in the window, but overtaken
    EXPECT_EQ(peer.tcb().sending.snd_wnd, 5'000u) << "an older segment must not change the window";
    peer.sends(ack().seq(peer.peer_next() + 10).window(7'000));
    EXPECT_EQ(peer.tcb().sending.snd_wnd, 7'000u);
    EXPECT_EQ(peer.tcb().sending.snd_wl1, peer.peer_next() + 10);
}

TEST(Rfc9293Arrival, OldAcknowledgementIsIgnored) {  // fifth: a duplicate
    Peer peer = established();
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    peer.sends(ack());
    peer.sends(data(10).ack(peer.iss() + 51));
    EXPECT_EQ(peer.snd_una(), peer.iss() + 101);
    EXPECT_EQ(peer.reads(), 10u);
}

TEST(Rfc9293Arrival, Must1_TheWindowFieldIsUnsigned) {  // MUST-1
    Peer peer = established({.scale = {}, .window = 0xffff});
    EXPECT_EQ(peer.tcb().sending.snd_wnd, 65'535u);
}

TEST(Rfc9293Arrival, Must3_WrongChecksumIsDroppedAndCounted) {  // MUST-3
    for (const Family family : {Family::ipv4, Family::ipv6, Family::overlay}) {
        Peer peer = established({.family = family});
        const SeqNum begin = peer.peer_next();
        peer.sends(data(10).damaged());
        EXPECT_EQ(peer.rcv_nxt(), begin);
        peer.sees_nothing();
        EXPECT_EQ(peer.statistics().checksum_errors, 1u);
    }
}

TEST(Rfc9293Arrival, Must66_AckIsProcessedEvenWhenTheReceiveWindowIsZero) {  // MUST-66, and section 3.10.7.4
    Opening how{.scale = {}};
    how.config.receive_buffer = 4'096;
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(10), 10u);
    while (peer.advertised() != peer.rcv_nxt()) {
        const SeqNum before_it = peer.rcv_nxt();
        peer.sends(data(std::min(1'000u, peer.advertised() - peer.rcv_nxt())).seq(before_it).ack(peer.iss() + 1));
        peer.after(ms(500));
        ASSERT_TRUE(before(before_it, peer.rcv_nxt()));
    }
    peer.sends(ack().seq(peer.rcv_nxt()));
    EXPECT_EQ(peer.snd_una(), peer.iss() + 11);
    peer.sends(rst().seq(peer.rcv_nxt()));
    EXPECT_TRUE(peer.hears(Event::Kind::failed));
}

TEST(Rfc9293Arrival, Shld2_ResetMayCarryText) {  // SHLD-2
    Peer peer = established();
    peer.sends(rst().length(20));
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::reset);
}

TEST(Rfc9293Arrival, NothingIsSentInAnswerToAnAckThatIsInOrder) {
    Peer peer = established();
    for (int i = 0; i < 5; ++i) peer.sends(ack());
    peer.after(seconds(10));
    peer.sees_nothing();
}

TEST(Rfc9293Arrival, Must58_Must59_AllSegmentsOfABatchAreProcessedBeforeOneAckLeaves) {  // MUST-58, MUST-59
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    std::vector<Segment> batch;
    for (std::uint32_t i = 0; i < 8; ++i) batch.push_back(data(1'000));
    peer.sends_together(batch);
    peer.sees(ack().ack(begin + 8'000));
    peer.sees_nothing();
}

TEST(Rfc9293Urgent, Must30_Must31_Must32_Must33_PointerRaisesAnEventAndCountsWhatIsLeft) {  // sixth, MUST-30 to 33
    Peer peer = established();
    peer.sends(data(100).urgent(40));
    EXPECT_TRUE(peer.hears(Event::Kind::urgent));
    EXPECT_EQ(peer.engine().urgent(peer.flow()), 40u);  // MUST-62: the pointer points behind the urgent text
    EXPECT_EQ(peer.reads(30), 30u);
    EXPECT_EQ(peer.engine().urgent(peer.flow()), 10u);
    EXPECT_EQ(peer.reads(), 70u);
    EXPECT_EQ(peer.engine().urgent(peer.flow()), 0u);
}

TEST(Rfc9293Urgent, Must31_Must32_PointerMayRunAheadOfTheTextAndAdvances) {  // MUST-31, 32
    Peer peer = established();
    peer.sends(data(10).urgent(1'000));
    EXPECT_TRUE(peer.hears(Event::Kind::urgent));
    peer.sends(data(10).urgent(990));
    EXPECT_FALSE(peer.hears(Event::Kind::urgent)) << "the same place is no news";
    peer.sends(data(10).urgent(2'000));
    EXPECT_TRUE(peer.hears(Event::Kind::urgent));
    EXPECT_EQ(peer.reads(), 30u);
}

TEST(Rfc9293Urgent, Must30_Must62_UrgentTextIsSentWithThePointerBehindIt) {  // MUST-30, 62
    Peer peer = established();
    EXPECT_EQ(peer.writes(10, {.urgent = true}), 10u);
    const auto seen = peer.next();
    ASSERT_TRUE(seen);
    EXPECT_TRUE(seen->has(wire::urg));
    EXPECT_EQ(seen->urgent_pointer, 10u);
    peer.sends(ack());
    EXPECT_EQ(peer.writes(10), 10u);
    const auto later = peer.next();
    ASSERT_TRUE(later);
    EXPECT_FALSE(later->has(wire::urg));
}

TEST(Rfc9293Urgent, Must66_IsProcessedWhileTheWindowIsZero) {  // MUST-66
    Opening how{.scale = {}};
    how.config.receive_buffer = 4'096;
    Peer peer = established(how);
    while (peer.advertised() != peer.rcv_nxt()) {
        peer.sends(data(std::min(1'000u, peer.advertised() - peer.rcv_nxt())).seq(peer.rcv_nxt()));
        peer.after(ms(500));
    }
    peer.sends(ack().seq(peer.rcv_nxt()).urgent(5));
    EXPECT_TRUE(peer.hears(Event::Kind::urgent));
}

}  // namespace
}  // namespace weft::test
