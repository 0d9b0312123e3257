// Routes: the longest prefix, then the smaller metric, for addresses of any length; and the rate of what we say unasked.
#include <gtest/gtest.h>

#include <random>

#include "stack/net/addresses.h"
#include "stack/net/limit.h"
#include "stack/net/route_table.h"

namespace weft::net {
namespace {

Address address(Family family, std::size_t size, std::initializer_list<unsigned> first) {
    std::array<std::byte, 64> bytes{};
    std::size_t at = 0;
    for (const unsigned byte : first) bytes[at++] = std::byte(byte);
    return {family, std::span{bytes}.first(size)};
}
Address four(unsigned a, unsigned b, unsigned c, unsigned d) { return address(Family::ipv4, 4, {a, b, c, d}); }

TEST(RouteTable, LongestPrefixWinsThenTheSmallerMetric) {
    RouteTable table;
    ASSERT_TRUE(table.add({four(0, 0, 0, 0), 0}, {four(10, 0, 0, 1), 1, 5}));
    ASSERT_TRUE(table.add({four(0, 0, 0, 0), 0}, {four(10, 0, 0, 2), 2, 3}));
    ASSERT_TRUE(table.add({four(10, 1, 0, 0), 16}, {{}, 3, 0}));
    ASSERT_TRUE(table.add({four(10, 1, 2, 0), 23}, {{}, 4, 99}));
    EXPECT_EQ(table.find(four(10, 1, 3, 7))->by.link, 4u);
    EXPECT_EQ(table.find(four(10, 1, 4, 7))->by.link, 3u);
    EXPECT_EQ(table.find(four(8, 8, 8, 8))->by.link, 2u);
    EXPECT_EQ(table.find(four(8, 8, 8, 8), 1)->by.link, 1u) << "on one link alone";
    EXPECT_EQ(table.find(address(Family::ipv6, 16, {0xfd})), nullptr);
    ASSERT_TRUE(table.remove({four(0, 0, 0, 0), 0}, {four(10, 0, 0, 2), 2, 0}));
    EXPECT_EQ(table.find(four(8, 8, 8, 8))->by.link, 1u);
    EXPECT_EQ(table.remove({four(0, 0, 0, 0), 0}, {four(10, 0, 0, 2), 2, 0}).error(), Error::invalid);
    table.remove_link(4);
    EXPECT_EQ(table.find(four(10, 1, 3, 7))->by.link, 3u);
}

TEST(RouteTable, SaysNoToWhatIsNoPrefix) {
    RouteTable table;
    EXPECT_EQ(table.add({four(10, 0, 0, 1), 24}, {}).error(), Error::invalid) << "bits behind the prefix";
    EXPECT_EQ(table.add({four(10, 0, 0, 0), 33}, {}).error(), Error::invalid);
    EXPECT_EQ(table.add({{}, 0}, {}).error(), Error::invalid);
    EXPECT_EQ(table.add({four(10, 0, 0, 0), 24}, {address(Family::ipv6, 16, {0xfd}), 0, 0}).error(), Error::invalid);
    for (unsigned i = 0; i < RouteTable::most; ++i) ASSERT_TRUE(table.add({four(10, i >> 8, i & 0xff, 0), 24}, {{}, 0, 0}));
    EXPECT_EQ(table.add({four(11, 0, 0, 0), 24}, {{}, 0, 0}).error(), Error::no_memory);
    EXPECT_TRUE(table.add({four(10, 0, 0, 0), 24}, {{}, 0, 7})) << "replaces one that is there";
}

TEST(RouteTable, AgreesWithALookAtEveryBit) {
    std::mt19937_64 draw{1};
    for (const auto& [family, size] : {std::pair{Family::ipv4, 4u}, {Family::ipv6, 16u}, {Family::overlay, 64u}}) {
        RouteTable table;
        std::vector<RouteEntry> all;
        const auto some = [&] {
            std::array<std::byte, 64> bytes{};
            for (std::size_t i = 0; i < size; ++i) bytes[i] = std::byte(draw() % 2 == 0 ? 0 : 0x80 >> draw() % 8);
            return Address{family, std::span{bytes}.first(size)};
        };
        for (std::uint32_t i = 0; i < 60; ++i) {
            const auto bits = std::uint16_t(draw() % (size * 8 + 1));
            const RouteEntry entry{{masked(some(), bits), bits}, {{}, i, std::uint32_t(draw() % 3)}};
            ASSERT_TRUE(table.add(entry.to, entry.by));
            all.push_back(entry);
        }
        for (int i = 0; i < 300; ++i) {
            const Address to = some();
            const RouteEntry* best = nullptr;
            for (const RouteEntry& entry : all) {
                bool equal = true;
                for (unsigned bit = 0; bit < entry.to.bits; ++bit) {
                    const auto mask = std::byte(0x80 >> bit % 8);
                    equal &= (to.bytes()[bit / 8] & mask) == (entry.to.address.bytes()[bit / 8] & mask);
                }
                if (!equal) continue;
                const auto better = [](const RouteEntry& x, const RouteEntry& y) {
                    return x.to.bits != y.to.bits ? x.to.bits > y.to.bits : x.by.metric < y.by.metric;
                };
                if (!best || better(entry, *best)) best = &entry;
            }
            const RouteEntry* found = table.find(to);
            ASSERT_EQ(found == nullptr, best == nullptr);
            if (best) { ASSERT_EQ(*found, *best); }
        }
    }
}

TEST(Addresses, SourceIsOfTheNetworkOfTheNextHop) {
    Addresses own;
    const Address local = link_local_of({std::byte{2}, {}, {}, {}, {}, std::byte{1}});
    const Address six = address(Family::ipv6, 16, {0xfd, 0, 0, 1}), other = address(Family::ipv6, 16, {0xfd, 0, 0, 2});
    own.assign({.address = local, .link = 1, .prefix = 64});
    own.assign({.address = six, .link = 1, .prefix = 64});
    own.assign({.address = other, .link = 1, .prefix = 64});
    EXPECT_EQ(own.first(Family::ipv6)->address, six) << "an address of a link is the last resort";
    EXPECT_EQ(own.towards(address(Family::ipv6, 16, {0xfd, 0, 0, 2, 0, 0, 0, 0, 9}), 1)->address, other);
    EXPECT_EQ(own.towards(link_local_of({}), 1)->address, local);
    EXPECT_EQ(own.towards(six, 2), nullptr);
    EXPECT_EQ(local.bytes()[8], std::byte{0}) << "the universal bit is turned over (RFC 4291, appendix A)";
}

TEST(Addresses, BroadcastIsTheLastOfANetworkOrAllOnes) {
    Addresses own;
    own.assign({.address = four(10, 0, 0, 1), .prefix = 24});
    own.assign({.address = four(192, 0, 2, 1), .prefix = 31});
    EXPECT_TRUE(own.is_broadcast(four(10, 0, 0, 255)));
    EXPECT_TRUE(own.is_broadcast(four(255, 255, 255, 255)));
    EXPECT_FALSE(own.is_broadcast(four(10, 0, 1, 255)));
    EXPECT_FALSE(own.is_broadcast(four(192, 0, 2, 1))) << "a pair of addresses has none (RFC 3021)";
}

TEST(RateLimit, LetsABurstThroughAndThenItsRate) {
    RateLimit limit{100, 10};
    Instant now = Instant::from_nanoseconds(5'000'000'000);
    unsigned taken = 0;
    for (int i = 0; i < 50; ++i) taken += limit.take(now);
    EXPECT_EQ(taken, 10u);
    for (int i = 0; i < 1'000; ++i) {
        now = now + Duration::milliseconds(1);
        taken += limit.take(now);
    }
    EXPECT_EQ(taken, 110u);
}

}  // namespace
}  // namespace weft::net
