// The progress line (see cli_progress.h). The rate is that of the last two seconds, so that a stall is seen.
#include "node/cli_progress.h"

#include <algorithm>

#include <fmt/core.h>

namespace weft::node {

std::string progress_line(std::uint64_t bytes, std::optional<std::uint64_t> total, double bytes_per_second) {
    std::string line = human_bytes(bytes);
    if (total && *total > 0)
        line += fmt::format("  {} %", std::uint64_t(100 * (double(std::min(bytes, *total)) / double(*total))));
    line += bytes_per_second > 0 ? "  " + human_rate(std::uint64_t(bytes_per_second), 1) : "  stalled";
    if (total && bytes_per_second > 0 && *total > bytes)
        line += "  " + human_seconds(std::max(1.0, double(*total - bytes) / bytes_per_second)) + " to go";
    return line;
}

void Progress::update(std::uint64_t bytes, Clock::time_point now) {
    if (!console_.progress || now - drawn_ < interval) return;
    drawn_ = now;
    samples_.emplace_back(now, bytes);
    while (samples_.size() > 2 && now - samples_.front().first > std::chrono::seconds{2}) samples_.pop_front();
    if (now - start_ < patience) return;
    const double seconds = std::chrono::duration<double>(now - samples_.front().first).count();
    const double rate = seconds > 0 ? double(bytes - samples_.front().second) / seconds : 0;
    console_.note("\r" + progress_line(bytes, total_, rate) + "\x1b[K");
    visible_ = true;
}

void Progress::clear() {
    if (visible_) console_.note("\r\x1b[K");
    visible_ = false;
}

}  // namespace weft::node
