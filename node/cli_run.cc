// From a request to its command.
#include <variant>

#include "node/cli_commands.h"

namespace weft::node {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};

}  // namespace

int run(const Request& request) {
    const CommonOptions& common = request.common;
    const Console console = Console::standard(common.json, common.quiet);
    return std::visit(Overloaded{
                          [&](const StatusOptions&) { return run_status(common, console); },
                          [&](const PeersOptions&) { return run_peers(common, console); },
                          [&](const FlowsOptions& options) { return run_flows(options, common, console); },
                          [&](const PathOfOptions& options) { return run_path(options, common, console); },
                          [&](const LabelsOptions&) { return run_labels(common, console); },
                          [&](const KeyGenOptions& options) { return run_key_gen(options, console); },
                          [&](const KeyShowOptions& options) { return run_key_show(options, console); },
                          [&](const UpOptions& options) { return run_up(options, common, console); },
                          [&](const DownOptions& options) { return run_down(options, common, console); },
                          [&](const PluginListOptions&) { return run_plugin_list(common, console); },
                          [&](const PluginLoadOptions& options) { return run_plugin_load(options, common, console); },
                          [&](const PluginUnloadOptions& options) { return run_plugin_unload(options, common, console); },
                          [&](const CcOptions& options) { return run_cc(options, common, console); },
                          [&](const TapOptions& options) { return run_tap(options, common, console); },
                          [&](const TraceOptions& options) { return run_trace(options, common, console); },
                          [&](const RecordOptions& options) { return run_record(options, common, console); },
                          [&](const NcOptions& options) { return run_nc(options, common, console); },
                      },
                      request.command);
}

}  // namespace weft::node
