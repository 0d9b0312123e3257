// A recording as a file: any bytes are one, or one mistake with its place; what is read of it agrees however it is read, and the
// state it tells is as good as any other. The writer's own sums are put right first, so that what lies behind them is reached.
#include "stack/core/recording.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/recording_repair.h"

using namespace weft;
using namespace weft::trace;

namespace {

void look(Bytes file, std::uint64_t walked) {
    const auto soon = [](Bytes stretch) { FUZZ_CHECK(!stretch.empty()); };
    const auto recording = Recording::open(file, {.soon = soon, .walked = walked});
    if (!recording) {
        FUZZ_CHECK(recording.error().starts_with("at byte "));
        return;
    }
    FUZZ_CHECK(recording->bytes() <= file.size());
    FUZZ_CHECK(recording->torn() == !recording->what().empty());
    FUZZ_CHECK(recording->info().node.size() <= RecordingInfo::node_limit);
    std::size_t records = 0, on = 0;
    const auto count = [](std::size_t& into) {
        return [&](std::span<const Record> some) {
            into += some.size();
            return true;
        };
    };
    recording->read(INT64_MIN, INT64_MAX, count(records));
    FUZZ_CHECK(records * sizeof(Record) <= file.size());
    auto position = recording->begin_position();
    position = recording->read_on(position, count(on));
    FUZZ_CHECK(on >= records);
    FUZZ_CHECK(recording->read_on(position, count(on)) == position);
    for (const auto& index : recording->indices()) {
        FUZZ_CHECK(index.offset < file.size() && index.snapshot < index.offset);
        recording->read_on(recording->position_at(index.t_ns), [](auto) { return false; });
    }
    for (auto at = position; at != recording->begin_position();) {
        const auto before = recording->before(at);
        FUZZ_CHECK(before < at);
        at = before;
    }
    recording->read_payload(recording->begin_ns(), recording->end_ns(),
                            [&](const Payload& payload) { FUZZ_CHECK(payload.bytes.size() <= file.size()); });
    FUZZ_CHECK(recording->marks(3).size() <= 3);
    const Replay state = recording->at(recording->end_ns());
    std::vector<Record> told;
    state.snapshot(state.now_ns(), told);
    Replay again;
    again.apply(told);
    FUZZ_CHECK(again == state);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::byte> file(size);
    std::ranges::copy(fuzz::bytes_of(data, size), file.begin());
    look(file, ~std::uint64_t{0});
    fuzz::repair(file);
    for (const std::uint64_t walked : {~std::uint64_t{0}, std::uint64_t{0}}) look(file, walked);
    // Whatever it was at half its size, it may grow.
    if (auto recording = Recording::open(Bytes{file}.first(size / 2))) {
        if (recording->extend(file)) recording->at(INT64_MAX);
    }
    return 0;
}
