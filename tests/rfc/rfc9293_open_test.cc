// RFC 9293, sections 3.5 and 3.10.7.1 to 3.10.7.3: how connections begin, and what CLOSED, LISTEN and SYN-SENT answer.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

class Rfc9293Open : public ::testing::TestWithParam<Family> {
protected:
    Opening setup() const { return {.family = GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(Families, Rfc9293Open, ::testing::Values(Family::ipv4, Family::ipv6, Family::overlay),
                         [](const auto& family) {
                             return family.param == Family::ipv4   ? "Ipv4"
                                    : family.param == Family::ipv6 ? "Ipv6"
                                                                   : "Overlay";
                         });

TEST_P(Rfc9293Open, ActiveOpenSendsSynAndAcknowledgesTheAnswer) {   // figure 6
    Opening how = setup();
    how.active = true;
    Peer peer{how};
    peer.connects();
    EXPECT_EQ(peer.state(), State::syn_sent);
    const Seen first = peer.sees(syn());
    EXPECT_EQ(first.ack, SeqNum{0});
    EXPECT_EQ(first.length, 0u);
    peer.sends(syn_ack().ack(first.seq + 1));
    peer.sees(ack().seq(first.seq + 1).ack(peer.peer_next()));
    EXPECT_EQ(peer.state(), State::established);
    const auto event = peer.hears(Event::Kind::connected);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->flow, peer.flow());
    peer.sees_nothing();
}

TEST_P(Rfc9293Open, PassiveOpenAnswersSynAndIsAcceptedByTheAck) {
    Peer peer{setup()};
    peer.listens();
    EXPECT_EQ(peer.statistics().listeners, 1u);
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack().ack(peer.peer_next()));
    EXPECT_FALSE(peer.hears(Event::Kind::accepted));
    EXPECT_EQ(peer.statistics().half_open, 1u);
    peer.sends(ack().ack(answer.seq + 1));
    EXPECT_EQ(peer.statistics().half_open, 0u);
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.state(), State::established);
    peer.sees_nothing();
    const auto peers = peer.engine().peers(peer.flow());
    ASSERT_TRUE(peers);
    EXPECT_EQ(peers->remote.address, peer.remote.address);
    EXPECT_EQ(peers->remote.port, Peer::peer_port);
    EXPECT_EQ(peers->local.address, peer.local.address);
    EXPECT_EQ(peers->local.port, Peer::engine_port);
}

TEST_P(Rfc9293Open, TextCrossesBothWaysAfterIt) {
    for (const bool active : {false, true}) {
        Opening how = setup();
        how.active = active;
        Peer peer = established(how);
        EXPECT_EQ(peer.writes(100), 100u);
        peer.sees(data(100).with(wire::psh).seq(peer.iss() + 1));
        peer.sends(ack());
        EXPECT_EQ(peer.snd_una(), peer.iss() + 101);
        peer.sends(data(50));
        EXPECT_TRUE(peer.hears(Event::Kind::readable));
        EXPECT_EQ(peer.reads(), 50u);
    }
}

TEST_P(Rfc9293Open, Must10_SimultaneousOpenReachesEstablishedOnBothAcks) {   // figure 7, MUST-10
    Opening how = setup();
    how.active = true;
    Peer peer{how};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack().seq(first.seq).ack(peer.peer_next()));
    EXPECT_EQ(peer.state(), State::syn_received);
    EXPECT_FALSE(peer.hears(Event::Kind::connected));
    peer.sends(syn_ack().seq(how.irs).ack(answer.seq + 1));
    EXPECT_EQ(peer.state(), State::established);
    EXPECT_TRUE(peer.hears(Event::Kind::connected));
    peer.ignores_what_was_sent();
    peer.sends(data(10).seq(how.irs + 1));
    EXPECT_EQ(peer.reads(), 10u);
    EXPECT_EQ(peer.writes(10), 10u);
    peer.ignores_what_was_sent();
    EXPECT_EQ(peer.snd_nxt(), first.seq + 11);
}

TEST_P(Rfc9293Open, SimultaneousOpenCompletesOnAPlainAckToo) {
    Opening how = setup();
    how.active = true;
    Peer peer{how};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.sends(syn());
    peer.sees(syn_ack());
    peer.sends(ack().ack(first.seq + 1));
    EXPECT_EQ(peer.state(), State::established);
    EXPECT_TRUE(peer.hears(Event::Kind::connected));
}

TEST_P(Rfc9293Open, State3_ResetInAnswerToSynIsRefusal) {   // STATE-3
    Opening how = setup();
    how.active = true;
    Peer peer{how};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.sends(rst_ack().seq(SeqNum{0}).ack(first.seq + 1));
    const auto event = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->error, Error::refused);
    peer.sees_nothing();
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
}

TEST_P(Rfc9293Open, State1_ClosedPortAnswersSynWithResetThatAcknowledgesIt) {   // STATE-1
    Peer peer{setup()};
    peer.sends(syn());
    peer.sees(rst_ack().seq(SeqNum{0}).ack(peer.peer_next()));
    EXPECT_EQ(peer.statistics().no_listener, 1u);
    EXPECT_EQ(peer.statistics().resets_sent, 1u);
    EXPECT_EQ(peer.statistics().connections, 0u);
    EXPECT_EQ(peer.statistics().half_open, 0u);
}

TEST(Rfc9293Closed, State1_SegmentWithAckIsResetAtItsAck) {   // STATE-1
    Peer peer;
    peer.sends(data(5).ack(SeqNum{77}));
    peer.sees(rst().seq(SeqNum{77}));
}

TEST(Rfc9293Closed, State1_SegmentWithoutAckIsResetBehindItsText) {   // STATE-1: ACK = SEG.SEQ + SEG.LEN
    Peer peer;
    peer.sends(Segment{wire::fin}.seq(SeqNum{1000}).length(10));
    peer.sees(rst_ack().seq(SeqNum{0}).ack(SeqNum{1011}));
}

TEST(Rfc9293Closed, ResetIsNeverAnswered) {
    Peer peer;
    peer.sends(rst().seq(SeqNum{5}));
    peer.sends(rst_ack().seq(SeqNum{5}).ack(SeqNum{6}));
    peer.sees_nothing();
}

TEST(Rfc9293Listen, State2_ResetIsIgnored) {   // STATE-2
    Peer peer;
    peer.listens();
    peer.sends(rst());
    peer.sends(rst_ack().ack(SeqNum{9}));
    peer.sees_nothing();
    EXPECT_EQ(peer.statistics().listeners, 1u);
}

TEST(Rfc9293Listen, State2_AckIsReset) {   // STATE-2
    Peer peer;
    peer.listens();
    peer.sends(ack().ack(SeqNum{77}));
    peer.sees(rst().seq(SeqNum{77}));
    peer.sends(syn_ack().ack(SeqNum{99}));
    peer.sees(rst().seq(SeqNum{99}));
    EXPECT_EQ(peer.statistics().half_open, 0u);
}

TEST(Rfc9293Listen, State2_AnythingElseIsDropped) {   // STATE-2
    Peer peer;
    peer.listens();
    peer.sends(Segment{wire::psh}.length(10));
    peer.sends(Segment{0});
    peer.sees_nothing();
    EXPECT_EQ(peer.statistics().half_open, 0u);
}

TEST(Rfc9293Listen, ListenerLivesOnWhileConnectionsComeAndGo) {
    Peer peer;
    peer.opens();
    EXPECT_EQ(peer.statistics().listeners, 1u);
    EXPECT_EQ(peer.statistics().connections, 1u);
    EXPECT_EQ(peer.statistics().connections_accepted, 1u);
}

TEST(Rfc9293Listen, Must41_SecondListenerOnTheSamePortIsAddressInUse) {   // MUST-41
    Peer peer;
    peer.listens();
    ListenOptions again;
    again.local = {peer.local.address, 0, Peer::engine_port};
    const auto second = peer.engine().listen(again, peer.now);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error(), Error::address_in_use);
    EXPECT_EQ(peer.statistics().listeners, 1u);
}

TEST(Rfc9293Listen, UnlistenRefusesWhatComesLaterAndSparesWhatIsEstablished) {
    Peer peer = established();
    ASSERT_TRUE(peer.engine().unlisten(peer.listener(), peer.now));
    EXPECT_EQ(peer.statistics().listeners, 0u);
    EXPECT_FALSE(peer.engine().unlisten(peer.listener(), peer.now));
    EXPECT_EQ(peer.writes(10), 10u);
    peer.sees(data(10));
    EXPECT_EQ(peer.state(), State::established);
    Peer other;
    other.listens();
    ASSERT_TRUE(other.engine().unlisten(other.listener(), other.now));
    other.sends(syn());
    other.sees(rst_ack().seq(SeqNum{0}).ack(other.peer_next()));
}

TEST(Rfc9293Listen, Must43_WildcardListenerTakesAnyAddress) {   // MUST-43: the address is optional
    Peer peer;
    ListenOptions any;
    any.local.port = Peer::engine_port;
    ASSERT_TRUE(peer.engine().listen(any, peer.now));
    peer.sends(syn());
    peer.sees(syn_ack().ack(peer.peer_next()));
}

TEST(Rfc9293Listen, PacketsToAnAddressThatIsNotOursAreDropped) {
    Opening how;
    Peer peer{how};
    peer.listens();
    ASSERT_TRUE(peer.engine().unassign(peer.local.address, peer.now));
    peer.sends(syn());
    peer.sees_nothing();
}

TEST(Rfc9293SynSent, State3_AckOfWhatWasNotSentIsReset) {   // STATE-3: SEG.ACK =< ISS or > SND.NXT
    for (const std::uint32_t off : {0u, 2u, 0x8000'0000u}) {
        Peer peer{{.active = true}};
        peer.connects();
        const Seen first = peer.sees(syn());
        peer.sends(syn_ack().ack(first.seq + off));
        peer.sees(rst().seq(first.seq + off));
        EXPECT_EQ(peer.state(), State::syn_sent);
        EXPECT_FALSE(peer.hears(Event::Kind::failed));
    }
}

TEST(Rfc9293SynSent, State3_ResetOfWhatWasNotSentIsIgnored) {   // STATE-3: a RST without an acceptable ACK
    Peer peer{{.active = true}};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.sends(rst_ack().ack(first.seq));
    peer.sends(rst_ack().ack(first.seq + 2));
    peer.sends(rst());
    peer.sees_nothing();
    EXPECT_EQ(peer.state(), State::syn_sent);
}

TEST(Rfc9293SynSent, SegmentWithNeitherSynNorResetIsDropped) {   // fifth: drop the segment and return
    Peer peer{{.active = true}};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.sends(ack().ack(first.seq + 1));
    peer.sends(data(10).ack(first.seq + 1));
    peer.sends(fin().ack(first.seq + 1));
    peer.sees_nothing();
    EXPECT_EQ(peer.state(), State::syn_sent);
}

TEST(Rfc9293SynSent, TextWithTheSynIsKeptUntilEstablished) {   // 3.10.7.3: further processing after ESTABLISHED
    Peer peer{{.active = true}};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.sends(syn_ack().ack(first.seq + 1).length(0));
    peer.sees(ack());
    peer.sends(data(20));
    EXPECT_EQ(peer.reads(), 20u);
}

TEST(Rfc9293SynSent,
     Must22_Must23_SynIsRetransmittedWithBackOffAndGivesUpAfterTheUserTimeout) {   // MUST-22, 23; RFC 6298, 2.1 and 5.7
    Peer peer{{.active = true}};
    peer.connects();
    const Seen first = peer.sees(syn());
    Duration expected = seconds(1);
    for (int retry = 0; retry < 5; ++retry) {
        const Duration waited = peer.until_it_sends();
        EXPECT_GE(waited, expected) << retry;
        EXPECT_LE(waited, expected + ms(10)) << retry;
        const Seen again = peer.sees(syn().seq(first.seq));
        EXPECT_EQ(again.options.mss, first.options.mss);
        expected = expected * 2;
    }
    const Instant began = first.at;
    peer.until_event(Event::Kind::failed);
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::timed_out);
    EXPECT_GE(peer.now - began, seconds(300));
    EXPECT_LE(peer.now - began, seconds(301));
}

TEST(Rfc9293SynSent, ShorterUserTimeoutEndsTheHandshakeSooner) {
    Opening how{.active = true};
    how.options.user_timeout = seconds(5);
    Peer peer{how};
    peer.connects();
    peer.until_event(Event::Kind::failed);
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::timed_out);
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
    EXPECT_EQ(peer.statistics().connections, 0u);
}

TEST(Rfc9293SynReceived, SynAckIsRetransmittedUntilAcknowledged) {
    Peer peer;
    peer.listens();
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    const Duration waited = peer.until_it_sends();
    EXPECT_GE(waited, seconds(1));
    EXPECT_LE(waited, seconds(1) + ms(10));
    peer.sees(syn_ack().seq(answer.seq).ack(answer.ack));
    peer.sends(ack().ack(answer.seq + 1));
    EXPECT_TRUE(peer.accepts());
    EXPECT_EQ(peer.state(), State::established);
}

TEST(Rfc9293SynReceived, RetransmittedSynIsAnsweredAgain) {
    Peer peer;
    peer.listens();
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    peer.after(ms(100));
    peer.sends(syn().seq(peer.setup.irs));
    const auto again = peer.next();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->ack, answer.ack);
    EXPECT_EQ(peer.statistics().half_open, 1u);
    peer.sends(ack().seq(peer.setup.irs + 1).ack(answer.seq + 1));
    EXPECT_TRUE(peer.accepts());
}

TEST(Rfc9293SynReceived, HalfOpenRecordsAreGivenUpInTheEnd) {
    Peer peer;
    peer.listens();
    peer.sends(syn());
    peer.sees(syn_ack());
    peer.after(seconds(400));
    EXPECT_EQ(peer.statistics().half_open, 0u);
    EXPECT_EQ(peer.statistics().connections, 0u);
    EXPECT_FALSE(peer.hears(Event::Kind::accepted));
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
}

TEST(Rfc9293SynReceived, Must11_ResetReturnsAPassiveOpenToListen) {   // MUST-11, section 3.10.7.4, second check
    Peer peer;
    peer.listens();
    peer.sends(syn());
    peer.sees(syn_ack());
    peer.sends(rst());
    EXPECT_EQ(peer.statistics().half_open, 0u);
    EXPECT_EQ(peer.statistics().listeners, 1u);
    EXPECT_FALSE(peer.hears(Event::Kind::accepted));
    EXPECT_FALSE(peer.hears(Event::Kind::failed));
    peer.sees_nothing();
    peer.sends(syn().seq(peer.setup.irs + 5'000));
    peer.sees(syn_ack().ack(peer.setup.irs + 5'001));
}

TEST(Rfc9293SynReceived, Must11_ResetRefusesAnActiveOpen) {   // MUST-11
    Peer peer{{.active = true}};
    peer.connects();
    peer.sees(syn());
    peer.sends(syn());
    peer.sees(syn_ack());
    peer.sends(rst());
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::refused);
}

TEST(Rfc9293SynReceived, AckOfWhatWasNotSentIsReset) {   // section 3.10.7.4, fifth check
    Peer peer;
    peer.listens();
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    peer.sends(ack().ack(answer.seq + 2));
    peer.sees(rst().seq(answer.seq + 2));
    peer.sends(ack().ack(answer.seq));
    peer.sees(rst().seq(answer.seq));
    EXPECT_FALSE(peer.hears(Event::Kind::accepted));
}

TEST(Rfc9293SynReceived, TextWithTheAckIsDelivered) {
    Peer peer;
    peer.listens();
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    peer.sends(data(100).ack(answer.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.reads(), 100u);
}

TEST(Rfc9293SynReceived, FinWithTheAckIsDelivered) {
    Peer peer;
    peer.listens();
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    peer.sends(fin().length(10).ack(answer.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.state(), State::close_wait);
    EXPECT_EQ(peer.reads(10), 10u);
    const auto end = peer.tries_to_read(1);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error(), Error::end_of_stream);
}

TEST(Rfc9293SynReceived, ClosedBeforeTheAnswerSendsFinAfterIt) {   // simultaneous open, CLOSE in SYN-RECEIVED
    Peer peer{{.active = true}};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.sends(syn());
    peer.sees(syn_ack());
    peer.closes();
    peer.sends(ack().ack(first.seq + 1));
    peer.sees(fin().seq(first.seq + 1));
    EXPECT_EQ(peer.state(), State::fin_wait_1);
}

TEST(Backlog, BoundsHalfOpenRecords) {
    Opening how;
    how.options.backlog = 4;
    how.config.syncookies = 0;
    Peer peer{how};
    peer.listens();
    std::size_t answered = 0;
    for (std::uint16_t port = 1; port <= 20; ++port) {
        peer.begins_anew(std::uint16_t(50'000 + port), SeqNum{port * 1'000u});
        peer.sends(syn());
        while (peer.next()) ++answered;
    }
    EXPECT_LE(peer.statistics().half_open, 4u);
    EXPECT_GE(answered, 4u);
    EXPECT_GT(peer.statistics().backlog_overflows, 0u);
}

TEST(Backlog, AcceptHandsOutConnectionsInTheOrderOfTheirAcks) {
    Peer peer{{.timestamps = false}};
    peer.listens();
    std::vector<SeqNum> answers;
    for (const std::uint16_t port : std::array<std::uint16_t, 3>{50'001, 50'002, 50'003}) {
        peer.begins_anew(port, SeqNum{1});
        peer.sends(syn());
        answers.push_back(peer.sees(syn_ack()).seq);
    }
    for (const int i : {2, 0, 1}) {
        peer.begins_anew(std::uint16_t(50'001 + i), SeqNum{1});
        peer.sends(ack().seq(SeqNum{2}).no_timestamps().ack(answers[std::size_t(i)] + 1));
    }
    for (const std::uint16_t port : std::array<std::uint16_t, 3>{50'003, 50'001, 50'002}) {
        const auto flow = peer.engine().accept(peer.listener(), peer.now);
        ASSERT_TRUE(flow);
        EXPECT_EQ(peer.engine().peers(*flow)->remote.port, port);
    }
    const auto none = peer.engine().accept(peer.listener(), peer.now);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error(), Error::would_block);
}

TEST(Connect, Must46_ToAnUnspecifiedOrMulticastAddressIsRejected) {   // MUST-46
    Peer peer{{.active = true}};
    const auto to = [&](std::array<std::uint8_t, 4> v4, std::uint16_t port) {
        std::array<std::byte, 4> bytes;
        for (std::size_t i = 0; i < 4; ++i) bytes[i] = std::byte{v4[i]};
        return peer.engine().connect({Address{Family::ipv4, bytes}, 0, port}, {}, peer.now);
    };
    EXPECT_FALSE(to({224, 0, 0, 1}, 80));
    EXPECT_FALSE(to({255, 255, 255, 255}, 80));
    EXPECT_FALSE(to({0, 0, 0, 0}, 80));
    EXPECT_FALSE(to({192, 0, 2, 2}, 0));
    EXPECT_EQ(peer.statistics().connections, 0u);
}

TEST(Connect, SameFourTupleTwiceIsAddressInUse) {
    Peer peer{{.active = true}};
    ConnectOptions options;
    options.local = {peer.local.address, 0, 5'555};
    ASSERT_TRUE(peer.engine().connect(peer.remote, options, peer.now));
    const auto second = peer.engine().connect(peer.remote, options, peer.now);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error(), Error::address_in_use);
}

TEST(Connect, Must42_CanListenOnThePortOfAConnectionThatIsOpening) {   // MUST-42
    Peer peer{{.active = true}};
    ConnectOptions options;
    options.local = {peer.local.address, 0, Peer::engine_port};
    ASSERT_TRUE(peer.engine().connect(peer.remote, options, peer.now));
    ListenOptions listening;
    listening.local = {peer.local.address, 0, Peer::engine_port};
    EXPECT_TRUE(peer.engine().listen(listening, peer.now));
}

TEST(Connect, ClosedBeforeTheAnswerForgetsTheConnection) {   // section 3.10.4, SYN-SENT
    Peer peer{{.active = true}};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.shuts(Engine::Direction::both);
    EXPECT_TRUE(peer.hears(Event::Kind::closed));
    EXPECT_EQ(peer.statistics().connections, 0u);
    peer.sends(syn_ack().ack(first.seq + 1));
    peer.sees(rst().seq(first.seq + 1));
}

TEST(Connect, TextWrittenBeforeTheAnswerLeavesWithIt) {
    Peer peer{{.active = true}};
    peer.connects();
    const Seen first = peer.sees(syn());
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees_nothing();
    peer.sends(syn_ack().ack(first.seq + 1));
    const auto next = peer.next();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->seq, first.seq + 1);
    EXPECT_EQ(next->ack, peer.peer_next());
    EXPECT_EQ(peer.bytes_waiting() + next->length, 100u);
}

}  // namespace
}  // namespace weft::test
