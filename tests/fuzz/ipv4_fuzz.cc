// IPv4 headers: what is read without options, and whole, is written back to the same bytes, its checksum right.
#include "stack/wire/ipv4.h"

#include <algorithm>
#include <array>

#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto view = Ipv4View::parse(fuzz::bytes_of(data, size));
    if (!view) return 0;
    FUZZ_CHECK(view->bytes().size() == view->total_length() && view->total_length() <= size);
    FUZZ_CHECK(view->header_size() == Ipv4View::min_size + view->option_bytes().size());
    FUZZ_CHECK(view->header_size() + view->payload().size() == view->total_length());
    FUZZ_CHECK(view->fragment() == (view->more_fragments() || view->fragment_offset() != 0));

    const Ipv4Header header{view->dscp(),     view->ecn(),           view->total_length(),
                            view->id(),       view->dont_fragment(), view->hop_limit(),
                            view->protocol(), view->source(),        view->destination()};
    std::array<std::byte, Ipv4View::min_size> out{};
    FUZZ_CHECK(header.write(out) == out.size());
    FUZZ_CHECK(checksum::verifies(checksum::sum(out)));
    const bool reserved = (data[6] & 0x80) != 0;
    if (!view->fragment() && !reserved && view->option_bytes().empty() && view->checksum_verifies()) {
        // The one checksum that verifies, but for the two forms of zero.
        const bool zero = load_big<std::uint16_t>(out.data() + Ipv4View::checksum_at) == 0;
        FUZZ_CHECK(zero || std::ranges::equal(out, view->bytes().first(out.size())));
    }
    return 0;
}
