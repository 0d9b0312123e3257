// How a connection begins and ends (RFC 9293, sections 3.5 and 3.6), and what it tells the user on the way.
#include <algorithm>

#include "stack/tcp/connection.h"
#include "stack/tcp/rtt.h"
#include "stack/tcp/tell.h"
#include "stack/tcp/time_wait.h"
#include "stack/tcp/window.h"

namespace weft::tcp {
namespace {

// A peer that offers less would cost a header for every few bytes.
constexpr std::uint16_t least_peer_mss = 48;
constexpr std::uint32_t option_bytes_of_timestamps = 12;

}  // namespace

std::optional<std::uint32_t> Connection::open(Host& host, FlowKey key, const FlowOptions& options, SeqNum iss, Instant now,
                                              Handle<Listener> listener) {
    const Handle<Tcb> handle = host.connections.insert({});
    if (handle == Handle<Tcb>{}) return std::nullopt;
    const std::uint32_t index = handle.index();
    host.cold.reach(index);
    host.congestion.reach(index);
    Tcb& tcb = host.connections[index];
    Cold& cold = host.cold[index] = {};
    tcb.receiving.key = key;
    tcb.receiving.flags.demuxed = true;
    tcb.receiving.limit = host.settings.receive_buffer;
    tcb.sending.limit = host.settings.send_buffer;
    tcb.sending.snd_una = tcb.sending.snd_nxt = tcb.sending.snd_max = iss;
    tcb.recovery.point = iss;
    tcb.timing.rto = host.settings.initial_rto;
    tcb.timing.heard_at = tcb.timing.sent_at = now;
    cold.iss = iss;
    cold.listener = listener;
    cold.opened_at = now;
    host.lead(key, {Found::Kind::connection, index});
    host.hold_path(key.path);
    host.paths[key.path].flows.append(index, host.path_place());
    Connection connection{host, index};
    connection.ask_for_module(options.congestion, now);
    connection.set(options, now);
    connection.set_keepalive(options.keepalive, now);
    connection.set_exchange(options.exchange_user_timeout);
    tcb.receiving.flags.tunes = options.receive_buffer == 0 && host.settings.receive_buffer_most > tcb.receiving.limit;
    if (host.paths[key.path].down) connection.path_down(now);
    return index;
}

void Connection::start(Instant now, bool wanted_fast_open) {
    in_.flags.known = true;
    in_.flags.scaling = host_.settings.window_scaling;
    in_.flags.timestamps = host_.settings.timestamps;  // offered until the peer's SYN lacks them
    in_.flags.fast_open = wanted_fast_open && (host_.settings.fast_open & 1) != 0;
    in_.rcv_shift = in_.flags.scaling ? receive_shift(host_.settings, in_.limit) : std::uint8_t{0};
    out_.peer_mss = path().default_mss;
    derive_mss();
    enter(State::syn_sent, Cause::call, now);
    watch_user_timeout(now);
    want_output();
}

void Connection::adopt(const HalfOpen& half, Instant now) {
    cold_.irs = half.irs;
    in_.rcv_nxt = in_.last_ack_sent = half.irs + 1;
    in_.rcv_adv = in_.rcv_nxt + half.offered;  // what the SYN,ACK said
    in_.flags.scaling = half.scales;
    in_.rcv_shift = half.scales ? half.rcv_shift : std::uint8_t{0};
    if (half.user_timeout != 0) hear_user_timeout(half.user_timeout, now);
    in_.snd_shift = half.snd_shift;
    in_.flags.timestamps = half.timestamps;
    adopt_accurate(half);
    in_.flags.sack = half.sack;
    in_.ts_recent = half.ts_recent;
    in_.ts_recent_at = std::uint32_t(now.nanoseconds() / 1'000'000'000);
    out_.peer_mss = half.peer_mss;
    out_.snd_nxt = out_.snd_max = half.iss + 1;
    out_.snd_wnd = out_.max_snd_wnd = half.window;
    out_.snd_wl1 = half.irs;
    cold_.expiries = half.retransmissions;
    derive_mss();
    if (half.retransmissions == 0 && half.sent_at != Instant{})
        sample_round_trip(tcb_.timing, now - half.sent_at, host_.settings.minimum_rto, host_.look().rto_above_srtt);
    in_.state = State::syn_received;
}

// What both ends said in their SYNs (RFC 9293, section 3.7.1; RFC 7323, sections 2.2 and 3.2; RFC 2018, section 2).
void Connection::negotiate(const wire::TcpOptions& options) {
    out_.peer_mss = std::max(options.mss.value_or(path().default_mss), least_peer_mss);
    if (options.window_scale && in_.flags.scaling) in_.snd_shift = std::min(*options.window_scale, maximum_shift);
    else in_.rcv_shift = 0, in_.flags.scaling = false;
    in_.flags.timestamps = in_.flags.timestamps && options.timestamps;
    if (in_.flags.timestamps) in_.ts_recent = options.timestamps->value;
    in_.flags.sack = options.sack_permitted && host_.settings.sack;
    derive_mss();
}

// What the path carries and the application allows: also what we say that we take (MUST-67).
std::uint32_t Standing::largest_segment() const {
    const std::uint32_t headers = path().header_size + 20u;
    const std::uint32_t room = carried() > headers + least_peer_mss ? carried() - headers : least_peer_mss;
    const std::uint32_t allowed = cold_.extra == none ? 0 : host_.extras[cold_.extra].maximum_segment;
    return allowed == 0 ? room : std::min(room, std::max<std::uint32_t>(allowed, least_peer_mss));
}

// Eff.snd.MSS: the least of what the peer takes and what the path carries, options taken off (MUST-16). The window always lets one
// such segment out.
void Connection::derive_mss() {
    const std::uint32_t mss = std::min<std::uint32_t>({largest_segment(), out_.peer_mss, 65'000});
    const std::uint32_t counters = out_.accurate == none ? 0 : accurate().room;
    in_.mss = std::uint16_t(mss - (in_.flags.timestamps ? option_bytes_of_timestamps : 0) - counters);
    if (in_.state >= State::established) out_.steering.cwnd = std::max<std::uint32_t>(out_.steering.cwnd, in_.mss);
}

void Connection::established(Instant now) {
    cold_.established_at = now;
    if (cold_.expiries > 0 && tcb_.timing.srtt == Duration{}) tcb_.timing.rto = rto_after_lost_syn;  // RFC 6298, 5.7
    const std::uint16_t slot = congestion_slot();
    if (!early()) begin_module(false, now);
    else if (cold_.expiries > 0) out_.steering.cwnd = in_.mss;  // as where it begins now (RFC 6928, section 2)
    in_.flags.resend = false;  // that was the SYN,ACK's
    if (congestion_slot() != slot) {  // its first answer put it in quarantine
        out_.steering = {};
        begin_module(false, now);
    }
    cold_.expiries = 0;
    out_.backoff = 0;
    stop(tcb_.deadlines.loss, now);
    tcb_.recovery.point = tcb_.pace.ecn_point = cold_.iss;
    if (cold_.extra != none) set_exchange(host_.extras[cold_.extra].exchanges_timeout);  // once more behind the SYN
    enter(State::established, Cause::segment, now);
    end_early(Cause::segment, now);
    if (in_.flags.known && cold_.listener == Handle<Listener>{}) {
        ++host_.statistics.connections_opened;
        raise(Event::Kind::connected);
    }
    want_output();
}

// A passive OPEN that is reset before anybody knew of it is LISTEN again: its listener is (RFC 9293, section 3.10.7.4, second).
void Connection::enter(State state, Cause cause, Instant now) {
    const State from = std::exchange(in_.state, state);
    const bool unheard = from == State::syn_received && !in_.flags.known && cause != Cause::call;
    const State to = state == State::closed && unheard ? State::listen : state;
    host_.tell_state(name(), from, to, cause, now, cause == Cause::segment ? heard_ : std::uint16_t{0});
}

// From here on nothing comes from, or goes to, the network.
void Connection::leave_network(State state, Cause cause, Instant now) {
    if (in_.flags.demuxed) {
        host_.demux.erase(in_.key.word());
        in_.flags.demuxed = false;
    }
    if (in_.flags.in_output) {
        host_.output.remove(index_, host_.output_place());
        in_.flags.in_output = false;
    }
    end_early(cause, now);
    host_.wheel.disarm(index_);
    leave_lines(true, true);
    tcb_.deadlines = {};
    forget_sent();
    tell_counters(host_.sink, now);
    enter(state, cause, now);
    if (out_.queue != none) {
        host_.queues[out_.queue].clear();
        host_.queues.give_back(std::exchange(out_.queue, none));
    }
    if (in_.reassembly != none) give_back_reassembly();
}

void Connection::enter_time_wait(Instant now) {
    if (host_.time_wait.size() >= host_.settings.time_wait_limit && !host_.time_waits.empty())
        drop_time_wait(host_, host_.time_waits.first, Cause::room, now);
    TimeWait record{in_.key,
                    out_.snd_max,
                    in_.rcv_nxt,
                    receive_window(),
                    in_.rcv_shift & 15u,
                    in_.flags.timestamps,
                    out_.accurate == none ? 0 : accurate().r_cep % ace_cycle,
                    index_ & 0xff'ffff,
                    name().generation,
                    in_.ts_recent,
                    now + host_.settings.time_wait,
                    {}};
    const Handle<TimeWait> handle = host_.time_wait.insert(record);
    in_.flags.demuxed = false;  // the key leads to the record now
    if (handle == Handle<TimeWait>{}) {
        host_.demux.erase(in_.key.word());
    } else {
        host_.hold_path(in_.key.path);
        host_.lead(in_.key, {Found::Kind::time_wait, handle.index()});
        host_.time_waits.append(handle.index(), host_.time_wait_place());
        if (in_.flags.ack_now) answer_time_wait(host_, handle.index(), now);
    }
    leave_network(State::time_wait, Cause::segment, now);
    if (handle == Handle<TimeWait>{}) host_.tell_state(name(), State::time_wait, State::closed, Cause::room, now);
    settle_end();
}

// An orderly end is told once the user has read it all: then nothing is left to ask of the handle.
void Connection::settle_end() {
    if (!ended() || unread() > 0 || !in_.flags.end_read || cold_.failed) return;
    raise(Event::Kind::closed);
}

void Connection::fail(Error error, Cause cause, Instant now, Event::Limit limit) {
    ++host_.statistics.connections_failed;
    leave_network(State::closed, cause, now);
    if (!cold_.keeps_failed) give_back_queues();
    if (!in_.flags.known && cold_.listener != Handle<Listener>{} && !cold_.keeps_failed)
        return remove();  // nobody knows of it yet
    in_.events &= std::uint16_t(~(1u << unsigned(Event::Kind::readable) | 1u << unsigned(Event::Kind::writable)));
    cold_.failed = true;
    cold_.ended_by = std::uint8_t(limit) & 15;
    cold_.failure = error;
    raise(Event::Kind::failed);
}

void Connection::reset_and_fail(Error error, Cause cause, Instant now, Event::Limit limit) {
    if (in_.state != State::syn_sent) reply(out_.snd_max, in_.rcv_nxt, wire::rst | wire::ack, options(now));
    fail(error, cause, now, limit);
}

// A segment of this connection that it keeps no account of: a reset.
void Connection::reply(SeqNum seq, SeqNum ack, std::uint16_t flags, const wire::TcpOptions& options) {
    const auto [place, generation] = name();
    host_.reply({in_.key, seq, ack, flags, 0, options, cold_.dscp, cold_.hop_limit, place, generation});
}

void Connection::give_back_queues() {
    for (std::uint32_t* queue : {&in_.queue, &out_.queue})
        if (*queue != none) {
            host_.queues[*queue].clear();
            host_.queues.give_back(std::exchange(*queue, none));
        }
}

void Connection::remove() {
    if (!ended()) leave_network(State::closed, Cause::call, tcb_.timing.heard_at);
    give_back_queues();
    if (in_.flags.in_events) host_.events.remove(index_, host_.event_place());
    if (!in_.flags.known)
        if (Listener* listener = host_.listeners.find(cold_.listener)) {
            listener->waiting.remove(index_, host_.event_place());
            --listener->waiting_count;
        }
    if (cold_.extra != none) host_.extras.give_back(cold_.extra);
    give_back_accurate();
    host_.modules.give_back(host_.congestion[index_]);
    host_.paths[in_.key.path].flows.remove(index_, host_.path_place());
    host_.release_path(in_.key.path);
    host_.connections.erase(host_.connections.handle(index_));
}

// One bit a kind, so that a user who never looks costs nothing. What happens before accept() waits for it.
void Connection::raise(Event::Kind kind) {
    if (kind == Event::Kind::soft_error && in_.flags.quiet) return;
    in_.events = std::uint16_t(in_.events | 1u << unsigned(kind));
    if (!in_.flags.known || in_.flags.in_events) return;
    in_.flags.in_events = true;
    host_.events.append(index_, host_.event_place());
}

void Connection::accepted_by_user() {
    in_.flags.known = true;
    if (in_.events != 0) {
        in_.flags.in_events = true;
        host_.events.append(index_, host_.event_place());
    }
}

ByteQueue& Connection::receive_queue() {
    if (in_.queue == none) in_.queue = host_.queues.lend();
    return host_.queues[in_.queue];
}

ByteQueue& Connection::send_queue() {
    if (out_.queue == none) out_.queue = host_.queues.lend();
    return host_.queues[out_.queue];
}

}  // namespace weft::tcp
