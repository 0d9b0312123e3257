// Heads of requests: the line and the fields (RFC 9112, sections 3, 5, 6 and 9.3).
#include "node/http.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weft::node::http {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_token(char c) { return is_digit(c) || is_letter(c) || std::string_view("!#$%&'*+-.^_`|~").contains(c); }
bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return is_token(c); });
}
char lower(char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; }
bool same(std::string_view a, std::string_view b) {   // of letters in any case
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trim(std::string_view text) {   // OWS: RFC 9110, 5.6.3
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Up to the next line end, which goes, too.
std::string_view take_line(std::string_view& rest) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

template <class Each>
void each_element(std::string_view list, Each&& each) {   // RFC 9110, 5.6.1; without quoted strings
    for (;;) {
        const std::size_t comma = list.find(',');
        if (const std::string_view element = trim(list.substr(0, comma)); !element.empty()) each(element);
        if (comma == std::string_view::npos) return;
        list.remove_prefix(comma + 1);
    }
}

// What came of fields that may come once, and of how the message is framed.
struct Framing {
    bool host{false}, length{false}, coding{false}, close{false}, keep_alive{false};
};

// RFC 3986, 3.2.2 and 3.2.3, by its letters alone.
bool is_authority(std::string_view text) {
    return std::ranges::all_of(
        text, [](char c) { return is_digit(c) || is_letter(c) || std::string_view("-._~!$&'()*+,;=:[]%@").contains(c); });
}

std::optional<Status> take_version(std::string_view text, Request& request) {
    if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7]))
        return Status::bad_request;
    if (text[5] != '1') return Status::version_not_supported;
    request.minor = unsigned(text[7] - '0');
    return std::nullopt;
}

// RFC 9112, 3.2: origin-form, and absolute-form as a proxy would get it. The other two are for methods that we do not have.
std::optional<Status> take_target(std::string_view text, Request& request) {
    const auto visible = [](char c) { return c > ' ' && c < 0x7f && c != '#'; };
    if (!std::ranges::all_of(text, visible)) return Status::bad_request;
    if (text.size() > 7 && same(text.substr(0, 7), "http://")) {
        text.remove_prefix(7);
        const std::size_t path = std::min(text.find_first_of("/?"), text.size());
        if (path == 0 || !is_authority(text.substr(0, path))) return Status::bad_request;
        text.remove_prefix(path);
        if (text.empty()) text = "/";
    }
    const bool served = request.method == "GET" || request.method == "HEAD";
    if (served && !text.starts_with('/')) return Status::bad_request;
    request.target = text;
    return std::nullopt;
}

std::optional<Status> take_request_line(std::string_view line, Request& request) {
    if (line.size() > most_line) return Status::uri_too_long;
    const std::size_t first = line.find(' '), last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return Status::bad_request;
    request.method = line.substr(0, first);
    if (!is_token(request.method)) return Status::bad_request;
    request.head = request.method == "HEAD";
    if (const auto wrong = take_version(line.substr(last + 1), request)) return wrong;
    return take_target(line.substr(first + 1, last - first - 1), request);
}

// RFC 9112, 6.1: what a length is, is not a matter of taste.
std::optional<Status> take_length(std::string_view value, Request& request, Framing& seen) {
    if (std::exchange(seen.length, true) || value.empty() || value.size() > 18) return Status::bad_request;
    for (const char c : value) {
        if (!is_digit(c)) return Status::bad_request;
        request.content_length = request.content_length * 10 + std::uint64_t(c - '0');
    }
    return std::nullopt;
}

std::optional<Status> take_field(std::string_view name, std::string_view value, Request& request, Framing& seen) {
    if (same(name, "host")) {
        if (std::exchange(seen.host, true) || !is_authority(value)) return Status::bad_request;
    } else if (same(name, "content-length")) {
        return take_length(value, request, seen);
    } else if (same(name, "transfer-encoding")) {
        if (std::exchange(seen.coding, true)) return Status::bad_request;
        if (!same(value, "chunked")) return Status::not_implemented;
        request.chunked = true;
    } else if (same(name, "connection")) {
        each_element(value, [&](std::string_view option) {
            seen.close = seen.close || same(option, "close");
            seen.keep_alive = seen.keep_alive || same(option, "keep-alive");
        });
    } else if (same(name, "expect")) {
        if (!same(value, "100-continue")) return Status::expectation_failed;
        request.expects_continue = true;
    } else if (same(name, "range")) {
        request.range = value;
    } else if (same(name, "if-range")) {
        request.if_range = value;
    } else if (same(name, "if-match")) {
        request.if_match = value;
    } else if (same(name, "if-none-match")) {
        request.if_none_match = value;
    } else if (same(name, "if-modified-since")) {
        request.if_modified_since = value;
    } else if (same(name, "if-unmodified-since")) {
        request.if_unmodified_since = value;
    }
    return std::nullopt;
}

// RFC 9112, 5.1 and 5.2: no space before the colon, no line that continues another.
std::optional<Status> take_field_line(std::string_view line, Request& request, Framing& seen) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return Status::bad_request;
    const std::string_view value = trim(line.substr(colon + 1));
    const auto printable = [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f); };
    if (!std::ranges::all_of(value, printable)) return Status::bad_request;
    return take_field(line.substr(0, colon), value, request, seen);
}

constexpr auto reasons =
    std::to_array<std::pair<Status, std::string_view>>({{Status::ok, "OK"},
                                                        {Status::partial_content, "Partial Content"},
                                                        {Status::moved_permanently, "Moved Permanently"},
                                                        {Status::not_modified, "Not Modified"},
                                                        {Status::bad_request, "Bad Request"},
                                                        {Status::forbidden, "Forbidden"},
                                                        {Status::not_found, "Not Found"},
                                                        {Status::method_not_allowed, "Method Not Allowed"},
                                                        {Status::request_timeout, "Request Timeout"},
                                                        {Status::length_required, "Length Required"},
                                                        {Status::precondition_failed, "Precondition Failed"},
                                                        {Status::content_too_large, "Content Too Large"},
                                                        {Status::uri_too_long, "URI Too Long"},
                                                        {Status::range_not_satisfiable, "Range Not Satisfiable"},
                                                        {Status::expectation_failed, "Expectation Failed"},
                                                        {Status::fields_too_large, "Request Header Fields Too Large"},
                                                        {Status::internal_error, "Internal Server Error"},
                                                        {Status::not_implemented, "Not Implemented"},
                                                        {Status::unavailable, "Service Unavailable"},
                                                        {Status::version_not_supported, "HTTP Version Not Supported"}});

// RFC 9110, 9.1: methods that exist are not allowed, others are not implemented.
constexpr std::array<std::string_view, 9> methods{"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                                  "CONNECT", "OPTIONS", "TRACE", "PATCH"};

}  // namespace

std::string_view to_string(Status status) {
    const auto known = std::ranges::find(reasons, status, [](const auto& entry) { return entry.first; });
    return known == reasons.end() ? "Unknown" : known->second;
}

std::size_t head_length(std::string_view bytes, std::size_t from) {
    // Empty lines before the first are skipped (RFC 9112, 2.2), so the end is an empty line after something else.
    const std::size_t begin = bytes.find_first_not_of("\r\n");
    if (begin == std::string_view::npos) return 0;
    for (std::size_t at = std::max(begin, from < 3 ? 0 : from - 3); (at = bytes.find('\n', at)) != std::string_view::npos;
         ++at) {
        const std::string_view after = bytes.substr(at + 1);
        if (after.starts_with('\n')) return at + 2;
        if (after.starts_with("\r\n")) return at + 3;
    }
    return 0;
}

std::expected<Request, Status> parse_head(std::string_view head) {
    Request request;
    Framing seen;
    while (head.starts_with('\r') || head.starts_with('\n')) head.remove_prefix(1);
    if (head.size() > most_line && head.find('\n') > most_line) return std::unexpected(Status::uri_too_long);
    if (head.size() > most_head) return std::unexpected(Status::fields_too_large);
    if (const auto wrong = take_request_line(take_line(head), request)) return std::unexpected(*wrong);
    for (std::size_t fields = 0; !head.empty(); ++fields) {
        const std::string_view line = take_line(head);
        if (line.empty()) break;
        if (fields == most_fields) return std::unexpected(Status::fields_too_large);
        if (const auto wrong = take_field_line(line, request, seen)) return std::unexpected(*wrong);
    }
    if (request.minor >= 1 && !seen.host) return std::unexpected(Status::bad_request);   // RFC 9112, 3.2
    if (seen.coding && (seen.length || request.minor == 0)) return std::unexpected(Status::bad_request);   // 6.1
    request.keep_alive = !seen.close && (request.minor >= 1 || seen.keep_alive);   // 9.3
    if (request.method == "GET" || request.method == "HEAD") return request;
    return std::unexpected(std::ranges::find(methods, request.method) == methods.end() ? Status::not_implemented
                                                                                       : Status::method_not_allowed);
}

}  // namespace weft::node::http
