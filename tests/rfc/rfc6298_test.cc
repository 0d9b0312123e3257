// RFC 6298: the retransmission timer. Its formulas to the digit, its back-off, and Karn's rule.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

// A flow whose handshake took 100 ms: one sample.
Opening measured(Duration minimum = seconds(1), bool timestamps = true) {
    Opening how{.active = true, .timestamps = timestamps, .round_trip = ms(100)};
    how.config.minimum_rto = minimum;
    return how;
}

void about(Duration value, Duration expected, Where where = Where::current()) {
    EXPECT_LE(value, expected + ms(2)) << "at line " << where.line();
    EXPECT_LE(expected, value + ms(2)) << "at line " << where.line();
}

TEST(Rfc6298, BeforeAnyMeasurementTheTimeoutIsOneSecond) {   // 2.1
    Peer peer{{.active = true}};
    peer.connects();
    EXPECT_EQ(peer.tcb().timing.rto, seconds(1));
}

TEST(Rfc6298, FirstMeasurementSetsSrttAndHalfOfItAsVariation) {   // 2.2
    Peer peer = established(measured(ms(1)));
    about(peer.tcb().timing.srtt, ms(100));
    about(peer.tcb().timing.rttvar, ms(50));
    about(peer.tcb().timing.rto, ms(300));   // SRTT + 4 RTTVAR
}

TEST(Rfc6298, LaterMeasurementsAreSmoothedByAnEighthAndAQuarter) {   // 2.3
    Peer peer = established(measured(ms(1)));
    Duration srtt = peer.tcb().timing.srtt, rttvar = peer.tcb().timing.rttvar;
    for (const std::int64_t r : {200, 50, 100, 100, 150, 10}) {   // each shorter than the timeout of its time
        EXPECT_EQ(peer.writes(100), 100u);
        peer.sees(data(100));
        peer.after(ms(r));
        peer.sends(ack());
        peer.ignores_what_was_sent();
        const std::int64_t error = srtt.count() - ms(r).count();
        rttvar = Duration::nanoseconds(rttvar.count() * 3 / 4 + (error < 0 ? -error : error) / 4);   // before SRTT
        srtt = Duration::nanoseconds(srtt.count() * 7 / 8 + ms(r).count() / 8);
        about(peer.tcb().timing.srtt, srtt);
        about(peer.tcb().timing.rttvar, rttvar);
        about(peer.tcb().timing.rto, srtt + rttvar * 4);
    }
}

TEST(Rfc6298, TimeoutIsAtLeastTheMinimum) {   // 2.4
    EXPECT_EQ(established(measured(seconds(1))).tcb().timing.rto, seconds(1));
    about(established(measured(ms(200))).tcb().timing.rto, ms(300));
    EXPECT_EQ(established(measured(ms(400))).tcb().timing.rto, ms(400));
}

TEST(Rfc6298, TimerRunsFromTheFirstUnacknowledgedSegment) {   // 5.1
    Peer peer = established(measured());
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    peer.after(ms(600));
    EXPECT_EQ(peer.writes(100, {.nodelay = true}), 100u);   // 5.1: already running, so not restarted
    peer.sees(data(100));
    about(peer.until_it_sends(), ms(400));
    const auto again = peer.next();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->seq, peer.iss() + 1);
}

TEST(Rfc6298, AllAcknowledgedTurnsItOff) {   // 5.2
    Peer peer = established(measured());
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    peer.sends(ack());
    peer.after(seconds(100));
    peer.sees_nothing();
    EXPECT_EQ(peer.statistics().timeouts, 0u);
}

TEST(Rfc6298, AcknowledgementOfNewTextRestartsIt) {   // 5.3
    Peer peer = established(measured());
    EXPECT_EQ(peer.writes(100), 100u);
    EXPECT_EQ(peer.writes(100, {.nodelay = true}), 100u);
    peer.ignores_what_was_sent();
    peer.after(ms(900));
    peer.sends(ack().ack(peer.iss() + 101));
    const Duration rto = peer.tcb().timing.rto;
    about(peer.until_it_sends(), rto);
    const auto again = peer.next();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->seq, peer.iss() + 101);
}

TEST(Rfc6298, DuplicateAcknowledgementDoesNotRestartIt) {
    Peer peer = established(measured());
    EXPECT_EQ(peer.writes(100), 100u);
    peer.ignores_what_was_sent();
    peer.after(ms(700));
    peer.sends(ack().ack(peer.iss() + 1));
    about(peer.until_it_sends(), ms(300));
}

TEST(Rfc6298, EachTimeoutDoublesItUpToSixtySecondsOrMore) {   // 5.4 to 5.6, 2.5
    Opening how = measured();
    how.options.user_timeout = seconds(100'000);
    Peer peer = established(how);
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    Duration expected = seconds(1);
    for (int i = 0; i < 6; ++i) {
        about(peer.until_it_sends(), expected);
        const auto again = peer.next();
        ASSERT_TRUE(again);
        EXPECT_EQ(again->seq, peer.iss() + 1) << "the earliest that is not acknowledged";
        EXPECT_EQ(again->length, 100u);
        expected = expected * 2;
    }
    Duration longest;
    for (int i = 0; i < 6; ++i) longest = std::max(longest, peer.until_it_sends());
    EXPECT_GE(longest, seconds(60));
    EXPECT_LE(longest, seconds(130));
}

TEST(Rfc6298, OnlyTheEarliestSegmentIsRetransmittedByATimeout) {   // 5.4, RFC 5681: a window of one segment
    Peer peer = established(measured(seconds(1), false));
    EXPECT_EQ(peer.writes(14'600), 14'600u);
    EXPECT_EQ(peer.bytes_waiting(), 14'600u);
    peer.ignores_what_was_sent();
    peer.until_it_sends();
    peer.sees(data(1'460).seq(peer.iss() + 1));
    peer.sees_nothing();
}

TEST(Rfc6298, RetransmittedSegmentIsNeverMeasured) {   // section 3, Karn
    Peer peer = established(measured(seconds(1), false));
    const Duration srtt = peer.tcb().timing.srtt;
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    peer.until_it_sends();
    peer.ignores_what_was_sent();
    peer.after(ms(5));
    peer.sends(ack());
    EXPECT_EQ(peer.tcb().timing.srtt, srtt);
}

TEST(Rfc6298, BackOffEndsWithTheNextMeasurement) {   // section 5, last paragraph
    Peer peer = established(measured());
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    for (int i = 0; i < 3; ++i) peer.until_it_sends();
    peer.ignores_what_was_sent();
    peer.sends(ack());
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    peer.after(ms(100));
    peer.sends(ack());
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    about(peer.until_it_sends(), seconds(1));
}

TEST(Rfc6298, LostSynRaisesTheFirstTimeoutToThreeSeconds) {   // 5.7
    Peer peer{measured()};
    peer.connects();
    const Seen first = peer.sees(syn());
    peer.until_it_sends();
    peer.sees(syn());
    peer.sends(syn_ack().ack(first.seq + 1));
    peer.ignores_what_was_sent();
    ASSERT_EQ(peer.state(), State::established);
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    about(peer.until_it_sends(), seconds(3));
}

}  // namespace
}  // namespace weft::test
