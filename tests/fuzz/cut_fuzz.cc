// Any header and any payload, cut: an error value, or segments that carry the text in order, each with sums that verify.
#include "stack/wire/cut.h"

#include <algorithm>
#include <array>
#include <vector>

#include "stack/wire/pseudo.h"
#include "stack/wire/tcp.h"
#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::wire;

namespace {

// The addresses as bytes of the header, found again without the cut.
Bytes addresses_of(Bytes network) {
    switch (std::to_integer<unsigned>(network[0]) >> 4) {
    case 4: return network.subspan(12, 8);
    case 6: return network.subspan(8, 32);
    default: return network.subspan(8, 128);
    }
}

void check(Cut cut, const Transmit& whole, Bytes text, Cut::Part part, std::size_t network_at) {
    const std::size_t count = cut.segments(), in_front = part == Cut::Part::packet ? whole.transport : 0;
    const std::uint16_t addresses = checksum::sum(addresses_of(Bytes{whole.header}.subspan(network_at)));
    std::size_t carried = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::vector<std::byte> out(cut.next_size());
        FUZZ_CHECK(cut.next(out) == out.size() && out.size() > in_front);
        const Bytes segment = Bytes{out}.subspan(in_front);
        const auto view = TcpView::parse(segment);
        FUZZ_CHECK(view.has_value());
        FUZZ_CHECK(carried + view->payload().size() <= text.size());
        FUZZ_CHECK(std::ranges::equal(view->payload(), text.subspan(carried, view->payload().size())));
        FUZZ_CHECK(i == 0 || !view->has(cwr));
        FUZZ_CHECK(i + 1 == count || !(view->has(fin) || view->has(psh)));
        FUZZ_CHECK(whole.sums_elided ? view->checksum() == 0 : transport_verifies(addresses, protocol_tcp, segment));
        carried += view->payload().size();
    }
    FUZZ_CHECK(carried == text.size() && cut.left() == 0 && cut.next_size() == 0 && cut.next({}) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static BufferPool pool{16 << 20};
    Reader from{fuzz::bytes_of(data, size)};
    Transmit whole;
    const std::uint8_t choices = from.u8();
    whole.sums_elided = (choices & 1) != 0;
    const Cut::Part part = (choices & 2) != 0 ? Cut::Part::transport : Cut::Part::packet;
    whole.network = (choices & 4) != 0 ? 14 : 0;
    whole.transport = from.u8();
    whole.header_length = from.u8();
    whole.segment_size = from.big<std::uint16_t>();
    const unsigned slice_size = 1u + from.u8(), repeats = from.u8() & 15;
    for (std::size_t i = 0; i < std::min<std::size_t>(whole.header_length, whole.header.size()); ++i)
        whole.header[i] = std::byte{from.u8()};

    // What is left of the input is the text, some times over, in slices of one size.
    std::vector<std::byte> text;
    for (unsigned i = 0; i < repeats; ++i) text.insert(text.end(), from.rest().begin(), from.rest().end());
    std::vector<Slice> slices;
    for (std::size_t at = 0; at < text.size(); at += slice_size) {
        const std::size_t length = std::min<std::size_t>(slice_size, text.size() - at);
        WriteRight right{pool.allocate(length)};
        if (right.room() == 0) return 0;
        slices.push_back(right.append(Bytes{text}.subspan(at, length)));
    }
    whole.payload = slices;
    whole.payload_sum = checksum::sum(text);
    whole.payload_summed = (choices & 8) != 0;
    if (const auto cut = Cut::make(whole, part)) check(*cut, whole, text, part, whole.network);
    return 0;
}
