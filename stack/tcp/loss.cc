// What is lost and what is sent again on flows with SACK: RACK and tail loss probes (RFC 8985), or three duplicates (RFC 6675,
// section 4); the retransmission timer over records; and which of three timers runs.
#include <algorithm>

#include "stack/tcp/connection.h"
#include "stack/tcp/rtt.h"
#include "stack/tcp/window.h"

namespace weft::tcp {
namespace {

constexpr std::uint8_t persistence = 16;  // RFC 8985, section 6.2, step 4: recoveries without a DSACK
constexpr Duration most_ack_delay = Duration::milliseconds(200);  // section 7.2: TLP.max_ack_delay
constexpr Duration least_probe_timeout = clock_granularity * 2;
// Section 6.2, step 2: an eighth less than RACK.min_RTT is no proof yet. What was measured of full segments, or of two that one
// acknowledgement answered, is more than what a short probe takes.
constexpr std::int64_t shorter = 8;

enum Reason : std::uint32_t { duplicates = 1, timeout = 2, rack = 3, probe = 4 };

// RFC 8985, section 5.2: RACK_sent_after().
bool sent_after(Instant at, SeqNum end, Instant other_at, SeqNum other_end) {
    return at > other_at || (at == other_at && before(other_end, end));
}

}  // namespace

// RFC 8985, section 6.2, steps 2 and 3: a record, up to `end`, was delivered. `echo`: the timestamp of which transmission.
void Connection::update_rack(const SentRecord& record, SeqNum end, std::optional<std::uint32_t> echo, Instant now) {
    Scoreboard::Rack& state = board().rack;
    if (before(state.fack, end)) state.fack = end;
    else if (before(end, state.fack) && !record.again) note_reordering(state.fack - record.begin);
    const Duration rtt = now - record.sent_at;
    if (record.again || record.joined) {  // perhaps it is an earlier transmission that is answered
        const std::uint32_t sent = host_.defence.timestamp(path().hash, record.sent_at);
        if (echo && std::int32_t(*echo - sent) < 0) return;
        if (rtt < tcb_.timing.min_rtt - tcb_.timing.min_rtt / shorter) return;
    }
    state.rtt = rtt;
    if (state.known && !sent_after(record.sent_at, end, state.xmit_ts, state.end_seq)) return;
    state.known = true;
    state.xmit_ts = record.sent_at;
    state.end_seq = end;
}

// So far behind what was delivered before it came what was sent once. How far it was at most is kept where somebody may ask for it.
void Connection::note_reordering(std::uint32_t distance) {
    in_.flags.reordering = true;
    if (!host_.look().keeps_times) return;
    Extra& kept = extra();
    const std::uint32_t segments = (distance + in_.mss - 1u) / in_.mss;
    if (segments > std::max<std::uint32_t>(kept.reordering, 3)) kept.reordering = std::uint16_t(std::min(segments, 300u));
    if (kept.reorderings < 65'535) ++kept.reorderings;
}

// Section 6.2, step 4: RACK_update_reo_wnd(), the part that remembers.
void Connection::adapt_reordering(bool duplicate, bool leaves_recovery) {
    if (in_.flags.duplicate_told && at_or_before(cold_.dsack_round, out_.snd_una)) in_.flags.duplicate_told = false;
    if (duplicate && !in_.flags.duplicate_told) {
        in_.flags.duplicate_told = true;
        cold_.dsack_round = out_.snd_nxt;
        if (cold_.reo_wnd_mult < 255) ++cold_.reo_wnd_mult;
        cold_.reo_wnd_persist = persistence;
    } else if (leaves_recovery) {
        if (cold_.reo_wnd_persist > 0) --cold_.reo_wnd_persist;
        if (cold_.reo_wnd_persist == 0) cold_.reo_wnd_mult = 1;
    }
}

// The part that answers.
Duration Connection::reordering_window() const {
    if (!in_.flags.reordering) {
        if (in_.flags.recovering || board().after_timeout) return {};
        if (board().sacked > (duplicate_threshold - 1) * in_.mss) return {};
    }
    return std::min(tcb_.timing.min_rtt * cold_.reo_wnd_mult / 4, tcb_.timing.srtt);
}

// Bytes that are given up now.
std::uint32_t Connection::detect_losses(Instant now) {
    const std::uint32_t had = board().given_up;
    if (host_.settings.recovery == Config::Recovery::sack) {
        detect_by_count(now);
    } else if (const Duration wait = detect_by_time(now); wait > Duration{}) {
        in_.flags.reorder_armed = true;
        in_.flags.tail_armed = false;
        schedule(tcb_.deadlines.loss, std::min(now + wait, board().rto_at), now);
        if (board().rto_at <= now + wait) in_.flags.reorder_armed = false;
    } else if (in_.flags.reorder_armed) {
        resume_timer(now);  // its deadline must not be taken for the retransmission timer's
    }
    return board().given_up - had;
}

// Section 6.2, step 5: RACK_detect_loss(). How long to wait for the rest; 0: there is none.
Duration Connection::detect_by_time(Instant now) {
    const Scoreboard::Rack& state = board().rack;
    if (!state.known) return {};
    Flight flight = records();
    const Duration window = state.rtt + reordering_window();
    Duration wait;
    for (std::uint32_t at = board().out.first, next; at != none; at = next) {
        const SentRecord& record = flight[at];
        next = record.order.next;
        if (record.sent_at > state.xmit_ts) break;
        if (!sent_after(state.xmit_ts, state.end_seq, record.sent_at, record.end)) continue;
        const Duration remaining = record.sent_at + window - now;
        if (remaining > Duration{}) wait = std::max(wait, remaining);
        else give_up(at, rack, now);
    }
    return wait;
}

// RFC 6675, section 4: IsLost(). Three separate ranges, or more than two segments, were SACKed above it.
void Connection::detect_by_count(Instant now) {
    Flight flight = records();
    std::uint32_t bytes = 0, ranges = 0, at = tcb_.rate.newest;
    for (; at != none; at = flight[at].line.previous) {
        if (flight[at].fate != Fate::sacked) continue;
        bytes += flight[at].length();
        if (++ranges >= duplicate_threshold || bytes > (duplicate_threshold - 1) * in_.mss) break;
    }
    if (at == none) return;
    const SeqNum edge = flight[at].begin, from = later(board().edge, out_.snd_una);
    std::uint32_t each = flight[at].line.previous;
    while (each != none && before(from, flight[each].end)) {
        const std::uint32_t previous = flight[each].line.previous;
        if (flight[each].fate == Fate::out && !flight[each].again) give_up(each, duplicates, now);
        each = previous;
    }
    board().edge = later(board().edge, edge);
}

void Connection::give_up(std::uint32_t record, std::uint32_t reason, Instant now) {
    const SentRecord& lost = host_.sent[record];
    if (host_.sink.wants(trace::Type::loss))
        host_.sink.add(now, place(), trace::Type::loss, trace::Loss{lost.begin.raw(), lost.length(), reason, 0});
    records().lose(record);
}

// RFC 8985, section 6.2, step 5: the reordering timer went off.
void Connection::reordering_timeout(Instant now) {
    if (out_.scoreboard == none) return;
    note_app_limit();
    News news;
    news.prior_in_flight = in_flight();
    news.prior_una = out_.snd_una;
    if (const std::uint32_t lost = detect_losses(now)) {
        react_to_losses(lost, news, now);
        if (in_.flags.recovering) reduce(news);
    }
    if (!in_.flags.reorder_armed) resume_timer(now);
}

// RFC 6298, section 5.4, and RFC 8985, section 6.3: RACK_mark_losses_on_RTO(). `first`: nothing came since the last one.
void Connection::timeout_selective(Instant now) {
    lend_scoreboard(now);
    Scoreboard& known = board();
    Flight flight = records();
    in_.flags.tail_out = in_.flags.tail_due = false;
    const bool again = known.after_timeout;
    const std::uint32_t prior = in_flight();
    // RFC 2018, section 8: the peer may drop what it SACKed. It did, if what comes next is SACKed; or it may have, if two
    // timeouts in a row brought nothing.
    const bool reneged = tcb_.rate.oldest != none && flight[tcb_.rate.oldest].fate == Fate::sacked;
    if (reneged || cold_.expiries > 1) flight.forget_sacks();
    const std::uint32_t had = known.given_up;
    if (host_.settings.recovery == Config::Recovery::sack || cold_.expiries > 1 || !known.rack.known) {
        for (std::uint32_t at; (at = known.out.first) != none;) give_up(at, timeout, now);
    } else {
        const Duration window = known.rack.rtt + reordering_window();
        for (std::uint32_t at = known.out.first, next; at != none; at = next) {
            next = flight[at].order.next;
            if (flight[at].begin == out_.snd_una || flight[at].sent_at + window <= now) give_up(at, timeout, now);
        }
    }
    const std::uint32_t lost = known.given_up - had;
    if (!again) begin_undo(prior, true);
    if (cold_.expiries == 1) hear_congestion(WEFT_CONGESTION_TIMEOUT, lost, prior, now);
    else tcb_.rate.lost += lost;
    // RFC 5682, section 3, step 1: not while an earlier timeout is being repaired.
    known.frto = again || in_.flags.recovering ? Scoreboard::Frto::none : Scoreboard::Frto::head_sent;
    known.frto_credit = 0;
    known.after_timeout = true;
    in_.flags.recovering = false;
    tcb_.recovery.point = out_.snd_nxt;
    known.edge = out_.snd_nxt;
    in_.flags.resend = true;
    arm_loss(now);
    want_output();
}

// The path changed: what is under way counts as lost, and the window is nobody's business here.
void Connection::go_back_selective(Instant now) {
    lend_scoreboard(now);
    records().lose_all();
    board().after_timeout = true;
    board().frto = Scoreboard::Frto::none;
    board().undo = {};
    in_.flags.recovering = in_.flags.tail_out = in_.flags.tail_due = false;
    tcb_.recovery.point = out_.snd_nxt;
    in_.flags.resend = true;
    arm_loss(now);
    want_output();
}

// What was given up, once more: whole segments as the window lets them out; one at once when loss was just found.
bool Connection::emit_lost(Transmit& frame, Instant now) {
    Scoreboard& known = board();
    if (known.lost.empty()) in_.flags.resend = false;
    if (known.lost.empty() || (known.frto == Scoreboard::Frto::new_sent && !in_.flags.resend)) return false;
    const SentRecord& first = host_.sent[known.lost.first];
    const SeqNum edge = out_.snd_una + out_.snd_wnd;
    if (!before(first.begin, edge)) return false;  // the window shrank (SHLD-17)
    const std::uint32_t mss = in_.mss, room = congestion_room(), least = std::min(mss, first.length());
    std::uint32_t most = std::max(super_segment() / mss, 1u) * mss;
    if (!in_.flags.resend && room < least) {
        in_.flags.cwnd_limited = true;
        return false;
    }
    if (room >= mss) most = std::min(most, room - room % mss);
    else most = std::min(most, mss);
    if (!in_.flags.resend && !pace_allows(now)) return false;
    in_.flags.resend = false;
    std::uint32_t length = std::min(most, edge - first.begin);
    if (cold_.extra != none)  // records of the application stay apart
        for (const SeqNum end : host_.extras[cold_.extra].ends())
            if (before(first.begin, end)) {
                length = std::min(length, end - first.begin);
                break;
            }
    if (fin_sent() && first.begin + length + 1 == out_.snd_max && before(first.begin + length, edge))
        ++length;  // its FIN, too
    resent_ = records().take_lost(length);
    const SentRecord& record = host_.sent[resent_];
    note_resent(record, now);
    send_record(frame, record, now);
    known.rto_at = now + backed_off(tcb_.timing.rto, out_.backoff);  // RFC 6675, section 6
    if (!in_.flags.reorder_armed) resume_timer(now);
    return true;
}

void Connection::note_resent(const SentRecord& record, Instant now) {
    Scoreboard::Undo& undo = board().undo;
    undo.resent += record.length();
    if (undo.any) return;
    undo.any = true;
    undo.first = record.end;
    undo.stamped = in_.flags.timestamps;
    undo.stamp = undo.stamped ? host_.defence.timestamp(path().hash, now) : 0;
}

void Connection::send_record(Transmit& frame, const SentRecord& record, Instant now) {
    const bool fin = fin_sent() && record.end == out_.snd_max;
    send(frame, {record.begin, record.length() - (fin ? 1u : 0u), fin}, now);
    resent_ = none;
}

// RFC 6675, section 4, NextSeg() rules 3 and 4: there is room, and nothing new to fill it with.
bool Connection::emit_rescue(Transmit& frame, Instant now) {
    Scoreboard& known = board();
    if (host_.settings.recovery != Config::Recovery::sack || !in_.flags.recovering || !known.lost.empty()) return false;
    if (congestion_room() < in_.mss) return false;
    Flight flight = records();
    const std::uint32_t highest = flight.highest_sacked();
    std::uint32_t at = known.out.first;
    while (at != none && (flight[at].again || highest == none || !before(flight[at].begin, flight[highest].begin)))
        at = flight[at].order.next;
    if (at == none) {
        if (known.rescued || flight[tcb_.rate.newest].fate != Fate::out || flight[tcb_.rate.newest].again) return false;
        known.rescued = true;
        at = flight.take_last(in_.mss, fin_sent());
    }
    give_up(at, duplicates, now);
    return emit_lost(frame, now);
}

// RFC 8985, section 7.2: when a tail loss probe may be wanted.
bool Connection::tail_allowed() const {
    if (!in_.flags.sack || host_.settings.recovery != Config::Recovery::rack) return false;
    if (in_.flags.recovering || in_.flags.probing || in_.flags.tail_out || in_.flags.tail_due || syn_unacknowledged())
        return false;
    if (out_.snd_una == out_.snd_max || out_.snd_nxt != out_.snd_max) return false;
    return out_.scoreboard == none || (board().sacked == 0 && board().given_up == 0 && !board().after_timeout);
}

// TLP_calc_PTO(), without its bound. Less than two full segments may wait for a delayed acknowledgement as one does: the
// receiver owes none at once (RFC 9293, section 3.8.6.3).
Duration Connection::probe_timeout() const {
    if (tcb_.timing.srtt == Duration{}) return Duration::seconds(1);
    const Duration wait = tcb_.timing.srtt * 2;
    return std::max(flight() < 2u * in_.mss ? wait + most_ack_delay : wait, least_probe_timeout);
}

Instant Connection::rto_at() const {
    if (out_.scoreboard != none) return board().rto_at;
    return tcb_.deadlines.progress_at + backed_off(tcb_.timing.rto, out_.backoff);
}

// The timer that is due when no reordering is waited for: the probe's, or the retransmission timer as it was.
void Connection::resume_timer(Instant now) {
    in_.flags.reorder_armed = false;
    in_.flags.tail_armed = tail_allowed();
    const Instant rto = rto_at();
    schedule(tcb_.deadlines.loss, in_.flags.tail_armed ? std::min(now + probe_timeout(), rto) : rto, now);
}

// After an acknowledgement: RFC 6298, section 5.2 and 5.3.
void Connection::settle_timers(const News& news, Instant now) {
    if (out_.snd_una == out_.snd_max) {
        if (!in_.flags.probing) stop(tcb_.deadlines.loss, now);  // else it is the persist timer: text waits for a window
        in_.flags.reorder_armed = in_.flags.tail_armed = in_.flags.tail_due = false;
        if (out_.scoreboard != none) end_scoreboard();
        return;
    }
    if (in_.flags.probing) return;
    if (out_.scoreboard != none) {
        if (news.advanced) board().rto_at = now + backed_off(tcb_.timing.rto, out_.backoff);
        const Scoreboard& known = board();
        const bool calm = known.sacked == 0 && known.given_up == 0 && !in_.flags.recovering && !known.after_timeout &&
                          !in_.flags.reorder_armed && at_or_before(known.calm_at, out_.snd_una);
        if (calm) end_scoreboard();
    }
    if (!in_.flags.reorder_armed && (news.advanced || news.delivered > 0)) resume_timer(now);
}

// Section 7.3. Nothing new, or no window for it: the last segment again.
void Connection::probe_tail(Instant now) {
    note_app_limit();
    in_.flags.tail_due = true;
    if (out_.scoreboard != none) board().rto_at = now + backed_off(tcb_.timing.rto, out_.backoff);
    schedule(tcb_.deadlines.loss, now + backed_off(tcb_.timing.rto, out_.backoff), now);
    want_output();
}

bool Connection::emit_tail(Transmit& frame, Instant now) {
    in_.flags.tail_due = false;
    if (out_.snd_una == out_.snd_max || in_.flags.recovering) return false;
    credit_ = in_.mss;
    const bool fresh = emit_text(frame, now);
    credit_ = 0;
    if (!fresh) {
        lend_scoreboard(now);
        if (!board().lost.empty() || board().sacked > 0 || tcb_.rate.newest == none) return false;
        resent_ = records().take_last(in_.mss, fin_sent());
        if (host_.sink.wants(trace::Type::loss))
            host_.sink.add(now, place(), trace::Type::loss,
                           trace::Loss{host_.sent[resent_].begin.raw(), host_.sent[resent_].length(), probe, 0});
        send_record(frame, host_.sent[resent_], now);
    }
    in_.flags.tail_out = true;
    in_.flags.tail_again = !fresh;
    tcb_.timing.tail_end = out_.snd_nxt;
    ++host_.statistics.tail_probes;
    return true;
}

// Section 7.4.2: TLP_process_ack().
void Connection::answer_to_probe(const Segment& segment, const News& news, Instant now) {
    if (!in_.flags.tail_out || before(segment.ack, tcb_.timing.tail_end)) return;
    if (!in_.flags.tail_again || (news.dsack && news.duplicate.right == tcb_.timing.tail_end)) {
        in_.flags.tail_out = false;
    } else if (before(tcb_.timing.tail_end, segment.ack)) {  // the probe repaired the only loss
        in_.flags.tail_out = false;
        if (in_.flags.recovering || (out_.scoreboard != none && board().after_timeout)) return;
        const std::uint32_t prior = std::max<std::uint32_t>(news.prior_in_flight, in_.mss);
        hear_congestion(WEFT_CONGESTION_LOSS, std::min<std::uint32_t>(in_.mss, prior), prior, now);
        hear_congestion(WEFT_CONGESTION_RECOVERED, 0, in_flight(), now);
    } else if (!news.advanced && segment.sack_count == 0 && segment.sequence_length() == 0) {
        in_.flags.tail_out = false;  // both the segment and its probe were acknowledged
    }
}

}  // namespace weft::tcp
