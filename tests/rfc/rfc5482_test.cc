// RFC 5482: the user timeout option.
#include <gtest/gtest.h>

#include "stack/core/address.h"
#include "stack/tcp/host.h"
#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

Opening exchanging(Duration timeout = seconds(120), bool active = true) {
    Opening how{.active = active};
    how.options.user_timeout = timeout;
    how.options.exchange_user_timeout = true;
    return how;
}

constexpr std::uint8_t nop = 1;

// An acknowledgement with the option: granularity bit and value.
Segment telling(Peer& peer, std::uint16_t said) {
    const std::uint32_t value = peer.clock(), echo = peer.last_value();
    std::vector<std::uint8_t> bytes{nop, nop, 8, 10};
    for (const std::uint32_t word : {value, echo})
        for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(std::uint8_t(word >> shift));
    for (const std::uint8_t byte : {std::uint8_t{28}, std::uint8_t{4}, std::uint8_t(said >> 8), std::uint8_t(said)})
        bytes.push_back(byte);
    return ack().raw_options(bytes);
}

TEST(Rfc5482, TheOptionSaysSecondsOrMinutes) {  // section 3
    EXPECT_EQ(tcp::option_of(seconds(1)), 1);
    EXPECT_EQ(tcp::option_of(seconds(32'767)), 32'767);
    EXPECT_EQ(tcp::option_of(seconds(32'768)), 0x8000 | 547) << "minutes, rounded up";
    EXPECT_EQ(tcp::option_of(seconds(60 * 32'767)), 0xffff);
    EXPECT_EQ(tcp::option_of(seconds(60 * 40'000)), 0xffff) << "as much as there is room for";
    EXPECT_EQ(tcp::option_of(ms(1)), 1) << "zero must not be sent";
}

TEST(Rfc5482, GoesWithTheSynAndTheSegmentBehindIt) {  // section 3.1
    Peer peer{exchanging()};
    peer.connects();
    const Seen first = peer.sees(syn());
    EXPECT_EQ(first.options.user_timeout, 120);
    peer.sends(syn_ack().ack(first.seq + 1));
    EXPECT_EQ(peer.sees(ack()).options.user_timeout, 120) << "the SYN's may have been forgotten, by a SYN cookie say";
    EXPECT_EQ(peer.writes(10), 10u);
    EXPECT_FALSE(peer.sees(data(10)).options.user_timeout);
}

TEST(Rfc5482, AListenerTellsItInTheSynAck) {
    Peer peer{exchanging(seconds(200), false)};
    peer.listens();
    peer.sends(syn());
    EXPECT_EQ(peer.sees(syn_ack()).options.user_timeout, 200);
}

TEST(Rfc5482, IsOffUntilAskedFor) {
    Peer peer{Opening{.active = true}};
    peer.connects();
    EXPECT_FALSE(peer.sees(syn()).options.user_timeout);
}

TEST(Rfc5482, AChangeIsTold) {
    Peer peer = established(exchanging(seconds(120), false));
    EXPECT_EQ(peer.writes(1), 1u);
    peer.ignores_what_was_sent();
    peer.sends(ack());
    ConnectOptions options;
    options.user_timeout = seconds(500);
    options.exchange_user_timeout = true;
    ASSERT_TRUE(peer.engine().set(peer.flow(), options, peer.now));
    EXPECT_EQ(peer.writes(10), 10u);
    EXPECT_EQ(peer.sees(data(10)).options.user_timeout, 500);
}

TEST(Rfc5482, FullSegmentsLeaveItToAnAcknowledgement) {  // it would make them larger than the path
    Peer peer = established(exchanging(seconds(120), false));
    ConnectOptions options;
    options.user_timeout = seconds(500);
    options.exchange_user_timeout = true;
    ASSERT_TRUE(peer.engine().set(peer.flow(), options, peer.now));
    EXPECT_EQ(peer.writes(10'000), 10'000u);
    EXPECT_EQ(peer.sees(ack()).options.user_timeout, 500);
    const auto text = peer.next();
    ASSERT_TRUE(text);
    EXPECT_GT(text->length, 0u);
    EXPECT_FALSE(text->options.user_timeout);
}

TEST(Rfc5482, TheLongerOfBothHolds) {  // section 3.1: max(ADV_UTO, REMOTE_UTO)
    for (const auto& [theirs, holds] :
         {std::pair{std::uint16_t{400}, 400}, {std::uint16_t{50}, 120}, {std::uint16_t{0x8005}, 300}}) {
        Peer peer = established(exchanging(seconds(120), false));
        peer.sends(telling(peer, theirs));
        EXPECT_EQ(peer.writes(10), 10u);
        const Duration lived = peer.until_event(Event::Kind::failed, seconds(2'000));
        EXPECT_GE(lived, seconds(holds)) << theirs;
        EXPECT_LE(lived, seconds(holds + 1)) << theirs;
    }
}

TEST(Rfc5482, LimitsBoundWhatAPeerMayMakeOfIt) {  // L_LIMIT, U_LIMIT
    Opening how = exchanging(seconds(10), false);
    how.config.user_timeout_most = seconds(150);
    Peer peer = established(how);
    peer.sends(telling(peer, 20));
    EXPECT_EQ(peer.writes(10), 10u);
    EXPECT_GE(peer.until_event(Event::Kind::failed, seconds(2'000)), seconds(100)) << "not below 100 seconds";
    Peer other = established(how);
    other.sends(telling(other, 0x8000 | 600));
    EXPECT_EQ(other.writes(10), 10u);
    EXPECT_LE(other.until_event(Event::Kind::failed, seconds(2'000)), seconds(151));
}

TEST(Rfc5482, ZeroAndWhatWasNotEnabledAreIgnored) {
    for (const std::uint16_t nothing : {std::uint16_t{0}, std::uint16_t{0x8000}}) {
        Peer zero = established(exchanging(seconds(120), false));
        zero.sends(telling(zero, 400));
        zero.sends(telling(zero, nothing));
        EXPECT_EQ(zero.writes(10), 10u);
        EXPECT_GE(zero.until_event(Event::Kind::failed, seconds(2'000)), seconds(400)) << "what it said before holds";
    }
    Opening how;
    how.options.user_timeout = seconds(120);
    Peer off = established(how);
    off.sends(telling(off, 1'000));
    EXPECT_EQ(off.writes(10), 10u);
    EXPECT_LE(off.until_event(Event::Kind::failed, seconds(2'000)), seconds(121));
}

}  // namespace
}  // namespace weft::test
