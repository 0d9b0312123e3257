// The rules that look at one file at a time, and those on fuzz targets and on the top of the tree.
#include "tests/house/rules.h"

#include <algorithm>
#include <array>

namespace weft::house {
namespace {

using Names = std::vector<std::string_view>;

bool contains(const Names& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

bool lies_in_any(std::string_view path, const Names& folders) {
    return std::ranges::any_of(folders, [&](std::string_view folder) { return starts_with_folder(path, folder); });
}

struct WordRule {
    Names folders, except, words;
    std::string_view why;
};

const std::vector<WordRule>& word_rules() {
    static const std::vector<WordRule> rules{
        {{"stack/core", "stack/wire", "stack/tcp", "stack/engine"},
         {"stack/tcp/congestion"},
         {"float", "double"},
         "no floating point here: digests must not depend on it (congestion modules may compute in it)"},
        {{"stack/core", "stack/wire", "stack/tcp", "stack/engine"},
         {},
         {"virtual", "shared_ptr", "make_shared"},
         "no virtual and no shared ownership here: the engine is a value"},
        {{"stack", "overlay", "sim", "node"},
         {},
         {"assert", "abort_with", "and_then", "or_else"},
         "errors are values: no assert, no monadic calls on expected"},
        {{"stack", "overlay", "sim"},
         {"stack/link"},
         {"system_clock", "steady_clock", "clock_gettime", "getenv", "rand", "srand"},
         "time, environment and randomness come in from outside"},
    };
    return rules;
}

bool is_in_lower_case(std::string_view text, std::string_view part) {
    const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? char(a - 'A' + 'a') : a) == b; };
    return !std::ranges::search(text, part, same).empty();
}

// Lines from one that opens a block at the left edge to the brace at the left edge: a function, once formatted.
// Types, namespaces and tables are not functions.
bool opens_function(std::string_view line) {
    static const Names not_functions{"namespace", "struct", "class", "union", "enum",
                                     "extern",    "}",      "#",     "//",    "constexpr std::array"};
    if (line.empty() || line.front() == ' ' || !line.ends_with('{')) return false;
    if (line.ends_with("= {") || line.find('(') == std::string_view::npos) return false;
    return std::ranges::none_of(not_functions, [&](std::string_view start) { return line.starts_with(start); });
}

void check_functions(const File& file, std::size_t bound, Findings& findings) {
    std::size_t begin = 0, number = 0;
    for (const std::string_view line : lines_of(file.text)) {
        ++number;
        if (begin == 0 && opens_function(line)) begin = number;
        if (begin != 0 && line.starts_with('}')) {
            const std::size_t length = number - begin + 1;
            if (length > bound) findings.push_back({file.path, begin, "a function of " + std::to_string(length) + " lines"});
            begin = 0;
        }
    }
}

// The paths between backticks or behind "](" that look like files of this tree.
struct Reference {
    std::string_view path;
    std::size_t line;
};

void references_between(std::string_view text, std::string_view open, char close, std::vector<Reference>& out) {
    std::size_t number = 0;
    for (const std::string_view line : lines_of(text)) {
        ++number;
        for (std::size_t at = line.find(open); at != std::string_view::npos; at = line.find(open, at)) {
            at += open.size();
            const std::size_t end = line.find(close, at);
            if (end == std::string_view::npos) break;
            out.push_back({line.substr(at, end - at), number});
            at = end + 1;
        }
    }
}

bool exists(std::string_view path, std::span<const File> all) {
    while (path.ends_with('/')) path.remove_suffix(1);
    return std::ranges::any_of(all,
                               [&](const File& file) { return file.path == path || starts_with_folder(file.path, path); });
}

bool looks_like_path(std::string_view text) {
    static const Names tops{"stack/", "overlay/", "gui/",  "plugins/", "tests/", "node/",
                            "sim/",   "bench/",   "docs/", "python/",  "cmake/", ".ci/"};
    if (text.find_first_of(" *{}<>()|,") != std::string_view::npos) return false;
    if (text.find("NAME") != std::string_view::npos || text.find("PRESET") != std::string_view::npos) return false;
    return std::ranges::any_of(tops, [&](std::string_view top) { return text.starts_with(top); });
}

}  // namespace

bool is_header(std::string_view path) { return path.ends_with(".h") || path.ends_with(".hpp"); }
bool is_source(std::string_view path) { return path.ends_with(".cc") || path.ends_with(".cpp") || path.ends_with(".c"); }

Findings check_words(const File& file) {
    Findings findings;
    for (const Word& word : words_of(code_of(file.text))) {
        for (const WordRule& rule : word_rules()) {
            if (!lies_in_any(file.path, rule.folders) || lies_in_any(file.path, rule.except)) continue;
            if (contains(rule.words, word.text))
                findings.push_back({file.path, word.line, word.text + ": " + std::string(rule.why)});
        }
        const bool seeded = is_in_lower_case(word.text, "seeded") && is_in_lower_case(word.text, "entropy");
        if (seeded && starts_with_folder(file.path, "node")) {
            findings.push_back({file.path, word.line, word.text + ": a node draws its keys from the system alone"});
        }
        if (word.text.ends_with("_distribution")) {
            findings.push_back({file.path, word.line, word.text + ": differs between libraries, draw raw words"});
        }
    }
    for (const Word& word : words_of(comments_of(file.text))) {
        if (contains({"TODO", "FIXME", "XXX", "HACK"}, word.text)) {
            findings.push_back(
                {file.path, word.line, word.text + ": what is left to do is said in the CHANGELOG or not at all"});
        }
    }
    return findings;
}

Findings check_opening(const File& file) {
    Findings findings;
    if (!file.text.starts_with("//") && !file.text.starts_with("/*")) {
        findings.push_back({file.path, 1, "a file opens with what it is, in one to three sentences"});
    }
    const std::string code = code_of(file.text);
    const bool once = code.find("#pragma once") != std::string::npos;
    const bool guard = code.find("#ifndef") != std::string::npos && code.find("#define") != std::string::npos;
    if (is_header(file.path) && !once && !guard) findings.push_back({file.path, 1, "a header without #pragma once"});
    return findings;
}

Findings check_length(const File& file) {
    // The aims are 200, 600 and 60; these bounds are where a file has outgrown its subject.
    const bool test = starts_with_folder(file.path, "tests");
    // What a plugin sees is one header, however many kinds of plugins there are.
    const bool contract = starts_with_folder(file.path, "plugins/abi");
    const std::size_t bound = contract ? 600 : is_header(file.path) ? 300 : 800;
    Findings findings;
    const std::size_t lines = lines_of(file.text).size();
    if (lines > bound)
        findings.push_back({file.path, 0, std::to_string(lines) + " lines, more than " + std::to_string(bound)});
    check_functions(file, test ? 150 : 100, findings);
    return findings;
}

Findings check_paths(const File& file) {
    // In two pieces each, or this file would be its own finding.
    static const std::array<std::string, 4> roots{
        "/ho"
        "me/",
        "/ro"
        "ot/",
        "/wo"
        "rk/",
        "/Us"
        "ers/"};
    Findings findings;
    std::size_t number = 0;
    for (const std::string_view line : lines_of(file.text)) {
        ++number;
        for (const std::string& root : roots) {
            const std::size_t at = line.find(root);
            const bool begins =
                at == 0 || (at != std::string_view::npos && std::string_view(" \t\"'`(=:,").contains(line[at - 1]));
            if (at != std::string_view::npos && begins)
                findings.push_back({file.path, number, "the path of a machine: " + root});
        }
    }
    return findings;
}

Findings check_links(const File& file, std::span<const File> all) {
    std::vector<Reference> references;
    Findings findings;
    references_between(file.text, "`", '`', references);
    std::erase_if(references, [](const Reference& reference) { return !looks_like_path(reference.path); });
    for (const Reference& reference : references) {
        const std::string_view path = reference.path.substr(0, reference.path.find(':'));
        if (!exists(path, all))
            findings.push_back({file.path, reference.line, std::string(reference.path) + ": no such file"});
    }
    std::vector<Reference> links;
    references_between(file.text, "](", ')', links);
    const std::size_t slash = file.path.rfind('/');
    const std::string folder = slash == std::string::npos ? "" : file.path.substr(0, slash + 1);
    for (const Reference& link : links) {
        if (link.path.find("://") != std::string_view::npos || link.path.starts_with('#')) continue;
        const std::string target(link.path.substr(0, link.path.find('#')));
        const std::string path = target.starts_with("../") ? target.substr(3) : folder + target;
        if (!exists(path, all)) findings.push_back({file.path, link.line, target + ": no such file"});
    }
    return findings;
}

Findings check_named_documents(const File& file, std::span<const File> all) {
    constexpr std::string_view ending = ".md";
    Findings findings;
    std::size_t number = 0;
    const std::string comments = comments_of(file.text);
    for (const std::string_view line : lines_of(comments)) {
        ++number;
        for (std::size_t at = line.find(ending); at != std::string_view::npos; at = line.find(ending, at + 1)) {
            const std::size_t begin = line.find_last_of(" \t\"'`([", at);
            const std::string_view path =
                line.substr(begin == std::string_view::npos ? 0 : begin + 1, at + ending.size() - begin - 1);
            if (!exists(path, all)) findings.push_back({file.path, number, std::string(path) + ": no such document"});
        }
    }
    return findings;
}

Findings check_fuzz(std::span<const File> all) {
    constexpr std::string_view folder = "tests/fuzz/", ending = "_fuzz.cc";
    Findings findings;
    std::string cmake;
    for (const File& file : all) {
        if (file.path == "tests/fuzz/CMakeLists.txt") cmake = file.text;
    }
    for (const File& file : all) {
        if (!file.path.starts_with(folder) || !file.path.ends_with(ending)) continue;
        const std::string name = file.path.substr(folder.size(), file.path.size() - folder.size() - ending.size());
        if (!exists("tests/fuzz/corpus/" + name, all))
            findings.push_back({file.path, 0, "no corpus in tests/fuzz/corpus/" + name});
        const bool built = std::ranges::any_of(std::array{' ', ')', '\n'}, [&](char next) {
            return cmake.find("weft_fuzz(" + name + next) != std::string::npos;
        });
        if (!built) findings.push_back({file.path, 0, "not built by tests/fuzz/CMakeLists.txt"});
    }
    return findings;
}

Findings check_top_level(std::span<const std::string> names) {
    static const Names allowed{
        "CMakeLists.txt", "stack", "overlay", "gui",   "plugins", "tests",        "README.md",         "node", "sim",
        "bench",          "docs",  "python",  "cmake", "LICENSE", "CHANGELOG.md", "CMakePresets.json", "dev",  "build"};
    Findings findings;
    for (const std::string& name : names) {
        if (!name.starts_with('.') && !contains(allowed, name))
            findings.push_back({name, 0, "does not belong at the top of the tree"});
    }
    return findings;
}

}  // namespace weft::house
