// The registry of what can be tuned in a stack: one table over Config with name, unit, range, default and meaning of each
// number. Configuration files, the control socket and adapters that know Linux's sysctl names all read and write through it.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "stack/tcp/config.h"

namespace weft::tcp {

struct Tunable {
    std::string_view name;  // lower case and underscores
    std::string_view sysctl;  // Linux's name for it, without "net.ipv4."; empty: it has none
    std::string_view unit;  // "bytes", "us", "ms", "s", "records", ...; "switch": 0 or 1; "choice": one of `choices`
    std::int64_t least, most;  // in `unit`, both allowed
    std::string_view doc;  // one sentence, with its source
    std::int64_t (*get)(const Config&);
    void (*set)(Config&, std::int64_t);
    std::span<const std::string_view> choices{};  // names of 0, 1, ... where the unit is "choice"

    std::int64_t initial() const { return get(Config{}); }
};

// In the order of docs/tunables.md.
std::span<const Tunable> tunables();

// By its name, or by Linux's ("net.ipv4.tcp_syncookies", "net/ipv4/tcp_syncookies" or "tcp_syncookies"). nullptr: there is none.
const Tunable* find_tunable(std::string_view name);

// A value by name, as text: a number in the tunable's unit, "on" or "off", or a choice by its name. Of Linux's triples ("4096
// 131072 6291456") the second number counts for `send_buffer` and `receive_buffer`, and the third for their bounds. The
// error is a sentence that names what would be right; then `config` is as it was.
std::expected<void, std::string> tune(Config& config, std::string_view name, std::string_view value);

// The value by name in the form that tune() reads.
std::expected<std::string, std::string> tuned(const Config& config, std::string_view name);

// Every number within its range.
Config bounded(Config config);

// docs/tunables.md as it must read.
std::string tunables_page();

}  // namespace weft::tcp
