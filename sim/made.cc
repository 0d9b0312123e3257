// What a made-up flow does from one of its records to the next.
#include "sim/made.h"

#include <algorithm>
#include <string_view>

#include "stack/core/trace_sink.h"
#include "stack/tcp/tcb.h"

namespace weft::sim {
namespace {

using tcp::State;
using trace::Type;

constexpr std::uint32_t mss = 1'448;
constexpr std::uint8_t fin = 1, syn = 2, rst = 4, ack = 16;
constexpr std::uint8_t by_segment = 0, by_call = 1, by_timer = 2;
constexpr std::array<std::string_view, 3> modules{"newreno", "cubic", "aimd"};
constexpr std::array<std::uint16_t, 4> ports{80, 443, 5'201, 7'000};

constexpr std::uint8_t number(State state) { return std::uint8_t(state); }

std::array<char, 16> module_name(std::uint16_t slot) {
    std::array<char, 16> name{};
    std::ranges::copy(modules[slot % modules.size()], name.begin());
    return name;
}

// The orders of closing, each from ESTABLISHED; rows end with CLOSED.
constexpr std::array<std::array<State, 5>, 5> closings{{
    {State::fin_wait_1, State::fin_wait_2, State::time_wait, State::closed, State::closed},
    {State::close_wait, State::last_ack, State::closed, State::closed, State::closed},
    {State::fin_wait_1, State::closing, State::time_wait, State::closed, State::closed},
    {State::fin_wait_1, State::time_wait, State::closed, State::closed, State::closed},
    {State::closed, State::closed, State::closed, State::closed, State::closed},  // a reset
}};

}  // namespace

MadeRecords::MadeRecords(const Plan& plan)
    : plan_{plan}, draws_{plan.seed, 0x6d61'6465}, flows_(std::max(plan.flows, 1u)), now_ns_{plan.begin_ns} {
    plan_.per_second = std::max(plan_.per_second, 1u);
    ready_.reserve(64);
    open_world();
}

void MadeRecords::next(std::span<trace::Record> out) {
    for (trace::Record& record : out) {
        while (taken_ == ready_.size()) {
            ready_.clear();
            taken_ = 0;
            step();
        }
        record = ready_[taken_++];
        record.t_ns = now_ns_;
        fraction_ += 1'000'000'000;
        now_ns_ += std::int64_t(fraction_ / plan_.per_second);
        fraction_ %= plan_.per_second;
    }
}

Address MadeRecords::address(std::uint32_t flow, bool local) {
    std::array<std::byte, 64> bytes{};
    const std::uint32_t kind = flow % 10;
    if (kind < 6) {
        bytes[0] = std::byte{10};
        bytes[1] = std::byte(local ? 0 : (flow >> 16 & 0x7f) | 0x80);
        bytes[2] = std::byte(local ? 0 : flow >> 8);
        bytes[3] = std::byte(local ? 2 : flow);
        return {Family::ipv4, std::span{bytes}.first(4)};
    }
    if (kind < 9) {
        bytes[0] = std::byte{0xfd};
        bytes[7] = std::byte(local ? 0 : 1);
        bytes[14] = std::byte(local ? 0 : flow >> 8);
        bytes[15] = std::byte(local ? 2 : flow);
        return {Family::ipv6, std::span{bytes}.first(16)};
    }
    Draws draws{local ? ~std::uint64_t{0} : flow, 0x6164'6472};
    for (std::byte& byte : bytes) byte = std::byte(draws.next() >> 56);
    return {Family::overlay, bytes};
}

template <class Body>
void MadeRecords::tell(std::uint32_t place, Type type, const Body& body, std::uint16_t flags) {
    const trace::Sink sink{trace::all, &ready_, [](void* to, const trace::Record& record) {
                               static_cast<std::vector<trace::Record>*>(to)->push_back(record);
                           }};
    sink.add(Instant::from_nanoseconds(now_ns_), place, type, body, flags);
}

void MadeRecords::define(std::uint32_t id, const Address& address) {
    for (std::uint32_t part = 0; part < 2; ++part) {
        trace::Define body{id, part, {}};
        const auto bytes = address.bytes();
        for (std::size_t i = 0; i < 40 && part * 40 + i < bytes.size(); ++i) body.bytes[i] = bytes[part * 40 + i];
        tell(trace::no_flow, Type::define, body, std::uint16_t(address.family()));
    }
}

// Listeners, and every flow's addresses; the flows open as their turns come.
void MadeRecords::open_world() {
    for (std::uint32_t i = 0; i < ports.size(); ++i) {
        const std::uint32_t place = trace::place_of(trace::listener_place, 0, i);
        trace::FlowBegin body{1, trace::no_id, trace::no_id, ports[i], 0, 0, 2, 1, 0, now_ns_, module_name(1)};
        tell(place, Type::flow, body);
        tell(place, Type::state, trace::StateChange{number(State::closed), number(State::listen), by_call, 0, 1});
    }
    for (std::uint32_t i = 0; i < flows_.size(); ++i) {
        define(2 * (i + 1), address(i, true));
        define(2 * (i + 1) + 1, address(i, false));
        begin(i);
    }
}

void MadeRecords::step() {
    if (draws_.chance(2'000)) return tell_of_node();
    go_on(std::uint32_t(draws_.below(flows_.size())));
}

trace::FlowBegin MadeRecords::begin_of(std::uint32_t place, const Flow& flow) const {
    const std::uint32_t path = place + 1;
    const auto own = std::uint16_t(32'768 + (place * 7 + flow.generation) % 28'000), port = ports[place % ports.size()];
    return {flow.generation,
            2 * path,
            2 * path + 1,
            flow.passive != 0 ? port : own,
            flow.passive != 0 ? own : port,
            std::uint8_t(address(place, true).family()),
            std::uint8_t(flow.passive != 0),
            flow.slot,
            path,
            flow.opened_ns,
            module_name(flow.slot)};
}

void MadeRecords::begin(std::uint32_t place) {
    Flow& flow = flows_[place];
    const std::uint32_t generation = flow.generation + (flow.generation == 0 ? 1 : 2);
    flow = Flow{};
    flow.generation = generation;
    flow.passive = draws_.chance(400'000);
    flow.closing = std::uint8_t(draws_.below(closings.size()));
    flow.slot = std::uint16_t(draws_.below(modules.size()));
    flow.cwnd = 10 * mss;
    flow.ssthresh = std::uint32_t(draws_.between(40, 400)) * mss;
    flow.seq = std::uint32_t(draws_.next());
    flow.base_rtt_ns = std::int64_t(draws_.between(200'000, 90'000'000));
    flow.srtt_ns = flow.base_rtt_ns;
    flow.opened_ns = flow.counted_ns = now_ns_;
    const std::uint8_t closed = number(State::closed), listen = number(State::listen),
                       received = number(State::syn_received);
    if (flow.passive != 0) {
        const std::uint32_t half = trace::place_of(trace::half_open_place, 0, place);
        tell(half, Type::flow, begin_of(place, flow));
        tell(half, Type::state, trace::StateChange{listen, received, by_segment, syn, generation});
        flow.state = received;
    } else {
        tell(place, Type::flow, begin_of(place, flow));
        tell(place, Type::state, trace::StateChange{closed, number(State::syn_sent), by_call, 0, generation});
        flow.state = number(State::syn_sent);
    }
}

void MadeRecords::change(std::uint32_t place, Flow& flow, std::uint8_t to, std::uint8_t cause, std::uint8_t segment_flags) {
    tell(place, Type::state, trace::StateChange{flow.state, to, cause, segment_flags, flow.generation});
    flow.state = to;
}

void MadeRecords::go_on(std::uint32_t place) {
    Flow& flow = flows_[place];
    const std::uint64_t draw = draws_.below(10'000);
    switch (State(flow.state)) {
    case State::closed: begin(place); break;
    case State::syn_sent:
        if (draw < 300) change(place, flow, number(State::closed), by_segment, rst | ack);  // refused
        else if (draw < 400) change(place, flow, number(State::syn_received), by_segment, syn);  // both opened
        else change(place, flow, number(State::established), by_segment, syn | ack);
        break;
    case State::syn_received:
        if (flow.passive != 0) {
            const std::uint32_t half = trace::place_of(trace::half_open_place, 0, place);
            const trace::StateChange moved{flow.state, flow.state, by_segment, ack, flow.generation};
            if (draw < 500) {  // the peer thought better of it
                tell(half, Type::state,
                     trace::StateChange{flow.state, number(State::listen), by_segment, rst, flow.generation});
                flow.state = number(State::closed);
                break;
            }
            tell(half, Type::state, moved, trace::moved_flag);
            tell(place, Type::flow, begin_of(place, flow));
            tell(place, Type::state, moved, trace::moved_flag);
        }
        change(place, flow, number(State::established), by_segment, ack);
        break;
    case State::established:
        if (draw < 8) close(place, flow);
        else if (draw < 40) lose(place, flow, false);
        else if (draw < 44) lose(place, flow, true);
        else send(place, flow);
        break;
    default: close(place, flow); break;
    }
}

void MadeRecords::close(std::uint32_t place, Flow& flow) {
    const auto& way = closings[flow.closing];
    std::size_t at = 0;
    if (State(flow.state) != State::established) {
        while (number(way[at]) != flow.state) ++at;
        ++at;
    }
    const State to = way[at];
    const bool called = State(flow.state) == State::established ? to == State::fin_wait_1 : to == State::last_ack;
    count(place, flow);
    change(place, flow, number(to),
           State(flow.state) == State::time_wait ? by_timer
           : called                              ? by_call
                                                 : by_segment,
           std::uint8_t(called              ? 0
                        : flow.closing == 4 ? rst
                                            : fin | ack));
}

void MadeRecords::tell_congestion(std::uint32_t place, const Flow& flow) {
    tell(place, Type::congestion,
         trace::Congestion{flow.cwnd, flow.ssthresh, flow.in_flight, flow.phase,
                           std::uint64_t(flow.cwnd) * 1'250'000'000 / std::uint64_t(flow.srtt_ns), flow.srtt_ns,
                           flow.srtt_ns / 8});
}

// A super-segment, its acknowledgement, and what congestion control makes of it.
void MadeRecords::send(std::uint32_t place, Flow& flow) {
    const std::uint64_t draw = draws_.next();
    const auto length = std::uint32_t(std::min<std::uint64_t>((1 + draw % 16) * mss, flow.cwnd));
    const auto rtt = flow.base_rtt_ns + std::int64_t(flow.cwnd) * 20 + std::int64_t(draw >> 32) % (flow.base_rtt_ns / 4);
    tell(place, Type::segment_sent,
         trace::Segment{flow.seq, 1, length, 1 << 20, ++flow.transmission, ack | 8, mss, 0, flow.generation});
    flow.seq += length;
    flow.sent += length;
    tell(place, Type::segment_received, trace::Segment{1, flow.seq, 0, 1 << 20, 0, ack, 0, 0, flow.generation});
    flow.srtt_ns += (rtt - flow.srtt_ns) / 8;
    flow.cwnd += flow.cwnd < flow.ssthresh ? length : std::max(1u, std::uint32_t(std::uint64_t(mss) * length / flow.cwnd));
    flow.cwnd = std::min(flow.cwnd, 4u << 20);
    flow.phase = flow.cwnd < flow.ssthresh ? 0 : 1;
    flow.in_flight = flow.cwnd - std::uint32_t(draw % 8) * flow.cwnd / 16;
    flow.round += draw % 4 == 0;
    tell_congestion(place, flow);
    tell(place, Type::rate, trace::Rate{rtt, rtt, flow.cwnd, flow.sent, flow.in_flight, 0, flow.round, 3});
    if (draw % 64 < 4) {
        const auto limit = std::uint8_t(draw % 64 == 0 ? 2 : draw % 64 == 1 ? 3 : 1);
        if (limit != flow.limit) tell(place, Type::limit, trace::Limit{limit, 0});
        flow.limit = limit;
    }
    if (draw % 64 == 5) tell(place, Type::timer, trace::TimerEvent{1, 0, now_ns_ + 2 * flow.srtt_ns + 200'000'000});
    if (now_ns_ - flow.counted_ns > 1'000'000'000) count(place, flow);
    if (draw >> 20 & 0xfff) return;
    const std::uint16_t before = flow.slot;
    flow.slot = std::uint16_t((flow.slot + 1) % modules.size());
    tell(place, Type::plugin,
         trace::Plugin{flow.slot, before, 3, 0, flow.generation, 0, 0, flow.cwnd, module_name(flow.slot)});
}

void MadeRecords::lose(std::uint32_t place, Flow& flow, bool by_timeout) {
    flow.ssthresh = std::max(flow.cwnd / 2, 2 * mss);
    flow.cwnd = by_timeout ? mss : flow.ssthresh;
    flow.phase = by_timeout ? 3 : 2;
    flow.in_flight = std::min(flow.in_flight, flow.cwnd);
    ++flow.retransmissions;
    if (by_timeout) {
        ++flow.timeouts;
        tell(place, Type::timer, trace::TimerEvent{1, 1, now_ns_});
    }
    tell(place, Type::loss, trace::Loss{flow.seq - mss, mss, by_timeout ? 2u : 1u, 0});
    tell_congestion(place, flow);
}

void MadeRecords::count(std::uint32_t place, Flow& flow) {
    flow.counted_ns = now_ns_;
    tell(place, Type::counters,
         trace::Counters{flow.sent / 50, flow.sent, flow.transmission, flow.transmission, flow.retransmissions,
                         flow.timeouts, flow.in_flight, 0, 1 << 20, 1 << 20});
}

// What is of no flow: paths, labels, links, drops, losses on the way to a reader, notes.
void MadeRecords::tell_of_node() {
    const std::uint64_t draw = draws_.next();
    const std::uint32_t none = trace::no_flow;
    switch (draw % 7) {
    case 0:
        tell(none, Type::route, trace::Route{draw, draw >> 8, 0, std::uint32_t(1 + draw % 5), 1, 0, 3},
             std::uint16_t(draw & 1));
        break;
    case 1:
        tell(none, Type::label, trace::Label{draw, std::uint32_t(1 + draw % 3), std::uint32_t(draw >> 40), 7, 1, 2, 1'200});
        break;
    case 2: tell(none, Type::link, trace::LinkChange{std::uint32_t(1 + draw % 4), 1, 1'200, 0, 310'000, draw >> 8}); break;
    case 3: tell(none, Type::drop, trace::Drop{1, std::uint32_t(1 + draw % 6), 1, 0}); break;
    case 4: tell(none, Type::lagged, trace::Lagged{std::uint32_t(Type::segment_sent), 1, 1 + draw % 100}); break;
    case 5:
        tell(none, Type::define, trace::Define{trace::peer_id | std::uint32_t(1 + draw % 4), 0, {}},
             std::uint16_t(Family::overlay));
        break;
    default: {
        trace::Text text{};
        std::ranges::copy(std::string_view{"a mark of no meaning"}, text.utf8.begin());
        tell(none, draw & 64 ? Type::mark : Type::text, text);
    }
    }
}

}  // namespace weft::sim
