// Records of a simulated host that go elsewhere, too: the digest does not feel it, and a copied engine tells on where the first one
// stopped.
#include <gtest/gtest.h>

#include <vector>

#include "sim/crowd.h"
#include "stack/core/replay.h"
#include "tests/sim/transfer.h"

namespace weft::test {
namespace {

struct Heard {
    trace::Replay replay;
    Digest digest;
    std::uint64_t records{0};

    trace::Sink sink() {
        return {trace::all, this, [](void* context, const trace::Record& record) {
                    auto& self = *static_cast<Heard*>(context);
                    self.replay.apply(record);
                    self.digest.add(record);
                    ++self.records;
                }};
    }
};

// A storm that is listened to from its first SYN on, its engines copied once on the way or not.
struct Passage {
    Passage(BufferPool& pool, std::uint64_t seed, bool listen, std::uint64_t copy_at_step)
        : transfer{pool, Transfer::storm(seed)} {
        if (listen)
            for (const auto& [node, heard] : {std::pair{transfer.a.get(), &a}, std::pair{transfer.b.get(), &b}}) {
                node->record(heard->sink());
                std::uint32_t cursor = 0;
                while (node->engine().tell_flows(heard->sink(), cursor, 1, transfer.world.now())) {}
            }
        if (copy_at_step != 0) {
            transfer.world.run(Instant::never(), [&] {
                return transfer.world.steps() >= copy_at_step || (transfer.a->app.finished() && transfer.b->app.finished());
            });
            transfer.a->continue_with_a_copy();
            transfer.b->continue_with_a_copy();
        }
        EXPECT_TRUE(transfer.run_until_finished(Duration::seconds(36'000)));
        EXPECT_EQ(transfer.back_to_base(), "");
    }
    Transfer transfer;
    Heard a, b;
};

TEST(Records, GoElsewhereTooWithoutThatTheDigestFeelsIt) {
    BufferPool pool{std::size_t{512} << 20};
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        const Passage alone{pool, seed, false, 0}, listened{pool, seed, true, 0}, copied{pool, seed, true, 100 * seed};
        EXPECT_EQ(alone.transfer.digest(), listened.transfer.digest()) << "seed " << seed;
        EXPECT_EQ(listened.a.digest.hex(), copied.a.digest.hex()) << "seed " << seed;
        EXPECT_EQ(listened.b.digest.hex(), copied.b.digest.hex()) << "seed " << seed;
        EXPECT_GT(listened.a.records, 10u);
        for (const Heard* heard : {&listened.a, &listened.b}) {
            EXPECT_TRUE(heard->replay.living().empty()) << "seed " << seed << ": all has ended, and was told so";
            EXPECT_EQ(heard->replay.refused(), 0u);
            ASSERT_FALSE(heard->replay.ended().empty());
            for (const trace::FlowState& flow : heard->replay.ended()) EXPECT_TRUE(flow.known);
        }
    }
}

TEST(Records, AFewFlowsOfAShortCrowdAllBegin) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        BufferPool pool{std::size_t{64} << 20};
        const Duration length = Duration::seconds(1);
        sim::Crowd crowd{pool, sim::CrowdPlan{.seed = seed, .flows = 3}.within(length)};
        Heard heard;
        crowd.record(heard.sink());
        crowd.run_for(length);
        EXPECT_GE(crowd.counts().begun, 3u) << "seed " << seed;
        EXPECT_GT(heard.records, 30u) << "seed " << seed;
    }
}

}  // namespace
}  // namespace weft::test
