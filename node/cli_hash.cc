// SHA-256 of a file as it lies on disk.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/core.h>
#include <sodium.h>

#include "node/cli_commands.h"

namespace weft::node {

std::expected<std::string, Problem> sha256_of_file(const std::string& path) {
    const auto trouble = [&path] {
        return failure("output", fmt::format("cannot read {} again: {}", printable(path), std::strerror(errno)));
    };
    const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file) return std::unexpected(trouble());
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    std::vector<unsigned char> block(std::size_t{1} << 20);
    for (;;) {
        const ssize_t got = ::read(file.get(), block.data(), block.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(trouble());
        if (got == 0) break;
        crypto_hash_sha256_update(&state, block.data(), std::size_t(got));
    }
    std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
    crypto_hash_sha256_final(&state, hash.data());
    std::array<char, 2 * crypto_hash_sha256_BYTES + 1> text{};
    sodium_bin2hex(text.data(), text.size(), hash.data(), hash.size());
    return std::string{text.data()};
}

}  // namespace weft::node
