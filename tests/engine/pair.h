// Two engines and nothing between them: what one transmits, cut into segments, is what the other receives.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "stack/engine/engine.h"
#include "stack/tcp/tcb.h"
#include "stack/wire/cut.h"
#include "stack/wire/pseudo.h"
#include "tests/engine/host_address.h"

namespace weft::test {

inline Address ipv4(unsigned last) { return host_address(Family::ipv4, last); }

struct Pair {
    explicit Pair(Config config = {}, Family of = Family::ipv4)
        : family{of}, a{with_seed(config, 1), pool}, b{with_seed(config, 2), pool} {
        (void)a.assign(address(1), {}, now);
        (void)b.assign(address(2), {}, now);
        if (family != Family::overlay) return;  // else two ends of a session, which carries what is behind the addresses
        path_a = a.open_path({address(1), 0, 0}, {address(2), 0, 0}, {}, now).value_or(0);
        path_b = b.open_path({address(2), 0, 0}, {address(1), 0, 0}, {}, now).value_or(0);
    }
    Address address(unsigned last) const { return host_address(family, last); }

    static Config with_seed(Config config, std::uint64_t seed) {
        config.seed[0] += seed;
        return config;
    }

    // One engine's output becomes the other's input. False if there was none.
    bool carry(Engine& from, Engine& to) {
        std::array<Transmit, 16> out;
        bool any = false;
        while (const std::size_t made = from.transmit(out, now)) {
            any = true;
            std::vector<Receive> in;
            for (std::size_t i = 0; i < made; ++i) {
                auto cut = wire::Cut::make(out[i], path_a != 0 ? wire::Cut::Part::transport : wire::Cut::Part::packet);
                if (!cut) throw std::runtime_error("a transmit that cannot be cut");
                while (cut->left() > 0) {
                    const std::size_t size = cut->next_size();
                    Chunk* chunk = pool.allocate(size);
                    cut->next({chunk->data(), size});
                    ++segments;
                    for (const std::byte byte : std::span{chunk->data(), size})
                        digest = (digest ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
                    if (lose && lose(segments)) {
                        const Slice lost{chunk, 0, 0};
                        continue;
                    }
                    in.push_back({.path = &to == &a ? path_a : path_b, .frame = Slice{chunk, 0, std::uint32_t(size)}});
                    if (path_a != 0) in.back().protocol = wire::protocol_tcp, in.back().ecn = out[i].ecn;
                }
            }
            to.receive(in, now);
        }
        return any;
    }

    // Until neither has anything to say now.
    void settle() {
        while (carry(a, b) | carry(b, a)) {}
    }

    // Time goes on to the next deadline, but not beyond `end`. False when there is nothing before it.
    bool step(Instant end) {
        settle();
        const Instant next = std::min(a.deadline(), b.deadline());
        if (next > end) return false;
        now = std::max(now, next);
        a.advance(now);
        b.advance(now);
        settle();
        return true;
    }
    void run(Duration time) {
        const Instant end = now + time;
        while (step(end)) {}
        now = end;
        a.advance(now);
        b.advance(now);
        settle();
    }

    std::vector<Event> events(Engine& engine) {
        std::vector<Event> all;
        std::array<Event, 8> some;
        while (const std::size_t count = engine.events(some, now))
            all.insert(all.end(), some.begin(), some.begin() + std::ptrdiff_t(count));
        return all;
    }

    // A connection from a to b's port 80: both ends.
    std::pair<Flow, Flow> open() {
        if (!listener) listener = b.listen({{.local = {{}, 0, 80}}}, now).value();
        const Flow client = a.connect({address(2), 0, 80}, {}, now).value();
        settle();
        const Flow server = b.accept(*listener, now).value();
        return {client, server};
    }

    Family family;
    PathId path_a{0}, path_b{0};  // over 512-bit addresses
    Instant now = Instant::from_nanoseconds(1'000'000'000);
    std::shared_ptr<BufferPool> owned = std::make_shared<BufferPool>(std::size_t{256} << 20);
    BufferPool& pool = *owned;  // copies of the pair share it
    Engine a, b;
    std::optional<ListenerId> listener;
    std::function<bool(std::uint64_t)> lose;  // by the number of the segment
    std::uint64_t segments{0}, digest{0xcbf29ce484222325};  // of all that was on the wire
};

inline bool has(const std::vector<Event>& events, Event::Kind kind) {
    for (const Event& event : events)
        if (event.kind == kind) return true;
    return false;
}

}  // namespace weft::test
