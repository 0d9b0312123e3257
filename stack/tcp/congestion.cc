// What congestion control hears, and what becomes of its answer: it is clamped, and what no module should want is counted. Events
// are filled here for compiled-in modules and loaded ones alike (plugins/abi/weft_plugin.h).
#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {
namespace {

// Numbers of the random words, beside the causes of WEFT_CONGESTION_* and 0 for acknowledgements.
enum Word : std::uint64_t { idle_word = WEFT_CONGESTION_RECOVERED + 1, path_word, sent_word, timer_word, begin_word };

// A timer comes at most so often, whatever is asked.
constexpr Duration least_timer = Duration::microseconds(100);

}  // namespace

// How things stand, as a module finds them.
Control Connection::control() const {
    Control now = out_.steering.control(in_.mss);
    now.pacing_rate = tcb_.pace.rate;
    now.send_quantum = tcb_.pace.quantum;
    now.timer = module_timer();
    return now;
}

template <class Call>
void Connection::steer(Instant now, Call&& call) {
    Control wanted = control();
    host_.modules.visit(host_.congestion[index_], [&](auto&& module) { call(module, wanted); });
    take(wanted, now);
    if (host_.sink.wants(trace::Type::congestion))
        host_.sink.add(now, place(), trace::Type::congestion, congestion_record());
}

void Connection::take(const Control& wanted, Instant now) {
    const auto at_least_a_segment = [&](auto wish) { return wish == 0 ? wish : std::max<decltype(wish)>(wish, in_.mss); };
    std::uint16_t kinds = out_.steering.take(wanted, in_.mss) ? std::uint16_t{0} : std::uint16_t{window_violation};
    tcb_.pace.rate = at_least_a_segment(wanted.pacing_rate);
    tcb_.pace.quantum = at_least_a_segment(wanted.send_quantum);
    if (wanted.ssthresh < in_.mss) kinds |= ssthresh_violation;
    if (wanted.ecn > 2) kinds |= ecn_violation;
    if (wanted.timer != module_timer()) kinds |= take_timer(wanted.timer, now);
    if (kinds != 0) violated(kinds, wanted.cwnd, now);
}

// 0: never. What is already past would come at once, and again: it is put off, and a fault.
std::uint16_t Connection::take_timer(weft_instant wanted, Instant now) {
    if (wanted == 0) {
        stop(tcb_.deadlines.module, now);
        return 0;
    }
    schedule(tcb_.deadlines.module, std::max(Instant::from_nanoseconds(wanted), now + least_timer), now);
    return wanted <= now.nanoseconds() ? timer_violation : 0;
}

void Connection::violated(std::uint16_t kinds, std::uint64_t window, Instant now) {
    const std::uint16_t slot = congestion_slot();
    if (slot < compiled_slots) return;
    ++host_.statistics.module_violations;
    const std::uint64_t so_far = ++host_.modules[slot].violations;
    trace_module(ModuleEvent::violation, slot, kinds, window, now);
    if (so_far >= violation_limit) quarantine_module(host_, slot, ModuleReason::violations, now);
}

// The handshake is through, or the module is new to a living flow, whose window stays.
void Connection::begin_module(bool keeps_window, Instant now) {
    Control wanted = control();
    Controller& controller = host_.congestion[index_];
    if (const auto* loaded = std::get_if<Loaded>(&controller)) {
        const Bound module = host_.modules.bind(*loaded);
        module.table.init(module.state, module.shared, now.nanoseconds(), random(begin_word, now), &wanted);
    } else if (!keeps_window) {
        std::visit(
            [&](auto& module) {
                if constexpr (requires { module.begin(wanted); }) module.begin(wanted);
            },
            controller);
    }
    if (keeps_window) {
        const Control was = control();
        wanted.cwnd = was.cwnd;
        wanted.ssthresh = was.ssthresh;
    } else if (cold_.expiries > 0) {
        wanted.cwnd = in_.mss;  // RFC 6928, section 2: a SYN was lost
    }
    take(wanted, now);
}

// A word of the flow's own stream: a function of the flow and of what it has seen, so that a replay draws the same.
std::uint64_t Connection::random(std::uint64_t event, Instant now) const {
    if (!std::holds_alternative<Loaded>(host_.congestion[index_])) return 0;  // none that is compiled in draws
    const HashKey key{path().hash, in_.key.word()};
    return siphash(key, tcb_.rate.delivered ^ event << 56, std::uint64_t(now.nanoseconds()));
}

// What `text` bytes more of text delivered say, and `lost` ones that were found to be lost. `prior`: in flight before.
// `may_grow`: SND.UNA moved; blocks alone, as of limited transmit, do not widen the window (RFC 3042, section 2).
void Connection::hear_ack(const RateSample& sample, std::uint32_t text, std::uint32_t lost, std::uint32_t prior,
                          bool may_grow, Instant now) {
    const Tcb::Rate& rate = tcb_.rate;
    const auto flag = [](bool set, unsigned bit) { return set ? bit : 0u; };
    AckEvent event{};
    event.size = sizeof event;
    event.flags = flag(sample.rtt_valid, WEFT_ACK_RTT_VALID) | flag(sample.rate_valid, WEFT_ACK_RATE_VALID) |
                  flag(sample.app_limited, WEFT_ACK_APP_LIMITED) | flag(sample.round_start, WEFT_ACK_ROUND_START) |
                  flag(marked_ > 0 || ((heard_ & wire::ece) != 0 && in_.flags.ecn), WEFT_ACK_ECN_ECHO) |
                  flag((in_.flags.cwnd_limited || used_half()) && may_grow, WEFT_ACK_CWND_LIMITED) |
                  flag(in_.flags.recovering, WEFT_ACK_IN_RECOVERY);
    event.now = now.nanoseconds();
    event.random = random(0, now);
    event.newly_acked = text;
    event.newly_lost = lost;
    event.newly_marked = marked_ > 0 ? marked_ : event.flags & WEFT_ACK_ECN_ECHO ? text : 0;
    event.marked = out_.accurate == none ? 0 : marked_bytes();
    event.delivered = rate.delivered;
    event.lost = rate.lost;
    event.in_flight = in_flight();
    event.prior_in_flight = prior;
    event.rtt = sample.rtt.count();
    event.smoothed_rtt = tcb_.timing.srtt.count();
    event.min_rtt = tcb_.timing.min_rtt.count();
    event.round = rate.round;
    event.mss = in_.mss;
    event.segments_acked = (text + in_.mss - 1u) / in_.mss;
    event.rate_delivered = sample.delivered;
    event.rate_interval = sample.interval.count();
    event.rate_in_flight = sample.in_flight;
    event.rate_lost = sample.lost;
    if (host_.sink.wants(trace::Type::rate))
        host_.sink.add(now, place(), trace::Type::rate,
                       trace::Rate{event.rtt, event.rate_interval, event.rate_delivered, event.delivered, sample.in_flight,
                                   std::uint32_t(sample.lost), rate.round, event.flags});
    // Modules open the window by so many segments an acknowledgement at most (RFC 9406, section 4.3; RFC 3465). Who shows the habit of
    // not doing that has them hear of a large one in parts.
    constexpr std::uint32_t most = 8;
    const bool parts = host_.look().grows_at_half && text > most * in_.mss;
    for (std::uint32_t left = text; parts && left > most * in_.mss; left -= most * in_.mss) {
        event.newly_acked = most * in_.mss;
        event.segments_acked = most;
        steer(now, [&](auto& module, Control& out) { module.on_ack(event, out); });
        event.newly_acked = left - most * in_.mss;
        event.segments_acked = std::uint32_t((event.newly_acked + in_.mss - 1u) / in_.mss);
        event.newly_lost = event.newly_marked = 0;
        event.flags &= ~std::uint32_t(WEFT_ACK_RTT_VALID | WEFT_ACK_RATE_VALID | WEFT_ACK_ROUND_START);
    }
    steer(now, [&](auto& module, Control& out) { module.on_ack(event, out); });
}

// `prior`: bytes in flight before the loss was counted.
void Connection::hear_congestion(std::uint32_t cause, std::uint32_t lost, std::uint32_t prior, Instant now) {
    tcb_.rate.lost += lost;
    if ((in_.flags.ecn || out_.accurate != none) && cause != WEFT_CONGESTION_RECOVERED &&
        cause != WEFT_CONGESTION_SPURIOUS) {  // the window is cut once, whatever says so
        in_.flags.ecn_cut = in_.flags.ecn;  // CWR is RFC 3168's alone (RFC 9768, section 3.1.5)
        tcb_.pace.ecn_point = out_.snd_max;
    }
    CongestionEvent event{};
    event.size = sizeof event;
    event.cause = cause;
    event.now = now.nanoseconds();
    event.random = random(cause, now);
    event.in_flight = out_.scoreboard == none ? flight() - std::min(lost, flight()) : in_flight();
    event.prior_in_flight = prior;
    event.newly_lost = lost;
    event.newly_marked = marked_;
    event.delivered = tcb_.rate.delivered;
    event.mss = in_.mss;
    steer(now, [&](auto& module, Control& out) { module.on_congestion(event, out); });
}

void Connection::hear_idle(Instant now) {
    IdleEvent event{};
    event.size = sizeof event;
    event.mss = in_.mss;
    event.now = now.nanoseconds();
    event.random = random(idle_word, now);
    event.idle = (now - tcb_.timing.sent_at).count();
    event.rto = tcb_.timing.rto.count();
    steer(now, [&](auto& module, Control& out) { module.on_idle(event, out); });
}

void Connection::hear_path(std::uint32_t mtu, Instant now) {
    PathEvent event{};
    event.size = sizeof event;
    event.mtu = mtu;
    event.now = now.nanoseconds();
    event.random = random(path_word, now);
    event.mss = in_.mss;
    steer(now, [&](auto& module, Control& out) { module.on_path(event, out); });
}

void Connection::hear_sent(std::uint32_t length, Instant now) {
    SentEvent event{};
    event.size = sizeof event;
    event.length = length;
    event.now = now.nanoseconds();
    event.id = tcb_.recovery.transmissions;
    event.random = random(sent_word, now);
    event.in_flight = in_flight();
    steer(now, [&](auto& module, Control& out) {
        if constexpr (requires { module.on_sent(event, out); }) module.on_sent(event, out);
    });
}

// It was asked for. What it makes possible goes at once.
void Connection::hear_timer(Instant now) {
    tcb_.deadlines.module = Instant::never();
    Controller& controller = host_.congestion[index_];
    const auto* const loaded = std::get_if<Loaded>(&controller);
    if (!loaded || !host_.modules[loaded->slot].table.on_timer) return;
    Control wanted = control();
    const Bound module = host_.modules.bind(*loaded);
    module.table.on_timer(module.state, module.shared, now.nanoseconds(), random(timer_word, now), &wanted);
    take(wanted, now);
    if (host_.sink.wants(trace::Type::congestion))
        host_.sink.add(now, place(), trace::Type::congestion, congestion_record());
    want_output();
}

trace::Congestion Connection::congestion_record() const {
    const std::uint32_t phase = in_.flags.recovering                          ? 2
                                : out_.backoff > 0                            ? 3
                                : out_.steering.cwnd < out_.steering.ssthresh ? 0
                                                                              : 1;
    return {out_.steering.cwnd,       out_.steering.ssthresh,    in_flight(), phase, pacing_rate(),
            tcb_.timing.srtt.count(), tcb_.timing.rttvar.count()};
}

}  // namespace weft::tcp
