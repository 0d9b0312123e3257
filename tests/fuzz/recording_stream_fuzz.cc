// A recording as it comes over a connection: the first byte says how long the pieces are. Any pieces tell the same as the whole, or
// fail at the same byte with the same words; nothing is held but one batch.
#include "stack/core/crc32c.h"
#include "stack/core/recording.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/recording_repair.h"

using namespace weft;
using namespace weft::trace;

namespace {

struct Heard {
    std::size_t records{0};
    std::uint32_t sum{0};
    std::string error;
    std::uint64_t bytes{0};
    bool operator==(const Heard&) const = default;
};

Heard hear(Bytes stream, std::size_t piece) {
    Heard heard;
    RecordingStream reader;
    const auto take = [&](std::span<const Record> records) {
        heard.records += records.size();
        heard.sum = crc32c(std::as_bytes(records), heard.sum);
    };
    for (std::size_t at = 0; at < stream.size() && heard.error.empty(); at += piece) {
        const auto part = stream.subspan(at, std::min(piece, stream.size() - at));
        if (const auto taken = reader.feed(part, take); !taken) heard.error = taken.error();
    }
    FUZZ_CHECK(heard.error.empty() || heard.error.starts_with("at byte "));
    heard.bytes = reader.bytes();
    return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    std::vector<std::byte> stream(size - 1);
    std::ranges::copy(fuzz::bytes_of(data + 1, size - 1), stream.begin());
    const std::size_t piece = 1 + data[0];
    FUZZ_CHECK(hear(stream, piece) == hear(stream, size));
    fuzz::repair(stream);
    FUZZ_CHECK(hear(stream, piece) == hear(stream, size));
    return 0;
}
