// What a plugin says of itself, checked and brought to one form: structs of this host's size, with zero where the plugin knew
// of no such field. Pointers are followed, for the code behind them runs in this process anyhow; numbers are not believed.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/abi/weft_plugin.h"
#include "plugins/host/file.h"

namespace weft::plugins {

inline constexpr std::uint32_t most_modules = 16, most_fields = 256, most_names = 64, largest_shared = 1 << 20;

// What this host serves of weft_cc_v1.flags. A module that needs more is refused: it would steer by what never comes.
inline constexpr std::uint32_t served_flags = WEFT_CC_NEEDS_PACING | WEFT_CC_ECN | WEFT_CC_ACCECN | WEFT_CC_OWN_RECOVERY;

// A congestion module of a file. Texts and code lie in the file's mapping.
struct Congestion {
    std::string name, doc;
    weft_cc_v1 table{};  // `size` is this host's; `parameters` and `variables` are those below
    std::vector<weft_field> parameters, variables;
    Congestion() = default;
    Congestion(Congestion&&) = default;  // the vectors' elements stay where they are
    Congestion& operator=(Congestion&&) = default;
    Congestion(const Congestion&) = delete;
    Congestion& operator=(const Congestion&) = delete;
};

struct Contents {
    std::string name, version, license;
    std::vector<Congestion> congestion;
    std::vector<std::string> not_served;  // modules of kinds that this host has no use for, a line each
};

// `path` names the file in messages.
std::expected<Contents, Problem> read_tables(const weft_plugin* plugin, const std::string& path);

}  // namespace weft::plugins
