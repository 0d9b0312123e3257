// An acknowledgement of a flow with SACK while something is amiss: blocks (RFC 2018; RFC 2883), what became of the records,
// fast recovery with proportional rate reduction (RFC 6675, section 5; RFC 9937), and episodes that were none: F-RTO (RFC 5682),
// timestamps and duplicate SACKs (RFC 3522; RFC 3708), answered as RFC 4015 says.
#include <algorithm>

#include "stack/tcp/congestion/newreno.h"
#include "stack/tcp/connection.h"
#include "stack/tcp/rtt.h"
#include "stack/tcp/window.h"

namespace weft::tcp {

void Connection::lend_scoreboard(Instant now) {
    if (out_.scoreboard != none) return;
    out_.scoreboard = host_.scoreboards.lend();
    Scoreboard& fresh = board() = {};
    fresh.rack.fack = out_.snd_una;
    fresh.edge = out_.snd_una;
    fresh.calm_at = out_.snd_una;
    const bool running = tcb_.deadlines.loss != Instant::never(), own = !in_.flags.tail_armed && !in_.flags.probing;
    fresh.rto_at = running && own ? tcb_.deadlines.loss
                                  : (running ? tcb_.deadlines.progress_at : now) + backed_off(tcb_.timing.rto, out_.backoff);
    fresh.sampled_round =
        tcb_.rate.round - 1;  // what was being timed is forgotten: a flow in which much is reordered has one at least
    in_.flags.timing = false;  // from here on records are sampled
    records().begin_order();
}

void Connection::end_scoreboard() {
    in_.flags.recovering = in_.flags.resend = in_.flags.reorder_armed = false;
    host_.scoreboards.give_back(std::exchange(out_.scoreboard, none));
}

void Connection::arrive_selective(const Segment& segment, Instant now) {
    note_app_limit();
    News news;
    news.prior_in_flight = in_flight();
    news.prior_una = out_.snd_una;
    news.advanced = before(out_.snd_una, segment.ack);
    if (tells_duplicate(segment, news)) adapt_reordering(true, false);
    if (speaks_beyond(segment)) lend_scoreboard(now);
    const bool fin_acked = news.advanced && pass(segment.ack, now);
    take_delivered(segment, news, now);
    const RateSample sample = rate_sample(news.any ? &news.last : nullptr, news.text, now);
    sample_selected(segment, sample, news, now);
    if (out_.scoreboard != none) {
        judge_episode(segment, news, now);
        if (const std::uint32_t lost = detect_losses(now)) react_to_losses(lost, news, now);
    }
    answer_to_probe(segment, news, now);
    if (news.delivered > 0 || news.lost > 0)
        hear_ack(sample, news.text, news.lost, news.prior_in_flight, news.advanced || in_.flags.reordering, now);
    if (out_.scoreboard != none) move_on(news, now);
    settle_timers(news, now);
    if (news.advanced) settle_acknowledged(fin_acked, segment, now);
    else if (queued() > 0 || in_.flags.fin_wanted) want_output();
}

// RFC 2883, section 4: the first block tells of a duplicate if it lies below the acknowledgement or within the second one.
bool Connection::tells_duplicate(const Segment& segment, News& news) const {
    if (segment.sack_count == 0) return false;
    const wire::SackBlock& first = segment.options->sack[0];
    if (!before(first.left, first.right)) return false;
    const bool below = at_or_before(first.right, segment.ack) &&
                       at_or_before(segment.ack - (out_.snd_nxt - out_.snd_una) - out_.max_snd_wnd, first.left);
    const wire::SackBlock& second = segment.options->sack[1];
    const bool within = segment.sack_count > 1 && at_or_before(second.left, first.left) &&
                        at_or_before(first.right, second.right) && before(segment.ack, first.left);
    news.dsack = below || within;
    news.duplicate = first;
    return news.dsack;
}

// A block that may mark something. What lies outside of what was sent, or is turned round, is a lie or very old.
bool Connection::sound_block(const wire::SackBlock& block, SeqNum una) const {
    return before(block.left, block.right) && before(una, block.right) && at_or_before(block.right, out_.snd_nxt) &&
           at_or_before(out_.snd_una - out_.max_snd_wnd, block.left) && before(block.left, out_.snd_nxt);
}

bool Connection::speaks_beyond(const Segment& segment) const {
    for (std::size_t i = 0; i < segment.sack_count; ++i)
        if (sound_block(segment.options->sack[i], later(out_.snd_una, segment.ack))) return true;
    return false;
}

// Records that the acknowledgement covers, then those that its blocks name, lower ones first: what comes behind something that
// was sent later was reordered (RFC 8985, section 6.2, step 3), unless one acknowledgement told both.
void Connection::take_delivered(const Segment& segment, News& news, Instant now) {
    Flight flight = records();
    std::optional<std::uint32_t> echo;
    const auto delivered = [&](const SentRecord& record, SeqNum end) {
        const std::uint32_t length = end - record.begin;
        news.delivered += length;
        news.text += length - (fin_sent() && end == out_.snd_max ? 1u : 0u);
        if (!record.again && at_or_before(end, tcb_.recovery.point)) news.original = true;
        if (sampled(record)) {
            news.last = record;
            news.any = true;
        }
        if (out_.scoreboard != none) update_rack(record, end, echo, now);
    };
    // A block's segment did not move the peer's TS.Recent: the echo says nothing of it (RFC 7323, section 4.3).
    if (segment.timestamps && in_.flags.timestamps) echo = segment.ts_echo;
    if (news.advanced) flight.acknowledge(out_.snd_una, delivered);
    news.acked = news.delivered;
    echo.reset();
    if (out_.scoreboard == none || segment.sack_count == 0) return;
    std::array<wire::SackBlock, 4> blocks;
    std::size_t count = 0;
    for (std::size_t i = 0; i < segment.sack_count; ++i) {
        wire::SackBlock block = segment.options->sack[i];
        if (!sound_block(block, out_.snd_una)) continue;
        block.left = later(block.left, out_.snd_una);
        std::size_t at = count++;
        for (; at > 0 && before(block.left, blocks[at - 1].left); --at) blocks[at] = blocks[at - 1];
        blocks[at] = block;
    }
    std::size_t told = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const wire::SackBlock block = untold(blocks[i]);
        if (!before(block.left, block.right) || flight.select(block, delivered)) blocks[told++] = blocks[i];
    }
    board().told_count = std::uint8_t(told);
    std::copy_n(blocks.begin(), told, board().told.begin());
}

// What of a block the acknowledgement before did not say.
wire::SackBlock Connection::untold(wire::SackBlock block) const {
    const Scoreboard& known = board();
    for (std::size_t i = 0; i < known.told_count; ++i) {
        const wire::SackBlock& old = known.told[i];
        const bool from_left = at_or_before(old.left, block.left) && before(block.left, old.right);
        if (from_left) block.left = old.right;
        else if (before(block.left, old.left) && before(old.left, block.right) && at_or_before(block.right, old.right))
            block.right = old.left;
        if (!before(block.left, block.right)) break;
    }
    return block;
}

// One round-trip time a round, of a record that was sent once; after a timeout also by timestamps (RFC 7323, section 4.1): not
// beside what tells of a duplicate, whose echo is that of the first; a peer that tells of none (RFC 2883) is believed.
void Connection::sample_selected(const Segment& segment, const RateSample& sample, const News& news, Instant now) {
    if (out_.scoreboard != none && sample.rtt_valid && board().sampled_round != tcb_.rate.round) {
        sample_round_trip(tcb_.timing, sample.rtt, host_.settings.minimum_rto, host_.look().rto_above_srtt);
        out_.backoff = 0;
        board().sampled_round = tcb_.rate.round;
    } else if (news.advanced && !news.dsack) {
        this->sample(segment, longest_echo, now);
    }
}

// Was the episode needed at all?
void Connection::judge_episode(const Segment& segment, const News& news, Instant now) {
    Scoreboard& known = board();
    Scoreboard::Undo& undo = known.undo;
    if (undo.pipe > 0 && undo.any) {
        if (news.dsack) {
            const bool of_it = !before(news.duplicate.left, undo.begin) && at_or_before(news.duplicate.right, undo.end);
            const std::uint32_t length = news.duplicate.right - news.duplicate.left;
            if (of_it) undo.resent -= std::min(undo.resent, length);
            if (of_it && undo.resent == 0) return undo_episode(news, now);  // RFC 3708: all of it was a duplicate
        }
        const bool early = segment.timestamps && undo.stamped && std::int32_t(segment.ts_echo - undo.stamp) < 0;
        if (news.advanced && early && at_or_before(undo.first, out_.snd_una) && before(news.prior_una, undo.first))
            return undo_episode(news, now);  // RFC 3522: it answers what was sent first
    }
    if (known.frto == Scoreboard::Frto::none) return;
    if (known.frto == Scoreboard::Frto::new_sent) {  // RFC 5682, section 3, step 3
        known.frto = Scoreboard::Frto::none;
        if (news.original) undo_episode(news, now);
        return;
    }
    const bool more = news.advanced && before(out_.snd_una, tcb_.recovery.point) && before(out_.snd_nxt, end_of_text()) &&
                      usable(out_.snd_una, out_.snd_nxt, out_.snd_wnd) >= in_.mss;
    known.frto = more ? Scoreboard::Frto::new_sent : Scoreboard::Frto::none;  // step 2
    known.frto_credit = more ? 2u * in_.mss : 0;
}

// RFC 4015, sections 3.2 to 3.4: the window goes back to slow start below what the path carried before, without a burst.
void Connection::undo_episode(const News& news, Instant now) {
    Scoreboard& known = board();
    const Scoreboard::Undo undo = std::exchange(known.undo, {});
    known.after_timeout = false;
    known.frto = Scoreboard::Frto::none;
    in_.flags.recovering = in_.flags.resend = false;
    records().find_all();
    ++host_.statistics.spurious_recoveries;
    const auto window =
        std::uint32_t(in_flight() + std::min<std::uint64_t>(news.delivered, NewReno::initial_window(in_.mss)));
    out_.steering.cwnd = std::min(std::max({out_.steering.cwnd, window, std::uint32_t{in_.mss}}), Steering::cap);
    out_.steering.ssthresh = std::min(std::max(out_.steering.ssthresh, undo.pipe), Steering::cap);
    if (undo.timeout) {
        Tcb::Timing& timing = tcb_.timing;
        timing.srtt = std::max(timing.srtt, undo.srtt + clock_granularity * 2);
        timing.rttvar = std::max(timing.rttvar, undo.rttvar);
        timing.rto = std::clamp(timing.srtt + std::max(clock_granularity, timing.rttvar * 4), host_.settings.minimum_rto,
                                maximum_rto);
        out_.backoff = 0;
    }
    known.calm_at = out_.snd_nxt;
    hear_congestion(WEFT_CONGESTION_SPURIOUS, 0, in_flight(), now);
    want_output();
}

// FlightSize of RFC 5681, without what limited transmit let out, and before what this acknowledgement says.
std::uint32_t Connection::flight_before(const News& news) const {
    const std::uint32_t all = flight() + news.acked;
    return std::max(news.prior_in_flight, all - std::min(all, board().limited));
}

void Connection::react_to_losses(std::uint32_t lost, News& news, Instant now) {
    news.lost = lost;
    want_output();
    if (in_.flags.recovering || board().after_timeout) {
        tcb_.rate.lost += lost;
        return;
    }
    begin_undo(flight_before(news), false);
    in_.flags.recovering = in_.flags.resend = true;
    tcb_.recovery.point = out_.snd_nxt;
    board().rescued = false;
    const std::uint32_t selected = news.delivered - news.acked;
    board().prr = {flight() - board().sacked + selected + news.acked, 0, 0};
    hear_congestion(WEFT_CONGESTION_LOSS, lost, flight_before(news), now);
}

void Connection::begin_undo(std::uint32_t prior, bool timeout) {
    board().undo = {.pipe = std::max(prior, out_.steering.ssthresh),
                    .begin = out_.snd_una,
                    .end = out_.snd_nxt,
                    .srtt = tcb_.timing.srtt,
                    .rttvar = tcb_.timing.rttvar,
                    .timeout = timeout};
}

// Recovery ends, or goes on at the rate of what is delivered.
void Connection::move_on(const News& news, Instant now) {
    Scoreboard& known = board();
    const bool over = !before(out_.snd_una, tcb_.recovery.point);
    if (known.after_timeout && over) {
        known.after_timeout = false;
        known.frto = Scoreboard::Frto::none;
        known.calm_at = out_.snd_nxt;
        adapt_reordering(false, true);
    }
    if (known.sacked == 0) known.limited = 0;
    if (in_.flags.recovering && over) return end_recovery(now);
    if (in_.flags.recovering) reduce(news);
}

void Connection::end_recovery(Instant now) {
    in_.flags.recovering = in_.flags.resend = false;
    board().calm_at = out_.snd_nxt;
    adapt_reordering(false, true);
    hear_congestion(WEFT_CONGESTION_RECOVERED, 0, in_flight(), now);
    if (!has_own_recovery()) out_.steering.cwnd = std::max<std::uint32_t>(out_.steering.ssthresh, in_.mss);
    want_output();
}

bool Connection::has_own_recovery() const {
    return (host_.modules.table(congestion_slot()).flags & WEFT_CC_OWN_RECOVERY) != 0;
}

// RFC 9937, section 6: the window is what is in flight and what may follow for what was delivered.
void Connection::reduce(const News& news) {
    if (has_own_recovery()) return;
    Scoreboard::Prr& prr = board().prr;
    const std::int64_t pipe = in_flight(), ssthresh = out_.steering.ssthresh, mss = in_.mss;
    prr.delivered += news.delivered;
    std::int64_t send = 0;
    if (pipe > ssthresh) {
        const std::int64_t from = std::max<std::int64_t>(prr.recover_fs, 1);
        send = (std::int64_t{prr.delivered} * ssthresh + from - 1) / from - prr.out;
    } else {
        send = std::max<std::int64_t>(std::int64_t{prr.delivered} - prr.out, news.delivered);
        if (news.advanced && news.lost == 0) send += mss;  // SafeACK
        send = std::min(ssthresh - pipe, send);
    }
    if (prr.out == 0 && send <= 0) send = mss;
    out_.steering.cwnd = std::uint32_t(std::clamp<std::int64_t>(pipe + std::max<std::int64_t>(send, 0), mss, Steering::cap));
    want_output();
}

}  // namespace weft::tcp
