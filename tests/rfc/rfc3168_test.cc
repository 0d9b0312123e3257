// RFC 3168: explicit congestion notification, section 6.1 (RFC 9293: SHLD-8).
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

constexpr std::uint16_t both_marks = wire::ece | wire::cwr;

Opening asking(bool active = true) {
    Opening how{.active = active};
    how.config.ecn = 1;
    return how;
}

// A flow over which ECN was negotiated.
Peer capable(const Opening& how = asking()) {
    Peer peer{how};
    if (how.active) {
        peer.connects();
        const Seen first = peer.sees(syn().with(both_marks));
        peer.sends(syn_ack().with(wire::ece).ack(first.seq + 1));
        peer.sees(ack());
        EXPECT_TRUE(peer.hears(Event::Kind::connected));
    } else {
        peer.listens();
        peer.sends(syn().with(both_marks));
        const Seen answer = peer.sees(syn_ack().with(wire::ece));
        peer.sends(ack().ack(answer.seq + 1));
        EXPECT_TRUE(peer.accepts());
    }
    EXPECT_TRUE(peer.tcb().receiving.flags.ecn);
    return peer;
}

TEST(Rfc3168, Shld8_AnEcnSetupSynIsAnsweredByOne) {  // section 6.1.1
    Peer active = capable();
    Peer passive = capable(asking(false));
    EXPECT_EQ(passive.writes(100), 100u);
    EXPECT_EQ(passive.sees(data(100)).ecn(), Ecn::ect0);
}

TEST(Rfc3168, ByDefaultItIsAcceptedAndNotAskedFor) {
    Peer passive{Opening{}};
    passive.listens();
    passive.sends(syn().with(both_marks));
    passive.sees(syn_ack().with(wire::ece));
    Peer active{Opening{.active = true}};
    active.connects();
    active.sees(syn());
}

TEST(Rfc3168, OffMeansNeither) {
    Opening how;
    how.config.ecn = 0;
    Peer peer{how};
    peer.listens();
    peer.sends(syn().with(both_marks));
    const Seen answer = peer.sees(syn_ack());
    peer.sends(ack().ack(answer.seq + 1));
    ASSERT_TRUE(peer.accepts());
    EXPECT_EQ(peer.writes(100), 100u);
    EXPECT_EQ(peer.sees(data(100)).ecn(), Ecn::not_capable);
    peer.sends(data(100).marked());
    peer.after(ms(100));
    peer.sees(ack());
}

TEST(Rfc3168, AnAnswerThatReflectsBothBitsIsNone) {  // section 6.1.1: an old host that echoes reserved bits
    for (const std::uint16_t said : {std::uint16_t{0}, both_marks, std::uint16_t{wire::cwr}}) {
        Peer peer{asking()};
        peer.connects();
        const Seen first = peer.sees(syn().with(both_marks));
        peer.sends(syn_ack().with(said).ack(first.seq + 1));
        peer.sees(ack());
        EXPECT_FALSE(peer.tcb().receiving.flags.ecn) << said;
        EXPECT_EQ(peer.writes(10), 10u);
        EXPECT_EQ(peer.sees(data(10)).ecn(), Ecn::not_capable);
    }
}

TEST(Rfc3168, ASynThatIsSentAgainDoesWithoutIt) {  // section 6.1.1.1
    Peer peer{asking()};
    peer.connects();
    const Seen first = peer.sees(syn().with(both_marks));
    peer.until_it_sends();
    peer.sees(syn());
    peer.sends(syn_ack().with(wire::ece).ack(first.seq + 1));
    peer.sees(ack());
    EXPECT_FALSE(peer.tcb().receiving.flags.ecn) << "the last SYN did not ask";
}

TEST(Rfc3168, OnlyNewTextIsEcnCapable) {  // sections 6.1.1 (SYNs), 6.1.4 (pure ACKs), 6.1.5 (retransmissions)
    Peer peer = capable();
    EXPECT_EQ(peer.writes(100), 100u);
    EXPECT_EQ(peer.sees(data(100)).ecn(), Ecn::ect0);
    peer.until_it_sends();
    EXPECT_EQ(peer.sees(data(100)).ecn(), Ecn::not_capable) << "a retransmission";
    peer.sends(ack());
    peer.sends(data(10));
    peer.after(ms(500));
    EXPECT_EQ(peer.sees(ack()).ecn(), Ecn::not_capable);
}

TEST(Rfc3168, WindowProbesAreNotEcnCapable) {  // section 6.1.6
    Peer peer = capable();
    peer.sends(ack().window(0));
    EXPECT_EQ(peer.writes(100), 100u);
    peer.until_it_sends();
    const auto probe = peer.next();
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->length, 1u);
    EXPECT_EQ(probe->ecn(), Ecn::not_capable);
}

TEST(Rfc3168, AMarkIsEchoedByEveryAckUntilCwrComes) {  // section 6.1.3
    for (const Family family : {Family::ipv4, Family::ipv6}) {
        Opening how = asking(false);
        how.family = family;
        Peer peer = capable(how);
        peer.sends(data(1'000).marked());
        peer.sees(ack().with(wire::ece));
        for (int i = 0; i < 3; ++i) {
            peer.sends(data(1'000));
            peer.sends(data(1'000));
            peer.sees(ack().with(wire::ece));
        }
        EXPECT_EQ(peer.writes(10), 10u);
        EXPECT_TRUE(peer.sees(data(10).with(wire::ece)).has(wire::ece)) << "text carries the echo, too";
        peer.sends(data(1'000).with(wire::cwr));
        peer.sends(data(1'000));
        peer.sees(ack());
    }
}

TEST(Rfc3168, CwrOnAMarkedSegmentBeginsAnotherEcho) {  // section 6.1.3: the mark is newer than the cut
    Peer peer = capable(asking(false));
    peer.sends(data(1'000).marked());
    peer.sees(ack().with(wire::ece));
    peer.sends(data(1'000).with(wire::cwr).marked());
    peer.sees(ack().with(wire::ece));
}

TEST(Rfc3168, AMarkOutsideTheWindowIsIgnored) {  // section 6.1.5
    Peer peer = capable(asking(false));
    peer.sends(data(1'000).seq(peer.rcv_nxt() - 2'000).marked());
    peer.sees(ack());
    peer.after(seconds(2));
    peer.sends(data(1'000));
    peer.sends(data(1'000));
    peer.sees(ack());
}

TEST(Rfc3168, AnEchoHalvesTheWindowOnceARoundAndCwrSaysSo) {  // section 6.1.2
    Peer peer = capable();
    const std::uint32_t mss = peer.effective_mss();
    EXPECT_EQ(peer.writes(10 * mss), 10u * mss);
    while (peer.next()) {}
    const std::uint32_t cwnd = peer.tcb().sending.steering.cwnd;
    peer.sends(ack().ack(peer.snd_una() + mss).with(wire::ece));
    const std::uint32_t cut = peer.tcb().sending.steering.cwnd;
    EXPECT_EQ(cut, 10 * mss / 2) << "as for a loss: half of what was in flight";
    EXPECT_LT(cut, cwnd);
    peer.sends(ack().ack(peer.snd_una() + mss).with(wire::ece));
    peer.sends(ack().ack(peer.snd_una() + mss).with(wire::ece));
    EXPECT_EQ(peer.tcb().sending.steering.cwnd, cut) << "the same window of text: no second cut, and no growth";
    EXPECT_EQ(peer.statistics().ecn_cuts, 1u);
    peer.sends(ack());
    EXPECT_EQ(peer.writes(3 * mss), 3u * mss);
    const auto first = peer.next(), second = peer.next();
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(first->has(wire::cwr)) << "on the first new segment after the cut";
    EXPECT_FALSE(second->has(wire::cwr)) << "and on that alone, also where a super-segment is cut";
    const std::uint32_t now = peer.tcb().sending.steering.cwnd;
    peer.sends(ack().with(wire::ece));
    EXPECT_LT(peer.tcb().sending.steering.cwnd, now) << "a round later an echo is news again";
    EXPECT_EQ(peer.statistics().ecn_cuts, 2u);
}

TEST(Rfc3168, ALossCutsTheWindowAndIsToldByCwrToo) {  // section 6.1.2: for any reason
    Peer peer = capable();
    EXPECT_EQ(peer.writes(100), 100u);
    peer.sees(data(100));
    peer.until_it_sends();
    EXPECT_FALSE(peer.sees(data(100)).has(wire::cwr)) << "CWR is for new text";
    peer.sends(ack().with(wire::ece));
    EXPECT_EQ(peer.statistics().ecn_cuts, 0u) << "the window was cut for the same text already";
    EXPECT_EQ(peer.writes(100), 100u);
    EXPECT_TRUE(peer.sees(data(100).with(wire::cwr)).has(wire::cwr));
}

TEST(Rfc3168, EchoesOfAFlowWithoutItAreIgnored) {
    Peer peer = established();
    const std::uint32_t mss = peer.effective_mss();
    EXPECT_EQ(peer.writes(4 * mss), 4u * mss);
    while (peer.next()) {}
    const std::uint32_t cwnd = peer.tcb().sending.steering.cwnd;
    peer.sends(ack().with(wire::ece));
    EXPECT_GE(peer.tcb().sending.steering.cwnd, cwnd);
    EXPECT_EQ(peer.statistics().ecn_cuts, 0u);
}

}  // namespace
}  // namespace weft::test
