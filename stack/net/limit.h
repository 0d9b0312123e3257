// A rate with a burst, as one instant: what comes faster is refused (RFC 4443, section 2.4 f, asks for a token bucket).
#pragma once

#include <algorithm>
#include <cstdint>

#include "stack/core/time.h"

namespace weft::net {

class RateLimit {
public:
    constexpr RateLimit(std::uint32_t a_second, std::uint32_t burst)
        : interval_{Duration::nanoseconds(1'000'000'000 / std::max(a_second, 1u))}, burst_{burst} {}

    // One more now?
    bool take(Instant now) {
        const Instant from = std::max(next_, now);
        if (from - now > interval_ * (std::int64_t{burst_} - 1)) return false;
        next_ = from + interval_;
        return true;
    }

private:
    Duration interval_;
    std::uint32_t burst_;
    Instant next_;  // when all that was taken is paid for
};

}  // namespace weft::net
