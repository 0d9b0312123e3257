// Recordings: written, read whole, read as they come, cut off anywhere, growing, damaged.
#include "stack/core/recording.h"

#include <gtest/gtest.h>

#include "stack/core/crc32c.h"
#include "tests/core/made_records.h"

namespace weft::trace {
namespace {

constexpr std::int64_t second = 1'000'000'000;

RecordingInfo some_info() {
    RecordingInfo info;
    info.clocks = {123, 456};
    info.node = "left";
    info.address = Address{Family::overlay, std::array<std::byte, 64>{std::byte{7}}};
    return info;
}

bool same(std::span<const Record> a, std::span<const Record> b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

// A recording of made records, flushed now and then; with the records themselves, and where each whole batch ends.
struct Made {
    std::vector<std::byte> file;
    std::vector<Record> records;
    std::vector<std::pair<std::size_t, std::size_t>> flushed;  // bytes, and records in them
};

Made make(std::uint64_t seed, std::size_t count, std::int64_t step_ns, bool end = true, std::uint64_t samples = 8) {
    Made made;
    MadeRecords source{seed, 12, step_ns, samples};
    RecordingWriter writer{some_info()};
    writer.begin(made.file);
    while (made.records.size() < count) {
        for (const Record& record : source.moment()) {
            writer.add(record, made.file);
            made.records.push_back(record);
        }
        if (made.records.size() % 7 == 0) {
            writer.flush(made.file);
            made.flushed.emplace_back(made.file.size(), made.records.size());
        }
    }
    end ? writer.end(made.file) : writer.flush(made.file);
    made.flushed.emplace_back(made.file.size(), made.records.size());
    EXPECT_EQ(writer.bytes(), made.file.size());
    return made;
}

Recording opened(Bytes file) {
    auto recording = Recording::open(file);
    EXPECT_TRUE(recording.has_value()) << recording.error();
    return recording ? std::move(*recording) : Recording{};
}

std::vector<Record> all_of(const Recording& recording) {
    std::vector<Record> records;
    EXPECT_EQ(recording.read(INT64_MIN, INT64_MAX,
                             [&](std::span<const Record> some) {
                                 records.insert(records.end(), some.begin(), some.end());
                                 return true;
                             }),
              0u);
    return records;
}

Replay folded_to(std::span<const Record> records, std::int64_t t) {
    Replay state;
    for (const Record& record : records)
        if (record.t_ns <= t) state.apply(record);
    return state;
}

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

// What is left when the writer dies: no end, no table.
TEST(Recording, WithoutItsEndAFileIsOpenedByItsLastIndex) {
    Made made = make(18, 3'000, second / 100, false);
    const Recording walked = opened(made.file);
    ASSERT_GT(walked.indices().size(), 5u);
    const auto by_index = [&](Bytes file) { return *Recording::open(file, {.walked = 0}); };
    for (const std::size_t cut : {0, 1, 8, 100, 3'000}) {
        const Bytes file = Bytes{made.file}.first(made.file.size() - cut);
        const Recording one = opened(file), other = by_index(file);
        EXPECT_TRUE(std::ranges::equal(one.indices(), other.indices()));
        EXPECT_EQ(one.begin_ns(), other.begin_ns());
        EXPECT_EQ(one.end_ns(), other.end_ns());
        EXPECT_EQ(one.bytes(), other.bytes());
        EXPECT_EQ(one.what(), other.what());
        EXPECT_TRUE(same(all_of(one), all_of(other)));
        EXPECT_EQ(one.at(INT64_MAX), other.at(INT64_MAX));
    }
    // A head that is none, far from the index: only who walks to it stops there.
    std::vector<std::byte> file = made.file;
    store_little(&file[walked.indices()[3].offset + batch_head_size + 136], std::uint32_t{7});
    EXPECT_EQ(opened(file).indices().size(), 4u);
    EXPECT_TRUE(std::ranges::equal(by_index(file).indices(), walked.indices()));
    // An index in between that is damaged: nobody can follow the others, and all heads are walked.
    file = made.file;
    file[walked.indices()[3].offset + batch_head_size + 40] ^= std::byte{1};
    EXPECT_EQ(by_index(file).indices().size(), walked.indices().size() - 1);
    EXPECT_EQ(by_index(file).bytes(), file.size());
}

TEST(Recording, WhatLooksLikeAnIndexMustLeadBackToTheFirst) {
    RecordingInfo info = some_info();
    info.payload = true;
    std::vector<std::byte> file, made_up;
    RecordingWriter writer{info}, other{info};
    writer.begin(file);
    for (int i = 0; i < 10; ++i) writer.add(record_of(i * second, 1, Type::loss, Loss{}), file);
    writer.flush(file);
    other.begin(made_up);
    other.add(record_of(0, 1, Type::loss, Loss{}), made_up);
    other.add(record_of(second, 1, Type::loss, Loss{}), made_up);
    const std::size_t index = batch_head_size + 136;
    ASSERT_EQ(load_little<std::uint32_t>(&made_up[made_up.size() - index]), 136u);
    writer.add_payload(11 * second, 1, true, Bytes{made_up}.last(index), file);
    const Recording walked = opened(file), recording = *Recording::open(file, {.walked = 0});
    EXPECT_EQ(recording.indices().size(), 9u);
    EXPECT_TRUE(std::ranges::equal(recording.indices(), walked.indices()));
    EXPECT_EQ(recording.bytes(), file.size());
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

TEST(Recording, EveryCutReadsAllWholeBatchesBeforeIt) {
    const Made made = make(6, 300, second / 40, true);
    for (std::size_t cut = 0; cut <= made.file.size(); ++cut) {
        const std::vector<std::byte> part(made.file.begin(), made.file.begin() + std::ptrdiff_t(cut));
        const auto recording = Recording::open(part);
        ASSERT_EQ(recording.has_value(), cut >= header_size) << cut;
        if (!recording) {
            EXPECT_TRUE(recording.error().starts_with("at byte ")) << recording.error();
            continue;
        }
        std::size_t least = 0;
        for (const auto& [bytes, records] : made.flushed)
            if (bytes <= cut) least = records;
        const std::vector<Record> records = all_of(*recording);
        ASSERT_GE(records.size(), least) << cut;
        ASSERT_TRUE(same(records, std::span{made.records}.first(records.size()))) << cut;
        ASSERT_EQ(recording->torn(), recording->bytes() < cut);
        EXPECT_EQ(recording->what().empty(), !recording->torn());
        if (cut % 97 == 0) { ASSERT_EQ(recording->at(INT64_MAX), folded(records)) << cut; }
    }
}

TEST(Recording, ATailOfZerosIsATornTail) {
    Made made = make(7, 400, second / 40, false);
    const std::size_t whole = made.file.size();
    made.file.resize(whole + 5'000);
    Recording recording = opened(made.file);
    EXPECT_TRUE(recording.torn());
    EXPECT_EQ(recording.bytes(), whole);
    EXPECT_EQ(recording.what(), "at byte " + std::to_string(whole) + ": no batch begins here");
    EXPECT_TRUE(same(all_of(recording), made.records));
    // A head whose records never reached the disk.
    made = make(7, 400, second / 40, false);
    std::fill(made.file.end() - 40, made.file.end(), std::byte{0xee});
    recording = opened(made.file);
    EXPECT_TRUE(recording.torn());
    EXPECT_TRUE(recording.what().contains("the checksum of the last batch is wrong")) << recording.what();
    EXPECT_LT(all_of(recording).size(), made.records.size());
}

TEST(Recording, GrowsWhileItIsWritten) {
    const Made made = make(8, 2'000, second / 100);
    std::mt19937_64 draw{9};
    std::size_t size = header_size;
    std::vector<std::byte> part(made.file.begin(), made.file.begin() + std::ptrdiff_t(size));
    Recording recording = opened(part);
    std::vector<Record> records;
    Recording::Position position = recording.begin_position();
    while (size < made.file.size()) {
        size = std::min(made.file.size(), size + draw() % 9'000);
        std::vector<std::byte> grown(made.file.begin(), made.file.begin() + std::ptrdiff_t(size));
        part.swap(grown);  // it lies elsewhere now
        ASSERT_TRUE(recording.extend(part));
        position = recording.read_on(position, [&](std::span<const Record> some) {
            records.insert(records.end(), some.begin(), some.end());
            return draw() % 4 != 0;
        });
    }
    recording.read_on(position, [&](std::span<const Record> some) {
        records.insert(records.end(), some.begin(), some.end());
        return true;
    });
    EXPECT_TRUE(same(records, made.records));
    EXPECT_TRUE(recording.ended());
    const Recording at_once = opened(made.file);
    EXPECT_TRUE(std::ranges::equal(recording.indices(), at_once.indices()));
    EXPECT_EQ(recording.end_ns(), at_once.end_ns());
    const auto shorter = recording.extend(Bytes{made.file}.first(1'000));
    ASSERT_FALSE(shorter);
    EXPECT_TRUE(shorter.error().contains("shorter than before")) << shorter.error();
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

TEST(Recording, ADamagedBatchIsLeftOutAndCounted) {
    Made made = make(11, 2'000, second / 100);
    made.file[header_size + batch_head_size + 20] ^= std::byte{1};
    const Recording recording = opened(made.file);
    std::size_t records = 0;
    const std::size_t damaged = recording.read(INT64_MIN, INT64_MAX, [&](std::span<const Record> some) {
        records += some.size();
        return true;
    });
    EXPECT_EQ(damaged, 1u);
    EXPECT_EQ(records, made.records.size() - made.flushed.front().second);
}

TEST(Recording, AHeadIsNotBelievedBeforeItsSum) {
    const Made made = make(11, 2'000, second / 100, false);
    std::size_t records = 0;
    const auto count = [&](std::span<const Record> some) {
        records += some.size();
        return true;
    };
    const std::size_t hurt = made.flushed[1].second - made.flushed[0].second;
    for (const std::size_t byte : {16 + 6, 24 + 6}) {  // of first_ns, of last_ns: far in the future
        std::vector<std::byte> file = made.file;
        ASSERT_EQ(load_little<std::uint16_t>(&file[made.flushed[0].first + 4]), 1u) << "a batch of records";
        file[made.flushed[0].first + byte] ^= std::byte{1};
        const Recording recording = opened(file);
        EXPECT_EQ(recording.end_ns(), made.records.back().t_ns);
        records = 0;
        EXPECT_EQ(recording.read(INT64_MIN, made.records.back().t_ns + 1, count), 1u);
        EXPECT_EQ(records, made.records.size() - hurt) << "those behind it are read";
        const std::int64_t last = made.records.back().t_ns;
        recording.read(last, INT64_MAX, [&](std::span<const Record> some) {
            EXPECT_GE(some.front().t_ns, last) << "nothing older comes for it";
            return true;
        });
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

TEST(Recording, AnEndThatLiesIsNotBelieved) {
    Made made = make(17, 2'000, second / 100);
    const Recording honest = opened(made.file);
    for (std::size_t field = 0; field < 56; field += 8) {
        if (field >= 16 && field < 40) continue;  // the number of records and the times bind nothing
        std::vector<std::byte> file = made.file;
        const std::size_t end = file.size() - batch_head_size - 56;
        file[end + batch_head_size + field] ^= std::byte{8};
        const Bytes batch = Bytes{file}.subspan(end);
        store_little(&file[end + 8], crc32c(batch.subspan(12), crc32c(batch.first(8))));
        const Recording recording = opened(file);
        EXPECT_TRUE(std::ranges::equal(recording.indices(), honest.indices())) << field << ": walked instead";
        EXPECT_TRUE(same(all_of(recording), made.records));
    }
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

TEST(Recording, PayloadIsReadWhereItWasRecorded) {
    std::vector<std::byte> file;
    RecordingInfo info = some_info();
    info.payload = true;
    RecordingWriter writer{info};
    writer.begin(file);
    writer.add(record_of(10, 1, Type::loss, Loss{}), file);
    writer.add_payload(20, 1, true, std::as_bytes(std::span{std::string_view{"hello"}}), file);
    writer.add(record_of(30, 1, Type::loss, Loss{}), file);
    writer.add_payload(40, 1, false, {}, file);
    writer.end(file);
    const Recording recording = opened(file);
    EXPECT_TRUE(recording.info().payload);
    std::string text;
    const auto take = [&](std::int64_t t_ns, std::uint32_t flow, bool sent, Bytes payload) {
        EXPECT_EQ(t_ns, 20);
        EXPECT_EQ(flow, 1u);
        EXPECT_TRUE(sent);
        for (const std::byte letter : payload) text += char(letter);
    };
    EXPECT_EQ(recording.read_payload(0, 40, take), 0u);
    EXPECT_EQ(text, "hello");
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

TEST(Recording, WhatIsNoneSaysWhatAndWhere) {
    const Made made = make(13, 50, second / 40);
    const auto error = [](std::vector<std::byte> bytes) {
        const auto recording = Recording::open(bytes);
        return recording ? std::string{"none"} : recording.error();
    };
    EXPECT_EQ(error({}), "at byte 0: the file ends within the header, which has 192 bytes: recording had not begun");
    EXPECT_TRUE(error(std::vector<std::byte>(500, std::byte{'x'})).starts_with("at byte 0: no recording of weft begins so"));
    std::vector<std::byte> bytes = made.file;
    bytes[8] = std::byte{2};
    EXPECT_TRUE(error(bytes).starts_with("at byte 8: version 2 of the format; this program reads version 1"));
    bytes = made.file;
    bytes[45] = std::byte{'!'};
    EXPECT_EQ(error(bytes), "at byte 16: the header's checksum is wrong: it was changed or damaged");
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

TEST(RecordingStream, SaysWhatIsWrongAndWhereAndStaysFailed) {
    const Made made = make(16, 300, second / 40);
    const auto error = [](std::vector<std::byte> bytes) {
        RecordingStream stream;
        const auto first = stream.feed(bytes, [](auto) {});
        if (first) return std::string{};
        EXPECT_EQ(stream.feed(bytes, [](auto) { ADD_FAILURE(); }).error(), first.error());
        return first.error();
    };
    EXPECT_TRUE(error({std::byte{'{'}}).starts_with("at byte 0: no recording of weft begins so")) << "the first byte tells";
    std::vector<std::byte> bytes = made.file;
    bytes[header_size + batch_head_size + 3] ^= std::byte{1};
    EXPECT_EQ(error(bytes), "at byte 192: the checksum of a batch is wrong: bytes were lost or changed on the way");
    bytes = made.file;
    bytes[header_size + 3] = std::byte{0x7f};
    EXPECT_TRUE(error(bytes).starts_with("at byte 192: a batch of 21")) << error(bytes);
    bytes = made.file;
    bytes.push_back(std::byte{0});
    EXPECT_EQ(error(bytes), "at byte " + std::to_string(made.file.size()) + ": bytes behind the end of the recording");
}

TEST(RecordingStream, KindsThatItDoesNotKnowAreSkipped) {
    std::vector<std::byte> file;
    RecordingWriter writer{some_info()};
    writer.begin(file);
    writer.add_payload(1, 1, true, std::as_bytes(std::span{std::string_view{"x"}}), file);
    writer.add(record_of(30, 1, Type::loss, Loss{}), file);
    writer.flush(file);
    RecordingStream stream;
    std::size_t records = 0;
    ASSERT_TRUE(stream.feed(file, [&](std::span<const Record> some) { records += some.size(); }));
    EXPECT_EQ(records, 1u);
}

}  // namespace
}  // namespace weft::trace
