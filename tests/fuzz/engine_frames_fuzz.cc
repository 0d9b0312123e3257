// An engine on Ethernet under frames and pauses as the input says: a length (two bytes; the top bit: a pause of so many
// milliseconds) and so many bytes, again and again. What it sends can be cut, and it keeps within its bounds.
#include <array>

#include "stack/engine/engine.h"
#include "stack/wire/cut.h"
#include "tests/fuzz/fuzz.h"

using namespace weft;

namespace {

Address address(Family family, std::initializer_list<unsigned> words, std::size_t size, unsigned last) {
    std::array<std::byte, 16> bytes{};
    std::size_t at = 0;
    for (const unsigned word : words) bytes[at++] = std::byte(word);
    bytes[size - 1] = std::byte(last);
    return {family, std::span{bytes}.first(size)};
}

struct Play {
    explicit Play(Bytes input) : in{input} {
        constexpr Mac mac{std::byte{2}, {}, {}, {}, {}, std::byte{0x0b}};
        (void)engine.attach(0, {.ethernet = true, .mac = mac}, now);
        (void)engine.assign(address(Family::ipv4, {10}, 4, 2), {.prefix = 24}, now);
        (void)engine.assign(address(Family::ipv6, {0xfd}, 16, 2), {.prefix = 64}, now);
        (void)engine.listen({{.local = {{}, 0, 80}}, 4}, now);
        (void)engine.connect({address(Family::ipv4, {10}, 4, 1), 0, 80}, {}, now);
        (void)engine.connect({address(Family::ipv6, {0xfd}, 16, 1), 0, 80}, {}, now);
    }
    void drain() {
        std::array<Transmit, 4> out;
        while (const std::size_t made = engine.transmit(out, now))
            for (const Transmit& each : std::span{out}.first(made)) FUZZ_CHECK(wire::Cut::make(each) && each.network == 14);
        std::array<Event, 4> events;
        while (engine.events(events, now) > 0) {}
    }
    void step() {
        const auto word = in.big<std::uint16_t>();
        if ((word & 0x8000) != 0) {
            now = now + Duration::milliseconds(word & 0x7fff);
            engine.advance(now);
        } else {
            const Bytes bytes = in.take(std::min<std::size_t>(word, in.left()));
            WriteRight right{pool.allocate(std::max<std::size_t>(bytes.size(), 1))};
            std::array<Receive, 1> one{Receive{.frame = right.append(bytes)}};
            engine.receive(one, now);
        }
        drain();
        FUZZ_CHECK(engine.neighbours().size() <= 1'100 && engine.statistics().half_open <= 4);
    }

    Reader in;
    BufferPool pool{4 << 20};
    Instant now = Instant::from_nanoseconds(1'000'000'000);
    Engine engine{{.seed = {1, 2}}, pool};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Play play{fuzz::bytes_of(data, size)};
    play.drain();
    for (int steps = 0; play.in.left() > 1 && steps < 256; ++steps) play.step();
    return 0;
}
