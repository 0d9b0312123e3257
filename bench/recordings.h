// Recordings to look at and to measure with: of a simulated crowd of flows, or made up at the speed of the disk.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "sim/crowd.h"
#include "sim/made.h"

namespace weft::bench {

struct Written {
    std::uint64_t bytes{0}, records{0};
    std::int64_t begin_ns{0}, end_ns{0};  // of record time
};

// Overwrites PATH with a whole recording of at least so many bytes (one batch more at most), or why it could not.
std::expected<Written, std::string> write_made(const std::string& path, std::uint64_t bytes,
                                               const sim::MadeRecords::Plan& plan);

// Overwrites PATH with what the first host of a simulated crowd tells for so long.
std::expected<Written, std::string> write_crowd(const std::string& path, const sim::CrowdPlan& plan, Duration duration,
                                                sim::CrowdCounts* counts = nullptr);

}  // namespace weft::bench
