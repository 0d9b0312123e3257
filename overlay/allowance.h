// How much of something a neighbour may have: token buckets as one moment each, and fair shares of one bucket.
#pragma once

#include <algorithm>
#include <map>

#include "overlay/label.h"
#include "stack/core/time.h"

namespace weft::overlay {

// So many a second, and a burst of them at once.
class Allowance {
public:
    bool take(unsigned a_second, unsigned burst, Instant now, unsigned count = 1) {
        const Duration each = Duration::seconds(1) / std::max(a_second, 1u);
        const Instant from = std::max(full_at_, now);
        if (from + each * count - now > each * burst) return false;
        full_at_ = from + each * count;
        return true;
    }

private:
    Instant full_at_;   // when all of the burst may be taken again
};

// One allowance for all, who asks for much of it gets at most half, and only while as much as it holds is left for others.
class Shares {
public:
    bool take(LinkNumber who, unsigned a_second, Instant now) {
        const Duration each = Duration::seconds(1) / std::max(a_second, 1u);
        if (of_.size() > 32) std::erase_if(of_, [&](const auto& entry) { return entry.second <= now; });
        Instant& mine = of_[who];
        const Instant mine_from = std::max(mine, now), all_from = std::max(all_, now);
        if ((mine_from - now) + (all_from - now) + each * 2 > Duration::seconds(1)) return false;
        mine = mine_from + each * 2;
        all_ = all_from + each;
        return true;
    }

private:
    Instant all_;
    std::map<LinkNumber, Instant> of_;
};

}  // namespace weft::overlay
