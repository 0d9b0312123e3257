// The header in front of a TAP device's frames: what is accepted names nothing outside the packet, and is written back as it was.
#include "stack/link/vnet_header.h"

#include <algorithm>
#include <array>

#include "tests/fuzz/fuzz.h"

using namespace weft;
using link::VnetHeader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes frame = fuzz::bytes_of(data, size);
    const auto header = VnetHeader::parse(frame);
    if (!header) return 0;
    const std::size_t packet = size - VnetHeader::size;
    if ((header->flags & VnetHeader::needs_checksum) != 0)
        FUZZ_CHECK(std::size_t{header->sum_start} + header->sum_field + 2 <= packet);
    const unsigned protocol = header->kind & ~unsigned{VnetHeader::with_ecn};
    FUZZ_CHECK(protocol == VnetHeader::none || protocol == VnetHeader::tcp4 || protocol == VnetHeader::tcp6);
    FUZZ_CHECK((protocol == VnetHeader::none) == (header->segment_size == 0));
    FUZZ_CHECK(header->verified() == ((header->flags & 3) != 0));
    std::array<std::byte, VnetHeader::size> out{};
    FUZZ_CHECK(header->write(out) == VnetHeader::size);
    FUZZ_CHECK(header->write(std::span{out}.first(VnetHeader::size - 1)) == 0);
    const auto again = VnetHeader::parse(frame);
    FUZZ_CHECK(again && *again == *header);
    if (protocol != VnetHeader::none) FUZZ_CHECK(std::ranges::equal(out, frame.first(VnetHeader::size)));
    return 0;
}
