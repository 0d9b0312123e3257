// What a labelled packet costs in allocations: nothing, whether it is carried on, ends here or is dropped.
#include <gtest/gtest.h>

#include "tests/alloc/counting_new.h"
#include "tests/overlay/switch_world.h"

namespace weft::overlay {
namespace {

TEST(Allocations, NoneForALabelledPacket) {
    SwitchWorld world;
    world.line(3);
    SwitchNode &s = *world.nodes[0], &m = *world.nodes[1], &d = *world.nodes[2];
    const PathEvent opened = world.open(s, d);
    const LinkNumber in = m.link_to(s), last = d.link_to(m);
    const Onward onward = m.labels->onward(in, opened.label, 255, 1'000, world.now);
    ASSERT_EQ(onward.kind, Onward::Kind::forward);
    const std::size_t before = test::allocations_so_far();
    unsigned forwarded = 0, delivered = 0, dropped = 0;
    for (int i = 0; i < 10'000; ++i) {
        world.now = world.now + Duration::milliseconds(1);
        forwarded += m.labels->onward(in, opened.label, 255, 1'000, world.now).kind == Onward::Kind::forward;
        delivered += d.labels->onward(last, onward.label, 254, 1'000, world.now).kind == Onward::Kind::deliver;
        dropped += m.labels->onward(in, opened.label + 1, 255, 1'000, world.now).kind == Onward::Kind::drop;
        dropped += m.labels->onward(in, opened.label, 1, 1'000, world.now).kind == Onward::Kind::drop;
        dropped += m.labels->onward(in, opened.label, 255, 2'000, world.now).kind == Onward::Kind::drop;
        dropped += m.labels->onward(in, Label(i) << 12 | 1, 255, 100, world.now).kind == Onward::Kind::drop;
    }
    EXPECT_EQ(test::allocations_so_far() - before, 0u);
    EXPECT_EQ(forwarded, 10'000u);
    EXPECT_EQ(delivered, 10'000u);
    EXPECT_EQ(dropped, 40'000u);
    world.run(sec(1));   // what they gave rise to goes out
    EXPECT_GT(m.labels->statistics().stale_sent, 0u);
    EXPECT_GT(m.labels->statistics().mtu_hints, 0u);
}

}  // namespace
}  // namespace weft::overlay
