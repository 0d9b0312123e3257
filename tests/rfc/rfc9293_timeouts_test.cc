// Zero-window probes and the user timeout (RFC 9293, sections 3.8.6.1 and 3.8.3), and paths that go down and change.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

// The peer's window is closed and there is something to send.
Peer stalled(Opening how = {}) {
    how.config.minimum_rto = seconds(1);
    how.window = 0;
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(3'000), 3'000u);
    peer.sees_nothing();
    return peer;
}

TEST(ZeroWindow, Must36_Shld29_Shld30_IsProbedFirstAfterOneTimeoutThenWithBackOff) {   // MUST-36, SHLD-29, SHLD-30
    Peer peer = stalled();
    Duration expected = seconds(1);
    for (int i = 0; i < 6; ++i) {
        const Duration waited = peer.until_it_sends();
        EXPECT_GE(waited + ms(2), expected) << i;
        EXPECT_LE(waited, expected + ms(10)) << i;
        const auto probe = peer.next();
        ASSERT_TRUE(probe);
        EXPECT_LE(probe->length, 1u) << "no more than an octet goes beyond the window";
        EXPECT_TRUE(at_or_before(probe->seq, peer.iss() + 1));
        peer.sends(ack().ack(peer.iss() + 1));
        expected = std::min(expected * 2, seconds(60));
    }
    EXPECT_EQ(peer.state(), State::established);
}

TEST(ZeroWindow, Must37_May8_ConnectionLivesAsLongAsProbesAreAnswered) {   // MUST-37, MAY-8
    Opening how;
    how.options.user_timeout = seconds(30);
    Peer peer = stalled(how);
    const Instant until = peer.now + seconds(7'200);
    while (peer.now < until) {
        peer.until_it_sends();
        while (peer.next()) {}
        peer.sends(ack().ack(peer.iss() + 1));
    }
    EXPECT_EQ(peer.state(), State::established);
    EXPECT_FALSE(peer.hears(Event::Kind::failed));
}

TEST(ZeroWindow, Must37_AnAcknowledgementOfLessThanWasHeardAnswersNoProbe) {  // somebody else's had said more
    Opening how{.scale = 0, .window = 1'000};
    how.options.user_timeout = seconds(30);
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(3'000), 3'000u);
    peer.ignores_what_was_sent();
    peer.sends(ack().ack(peer.iss() + 1'001).window(0));
    std::optional<Event> failed;
    for (int i = 0; i < 50 && !failed; ++i) {
        peer.until_it_sends(seconds(10));
        peer.ignores_what_was_sent();
        peer.sends(ack().ack(peer.iss() + 1).window(0));
        failed = peer.hears(Event::Kind::failed);
    }
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::timed_out);
}

TEST(ZeroWindow, UnansweredProbesEndInTheUserTimeout) {
    Opening how;
    how.options.user_timeout = seconds(30);
    Peer peer = stalled(how);
    peer.until_event(Event::Kind::failed, seconds(200));
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::timed_out);
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
}

TEST(ZeroWindow, Must35_OpeningItSendsAllThatWaits) {   // MUST-35
    Peer peer = stalled({.timestamps = false});
    peer.until_it_sends();
    peer.ignores_what_was_sent();
    peer.sends(ack().ack(peer.iss() + 1).window(65'535));
    EXPECT_EQ(peer.bytes_waiting(), 3'000u);
    EXPECT_EQ(peer.next()->seq, peer.iss() + 1);
    peer.sends(ack());
    peer.after(seconds(100));
    EXPECT_EQ(peer.statistics().connections, 1u);
    EXPECT_EQ(peer.snd_una(), peer.iss() + 3'001);
}

TEST(ZeroWindow, ProbeOctetThatIsTakenIsNotSentAgain) {
    Peer peer = stalled({.timestamps = false});
    peer.until_it_sends();
    const auto probe = peer.next();
    ASSERT_TRUE(probe);
    if (probe->length == 0) return;   // a probe without text leaves nothing to take
    peer.sends(ack().ack(probe->seq + 1).window(65'535));
    const auto seen = peer.next();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->seq, probe->seq + 1);
}

TEST(ZeroWindow, FinAloneIsSentIntoIt) {   // it is one octet of sequence space: it probes as text would
    Peer peer = established({.window = 0});
    peer.closes();
    Duration waited;
    for (int i = 0; i < 5 && peer.waiting() == 0; ++i) waited = waited + peer.until_it_sends(seconds(10));
    const auto seen = peer.next();
    ASSERT_TRUE(seen);
    EXPECT_TRUE(seen->has(wire::fin));
    EXPECT_LE(waited, seconds(3));
}

TEST(ZeroWindow, Must37_Shld30_FinAloneIsRepeatedWithBackOffWhileItIsAnswered) {   // as the octet of a probe would be
    Opening how{.window = 0};
    how.config.minimum_rto = seconds(1);
    how.options.user_timeout = seconds(30);
    Peer peer = established(how);
    peer.closes();
    peer.sees(fin().ack(peer.rcv_nxt()));
    for (Duration expected = seconds(1); expected <= seconds(32); expected = expected * 2) {
        const Duration waited = peer.until_it_sends();
        EXPECT_GE(waited + ms(2), expected);
        EXPECT_LE(waited, expected + ms(10));
        peer.sees(fin().seq(peer.iss() + 1));
        peer.sees_nothing();
        peer.sends(ack().ack(peer.iss() + 1));
    }
    EXPECT_FALSE(peer.hears(Event::Kind::failed)) << "the peer answers, so the user may wait";
    peer.sends(ack().ack(peer.iss() + 1).window(65'535));
    peer.sees(fin().seq(peer.iss() + 1));
    peer.sends(ack());
    EXPECT_EQ(peer.state(), State::fin_wait_2);
}

TEST(ZeroWindow, Must36_ProbesThatCrossDoNotSilenceBothEnds) {   // each octet was taken, and no end hears it of the other
    Peer peer = stalled();
    peer.until_it_sends();
    const auto probe = peer.next();
    ASSERT_TRUE(probe);
    ASSERT_EQ(probe->length, 1u);
    const SeqNum begin = peer.peer_next();
    peer.sends(data(1).ack(probe->seq));
    peer.ignores_what_was_sent();   // its acknowledgement is lost
    peer.sends(ack().seq(begin).ack(probe->seq + 1));
    EXPECT_EQ(peer.snd_una(), probe->seq + 1);
    const auto answer = peer.next();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->seq, probe->seq + 1) << "now the peer can take it";
}

// All that was sent was taken, and an old acknowledgement that shut the window came instead of the one that says so.
TEST(ZeroWindow, Must36_TextThatCrossedAProbeDoesNotSilenceBothEnds) {
    for (const std::uint32_t taken : {1'000u, 3'000u}) {
        Opening how{.scale = 0};
        how.config.minimum_rto = seconds(1);
        Peer peer = established(how);
        EXPECT_EQ(peer.writes(3'000), 3'000u);
        peer.ignores_what_was_sent();
        const SeqNum una = peer.snd_una();
        peer.sends(ack().ack(una).window(0));
        EXPECT_EQ(peer.writes(3'000), 3'000u);
        const SeqNum begin = peer.peer_next();
        peer.sends(data(500).ack(una).window(0));
        peer.after(seconds(10));
        peer.ignores_what_was_sent();  // the acknowledgement of that, and our probes: the peer goes back, too
        EXPECT_EQ(peer.tcb().sending.snd_nxt, una);
        peer.sends(ack().seq(begin).ack(una).window(0));
        peer.sends(ack().seq(begin).ack(una + 3'001).window(0));
        EXPECT_EQ(peer.snd_una(), una) << "nothing new, or nothing that was sent";
        peer.ignores_what_was_sent();
        peer.sends(ack().seq(begin).ack(una + taken).window(0));
        EXPECT_EQ(peer.snd_una(), una + taken);
    }
}

TEST(ZeroWindow, Must36_OldBlocksDoNotStopTheProbes) {   // a duplicate SACK that comes late finds nothing in flight
    Opening how{.scale = 0, .sack = true};
    how.config.minimum_rto = seconds(1);
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(3'000), 3'000u);
    peer.ignores_what_was_sent();
    peer.sends(ack().window(0));
    EXPECT_EQ(peer.writes(3'000), 3'000u);
    peer.sees_nothing();
    const SeqNum una = peer.snd_una();
    peer.sends(ack().window(0).sacks({{una - 1'000, una}}));
    EXPECT_LE(peer.until_it_sends(seconds(10)), seconds(2));
    const auto probe = peer.next();
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->seq, una);
    EXPECT_EQ(probe->length, 1u);
}

TEST(ZeroWindow, Must35_ThatClosesOverTextUnderWayIsProbedWithThatText) {   // MUST-35: a window shrunk to zero
    Opening how{.timestamps = false};
    how.config.minimum_rto = seconds(1);
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(2'920), 2'920u);
    while (peer.next()) {}
    peer.sends(ack().ack(peer.iss() + 1).window(0));
    peer.until_it_sends();
    EXPECT_EQ(peer.next()->seq, peer.iss() + 1);
    peer.sends(ack().ack(peer.iss() + 1).window(65'535));
    peer.after(seconds(5));
    EXPECT_GT(peer.waiting(), 0u);
}

TEST(UserTimeout, Must20_Must21_EndsAFlowWhoseTextIsNotAcknowledged) {   // MUST-20, 21; section 3.10.8
    Opening how;
    how.options.user_timeout = seconds(5);
    Peer peer = established(how);
    peer.after(seconds(100));   // idleness is no fault
    EXPECT_EQ(peer.writes(100), 100u);
    const Duration waited = peer.until_event(Event::Kind::failed, seconds(100));
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::timed_out);
    EXPECT_GE(waited, seconds(5));
    EXPECT_LE(waited, seconds(6));
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
    EXPECT_EQ(peer.statistics().connections_failed, 1u);
}

// The TCB goes without a word (section 3.10.8). A peer that has sent its FIN and still wants to read is left in FIN-WAIT-2, where no
// timer runs: Rfc9293HalfClose.FinWait2WaitsAsLongAsThePeerWants.
TEST(UserTimeout, TellsThePeerNothing) {
    Opening how;
    how.options.user_timeout = seconds(5);
    Peer peer = established(how);
    peer.sends(fin());
    peer.sees(ack());
    EXPECT_EQ(peer.writes(100), 100u);
    peer.until_event(Event::Kind::failed, seconds(100));
    while (const auto seen = peer.next()) EXPECT_EQ(seen->length, 100u) << "text, and no reset";
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
}

TEST(UserTimeout, IsCountedFromTheLastProgress) {
    Opening how;
    how.options.user_timeout = seconds(5);
    Peer peer = established(how);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(peer.writes(1'000), 1'000u);
        peer.after(seconds(4));
        peer.sends(ack().ack(peer.iss() + 1 + std::uint32_t(i + 1) * 500));
    }
    EXPECT_EQ(peer.state(), State::established);
}

TEST(UserTimeout, Must21_ZeroMeansNever) {  // MUST-21: including infinity
    Opening how;
    how.options.user_timeout = Duration{};
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(100), 100u);
    peer.after(seconds(100'000));
    EXPECT_EQ(peer.state(), State::established);
    EXPECT_GT(peer.waiting(), 100u);
}

TEST(UserTimeout, CanBeChangedWhileTheFlowLives) {
    Peer peer = established();
    EXPECT_EQ(peer.writes(100), 100u);
    peer.after(seconds(2));
    ConnectOptions options = peer.setup.options;
    options.user_timeout = seconds(7);
    ASSERT_TRUE(peer.engine().set(peer.flow(), options, peer.now));
    const Duration waited = peer.until_event(Event::Kind::failed, seconds(400));
    EXPECT_GE(waited, seconds(4));
    EXPECT_LE(waited, seconds(8));
}

TEST(UserTimeout, Shld9_Shld10_TroubleIsReportedBeforeTheEnd) {  // R1: SHLD-9, SHLD-10
    Opening how;
    how.options.user_timeout = seconds(100);
    how.config.minimum_rto = seconds(1);
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(100), 100u);
    peer.until_event(Event::Kind::soft_error, seconds(99));
    const auto soft = peer.hears(Event::Kind::soft_error);
    ASSERT_TRUE(soft);
    EXPECT_EQ(soft->error, Error::timed_out);
    EXPECT_GE(peer.statistics().timeouts, 3u);
    EXPECT_EQ(peer.state(), State::established);
    peer.sends(ack());
    EXPECT_EQ(peer.snd_una(), peer.snd_nxt());
}

TEST(UserTimeout, FinThatIsNeverAcknowledgedEndsToo) {
    Opening how;
    how.options.user_timeout = seconds(5);
    Peer peer = established(how);
    peer.sends(fin());
    peer.closes();
    peer.tries_to_read(1);
    peer.after(seconds(20));
    EXPECT_TRUE(peer.hears(Event::Kind::failed));
    EXPECT_EQ(peer.engine().deadline(), Instant::never());
}

TEST(Path, DownIsASoftErrorAndEndsUnreachableAfterTheUserTimeout) {
    Opening how{.family = Family::overlay};
    how.options.user_timeout = seconds(5);
    Peer peer = established(how);
    peer.engine().path_down(peer.path(), peer.now);
    peer.settle();
    const auto soft = peer.hears(Event::Kind::soft_error);
    ASSERT_TRUE(soft);
    EXPECT_EQ(soft->error, Error::unreachable);
    EXPECT_EQ(peer.state(), State::established);
    const Duration waited = peer.until_event(Event::Kind::failed, seconds(100));
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::unreachable) << "even with nothing to send: nobody would ever tell it otherwise";
    EXPECT_GE(waited, seconds(5));
    EXPECT_LE(waited, seconds(6));
}

TEST(Path, UpAgainInTimeSavesTheFlow) {
    Opening how{.family = Family::overlay};
    how.options.user_timeout = seconds(5);
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(100), 100u);
    peer.engine().path_down(peer.path(), peer.now);
    peer.after(seconds(4));
    peer.ignores_what_was_sent();
    peer.engine().path_up(peer.path(), peer.now);
    peer.settle();
    peer.sees(data(100).seq(peer.iss() + 1));
    EXPECT_LE(peer.until_it_sends(seconds(2)), ms(500)) << "the timer starts anew, too";
    peer.sends(ack());
    peer.after(seconds(100));
    EXPECT_EQ(peer.state(), State::established);
    EXPECT_FALSE(peer.hears(Event::Kind::failed));
}

TEST(Path, ChangeRetransmitsWhatIsInFlightAtOnce) {
    Peer peer = established({.family = Family::overlay});
    EXPECT_EQ(peer.writes(500), 500u);
    peer.ignores_what_was_sent();
    peer.engine().change_path(peer.path(), peer.setup.path, peer.now);
    peer.settle();
    peer.sees(data(500).seq(peer.iss() + 1));
}

TEST(Path, SmallerMtuCutsWhatIsSentAgain) {
    Peer peer = established({.family = Family::overlay, .mss = 9'000, .timestamps = false});
    EXPECT_EQ(peer.writes(1'344), 1'344u);
    peer.sees(data(1'344));
    PathOptions smaller = peer.setup.path;
    smaller.mtu = 1'200;
    peer.setup.path.mtu = 1'200;  // Peer holds every later packet to it
    peer.engine().change_path(peer.path(), smaller, peer.now);
    peer.settle();
    peer.sees(data(1'200 - 136 - 20).seq(peer.iss() + 1));
    peer.sends(ack());
    while (peer.snd_una() != peer.iss() + 1'345) {
        peer.until_it_sends();
        peer.sends(ack());
    }
    peer.ignores_what_was_sent();
    EXPECT_EQ(peer.writes(5'000), 5'000u);
    EXPECT_EQ(peer.next()->length, 1'044u);
}

}  // namespace
}  // namespace weft::test
