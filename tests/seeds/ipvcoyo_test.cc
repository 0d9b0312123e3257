// What IPvCoyo wanted, asked of the overlay in virtual time: its addresses are always 512 bits, so nothing here has a family.
#include <gtest/gtest.h>

#include "overlay/access.h"
#include "stack/core/address_text.h"
#include "tests/overlay/line.h"

namespace weft::overlay {
namespace {

TEST(IPvCoyo, AnAddressIsAHashOf512BitsThatItsKeyAloneCanSpeakFor) {
    const Identity one{seed_of(1)}, same{seed_of(1)}, other{seed_of(2)};
    EXPECT_EQ(one.address().bytes().size() * 8, 512u);
    EXPECT_EQ(one.address(), same.address());
    EXPECT_NE(one.address(), other.address());
    EXPECT_EQ(parse_address(to_string(one.address())), one.address()) << "and has a text";
    World world;
    Node &a = world.add(1), &b = world.add(2);
    const UdpEndpoint there[] = {b.at};
    a.links.add_peer(other.address(), there, world.now);
    world.run(ms(200));
    EXPECT_EQ(a.status(b).state, PeerStatus::State::up);
    Node& impostor = world.add(3);
    const UdpEndpoint elsewhere[] = {b.at};
    impostor.links.add_peer(Identity{seed_of(4)}.address(), elsewhere, world.now);
    world.run(ms(500));
    EXPECT_NE(impostor.status(Identity{seed_of(4)}.address()).state, PeerStatus::State::up)
        << "who answers is not that hash";
}

TEST(IPvCoyo, TheFirstPacketMakesATunnelAndAllOthersFollowItsLabelsBothWays) {
    Line line{4};
    Node &a = line.first(), &d = line.last();
    const auto carried = [&](std::size_t i) { return line[i].links.labels()->statistics(); };
    line.send(a, d, 100);
    line.world.run(ms(300));
    ASSERT_EQ(d.got.size(), 1u);
    const auto setups = carried(1).setups_forwarded;
    const auto before = carried(1).forwarded;
    EXPECT_GE(setups, 1u);
    for (int i = 0; i < 20; ++i) {
        line.send(a, d, 100);
        line.send(d, a, 100);
    }
    line.world.run(ms(300));
    EXPECT_EQ(d.got.size(), 21u);
    EXPECT_EQ(a.got.size(), 20u);
    for (const std::size_t middle : {1u, 2u}) {
        EXPECT_GE(carried(middle).forwarded - (middle == 1 ? before : 0), 40u) << "by labels";
        EXPECT_EQ(carried(middle).setups_forwarded, setups) << "and no way is asked for again, nor one back";
    }
}

TEST(IPvCoyo, EveryHostIsARouterUnlessItSaysNo) {
    EXPECT_EQ(TransitRules{}.mode, TransitRules::Mode::members);
    Line line{3};
    line.send(line[0], line[2], 100);
    line.world.run(ms(300));
    EXPECT_EQ(line[2].got.size(), 1u) << "nobody told the one between to forward";
    EXPECT_GE(line[1].links.labels()->statistics().forwarded, 1u);
    EXPECT_TRUE(line[1].got.empty());
}

TEST(IPvCoyo, EverythingTravelsInUdpDatagramsToOnePort) {
    Line line{3};
    std::size_t datagrams = 0;
    line.world.wiretap = [&](Datagram& datagram) {
        ++datagrams;
        EXPECT_EQ(datagram.to.port, 7'000);
        EXPECT_LE(datagram.bytes.size(), 1'472u);
        return true;
    };
    line.send(line[0], line[2], 30'000, 1'000);
    line.world.run(ms(300));
    line.world.run(ms(300));
    EXPECT_GE(datagrams, 10u);
}

}  // namespace
}  // namespace weft::overlay
