// What a person asked of `weft`, as plain values. The parser behind it (CLI11) is included by cli_options.cc alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "plugins/host/values.h"

namespace weft::node {

struct KeyGenOptions {
    std::string file;
};   // empty: the default path
struct KeyShowOptions {
    std::string file;
};

struct UpOptions {
    std::string config;                // empty: the default path
    bool detach{false};
    std::chrono::seconds wait{10};     // for a detached node to answer
    std::vector<std::uint16_t> expose; // TCP ports that every member may reach
    std::string http;                  // directory whose files to serve; empty: as configured
    std::uint16_t http_port{0};        // 0: as configured
    bool echo{false};
};
struct DownOptions {
    std::chrono::seconds wait{10};
};
struct StatusOptions {};
struct PeersOptions {};
struct FlowsOptions {
    bool details{false};
    std::string filter;                // empty: all
    std::chrono::milliseconds watch{0};  // between two looks; 0: one look
};
struct TraceOptions {
    std::string file;                  // a recording; empty: the node
    std::string which;                 // PLACE:GENERATION or a filter; empty: all
    std::string classes{"edges"};
};
struct RecordOptions {
    std::string output;                // empty: a name of its own, "-": stdout
    std::string classes{"all"};
    std::optional<std::chrono::milliseconds> duration;
    bool overwrite{false}, payload{false};
    std::vector<std::string> flows;    // each PLACE or PLACE:GENERATION; none: all
    std::uint64_t limit{0};            // bytes; 0: none
};

struct PluginListOptions {};
struct PluginLoadOptions {
    std::string name;
};
struct PluginUnloadOptions {
    std::string name;
    bool force{false};
};
struct CcOptions {
    std::string flow, module;
    std::vector<std::pair<std::string, plugins::Number>> parameters;
};
struct PathOfOptions {
    std::string address;
    std::chrono::milliseconds wait{6'000};   // for a path that is set up
};
struct LabelsOptions {};

struct NcOptions {
    bool listen{false}, keep{false}, sha256{false}, summary{false};
    std::string address;               // empty when listening
    std::uint16_t port{0};
    std::string input, output;         // files; empty: stdin (see `-o` in the help), stdout
    std::chrono::milliseconds timeout{0};  // to connect, and with nothing moving; 0: none
    std::optional<int> ready_fd;
};

struct TapOptions {
    std::string device{"weft%d"};
    bool tun{false}, plain{false};     // plain: no vnet_hdr
    std::vector<std::string> addresses, kernel, gateways, routes;
    std::uint32_t mtu{1'500};
    std::string mac, loss, delay;      // as written
    std::string http;                  // directory; empty: none
    bool echo{false}, discard{false}, source{false}, verbose{false};
};

struct CommonOptions {
    std::string node;  // empty: $WEFT_NODE, then "default"
    bool json{false}, quiet{false};
};

using Command = std::variant<StatusOptions, KeyGenOptions, KeyShowOptions, UpOptions, DownOptions, PeersOptions,
                             FlowsOptions, PathOfOptions, LabelsOptions, NcOptions, PluginListOptions, PluginLoadOptions,
                             PluginUnloadOptions, CcOptions, TapOptions, TraceOptions, RecordOptions>;

struct Request {
    CommonOptions common;
    Command command;
};

// Nothing to run: help or version on stdout (exit code 0), or what is wrong on stderr (2).
struct Advice {
    int exit_code{0};
    std::string text;
};

std::expected<Request, Advice> parse_command_line(std::span<const char* const> arguments);  // [0] is the program's name

}  // namespace weft::node
