// The rules of the house as functions from files to findings: which folder may include which, what a file may be called,
// how long it may be, which words it may hold. docs/architecture.md says them in prose.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/house/text.h"

namespace weft::house {

struct Finding {
    std::string path;
    std::size_t line;  // from 1; 0: the file as a whole
    std::string what;
};
using Findings = std::vector<Finding>;

// A folder, the folders below it that it may include, and what else it may see. plugins/abi is open to all.
struct Floor {
    std::string_view folder;
    std::vector<std::string_view> below;
    std::vector<std::string_view> outside;  // prefixes of headers in <> beyond the standard library; "*": any but Qt, gtest
    bool pure;  // no clock, threads, files or random devices of the standard library either
};
const std::vector<Floor>& floors();
const Floor* floor_of(std::string_view path);  // nullptr: the folder is not in the table

// One #include line.
struct Include {
    std::string_view name;
    std::size_t line;
    bool quoted;
};
std::vector<Include> includes_of(std::string_view source);

Findings check_includes(const File& file, std::span<const File> all);
// Every CMake edge is in the table, and every #include of another folder is covered by the edges.
Findings check_edges(std::span<const File> all);
Findings check_words(const File& file);
Findings check_opening(const File& file);  // an opening comment, and a guard in a header
Findings check_length(const File& file);
Findings check_paths(const File& file);  // no path of somebody's machine
Findings check_links(const File& file, std::span<const File> all);  // what a document points at is there
Findings check_named_documents(const File& file,
                               std::span<const File> all);  // a comment names only documents that are there
Findings check_fuzz(std::span<const File> all);
Findings check_top_level(std::span<const std::string> names);

bool is_header(std::string_view path);
bool is_source(std::string_view path);  // .cc, .cpp or .c

}  // namespace weft::house
