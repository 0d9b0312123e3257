// Delivery-rate samples, rounds and the application's limits (draft-ietf-ccwg-bbr, section 4.1), by super-segments: a record
// a transmission, in slabs, while it is in flight. Delivered is what SND.UNA passes and what SACK blocks name.
#include "stack/tcp/rate.h"

#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {
namespace {

// Records a connection, at most: who sends single bytes to a window of a gigabyte has them joined, and coarser samples.
constexpr std::uint32_t most_records = Flight::most_records;

}  // namespace

// How things stand as something leaves (section 4.1.2.2).
void Connection::stamp(SentRecord& record, bool again, Instant now) const {
    const Tcb::Rate& rate = tcb_.rate;
    record.sent_at = now;
    record.delivered_at = rate.delivered_at;
    record.first_sent_at = rate.first_sent_at;
    record.delivered = rate.delivered;
    record.lost = rate.lost;
    record.in_flight = in_flight();
    record.app_limited = rate.limited_until != 0;
    record.again = again;
}

// Section 4.1.2.2. Without a scoreboard a retransmission begins at SND.UNA and takes the place of what it sends again.
void Connection::record_sent(const Span& span, bool again, Instant now) {
    Tcb::Rate& rate = tcb_.rate;
    if (resent_ != none) return stamp(host_.sent[resent_], true, now);
    const SeqNum end = span.seq + span.length + (span.fin ? 1u : 0u);
    if (rate.oldest == none) rate.first_sent_at = rate.delivered_at = now;
    const bool in_front = rate.oldest != none && span.seq != host_.sent[rate.newest].end;
    if (in_front) drop_records(end);
    if (in_front && rate.oldest != none) {
        const std::uint32_t index = host_.sent.lend();
        SentRecord& record = host_.sent[index];
        record = {span.seq, end};
        stamp(record, again, now);
        record.line.next = rate.oldest;
        host_.sent[rate.oldest].line.previous = index;
        rate.oldest = index;
        ++rate.records;
        return;
    }
    if (rate.newest != none) {
        SentRecord& newest = host_.sent[rate.newest];
        const bool alike = newest.sent_at == now && newest.again == again &&
                           newest.app_limited == (rate.limited_until != 0) && newest.delivered == rate.delivered &&
                           newest.fate == Fate::out;
        if (alike) {
            newest.end = end;
            newest.in_flight = in_flight();
            return;
        }
        if (rate.records >= most_records && newest.fate == Fate::out) {  // it left now, as the rest of it did before
            newest.end = end;
            stamp(newest, newest.again || again, now);
            newest.joined = true;
            return records().leave_last(rate.newest);
        }
    }
    stamp(records().append(span.seq, end), again, now);
}

// Records up to `end`, and what one that reaches beyond it has in front of it.
void Connection::drop_records(SeqNum end) {
    records().acknowledge(end, [](const SentRecord&, SeqNum) {});
}

void Connection::forget_sent() {
    if (tcb_.rate.oldest != none) records().clear();
    if (out_.scoreboard != none) end_scoreboard();
}

// Section 4.1.2.3: of all that an acknowledgement delivers the one counts that left last.
bool Connection::sampled(const SentRecord& record) {
    if (record.sent_at < tcb_.rate.first_sent_at) return false;  // something newer is acknowledged already
    tcb_.rate.first_sent_at = record.sent_at;
    return true;
}

// Sections 4.1.2.3 and 5.5.1: SND.UNA passed `text` more bytes.
RateSample Connection::take_rate_sample(std::uint32_t text, Instant now) {
    SentRecord last;
    bool any = false;
    records().acknowledge(out_.snd_una, [&](const SentRecord& record, SeqNum) {
        if (!sampled(record)) return;
        last = record;
        any = true;
    });
    return rate_sample(any ? &last : nullptr, text, now);
}

RateSample Connection::rate_sample(const SentRecord* last, std::uint32_t text, Instant now) {
    Tcb::Rate& rate = tcb_.rate;
    RateSample sample;
    rate.delivered += text;
    if (text > 0 || last) rate.delivered_at = now;
    if (last) {
        sample.rtt_valid = !last->again && !last->joined;
        sample.rtt = now - last->sent_at;
        if (sample.rtt_valid && sample.rtt > Duration{} && sample.rtt < tcb_.timing.min_rtt)
            tcb_.timing.min_rtt = sample.rtt;
        sample.interval = std::max(last->sent_at - last->first_sent_at, now - last->delivered_at);
        sample.delivered = rate.delivered - last->delivered;
        sample.lost = rate.lost - last->lost;
        sample.in_flight = last->in_flight;
        sample.app_limited = last->app_limited;
        // Faster than the path ever was is a burst of acknowledgements, or an order that retransmission made.
        sample.rate_valid = sample.interval > Duration{} && sample.interval >= tcb_.timing.min_rtt;
        if (last->delivered >= rate.round_end) {
            rate.round_end = rate.delivered;
            ++rate.round;
            sample.round_start = true;
        }
    }
    if (rate.delivered > rate.limited_until) rate.limited_until = 0;
    return sample;
}

// Section 4.1.2.4: asked before text is written, before an acknowledgement counts and before a timer sends again. What is in
// flight then, and what follows it until that is acknowledged, shows the application's pace and not the path's.
void Connection::note_app_limit() {
    const std::uint32_t unsent = queued() - text_in_flight();
    if (unsent >= in_.mss || in_.flags.resend || (in_flight() >= out_.steering.cwnd && !syn_unacknowledged())) return;
    if (out_.scoreboard != none && !board().lost.empty()) return;  // something waits to be sent again
    tcb_.rate.limited_until = std::max<std::uint64_t>(tcb_.rate.delivered + text_in_network(), 1);
}

}  // namespace weft::tcp
