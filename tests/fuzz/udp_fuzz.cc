// UDP headers: what is read is written back to the same eight bytes.
#include "stack/wire/udp.h"

#include <algorithm>
#include <array>

#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto view = UdpView::parse(fuzz::bytes_of(data, size));
    if (!view) return 0;
    FUZZ_CHECK(view->length() == view->bytes().size() && view->length() <= size);
    FUZZ_CHECK(view->payload().size() + UdpView::header_size == view->length());
    std::array<std::byte, UdpView::header_size> out{};
    FUZZ_CHECK((UdpHeader{view->source_port(), view->destination_port(), view->length(), view->checksum()}.write(out) == 8));
    FUZZ_CHECK(std::ranges::equal(out, view->bytes().first(8)));
    return 0;
}
