// The commands of `weft`, each as a function that returns the process's exit code, and what they share.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <string_view>

#include "node/cli_format.h"
#include "node/cli_options.h"
#include "node/client.h"

namespace weft::node {

int run(const Request& request);

int run_status(const CommonOptions& common, const Console& console);
int run_peers(const CommonOptions& common, const Console& console);
int run_flows(const FlowsOptions& options, const CommonOptions& common, const Console& console);
int run_trace(const TraceOptions& options, const CommonOptions& common, const Console& console);
int run_record(const RecordOptions& options, const CommonOptions& common, const Console& console);
int run_path(const PathOfOptions& options, const CommonOptions& common, const Console& console);
int run_labels(const CommonOptions& common, const Console& console);
int run_key_gen(const KeyGenOptions& options, const Console& console);
int run_key_show(const KeyShowOptions& options, const Console& console);
int run_up(const UpOptions& options, const CommonOptions& common, const Console& console);
int run_down(const DownOptions& options, const CommonOptions& common, const Console& console);
int run_plugin_list(const CommonOptions& common, const Console& console);
int run_plugin_load(const PluginLoadOptions& options, const CommonOptions& common, const Console& console);
int run_plugin_unload(const PluginUnloadOptions& options, const CommonOptions& common, const Console& console);
int run_cc(const CcOptions& options, const CommonOptions& common, const Console& console);
int run_tap(const TapOptions& options, const CommonOptions& common, const Console& console);
int run_nc(const NcOptions& options, const CommonOptions& common, const Console& console);

// Calls that do not wait for the network are answered within this, or the node hangs.
inline constexpr std::chrono::seconds answer_time{5};

std::expected<Client, Problem> connect_to_node(std::string_view node);
std::expected<Json, Problem> ask(Client& client, std::string_view method, std::string_view node);

// What the tables show, from the answers of node.info, peer.list and flow.list.
std::string format_status(const Json& info, const Json& peers, const Json& flows, bool colour);
std::string format_peers(const Json& peers, bool colour);
std::string format_modules(const Json& modules, bool colour);
std::string module_details(const Json& flow);  // the line under a flow: what really runs, and its private variables
std::string format_flows(const Json& flows, const Json& peers, bool details, bool colour);

std::string format_path(const Json& path, bool colour);      // of path.get
std::string format_labels(const Json& labels, bool colour);  // of label.list

// A name for an address that fits a line: a peer's name, else its short form.
std::string label_of(std::string_view address, const Json& peers);

// The text form of the address that a person means by `operand`: an address in a form of its own, or one of `peers`
// (peer.list) by name or short form.
std::expected<std::string, Problem> resolve_address(std::string_view operand, const Json& peers);
// Whether `operand` is an address by itself, so that nobody needs to be asked.
std::expected<std::string, Problem> parse_own_form(std::string_view operand);

// Hexadecimal SHA-256 of what the file holds now.
std::expected<std::string, Problem> sha256_of_file(const std::string& path);

}  // namespace weft::node
