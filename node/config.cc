// Walks the parsed TOML with a table of what may stand where; toml++ is seen by config*.cc alone. The sections about the overlay are in
// config_overlay.cc.
#include "node/config.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include <fmt/format.h>

#include "node/config_reader.h"
#include "node/paths.h"
#include "node/recordings.h"
#include "node/suggest.h"
#include "node/units.h"
#include "plugins/host/file.h"
#include "stack/core/trace_names.h"
#include "stack/tcp/congestion/controller.h"
#include "stack/tcp/tunables.h"

namespace weft::node {
namespace {

constexpr std::size_t longest_file = 1 << 20, most_mistakes = 20, most_taps = 64;
constexpr std::string_view fault_keys[]{"loss", "delay", "jitter", "rate", "reorder", "duplicate", "corrupt", "seed"};

}  // namespace

std::string_view type_of(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number with a point";
    case toml::node_type::boolean: return "a boolean";
    default: return "a date or time";
    }
}

void ConfigReader::mistake(const toml::source_region& at, std::string what) {
    if (mistakes.size() < most_mistakes)
        mistakes.push_back(fmt::format("{}:{}:{}: {}", path_, at.begin.line, at.begin.column, what));
}

void ConfigReader::only(const toml::table& table, std::string_view where, Keys allowed) {
    for (const auto& [key, value] : table) {
        if (std::ranges::find(allowed, key.str()) != allowed.end()) continue;
        mistake(key.source(), fmt::format("unknown key \"{}\" in {}{} (allowed: {})", key.str(), where,
                                          did_you_mean(key.str(), allowed), listed(allowed)));
    }
}

const toml::table* ConfigReader::section(const toml::table& root, std::string_view name, Keys allowed) {
    const toml::node* node = root.get(name);
    if (!node) return nullptr;
    const toml::table* table = node->as_table();
    if (!table) mistake(node->source(), fmt::format("\"{}\" is {}; it must be a table: [{}]", name, type_of(*node), name));
    else only(*table, fmt::format("[{}]", name), allowed);
    return table;
}

const toml::value<std::string>* ConfigReader::text(const toml::table* table, std::string_view key, std::string_view form) {
    const toml::node* node = table ? table->get(key) : nullptr;
    if (!node) return nullptr;
    const toml::value<std::string>* value = node->as_string();
    if (!value) mistake(node->source(), fmt::format("\"{}\" is {}; it must be a string: {}", key, type_of(*node), form));
    return value;
}

void ConfigReader::boolean(const toml::table* table, std::string_view key, bool& into) {
    const toml::node* node = table ? table->get(key) : nullptr;
    if (!node) return;
    if (const auto* value = node->as_boolean()) into = value->get();
    else mistake(node->source(), fmt::format("\"{}\" is {}; it must be true or false", key, type_of(*node)));
}

std::optional<std::int64_t> ConfigReader::whole(const toml::table* table, std::string_view key, std::int64_t least,
                                                std::int64_t most) {
    const toml::node* node = table ? table->get(key) : nullptr;
    if (!node) return std::nullopt;
    const auto* value = node->as_integer();
    if (value && value->get() >= least && value->get() <= most) return value->get();
    if (!value)
        mistake(node->source(),
                fmt::format("\"{}\" is {}; it must be an integer from {} to {}", key, type_of(*node), least, most));
    else mistake(node->source(), fmt::format("\"{}\" = {}; it must be from {} to {}", key, value->get(), least, most));
    return std::nullopt;
}

template <class Value, class Parse>
void ConfigReader::measure(const toml::table* table, std::string_view key, Parse parse, std::string_view form, Value least,
                           Value most, std::string_view range, Value& into) {
    const auto* value = text(table, key, form);
    if (!value) return;
    const auto parsed = parse(value->get());
    if (!parsed)
        return mistake(value->source(), fmt::format("\"{}\": \"{}\" {}; write {}", key, value->get(), parsed.error(), form));
    if (*parsed < least || *parsed > most)
        return mistake(value->source(), fmt::format("\"{}\" = \"{}\"; it must be from {}", key, value->get(), range));
    into = *parsed;
}

void ConfigReader::duration(const toml::table* table, std::string_view key, Duration least, Duration most,
                            std::string_view range, Duration& into) {
    measure(table, key, parse_duration, duration_form, least, most, range, into);
}

void ConfigReader::size(const toml::table* table, std::string_view key, std::uint64_t least, std::uint64_t most,
                        std::string_view range, std::uint64_t& into) {
    measure(table, key, parse_size, size_form, least, most, range, into);
}

void ConfigReader::percent(const toml::table* table, std::string_view key, std::uint32_t& into) {
    const auto* value = text(table, key, percent_form);
    if (!value) return;
    const auto parsed = parse_percent(value->get());
    if (!parsed)
        return mistake(value->source(),
                       fmt::format("\"{}\": \"{}\" {}; write {}", key, value->get(), parsed.error(), percent_form));
    into = *parsed;
}

std::optional<std::size_t> ConfigReader::choice(const toml::value<std::string>& value, std::string_view key, Keys words) {
    const auto found = std::ranges::find(words, value.get());
    if (found != words.end()) return std::size_t(found - words.begin());
    mistake(value.source(), fmt::format("\"{}\" = \"{}\"{} (allowed: {})", key, value.get(),
                                        did_you_mean(value.get(), words), listed(words)));
    return std::nullopt;
}

std::vector<const toml::value<std::string>*> ConfigReader::strings(const toml::table& table, std::string_view key,
                                                                   std::string_view form) {
    std::vector<const toml::value<std::string>*> values;
    const toml::node* node = table.get(key);
    if (!node) return values;
    if (const auto* single = node->as_string()) return {single};
    const toml::array* array = node->as_array();
    if (!array) {
        mistake(node->source(), fmt::format("\"{}\" is {}; it must be an array of strings: {}", key, type_of(*node), form));
        return values;
    }
    for (const toml::node& element : *array) {
        if (const auto* value = element.as_string()) values.push_back(value);
        else
            mistake(element.source(),
                    fmt::format("an element of \"{}\" is {}; it must be a string: {}", key, type_of(element), form));
    }
    return values;
}

std::string ConfigReader::beside(const std::string& file) const {
    return std::filesystem::path(file).is_absolute() ? file : (std::filesystem::path(path_).parent_path() / file).string();
}

const toml::array* ConfigReader::tables(const toml::table& root, std::string_view name, std::size_t at_most) {
    const toml::node* node = root.get(name);
    if (!node) return nullptr;
    const toml::array* array = node->as_array();
    if (!array || !array->is_array_of_tables()) {
        mistake(node->source(), fmt::format("\"{0}\" must be written as [[{0}]], once for each {0}", name));
        return nullptr;
    }
    if (array->size() <= at_most) return array;
    mistake(node->source(), fmt::format("more than {} of [[{}]]", at_most, name));
    return nullptr;
}

NodeConfig ConfigReader::read(const toml::table& root) {
    static constexpr std::string_view sections[]{"node",   "log",     "network", "listen", "peer",     "names",
                                                 "groups", "routing", "route",   "expose", "transit",  "tcp",
                                                 "rekey",  "fault",   "plugins", "tap",    "services", "record"};
    NodeConfig config;
    config.key = default_key_path(path_);
    only(root, "the file", sections);
    read_node(root, config);
    read_log(root, config);
    read_network(root, config);
    read_listen(root, config);
    read_peers(root, config);
    read_names(root, config);
    read_groups(root, config);
    read_routes(root, config);
    read_expose(root, config);
    read_transit(root, config);
    read_plugins(root, config);
    read_tcp(root, config);
    read_rekey(root, config);
    read_fault(section(root, "fault", fault_keys), config.fault);
    read_taps(root, config);
    read_services(root, config);
    read_record(root, config);
    if (!config.overlay && !config.peers.empty())
        mistake(root.get("peer")->source(),
                "[[peer]] needs a UDP socket: name an endpoint in \"udp\" of [listen], such as \"0.0.0.0:7001\"");
    return config;
}

void ConfigReader::read_node(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"name", "key", "memory", "core_dumps"};
    const toml::table* table = section(root, "node", keys);
    if (const auto* name = text(table, "name", "a name such as \"alice\"")) {
        if (node_name_is_valid(name->get())) config.name = name->get();
        else
            mistake(
                name->source(),
                fmt::format("\"name\" = \"{}\"; it must be 1 to 32 characters of a-z, A-Z, 0-9, -, _ and ., the first one a "
                            "letter or a digit",
                            name->get()));
    }
    if (const auto* key = text(table, "key", "the path of the key file")) {
        if (key->get().empty()) mistake(key->source(), "\"key\" is empty; it must be the path of the key file");
        else config.key = beside(key->get());
    }
    size(table, "memory", 4 << 20, 1ull << 40, "4MiB to 1024GiB", config.memory);
    boolean(table, "core_dumps", config.core_dumps);
}

void ConfigReader::read_log(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"level", "format"}, formats[]{"text", "json"};
    static constexpr std::string_view levels[]{"error", "warning", "info", "debug", "trace"};
    const toml::table* table = section(root, "log", keys);
    if (const auto* level = text(table, "level", listed(levels)))
        if (const auto index = choice(*level, "level", levels)) config.log_level = LogLevel(*index);
    if (const auto* format = text(table, "format", listed(formats)))
        if (const auto index = choice(*format, "format", formats)) config.log_format = LogFormat(*index);
}

// Any number of the stack by its name (docs/tunables.md).
void ConfigReader::read_tunables(const toml::table& table, NodeConfig& config) {
    Config probe;
    for (const auto& [key, value] : table) {
        const std::string name{key.str()};
        std::string text;
        if (const auto* whole = value.as_integer()) text = std::to_string(whole->get());
        else if (const auto* said = value.as_string()) text = said->get();
        else if (const auto* yes = value.as_boolean()) text = yes->get() ? "on" : "off";
        if (const auto tuned = tcp::tune(probe, name, text); !tuned) mistake(value.source(), tuned.error());
        else config.tunables.emplace_back(name, text);
    }
}

void ConfigReader::read_tcp(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"user_timeout", "time_wait", "send_buffer", "receive_buffer",
                                             "backlog",      "nodelay",   "congestion",  "tunables"};
    const toml::table* table = section(root, "tcp", keys);
    if (table)
        if (const toml::node* given = table->get("tunables")) {
            if (const auto* values = given->as_table()) read_tunables(*values, config);
            else mistake(given->source(), "\"tunables\" must be written as a table: [tcp.tunables]");
        }
    duration(table, "user_timeout", Duration::milliseconds(100), Duration::seconds(86'400), "100ms to 24h",
             config.user_timeout);
    duration(table, "time_wait", Duration::seconds(0), Duration::seconds(240), "0s to 4min", config.time_wait);
    size(table, "send_buffer", 128 << 10, 1 << 30, "128KiB to 1GiB", config.send_buffer);
    size(table, "receive_buffer", 128 << 10, 1 << 30, "128KiB to 1GiB", config.receive_buffer);
    integer(table, "backlog", 1, 65'535, config.backlog);
    boolean(table, "nodelay", config.nodelay);
    if (const auto* name = text(table, "congestion", listed(tcp::controller_names))) {
        // What the files of [plugins] load hold is known when they are open.
        if (!config.plugin_files.empty() || choice(*name, "congestion", tcp::controller_names))
            config.congestion = name->get();
    }
}

void ConfigReader::read_rekey(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"initiator", "responder", "idle"};
    const toml::table* table = section(root, "rekey", keys);
    duration(table, "initiator", Duration::milliseconds(100), Duration::seconds(120), "100ms to 2min",
             config.rekey_initiator);
    duration(table, "responder", Duration::milliseconds(100), Duration::seconds(165), "100ms to 165s",
             config.rekey_responder);
    duration(table, "idle", Duration::seconds(1), Duration::seconds(3'600), "1s to 1h", config.rekey_idle);
}

void ConfigReader::read_module(std::string_view module, const toml::table& table, NodeConfig& config) {
    auto& values = config.module_defaults[std::string(module)];
    for (const auto& [key, value] : table) {
        const std::string name{key.str()};
        if (const auto* whole = value.as_integer()) values[name] = whole->get();
        else if (const auto* real = value.as_floating_point()) values[name] = real->get();
        else mistake(value.source(), fmt::format("\"{}\" is {}; a parameter of a module is a number", name, type_of(value)));
    }
}

// Beside its own keys a table for each module: what its parameters begin with.
void ConfigReader::read_plugins(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"directories", "load", "call_budget"};
    const toml::node* node = root.get("plugins");
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table)
        return mistake(node->source(), fmt::format("\"plugins\" is {}; it must be a table: [plugins]", type_of(*node)));
    for (const auto& [key, value] : *table) {
        if (std::ranges::find(keys, key.str()) != std::end(keys)) continue;
        if (const toml::table* module = value.as_table()) read_module(key.str(), *module, config);
        else
            mistake(
                key.source(),
                fmt::format(
                    "unknown key \"{}\" in [plugins]{}; parameters of a module stand under [plugins.MODULE] (allowed: {})",
                    key.str(), did_you_mean(key.str(), keys), listed(keys)));
    }
    if (table->get("directories")) {
        config.plugin_directories.emplace();
        for (const auto* value : strings(*table, "directories", "\"/usr/local/lib/weft/plugins\"")) {
            if (value->get().empty()) mistake(value->source(), "\"directories\" holds an empty path");
            else config.plugin_directories->push_back(beside(value->get()));
        }
    }
    for (const auto* value : strings(*table, "load", "\"aimd\"")) {
        if (plugins::name_is_valid(value->get())) config.plugin_files.push_back(value->get());
        else
            mistake(value->source(),
                    fmt::format("\"load\" = \"{}\"; write a file's name without its directory and without .so, such "
                                "as \"aimd\"",
                                value->get()));
    }
    duration(table, "call_budget", Duration::microseconds(10), Duration::seconds(10), "10us to 10s", config.call_budget);
}

void ConfigReader::read_fault(const toml::table* table, FaultConfig& fault) {
    percent(table, "loss", fault.loss_ppm);
    percent(table, "reorder", fault.reorder_ppm);
    percent(table, "duplicate", fault.duplicate_ppm);
    percent(table, "corrupt", fault.corrupt_ppm);
    duration(table, "delay", Duration{}, Duration::seconds(10), "0s to 10s", fault.delay);
    duration(table, "jitter", Duration{}, Duration::seconds(10), "0s to 10s", fault.jitter);
    integer(table, "seed", 0, std::numeric_limits<std::int64_t>::max(), fault.seed);
    const auto* rate = text(table, "rate", rate_form);
    const auto parsed = rate ? parse_rate(rate->get()) : std::uint64_t{0};
    if (!parsed || (rate && *parsed < 1'000))
        return mistake(rate->source(), fmt::format("\"rate\": \"{}\" {}; write {}, at least \"8kbit\"", rate->get(),
                                                   parsed ? "is too little" : parsed.error(), rate_form));
    fault.rate = *parsed;
}

// The strings under a key, each through `parse`, whose error is a part of a sentence.
template <class Value, class Parse>
void ConfigReader::each_text(const toml::table& table, std::string_view key, std::string_view form, Parse parse,
                             std::vector<Value>& into) {
    for (const auto* value : strings(table, key, form)) {
        const auto parsed = parse(value->get());
        if (parsed) into.push_back(*parsed);
        else mistake(value->source(), fmt::format("\"{}\": \"{}\" {}; write {}", key, value->get(), parsed.error(), form));
    }
}

void ConfigReader::read_tap(const toml::table& table, NodeConfig& config) {
    static constexpr std::string_view keys[]{"name",     "mode", "address", "kernel", "route",
                                             "vnet_hdr", "mtu",  "mac",     "fault"};
    static constexpr std::string_view modes[]{"tap", "tun"};
    only(table, "[[tap]]", keys);
    TapEntry entry;
    TapSettings& device = entry.device;
    if (const auto* name = text(&table, "name", device_name_form)) {
        if (!device_name_is_valid(name->get()))
            mistake(name->source(), fmt::format("\"name\" = \"{}\"; it must be {}", name->get(), device_name_form));
        device.name = name->get();
    }
    if (const auto* mode = text(&table, "mode", listed(modes)))
        if (const auto index = choice(*mode, "mode", modes)) device.tun = *index == 1;
    each_text(table, "address", interface_address_form, parse_interface_address, device.addresses);
    each_text(table, "kernel", interface_address_form, parse_interface_address, device.kernel);
    each_text(table, "route", tap_route_form, parse_tap_route, device.routes);
    boolean(&table, "vnet_hdr", device.vnet_hdr);
    integer(&table, "mtu", TapSettings::least_mtu, TapSettings::most_mtu, device.mtu);
    if (const auto* mac = text(&table, "mac", mac_form)) {
        if (const auto parsed = parse_mac(mac->get())) device.mac = *parsed;
        else mistake(mac->source(), fmt::format("\"mac\": \"{}\" {}; write {}", mac->get(), parsed.error(), mac_form));
        if (device.tun) mistake(mac->source(), "\"mac\" is for Ethernet: a device of mode \"tun\" has none");
    }
    read_fault(section(table, "fault", fault_keys), entry.fault);
    const auto fault = check_tap(device);
    if (!fault.empty()) return mistake(table.source(), fault);
    if (device.name.find('%') == std::string::npos &&
        std::ranges::any_of(config.taps, [&](const TapEntry& other) { return other.device.name == device.name; }))
        return mistake(table.source(), fmt::format("\"{}\" is the name of two devices", device.name));
    config.taps.push_back(std::move(entry));
}

void ConfigReader::read_taps(const toml::table& root, NodeConfig& config) {
    const toml::array* array = tables(root, "tap", most_taps);
    if (!array) return;
    for (const toml::node& element : *array) read_tap(*element.as_table(), config);
}

void ConfigReader::read_services(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"http", "http_port", "echo", "discard", "source"};
    const toml::table* table = section(root, "services", keys);
    if (const auto* http = text(table, "http", "the directory whose files are served")) {
        if (http->get().empty()) mistake(http->source(), "\"http\" is empty; it must be a directory, or left out");
        else config.services.http = beside(http->get());
    }
    integer(table, "http_port", 1, 65'535, config.services.http_port);
    boolean(table, "echo", config.services.echo);
    boolean(table, "discard", config.services.discard);
    boolean(table, "source", config.services.source);
}

void ConfigReader::read_record(const toml::table& root, NodeConfig& config) {
    static constexpr std::string_view keys[]{"directory", "classes", "limit", "start", "queue"};
    const toml::table* table = section(root, "record", keys);
    config.record.directory = default_recording_directory();
    if (const auto* directory = text(table, "directory", "the directory of recordings")) {
        if (directory->get().empty())
            mistake(directory->source(), "\"directory\" is empty; it must be the directory of recordings");
        else config.record.directory = beside(directory->get());
    }
    if (const auto* classes = text(table, "classes", "names of classes of events such as \"all,-segments\"")) {
        const auto parsed = trace::parse_classes(classes->get());
        if (!parsed) mistake(classes->source(), fmt::format("\"classes\": {}", parsed.error()));
        else config.record.classes = classes->get();
    }
    size(table, "limit", 1 << 20, 1ull << 40, "1MiB to 1024GiB", config.record.limit);
    boolean(table, "start", config.record.start);
    size(table, "queue", 64 << 10, 1 << 30, "64KiB to 1GiB", config.record.queue);
}

std::expected<NodeConfig, ConfigError> parse_config(std::string_view text, const std::string& path) {
    if (text.size() > longest_file)
        return std::unexpected(ConfigError{{fmt::format("{}: longer than {} bytes", path, longest_file)}});
    try {
        const toml::table root = toml::parse(text, path);
        ConfigReader reader{path};
        NodeConfig config = reader.read(root);
        if (!reader.mistakes.empty()) return std::unexpected(ConfigError{std::move(reader.mistakes)});
        return config;
    } catch (const toml::parse_error& error) {
        const auto& at = error.source().begin;
        return std::unexpected(
            ConfigError{{fmt::format("{}:{}:{}: this is not TOML: {}", path, at.line, at.column, error.description())}});
    }
}

std::expected<NodeConfig, ConfigError> read_config(const std::string& path) {
    std::error_code error;
    if (const auto type = std::filesystem::status(path, error).type(); type == std::filesystem::file_type::directory)
        return std::unexpected(ConfigError{{fmt::format("{}: is a directory, not a file", path)}});
    std::ifstream file{path, std::ios::binary};
    if (!file) return std::unexpected(ConfigError{{fmt::format("{}: cannot open: {}", path, std::strerror(errno))}});
    std::string text(longest_file + 1, '\0');
    file.read(text.data(), std::streamsize(text.size()));
    if (file.bad()) return std::unexpected(ConfigError{{fmt::format("{}: cannot read: {}", path, std::strerror(errno))}});
    text.resize(std::size_t(file.gcount()));
    return parse_config(text, path);
}

}  // namespace weft::node
