// ICMP of all three families and the packets that errors quote. The first byte chooses the family.
#include "stack/wire/icmp.h"

#include <array>
#include <vector>

#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Family family = std::array{Family::ipv4, Family::ipv6, Family::overlay}[data[0] % 3];
    const auto view = IcmpView::parse(family, fuzz::bytes_of(data + 1, size - 1));
    if (!view) return 0;
    FUZZ_CHECK(view->body().size() + IcmpView::header_size == size - 1);
    FUZZ_CHECK(family != Family::ipv4 || view->mtu() <= 0xffff);

    // The writer's checksum verifies, and is the message's own where that verifies (but for the two forms of zero).
    constexpr std::uint16_t addresses = 0x1234;
    std::vector<std::byte> out(size - 1);
    const std::uint16_t body = checksum::sum(view->body());
    const IcmpHeader header{view->type(), view->code(), view->value()};
    FUZZ_CHECK(header.write(family, out, addresses, view->body().size(), body) == IcmpView::header_size);
    std::copy(view->body().begin(), view->body().end(), out.begin() + IcmpView::header_size);
    FUZZ_CHECK(IcmpView::parse(family, out)->checksum_verifies(addresses));

    const auto quote = IcmpQuote::parse(family, view->body());
    if (quote) {
        FUZZ_CHECK(quote->transport.size() <= view->body().size());
        FUZZ_CHECK(quote->source.bytes().size() == quote->destination.bytes().size());
        FUZZ_CHECK(family == Family::overlay || quote->source.family() == family);
    }
    std::array<std::byte, 72> error{};
    const std::size_t written =
        write_wcmp_error(error, view->type(), view->code(), view->value(), view->body(), addresses, false);
    FUZZ_CHECK(written == 8 + std::min<std::size_t>(view->body().size(), 64));
    FUZZ_CHECK(IcmpView::parse(Family::overlay, Bytes{error}.first(written))->checksum_verifies(addresses));
    return 0;
}
