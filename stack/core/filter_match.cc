// What the fields of a filter are, and asking a flow for them.
#include <algorithm>
#include <array>
#include <limits>

#include "stack/core/address_text.h"
#include "stack/core/filter.h"
#include "stack/core/lower_case.h"

namespace weft::trace {
namespace {

using Kind = Filter::Kind;

// The order is that of `fields` below.
enum class Name : std::uint8_t {
    state,
    local,
    remote,
    family,
    port,
    local_port,
    remote_port,
    cc,
    role,
    limit,
    rtt,
    rttvar,
    cwnd,
    ssthresh,
    inflight,
    pacing,
    rate,
    rate_in,
    rate_out,
    bytes_in,
    bytes_out,
    segments_in,
    segments_out,
    send_queue,
    receive_queue,
    send_window,
    receive_window,
    retransmissions,
    timeouts,
    losses,
    age,
    since,
    flow,
    generation,
    ended,
    known
};

constexpr std::array<Filter::Field, 36> fields_table{{
    {"tcp.state", Kind::state, "state of RFC 9293, such as ESTABLISHED or FIN-WAIT-1"},
    {"local", Kind::address, "local address, with or without its port"},
    {"remote", Kind::address, "remote address, with or without its port"},
    {"family", Kind::family, "ipv4, ipv6 or overlay"},
    {"port", Kind::count, "local or remote port"},
    {"local.port", Kind::count, "local port"},
    {"remote.port", Kind::count, "remote port"},
    {"cc", Kind::text, "name of the congestion module"},
    {"role", Kind::text, "active, passive, listener or time-wait"},
    {"limit", Kind::text, "what holds the flow back: cwnd, rwnd, app, pacing or sndbuf"},
    {"rtt", Kind::duration, "smoothed round-trip time"},
    {"rttvar", Kind::duration, "variation of the round-trip time"},
    {"cwnd", Kind::bytes, "congestion window"},
    {"ssthresh", Kind::bytes, "slow-start threshold"},
    {"inflight", Kind::bytes, "sent and not acknowledged"},
    {"pacing", Kind::bit_rate, "pacing rate that the module asks for"},
    {"rate", Kind::bit_rate, "the greater of rate.in and rate.out"},
    {"rate.in", Kind::bit_rate, "text received, over the last second or so"},
    {"rate.out", Kind::bit_rate, "text sent for the first time, over the last second or so"},
    {"bytes.in", Kind::bytes, "text received in order"},
    {"bytes.out", Kind::bytes, "text sent for the first time"},
    {"segments.in", Kind::count, "segments received"},
    {"segments.out", Kind::count, "segments sent"},
    {"queue.send", Kind::bytes, "not acknowledged or not sent"},
    {"queue.receive", Kind::bytes, "received and not read"},
    {"window.send", Kind::bytes, "window that the peer offers"},
    {"window.receive", Kind::bytes, "window that is offered to the peer"},
    {"retransmissions", Kind::count, "segments sent again"},
    {"timeouts", Kind::count, "retransmission timeouts"},
    {"losses", Kind::count, "losses that were noticed"},
    {"age", Kind::duration, "time since it began, until it ended"},
    {"since", Kind::duration, "time in its state"},
    {"flow", Kind::count, "its number"},
    {"generation", Kind::count, "how often its number was used"},
    {"ended", Kind::flag, "it is over"},
    {"known", Kind::flag, "its begin was heard"},
}};
static_assert(std::size_t(Name::known) + 1 == fields_table.size());

constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();

std::uint64_t bits(std::uint64_t bytes) { return bytes > most / 8 ? most : bytes * 8; }
std::uint64_t positive(std::int64_t value) { return value > 0 ? std::uint64_t(value) : 0; }
std::uint64_t between(std::int64_t from, std::int64_t to) { return to > from ? std::uint64_t(to) - std::uint64_t(from) : 0; }

std::int64_t newest(const Replay& replay, const FlowState& flow) { return flow.lives() ? replay.now_ns() : flow.ended_ns; }

std::uint64_t age(const Replay& replay, const FlowState& flow) {
    std::int64_t begin = flow.begin.opened_ns;
    if (begin == 0) begin = flow.changes > 0 ? flow.history[0].t_ns : flow.since_ns;
    return between(begin, newest(replay, flow));
}

// What was counted long ago says nothing of now.
std::uint64_t fresh(const Replay& replay, const FlowState& flow, std::uint64_t rate) {
    constexpr std::uint64_t stale = 2'500'000'000;  // ns; a flow that goes on is counted each second
    return flow.lives() && between(flow.counters_ns, replay.now_ns()) > stale ? 0 : bits(rate);
}

std::uint64_t measured(Name name, const Replay& replay, const FlowState& flow) {
    switch (name) {
    case Name::rtt: return positive(flow.congestion.srtt_ns);
    case Name::rttvar: return positive(flow.congestion.rttvar_ns);
    case Name::cwnd: return flow.congestion.cwnd;
    case Name::ssthresh: return flow.congestion.ssthresh;
    case Name::inflight: return flow.congestion.in_flight;
    case Name::pacing: return bits(flow.congestion.pacing_rate);
    case Name::rate: return fresh(replay, flow, std::max(flow.rate_in, flow.rate_out));
    case Name::rate_in: return fresh(replay, flow, flow.rate_in);
    case Name::rate_out: return fresh(replay, flow, flow.rate_out);
    case Name::age: return age(replay, flow);
    case Name::since: return between(flow.since_ns, newest(replay, flow));
    default: return 0;
    }
}

std::uint64_t counted(Name name, const FlowState& flow) {
    switch (name) {
    case Name::local_port: return flow.begin.local_port;
    case Name::remote_port: return flow.begin.remote_port;
    case Name::bytes_in: return flow.counters.bytes_in;
    case Name::bytes_out: return flow.counters.bytes_out;
    case Name::segments_in: return flow.counters.segments_in;
    case Name::segments_out: return flow.counters.segments_out;
    case Name::send_queue: return flow.counters.send_queue;
    case Name::receive_queue: return flow.counters.receive_queue;
    case Name::send_window: return flow.counters.send_window;
    case Name::receive_window: return flow.counters.receive_window;
    case Name::retransmissions: return flow.counters.retransmissions;
    case Name::timeouts: return flow.counters.timeouts;
    case Name::losses: return flow.losses;
    case Name::flow: return flow.place;
    case Name::generation: return flow.generation;
    default: return 0;
    }
}

std::uint64_t number(Name name, const Replay& replay, const FlowState& flow) {
    const bool is_measured = (name >= Name::rtt && name <= Name::rate_out) || name == Name::age || name == Name::since;
    return is_measured ? measured(name, replay, flow) : counted(name, flow);
}

std::string_view family_name(std::uint8_t family) {
    constexpr std::array<std::string_view, 4> names{"any", "ipv4", "ipv6", "overlay"};
    return family < names.size() ? names[family] : "other";
}

std::string text(Name name, const FlowState& flow) {
    switch (name) {
    case Name::state: return lower_case(state_name(flow.state));
    case Name::family: return std::string(family_name(flow.begin.family));
    case Name::cc: return lower_case(text_of(flow.module));
    case Name::role: return std::string(flow.known ? role_name(flow.begin.role) : "");
    case Name::limit: return std::string(limit_name(flow.limit));
    default: return "";
    }
}

bool matches_address(const Address& address, std::uint16_t port, bool contains, std::string_view wanted) {
    const bool any = address.family() == Family::none;
    if (!contains && wanted == "*") return any;
    if (any) return contains && ("*:" + std::to_string(port)).contains(wanted);
    const std::string whole = to_string(Endpoint{address, 0, port});
    const bool is_overlay = address.family() == Family::overlay && address.bytes().size() == OverlayFamily::size;
    if (contains) return whole.contains(wanted) || (is_overlay && format_short_form(address).contains(wanted));
    return wanted == whole || wanted == to_string(address) || (is_overlay && wanted == format_short_form(address));
}

}  // namespace

std::span<const Filter::Field> Filter::fields() { return fields_table; }

std::string_view Filter::kind_name(Kind kind) {
    constexpr std::array<std::string_view, 9> names{"state",    "address family", "text",    "count", "number of bytes",
                                                    "duration", "rate",           "address", "flag"};
    return names[std::size_t(kind)];
}

std::string_view Filter::example(Kind kind) {
    constexpr std::array<std::string_view, 9> examples{"ESTABLISHED", "ipv6",     "cubic",     "80",   "64KiB",
                                                       "20ms",        "10Mbit/s", "192.0.2.1", "ended"};
    return examples[std::size_t(kind)];
}

bool Filter::compare(const Step& step, const Replay& replay, const FlowState& flow) {
    const auto name = Name(step.field);
    if (step.op == Operator::set) return name == Name::ended ? !flow.lives() : flow.known;
    const bool negated = step.op == Operator::unequal;
    if (name == Name::local || name == Name::remote) {
        const bool contains = step.op == Operator::contains;
        return matches_address(name == Name::local ? flow.local : flow.remote,
                               name == Name::local ? flow.begin.local_port : flow.begin.remote_port, contains,
                               step.text) != negated;
    }
    if (!step.text.empty()) {
        const std::string is = text(name, flow);
        return step.op == Operator::contains ? is.contains(step.text) : (is == step.text) != negated;
    }
    const auto holds = [&](std::uint64_t is) {
        switch (step.op) {
        case Operator::less: return is < step.number;
        case Operator::less_equal: return is <= step.number;
        case Operator::greater: return is > step.number;
        case Operator::greater_equal: return is >= step.number;
        case Operator::unequal: return is != step.number;
        default: return is == step.number;
        }
    };
    if (name != Name::port) return holds(number(name, replay, flow));
    // Either of them; `port != 80`: neither.
    return negated ? holds(flow.begin.local_port) && holds(flow.begin.remote_port)
                   : holds(flow.begin.local_port) || holds(flow.begin.remote_port);
}

bool Filter::matches(const Replay& replay, const FlowState& flow) const {
    // The parser's depth bounds the stack: each level leaves at most one operand of || and one of && waiting.
    std::array<bool, 2 * depth_limit + 4> stack{};
    std::size_t size = 0;
    for (const Step& step : program_) {
        switch (step.op) {
        case Operator::negate: stack[size - 1] = !stack[size - 1]; break;
        case Operator::both: --size, stack[size - 1] = stack[size - 1] && stack[size]; break;
        case Operator::either: --size, stack[size - 1] = stack[size - 1] || stack[size]; break;
        default: stack[size++] = compare(step, replay, flow);
        }
    }
    return program_.empty() || stack[0];
}

}  // namespace weft::trace
