// Roaming: a new source becomes the way only after it and the old one were both challenged (docs/wire.md). Between label paths the
// end with the lower address leads: the other one comes to the path that it hears the leader on.
#include "overlay/frames.h"
#include "overlay/links_state.h"

namespace weft::overlay {

// An authentic packet, the highest so far, came from somewhere else.
void Links::State::consider(Peer& peer, const Way& from, std::size_t bytes, Instant now) {
    Roaming& roaming = peer.roaming;
    // A way that lives is not left for a label path, but by who follows.
    if (from.labelled() && !peer.suspect && (!peer.way.labelled() || leads(peer))) return;
    if (!from.labelled() && peer.way.endpoint.port == 0 && !may_link(&peer)) return;  // it would become a neighbour
    if (roaming.active && from == roaming.candidate) {
        roaming.received += bytes;
        return;
    }
    // One that has not answered in the old endpoint's time gives way to the next.
    if (roaming.active && (roaming.answered || now < roaming.started + peer.silence())) return;
    // A candidate that lost against a living endpoint waits, unless that endpoint has fallen silent since.
    if (from == roaming.blocked && now < roaming.blocked_until && now - peer.way_heard < peer.silence()) return;
    roaming.active = true;
    roaming.answered = false;
    roaming.repeats = 0;
    roaming.candidate = from;
    roaming.started = now;
    roaming.received = bytes;
    roaming.sent = 0;
    entropy(roaming.to_new);
    entropy(roaming.to_old);
    challenge_both(peer, now);
    wake(peer, now + peer.silence() / 2);
}

void Links::State::challenge_both(Peer& peer, Instant now) {
    Roaming& roaming = peer.roaming;
    if (!peer.current || !may_seal(*peer.current, now)) return;
    const auto to_new = make_frame(FrameType::path_challenge, roaming.to_new);
    const std::size_t size = data_overhead + to_new.size();  // the same along a label path, but for what surrounds it
    if (roaming.sent + size <= 3 * roaming.received) {
        roaming.sent += size;
        send_frames(peer, *peer.current, to_new, roaming.candidate, Ecn::ect0, now);
    }
    if (!peer.way) return;
    const auto to_old = make_frame(FrameType::path_challenge, roaming.to_old);
    send_frames(peer, *peer.current, to_old, peer.way, Ecn::ect0, now);
}

// The old endpoint has max(200 ms, 3 srtt) to answer; only if it does not, the candidate's answer switches. That may come
// later: its round trip is not known yet, and both are asked again after half of that time, once, twice, four times it.
Instant Links::State::decide_roaming(Peer& peer, Instant now) {
    Roaming& roaming = peer.roaming;
    if (!roaming.active) return never;
    const Duration silence = peer.silence();
    const Instant end = roaming.started + silence, last = roaming.started + std::max(Roaming::patience, silence);
    if (roaming.answered && now >= end) {
        move_to(peer, roaming.candidate, now);
        return never;
    }
    if (now >= last) {
        roaming.active = false;
        return never;
    }
    const auto again = [&] { return roaming.started + silence / 2 * (std::int64_t{1} << roaming.repeats); };
    if (now >= again()) {
        while (now >= again()) ++roaming.repeats;
        challenge_both(peer, now);
    }
    return std::min({again(), last, roaming.answered ? end : last});
}

void Links::State::keep_way(Peer& peer, Instant now) {
    peer.way_heard = now;
    peer.roaming.active = false;
    peer.roaming.blocked = peer.roaming.candidate;
    peer.roaming.blocked_until = now + Duration::seconds(10);
}

void Links::State::move_to(Peer& peer, Way way, Instant now) {
    const bool moved = peer.current && peer.way != way;
    const Way old = std::exchange(peer.way, way);
    peer.roaming = {};
    peer.way_heard = now;
    peer.carries_ect = false;
    if (old.labelled() || way.labelled()) {  // the silence of one says nothing of the other
        peer.awaiting = never;
        if (old && way.labelled() && peer.suspect) {
            peer.roaming.blocked = old;
            peer.roaming.blocked_until = now + Duration::seconds(10);
        }
        wake(peer, now);
    }
    tell_switch(peer, now);
    if (moved) raise(LinkEvent::Kind::roamed, peer, now);
}

void Links::State::revive(Peer& peer, Instant now) {
    if (!peer.suspect) return;
    peer.suspect = false;
    if (peer.attempt && peer.attempt->for_silence) end_attempt(peer);
    raise(LinkEvent::Kind::recovered, peer, now);
    note_state(peer, now);
}

}  // namespace weft::overlay
