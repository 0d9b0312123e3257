// RFC 6093: urgent data as the specification means it: a pointer into the stream, and no band beside it.
#include <gtest/gtest.h>

#include "tests/tcp/peer.h"

namespace weft::test {
namespace {

TEST(Rfc6093, ThePointerPointsBehindTheUrgentText) {  // section 3.1
    Peer peer = established();
    EXPECT_EQ(peer.writes(30, {.urgent = true}), 30u);
    const Seen sent = peer.sees(data(30).urgent(30));
    EXPECT_EQ(sent.seq + sent.urgent_pointer, sent.end());
    peer.sends(data(100).urgent(40));
    EXPECT_EQ(peer.engine().urgent(peer.flow()), 40u);
}

TEST(Rfc6093, UrgentTextStaysInItsPlaceInTheStream) {  // section 6: in line, as SO_OOBINLINE
    Peer peer = established();
    peer.sends(data(50).urgent(1));
    peer.sends(data(50).urgent(50));
    peer.sends(data(50));
    EXPECT_EQ(peer.reads(), 150u) << "every octet in order; Peer checks each of them";
}

TEST(Rfc6093, UrgentTextHasAnyLengthAndManyIndicationsAreOne) {  // section 3.2: no single octet
    Peer peer = established();
    peer.sends(data(1'000).urgent(60'000));
    EXPECT_EQ(peer.engine().urgent(peer.flow()), 60'000u);
    for (int i = 0; i < 3; ++i) peer.sends(data(1'000).urgent(std::uint16_t(59'000 - i * 1'000)));
    EXPECT_TRUE(peer.hears(Event::Kind::urgent));
    EXPECT_FALSE(peer.hears(Event::Kind::urgent)) << "the same end, told once";
    EXPECT_EQ(peer.reads(), 4'000u);
    EXPECT_EQ(peer.engine().urgent(peer.flow()), 56'000u);
}

TEST(Rfc6093, APointerThatAMiddleboxClearedTakesNothingAway) {  // section 3.4
    Peer peer = established();
    peer.sends(data(100).urgent(0));
    EXPECT_FALSE(peer.hears(Event::Kind::urgent)) << "it points at nothing new";
    EXPECT_EQ(peer.engine().urgent(peer.flow()), 0u);
    EXPECT_EQ(peer.reads(), 100u);
    EXPECT_EQ(peer.state(), State::established);
}

TEST(Rfc6093, ALaterUrgentWriteMovesThePointerOn) {
    Peer peer = established({.scale = {}, .window = 100});
    EXPECT_EQ(peer.writes(100, {.nodelay = true, .urgent = true}), 100u);
    peer.sees(data(100).urgent(100));
    EXPECT_EQ(peer.writes(50, {.nodelay = true, .urgent = true}), 50u);
    peer.sends(ack().window(100));
    peer.sees(data(50).urgent(50));
}

}  // namespace
}  // namespace weft::test
