// NewReno: slow start and congestion avoidance of RFC 5681 with byte counting (RFC 3465) and the initial window of RFC 6928.
// Which segment is lost, and what is sent again, is not its business: recovery.cc does that by RFC 6582.
#pragma once

#include <algorithm>
#include <cstdint>

#include "stack/tcp/congestion.h"

namespace weft::tcp {

struct NewReno {
    // One acknowledgement may stand for many that were coalesced: L = 2 of RFC 3465 would starve it.
    static constexpr std::uint64_t limit = 8;

    std::uint64_t credit{0};  // bytes acknowledged and not yet turned into window; below cwnd

    // RFC 6928, section 2.
    static constexpr std::uint64_t initial_window(std::uint32_t mss) {
        return std::min<std::uint64_t>(10ull * mss, std::max<std::uint64_t>(2ull * mss, 14'600));
    }

    void begin(Control& out) const { out.cwnd = initial_window(out.mss); }

    void on_ack(const AckEvent& ack, Control& out) {
        if ((ack.flags & (WEFT_ACK_IN_RECOVERY | WEFT_ACK_ECN_ECHO)) || !(ack.flags & WEFT_ACK_CWND_LIMITED)) return;
        if (out.cwnd < out.ssthresh) {  // slow start (RFC 5681, section 3.1)
            out.cwnd += std::min(ack.newly_acked, limit * ack.mss);
            return;
        }
        credit += ack.newly_acked;  // congestion avoidance: one mss a window that was acknowledged
        while (credit >= out.cwnd) {
            credit -= out.cwnd;
            out.cwnd += ack.mss;
        }
    }

    void on_congestion(const CongestionEvent& event, Control& out) {
        if (event.cause != WEFT_CONGESTION_LOSS && event.cause != WEFT_CONGESTION_TIMEOUT &&
            event.cause != WEFT_CONGESTION_ECN)
            return;
        out.ssthresh = std::max<std::uint64_t>(event.prior_in_flight / 2, 2ull * event.mss);  // RFC 5681, equation 4
        out.cwnd = event.cause == WEFT_CONGESTION_TIMEOUT ? event.mss : out.ssthresh;
        credit = 0;
    }

    void on_idle(const IdleEvent& idle, Control& out) { restart(idle.mss, out); }  // RFC 5681, section 4.1
    void on_path(const PathEvent& path, Control& out) { restart(path.mss, out); }  // what was learnt was of another route

private:
    void restart(std::uint32_t mss, Control& out) {
        out.cwnd = std::min(out.cwnd, initial_window(mss));
        credit = 0;
    }
};
static_assert(CongestionControl<NewReno>);

}  // namespace weft::tcp

template <>
struct weft::plugin::Fields<weft::tcp::NewReno> {
    static constexpr weft_field variables[]{
        WEFT_VARIABLE(weft::tcp::NewReno, credit, WEFT_KIND_GAUGE, "bytes", "acknowledged and not yet turned into window")};
};
