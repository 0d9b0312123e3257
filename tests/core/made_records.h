// Records as an engine with many flows writes them, seeded: begins, edges, samples, places and ids that are used again, half-open
// records that become connections, TIME-WAIT beside a new flow of the same place. And nonsense, on request.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "stack/core/replay.h"
#include "stack/core/trace_sink.h"

namespace weft::trace {

template <class Body>
Record record_of(std::int64_t t_ns, std::uint32_t flow, Type type, const Body& body, std::uint16_t flags = 0) {
    Record made{};
    const Sink sink{all, &made, [](void* to, const Record& record) { *static_cast<Record*>(to) = record; }};
    sink.add(Instant::from_nanoseconds(t_ns), flow, type, body, flags);
    return made;
}

class MadeRecords {
public:
    // `flows`: at most so many at a time. `step_ns`: mean time between two moments. `samples`: how many of them to an edge.
    MadeRecords(std::uint64_t seed, std::uint32_t flows, std::int64_t step_ns, std::uint64_t samples = 8)
        : draw_{seed}, step_ns_{step_ns}, samples_{samples}, flows_(flows) {
        for (std::uint32_t place = 0; place < flows; ++place) flows_[place].place = place;
    }

    std::int64_t now_ns() const { return now_ns_; }

    // The records of one moment.
    std::vector<Record> moment() {
        out_.clear();
        now_ns_ += 1 + std::int64_t(draw_() % std::uint64_t(2 * step_ns_));
        for (std::uint64_t count = 1 + draw_() % 4; count > 0; --count) happen(flows_[draw_() % flows_.size()]);
        if (draw_() % 50 == 0)
            add(no_flow, Type::lagged, Lagged{std::uint32_t(draw_() % 24), std::uint32_t(draw_() % 3), draw_() % 100});
        if (draw_() % 200 == 0) add(no_flow, Type::mark, Text{{'m', 'a', 'r', 'k', char('a' + draw_() % 26)}});
        end_time_waits();
        return out_;
    }

    std::vector<Record> some(std::size_t count) {
        std::vector<Record> records;
        while (records.size() < count) {
            const auto more = moment();
            records.insert(records.end(), more.begin(), more.end());
        }
        return records;
    }

    // Any bytes, with types, places and generations from a small range so that they meet.
    Record nonsense() {
        Record record{};
        now_ns_ += std::int64_t(draw_() % 3);
        for (std::byte& byte : record.body) byte = draw_() % 3 == 0 ? std::byte{0} : std::byte(draw_() % 12);
        if (draw_() % 2 == 0) std::fill(record.body.begin() + 5, record.body.begin() + 8, std::byte{0});
        record.t_ns = now_ns_;
        record.flow = std::uint32_t(draw_() % 4 | (draw_() % 4 == 0 ? half_open_place : 0));
        record.type = Type(draw_() % 25);
        record.flags = std::uint16_t(draw_() % 4);
        return record;
    }

private:
    struct Flow {
        std::uint32_t place{0}, generation{0};
        std::uint8_t state{0};
        std::uint64_t bytes{0};
        bool begun{false};
    };
    struct TimeWait {
        std::uint32_t place, generation;
        std::int64_t until_ns;
    };

    template <class Body>
    void add(std::uint32_t place, Type type, const Body& body, std::uint16_t flags = 0) {
        out_.push_back(record_of(now_ns_, place, type, body, flags));
    }

    void go(Flow& flow, std::uint8_t to) {
        add(flow.place, Type::state,
            StateChange{flow.state, to, std::uint8_t(draw_() % 4), std::uint8_t(draw_()), flow.generation});
        flow.state = to;
        flow.begun = to != 0;
    }

    void define(std::uint32_t id) {
        const auto family = Family(1 + draw_() % 3);
        for (std::uint32_t part = 0; part < 2; ++part) {
            Define body{id, part, {}};
            const std::size_t length = family == Family::ipv4 ? 4 : family == Family::ipv6 ? 16 : part == 0 ? 40 : 24;
            for (std::size_t i = 0; i < length && (part == 0 || family == Family::overlay); ++i)
                body.bytes[i] = std::byte(draw_());
            add(no_flow, Type::define, body, std::uint16_t(family));
        }
    }

    FlowBegin begin_of(const Flow& flow, std::uint8_t role, std::uint16_t port) {
        const std::uint32_t path = flow.place % 16;
        FlowBegin body{flow.generation, 2 * path, 2 * path + 1, 80, port, 1, role, std::uint16_t(draw_() % 3), path,
                       now_ns_,         {}};
        const std::string_view name = draw_() % 2 == 0 ? "newreno" : "cubic";
        std::ranges::copy(name, body.module.begin());
        return body;
    }

    void begin(Flow& flow) {
        ++flow.generation;
        flow.bytes = 0;
        flow.state = 0;
        if (draw_() % 2 == 0 || !defined_) define(2 * (flow.place % 16)), define(2 * (flow.place % 16) + 1);
        defined_ = true;
        const auto port = std::uint16_t(draw_());
        if (draw_() % 2 == 0) {  // active
            add(flow.place, Type::flow, begin_of(flow, 0, port));
            return go(flow, 2);
        }
        Flow half{half_open_place | flow.place, flow.generation, 1, 0, true};
        add(half.place, Type::flow, begin_of(half, 1, port));
        go(half, 3);
        if (draw_() % 4 == 0) return go(half, draw_() % 2 == 0 ? 1 : 0);
        add(half.place, Type::state, StateChange{3, 3, 0, 0, half.generation}, moved_flag);
        add(flow.place, Type::flow, begin_of(flow, 1, port));
        add(flow.place, Type::state, StateChange{3, 3, 0, 0, flow.generation}, moved_flag);
        flow.state = 3;
        go(flow, 4);
    }

    void sample(Flow& flow) {
        const auto word = [&] { return std::uint32_t(draw_() % 100'000); };
        switch (draw_() % 6) {
        case 0: return add(flow.place, Type::congestion, Congestion{word(), word(), word(), 1, word(), word(), word()});
        case 1: return add(flow.place, Type::rate, Rate{word(), word(), word(), word(), 1, 2, 3, 4});
        case 2: return add(flow.place, Type::limit, Limit{word() % 6, 0});
        case 3: return add(flow.place, Type::loss, Loss{word(), word(), 1, 0});
        case 4:
            flow.bytes += word();
            return add(flow.place, Type::counters, Counters{flow.bytes, flow.bytes / 2, 1, 2, 3, 4, 5, 6, 7, word()});
        default:
            Plugin body{};
            body.slot = std::uint16_t(draw_() % 4);
            body.event = 3;
            body.generation = flow.generation;
            body.name[0] = char('a' + draw_() % 26);
            add(flow.place, Type::plugin, body);
        }
    }

    void happen(Flow& flow) {
        if (!flow.begun) return begin(flow);
        if (draw_() % samples_ != 0) return sample(flow);
        if (draw_() % 16 == 0) return go(flow, 0);  // reset
        switch (flow.state) {
        case 2: return go(flow, 4);
        case 4: return go(flow, draw_() % 2 == 0 ? 5 : 7);
        case 5: return go(flow, draw_() % 2 == 0 ? 6 : 10);
        case 6: return go(flow, 10);
        case 7: return go(flow, 9);
        case 9: return go(flow, 0);
        default:  // TIME-WAIT goes on by itself, its place is free
            time_waits_.push_back({flow.place, flow.generation, now_ns_ + 40 * step_ns_});
            flow.begun = false;
        }
    }

    void end_time_waits() {
        while (!time_waits_.empty() && time_waits_.front().until_ns <= now_ns_) {
            const TimeWait over = time_waits_.front();
            time_waits_.erase(time_waits_.begin());
            add(over.place, Type::state, StateChange{10, 0, 2, 0, over.generation});
        }
    }

    std::mt19937_64 draw_;
    std::int64_t step_ns_, now_ns_{1'000};
    std::uint64_t samples_;
    std::vector<Flow> flows_;
    std::vector<TimeWait> time_waits_;
    std::vector<Record> out_;
    bool defined_{false};
};

inline Replay folded(std::span<const Record> records) {
    Replay state;
    state.apply(records);
    return state;
}

}  // namespace weft::trace
