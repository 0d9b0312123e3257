// A segment arrives (RFC 9293, section 3.10.7), with the checks of RFC 5961 and the timestamps of RFC 7323.
#include <algorithm>

#include "stack/tcp/connection.h"
#include "stack/tcp/rtt.h"
#include "stack/tcp/window.h"

namespace weft::tcp {
namespace {

constexpr std::uint32_t timestamp_lifetime = 24 * 86'400;  // seconds: RFC 7323, section 5.5

std::uint32_t seconds(Instant now) { return std::uint32_t(now.nanoseconds() / 1'000'000'000); }

}  // namespace

// RFC 9293, section 3.10.7.4: a segment arrives in a synchronized state.
void Connection::arrive(const Segment& arrived, Instant now) {
    cold_.segments_in += arrived.count;
    heard_ = arrived.flags;
    if (in_.state == State::syn_sent) return arrive_syn_sent(arrived, now);
    if (in_.state == State::syn_received && is_other_syn_ack(arrived)) {
        hear_handshake_again(arrived, false);
        arrive(without_syn(arrived), now);
        if (host_.look().tells_syn) note_duplicate(arrived.seq, arrived.seq + 1);
        return;
    }
    if (predicted(arrived)) return take_predicted(arrived, now);
    if (outdated(arrived, now)) return answer_unacceptable(arrived, now);  // PAWS, never for RST (RFC 7323, 5.3)
    if (!acceptable(arrived)) {  // first: the sequence number
        if (crossed(arrived)) (void)arrive_ack(arrived, now);
        return answer_unacceptable(arrived, now);
    }
    const Segment segment = trimmed(arrived);  // a zero window leaves ACK, RST, URG (MUST-66)
    if (segment.rst())
        return arrive_reset(arrived, now);  // second: the RST bit (RFC 5961, 3.2)
            // third: security; this stack has none
    if (arrived.syn()) return challenge(now);  // fourth: the SYN bit (RFC 5961, 4.2)
    if (!segment.ack_set()) return;  // fifth: the ACK field (RFC 5961, 5.2)
    remember_timestamp(arrived, now);
    if (!arrive_ack(segment, now)) return;
    if (in_.flags.ecn) hear_marks(segment);
    if (out_.accurate != none && (arrived.flags & was_syn) == 0 && count_packet(arrived)) {
        in_.flags.ack_now = true;
        want_output();
    }
    if ((arrived.flags & rare_option) != 0 && arrived.options) hear_user_timeout(*arrived.options->user_timeout, now);
    if (segment.has(wire::urg)) arrive_urgent(segment);  // sixth: the URG bit (MUST-30 to 33)
    arrive_text(segment, now);  // seventh: the segment text
    if (fin_is_next(segment)) arrive_fin(now);  // eighth: the FIN bit, all text before it in
}

// Simultaneous open, RFC 9293, figure 7: the peer's SYN comes again with the ACK that we wait for.
bool Connection::is_other_syn_ack(const Segment& segment) const {
    return segment.syn() && segment.ack_set() && !segment.rst() && segment.seq + 1 == in_.rcv_nxt;
}

Segment Connection::without_syn(Segment segment) const {
    segment.flags = std::uint16_t((segment.flags & ~wire::syn) | was_syn);
    segment.seq += 1;
    segment.window = std::uint16_t(segment.window >> in_.snd_shift);  // it was not scaled
    return segment;
}

// RFC 9293, section 3.10.7.3.
void Connection::arrive_syn_sent(const Segment& segment, Instant now) {
    const bool acceptable_ack = before(out_.snd_una, segment.ack) && at_or_before(segment.ack, out_.snd_max);
    if (segment.ack_set() && !acceptable_ack) {  // first: the ACK bit
        if (!segment.rst()) reply(segment.ack, SeqNum{}, wire::rst);
        return;
    }
    if (echoes_nothing_sent(segment, now)) return reply(segment.ack, SeqNum{}, wire::rst);
    if (segment.rst()) {  // second: the RST bit
        if (!segment.ack_set()) return;
        ++host_.statistics.resets_received;
        return fail(Error::refused, Cause::segment, now);
    }
    if (!segment.syn() || !segment.options) return;  // fourth: the SYN bit
    tcb_.timing.heard_at = now;
    cold_.irs = segment.seq;
    in_.rcv_nxt = in_.last_ack_sent = segment.seq + 1;
    in_.rcv_adv = in_.rcv_nxt + std::min(in_.limit, 65'535u);
    negotiate(*segment.options);
    if (segment.options->user_timeout) hear_user_timeout(*segment.options->user_timeout, now);
    const bool marked = negotiate_ecn(segment, now);
    in_.ts_recent_at = seconds(now);
    out_.snd_wnd = out_.max_snd_wnd = segment.window;  // never scaled in a SYN
    out_.snd_wl1 = segment.seq;
    out_.snd_wl2 = segment.ack;
    if (!segment.ack_set()) {  // simultaneous open (MUST-10): our SYN again, with ACK
        out_.snd_nxt = out_.snd_una;
        enter(State::syn_received, Cause::segment, now);
        return want_output();
    }
    if (in_.flags.timing) sample(segment, longest_echo, now);
    const bool answers = queued() > out_.snd_max - out_.snd_una - 1;  // more than the SYN had: somebody waits to send it
    hear_fast_open(segment, out_.snd_max - out_.snd_una - 1);
    out_.snd_una = segment.ack;
    out_.snd_nxt = out_.snd_una;  // text of the SYN that was not taken goes again at once
    established(now);
    if (marked) answer_handshake_mark(now);
    in_.flags.ack_now = true;
    if (answers) static_cast<void>(acks_at_once(now));
    const Segment rest = segment.within(in_.rcv_nxt, in_.rcv_adv);
    if (rest.has(wire::urg)) arrive_urgent(rest);
    arrive_text(rest, now);
    if (fin_is_next(rest)) arrive_fin(now);
}

// A SYN,ACK whose timestamp echo is none that a SYN of this flow said: an old one, or a guess. No document asks for the check.
bool Connection::echoes_nothing_sent(const Segment& segment, Instant now) const {
    if (!host_.look().checks_echo || !segment.syn() || !segment.ack_set() || !segment.options || !in_.flags.timestamps)
        return false;
    const auto& said = segment.options->timestamps;
    if (!said || said->echo == 0) return false;
    const std::uint32_t last = host_.defence.timestamp(path().hash, now);
    const std::uint32_t first = host_.defence.timestamp(path().hash, cold_.opened_at);
    return said->echo - first > last - first;
}

// The next text, or an acknowledgement of ours, with nothing out of the ordinary in it.
bool Connection::predicted(const Segment& segment) const {
    const unsigned usual = out_.accurate == none ? wire::psh : wire::psh | wire::ace_bits | ce_mark;
    if (in_.state != State::established || (segment.flags & ~usual) != wire::ack) return false;
    if (segment.seq != in_.rcv_nxt || segment.length > receive_window() || in_.reassembly != none || in_.flags.read_shut)
        return false;
    if (std::uint32_t{segment.window} << in_.snd_shift != out_.snd_wnd || out_.snd_wnd == 0) return false;
    if (segment.timestamps != in_.flags.timestamps || segment.sack_count != 0) return false;
    if (segment.timestamps && std::int32_t(segment.ts_value - in_.ts_recent) < 0) return false;
    if (segment.ack == out_.snd_una) return segment.length > 0;
    return before(out_.snd_una, segment.ack) && at_or_before(segment.ack, out_.snd_nxt) && out_.snd_nxt == out_.snd_max &&
           !in_.flags.recovering && !in_.flags.probing && !in_.flags.tail_out && out_.scoreboard == none;
}

void Connection::take_predicted(const Segment& segment, Instant now) {
    note_heard(now);
    remember_timestamp(segment, now);
    out_.snd_wl1 = segment.seq;
    out_.snd_wl2 = segment.ack;
    if (out_.accurate != none) {
        hear_accurate(segment, now);
        if (count_packet(segment)) {
            in_.flags.ack_now = true;
            want_output();
        }
    }
    if (segment.ack != out_.snd_una) advance(segment, now);
    if (segment.length > 0) accept_text(segment, now);
}

// RFC 7323, sections 3.2 and 5.3 (R1): an older timestamp is an old duplicate, unless TS.Recent itself is too old to tell.
bool Connection::outdated(const Segment& segment, Instant now) const {
    if (!in_.flags.timestamps || segment.rst()) return false;
    if (!segment.timestamps) return !segment.syn() && !host_.look().bare_text;
    return std::int32_t(segment.ts_value - in_.ts_recent) < 0 && seconds(now) - in_.ts_recent_at < timestamp_lifetime;
}

bool Connection::acceptable(const Segment& segment) const {
    return tcp::acceptable(segment.seq, segment.sequence_length(), in_.rcv_nxt, receive_window());
}

// An acknowledgement, to tell the peer where we are; none for a RST. One without text might be an answer to an answer.
void Connection::answer_unacceptable(const Segment& segment, Instant now) {
    if (segment.rst()) return;
    hear_handshake_again(segment, true);
    if (in_.flags.timestamps && !segment.timestamps) return;  // dropped without a word (RFC 7323, 3.2)
    if (segment.length > 0 && before(segment.text_begin(), in_.rcv_nxt))
        note_duplicate(segment.text_begin(), earlier(segment.text_end(), in_.rcv_nxt));
    if (segment.sequence_length() == 0 || segment.syn()) {
        challenge(now);
        const bool again = early() && segment.syn() && !segment.ack_set() && segment.seq == cold_.irs;
        in_.flags.resend = in_.flags.resend || (again && in_.flags.ack_now);  // it missed the SYN,ACK: that is the answer
        return;
    }
    if (cold_.extra != none) host_.extras[cold_.extra].attention.interactive = false;
    in_.flags.ack_now = true;
    want_output();
}

Segment Connection::trimmed(const Segment& segment) {
    const Segment part = segment.within(in_.rcv_nxt, in_.rcv_adv);
    if (segment.length > 0 && before(segment.text_begin(), in_.rcv_nxt) && before(in_.rcv_nxt, segment.text_end()))
        note_duplicate(segment.text_begin(), in_.rcv_nxt);
    if (before(in_.rcv_adv, segment.end())) {  // a probe of the window, or more than we let in
        in_.flags.ack_now = true;
        want_output();
    }
    return part;
}

// RFC 5961, section 3.2. `segment` is as it arrived: trimming must not make an old RST exact.
void Connection::arrive_reset(const Segment& segment, Instant now) {
    if (segment.seq != in_.rcv_nxt) {
        if (segment.seq - in_.rcv_nxt < receive_window()) challenge(now);
        return;
    }
    ++host_.statistics.resets_received;
    if ((in_.state == State::closing || in_.state == State::last_ack) && queued() == 0) {  // nothing of ours was lost
        leave_network(State::closed, Cause::segment, now);
        return settle_end();
    }
    fail(in_.state == State::syn_received && !early() ? Error::refused : Error::reset, Cause::segment, now);
}

// An ACK that only who sees our sequence numbers can use (RFC 5961). Each connection has an allowance of its own: a common
// one would tell an outsider what happens elsewhere.
void Connection::challenge(Instant now) {
    if (cold_.challenged_at != seconds(now)) {
        cold_.challenged_at = seconds(now);
        cold_.challenges = 0;
    }
    if (cold_.challenges >= host_.settings.challenges_a_second) return;
    ++cold_.challenges;
    ++host_.statistics.challenge_acks;
    in_.flags.ack_now = true;
    want_output();
}

// RFC 9293, section 3.8.5; the text itself stays in line (RFC 6093, section 6).
void Connection::arrive_urgent(const Segment& segment) {
    if (in_.state != State::established && in_.state != State::fin_wait_1 && in_.state != State::fin_wait_2) return;
    const SeqNum pointer = segment.seq + segment.urgent_pointer;
    const SeqNum read = in_.rcv_nxt - unread();
    if (!before(read, pointer) || (in_.flags.rcv_urgent && !before(cold_.rcv_up, pointer))) return;
    cold_.rcv_up = pointer;
    in_.flags.rcv_urgent = true;
    raise(Event::Kind::urgent);  // at once, and again when the pointer advances (MUST-32)
}

void Connection::arrive_text(const Segment& segment, Instant now) {
    if (segment.length == 0 && !segment.fin()) return;
    if (in_.flags.fin_received || ended()) return;  // CLOSE-WAIT and later: this should not occur
    if (segment.length > 0 &&
        in_.flags.orphan) {  // SHLD-3; where the peer must believe it: at its RCV.NXT (RFC 5961, section 3.2)
        reply(segment.ack, SeqNum{}, wire::rst);
        return fail(Error::aborted, Cause::segment, now);
    }
    if (segment.text_begin() != in_.rcv_nxt) return keep_for_later(segment);
    if (segment.length > 0) accept_text(segment, now);
}

// Text at RCV.NXT.
void Connection::accept_text(const Segment& segment, Instant now) {
    if (!in_.flags.read_shut) {
        ByteQueue& queue = receive_queue();
        if (in_.reassembly != none || queue.charge() > in_.limit) make_room(segment.length);
        const bool one_chunk = segment.text.size() > 1 && segment.text.front().shares_with(segment.text.back());
        const bool crowded = queue.charge() > 2 * std::size_t{in_.limit};  // what came small then moves closer together
        segment.each([&](const Slice& part) {
            const std::size_t copied = crowded ? queue.append(part.bytes(), *host_.pool) : 0;
            queue.push(part.sub(std::uint32_t(copied), part.size()), *host_.pool, one_chunk ? segment.length : 0);
        });
        raise(Event::Kind::readable);
    }
    if (in_.flags.hasty || tcb_.deadlines.delayed_ack != Instant::never()) judge_delay(true);
    in_.rcv_nxt += segment.length;
    in_.owed += segment.length;
    cold_.bytes_in += segment.length;
    if (in_.flags.tunes) tune_receive(now);
    host_.statistics.bytes_in += segment.length;
    const std::uint32_t largest = segment.count > 1 ? (segment.length + segment.count - 1) / segment.count : segment.length;
    if (largest > in_.their_mss) in_.their_mss = std::uint16_t(std::min(largest, 65'000u));
    if (in_.reassembly != none) {
        drain_reassembly();
        in_.flags.ack_now = true;  // it fills a hole, or there still is one (RFC 5681, section 4.2)
    }
    if (acks_at_once(now) || in_.owed >= 2u * in_.their_mss) in_.flags.ack_now = true;  // SHLD-19
    if (!in_.flags.ack_now && delays_in_vain()) in_.flags.ack_now = in_.flags.hasty = true;
    if (in_.flags.ack_now) return want_output();
    if (tcb_.deadlines.delayed_ack == Instant::never())
        schedule(tcb_.deadlines.delayed_ack, now + host_.settings.delayed_ack, now);
}

// Who shows the habit acknowledges the first segments of text at once, but not where it answers them with text of its own, which then
// carries the acknowledgement (RFC 5681, section 4.2: a delay is a SHOULD; RFC 9293, section 3.8.6.3).
bool Connection::acks_at_once(Instant now) {
    const std::uint8_t most = host_.look().quick_acks;
    if (most == 0) return false;
    Extra::Attention& attention = extra().attention;
    if (attention.text_at == Instant{} || now - attention.text_at > tcb_.timing.rto) attention.quick = most;
    attention.text_at = now;
    return attention.quick > 0 && !attention.interactive;
}

// Text beyond a hole: each segment is answered at once, so that the sender counts its duplicates (RFC 5681, section 4.2).
void Connection::keep_for_later(const Segment& segment) {
    const unsigned owed = unsigned{in_.duplicates_owed} + segment.count;
    in_.duplicates_owed = std::uint8_t(std::min(owed, 255u));
    want_output();
    if (in_.flags.sack) in_.duplicates_owed = 1;  // its blocks tell all of them (RFC 2018, section 4)
    if (in_.flags.read_shut) return;
    Reassembly& queue = reassembly();
    SeqNum at = segment.text_begin();
    if (in_.flags.sack) host_.statistics.duplicates_told += queue.note_arrival({at, segment.length});
    segment.each([&](const Slice& part) {
        queue.insert(at, part, *host_.pool);
        at += part.size();
    });
    if (segment.fin()) queue.set_fin(segment.text_end());
    make_room(0);
}

Reassembly& Connection::reassembly() {
    if (in_.reassembly == none) in_.reassembly = host_.reassemblies.lend();
    return host_.reassemblies[in_.reassembly];
}

void Connection::give_back_reassembly() {
    host_.reassemblies[in_.reassembly].clear();
    host_.reassemblies.give_back(std::exchange(in_.reassembly, none));
}

// RFC 2883, section 4: text came that was there already. The next acknowledgement says so.
void Connection::note_duplicate(SeqNum begin, SeqNum end) {
    if (out_.accurate != none) hear_repeat();
    if (!in_.flags.sack || ended() || syn_unacknowledged()) return;
    reassembly().set_duplicate({begin, end});
    ++host_.statistics.duplicates_told;
    in_.flags.ack_now = true;
    want_output();
}

// Both queues together keep at most twice the buffer alive; out-of-order text goes first.
void Connection::make_room(std::size_t more) {
    if (in_.reassembly == none) return;
    Reassembly& reassembly = host_.reassemblies[in_.reassembly];
    const std::size_t held = in_.queue == none ? 0 : host_.queues[in_.queue].charge();
    while (held + reassembly.charge() + more > 2 * std::size_t{in_.limit} && reassembly.shed()) {}
}

void Connection::drain_reassembly() {
    Reassembly& reassembly = host_.reassemblies[in_.reassembly];
    for (Slice text; (text = reassembly.pop(in_.rcv_nxt)).size() > 0;) {
        if (!in_.flags.read_shut) receive_queue().push(text, *host_.pool);
        in_.rcv_nxt += text.size();
        in_.owed += text.size();
        cold_.bytes_in += text.size();
        host_.statistics.bytes_in += text.size();
    }
    if (reassembly.empty()) give_back_reassembly();
}

bool Connection::fin_is_next(const Segment& segment) const {
    if (in_.flags.fin_received || ended()) return false;
    if (segment.fin() && segment.text_end() == in_.rcv_nxt) return true;
    return in_.reassembly != none && host_.reassemblies[in_.reassembly].fin() == in_.rcv_nxt;
}

// RFC 9293, section 3.10.7.4, eighth.
void Connection::arrive_fin(Instant now) {
    in_.flags.fin_received = true;
    in_.flags.ack_now = true;
    in_.rcv_nxt += 1;
    in_.rcv_adv = later(in_.rcv_adv, in_.rcv_nxt);
    if (in_.reassembly != none) give_back_reassembly();
    raise(Event::Kind::peer_closed);
    want_output();
    switch (in_.state) {
    case State::syn_received:
    case State::established: return enter(State::close_wait, Cause::segment, now);
    case State::fin_wait_1:  // our FIN was acknowledged, perhaps in this segment?
        return out_.snd_una == out_.snd_max ? enter_time_wait(now) : enter(State::closing, Cause::segment, now);
    case State::fin_wait_2: return enter_time_wait(now);
    default: return;
    }
}

// RFC 7323, section 4.3 (2).
void Connection::remember_timestamp(const Segment& segment, Instant now) {
    if (!segment.timestamps || !in_.flags.timestamps) return;
    if (std::int32_t(segment.ts_value - in_.ts_recent) < 0 && seconds(now) - in_.ts_recent_at < timestamp_lifetime) return;
    newer_ = segment.ts_value != in_.ts_recent;
    if (before(in_.last_ack_sent, segment.seq)) return;
    in_.ts_recent = segment.ts_value;
    in_.ts_recent_at = seconds(now);
}

}  // namespace weft::tcp
