// IPv6 headers and the walk over extension headers: it ends inside the packet, and the fixed header is written back to the
// same bytes.
#include "stack/wire/ipv6.h"

#include <algorithm>
#include <array>

#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto view = Ipv6View::parse(fuzz::bytes_of(data, size));
    if (!view) return 0;
    FUZZ_CHECK(view->bytes().size() == Ipv6View::header_size + view->payload_length() && view->bytes().size() <= size);
    FUZZ_CHECK(view->transport_at() % 8 == 0 && view->transport_at() >= Ipv6View::header_size);
    FUZZ_CHECK(view->transport_at() + view->payload().size() == view->bytes().size());
    if (!view->fragment()) {
        const std::uint8_t protocol = view->protocol();
        FUZZ_CHECK(protocol != 0 && protocol != 43 && protocol != 44 && protocol != 60);
        FUZZ_CHECK(view->transport_at() != Ipv6View::header_size || protocol == data[6]);
    } else {
        FUZZ_CHECK(view->fragment()->offset % 8 == 0);
        FUZZ_CHECK(view->transport_at() >= Ipv6View::header_size + 8);
    }
    const Ipv6Header header{view->traffic_class(), view->flow_label(), view->payload_length(), data[6],
                            view->hop_limit(),     view->source(),     view->destination()};
    std::array<std::byte, Ipv6View::header_size> out{};
    FUZZ_CHECK(header.write(out) == out.size());
    FUZZ_CHECK(std::ranges::equal(out, view->bytes().first(out.size())));
    return 0;
}
