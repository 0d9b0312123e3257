// The daemon's log: levels, subsystems, text or JSON lines on stderr, and a limit on what the wire can provoke.
#pragma once

#include <cstdint>
#include <string_view>

#include "stack/core/time.h"

namespace weft::node {

enum class LogLevel : std::uint8_t { error, warning, info, debug, trace };
enum class LogFormat : std::uint8_t { text, json };

std::string_view to_string(LogLevel level);

// One log a process: main() sets it up, the loop's thread writes to it.
void set_log_level(LogLevel level);
void set_log_format(LogFormat format);
bool log_wanted(LogLevel level);

// One line, in one write(2), stamped with UTC. Control characters are escaped: `message` may quote what came from outside.
void log(LogLevel level, std::string_view subsystem, std::string_view message);

// For what a stranger can trigger: at most `burst` lines an interval, then one that counts the suppressed ones.
class RateLimit {
public:
    constexpr RateLimit(std::uint32_t burst, Duration interval) : burst_{burst}, interval_{interval} {}

    bool allow(Instant now) {
        if (now - since_ >= interval_) {
            since_ = now;
            used_ = 0;
        }
        if (used_ < burst_) return ++used_, true;
        ++suppressed_;
        return false;
    }

    std::uint64_t take_suppressed() {
        const std::uint64_t count = suppressed_;
        suppressed_ = 0;
        return count;
    }

private:
    std::uint32_t burst_, used_{0};
    Duration interval_;
    Instant since_ = Instant::from_nanoseconds(-1'000'000'000'000);
    std::uint64_t suppressed_{0};
};

}  // namespace weft::node
