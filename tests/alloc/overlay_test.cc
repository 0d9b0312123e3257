// What carrying packets costs in allocations: nothing once it is warm.
#include <gtest/gtest.h>

#include "overlay/links.h"
#include "tests/alloc/counting_new.h"
#include "tests/overlay/line.h"

namespace weft::overlay {
namespace {

// Hands datagrams from one to the other without the world's containers.
struct Wire {
    void carry(Node& from, Node& to, Instant now) {
        Transmit out[4];
        while (const std::size_t n = from.links.transmit(out, now))
            for (std::size_t i = 0; i < n; ++i) {
                const Bytes train = out[i].payload[0].bytes();
                const std::size_t size = out[i].segment_size != 0 ? out[i].segment_size : train.size();
                for (std::size_t at = 0; at < train.size(); at += size) {
                    const Bytes one = train.subspan(at, std::min(size, train.size() - at));
                    Chunk* chunk = to.pool.allocate(one.size());
                    std::copy(one.begin(), one.end(), chunk->data());
                    Receive in[1];
                    in[0].frame = Slice{chunk, 0, std::uint32_t(one.size())};
                    in[0].from = from.at;
                    to.links.receive(in, now);
                    ++datagrams;
                }
            }
        Receive packets[8];
        while (to.links.deliver(packets) != 0)
            for (Receive& packet : packets) packet = {};
    }
    std::size_t datagrams{0};
};

TEST(Allocations, NoneForAHundredThousandDatagramsOnceWarm) {
    World world;
    Node &a = world.add(1), &b = world.add(2);
    world.introduce(a, b);
    world.run(ms(100));
    Packet packet{a, a.path_to(b), 60'000, 1'133};
    const auto span = packet.span();
    Wire wire;
    const auto round = [&](int count) {
        for (int i = 0; i < count; ++i) {
            a.links.send(span, world.now);
            wire.carry(a, b, world.now);
            world.now = world.now + Duration::microseconds(500);
            a.links.advance(world.now);
            b.links.advance(world.now);
            wire.carry(b, a, world.now);
        }
    };
    round(2'500);   // beyond the first PATH_CHALLENGE and REPORT
    const std::size_t before = test::allocations_so_far(), sent = wire.datagrams;
    round(1'900);
    EXPECT_GE(wire.datagrams - sent, 100'000u);
    EXPECT_EQ(test::allocations_so_far() - before, 0u);
}

TEST(Allocations, NoneForTwentyThousandDatagramsThatAreCarriedAlongALabelPathOnceWarm) {
    Line line{3};
    Node &a = line[0], &b = line[1], &c = line[2];
    line.send(a, c, 10);
    line.world.run(ms(500));
    Instant& now = line.world.now;
    Packet packet{a, a.path_to(c), 60'000, 1'100};
    const auto span = packet.span();
    Wire to_b, to_c, back;
    const auto round = [&](int count) {
        for (int i = 0; i < count; ++i) {
            a.links.send(span, now);
            to_b.carry(a, b, now);
            to_c.carry(b, c, now);   // what b owes a as well: c drops it unread
            now = now + Duration::milliseconds(5);
            for (Node* node : {&a, &b, &c}) node->links.advance(now);
            back.carry(c, b, now);
            back.carry(b, a, now);
        }
    };
    round(400);
    const std::size_t before = test::allocations_so_far();
    const std::uint64_t forwarded = b.links.labels()->statistics().forwarded;
    round(380);
    EXPECT_GE(b.links.labels()->statistics().forwarded - forwarded, 20'000u);
    EXPECT_EQ(test::allocations_so_far() - before, 0u);
}

}  // namespace
}  // namespace weft::overlay
