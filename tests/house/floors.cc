// The floors: who may include whom, held against the #include lines and against the edges of the CMake targets.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "tests/house/rules.h"

namespace weft::house {
namespace {

constexpr std::string_view abi = "plugins/abi";

// What reads a clock, starts a thread, opens a file or draws at random. Who must be a pure function of its inputs has none.
constexpr std::array impure = std::to_array<std::string_view>(
    {"chrono", "condition_variable", "csignal", "cstdio", "ctime", "filesystem", "format", "fstream", "future", "iostream",
     "latch", "mutex", "random", "semaphore", "shared_mutex", "stop_token", "syncstream", "thread"});

bool is_standard(std::string_view header) { return header.find_first_of("./") == std::string_view::npos; }

bool any_prefix(const std::vector<std::string_view>& prefixes, std::string_view name) {
    return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
}

bool is_gtest(std::string_view header) { return header.starts_with("gtest/") || header.starts_with("gmock/"); }
bool is_qt(std::string_view header) {
    return header.size() > 1 && header[0] == 'Q' && ((header[1] >= 'A' && header[1] <= 'Z') || header.starts_with("Qt"));
}
bool may_see_qt(std::string_view path) {
    return std::ranges::any_of(std::array{"gui", "tests/gui", "bench/gui"},
                               [&](std::string_view folder) { return starts_with_folder(path, folder); });
}

std::string outside_fault(const Floor& floor, std::string_view path, std::string_view header) {
    if (is_qt(header)) return may_see_qt(path) ? "" : "Qt is for gui/ alone";
    if (is_gtest(header)) return floor.folder == "tests" ? "" : "GoogleTest is for tests/ alone";
    if (is_standard(header)) {
        const bool barred = floor.pure && std::ranges::find(impure, header) != impure.end();
        return barred ? "a clock, thread, file or random device in code that must be a function of its inputs" : "";
    }
    if (std::ranges::find(floor.outside, "*") != floor.outside.end() || any_prefix(floor.outside, header)) return "";
    return "not a header of the standard library";
}

// The window reads what happened and knows no more of the engine than the schema: trace records, what reads and folds them, and
// the text of addresses.
bool window_may_include(std::string_view header) {
    static constexpr std::array known =
        std::to_array<std::string_view>({"address", "address_text", "bytes", "filter", "record_text", "recording", "replay",
                                         "time", "trace", "trace_names", "transitions"});
    return header.starts_with("gui/") || std::ranges::any_of(known, [&](std::string_view name) {
               return header == "stack/core/" + std::string(name) + ".h";
           });
}

bool may_include(const Floor& from, std::string_view folder) {
    return folder == from.folder || folder == abi || std::ranges::find(from.below, "*") != from.below.end() ||
           std::ranges::find(from.below, folder) != from.below.end();
}

// The words of a CMake file, with each parenthesis a word of its own and comments gone.
std::vector<Word> cmake_words(std::string_view text) {
    std::vector<Word> words;
    std::size_t number = 0;
    for (std::string_view line : lines_of(text)) {
        ++number;
        line = line.substr(0, line.find('#'));
        std::string word;
        const auto flush = [&] {
            if (!word.empty()) words.push_back({word, number});
            word.clear();
        };
        for (const char c : line) {
            if (c == ' ' || c == '\t' || c == '(' || c == ')') flush();
            if (c == '(' || c == ')') words.push_back({std::string(1, c), number});
            if (c != ' ' && c != '\t' && c != '(' && c != ')') word += c;
        }
        flush();
    }
    return words;
}

struct Edge {
    std::string from, to;  // targets
    std::string path;  // of the CMake file
    std::size_t line;
};

struct Targets {
    std::map<std::string, std::string, std::less<>> folder;  // target to folder
    std::vector<Edge> edges;
};

void read_targets(const File& file, Targets& targets) {
    const std::string folder = file.path.substr(0, file.path.rfind('/'));
    const std::vector<Word> words = cmake_words(file.text);
    for (std::size_t i = 0; i + 2 < words.size(); ++i) {
        const std::string& command = words[i].text;
        const bool library = command == "weft_library", plugin = command == "weft_plugin";
        const bool defines = library || plugin || command == "add_library" || command == "add_executable";
        if (words[i + 1].text != "(" || !(defines || command == "target_link_libraries")) continue;
        const std::string target = (library ? "weft_" : plugin ? "weft_plugin_" : "") + words[i + 2].text;
        if (defines) targets.folder[target] = folder;
        for (i += 3; i < words.size() && words[i].text != ")"; ++i) {
            const std::string& to = words[i].text;
            if (to.starts_with("weft_") && to != "weft_flags")
                targets.edges.push_back({target, to, file.path, words[i].line});
        }
    }
}

using Reach = std::map<std::string, std::set<std::string, std::less<>>, std::less<>>;

// Which folders each folder's targets reach, over any number of edges.
Reach closure(const Targets& targets) {
    Reach reach;
    for (const Edge& edge : targets.edges) {
        const auto from = targets.folder.find(edge.from), to = targets.folder.find(edge.to);
        if (from != targets.folder.end() && to != targets.folder.end()) reach[from->second].insert(to->second);
    }
    for (bool grown = true; grown;) {
        grown = false;
        for (auto& [folder, seen] : reach) {
            const std::size_t before = seen.size();
            const auto direct = seen;
            for (const std::string& next : direct) {
                if (const auto found = reach.find(next); found != reach.end())
                    seen.insert(found->second.begin(), found->second.end());
            }
            grown |= seen.size() != before;
        }
    }
    return reach;
}

// Tests and benchmarks sit above everything; the linker finds their missing edges.
bool has_edges(const Floor& floor) { return floor.folder != "tests" && floor.folder != "bench" && floor.folder != abi; }

void check_covered(const File& file, const Reach& reach, Findings& findings) {
    const Floor* floor = floor_of(file.path);
    if (floor == nullptr || !has_edges(*floor)) return;
    for (const Include& include : includes_of(file.text)) {
        const Floor* other = include.quoted ? floor_of(include.name) : nullptr;
        if (other == nullptr || other == floor) continue;
        const auto seen = reach.find(floor->folder);
        if (seen == reach.end() || !seen->second.contains(other->folder)) {
            findings.push_back({file.path, include.line, "no CMake edge leads to " + std::string(other->folder)});
        }
    }
}

}  // namespace

const std::vector<Floor>& floors() {
    static const std::vector<Floor> table{
        {"stack/core", {}, {"immintrin.h", "arm_neon.h"}, true},
        {"stack/wire", {"stack/core"}, {"immintrin.h", "arm_neon.h"}, true},
        {"stack/tcp", {"stack/core", "stack/wire"}, {}, true},
        {"stack/net", {"stack/core", "stack/wire"}, {}, true},
        {"stack/engine", {"stack/core", "stack/wire", "stack/tcp", "stack/net"}, {}, true},
        {"stack/link",
         {"stack/core", "stack/wire"},
         {"arpa/", "linux/", "net/", "netinet/", "sys/", "fcntl.h", "poll.h", "unistd.h"},
         false},
        {"stack/api",
         {"stack/core", "stack/wire", "stack/tcp", "stack/net", "stack/engine", "stack/link"},
         {"asio/", "boost/", "linux/", "netinet/", "stddef.h", "stdint.h", "sys/", "unistd.h"},
         false},
        {"overlay", {"stack/core", "stack/wire"}, {"sodium.h", "sodium/"}, true},
        {"plugins/abi", {}, {"stdint.h", "stddef.h"}, true},
        {"plugins/routing", {"stack/core"}, {}, true},
        {"plugins/host",
         {"stack/core", "stack/wire", "stack/tcp"},
         {"dirent.h", "dlfcn.h", "elf.h", "fcntl.h", "fmt/", "sodium.h", "sys/", "unistd.h"},
         false},
        {"plugins/congestion", {"stack/core", "stack/wire", "stack/tcp"}, {"stddef.h"}, true},
        {"sim",
         {"stack/core", "stack/wire", "stack/tcp", "stack/net", "stack/engine", "stack/link", "overlay", "plugins/routing"},
         {},
         true},
        {"node",
         {"stack/core", "stack/wire", "stack/tcp", "stack/net", "stack/engine", "stack/link", "stack/api", "overlay",
          "plugins/routing", "plugins/host"},
         {"*"},
         false},
        {"gui", {"stack/core"}, {"sys/mman.h", "unistd.h"}, false},
        {"docs", {}, {"*"}, false},  // examples: what is installed is all that they see
        {"tests", {"*"}, {"*"}, false},
        {"bench", {"*"}, {"*"}, false},
    };
    return table;
}

const Floor* floor_of(std::string_view path) {
    for (const Floor& floor : floors()) {
        if (starts_with_folder(path, floor.folder)) return &floor;
    }
    return nullptr;
}

std::vector<Include> includes_of(std::string_view source) {
    std::vector<Include> includes;
    const std::string comments = comments_of(source);
    const std::vector<std::string_view> commented = lines_of(comments);
    std::size_t number = 0;
    for (std::string_view line : lines_of(source)) {
        const std::size_t index = number++;
        line = trimmed(line);
        if (!line.starts_with('#') || trimmed(commented[index]).starts_with('#')) continue;
        line = trimmed(line.substr(1));
        if (!line.starts_with("include")) continue;
        line = trimmed(line.substr(7));
        if (line.size() < 2 || (line[0] != '"' && line[0] != '<')) continue;
        const std::size_t end = line.find(line[0] == '"' ? '"' : '>', 1);
        if (end != std::string_view::npos) includes.push_back({line.substr(1, end - 1), number, line[0] == '"'});
    }
    return includes;
}

Findings check_includes(const File& file, std::span<const File> all) {
    Findings findings;
    const Floor* floor = floor_of(file.path);
    if (floor == nullptr) return {{file.path, 0, "lies in a folder that the table of floors does not name"}};
    for (const Include& include : includes_of(file.text)) {
        const std::string name(include.name);
        if (!include.quoted) {
            const std::string fault = outside_fault(*floor, file.path, include.name);
            if (!fault.empty()) findings.push_back({file.path, include.line, "<" + name + ">: " + fault});
            continue;
        }
        const Floor* other = floor_of(include.name);
        const bool there = std::ranges::any_of(all, [&](const File& known) { return known.path == name; });
        if (!there || other == nullptr) {
            findings.push_back({file.path, include.line, '"' + name + "\": not the path of a file from the root"});
        } else if (!may_include(*floor, other->folder)) {
            findings.push_back(
                {file.path, include.line,
                 '"' + name + "\": " + std::string(floor->folder) + " does not see " + std::string(other->folder)});
        } else if (floor->folder == "gui" && !window_may_include(include.name)) {
            findings.push_back(
                {file.path, include.line, '"' + name + "\": the window sees the event schema and its readers alone"});
        }
    }
    return findings;
}

Findings check_edges(std::span<const File> all) {
    Findings findings;
    Targets targets;
    for (const File& file : all) {
        if (file.path.ends_with("/CMakeLists.txt") && floor_of(file.path) != nullptr) read_targets(file, targets);
    }
    targets.folder["weft_abi"] = abi;
    for (const Edge& edge : targets.edges) {
        const Floor* floor = floor_of(edge.path);
        const auto to = targets.folder.find(edge.to);
        if (to == targets.folder.end()) {
            findings.push_back({edge.path, edge.line, edge.to + ": no such target"});
        } else if (!may_include(*floor, to->second)) {
            findings.push_back({edge.path, edge.line, edge.from + " may not depend on " + edge.to});
        }
    }
    const Reach reach = closure(targets);
    for (const File& file : all) {
        if (is_header(file.path) || is_source(file.path)) check_covered(file, reach, findings);
    }
    return findings;
}

}  // namespace weft::house
