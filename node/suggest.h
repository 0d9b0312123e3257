// "Did you mean": the known word that a mistyped one is nearest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weft::node {

// Edits between two words: insertions, deletions, substitutions and swaps of neighbours.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `known`, if it is near enough to be meant (a third of its length, at most 3 edits); else "".
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

// "; did you mean \"x\"?" or "".
std::string did_you_mean(std::string_view word, std::span<const std::string_view> known);

// "a, b, c"
std::string listed(std::span<const std::string_view> words);

}  // namespace weft::node
