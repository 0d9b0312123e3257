// A plugin's file before it is opened: found by name in the configured directories alone, looked at with distrust, read once
// and hashed. What is opened later is these bytes, whatever happens to the file.
#pragma once

#include <array>
#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::plugins {

inline constexpr std::size_t longest_name = 31;  // of a file or a module, bytes
inline constexpr std::size_t largest_file = std::size_t{64} << 20;

// Why something was refused. `message` is for a person and names the mend; `cause` is a word for a program:
// bad_name, no_such_plugin, unsafe, unreadable, not_a_plugin, other_version, unsound, duplicate, ...
struct Problem {
    std::string cause, message;
};

using Hash = std::array<std::byte, 32>;  // BLAKE2b-256 of a file

struct File {
    std::string name;  // "aimd" of aimd.so
    std::string path;
    std::vector<std::byte> bytes;
    Hash hash{};
};

// 1 to 31 characters of a-z, A-Z, 0-9, _ and -, the first one a letter: no path, no ending.
bool name_is_valid(std::string_view name);

// The first NAME.so in `directories`, in their order. A directory that is not there is passed over; one that others may
// write to, or a file that they may, is an error and not passed over.
std::expected<File, Problem> find_file(std::string_view name, std::span<const std::string> directories);

// Names of what lies in the directories and looks like a plugin's file, to suggest from. Sorted, each once.
std::vector<std::string> available(std::span<const std::string> directories);

std::string short_hash(const Hash& hash);  // 12 hexadecimal digits
std::string long_hash(const Hash& hash);  // 64

}  // namespace weft::plugins
