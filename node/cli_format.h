// How the command line writes numbers, tables, colours and errors. Pure functions, but for Console's two streams.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/client.h"

namespace weft::node {

enum ExitCode : int { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_not_running = 3, exit_timed_out = 4 };

// Why a command failed, and what its user can do about it.
struct Problem {
    int exit_code{exit_failed};
    std::string kind;     // for --json: "not_running", "timed_out", "refused", ...
    std::string message;
    std::string mend;     // empty: nothing to suggest
};

// Of a failed call on the control socket of the node of this name.
Problem problem_of(const ControlError& error, std::string_view node);
Problem usage_problem(std::string message, std::string mend = {});
Problem failure(std::string kind, std::string message, std::string mend = {});

// Where a command writes. Colour and progress only on a terminal.
struct Console {
    std::FILE* out{stdout};
    std::FILE* err{stderr};
    bool json{false}, quiet{false};
    bool colour{false};    // on `out`
    bool progress{false};  // on `err`

    static Console standard(bool json, bool quiet);
    void print(std::string_view text) const;         // results
    void print_json(const Json& value) const;        // one line
    void note(std::string_view text) const;          // remarks on err: none with --quiet
    int fail(const Problem& problem) const;  // the message, and with --json an object {"error":{...}}; its exit code
};

enum class Colour : std::uint8_t { plain, bold, green, yellow, red, dim };
std::string coloured(std::string_view text, Colour colour, bool enabled);

std::string human_bytes(std::uint64_t bytes);  // "0 B", "1023 B", "1.50 MiB"
std::string human_rate(std::uint64_t bytes, double seconds);  // "12.3 MiB/s"; "-" without time
std::string human_seconds(double seconds);  // "0.52 s", "3 min 5 s", "2 d 3 h"
std::string human_microseconds(std::uint64_t us);  // "950 us", "1.25 ms", "3.20 s"

// Escapes whatever could move a terminal's cursor: text may come from a wire or a file.
std::string printable(std::string_view text);

// Columns as wide as their widest cell (without colour sequences), two spaces apart. The first row is the heading.
using Row = std::vector<std::string>;
std::string table(std::span<const Row> rows, bool colour);

std::optional<std::uint16_t> parse_port(std::string_view text);  // 0 to 65535, decimal

// Fields of what a node sent: another type, or none, gives the fallback.
std::uint64_t count_in(const Json& object, std::string_view key, std::uint64_t fallback = 0);
double number_in(const Json& object, std::string_view key, double fallback = 0);
std::string text_in(const Json& object, std::string_view key, std::string_view fallback = {});
bool has_number(const Json& object, std::string_view key);
const Json& object_in(const Json& object, std::string_view key);  // an empty one if it is not there
const Json& array_in(const Json& object, std::string_view key);

}  // namespace weft::node
