// The ways, the two hosts, and what their applications do.
#include "sim/crowd.h"

#include <algorithm>
#include <array>
#include <queue>
#include <utility>

#include "sim/host.h"

namespace weft::sim {
namespace {

// What a flow is for; its port tells the other side what to do with it.
enum class Kind : std::uint8_t { bulk, paced, slow, talk, crossing, served, refused, silent, reset };

constexpr std::uint16_t port_of(Kind kind) {
    switch (kind) {
    case Kind::slow: return 81;      // reads a little now and then: the window holds the flow back
    case Kind::crossing: return 82;  // closes while the FIN of the first is on its way
    case Kind::talk: return 83;      // answers with what it heard
    case Kind::refused: return 84;   // nobody listens
    case Kind::served: return 85;    // closes at once, and goes on reading
    default: return 80;              // reads, and closes after the other
    }
}
constexpr std::array<std::uint16_t, 5> open_ports{80, 81, 82, 83, 85};

constexpr std::uint32_t ways = 4, overlay_link = ways;  // the last link is the session of the overlay
constexpr std::uint64_t crossing_bytes = 64 << 10;

Address v4(std::uint32_t way, std::uint8_t last) {
    const std::array<std::byte, 4> bytes{std::byte{10}, std::byte{0}, std::byte(way), std::byte{last}};
    return {Family::ipv4, bytes};
}

Address v6(std::uint32_t way, std::uint8_t last) {
    std::array<std::byte, 16> bytes{std::byte{0xfd}, std::byte{0}, std::byte{0}, std::byte(way)};
    bytes[15] = std::byte{last};
    return {Family::ipv6, bytes};
}

Address overlay(std::uint64_t key) {
    std::array<std::byte, 64> bytes{};
    Draws draws{key, 0x6164'6472};
    for (std::byte& byte : bytes) byte = std::byte(draws.next() >> 56);
    return {Family::overlay, bytes};
}

struct Timer {
    Instant at;
    std::uint32_t who{0};
    friend bool operator>(const Timer& a, const Timer& b) { return a.at != b.at ? a.at > b.at : a.who > b.who; }
};

// One wake-up each, the earliest first; an entry whose time is no longer the one that was asked for says nothing.
class Timers {
public:
    void arm(std::uint32_t who, Instant at) {
        if (who >= armed_.size()) armed_.resize(who + 1, Instant::never());
        if (armed_[who] == at) return;
        armed_[who] = at;
        if (at != Instant::never()) heap_.push({at, who});
    }
    Instant next() {
        while (!heap_.empty() && armed_[heap_.top().who] != heap_.top().at) heap_.pop();
        return heap_.empty() ? Instant::never() : heap_.top().at;
    }
    std::uint32_t pop() {  // of next(), which is not never
        const std::uint32_t who = heap_.top().who;
        heap_.pop();
        armed_[who] = Instant::never();
        return who;
    }

private:
    std::vector<Instant> armed_;
    std::priority_queue<Timer, std::vector<Timer>, std::greater<>> heap_;
};

// Both sides. The first opens flows and says what it has to say, the second answers as the port wants it.
class Party {
public:
    Party(const CrowdPlan& plan, bool opens, std::uint64_t overlay_key)
        : slots_{std::uint32_t(tcp::compiled_slots + plan.modules.size())}, overlay_key_{overlay_key},
          draws_{plan.seed, opens ? 1u : 2u}, scratch_(64 << 10) {
        if (!opens) return;
        talks_.resize(plan.flows);
        for (std::uint32_t i = 0; i < plan.flows; ++i)
            timers_.arm(i,
                        Instant{} + Duration::nanoseconds(std::int64_t(draws_.below(std::uint64_t(plan.ramp.count()) + 1))));
    }

    CrowdCounts counts;

    void on(Engine& engine, const weft::Event& event, Instant now) {
        if (event.kind == weft::Event::Kind::accepted) return accept(engine, event.listener, now);
        const std::uint32_t index = event.flow.index();
        if (index >= by_place_.size() || by_place_[index] >= talks_.size()) return;
        const std::uint32_t who = by_place_[index];
        Talk& talk = talks_[who];
        if (talk.flow != event.flow) return;
        switch (event.kind) {
        case weft::Event::Kind::connected:
            talk.up = true;
            ++counts.connected;
            say(engine, who, now);
            break;
        case weft::Event::Kind::writable: say(engine, who, now); break;
        case weft::Event::Kind::readable:
        case weft::Event::Kind::peer_closed: hear(engine, who, now); break;
        case weft::Event::Kind::closed: ++counts.ended, forget(who, now); break;
        case weft::Event::Kind::failed: ++counts.failed, forget(who, now); break;
        default: break;
        }
    }

    void advance(Engine& engine, Instant now) {
        while (timers_.next() <= now) {
            const std::uint32_t who = timers_.pop();
            Talk& talk = talks_[who];
            if (talk.flow == Flow{}) {
                if (!talk.accepted) open(engine, who, now);
            } else if (talk.accepted) {
                hear(engine, who, now);
            } else {
                go_on(engine, who, now);
            }
        }
    }

    Instant deadline() const { return timers_.next(); }

private:
    struct Talk {
        Flow flow;
        Kind kind{};
        bool accepted{false}, up{false}, shut{false};
        std::uint32_t piece{0};         // bytes at a time
        std::uint64_t left{0};          // bytes, of a crossing
        std::uint64_t heard{0};
        Duration pause;
        Instant end, moves{Instant::never()}, speaks;
    };

    Duration drawn(std::int64_t least_ms, std::int64_t most_ms) {
        return Duration::microseconds(
            std::int64_t(draws_.between(std::uint64_t(least_ms) * 1'000, std::uint64_t(most_ms) * 1'000)));
    }

    Kind drawn_kind() {
        const std::uint64_t draw = draws_.below(100);
        constexpr std::array<std::pair<std::uint64_t, Kind>, 9> up_to{{{45, Kind::bulk},
                                                                       {65, Kind::paced},
                                                                       {70, Kind::slow},
                                                                       {85, Kind::talk},
                                                                       {89, Kind::crossing},
                                                                       {93, Kind::served},
                                                                       {95, Kind::refused},
                                                                       {97, Kind::silent},
                                                                       {100, Kind::reset}}};
        return std::ranges::find_if(up_to, [draw](const auto& each) { return draw < each.first; })->second;
    }

    Endpoint drawn_remote(Kind kind) {
        const std::uint64_t draw = draws_.below(100);
        const std::uint32_t way = draw < 50 ? 0 : draw < 75 ? 1 : draw < 90 ? 2 : 3;
        const std::uint8_t last = kind == Kind::silent ? 99 : 2;
        const std::uint64_t family = draws_.below(10);
        if (family == 9 && kind != Kind::silent) return {overlay(overlay_key_), 0, port_of(kind)};
        return {family < 6 ? v4(way, last) : v6(way, last), 0, port_of(kind)};
    }

    void open(Engine& engine, std::uint32_t who, Instant now) {
        Talk& talk = talks_[who];
        talk = Talk{};
        talk.kind = drawn_kind();
        talk.piece = std::uint32_t(talk.kind == Kind::talk ? draws_.between(100, 1'400) : draws_.between(2'000, 16'000));
        talk.pause = talk.kind == Kind::talk ? drawn(50, 1'000) : talk.kind == Kind::paced ? drawn(5, 100) : Duration{};
        talk.left = crossing_bytes;
        talk.end =
            now + (talk.kind == Kind::silent || talk.kind == Kind::reset ? drawn(1'000, 6'000) : drawn(2'000, 40'000));
        if (draws_.chance(100'000)) talk.moves = now + (talk.end - now) / 2;
        ConnectOptions options;
        options.congestion = std::uint16_t(who % slots_);
        const auto flow = engine.connect(drawn_remote(talk.kind), options, now);
        if (!flow) return timers_.arm(who, now + drawn(500, 2'000));
        ++counts.begun;
        take_place(*flow, who);
        arm(who);
    }

    void take_place(Flow flow, std::uint32_t who) {
        talks_[who].flow = flow;
        if (flow.index() >= by_place_.size()) by_place_.resize(flow.index() + 1, ~0u);
        by_place_[flow.index()] = who;
    }

    void arm(std::uint32_t who) {
        const Talk& talk = talks_[who];
        if (talk.shut) return;
        Instant at = std::min(talk.end, talk.moves);
        if (talk.up && talk.pause.count() != 0) at = std::min(at, talk.speaks);
        timers_.arm(who, at);
    }

    // The time has come: to move, to end, or to speak.
    void go_on(Engine& engine, std::uint32_t who, Instant now) {
        Talk& talk = talks_[who];
        if (talk.moves <= now) {
            talk.moves = Instant::never();
            if (engine.steer(talk.flow, std::uint16_t((who + 1) % slots_), now)) ++counts.moved;
        }
        if (talk.end <= now) {
            if (talk.kind == Kind::silent || talk.kind == Kind::reset || !talk.up) (void)engine.abort(talk.flow, now);
            else shut(engine, talk, now);
            return;
        }
        say(engine, who, now);
    }

    void shut(Engine& engine, Talk& talk, Instant now) {
        if (!std::exchange(talk.shut, true)) (void)engine.shutdown(talk.flow, Engine::Direction::write, now);
    }

    void say(Engine& engine, std::uint32_t who, Instant now) {
        Talk& talk = talks_[who];
        if (!talk.up || talk.shut || talk.accepted) return;
        if (talk.pause.count() != 0) {
            if (talk.speaks <= now) {
                write(engine, talk, talk.piece, now);
                talk.speaks = now + talk.pause;
            }
        } else if (talk.kind == Kind::crossing) {
            talk.left -= write(engine, talk, std::size_t(talk.left), now);
            if (talk.left == 0) shut(engine, talk, now);
        } else {
            while (write(engine, talk, scratch_.size(), now) == scratch_.size()) {}
        }
        arm(who);
    }

    std::size_t write(Engine& engine, Talk& talk, std::size_t size, Instant now) {
        const auto took = engine.write(talk.flow, std::span{scratch_}.first(std::min(size, scratch_.size())), {}, now);
        counts.sent += took.value_or(0);
        return took.value_or(0);
    }

    void accept(Engine& engine, ListenerId listener, Instant now) {
        while (const auto flow = engine.accept(listener, now)) {
            std::uint32_t who = std::uint32_t(talks_.size());
            if (!unused_.empty()) who = unused_.back(), unused_.pop_back();
            else talks_.emplace_back();
            Talk& talk = talks_[who];
            talk = Talk{};
            talk.accepted = talk.up = true;
            const auto peers = engine.peers(*flow);
            const std::uint16_t port = peers ? peers->local.port : 0;
            talk.kind = port == 81   ? Kind::slow
                        : port == 82 ? Kind::crossing
                        : port == 83 ? Kind::talk
                        : port == 85 ? Kind::served
                                     : Kind::bulk;
            take_place(*flow, who);
            if (talk.kind == Kind::served) shut(engine, talk, now);
            hear(engine, who, now);
        }
    }

    // Reads what there is, or a little of it, and closes when it is time.
    void hear(Engine& engine, std::uint32_t who, Instant now) {
        Talk& talk = talks_[who];
        const bool slow = talk.accepted && talk.kind == Kind::slow;
        const Instant again = now + Duration::milliseconds(100);
        if (slow && now < talk.speaks) return;
        bool more = true;
        while (more) {
            const auto got = engine.read(talk.flow, std::span{scratch_}.first(slow ? 16'000 : scratch_.size()), now);
            more = got.has_value();
            if (!got) {
                if (got.error() == Error::end_of_stream && talk.accepted) shut(engine, talk, now);
                break;
            }
            talk.heard += *got;
            counts.received += *got;
            if (talk.accepted && talk.kind == Kind::talk && !talk.shut) write(engine, talk, *got, now);
            if (slow) break;
        }
        if (talk.accepted && talk.kind == Kind::crossing && talk.heard >= crossing_bytes / 2) shut(engine, talk, now);
        if (slow && more) talk.speaks = again, timers_.arm(who, again);
    }

    void forget(std::uint32_t who, Instant now) {
        Talk& talk = talks_[who];
        by_place_[talk.flow.index()] = ~0u;
        talk.flow = {};
        if (talk.accepted) {
            timers_.arm(who, Instant::never());
            unused_.push_back(who);
        } else {
            timers_.arm(who, now + drawn(100, 3'000));
        }
    }

    std::uint32_t slots_;
    std::uint64_t overlay_key_;
    Draws draws_;
    std::vector<Talk> talks_;
    std::vector<std::uint32_t> by_place_, unused_;
    mutable Timers timers_;
    std::vector<std::byte> scratch_;
};

Config config(const CrowdPlan& plan, std::uint64_t which) {
    Config config;
    config.seed[0] = plan.seed, config.seed[1] = which;
    config.send_buffer = config.receive_buffer = 256 << 10;
    config.time_wait = Duration::seconds(5);
    return config;
}

WireOptions wire(const CrowdPlan& plan, std::uint32_t way) {
    constexpr std::array<std::uint64_t, ways + 1> share{40, 20, 15, 15, 10};  // of a hundred
    constexpr std::array<std::int64_t, ways + 1> delay_ms{1, 10, 60, 25, 15};
    const std::array<std::uint32_t, ways + 1> loss{0, plan.loss / 10, plan.loss, plan.loss * 10, plan.loss};
    WireOptions options;
    options.rate = std::max<std::uint64_t>(plan.rate_per_flow * plan.flows * share[way] / 100, 1'000'000);
    options.queue = std::max<std::uint64_t>(options.rate / 8 / 20, 100'000);  // 50 ms
    options.delay = Duration::milliseconds(delay_ms[way]);
    options.jitter = way == 3 ? Duration::milliseconds(8) : Duration::microseconds(100);
    options.loss = loss[way];
    options.authenticated = way == overlay_link;
    return options;
}

}  // namespace

struct Crowd::State {
    State(BufferPool& pool, const CrowdPlan& plan)
        : world{pool, plan.seed}, first{world, config(plan, 1), Party{plan, true, plan.seed}},
          second{world, config(plan, 2), Party{plan, false, plan.seed}} {
        const Instant now = world.now();
        const Address here = overlay(plan.seed + 1), there = overlay(plan.seed);
        for (std::uint32_t way = 0; way <= ways; ++way) {
            const WireId forth = world.connect(first.id(), second.id(), way, wire(plan, way));
            const WireId back = world.connect(second.id(), first.id(), way, wire(plan, way));
            const PathOptions options{.link = way, .sums_elided = way == overlay_link};
            PathId path_forth = 0, path_back = 0;
            const auto assign = [&](const Address& a, const Address& b) {
                (void)first.engine().assign(a, options, now);
                (void)second.engine().assign(b, options, now);
            };
            if (way == overlay_link) {
                assign(here, there);
                path_forth = first.engine().open_path({here, 0, 0}, {there, 0, 0}, options, now).value_or(0);
                path_back = second.engine().open_path({there, 0, 0}, {here, 0, 0}, options, now).value_or(0);
            } else {
                const PathOptions network{.link = way, .prefix = 24}, network6{.link = way, .prefix = 64};
                (void)first.engine().assign(v4(way, 1), network, now);
                (void)first.engine().assign(v6(way, 1), network6, now);
                (void)second.engine().assign(v4(way, 2), network, now);
                (void)second.engine().assign(v6(way, 2), network6, now);
            }
            first.attach(way, forth, path_forth);
            second.attach(way, back, path_back);
        }
        for (auto* host : {&first, &second}) {
            host->digest_only(0);
            for (std::size_t i = 0; i < plan.modules.size(); ++i)
                (void)host->engine().install(std::uint16_t(tcp::compiled_slots + i), plan.modules[i], now);
        }
        for (const std::uint16_t port : open_ports) {
            ListenOptions listen;
            listen.local = {{}, 0, port};
            listen.backlog = 8'192;
            listen.congestion = 1;
            (void)second.engine().listen(listen, now);
        }
        first.settle();
        second.settle();
    }

    World world;
    Host<Party> first, second;
};

CrowdPlan CrowdPlan::within(Duration length) const {
    CrowdPlan plan = *this;
    plan.ramp = std::min(plan.ramp, length / 4);
    return plan;
}

Crowd::Crowd(BufferPool& pool, const CrowdPlan& plan) : state_{std::make_unique<State>(pool, plan)} {}
Crowd::~Crowd() = default;

void Crowd::record(const trace::Sink& sink) {
    state_->first.record(sink);
    std::uint32_t cursor = 0;
    while (sink.write && state_->first.engine().tell_flows(sink, cursor, 1'024, now())) {}
}
void Crowd::run_for(Duration duration) {
    const Instant until = now() + duration;
    while (now() < until) {
        state_->world.run_until(std::min(until, now() + Duration::milliseconds(250)));
        std::uint32_t cursor = 0;  // as a node tells them while somebody listens
        while (state_->first.engine().tell_counters(cursor, 1'024, now())) {}
    }
}
Instant Crowd::now() const { return state_->world.now(); }
CrowdCounts Crowd::counts() const { return state_->first.app.counts; }

}  // namespace weft::sim
