// Opens plugins: a private copy of the file that was checked, its tables read, a gate before each module. What is installed
// where, and when a file may be closed, is for whoever owns the engine.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/host/file.h"
#include "plugins/host/gate.h"
#include "plugins/host/tables.h"
#include "stack/tcp/modules.h"

namespace weft::plugins {

struct HostConfig {
    std::vector<std::string> directories;                 // asked in this order
    Duration budget{Duration::milliseconds(1)};           // of one call into a module
    std::vector<std::string> reserved;                    // names of modules that are compiled in
    // What a plugin says by weft_host.log: syslog's level, the plugin's name, its text of at most 1,024 bytes.
    std::function<void(int level, std::string_view plugin, std::string_view text)> log;
};

// A file that is open: its code stays mapped while the object lives, and is unmapped with it.
class Plugin {
public:
    struct Module {
        Congestion contents;
        Gate gate;
        tcp::Module installable;                          // for Engine::install; its table is the gate's
    };

    ~Plugin();
    Plugin(const Plugin&) = delete;
    Plugin& operator=(const Plugin&) = delete;

    const std::string& name() const { return name_; }     // of the file, without its ending
    const std::string& path() const { return path_; }
    const Hash& hash() const { return hash_; }
    const std::string& version() const { return version_; }
    const std::string& license() const { return license_; }
    const std::vector<std::string>& not_served() const { return not_served_; }
    const std::vector<Module>& modules() const { return modules_; }

private:
    friend class Host;
    explicit Plugin(const File& file) : name_{file.name}, path_{file.path}, hash_{file.hash} {}
    static void log(void* context, std::int32_t level, const char* utf8);

    std::string name_, path_, version_, license_;
    Hash hash_{};
    std::vector<std::string> not_served_;
    std::vector<Module> modules_;
    int copy_{-1};                                        // stays open: the loader knows what it opened by this number
    void* handle_{nullptr};
    weft_host host_{};                                    // what the plugin was given; it may keep the address
    const HostConfig* config_{nullptr};
};

class Host {
public:
    explicit Host(HostConfig config);                     // libsodium must have been started
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;

    // Looks at the file without opening it.
    std::expected<File, Problem> find(std::string_view name) const { return find_file(name, config_->directories); }
    // Refuses modules with a name that is reserved, or that one of `others` has which is of another file.
    std::expected<std::unique_ptr<Plugin>, Problem> open(const File& file, std::span<const Plugin* const> others) const;

    const HostConfig& config() const { return *config_; }
    void set_directories(std::vector<std::string> directories) { config_->directories = std::move(directories); }

private:
    std::unique_ptr<HostConfig> config_;                  // plugins keep its address
};

}  // namespace weft::plugins
