// A scanner of C++ that knows no more than where comments and literals begin and end.
#include "tests/house/text.h"

#include <algorithm>
#include <utility>

namespace weft::house {
namespace {

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Splits a source into two texts of its own length: what is code, and what is comment.
class Splitter {
public:
    explicit Splitter(std::string_view source) : source_{source}, code_(source.size(), ' '), comments_(source.size(), ' ') {
        for (std::size_t i = 0; i < source.size(); ++i) {
            if (source[i] == '\n') code_[i] = comments_[i] = '\n';
        }
        while (at_ < source_.size()) step();
    }

    std::string code_text() && { return std::move(code_); }
    std::string comment_text() && { return std::move(comments_); }

private:
    bool here(std::string_view text) const { return source_.substr(at_).starts_with(text); }

    void step() {
        if (here("//")) return comment(std::min(source_.find('\n', at_), source_.size()));
        if (here("/*")) return comment(after(source_.find("*/", at_ + 2), 2));
        if (raw_string_begins()) return raw_string();
        if (source_[at_] == '"') return literal('"');
        if (source_[at_] == '\'' && !separates_digits()) return literal('\'');
        code_[at_] = source_[at_];
        ++at_;
    }

    std::size_t after(std::size_t found, std::size_t length) const {
        return found == std::string_view::npos ? source_.size() : found + length;
    }

    void comment(std::size_t end) {
        std::copy(source_.begin() + std::ptrdiff_t(at_), source_.begin() + std::ptrdiff_t(end),
                  comments_.begin() + std::ptrdiff_t(at_));
        at_ = end;
    }

    bool raw_string_begins() const {
        if (!here("R\"")) return false;
        std::size_t before = at_;  // R, u8R, uR, UR and LR begin one; the end of another word does not
        while (before > 0 && is_word(source_[before - 1])) --before;
        const std::string_view prefix = source_.substr(before, at_ - before);
        return prefix.empty() || prefix == "u8" || prefix == "u" || prefix == "U" || prefix == "L";
    }

    void raw_string() {
        const std::size_t open = source_.find('(', at_);
        if (open == std::string_view::npos) return literal('"');
        const std::string close = ')' + std::string(source_.substr(at_ + 2, open - at_ - 2)) + '"';
        code_[at_ + 1] = '"';
        at_ = after(source_.find(close, open), close.size());
    }

    bool separates_digits() const {
        return at_ > 0 && at_ + 1 < source_.size() && is_word(source_[at_ - 1]) && is_word(source_[at_ + 1]) && in_number();
    }

    bool in_number() const {
        std::size_t begin = at_;
        while (begin > 0 && (is_word(source_[begin - 1]) || source_[begin - 1] == '\'')) --begin;
        return is_digit(source_[begin]);
    }

    // A literal ends at its quote, or at the end of the line if it has none (an apostrophe in an #error).
    void literal(char quote) {
        code_[at_++] = quote;
        while (at_ < source_.size() && source_[at_] != quote && source_[at_] != '\n') at_ += source_[at_] == '\\' ? 2 : 1;
        if (at_ < source_.size() && source_[at_] == quote) code_[at_++] = quote;
    }

    std::string_view source_;
    std::string code_, comments_;
    std::size_t at_{0};
};

}  // namespace

std::string code_of(std::string_view source) { return Splitter{source}.code_text(); }

std::string comments_of(std::string_view source) { return Splitter{source}.comment_text(); }

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

std::vector<Word> words_of(std::string_view code) {
    std::vector<Word> words;
    std::size_t line = 1;
    for (std::size_t i = 0; i < code.size();) {
        if (!is_word(code[i])) {
            if (code[i] == '\n') ++line;
            ++i;
            continue;
        }
        std::size_t end = i;
        while (end < code.size() && is_word(code[end])) ++end;
        if (!is_digit(code[i])) words.push_back({std::string(code.substr(i, end - i)), line});
        i = end;
    }
    return words;
}

std::string_view trimmed(std::string_view text) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    return text;
}

bool starts_with_folder(std::string_view path, std::string_view folder) {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace weft::house
