// A name is looked at before it is opened (O_PATH has no effect on a device or a pipe), and what is opened must be what was
// looked at. The kernel holds every step inside the directory: RESOLVE_BENEATH, or O_NOFOLLOW at each name.
#include "node/http_site.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

namespace weft::node {
namespace {

using http::Status;

constexpr unsigned attempts = 8;   // while names are renamed under our hands

Status status_of(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG: return Status::not_found;
    case EACCES:
    case EPERM:
    case EXDEV:    // out of the directory
    case ELOOP:    // a link that does not count, or too many
    case ENXIO: return Status::forbidden;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: return Status::unavailable;
    default: return Status::internal_error;
    }
}

std::string joined(const http::Names& names) {
    std::string path;
    for (const std::string& name : names.names) path += (path.empty() ? "" : "/") + name;
    return path.empty() ? "." : path;
}

// Each name by itself, from the directory before it.
UniqueFd walk(int directory, const std::string& path, int flags) {
    UniqueFd at;
    for (std::size_t begin = 0;;) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const bool last = end == path.size();
        const int here = at ? at.get() : directory;
        const int how = last ? flags | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        at = UniqueFd{::openat(here, path.substr(begin, end - begin).c_str(), how)};
        if (!at || last) return at;
        begin = end + 1;
    }
}

UniqueFd open_by_kernel(int directory, const std::string& path, int flags) {
    open_how how{};
    how.flags = std::uint64_t(unsigned(flags | O_CLOEXEC));
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    for (unsigned attempt = 0; attempt < attempts; ++attempt) {
        const long fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
        if (fd >= 0) return UniqueFd{int(fd)};
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return {};
}

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

std::string size_text(std::uint64_t bytes) {
    static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    std::uint64_t tenths = bytes * 10;
    for (; tenths >= 10'240 && unit < 4; ++unit) tenths /= 1'024;
    return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{}.{} {}", tenths / 10, tenths % 10, units[unit]);
}

struct Entry {
    std::string name;
    bool directory{false};
    std::uint64_t size{0};
    std::int64_t modified{0};
};

std::string row(const Entry& entry) {
    const std::string_view slash = entry.directory ? "/" : "";
    return fmt::format("<tr><td><a href=\"{}{}\">{}{}</a><td>{}<td>{}\n", http::escape_path(entry.name), slash,
                       http::escape_html(entry.name), slash, entry.directory ? "" : size_text(entry.size),
                       http::format_date(entry.modified));
}

std::string page(const http::Names& names, std::vector<Entry>& entries, bool all) {
    std::ranges::sort(entries, std::ranges::less{}, [](const Entry& e) { return std::pair(!e.directory, e.name); });
    std::string title{"/"};
    for (const std::string& name : names.names) title += http::escape_html(name) + "/";
    std::string text = fmt::format(
        "<!DOCTYPE html>\n<meta charset=\"utf-8\"><title>{0}</title>\n"
        "<style>body{{font-family:sans-serif;margin:2em}}td{{padding:0 2em 0 0}}</style>\n"
        "<h1>{0}</h1>\n<table>\n",
        title);
    if (!names.names.empty()) text += "<tr><td><a href=\"../\">../</a><td><td>\n";
    for (const Entry& entry : entries) {
        const std::string line = row(entry);
        all = all && text.size() + line.size() <= HttpSite::most_listed;
        if (!all) break;
        text += line;
    }
    return text + (all ? "</table>\n" : "</table>\n<p>There are more names than this page shows.\n");
}

}  // namespace

std::expected<HttpSite, std::string> HttpSite::open(const std::string& directory, Lookup lookup) {
    UniqueFd fd{::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!fd)
        return std::unexpected(fmt::format("cannot serve \"{}\": {}; name a directory that this user may read", directory,
                                           std::strerror(errno)));
    // The kernel may not have openat2 (ENOSYS), or a filter of system calls refuse it (EPERM).
    if (lookup == Lookup::kernel && !open_by_kernel(fd.get(), ".", O_PATH) && (errno == ENOSYS || errno == EPERM))
        lookup = Lookup::walk;
    return HttpSite{std::move(fd), lookup};
}

UniqueFd HttpSite::open_beneath(int directory, const std::string& path, int flags) const {
    return lookup_ == Lookup::walk ? walk(directory, path, flags | O_CLOEXEC) : open_by_kernel(directory, path, flags);
}

std::expected<HttpSite::Found, Status> HttpSite::find(const http::Names& names) const {
    const std::string path = joined(names);
    const UniqueFd looked = open_beneath(directory_.get(), path, O_PATH);
    if (!looked) return std::unexpected(status_of(errno));
    struct stat status{};
    if (::fstat(looked.get(), &status) != 0) return std::unexpected(status_of(errno));
    if (S_ISREG(status.st_mode)) {
        if (names.directory) return std::unexpected(Status::not_found);
        return open_file(path);
    }
    if (!S_ISDIR(status.st_mode)) return std::unexpected(Status::forbidden);
    Found found;
    if (!names.directory) {
        found.location = http::format_path({names.names, true});
        return found;
    }
    if (auto index = open_file(path + "/index.html"); index || index.error() != Status::not_found) return index;
    auto listed = list(path, names);
    if (!listed) return std::unexpected(listed.error());
    found.page = std::move(*listed);
    found.size = found.page.size();
    found.type = "text/html; charset=utf-8";
    return found;
}

std::expected<HttpSite::Found, Status> HttpSite::open_file(const std::string& path) const {
    struct stat looked{}, opened{};
    const UniqueFd place = open_beneath(directory_.get(), path, O_PATH);
    if (!place || ::fstat(place.get(), &looked) != 0) return std::unexpected(status_of(errno));
    if (!S_ISREG(looked.st_mode)) return std::unexpected(Status::forbidden);
    Found found;
    found.file = open_beneath(directory_.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!found.file || ::fstat(found.file.get(), &opened) != 0) return std::unexpected(status_of(errno));
    if (opened.st_dev != looked.st_dev || opened.st_ino != looked.st_ino) return std::unexpected(Status::unavailable);
    (void)::posix_fadvise(found.file.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    found.size = std::uint64_t(opened.st_size);
    found.modified = opened.st_mtim.tv_sec;
    found.etag = fmt::format("\"{:x}-{:x}.{:x}-{:x}\"", found.size, opened.st_mtim.tv_sec, opened.st_mtim.tv_nsec,
                             std::uint64_t(opened.st_ino));
    found.type = http::content_type(path.substr(path.rfind('/') + 1));
    return found;
}

std::expected<std::string, Status> HttpSite::list(const std::string& path, const http::Names& names) const {
    UniqueFd fd = open_beneath(directory_.get(), path, O_RDONLY | O_DIRECTORY);
    if (!fd) return std::unexpected(status_of(errno));
    const std::unique_ptr<DIR, CloseDirectory> directory{::fdopendir(fd.get())};
    if (!directory) return std::unexpected(status_of(errno));
    (void)fd.release();   // the DIR's from now on
    std::vector<Entry> entries;
    std::size_t bytes = 0;
    bool all = true;
    while (const dirent* next = ::readdir(directory.get())) {
        const std::string name{next->d_name};
        bytes += name.size() + 80;   // of markup; names that are not shown cost time, too
        all = bytes <= most_listed;
        if (!all) break;
        if (name.starts_with('.')) continue;
        struct stat status{};
        // A link is followed as a request would follow it, inside the directory that is served.
        const UniqueFd looked = open_beneath(directory_.get(), path + '/' + name, O_PATH);
        if (!looked || ::fstat(looked.get(), &status) != 0) continue;
        if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) continue;
        entries.push_back({name, S_ISDIR(status.st_mode), std::uint64_t(status.st_size), status.st_mtim.tv_sec});
    }
    return page(names, entries, all);
}

}  // namespace weft::node
