// Requests of HTTP/1.x as a server of files reads them (RFC 9112, sections 2 to 6 and 9; RFC 9110 for what the fields mean),
// and the dates, ranges and names in them. Pure and bounded: bytes in, values out; what is wrong is a status code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::node::http {

enum class Status : std::uint16_t {
    ok = 200,
    partial_content = 206,
    moved_permanently = 301,
    not_modified = 304,
    bad_request = 400,
    forbidden = 403,
    not_found = 404,
    method_not_allowed = 405,
    request_timeout = 408,
    length_required = 411,
    precondition_failed = 412,
    content_too_large = 413,
    uri_too_long = 414,
    range_not_satisfiable = 416,
    expectation_failed = 417,
    fields_too_large = 431,
    internal_error = 500,
    not_implemented = 501,
    unavailable = 503,
    version_not_supported = 505
};
std::string_view to_string(Status status);  // the reason phrase of RFC 9110, section 15

// Beyond these a head is refused: 414 for the first line (RFC 9112, 3 asks for 8,000 octets at least), 431 for the rest.
constexpr std::size_t most_line = 8'192, most_head = 16'384, most_fields = 100;

// Fields as they came, with views into the head that was parsed; empty: not there. Where a field came twice and RFC 9110
// makes it a list, the last one counts.
struct Request {
    std::string_view method, target;  // target: its path and query, without scheme and authority
    unsigned minor{1};  // of HTTP/1.x
    bool head{false};  // HEAD: as GET, without the content
    bool keep_alive{true};
    bool chunked{false};  // content of a length that nobody told
    std::uint64_t content_length{0};
    bool expects_continue{false};
    std::string_view range, if_range, if_match, if_none_match, if_modified_since, if_unmodified_since;
};

// How many bytes a head has, from its first line to the empty line, both included; 0: that has not come. `from`: how many
// bytes an earlier call has searched in vain. Lines may end in LF alone (RFC 9112, 2.2).
std::size_t head_length(std::string_view bytes, std::size_t from = 0);

// `head` is what head_length() measured. The error is the answer to give; the connection cannot be used after it.
std::expected<Request, Status> parse_head(std::string_view head);

// The names in a target's path: "/a%20b//c/?q" is {"a b", "c"} with `directory` set. Not found: a name that no file can
// have ('/' in it) or that is not shown (it begins with a dot). Bad request: a broken escape, a NUL, "." or "..".
struct Names {
    std::vector<std::string> names;
    bool directory{false};  // the path ends in '/'
};
std::expected<Names, Status> parse_path(std::string_view target);
std::string format_path(const Names& names);  // escaped, from '/'

// RFC 9110, 5.6.7: IMF-fixdate is written; of the older forms RFC 850's and asctime()'s are read, too. Unix seconds.
std::string format_date(std::int64_t seconds);
std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now);  // now: for years of two digits

// RFC 9110, 14.1.2, for one range. Syntax that is wrong, other units and several ranges mean the whole: nullopt.
struct Range {
    std::uint64_t first{0}, length{0};  // length 0: not satisfiable
};
std::optional<Range> parse_range(std::string_view field, std::uint64_t size);

// What remains of preconditions (RFC 9110, 13.2.2): ok, partial_content (Range holds, If-Range too), not_modified or
// precondition_failed. `etag` with its quotes, strong; `modified` and `now` in Unix seconds.
Status evaluate(const Request& request, std::string_view etag, std::int64_t modified, std::int64_t now);

std::string escape_html(std::string_view text);
std::string escape_path(std::string_view name);  // one name of a path: RFC 3986, 2.1; '/' is escaped
std::string_view content_type(std::string_view name);  // by its suffix; application/octet-stream if that is unknown

}  // namespace weft::node::http
