// The full header with 512-bit addresses and the NET frame that stands for it: both are written back to the same bytes.
#include "stack/wire/overlay.h"

#include <algorithm>
#include <array>

#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes input = fuzz::bytes_of(data, size);
    if (const auto frame = NetFrame::parse(input)) {
        std::array<std::byte, NetFrame::header_size> out{};
        FUZZ_CHECK(frame->write(out) == out.size());
        FUZZ_CHECK(std::ranges::equal(out, input.first(out.size())));
        FUZZ_CHECK(!OverlayView::parse(input));  // the first byte tells them apart
    }
    const auto view = OverlayView::parse(input);
    if (!view) return 0;
    FUZZ_CHECK(view->bytes().size() == OverlayView::header_size + view->payload_length() && view->bytes().size() <= size);
    FUZZ_CHECK(view->payload().size() == view->payload_length());
    const OverlayHeader header{view->traffic_class(), view->flow(),   view->payload_length(), view->protocol(),
                               view->hop_limit(),     view->source(), view->destination()};
    std::array<std::byte, OverlayView::header_size> out{};
    FUZZ_CHECK(header.write(out) == out.size());
    FUZZ_CHECK(std::ranges::equal(out, view->bytes().first(out.size())));
    return 0;
}
