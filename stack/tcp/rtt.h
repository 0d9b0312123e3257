// Round-trip time and retransmission timeout (RFC 6298, sections 2 and 5.5 to 5.7), in integers.
#pragma once

#include <algorithm>

#include "stack/tcp/tcb.h"

namespace weft::tcp {

inline constexpr Duration rto_after_lost_syn = Duration::seconds(3);  // 5.7
inline constexpr Duration maximum_rto = Duration::seconds(60);     // 2.5
inline constexpr Duration clock_granularity = Duration::milliseconds(1);
inline constexpr Duration longest_echo = Duration::seconds(3'600);  // a timestamp of before was never ours

// A sample of a segment that was sent once, or that timestamps tell from its retransmission (Karn).
inline void sample_round_trip(Tcb::Timing& timing, Duration sample, Duration minimum_rto, bool above_srtt = false) {
    sample = std::max(sample, Duration::nanoseconds(1));
    if (timing.srtt == Duration{}) {  // 2.2
        timing.srtt = sample;
        timing.rttvar = sample / 2;
    } else {                          // 2.3: alpha 1/8, beta 1/4
        const Duration off = timing.srtt > sample ? timing.srtt - sample : sample - timing.srtt;
        timing.rttvar = (timing.rttvar * 3 + off) / 4;
        timing.srtt = (timing.srtt * 7 + sample) / 8;
    }
    if (timing.min_rtt == Duration{} || sample < timing.min_rtt) timing.min_rtt = sample;
    const Duration least = above_srtt ? minimum_rto : clock_granularity;
    timing.rto = std::clamp(timing.srtt + std::max(least, timing.rttvar * 4), minimum_rto, maximum_rto);
}

// 5.5: doubled by each expiry in a row.
inline Duration backed_off(Duration rto, unsigned backoff) {
    return std::min(rto * (1ll << std::min(backoff, 10u)), maximum_rto);
}

}  // namespace weft::tcp
