// One line on a terminal that tells how far a long transfer is: bytes, rate, time to go.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "node/cli_format.h"

namespace weft::node {

// "  12.3 MiB  45 %  98.7 MiB/s  3 s to go"; without a total neither share nor time to go.
std::string progress_line(std::uint64_t bytes, std::optional<std::uint64_t> total, double bytes_per_second);

class Progress {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds interval{250}, patience{1000};

    Progress(const Console& console, std::optional<std::uint64_t> total, Clock::time_point start)
        : console_{console}, total_{total}, start_{start} {}

    void update(std::uint64_t bytes, Clock::time_point now);  // writes once an interval, and not in the first second
    void clear();

private:
    const Console& console_;
    std::optional<std::uint64_t> total_;  // bytes, if known
    Clock::time_point start_, drawn_{};
    std::deque<std::pair<Clock::time_point, std::uint64_t>> samples_;  // of the last two seconds
    bool visible_{false};
};

}  // namespace weft::node
