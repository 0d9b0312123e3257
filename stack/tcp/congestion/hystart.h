// HyStart++ (RFC 9406): slow start that leaves before it loses. When the round-trip time grows it goes on conservatively, and
// when it still grows after a few rounds slow start is over. In integers: microseconds.
#pragma once

#include <algorithm>
#include <cstdint>

#include "stack/tcp/congestion.h"

namespace weft::tcp {

struct HyStart {
    // Section 4.3.
    static constexpr std::uint32_t min_rtt_thresh = 4'000, max_rtt_thresh = 16'000, min_rtt_divisor = 8;
    static constexpr std::uint32_t n_rtt_sample = 8, css_growth_divisor = 4, css_rounds = 5;
    static constexpr std::uint64_t limit = 8;  // L, segments, of a flow that is not paced; there is none for a paced one
    static constexpr std::uint32_t infinite = 0xffff'ffff;

    std::uint32_t last_min{infinite}, current_min{infinite};  // lastRoundMinRTT, currentRoundMinRTT
    std::uint32_t baseline{infinite};  // cssBaselineMinRtt
    std::uint8_t samples{0};  // rttSampleCount, up to n_rtt_sample
    std::uint8_t rounds{0};  // of conservative slow start, this one included; 0: it has not begun

    // Section 4.2, RttThresh.
    static constexpr std::uint32_t threshold(std::uint32_t last_min_rtt) {
        return std::clamp(last_min_rtt / min_rtt_divisor, min_rtt_thresh, max_rtt_thresh);
    }

    // An acknowledgement in slow start: the window grows. True: slow start is over.
    constexpr bool on_ack(const AckEvent& ack, Control& out) {
        if (ack.flags & WEFT_ACK_ROUND_START) begin_round();
        if (ack.flags & WEFT_ACK_RTT_VALID) {
            current_min = std::min(current_min, std::uint32_t(std::clamp<std::int64_t>(ack.rtt / 1'000, 1, infinite - 1)));
            if (samples < n_rtt_sample) ++samples;
        }
        const std::uint64_t most = out.pacing_rate != 0 ? ack.newly_acked : limit * ack.mss;
        const std::uint64_t grown = std::min(ack.newly_acked, most);
        out.cwnd += rounds == 0 ? grown : grown / css_growth_divisor;
        const bool known = samples >= n_rtt_sample && current_min != infinite && last_min != infinite;
        if (rounds == 0) {
            if (known && current_min >= last_min + threshold(last_min)) {
                baseline = current_min;
                rounds = 1;
            }
            return false;
        }
        if (samples >= n_rtt_sample && current_min < baseline) {  // it was jitter
            baseline = infinite;
            rounds = 0;
            return false;
        }
        return rounds > css_rounds;
    }

private:
    constexpr void begin_round() {
        last_min = current_min;
        current_min = infinite;
        samples = 0;
        if (rounds != 0) ++rounds;
    }
};
static_assert(sizeof(HyStart) == 16);

}  // namespace weft::tcp
