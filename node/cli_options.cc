// The grammar of the command line, and its help texts.
#include "node/cli_options.h"

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "node/cli_format.h"
#include "node/paths.h"
#include "node/suggest.h"
#include "node/units.h"

namespace weft::node {
namespace {

constexpr const char* about =
    "weft - a node of the overlay, and flows between 512-bit addresses\n"
    "Without a command: the node's status.";
constexpr const char* closing =
    "Environment:\n"
    "  WEFT_NODE                   the node that commands speak to (--node goes first)\n"
    "  WEFT_RUNTIME_DIR            where control sockets are, else $XDG_RUNTIME_DIR/weft, for root /run/weft\n"
    "  NO_COLOR                    no colour, on a terminal neither\n\n"
    "Exit status:\n"
    "  0 done   1 failed   2 wrong usage   3 the node is not running   4 timed out   128+N ended by signal N\n\n"
    "Examples:\n"
    "  weft key gen                make this node's key, and with it its address\n"
    "  weft up -d                  start the node in the background\n"
    "  weft nc -l 7000 -o got      wait for a file; `weft nc ADDRESS 7000 -i file` on another node sends it";
constexpr const char* nc_closing =
    "ADDRESS is the text form (weft1...), the host-name form (....weft), a configured peer's name, or the short form\n"
    "(weft:xxxx-xxxx-xxxx-xxxx) if it fits exactly one known peer.\n\n"
    "Bytes go both ways at once. The end of the input closes only the way out (half-close); the command ends when both "
    "ways\n"
    "have ended, or when the peer has ended and the input is a terminal. With --output and without --input nothing is "
    "sent.\n\n"
    "Summary, with --summary one line on stderr:\n"
    "  bytes=N sha256=HEX seconds=S mbit_per_s=X\n"
    "bytes is the size of the output file with --output, else what went both ways; sha256 only with --sha256.\n"
    "With --json one object on stdout instead: bytes_in bytes_out seconds mbit_per_s sha256 remote flow retransmissions "
    "error.\n\n"
    "Examples:\n"
    "  weft nc -l 7000 -o got --sha256 --summary\n"
    "  weft nc alice 7000 -i photo.jpg\n"
    "  tar c dir | weft nc alice 7000        and there: weft nc -l 7000 | tar x";

constexpr const char* flows_closing =
    "FILTER chooses flows: tcp.state == ESTABLISHED && rtt > 20ms. Operators are == != < <= > >= ~ (contains) && || ! and ( "
    ").\n"
    "Fields: tcp.state local remote port local.port remote.port family cc rtt rttvar cwnd ssthresh inflight rate "
    "retransmissions\n"
    "timeouts losses bytes.in bytes.out age flow; docs/node.md explains them.\n\n"
    "With -w on a terminal the table stays in its place; elsewhere each look is a block of lines, with --json an object.\n\n"
    "Examples:\n"
    "  weft flows -i 'remote.port == 7000'\n"
    "  weft flows -w 'retransmissions > 0 || rtt > 100ms'";
constexpr const char* trace_closing =
    "FLOW is PLACE:GENERATION as `weft flows` shows it, FILTER as there. FILE, a recording, ends in .weft or holds a slash; "
    "without one the\n"
    "node is asked, and the flows that there are come first. Classes: flow state loss timer limit congestion rate counters "
    "segment_sent\n"
    "segment_received link route label plugin drop variable text mark lagged define; all, edges, samples, segments; a minus "
    "takes away.\n\n"
    "Examples:\n"
    "  weft trace\n"
    "  weft trace 1:4 --class all,-segments\n"
    "  weft trace 'remote.port == 7000' --json\n"
    "  weft trace run.weft 'losses > 0' --class state,loss";
constexpr const char* record_closing =
    "A recording holds no keys, and payload with --payload alone: what a person sent can then be read in it. It is written "
    "by this "
    "command,\n"
    "with mode 0600, and is whole when the command ends: by Ctrl-C, after --duration, at --limit, or with the node. "
    "record.start\n"
    "(docs/node.md) has the node write one instead.\n\n"
    "Examples:\n"
    "  weft record -o run.weft --duration 10s\n"
    "  weft record -o - --class state,loss | ssh there 'cat > run.weft'";
constexpr const char* cc_closing =
    "FLOW is PLACE:GENERATION as `weft flows` shows it, or `all`. MODULE is one of `weft plugin list`; the window stays as "
    "it is.\n"
    "Parameters are set for this flow alone; their names and ranges are in `weft plugin list`.\n\n"
    "Examples:\n"
    "  weft cc 1:4 cubic\n"
    "  weft cc 1:4 aimd increase=2 decrease=70\n"
    "  weft cc all newreno";
constexpr const char* plugin_closing =
    "A plugin is a file NAME.so in one of the directories of [plugins] in weft.toml; docs/plugins.md tells how to write "
    "one.";
constexpr const char* tap_closing =
    "The node runs until SIGINT or SIGTERM; then the device is gone. It has no key, no overlay and no configuration file; "
    "with\n"
    "[[tap]] in weft.toml a node of `weft up` has both. Other commands reach it as --node tap, or the name that --node "
    "gives it.\n"
    "Making a device needs CAP_NET_ADMIN: root, or a namespace of your own (unshare -Urn).\n\n"
    "Examples:\n"
    "  weft tap --address 10.0.0.2/24 --kernel 10.0.0.1/24 --http . --echo\n"
    "      and then: curl http://10.0.0.2/   ping 10.0.0.2   weft flows --node tap\n"
    "  weft tap --address fd00::2/64 --kernel fd00::1/64 --http . --loss 1%\n"
    "      and then: curl 'http://[fd00::2]/FILE'";

class HelpText : public CLI::Formatter {
public:
    HelpText() { column_width(34); }
    std::string make_usage(const CLI::App* app, std::string name) const override {
        if (app->get_name() == "cc") return "Usage: weft cc [OPTIONS] FLOW MODULE [PARAMETER=VALUE ...]\n\n";
        if (app->get_name() == "trace") return "Usage: weft trace [OPTIONS] [FILE] [FLOW | FILTER]\n\n";
        if (app->get_name() == "nc") return "Usage: weft nc [OPTIONS] ADDRESS PORT\n       weft nc [OPTIONS] -l PORT\n\n";
        return CLI::Formatter::make_usage(app, std::move(name));
    }
};

// All that CLI11 writes into; commands keep references to its parts.
struct Values {
    CommonOptions common;
    KeyGenOptions gen;
    KeyShowOptions show;
    UpOptions up;
    DownOptions down;
    FlowsOptions flows;
    TraceOptions trace;
    RecordOptions record;
    bool watches{false};
    double watch{1};
    std::string duration, limit;
    NcOptions nc;
    PluginLoadOptions load;
    PluginUnloadOptions unload;
    CcOptions cc;
    std::vector<std::string> assignments;
    TapOptions tap;
    PathOfOptions path;
    std::int64_t up_wait{10}, down_wait{10};
    double nc_timeout{0}, path_wait{6};
    int ready_fd{-1};
    std::vector<std::string> operands;
};

void add_common(CLI::App& app, CommonOptions& common, bool visible) {
    const std::string group = visible ? "Common options" : "";
    app.add_option("--node", common.node, "Name of the node to speak to, or the path of its control socket")
        ->type_name("NAME")
        ->group(group);
    app.add_flag("--json", common.json, "Machine-readable output: one JSON object a line")->group(group);
    app.add_flag("-q,--quiet", common.quiet, "Nothing but results and errors")->group(group);
}

CLI::App* add_command(CLI::App& parent, const char* name, const char* what, CommonOptions& common) {
    CLI::App* command = parent.add_subcommand(name, what);
    command->set_help_flag("-h,--help", "This text")->group("Common options");
    add_common(*command, common, true);
    return command;
}

void describe_key(CLI::App& root, Values& values) {
    CLI::App* key = root.add_subcommand("key", "Make and show keys");
    key->set_help_flag("-h,--help", "This text");
    key->require_subcommand(1);
    CLI::App* gen = add_command(*key, "gen", "Make a key and print the address that it hashes to", values.common);
    gen->add_option("-o,--output", values.gen.file, "Where to put it (mode 0600); a file that is there is never overwritten")
        ->type_name("FILE")
        ->default_str(default_key_path(default_config_path()));
    gen->footer("Who has the file is the node: back it up, and show it to nobody.");
    CLI::App* show =
        add_command(*key, "show", "Show a key file's address in all its forms, never its secret", values.common);
    show->add_option("file", values.show.file, "The key file")
        ->type_name("FILE")
        ->default_str(default_key_path(default_config_path()));
}

void describe_node(CLI::App& root, Values& values) {
    CLI::App* up = add_command(root, "up", "Run the node, in the foreground unless -d is given", values.common);
    up->add_option("-f,--config", values.up.config, "Configuration")->type_name("FILE")->default_str(default_config_path());
    up->add_flag("-d,--detach", values.up.detach, "In the background: return when the node answers, and print its address");
    up->add_option("--wait", values.up_wait, "With -d: how long to wait for the node to answer")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 3600))
        ->default_str("10");
    up->add_option("--expose", values.up.expose,
                   "Let every member reach this TCP port, beside what [[expose]] says; may be repeated")
        ->type_name("PORT")
        ->check(CLI::Range(1, 65'535))
        ->expected(1)
        ->take_all();
    up->add_option("--http", values.up.http,
                   "Serve this directory's files by HTTP, to every member unless [[expose]] says who")
        ->type_name("DIRECTORY");
    up->add_option("--http-port", values.up.http_port, "The port of it; 80 unless [services] says otherwise")
        ->type_name("PORT")
        ->check(CLI::Range(1, 65'535));
    up->add_flag("--echo", values.up.echo, "Send back what comes to port 7");
    up->footer(
        "Runs weftd, found beside weft or in PATH. SIGTERM ends the node in order, SIGHUP makes it read its configuration "
        "again.\n"
        "With -d its log is NAME.log beside the control socket.");
    CLI::App* down = add_command(root, "down", "End the node and wait until it is gone", values.common);
    down->add_option("--wait", values.down_wait, "How long to wait")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 3600))
        ->default_str("10");
    add_command(root, "status", "The node: address, sockets, counters", values.common);
    add_command(root, "peers", "The node's peers and the channels to them", values.common);
    CLI::App* flows = add_command(root, "flows", "The node's TCP flows", values.common);
    flows->add_flag("-i,--info", values.flows.details, "Details of each flow, under the key names of `ss -ti`");
    flows->add_flag("-w,--watch", values.watches, "Look again and again, until Ctrl-C");
    flows->add_option("--every", values.watch, "With -w: how often")
        ->type_name("SECONDS")
        ->default_str("1")
        ->check(CLI::Range(0.05, 3'600.0));
    flows->add_option("filter", values.flows.filter, "Only flows that it matches")->type_name("FILTER");
    flows->footer(flows_closing);
}

void describe_events(CLI::App& root, Values& values) {
    CLI::App* trace =
        add_command(root, "trace", "What happens in the node, or in a recording: a line for each event", values.common);
    trace->add_option("which", values.operands, "A recording; a flow or a filter")->expected(0, 2)->type_name("");
    trace->add_option("--class", values.trace.classes, "Classes of events")->type_name("CLASS,...")->default_str("edges");
    trace->footer(trace_closing);
    CLI::App* record = add_command(root, "record", "Write what happens in the node to a recording", values.common);
    record->add_option("-o,--output", values.record.output, "The file; -: stdout; else NODE-TIME.weft here")
        ->type_name("FILE");
    record->add_option("--duration", values.duration, "End it after so long: 500ms, 10s, 2min; seconds if it has no unit")
        ->type_name("TIME");
    record->add_option("--class", values.record.classes, "Classes of events, as of `weft trace`")
        ->type_name("CLASS,...")
        ->default_str("all");
    record->add_option("--flow", values.record.flows, "Of this flow alone; may be repeated")
        ->type_name("FLOW")
        ->expected(1)
        ->take_all();
    record->add_option("--limit", values.limit, "End it at this size: 500MB, 2GiB; at least 1MB")->type_name("SIZE");
    record->add_flag("--payload", values.record.payload, "Also the bytes that the flows carry");
    record->add_flag("--overwrite", values.record.overwrite, "In place of a file that is there");
    record->footer(record_closing);
}

void describe_paths(CLI::App& root, Values& values) {
    CLI::App* path =
        add_command(root, "path", "The way to an address, hop by hop; one is set up if there is none", values.common);
    path->add_option("address", values.path.address, "An address, a name, or a short form")
        ->type_name("ADDRESS")
        ->required();
    path->add_option("-w,--timeout", values.path_wait, "How long to wait for a path that is set up; 0 sets none up")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.0, 3'600.0))
        ->default_str("6");
    path->footer(
        "Round trips are measured to the next hop and to the far end. The nodes between them are what the path said of\n"
        "itself: hints, with a name where this node knows one.");
    CLI::App* labels = add_command(root, "labels", "The labels that this node switches, and what it dropped", values.common);
    labels->footer(
        "A packet that comes by the link IN with the label LABEL leaves by the link OUT with the label under TO. GEN "
        "counts\n"
        "how often the place was given to another path; a label ends when it was not used for its LIFE.");
}

void describe_nc(CLI::App& root, Values& values) {
    NcOptions& nc = values.nc;
    CLI::App* app = add_command(root, "nc", "Connect to a port of an address, or listen, and move bytes", values.common);
    app->add_option("operands", values.operands, "ADDRESS PORT, or with -l PORT alone")->expected(0, 2)->type_name("");
    app->add_flag("-l,--listen", nc.listen, "Wait for a connection; `listening on PORT` on stderr says when it can come");
    app->add_flag("-k,--keep", nc.keep, "With -l: serve one connection after another");
    app->add_option("-i,--input", nc.input, "Send this file instead of stdin (-: stdin)")->type_name("FILE");
    app->add_option("-o,--output", nc.output, "Write what arrives to this file instead of stdout")->type_name("FILE");
    app->add_flag("--sha256", nc.sha256, "With -o: read the file again after the transfer and print its SHA-256");
    app->add_flag("--summary", nc.summary, "End with one key=value line on stderr");
    app->add_option("-w,--timeout", values.nc_timeout,
                    "Give up when there is no connection, or nothing moves, for this long")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.001, 1e6));
    app->add_option("--ready-fd", values.ready_fd,
                    "With -l: write the port and a line feed to this descriptor when ready, and close it")
        ->type_name("FD")
        ->check(CLI::Range(0, 1 << 20));
    app->footer(nc_closing);
}

void describe_plugins(CLI::App& root, Values& values) {
    CLI::App* plugin = root.add_subcommand("plugin", "Congestion modules: what there is, load, unload");
    plugin->set_help_flag("-h,--help", "This text");
    plugin->require_subcommand(1);
    plugin->footer(plugin_closing);
    add_command(*plugin, "list", "Modules, compiled in and loaded, with their parameters", values.common);
    CLI::App* load = add_command(*plugin, "load", "Load a file, or the newer version of one that is loaded", values.common);
    load->add_option("name", values.load.name, "The file's name, without its directory and without .so")
        ->type_name("NAME")
        ->required();
    load->footer(
        "New flows take the newer version. A living flow does if its module agrees (migrate), else it ends on the one that "
        "it\n"
        "began with, whose file is closed with its last flow. A file that did not change is left alone.");
    CLI::App* unload = add_command(*plugin, "unload", "Take a file's modules away", values.common);
    unload->add_option("name", values.unload.name, "The file's name")->type_name("NAME")->required();
    unload->add_flag("--force", values.unload.force,
                     "Flows that use it go on under newreno; without this they are a refusal");
    CLI::App* cc = add_command(root, "cc", "Give a living flow another congestion module", values.common);
    cc->add_option("flow", values.cc.flow, "The flow")->type_name("FLOW")->required();
    cc->add_option("module", values.cc.module, "The module's name")->type_name("MODULE")->required();
    cc->add_option("parameters", values.assignments, "Its parameters")->type_name("PARAMETER=VALUE");
    cc->footer(cc_closing);
}

void describe_tap(CLI::App& root, Values& values) {
    TapOptions& tap = values.tap;
    CLI::App* app =
        add_command(root, "tap", "A node of its own on a TAP or TUN device: this kernel is its neighbour", values.common);
    app->add_option("--name", tap.device, "The device")->type_name("DEVICE")->default_str("weft%d, the first free number");
    app->add_flag("--tun", tap.tun, "Carry IP packets instead of Ethernet frames");
    app->add_option("--address,--address6", tap.addresses, "An address of the node; again for more, IPv4 or IPv6")
        ->type_name("ADDRESS/BITS")
        ->required()
        ->expected(1)
        ->take_all();
    app->add_option("--kernel", tap.kernel, "An address for the kernel's end of the device; again for more")
        ->type_name("ADDRESS/BITS")
        ->expected(1)
        ->take_all();
    app->add_option("--gateway", tap.gateways, "Where what is on no network of the node goes; once for each family")
        ->type_name("ADDRESS")
        ->expected(1)
        ->take_all();
    app->add_option("--route", tap.routes, "\"192.0.2.0/24 via 10.0.0.9\"; again for more")
        ->type_name("ROUTE")
        ->expected(1)
        ->take_all();
    app->add_option("--mtu", tap.mtu, "Of the device, in bytes")
        ->type_name("BYTES")
        ->check(CLI::Range(576, 65521))
        ->default_str("1500");
    app->add_option("--mac", tap.mac, "Of the node, else drawn")->type_name("MAC");
    app->add_flag("--no-vnet-hdr", tap.plain, "Segments one by one, with their sums: what a device without offloads does");
    app->add_option("--http", tap.http, "Serve this directory's files on port 80")->type_name("DIRECTORY");
    app->add_flag("--echo", tap.echo, "Send back what comes to port 7");
    app->add_flag("--discard", tap.discard, "Read and forget what comes to port 9");
    app->add_flag("--source", tap.source, "Send zero bytes without end from port 19");
    app->add_option("--loss", tap.loss, "Lose so much of what the node sends, to see it recover")->type_name("PERCENT%");
    app->add_option("--delay", tap.delay, "Hold back what the node sends for so long")->type_name("TIME");
    app->add_flag("-v,--verbose", tap.verbose, "The node's log, too");
    app->footer(tap_closing);
}

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
    return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options())
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    return names;
}

// The innermost command that was named.
const CLI::App& innermost(const CLI::App& root) {
    const CLI::App* app = &root;
    for (auto chosen = app->get_subcommands(); !chosen.empty(); chosen = app->get_subcommands()) app = chosen.front();
    return *app;
}

Advice wrong(const CLI::App& app, const std::string& what) {
    const std::string name = app.get_parent() != nullptr && app.get_parent()->get_parent() != nullptr
                                 ? "weft " + app.get_parent()->get_name() + " " + app.get_name()
                             : app.get_parent() != nullptr ? "weft " + app.get_name()
                                                           : "weft";
    return {2, "weft: " + what + "\n  `" + name + " --help` shows what there is\n"};
}

Advice explain(const CLI::App& root, const CLI::ParseError& error) {
    const CLI::App& app = innermost(root);
    const std::vector<std::string> extras = root.remaining(true);
    if (!extras.empty()) {
        const std::string& word = extras.front();
        const bool option = word.size() > 1 && word.front() == '-';
        const std::string known = option ? word.substr(0, word.find('=')) : word;
        const std::string kind = option ? "option" : command_names(app).empty() ? "argument" : "command";
        const std::vector<std::string> names = option ? option_names(app) : command_names(app);
        return wrong(app, "unknown " + kind + " \"" + printable(word) + "\"" +
                              did_you_mean(known, std::vector<std::string_view>(names.begin(), names.end())));
    }
    return wrong(app, printable(error.what()));
}

std::optional<std::string> take_nc_operands(Values& values) {
    NcOptions& nc = values.nc;
    const std::size_t wanted = nc.listen ? 1 : 2;
    if (values.operands.size() != wanted)
        return nc.listen ? "nc -l takes one argument, the PORT to listen on"
                         : "nc takes two arguments, ADDRESS and PORT (or -l PORT to listen)";
    const auto port = parse_port(values.operands.back());
    if (!port || *port == 0) return "\"" + printable(values.operands.back()) + "\" is not a port: a number from 1 to 65535";
    nc.port = *port;
    if (!nc.listen) nc.address = values.operands.front();
    if (nc.sha256 && nc.output.empty()) return "--sha256 hashes the file that was written: it needs --output FILE";
    if (nc.keep && !nc.listen) return "--keep is for listening: it needs -l";
    if (nc.keep && !nc.output.empty())
        return "--keep with --output would write each transfer over the last: use one of them";
    if (nc.keep && nc.input.empty()) nc.input = "/dev/null";
    if (nc.keep && nc.input == "-")
        return "--keep cannot send stdin to each of several connections: name a file with --input";
    if (values.ready_fd >= 0 && !nc.listen) return "--ready-fd is for listening: it needs -l";
    if (values.ready_fd >= 0) nc.ready_fd = values.ready_fd;
    nc.timeout = std::chrono::milliseconds{std::llround(values.nc_timeout * 1000)};
    return std::nullopt;
}

std::optional<std::string> take_trace_operands(Values& values) {
    for (const std::string& word : values.operands) {
        const bool file =
            values.trace.file.empty() && values.trace.which.empty() && (word.ends_with(".weft") || word.contains('/'));
        std::string& into = file ? values.trace.file : values.trace.which;
        if (!into.empty()) return "trace takes a recording and one flow or filter: put the filter in quotes";
        into = word;
    }
    return std::nullopt;
}

constexpr std::uint64_t least_limit = 1'000'000;  // bytes: of these some go to how a recording begins and ends

std::optional<std::string> take_bounds(Values& values) {
    if (!values.limit.empty()) {
        const auto limit = parse_size(values.limit);
        if (!limit)
            return "--limit " + printable(values.limit) + " " + std::string(limit.error()) + ": write " +
                   std::string(size_form);
        if (*limit < least_limit)
            return "--limit " + printable(values.limit) + " is too little for a recording: write 1MB or more";
        values.record.limit = *limit;
    }
    if (values.duration.empty()) return std::nullopt;
    auto length = parse_duration(values.duration);
    if (!length && length.error() == no_unit) length = parse_duration(values.duration + "s");
    if (!length)
        return "--duration " + printable(values.duration) + " " + std::string(length.error()) + ": write " +
               std::string(duration_form);
    if (*length < Duration::milliseconds(1)) return "--duration " + printable(values.duration) + " is less than 1ms";
    values.record.duration = std::chrono::milliseconds{length->count() / 1'000'000};
    return std::nullopt;
}

std::optional<std::string> take_assignments(Values& values) {
    for (const std::string& text : values.assignments) {
        const std::size_t sign = text.find('=');
        const auto number =
            sign == std::string::npos ? std::nullopt : plugins::parse_number(std::string_view(text).substr(sign + 1));
        if (!number || sign == 0)
            return "\"" + printable(text) + "\" is no PARAMETER=VALUE with a number, such as increase=2";
        values.cc.parameters.emplace_back(text.substr(0, sign), *number);
    }
    return std::nullopt;
}

std::expected<Request, Advice> request_of(const CLI::App& root, Values& values) {
    const CLI::App& app = innermost(root);
    const std::string name = app.get_parent() == nullptr ? "status" : app.get_name();
    if (name == "nc") {
        if (auto fault = take_nc_operands(values)) return std::unexpected(wrong(app, *fault));
        return Request{values.common, values.nc};
    }
    if (name == "trace") {
        if (auto fault = take_trace_operands(values)) return std::unexpected(wrong(app, *fault));
        return Request{values.common, values.trace};
    }
    if (name == "record") {
        if (auto fault = take_bounds(values)) return std::unexpected(wrong(app, *fault));
        return Request{values.common, values.record};
    }
    if (name == "cc") {
        if (auto fault = take_assignments(values)) return std::unexpected(wrong(app, *fault));
        return Request{values.common, values.cc};
    }
    if (name == "list") return Request{values.common, PluginListOptions{}};
    if (name == "load") return Request{values.common, values.load};
    if (name == "unload") return Request{values.common, values.unload};
    values.up.wait = std::chrono::seconds{values.up_wait};
    values.down.wait = std::chrono::seconds{values.down_wait};
    if (name == "tap") return Request{values.common, values.tap};
    if (name == "gen") return Request{values.common, values.gen};
    if (name == "show") return Request{values.common, values.show};
    if (name == "up") return Request{values.common, values.up};
    if (name == "down") return Request{values.common, values.down};
    values.path.wait = std::chrono::milliseconds{std::llround(values.path_wait * 1'000)};
    if (name == "path") return Request{values.common, values.path};
    if (name == "labels") return Request{values.common, LabelsOptions{}};
    if (name == "peers") return Request{values.common, PeersOptions{}};
    if (values.watches) values.flows.watch = std::chrono::milliseconds{std::llround(values.watch * 1'000)};
    if (name == "flows") return Request{values.common, values.flows};
    return Request{values.common, StatusOptions{}};
}

}  // namespace

std::expected<Request, Advice> parse_command_line(std::span<const char* const> arguments) {
    Values values;
    CLI::App root{about, "weft"};
    root.set_help_flag("-h,--help", "This text");
    root.set_version_flag("--version", "weft " WEFT_VERSION);
    root.formatter(std::make_shared<HelpText>());  // commands inherit it
    root.require_subcommand(0, 1);
    root.footer(closing);
    add_common(root, values.common, true);
    describe_node(root, values);
    describe_events(root, values);
    describe_paths(root, values);
    describe_nc(root, values);
    describe_tap(root, values);
    describe_key(root, values);
    describe_plugins(root, values);
    try {
        root.parse(int(arguments.size()), arguments.data());
    } catch (const CLI::CallForHelp&) {
        return std::unexpected(Advice{0, root.help()});
    } catch (const CLI::CallForVersion&) {
        return std::unexpected(Advice{0, "weft " WEFT_VERSION "\n"});
    } catch (const CLI::ParseError& error) { return std::unexpected(explain(root, error)); }
    return request_of(root, values);
}

}  // namespace weft::node
