// The congestion modules of a node: which file lies in which slot of the engine, how a changed file takes the place of its
// older version while flows run, and when the older one may go. Every change is an input of the engine.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/host/host.h"
#include "plugins/host/values.h"
#include "stack/engine/engine.h"

namespace weft::node {

// What flows begin with, by module and parameter, where it is not what the module says.
using ModuleDefaults = std::map<std::string, std::map<std::string, plugins::Number>>;

class Plugins {
public:
    struct Settings {
        std::vector<std::string> directories;
        Duration budget{Duration::milliseconds(1)};   // of one call into a module
        ModuleDefaults defaults;
    };
    using Problem = plugins::Problem;

    enum class Outcome : std::uint8_t { loaded, reloaded, unchanged };
    struct Change {                       // of one module
        std::string module;
        std::uint16_t slot{0};
        std::uint32_t moved{0}, left{0};  // flows of the older version that took this one, and that end on theirs
    };
    struct Report {
        Outcome outcome{};
        std::string path, hash;           // the hash: 12 digits of it
        bool quarantined{false};          // unchanged, and a module of it is in quarantine
        std::vector<Change> changes;
    };

    // What a slot holds, for listings. `file` and `module` are null for what is compiled in.
    struct Entry {
        tcp::ModuleStatus status;
        const plugins::Plugin* file{nullptr};
        const plugins::Plugin::Module* module{nullptr};
    };

    explicit Plugins(Settings settings);
    Plugins(const Plugins&) = delete;
    Plugins& operator=(const Plugins&) = delete;

    // The file of this name. Of one that is loaded: its newer version, for new flows; living ones move if the module's
    // migrate agrees, else they end on the old one, whose file is closed when the last one is gone.
    // Listeners move in each case, those that ask for a version in quarantine, too.
    std::expected<Report, Problem> load(std::string_view name, Engine& engine, Instant now);

    // All modules of the file, of all its versions. Refused while flows or listeners use one, unless `force` moves them to
    // NewReno, their windows as they are. The answer: how many flows were moved.
    // `listeners` are those of the engine.
    std::expected<std::uint32_t, Problem> unload(std::string_view name, bool force, std::span<const ListenerId> listeners,
                                                 Engine& engine, Instant now);

    // After a turn, when due(): modules whose calls take too long are put in quarantine, older versions without flows go.
    bool due() const { return leaving_ || plugins::gate_faults() != faults_seen_; }
    bool tend(Engine& engine, Instant now);  // true: something changed

    // The slot of a module by its name, the newest version. The error suggests one.
    std::expected<std::uint16_t, Problem> slot(std::string_view module) const;
    std::vector<std::string> names() const;  // of all modules, those that are compiled in first
    std::vector<std::string> files() const;  // that are loaded
    std::vector<std::string> modules_of(std::string_view file) const;  // of its newest version
    std::vector<std::string> files_there() const { return plugins::available(settings_.directories); }
    std::optional<Problem> wrong_default() const;  // a default of a module, or of a parameter, that there is none of
    std::vector<Entry> entries(const Engine& engine) const;
    std::string name_in(std::uint16_t slot) const;  // "aimd (slot 2, hash 5db5d07b8d32)", without a look at the engine
    const plugins::Plugin::Module* module_in(std::uint16_t slot) const;  // nullptr: compiled in, or nothing
    const plugins::Plugin* file_in(std::uint16_t slot) const;

    const Settings& settings() const { return settings_; }
    void set_directories(std::vector<std::string> directories);

private:
    struct Installed {
        std::unique_ptr<plugins::Plugin> file;
        std::vector<std::uint16_t> slots;  // of its modules, in their order
        bool current{true};  // false: a newer version took its place
    };

    Installed* current(std::string_view file);
    std::expected<std::vector<weft_value>, Problem> parameters_of(const plugins::Plugin::Module& module) const;
    std::expected<Installed, Problem> install(std::unique_ptr<plugins::Plugin> file, Engine& engine, Instant now);
    void move_flows(const Installed& from, const Installed& to, Report& report, Engine& engine, Instant now);
    bool quarantine_late(Engine& engine, Instant now);
    bool remove(Installed& installed, Engine& engine, Instant now);  // false: something holds a slot still

    Settings settings_;
    plugins::Host host_;
    std::vector<Installed> installed_;
    std::uint64_t faults_seen_{0};  // of plugins::gate_faults()
    bool leaving_{false};  // some version is not current: look whether it may go
};

}  // namespace weft::node
