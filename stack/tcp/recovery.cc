// Loss recovery without selective acknowledgements: fast retransmit, fast recovery (RFC 5681, section 3.2; RFC 6582), limited
// transmit (RFC 3042); and what congestion control hears of it.
#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {
namespace {

constexpr unsigned duplicate_threshold = 3;

}  // namespace

template <class Call>
void Connection::steer(Instant now, Call&& call) {
    Control control = out_.steering.control(in_.mss);
    std::visit([&](auto& module) { call(module, control); }, host_.congestion[out_.congestion]);
    out_.steering.take(control, in_.mss);
    if (host_.sink.wants(trace::Type::congestion)) trace_congestion(now);
}

// A word of the flow's own stream: a function of the flow and of what it has seen, so that a replay draws the same.
std::uint64_t Connection::random(std::uint64_t event, Instant now) const {
    const HashKey key{path().hash, in_.key.word()};
    return siphash(key, tcb_.rate.delivered ^ event << 56, std::uint64_t(now.nanoseconds()));
}

// What `text` bytes more of text acknowledged say. A partial acknowledgement reveals the next hole (RFC 6582).
void Connection::hear_ack(std::uint32_t text, std::uint32_t prior_flight, Instant now) {
    const RateSample sample = take_rate_sample(text, now);
    const Tcb::Rate& rate = tcb_.rate;
    const bool partial = in_.flags.recovering && before(out_.snd_una, tcb_.recovery.point);
    const std::uint32_t lost = partial ? std::min<std::uint32_t>(in_.mss, text_in_flight()) : 0;
    tcb_.rate.lost += lost;
    const auto flag = [](bool set, unsigned bit) { return set ? bit : 0u; };
    AckEvent event{};
    event.size = sizeof event;
    event.flags = flag(sample.rtt_valid, WEFT_ACK_RTT_VALID) | flag(sample.rate_valid, WEFT_ACK_RATE_VALID) |
                  flag(sample.app_limited, WEFT_ACK_APP_LIMITED) | flag(sample.round_start, WEFT_ACK_ROUND_START) |
                  flag(in_.flags.cwnd_limited, WEFT_ACK_CWND_LIMITED) | flag(in_.flags.recovering, WEFT_ACK_IN_RECOVERY);
    event.now = now.nanoseconds();
    event.random = random(0, now);
    event.newly_acked = text;
    event.newly_lost = lost;
    event.delivered = rate.delivered;
    event.lost = rate.lost;
    event.in_flight = flight();
    event.prior_in_flight = prior_flight;
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
    steer(now, [&](auto& module, Control& out) { module.on_ack(event, out); });
}

void Connection::hear_congestion(std::uint32_t cause, std::uint32_t lost, Instant now) {
    tcb_.rate.lost += lost;
    CongestionEvent event{};
    event.size = sizeof event;
    event.cause = cause;
    event.now = now.nanoseconds();
    event.random = random(cause, now);
    event.in_flight = flight() - lost;
    event.prior_in_flight = flight();
    event.newly_lost = lost;
    event.delivered = tcb_.rate.delivered;
    event.mss = in_.mss;
    steer(now, [&](auto& module, Control& out) { module.on_congestion(event, out); });
}

void Connection::hear_idle(Instant now) {
    IdleEvent event{};
    event.size = sizeof event;
    event.mss = in_.mss;
    event.now = now.nanoseconds();
    event.random = random(WEFT_CONGESTION_RECOVERED + 1, now);
    event.idle = (now - tcb_.timing.sent_at).count();
    event.rto = tcb_.timing.rto.count();
    steer(now, [&](auto& module, Control& out) { module.on_idle(event, out); });
}

void Connection::hear_path(std::uint32_t mtu, Instant now) {
    PathEvent event{};
    event.size = sizeof event;
    event.mtu = mtu;
    event.now = now.nanoseconds();
    event.random = random(WEFT_CONGESTION_RECOVERED + 2, now);
    event.mss = in_.mss;
    steer(now, [&](auto& module, Control& out) { module.on_path(event, out); });
}

void Connection::count_duplicate(Instant now) {
    Tcb::Recovery& recovery = tcb_.recovery;
    if (out_.duplicate_acks < 255) ++out_.duplicate_acks;
    if (in_.flags.recovering) {
        recovery.inflation = std::min(recovery.inflation + in_.mss, Steering::cap);  // RFC 6582, section 3.2, step 3
        return want_output();
    }
    if (out_.duplicate_acks < duplicate_threshold) {  // RFC 3042: a new segment for each of the first two
        recovery.inflation = std::uint32_t{out_.duplicate_acks} * in_.mss;
        return want_output();
    }
    if (out_.duplicate_acks > duplicate_threshold || !before(recovery.point, out_.snd_una)) return;  // RFC 6582, step 2
    if (host_.sink.wants(trace::Type::loss))
        host_.sink.add(now, place(), trace::Type::loss,
                       trace::Loss{out_.snd_una.raw(), std::min<std::uint32_t>(in_.mss, flight()), 1, 0});
    in_.flags.recovering = true;
    in_.flags.partial = false;
    in_.flags.resend = true;
    recovery.point = out_.snd_max;
    hear_congestion(WEFT_CONGESTION_LOSS, std::min<std::uint32_t>(in_.mss, text_in_flight()), now);
    recovery.inflation = duplicate_threshold * in_.mss;
    want_output();
}

// RFC 6582, section 3.2, steps 3 and 5.
void Connection::recover_on_ack(std::uint32_t acked, Instant now) {
    Tcb::Recovery& recovery = tcb_.recovery;
    out_.duplicate_acks = 0;
    if (!in_.flags.recovering) {
        recovery.inflation = 0;
        return;
    }
    if (before(out_.snd_una, recovery.point)) {  // partial: the next hole begins here
        in_.flags.partial = true;
        in_.flags.resend = true;
        recovery.inflation -= std::min(recovery.inflation, acked);
        if (acked >= in_.mss) recovery.inflation += in_.mss;
        return want_output();
    }
    in_.flags.recovering = in_.flags.partial = in_.flags.resend = false;
    recovery.inflation = 0;
    recovery.point = recovery.point - 1;  // what is in flight now was sent after it: its duplicates count again
    hear_congestion(WEFT_CONGESTION_RECOVERED, 0, now);
    const std::uint32_t calm = std::max<std::uint32_t>(flight(), in_.mss) + in_.mss;  // no burst: step 3, full, (1)
    out_.steering.cwnd = std::min(out_.steering.ssthresh, std::max(calm, 2u * in_.mss));
}

void Connection::trace_congestion(Instant now) const {
    const std::uint32_t phase = in_.flags.recovering                          ? 2
                                : out_.backoff > 0                            ? 3
                                : out_.steering.cwnd < out_.steering.ssthresh ? 0
                                                                              : 1;
    host_.sink.add(now, place(), trace::Type::congestion,
                   trace::Congestion{out_.steering.cwnd, out_.steering.ssthresh, flight(), phase, 0,
                                     tcb_.timing.srtt.count(), tcb_.timing.rttvar.count()});
}

}  // namespace weft::tcp
