// What an engine counted.
#pragma once

#include <cstdint>

namespace weft {

// Totals since the engine began; memory counts are of now.
struct Statistics {
    std::uint64_t segments_in{0}, segments_out{0};  // as on the wire: a super-segment counts its segments
    std::uint64_t bytes_in{0}, bytes_out{0};        // payload that was accepted in order; payload first sent
    std::uint64_t retransmitted_segments{0}, retransmitted_bytes{0}, timeouts{0};
    std::uint64_t tail_probes{0}, spurious_recoveries{0};  // RFC 8985, section 7; episodes of loss that were none
    std::uint64_t duplicates_told{0};               // DSACK blocks that were sent (RFC 2883)
    std::uint64_t checksum_errors{0}, malformed{0}, no_listener{0}, challenge_acks{0}, resets_sent{0}, resets_received{0};
    std::uint64_t connections_opened{0}, connections_accepted{0}, connections_failed{0}, backlog_overflows{0};
    std::uint64_t no_memory{0};                     // segments dropped because the pool or a table was full
    // of congestion modules: answers out of bounds, slots in quarantine since, flows that got NewReno for what they asked for
    std::uint64_t module_violations{0}, modules_quarantined{0}, module_fallbacks{0};
    std::uint64_t arp_in{0}, arp_out{0}, ndp_in{0}, ndp_out{0}, icmp_in{0}, icmp_out{0};  // packets; NDP's are ICMP, too
    std::uint64_t icmp_limited{0}, icmp_ignored{0};  // answers beyond the rate; errors that were not believed
    std::uint64_t cookies_sent{0}, cookies_received{0}, cookies_failed{0};  // of SYNs (RFC 4987)
    std::uint64_t fast_opens{0};  // handshakes whose SYN brought text that was taken, at either end (RFC 7413)
    std::uint64_t ecn_cuts{0};  // times that an echoed mark cut a window
    std::uint64_t accurate_flows{0};  // that negotiated accurate ECN (RFC 9768)
    std::uint64_t ecn_marks_in{0}, ecn_marks_told{0};  // of them: marked packets, and those that peers tell of
    std::uint64_t ecn_mangled{0};  // and flows that found the bits mangled on their way
    std::uint64_t mtu_lowered{0}, black_holes{0};  // times that the network lowered a path's MTU, its silence a flow's
    std::uint64_t martians{0}, no_route{0}, unresolved{0};  // packets dropped: their source, no way, no neighbour's answer
    std::uint32_t connections{0}, half_open{0}, time_wait{0}, listeners{0}, paths{0};
};

}  // namespace weft
