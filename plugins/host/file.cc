// Looks at directory and file through descriptors, so that what was looked at is what is read.
#include "plugins/host/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "plugins/abi/weft_plugin.h"
#include "plugins/host/elf.h"

namespace weft::plugins {
namespace {

constexpr std::string_view ending = ".so";
constexpr unsigned most_links = 4;              // of a file, one behind the other

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_{fd} {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }

private:
    int fd_;
};

std::unexpected<Problem> refuse(std::string cause, std::string message) {
    return std::unexpected(Problem{std::move(cause), std::move(message)});
}

bool trusted_owner(uid_t owner) { return owner == 0 || owner == ::geteuid(); }

// "" or what is wrong with who may change it.
std::string unsafe(const struct stat& status, std::string_view path, bool sticky_serves) {
    if (!trusted_owner(status.st_uid))
        return fmt::format(
            "{} belongs to another user (id {}): code is loaded from what root or this user owns; chown it, "
            "or use another directory",
            path, status.st_uid);
    if ((status.st_mode & S_IWOTH) != 0 && !(sticky_serves && (status.st_mode & S_ISVTX) != 0))
        return fmt::format("everyone may write to {}: run `chmod o-w {}`, or use another directory", path, path);
    return {};
}

// The directory and all above it: who may rename one of them decides what is loaded. Sticky ones above (/tmp) serve.
std::string unsafe_way(int directory) {
    const std::string opened = fmt::format("/proc/self/fd/{}", directory);
    const std::unique_ptr<char, void (*)(void*)> real{::realpath(opened.c_str(), nullptr), &std::free};
    if (!real) return fmt::format("{}: {}: is /proc mounted?", opened, std::strerror(errno));
    std::string path{real.get()};
    for (bool first = true;; first = false) {
        struct stat status{};
        if (::stat(path.c_str(), &status) != 0) return fmt::format("{}: {}", path, std::strerror(errno));
        if (std::string fault = unsafe(status, path, !first); !fault.empty()) return fault;
        if (path == "/") return {};
        path.resize(std::max<std::size_t>(path.rfind('/'), 1));
    }
}

// The name of the file behind links that stay in the directory.
std::expected<std::string, Problem> behind_links(int directory, std::string name, const std::string& path) {
    for (unsigned links = 0; links <= most_links; ++links) {
        struct stat status{};
        if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
            return refuse("unreadable", fmt::format("{} leads to {}: {}", path, name, std::strerror(errno)));
        if (!S_ISLNK(status.st_mode)) return name;
        std::array<char, PATH_MAX> target{};
        const ssize_t length = ::readlinkat(directory, name.c_str(), target.data(), target.size() - 1);
        if (length <= 0) return refuse("unreadable", fmt::format("{}: {}", path, std::strerror(errno)));
        name.assign(target.data(), std::size_t(length));
        if (name.find('/') != std::string::npos || name == "." || name == "..")
            return refuse("unsafe",
                          fmt::format("{} is a symbolic link out of its directory, to {}: put the file itself there, "
                                      "or name its directory in [plugins] directories",
                                      path, name));
    }
    return refuse("unsafe",
                  fmt::format("{} is a chain of more than {} symbolic links: put the file itself there", path, most_links));
}

std::expected<std::vector<std::byte>, Problem> read_whole(int fd, const std::string& path) {
    struct stat status{};
    if (::fstat(fd, &status) != 0) return refuse("unreadable", fmt::format("{}: {}", path, std::strerror(errno)));
    if (!S_ISREG(status.st_mode))
        return refuse("not_a_plugin", fmt::format("{} is no regular file: a plugin is a shared object", path));
    if (std::string fault = unsafe(status, path, false); !fault.empty()) return refuse("unsafe", std::move(fault));
    if (status.st_size > off_t(largest_file))
        return refuse("not_a_plugin",
                      fmt::format("{} has {} bytes; a plugin has at most {}: strip it", path, status.st_size, largest_file));
    std::vector<std::byte> bytes(std::size_t(status.st_size));
    std::size_t got = 0;
    while (got < bytes.size()) {
        const ssize_t n = ::pread(fd, bytes.data() + got, bytes.size() - got, off_t(got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return refuse("unreadable", fmt::format("{}: {}", path, std::strerror(errno)));
        if (n == 0) break;
        got += std::size_t(n);
    }
    bytes.resize(got);
    return bytes;
}

std::string elf_fault(const std::string& path, const ElfReport& report) {
    constexpr const char* how = "build it as docs/plugins.md says: cc -std=c11 -shared -fPIC -fvisibility=hidden";
    switch (report.fault) {
    case ElfFault::none: break;
    case ElfFault::not_elf: return fmt::format("{} is no shared object (ELF): {}", path, how);
    case ElfFault::other_machine:
        return fmt::format("{} is built for another kind of machine: build it on this one, or with a compiler for it", path);
    case ElfFault::not_shared: return fmt::format("{} is a program or an object file, no shared object: {}", path, how);
    case ElfFault::damaged:
        return fmt::format("{} is damaged: its tables lead beyond its end; build or copy it again", path);
    case ElfFault::no_symbols:
        return fmt::format("{} has no table of dynamic symbols in its section headers: do not strip those", path);
    case ElfFault::no_entry:
        return fmt::format("{} exports no weft_plugin_entry_v{}: define it, with WEFT_EXPORT of weft_plugin.h", path,
                           WEFT_PLUGIN_ABI_MAJOR);
    case ElfFault::other_major:
        return fmt::format(
            "{} is built for another major version of the interface ({}; this node has {}): build it against "
            "this node's weft_plugin.h",
            path, report.major, WEFT_PLUGIN_ABI_MAJOR);
    case ElfFault::stays_mapped:
        return fmt::format(
            "{} could never be unloaded: it exports symbols that are unique in a process, or asks to stay: build it "
            "with -fvisibility=hidden, C++ with -fno-gnu-unique, and without -z nodelete",
            path);
    }
    return {};
}

std::expected<File, Problem> read_file(int directory, std::string_view name, const std::string& path) {
    const auto real = behind_links(directory, std::string(name) + std::string(ending), path);
    if (!real) return std::unexpected(real.error());
    const Descriptor fd{::openat(directory, real->c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    if (!fd)
        return refuse("unreadable", fmt::format("{}: {}{}", path, std::strerror(errno),
                                                errno == EACCES ? ": let the node's user read it" : ""));
    auto bytes = read_whole(fd.get(), path);
    if (!bytes) return std::unexpected(bytes.error());
    if (const ElfReport report = read_elf(*bytes); report.fault != ElfFault::none)
        return refuse(report.fault == ElfFault::other_major ? "other_version" : "not_a_plugin", elf_fault(path, report));
    File file{std::string(name), path, std::move(*bytes), {}};
    crypto_generichash_blake2b(reinterpret_cast<unsigned char*>(file.hash.data()), file.hash.size(),
                               reinterpret_cast<const unsigned char*>(file.bytes.data()), file.bytes.size(), nullptr, 0);
    return file;
}

std::string hexadecimal(const Hash& hash, std::size_t bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes; ++i) text += fmt::format("{:02x}", unsigned(hash[i]));
    return text;
}

std::string nearest_of(std::string_view name, std::span<const std::string> directories) {
    std::string found;
    for (const std::string& known : available(directories)) found += (found.empty() ? "" : ", ") + known;
    const std::string there = found.empty() ? "they hold no plugin" : "they hold " + found;
    return fmt::format("there is no {}{} in {}: {}", name, ending, fmt::join(directories, ", "), there);
}

}  // namespace

bool name_is_valid(std::string_view name) {
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto rest = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
    return !name.empty() && name.size() <= longest_name && letter(name.front()) && std::ranges::all_of(name, rest);
}

std::expected<File, Problem> find_file(std::string_view name, std::span<const std::string> directories) {
    if (!name_is_valid(name))
        return refuse("bad_name",
                      fmt::format("\"{}\" is no plugin's name: write it without its directory and without {}, 1 to {} "
                                  "characters of a-z, A-Z, 0-9, _ and -, such as \"aimd\"",
                                  name.substr(0, 64), ending, longest_name));
    if (directories.empty())
        return refuse("no_such_plugin", "no directory of plugins is configured: name one in [plugins] directories");
    for (const std::string& directory : directories) {
        const Descriptor opened{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        if (!opened && (errno == ENOENT || errno == ENOTDIR)) continue;
        if (!opened) return refuse("unreadable", fmt::format("{}: {}", directory, std::strerror(errno)));
        const std::string path = directory + "/" + std::string(name) + std::string(ending);
        struct stat status{};
        if (::fstatat(opened.get(), (std::string(name) + std::string(ending)).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) continue;
            return refuse("unreadable", fmt::format("{}: {}", path, std::strerror(errno)));
        }
        if (std::string fault = unsafe_way(opened.get()); !fault.empty()) return refuse("unsafe", std::move(fault));
        return read_file(opened.get(), name, path);
    }
    return refuse("no_such_plugin", nearest_of(name, directories));
}

std::vector<std::string> available(std::span<const std::string> directories) {
    std::vector<std::string> names;
    for (const std::string& directory : directories) {
        const std::unique_ptr<DIR, int (*)(DIR*)> opened{::opendir(directory.c_str()), &::closedir};
        if (!opened) continue;
        while (const dirent* entry = ::readdir(opened.get())) {
            const std::string_view file{entry->d_name};
            if (!file.ends_with(ending)) continue;
            const std::string_view stem = file.substr(0, file.size() - ending.size());
            if (name_is_valid(stem)) names.emplace_back(stem);
        }
    }
    std::ranges::sort(names);
    names.erase(std::ranges::unique(names).begin(), names.end());
    return names;
}

std::string short_hash(const Hash& hash) { return hexadecimal(hash, 6); }
std::string long_hash(const Hash& hash) { return hexadecimal(hash, hash.size()); }

}  // namespace weft::plugins
