// The timing wheel against a map that is searched from end to end.
#include "stack/core/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace weft {
namespace {

using Ticks = std::uint64_t;

Ticks tick_of(Instant t) { return Ticks(t.nanoseconds()) >> TimerWheel::tick_bits; }
Instant at(std::int64_t ns) { return Instant::from_nanoseconds(ns); }

// When an entry is due, in ticks, and the clock.
struct WheelModel {
    std::map<std::uint32_t, Ticks> due;
    Ticks now{0};

    void arm(std::uint32_t id, Instant when) {
        if (when == Instant::never()) due.erase(id);
        else due[id] = std::max(tick_of(when), now) + 1;  // rounded up, and never in the past
    }
    Ticks earliest() const {
        Ticks first = ~Ticks{0};
        for (const auto& [id, tick] : due) first = std::min(first, tick);
        return first;
    }
};

// Spans from ticks to centuries, so that every level of the wheel is used.
std::int64_t some_span(std::mt19937_64& draw, unsigned most_bits) {
    return std::int64_t(draw() >> (64 - 1 - draw() % most_bits));
}

void run(std::uint64_t seed, std::int64_t begin, unsigned arm_bits, unsigned step_bits) {
    std::mt19937_64 draw{seed};
    TimerWheel wheel;
    WheelModel model;
    std::int64_t now = begin;
    model.now = tick_of(at(now));
    wheel.advance(at(now), [](std::uint32_t) { FAIL(); });
    int fired = 0;
    for (int step = 0; step < 20'000; ++step) {
        const auto id = std::uint32_t(draw() % 300);
        const auto what = draw() % 8;
        if (what < 4) {
            // Past deadlines and never are deadlines too.
            const std::int64_t span = some_span(draw, arm_bits);
            const Instant when = draw() % 50 == 0
                                     ? Instant::never()
                                     : at(draw() % 20 == 0 ? std::max<std::int64_t>(0, now - span) : now + span);
            wheel.arm(id, when);
            model.arm(id, when);
        } else if (what == 4) {
            wheel.disarm(id);
            model.due.erase(id);
        } else {
            now += some_span(draw, step_bits);
            const Ticks target = tick_of(at(now));
            const Instant later = at(now) + Duration::milliseconds(5);
            if (model.due.empty()) {
                ASSERT_EQ(wheel.next(), Instant::never());
            } else ASSERT_LE(wheel.next(), at(std::int64_t(model.earliest() << TimerWheel::tick_bits)));

            TimerWheel copy = wheel;
            std::vector<std::uint32_t> mine, theirs;
            const auto meddle = [&](TimerWheel& w, std::uint32_t key) {
                if (key % 7 == 0) w.disarm(key + 1);
                if (key % 11 == 0) w.arm(key + 2, later);
            };
            copy.advance(at(now), [&](std::uint32_t key) {
                theirs.push_back(key);
                meddle(copy, key);
            });
            Ticks last = 0;
            wheel.advance(at(now), [&](std::uint32_t key) {
                mine.push_back(key);
                ASSERT_TRUE(model.due.contains(key)) << "fired, but was not armed";
                ASSERT_LE(model.due[key], target) << "early";
                ASSERT_GE(model.due[key], last) << "out of order";
                last = model.due[key];
                model.due.erase(key);
                meddle(wheel, key);
                if (key % 7 == 0) model.due.erase(key + 1);
                if (key % 11 == 0) model.due[key + 2] = tick_of(later) + 1;
            });
            if (testing::Test::HasFatalFailure()) return;
            ASSERT_EQ(mine, theirs) << "a copy went another way";
            model.now = std::max(model.now, target);
            ASSERT_GT(model.earliest(), target) << "late";
            fired += int(mine.size());
        }
    }
    EXPECT_GT(fired, 100);
}

TEST(TimerWheel, FiresWhatIsDueInOrderAndNothingElse) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) run(seed, 0, 34, 32);
}

TEST(TimerWheel, ServesDeadlinesFromTicksToDecades) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) run(seed, 0, 60, 52);
}

TEST(TimerWheel, ServesAClockThatCountsFrom1970) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) run(seed, 1'795'000'000'000'000'000, 58, 50);
}

// The loop of a node: sleep until next(), advance. Each entry fires at its own tick after a few wake-ups at most.
TEST(TimerWheel, SleepingUntilNextIsNeverLateAndWakesSeldom) {
    std::mt19937_64 draw{9};
    for (int round = 0; round < 500; ++round) {
        TimerWheel wheel;
        std::map<std::uint32_t, Ticks> due;
        const std::int64_t begin = some_span(draw, 60);
        wheel.advance(at(begin), [](std::uint32_t) {});
        const auto count = std::uint32_t(1 + draw() % 20);
        for (std::uint32_t id = 0; id < count; ++id) {
            const Instant when = at(begin + some_span(draw, 60));
            wheel.arm(id, when);
            due[id] = tick_of(when) + 1;
        }
        int wakes = 0;
        for (Instant t; (t = wheel.next()) != Instant::never(); ++wakes) {
            ASSERT_LT(wakes, int(count) * TimerWheel::levels);
            wheel.advance(t, [&](std::uint32_t id) {
                EXPECT_EQ(due[id], tick_of(t));
                due.erase(id);
            });
        }
        ASSERT_TRUE(due.empty());
    }
}

TEST(TimerWheel, TheLastInstantsBeforeNeverDoNotHang) {
    TimerWheel wheel;
    const std::int64_t end = Instant::never().nanoseconds();
    for (std::uint32_t id = 0; id < 5; ++id) wheel.arm(id, at(end - 1 - std::int64_t{id} * 5'000));
    int fired = 0;
    wheel.advance(at(end - 1), [&](std::uint32_t) { ++fired; });
    EXPECT_EQ(fired, 4);  // the last one is due in a tick that no Instant reaches
    EXPECT_EQ(wheel.next(), Instant::never());
}

TEST(TimerWheel, ACallbackMayArmItsOwnEntryAgain) {
    TimerWheel wheel;
    wheel.arm(7, at(5'000));
    std::vector<std::int64_t> times;
    for (std::int64_t now = 0; now < 100'000; now += 1'024)
        wheel.advance(at(now), [&](std::uint32_t id) {
            times.push_back(now);
            wheel.arm(id, at(now + 20'000));
        });
    EXPECT_EQ(times, (std::vector<std::int64_t>{5'120, 25'600, 46'080, 66'560, 87'040}));
}

}  // namespace
}  // namespace weft
