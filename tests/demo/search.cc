// A table of windows, and a cheap look at two bytes before it is asked.
#include "tests/demo/search.h"

#include <algorithm>
#include <memory>

namespace weft::test {
namespace {

std::size_t first_two(std::string_view bytes) {
    return std::size_t(static_cast<unsigned char>(bytes[0])) << 8 | static_cast<unsigned char>(bytes[1]);
}

std::string hex(std::string_view bytes, std::string_view digits) {
    std::string out;
    for (const char byte : bytes) {
        out += digits[static_cast<unsigned char>(byte) >> 4];
        out += digits[static_cast<unsigned char>(byte) & 15];
    }
    return out;
}

std::string base64(std::string_view bytes) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i + 3 <= bytes.size(); i += 3) {
        std::uint32_t word = 0;
        for (std::size_t k = 0; k < 3; ++k) word = word << 8 | static_cast<unsigned char>(bytes[i + k]);
        for (int shift = 18; shift >= 0; shift -= 6) out += digits[word >> shift & 63];
    }
    return out;
}

}  // namespace

void Secrets::add(std::string name, std::string_view bytes) {
    const auto number = std::uint32_t(names_.size());
    names_.push_back(std::move(name));
    kept_.push_back(std::make_unique<const std::string>(bytes));
    const std::string_view all = *kept_.back();
    for (std::size_t i = 0; i + window <= all.size(); ++i) {
        const std::string_view piece = all.substr(i, window);
        if (std::ranges::all_of(piece, [&](char byte) { return byte == piece[0]; })) continue;
        known_.emplace(piece, number);
        begins_[first_two(piece)] = true;
    }
}

void Secrets::add_text(const std::string& name, std::string_view bytes) {
    add(name, bytes);
    add(name + " in hexadecimal", hex(bytes, "0123456789abcdef"));
    add(name + " in hexadecimal", hex(bytes, "0123456789ABCDEF"));
    for (std::size_t skip = 0; skip < 3; ++skip)
        add(name + " in base64", base64(bytes.substr(std::min(skip, bytes.size()))));
}

std::optional<std::string> Secrets::found_in(std::string_view bytes) const {
    for (std::size_t i = 0; i + window <= bytes.size(); ++i) {
        const std::string_view piece = bytes.substr(i, window);
        if (!begins_[first_two(piece)]) continue;
        if (const auto known = known_.find(piece); known != known_.end())
            return names_[known->second] + " at byte " + std::to_string(i);
    }
    return std::nullopt;
}

}  // namespace weft::test
