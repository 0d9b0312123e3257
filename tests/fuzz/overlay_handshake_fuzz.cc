// The handshake's messages as values: layouts, ID, cookies and the Noise readers on any bytes.
#include "overlay/messages.h"
#include "overlay/secret.h"
#include "tests/fuzz/fuzz.h"

using namespace weft;
using namespace weft::overlay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    crypto_ready();
    const Bytes input = fuzz::bytes_of(data, size);
    const bool formed = well_formed(input);
    FUZZ_CHECK(!formed || size >= data_overhead);
    if (size >= Id::size) {
        const auto bytes = input.first<Id::size>();
        const auto again = Id::decode(bytes).encode();
        FUZZ_CHECK(std::equal(again.begin(), again.end(), bytes.begin()));
    }
    static const Door door{Network::make("fuzz", 0), address_of(PublicKey{})};
    static const noise::Static own = [] {
        static noise::Key secret{}, point{};
        secret.fill(std::byte{3});
        crypto_scalarmult_curve25519_base(raw(point.data()), raw(secret.data()));
        return noise::Static{secret, point};
    }();
    if (!formed) return 0;
    std::vector<std::byte> out(size + 512);
    noise::State state;
    noise::Key ephemeral{};
    ephemeral.fill(std::byte{4});
    const Init init = make_init(door, state, 1, 7, ephemeral);
    switch (Message(data[0])) {
    case Message::init:
        FUZZ_CHECK(!door.mac1_holds(input) || equal(door.mac1(input), input.subspan(160, 16)));
        noise::begin(state, door.prologue(input));
        noise::read_first(state, input.subspan(8, 32), out.data());
        noise::write_second(state, own, ephemeral, Block<Id::size>{}, out.data());
        break;
    case Message::resp: FUZZ_CHECK(!noise::read_second(state, input.subspan(12), out.data())); break;
    case Message::cookie: FUZZ_CHECK(!door.open_cookie(input, init)); break;
    case Message::fin:
        noise::begin(state, door.prologue(init));
        noise::read_first(state, Bytes{init}.subspan(8, 32), out.data());
        FUZZ_CHECK(noise::write_second(state, own, ephemeral, Block<Id::size>{}, out.data()));
        FUZZ_CHECK(!noise::read_third_static(state, input.subspan<8, 48>()));
        break;
    case Message::data: break;
    }
    return 0;
}
