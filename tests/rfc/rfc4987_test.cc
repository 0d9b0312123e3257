// SYN floods (RFC 4987): SYN cookies (section 3.6) are built from the packet and hold no state.
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <utility>

#include "stack/core/address.h"
#include "stack/tcp/cookie.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

Opening cookies(std::uint8_t when = 2) {
    Opening how;
    how.config.syncookies = when;
    how.config.ecn = 1;
    return how;
}

// A listener, a SYN, and its answer.
Seen answered(Peer& peer) {
    peer.listens();
    peer.sends(syn());
    return peer.sees(syn_ack().ack(peer.peer_next()));
}

// SYNs of so many peers, each from a port of its own; nobody looks at what is answered.
void flood(Peer& peer, std::uint16_t first_port, std::uint32_t count) {
    const bool watched = std::exchange(peer.watches, false);
    for (std::uint32_t i = 0; i < count; ++i) {
        peer.begins_anew(std::uint16_t(first_port + i), SeqNum{i * 1'000u});
        peer.sends(syn());
    }
    peer.watches = watched;
}

TEST(Rfc4987, ACookieTellsTheMssAndWhetherItIsOurs) {  // section 3.6
    const tcp::Defence defence{HashKey{1, 2}}, another{HashKey{1, 3}};
    const tcp::CookieOf of{77, 80, 40'000, SeqNum{12'345}};
    const Instant now = Instant::from_nanoseconds(1'000'000'000'000);
    for (const auto& [said, kept] : {std::pair{100, 48},
                                     {536, 536},
                                     {1'219, 536},
                                     {1'220, 1'220},
                                     {1'399, 1'300},
                                     {1'439, 1'400},
                                     {1'459, 1'440},
                                     {1'460, 1'460},
                                     {8'000, 1'460},
                                     {65'535, 8'940}}) {
        const SeqNum cookie = tcp::make_cookie(defence, of, std::uint16_t(said), now);
        EXPECT_EQ(tcp::read_cookie(defence, of, cookie, now), kept) << said;
        EXPECT_FALSE(tcp::read_cookie(another, of, cookie, now)) << "the secret counts";
        for (const tcp::CookieOf& other : {tcp::CookieOf{78, 80, 40'000, SeqNum{12'345}},
                                           {77, 81, 40'000, SeqNum{12'345}},
                                           {77, 80, 40'001, SeqNum{12'345}},
                                           {77, 80, 40'000, SeqNum{12'346}}})
            EXPECT_FALSE(tcp::read_cookie(defence, other, cookie, now)) << "and so does whose it is";
        EXPECT_FALSE(tcp::read_cookie(defence, of, cookie + 1, now));
        EXPECT_FALSE(tcp::read_cookie(defence, of, cookie + (1u << 24), now)) << "another MSS";
    }
}

TEST(Rfc4987, ACookieLivesBetweenOneMinuteAndTwo) {
    const tcp::Defence defence{HashKey{1, 2}};
    const tcp::CookieOf of{77, 80, 40'000, SeqNum{12'345}};
    for (std::int64_t second = 1'000; second < 1'200; second += 7) {
        const Instant then = Instant::from_nanoseconds(second * 1'000'000'000);
        const SeqNum cookie = tcp::make_cookie(defence, of, 1'460, then);
        EXPECT_TRUE(tcp::read_cookie(defence, of, cookie, then + seconds(64)));
        EXPECT_FALSE(tcp::read_cookie(defence, of, cookie, then + seconds(128)));
        EXPECT_FALSE(tcp::read_cookie(defence, of, cookie, then + seconds(32 * 64))) << "nor when its five bits come round";
    }
}

TEST(Rfc4987, ATimestampCarriesWhatTheCookieCannot) {
    for (std::uint32_t clock = 1'000'000; clock < 1'000'200; ++clock)
        for (const auto& shift :
             {std::optional<std::uint8_t>{}, std::optional<std::uint8_t>{0}, std::optional<std::uint8_t>{14}})
            for (const bool sack : {false, true})
                for (const bool ecn : {false, true}) {
                    const std::uint32_t value = tcp::cookie_timestamp(clock, {shift, sack, ecn});
                    EXPECT_LE(value, clock) << "the clock must not run backwards afterwards";
                    EXPECT_GT(value + 64, clock);
                    const tcp::CookieOptions read = tcp::cookie_options(value);
                    EXPECT_EQ(read.shift, shift);
                    EXPECT_EQ(read.sack, sack);
                    EXPECT_EQ(read.ecn, ecn);
                }
}

TEST(Rfc4987, AHandshakeByCookieHoldsNothingUntilItIsThrough) {
    for (const Family family : {Family::ipv4, Family::ipv6, Family::overlay}) {
        Opening how = cookies();
        how.family = family;
        Peer peer{how};
        peer.listens();
        const std::uint32_t paths = peer.statistics().paths;
        peer.sends(syn().with(wire::ece | wire::cwr));
        const Seen answer = peer.sees(syn_ack().with(wire::ece).ack(peer.peer_next()));
        EXPECT_EQ(peer.statistics().half_open, 0u);
        EXPECT_EQ(peer.statistics().paths, paths) << "not even the path";
        EXPECT_EQ(peer.engine().deadline(), Instant::never()) << "and no timer";
        EXPECT_EQ(peer.pool_in_use(), 0u);
        EXPECT_EQ(peer.statistics().cookies_sent, 1u);
        peer.after(seconds(5));
        peer.sees_nothing();
        peer.sends(ack().ack(answer.seq + 1));
        ASSERT_TRUE(peer.accepts());
        EXPECT_EQ(peer.state(), State::established);
        EXPECT_EQ(peer.statistics().cookies_received, 1u);
        EXPECT_TRUE(peer.tcb().receiving.flags.timestamps);
        EXPECT_TRUE(peer.tcb().receiving.flags.ecn);
        EXPECT_EQ(peer.tcb().receiving.snd_shift, 7);
        EXPECT_EQ(peer.tcb().receiving.rcv_shift, peer.engine_scale());
        EXPECT_EQ(peer.tcb().sending.peer_mss, family == Family::ipv4 ? 1'460 : 1'460);
        EXPECT_EQ(peer.tcb().sending.snd_wnd, 65'535u << 7) << "the acknowledgement's window, scaled";
        peer.sends(data(1'000));
        EXPECT_EQ(peer.reads(), 1'000u);
        peer.ignores_what_was_sent();
        EXPECT_EQ(peer.writes(5'000), 5'000u);
        EXPECT_EQ(peer.bytes_waiting(), 5'000u);
    }
}

TEST(Rfc4987, ACookieSaysWhatTheListenersOtherAnswersSay) {
    for (const Family family : {Family::ipv4, Family::ipv6, Family::overlay}) {
        std::vector<Seen> answers;
        for (const std::uint8_t when : {std::uint8_t{0}, std::uint8_t{2}}) {
            Opening how = cookies(when);
            how.family = family;
            how.options.dscp = 46;
            how.options.hop_limit = 33;
            how.options.maximum_segment = 900;
            how.options.receive_buffer = 5'000;
            how.options.user_timeout = seconds(90);
            how.options.exchange_user_timeout = true;
            Peer peer{how};
            peer.listens();
            peer.sends(syn());
            answers.push_back(peer.sees(syn_ack().ack(peer.peer_next())));
        }
        for (const Seen& answer : answers) {
            EXPECT_EQ(answer.options.mss, 900);
            EXPECT_EQ(answer.window, 5'000);
            EXPECT_TRUE(answer.options.user_timeout);
            EXPECT_EQ(answer.options.user_timeout, answers.front().options.user_timeout);
            EXPECT_EQ(answer.options.window_scale, answers.front().options.window_scale);
            EXPECT_EQ(answer.hop_limit, answers.front().hop_limit);
            EXPECT_EQ(answer.traffic_class, answers.front().traffic_class);
            if (family == Family::overlay) continue;  // its header is the session's
            EXPECT_EQ(answer.hop_limit, 33);
            EXPECT_EQ(answer.traffic_class >> 2, 46);
        }
    }
}

TEST(Rfc4987, WithoutTimestampsTheMssIsAllThatIsKept) {
    Opening how = cookies();
    how.timestamps = false;
    how.mss = 1'300;
    Peer peer{how};
    const Seen answer = answered(peer);
    EXPECT_FALSE(answer.options.window_scale) << "it could not be remembered";
    peer.sends(ack().ack(answer.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.tcb().sending.peer_mss, 1'300);
    EXPECT_EQ(peer.tcb().receiving.snd_shift, 0);
    EXPECT_FALSE(peer.tcb().receiving.flags.timestamps);
}

TEST(Rfc4987, WhatWasAgreedOnHoldsThoughTheStackIsTunedMeanwhile) {
    Opening how = cookies();
    how.sack = true;
    Peer peer{how};
    const Seen answer = answered(peer);
    how.config.timestamps = how.config.window_scaling = how.config.sack = false;
    peer.engine().tune(how.config, peer.now);
    peer.sends(ack().ack(answer.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_TRUE(peer.tcb().receiving.flags.timestamps);
    EXPECT_TRUE(peer.tcb().receiving.flags.sack);
    EXPECT_EQ(peer.tcb().receiving.snd_shift, 7);
}

TEST(Rfc4987, TextMayComeWithTheAcknowledgement) {
    Peer peer{cookies()};
    const Seen answer = answered(peer);
    peer.sends(data(700).ack(answer.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.reads(), 700u);
}

TEST(Rfc4987, WhatComesTwiceInOneBatchBringsOneConnection) {  // the second is read before the first has made the path
    for (const Family family : {Family::ipv4, Family::ipv6, Family::overlay})
        for (const std::uint8_t when : {std::uint8_t{0}, std::uint8_t{2}}) {
            Opening how = cookies(when);
            how.family = family;
            Peer peer{how};
            peer.listens();
            const std::array twice{syn().seq(how.irs), syn().seq(how.irs)};
            peer.sends_together(twice);
            EXPECT_EQ(peer.statistics().half_open, when == 0 ? 1u : 0u);
            const Seen answer = peer.sees(syn_ack());
            const Segment last = ack().seq(how.irs + 1).ack(answer.seq + 1);
            peer.sends_together(std::array{last, last, last});
            EXPECT_EQ(peer.statistics().connections, 1u);
            EXPECT_TRUE(peer.accepts());
        }
}

TEST(Rfc4987, CookiesBeginWhereTheBacklogEnds) {
    Opening how = cookies(1);
    how.options.backlog = 3;
    Peer peer{how};
    peer.listens();
    flood(peer, 50'000, 3);
    EXPECT_EQ(peer.statistics().half_open, 3u);
    EXPECT_EQ(peer.statistics().cookies_sent, 0u);
    flood(peer, 51'000, 1'000);
    EXPECT_EQ(peer.statistics().half_open, 3u) << "those that are under way are not pushed out";
    EXPECT_EQ(peer.statistics().cookies_sent, 1'000u);
    peer.begins_anew(60'000, SeqNum{9});
    peer.sends(syn());
    const Seen answer = peer.sees(syn_ack());
    peer.sends(ack().ack(answer.seq + 1));
    EXPECT_TRUE(peer.accepts()) << "a flood keeps nobody out";
}

TEST(Rfc4987, AGuessIsAnsweredByAReset) {
    Peer peer{cookies()};
    const Seen answer = answered(peer);
    for (std::uint32_t i = 2; i < 200; ++i) {
        peer.sends(ack().ack(answer.seq + i));
        peer.sees(rst().seq(answer.seq + i));
    }
    EXPECT_EQ(peer.statistics().connections, 0u);
    EXPECT_EQ(peer.statistics().cookies_failed, 198u);
}

TEST(Rfc4987, WhereNoneIsOutNoneIsBelieved) {
    Opening how = cookies(1);
    Peer peer{how};
    peer.listens();
    const tcp::Defence defence{HashKey{how.config.seed[0], how.config.seed[1]}};
    peer.sends(ack().ack(SeqNum{1}));
    peer.sees(rst());
    EXPECT_EQ(peer.statistics().cookies_failed, 0u) << "not even tried";
}

TEST(Rfc4987, AtTheLimitOfConnectionsNoCookieIsGivenOutAndNoneIsTaken) {  // connections_most
    Opening how = cookies();
    how.config.connections_most = 1;
    Peer peer{how};
    const Seen first = answered(peer);
    const SeqNum next = peer.peer_next();
    peer.begins_anew(50'000, SeqNum{7});
    peer.sends(syn());
    const Seen second = peer.sees(syn_ack());
    peer.sends(ack().ack(second.seq + 1));
    ASSERT_TRUE(peer.accepts());
    peer.begins_anew(50'001, SeqNum{9});
    peer.sends(syn());
    peer.sees_nothing();
    EXPECT_EQ(peer.statistics().no_memory, 1u);
    peer.begins_anew(Peer::peer_port, next);
    peer.sends(ack().ack(first.seq + 1));
    EXPECT_EQ(peer.statistics().connections, 1u);
    EXPECT_EQ(peer.statistics().no_memory, 2u);
}

TEST(Rfc4987, OffMeansThatTheOldestHalfOpenRecordGoes) {
    Opening how = cookies(0);
    how.options.backlog = 3;
    Peer peer{how};
    peer.listens();
    flood(peer, 50'000, 10);
    EXPECT_EQ(peer.statistics().half_open, 3u);
    EXPECT_EQ(peer.statistics().cookies_sent, 0u);
    EXPECT_EQ(peer.statistics().backlog_overflows, 7u);
}

}  // namespace
}  // namespace weft::test
