// SYN cookies (RFC 4987): beyond a listener's backlog a SYN is answered from the packet in hand, and nothing is kept of it, not
// even the path; the acknowledgement of the answer brings all of it back.
#include "stack/engine/state.h"
#include "stack/tcp/handshake.h"
#include "stack/tcp/window.h"

namespace weft {

tcp::CookieOf Engine::State::cookie_of(const engine::Packet& packet, SeqNum irs) const {
    const std::uint32_t scope = packet.path == 0 && net::is_link_local(packet.remote) ? packet.link : 0;
    const std::uint64_t hash =
        packet.path != 0 ? paths[packet.path].hash : paths.hash_of(packet.local, packet.remote, scope);
    return {hash, packet.local_port, packet.remote_port, irs};
}

// Who asks decides on each SYN: that takes a record.
bool Engine::State::wants_cookie(const tcp::Listener& listener) const {
    if (host.settings.syncookies == 0 || listener.asks) return false;
    return host.settings.syncookies == 2 || listener.half_open_count >= listener.backlog;
}

void Engine::State::send_cookie(const engine::Packet& packet, ListenerId id, Instant now) {
    tcp::Listener& listener = host.listeners[id.index()];
    const tcp::Segment& syn = packet.segment;
    if (listener.waiting_count >= listener.backlog || host.full()) {
        ++(host.full() ? host.statistics.no_memory : host.statistics.backlog_overflows);
        return;
    }
    const wire::TcpOptions& said = packet.options;
    const Family family = packet.path != 0 ? paths[packet.path].local.family() : packet.local.family();
    const net::Assigned* assigned = packet.path == 0 ? addresses.find(packet.local) : nullptr;
    const std::uint32_t mtu = packet.path != 0 ? host.paths[packet.path].mtu
                              : assigned       ? assigned->mtu
                                               : link(packet.link).options.mtu;
    const std::uint16_t default_mss = family == Family::ipv4 ? 536 : 1'220;
    const tcp::CookieOf of = cookie_of(packet, syn.seq);
    const tcp::Offer offer = listener.offer(host.settings, mtu - std::uint32_t(net::header_size(family)) - 20u);
    if (listener.cookies_until <= now) {
        listener.cookie_window = offer.window;
        listener.cookie_shift = offer.rcv_shift;
    }
    constexpr std::uint16_t both = wire::ece | wire::cwr;
    wire::TcpHeader answer{.seq = tcp::make_cookie(host.defence, of, said.mss.value_or(default_mss), now),
                           .ack = syn.seq + 1,
                           .flags = wire::syn | wire::ack,
                           .window = listener.cookie_window};
    answer.options.mss = offer.mss;
    if (offer.user_timeout != 0) answer.options.user_timeout = offer.user_timeout;
    if (said.timestamps && host.settings.timestamps) {  // without them nothing could carry the rest
        tcp::CookieOptions offered;
        if (said.window_scale && host.settings.window_scaling) {
            offered.shift = std::min(*said.window_scale, tcp::maximum_shift);
            answer.options.window_scale = listener.cookie_shift;
        }
        const bool accurate = host.settings.accecn != 0 && tcp::asks_accurate(syn.flags);
        offered.ecn = !accurate && (syn.flags & both) == both && host.settings.ecn != 0;
        if (offered.ecn) answer.flags |= wire::ece;
        offered.sack = answer.options.sack_permitted = said.sack_permitted && host.settings.sack;
        const std::uint32_t clock = host.defence.timestamp(of.path_hash, now);
        answer.options.timestamps = {tcp::cookie_timestamp(clock, offered), said.timestamps->value};
    }
    // Accurate ECN needs nothing that is kept: the acknowledgement says whether it was agreed on (RFC 9768, section 5.1).
    if (host.settings.accecn != 0 && tcp::asks_accurate(syn.flags)) {
        answer.flags |= tcp::handshake_flags(packet.ecn);
        tcp::offer_counters({}, answer.options);
    }
    listener.cookies_until = now + tcp::cookie_life;
    ++host.statistics.cookies_sent;
    reply_to(packet, answer, offer.dscp, offer.hop_limit);
}

// False: the segment acknowledges nothing that was sent.
bool Engine::State::take_cookie(const engine::Packet& packet, ListenerId id, Instant now) {
    tcp::Listener& listener = host.listeners[id.index()];
    if (listener.cookies_until <= now) return false;  // none is out: nobody may guess one
    const tcp::Segment& segment = packet.segment;
    const tcp::CookieOf of = cookie_of(packet, segment.seq - 1);
    const auto mss = tcp::read_cookie(host.defence, of, segment.ack - 1, now);
    if (!mss) {
        ++host.statistics.cookies_failed;
        return false;
    }
    const std::uint32_t path = path_of(packet, now);
    if (path == 0) return true;
    tcp::HalfOpen half{.key = {path, packet.local_port, packet.remote_port},
                       .listener = id,
                       .iss = segment.ack - 1,
                       .irs = segment.seq - 1};
    half.peer_mss = *mss;
    half.timestamps = segment.timestamps;  // what was agreed on holds, whatever the settings say by now
    if (half.timestamps) {
        const tcp::CookieOptions offered = tcp::cookie_options(segment.ts_echo);
        half.ts_recent = segment.ts_value;
        half.scales = offered.shift.has_value();
        half.snd_shift = half.scales ? *offered.shift : std::uint8_t{0};
        half.ecn = offered.ecn;
        half.sack = offered.sack;
    }
    const bool pure = segment.sequence_length() == 0 && segment.sack_count == 0;
    half.accurate =
        host.settings.accecn != 0 && tcp::ace_of(segment.flags) >= (pure ? 0b010u : 0b100u);  // RFC 3168 has no AE
    half.ecn = half.ecn && !half.accurate;
    half.window = segment.window;
    half.rcv_shift = listener.cookie_shift;
    half.offered = listener.cookie_window;
    half.born_at = now;  // when the SYN,ACK left is forgotten: it is no sample
    ++host.statistics.cookies_received;
    host.hold_path(path);
    tcp::open_by_cookie(host, half, segment, now);
    host.release_path(path);
    return true;
}

}  // namespace weft
