// Formats a log line and writes it at once, so that lines of several processes on one terminal stay whole.
#include "node/log.h"

#include <unistd.h>

#include <array>
#include <ctime>
#include <iterator>

#include <fmt/format.h>

namespace weft::node {
namespace {

LogLevel wanted_level = LogLevel::info;
LogFormat wanted_format = LogFormat::text;
constexpr std::array<std::string_view, 5> names{"error", "warning", "info", "debug", "trace"};

void escape(fmt::memory_buffer& out, std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') fmt::format_to(std::back_inserter(out), "\\{}", c);
        else if (byte < 0x20 || byte == 0x7f) fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
        else out.push_back(c);
    }
}

// Quotes stand as they are in text; only what could move a terminal's cursor is escaped.
void escape_controls(fmt::memory_buffer& out, std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
        else out.push_back(c);
    }
}

}  // namespace

std::string_view to_string(LogLevel level) { return names[std::size_t(level)]; }

void set_log_level(LogLevel level) { wanted_level = level; }
void set_log_format(LogFormat format) { wanted_format = format; }
bool log_wanted(LogLevel level) { return level <= wanted_level; }

void log(LogLevel level, std::string_view subsystem, std::string_view message) {
    if (!log_wanted(level)) return;
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    fmt::memory_buffer line;
    const std::string stamp = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                                          utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000);
    if (wanted_format == LogFormat::json) {
        fmt::format_to(std::back_inserter(line), R"({{"time":"{}","level":"{}","subsystem":"{}","message":")", stamp,
                       to_string(level), subsystem);
        escape(line, message);
        fmt::format_to(std::back_inserter(line), "\"}}\n");
    } else {
        fmt::format_to(std::back_inserter(line), "{} {:<7} {:<8} ", stamp, to_string(level), subsystem);
        escape_controls(line, message);
        line.push_back('\n');
    }
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace weft::node
