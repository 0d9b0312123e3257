// Keep-alives (RFC 9293, section 3.8.4).
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

Opening kept(Duration idle = seconds(60), Duration interval = seconds(10), std::uint8_t probes = 3) {
    Opening how;
    how.options.keepalive = {.on = true, .probes = probes, .idle = idle, .interval = interval};
    return how;
}

// Full seconds: the timer wheel ticks in microseconds.
std::int64_t whole(Duration time) { return (time.count() + 500'000'000) / 1'000'000'000; }

TEST(KeepAlive, May5_Must25_IsOffUntilAskedFor) {
    Peer peer = established();
    peer.after(seconds(86'400));
    peer.sees_nothing();
    EXPECT_EQ(peer.state(), State::established);
}

TEST(KeepAlive, Must24_IsTurnedOnAndOffForEachConnection) {
    Peer peer = established();
    ConnectOptions options;
    options.keepalive = {.on = true, .idle = seconds(30)};
    ASSERT_TRUE(peer.engine().set(peer.flow(), options, peer.now));
    EXPECT_EQ(whole(peer.until_it_sends()), 30);
    peer.sees(ack());
    peer.sends(ack());
    options.keepalive = {};
    ASSERT_TRUE(peer.engine().set(peer.flow(), options, peer.now));
    peer.after(seconds(86'400));
    peer.sees_nothing();
}

TEST(KeepAlive, Must26_WaitsWhileAnythingIsOutstanding) {
    Peer peer = established(kept());
    peer.after(seconds(59));
    EXPECT_EQ(peer.writes(100), 100u);
    while (peer.next()) {}
    peer.after(seconds(20));
    while (const auto seen = peer.next()) EXPECT_EQ(seen->length, 100u) << "a retransmission, no probe";
    peer.sends(ack());
    EXPECT_EQ(whole(peer.until_it_sends()), 60) << "and then silence begins anew";
}

TEST(KeepAlive, Must26_WaitsUntilThePeerWasSilentForTheInterval) {
    Peer peer = established(kept());
    for (int i = 0; i < 5; ++i) {
        peer.after(seconds(50));
        peer.sends(ack());
    }
    peer.sees_nothing();
    EXPECT_EQ(whole(peer.until_it_sends()), 60);
}

TEST(KeepAlive, Must27_ItsTimesAreTunable) {
    Opening how;
    how.config.keepalive_idle = seconds(100);
    how.config.keepalive_interval = seconds(7);
    how.config.keepalive_probes = 2;
    how.options.keepalive.on = true;
    Peer peer = established(how);
    EXPECT_EQ(whole(peer.until_it_sends()), 100);
    EXPECT_EQ(whole(peer.until_it_sends()), 7);
    EXPECT_EQ(whole(peer.until_event(Event::Kind::failed)), 7);
}

TEST(KeepAlive, Must28_TheDefaultIntervalIsTwoHours) {
    Opening how;
    how.options.keepalive.on = true;
    Peer peer = established(how);
    EXPECT_EQ(whole(peer.until_it_sends(seconds(10'000))), 7'200);
}

TEST(KeepAlive, Must29_OneUnansweredProbeIsNoDeadConnection) {
    Peer peer = established(kept(seconds(60), seconds(10), 1));
    EXPECT_EQ(whole(peer.until_it_sends()), 60);
    EXPECT_EQ(whole(peer.until_it_sends()), 10) << "a second one, although one was asked for";
    EXPECT_FALSE(peer.hears(Event::Kind::failed));
    peer.sends(ack());
    peer.ignores_what_was_sent();
    EXPECT_EQ(whole(peer.until_it_sends()), 60) << "an answer begins it all anew";
    EXPECT_EQ(peer.state(), State::established);
}

TEST(KeepAlive, Must29_AllOfThemUnansweredEndTheConnection) {
    Peer peer = established(kept());
    peer.until_it_sends();
    for (int i = 0; i < 2; ++i) EXPECT_EQ(whole(peer.until_it_sends()), 10);
    EXPECT_EQ(whole(peer.until_event(Event::Kind::failed)), 10);
    const auto failed = peer.hears(Event::Kind::failed);
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->error, Error::timed_out);
    EXPECT_EQ(failed->limit, Event::Limit::keep_alive);
    for (int i = 0; i < 3; ++i) peer.sees(ack());
    peer.sees(rst_ack());
}

TEST(KeepAlive, Shld12_CarriesNoTextAndAsksForAnAnswer) {
    for (const Family family : {Family::ipv4, Family::ipv6, Family::overlay}) {
        Opening how = kept();
        how.family = family;
        Peer peer = established(how);
        const SeqNum next = peer.snd_nxt(), heard = peer.peer_next();
        peer.until_it_sends();
        const Seen probe = peer.sees(ack().seq(next - 1).ack(heard));
        EXPECT_EQ(probe.length, 0u);
        EXPECT_EQ(peer.snd_nxt(), next);
    }
}

}  // namespace
}  // namespace weft::test
