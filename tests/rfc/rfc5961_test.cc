// RFC 5961: what a blind attacker may try. Sections 3 and 4 are in rfc9293_arrival_test.cc, in every state.
#include <gtest/gtest.h>

#include <random>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

TEST(Rfc5961, ResetAtExactlyRcvNxtIsObeyed) {   // section 3.2, rule 2
    Peer peer = established();
    peer.sends(rst().seq(peer.rcv_nxt()));
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::reset);
    peer.sees_nothing();
}

TEST(Rfc5961, ResetInsideTheWindowButNotExactIsChallenged) {   // section 3.2, rule 3
    Peer peer = established();
    peer.sends(rst().seq(peer.rcv_nxt() + 1));
    peer.sees(ack().seq(peer.snd_nxt()).ack(peer.rcv_nxt()));
    EXPECT_EQ(peer.state(), State::established);
}

TEST(Rfc5961, ResetAtTheLastOctetOfTheWindowIsChallengedAndBehindItDropped) {
    Peer peer = established();
    peer.sends(rst().seq(peer.advertised() - 1));
    peer.sees(ack());
    peer.after(seconds(2));
    peer.sends(rst().seq(peer.advertised() + (1u << peer.engine_scale())));
    peer.sees_nothing();
}

TEST(Rfc5961, PeerThatReallyRestartedAnswersTheChallengeAndIsBelieved) {   // section 4.2
    Peer peer = established();
    peer.sends(syn().seq(peer.peer_next() + 77));
    const Seen challenge = peer.sees(ack());
    peer.sends(rst().seq(challenge.ack));
    EXPECT_TRUE(peer.hears(Event::Kind::failed));
}

TEST(Rfc5961, AcknowledgementTooOldIsAnsweredAndItsTextDropped) {   // section 5.2
    Peer peer = established({.scale = {}, .window = 1'000});
    const SeqNum begin = peer.peer_next();
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(peer.writes(1'000, {.nodelay = true}), 1'000u);
        peer.ignores_what_was_sent();
        peer.sends(ack());
    }
    peer.ignores_what_was_sent();
    ASSERT_EQ(peer.snd_una(), peer.snd_nxt());
    peer.sends(data(10).seq(begin).ack(peer.snd_una() - 1'001));   // below SND.UNA - MAX.SND.WND
    EXPECT_EQ(peer.rcv_nxt(), begin);
    peer.sees(ack().seq(peer.snd_nxt()).ack(begin));
    peer.sends(data(10).seq(begin).ack(peer.snd_una() - 1'000));
    EXPECT_EQ(peer.rcv_nxt(), begin + 10) << "an old acknowledgement within the window is a duplicate like any other";
}

TEST(Rfc5961, ChallengesAreLimitedAndComeBackWithTime) {   // section 7
    Peer peer = established();
    for (int i = 0; i < 1'000; ++i) {
        peer.after(Duration::microseconds(10));
        peer.sends(rst().seq(peer.rcv_nxt() + 2 + std::uint32_t(i)));
    }
    const std::size_t at_once = peer.waiting();
    EXPECT_GE(at_once, 1u);
    EXPECT_LE(at_once, 100u);
    peer.ignores_what_was_sent();
    peer.after(seconds(10));
    peer.sends(rst().seq(peer.rcv_nxt() + 2));
    peer.sees(ack());
    EXPECT_EQ(peer.state(), State::established);
}

TEST(Rfc5961, WhoIsNoConnectionYetOrNoMoreAnswersBareSegmentsSoManyTimesASecond) {  // section 7: two such would never stop
    for (const bool over : {false, true}) {
        Peer peer = over ? established() : Peer{};
        if (over) {
            peer.closes();
            peer.sends(ack());
            peer.sends(fin());
            peer.ignores_what_was_sent();
            ASSERT_EQ(peer.statistics().time_wait, 1u);
        } else {
            peer.listens();
            peer.sends(syn());
            peer.sees(syn_ack());
        }
        const SeqNum wrong = peer.peer_next() + 3'000'000;
        for (int i = 0; i < 1'000; ++i) peer.sends(ack().seq(wrong));
        EXPECT_EQ(peer.waiting(), 10u) << over;
        peer.ignores_what_was_sent();
        peer.sends(data(10).seq(peer.peer_next() - 10));
        EXPECT_EQ(peer.waiting(), 1u) << "text is always answered";
        peer.after(seconds(1));
        peer.ignores_what_was_sent();
        peer.sends(ack().seq(wrong));
        EXPECT_EQ(peer.waiting(), 1u);
    }
}

TEST(Rfc5961, RandomResetsAndSynsNeverEndAConnection) {
    std::mt19937_64 random{42};
    Peer peer = established();
    for (int i = 0; i < 3'000; ++i) {
        const SeqNum at{std::uint32_t(random())};
        if (at == peer.rcv_nxt()) continue;
        peer.sends((random() & 1 ? rst() : syn()).seq(at));
        ASSERT_EQ(peer.state(), State::established);
    }
    peer.ignores_what_was_sent();
    peer.after(seconds(1));
    peer.sends(data(100));
    EXPECT_EQ(peer.reads(), 100u);
}

}  // namespace
}  // namespace weft::test
