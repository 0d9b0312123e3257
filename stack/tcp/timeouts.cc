// Timers: retransmission (RFC 6298, section 5), zero-window probes (RFC 9293, section 3.8.6.1), delayed acknowledgements, the
// user timeout (sections 3.8.3 and 3.10.8); and what a path that changes, goes or comes back does to a connection.
#include <algorithm>

#include "stack/tcp/connection.h"
#include "stack/tcp/rtt.h"

namespace weft::tcp {
namespace {

constexpr std::uint8_t most_doublings = 10;
constexpr std::uint16_t mtu_of_ipv6 = 1'280,
                        mtu_of_ipv4 = 552;  // bytes: what every link of the one carries, and hosts of the other take
constexpr Duration lowered_for = Duration::seconds(600);  // RFC 8899, section 5.1.1: PMTU_RAISE_TIMER
constexpr Duration least_line = Duration::milliseconds(1);  // shorter waits are the wheel's

}  // namespace

// Somebody must look at `when`, or before. Most wait as long as a delayed acknowledgement or the least retransmission timeout,
// or somewhat longer, and for nothing: those stand in line, and there somebody looks early.
void Standing::arm(Instant when, Instant now) {
    Tcb::Deadlines& at = tcb_.deadlines;
    if (when >= at.armed) return;
    const Duration wait = when - now;
    const auto& settings = host_.settings;
    const auto lines_up = [&](DelayLine& line, Duration delay, bool stands) {
        if (wait < delay || wait >= delay * 8 || delay < least_line) return false;
        const Instant due = TimerWheel::rounded(now + delay);
        if (!line.takes(due)) return false;  // the delay was tuned
        if (!stands) line.push({due, index_, name().generation});
        at.armed = now + delay;
        return true;
    };
    if (lines_up(host_.loss_line, settings.minimum_rto, in_.flags.in_loss_line)) {
        in_.flags.in_loss_line = true;
    } else if (lines_up(host_.ack_line, settings.delayed_ack, in_.flags.in_ack_line)) {
        in_.flags.in_ack_line = true;
    } else {
        at.armed = when;
        if (when == at.user && in_.flags.user_held) return;
        in_.flags.user_held = when == at.user;
        host_.wheel.arm_by(index_, when);
    }
}

// An acknowledgement that was to be delayed has left with text, as an answer's does, or text is acknowledged: nobody need look so
// soon. False: it has called leave() of the line, and is to be armed anew once that stands in order.
bool Standing::waits(Line line, Instant now) {
    Tcb::Deadlines& at = tcb_.deadlines;
    const bool acks = line == Line::acks;
    if (acks ? !in_.flags.in_ack_line : !in_.flags.in_loss_line) return false;
    if ((acks ? at.delayed_ack : at.loss) != Instant::never() || (!acks && in_.flags.in_ack_line)) return true;
    if (earliest_deadline() - now < (acks ? host_.settings.delayed_ack : host_.settings.minimum_rto) * 2) return true;
    leave_lines(acks, !acks);
    at.armed = Instant::never();
    return false;
}

// Somebody looks: early, when a deadline was put off since. Who was in a line calls leave() of it.
void Connection::look(Line line, Instant now) {
    const Flags& flags = in_.flags;
    if ((line == Line::acks && !flags.in_ack_line) || (line == Line::losses && !flags.in_loss_line)) return;
    leave_lines(line == Line::acks, line == Line::losses);
    if (line == Line::wheel) in_.flags.user_held = false;
    if (ended()) return;
    Tcb::Deadlines& at = tcb_.deadlines;
    at.armed = Instant::never();
    if (at.delayed_ack <= now) {
        trace_timer(at.delayed_ack, 1, at.delayed_ack, now);
        at.delayed_ack = Instant::never();
        judge_delay(false);
        if (cold_.extra != none) host_.extras[cold_.extra].attention.interactive = false;  // no text came in time
        in_.flags.ack_now = true;
        want_output();
    }
    if (at.user <= now) check_user_timeout(now);
    if (!ended() && at.keepalive <= now) check_keepalive(now);
    if (ended()) return;
    if (at.module <= now) {
        trace_timer(at.module, 1, at.module, now);
        hear_timer(now);
    }
    if (at.loss <= now) {
        trace_timer(at.loss, 1, at.loss, now);
        at.loss = Instant::never();
        const bool reordering = in_.flags.reorder_armed, tail = in_.flags.tail_armed;
        in_.flags.reorder_armed = in_.flags.tail_armed = false;
        if (in_.flags.probing) persist_timeout();
        else if (reordering) reordering_timeout(now);
        else if (tail) probe_tail(now);
        else retransmission_timeout(now);
    }
    if (in_.flags.paced && at.pace <= now) {
        in_.flags.paced = false;
        want_output();
    }
    arm(earliest_deadline(), now);
}

// Sets one of the deadlines. A later one is a store: the wheel fires early and arms again.
void Connection::schedule(Instant& deadline, Instant when, Instant now) {
    deadline = when;
    if (&deadline == &tcb_.deadlines.user) in_.flags.user_held = false;
    trace_timer(deadline, 0, when, now);
    arm(when, now);
}

// RFC 6298, 5.1 and 5.3; in its place the timer of a tail loss probe, which ends no later (RFC 8985, section 7.2).
void Connection::arm_loss(Instant now) {
    Instant when = now + backed_off(tcb_.timing.rto, out_.backoff);
    in_.flags.reorder_armed = in_.flags.tail_armed = false;
    if (in_.flags.sack) {
        if (out_.scoreboard != none) board().rto_at = when;
        in_.flags.tail_armed = tail_allowed();
        if (in_.flags.tail_armed) when = std::min(when, now + probe_timeout());
    }
    schedule(tcb_.deadlines.loss, when, now);
}

void Connection::retransmission_timeout(Instant now) {
    if (out_.snd_una == out_.snd_max) return;
    note_app_limit();
    ++cold_.timeouts;
    ++host_.statistics.timeouts;
    in_.flags.timing = false;  // Karn
    if (out_.backoff < most_doublings) ++out_.backoff;
    if (out_.snd_wnd == 0 && !syn_unacknowledged()) {  // the window shrank to nothing: probe it instead (MUST-35, SHLD-17)
        forget_sent();
        out_.snd_nxt = out_.snd_una;
        in_.flags.probing = in_.flags.probe_now = true;
        in_.flags.tail_out = in_.flags.tail_due = false;
        return want_output();
    }
    if (++cold_.expiries ==
        host_.settings.first_threshold) {  // R1 (SHLD-9); the network layer hears of it from the event, too (MUST-20)
        cold_.soft_error = Error::timed_out;
        raise(Event::Kind::soft_error);
    }
    if (in_.state == State::syn_sent) {
        const bool tried = cold_.asked_cookie || out_.snd_max - out_.snd_una > 1;  // its SYN said so or had text
        if (cold_.expiries == 2 && in_.flags.fast_open && tried) host_.fast_open.pause(host_.settings.fast_open_pause, now);
        const std::uint8_t most = cold_.extra == none ? std::uint8_t{0} : host_.extras[cold_.extra].syn_retries;
        if (most != 0 && cold_.expiries > most) return fail(Error::timed_out, Cause::timer, now, Event::Limit::handshake);
    }
    suspect_size(now);
    if (in_.flags.sack && !syn_unacknowledged()) return timeout_selective(now);
    trace_loss(flight(), 2, now);
    // A segment that is lost again says nothing new of the path: ssthresh stays (RFC 5681, section 3.1).
    const std::uint32_t lost = text_in_flight();
    if (!syn_unacknowledged() && cold_.expiries == 1) hear_congestion(WEFT_CONGESTION_TIMEOUT, lost, flight(), now);
    else tcb_.rate.lost += lost;
    go_back(now);
}

// Large segments that time out again and again while the path is up may be too large for it, and nobody says so (RFC 8899, section
// 4.3; RFC 4821, section 7.7): first what every IPv6 link carries, then what IPv4 hosts must take. A guess of this flow, and so it
// binds no other: its peer may be gone, or its port filtered. A session of the overlay measures its own.
void Connection::suspect_size(Instant now) {
    const bool again = cold_.expiries >= 3 && cold_.expiries % 2 == 1;  // what is in flight may have grown since the first
    const std::uint32_t header = path().header_size;  // IPv4's 20 bytes, IPv6's 40, or the overlay's
    const std::uint32_t around = header + 20u + (in_.flags.timestamps ? 12u : 0u);  // bytes of headers in front of text
    const std::uint32_t packet = std::min<std::uint32_t>(in_.mss, text_in_flight()) + around;  // the largest that left
    const std::uint32_t less = packet > mtu_of_ipv6 ? mtu_of_ipv6 : mtu_of_ipv4;
    if (host_.settings.mtu_probing == 0 || !again || in_.flags.unreachable || packet <= less) return;
    if (header > 40 || (header == 40 && less < mtu_of_ipv6)) return;
    ++host_.statistics.black_holes;
    extra().lowered_mtu = std::uint16_t(less);
    extra().lowered_until = now + lowered_for;
    in_.flags.shrunk = true;
    derive_mss();
}

// Before text leaves: has it been small for long enough?
void Connection::try_larger(Instant now) {
    if (now < host_.extras[cold_.extra].lowered_until) return;
    in_.flags.shrunk = false;
    derive_mss();
}

// All that is in flight counts as lost and is sent again from SND.UNA on, as the window allows.
void Connection::go_back(Instant now) {
    if (in_.flags.sack && !syn_unacknowledged() && out_.snd_nxt == out_.snd_max) return go_back_selective(now);
    in_.flags.recovering = in_.flags.partial = in_.flags.resend = in_.flags.timing = false;
    tcb_.recovery.point = out_.snd_max - 1;  // RFC 6582, section 4: duplicates of what follows start no recovery
    stop(tcb_.deadlines.loss, now);  // armed anew by what is sent
    tcb_.recovery.inflation = 0;
    out_.duplicate_acks = 0;
    forget_sent();
    out_.snd_nxt = out_.snd_una;
    want_output();
}

void Connection::persist_timeout() {
    if (out_.backoff < most_doublings) ++out_.backoff;  // SHLD-30
    in_.flags.probe_now = true;
    want_output();
}

// Text waits, nothing is in flight, and the window (or the wish for a full segment) holds it back: the persist timer sees
// to it that it goes. It is the sender's override timeout, too (RFC 9293, section 3.8.6.2.1, rule 4).
void Connection::start_probing(Instant now) {
    in_.flags.probing = true;
    in_.flags.reorder_armed = in_.flags.tail_armed = false;
    out_.backoff = 0;
    schedule(tcb_.deadlines.loss, now + tcb_.timing.rto, now);  // SHLD-29: after one RTO
}

void Connection::watch_user_timeout(Instant now) {
    if (user_timeout() == Duration{} || tcb_.deadlines.user != Instant::never()) return;
    if (out_.snd_una == out_.snd_max) tcb_.deadlines.progress_at = now;
    schedule(tcb_.deadlines.user, now + user_timeout(), now);
}

void Connection::check_user_timeout(Instant now) {
    Tcb::Deadlines& at = tcb_.deadlines;
    at.user = Instant::never();
    if (in_.state == State::fin_wait_2 && in_.flags.orphan) {  // nobody waits for the peer's FIN any more
        const Instant end = tcb_.timing.heard_at + host_.settings.fin_wait;
        if (end <= now) return reset_and_fail(Error::timed_out, Cause::timer, now, Event::Limit::fin_wait_2);
        return schedule(at.user, end, now);
    }
    if (user_timeout() == Duration{}) return;
    // While probes are answered the user may wait as long as he likes (MUST-37); but nobody waits for an orphan.
    const bool waiting =
        in_.flags.probing && !in_.flags.orphan ? in_.flags.probe_out : out_.snd_una != out_.snd_max || syn_unacknowledged();
    const Instant silent = waiting ? at.progress_at + user_timeout() : Instant::never();
    const Instant cut_off = in_.flags.unreachable ? tcb_.recovery.unreachable_at + user_timeout() : Instant::never();
    const Instant end = std::min(silent, cut_off);
    if (end > now) {
        if (end != Instant::never()) schedule(at.user, end, now);
        return;
    }
    trace_timer(at.user, 1, end, now);
    fail(cut_off < silent ? Error::unreachable : Error::timed_out, Cause::timer, now,
         syn_unacknowledged() ? Event::Limit::handshake : Event::Limit::retransmission);
}

void Connection::path_changed(std::uint32_t mtu, Instant now) {
    if (ended()) return;
    in_.flags.shrunk = false;
    derive_mss();
    if (syn_unacknowledged()) return;
    hear_path(mtu, now);
    out_.backoff = 0;
    if (out_.snd_una == out_.snd_max || in_.flags.probing) return;
    trace_loss(flight(), 6, now);
    go_back(now);
}

// The same way carries more or less than before. What was too large is lost, and that says nothing of congestion (RFC 1191,
// section 6.5): it goes again at once in smaller segments.
void Connection::path_mtu(bool lowered, Instant now) {
    if (ended()) return;
    derive_mss();
    if (lowered && in_.state == State::syn_sent && out_.snd_max - out_.snd_una > 1) return go_back(now);  // without its text
    if (!lowered || syn_unacknowledged() || flight() <= in_.mss || in_.flags.probing) return;
    note_app_limit();
    trace_loss(flight(), 6, now);
    go_back(now);
    tcb_.timing.sent_at = now;
}

void Connection::path_down(Instant now) {
    if (ended()) return;
    if (in_.flags.unreachable) return;
    in_.flags.unreachable = true;
    tcb_.recovery.unreachable_at = now;
    cold_.soft_error = Error::unreachable;
    raise(Event::Kind::soft_error);
    if (cold_.user_timeout != Duration{} && now + cold_.user_timeout < tcb_.deadlines.user)
        schedule(tcb_.deadlines.user, now + cold_.user_timeout, now);
}

void Connection::path_up(Instant now) {
    if (ended()) return;
    in_.flags.unreachable = false;
    out_.backoff = 0;
    if (in_.flags.probing) {
        in_.flags.probe_now = true;
        want_output();
    } else if (out_.snd_una != out_.snd_max) {
        trace_loss(flight(), 6, now);
        go_back(now);
    }
    tcb_.timing.heard_at = now;
}

// Nobody waits for it any more.
void Connection::stop(Instant& deadline, Instant now) {
    if (deadline == Instant::never()) return;
    trace_timer(deadline, 2, deadline, now);
    deadline = Instant::never();
}

void Connection::tell_timer(const Instant& which, std::uint32_t fired, Instant deadline, Instant now) const {
    const Tcb::Deadlines& at = tcb_.deadlines;
    const std::uint32_t timer = &which == &at.loss          ? in_.flags.probing         ? 2
                                                              : in_.flags.tail_armed    ? 7
                                                              : in_.flags.reorder_armed ? 8
                                                                                        : 1
                                : &which == &at.delayed_ack ? 3
                                : &which == &at.user        ? 4
                                : &which == &at.keepalive   ? 6
                                                            : 5;
    host_.sink.add(now, place(), trace::Type::timer, trace::TimerEvent{timer, fired, deadline.nanoseconds()});
}

}  // namespace weft::tcp
