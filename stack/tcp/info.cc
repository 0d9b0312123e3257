// TCP_INFO from what the connection knows.
#include "stack/tcp/info.h"

#include <algorithm>
#include <array>

#include "stack/tcp/connection.h"

namespace weft::tcp {
namespace {

std::uint32_t microseconds(Duration of) {
    return std::uint32_t(std::clamp<std::int64_t>(of.count() / 1'000, 0, 0xffff'ffff));
}
std::uint32_t milliseconds_since(Instant then, Instant now) {
    return std::uint32_t(std::clamp<std::int64_t>((now - then).count() / 1'000'000, 0, 0xffff'ffff));
}

TcpInfo::State linux_state(State state) {
    constexpr std::array names{TcpInfo::closed,      TcpInfo::listen,     TcpInfo::syn_sent,   TcpInfo::syn_received,
                               TcpInfo::established, TcpInfo::fin_wait_1, TcpInfo::fin_wait_2, TcpInfo::close_wait,
                               TcpInfo::closing,     TcpInfo::last_ack,   TcpInfo::time_wait};
    return names[std::size_t(state)];
}

}  // namespace

TcpInfo info_of(Host& host, std::uint32_t index, Instant now) { return Connection{host, index}.info(now); }

TcpInfo Connection::info(Instant now) const {
    const Tcb::Timing& timing = tcb_.timing;
    const std::uint32_t mss = std::max<std::uint32_t>(in_.mss, 1);
    const auto segments = [&](std::uint64_t bytes) { return std::uint32_t((bytes + mss - 1) / mss); };
    TcpInfo info;
    info.state = linux_state(in_.state);
    info.ca_state = cold_.expiries > 0        ? TcpInfo::loss
                    : in_.flags.recovering    ? TcpInfo::recovery
                    : out_.duplicate_acks > 0 ? TcpInfo::disorder
                                              : TcpInfo::open;
    info.retransmits = cold_.expiries;
    info.probes = in_.flags.probing     ? out_.backoff
                  : cold_.extra != none ? host_.extras[cold_.extra].probes_out
                                        : std::uint8_t{0};
    info.backoff = out_.backoff;
    if (in_.flags.timestamps) info.options |= TcpInfo::timestamps;
    if (in_.flags.sack) info.options |= TcpInfo::sack;
    const bool scales = !syn_unacknowledged() && in_.flags.scaling;
    if (scales) {
        info.options |= TcpInfo::scaling;
        info.wscales = std::uint8_t(in_.snd_shift | in_.rcv_shift << 4);
    }
    if (in_.flags.ecn) info.options |= TcpInfo::ecn, info.ecn_mode = 1;
    if (in_.flags.ecn_echo) info.options |= TcpInfo::ecn_seen;
    if (out_.accurate != none && !syn_unacknowledged()) {
        const Accurate& counts = accurate();
        info.options |= TcpInfo::ecn;
        if (counts.ever != 0) info.options |= TcpInfo::ecn_seen;
        info.ecn_mode = 2;
        info.delivered_ce = counts.s_cep - first_cep;
        info.received_ce = counts.r_cep - first_cep;
        info.delivered_e0_bytes = counts.told[Accurate::ect0] - first_e0b;
        info.delivered_e1_bytes = counts.told[Accurate::ect1] - first_e1b;
        info.delivered_ce_bytes = counts.told[Accurate::ce] - first_ceb;
        info.received_e0_bytes = counts.received[Accurate::ect0] - first_e0b;
        info.received_e1_bytes = counts.received[Accurate::ect1] - first_e1b;
        info.received_ce_bytes = counts.received[Accurate::ce] - first_ceb;
    }
    if (cold_.syn_text) info.options |= TcpInfo::syn_data;
    info.rto = microseconds(timing.rto);
    info.ato = microseconds(host_.settings.delayed_ack);
    info.snd_mss = mss;
    info.rcv_mss = in_.their_mss;
    info.unacked = segments(out_.snd_max - out_.snd_una);
    if (out_.scoreboard != none) {
        info.sacked = segments(board().sacked);
        info.lost = segments(board().given_up);
        if (board().after_timeout) info.ca_state = TcpInfo::loss;
        else if (!in_.flags.recovering && board().sacked > 0) info.ca_state = TcpInfo::disorder;
    }
    info.reord_seen = in_.flags.reordering;
    std::uint32_t again = 0;  // bytes of retransmissions in flight
    for (std::uint32_t at = tcb_.rate.oldest; at != none; at = host_.sent[at].line.next)
        if (host_.sent[at].again && host_.sent[at].fate == Fate::out) again += host_.sent[at].end - host_.sent[at].begin;
    info.retrans = segments(again);
    if (out_.scoreboard != none) info.lost = segments(std::uint64_t{board().given_up} + again);
    info.total_retrans = cold_.retransmissions;
    if (cold_.segments_out > 0) info.last_data_sent = milliseconds_since(timing.sent_at, now);
    info.last_data_recv = info.last_ack_recv = milliseconds_since(timing.heard_at, now);
    info.pmtu = carried();
    info.rtt = microseconds(timing.srtt);
    info.rttvar = microseconds(timing.rttvar);
    info.min_rtt = microseconds(timing.min_rtt);
    info.snd_ssthresh = out_.steering.ssthresh >= Steering::cap ? TcpInfo::no_threshold : segments(out_.steering.ssthresh);
    info.snd_cwnd = out_.steering.cwnd / mss;
    info.advmss = largest_segment();
    info.reordering = 3;
    if (cold_.extra != none) {
        const Extra& kept = host_.extras[cold_.extra];
        info.reordering = std::max<std::uint32_t>(kept.reordering, 3);
        if (kept.reorderings > 0) info.reord_seen = kept.reorderings;
        const Duration more = kept.times.since == Instant{} ? Duration{} : now - kept.times.since;
        info.busy_time = std::uint64_t((kept.times.busy_for + (kept.times.busy ? more : Duration{})).count() / 1'000);
        info.rwnd_limited =
            std::uint64_t((kept.times.by_window_for + (kept.times.by_window ? more : Duration{})).count() / 1'000);
        info.sndbuf_limited =
            std::uint64_t((kept.times.by_buffer_for + (kept.times.by_buffer ? more : Duration{})).count() / 1'000);
    }
    info.rcv_space = in_.limit;
    info.rcv_ssthresh = info.rcv_wnd = ended() ? 0 : receive_window();
    info.pacing_rate = pacing_rate() == 0 ? ~std::uint64_t{0} : pacing_rate();
    info.max_pacing_rate = ~std::uint64_t{0};
    const std::uint32_t out_bytes = syn_unacknowledged() ? 0 : std::min(out_.snd_max - out_.snd_una, queued());
    info.bytes_acked = cold_.bytes_out - std::min<std::uint64_t>(out_bytes, cold_.bytes_out);
    info.bytes_received = cold_.bytes_in;
    info.segs_out = cold_.segments_out;
    info.segs_in = cold_.segments_in;
    info.notsent_bytes = queued() - std::min(queued(), out_bytes);
    info.delivered = segments(tcb_.rate.delivered) + (cold_.established_at != Instant{} ? 1u : 0u);  // the SYN is one
    info.delivery_rate_app_limited = tcb_.rate.limited_until != 0;
    info.bytes_sent = cold_.bytes_out;
    info.snd_wnd = out_.snd_wnd;
    info.total_rto = std::uint16_t(std::min(cold_.timeouts, 65'535u));
    return info;
}

}  // namespace weft::tcp
