// Congestion control: a value that hears about acknowledgements and answers with a window and a pace.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "plugins/abi/weft_plugin.h"

namespace weft::tcp {

// The same event structs on both sides of the boundary. They live for a call: no state embeds one, for they grow.
using AckEvent = weft_cc_ack;
using CongestionEvent = weft_cc_congestion;
using Control = weft_cc_control;

template <class C>
concept CongestionControl = std::is_trivially_copyable_v<C> && sizeof(C) <= WEFT_CC_STATE_SLAB &&
    requires(C c, const AckEvent& ack, const CongestionEvent& event, Control& out) {
        c.on_ack(ack, out);
        c.on_congestion(event, out);
    };

// What of it a TCB keeps. Bytes fit 32 bits: a window is at most 2^30 (RFC 7323, section 2.3).
struct Steering {
    std::uint64_t pacing_rate{0};   // bytes per second; 0: the host derives it
    std::uint32_t cwnd{0};          // bytes, at least one mss
    std::uint32_t ssthresh{1 << 30};// bytes
    std::uint32_t send_quantum{0};  // bytes a super-segment; 0: 1 ms of the pacing rate, at least two segments

    constexpr Control control(std::uint32_t mss) const {
        return {sizeof(Control), mss, cwnd, ssthresh, pacing_rate, send_quantum, 0, 0};
    }

    // Trusts nothing. True if the module stayed within its bounds; else the host counts a violation.
    constexpr bool take(const Control& wanted, std::uint32_t mss) {
        constexpr std::uint64_t cap = 1 << 30;
        const std::uint64_t window = std::clamp<std::uint64_t>(wanted.cwnd, mss, cap);
        const std::uint64_t pace = wanted.pacing_rate == 0 ? 0 : std::max<std::uint64_t>(wanted.pacing_rate, mss);
        cwnd = std::uint32_t(window);
        ssthresh = std::uint32_t(std::clamp<std::uint64_t>(wanted.ssthresh, 2ull * mss, cap));
        pacing_rate = pace;
        send_quantum = std::min(wanted.send_quantum, 65'535u);
        return window == wanted.cwnd && pace == wanted.pacing_rate;
    }
};
static_assert(sizeof(Steering) == 24);

// RFC 5681 with byte counting (RFC 3465). One acknowledgement may stand for many that were coalesced,
// so L is 8, and without limit when paced (RFC 9406, section 4.2).
struct NewReno {
    std::uint64_t credit{0};                // bytes acknowledged and not yet turned into window
    std::uint64_t prior_cwnd{0}, prior_ssthresh{0};

    void on_ack(const AckEvent& ack, Control& out) {
        if ((ack.flags & WEFT_ACK_IN_RECOVERY) || !(ack.flags & WEFT_ACK_CWND_LIMITED)) return;
        if (out.cwnd < out.ssthresh) {
            const std::uint64_t limit = out.pacing_rate != 0 ? ack.newly_acked : 8ull * ack.mss;
            out.cwnd += std::min(ack.newly_acked, limit);
            return;
        }
        credit += ack.newly_acked;
        while (credit >= out.cwnd) {
            credit -= out.cwnd;
            out.cwnd += ack.mss;
        }
    }

    void on_congestion(const CongestionEvent& event, Control& out) {
        switch (event.cause) {
        case WEFT_CONGESTION_LOSS:
        case WEFT_CONGESTION_ECN:
        case WEFT_CONGESTION_TIMEOUT:
            prior_cwnd = out.cwnd;
            prior_ssthresh = out.ssthresh;
            out.ssthresh = std::max<std::uint64_t>(event.prior_in_flight / 2, 2ull * event.mss);
            out.cwnd = event.cause == WEFT_CONGESTION_TIMEOUT ? event.mss : out.ssthresh;
            credit = 0;
            break;
        case WEFT_CONGESTION_PERSISTENT: out.cwnd = event.mss; break;
        case WEFT_CONGESTION_SPURIOUS:
            out.cwnd = std::max(out.cwnd, prior_cwnd);
            out.ssthresh = std::max(out.ssthresh, prior_ssthresh);
            break;
        default: break;
        }
    }
};
static_assert(CongestionControl<NewReno>);

}  // namespace weft::tcp
