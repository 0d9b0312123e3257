// A flow with SACK whose segments are numbered, for tests of loss detection and recovery: the peer names segments, the test
// reads which ones were sent again.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <random>
#include <utility>
#include <vector>

#include "tests/tcp/peer.h"

namespace weft::test {

// SACK, timestamps and a round trip of 100 ms, so that the retransmission timer runs for 300 ms at first.
inline Opening selective(Duration round_trip = ms(100)) {
    Opening how{.scale = 14, .sack = true, .round_trip = round_trip};
    how.config.minimum_rto = ms(200);
    return how;
}

// Segments 0 to `count` - 1 are in flight when it begins, sent at once 100 ms ago or as told; nothing waits to be looked at.
struct NumberedFlow {
    explicit NumberedFlow(std::uint32_t count, Opening how = with_active(selective()), Duration passed = ms(100))
        : peer{established(how)} {
        // A window for all of them.
        for (int i = 0; i < 100 && peer.tcb().sending.steering.cwnd < count * mss(); ++i) {
            peer.writes(peer.tcb().sending.steering.cwnd);
            peer.ignores_what_was_sent();
            peer.after(ms(100));
            peer.sends(ack());
        }
        peer.ignores_what_was_sent();
        begin = peer.snd_nxt();
        EXPECT_EQ(peer.writes(std::size_t{count} * mss()), std::size_t{count} * mss());
        peer.ignores_what_was_sent();
        peer.after(passed);
    }

    static Opening with_active(Opening how) {
        how.active = true;
        return how;
    }

    std::uint32_t mss() const { return peer.effective_mss(); }
    SeqNum at(std::uint32_t segment) const { return begin + segment * mss(); }
    const tcp::Flags& flags() const { return peer.tcb().receiving.flags; }
    bool has_board() const { return peer.tcb().sending.scoreboard != none; }
    const tcp::Scoreboard& board() const { return *peer.scoreboard(); }
    std::uint32_t cwnd() const { return peer.tcb().sending.steering.cwnd; }
    std::uint32_t ssthresh() const { return peer.tcb().sending.steering.ssthresh; }
    std::uint32_t pipe() const {
        return peer.snd_nxt() - peer.snd_una() - (has_board() ? board().sacked + board().given_up : 0);
    }

    // The peer has segments [first, second) of each block, and all in front of `acked`.
    void sacks(std::initializer_list<std::pair<std::uint32_t, std::uint32_t>> blocks) { acks_and_sacks(acked, blocks); }
    void acks(std::uint32_t segments) { acks_and_sacks(segments, {}); }
    void acks_and_sacks(std::uint32_t segments, std::initializer_list<std::pair<std::uint32_t, std::uint32_t>> blocks) {
        acked = segments;
        std::vector<wire::SackBlock> list;
        for (const auto& [left, right] : blocks) list.push_back({at(left), at(right)});
        Segment segment = ack().ack(at(acked));
        switch (list.size()) {
        case 0: break;
        case 1: segment.sacks({list[0]}); break;
        case 2: segment.sacks({list[0], list[1]}); break;
        default: segment.sacks({list[0], list[1], list[2]}); break;
        }
        peer.sends(segment);
    }

    // The numbers of all segments that were sent since somebody looked, below and from `fresh` on.
    std::vector<std::uint32_t> sent() {
        std::vector<std::uint32_t> numbers;
        while (const auto seen = peer.next())
            if (seen->length > 0) numbers.push_back((seen->seq - begin) / mss());
        return numbers;
    }
    std::vector<std::uint32_t> resent() {
        std::vector<std::uint32_t> numbers;
        for (const std::uint32_t number : sent())
            if (before(at(number), highest())) numbers.push_back(number);
        return numbers;
    }
    SeqNum highest() const { return known_end; }

    Peer peer;
    SeqNum begin;
    SeqNum known_end{};
    std::uint32_t acked{0};
};

// Ten segments, all that the initial window lets out, and nothing more to send.
struct Flow10 : NumberedFlow {
    explicit Flow10(Opening how = with_active(selective()), Duration passed = ms(100)) : NumberedFlow{10, how, passed} {
        known_end = at(10);
    }
};

}  // namespace weft::test
