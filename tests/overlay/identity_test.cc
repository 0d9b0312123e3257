// Addresses, networks and work: docs/wire.md and RFC 8032's first key.
#include "overlay/identity.h"

#include <gtest/gtest.h>

#include <string>

#include "overlay/block.h"
#include "overlay/hash.h"
#include "stack/core/address_text.h"
#include "tests/overlay/hex.h"

namespace weft::overlay {
namespace {

Block<32> counting() {
    Block<32> out;
    for (std::size_t i = 0; i < 32; ++i) out[i] = std::byte(i);
    return out;
}

TEST(Identity, AnAddressIsTheHashOfSuiteAndKey) {   // the design's vector: public key 00 01 .. 1f
    EXPECT_EQ(to_string(address_of(counting())),
              "weft1rqgtwsr7ql7crrak2dcdqvlc006cjvjuykdwgk5xzzc9j3x64varxyhrqk9yw37jmrnwlp2xdyn4q0884n0dg9s6g48rrxlx80nts3qt"
              "t9rxee0nr"
              "qvgrd");
    EXPECT_NE(address_of(counting(), 2), address_of(counting()));
}

TEST(Identity, TheSeedOfRfc8032IsItsPublicKey) {   // section 7.1, TEST 1
    const Identity identity{take<32>(from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").data())};
    EXPECT_EQ(to_hex(identity.public_key()), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    EXPECT_EQ(identity.address(), address_of(identity.public_key()));
    EXPECT_EQ(noise_public_of(identity.public_key()), identity.noise_public());
}

TEST(Identity, MovingKeepsTheKeys) {
    Identity first{counting()};
    const Address address = first.address();
    Identity second = std::move(first);
    EXPECT_EQ(second.address(), address);
    second.set_work_nonce(7);
    Identity third{Seed{}};
    third = std::move(second);
    EXPECT_EQ(third.address(), address);
    EXPECT_EQ(third.work_nonce(), 7u);
}

TEST(Identity, PointsOffTheMainSubgroupAreNoKeys) {
    EXPECT_FALSE(noise_public_of(PublicKey{}).has_value());
    PublicKey one{};
    one[0] = std::byte{1};   // the neutral element
    EXPECT_FALSE(noise_public_of(one).has_value());
}

TEST(Identity, TheTagIsTheFirstEightBytesLittleEndian) {
    const Address address = address_of(counting());
    std::uint64_t tag = 0;
    for (int i = 7; i >= 0; --i) tag = tag << 8 | std::uint64_t(address.bytes()[std::size_t(i)]);
    EXPECT_EQ(tag_of(address), tag);
}

TEST(Network, NameWorkAndSecretEachMakeAnotherNetwork) {
    const Network a = Network::make("weft", 20), b = Network::make("weft", 0), c = Network::make("loom", 20);
    const Network d = Network::make("weft", 20, counting());
    EXPECT_EQ(a.net, Network::make("weft", 20).net);
    EXPECT_NE(a.net, b.net);
    EXPECT_NE(a.net, c.net);
    EXPECT_NE(a.net, d.net);
    EXPECT_EQ(a.work_bits, 20);
}

TEST(Work, TheFoundNonceHasTheBitsAndItsPredecessorsDoNot) {
    const Address address = address_of(counting());
    const std::uint64_t nonce = find_work(address, 10);
    EXPECT_TRUE(work_holds(address, nonce, 10));
    for (std::uint64_t n = 0; n < nonce; ++n) ASSERT_FALSE(work_holds(address, n, 10));
    EXPECT_TRUE(work_holds(address, 0, 0));
    EXPECT_FALSE(work_holds(address, nonce, 60));
}

// BLAKE2b-512 of nothing and of "abc" (RFC 7693, appendix A): a hash without a context is the plain function.
TEST(Hash, WithoutAContextItIsBlake2b) {
    EXPECT_EQ(to_hex(hash<64>(context::none, from_hex("616263"))),
              "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf19"
              "25ab92386edd"
              "4009923");
}

TEST(Hash, ContextsSeparate) {
    EXPECT_NE(hash<32>(context::mac1, counting()), hash<32>(context::cookie, counting()));
    EXPECT_NE(hash<32>(context::mac1, counting()), hash<32>(context::none, counting()));
}

}  // namespace
}  // namespace weft::overlay
