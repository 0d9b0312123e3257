// What a connection sends next (RFC 9293, sections 3.7 and 3.8): super-segments, cut by whoever carries them. One call makes
// one Transmit; the text in it is lent from the send queue.
#include <algorithm>

#include "stack/tcp/connection.h"
#include "stack/tcp/rtt.h"
#include "stack/tcp/window.h"

namespace weft::tcp {
namespace {

constexpr std::uint32_t most_text = 65'000;  // bytes a super-segment: with its headers it stays in 16 bits

}  // namespace

void Connection::want_output() {
    if (in_.flags.in_output || ended()) return;
    in_.flags.in_output = true;
    host_.output.append(index_, host_.output_place());
}

bool Connection::emit(Transmit& frame, Instant now) {
    if (ended()) return false;
    if (syn_unacknowledged()) {
        const bool text = early() && cold_.expiries == 0;  // what nobody answers goes again alone (RFC 5681, section 3.1)
        return emit_syn(frame, now) || (text && emit_text(frame, now)) || emit_ack(frame, now);
    }
    if (in_.duplicates_owed > 0) return emit_ack(frame, now);
    if (in_.flags.ack_now && out_.accurate != none && accurate().owes_handshake) return emit_ack(frame, now);
    if (in_.flags.ack_now && in_.reassembly != none && in_.flags.sack) return emit_ack(frame, now);  // SACK wants room
    if (in_.flags.tells_timeout && queued() > in_.mss - 4u) {  // full segments have no room for the option (RFC 5482)
        in_.flags.ack_now = true;
        return emit_ack(frame, now);
    }
    if (in_.flags.probe_now && emit_probe(frame, now)) return true;
    if (in_.flags.tail_due && emit_tail(frame, now)) return true;
    if (out_.scoreboard != none) return emit_selective(frame, now);
    if (in_.flags.resend && emit_resent(frame, now)) return true;
    return emit_text(frame, now) || emit_ack(frame, now);
}

bool Connection::has_more(Instant now) {
    const Flags& asked = in_.flags;
    if (asked.ack_now || asked.resend || asked.probe_now || asked.tail_due || asked.tells_timeout || asked.fin_wanted)
        return true;
    if (in_.duplicates_owed > 0 || out_.scoreboard != none || syn_unacknowledged()) return true;
    if (out_.snd_nxt != end_of_text()) return true;
    trace_limit(now);
    return false;
}

// What was lost first, then new text (RFC 6675, section 5, step C).
bool Connection::emit_selective(Transmit& frame, Instant now) {
    Scoreboard& known = board();
    if (emit_lost(frame, now)) return true;
    const bool asking = known.frto == Scoreboard::Frto::new_sent;  // two new segments, and no more (RFC 5682)
    credit_ = asking ? known.frto_credit : 0;
    const SeqNum from = out_.snd_nxt;
    const bool fresh = (!asking || credit_ > 0) && emit_text(frame, now);
    if (fresh) known.frto_credit -= std::min(known.frto_credit, out_.snd_nxt - from);
    credit_ = 0;
    if (fresh) return true;
    if (asking && known.frto_credit == 2u * in_.mss) {  // nothing new may leave: step 2b goes on as a recovery does
        known.frto = Scoreboard::Frto::none;
        known.frto_credit = 0;
        if (emit_lost(frame, now)) return true;
    }
    return emit_rescue(frame, now) || emit_ack(frame, now);
}

bool Connection::emit_syn(Transmit& frame, Instant now) {
    if (out_.snd_nxt != out_.snd_una && !in_.flags.resend) return false;
    in_.flags.resend = false;
    const bool first = in_.state == State::syn_sent;
    wire::TcpOptions options;
    options.mss = std::uint16_t(std::min(largest_segment(), 65'535u));  // MUST-67
    if (in_.flags.scaling) options.window_scale = in_.rcv_shift;
    if (in_.flags.timestamps)
        options.timestamps = wire::TcpTimestamps{host_.defence.timestamp(path().hash, now), first ? 0 : in_.ts_recent};
    if (in_.flags.tells_timeout) options.user_timeout = timeout_option();
    const bool again = out_.snd_max != out_.snd_una;
    std::uint16_t flags = first ? std::uint16_t{wire::syn} : std::uint16_t(wire::syn | wire::ack);
    options.sack_permitted = first ? host_.settings.sack : bool{in_.flags.sack};
    flags |= first ? syn_flags(again) : syn_ack_flags(options);
    const auto window =
        std::uint16_t(std::min(in_.limit - std::min(in_.limit, unread()), 65'535u));  // never scaled in a SYN
    if (!first) in_.rcv_adv = later(in_.rcv_adv, in_.rcv_nxt + window);
    const std::uint32_t text = first && in_.flags.fast_open ? fast_open_text(options, again, now) : 0;
    head(frame, out_.snd_una, flags, window, options);
    if (text > 0) {
        host_.queues[out_.queue].each(0, text, [&](const Slice& part) { host_.lent.push_back(part); });
    }
    trace_sent(out_.snd_una, text, flags, window, now);
    acknowledged(now);
    sent({out_.snd_una, text, true}, 1, again, now);  // a SYN counts one, as a FIN does
    if (in_.flags.timing) tcb_.timing.timed = out_.snd_una + 1;  // also where its text is not taken
    return true;
}

// The segment at SND.UNA once more: fast retransmit and partial acknowledgements.
bool Connection::emit_resent(Transmit& frame, Instant now) {
    in_.flags.resend = false;
    const std::uint32_t length = std::min<std::uint32_t>({in_.mss, queued(), out_.snd_wnd});  // SHLD-16
    const bool fin = fin_sent() && length == queued();
    if (length == 0 && !fin) return false;
    send(frame, {out_.snd_una, length, fin}, now);
    if (tcb_.deadlines.loss == Instant::never()) arm_loss(now);
    return true;
}

// One octet beyond a window of nothing, or as much as a window too small to be worth it lets out (MUST-36). A FIN that is all
// there is takes the octet's place.
bool Connection::emit_probe(Transmit& frame, Instant now) {
    in_.flags.probe_now = false;
    const bool fin = queued() == 0 && fin_sent();
    if (queued() == 0 && !fin) return false;
    cold_.held_back = false;
    const std::uint32_t room = usable(out_.snd_una, out_.snd_nxt, out_.snd_wnd);
    const std::uint32_t length = std::min({queued(), std::max(room, 1u), std::uint32_t{in_.mss}});
    if (room == 0 && host_.look().bare_probes) {
        send_ack(frame, out_.snd_una - 1, now);
        if (!in_.flags.probe_out && !in_.flags.orphan) tcb_.deadlines.progress_at = now;
        in_.flags.probe_out = true;
        arm_loss(now);
        return true;
    }
    if (room > 0) in_.flags.probing = false;  // an ordinary segment from now on, with its retransmission timer
    send(frame, {out_.snd_una, length, fin}, now);
    if (room == 0) {
        forget_sent();
        out_.snd_nxt = out_.snd_una;  // the window did not let it out: it does not count as in flight
        if (!in_.flags.probe_out && !in_.flags.orphan) tcb_.deadlines.progress_at = now;
        in_.flags.probe_out = true;
    }
    arm_loss(now);
    return true;
}

bool Connection::emit_text(Transmit& frame, Instant now) {
    if (in_.state != State::established && in_.state != State::close_wait && !fin_sent() && !early()) return false;
    const SeqNum end = end_of_text();
    if (before(end, out_.snd_nxt)) return false;  // the FIN is out, too
    const std::uint32_t all = end - out_.snd_nxt, unsent = in_record(all);
    if (all == 0 && (!in_.flags.fin_wanted || early())) return trace_limit(now), false;
    if (in_.flags.shrunk) try_larger(now);
    const bool open = usable(out_.snd_una, out_.snd_nxt, out_.snd_wnd) > 0;  // else nothing is about to leave
    const bool idle = open && out_.snd_una == out_.snd_max && now - tcb_.timing.sent_at > tcb_.timing.rto;
    if (idle && host_.settings.idle_restart) hear_idle(now);  // RFC 5681, 4.1
    if (credit_ == 0 && !pace_allows(now)) return trace_limit(now), false;
    const std::uint32_t length = sendable(unsent, unsent < all);
    const bool fin = in_.flags.fin_wanted && length == all && !early();
    if (host_.look().keeps_times) keep_time(now, length == 0 && held_by_window(unsent));
    if (length == 0 && (!fin || in_.flags.probing)) {  // a FIN alone that the window did not let out is the probe's
        trace_limit(now);
        if (out_.snd_nxt == out_.snd_una && !in_.flags.probing && tcb_.deadlines.loss == Instant::never())
            start_probing(now);
        return false;
    }
    if (in_.flags.probing) {
        stop(tcb_.deadlines.loss, now);
        in_.flags.probing = in_.flags.probe_now = false;
        out_.backoff = 0;
    }
    if (fin && in_.state == State::established) enter(State::fin_wait_1, Cause::call, now);
    if (fin && in_.state == State::close_wait) enter(State::last_ack, Cause::call, now);
    if (length % in_.mss != 0 && length == all && !before(out_.snd_nxt, out_.snd_max)) {
        in_.flags.short_out = true;
        out_.snd_small = out_.snd_nxt + length;
    }
    send(frame, {out_.snd_nxt, length, fin}, now);
    if (host_.look().grows_at_half) note_flight();
    if (length == all) {
        in_.flags.push_all = false;
        if (in_.flags.wants_sent) {
            in_.flags.wants_sent = false;
            raise(Event::Kind::transmitted);
        }
    }
    return true;
}

// How many of `unsent` bytes may go now: both windows, full segments, Nagle, and the sender's side of silly-window avoidance
// (RFC 9293, section 3.8.6.2.1).
std::uint32_t Connection::sendable(std::uint32_t unsent, bool record) {
    if (unsent == 0) return 0;
    const std::uint32_t mss = in_.mss;
    const std::uint32_t congestion = std::max(congestion_room(), credit_);
    const std::uint32_t window = usable(out_.snd_una, out_.snd_nxt, out_.snd_wnd);
    std::uint32_t most =
        in_.flags.snd_urgent ? mss : std::max(super_segment() / mss, 1u) * mss;  // one urgent pointer a segment
    if (credit_ > 0) most = std::min(most, credit_);
    const std::uint32_t length = std::min({unsent, congestion, window, most});
    in_.flags.cwnd_limited = congestion - length < mss;
    const bool last = length == unsent;
    const bool may_go = record || short_may_go();
    if (length >= mss) return last && may_go ? length : length - length % mss;
    if (last) return may_go ? length : 0;
    if (congestion < window) return 0;  // room for a segment comes with the next acknowledgement
    if (before(out_.snd_nxt, out_.snd_max)) return length;  // sent before: what the window lets out goes again
    return flight() == 0 && length >= out_.max_snd_wnd / 2 ? length : 0;
}

// As much as was in flight at once since what was in flight then has been acknowledged.
void Connection::note_flight() {
    Extra& kept = extra();
    if (before(out_.snd_una, kept.most_out_until) && flight() <= kept.most_out) return;
    kept.most_out = flight();
    kept.most_out_until = out_.snd_nxt;
}

// Since it was looked at last the flow was as it was found then.
void Connection::keep_time(Instant now, bool by_window) {
    Extra::Times& times = extra().times;
    const Duration passed = now - times.since;
    if (times.busy) times.busy_for = times.busy_for + passed;
    if (times.by_window) times.by_window_for = times.by_window_for + passed;
    if (times.by_buffer) times.by_buffer_for = times.by_buffer_for + passed;
    times.since = now;
    times.busy = queued() > 0;
    times.by_window = by_window;
    times.by_buffer = in_.flags.wants_room && queued() > 0 && out_.snd_max - out_.snd_una >= queued();
}

// Bytes a second; 0: as fast as the window allows. By the window it is a fifth more than one window a round trip, so that
// the window stays the limit, and twice as much in slow start.
std::uint64_t Connection::pacing_rate() const {
    return tcb_.pace.rate != 0 || !host_.settings.pacing ? tcb_.pace.rate : window_rate();
}

std::uint64_t Connection::window_rate() const {
    const std::int64_t srtt = tcb_.timing.srtt.count();
    if (srtt <= 0) return 0;
    const bool slow_start = out_.steering.cwnd < out_.steering.ssthresh / 2;
    const std::uint64_t a_second = std::uint64_t{out_.steering.cwnd} * 1'000'000'000 / std::uint64_t(srtt);
    return std::max<std::uint64_t>(slow_start ? a_second * 2 : a_second + a_second / 5, in_.mss);
}

// Bytes that may leave at once: what the module says, and a millisecond at the pacing rate, but some segments at least. Who shows
// the habit counts so also where nothing is paced, a millisecond of 1024 to the second, and takes half of either window at most.
std::uint32_t Connection::super_segment() const {
    const bool short_trains = host_.look().short_trains;
    std::uint32_t most = tcb_.pace.quantum == 0 ? most_text : std::min(tcb_.pace.quantum, most_text);
    const std::uint32_t least = host_.settings.least_train * std::uint32_t{in_.mss};
    if (const std::uint64_t rate = short_trains && tcb_.pace.rate == 0 ? window_rate() : pacing_rate(); rate != 0)
        most = std::min(
            most, std::max(std::uint32_t(std::min<std::uint64_t>(rate / (short_trains ? 1'024 : 1'000), most_text)), least));
    if (short_trains) {
        const std::uint32_t half = std::min(out_.steering.cwnd, out_.max_snd_wnd) / 2 / in_.mss;
        most = std::min(most, std::max(half, 1u) * in_.mss);
    }
    return most;
}

// False: not yet, and the timer is set for when it may.
bool Connection::pace_allows(Instant now) {
    Tcb::Deadlines& at = tcb_.deadlines;
    if (at.pace <= now || pacing_rate() == 0) return true;
    in_.flags.paced = true;
    arm(at.pace, now);
    return false;
}

// Who was woken late makes up for a millisecond of it.
void Connection::charge_pace(std::uint32_t length, Instant now) {
    const std::uint64_t rate = pacing_rate();
    if (rate == 0) return;
    const Duration takes = Duration::nanoseconds(std::int64_t(std::uint64_t{length} * 1'000'000'000 / rate));
    tcb_.deadlines.pace = std::max(tcb_.deadlines.pace, now + Duration::milliseconds(-1)) + takes;
}

// Nagle in Minshall's form: a short segment waits while an earlier short one is not acknowledged (SHLD-7).
bool Connection::short_may_go() const {
    if (in_.flags.fin_wanted || in_.flags.push_all || before(out_.snd_nxt, out_.snd_max)) return true;
    if (in_.flags.more) return false;  // said of this text, and so it counts for more than what the flow is set to
    return in_.flags.nodelay || !in_.flags.short_out;
}

bool Connection::emit_ack(Transmit& frame, Instant now) {
    if (!in_.flags.ack_now && in_.duplicates_owed == 0) return false;
    // Past a window that shrank, or for the octet of a probe, the peer would find SND.NXT unacceptable.
    const SeqNum edge = out_.snd_una + out_.snd_wnd;
    SeqNum seq = in_.flags.probing ? out_.snd_nxt : out_.snd_max;
    if (before(edge, seq) && !syn_unacknowledged()) seq = edge;
    send_ack(frame, seq, now);
    return true;
}

void Connection::send_ack(Transmit& frame, SeqNum seq, Instant now) {
    const std::uint16_t window = window_field();  // before the count falls: duplicates say the same window
    wire::TcpOptions said = options(now);
    if (in_.reassembly != none && in_.flags.sack)
        said.sack_count = host_.reassemblies[in_.reassembly].tell(in_.rcv_nxt, in_.flags.timestamps ? 3 : 4, said.sack);
    std::uint16_t flags = wire::ack;
    if (in_.flags.snd_urgent && before(seq, cold_.snd_up)) flags |= wire::urg;
    if (in_.flags.ecn_echo) flags |= wire::ece;
    if (out_.accurate != none) flags |= accurate_ack(said);
    head(frame, seq, flags, window, said);
    trace_sent(seq, 0, flags, window, now, said.sack_count);
    if (in_.duplicates_owed > 0) --in_.duplicates_owed;
    acknowledged(now);
    if (in_.reassembly != none && host_.reassemblies[in_.reassembly].empty()) give_back_reassembly();
    ++cold_.segments_out;
    ++host_.statistics.segments_out;
}

void Connection::acknowledged(Instant now) {
    in_.flags.ack_now = false;
    if (!syn_unacknowledged()) in_.flags.tells_timeout = false;
    if (in_.owed > 0 && cold_.extra != none) {
        Extra::Attention& attention = host_.extras[cold_.extra].attention;
        if (attention.quick > 0) --attention.quick;
    }
    in_.owed = 0;
    in_.last_ack_sent = in_.rcv_nxt;
    if (out_.accurate != none) accurate().unsaid = 0;
    stop(tcb_.deadlines.delayed_ack, now);
}

// Text and FIN, as one super-segment.
void Connection::send(Transmit& frame, const Span& span, Instant now) {
    std::uint16_t flags = wire::ack;
    if (span.fin) flags |= wire::fin;
    const bool held = cold_.held_back && host_.look().lets_go;
    if (span.length > 0 && span.seq + span.length == end_of_text() && !held) flags |= wire::psh;  // MUST-61
    if (span.length > 0 && ends_record(span.seq + span.length)) flags |= wire::psh;
    if (span.length > in_.mss && host_.look().push_trains) flags |= wire::psh;
    if (in_.flags.snd_urgent && before(span.seq, cold_.snd_up)) flags |= wire::urg;
    if (in_.flags.ecn) flags |= ecn_flags(frame, span);
    wire::TcpOptions said = options(now);
    const bool shrinks = out_.accurate != none && accurate_text(frame, span, flags, said);
    const std::uint16_t window = window_field();
    head(frame, span.seq, flags, window, said);
    if (span.length > in_.mss) frame.segment_size = in_.mss;
    if (span.length > 0)
        host_.queues[out_.queue].each(span.seq - first_text(), span.length,
                                      [&](const Slice& part) { host_.lent.push_back(part); });
    trace_sent(span.seq, span.length, flags, window, now);
    if (span.length > 0 && (in_.owed > 0 || in_.flags.hasty))
        judge_delay(in_.owed > 0 || now - tcb_.timing.heard_at < host_.settings.delayed_ack);
    acknowledged(now);
    charge_pace(span.length, now);
    sent(span, span.length > in_.mss ? (span.length + in_.mss - 1u) / in_.mss : 1, before(span.seq, out_.snd_max), now);
    if (shrinks) derive_mss();
}

// RFC 3168, sections 6.1.2 to 6.1.5: new text alone may be marked, and carries CWR after a cut.
std::uint16_t Connection::ecn_flags(Transmit& frame, const Span& span) {
    std::uint16_t flags = in_.flags.ecn_echo ? std::uint16_t{wire::ece} : std::uint16_t{0};
    if (!may_be_marked(span)) return flags;
    frame.ecn = Ecn::ect0;
    if (in_.flags.ecn_cut) flags |= wire::cwr;
    in_.flags.ecn_cut = false;
    return flags;
}

void Connection::head(Transmit& frame, SeqNum seq, std::uint16_t flags, std::uint16_t window,
                      const wire::TcpOptions& options) {
    const Path& way = path();
    std::uint16_t urgent = 0;
    if (flags & wire::urg) urgent = std::uint16_t(std::min(cold_.snd_up - seq, 65'535u));  // MUST-62
    const wire::TcpHeader header{in_.key.local_port,
                                 in_.key.remote_port,
                                 seq,
                                 flags & wire::ack ? in_.rcv_nxt : SeqNum{},
                                 flags,
                                 window,
                                 0,
                                 urgent,
                                 options,
                                 host_.look().order};
    frame.path = in_.key.path;
    const std::size_t transport = std::size_t{way.room} + way.header_size;
    frame.network = way.room;
    frame.transport = std::uint16_t(transport);
    frame.sums_elided = way.sums_elided;
    const std::size_t written = header.write(std::span{frame.header}.subspan(transport));
    frame.header_length = std::uint16_t(transport + written);
}

// What to advertise, in units of the scale. The edge stays where it is while duplicates are owed: they must look alike.
std::uint16_t Connection::window_field() {
    if (in_.duplicates_owed == 0) in_.rcv_adv = right_edge(in_.rcv_nxt, in_.rcv_adv, sayable(), unread(), in_.their_mss);
    return std::uint16_t(std::min(receive_window() >> in_.rcv_shift, 65'535u));
}

wire::TcpOptions Connection::options(Instant now) const {
    wire::TcpOptions options;
    if (in_.flags.timestamps)
        options.timestamps = wire::TcpTimestamps{host_.defence.timestamp(path().hash, now), in_.ts_recent};
    if (in_.flags.tells_timeout) options.user_timeout = timeout_option();
    return options;
}

// Accounts for what left: sequence numbers, the timed segment, the retransmission timer, counters.
void Connection::sent(const Span& span, std::uint32_t segments, bool again, Instant now) {
    const bool nothing_out = out_.snd_una == out_.snd_max;
    const SeqNum end = span.seq + span.length + (span.fin ? 1u : 0u);
    if (nothing_out) tcb_.deadlines.progress_at = now;
    if (again) {
        const std::uint32_t repeated = std::min(span.length, out_.snd_max - span.seq);
        if (in_.flags.timing && before(span.seq, tcb_.timing.timed)) in_.flags.timing = false;  // Karn (MUST-18)
        ++cold_.retransmissions;
        host_.statistics.retransmitted_segments += std::max((repeated + in_.mss - 1) / in_.mss, 1u);
        host_.statistics.retransmitted_bytes += repeated;
    } else if (!in_.flags.timing && out_.scoreboard == none) {
        in_.flags.timing = true;
        tcb_.timing.timed_at = now;
        tcb_.timing.timed = end;
    }
    if (before(out_.snd_max, end)) {
        const std::uint32_t fresh = end - later(out_.snd_max, span.seq) - (span.fin ? 1u : 0u);
        cold_.bytes_out += fresh;
        host_.statistics.bytes_out += fresh;
        out_.snd_max = end;
    }
    out_.snd_nxt = later(out_.snd_nxt, end);
    if (span.length + (span.fin ? 1u : 0u) > 0 && (!syn_unacknowledged() || (early() && span.seq != out_.snd_una)))
        record_sent(span, again, now);
    if (out_.scoreboard != none) {
        Scoreboard& known = board();
        if (in_.flags.recovering) known.prr.out += end - span.seq;
        else if (known.sacked > 0 && !again && !known.after_timeout) known.limited += span.length;
    }
    if (span.length > 0 && cold_.extra != none) {
        Extra::Attention& attention = host_.extras[cold_.extra].attention;
        attention.interactive |= attention.text_at != Instant{} && now - attention.text_at < host_.settings.delayed_ack;
    }
    if (in_.flags.hears_sent && span.length > 0 && !syn_unacknowledged()) hear_sent(span.length, now);
    tcb_.timing.sent_at = now;
    cold_.segments_out += segments;
    host_.statistics.segments_out += segments;
    ++tcb_.recovery.transmissions;
    if (tcb_.deadlines.loss == Instant::never()) arm_loss(now);  // RFC 6298, 5.1
    else if (in_.flags.tail_armed) resume_timer(now);
    watch_user_timeout(now);
}

void Connection::trace_sent(SeqNum seq, std::uint32_t length, std::uint16_t flags, std::uint16_t window, Instant now,
                            std::uint32_t blocks) const {
    if (!host_.sink.wants(trace::Type::segment_sent)) return;
    const bool counted = length > 0 || (flags & (wire::syn | wire::fin)) != 0;
    const unsigned shift = (flags & wire::syn) != 0 ? 0 : in_.rcv_shift;  // RFC 7323, section 2.2
    host_.sink.add(now, place(), trace::Type::segment_sent,
                   trace::Segment{seq.raw(), in_.rcv_nxt.raw(), length, std::uint32_t{window} << shift,
                                  counted ? std::uint32_t(tcb_.recovery.transmissions) : 0, flags,
                                  length > in_.mss ? in_.mss : std::uint16_t{0}, blocks, name().generation});
}

}  // namespace weft::tcp
