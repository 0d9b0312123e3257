// Congestion control: a value that hears about acknowledgements and answers with a window.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "plugins/abi/weft_plugin.h"
#include "plugins/abi/weft_plugin.hpp"

namespace weft::tcp {

// The same event structs on both sides of the boundary. They live for a call: no state embeds one, for they grow.
using AckEvent = weft_cc_ack;
using CongestionEvent = weft_cc_congestion;
using SentEvent = weft_cc_sent;
using IdleEvent = weft_cc_idle;
using PathEvent = weft_cc_path;
using Control = weft_cc_control;

template <class C>
concept CongestionControl = plugin::Congestion<C> && sizeof(C) <= WEFT_CC_STATE_SLAB &&
                            requires(C c, const IdleEvent& idle, const PathEvent& path, Control& out) {
                                c.on_idle(idle, out);
                                c.on_path(path, out);
                            };

// What of its answer a TCB keeps. Bytes fit 32 bits: a window is at most 2^30 (RFC 7323, section 2.3).
struct Steering {
    static constexpr std::uint32_t cap = 1 << 30;

    std::uint32_t cwnd{0};        // bytes, at least one mss
    std::uint32_t ssthresh{cap};  // bytes

    constexpr Control control(std::uint32_t mss) const {
        Control now{};
        now.size = sizeof now;
        now.mss = mss;
        now.cwnd = std::max(cwnd, mss);  // the segment may have grown since
        now.ssthresh = std::max(ssthresh, 2 * mss);
        return now;
    }

    // Trusts nothing. True if the window stayed within its bounds.
    constexpr bool take(const Control& wanted, std::uint32_t mss) {
        cwnd = std::uint32_t(std::clamp<std::uint64_t>(wanted.cwnd, mss, cap));
        ssthresh = std::uint32_t(std::clamp<std::uint64_t>(wanted.ssthresh, 2ull * mss, cap));
        return cwnd == wanted.cwnd;
    }
};
static_assert(sizeof(Steering) == 8);

}  // namespace weft::tcp
