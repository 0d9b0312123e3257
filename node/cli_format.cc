// Formatting of the command line's output (see cli_format.h).
#include "node/cli_format.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include <fmt/core.h>

namespace weft::node {
namespace {

// Characters that a terminal shows: no colour sequence, no continuation byte of UTF-8.
std::size_t shown_width(std::string_view text) {
    std::size_t width = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b') {
            while (i < text.size() && text[i] != 'm') ++i;
        } else if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
            ++width;
        }
    }
    return width;
}

}  // namespace

Problem problem_of(const ControlError& error, std::string_view node) {
    const std::string option = node.empty() ? "" : fmt::format(" --node {}", printable(node));
    switch (error.kind) {
    case ControlError::Kind::not_running:
        return {exit_not_running, "not_running", "the node is not running: " + error.message,
                fmt::format("start it with `weft up -d{}`", option)};
    case ControlError::Kind::not_permitted:
        return {exit_failed, "not_permitted", error.message,
                "the node belongs to another user: run this as that user, or choose a node of yours with --node"};
    case ControlError::Kind::timed_out:
        return {exit_timed_out, "timed_out", error.message,
                fmt::format("see whether it is busy with `weft status{}`, or its log", option)};
    case ControlError::Kind::closed:
        return {exit_failed, "closed", error.message,
                fmt::format("it may have ended: see `weft status{}`, and its log", option)};
    case ControlError::Kind::malformed:
        return {exit_failed, "malformed", error.message, "is this the control socket of a weft node, and of this version?"};
    case ControlError::Kind::rejected:
        return {exit_failed, error.cause.empty() ? "rejected" : printable(error.cause), printable(error.message), {}};
    case ControlError::Kind::system: break;
    }
    return {exit_failed, "system", error.message, {}};
}

Problem usage_problem(std::string message, std::string mend) {
    return {exit_usage, "usage", std::move(message), std::move(mend)};
}
Problem failure(std::string kind, std::string message, std::string mend) {
    return {exit_failed, std::move(kind), std::move(message), std::move(mend)};
}

Console Console::standard(bool json, bool quiet) {
    Console console;
    const char* no_colour = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    const bool dumb = terminal != nullptr && std::string_view{terminal} == "dumb";
    console.json = json;
    console.quiet = quiet;
    console.colour = !json && ::isatty(STDOUT_FILENO) == 1 && !dumb && (no_colour == nullptr || *no_colour == '\0');
    console.progress = !json && !quiet && !dumb && ::isatty(STDERR_FILENO) == 1;
    return console;
}

void Console::print(std::string_view text) const {
    std::fwrite(text.data(), 1, text.size(), out);
    std::fflush(out);
}

void Console::print_json(const Json& value) const { print(to_line(value) + '\n'); }

void Console::note(std::string_view text) const {
    if (quiet) return;
    std::fwrite(text.data(), 1, text.size(), err);
    std::fflush(err);
}

int Console::fail(const Problem& problem) const {
    std::string text = "weft: " + problem.message + '\n';
    if (!problem.mend.empty()) text += "  " + problem.mend + '\n';
    std::fwrite(text.data(), 1, text.size(), err);
    std::fflush(err);
    if (json) print_json({{"error", {{"kind", problem.kind}, {"message", problem.message}, {"mend", problem.mend}}}});
    return problem.exit_code;
}

std::string coloured(std::string_view text, Colour colour, bool enabled) {
    static constexpr std::array<std::string_view, 6> codes{"", "1", "32", "33", "31", "2"};
    if (!enabled || colour == Colour::plain) return std::string{text};
    return fmt::format("\x1b[{}m{}\x1b[0m", codes[std::size_t(colour)], text);
}

std::string human_bytes(std::uint64_t bytes) {
    static constexpr std::array<std::string_view, 6> units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) return fmt::format("{} B", bytes);
    double scaled = double(bytes) / 1024;
    std::size_t unit = 0;
    while (scaled >= 1023.95 && unit + 1 < units.size()) {
        scaled /= 1024;
        ++unit;
    }
    return fmt::format("{:.{}f} {}", scaled, scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0, units[unit]);
}

std::string human_rate(std::uint64_t bytes, double seconds) {
    if (!(seconds > 0)) return "-";
    return human_bytes(std::uint64_t(std::min(double(bytes) / seconds, 1e18))) + "/s";
}

std::string human_seconds(double seconds) {
    if (!(seconds >= 0)) return "-";
    if (seconds < 10) return fmt::format("{:.2f} s", seconds);
    const auto whole = std::uint64_t(std::min(std::round(seconds), 1e15));
    if (whole < 60) return fmt::format("{} s", whole);
    if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
    if (whole < 86400) return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
    return fmt::format("{} d {} h", whole / 86400, whole % 86400 / 3600);
}

std::string human_microseconds(std::uint64_t us) {
    if (us < 1000) return fmt::format("{} us", us);
    if (us < 1'000'000) return fmt::format("{:.2f} ms", double(us) / 1e3);
    return fmt::format("{:.2f} s", double(us) / 1e6);
}

std::string printable(std::string_view text) {
    std::string shown;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
        if (byte == 0xc2 && next >= 0x80 && next < 0xa0) shown += fmt::format("\\x{:02x}", text[++i] & 0xff);  // C1 controls
        else if (byte < 0x20 || byte == 0x7f) shown += fmt::format("\\x{:02x}", byte);
        else shown.push_back(text[i]);
    }
    return shown;
}

std::string table(std::span<const Row> rows, bool colour) {
    std::vector<std::size_t> widths;
    for (const Row& row : rows) {
        if (row.size() > widths.size()) widths.resize(row.size());
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], shown_width(row[i]));
    }
    std::string text;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        std::string line;
        for (std::size_t i = 0; i < rows[r].size(); ++i) {
            line += rows[r][i];
            if (i + 1 < rows[r].size()) line.append(widths[i] - shown_width(rows[r][i]) + 2, ' ');
        }
        text += (r == 0 ? coloured(line, Colour::bold, colour) : line) + '\n';
    }
    return text;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return port;
}

std::uint64_t count_in(const Json& object, std::string_view key, std::uint64_t fallback) {
    if (!object.is_object()) return fallback;
    const auto field = object.find(key);
    if (field == object.end() || !field->is_number_integer()) return fallback;
    return field->is_number_unsigned() || field->get<std::int64_t>() >= 0 ? field->get<std::uint64_t>() : fallback;
}

double number_in(const Json& object, std::string_view key, double fallback) {
    return has_number(object, key) ? object.find(key)->get<double>() : fallback;
}

std::string text_in(const Json& object, std::string_view key, std::string_view fallback) {
    if (!object.is_object()) return std::string{fallback};
    const auto field = object.find(key);
    return field != object.end() && field->is_string() ? printable(field->get<std::string>()) : std::string{fallback};
}

bool has_number(const Json& object, std::string_view key) {
    if (!object.is_object()) return false;
    const auto field = object.find(key);
    return field != object.end() && field->is_number();
}

const Json& object_in(const Json& object, std::string_view key) {
    static const Json none = Json::object();
    if (!object.is_object()) return none;
    const auto field = object.find(key);
    return field != object.end() && field->is_object() ? *field : none;
}

const Json& array_in(const Json& object, std::string_view key) {
    static const Json none = Json::array();
    if (!object.is_object()) return none;
    const auto field = object.find(key);
    return field != object.end() && field->is_array() ? *field : none;
}

}  // namespace weft::node
