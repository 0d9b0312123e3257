// Sessions along label paths: three and more nodes in a line, of which only neighbours know each other.
#include <gtest/gtest.h>

#include "tests/overlay/line.h"

namespace weft::overlay {
namespace {

using Kind = LinkEvent::Kind;
using PeerState = PeerStatus::State;

TEST(Session, AFarNodeIsReachedAfterTwoRoundTripsAndTheFirstPacketRidesInFin) {
    Line line{3};
    Node &a = line[0], &c = line[2];
    const Instant begun = line.world.now;
    line.send(a, c, 100);
    EXPECT_TRUE(line.world.run_until(ms(100), [&] { return !c.got.empty(); }));
    EXPECT_EQ((line.world.now - begun).count() / 1'000'000, 30);   // SETUP, its answer, FIN: three times two hops of 5 ms
    ASSERT_EQ(c.got.size(), 1u);
    EXPECT_EQ(c.got[0].size(), 120u);
    line.world.run(ms(100));
    EXPECT_EQ(a.status(c).state, PeerState::up);
    EXPECT_EQ(c.status(a).state, PeerState::up);
    EXPECT_TRUE(a.status(c).session && c.status(a).session);
    EXPECT_EQ(a.status(c).hops, 2);
    EXPECT_EQ(a.status(c).link, a.status(line[1]).link);
    EXPECT_EQ(a.status(c).label_path, c.status(a).label_path);
    line.send(c, a, 50);
    line.world.run(ms(50));
    EXPECT_EQ(a.got.size(), 1u);
}

}  // namespace
}  // namespace weft::overlay
