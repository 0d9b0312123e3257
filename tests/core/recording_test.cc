// Recordings: written, read whole, read as they come.
#include "stack/core/recording.h"

#include <gtest/gtest.h>

#include "stack/core/crc32c.h"
#include "tests/core/made_recording.h"

namespace weft::trace {
namespace {

TEST(Recording, WhatWasWrittenIsRead) {
    const Made made = make(1, 6'000, second / 200);
    const Recording recording = opened(made.file);
    EXPECT_EQ(recording.info(), some_info());
    EXPECT_TRUE(same(all_of(recording), made.records));
    EXPECT_TRUE(recording.ended());
    EXPECT_FALSE(recording.torn()) << recording.what();
    EXPECT_EQ(recording.begin_ns(), made.records.front().t_ns);
    EXPECT_EQ(recording.end_ns(), made.records.back().t_ns);
    ASSERT_GT(recording.indices().size(), 5u);
    std::uint64_t counted = 0;
    for (const Recording::Index& index : recording.indices())
        for (const std::uint32_t count : index.counts) counted += count;
    EXPECT_EQ(counted, made.records.size());
}

TEST(Recording, ReadsFromInclusiveToExclusive) {
    const Made made = make(2, 2'000, second / 200);
    const Recording recording = opened(made.file);
    std::mt19937_64 draw{5};
    for (int i = 0; i < 200; ++i) {
        const std::int64_t from = made.records[draw() % made.records.size()].t_ns + std::int64_t(draw() % 2);
        const std::int64_t to = made.records[draw() % made.records.size()].t_ns + std::int64_t(draw() % 2);
        std::vector<Record> wanted, got;
        for (const Record& record : made.records)
            if (record.t_ns >= from && record.t_ns < to) wanted.push_back(record);
        recording.read(from, to, [&](std::span<const Record> some) {
            got.insert(got.end(), some.begin(), some.end());
            return true;
        });
        ASSERT_TRUE(same(got, wanted)) << from << " " << to;
    }
    int calls = 0;
    recording.read(INT64_MIN, INT64_MAX, [&](std::span<const Record>) { return ++calls < 3; });
    EXPECT_EQ(calls, 3) << "it stops when it is told to";
}

TEST(Recording, TheStateAtAnyTimeEqualsFoldingEverythingUpToIt) {
    for (const bool end : {true, false}) {
        const Made made = make(3, 4'000, second / 300, end, 200);
        const Recording recording = opened(made.file);
        ASSERT_GT(std::ranges::count_if(recording.indices(), [](const auto& index) { return index.snapshot != 0; }), 1);
        std::mt19937_64 draw{6};
        std::vector<std::int64_t> times{INT64_MIN, 0, made.records.front().t_ns - 1, made.records.back().t_ns, INT64_MAX};
        for (int i = 0; i < 60; ++i)
            times.push_back(made.records[draw() % made.records.size()].t_ns + std::int64_t(draw() % 2));
        for (const Recording::Index& index : recording.indices()) times.push_back(index.t_ns);
        for (const std::int64_t t : times) ASSERT_EQ(recording.at(t), folded_to(made.records, t)) << t;
    }
}

TEST(Recording, SnapshotsAreTakenWhenRecordsOutweighThem) {
    const Made made = make(4, 9'000, second / 20, true, 100);
    const Recording recording = opened(made.file);
    std::uint64_t last = 0;
    std::size_t snapshots = 0;
    for (const Recording::Index& index : recording.indices()) {
        if (index.snapshot == 0) continue;
        ++snapshots;
        EXPECT_GT(index.snapshot, last);
        last = index.offset;
    }
    EXPECT_GT(snapshots, 1u);
    EXPECT_LT(snapshots, recording.indices().size());
    EXPECT_LT(made.file.size(), made.records.size() * sizeof(Record) * 3 / 2 + recording.indices().size() * 300);
}

TEST(Recording, ManyRecordsOfOneSecondHaveIndicesAmongThem) {
    std::vector<std::byte> file;
    std::vector<Record> records;
    RecordingWriter writer{some_info()};
    writer.begin(file);
    for (std::int64_t i = 0; i < 60'000; ++i) {  // a hundred of each moment
        records.push_back(record_of(second + i / 100 * 1'000, no_flow, Type::lagged, Lagged{1, 0, 1}));
        writer.add(records.back(), file);
    }
    writer.end(file);
    const Recording recording = opened(file);
    ASSERT_EQ(recording.indices().size(), 4u) << "three among them, and the last";
    for (const Recording::Index& index : recording.indices()) {
        const auto older = std::ranges::upper_bound(records, index.t_ns, {}, &Record::t_ns) - records.begin();
        EXPECT_EQ(recording.at(index.t_ns).lagged(), std::uint64_t(older)) << "all of one moment lie on one side";
    }
}

std::vector<std::pair<const std::byte*, std::size_t>> told_soon;  // a function without a context tells

TEST(Recording, SaysAheadWhatItReadsAndLittleElse) {
    MadeRecords source{19, 300, second / 100'000};
    std::vector<std::byte> file;
    RecordingWriter writer{some_info()};
    writer.begin(file);
    while (file.size() < (std::size_t{8} << 20))
        for (const Record& record : source.moment()) writer.add(record, file);
    writer.end(file);
    const auto recording =
        Recording::open(file, {.soon = [](Bytes stretch) { told_soon.emplace_back(stretch.data(), stretch.size()); }});
    ASSERT_TRUE(recording);
    const auto told = [&](const void* from, std::size_t size) {  // of bytes of the file
        return std::ranges::any_of(told_soon, [&](const auto& stretch) {
            const auto* begin = static_cast<const std::byte*>(from);
            return begin >= stretch.first && begin + size <= stretch.first + stretch.second + (1 << 20);
        });
    };
    for (const std::int64_t part : {1, 4, 7}) {
        told_soon.clear();
        const std::int64_t t = recording->begin_ns() + (recording->end_ns() - recording->begin_ns()) / 8 * part;
        (void)recording->at(t);
        ASSERT_FALSE(told_soon.empty());
        std::size_t all = 0;
        for (const auto& [begin, size] : told_soon) {
            EXPECT_TRUE(begin >= file.data() && begin + size <= file.data() + file.size());
            all += size;
        }
        EXPECT_LT(all, std::size_t{5} << 20) << "not the whole file";
        recording->read(t, t + 1'000, [&](std::span<const Record> records) {
            EXPECT_TRUE(told(records.data(), records.size_bytes()));
            return false;
        });
    }
}

TEST(Recording, IsReadBackwardsByBlocks) {
    const Made made = make(20, 60'000, second / 1'000'000);
    for (const bool with_indices : {true, false}) {
        std::vector<std::byte> file;
        RecordingWriter writer{some_info(),
                               with_indices ? RecordingWriter::Indices::seconds : RecordingWriter::Indices::none};
        writer.begin(file);
        for (const Record& record : made.records) writer.add(record, file);
        writer.flush(file);
        const Recording recording = opened(file);
        std::vector<Record> back;
        int blocks = 0;
        Recording::Position at = recording.position_at(made.records[made.records.size() - 100].t_ns);
        const std::int64_t until = made.records[made.records.size() - 100].t_ns;
        for (; at != recording.begin_position(); ++blocks) {
            const Recording::Position before = recording.before(at);
            ASSERT_LT(before, at);
            std::vector<Record> some;
            recording.read_on(before, at, [&](std::span<const Record> records) {
                some.insert(some.end(), records.begin(), records.end());
                return true;
            });
            EXPECT_LE(some.size(), 16'384u);
            back.insert(back.begin(), some.begin(), some.end());
            at = before;
        }
        EXPECT_GE(blocks, 4);
        EXPECT_LE(blocks, 12);
        const auto older = std::ranges::lower_bound(made.records, until, {}, &Record::t_ns) - made.records.begin();
        EXPECT_TRUE(same(back, std::span{made.records}.first(std::size_t(older))));
    }
}

TEST(Recording, ASeedIsTheStateBeforeTheFirstRecord) {
    MadeRecords source{5, 20, 1'000};
    const Replay seed = folded(source.some(2'000));
    const std::vector<Record> more = source.some(500);
    for (const auto indices : {RecordingWriter::Indices::none, RecordingWriter::Indices::seconds}) {
        std::vector<std::byte> file;
        RecordingWriter writer{some_info(), indices};
        writer.begin(file, &seed);
        for (const Record& record : more) writer.add(record, file);
        writer.end(file);
        Replay wanted = seed;
        wanted.apply(more);
        const Recording recording = opened(file);
        EXPECT_EQ(recording.at(INT64_MAX), wanted);
        EXPECT_EQ(recording.at(seed.now_ns()), seed);
        EXPECT_TRUE(same(all_of(recording), more)) << "a snapshot is no record that happened";
        Replay streamed;
        RecordingStream stream;
        ASSERT_TRUE(stream.feed(file, [&](std::span<const Record> records) { streamed.apply(records); }));
        EXPECT_EQ(streamed, wanted);
    }
}

// A node where nothing has happened for hours is watched: what lives there is told as of now.
TEST(Recording, ASeedIsToldAsOfTheMomentThatRecordingBegins) {
    const Replay seed = folded_to(make(3, 200, second / 10).records, INT64_MAX);
    ASSERT_LT(seed.now_ns(), 20'000 * second);
    std::vector<std::byte> file;
    RecordingWriter writer{some_info()};
    writer.begin(file, &seed, 20'000 * second);
    std::size_t told = 0;
    RecordingStream stream;
    ASSERT_TRUE(stream.feed(file, [&](std::span<const Record> records) {
        told += records.size();
        for (const Record& record : records) EXPECT_EQ(record.t_ns, 20'000 * second);
    }));
    EXPECT_GT(told, 0u);
}

TEST(Recording, PositionsStandBetweenRecords) {
    const Made made = make(9, 1'000, second / 100);
    const Recording recording = opened(made.file);
    for (std::size_t i = 0; i < made.records.size(); i += 37) {
        const std::int64_t t = made.records[i].t_ns;
        const auto first = std::ranges::lower_bound(made.records, t, {}, &Record::t_ns);
        recording.read_on(recording.position_at(t), [&](std::span<const Record> some) {
            EXPECT_TRUE(same(some.first(1), std::span{&*first, 1}));
            return false;
        });
    }
    EXPECT_EQ(recording.read_on(recording.position_at(INT64_MAX), [](auto) { return false; }),
              recording.position_at(INT64_MAX));
}

TEST(Recording, DoesNotCareHowItsBytesLie) {
    const Made made = make(10, 500, second / 40);
    for (std::size_t shift = 1; shift < 8; ++shift) {
        std::vector<std::byte> moved(made.file.size() + shift);
        std::ranges::copy(made.file, moved.begin() + std::ptrdiff_t(shift));
        const Recording recording = opened(Bytes{moved}.subspan(shift));
        EXPECT_TRUE(same(all_of(recording), made.records));
        EXPECT_EQ(recording.at(INT64_MAX), folded(made.records));
    }
}

TEST(Recording, ABatchOfAsManyRecordsAsFitIsReadInPieces) {
    std::vector<std::byte> file;
    RecordingWriter{some_info()}.begin(file);
    constexpr std::size_t most = batch_limit / sizeof(Record);
    for (int i = 0; i < 3; ++i) {
        std::vector<std::byte> batch(batch_head_size + batch_limit);
        store_little(batch.data(), std::uint32_t(batch_limit));
        store_little(batch.data() + 4, std::uint16_t(1));
        store_little(batch.data() + 12, std::uint32_t(most));
        const std::uint64_t first = std::uint64_t(i) * most + 1;
        store_little(batch.data() + 16, first);
        store_little(batch.data() + 24, first + most - 1);
        for (std::size_t record = 0; record < most; ++record)
            store_little(batch.data() + batch_head_size + record * sizeof(Record), first + record);
        store_little(batch.data() + 8, crc32c(Bytes{batch}.subspan(12), crc32c(Bytes{batch}.first(8))));
        file.insert(file.end(), batch.begin(), batch.end());
    }
    const Recording recording = opened(file);
    std::vector<std::int64_t> got;
    const auto one_batch = [&](std::span<const Record> some) {
        for (const Record& record : some) got.push_back(record.t_ns);
        return false;
    };
    Recording::Position at = recording.begin_position();
    for (int i = 0; i < 3; ++i) at = recording.read_on(at, one_batch);
    ASSERT_EQ(got.size(), 3 * most) << "each once";
    EXPECT_EQ(got.back(), std::int64_t(3 * most));
    got.clear();
    recording.read_on(recording.begin_position(), recording.position_at(std::int64_t(most) + 1), one_batch);
    EXPECT_EQ(got.size(), most);
}

TEST(Recording, MarksAreFoundByTheirIndices) {
    const Made made = make(12, 4'000, second / 100);
    const Recording recording = opened(made.file);
    std::vector<std::int64_t> wanted, got;
    for (const Record& record : made.records)
        if (record.type == Type::mark) wanted.push_back(record.t_ns);
    for (const Recording::Mark& mark : recording.marks()) {
        EXPECT_EQ(mark.text.size(), 5u);
        got.push_back(mark.t_ns);
    }
    EXPECT_GT(wanted.size(), 2u);
    EXPECT_EQ(got, wanted);
    EXPECT_EQ(recording.marks(2).size(), 2u);
    EXPECT_EQ(recording.marks(2).back().t_ns, wanted.back());
}

TEST(Recording, IndicesOlderThanTheTablesAreFoundThroughTheNext) {
    constexpr std::size_t seconds = 66'000;  // the tables name 65,536
    std::vector<std::byte> file;
    RecordingWriter writer{some_info()};
    writer.begin(file);
    for (std::size_t i = 0; i < seconds; ++i)
        writer.add(record_of(std::int64_t(i) * second, no_flow, Type::lagged, Lagged{1, 0, 1}), file);
    writer.end(file);
    const Recording recording = opened(file);
    ASSERT_TRUE(recording.ended());
    ASSERT_EQ(recording.indices().size(), seconds);
    const std::size_t end = batch_head_size + 56;
    Bytes without_end = Bytes{file}.first(file.size() - end);
    const Recording walked = opened(without_end);
    EXPECT_TRUE(std::ranges::equal(walked.indices(), recording.indices()));
    for (const std::size_t at : {0, 1, 400, 500, 65'999})
        EXPECT_EQ(recording.at(std::int64_t(at) * second).lagged(), at + 1);
}

TEST(Recording, TimesNeverRunBack) {
    std::vector<std::byte> file;
    RecordingWriter writer{some_info()};
    writer.begin(file);
    for (const std::int64_t t : {50, 20, 70, 60}) writer.add(record_of(t, no_flow, Type::mark, Text{}), file);
    writer.end(file);
    std::vector<std::int64_t> times;
    for (const Record& record : all_of(opened(file))) times.push_back(record.t_ns);
    EXPECT_EQ(times, (std::vector<std::int64_t>{50, 50, 70, 70}));
}

TEST(Recording, PayloadIsReadWhereItWasRecordedAndSaysWhoseItIs) {
    const auto hello = std::as_bytes(std::span{std::string_view{"hello"}});
    std::vector<std::byte> file;
    RecordingInfo info = some_info();
    info.payload = true;
    RecordingWriter writer{info};
    writer.begin(file);
    writer.add(record_of(10, 1, Type::loss, Loss{}), file);
    writer.add_payload({20, 1, 77, true, hello}, file);
    writer.add(record_of(30, 1, Type::loss, Loss{}), file);
    writer.add_payload({35, 2, std::nullopt, false, hello}, file);  // as files of an older writer have it
    writer.add_payload({40, 1, 78, false, {}}, file);
    writer.end(file);
    const Recording recording = opened(file);
    EXPECT_TRUE(recording.info().payload);
    std::vector<Payload> got;
    EXPECT_EQ(recording.read_payload(0, 40, [&](const Payload& payload) { got.push_back(payload); }), 0u);
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0].t_ns, 20);
    EXPECT_EQ(got[0].flow, 1u);
    EXPECT_EQ(got[0].generation, 77u);
    EXPECT_TRUE(got[0].sent);
    EXPECT_TRUE(std::ranges::equal(got[0].bytes, hello));
    EXPECT_EQ(got[1].generation, std::nullopt);
    EXPECT_FALSE(got[1].sent);
    EXPECT_EQ(all_of(recording).size(), 2u);
}

TEST(Recording, ARecordingOfNothingIsOne) {
    std::vector<std::byte> file;
    RecordingWriter writer{some_info()};
    writer.begin(file);
    const std::vector<std::byte> unfinished = file;
    writer.end(file);
    for (const auto& bytes : {unfinished, file}) {
        const Recording recording = opened(bytes);
        EXPECT_FALSE(recording.torn());
        EXPECT_EQ(recording.begin_ns(), 0);
        EXPECT_EQ(recording.at(INT64_MAX), Replay{});
        EXPECT_TRUE(recording.marks().empty());
    }
}

TEST(RecordingStream, PiecesOfAnySizeEqualTheFile) {
    const Made made = make(14, 1'500, second / 100);
    std::mt19937_64 draw{15};
    for (int run = 0; run < 30; ++run) {
        RecordingStream stream;
        std::vector<Record> records;
        const std::size_t most = std::size_t{1} << draw() % 18;
        for (std::size_t at = 0; at < made.file.size();) {
            const std::size_t size = std::min(made.file.size() - at, 1 + draw() % most);
            // A copy of its own: reading beyond the piece is seen.
            const std::vector<std::byte> piece(made.file.begin() + std::ptrdiff_t(at),
                                               made.file.begin() + std::ptrdiff_t(at + size));
            const auto taken = stream.feed(
                piece, [&](std::span<const Record> some) { records.insert(records.end(), some.begin(), some.end()); });
            ASSERT_TRUE(taken) << taken.error();
            at += size;
        }
        ASSERT_TRUE(stream.info());
        EXPECT_EQ(*stream.info(), some_info());
        EXPECT_TRUE(stream.ended());
        EXPECT_TRUE(stream.between_batches());
        EXPECT_EQ(stream.bytes(), made.file.size());
        ASSERT_TRUE(same(records, made.records)) << "snapshots within are skipped";
    }
}

TEST(RecordingStream, RunsOfRecordsAreReadAsRecordsOneByOne) {
    std::vector<Record> records = MadeRecords{31, 12, second / 200}.some(10'000);
    records[7'000].t_ns = records[6'000].t_ns;  // one that runs back
    for (const auto indices : {RecordingWriter::Indices::none, RecordingWriter::Indices::seconds}) {
        std::vector<std::byte> single, runs;
        RecordingWriter one{some_info(), indices}, many{some_info(), indices};
        one.begin(single);
        many.begin(runs);
        for (const Record& record : records) one.add(record, single);
        for (std::span<const Record> left = records; !left.empty();) {
            const auto run = left.first(std::min<std::size_t>(left.size(), left.size() % 7 == 0 ? 1 : 4'500));
            many.add(run, runs);
            left = left.subspan(run.size());
        }
        one.end(single);
        many.end(runs);
        EXPECT_EQ(many.records(), records.size());
        EXPECT_EQ(many.bytes(), runs.size());
        EXPECT_EQ(many.now_ns(), one.now_ns());
        EXPECT_TRUE(same(all_of(opened(single)), all_of(opened(runs))));
        EXPECT_TRUE(opened(runs).at(INT64_MAX) == opened(single).at(INT64_MAX));
        EXPECT_EQ(opened(runs).marks().size(), opened(single).marks().size());
    }
}

}  // namespace
}  // namespace weft::trace
