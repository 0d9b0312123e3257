// A stream of records as a node might tell them, drawn from a seed: flows that begin, change state, are sampled, lose segments and
// end; places that are used again; several records at one moment. For tests that compare two ways to the same picture.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "stack/core/trace_sink.h"

namespace weft::gui {

class MadeStream {
public:
    explicit MadeStream(std::uint64_t seed, std::uint32_t places = 12, std::int64_t beginNs = 1'000'000'000)
        : random_{seed}, flows_(places), now_{beginNs} {}

    // The next records; some are of the same moment.
    std::vector<trace::Record> next(std::size_t count) {
        std::vector<trace::Record> records;
        while (records.size() < count) step(records);
        return records;
    }
    std::int64_t nowNs() const { return now_; }

private:
    struct Flow {
        std::uint32_t generation{0};
        std::uint8_t state{0};
        std::uint32_t seq{0};
        trace::Counters counters{};
    };

    std::uint32_t draw(std::uint32_t below) { return std::uint32_t(random_() % below); }

    template <class Body>
    void add(std::vector<trace::Record>& to, std::uint32_t place, trace::Type type, const Body& body) {
        trace::Sink sink{trace::all, &to, [](void* context, const trace::Record& record) {
                             static_cast<std::vector<trace::Record>*>(context)->push_back(record);
                         }};
        sink.add(Instant::from_nanoseconds(now_), place, type, body);
    }

    void change(std::vector<trace::Record>& to, std::uint32_t place, Flow& flow, std::uint8_t state) {
        add(to, place, trace::Type::state,
            trace::StateChange{flow.state, state, std::uint8_t(draw(3)), 16, flow.generation});
        flow.state = state;
    }

    void open(std::vector<trace::Record>& to, std::uint32_t place, Flow& flow) {
        ++flow.generation;
        flow.counters = {};
        flow.seq = draw(0xffff'ffff);
        for (std::uint32_t end = 0; end < 2; ++end) {
            trace::Define define{2 * place + end, 0, {}};
            for (std::size_t i = 0; i < 4; ++i) define.bytes[i] = std::byte(10 + end + place + i * flow.generation);
            add(to, trace::no_flow, trace::Type::define, define);
            to.back().flags = 1;  // IPv4
        }
        trace::FlowBegin begin{
            flow.generation, 2 * place, 2 * place + 1, std::uint16_t(40'000 + place), 80, 1, 0, 0, place, now_, {}};
        begin.module = {'c', 'u', 'b', 'i', 'c'};
        add(to, place, trace::Type::flow, begin);
        change(to, place, flow, 2);
    }

    void sample(std::vector<trace::Record>& to, std::uint32_t place, Flow& flow) {
        switch (draw(7)) {
        case 0:
            return add(to, place, trace::Type::congestion,
                       trace::Congestion{1'000 + draw(99'000), 50'000, draw(90'000), draw(3), 1'000'000,
                                         1'000'000 + draw(9'000'000), 100'000});
        case 1:
            return add(to, place, trace::Type::rate,
                       trace::Rate{1'000'000 + draw(9'000'000), 1'000'000, draw(100'000), 0, 0, 0, 0, 0});
        case 2: {
            const std::uint32_t length = 1 + draw(1'448);
            add(to, place, trace::Type::segment_sent,
                trace::Segment{flow.seq, 0, length, 65'535, 0, 16, 1'448, 0, flow.generation});
            if (draw(10) != 0) flow.seq += length;
            return;
        }
        case 3:
            return add(to, place, trace::Type::segment_received,
                       trace::Segment{1, flow.seq, 0, 65'535, 0, std::uint16_t(16 | (draw(8) == 0 ? 64 : 0)), 0, 0,
                                      flow.generation});
        case 4: return add(to, place, trace::Type::loss, trace::Loss{flow.seq, 1'448, 1 + draw(4), 0});
        case 5: return add(to, place, trace::Type::limit, trace::Limit{1 + draw(5), 0});
        default:
            flow.counters.bytes_out += draw(100'000);
            ++flow.counters.segments_out;
            return add(to, place, trace::Type::counters, flow.counters);
        }
    }

    void step(std::vector<trace::Record>& to) {
        if (draw(3) != 0) now_ += draw(2'000'000);
        const std::uint32_t place = draw(std::uint32_t(flows_.size()));
        Flow& flow = flows_[place];
        if (flow.state == 0) return open(to, place, flow);
        if (draw(40) != 0) return sample(to, place, flow);
        if (flow.state == 2) return change(to, place, flow, 4);
        change(to, place, flow, flow.state == 4 ? 5 : flow.state == 5 ? 6 : flow.state == 6 ? 10 : 0);
    }

    std::mt19937_64 random_;
    std::vector<Flow> flows_;
    std::int64_t now_;
};

}  // namespace weft::gui
