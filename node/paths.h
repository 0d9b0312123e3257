// Where a node's files are: its control sockets, its lock, its configuration. The daemon and the command line agree by it.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace weft::node {

inline constexpr std::string_view default_node = "default";

// 1 to 32 characters of a-z, A-Z, 0-9, '-', '_' and '.', the first one a letter or a digit: a name is part of a path.
bool node_name_is_valid(std::string_view name);

// WEFT_RUNTIME_DIR as it is; else $XDG_RUNTIME_DIR/weft, or /run/weft for root and where XDG_RUNTIME_DIR is not set.
std::string runtime_directory();

struct ControlPaths {
    std::string directory, socket, read_only_socket, lock;
};

// The error says what to change: a bad name, or a path that a socket address cannot hold (107 bytes).
std::expected<ControlPaths, std::string> control_paths(std::string_view name);

// $XDG_CONFIG_HOME/weft/weft.toml, ~/.config/weft/weft.toml; for root /etc/weft/weft.toml.
std::string default_config_path();

// The configuration's path with its extension replaced by ".key".
std::string default_key_path(std::string_view config_path);

// Where plugins are when the configuration names no directory: ../lib/weft/plugins beside the folder of the program that runs,
// and plugins in its build folder if it runs from one.
std::vector<std::string> default_plugin_directories();

}  // namespace weft::node
