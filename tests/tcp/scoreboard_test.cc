// The scoreboard against a map of single bytes, whatever blocks, losses and acknowledgements come in whatever order.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "stack/tcp/scoreboard.h"

namespace weft::test {
namespace {

using tcp::Fate;

struct Board {
    Lent<tcp::SentRecord> records;
    tcp::SentEnds ends;
    tcp::Scoreboard state;
    tcp::Flight flight{records, ends, &state};
    SeqNum una{0xffff'fff0}, nxt{0xffff'fff0};
    std::int64_t clock{0};

    void sends(std::uint32_t length) {
        flight.append(nxt, nxt + length).sent_at = Instant::from_nanoseconds(++clock);
        nxt += length;
    }
    std::uint32_t selects(std::uint32_t from, std::uint32_t to) {
        std::uint32_t fresh = 0;
        flight.select({una + from, una + to},
                      [&](const tcp::SentRecord& record, SeqNum end) { fresh += end - record.begin; });
        return fresh;
    }
};

TEST(Scoreboard, AgreesWithAMapOfBytes) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        std::mt19937_64 random{seed};
        Board board;
        std::vector<Fate> bytes;  // from una on
        const auto below = [&](std::size_t n) { return std::uint32_t(random() % (n + 1)); };
        for (int step = 0; step < 400; ++step) {
            const auto size = std::uint32_t(bytes.size());
            switch (random() % 8) {
            case 0:
            case 1:
                if (size > 4'000) break;
                for (std::uint32_t length = 1 + below(300), i = 0; i < 1; ++i) {
                    board.sends(length);
                    bytes.insert(bytes.end(), length, Fate::out);
                }
                break;
            case 2:
            case 3: {
                if (size == 0) break;
                std::uint32_t from = below(size), to = below(size);
                if (from > to) std::swap(from, to);
                if (random() % 2) to = std::min(from + 40, to);
                std::uint32_t fresh = 0;
                for (std::uint32_t i = from; i < to; ++i) {
                    fresh += bytes[i] != Fate::sacked;
                    bytes[i] = Fate::sacked;
                }
                ASSERT_EQ(from == to ? 0 : board.selects(from, to), fresh);
                break;
            }
            case 4: {
                const std::uint32_t acked = below(size) / 4;
                std::uint32_t fresh = 0, told = 0;
                for (std::uint32_t i = 0; i < acked; ++i) fresh += bytes[i] != Fate::sacked;
                board.una += acked;
                board.flight.acknowledge(board.una,
                                         [&](const tcp::SentRecord& record, SeqNum end) { told += end - record.begin; });
                ASSERT_EQ(told, fresh);
                bytes.erase(bytes.begin(), bytes.begin() + acked);
                break;
            }
            case 5:
                if (const std::uint32_t at = board.state.out.first; at != none) {
                    const std::uint32_t from = board.flight[at].begin - board.una, length = board.flight[at].length();
                    board.flight.lose(at);
                    std::fill_n(bytes.begin() + from, length, Fate::lost);
                }
                break;
            case 6:
                if (board.state.lost.first != none) {
                    const std::uint32_t at = board.flight.take_lost(1 + below(400));
                    const std::uint32_t from = board.flight[at].begin - board.una, length = board.flight[at].length();
                    ASSERT_TRUE(from == 0 || bytes[from - 1] != Fate::lost) << "the first that is lost";
                    for (std::uint32_t i = from; i < from + length; ++i) {
                        ASSERT_EQ(bytes[i], Fate::lost);
                        bytes[i] = Fate::out;
                    }
                    board.flight[at].sent_at = Instant::from_nanoseconds(++board.clock);
                }
                break;
            default:
                if (random() % 20 == 0) {
                    board.flight.lose_all();
                    for (Fate& fate : bytes) fate = fate == Fate::out ? Fate::lost : fate;
                } else if (random() % 20 == 0) {
                    board.flight.forget_sacks();
                    for (Fate& fate : bytes) fate = fate == Fate::sacked ? Fate::lost : fate;
                }
            }
            ASSERT_TRUE(board.flight.sound()) << seed << ' ' << step;
            ASSERT_EQ(board.state.sacked, std::uint32_t(std::count(bytes.begin(), bytes.end(), Fate::sacked)));
            ASSERT_EQ(board.state.given_up, std::uint32_t(std::count(bytes.begin(), bytes.end(), Fate::lost)));
        }
        board.flight.clear();
        ASSERT_EQ(board.records.out(), 0u);
    }
}

TEST(Scoreboard, RecordsAreBoundedWhateverBlocksCome) {
    Board board;
    board.sends(100'000);
    for (std::uint32_t i = 1; i < 50'000; ++i) board.selects(2 * i, 2 * i + 1);  // every second byte
    EXPECT_LE(board.ends.records, tcp::Flight::most_records + 1);
    EXPECT_TRUE(board.flight.sound());
    const auto nobody = [](const tcp::SentRecord&, SeqNum) {};
    EXPECT_FALSE(board.flight.select({board.una + 90'000, board.una + 90'001}, nobody))
        << "no room: it should be told again";
    EXPECT_TRUE(board.flight.select({board.una, board.una + 1'000}, nobody)) << "whole records";
    board.selects(0, 100'000);
    EXPECT_EQ(board.state.sacked, 100'000u) << "what covers whole records can always be marked";
    EXPECT_EQ(board.ends.records, 1u) << "neighbours that the peer has are one";
}

TEST(Scoreboard, WhatIsAddedToARecordPutsItBehindAllThatLeftBefore) {
    Board board;
    for (int i = 0; i < 5; ++i) board.sends(100);
    board.flight.lose(board.state.out.first);
    const std::uint32_t again = board.flight.take_lost(100), newest = board.ends.newest;
    board.flight[again].sent_at = Instant::from_nanoseconds(++board.clock);
    board.flight[newest].end += 50;
    board.flight[newest].sent_at = Instant::from_nanoseconds(++board.clock);
    board.flight.leave_last(newest);
    EXPECT_TRUE(board.flight.sound());
    EXPECT_EQ(board.state.out.last, newest);
}

TEST(Scoreboard, NothingWasLostAfterAllPutsItBackInTheOrderOfSending) {
    Board board;
    for (int i = 0; i < 10; ++i) board.sends(100);
    for (int i = 0; i < 5; ++i) board.flight.lose(board.state.out.first);
    EXPECT_EQ(board.state.given_up, 500u);
    board.flight.find_all();
    EXPECT_EQ(board.state.given_up, 0u);
    EXPECT_TRUE(board.flight.sound());
}

TEST(Scoreboard, LastSegmentOfASuperSegmentIsARecordOfItsOwn) {
    Board board;
    board.sends(3'500);
    EXPECT_EQ(board.flight[board.flight.take_last(1'000)].length(), 500u);
    EXPECT_TRUE(board.flight.sound());
    board.flight.clear();
    board.sends(3'000);
    EXPECT_EQ(board.flight[board.flight.take_last(1'000)].length(), 1'000u);
}

}  // namespace
}  // namespace weft::test
