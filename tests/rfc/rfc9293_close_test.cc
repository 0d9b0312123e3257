// RFC 9293, section 3.6: how connections end. Figures 12 and 13, half-close, abort, TIME-WAIT.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

class Rfc9293Close : public ::testing::TestWithParam<Family> {
protected:
    Opening setup() const { return {.family = GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(Families, Rfc9293Close, ::testing::Values(Family::ipv4, Family::ipv6, Family::overlay),
                         [](const auto& family) {
                             return family.param == Family::ipv4   ? "Ipv4"
                                    : family.param == Family::ipv6 ? "Ipv6"
                                                                   : "Overlay";
                         });

// Both have closed, the engine first: its connection is a TIME-WAIT record.
Peer in_time_wait(const Opening& setup = {}) {
    Peer peer = established(setup);
    peer.closes();
    peer.sees(fin());
    peer.sends(fin());
    peer.sees(ack());
    peer.reads_the_end();
    EXPECT_EQ(peer.statistics().connections, 0u);
    return peer;
}

TEST_P(Rfc9293Close, ActiveCloseGoesThroughFinWait1AndFinWait2ToTimeWait) {   // figure 12, TCP peer A
    Peer peer = established(setup());
    peer.closes();
    const Seen end = peer.sees(fin().seq(peer.iss() + 1).ack(peer.peer_next()));
    EXPECT_EQ(peer.state(), State::fin_wait_1);
    peer.sends(ack().ack(end.seq + 1));
    EXPECT_EQ(peer.state(), State::fin_wait_2);
    peer.sends(fin());
    peer.sees(ack().seq(end.seq + 1).ack(peer.peer_next()));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
    peer.reads_the_end();
    EXPECT_TRUE(peer.hears(Event::Kind::closed));
    EXPECT_TRUE(peer.gone());
    EXPECT_EQ(peer.statistics().connections, 0u);
}

TEST_P(Rfc9293Close, PassiveCloseGoesThroughCloseWaitToLastAck) {   // figure 12, TCP peer B
    Peer peer = established(setup());
    peer.sends(fin());
    peer.sees(ack().ack(peer.peer_next()));
    EXPECT_EQ(peer.state(), State::close_wait);
    EXPECT_TRUE(peer.hears(Event::Kind::peer_closed));
    const auto end_of_text = peer.tries_to_read(1);
    ASSERT_FALSE(end_of_text);
    EXPECT_EQ(end_of_text.error(), Error::end_of_stream);
    peer.closes();
    const Seen end = peer.sees(fin().ack(peer.peer_next()));
    EXPECT_EQ(peer.state(), State::last_ack);
    peer.sends(ack().ack(end.seq + 1));
    EXPECT_TRUE(peer.hears(Event::Kind::closed));
    EXPECT_TRUE(peer.gone());
    EXPECT_EQ(peer.statistics().time_wait, 0u);
    EXPECT_EQ(peer.statistics().connections, 0u);
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
}

TEST_P(Rfc9293Close, SimultaneousCloseGoesThroughClosing) {   // figure 13
    Peer peer = established(setup());
    peer.closes();
    const Seen end = peer.sees(fin());
    peer.sends(fin().ack(end.seq));
    peer.sees(ack().seq(end.seq + 1).ack(peer.peer_next()));
    EXPECT_EQ(peer.state(), State::closing);
    peer.sends(ack().ack(end.seq + 1));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
    peer.sees_nothing();
}

TEST_P(Rfc9293Close, FinWithTheAckOfOursGoesStraightToTimeWait) {
    Peer peer = in_time_wait(setup());
    EXPECT_EQ(peer.statistics().time_wait, 1u);
}

TEST_P(Rfc9293Close, Must13_TimeWaitLastsTwoMslAndThenNothingIsLeft) {   // MUST-13
    Opening how = setup();
    how.config.time_wait = seconds(60);
    Peer peer = in_time_wait(how);
    const auto paths = peer.statistics().paths;
    EXPECT_EQ(paths, 1u);
    peer.after(seconds(60) - ms(1));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
    peer.after(ms(20));
    EXPECT_EQ(peer.statistics().time_wait, 0u);
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
    EXPECT_EQ(peer.statistics().paths, how.family == Family::overlay ? 1u : 0u);   // the session holds its own
    peer.sees_nothing();
}

TEST(Rfc9293TimeWait, State9_RetransmittedFinIsAcknowledgedAndRestartsTheTimer) {   // STATE-9
    Peer peer = in_time_wait();
    peer.after(seconds(40));
    peer.sends(fin().seq(peer.peer_next() - 1));
    peer.sees(ack().seq(peer.seen_end()).ack(peer.peer_next()));
    peer.after(seconds(40));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
    peer.after(seconds(21));
    EXPECT_EQ(peer.statistics().time_wait, 0u);
}

TEST(Rfc9293TimeWait, OldDuplicateTextIsAcknowledgedAndDropped) {
    Peer peer = in_time_wait();
    peer.sends(data(10).seq(peer.peer_next() - 20));
    peer.sees(ack().seq(peer.seen_end()).ack(peer.peer_next()));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
}

TEST(Rfc9293TimeWait, May2_NewSynBeyondTheOldSequenceOpensAgain) {   // MAY-2, RFC 6191
    for (const bool timestamps : {true, false}) {
        Peer peer = in_time_wait({.timestamps = timestamps});
        peer.after(ms(500));
        const SeqNum old_end = peer.seen_end();
        peer.begins_anew(Peer::peer_port, peer.peer_next() + 100'000);
        peer.sends(syn());
        const Seen answer = peer.sees(syn_ack());
        EXPECT_EQ(answer.ack, peer.peer_next());
        EXPECT_EQ(peer.statistics().time_wait, 0u);
        EXPECT_TRUE(before(old_end - 1, answer.seq)) << "the new ISN lies beyond the old connection's";
        peer.sends(ack().ack(answer.seq + 1));
        EXPECT_TRUE(peer.accepts());
    }
}

TEST(Rfc9293TimeWait, OldSynIsAnsweredByAnAck) {   // RFC 6191: no newer timestamp and no newer sequence number
    Peer peer = in_time_wait({.timestamps = false});
    const SeqNum expected = peer.peer_next();
    peer.sends(syn().seq(expected - 5'000));
    peer.sees(ack().seq(peer.seen_end()).ack(expected));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
}

TEST(Rfc9293TimeWait, ResetInTheWindowDoesNotAssassinateIt) {   // RFC 1337, fix F1; exact: section 3.10.7.4
    Peer peer = in_time_wait();
    peer.sends(rst().seq(peer.peer_next() + 5));
    EXPECT_EQ(peer.statistics().time_wait, 1u);
}

TEST(Rfc9293TimeWait, LimitReusesTheOldest) {
    Opening how;
    how.config.time_wait_limit = 2;
    Peer peer{how};
    peer.listens();
    for (const std::uint16_t port : std::array<std::uint16_t, 3>{1'001, 1'002, 1'003}) {
        peer.begins_anew(port, SeqNum{100});
        peer.sends(syn());
        peer.sees(syn_ack());
        peer.sends(ack());
        ASSERT_TRUE(peer.accepts());
        peer.closes();
        peer.sees(fin());
        peer.sends(fin());
        peer.sees(ack());
        peer.reads_the_end();
    }
    EXPECT_EQ(peer.statistics().time_wait, 2u);
    EXPECT_EQ(peer.statistics().connections, 0u);
}

TEST(Rfc9293HalfClose, TextGoesOnTowardsTheEndThatClosed) {   // section 3.6, case 1
    Peer peer = established();
    peer.closes();
    const Seen end = peer.sees(fin());
    peer.sends(ack().ack(end.seq + 1));
    for (int i = 0; i < 4; ++i) {
        peer.sends(data(1'000));
        EXPECT_EQ(peer.reads(), 1'000u);
    }
    EXPECT_EQ(peer.state(), State::fin_wait_2);
    peer.ignores_what_was_sent();
    peer.sends(fin());
    peer.sees(ack().ack(peer.peer_next()));
    const auto last = peer.tries_to_read(1);
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error(), Error::end_of_stream);
}

TEST(Rfc9293HalfClose, TextGoesOnFromTheEndThatDidNotClose) {
    Peer peer = established();
    peer.sends(fin());
    peer.sees(ack());
    EXPECT_EQ(peer.writes(500), 500u);
    peer.sees(data(500));
    peer.sends(ack());
    EXPECT_EQ(peer.snd_una(), peer.snd_nxt());
    EXPECT_EQ(peer.state(), State::close_wait);
}

TEST(Rfc9293HalfClose, FinWait2WaitsAsLongAsThePeerWants) {
    Peer peer = established();
    peer.closes();
    peer.sees(fin());
    peer.sends(ack());
    peer.after(seconds(3'600));
    EXPECT_EQ(peer.state(), State::fin_wait_2);
    peer.sends(data(10));
    EXPECT_EQ(peer.reads(), 10u);
}

TEST(Rfc9293Close, WriteAfterCloseIsAnError) {   // section 3.10.2
    Peer peer = established();
    peer.closes();
    const std::array<std::byte, 1> byte{};
    EXPECT_FALSE(peer.engine().write(peer.flow(), byte, {}, peer.now));
    EXPECT_TRUE(peer.engine().shutdown(peer.flow(), Engine::Direction::write, peer.now)) << "closing twice is not an error";
}

TEST(Rfc9293Close, FinFollowsAllTextThatWasWritten) {   // section 3.10.4: queued until all SENDs are segmentized
    Peer peer = established({.timestamps = false, .window = 0});
    EXPECT_EQ(peer.writes(3'000), 3'000u);
    peer.closes();
    peer.sees_nothing();
    peer.sends(ack().window(2'920 >> 7));
    std::uint32_t bytes = 0;
    while (const auto seen = peer.next()) {
        bytes += seen->length;
        EXPECT_FALSE(seen->has(wire::fin));
    }
    EXPECT_GT(bytes, 0u);
    peer.sends(ack().window(65'535));
    while (const auto seen = peer.next()) {
        bytes += seen->length;
        EXPECT_EQ(seen->has(wire::fin), bytes == 3'000u);
    }
    EXPECT_EQ(bytes, 3'000u);
    EXPECT_EQ(peer.state(), State::fin_wait_1);
}

TEST(Rfc9293Close, FinIsRetransmittedWhenItIsLost) {
    Peer peer = established();
    peer.closes();
    const Seen end = peer.sees(fin());
    peer.until_it_sends();
    peer.sees(fin().seq(end.seq));
    peer.sends(ack().ack(end.seq + 1));
    EXPECT_EQ(peer.state(), State::fin_wait_2);
}

TEST(Rfc9293Close, FinIsRetransmittedTogetherWithItsText) {
    Peer peer = established();
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    peer.closes();
    const Seen end = peer.sees(fin());
    peer.until_it_sends();
    EXPECT_EQ(peer.next()->seq, peer.iss() + 1);
    peer.sends(ack().ack(end.seq + 1));
    EXPECT_EQ(peer.state(), State::fin_wait_2);
}

TEST(Rfc9293Close, LateTextBeforeTheFinIsWaitedFor) {   // the eighth check: FIN counts when all text before it is in
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    peer.sends(fin().seq(begin + 100).length(50));
    EXPECT_EQ(peer.state(), State::established);
    peer.sees(ack().ack(begin));
    peer.sends(data(100).seq(begin));
    EXPECT_EQ(peer.state(), State::close_wait);
    peer.sees(ack().ack(begin + 151));
    EXPECT_EQ(peer.reads(), 150u);
}

TEST(Rfc9293Close, AnEmptyFinThatCameEarlyIsRememberedOrAskedForAgain) {
    Peer peer = established();
    const SeqNum begin = peer.peer_next();
    peer.sends(fin().seq(begin + 100));
    peer.ignores_what_was_sent();
    peer.sends(data(100).seq(begin));
    peer.sends(fin().seq(begin + 100));
    EXPECT_EQ(peer.state(), State::close_wait);
    EXPECT_EQ(peer.rcv_nxt(), begin + 101);
    EXPECT_EQ(peer.reads(), 100u);
}

TEST(Rfc9293Abort, SendsResetAtSndNxtAndForgets) {   // section 3.10.5
    Peer peer = established();
    EXPECT_EQ(peer.writes(10), 10u);
    peer.ignores_what_was_sent();
    const SeqNum next = peer.snd_nxt();
    peer.aborts();
    const auto reset = peer.next();
    ASSERT_TRUE(reset);
    EXPECT_TRUE(reset->has(wire::rst));
    EXPECT_EQ(reset->seq, next);
    EXPECT_TRUE(peer.gone());
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
    EXPECT_EQ(peer.statistics().connections, 0u);
    EXPECT_EQ(peer.statistics().paths, 0u);
}

TEST(Rfc9293Abort, Shld3_ClosingBothWaysWithUnreadTextIsAReset) {   // SHLD-3, section 3.6.1
    Peer peer = established();
    peer.sends(data(100));
    peer.ignores_what_was_sent();
    peer.shuts(Engine::Direction::both);
    const auto reset = peer.next();
    ASSERT_TRUE(reset);
    EXPECT_TRUE(reset->has(wire::rst));
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::aborted);
}

TEST(Rfc9293Abort, Shld3_TextAfterReadingWasShutDownIsAReset) {   // SHLD-3
    Peer peer = established();
    peer.shuts(Engine::Direction::both);
    peer.sees(fin());
    peer.sends(data(100));
    const auto reset = peer.next();
    ASSERT_TRUE(reset);
    EXPECT_TRUE(reset->has(wire::rst));
}

TEST(Rfc9293Events, Must12_PeerResetIsToldApartFromItsClose) {   // MUST-12
    Peer closed = established();
    closed.sends(fin());
    EXPECT_TRUE(closed.hears(Event::Kind::peer_closed));
    EXPECT_FALSE(closed.hears(Event::Kind::failed));
    Peer aborted = established();
    aborted.sends(rst());
    EXPECT_FALSE(aborted.hears(Event::Kind::peer_closed));
    const auto failed = aborted.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::reset);
}

TEST(Rfc9293Events, StaleHandleIsAnOrdinaryError) {
    Peer peer = established();
    const Flow flow = peer.flow();
    peer.aborts();
    std::array<std::byte, 8> bytes{};
    EXPECT_EQ(peer.engine().read(flow, bytes, peer.now).error(), Error::no_such_flow);
    EXPECT_EQ(peer.engine().write(flow, bytes, {}, peer.now).error(), Error::no_such_flow);
    EXPECT_EQ(peer.engine().abort(flow, peer.now).error(), Error::no_such_flow);
    EXPECT_EQ(peer.engine().shutdown(flow, Engine::Direction::both, peer.now).error(), Error::no_such_flow);
    EXPECT_EQ(peer.engine().peers(flow).error(), Error::no_such_flow);
    EXPECT_EQ(peer.engine().inspect(flow), nullptr);
}

}  // namespace
}  // namespace weft::test
