// What a run leaves behind: nothing. What it does without memory: drops, and goes on. What it tells: traces.
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "overlay/links.h"
#include "stack/core/trace_sink.h"
#include "tests/overlay/world.h"

namespace weft::overlay {
namespace {

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
        return {trace::all, this,
                [](void* self, const trace::Record& record) { static_cast<Story*>(self)->records.push_back(record); }};
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
        EXPECT_EQ(define.id, trace::peer_id | 1);
        EXPECT_EQ(story.records[part].flags, std::uint16_t(Family::overlay));
        address.insert(address.end(), define.bytes.begin(), define.bytes.begin() + (part == 0 ? 40 : 24));
    }
    EXPECT_EQ(Address(Family::overlay, address), b.address());
    ASSERT_EQ(story.records[2].type, trace::Type::link);
    const auto up = trace::body_of<trace::LinkChange>(story.records[2]);
    EXPECT_EQ(up.event, std::uint32_t(LinkEvent::Kind::up));
    EXPECT_EQ(up.peer_tag, tag_of(b.address()));
    EXPECT_EQ(up.link, 1u);
    world.inject({b.at, a.at, std::vector<std::byte>(50), {}});
    world.run(ms(1));
    ASSERT_EQ(story.records.size(), 4u);
    const auto drop = trace::body_of<trace::Drop>(story.records[3]);
    EXPECT_EQ(drop.where, trace_links);
    EXPECT_EQ(drop.why, std::uint32_t(LinkDrop::malformed));
}

TEST(Trace, WhoComesLateIsToldOfTheNeighboursThereAre) {
    World world;
    Node &a = world.add(1), &b = world.add(2), &c = world.add(3);
    Story story, again;
    a.links.trace(story);
    world.introduce(a, b);
    world.introduce(a, c);
    world.run(ms(100));
    std::uint32_t cursor = 0;
    EXPECT_TRUE(a.links.tell(again, cursor, 1, world.now)) << "one of two: there is more";
    EXPECT_EQ(again.records.size(), 3u);
    while (a.links.tell(again, cursor, 1, world.now)) {}
    const auto facts = [](const Story& told) {
        std::set<std::vector<std::byte>> all;
        for (const trace::Record& record : told.records) {
            std::vector<std::byte> fact{record.body.begin(), record.body.end()};
            if (record.type == trace::Type::link) {  // how well it goes is another matter
                const auto body = trace::body_of<trace::LinkChange>(record);
                fact.assign({std::byte(body.link), std::byte(body.event), std::byte(body.peer_tag)});
            }
            all.insert(fact);
        }
        return all;
    };
    EXPECT_EQ(again.records.size(), 6u);
    EXPECT_EQ(facts(again), facts(story));
    for (const trace::Record& record : again.records) EXPECT_TRUE(record.flags & trace::snapshot_flag);
}

}  // namespace
}  // namespace weft::overlay
