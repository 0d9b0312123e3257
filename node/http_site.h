// A directory whose files may be read, and nothing outside of it: what a request's names lead to. Symbolic links count where
// they stay inside; names that begin with a dot, special files and other file systems' secrets behind links do not.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "node/http.h"
#include "node/unique_fd.h"

namespace weft::node {

class HttpSite {
public:
    // How names are followed: by openat2 (Linux 5.6) or, where that is missing, name by name, refusing every symbolic link.
    enum class Lookup : std::uint8_t { kernel, walk };

    // The directory is held open: what is mounted over it or renamed later changes nothing. The error is for a person.
    static std::expected<HttpSite, std::string> open(const std::string& directory, Lookup lookup = Lookup::kernel);

    struct Found {
        UniqueFd file;  // a regular file, open for reading; none: `page` or `location`
        std::uint64_t size{0};  // bytes, of the file or the page
        std::int64_t modified{0};  // Unix seconds
        std::string etag;  // with its quotes: size, time in nanoseconds and inode; empty: none
        std::string_view type;  // media type
        std::string page;  // a directory without index.html, listed
        std::string location;  // a directory whose name came without '/' at its end
    };
    std::expected<Found, http::Status> find(const http::Names& names) const;

    static constexpr std::size_t most_listed = 64 << 10;  // bytes of a listing; what goes beyond is said, not shown

private:
    HttpSite(UniqueFd directory, Lookup lookup) : directory_{std::move(directory)}, lookup_{lookup} {}
    UniqueFd open_beneath(int directory, const std::string& path, int flags) const;  // errno is set on failure
    std::expected<Found, http::Status> open_file(const std::string& path) const;
    std::expected<std::string, http::Status> list(const std::string& path, const http::Names& names) const;

    UniqueFd directory_;
    Lookup lookup_;
};

}  // namespace weft::node
