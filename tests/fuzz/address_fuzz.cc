// Addresses and endpoints as text: whatever is read is written, and what was written reads as the same address.
#include "stack/core/address_text.h"
#include "tests/fuzz/fuzz.h"

using namespace weft;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto address = parse_address(text)) {
        const std::string written = to_string(*address);
        FUZZ_CHECK(parse_address(written) == *address);
        if (address->family() == Family::overlay) {
            FUZZ_CHECK(parse_address(OverlayFamily::format_host_name(*address)) == *address);
            const auto short_form = parse_short_form(format_short_form(*address));
            FUZZ_CHECK(short_form && begins_with(*address, *short_form));
        }
    } else {
        FUZZ_CHECK(address.error().at <= size);
        FUZZ_CHECK(!to_string(address.error()).empty());
    }
    if (const auto endpoint = parse_udp_endpoint(text)) {
        FUZZ_CHECK(parse_udp_endpoint(to_string(*endpoint)) == *endpoint);
    } else {
        FUZZ_CHECK(endpoint.error().at <= size);
    }
    if (const auto short_form = parse_short_form(text)) {
        FUZZ_CHECK(size == 24);
    } else {
        FUZZ_CHECK(short_form.error().at <= size);
    }
    return 0;
}
