// Half-open records: bounded by the listener's backlog, the oldest goes first; SYN,ACK is sent again until the user timeout.
#include "stack/tcp/handshake.h"

#include <algorithm>

#include "stack/tcp/connection.h"
#include "stack/tcp/rtt.h"
#include "stack/tcp/tell.h"
#include "stack/tcp/window.h"

namespace weft::tcp {
namespace {

// Of a SYN,ACK. One that may have been lost for it says nothing of ECN, and then nothing may be marked (RFC 9768, 3.2.3.2.2).
std::uint16_t ecn_of(HalfOpen& half) {
    if (!half.accurate) return half.ecn ? wire::ece : 0;
    if (half.retransmissions >= 2) half.plain = true;
    return half.retransmissions >= 2 ? std::uint16_t{0} : handshake_flags(Ecn(half.came_with));
}

void send_syn_ack(Host& host, std::uint32_t index, Instant now) {
    HalfOpen& half = host.half_open[index];
    const Path& path = host.paths[half.key.path];
    const Listener* listener = host.listeners.find(half.listener);
    if (!listener) return;
    const Offer offer = listener->offer(host.settings, path.mtu - path.header_size - 20u);
    Host::Answer answer{half.key,     half.iss, half.irs + 1, std::uint16_t(wire::syn | wire::ack | ecn_of(half)),
                        half.offered, {},       offer.dscp,   offer.hop_limit};
    answer.options.mss = offer.mss;
    if (half.scales) answer.options.window_scale = half.rcv_shift;
    if (half.timestamps)
        answer.options.timestamps = wire::TcpTimestamps{host.defence.timestamp(path.hash, now), half.ts_recent};
    answer.options.sack_permitted = half.sack;
    if (offer.user_timeout != 0) answer.options.user_timeout = offer.user_timeout;
    if (half.grants) answer.options.fast_open = option_of_cookie(half.grant, half.experimental);
    half.without_option = half.without_option || half.retransmissions > 0;
    if (half.accurate && !half.without_option) offer_counters({}, answer.options);
    answer.flow = host.name_half(index).place;
    answer.generation = host.name_half(index).generation;
    half.sent_at = now;
    host.reply(answer);
}

// A SYN once more. The latest one's mark is told; who asks for both kinds of ECN is reset (RFC 9768, section 3.1.5).
bool same_ecn(const Host& host, HalfOpen& half, const Segment& syn) {
    if (half.ecn) return host.settings.accecn == 0 || !asks_accurate(syn.flags);
    if (!half.accurate) return true;
    half.came_with = unsigned(syn.ecn) & 3;
    half.without_option = true;
    half.plain = half.plain || ace_of(syn.flags) == 0;
    return ace_of(syn.flags) != 0b011;
}

void acknowledge(Host& host, std::uint32_t index, Instant now) {
    const HalfOpen& half = host.half_open[index];
    Host::Answer answer{half.key, half.iss + 1, half.irs + 1, wire::ack, half.offered, {}};
    if (half.accurate) answer.flags |= flags_of_ace(first_cep);
    if (half.scales) answer.window = std::uint16_t(answer.window >> half.rcv_shift);
    if (half.timestamps)
        answer.options.timestamps =
            wire::TcpTimestamps{host.defence.timestamp(host.paths[half.key.path].hash, now), half.ts_recent};
    answer.flow = host.name_half(index).place;
    answer.generation = host.name_half(index).generation;
    host.reply(answer);
}

void arm(Host& host, std::uint32_t index, Instant when, Instant now) {
    host.half_open_wheel.arm(index, when);
    if (host.sink.wants(trace::Type::timer))
        host.sink.add(now, host.name_half(index).place, trace::Type::timer, trace::TimerEvent{1, 0, when.nanoseconds()});
}

// Once for each SYN that comes, until the answer is `later`.
void ask(Host& host, std::uint32_t index) {
    HalfOpen& half = host.half_open[index];
    if (half.asked != HalfOpen::Asked::asked || half.in_questions) return;
    // Records that went stay in the list until somebody drains it; the peer's next SYN asks again.
    const Listener* listener = host.listeners.find(half.listener);
    if (!listener || host.questions.size() - host.next_question >= 4 * std::size_t{listener->backlog} + 64) return;
    half.in_questions = true;
    host.questions.push_back(host.half_open.handle(index));
}

// R2 of the handshake.
Instant end_of(const Host& host, std::uint32_t index) {
    const HalfOpen& half = host.half_open[index];
    const Listener* listener = host.listeners.find(half.listener);
    const Duration wanted = listener ? listener->options.user_timeout : Duration{};
    return half.born_at + (wanted == Duration{} ? least_syn_timeout : wanted);
}

void forget_half(Host& host, std::uint32_t index) {
    const HalfOpen half = host.half_open[index];
    if (Listener* listener = host.listeners.find(half.listener)) {
        listener->half_open.remove(index, host.half_open_place());
        --listener->half_open_count;
    }
    host.half_open_wheel.disarm(index);
    if (host.find(half.key).kind == Found::Kind::half_open) host.demux.erase(half.key.word());
    host.release_path(half.key.path);
    host.half_open.erase(host.half_open.handle(index));
}

// The record becomes a connection that waits for accept(). False: no room for it now, the peer will try again. An `index` of
// none: there is no such record, a segment alone made the connection.
bool promote(Host& host, const HalfOpen& half, std::uint32_t index, std::uint16_t segment_flags, Instant now) {
    Listener* listener = host.listeners.find(half.listener);
    if (!listener || listener->waiting_count >= listener->backlog) {
        ++host.statistics.backlog_overflows;
        return false;
    }
    const bool no_room = index == none && host.full();  // of a record it only takes the place
    const auto opened =
        no_room ? std::nullopt : Connection::open(host, half.key, listener->options, half.iss, now, half.listener);
    if (!opened) {
        ++host.statistics.no_memory;
        return false;
    }
    if (index != none) {
        host.tell_state(host.name_half(index), State::syn_received, State::syn_received, Cause::segment, now, 0,
                        trace::moved_flag);
        forget_half(host, index);
    }
    Connection{host, *opened}.adopt(half, now);
    const bool moved = index != none;
    host.tell_state(host.name({Found::Kind::connection, *opened}), moved ? State::syn_received : State::listen,
                    State::syn_received, Cause::segment, now, moved ? std::uint16_t{0} : segment_flags,
                    moved ? trace::moved_flag : std::uint16_t{0});
    listener->waiting.append(*opened, host.event_place());
    ++listener->waiting_count;
    ++host.statistics.connections_accepted;
    if (!listener->in_events) {
        listener->in_events = true;
        host.listener_events.append(half.listener.index(), host.listener_place());
    }
    return true;
}

}  // namespace

Offer Listener::offer(const Config& settings, std::uint32_t room) const {
    const std::uint32_t buffer = options.receive_buffer != 0 ? options.receive_buffer : settings.receive_buffer;
    const std::uint32_t allowed = options.maximum_segment != 0 ? options.maximum_segment : 65'535u;
    const bool says = options.exchange_user_timeout && options.user_timeout != Duration{};
    return {std::uint16_t(std::min(room, allowed)),
            std::uint16_t(std::min(buffer, 65'535u)),
            says ? option_of(options.user_timeout) : std::uint16_t{0},
            receive_shift(settings, options.receive_buffer),
            options.dscp,
            options.hop_limit};
}

void open_half(Host& host, Handle<Listener> id, FlowKey key, const Segment& syn, const SeqNum* floor,
               const std::uint64_t* cookie, Instant now) {
    Listener* listener = host.listeners.find(id);
    if (!listener || !syn.options) return;
    if (host.full()) {
        ++host.statistics.no_memory;
        return;
    }
    if (listener->waiting_count >= listener->backlog) {
        ++host.statistics.backlog_overflows;
        return;
    }
    if (listener->half_open_count >= listener->backlog && !listener->half_open.empty()) {
        ++host.statistics.backlog_overflows;
        drop_half(host, listener->half_open.first, State::listen, Cause::room, now);
    }
    HalfOpen half{.key = key,
                  .listener = id,
                  .iss = host.defence.initial_sequence(host.paths[key.path].hash, key, now),
                  .irs = syn.seq};
    if (floor && !before(*floor, half.iss)) half.iss = *floor + 1;
    const wire::TcpOptions& options = *syn.options;
    half.window = syn.window;
    half.peer_mss = std::max<std::uint16_t>(options.mss.value_or(host.paths[key.path].default_mss), 48);
    half.scales = options.window_scale.has_value() && host.settings.window_scaling;
    half.snd_shift = half.scales ? std::min(*options.window_scale, maximum_shift) : std::uint8_t{0};
    half.timestamps = options.timestamps.has_value() && host.settings.timestamps;
    half.ts_recent = half.timestamps ? options.timestamps->value : 0;
    half.accurate = host.settings.accecn != 0 && asks_accurate(syn.flags);
    half.came_with = unsigned(syn.ecn) & 3;
    half.ecn = !half.accurate && (ace_of(syn.flags) & 0b011) == 0b011 && host.settings.ecn != 0;
    half.user_timeout = options.user_timeout.value_or(0);
    const Offer offer = listener->offer(host.settings, 0);
    half.rcv_shift = offer.rcv_shift;
    half.offered = offer.window;
    half.sack = options.sack_permitted && host.settings.sack;
    half.born_at = now;
    const std::uint32_t queue = listener->options.fast_open_queue;
    const std::uint32_t early = listener->early_count + listener->early_resets.count(now);
    const bool pending = cookie && early < (queue == 0 ? listener->backlog : queue);  // RFC 7413, section 5.1
    if (pending) {
        const bool bare = (host.settings.fast_open_bare & 2) != 0;
        const bool valid = bare || (options.fast_open && says(*options.fast_open, *cookie));
        if (valid) {
            if (!promote(host, half, none, syn.flags, now)) return;
            ++listener->early_count;
            host.statistics.fast_opens += syn.length > 0;
            return Connection{host, host.find(key).index}.open_early(syn, now);
        }
        half.grants = options.fast_open.has_value();
        half.experimental = half.grants && options.fast_open->experimental;
        half.grant = *cookie;
    }
    const Handle<HalfOpen> handle = host.half_open.insert(half);
    if (handle == Handle<HalfOpen>{}) {
        ++host.statistics.no_memory;
        return;
    }
    host.hold_path(key.path);
    host.lead(key, {Found::Kind::half_open, handle.index()});
    listener->half_open.append(handle.index(), host.half_open_place());
    ++listener->half_open_count;
    tell_half_begin(host, handle.index(), host.sink, now);
    host.tell_state(host.name_half(handle.index()), State::listen, State::syn_received, Cause::segment, now, syn.flags);
    if (listener->asks) {
        host.half_open[handle.index()].asked = HalfOpen::Asked::asked;
        ask(host, handle.index());
        return arm(host, handle.index(), end_of(host, handle.index()), now);
    }
    arm(host, handle.index(), now + host.settings.initial_rto, now);
    send_syn_ack(host, handle.index(), now);
}

// RFC 9293, section 3.10.7.4, as it reads for SYN-RECEIVED that came of a passive OPEN.
void arrive_half(Host& host, std::uint32_t index, const Segment& segment, Instant now) {
    HalfOpen& half = host.half_open[index];
    const SeqNum rcv_nxt = half.irs + 1;
    if (segment.syn() && !segment.ack_set() && !segment.rst() && segment.seq == half.irs) {  // again
        if (!same_ecn(host, half, segment)) return refuse_half(host, index, now);
        return half.asked == HalfOpen::Asked::no ? send_syn_ack(host, index, now) : ask(host, index);
    }
    if (half.asked != HalfOpen::Asked::no) {  // all that counts is whether the peer gave up
        if (segment.rst() && segment.seq == rcv_nxt)
            drop_half(host, index, State::listen, Cause::segment, now, segment.flags);
        return;
    }
    // Whoever became a connection by it would drop it as the connection does, and have no timer (RFC 7323, section 3.2).
    if (half.timestamps && !segment.timestamps && !segment.rst() && !segment.syn() && !host.look().bare_text) return;
    const bool outdated =
        half.timestamps && segment.timestamps && std::int32_t(segment.ts_value - half.ts_recent) < 0 && !segment.rst();
    if (outdated || !acceptable(segment.seq, segment.sequence_length(), rcv_nxt, half.offered)) {
        if (!segment.rst() && host.may_answer(half.key, segment, now)) acknowledge(host, index, now);
        return;
    }
    if (segment.rst()) {
        if (segment.seq != rcv_nxt) {  // RFC 5961, section 3.2
            if (host.may_answer(half.key, segment, now)) acknowledge(host, index, now);
            return;
        }
        ++host.statistics.resets_received;
        return drop_half(host, index, State::listen, Cause::segment, now, segment.flags);
    }
    if (segment.syn()) return drop_half(host, index, State::listen, Cause::segment, now, segment.flags);
    if (!segment.ack_set()) return;
    if (segment.ack != half.iss + 1) return host.reply({half.key, segment.ack, SeqNum{}, wire::rst, 0, {}});
    const FlowKey key = half.key;
    const HalfOpen done = half;  // the record goes
    if (!promote(host, done, index, segment.flags, now)) return;
    Connection{host, host.find(key).index}.arrive(segment, now);
}

bool open_by_cookie(Host& host, const HalfOpen& half, const Segment& segment, Instant now) {
    if (!promote(host, half, none, segment.flags, now)) return false;
    Connection{host, host.find(half.key).index}.arrive(segment, now);
    return true;
}

void accept_half(Host& host, std::uint32_t index, Instant now) {
    HalfOpen& half = host.half_open[index];
    if (half.asked == HalfOpen::Asked::no) return;
    half.asked = HalfOpen::Asked::no;
    arm(host, index, now + host.settings.initial_rto, now);
    send_syn_ack(host, index, now);
}

void refuse_half(Host& host, std::uint32_t index, Instant now) {
    const HalfOpen& half = host.half_open[index];
    host.reply({half.key, half.iss, half.irs + 1, wire::rst | wire::ack, 0, {}});
    drop_half(host, index, State::listen, Cause::call, now);
}

void put_off_half(Host& host, std::uint32_t index) {
    HalfOpen& half = host.half_open[index];
    if (half.asked == HalfOpen::Asked::asked) half.asked = HalfOpen::Asked::later;
}

void expire_half(Host& host, std::uint32_t index, Instant now) {
    HalfOpen& half = host.half_open[index];
    const Instant end = end_of(host, index);
    const Host::Named who = host.name_half(index);
    host.sink.add(now, who.place, trace::Type::timer, trace::TimerEvent{1, 1, now.nanoseconds()});
    if (end > now && half.asked != HalfOpen::Asked::no) return arm(host, index, end, now);
    if (end <= now) return drop_half(host, index, State::listen, Cause::timer, now);
    ++half.retransmissions;
    host.sink.add(now, who.place, trace::Type::loss, trace::Loss{half.iss.raw(), 1, 2, 0});
    send_syn_ack(host, index, now);
    ++host.statistics.retransmitted_segments;
    arm(host, index, std::min(now + backed_off(host.settings.initial_rto, half.retransmissions), end), now);
}

void drop_half(Host& host, std::uint32_t index, State to, Cause cause, Instant now, std::uint16_t segment_flags) {
    host.tell_state(host.name_half(index), State::syn_received, to, cause, now, segment_flags);
    forget_half(host, index);
}

void close_listener(Host& host, Handle<Listener> id, Instant now) {
    Listener* listener = host.listeners.find(id);
    if (!listener) return;
    while (!listener->half_open.empty()) drop_half(host, listener->half_open.first, State::closed, Cause::call, now);
    while (!listener->waiting.empty()) Connection{host, listener->waiting.first}.abort(now);
    if (listener->in_events) host.listener_events.remove(id.index(), host.listener_place());
    host.listeners.erase(id);
}

}  // namespace weft::tcp
