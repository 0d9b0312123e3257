// Secrets on disk: a node's Ed25519 seed, and a network's secret. Each lies in a text file of its own with mode 0600: a
// line that names the format, then 32 bytes in hexadecimal. A file that others can read is refused.
#pragma once

#include <array>
#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace weft::node {

// 32 secret bytes that are wiped when they go, and never copied by accident.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::span<const std::byte, 32> bytes);
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    static Secret random();  // from the system's generator

    const std::array<std::byte, 32>& bytes() const { return bytes_; }

private:
    std::array<std::byte, 32> bytes_{};
};

enum class SecretKind : std::uint8_t { node_key, network_secret };

// The error is a message for a person: the file, what is wrong, and what to do about it.
std::expected<Secret, std::string> read_secret_file(const std::string& path, SecretKind kind);

// What such a file holds; the error names the line. The caller wipes the text.
std::expected<Secret, std::string> parse_secret(std::string_view text, SecretKind kind);

// Whole or not at all, and never over a file that is there.
std::expected<void, std::string> write_secret_file(const std::string& path, SecretKind kind, const Secret& secret);

}  // namespace weft::node
