// CUBIC (RFC 9438), with HyStart++ (RFC 9406) in its first slow start: after a loss the window grows by a cubic function of time, slow near where the loss was and fast far from
// it, and never slower than Reno. In integers: bytes, and 1/1,024 s.
#pragma once

#include <algorithm>
#include <cstdint>

#include "stack/tcp/congestion.h"
#include "stack/tcp/congestion/hystart.h"
#include "stack/tcp/congestion/newreno.h"

namespace weft::tcp {

struct CubicFractions {
    std::uint64_t reno_credit;  // of w_est, in bytes times cwnd times alpha_denominator: below one byte
    std::uint32_t growth;  // of cwnd, in bytes times cwnd: below cwnd
};

struct Cubic {
    // Sections 4.1, 4.6 and 5: C is 0.4 segments a second cubed, beta_cubic 0.7; alpha_cubic is 3 (1 - beta) / (1 + beta).
    static constexpr std::uint64_t c_numerator = 2, c_denominator = 5;
    static constexpr std::uint64_t beta_numerator = 7, beta_denominator = 10;
    static constexpr std::uint64_t alpha_numerator = 9, alpha_denominator = 17;
    static constexpr std::int64_t ticks_a_second = 1'024, longest = std::int64_t{1} << 20;  // ticks: 17 minutes
    static constexpr std::uint64_t cap = Steering::cap;

    std::int64_t epoch{0};  // ns: when congestion avoidance began, pauses of the application left out
    std::int64_t heard{0};  // ns: of the last acknowledgement
    union {
        HyStart slow_start{};  // while ssthresh was never set
        CubicFractions fractions;  // from the first epoch on
    };
    std::uint32_t w_max{0};  // bytes: the window before the last reduction; 0: there was none
    std::uint32_t w_est{0};  // bytes: what Reno's would be
    std::uint32_t prior{0};  // bytes: cwnd_prior, from which on Reno and CUBIC grow alike
    std::uint32_t k{0};  // ticks from the epoch until the curve is back at w_max
    std::uint32_t w_max_before{0};  // w_max before the last reduction, should that have been none (section 4.9)
    bool running{false};  // the epoch has begun
    bool fresh{true};  // no loss since the flow, or its timeout, began: the curve starts at its middle
    bool fresh_before{true};  // the same before the last reduction

    // K = cbrt((W_max - cwnd_epoch) / C), figure 2. Of windows up to 2^30 bytes all fits 63 bits.
    static constexpr std::uint32_t ticks_to(std::uint64_t w_max, std::uint64_t cwnd_epoch, std::uint32_t mss) {
        if (w_max <= cwnd_epoch) return 0;
        return cube_root((w_max - cwnd_epoch) * c_denominator * (1ull << 30) / (c_numerator * mss));
    }

    // W_cubic(t) = C (t - K)^3 + W_max, figure 1; t in ticks.
    static constexpr std::uint64_t w_cubic(std::int64_t t, std::uint32_t k, std::uint64_t w_max, std::uint32_t mss) {
        const std::int64_t away = std::clamp(t - std::int64_t{k}, -longest, longest);
        const std::uint64_t far = std::uint64_t(away < 0 ? -away : away);
        std::uint64_t moved = 0;
        if (__builtin_mul_overflow(far * far * far, c_numerator * mss, &moved)) moved = cap;
        else moved = std::min(moved / (c_denominator << 30), cap);
        return away < 0 ? w_max - std::min(w_max, moved) : std::min(w_max + moved, cap);
    }

    void begin(Control& out) const { out.cwnd = NewReno::initial_window(out.mss); }

    void on_ack(const AckEvent& ack, Control& out) {
        const std::int64_t since = ack.now - heard;
        heard = ack.now;
        if (ack.flags & WEFT_ACK_IN_RECOVERY) return;
        if (!(ack.flags & WEFT_ACK_CWND_LIMITED)) {  // section 4.2: t does not run while the application holds back
            epoch += running ? since : 0;
            return;
        }
        if (out.ssthresh >= cap) {  // section 4.10
            if (slow_start.on_ack(ack, out)) out.ssthresh = out.cwnd;
            return;
        }
        if (out.cwnd < out.ssthresh) {
            out.cwnd += std::min(ack.newly_acked, NewReno::limit * ack.mss);
            return;
        }
        if (!running) start(ack, out);
        grow(ack, out);
    }

    void on_congestion(const CongestionEvent& event, Control& out) {
        if (event.cause == WEFT_CONGESTION_SPURIOUS) return undo();
        if (event.cause != WEFT_CONGESTION_LOSS && event.cause != WEFT_CONGESTION_TIMEOUT &&
            event.cause != WEFT_CONGESTION_ECN)
            return;
        w_max_before = w_max;
        fresh_before = fresh;
        prior = std::uint32_t(out.cwnd);
        w_max = out.cwnd < w_max  // section 4.7: others came, leave them more
                    ? std::uint32_t(out.cwnd * (beta_denominator + beta_numerator) / (2 * beta_denominator))
                    : prior;
        out.ssthresh = std::max<std::uint64_t>(event.prior_in_flight * beta_numerator / beta_denominator, 2ull * event.mss);
        fresh = event.cause == WEFT_CONGESTION_TIMEOUT;
        out.cwnd = fresh ? event.mss : out.ssthresh;  // sections 4.6 and 4.8
        running = false;
    }

    void on_idle(const IdleEvent& idle, Control& out) { restart(idle.mss, out); }
    void on_path(const PathEvent& path, Control& out) { restart(path.mss, out); }

private:
    // Section 4.9: the window is given back by who took it; the curve goes on towards where it went.
    void undo() {
        w_max = w_max_before;
        fresh = fresh_before;
        running = false;
        slow_start = {};
    }

    static constexpr std::uint32_t cube_root(std::uint64_t of) {
        std::uint64_t root = 0;
        for (std::uint64_t bit = 1ull << 20; bit > 0; bit >>= 1)
            if (const std::uint64_t next = root | bit; next * next * next <= of) root = next;
        return std::uint32_t(root);
    }

    // A stage of congestion avoidance begins: section 4.2; after a timeout, or without a loss, section 4.8's.
    void start(const AckEvent& ack, const Control& out) {
        running = true;
        epoch = ack.now;
        w_est = std::uint32_t(out.cwnd);
        if (fresh) w_max = w_est;
        k = ticks_to(w_max, out.cwnd, ack.mss);
        fractions = {};
    }

    void grow(const AckEvent& ack, Control& out) {
        const std::uint64_t acked = std::min(ack.newly_acked, out.cwnd);  // one acknowledgement may stand for many
        const std::int64_t t = ticks(ack.now - epoch);
        // Section 4.3: w_est grows by alpha segments a window that is acknowledged, by one from cwnd_prior on.
        const std::uint64_t part = alpha_denominator * out.cwnd;
        fractions.reno_credit += acked * ack.mss * (w_est < prior ? alpha_numerator : alpha_denominator);
        w_est = std::uint32_t(std::min(w_est + fractions.reno_credit / part, cap));
        fractions.reno_credit %= part;
        if (w_cubic(t, k, w_max, ack.mss) < w_est) {
            out.cwnd = std::max<std::uint64_t>(out.cwnd, w_est);
            return;
        }
        const std::uint64_t ahead = w_cubic(t + ticks(ack.smoothed_rtt), k, w_max, ack.mss);
        const std::uint64_t target = std::clamp(ahead, out.cwnd, out.cwnd + out.cwnd / 2);  // section 4.2
        const std::uint64_t grown = fractions.growth + acked * (target - out.cwnd);  // sections 4.4 and 4.5
        fractions.growth = std::uint32_t(grown % out.cwnd);
        out.cwnd += grown / out.cwnd;
    }

    static constexpr std::int64_t ticks(std::int64_t nanoseconds) {
        constexpr std::int64_t second = 1'000'000'000;
        return std::clamp<std::int64_t>(nanoseconds / second, 0, longest) * ticks_a_second +
               std::max<std::int64_t>(nanoseconds % second, 0) * ticks_a_second / second;
    }

    void restart(std::uint32_t mss, Control& out) {
        out.cwnd = std::min(out.cwnd, NewReno::initial_window(mss));
        running = false;
    }
};
static_assert(CongestionControl<Cubic> && sizeof(Cubic) <= 56);

}  // namespace weft::tcp

template <>
struct weft::plugin::Fields<weft::tcp::Cubic> {
    using Cubic = weft::tcp::Cubic;
    static constexpr weft_field variables[]{
        WEFT_TIME_VARIABLE(Cubic, epoch, WEFT_TYPE_INSTANT, "when congestion avoidance began, pauses left out"),
        WEFT_TIME_VARIABLE(Cubic, heard, WEFT_TYPE_INSTANT, "of the last acknowledgement"),
        WEFT_VARIABLE(Cubic, w_max, WEFT_KIND_GAUGE, "bytes", "the window before the last reduction; 0: there was none"),
        WEFT_VARIABLE(Cubic, w_est, WEFT_KIND_GAUGE, "bytes", "what the window of Reno would be"),
        WEFT_VARIABLE(Cubic, prior, WEFT_KIND_GAUGE, "bytes", "cwnd_prior: from it on Reno and CUBIC grow alike"),
        WEFT_VARIABLE(Cubic, k, WEFT_KIND_GAUGE, "1/1024 s", "from the epoch until the curve is back at w_max"),
        WEFT_VARIABLE(Cubic, running, WEFT_KIND_FLAG, "", "the epoch has begun"),
        WEFT_VARIABLE(Cubic, fresh, WEFT_KIND_FLAG, "", "no loss since the flow, or its timeout, began")};
};
