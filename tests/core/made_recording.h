// A recording of made records, and ways to look into one.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

#include "stack/core/recording.h"
#include "tests/core/made_records.h"

namespace weft::trace {

inline constexpr std::int64_t second = 1'000'000'000;

inline RecordingInfo some_info() {
    RecordingInfo info;
    info.clocks = {123, 456};
    info.node = "left";
    info.address = Address{Family::overlay, std::array<std::byte, 64>{std::byte{7}}};
    return info;
}

inline bool same(std::span<const Record> a, std::span<const Record> b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

// A recording of made records, flushed now and then; with the records themselves, and where each whole batch ends.
struct Made {
    std::vector<std::byte> file;
    std::vector<Record> records;
    std::vector<std::pair<std::size_t, std::size_t>> flushed;  // bytes, and records in them
};

inline Made make(std::uint64_t seed, std::size_t count, std::int64_t step_ns, bool end = true, std::uint64_t samples = 8) {
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

inline Recording opened(Bytes file) {
    auto recording = Recording::open(file);
    EXPECT_TRUE(recording.has_value()) << recording.error();
    return recording ? std::move(*recording) : Recording{};
}

inline std::vector<Record> all_of(const Recording& recording) {
    std::vector<Record> records;
    EXPECT_EQ(recording.read(INT64_MIN, INT64_MAX,
                             [&](std::span<const Record> some) {
                                 records.insert(records.end(), some.begin(), some.end());
                                 return true;
                             }),
              0u);
    return records;
}

inline Replay folded_to(std::span<const Record> records, std::int64_t t) {
    Replay state;
    for (const Record& record : records)
        if (record.t_ns <= t) state.apply(record);
    return state;
}

}  // namespace weft::trace
