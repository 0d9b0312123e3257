// The ACK field (RFC 9293, section 3.10.7.4, fifth; RFC 5961, section 5) and the send window.
#include <algorithm>

#include "stack/tcp/connection.h"
#include "stack/tcp/rtt.h"

namespace weft::tcp {

// False: the segment is done with.
bool Connection::arrive_ack(const Segment& segment, Instant now) {
    const bool handshake = in_.state == State::syn_received;
    if (handshake) {
        if (!before(out_.snd_una, segment.ack) || before(out_.snd_max, segment.ack)) {
            reply(segment.ack, SeqNum{}, wire::rst);
            return false;
        }
        out_.snd_wnd = out_.max_snd_wnd = std::uint32_t{segment.window} << in_.snd_shift;
        out_.snd_wl1 = segment.seq;
        out_.snd_wl2 = segment.ack;
        out_.snd_una += 1;
        out_.snd_nxt = later(out_.snd_nxt, out_.snd_una);
        in_.flags.timing = false;
        const bool marked = out_.accurate != none && hear_handshake_end(segment);
        established(now);
        if (marked) answer_handshake_mark(now);
        if (out_.snd_una != out_.snd_max) arm_loss(now);  // text that left before the handshake was through
    }
    note_heard(now);
    const bool sane = at_or_before(out_.snd_una - out_.max_snd_wnd, segment.ack) && at_or_before(segment.ack, out_.snd_max);
    if (!sane) {
        challenge(now);
        return false;
    }
    if (in_.flags.ecn) hear_echo(segment, now);  // before the window grows by it
    if (out_.accurate != none && !(handshake && segment.sequence_length() == 0)) hear_accurate(segment, now);
    if (!before(segment.ack, out_.snd_una)) in_.flags.probe_out = false;  // answered probes keep the connection (MUST-37)
    const bool selective = in_.flags.sack && (out_.scoreboard != none || segment.sack_count > 0 || in_.flags.tail_out);
    // Blocks are news also on an acknowledgement that was overtaken.
    const bool told = segment.sack_count > 0 && out_.scoreboard != none;
    if (selective && (told || at_or_before(out_.snd_una, segment.ack))) arrive_selective(segment, now);
    else if (before(out_.snd_una, segment.ack)) advance(segment, now);
    else if (!handshake && !in_.flags.sack && duplicate(segment)) count_duplicate(now);
    if (ended()) return false;
    update_window(segment, now);
    return true;
}

// SND.WL1 and SND.WL2 keep old segments from using old windows.
void Connection::update_window(const Segment& segment, Instant now) {
    if (before(segment.ack, out_.snd_una)) return;
    if (!before(out_.snd_wl1, segment.seq) && !(out_.snd_wl1 == segment.seq && at_or_before(out_.snd_wl2, segment.ack)))
        return;
    const std::uint32_t window = std::uint32_t{segment.window} << in_.snd_shift;
    const bool changed = window != out_.snd_wnd;
    if (changed) want_output();
    out_.snd_wnd = window;
    out_.max_snd_wnd = std::max(out_.max_snd_wnd, window);
    out_.snd_wl1 = segment.seq;
    out_.snd_wl2 = segment.ack;
    if (changed && in_.flags.probing && window > 0 &&
        out_.snd_nxt == out_.snd_una) {  // output probes again if it is still too small
        stop(tcb_.deadlines.loss, now);
        in_.flags.probing = in_.flags.probe_now = false;
        out_.backoff = 0;
    }
}

// RFC 5681, section 2: nothing new in it, while something is in flight.
bool Connection::duplicate(const Segment& segment) const {
    return segment.ack == out_.snd_una && out_.snd_max != out_.snd_una && segment.sequence_length() == 0 &&
           !in_.flags.probing && out_.snd_wnd != 0 && std::uint32_t{segment.window} << in_.snd_shift == out_.snd_wnd;
}

// SEG.ACK acknowledges something new.
void Connection::advance(const Segment& segment, Instant now) {
    note_app_limit();
    const std::uint32_t acked = segment.ack - out_.snd_una, prior_flight = flight(), text = std::min(acked, queued());
    const bool was_timing = in_.flags.timing;
    sample(segment, tcb_.rate.oldest == none ? longest_echo : now - host_.sent[tcb_.rate.oldest].sent_at, now);
    const bool timed = was_timing && !in_.flags.timing;
    const bool fin_acked = pass(segment.ack, now);
    const bool first_partial = in_.flags.recovering && !in_.flags.partial;
    const RateSample rate = take_rate_sample(text, now);
    if (rate.rtt_valid && !timed && host_.look().short_trains)  // each acknowledgement is a sample, not one a round trip
        sample_round_trip(tcb_.timing, rate.rtt, host_.settings.minimum_rto, true);
    // A partial acknowledgement reveals the next hole (RFC 6582).
    const bool partial = in_.flags.recovering && before(out_.snd_una, tcb_.recovery.point);
    const std::uint32_t lost = partial ? std::min<std::uint32_t>(in_.mss, text_in_flight()) : 0;
    tcb_.rate.lost += lost;
    hear_ack(rate, text, lost, prior_flight, true, now);
    recover_on_ack(acked, now);
    if (out_.snd_una == out_.snd_max) stop(tcb_.deadlines.loss, now);  // RFC 6298, 5.2
    else if (!in_.flags.recovering || first_partial) arm_loss(now);  // 5.3; RFC 6582, 3.2
    settle_acknowledged(fin_acked, segment, now);
}

// SND.UNA moves: what lies in front of it is nobody's concern any more. True: the FIN is acknowledged.
bool Connection::pass(SeqNum ack, Instant now) {
    const std::uint32_t acked = ack - out_.snd_una, text = queued();
    const bool fin_acked = fin_sent() && acked == text + 1;
    if (text > 0) {
        ByteQueue& queue = host_.queues[out_.queue];
        queue.drop(std::min(acked, text));
        if (queue.empty()) {
            queue.clear();
            host_.queues.give_back(std::exchange(out_.queue, none));
        }
    }
    out_.snd_una = ack;
    out_.snd_nxt = later(out_.snd_nxt, out_.snd_una);
    if (in_.flags.short_out && at_or_before(out_.snd_small, out_.snd_una)) in_.flags.short_out = false;
    if (in_.flags.snd_urgent && at_or_before(cold_.snd_up, out_.snd_una)) in_.flags.snd_urgent = false;
    tcb_.deadlines.progress_at = now;
    cold_.expiries = 0;
    if (cold_.extra != none) {
        Extra& kept = host_.extras[cold_.extra];
        const auto begin = kept.record_ends.begin(), end = begin + kept.records;
        const auto left = std::find_if(begin, end, [&](SeqNum at) { return before(out_.snd_una, at); });
        kept.records = std::uint8_t(std::copy(left, end, begin) - begin);
        if (host_.look().keeps_times) keep_time(now, kept.times.by_window);
    }
    if (host_.look().lets_go) in_.flags.more = false;
    if (in_.flags.probing) {
        trace_timer(tcb_.deadlines.loss, 2, tcb_.deadlines.loss, now);
        in_.flags.probing = in_.flags.probe_now = false;
        out_.backoff = 0;
    }
    return fin_acked;
}

// What follows when all else about an acknowledgement is done.
void Connection::settle_acknowledged(bool fin_acked, const Segment& segment, Instant now) {
    if (in_.flags.wants_room) tune_send();
    if (in_.flags.wants_room && send_room() >= out_.limit / 4) {
        in_.flags.wants_room = false;
        raise(Event::Kind::writable);
    }
    if (queued() > 0 || in_.flags.fin_wanted) want_output();
    if (fin_acked) fin_acknowledged(segment, now);
}

void Connection::fin_acknowledged(const Segment& segment, Instant now) {
    switch (in_.state) {
    case State::fin_wait_1:
        if (brings_fin(segment)) return;  // TIME-WAIT, by the eighth check (RFC 9293, figure 5, note 2)
        enter(State::fin_wait_2, Cause::segment, now);
        if (in_.flags.orphan) schedule(tcb_.deadlines.user, now + host_.settings.fin_wait, now);
        return;
    case State::closing: return enter_time_wait(now);
    case State::last_ack: leave_network(State::closed, Cause::segment, now); return settle_end();
    default: return;
    }
}

// The peer's FIN is in it, and nothing keeps it from being taken.
bool Connection::brings_fin(const Segment& segment) const {
    if (!segment.fin() || in_.reassembly != none || segment.text_begin() != in_.rcv_nxt) return false;
    return segment.length == 0 || !in_.flags.orphan;
}

// One segment at a time is timed, by the engine's own clock; after a timeout the timestamps tell which transmission was
// acknowledged (RFC 7323, section 4.1), which ends the back-off. `longest`: since the oldest of what is acknowledged left last. An
// echo of before that may answer a duplicate, whose timestamp the peer does not keep (section 5.3, R2): such a wait is no round trip.
void Connection::sample(const Segment& segment, Duration longest, Instant now) {
    if (in_.flags.timing && at_or_before(tcb_.timing.timed, segment.ack)) {
        in_.flags.timing = false;
        sample_round_trip(tcb_.timing, now - tcb_.timing.timed_at, host_.settings.minimum_rto, host_.look().rto_above_srtt);
        out_.backoff = 0;
    } else if (out_.backoff > 0 && segment.timestamps && in_.flags.timestamps && segment.ts_echo != 0) {
        const std::uint32_t ms = host_.defence.timestamp(path().hash, now) - segment.ts_echo;
        const Duration passed = Duration::milliseconds(std::max(ms, 1u));
        if (passed > std::min(longest, longest_echo) + clock_granularity) return;  // not an echo of ours, or too early a one
        sample_round_trip(tcb_.timing, passed, host_.settings.minimum_rto, host_.look().rto_above_srtt);
        out_.backoff = 0;
    }
}

}  // namespace weft::tcp
