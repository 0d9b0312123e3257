// How a flow stands, as a record of 280 bytes in the layout of Linux's struct tcp_info, so that programs that know TCP_INFO can
// read it. It is made of the same TCB, cold record and queues as `weft flows` and the trace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "stack/core/time.h"

namespace weft::tcp {

struct Host;

// Times are microseconds, but for those that say milliseconds; "segments" are full ones. What the engine does not measure
// is 0: fackets (no FACK), last_ack_sent (Linux's is 0, too), fastopen_client_fail, rcv_ssthresh's clamping.
struct TcpInfo {
    // Linux's numbers of the states, which are not tcp::State's.
    enum State : std::uint8_t {
        established = 1,
        syn_sent,
        syn_received,
        fin_wait_1,
        fin_wait_2,
        time_wait,
        closed,
        close_wait,
        last_ack,
        listen,
        closing
    };
    enum Recovery : std::uint8_t { open, disorder, cwr, recovery, loss };
    enum Option : std::uint8_t { timestamps = 1, sack = 2, scaling = 4, ecn = 8, ecn_seen = 16, syn_data = 32 };
    static constexpr std::uint32_t no_threshold = 0x7fff'ffff;  // of snd_ssthresh: slow start has no end yet

    std::uint8_t state{0};
    std::uint8_t ca_state{0};
    std::uint8_t retransmits{0};  // timeouts in a row
    std::uint8_t probes{0};  // keep-alive and window probes without an answer
    std::uint8_t backoff{0};  // doublings of the timer
    std::uint8_t options{0};
    std::uint8_t wscales{0};  // low half: the peer's, high half: ours
    std::uint8_t delivery_rate_app_limited{0};

    std::uint32_t rto{0}, ato{0};
    std::uint32_t snd_mss{0}, rcv_mss{0};  // bytes
    std::uint32_t unacked{0}, sacked{0}, lost{0}, retrans{0}, fackets{0};  // segments in flight
    std::uint32_t last_data_sent{0}, last_ack_sent{0}, last_data_recv{0}, last_ack_recv{0};  // ms ago
    std::uint32_t pmtu{0}, rcv_ssthresh{0};  // bytes
    std::uint32_t rtt{0}, rttvar{0};
    std::uint32_t snd_ssthresh{0}, snd_cwnd{0};  // segments
    std::uint32_t advmss{0};  // bytes
    std::uint32_t reordering{0};  // segments
    std::uint32_t rcv_rtt{0};
    std::uint32_t rcv_space{0};  // bytes
    std::uint32_t total_retrans{0};  // segments
    std::uint64_t pacing_rate{0}, max_pacing_rate{0};  // bytes a second; all ones: unlimited
    std::uint64_t bytes_acked{0}, bytes_received{0};
    std::uint32_t segs_out{0}, segs_in{0};
    std::uint32_t notsent_bytes{0};
    std::uint32_t min_rtt{0};
    std::uint32_t data_segs_in{0}, data_segs_out{0};
    std::uint64_t delivery_rate{0};  // bytes a second
    std::uint64_t busy_time{0}, rwnd_limited{0}, sndbuf_limited{0};
    std::uint32_t delivered{0}, delivered_ce{0};  // segments
    std::uint64_t bytes_sent{0}, bytes_retrans{0};
    std::uint32_t dsack_dups{0}, reord_seen{0};
    std::uint32_t rcv_ooopack{0};
    std::uint32_t snd_wnd{0};  // bytes
    // From here on in Linux 6.2 and later.
    std::uint32_t rcv_wnd{0};  // bytes
    std::uint32_t rehash{0};  // 0: no path is chosen by a hash here
    std::uint16_t total_rto{0}, total_rto_recoveries{0};
    std::uint32_t total_rto_time{0};  // ms
    // From here on in Linux 6.18 and later: ECN (RFC 9768).
    std::uint32_t received_ce{0};  // segments
    std::uint32_t delivered_e1_bytes{0}, delivered_e0_bytes{0}, delivered_ce_bytes{0};
    std::uint32_t received_e1_bytes{0}, received_e0_bytes{0}, received_ce_bytes{0};
    std::uint32_t ecn_mode{0};  // low two bits: 0 off, 1 RFC 3168, 2 RFC 9768
};
static_assert(sizeof(TcpInfo) == 280 && std::is_trivially_copyable_v<TcpInfo>);

// Of the connection at `index`, which lives.
TcpInfo info_of(Host& host, std::uint32_t index, Instant now);

}  // namespace weft::tcp
