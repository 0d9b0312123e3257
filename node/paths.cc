// Paths from the environment. Nothing is created here.
#include "node/paths.h"

#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace weft::node {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

}  // namespace

bool node_name_is_valid(std::string_view name) {
    if (name.empty() || name.size() > 32 || !is_alphanumeric(name.front())) return false;
    return std::ranges::all_of(name, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

std::string runtime_directory() {
    if (const std::string chosen = environment("WEFT_RUNTIME_DIR"); !chosen.empty()) return chosen;
    const std::string xdg = environment("XDG_RUNTIME_DIR");
    if (::geteuid() == 0 || xdg.empty()) return "/run/weft";
    return xdg + "/weft";
}

std::expected<ControlPaths, std::string> control_paths(std::string_view name) {
    if (!node_name_is_valid(name))
        return std::unexpected("\"" + std::string(name) +
                               "\" is not a node's name: 1 to 32 characters of a-z, A-Z, 0-9, -, _ and ., "
                               "the first one a letter or a digit");
    const std::string directory = runtime_directory();
    const std::string base = directory + "/" + std::string(name);
    ControlPaths paths{directory, base + ".sock", base + ".ro.sock", base + ".lock"};
    if (paths.read_only_socket.size() >= sizeof(sockaddr_un::sun_path))
        return std::unexpected(paths.read_only_socket + " is longer than a socket's path may be (" +
                               std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                               " bytes): set WEFT_RUNTIME_DIR to a shorter directory");
    return paths;
}

std::string default_config_path() {
    if (::geteuid() == 0) return "/etc/weft/weft.toml";
    if (const std::string xdg = environment("XDG_CONFIG_HOME"); !xdg.empty()) return xdg + "/weft/weft.toml";
    return environment("HOME") + "/.config/weft/weft.toml";
}

std::string default_key_path(std::string_view config_path) {
    return std::filesystem::path(config_path).replace_extension(".key").string();
}

std::vector<std::string> default_plugin_directories() {
    std::error_code error;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return {};
    const std::filesystem::path folder = program.parent_path(), above = folder.parent_path();
    std::vector<std::string> directories{(above / "lib/weft/plugins").string()};
    if (folder.filename() == "node") directories.push_back((above / "plugins").string());
    return directories;
}

}  // namespace weft::node
