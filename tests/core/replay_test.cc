// The fold over trace records, its snapshots and its bounds; and the table that it finds flows by.
#include "stack/core/replay.h"

#include <gtest/gtest.h>

#include <map>

#include "stack/core/recording.h"
#include "tests/core/made_records.h"

namespace weft::trace {
namespace {

FlowBegin begin_of(std::uint32_t generation, std::uint8_t role = 0) {
    return {generation, no_id, no_id, 7'000, 80, 1, role, 0, 0, 5, {'c', 'u', 'b', 'i', 'c'}};
}

Record change(std::int64_t t, std::uint32_t place, std::uint8_t from, std::uint8_t to, std::uint32_t generation,
              std::uint16_t flags = 0) {
    return record_of(t, place, Type::state, StateChange{from, to, 1, 0, generation}, flags);
}

Replay rebuilt(const Replay& state) {
    std::vector<Record> told;
    state.snapshot(state.now_ns(), told);
    for (const Record& record : told) EXPECT_TRUE(record.flags & snapshot_flag);
    return folded(told);
}

TEST(Replay, AFlowIsWhatItsRecordsSay) {
    Replay state;
    state.apply(record_of(10, 3, Type::flow, begin_of(1)));
    state.apply(change(10, 3, 0, 2, 1));
    state.apply(change(30, 3, 2, 4, 1));
    state.apply(record_of(40, 3, Type::congestion, Congestion{10'000, 5'000, 3'000, 1, 0, 20'000'000, 1'000}));
    state.apply(record_of(41, 3, Type::limit, Limit{1, 0}));
    state.apply(record_of(42, 3, Type::loss, Loss{1, 2, 3, 0}));
    ASSERT_EQ(state.living().size(), 1u);
    const FlowState& flow = *state.find(3);
    EXPECT_TRUE(flow.known && flow.lives());
    EXPECT_EQ(flow.state, state_established);
    EXPECT_EQ(flow.since_ns, 30);
    EXPECT_EQ(text_of(flow.module), "cubic");
    EXPECT_EQ(flow.congestion.cwnd, 10'000u);
    EXPECT_EQ(limit_name(flow.limit), "cwnd");
    EXPECT_EQ(flow.losses, 1u);
    ASSERT_EQ(flow.taken().size(), 2u);
    EXPECT_EQ(flow.taken()[1].from, 2);
    EXPECT_EQ(flow.taken()[1].t_ns, 30);
    EXPECT_EQ(state.now_ns(), 42);
}

TEST(Replay, AFlowThatEndedIsKeptUntilOthersEnded) {
    Replay state{Replay::Limits{.living = 10, .ended = 2, .addresses = 10}};
    for (std::uint32_t generation = 1; generation <= 3; ++generation) {
        state.apply(record_of(generation * 10, 1, Type::flow, begin_of(generation)));
        state.apply(change(generation * 10 + 1, 1, 0, 2, generation));
        state.apply(change(generation * 10 + 2, 1, 2, 0, generation));
        EXPECT_EQ(state.find(1)->generation, generation);
        EXPECT_FALSE(state.find(1)->lives());
        EXPECT_EQ(state.find(1)->ended_cause, 1);
    }
    EXPECT_TRUE(state.living().empty());
    ASSERT_EQ(state.ended().size(), 2u);
    EXPECT_EQ(state.find(1, 1), nullptr);
    EXPECT_EQ(state.find(1, 2)->ended_ns, 22);
}

TEST(Replay, RatesAreThoseBetweenTwoCounters) {
    Replay state;
    state.apply(record_of(0, 1, Type::flow, begin_of(1)));
    state.apply(record_of(1'000'000'000, 1, Type::counters, Counters{1'000, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
    state.apply(record_of(1'500'000'000, 1, Type::counters, Counters{5'000, 700, 0, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(state.find(1)->rate_in, 8'000u);
    EXPECT_EQ(state.find(1)->rate_out, 1'400u);
    state.apply(record_of(1'500'000'000, 1, Type::counters, Counters{5'000, 700, 0, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(state.find(1)->rate_in, 8'000u) << "two of the same moment tell no rate";
    state.apply(record_of(1'500'001'000, 1, Type::counters, Counters{~0ull, 700, 0, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(state.find(1)->rate_in, ~0ull) << "no product overflows";
}

TEST(Replay, AHalfOpenRecordThatBecomesAConnectionHandsItsHistoryOver) {
    Replay state;
    const std::uint32_t half = half_open_place | 5;
    state.apply(record_of(10, half, Type::flow, begin_of(1, 1)));
    state.apply(change(10, half, 1, 3, 1));
    EXPECT_EQ(state.living().size(), 1u);
    state.apply(change(30, half, 3, 3, 1, moved_flag));
    EXPECT_EQ(state.size(), 0u) << "it is over, and has not ended";
    state.apply(record_of(30, 9, Type::flow, begin_of(4, 1)));
    state.apply(change(30, 9, 3, 3, 4, moved_flag));
    state.apply(change(30, 9, 3, 4, 4));
    ASSERT_EQ(state.find(9)->taken().size(), 2u);
    EXPECT_EQ(state.find(9)->taken()[0].from, state_listen);
    EXPECT_EQ(state.find(9)->taken()[0].t_ns, 10);
    EXPECT_EQ(state.find(half), nullptr);
}

TEST(Replay, AHalfOpenRecordThatIsResetEndsInListen) {
    Replay state;
    const std::uint32_t half = half_open_place | 5;
    state.apply(record_of(10, half, Type::flow, begin_of(1, 1)));
    state.apply(change(10, half, 1, 3, 1));
    state.apply(change(20, half, 3, 1, 1));
    EXPECT_TRUE(state.living().empty());
    EXPECT_EQ(state.find(half)->state, state_listen);
}

TEST(Replay, AConnectionInTimeWaitLivesOnBesideTheNextOfItsPlace) {
    Replay state;
    state.apply(record_of(10, 1, Type::flow, begin_of(1)));
    state.apply(change(10, 1, 0, 2, 1));
    state.apply(change(20, 1, 6, 10, 1));
    state.apply(record_of(30, 1, Type::flow, begin_of(2)));
    state.apply(change(30, 1, 0, 2, 2));
    state.apply(record_of(31, 1, Type::loss, Loss{}));
    EXPECT_EQ(state.living().size(), 2u);
    EXPECT_EQ(state.find(1)->generation, 2u);
    EXPECT_EQ(state.find(1)->losses, 1u) << "what names no generation is about who began last";
    EXPECT_EQ(state.find(1, 1)->losses, 0u);
    EXPECT_EQ(rebuilt(state), state);
    state.apply(change(90, 1, 10, 0, 1));
    EXPECT_EQ(state.find(1)->generation, 2u);
    EXPECT_EQ(state.find(1, 1)->ended_ns, 90);
    EXPECT_EQ(rebuilt(state), state);
}

TEST(Replay, APlaceThatBeginsAnewEndsWhoseEndWasNotHeard) {
    Replay state;
    state.apply(record_of(10, 1, Type::flow, begin_of(1)));
    state.apply(change(10, 1, 0, 2, 1));
    state.apply(record_of(30, 1, Type::flow, begin_of(2)));
    EXPECT_EQ(state.living().size(), 1u);
    EXPECT_EQ(state.find(1, 1)->ended_ns, 30);
    EXPECT_EQ(state.find(1, 1)->ended_cause, cause_unheard);
}

TEST(Replay, AFlowWhoseBeginWasLostIsKnownByItsStateAlone) {
    Replay state;
    state.apply(record_of(5, 1, Type::loss, Loss{}));
    EXPECT_EQ(state.size(), 0u) << "a sample begins nothing";
    state.apply(change(10, 1, 4, 5, 3));
    EXPECT_FALSE(state.find(1)->known);
    EXPECT_EQ(state.find(1)->generation, 3u);
    EXPECT_EQ(rebuilt(state), state);
}

TEST(Replay, AFlowKeepsTheAddressesThatItsIdsMeantWhenItBegan) {
    Replay state;
    const auto define = [&](std::uint32_t id, std::uint8_t last) {
        Define body{id, 0, {std::byte{10}, std::byte{0}, std::byte{0}, std::byte{last}}};
        state.apply(record_of(1, no_flow, Type::define, body, std::uint16_t(Family::ipv4)));
    };
    const auto begin = [&](std::uint32_t place) {
        FlowBegin body = begin_of(1);
        body.local_id = 6;
        body.remote_id = 7;
        state.apply(record_of(2, place, Type::flow, body));
    };
    define(6, 1), define(7, 2), begin(1);
    define(7, 3), begin(2);
    EXPECT_EQ(state.find(1)->remote.bytes()[3], std::byte{2});
    EXPECT_EQ(state.find(2)->remote.bytes()[3], std::byte{3});
    EXPECT_EQ(state.address(7)->bytes()[3], std::byte{3});
    const Replay again = rebuilt(state);
    EXPECT_EQ(again, state);
    EXPECT_EQ(again.find(1)->remote.bytes()[3], std::byte{2});
    EXPECT_EQ(again.address(7)->bytes()[3], std::byte{3});
}

TEST(Replay, AnOverlayAddressIsKnownWhenBothPartsCame) {
    Replay state;
    Define body{9, 0, {}};
    body.bytes.fill(std::byte{1});
    state.apply(record_of(1, no_flow, Type::define, body, std::uint16_t(Family::overlay)));
    EXPECT_EQ(state.address(9), nullptr);
    EXPECT_EQ(rebuilt(state), state);
    body.part = 1;
    body.bytes.fill(std::byte{2});
    state.apply(record_of(1, no_flow, Type::define, body, std::uint16_t(Family::overlay)));
    ASSERT_NE(state.address(9), nullptr);
    EXPECT_EQ(state.address(9)->bytes().size(), 64u);
    EXPECT_EQ(state.address(9)->bytes()[63], std::byte{2});
}

TEST(Replay, WhatWasLostIsCountedByClassAndWhatWasAskedForIsNot) {
    Replay state;
    state.apply(record_of(1, no_flow, Type::lagged, Lagged{std::uint32_t(Type::rate), 0, 5}));
    state.apply(record_of(1, no_flow, Type::lagged, Lagged{std::uint32_t(Type::rate), 1, 2}));
    state.apply(record_of(1, no_flow, Type::lagged, Lagged{std::uint32_t(Type::rate), 2, 100}));
    EXPECT_EQ(state.lagged(Type::rate), 7u);
    EXPECT_EQ(state.lagged(), 7u);
    EXPECT_EQ(state.left_out(), 100u);
}

TEST(Replay, ASnapshotFoldedIntoAnEmptyOneEqualsIt) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        MadeRecords made{seed, std::uint32_t(1 + seed % 40), 1'000};
        Replay state;
        for (int i = 0; i < 8; ++i) {
            for (int moment = 0; moment < 60; ++moment) state.apply(made.moment());
            const Replay again = rebuilt(state);
            ASSERT_EQ(again, state) << "seed " << seed << ", step " << i;
        }
        ASSERT_GT(state.ended().size(), 0u);
        EXPECT_EQ(state.refused(), 0u) << "an engine writes nothing that makes no sense";
    }
}

TEST(Replay, FlowsTakenUpFromASnapshotGoOnAsIfTheyHadBeenSeenFromTheirBegin) {
    MadeRecords made{7, 30, 1'000};
    Replay whole = folded(made.some(5'000)), late = rebuilt(whole);
    for (int moment = 0; moment < 2'000; ++moment) {
        const auto records = made.moment();
        whole.apply(records);
        late.apply(records);
    }
    EXPECT_EQ(whole, late);
}

TEST(Replay, ASnapshotToldToWhoKnowsItAllChangesNothing) {
    MadeRecords made{8, 30, 1'000};
    Replay state = folded(made.some(5'000));
    const Replay before = state;
    std::vector<Record> told;
    state.snapshot(state.now_ns(), told);
    state.apply(told);
    EXPECT_EQ(state, before);
}

TEST(Replay, AnyRecordsLeaveAStateWhoseSnapshotEqualsIt) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        MadeRecords made{seed, 4, 100};
        Replay state;
        for (int i = 0; i < 300; ++i) {
            state.apply(made.nonsense());
            if (i % 10 == 0) { ASSERT_EQ(rebuilt(state), state) << "seed " << seed << ", record " << i; }
        }
    }
}

TEST(Replay, MemoryStaysBelowItsLimits) {
    Replay state{Replay::Limits{.living = 100, .ended = 10, .addresses = 50}};
    for (std::uint32_t place = 0; place < 1'000; ++place) {
        state.apply(record_of(place, place, Type::flow, begin_of(1)));
        state.apply(record_of(place, no_flow, Type::define, Define{place, 0, {std::byte{1}}}, std::uint16_t(Family::ipv4)));
    }
    EXPECT_EQ(state.living().size(), 100u);
    EXPECT_EQ(state.refused(), 900u);
    EXPECT_EQ(state.address(949), nullptr);
    EXPECT_NE(state.address(950), nullptr);
    EXPECT_NE(state.address(999), nullptr);
}

TEST(PlaceTable, AgreesWithAMapWhateverTheNumbers) {
    std::mt19937_64 draw{3};
    PlaceTable table;
    std::map<std::uint64_t, std::uint32_t> map;
    for (int i = 0; i < 40'000; ++i) {
        const std::uint64_t key = draw() % 500 << (draw() % 3 * 20);
        if (draw() % 3 == 0) {
            EXPECT_EQ(table.erase(key), map.erase(key) > 0);
        } else {
            table.insert(key, std::uint32_t(i));
            map[key] = std::uint32_t(i);
        }
        const auto there = map.find(key);
        ASSERT_EQ(table.find(key), there == map.end() ? PlaceTable::none : there->second);
        ASSERT_EQ(table.size(), map.size());
    }
    for (const auto& [key, value] : map) EXPECT_EQ(table.find(key), value);
}

TEST(TraceNames, EveryTypeHasANameThatNamesIt) {
    for (std::uint16_t number = 1; number <= std::uint16_t(Type::history); ++number) {
        EXPECT_FALSE(name(Type(number)).empty());
        EXPECT_EQ(type_named(name(Type(number))), Type(number));
    }
    EXPECT_EQ(name(Type(0)), "");
    EXPECT_EQ(name(Type(std::uint16_t(Type::history) + 2)), "");
    EXPECT_EQ(name(Type(lagged_payload)), "payload") << "it is lost, never told";
    EXPECT_EQ(type_named("payload"), std::nullopt);
    EXPECT_EQ(type_named("nonsense"), std::nullopt);
    EXPECT_EQ(type_named(""), std::nullopt);
}

TEST(TraceNames, ClassesAreReadFromLeftToRight) {
    EXPECT_EQ(parse_classes("loss"), bit(Type::loss) | fold_classes);
    EXPECT_EQ(parse_classes("all,-segments").value() & bit(Type::segment_sent), 0u);
    EXPECT_NE(parse_classes("all,-segments").value() & bit(Type::congestion), 0u);
    EXPECT_EQ(parse_classes("-samples"), parse_classes("edges"));
    EXPECT_EQ(parse_classes(" loss , rate ").value(), bit(Type::loss) | bit(Type::rate) | fold_classes);
    EXPECT_EQ(to_string_of_classes(parse_classes("all").value()), "all");
    EXPECT_EQ(to_string_of_classes(bit(Type::loss) | bit(Type::rate)), "loss,rate");
    EXPECT_TRUE(
        parse_classes("losses").error().starts_with("no class of events is called 'losses': choose among all, samples"));
    EXPECT_FALSE(parse_classes("").has_value());
    EXPECT_FALSE(parse_classes("loss,").has_value());
}

TEST(TraceNames, StatesAreReadAsPeopleWriteThem) {
    EXPECT_EQ(state_named("ESTABLISHED"), state_established);
    EXPECT_EQ(state_named("time_wait"), state_time_wait);
    EXPECT_EQ(state_named("Syn-Received"), state_syn_received);
    EXPECT_EQ(state_named("open"), std::nullopt);
}

}  // namespace
}  // namespace weft::trace
