// Everything that happens because time passed: repetitions, rekeys, liveness, keepalive (docs/wire.md).
#include "overlay/frames.h"
#include "overlay/links_state.h"

namespace weft::overlay {

Instant patient(Instant when) {
    constexpr std::int64_t tick = 500'000'000;
    return Instant::from_nanoseconds((when.nanoseconds() + tick - 1) / tick * tick);
}

void Links::State::advance(Instant now) {
    latest = now;
    wheel.advance(now, [&](std::uint32_t timer) {
        if (timer == global_timer) expire_half_open(now);
        else if (timer <= by_number.size() && by_number[timer - 1]) run_peer(*by_number[timer - 1], now);
    });
}

void Links::State::expire_half_open(Instant now) {
    while (const std::uint64_t id = half_open.expired(now)) {
        const HalfOpen& record = *half_open.find(id);
        const Way from = record.source;
        indices.erase(record.local_index);
        half_open.erase(id);
        if (LabelPath* path = from.labelled() ? find_label_path(from.path) : nullptr; path && !path->peer)
            forget_label_path(*path, true, now);   // SETUP came, FIN did not
    }
    wheel.arm(global_timer, half_open.deadline());
}

// Each part answers when it wants to run again; what happens in between wakes the peer itself.
void Links::State::run_peer(Peer& peer, Instant now) {
    peer.armed = never;
    Instant next = never;
    for (const auto part : {&State::retire_keys, &State::repeat_fins, &State::repeat_init, &State::watch_silence,
                            &State::decide_roaming, &State::send_report, &State::send_challenge, &State::send_keepalive,
                            &State::keep_paths, &State::rest, &State::begin_attempts})
        next = std::min(next, (this->*part)(peer, now));
    wake(peer, next);
}

Instant Links::State::repeat_init(Peer& peer, Instant now) {
    if (!peer.attempt) return never;
    Attempt& attempt = *peer.attempt;
    const Instant end = attempt.started + Attempt::lifetime;
    if (now >= end) {
        end_attempt(peer);
        note_state(peer, now);
        return never;
    }
    if (attempt.step == std::size(repetitions)) return end;
    // Counted from the last sending: the first repetition comes after 250 ms, the next one 500 ms later, and so on.
    const Duration wait = attempt.step == 0 ? repetitions[0] : repetitions[attempt.step] - repetitions[attempt.step - 1];
    if (now >= attempt.last_sent + wait) {
        ++attempt.step;
        send_init(peer, now);
        const bool lost = !peer.current || !peer.way;
        if (lost && fabric && wanted(peer, now) && now >= peer.search.not_before)
            open_path(peer, now);   // no endpoint answers
        return repeat_init(peer, now);
    }
    return std::min(end, attempt.last_sent + wait);
}

Instant Links::State::repeat_fins(Peer& peer, Instant now) {
    Instant next = never;
    for (std::size_t i = 0; i < peer.keyings.size(); ++i) {
        Keying& keying = *peer.keyings[i];
        if (!keying.waits()) continue;
        const Instant end = keying.fin_sent + Attempt::lifetime;
        if (now >= end) {
            keying.given_up = true;
            keying.fin = {};
            if (peer.current == &keying) lose(peer, Loss::keys_ended, now);
            else note_state(peer, now);
            return now;   // `keyings` may have changed
        }
        while (keying.fin_step < std::size(repetitions) && now >= keying.fin_sent + repetitions[keying.fin_step]) {
            ++keying.fin_step;
            send_fin(peer, keying, now);
        }
        const bool again = keying.fin_step < std::size(repetitions);
        next = std::min(next, again ? keying.fin_sent + repetitions[keying.fin_step] : end);
    }
    return next;
}

// A fresh INIT: for a configured peer without a channel, for keys that grow old, for a channel that fell silent.
Instant Links::State::begin_attempts(Peer& peer, Instant now) {
    if (peer.attempt) return never;
    bool silent = false;
    Instant due = never;
    if (!peer.current) {
        const bool endpoint = !peer.endpoints.empty() || peer.way;
        if ((peer.configured && endpoint) || !peer.waiting.empty() || (fabric && wanted(peer, now))) due = Instant{};
    } else {
        due = rekey_due(*peer.current);
        if (!peer.way) due = never;                                          // first a path (keep_paths)
        else if (peer.way.labelled() && !peer.endpoints.empty())
            due = std::min(due, peer.next_for_link);   // a link is better
        silent = peer.suspect && peer.probes >= 2 && peer.configured;   // the first probe went unanswered
        if (silent) due = Instant{};
    }
    // A FIN on its way is given a second before another handshake is begun beside it.
    for (const auto& keying : peer.keyings)
        if (keying->waits()) due = std::max(due, keying->fin_sent + Duration::seconds(1));
    if (due == never) return never;
    due = std::max(due, peer.next_attempt);
    if (now < due) return due;
    dial(peer, now, silent);
    return peer.attempt ? now + repetitions[0] : never;
}

// Old keys receive until 5 s after the first packet under the new ones and their own last one; all end with their time.
Instant Links::State::retire_keys(Peer& peer, Instant now) {
    Instant next = never;
    for (std::size_t i = 0; i < peer.keyings.size();) {
        Keying& keying = *peer.keyings[i];
        Instant end = key_end(keying);
        const bool superseded = peer.current && peer.current != &keying && keying.confirmed;
        if (superseded && peer.current->first_received != never)
            end = std::min(end, std::max(peer.current->first_received, keying.last_received) + Duration::seconds(5));
        if (now < end) {
            next = std::min(next, end);
            ++i;
            continue;
        }
        const bool in_use = peer.current == &keying;
        drop_keying(peer, keying);
        if (in_use) {
            lose(peer, Loss::keys_ended, now);
            i = 0;   // `keyings` may have changed
        }
    }
    return next;
}

// UP -sent NET, d of silence-> SUSPECT; probes d, 2d and 4d apart; DOWN 8d after the packet. Each step is counted from when
// the last one was made, so that a pause of this process does not pass for one of the peer.
Instant Links::State::watch_silence(Peer& peer, Instant now) {
    if (!peer.current || peer.awaiting == never) return never;
    if (now < peer.next_probe) return peer.next_probe;
    if (peer.probes == 3) {
        lose(peer, Loss::silent, now);
        return never;
    }
    if (!peer.suspect) {
        peer.suspect = true;
        raise(LinkEvent::Kind::suspect, peer, now);
        note_state(peer, now);
    }
    // A path is replaced when it falls silent, a link when its first probe was not answered.
    if (peer.probes == (peer.way.labelled() ? 0u : 1u) && wanted(peer, now)) open_path(peer, now);
    challenge(peer, now);
    peer.next_probe = now + peer.silence() * (1 << peer.probes);
    ++peer.probes;
    return peer.next_probe;
}

Instant Links::State::send_report(Peer& peer, Instant now) {
    if (peer.report_due == never || !peer.current || now < peer.report_due) return peer.current ? peer.report_due : never;
    peer.report_due = never;
    Keying& keying = *peer.current;
    if (!may_seal(keying, now)) return never;
    Block<12> body;
    store_little(&body[0], std::uint32_t(keying.window.next() - 1));
    store_little(&body[4], std::uint32_t(keying.received));
    store_little(&body[8], std::uint32_t(keying.ce_marks));
    send_frames(peer, keying, make_frame(FrameType::report, body), peer.way, Ecn::not_capable, now);
    return never;
}

void Links::State::challenge(Peer& peer, Instant now) {
    if (!peer.current || !may_seal(*peer.current, now)) return;
    Peer::Challenge& next = peer.challenges[peer.challenges_made++ % peer.challenges.size()];
    entropy(next.bytes);
    next.sent = now;
    send_frames(peer, *peer.current, make_frame(FrameType::path_challenge, next.bytes), peer.way, Ecn::ect0, now);
}

// One a second while the channel carries packets.
Instant Links::State::send_challenge(Peer& peer, Instant now) {
    if (peer.next_challenge == never || !peer.current) return never;
    if (now < peer.next_challenge) return peer.next_challenge;
    if (now - peer.last_used > Duration::seconds(1)) {
        peer.next_challenge = never;
        return never;
    }
    challenge(peer, now);
    peer.next_challenge = now + Duration::seconds(1);
    return peer.next_challenge;
}

// An empty packet when nothing was sent for a while, only through a NAT. If the peer challenges us right after it, the NAT
// had forgotten us and the peer saw a new source: wait less from now on. Else wait longer, up to two minutes.
Instant Links::State::send_keepalive(Peer& peer, Instant now) {
    if (!peer.behind_nat || !peer.current || peer.way.labelled() || !may_seal(*peer.current, now)) return never;
    const Instant due = patient(peer.last_sent + peer.keepalive);
    if (now < due) return due;
    if (peer.kept_alive != never) peer.keepalive = std::min(peer.keepalive * 3 / 2, peer.keepalive_cap);
    peer.kept_alive = now;
    send_frames(peer, *peer.current, {}, peer.way, Ecn::not_capable, now);
    return patient(now + peer.keepalive);
}

}  // namespace weft::overlay
