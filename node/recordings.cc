// A file is made relative to the directory's descriptor, new (O_EXCL), so that nobody can put another one in its way.
#include "node/recordings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fmt/format.h>

namespace weft::node {
namespace {

constexpr std::string_view ending = ".weft";

std::unexpected<RecordingProblem> refuse(std::string message, std::string cause) {
    return std::unexpected(RecordingProblem{std::move(message), std::move(cause)});
}

// The directory and those above it that are missing.
bool make_directory(const std::string& path) {
    for (std::size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1))
        if (::mkdir(path.substr(0, end).c_str(), 0700) != 0 && errno != EEXIST) return false;
    return ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
}

std::expected<UniqueFd, RecordingProblem> open_directory(const std::string& path) {
    if (!make_directory(path))
        return refuse(fmt::format("{}: cannot make the directory of recordings: {}; [record] directory names another one",
                                  path, std::strerror(errno)),
                      "no_directory");
    UniqueFd fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0)
        return refuse(fmt::format("{}: {}; [record] directory names another one", path, std::strerror(errno)),
                      "no_directory");
    if (status.st_uid != ::geteuid())
        return refuse(fmt::format("{}: belongs to user {}, not to this one ({}); [record] directory names another one", path,
                                  status.st_uid, ::geteuid()),
                      "not_permitted");
    if ((status.st_mode & 022) != 0)
        return refuse(
            fmt::format("{}: others may write there (mode {:04o}): run `chmod go-w {}`", path, status.st_mode & 07777, path),
            "not_permitted");
    return fd;
}

}  // namespace

std::string default_recording_directory() {
    if (::geteuid() == 0) return "/var/lib/weft/recordings";
    if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state == '/')
        return std::string(state) + "/weft/recordings";
    const char* const user = std::getenv("HOME");
    return std::string(user ? user : "") + "/.local/state/weft/recordings";
}

bool recording_name_is_valid(std::string_view name) {
    const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    return !name.empty() && name.size() <= 64 && letter(name.front()) &&
           std::ranges::all_of(name, [&](char c) { return letter(c) || c == '-' || c == '_' || c == '.'; });
}

std::string recording_name_for(std::string_view node) {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    return fmt::format("{}-{:04}{:02}{:02}T{:02}{:02}{:02}Z", node, utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                       utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::expected<RecordingFile, RecordingProblem> open_recording(const std::string& directory, std::string_view name,
                                                              bool overwrite) {
    if (!recording_name_is_valid(name))
        return refuse(
            "\"name\" must be 1 to 64 characters of a-z, A-Z, 0-9, -, _ and ., the first one a letter or a digit: "
            "recordings lie in one directory ([record] directory)",
            "bad_name");
    auto where = open_directory(directory);
    if (!where) return std::unexpected(where.error());
    std::string file{name};
    if (!file.ends_with(ending)) file += ending;
    RecordingFile made;
    made.path = directory + "/" + file;
    auto fd = make_private_file(where->get(), file, overwrite);
    if (!fd && fd.error() == EEXIST)
        return refuse(fmt::format("{} is there already: choose another name, or say overwrite", made.path), "exists");
    if (!fd) return refuse(fmt::format("{}: {}", made.path, std::strerror(fd.error())), "cannot_write");
    made.fd = std::move(*fd);
    return made;
}

std::expected<RecordingFile, RecordingProblem> open_new_recording(const std::string& directory, std::string_view node) {
    const std::string name = recording_name_for(node);
    auto made = open_recording(directory, name, false);
    for (int next = 2; !made && made.error().cause == "exists" && next < 100; ++next)
        made = open_recording(directory, fmt::format("{}-{}", name, next), false);
    return made;
}

std::expected<UniqueFd, int> make_private_file(int directory, const std::string& name, bool overwrite) {
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    if (!overwrite) {
        UniqueFd fd{::openat(directory, name.c_str(), flags, 0600)};
        if (!fd) return std::unexpected(errno);
        return fd;
    }
    const std::size_t slash = name.rfind('/');
    const std::string folder = slash == std::string::npos ? std::string{} : name.substr(0, slash + 1);
    for (int attempt = 0;; ++attempt) {
        const std::string beside = fmt::format("{}.weft-{}-{}.new", folder, ::getpid(), attempt);
        UniqueFd fd{::openat(directory, beside.c_str(), flags, 0600)};
        if (!fd && errno == EEXIST && attempt < 100) continue;  // another one is being made, or was left behind
        if (!fd) return std::unexpected(errno);
        if (::renameat(directory, beside.c_str(), directory, name.c_str()) == 0) return fd;
        const int error = errno;
        ::unlinkat(directory, beside.c_str(), 0);
        return std::unexpected(error);
    }
}

}  // namespace weft::node
