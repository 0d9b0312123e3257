// Recordings that are not whole: still growing, cut off anywhere, damaged, lying about themselves, or none at all.
#include <gtest/gtest.h>

#include "stack/core/crc32c.h"
#include "stack/core/recording.h"
#include "tests/core/made_recording.h"

namespace weft::trace {
namespace {

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
    writer.add_payload({11 * second, 1, 1, true, Bytes{made_up}.last(index)}, file);
    const Recording walked = opened(file), recording = *Recording::open(file, {.walked = 0});
    EXPECT_EQ(recording.indices().size(), 9u);
    EXPECT_TRUE(std::ranges::equal(recording.indices(), walked.indices()));
    EXPECT_EQ(recording.bytes(), file.size());
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
    writer.add_payload({1, 1, 1, true, std::as_bytes(std::span{std::string_view{"x"}})}, file);
    writer.add(record_of(30, 1, Type::loss, Loss{}), file);
    writer.flush(file);
    RecordingStream stream;
    std::size_t records = 0;
    ASSERT_TRUE(stream.feed(file, [&](std::span<const Record> some) { records += some.size(); }));
    EXPECT_EQ(records, 1u);
}

}  // namespace
}  // namespace weft::trace
