// Source files as text: a C++ file without its comments and literals, and the lines and words of what is left.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weft::house {

struct File {
    std::string path;  // from the root of the project, with slashes
    std::string text;
};

struct Word {
    std::string text;
    std::size_t line;  // from 1
};

// The same text with every character of a comment, a string or a character literal (the quotes stay) made a space;
// lines keep their numbers. Knows raw strings and digit separators.
std::string code_of(std::string_view source);

// What code_of() takes away as comments, in its place; all else is spaces.
std::string comments_of(std::string_view source);

std::vector<std::string_view> lines_of(std::string_view text);

// Identifiers and keywords; numbers are none.
std::vector<Word> words_of(std::string_view code);

std::string_view trimmed(std::string_view text);
bool starts_with_folder(std::string_view path, std::string_view folder);  // "stack/core/seq.h" lies in "stack"

}  // namespace weft::house
