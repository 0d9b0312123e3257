// Control messages: what is read from hostile bytes is within its limits, and is read the same after it was written.
#include "overlay/control.h"

#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::overlay;

namespace {

template <class Item>
void list(Bytes message) {
    std::vector<Item> items;
    const bool well = read_list<Item>(message, [&](const Item& item) { items.push_back(item); });
    FUZZ_CHECK(well == !items.empty());
    if (!well) return;
    const Body body = list_body<Item>(items);
    FUZZ_CHECK(std::equal(body.begin() + ControlHeader::size, body.end(), message.begin(), message.end()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes input = fuzz::bytes_of(data, size);
    const auto header = ControlHeader::parse(input);
    FUZZ_CHECK(header.has_value() == (size >= ControlHeader::size));
    if (!header) return 0;
    const Bytes message = input.subspan(ControlHeader::size);
    if (const auto setup = Setup::parse(*header, message)) {
        const Body body = setup->body();
        FUZZ_CHECK(body.size() == input.size() && body.size() <= ControlHeader::size + Setup::largest);
        const auto again = ControlHeader::parse(body);
        FUZZ_CHECK(Setup::parse(*again, Bytes{body}.subspan(ControlHeader::size)) == setup);
    }
    if (const auto ack = SetupAck::parse(message)) {
        const Body body = ack->body();
        FUZZ_CHECK(body.size() == input.size() && body.size() <= ControlHeader::size + SetupAck::largest);
        FUZZ_CHECK(SetupAck::parse(Bytes{body}.subspan(ControlHeader::size)) == ack);
    }
    if (const auto nak = SetupNak::parse(message)) {
        const Body body = nak->body(true);
        FUZZ_CHECK(SetupNak::parse(Bytes{body}.subspan(ControlHeader::size)) == nak);
    }
    list<BrokenItem>(message);
    list<StaleItem>(message);
    list<TeardownItem>(message);
    list<MtuItem>(message);
    list<GotItem>(message);
    return 0;
}
