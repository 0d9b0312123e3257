// Looks for secrets in what programs leave behind.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weft::test {

// Finds any piece of what must not be there: each secret is known by all its windows of `window` bytes, and a byte string is searched
// at every place. A window of zeros says nothing and is left out.
class Secrets {
public:
    static constexpr std::size_t window = 12;

    void add(std::string name, std::string_view bytes);
    void add_text(const std::string& name, std::string_view bytes);  // and as hexadecimal in either case, and base64

    // "the file's text at byte 4096"; nothing: it is clean.
    std::optional<std::string> found_in(std::string_view bytes) const;
    std::size_t windows() const { return known_.size(); }

private:
    std::vector<std::string> names_;
    std::unordered_map<std::string_view, std::uint32_t> known_;
    std::vector<std::unique_ptr<const std::string>> kept_;
    std::array<bool, 65'536> begins_{};  // whether a window begins with these two bytes
};

}  // namespace weft::test
