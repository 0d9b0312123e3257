// A slot a version: the engine moves flows from one to the other, the host knows the files.
#include "node/plugins.h"

#include <algorithm>

#include <fmt/format.h>

#include "node/log.h"
#include "node/loop.h"
#include "node/suggest.h"
#include "stack/tcp/modules.h"

namespace weft::node {
namespace {

using plugins::Plugin;

std::unexpected<plugins::Problem> refuse(std::string cause, std::string message) {
    return std::unexpected(plugins::Problem{std::move(cause), std::move(message)});
}

std::vector<std::string_view> views(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

LogLevel level_of(int syslog_level) {
    if (syslog_level <= 3) return LogLevel::error;
    if (syslog_level == 4) return LogLevel::warning;
    return syslog_level <= 6 ? LogLevel::info : LogLevel::debug;
}

plugins::HostConfig host_config(const Plugins::Settings& settings) {
    plugins::HostConfig config{settings.directories, settings.budget, {}, {}};
    for (const std::string_view name : tcp::controller_names) config.reserved.emplace_back(name);
    config.log = [limit = RateLimit{20, Duration::seconds(10)}](int level, std::string_view plugin,
                                                                std::string_view text) mutable {
        if (limit.allow(monotonic_now())) log(level_of(level), "plugin", fmt::format("{} says: {}", plugin, text));
    };
    return config;
}

}  // namespace

Plugins::Plugins(Settings settings)
    : settings_{std::move(settings)}, host_{host_config(settings_)}, faults_seen_{plugins::gate_faults()} {}

void Plugins::set_directories(std::vector<std::string> directories) {
    host_.set_directories(directories);
    settings_.directories = std::move(directories);
}

Plugins::Installed* Plugins::current(std::string_view file) {
    for (Installed& installed : installed_)
        if (installed.current && installed.file->name() == file) return &installed;
    return nullptr;
}

std::expected<std::vector<weft_value>, Plugins::Problem> Plugins::parameters_of(const Plugin::Module& module) const {
    std::vector<weft_value> values;
    std::vector<std::string_view> names;
    for (const weft_field& parameter : module.contents.parameters) {
        values.push_back(parameter.initial);
        names.emplace_back(parameter.name);
    }
    const auto defaults = settings_.defaults.find(module.contents.name);
    if (defaults == settings_.defaults.end()) return values;
    for (const auto& [name, number] : defaults->second) {
        const auto known = std::ranges::find(names, name);
        if (known == names.end())
            return refuse("bad_parameter", fmt::format("[plugins.{}]: the module has no parameter \"{}\"{} (it has: {})",
                                                       module.contents.name, name, did_you_mean(name, names),
                                                       names.empty() ? "none" : listed(names)));
        const std::size_t index = std::size_t(known - names.begin());
        const auto value = plugins::value_for(module.contents.parameters[index], number);
        if (!value) return refuse("bad_parameter", fmt::format("[plugins.{}]: {}", module.contents.name, value.error()));
        values[index] = *value;
    }
    return values;
}

std::expected<Plugins::Installed, Plugins::Problem> Plugins::install(std::unique_ptr<Plugin> file, Engine& engine,
                                                                     Instant now) {
    Installed installed{std::move(file), {}, true};
    const auto give_up = [&](std::string cause, std::string why) {
        for (const std::uint16_t slot : installed.slots) (void)engine.uninstall(slot, now);
        return refuse(std::move(cause), std::move(why));
    };
    for (const Plugin::Module& module : installed.file->modules()) {
        tcp::Module one = module.installable;
        auto parameters = parameters_of(module);
        if (!parameters) return give_up(parameters.error().cause, parameters.error().message);
        one.parameters = std::move(*parameters);
        if (const tcp::Refusal why = tcp::refusal(one); !why.why.empty())
            return give_up("unsound",
                           fmt::format("{}: module {}: {}", installed.file->path(), module.contents.name, why.why));
        std::uint16_t slot = tcp::compiled_slots;
        while (slot < tcp::module_slots && engine.module(slot)) ++slot;
        if (slot == tcp::module_slots)
            return give_up("too_many",
                           fmt::format("all {} slots for modules are taken: unload some, or end the flows on older "
                                       "versions (weft plugin list)",
                                       tcp::module_slots - tcp::compiled_slots));
        if (!engine.install(slot, one, now))
            return give_up("unsound",
                           fmt::format("{}: the engine refuses module {}", installed.file->path(), module.contents.name));
        installed.slots.push_back(slot);
    }
    return installed;
}

void Plugins::move_flows(const Installed& from, const Installed& to, Report& report, Engine& engine, Instant now) {
    for (std::size_t i = 0; i < to.slots.size(); ++i)
        for (std::size_t k = 0; k < from.slots.size(); ++k) {
            if (from.file->modules()[k].contents.name != to.file->modules()[i].contents.name) continue;
            const auto moved = engine.migrate(from.slots[k], to.slots[i], now);
            if (moved) report.changes[i].moved = *moved;
            else
                log(LogLevel::error, "plugin",
                    fmt::format("{} does not take the place of {}: the engine refuses it", name_in(to.slots[i]),
                                name_in(from.slots[k])));
            if (const auto status = engine.module(from.slots[k])) report.changes[i].left = status->flows;
        }
}

std::expected<Plugins::Report, Plugins::Problem> Plugins::load(std::string_view name, Engine& engine, Instant now) {
    auto found = host_.find(name);
    if (!found) return std::unexpected(found.error());
    Installed* old = current(name);
    Report report{old ? Outcome::reloaded : Outcome::loaded, found->path, plugins::short_hash(found->hash), {}};
    if (old && old->file->hash() == found->hash) {
        report.outcome = Outcome::unchanged;
        for (std::size_t i = 0; i < old->slots.size(); ++i) {
            report.changes.push_back({old->file->modules()[i].contents.name, old->slots[i], 0, 0});
            const auto status = engine.module(old->slots[i]);
            report.quarantined |= status && status->quarantined;
        }
        return report;
    }
    std::vector<const Plugin*> others;
    for (const Installed& installed : installed_) others.push_back(installed.file.get());
    auto file = host_.open(*found, others);
    if (!file) return std::unexpected(file.error());
    auto installed = install(std::move(*file), engine, now);
    if (!installed) return std::unexpected(installed.error());
    for (std::size_t i = 0; i < installed->slots.size(); ++i)
        report.changes.push_back({installed->file->modules()[i].contents.name, installed->slots[i], 0, 0});
    for (const std::string& line : installed->file->not_served())
        log(LogLevel::warning, "plugin", fmt::format("{}: {}", found->path, line));
    if (old) {
        move_flows(*old, *installed, report, engine, now);
        old->current = false;
        leaving_ = true;
    }
    for (const Change& change : report.changes)
        log(LogLevel::info, "plugin",
            fmt::format("{} {} from {} (hash {}) in slot {}{}", change.module, old ? "reloaded" : "loaded", found->path,
                        report.hash, change.slot,
                        old ? fmt::format(": {} flows moved, {} end on the older version", change.moved, change.left) : ""));
    installed_.push_back(std::move(*installed));
    tend(engine, now);
    return report;
}

// From the engine, then the file: a slot that is free has no caller left. The engine knows when it is.
bool Plugins::remove(Installed& installed, Engine& engine, Instant now) {
    for (const std::uint16_t slot : installed.slots) {
        const auto status = slot != 0 ? engine.module(slot) : std::nullopt;
        if (status && (status->flows > 0 || (status->listeners > 0 && !status->quarantined))) return false;
    }
    for (std::uint16_t& slot : installed.slots)
        if (slot != 0 && engine.uninstall(slot, now)) slot = 0;  // its place in the list stays: modules are found by it
    return std::ranges::all_of(installed.slots, [](std::uint16_t slot) { return slot == 0; });
}

std::expected<std::uint32_t, Plugins::Problem> Plugins::unload(std::string_view name, bool force,
                                                               std::span<const ListenerId> listening, Engine& engine,
                                                               Instant now) {
    std::uint32_t flows = 0, listeners = 0, versions = 0;
    std::vector<std::uint16_t> slots;
    for (const Installed& installed : installed_) {
        if (installed.file->name() != name) continue;
        ++versions;
        for (const std::uint16_t slot : installed.slots) {
            slots.push_back(slot);
            const auto status = engine.module(slot);
            flows += status ? status->flows : 0;
            listeners += status ? status->listeners : 0;
        }
    }
    if (versions == 0) {
        const std::vector<std::string> known = files();
        return refuse("not_loaded",
                      fmt::format("no plugin \"{}\" is loaded{} (loaded: {})", name.substr(0, 64),
                                  did_you_mean(name, views(known)), known.empty() ? "none" : listed(views(known))));
    }
    if (!force && flows + listeners > 0)
        return refuse("in_use",
                      fmt::format("{} is used by {} flows and {} listeners: switch them (weft cc FLOW NAME), or unload "
                                  "it with --force, which moves them to newreno",
                                  name, flows, listeners));
    const auto goes = [&](std::uint16_t slot) { return std::ranges::find(slots, slot) != slots.end(); };
    if (flows > 0)
        for (const Flow flow : engine.flows())
            if (goes(engine.congestion_slot(flow))) (void)engine.steer(flow, 0, now);
    if (listeners > 0)
        for (const ListenerId listener : listening)
            if (goes(engine.congestion_slot(listener))) (void)engine.steer(listener, 0, now);
    for (Installed& installed : installed_) {
        if (installed.file->name() != name) continue;
        installed.current = false;
        leaving_ = true;
    }
    log(LogLevel::info, "plugin",
        fmt::format("{} unloaded{}", name, flows > 0 ? fmt::format(": {} flows go on under newreno", flows) : ""));
    tend(engine, now);
    return flows;
}

bool Plugins::quarantine_late(Engine& engine, Instant now) {
    bool any = false;
    for (const Installed& installed : installed_)
        for (std::size_t i = 0; i < installed.slots.size(); ++i) {
            const Plugin::Module& module = installed.file->modules()[i];
            const plugins::GateStatus seen = module.gate.status();
            const auto status = engine.module(installed.slots[i]);
            if (!seen.faulty || !status || status->quarantined) continue;
            any |= bool(engine.quarantine(installed.slots[i], now));
            log(LogLevel::warning, "plugin",
                fmt::format(
                    "{} (hash {}) is in quarantine: {} of its calls took longer than {} us, the longest {} us; its flows "
                    "go on under newreno",
                    module.contents.name, plugins::short_hash(installed.file->hash()), seen.late,
                    settings_.budget.count() / 1'000, seen.longest.count() / 1'000));
        }
    return any;
}

bool Plugins::tend(Engine& engine, Instant now) {
    bool changed = false;
    if (const std::uint64_t faults = plugins::gate_faults(); faults != faults_seen_) {
        faults_seen_ = faults;
        changed = quarantine_late(engine, now);
    }
    if (!leaving_) return changed;
    leaving_ = false;
    std::erase_if(installed_, [&](Installed& installed) {
        if (installed.current) return false;
        const bool gone = remove(installed, engine, now);
        leaving_ |= !gone;
        changed |= gone;
        if (gone)
            log(LogLevel::info, "plugin",
                fmt::format("{} (hash {}) is closed: nothing uses it", installed.file->name(),
                            plugins::short_hash(installed.file->hash())));
        return gone;
    });
    return changed;
}

std::expected<std::uint16_t, Plugins::Problem> Plugins::slot(std::string_view module) const {
    if (const auto compiled = tcp::controller_slot(module)) return *compiled;
    for (const Installed& installed : installed_)
        for (std::size_t i = 0; installed.current && i < installed.slots.size(); ++i)
            if (installed.file->modules()[i].contents.name == module) return installed.slots[i];
    const std::vector<std::string> known = names();
    const std::vector<std::string> there = files_there();
    const bool could_load = std::ranges::find(there, module) != there.end();
    return refuse("no_such_module",
                  fmt::format("there is no congestion module \"{}\"{} (there are: {})", module.substr(0, 64),
                              could_load ? fmt::format(": run `weft plugin load {}` first", module)
                                         : did_you_mean(module, views(known)),
                              listed(views(known))));
}

std::vector<std::string> Plugins::names() const {
    std::vector<std::string> all(tcp::controller_names.begin(), tcp::controller_names.end());
    for (const Installed& installed : installed_)
        for (const Plugin::Module& module : installed.file->modules())
            if (installed.current) all.push_back(module.contents.name);
    return all;
}

std::vector<std::string> Plugins::modules_of(std::string_view file) const {
    std::vector<std::string> all;
    for (const Installed& installed : installed_)
        for (const Plugin::Module& module : installed.file->modules())
            if (installed.current && installed.file->name() == file) all.push_back(module.contents.name);
    return all;
}

std::vector<std::string> Plugins::files() const {
    std::vector<std::string> all;
    for (const Installed& installed : installed_)
        if (std::ranges::find(all, installed.file->name()) == all.end()) all.push_back(installed.file->name());
    return all;
}

std::optional<Plugins::Problem> Plugins::wrong_default() const {
    const std::vector<std::string> known = names();
    for (const auto& [module, values] : settings_.defaults)
        if (tcp::controller_slot(module) || std::ranges::find(known, module) == known.end())
            return Problem{"bad_parameter",
                           fmt::format("[plugins.{}] is of no loaded module{}: name its file in [plugins] load", module,
                                       did_you_mean(module, views(known)))};
    return std::nullopt;
}

std::string Plugins::name_in(std::uint16_t slot) const {
    if (slot < tcp::compiled_slots) return std::string(tcp::controller_names[slot]);
    const Plugin::Module* module = module_in(slot);
    if (!module) return fmt::format("slot {}", slot);
    return fmt::format("{} (slot {}, hash {})", module->contents.name, slot, plugins::short_hash(file_in(slot)->hash()));
}

const Plugin::Module* Plugins::module_in(std::uint16_t slot) const {
    for (const Installed& installed : installed_)
        for (std::size_t i = 0; i < installed.slots.size(); ++i)
            if (slot != 0 && installed.slots[i] == slot) return &installed.file->modules()[i];
    return nullptr;
}

const Plugin* Plugins::file_in(std::uint16_t slot) const {
    for (const Installed& installed : installed_)
        if (slot != 0 && std::ranges::find(installed.slots, slot) != installed.slots.end()) return installed.file.get();
    return nullptr;
}

std::vector<Plugins::Entry> Plugins::entries(const Engine& engine) const {
    std::vector<Entry> all;
    for (tcp::ModuleStatus& status : engine.modules()) {
        const std::uint16_t slot = status.slot;
        all.push_back({std::move(status), file_in(slot), module_in(slot)});
    }
    return all;
}

}  // namespace weft::node
