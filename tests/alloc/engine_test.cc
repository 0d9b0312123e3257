// Counts operator new while two engines exchange a million segments.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "stack/engine/engine.h"
#include "stack/tcp/modules.h"
#include "stack/wire/cut.h"
#include "tests/alloc/counting_new.h"

namespace weft::test {
namespace {

Address ipv6(unsigned last) {
    std::array<std::byte, 16> bytes{};
    bytes[0] = std::byte{0xfd};
    bytes[15] = std::byte(last);
    return {Family::ipv6, bytes};
}

// A stream from a to b over a wire that loses one data segment in a thousand, and a new connection for every part of it.
struct Exchange {
    explicit Exchange(bool ethernet = false) : a{{.seed = {1, 0}}, pool}, b{{.seed = {2, 0}}, pool} {
        if (ethernet) {
            (void)a.attach(0, {.ethernet = true, .mac = {std::byte{2}}}, now);
            (void)b.attach(0, {.ethernet = true, .mac = {std::byte{4}}}, now);
        }
        (void)a.assign(ipv6(1), {.prefix = 64}, now);
        (void)b.assign(ipv6(2), {.prefix = 64}, now);
        warm<256>(300), warm<2'048>(3'000), warm<10'240>(300), warm<66'560>(100);
        listener = b.listen({{.local = {{}, 0, 80}}}, now).value();
    }

    // Chunks that wait in the pool for their first use.
    template <std::size_t capacity>
    void warm(std::size_t count) {
        std::vector<Slice> chunks;
        while (count-- > 0) chunks.emplace_back(pool.allocate(capacity), 0u, 0u);
    }

    void carry(Engine& from, Engine& to) {
        while (const std::size_t made = from.transmit(out, now)) {
            for (std::size_t i = 0; i < made; ++i) {
                auto cut = wire::Cut::make(out[i]);
                std::size_t count = 0;
                while (cut && cut->left() > 0) {
                    const std::size_t size = cut->next_size();
                    Chunk* chunk = pool.allocate(size);
                    cut->next({chunk->data(), size});
                    in[count].frame = Slice{chunk, 0, std::uint32_t(size)};
                    if (++segments % 1'000 == 0 && size > 1'000) in[count].frame = {};
                    else if (++count == in.size()) to.receive(std::span{in}.first(std::exchange(count, 0)), now);
                }
                to.receive(std::span{in}.first(count), now);
                for (Receive& frame : in) frame.frame = {};
            }
        }
    }
    void settle() {
        for (std::uint64_t before = segments - 1; before != segments;) {
            before = segments;
            carry(a, b);
            carry(b, a);
        }
    }
    void wait() {
        now = std::max(now, std::min(a.deadline(), b.deadline()));
        a.advance(now);
        b.advance(now);
        settle();
    }
    void drain() {
        while (a.events(events, now) + b.events(events, now) > 0) {}
    }

    void stream(std::size_t bytes) {
        const Flow client = a.connect({ipv6(2), 0, 80}, {.congestion = slot}, now).value();
        settle();
        Result<Flow> server = b.accept(listener, now);
        for (; !server; server = b.accept(listener, now)) wait();
        for (std::size_t written = 0, got = 0; got < bytes;) {
            if (written < bytes)
                if (const auto count =
                        a.write(client, std::span{text}.first(std::min(text.size(), bytes - written)), {}, now))
                    written += *count;
            settle();
            const std::size_t before = got;
            while (const auto count = b.read(*server, text, now)) got += *count;
            if (got == before) wait();
            drain();
        }
        (void)a.shutdown(client, Engine::Direction::both, now);
        settle();
        (void)b.read(*server, text, now);
        (void)b.shutdown(*server, Engine::Direction::both, now);
        settle();
        drain();
        now = now + Duration::seconds(61);  // TIME-WAIT ends
        a.advance(now);
        b.advance(now);
    }

    BufferPool pool{std::size_t{64} << 20};
    Instant now = Instant::from_nanoseconds(1'000'000'000);
    Engine a, b;
    ListenerId listener;
    std::array<Transmit, 16> out;
    std::array<Receive, 64> in;
    std::array<Event, 16> events;
    std::array<std::byte, 50'000> text{};
    std::uint64_t segments{0};
    std::uint16_t slot{0};  // of a's flows
};

TEST(Allocations, AreNoneOverAMillionSegmentsOnceWarm) {
    Exchange exchange;
    for (int i = 0; i < 6; ++i) exchange.stream(40'000'000);
    const std::size_t before = allocations_so_far();
    const std::uint64_t segments = exchange.segments;
    while (exchange.segments - segments < 1'000'000) exchange.stream(40'000'000);
    EXPECT_EQ(allocations_so_far(), before);
    EXPECT_GT(exchange.a.statistics().retransmitted_segments, 100u) << "the loss was there";
    EXPECT_GT(exchange.a.statistics().connections_opened, 20u);
}

TEST(Allocations, AreNoneWithALoadedModuleOnceWarm) {
    Exchange exchange;
    exchange.slot = 9;
    weft_cc_v1 table = plugin::congestion_table<tcp::Cubic>;
    table.on_sent = [](void*, void*, const weft_cc_sent*, weft_cc_control*) {};
    ASSERT_TRUE(exchange.a.install(9, tcp::make_module(table, "cubic_table"), exchange.now));
    for (int i = 0; i < 6; ++i) exchange.stream(40'000'000);
    const std::size_t before = allocations_so_far();
    const std::uint64_t segments = exchange.segments;
    while (exchange.segments - segments < 200'000) exchange.stream(40'000'000);
    EXPECT_EQ(allocations_so_far(), before);
    EXPECT_EQ(exchange.a.statistics().module_fallbacks, 0u);
}

TEST(Allocations, AreNoneWithSomebodyWhoListensToAllRecords) {
    Exchange exchange;
    std::array<std::uint64_t, 32> records{};
    const trace::Sink sink{trace::all, &records, [](void* to, const trace::Record& record) {
                               ++(*static_cast<std::array<std::uint64_t, 32>*>(to))[std::size_t(record.type)];
                           }};
    for (int i = 0; i < 6; ++i) exchange.stream(40'000'000);
    exchange.a.trace(sink);
    exchange.b.trace(sink);
    const std::size_t before = allocations_so_far();
    const std::uint64_t segments = exchange.segments;
    while (exchange.segments - segments < 200'000) {
        exchange.stream(40'000'000);
        for (Engine* engine : {&exchange.a, &exchange.b}) {
            std::uint32_t flows = 0, counters = 0;
            while (engine->tell_flows(flows, 16, exchange.now) || engine->tell_counters(counters, 16, exchange.now)) {}
        }
    }
    EXPECT_EQ(allocations_so_far(), before);
    using enum trace::Type;
    for (const auto type : {define, state, congestion, segment_sent, segment_received, loss, timer, limit, plugin, rate,
                            trace::Type::flow, counters})
        EXPECT_GT(records[std::size_t(type)], 0u) << std::size_t(type);
}

// Neighbours are found, doubted and asked again meanwhile: that may cost a little, a segment may not.
TEST(Allocations, AreNoneForASegmentOnEthernet) {
    Exchange exchange{true};
    for (int i = 0; i < 4; ++i) exchange.stream(20'000'000);
    const std::size_t before = allocations_so_far();
    const std::uint64_t segments = exchange.segments;
    while (exchange.segments - segments < 100'000) exchange.stream(20'000'000);
    EXPECT_LE(allocations_so_far() - before, 20u);
    EXPECT_GT(exchange.b.statistics().ndp_in, 4u);
}

}  // namespace
}  // namespace weft::test
