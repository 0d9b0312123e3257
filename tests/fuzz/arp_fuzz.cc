// ARP behind Ethernet: what is read is written back to the same bytes.
#include "stack/wire/arp.h"

#include <algorithm>
#include <array>

#include "stack/wire/ethernet.h"
#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::wire;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto frame = EthernetView::parse(fuzz::bytes_of(data, size));
    if (!frame) return 0;
    FUZZ_CHECK(frame->type() >= least_ethertype && frame->payload().size() + EthernetView::header_size == size);
    std::array<std::byte, EthernetView::header_size> ethernet{};
    FUZZ_CHECK((EthernetHeader{frame->destination(), frame->source(), frame->type()}.write(ethernet)) == ethernet.size());
    FUZZ_CHECK(std::ranges::equal(ethernet, fuzz::bytes_of(data, ethernet.size())));

    const auto arp = ArpPacket::parse(frame->payload());
    if (!arp) return 0;
    FUZZ_CHECK(!is_group(arp->sender_mac));
    std::array<std::byte, ArpPacket::size> out{};
    FUZZ_CHECK(arp->write(out) == out.size());
    FUZZ_CHECK(std::ranges::equal(out, frame->payload().first(out.size())));
    return 0;
}
