// Delivery-rate samples, rounds and the application's limits (draft-ietf-ccwg-bbr, section 4.1), by super-segments: a record
// a transmission, in slabs, while it is in flight. Delivered is what SND.UNA passes, for there is no SACK yet.
#include "stack/tcp/rate.h"

#include <algorithm>

#include "stack/tcp/connection.h"

namespace weft::tcp {
namespace {

// Records a connection, at most: who sends single bytes to a window of a gigabyte has them joined, and coarser samples.
constexpr std::uint32_t most_records = 4'096;

}  // namespace

// Section 4.1.2.2. A retransmission begins at SND.UNA and takes the place of what it sends again.
void Connection::record_sent(const Span& span, bool again, Instant now) {
    Tcb::Rate& rate = tcb_.rate;
    const SeqNum end = span.seq + span.length + (span.fin ? 1u : 0u);
    if (rate.oldest == none) rate.first_sent_at = rate.delivered_at = now;
    const bool in_front = rate.oldest != none && span.seq != host_.sent[rate.newest].end;
    if (in_front) drop_records(end);
    SentRecord record{span.seq, end, now, rate.delivered_at, rate.first_sent_at, rate.delivered, rate.lost};
    record.in_flight = flight();
    record.app_limited = rate.limited_until != 0;
    record.again = again;
    if (in_front && rate.oldest != none) {
        record.next = rate.oldest;
        rate.oldest = host_.sent.lend();
        host_.sent[rate.oldest] = record;
        ++rate.records;
        return;
    }
    if (rate.newest != none) {
        SentRecord& newest = host_.sent[rate.newest];
        const bool alike = newest.sent_at == now && newest.again == again && newest.app_limited == record.app_limited &&
                           newest.delivered == record.delivered;
        if (alike || rate.records >= most_records) {
            newest.end = end;
            newest.in_flight = record.in_flight;
            return;
        }
    }
    const std::uint32_t index = host_.sent.lend();
    host_.sent[index] = record;
    (rate.newest == none ? rate.oldest : host_.sent[rate.newest].next) = index;
    rate.newest = index;
    ++rate.records;
}

// Records up to `end`, and what one that reaches beyond it has in front of it.
void Connection::drop_records(SeqNum end) {
    Tcb::Rate& rate = tcb_.rate;
    while (rate.oldest != none && before(host_.sent[rate.oldest].begin, end)) {
        SentRecord& record = host_.sent[rate.oldest];
        if (before(end, record.end)) {
            record.begin = end;
            return;
        }
        host_.sent.give_back(std::exchange(rate.oldest, record.next));
        --rate.records;
    }
    if (rate.oldest == none) rate.newest = none;
}

void Connection::forget_sent() {
    if (tcb_.rate.oldest != none) drop_records(host_.sent[tcb_.rate.newest].end);
}

// Sections 4.1.2.3 and 5.5.1: SND.UNA passed `text` more bytes. The sample is that of the transmission that left last.
RateSample Connection::take_rate_sample(std::uint32_t text, Instant now) {
    Tcb::Rate& rate = tcb_.rate;
    RateSample sample;
    rate.delivered += text;
    rate.delivered_at = now;
    const SentRecord* last = nullptr;
    for (std::uint32_t at = rate.oldest; at != none; at = host_.sent[at].next) {
        const SentRecord& record = host_.sent[at];
        if (!before(record.begin, out_.snd_una)) break;
        if (record.sent_at < rate.first_sent_at) continue;  // something newer is acknowledged already
        rate.first_sent_at = record.sent_at;
        last = &record;
    }
    if (last) {
        sample.rtt_valid = !last->again;
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
    drop_records(out_.snd_una);
    if (rate.delivered > rate.limited_until) rate.limited_until = 0;
    return sample;
}

// Section 4.1.2.4: asked before text is written, before an acknowledgement counts and before a timer sends again. What is in
// flight then, and what follows it until that is acknowledged, shows the application's pace and not the path's.
void Connection::note_app_limit() {
    const std::uint32_t unsent = queued() - text_in_flight();
    if (unsent >= in_.mss || in_.flags.resend || (flight() >= out_.steering.cwnd && !syn_unacknowledged())) return;
    tcb_.rate.limited_until = std::max<std::uint64_t>(tcb_.rate.delivered + text_in_flight(), 1);
}

}  // namespace weft::tcp
