// plugin.list, plugin.load, plugin.unload and flow.set; and what the engine's trace tells of modules, a log line each.
#include <algorithm>

#include <fmt/format.h>

#include "node/config_shard.h"
#include "node/daemon.h"
#include "node/log.h"
#include "node/paths.h"
#include "node/suggest.h"
#include "stack/engine/flow_text.h"
#include "stack/tcp/congestion/fields.h"
#include "stack/tcp/tcb.h"

namespace weft::node {
namespace {

constexpr std::size_t most_records = 4'096;      // of one turn
constexpr std::size_t most_suggested = 10;

RpcError refusal(const plugins::Problem& problem) { return {RpcCode::failed, problem.message, problem.cause}; }

Json json_of(plugins::Number number) {
    return std::visit([](auto n) { return Json(n); }, number);
}

Json json_of(const plugins::Shown& shown) {
    return std::visit(
        [](const auto& value) -> Json {
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::monostate>) return nullptr;
            else return value;
        },
        shown);
}

Json field_json(const weft_field& field, bool parameter) {
    Json one{{"name", field.name},
             {"type", plugins::type_name(field.type)},
             {"unit", field.unit ? field.unit : ""},
             {"doc", field.doc ? field.doc : ""}};
    if (parameter) {
        one["lowest"] = json_of(plugins::number_of(field, field.lowest));
        one["highest"] = json_of(plugins::number_of(field, field.highest));
        return one;
    }
    one["kind"] = plugins::kind_name(field.kind);
    return one;
}

Json fields_json(const tcp::Module& module, const weft_fields& fields, bool parameters) {
    Json list = Json::array();
    for (std::uint32_t i = 0; i < fields.count; ++i) {
        const weft_field field = tcp::field_at(fields, i);
        Json one = field_json(field, parameters);
        if (parameters)
            one["initial"] =
                json_of(plugins::number_of(field, i < module.parameters.size() ? module.parameters[i] : field.initial));
        list.push_back(std::move(one));
    }
    return list;
}

Json shown_json(const weft_fields& fields, std::span<const std::byte> state) {
    Json values = Json::object();
    for (std::uint32_t i = 0; i < fields.count; ++i) {
        const weft_field field = tcp::field_at(fields, i);
        values[field.name] = json_of(plugins::show(field, state));
    }
    return values;
}

std::string_view state_of(const tcp::ModuleStatus& status) {
    if (status.quarantined) return "quarantined";
    if (status.retired) return "retired";
    return status.compiled ? "compiled_in" : "loaded";
}

Json module_json(const Plugins::Entry& entry) {
    const tcp::ModuleStatus& status = entry.status;
    const weft_cc_v1& table = *status.module.table;
    Json one{{"name", tcp::name_of(status.module)},
             {"kind", "congestion"},
             {"state", state_of(status)},
             {"slot", status.slot},
             {"flows", status.flows},
             {"listeners", status.listeners},
             {"violations", status.violations},
             {"version", WEFT_VERSION},
             {"license", "MIT"},
             {"parameters", fields_json(status.module, table.parameters, true)},
             {"variables", fields_json(status.module, table.variables, false)}};
    if (!entry.file || !entry.module) return one;
    const plugins::GateStatus calls = entry.module->gate.status();
    one["version"] = entry.file->version();
    one["license"] = entry.file->license();
    one["doc"] = entry.module->contents.doc;
    one["file"] = entry.file->path();
    one["hash"] = plugins::short_hash(entry.file->hash());
    one["hash_blake2b"] = plugins::long_hash(entry.file->hash());
    one["calls"] = Json{{"timed", calls.timed}, {"late", calls.late}, {"longest_us", double(calls.longest.count()) / 1e3}};
    return one;
}

std::string_view reason_text(std::uint16_t reason) {
    switch (tcp::ModuleReason(reason)) {
    case tcp::ModuleReason::asked: return "asked for";
    case tcp::ModuleReason::violations: return "too many answers out of bounds";
    case tcp::ModuleReason::judged: return "calls took too long";
    case tcp::ModuleReason::migrated: return "a newer version";
    case tcp::ModuleReason::quarantined: return "in quarantine";
    case tcp::ModuleReason::retired: return "a newer version";
    }
    return "unknown";
}

std::string violation_text(std::uint16_t bits) {
    std::string text;
    const auto add = [&](unsigned bit, std::string_view what) {
        if (bits & bit) text += (text.empty() ? "" : ", ") + std::string(what);
    };
    add(tcp::window_violation, "window");
    add(tcp::ssthresh_violation, "ssthresh");
    add(tcp::timer_violation, "timer");
    add(tcp::ecn_violation, "ECN codepoint");
    return text;
}

}  // namespace

std::expected<void, std::string> Daemon::open_plugins() {
    plugins_ = std::make_unique<Plugins>(plugin_settings(config_));
    shard_->trace_modules({trace::bit(trace::Type::plugin), this, [](void* self, const trace::Record& record) {
                               auto& records = static_cast<Daemon*>(self)->module_records_;
                               if (records.size() < most_records) records.push_back(record);
                           }});
    if (const auto slot = load_plugins(config_, *plugins_, *shard_); !slot) return std::unexpected(slot.error());
    return {};
}

// Files that changed take the place of their older versions; what is refused leaves things as they are.
void Daemon::reload_plugins(const NodeConfig& read) {
    plugins_->set_directories(read.plugin_directories.value_or(default_plugin_directories()));
    for (const std::string& name : read.plugin_files) {
        const auto loaded = shard_->input([&](Engine& engine, Instant now) { return plugins_->load(name, engine, now); });
        if (!loaded) log(LogLevel::error, "config", fmt::format("[plugins] load \"{}\": {}", name, loaded.error().message));
    }
    if (const auto slot = plugins_->slot(read.congestion); slot) config_.congestion = read.congestion;
    else
        log(LogLevel::error, "config",
            fmt::format("[tcp] congestion: {}; it stays {}", slot.error().message, config_.congestion));
}

void Daemon::tend_plugins() {
    // An older version may live for days: looking whether it may go is no work, its going is.
    if (plugins_->due()) shard_->input_if([this](Engine& engine, Instant now) { return plugins_->tend(engine, now); });
    if (module_records_.empty()) return;
    std::vector<trace::Record> records;
    records.swap(module_records_);
    for (const trace::Record& record : records) log_module_record(record);
}

void Daemon::log_module_record(const trace::Record& record) {
    const auto body = trace::body_of<trace::Plugin>(record);
    const Flow flow{.place = record.flow, .generation = body.generation};
    const auto reason = tcp::ModuleReason(body.reason);
    switch (tcp::ModuleEvent(body.event)) {
    case tcp::ModuleEvent::steer:
    case tcp::ModuleEvent::begin: {
        const bool begins = tcp::ModuleEvent(body.event) == tcp::ModuleEvent::begin;
        const bool other = reason == tcp::ModuleReason::violations || reason == tcp::ModuleReason::judged ||
                           reason == tcp::ModuleReason::quarantined;
        instead_.erase(record.flow);
        if (other)
            instead_[record.flow] = {body.generation, plugins_->name_in(body.from_slot),
                                     std::string(reason_text(body.reason))};
        const LogLevel level = other ? LogLevel::warning : begins ? LogLevel::debug : LogLevel::info;
        if (!log_wanted(level)) return;
        // Flows that begin, and those of a whole slot, are as many as strangers make them.
        if (reason != tcp::ModuleReason::asked && !module_lines_.allow(monotonic_now())) return;
        if (const std::uint64_t left_out = module_lines_.take_suppressed(); left_out > 0)
            log(level, "module", fmt::format("{} more such lines were left out", left_out));
        if (begins)
            return log(level, "module",
                       fmt::format("flow {} begins with {}{}", to_string(flow), plugins_->name_in(body.slot),
                                   other ? fmt::format(" instead of {}: {}", plugins_->name_in(body.from_slot),
                                                       reason_text(body.reason))
                                         : std::string{}));
        return log(level, "module",
                   fmt::format("flow {} goes on under {} after {}: {}; window {} bytes", to_string(flow),
                               plugins_->name_in(body.slot), plugins_->name_in(body.from_slot), reason_text(body.reason),
                               body.window));
    }
    case tcp::ModuleEvent::quarantine:
        return log(LogLevel::warning, "module",
                   fmt::format("{} is in quarantine: {}; {} flows go on under newreno", plugins_->name_in(body.slot),
                               reason_text(body.reason), body.flows));
    case tcp::ModuleEvent::violation:
        return log(LogLevel::warning, "module",
                   fmt::format("flow {}: {} answered out of bounds ({}; it wanted a window of {} bytes): clamped, {} so far",
                               to_string(flow), plugins_->name_in(body.slot), violation_text(body.reason), body.window,
                               body.flows));
    case tcp::ModuleEvent::migrate:
        return log(LogLevel::info, "module",
                   fmt::format("{} takes the place of {}: {} flows moved", plugins_->name_in(body.slot),
                               plugins_->name_in(body.from_slot), body.flows));
    default: return;                             // installing is logged with its file
    }
}

Json Daemon::describe_module(Flow flow) const {
    const Engine& engine = shard_->engine();
    const std::uint16_t slot = engine.congestion_slot(flow);
    static const tcp::Modules compiled;  // the engine counts the flows of those by a walk over all, for each that is listed
    const auto status = slot < tcp::compiled_slots ? std::optional{compiled.status(slot)} : engine.module(slot);
    if (!status) return nullptr;
    const std::span<const std::byte> state = engine.congestion_state(flow);
    Json one{{"slot", slot},
             {"state", state_of(*status)},
             {"violations", status->violations},
             {"parameters", shown_json(status->module.table->parameters, state)},
             {"variables", shown_json(status->module.table->variables, state)}};
    if (const plugins::Plugin* file = plugins_->file_in(slot)) one["hash"] = plugins::short_hash(file->hash());
    if (const auto instead = instead_.find(flow.place);
        instead != instead_.end() && instead->second.generation == flow.generation) {
        one["instead_of"] = instead->second.module;
        one["why"] = instead->second.why;
    }
    return one;
}

Json Daemon::plugin_list() const {
    Json list = Json::array();
    for (const Plugins::Entry& entry : plugins_->entries(shard_->engine())) list.push_back(module_json(entry));
    Json there = Json::array();
    const std::vector<std::string> loaded = plugins_->files();
    for (const std::string& name : plugins_->files_there())
        if (std::ranges::find(loaded, name) == loaded.end()) there.push_back(name);
    return Json{
        {"modules", std::move(list)}, {"directories", plugins_->settings().directories}, {"available", std::move(there)}};
}

std::expected<Json, RpcError> Daemon::plugin_load(const Json& params) {
    const std::string name = params["name"];
    const auto report = shard_->input([&](Engine& engine, Instant now) { return plugins_->load(name, engine, now); });
    if (!report) return std::unexpected(refusal(report.error()));
    Json modules = Json::array();
    for (const Plugins::Change& change : report->changes)
        modules.push_back({{"name", change.module}, {"slot", change.slot}, {"moved", change.moved}, {"left", change.left}});
    const char* outcome = report->outcome == Plugins::Outcome::loaded     ? "loaded"
                          : report->outcome == Plugins::Outcome::reloaded ? "reloaded"
                                                                          : "unchanged";
    return Json{{"outcome", outcome},
                {"file", report->path},
                {"hash", report->hash},
                {"quarantined", report->quarantined},
                {"modules", std::move(modules)}};
}

std::expected<Json, RpcError> Daemon::plugin_unload(const Json& params) {
    const std::string name = params["name"];
    const bool force = params.value("force", false);
    const bool is_default =
        std::ranges::any_of(plugins_->modules_of(name), [&](const auto& m) { return m == config_.congestion; });
    if (is_default && !force)
        return std::unexpected(
            RpcError{RpcCode::failed,
                     fmt::format("new flows begin with {} ([tcp] congestion): name another one there and send "
                                 "SIGHUP, or unload it with --force, and new flows begin with newreno",
                                 config_.congestion),
                     "in_use"});
    const auto moved = shard_->input(
        [&](Engine& engine, Instant now) { return plugins_->unload(name, force, shard_->listeners(), engine, now); });
    if (!moved) return std::unexpected(refusal(moved.error()));
    if (is_default) {
        log(LogLevel::warning, "plugin",
            fmt::format("{} was what new flows begin with: from now on they begin with newreno", config_.congestion));
        config_.congestion = tcp::controller_names[0];
    }
    return Json{{"name", name}, {"moved", *moved}};
}

std::expected<Json, RpcError> Daemon::plugin_swap(const Json& params) {
    const auto from = plugins_->slot(params["from"].get<std::string>()),
               to = plugins_->slot(params["to"].get<std::string>());
    if (!from) return std::unexpected(refusal(from.error()));
    if (!to) return std::unexpected(refusal(to.error()));
    if (const auto status = shard_->engine().module(*to); status && status->quarantined)
        return std::unexpected(RpcError{
            RpcCode::failed,
            fmt::format("{} is in quarantine: mend its file and load it again (weft plugin load)", plugins_->name_in(*to)),
            "quarantined"});
    std::size_t moved = 0, listeners = 0;
    if (*from != *to)
        shard_->input([&](Engine& engine, Instant now) {
            for (const Flow flow : engine.flows())
                if (engine.congestion_slot(flow) == *from) moved += engine.steer(flow, *to, now).has_value();
            for (const ListenerId listener : shard_->listeners())
                if (engine.congestion_slot(listener) == *from) listeners += engine.steer(listener, *to, now).has_value();
        });
    return Json{
        {"from", plugins_->name_in(*from)}, {"to", plugins_->name_in(*to)}, {"moved", moved}, {"listeners", listeners}};
}

std::expected<std::vector<std::pair<std::uint32_t, weft_value>>, RpcError> Daemon::parameters_for(std::uint16_t slot,
                                                                                                  const Json& given) const {
    std::vector<std::pair<std::uint32_t, weft_value>> values;
    const auto status = shard_->engine().module(slot);
    if (!status || given.empty()) return values;
    const weft_fields& fields = status->module.table->parameters;
    const std::string_view module = tcp::name_of(status->module);
    std::vector<std::string_view> names;
    for (std::uint32_t i = 0; i < fields.count; ++i) names.emplace_back(tcp::field_at(fields, i).name);
    for (const auto& [name, value] : given.items()) {
        const auto known = std::ranges::find(names, name);
        if (known == names.end())
            return std::unexpected(
                RpcError{RpcCode::failed,
                         fmt::format("{} has no parameter \"{}\"{} (it has: {})", module, name.substr(0, 64),
                                     did_you_mean(name, names), names.empty() ? "none" : listed(names)),
                         "no_such_parameter"});
        const auto index = std::uint32_t(known - names.begin());
        const plugins::Number number =
            value.is_number_float() ? plugins::Number{value.get<double>()} : plugins::Number{value.get<std::int64_t>()};
        const auto fitting = plugins::value_for(tcp::field_at(fields, index), number);
        if (!fitting)
            return std::unexpected(
                RpcError{RpcCode::failed, fmt::format("{}: {}", module, fitting.error()), "bad_parameter"});
        values.emplace_back(index, *fitting);
    }
    return values;
}

std::string Daemon::known_flows() const {
    std::string text;
    const std::vector<Flow> flows = shard_->engine().flows();
    for (std::size_t i = 0; i < std::min(flows.size(), most_suggested); ++i)
        text += (i > 0 ? ", " : "") + to_string(flows[i]);
    if (flows.size() > most_suggested) text += fmt::format(" and {} more", flows.size() - most_suggested);
    return flows.empty() ? "there is none" : "there are: " + text;
}

std::expected<Json, RpcError> Daemon::flow_set(const Json& params) {
    const std::string text = params["flow"];
    const auto flow = parse_flow(text);
    const Engine& engine = shard_->engine();
    const tcp::Tcb* tcb = flow ? engine.inspect(*flow) : nullptr;
    const tcp::Cold* cold = flow ? engine.inspect_cold(*flow) : nullptr;
    if (!tcb || !cold)
        return std::unexpected(RpcError{RpcCode::failed,
                                        fmt::format("there is no flow \"{}\" ({})", text.substr(0, 64), known_flows()),
                                        "no_such_flow"});
    std::optional<std::uint16_t> wanted;
    if (const auto module = params.find("congestion"); module != params.end()) {
        const auto slot = plugins_->slot(module->get<std::string>());
        if (!slot) return std::unexpected(refusal(slot.error()));
        if (const auto status = engine.module(*slot); status && status->quarantined)
            return std::unexpected(
                RpcError{RpcCode::failed,
                         fmt::format("{} is in quarantine: mend its file and load it again (weft plugin load)",
                                     plugins_->name_in(*slot)),
                         "quarantined"});
        wanted = *slot;
    }
    const auto parameters =
        parameters_for(wanted.value_or(engine.congestion_slot(*flow)), params.value("parameters", Json::object()));
    if (!parameters) return std::unexpected(parameters.error());
    shard_->input([&](Engine& input, Instant now) {
        if (params.contains("nodelay")) {
            ConnectOptions options;
            options.user_timeout = cold->user_timeout;
            options.dscp = cold->dscp;
            options.hop_limit = cold->hop_limit;
            options.congestion = input.congestion_slot(*flow);
            options.nodelay = params["nodelay"];
            (void)input.set(*flow, options, now);
        }
        if (wanted) (void)input.steer(*flow, *wanted, now);
        for (const auto& [index, value] : *parameters) (void)input.set_parameter(*flow, index, value, now);
    });
    const std::uint16_t slot = engine.congestion_slot(*flow);
    Json answer{{"flow", to_string(*flow)}, {"congestion", engine.congestion(*flow)}, {"slot", slot}};
    if (const plugins::Plugin* file = plugins_->file_in(slot)) answer["hash"] = plugins::short_hash(file->hash());
    return answer;
}

}  // namespace weft::node
