// The frame grammar: what is yielded lies in the input, in order, with the size its type asks for.
#include "overlay/frames.h"

#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::overlay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes input = fuzz::bytes_of(data, size);
    FrameReader reader{input};
    std::size_t end = 0, frames = 0;
    for (Frame frame; reader.next(frame); ++frames) {
        FUZZ_CHECK(frame.offset > end || frames == 0);
        FUZZ_CHECK(frame.offset + frame.body.size() <= input.size());
        FUZZ_CHECK(frame.body.empty() || frame.body.data() == input.data() + frame.offset);
        const std::size_t exact = FrameReader::size_of(frame.type);
        FUZZ_CHECK(exact == 0 || frame.body.size() == exact);
        end = frame.offset + frame.body.size();
    }
    FUZZ_CHECK(reader.malformed() || end == input.size());
    Frame after;
    FUZZ_CHECK(!reader.next(after));
    return 0;
}
