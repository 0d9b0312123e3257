// Reading and writing secret files. Bytes pass through buffers that are wiped.
#include "node/keyfile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <sodium.h>

#include "node/unique_fd.h"

namespace weft::node {
namespace {

constexpr std::size_t longest_file = 4'096;

std::string_view first_line(SecretKind kind) { return kind == SecretKind::node_key ? "weft-key-v1" : "weft-secret-v1"; }
std::string_view word(SecretKind kind) { return kind == SecretKind::node_key ? "seed" : "secret"; }
std::string_view noun(SecretKind kind) { return kind == SecretKind::node_key ? "key file" : "network secret file"; }
std::string_view maker(SecretKind kind) {
    return kind == SecretKind::node_key ? "make one with `weft key gen`"
                                        : "copy it from a member of the network, with mode 0600";
}

// A buffer that is wiped when it goes.
struct Text {
    std::array<char, longest_file> bytes{};
    std::size_t size{0};
    Text() = default;
    Text(const Text&) = delete;
    Text& operator=(const Text&) = delete;
    ~Text() { sodium_memzero(bytes.data(), bytes.size()); }
    std::string_view view() const { return {bytes.data(), size}; }
};

std::string_view next_line(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(std::size_t(written));
    }
    return true;
}

}  // namespace

Secret::Secret(std::span<const std::byte, 32> bytes) { std::memcpy(bytes_.data(), bytes.data(), bytes_.size()); }
Secret::Secret(Secret&& other) noexcept : bytes_{other.bytes_} { sodium_memzero(other.bytes_.data(), other.bytes_.size()); }
Secret& Secret::operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    bytes_ = other.bytes_;
    sodium_memzero(other.bytes_.data(), other.bytes_.size());
    return *this;
}
Secret::~Secret() { sodium_memzero(bytes_.data(), bytes_.size()); }

Secret Secret::random() {
    Secret secret;
    randombytes_buf(secret.bytes_.data(), secret.bytes_.size());
    return secret;
}

std::expected<Secret, std::string> parse_secret(std::string_view text, SecretKind kind) {
    std::string_view rest = text;
    if (next_line(rest) != first_line(kind))
        return std::unexpected(
            fmt::format("line 1 is not \"{}\": this is no {}, or one of a newer version", first_line(kind), noun(kind)));
    std::array<std::byte, 32> bytes{};
    bool found = false;
    for (unsigned number = 2; !rest.empty(); ++number) {
        const std::string_view line = next_line(rest);
        if (line.empty() || line.front() == '#') continue;
        const std::string prefix = fmt::format("{} ", word(kind));
        std::size_t length = 0;
        const char* end = nullptr;
        const bool right = !found && line.starts_with(prefix) && line.size() == prefix.size() + 64 &&
                           sodium_hex2bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(),
                                          line.data() + prefix.size(), 64, nullptr, &length, &end) == 0 &&
                           length == bytes.size();
        if (!right) {
            sodium_memzero(bytes.data(), bytes.size());
            return std::unexpected(
                fmt::format("line {} is not \"{} \" and 64 hexadecimal digits, once", number, word(kind)));
        }
        found = true;
    }
    if (!found) return std::unexpected(fmt::format("no line \"{} ...\" in it: the file was cut short", word(kind)));
    Secret secret{bytes};
    sodium_memzero(bytes.data(), bytes.size());
    return secret;
}

std::expected<Secret, std::string> read_secret_file(const std::string& path, SecretKind kind) {
    const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!file) {
        if (errno == ENOENT)
            return std::unexpected(fmt::format("{}: there is no such {}: {}", path, noun(kind), maker(kind)));
        return std::unexpected(fmt::format("{}: cannot open: {}", path, std::strerror(errno)));
    }
    struct stat status{};
    if (::fstat(file.get(), &status) != 0)
        return std::unexpected(fmt::format("{}: cannot read: {}", path, std::strerror(errno)));
    if (!S_ISREG(status.st_mode)) return std::unexpected(fmt::format("{}: is not a regular file", path));
    if ((status.st_mode & 077) != 0)
        return std::unexpected(
            fmt::format("{}: others may read this {} (mode {:04o}): run `chmod 600 {}`; if anyone else could log in "
                        "here, make a new one",
                        path, noun(kind), status.st_mode & 07777, path));
    if (status.st_size > off_t(longest_file)) return std::unexpected(fmt::format("{}: too long for a {}", path, noun(kind)));
    Text text;
    while (text.size < text.bytes.size()) {
        const ssize_t got = ::read(file.get(), text.bytes.data() + text.size, text.bytes.size() - text.size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(fmt::format("{}: cannot read: {}", path, std::strerror(errno)));
        if (got == 0) break;
        text.size += std::size_t(got);
    }
    auto secret = parse_secret(text.view(), kind);
    if (!secret) return std::unexpected(fmt::format("{}: {}", path, secret.error()));
    return secret;
}

std::expected<void, std::string> write_secret_file(const std::string& path, SecretKind kind, const Secret& secret) {
    namespace fs = std::filesystem;
    const fs::path parent = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : fs::path(".");
    const std::string temporary = fmt::format("{}/.{}.{}", parent.string(), fs::path(path).filename().string(), ::getpid());
    std::array<char, 65> hex{};
    sodium_bin2hex(hex.data(), hex.size(), reinterpret_cast<const unsigned char*>(secret.bytes().data()),
                   secret.bytes().size());
    Text text;
    const auto end = fmt::format_to_n(
        text.bytes.data(), text.bytes.size(), "{}\n# Whoever has this {} is this {}: keep it to yourself.\n{} {}\n",
        first_line(kind), word(kind), kind == SecretKind::node_key ? "node" : "network's member", word(kind), hex.data());
    text.size = std::min(end.size, text.bytes.size());
    sodium_memzero(hex.data(), hex.size());

    ::unlink(temporary.c_str());  // of a process that died here with our number
    const UniqueFd file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (!file)
        return std::unexpected(
            fmt::format("{}: cannot create a file in {}: {}", path, parent.string(), std::strerror(errno)));
    if (::fchmod(file.get(), 0600) != 0 || !write_all(file.get(), text.view()) || ::fsync(file.get()) != 0) {
        const int error = errno;
        ::unlink(temporary.c_str());
        return std::unexpected(fmt::format("{}: cannot write: {}", path, std::strerror(error)));
    }
    // link() refuses where rename() would replace.
    const int linked = ::link(temporary.c_str(), path.c_str());
    const int error = errno;
    ::unlink(temporary.c_str());
    if (linked != 0 && error == EEXIST)
        return std::unexpected(
            fmt::format("{}: is there already and is never overwritten: move it away, or choose another path", path));
    if (linked != 0) return std::unexpected(fmt::format("{}: cannot create: {}", path, std::strerror(error)));
    if (const UniqueFd directory{::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)}) ::fsync(directory.get());
    return {};
}

}  // namespace weft::node
