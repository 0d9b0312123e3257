// What carrying packets costs in allocations: nothing once it is warm; what a run leaves behind: nothing.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "overlay/links.h"
#include "stack/core/trace.h"
#include "tests/overlay/world.h"

namespace {

std::atomic<std::size_t> allocations{0};

}  // namespace

// The counted operators of this test program.
void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

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
    const std::size_t before = allocations, sent = wire.datagrams;
    round(1'900);
    EXPECT_GE(wire.datagrams - sent, 100'000u);
    EXPECT_EQ(allocations - before, 0u);
}

TEST(Memory, AllChunksAreBackWhenThePacketsAreGone) {
    World world;
    Node &a = world.add(1), &b = world.add(2);
    world.introduce(a, b);
    world.run(ms(100));
    const std::size_t base = a.pool.in_use() + b.pool.in_use();
    for (int i = 0; i < 100; ++i) {
        Packet packet{a, a.path_to(b), 30'000, 1'000};
        a.links.send(packet.span(), world.now);
        world.run(ms(5));
    }
    world.run(sec(3));
    EXPECT_EQ(a.pool.in_use() + b.pool.in_use(), base);
    a.links.close(world.now);
    world.run(sec(1));
    EXPECT_EQ(a.pool.in_use(), 0u);
}

TEST(Memory, AnExhaustedPoolDropsPacketsAndRecovers) {
    World world;
    Node &a = world.add(1), &b = world.add(2);
    world.introduce(a, b);
    world.run(ms(100));
    std::vector<Slice> hoard;
    for (const std::size_t size : {66'560u, 10'240u, 2'048u, 256u})
        while (Chunk* chunk = a.pool.allocate(size)) hoard.push_back({chunk, 0, 1});
    Packet packet{b, b.path_to(a), 10};   // its chunks are b's
    packet.transmit.path = a.path_to(b);
    a.links.send(packet.span(), world.now);
    EXPECT_EQ(a.links.statistics().dropped_no_memory, 1u);
    hoard.clear();
    a.links.send(packet.span(), world.now);
    world.run(ms(10));
    EXPECT_EQ(b.got.size(), 1u);
}

struct Story {
    std::vector<trace::Record> records;
    operator trace::Sink() {
        return {trace::all, this, [](void* self, const trace::Record& record) { static_cast<Story*>(self)->records.push_back(record); }};
    }
};

TEST(Trace, TellsAddressesLinksAndDrops) {
    World world;
    Node &a = world.add(1), &b = world.add(2);
    Story story;
    a.links.trace(story);
    world.introduce(a, b);
    world.run(ms(100));
    ASSERT_EQ(story.records.size(), 3u);
    std::vector<std::byte> address;
    for (std::uint32_t part = 0; part < 2; ++part) {
        ASSERT_EQ(story.records[part].type, trace::Type::define);
        const auto define = trace::body_of<trace::Define>(story.records[part]);
        EXPECT_EQ(define.part, part);
        address.insert(address.end(), define.bytes.begin(), define.bytes.begin() + (part == 0 ? 40 : 24));
    }
    EXPECT_EQ(Address(Family::overlay, address), b.address());
    ASSERT_EQ(story.records[2].type, trace::Type::link);
    const auto up = trace::body_of<trace::LinkChange>(story.records[2]);
    EXPECT_EQ(up.event, std::uint32_t(LinkEvent::Kind::up));
    EXPECT_EQ(up.peer_tag, tag_of(b.address()));
    world.inject({b.at, a.at, std::vector<std::byte>(50), {}});
    world.run(ms(1));
    ASSERT_EQ(story.records.size(), 4u);
    const auto drop = trace::body_of<trace::Drop>(story.records[3]);
    EXPECT_EQ(drop.where, trace_links);
    EXPECT_EQ(drop.why, std::uint32_t(LinkDrop::malformed));
}

}  // namespace
}  // namespace weft::overlay
