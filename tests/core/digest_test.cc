// The digest of trace records: the same for the same records, another for any others.
#include "stack/core/digest.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <random>
#include <set>
#include <vector>

#include "stack/core/trace_sink.h"

namespace weft {
namespace {

trace::Record some_record(std::mt19937_64& draw) {
    trace::Record record{
        std::int64_t(draw() >> 1), std::uint32_t(draw()), trace::Type(draw() % 16), std::uint16_t(draw()), {}};
    for (std::byte& byte : record.body) byte = std::byte(draw());
    return record;
}

TEST(Digest, IsTheSameOnEveryCompilerAndMachine) {
    Digest digest;
    EXPECT_EQ(digest.hex(), "feaadb073106d234fcbbd49b7b33ca38");
    trace::Sink{trace::all, &digest, &Digest::write}.add(Instant::from_nanoseconds(1), 2, trace::Type::loss,
                                                         trace::Loss{3, 4, 1, 0}, 5);
    EXPECT_EQ(digest.hex(), "9ae2e5ef1933ad6f6f664bd9944ff1b5");
    digest.add(std::as_bytes(std::span{"an odd tail", 11}));
    EXPECT_EQ(digest.hex(), "b2a0705acc2ec0ed1992c47e5dc7b173");
}

TEST(Digest, AnyChangedBitChangesIt) {
    std::mt19937_64 draw{1};
    const std::vector<trace::Record> records{some_record(draw), some_record(draw), some_record(draw)};
    const auto hash = [](const std::vector<trace::Record>& all) {
        Digest digest;
        for (const trace::Record& record : all) digest.add(record);
        return digest.hex();
    };
    std::set<std::string> seen{hash(records)};
    for (std::size_t bit = 0; bit < 3 * 512; ++bit) {
        auto changed = records;
        const auto bytes = std::as_writable_bytes(std::span{changed});
        bytes[bit / 8] ^= std::byte(1 << bit % 8);
        ASSERT_TRUE(seen.insert(hash(changed)).second) << "bit " << bit;
    }
}

TEST(Digest, OrderNumberAndBoundariesCount) {
    std::mt19937_64 draw{2};
    const trace::Record a = some_record(draw), b = some_record(draw);
    Digest ab, ba, aa, once;
    ab.add(a), ab.add(b);
    ba.add(b), ba.add(a);
    aa.add(a), aa.add(a);
    once.add(a);
    EXPECT_EQ((std::set<std::string>{ab.hex(), ba.hex(), aa.hex(), once.hex(), Digest{}.hex()}.size()), 5u);
    const auto text = std::as_bytes(std::span{"abc", 3});
    Digest one, other, whole;
    one.add(text.first(1)), one.add(text.subspan(1));
    other.add(text.first(2)), other.add(text.subspan(2));
    whole.add(text);
    EXPECT_EQ((std::set<std::string>{one.hex(), other.hex(), whole.hex()}.size()), 3u);
    Digest empty;
    empty.add(Bytes{});
    EXPECT_NE(empty.hex(), Digest{}.hex());
}

TEST(Digest, ACopyGoesOnAsTheOriginal) {
    std::mt19937_64 draw{3};
    Digest digest;
    for (int i = 0; i < 10; ++i) digest.add(some_record(draw));
    Digest copy = digest;
    const trace::Record next = some_record(draw);
    digest.add(next), copy.add(next);
    EXPECT_EQ(digest, copy);
    EXPECT_EQ(digest.hex(), copy.hex());
}

TEST(Trace, ClassesThatAreOffWriteNothingAndBodiesComeBack) {
    std::vector<trace::Record> records;
    trace::Sink sink{trace::bit(trace::Type::drop), &records, [](void* context, const trace::Record& record) {
                         static_cast<std::vector<trace::Record>*>(context)->push_back(record);
                     }};
    sink.add(Instant{}, 1, trace::Type::loss, trace::Loss{1, 2, 3, 0});
    EXPECT_TRUE(records.empty());
    sink.add(Instant::from_nanoseconds(9), 1, trace::Type::drop, trace::Drop{1, 2, 3, 4});
    ASSERT_EQ(records.size(), 1u);
    const auto body = trace::body_of<trace::Drop>(records[0]);
    EXPECT_EQ(body.where, 1u);
    EXPECT_EQ(body.detail, 4u);
    EXPECT_EQ(records[0].t_ns, 9);
    for (std::size_t i = sizeof(trace::Drop); i < records[0].body.size(); ++i) EXPECT_EQ(records[0].body[i], std::byte{0});
}

TEST(Trace, ARecordIsTheSameMadeInPlaceOrHandedOver) {
    struct Places : trace::Lane {
        std::array<trace::Record, 3> of_two{};  // and one for what has no room
        std::vector<trace::Type> refused;
    } places;
    for (trace::Record& record : places.of_two) record.body.fill(std::byte{0xee});  // of an earlier use
    places.next = places.of_two.data();
    places.end = places.next + 2;
    places.more = [](trace::Lane& lane, trace::Type type) {
        auto& all = static_cast<Places&>(lane);
        all.refused.push_back(type);
        return &all.of_two[2];
    };
    std::vector<trace::Record> handed;
    trace::Sink sink{trace::all, &handed, [](void* context, const trace::Record& record) {
                         static_cast<std::vector<trace::Record>*>(context)->push_back(record);
                     }};
    trace::Sink direct = sink;
    direct.lane = &places;
    direct.direct = ~trace::bit(trace::Type::plugin);
    for (const trace::Sink* to : {&sink, &direct}) {
        to->add(Instant::from_nanoseconds(7), 8, trace::Type::loss, trace::Loss{1, 2, 3, 4}, 9);
        to->add(Instant::from_nanoseconds(7), 8, trace::Type::rate, trace::Rate{1, 2, 3, 4, 5, 6, 7, 8});
        to->add(Instant::from_nanoseconds(7), 8, trace::Type::plugin, trace::Plugin{});
        to->add(Instant::from_nanoseconds(7), 8, trace::Type::text, trace::Text{{'x'}});
    }
    ASSERT_EQ(handed.size(), 5u);
    const auto bytes = [](const trace::Record& record) { return std::bit_cast<std::array<std::byte, 64>>(record); };
    EXPECT_EQ(bytes(places.of_two[0]), bytes(handed[0]));
    EXPECT_EQ(bytes(places.of_two[1]), bytes(handed[1]));
    EXPECT_EQ(bytes(handed[4]), bytes(handed[2])) << "of a class that does not go into the lane";
    EXPECT_EQ(places.refused, std::vector{trace::Type::text});
}

}  // namespace
}  // namespace weft
