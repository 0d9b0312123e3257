// Streams, churn, echo and idle flows between two engines (see tcp_cases.h).
#include "bench/tcp_cases.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>
#include <utility>
#include <vector>

#include "bench/block.h"
#include "stack/core/fetch.h"

namespace weft::bench {
namespace {

constexpr std::uint16_t first_port = 5'000, ports = 256;  // of listeners: one has no more than 64 thousand flows of a peer
constexpr std::size_t together = 32;  // connections that are opened, or messages that are on their way, at a time

double cpu_seconds() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return double(used.tv_sec) + double(used.tv_nsec) / 1e9;
}

// Two engines whose b listens.
struct Ends : Pair {
    Ends(const Config& config, Crossing crossing, std::size_t memory, unsigned listening) : Pair{config, crossing, memory} {
        ListenOptions options;
        options.backlog = 4'096;
        options.nodelay = true;
        for (unsigned i = 0; i < listening; ++i) {
            options.local.port = std::uint16_t(first_port + i);
            if (const auto listener = b.listen(options, now)) listeners.push_back(*listener);
        }
    }

    Result<Flow> connect(std::uint32_t number) {
        ConnectOptions options;
        options.nodelay = true;
        return a.connect({b_address, 0, std::uint16_t(first_port + number % listeners.size())}, options, now);
    }

    // Both ends of so many, in the order in which they were opened; fewer if something went wrong.
    std::vector<std::pair<Flow, Flow>> open(std::uint32_t count) {
        std::vector<std::pair<Flow, Flow>> opened;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto flow = connect(number_);
            if (!flow) return {};
            settle();
            const auto accepted = b.accept(listeners[number_++ % listeners.size()], now);
            if (!accepted) return {};
            opened.emplace_back(*flow, *accepted);
            if (i % 256 == 0) drain();
        }
        drain();
        return opened;
    }

    void drain() {
        std::array<Event, 64> events;
        while (a.events(events, now) != 0) {}
        while (b.events(events, now) != 0) {}
    }

    std::vector<ListenerId> listeners;

private:
    std::uint32_t number_{0};
};

// ---- one flow

struct Streaming {
    explicit Streaming(const Stream& what)
        : ends{config_of(what), what.crossing, std::size_t{64} << 20, 1}, what_{what}, into_(std::size_t{256} << 10) {
        for (std::size_t at = 0; at < block_size; at += lent_size) {
            Chunk* const chunk = ends.pool.allocate(lent_size);
            std::copy_n(block().data() + at, lent_size, chunk->data());
            lent_.emplace_back(chunk, 0, std::uint32_t(lent_size));
        }
    }

    static Config config_of(const Stream& what) {
        Config config;
        config.receive_buffer = what.window;
        config.send_buffer = 2 * what.window;
        return config;
    }

    bool open() {
        auto opened = ends.open(1);
        if (opened.empty()) return false;
        std::tie(from_, to_) = opened[0];
        return true;
    }

    bool fill() {
        for (;;) {
            const std::size_t at = written_ % block_size;
            if (what_.crossing == Crossing::copied) {
                const auto wrote = ends.a.write(from_, std::span{block()}.subspan(at), {}, ends.now);
                if (!wrote) return wrote.error() == Error::would_block;
                written_ += *wrote;
                continue;
            }
            if (const auto wrote = ends.a.write(from_, lent_[at / lent_size], {}, ends.now); !wrote)
                return wrote.error() == Error::would_block;
            written_ += lent_size;
        }
    }

    bool drain() {
        for (;;) {
            const auto got = ends.b.read(to_, into_, ends.now);
            if (!got) return got.error() == Error::would_block;
            if (!follows(received, std::span{into_}.first(*got))) return false;
            received += *got;
        }
    }

    // The window is filled, then some packets arrive, are read and acknowledged.
    bool turn() {
        ends.tick();
        if (!fill()) return false;
        ends.to_b.take(ends.a, ends.now);
        in_flight += double(ends.to_b.bytes());
        ++turns;
        const bool moved = ends.to_b.give(ends.b, what_.crossing == Crossing::whole ? 1 : at_once, ends.now);
        if (moved && !drain()) return false;
        ends.to_a.take(ends.b, ends.now);
        while (ends.to_a.give(ends.a, at_once, ends.now)) {}
        return !ends.failed();
    }

    Ends ends;
    std::uint64_t received{0}, turns{0};
    double in_flight{0};

private:
    static constexpr std::size_t lent_size = 64 << 10, at_once = 32;
    Stream what_;
    std::vector<std::byte> into_;
    std::vector<Slice> lent_;
    Flow from_, to_;
    std::uint64_t written_{0};
};

// ---- many

// 32 are opened at a time, both ends close, and what b's applications are owed comes before the next.
bool churn_once(Ends& ends, std::vector<std::pair<Flow, Flow>>& flows, std::uint32_t& number) {
    flows.clear();
    for (std::size_t i = 0; i < together; ++i) {
        const auto flow = ends.connect(number + std::uint32_t(i));
        if (!flow) return false;
        flows.emplace_back(*flow, Flow{});
    }
    ends.settle();
    for (std::size_t i = 0; i < together; ++i) {
        const auto accepted = ends.b.accept(ends.listeners[(number + i) % ends.listeners.size()], ends.now);
        if (!accepted) return false;
        flows[i].second = *accepted;
    }
    number += std::uint32_t(together);
    for (const auto& [mine, theirs] : flows)
        if (!ends.a.shutdown(mine, Engine::Direction::both, ends.now)) return false;
    ends.settle();
    for (const auto& [mine, theirs] : flows)
        if (!ends.b.shutdown(theirs, Engine::Direction::both, ends.now)) return false;
    ends.settle();
    ends.drain();
    return true;
}

std::size_t resident() {
    std::size_t size = 0, pages = 0;
    if (FILE* const file = std::fopen("/proc/self/statm", "re")) {
        if (std::fscanf(file, "%zu %zu", &size, &pages) != 2) pages = 0;
        std::fclose(file);
    }
    return pages * 4'096;
}

Config many_config() {
    Config config;
    config.first_port = 1'024;
    config.time_wait_limit = 1 << 16;
    return config;
}

}  // namespace

std::expected<StreamCost, std::string> stream(const Stream& what) {
    Streaming streaming{what};
    if (!streaming.open()) return std::unexpected{"no flow"};
    const auto run = [&](double seconds) {
        const double begin = cpu_seconds();
        while (cpu_seconds() - begin < seconds)
            for (int i = 0; i < 64; ++i)
                if (!streaming.turn()) return false;
        return true;
    };
    if (!run(0.2)) return std::unexpected{"bytes were wrong or missing"};
    const std::uint64_t before = streaming.received, packets = streaming.ends.to_b.packets();
    streaming.in_flight = 0;
    streaming.turns = 0;
    const double begin = cpu_seconds();
    if (!run(what.seconds)) return std::unexpected{"bytes were wrong or missing"};
    const double used = cpu_seconds() - begin;
    if (streaming.received == before) return std::unexpected{"nothing moved"};
    return StreamCost{double(streaming.received - before) / used,
                      used * 1e9 / double(streaming.ends.to_b.packets() - packets),
                      streaming.in_flight / double(streaming.turns) / what.window};
}

std::expected<Churn, std::string> churn(std::uint32_t alive, double seconds) {
    Ends ends{many_config(), Crossing::referenced, std::size_t{256} << 20, ports};
    if (ends.open(alive).size() != alive) return std::unexpected{"the flows that live were not opened"};
    std::vector<std::pair<Flow, Flow>> flows;
    std::uint32_t number = alive;
    const auto run = [&](double most) {
        const double begin = cpu_seconds();
        while (cpu_seconds() - begin < most)
            for (int i = 0; i < 16; ++i)
                if (!churn_once(ends, flows, number)) return false;
        return true;
    };
    if (!run(0.2)) return std::unexpected{"a flow was not opened or closed"};
    const std::uint32_t first = number;
    const double begin = cpu_seconds();
    if (!run(seconds)) return std::unexpected{"a flow was not opened or closed"};
    const double used = cpu_seconds() - begin;
    const Statistics now = ends.a.statistics();
    if (now.connections != alive || ends.b.statistics().connections != alive || ends.failed())
        return std::unexpected{"flows are left over"};
    return Churn{(number - first) / used, number - alive, number - alive - now.time_wait};
}

std::expected<double, std::string> echo(std::uint32_t alive, std::uint32_t outstanding, double seconds) {
    Ends ends{many_config(), Crossing::referenced, std::size_t{256} << 20, ports};
    const auto flows = ends.open(alive);
    const bool first_places = std::ranges::all_of(flows, [&](const auto& flow) { return flow.first.index() < alive; });
    if (flows.size() != alive || !first_places) return std::unexpected{"the flows were not opened"};
    std::mt19937_64 draw{7};
    std::array<std::byte, 1> byte{std::byte{'x'}};
    std::array<std::byte, 64> into;
    std::array<Event, 64> events;
    std::array<std::size_t, 16>
        next{};  // flows that will be asked: what lies here of them is at hand when the engine is told
    constexpr std::size_t told = 7;  // asks ahead
    std::size_t asked = 0;
    for (std::size_t& i : next) i = draw() % alive;
    std::vector<bool> busy(alive);  // by the flow's place: they are the first of both engines
    std::uint32_t waiting = 0;
    std::uint64_t answered = 0;
    const auto ask = [&] {
        const std::size_t drawn = draw() % alive;
        fetch_line(&flows[drawn]);
        std::size_t i = std::exchange(next[asked++ % next.size()], drawn);
        ends.a.expect(flows[next[(asked + told) % next.size()]].first);
        while (busy[flows[i].first.index()]) i = i + 1 == alive ? 0 : i + 1;
        busy[flows[i].first.index()] = true;
        ++waiting;
        return bool(ends.a.write(flows[i].first, byte, {}, ends.now));
    };
    const auto hear = [&](Engine& at, auto&& each) {
        bool good = true;
        while (const std::size_t count = at.events(events, ends.now))
            for (std::size_t i = 0; i < count; ++i)
                if (events[i].kind == Event::Kind::readable) {
                    const auto got = at.read(events[i].flow, into, ends.now);
                    good = good && got && *got == 1 && into[0] == byte[0] && each(events[i].flow);
                }
        return good;
    };
    const auto turn = [&] {
        while (waiting < outstanding)
            if (!ask()) return false;
        ends.tick();
        ends.to_b.take(ends.a, ends.now);
        while (ends.to_b.give(ends.b, 64, ends.now)) {}
        if (!hear(ends.b, [&](Flow flow) { return bool(ends.b.write(flow, byte, {}, ends.now)); })) return false;
        ends.to_a.take(ends.b, ends.now);
        while (ends.to_a.give(ends.a, 64, ends.now)) {}
        return hear(ends.a, [&](Flow flow) {
            busy[flow.index()] = false;
            --waiting;
            ++answered;
            return true;
        });
    };
    const auto run = [&](double most) {
        const double begin = cpu_seconds();
        while (cpu_seconds() - begin < most)
            for (int i = 0; i < 64; ++i)
                if (!turn()) return false;
        return true;
    };
    // Each flow has been asked some times: what it learns of its peer, it has learnt.
    do
        if (!run(0.2)) return std::unexpected{"an answer was wrong"};
    while (answered < 8 * std::uint64_t{alive});
    const std::uint64_t before = answered;
    const double begin = cpu_seconds();
    if (!run(seconds) || ends.failed()) return std::unexpected{"an answer was wrong"};
    if (answered == before) return std::unexpected{"nothing was answered"};
    return (cpu_seconds() - begin) / double(answered - before);
}

std::expected<Idle, std::string> idle(std::uint32_t endpoints) {
    const std::size_t before = resident();
    Ends ends{many_config(), Crossing::referenced, std::size_t{256} << 20, ports};
    for (std::uint32_t opened = 0; opened < endpoints / 2; opened += 1'024)
        if (ends.open(1'024).size() != 1'024) return std::unexpected{"the flows were not opened"};
    const std::size_t after = resident();
    const double count = double(ends.a.statistics().connections) + double(ends.b.statistics().connections);
    return Idle{double(after - before) / count, double(after) / 1e6};
}

}  // namespace weft::bench
