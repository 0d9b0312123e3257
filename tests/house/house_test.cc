// The rules of the house, held against this very tree.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/house/rules.h"

namespace weft::house {
namespace {

namespace fs = std::filesystem;

const fs::path& root() {
    static const fs::path path{WEFT_SOURCE_DIR};
    return path;
}

bool passed_over(const fs::directory_entry& entry) {
    const std::string name = entry.path().filename();
    return name == "build" || name == "__pycache__" || (name.starts_with('.') && name != ".ci");
}

std::vector<File> read_tree() {
    std::vector<File> files;
    for (auto at = fs::recursive_directory_iterator(root()); at != fs::recursive_directory_iterator(); ++at) {
        if (at->is_directory() && passed_over(*at)) at.disable_recursion_pending();
        if (!at->is_regular_file() || passed_over(*at)) continue;
        std::ifstream stream(at->path(), std::ios::binary);
        files.push_back(
            {at->path().lexically_relative(root()).generic_string(), {std::istreambuf_iterator<char>(stream), {}}});
    }
    std::ranges::sort(files, {}, &File::path);
    return files;
}

const std::vector<File>& tree() {
    static const std::vector<File> files = read_tree();
    return files;
}

bool is_code(const File& file) { return is_header(file.path) || is_source(file.path); }

bool is_text(const File& file) {
    return is_code(file) || file.path.ends_with(".md") || file.path.ends_with("CMakeLists.txt") ||
           file.path.ends_with(".cmake") || file.path.ends_with(".json") || file.path == "dev" ||
           file.path.starts_with("cmake/dev/") || file.path == ".ci/run" || file.path.ends_with(".toml");
}

void expect_none(const Findings& findings) {
    for (const Finding& finding : findings) { ADD_FAILURE() << finding.path << ':' << finding.line << ": " << finding.what; }
}

template <typename Rule>
void hold_over_code(Rule rule) {
    for (const File& file : tree()) {
        if (is_code(file)) expect_none(rule(file));
    }
}

TEST(House, TheTreeIsThere) {
    EXPECT_TRUE(std::ranges::any_of(tree(), [](const File& file) { return file.path == "stack/core/seq.h"; }));
    EXPECT_GT(std::ranges::count_if(tree(), is_code), 20);
}

TEST(House, IncludesRunDownwards) {
    hold_over_code([](const File& file) { return check_includes(file, tree()); });
}

TEST(House, TheEdgesOfTheBuildSayTheSameAsTheIncludes) { expect_none(check_edges(tree())); }

TEST(House, NoWordIsWhereItDoesNotBelong) { hold_over_code(check_words); }

TEST(House, EveryFileSaysWhatItIs) { hold_over_code(check_opening); }

TEST(House, NoFileAndNoFunctionOutgrowsItsSubject) { hold_over_code(check_length); }

TEST(House, NoPathOfAMachineIsWrittenDown) {
    for (const File& file : tree()) {
        if (is_text(file)) expect_none(check_paths(file));
    }
}

TEST(House, WhatTheDocumentsPointAtIsThere) {
    for (const File& file : tree()) {
        if (file.path.ends_with(".md")) expect_none(check_links(file, tree()));
    }
}

TEST(House, ACommentNamesOnlyDocumentsThatAreThere) {
    hold_over_code([](const File& file) { return check_named_documents(file, tree()); });
}

TEST(House, EveryFuzzTargetIsBuiltAndHasACorpus) { expect_none(check_fuzz(tree())); }

TEST(House, NothingElseLiesAtTheTop) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root())) names.push_back(entry.path().filename());
    expect_none(check_top_level(names));
}

}  // namespace
}  // namespace weft::house
