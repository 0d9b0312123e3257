// RFC 6675 (and RFC 3042 in front of it, RFC 9937 behind it): loss by three duplicates, the pipe, and what is sent next.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/rfc/flow.h"

namespace weft::test {
namespace {

using Numbers = std::vector<std::uint32_t>;

Opening counting() {
    Opening how = selective();
    how.active = true;
    how.config.recovery = Config::Recovery::sack;
    return how;
}

// ---- section 4: IsLost() ----

TEST(Rfc6675, TwoDuplicatesAreNoLoss) {
    Flow10 flow{counting()};
    flow.sacks({{1, 3}});
    flow.peer.after(ms(150));
    EXPECT_EQ(flow.resent(), Numbers{});
    EXPECT_FALSE(flow.flags().recovering);
}

TEST(Rfc6675, MoreThanTwoSegmentsSackedAboveItAreALoss) {
    Flow10 flow{counting()};
    flow.sacks({{2, 4}});
    EXPECT_EQ(flow.resent(), Numbers{});
    flow.sacks({{2, 5}});
    EXPECT_EQ(flow.resent(), Numbers{0});
    EXPECT_EQ(flow.board().given_up, flow.mss()) << "1 waits for its turn (RFC 9937)";
}

TEST(Rfc6675, ThreeSeparateRangesAboveItAreALossHoweverShort) {
    Flow10 flow{counting()};
    const SeqNum una = flow.peer.snd_una();
    const auto range = [&](std::uint32_t n) { return wire::SackBlock{flow.at(n), flow.at(n) + 10}; };
    flow.peer.sends(ack().ack(una).sacks({range(3), range(1)}));
    EXPECT_EQ(flow.resent(), Numbers{});
    flow.peer.sends(ack().ack(una).sacks({range(5), range(3), range(1)}));
    const Numbers again = flow.resent();
    ASSERT_FALSE(again.empty());
    EXPECT_EQ(again.front(), 0u);
    EXPECT_EQ(flow.board().sacked, 30u);
}

TEST(Rfc6675, HolesBelowEnoughSackedTextAreLostAndThoseAboveAreNot) {
    Flow10 flow{counting()};
    flow.sacks({{8, 9}, {2, 5}});
    const Numbers again = flow.resent();
    EXPECT_EQ(again, Numbers{0});
    EXPECT_EQ(flow.board().given_up, flow.mss()) << "1 waits for its turn; 5, 6, 7 and 9 have less above them";
}

// ---- section 4: SetPipe() ----

TEST(Rfc6675, PipeIsWhatWasSentLessWhatIsSackedOrLost) {
    NumberedFlow flow{20, counting()};
    flow.sacks({{4, 6}});
    EXPECT_EQ(flow.pipe(), 18 * flow.mss());
    flow.sacks({{4, 10}});  // 0 to 3 are lost; the window of ten lets none of them out but the first
    const std::uint32_t again = std::uint32_t(flow.sent().size());
    EXPECT_EQ(flow.pipe(), (20 - 6 - 4 + again) * flow.mss());
    EXPECT_EQ(flow.peer.snd_nxt(), flow.at(20));
}

// ---- section 5 ----

TEST(Rfc6675, LossHalvesTheFlightThatWasThereBeforeLimitedTransmit) {  // step 4.2
    NumberedFlow flow{20, counting()};
    EXPECT_GT(flow.peer.writes(40 * flow.mss()), 0u);
    flow.peer.ignores_what_was_sent();
    const std::uint32_t window = flow.cwnd();
    const std::uint32_t before = flow.pipe();
    EXPECT_LE(before, window);
    flow.sacks({{1, 2}});
    flow.sacks({{1, 3}});
    flow.sacks({{1, 4}});
    EXPECT_EQ(flow.ssthresh(), before / 2);
    EXPECT_TRUE(flow.flags().recovering);
}

TEST(Rfc6675, HolesAreSentInTheirOrderAndBeforeNewText) {  // NextSeg(), rules 1 and 2
    NumberedFlow flow{20, counting()};
    EXPECT_GT(flow.peer.writes(40 * flow.mss()), 0u);
    flow.peer.ignores_what_was_sent();
    const std::uint32_t fresh = (flow.peer.snd_nxt() - flow.begin) / flow.mss();
    Numbers all;
    for (std::uint32_t right = 9; right <= fresh; ++right) {
        flow.sacks({{8, right}, {4, 6}});
        for (const std::uint32_t number : flow.sent()) all.push_back(number);
    }
    const auto first_fresh = std::find_if(all.begin(), all.end(), [&](std::uint32_t n) { return n >= fresh; });
    ASSERT_GE(first_fresh - all.begin(), 6);
    EXPECT_EQ(Numbers(all.begin(), all.begin() + 6), (Numbers{0, 1, 2, 3, 6, 7}));
}

TEST(Rfc6675, WhereNothingNewWaitsHolesThatAreNotYetLostFillThePipe) {  // NextSeg(), rule 3
    Flow10 flow{counting()};
    flow.sacks({{1, 4}, {5, 6}, {7, 8}});
    Numbers again = flow.resent();
    for (int i = 0; i < 4 && std::count(again.begin(), again.end(), 6u) == 0; ++i) {
        flow.peer.after(ms(10));
        flow.acks_and_sacks(4, {{5, 6}, {7, 8}});
        for (const std::uint32_t number : flow.resent()) again.push_back(number);
    }
    EXPECT_EQ(std::count(again.begin(), again.end(), 4u), 1);
    EXPECT_EQ(std::count(again.begin(), again.end(), 6u), 1) << "one range above it: not lost by IsLost()";
    EXPECT_LE(std::count(again.begin(), again.end(), 9u), 1) << "rule 4, the rescue, once at most";
}

TEST(Rfc6675, RecoveryEndsWhenAllThatWasInFlightIsAcknowledged) {  // step A
    NumberedFlow flow{20, counting()};
    flow.sacks({{1, 5}});
    const SeqNum point = flow.peer.snd_nxt();
    flow.peer.ignores_what_was_sent();
    flow.peer.after(ms(100));
    flow.acks_and_sacks(19, {});
    EXPECT_TRUE(flow.flags().recovering);
    flow.peer.sends(ack().ack(point));
    EXPECT_FALSE(flow.flags().recovering);
    EXPECT_EQ(flow.cwnd(), flow.ssthresh());
}

TEST(Rfc6675, TimeoutEndsRecoveryAndNoneBeginsBeforeItsPoint) {  // section 5.1
    NumberedFlow flow{20, counting()};
    flow.sacks({{1, 5}});
    while (flow.peer.statistics().timeouts == 0) flow.peer.until_it_sends();
    EXPECT_FALSE(flow.flags().recovering);
    EXPECT_EQ(flow.cwnd(), flow.mss());
    const std::uint32_t threshold = flow.ssthresh();
    flow.acks_and_sacks(5, {{8, 15}});
    EXPECT_FALSE(flow.flags().recovering);
    EXPECT_EQ(flow.ssthresh(), threshold);
}

// ---- RFC 3042 ----

TEST(Rfc3042, EachOfTheFirstTwoDuplicatesLetsOneNewSegmentOut) {  // section 2
    for (const auto recovery : {Config::Recovery::rack, Config::Recovery::sack}) {
        Opening how = counting();
        how.config.recovery = recovery;
        NumberedFlow flow{10, how};
        EXPECT_GT(flow.peer.writes(10 * flow.mss()), 0u);
        flow.peer.ignores_what_was_sent();
        const std::uint32_t next = (flow.peer.snd_nxt() - flow.begin) / flow.mss(), window = flow.cwnd();
        flow.sacks({{1, 2}});
        EXPECT_EQ(flow.sent(), Numbers{next});
        flow.sacks({{1, 3}});
        EXPECT_EQ(flow.sent(), Numbers{next + 1});
        EXPECT_EQ(flow.cwnd(), window) << "the window does not grow by it";
    }
}

TEST(Rfc3042, DuplicateThatSacksNothingNewLetsNothingOut) {  // section 2, with SACK
    NumberedFlow flow{10, counting()};
    EXPECT_GT(flow.peer.writes(10 * flow.mss()), 0u);
    flow.peer.ignores_what_was_sent();
    flow.sacks({{1, 2}});
    flow.peer.ignores_what_was_sent();
    flow.sacks({{1, 2}});
    EXPECT_EQ(flow.sent(), Numbers{});
}

TEST(Rfc3042, HoldsWithoutSackToo) {
    Opening how = counting();
    how.sack = false;
    NumberedFlow flow{10, how};
    EXPECT_GT(flow.peer.writes(10 * flow.mss()), 0u);
    flow.peer.ignores_what_was_sent();
    const std::uint32_t next = (flow.peer.snd_nxt() - flow.begin) / flow.mss();
    flow.sacks({});  // it changes the window, which the handshake could not scale: no duplicate
    flow.sacks({});
    EXPECT_EQ(flow.sent(), Numbers{next});
    flow.sacks({});
    EXPECT_EQ(flow.sent(), Numbers{next + 1});
}

// ---- RFC 9937, section 6: the pseudo-code, step by step, beside the flow ----

struct Reduction {
    std::uint64_t recover_fs{0}, delivered{0}, out{0};

    std::uint64_t window(std::uint64_t pipe, std::uint64_t ssthresh, std::uint64_t newly, bool safe, std::uint64_t mss) {
        delivered += newly;
        std::int64_t send = 0;
        if (pipe > ssthresh) {
            send = std::int64_t((delivered * ssthresh + recover_fs - 1) / recover_fs) - std::int64_t(out);
        } else {
            send = std::max(std::int64_t(delivered) - std::int64_t(out), std::int64_t(newly));
            if (safe) send += std::int64_t(mss);
            send = std::min(std::int64_t(ssthresh - pipe), send);
        }
        if (out == 0 && send <= 0) send = std::int64_t(mss);
        return pipe + std::uint64_t(std::max<std::int64_t>(send, 0));
    }
};

TEST(Rfc9937, WindowIsWhatIsInFlightAndWhatMayFollow) {
    NumberedFlow flow{40, counting()};
    EXPECT_GT(flow.peer.writes(100 * flow.mss()), 0u);
    flow.peer.ignores_what_was_sent();
    const std::uint32_t mss = flow.mss();
    flow.sacks({{1, 2}});
    flow.sacks({{1, 3}});
    flow.peer.ignores_what_was_sent();
    const std::uint32_t all = flow.peer.snd_nxt() - flow.peer.snd_una();
    const std::uint64_t begin = flow.peer.cold().bytes_out;
    (void)begin;
    Reduction model{.recover_fs = all - 3 * mss + mss};  // all but what is SACKed, and what this one SACKs
    flow.sacks({{1, 4}});
    ASSERT_TRUE(flow.flags().recovering);
    EXPECT_EQ(flow.board().prr.recover_fs, model.recover_fs);
    std::uint64_t pipe = all - 3 * mss - mss;  // segment 0 is lost
    std::uint64_t window = model.window(pipe, flow.ssthresh(), mss, false, mss);
    EXPECT_EQ(flow.cwnd(), window);
    for (std::uint32_t right = 5; right < 38; ++right) {
        model.out += flow.sent().size() * mss;
        EXPECT_EQ(flow.board().prr.out, model.out);
        pipe = flow.pipe() - mss;
        flow.sacks({{1, right}});
        window = model.window(pipe, flow.ssthresh(), mss, false, mss);
        EXPECT_EQ(flow.cwnd(), std::max<std::uint64_t>(window, mss)) << right;
        EXPECT_LE(flow.pipe(), std::max<std::uint64_t>(window, mss)) << right;
    }
    EXPECT_EQ(flow.peer.statistics().timeouts, 0u);
}

TEST(Rfc9937, ProportionIsTheCongestionControls) {  // one of two for NewReno, seven of ten for CUBIC
    for (const std::uint16_t slot : {std::uint16_t{0}, std::uint16_t{1}}) {
        Opening how = counting();
        how.options.congestion = slot;
        NumberedFlow flow{40, how};
        EXPECT_GT(flow.peer.writes(100 * flow.mss()), 0u);
        flow.peer.ignores_what_was_sent();
        std::uint64_t sent = 0, told = 0;
        for (std::uint32_t right = 2; right <= 20; ++right) {
            flow.sacks({{1, right}});
            const std::size_t count = flow.sent().size();
            if (!flow.flags().recovering) continue;
            sent += count;
            ++told;
        }
        const double share = slot == 0 ? 0.5 : 0.7;
        EXPECT_NEAR(double(sent), double(told) * share, 2.0) << slot;
    }
}

TEST(Rfc9937,
     HeavyLossesAreRepairedAtTheRateOfDelivery) {  // section 6.2: conservative reduction bound, and one more if safe
    NumberedFlow flow{40, counting()};
    flow.sacks({{30, 34}});  // thirty lost at once
    const std::size_t first = flow.sent().size();
    EXPECT_GE(first, 1u);
    EXPECT_LE(first, 4u) << "no more than were delivered";
    for (std::uint32_t i = 1; i < 6; ++i) {
        flow.peer.after(ms(20));
        const std::uint32_t pipe = flow.pipe();
        flow.acks_and_sacks(i, {{30, 34}});
        EXPECT_EQ(flow.sent().size(), 2u) << "one was delivered and nothing more was lost: slow start";
        EXPECT_LE(flow.pipe(), pipe + flow.mss());
    }
}

TEST(Rfc9937, WindowIsSsthreshAtTheEnd) {
    NumberedFlow flow{40, counting()};
    flow.sacks({{1, 10}});
    flow.peer.ignores_what_was_sent();
    flow.peer.after(ms(100));
    flow.peer.sends(ack().ack(flow.peer.snd_nxt()));
    EXPECT_EQ(flow.cwnd(), flow.ssthresh());
}

}  // namespace
}  // namespace weft::test
