// Accurate ECN feedback on a flow (RFC 9768): its negotiation, what is counted and told as a receiver, what is understood and done as
// a sender, and the options' way through networks that do not like them.
#include "stack/tcp/accurate.h"

#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {
namespace {

constexpr unsigned tries =
    2;  // SYNs that ask, and SYN,ACKs that agree, before one does without (sections 3.1.4.1, 3.2.3.2.2)
constexpr std::uint64_t watched_rounds =
    4;  // marks on all that was sent in so many rounds come of no queue (section 3.2.2.3)
constexpr std::uint16_t long_stretch =
    4 * 16;  // a mean from which on acknowledgements of many segments are no sign of lost ones

template <class Small>
void saturating_add(Small& to, std::uint32_t more) {
    to = Small(std::min<std::uint32_t>(to + more, Small(~Small{0})));
}

constexpr std::uint8_t bit(std::size_t field) { return std::uint8_t(1u << field); }

// Where the option of an order has a field: order 1 is order 0 backwards.
constexpr std::size_t place_of(std::size_t field, bool ect1_first) { return ect1_first ? 2 - field : field; }

// Fields that an option must have to hold these counters.
std::uint8_t fields_for(unsigned counters, bool ect1_first) {
    std::uint8_t fields = 0;
    for (std::size_t field = 0; field < 3; ++field)
        if (counters & bit(field)) fields = std::max(fields, std::uint8_t(place_of(field, ect1_first) + 1));
    return fields;
}

}  // namespace

// Section 3.2.3.3: all counters that ever grew if there is room for them; those at least that grew since; else none. Two SACK
// blocks are more important than it, a third one is not.
void offer_counters(const Accurate& state, wire::TcpOptions& to) {
    const unsigned ever = state.ever != 0 ? state.ever : 7u;
    const std::size_t kept = std::min<std::size_t>(to.sack_count, 2);
    wire::TcpOptions others = to;
    others.sack_count = 0;
    const std::size_t taken = others.size() + (kept != 0 ? 4 + 8 * kept : 0);
    for (const unsigned counters : {ever, unsigned{state.fresh}, 0u}) {
        if (counters == 0 && state.fresh != 0) return;
        const bool ect1_first = fields_for(counters, true) < fields_for(counters, false);
        wire::AccurateEcn option{fields_for(counters, ect1_first), ect1_first};
        if (taken + option.size() > wire::TcpOptions::max_size) continue;
        for (std::size_t field = 0; field < 3; ++field)
            if (const std::size_t at = place_of(field, ect1_first); at < option.fields)
                option.counters[at] = state.received[field] % option_cycle;
        to.accurate = option;
        return;
    }
}

Accurate& Marks::accurate() { return host_.accurate[out_.accurate]; }
const Accurate& Marks::accurate() const { return host_.accurate[out_.accurate]; }

void Marks::lend_accurate() {
    if (out_.accurate != none) return;
    out_.accurate = host_.accurate.lend();
    accurate() = {};
}

void Marks::give_back_accurate() {
    if (out_.accurate != none) host_.accurate.give_back(std::exchange(out_.accurate, none));
}

// Active OPEN: the flags of a SYN. One that may have been lost for them goes without (section 3.1.4.1), and no connection asks for
// both kinds (section 3.1.5).
std::uint16_t Marks::syn_flags(bool again) {
    if (out_.accurate == none && !again && host_.settings.accecn == 2 &&
        host_.accurate_cache.may_ask(path().hash, cold_.opened_at))
        lend_accurate();
    if (out_.accurate != none) return cold_.timeouts < tries ? wire::ace_bits : std::uint16_t{0};
    in_.flags.ecn_asked = host_.settings.ecn == 1 && !again;  // RFC 3168, section 6.1.1.1
    return in_.flags.ecn_asked ? std::uint16_t(wire::ece | wire::cwr) : std::uint16_t{0};
}

// The flags of a SYN,ACK that this connection sends itself: after Fast Open, or a simultaneous one.
std::uint16_t Marks::syn_ack_flags(wire::TcpOptions& options) {
    if (in_.flags.ecn) return wire::ece;
    if (out_.accurate == none) return 0;
    Accurate& state = accurate();
    if (cold_.timeouts >= tries) state.plain = true;
    if (cold_.timeouts > 0) state.silent = true;
    else offer_counters(state, options);
    return cold_.timeouts >= tries ? std::uint16_t{0} : handshake_flags(Ecn(state.handshake));
}

// SYN-SENT: table 2. True: the SYN that was answered came marked.
bool Marks::negotiate_ecn(const Segment& segment, Instant now) {
    if (!segment.ack_set()) {  // simultaneous open: as who is asked
        give_back_accurate();
        if (host_.settings.accecn != 0 && asks_accurate(segment.flags)) {
            lend_accurate();
            accurate().handshake = unsigned(segment.ecn) & 3;
            ++host_.statistics.accurate_flows;
        } else {
            in_.flags.ecn = host_.settings.ecn != 0 && (ace_of(segment.flags) & 0b011) == 0b011;
        }
        return false;
    }
    const unsigned said = ace_of(segment.flags);
    if (out_.accurate == none) {
        in_.flags.ecn = in_.flags.ecn_asked && said == 0b001;
        return false;
    }
    const auto arrived_with = handshake_codepoint(said);
    host_.accurate_cache.note(path().hash, arrived_with || cold_.timeouts < tries, now);
    if (!arrived_with && said != 0b101) {  // 0b101 is reserved, and agrees (section 3.1.3)
        give_back_accurate();
        in_.flags.ecn = said == 0b001;
        return false;
    }
    Accurate& state = accurate();
    ++host_.statistics.accurate_flows;
    state.handshake = unsigned(segment.ecn) & 3;
    state.owes_handshake = true;
    state.wanted = 2;  // the acknowledgement, and the first text (section 3.2.3.2.1)
    if (segment.ecn == Ecn::congestion_experienced) state.r_cep = first_cep + 1;
    count_text(segment);
    if (arrived_with.value_or(Ecn::not_capable) != Ecn::not_capable) stop_ect();  // our SYNs are not ECN-capable (3.2.2.3)
    hear_first_option(segment);
    return arrived_with == Ecn::congestion_experienced;
}

// Passive OPEN: the half-open record was negotiated by Listener's side (handshake.cc).
void Marks::adopt_accurate(const HalfOpen& half) {
    in_.flags.ecn = half.ecn;
    if (!half.accurate) return;
    lend_accurate();
    Accurate& state = accurate();
    state.handshake = half.came_with & 3u;
    state.plain = half.plain;
    state.silent = half.without_option;
    ++host_.statistics.accurate_flows;
}

// Sections 3.2.3.2.3 and 3.2.3.2.4: do the peer's options come through, and as they were written?
void Marks::hear_first_option(const Segment& segment) {
    Accurate& state = accurate();
    const wire::AccurateEcn* option = segment.options && segment.options->accurate ? &*segment.options->accurate : nullptr;
    if (!option) return;
    state.optional = true;
    for (std::size_t at = 0; at < option->fields; at += 2)  // EE0B and EE1B
        if (option->counters[at] == 0) state.zeroed = true;
}

// The peer's SYN or SYN,ACK once more: the latest one counts (section 3.1.5), a mark on it but once (section 3.2.2.2).
void Marks::hear_handshake_again(const Segment& segment, bool answered) {
    if (out_.accurate == none || !segment.syn() || segment.seq != cold_.irs) return;
    Accurate& state = accurate();
    state.handshake = unsigned(segment.ecn) & 3;
    if (!segment.ack_set()) return;
    if (segment.ecn == Ecn::congestion_experienced && state.r_cep == first_cep) state.r_cep = first_cep + 1;
    if (answered && handshake_codepoint(ace_of(segment.flags))) state.owes_handshake = true;
}

// SYN-RECEIVED: table 4, of a pure acknowledgement. True: our SYN,ACK came marked.
bool Marks::hear_handshake_end(const Segment& segment) {
    hear_first_option(segment);
    if (segment.sequence_length() != 0 || segment.sack_count != 0 || (segment.flags & was_syn) != 0) return false;
    Accurate& state = accurate();
    const unsigned said = ace_of(segment.flags);
    if (said == 0) {  // note 1
        state.deaf = state.checked = true;
        stop_ect();
        return false;
    }
    const auto arrived_with = handshake_codepoint(said);
    if (arrived_with.value_or(Ecn::not_capable) != Ecn::not_capable) stop_ect();  // our SYN,ACKs are not ECN-capable
    if (arrived_with != Ecn::congestion_experienced) return false;
    state.s_cep = first_cep + 1;
    return true;
}

// Something on the way does to the two bits what nobody may: no packet is sent ECN-capable any more. What comes is told as before.
void Marks::stop_ect() {
    if (accurate().plain) return;
    accurate().plain = true;
    ++host_.statistics.ecn_mangled;
}

// The handshake itself was marked: the window that it began with was too wide (sections 3.2.2.2 and 3.1.5).
void Connection::answer_handshake_mark(Instant now) {
    ++host_.statistics.ecn_cuts;
    hear_congestion(WEFT_CONGESTION_ECN, 0, out_.steering.cwnd, now);
}

// Section 3.2, the receiver: a packet that is acceptable, and whether it is to be acknowledged at once (section 3.2.2.5.1).
bool Marks::count_packet(const Segment& arrived) {
    Accurate& state = accurate();
    const bool marked = arrived.ecn == Ecn::congestion_experienced, text = arrived.length > 0;
    if (text) {
        if (!state.repeated) state.repeats = 0;
        state.repeated = state.offered = false;
    }
    bool at_once = false;
    if (marked) {
        state.r_cep += arrived.count;
        saturating_add(state.unsaid, arrived.count);
        host_.statistics.ecn_marks_in += arrived.count;
        const bool changed = text && Ecn(state.last) != Ecn::congestion_experienced;
        at_once = changed || state.unsaid >= (text || in_.owed > 0 ? 2u : 3u);
    }
    count_text(arrived);
    state.last = unsigned(arrived.ecn) & 3;
    return at_once;
}

void Marks::count_text(const Segment& arrived) {
    if (arrived.length == 0 || arrived.ecn == Ecn::not_capable) return;
    Accurate& state = accurate();
    const Accurate::Field field = arrived.ecn == Ecn::ect0   ? Accurate::ect0
                                  : arrived.ecn == Ecn::ect1 ? Accurate::ect1
                                                             : Accurate::ce;
    state.received[field] += arrived.length;
    state.ever = (state.ever | bit(field)) & 7;
    state.fresh = (state.fresh | bit(field)) & 7;
}

// Text came again whose acknowledgement carried an option. If that goes on, it may be the option that loses acknowledgements
// (section 3.2.3.2.2).
void Marks::hear_repeat() {
    Accurate& state = accurate();
    if (!state.offered || state.repeated) return;
    state.repeated = true;
    if (state.repeats < 3) state.repeats = (state.repeats + 1) & 3;
    if (state.repeats == 3) state.silent = true;
}

// The counter, or the code of the handshake, and the option of a pure acknowledgement.
std::uint16_t Marks::accurate_ack(wire::TcpOptions& said) {
    Accurate& state = accurate();
    if (!state.silent && (state.fresh != 0 || state.wanted != 0)) offer_counters(state, said);
    if (said.accurate) note_offered();
    const bool handshake = state.owes_handshake && said.sack_count == 0;
    state.owes_handshake = false;
    return handshake ? handshake_flags(Ecn(state.handshake)) : flags_of_ace(state.r_cep);
}

void Marks::note_offered() {
    Accurate& state = accurate();
    state.fresh = 0;
    state.offered = true;
    if (state.wanted > 0) state.wanted = (state.wanted - 1) & 3;
}

// The same of text. Full segments have no room for the option until marks make it worth some; what is sent again has none, for it
// may have been lost for it. New text alone is ECN-capable (RFC 3168, sections 6.1.4 to 6.1.6). True: segments are to be smaller.
bool Marks::accurate_text(Transmit& frame, const Span& span, std::uint16_t& flags, wire::TcpOptions& said) {
    Accurate& state = accurate();
    frame.accurate_ecn = true;
    flags |= flags_of_ace(state.r_cep);
    if (may_be_marked(span) && !state.plain) frame.ecn = Ecn::ect0;
    if (before(span.seq, out_.snd_max)) {
        if (span.seq == cold_.iss + 1 && state.wanted == 0 && cold_.listener == Handle<Listener>{}) state.silent = true;
        return false;
    }
    if (state.silent || (state.fresh == 0 && state.wanted == 0)) return false;
    wire::TcpOptions with = said;
    offer_counters(state, with);
    if (!with.accurate) return false;
    const auto size = std::uint32_t(with.accurate->size());
    if (std::min<std::uint32_t>(span.length, in_.mss) + size > std::uint32_t{in_.mss} + state.room) {
        if ((state.fresh & bit(Accurate::ce)) == 0 || size <= state.room) return false;
        state.room = std::uint8_t(size);
        return true;
    }
    said = with;
    note_offered();
    return false;
}

// Section 3.2.2.2, the sender: does this acknowledgement say anything newer than those before it? (appendix A.1)
bool Connection::says_more(const Segment& segment) const {
    if (before(segment.ack, out_.snd_una)) return false;
    if (before(out_.snd_una, segment.ack) || newer_) return true;
    if (segment.length > 0 && segment.seq == in_.rcv_nxt) return true;
    if (segment.sack_count == 0 || !in_.flags.sack) return false;
    if (out_.scoreboard == none) return speaks_beyond(segment);
    for (std::size_t i = 0; i < segment.sack_count; ++i)
        if (sound_block(segment.options->sack[i], out_.snd_una) && before(board().rack.fack, segment.options->sack[i].right))
            return true;
    return false;
}

// newlyAckedB of appendix A.1. What was SACKed before is looked for only where it makes a difference.
std::uint32_t Marks::newly_acknowledged(SeqNum ack) const {
    std::uint32_t bytes = ack - out_.snd_una;
    if (out_.scoreboard == none || bytes < ace_cycle * in_.mss) return bytes;
    for (std::uint32_t at = tcb_.rate.oldest; at != none && at_or_before(host_.sent[at].end, ack);
         at = host_.sent[at].line.next)
        if (host_.sent[at].fate == Fate::sacked) bytes -= std::min(bytes, host_.sent[at].length());
    return bytes;
}

// Section 3.2.3.1: the bytes that the option says were marked since the last one; none: there is no option to believe.
std::optional<std::uint32_t> Marks::hear_option(const Segment& segment) {
    Accurate& state = accurate();
    if (!segment.options || !segment.options->accurate || state.zeroed) return std::nullopt;
    const wire::AccurateEcn& option = *segment.options->accurate;
    state.optional = true;
    std::uint32_t marked = 0;
    for (std::size_t field = 0; field < 3; ++field) {
        const std::size_t at = place_of(field, option.ect1_first);
        if (at >= option.fields) continue;  // it did not grow
        const std::uint32_t step = option_step(option.counters[at], state.told[field]);
        state.told[field] += step;
        if (field == Accurate::ce) marked = step;
    }
    return marked;
}

// Sections 3.2.2.2 to 3.2.2.5.2: what the counter says, as safely as appendix A.2 has it, and what becomes of it.
void Connection::hear_accurate(const Segment& segment, Instant now) {
    Accurate& state = accurate();
    if ((segment.flags & was_syn) != 0 || !says_more(segment)) return;
    const unsigned said = ace_of(segment.flags);
    const std::uint32_t bytes = newly_acknowledged(segment.ack), segments = bytes / in_.mss;
    if (!state.checked && said == 0 && bytes < 3u * in_.mss) {  // section 3.2.2.4; three marks more and it might be right
        state.deaf = true;
        stop_ect();
    }
    state.checked = true;
    // Of our SYN alone: perhaps the handshake's code once more (section 3.2.2.2), and nothing of ours could be marked.
    if (state.deaf || segment.ack == cold_.iss + 1) return;
    const std::uint32_t least = least_marks(said, state.s_cep);
    const auto by_bytes = hear_option(segment);
    std::uint32_t marks = least;
    if (by_bytes) {  // what acknowledgements without one left open, it settles
        const std::uint32_t so_far = state.marks_since + least;
        const std::uint32_t safer = safer_marks(so_far, state.segments_since + segments);
        marks = marks_by_bytes(so_far, safer, *by_bytes, in_.mss) - state.marks_since;
        const bool contradicts = *by_bytes >= in_.mss && so_far == 0 && state.segments_since + segments < ace_cycle;
        if (contradicts) stop_ect();  // section 3.2.3.2.5
        state.marks_since = state.segments_since = 0;
    } else {
        if (!state.optional || state.zeroed) marks = state.stretch >= long_stretch ? least : safer_marks(least, segments);
        saturating_add(state.marks_since, marks);
        saturating_add(state.segments_since, segments);
    }
    if (segments > 0)
        state.stretch = std::uint16_t(state.stretch - state.stretch / 8 + std::min<std::uint32_t>(segments, 255) * 2);
    watch_marks(marks, segments);
    const std::uint32_t marked = by_bytes.value_or(0);
    if ((marks == 0 && marked == 0) || state.deaf) return;
    state.s_cep += marks;
    host_.statistics.ecn_marks_told += marks;
    marked_ = marked > 0 ? marked : std::min(marks * in_.mss, std::max<std::uint32_t>(bytes, in_.mss));
    answer_marks(segment, now);
}

// In all: as the options count, or by packets where none comes through (appendix A.3).
std::uint32_t Marks::marked_bytes() const {
    const Accurate& state = accurate();
    return state.optional && !state.zeroed ? state.told[Accurate::ce] - first_ceb : (state.s_cep - first_cep) * in_.mss;
}

// Section 3.2.2.3: marks on everything for some rounds are no sign of a queue.
void Marks::watch_marks(std::uint32_t marks, std::uint32_t segments) {
    Accurate& state = accurate();
    if (state.unmarked || segments == 0) return;
    state.unmarked = marks < segments;
    if (state.unmarked || tcb_.rate.round < watched_rounds) return;
    state.deaf = true;
    stop_ect();
}

}  // namespace weft::tcp
