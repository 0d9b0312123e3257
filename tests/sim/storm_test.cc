// The storm: 0 to 1 MiB, both ways sometimes, through loss, reordering, duplication and corruption at once. What a seed
// decides is in Transfer::storm(); WEFT_FIRST_SEED and WEFT_SEEDS choose others, and more of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/sim/transfer.h"

namespace weft::test {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

BufferPool& pool() {
    static BufferPool warm{std::size_t{512} << 20};   // one for all runs: only the first ones allocate
    return warm;
}

// A fault, or nothing. The digest is of the whole run, its end included.
struct Outcome {
    std::string fault, digest;
};

Outcome weather(std::uint64_t seed, std::uint64_t copy_at_step = 0) {
    Transfer transfer{pool(), Transfer::storm(seed)};
    if (copy_at_step != 0) {
        transfer.world.run(Instant::never(), [&] {
            return transfer.world.steps() >= copy_at_step || (transfer.a->app.finished() && transfer.b->app.finished());
        });
        transfer.a->continue_with_a_copy();
        transfer.b->continue_with_a_copy();
    }
    std::string fault = transfer.run_well(Duration::seconds(36'000));
    const bool finished = transfer.a->app.finished() && transfer.b->app.finished();
    if (const std::string held = transfer.back_to_base(); finished && !held.empty()) fault += "still held:" + held;
    return {fault, transfer.digest()};
}

std::string reproduction(std::uint64_t seed) {
    return "reproduce: WEFT_FIRST_SEED=" + std::to_string(seed) + " WEFT_SEEDS=1 test_sim --gtest_filter='Seeds/Storm.*/0'";
}

// The seeds in four parts, so that they can run side by side; each part has a quarter of the seeds and of the time.
constexpr std::uint64_t parts = 4;

class Storm : public ::testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Storm, ::testing::Range(std::uint64_t{0}, parts));

TEST_P(Storm, EveryByteArrivesBothSidesCloseAndNothingIsLeft) {
    const std::uint64_t first = from_environment("WEFT_FIRST_SEED", 1), seeds = from_environment("WEFT_SEEDS", 1'000);
    const std::uint64_t at_least = std::min<std::uint64_t>(seeds, 200);   // whatever the machine and the sanitizers cost
    const bool in_the_suite = !std::getenv("WEFT_SEEDS");
    const auto budget = std::chrono::seconds{90 / parts};
    const auto began = std::chrono::steady_clock::now();
    std::uint64_t ran = 0, twice = 0;
    int faults = 0;
    for (std::uint64_t i = GetParam(); i < seeds && faults < 5; i += parts) {
        if (in_the_suite && i >= at_least && std::chrono::steady_clock::now() - began > budget) break;
        const std::uint64_t seed = first + i;
        const Outcome outcome = weather(seed);
        ++ran;
        if (!outcome.fault.empty()) {
            ++faults;
            ADD_FAILURE() << "seed " << seed << ": " << outcome.fault << "\n" << reproduction(seed);
        }
        if (i / parts % 10 != 0) continue;
        ++twice;
        if (const Outcome again = weather(seed); again.digest != outcome.digest) {
            ++faults;
            ADD_FAILURE() << "seed " << seed << " run twice: " << outcome.digest << "\n  then " << again.digest << "\n"
                          << reproduction(seed);
        }
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began);
    std::printf("storm, part %llu of %llu: %llu seeds from %llu on, %llu of them twice, in %lld ms\n",
                static_cast<unsigned long long>(GetParam() + 1), static_cast<unsigned long long>(parts),
                static_cast<unsigned long long>(ran), static_cast<unsigned long long>(first),
                static_cast<unsigned long long>(twice), static_cast<long long>(took.count()));
    EXPECT_GE(ran, at_least / parts);
}

TEST(StormCopy, AnEngineCopiedInTheMiddleContinuesBitIdentically) {
    for (std::uint64_t seed = 5'000; seed < 5'024; ++seed) {
        const Outcome whole = weather(seed);
        ASSERT_EQ(whole.fault, "") << "seed " << seed;
        for (const std::uint64_t step : {20u, 150u, 600u}) {
            const Outcome copied = weather(seed, step);
            EXPECT_EQ(copied.fault, "") << "seed " << seed << " copied at step " << step;
            EXPECT_EQ(copied.digest, whole.digest) << "seed " << seed << " copied at step " << step;
        }
    }
}

TEST(StormDigest, TellsRunsApart) {
    EXPECT_NE(weather(1).digest, weather(2).digest);
    const auto plan = Transfer::storm(3);
    const auto digest = [](const Transfer::Plan& each) {
        Transfer transfer{pool(), each};
        transfer.run_until_finished(Duration::seconds(36'000));
        return transfer.digest();
    };
    EXPECT_EQ(digest(plan), digest(plan));
    auto longer = plan;
    longer.forth += 1;
    EXPECT_NE(digest(plan), digest(longer));
}

}  // namespace
}  // namespace weft::test
