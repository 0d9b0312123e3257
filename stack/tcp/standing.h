// How one connection stands, for the length of a call: its records, and what they say at a glance. What it does is
// connection.h's.
#pragma once

#include <algorithm>
#include <cstdint>

#include "stack/tcp/host.h"

namespace weft::tcp {

// Of one SEND.
struct SendOptions {
    bool nodelay{false}, urgent{false}, more{false}, overflow{false}, held_back{false}, ends_record{false};
};

// Who looks at a connection's timers.
enum class Line : std::uint8_t { wheel, acks, losses };

class Standing {
protected:
    Standing(Host& host, std::uint32_t index)
        : host_{host}, index_{index}, tcb_{host.connections[index]}, cold_{host.cold[index]}, in_{tcb_.receiving},
          out_{tcb_.sending} {}

    // What one transmit carries.
    struct Span {
        SeqNum seq;
        std::uint32_t length{0};
        bool fin{false};
    };

    // What one acknowledgement says, or a timer, of a flow with SACK. Bytes are sequence numbers.
    struct News {
        SentRecord last;  // of all that was delivered the one that left last, if `any`
        std::uint32_t delivered{0}, acked{0};  // bytes: in all, and by SND.UNA
        std::uint32_t text{0}, lost{0};  // bytes: of text in `delivered`; given up because of it
        std::uint32_t prior_in_flight{0};
        SeqNum prior_una;
        wire::SackBlock duplicate;  // if `dsack`
        bool any{false}, advanced{false}, dsack{false};
        bool original{false};  // something up to the recovery point was delivered that was sent once
    };

    Host::Named name() const {
        const auto handle = host_.connections.handle(index_);
        return {handle.place, handle.generation};
    }

    // Congestion control steers; and when it wants its on_timer, as modules say it: 0 for never.
    bool module_began() const { return !syn_unacknowledged() && !ended(); }
    std::int64_t module_timer() const {
        const Instant timer = tcb_.deadlines.module;
        return timer == Instant::never() ? 0 : timer.nanoseconds();
    }

    // Where the stream begins and ends in sequence space.
    bool syn_unacknowledged() const { return in_.state == State::syn_sent || in_.state == State::syn_received; }
    // Passive, its SYN had text and a valid cookie, and the handshake is not through (RFC 7413, section 4.2.2).
    bool early() const {
        return in_.state == State::syn_received && in_.flags.fast_open && cold_.listener != Handle<Listener>{};
    }
    bool fin_sent() const {
        return in_.state == State::fin_wait_1 || in_.state == State::closing || in_.state == State::last_ack;
    }
    bool ended() const { return in_.state == State::closed || in_.state == State::time_wait; }
    std::uint32_t queued() const { return out_.queue == none ? 0 : host_.queues[out_.queue].size(); }
    std::uint32_t unread() const { return in_.queue == none ? 0 : host_.queues[in_.queue].size(); }
    SeqNum first_text() const { return out_.snd_una + (syn_unacknowledged() ? 1u : 0u); }
    SeqNum end_of_text() const { return first_text() + queued(); }
    std::uint32_t flight() const { return out_.snd_nxt - out_.snd_una; }
    Scoreboard& board() { return host_.scoreboards[out_.scoreboard]; }
    const Scoreboard& board() const { return host_.scoreboards[out_.scoreboard]; }
    Flight records() { return {host_.sent, tcb_.rate, out_.scoreboard == none ? nullptr : &board()}; }
    // What is in the network: `pipe` of RFC 6675 and RFC 9937.
    std::uint32_t in_flight() const {
        return out_.scoreboard == none ? flight() : flight() - board().sacked - board().given_up;
    }
    std::uint32_t text_in_network() const { return out_.scoreboard == none ? text_in_flight() : in_flight(); }
    std::uint32_t text_in_flight() const {
        if (syn_unacknowledged()) return 0;
        return flight() < queued() ? flight() : queued();
    }
    // The receive buffer, as far as the window field can say it (RFC 7323, section 2.2).
    std::uint32_t sayable() const {
        const std::uint32_t most = 65'535u << in_.rcv_shift;
        return in_.limit < most ? in_.limit : most;
    }
    Instant earliest_deadline() const {
        const Tcb::Deadlines& at = tcb_.deadlines;
        const Instant paced = in_.flags.paced ? at.pace : Instant::never();
        return std::min({at.loss, at.delayed_ack, at.user, at.module, at.keepalive, paced});
    }
    // timeouts.cc
    void arm(Instant when, Instant now);
    bool waits(Line line, Instant now);
    void arm_anew(Instant now) { arm(earliest_deadline(), now); }
    void leave_lines(bool acks, bool losses) {
        if (acks && in_.flags.in_ack_line) host_.ack_line.leave();
        if (losses && in_.flags.in_loss_line) host_.loss_line.leave();
        if (acks) in_.flags.in_ack_line = false;
        if (losses) in_.flags.in_loss_line = false;
    }
    std::uint32_t receive_window() const { return in_.rcv_adv - in_.rcv_nxt; }

    // Bytes that the congestion window lets out.
    std::uint32_t congestion_room() const {
        const std::uint32_t window = out_.steering.cwnd + tcb_.recovery.inflation, used = in_flight();
        return window > used ? window - used : 0;
    }
    // The peer's window, and nothing else, holds text back.
    bool held_by_window(std::uint32_t unsent) const {
        const std::uint32_t wanted = std::min<std::uint32_t>(unsent, in_.mss);
        return unsent > 0 && usable(out_.snd_una, out_.snd_nxt, out_.snd_wnd) < wanted && congestion_room() >= wanted;
    }
    // More than half of the window was in use in slow start, where the habit is to count that.
    bool used_half() const {
        return host_.look().grows_at_half && cold_.extra != none && out_.steering.cwnd < out_.steering.ssthresh &&
               out_.steering.cwnd < 2 * host_.extras[cold_.extra].most_out;
    }
    // Of `unsent` bytes those up to the end of the record that they begin in.
    std::uint32_t in_record(std::uint32_t unsent) const {
        if (cold_.extra == none) return unsent;
        for (const SeqNum end : host_.extras[cold_.extra].ends())
            if (before(out_.snd_nxt, end)) return std::min(unsent, end - out_.snd_nxt);
        return unsent;
    }
    bool ends_record(SeqNum at) const {
        return cold_.extra != none &&
               std::ranges::find(host_.extras[cold_.extra].ends(), at) != host_.extras[cold_.extra].ends().end();
    }
    void note_heard(Instant now) {
        if (in_.flags.hasty && now - tcb_.timing.heard_at >= host_.settings.delayed_ack) judge_delay(false);
        tcb_.timing.heard_at = now;
    }
    // A delay of an acknowledgement served if a second segment came, or text that took it along, before it was over; one in vain saved
    // nothing, and kept the peer waiting. Of those that go at once the same is known by when the next text comes or leaves.
    void judge_delay(bool served) {
        const auto most = std::uint8_t(2u * host_.settings.vain_delays);
        in_.vain = std::min(in_.vain, most);  // tuned down since
        in_.flags.hasty = false;
        if (served) in_.vain = std::uint8_t(in_.vain - (in_.vain > 0));
        else if (in_.vain < most) ++in_.vain;
    }
    // Where most would be in vain none is delayed (a SHOULD of RFC 5681, section 4.2, and RFC 9293, section 3.8.6.3).
    bool delays_in_vain() const {
        const std::uint8_t enough = host_.settings.vain_delays;
        return enough != 0 && in_.vain >= enough && host_.look().quick_acks == 0;
    }
    const Path& path() const { return host_.paths[in_.key.path]; }
    std::uint32_t place() const { return name().place; }
    // Both ends found a window shut, or no answer, and went back to text that the other had taken, as the octets of probes that crossed.
    // What each says since then begins too early for the other, so that neither would ever hear that its own was taken.
    bool crossed(const Segment& segment) const {
        const bool waits = (in_.flags.probing || out_.backoff > 0) && !syn_unacknowledged();
        if (!waits || !segment.ack_set() || segment.rst() || segment.syn()) return false;
        const bool early = before(segment.seq, in_.rcv_nxt) && at_or_before(in_.rcv_nxt - in_.limit, segment.seq);
        return early && before(out_.snd_una, segment.ack) && at_or_before(segment.ack, out_.snd_max);
    }
    // Bytes of a packet: the path's MTU, or less while the flow has reason to think so.
    std::uint32_t carried() const {
        const std::uint32_t mtu = path().mtu, lowered = in_.flags.shrunk ? host_.extras[cold_.extra].lowered_mtu : mtu;
        return mtu < lowered ? mtu : lowered;
    }
    std::uint32_t largest_segment() const;  // lifetime.cc

    void trace_loss(std::uint32_t length, std::uint32_t reason, Instant now) const {
        if (length > 0 && host_.sink.wants(trace::Type::loss))
            host_.sink.add(now, place(), trace::Type::loss, trace::Loss{out_.snd_una.raw(), length, reason, 0});
    }

    Host& host_;
    std::uint32_t index_;
    Tcb& tcb_;
    Cold& cold_;
    Tcb::Receiving& in_;
    Tcb::Sending& out_;
    std::uint16_t heard_{0};  // flags of the segment that arrives
    bool newer_{false};  // its timestamp is later than those before
    std::uint32_t marked_{0};  // bytes that it says were marked, where that is counted
    std::uint32_t resent_{none};  // the record that is being sent again
    std::uint32_t credit_{0};  // bytes of new text that may leave whatever the congestion window says
};

}  // namespace weft::tcp
