// The values inside a request: names in paths (RFC 3986), dates, ranges, preconditions (RFC 9110), and escapes for what is sent.
#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "node/http.h"

namespace weft::node::http {
namespace {

using Text = std::string_view;

constexpr std::array<Text, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<Text, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<Text, 7> long_days{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::int64_t day = 86'400;  // seconds

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9') return unsigned(c - '0');
    if (c >= 'a' && c <= 'f') return unsigned(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return unsigned(c - 'A' + 10);
    return std::nullopt;
}

// RFC 3986, 2.1.
std::optional<std::string> decode(Text text) {
    std::string decoded;
    for (; !text.empty(); text.remove_prefix(1)) {
        if (text[0] != '%') {
            decoded += text[0];
            continue;
        }
        const auto high = text.size() > 2 ? hex_digit(text[1]) : std::nullopt;
        const auto low = text.size() > 2 ? hex_digit(text[2]) : std::nullopt;
        if (!high || !low) return std::nullopt;
        decoded += char(*high * 16 + *low);
        text.remove_prefix(2);
    }
    return decoded;
}

// Reads a date from the front; `good` is false after the first thing that is not as it should be.
struct DateReader {
    Text rest;
    bool good{true};

    void literal(Text wanted) {
        good = good && rest.starts_with(wanted);
        if (good) rest.remove_prefix(wanted.size());
    }
    std::int64_t number(std::size_t digits) {
        std::int64_t value = 0;
        for (; good && digits > 0; --digits) {
            good = !rest.empty() && rest[0] >= '0' && rest[0] <= '9';
            if (!good) break;
            value = value * 10 + (rest[0] - '0');
            rest.remove_prefix(1);
        }
        return value;
    }
    std::int64_t one_of(std::span<const Text> names) {
        const auto found = std::ranges::find_if(names, [&](Text name) { return rest.starts_with(name); });
        good = good && found != names.end();
        if (!good) return 0;
        rest.remove_prefix(found->size());
        return found - names.begin();
    }
};

struct Civil {
    std::int64_t year{0}, month{0}, day{0};  // month 0 to 11, day from 1
    std::int64_t seconds{0};  // of the day
};

bool is_leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

std::int64_t days_of(std::int64_t year, std::int64_t month) {
    constexpr std::array<std::int64_t, 12> lengths{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 1 && is_leap(year) ? 29 : lengths[std::size_t(month)];
}

// Days from 1970-01-01 to the first of January; the year is positive.
std::int64_t days_before(std::int64_t year) {
    const std::int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400 - 719'162;
}

std::optional<std::int64_t> unix_seconds(const Civil& civil) {
    if (civil.year < 1 || civil.day < 1 || civil.day > days_of(civil.year, civil.month)) return std::nullopt;
    std::int64_t count = days_before(civil.year) + civil.day - 1;
    for (std::int64_t month = 0; month < civil.month; ++month) count += days_of(civil.year, month);
    return count * day + civil.seconds;
}

Civil civil_of(std::int64_t seconds) {
    std::int64_t count = seconds / day - (seconds % day < 0 ? 1 : 0);
    Civil civil;
    civil.seconds = seconds - count * day;
    civil.year = 1970 + count / 366;
    while (days_before(civil.year + 1) <= count) ++civil.year;
    while (days_before(civil.year) > count) --civil.year;
    count -= days_before(civil.year);
    for (; count >= days_of(civil.year, civil.month); ++civil.month) count -= days_of(civil.year, civil.month);
    civil.day = count + 1;
    return civil;
}

std::int64_t read_clock(DateReader& in) {
    const std::int64_t hours = in.number(2);
    in.literal(":");
    const std::int64_t minutes = in.number(2);
    in.literal(":");
    const std::int64_t seconds = in.number(2);
    in.good = in.good && hours < 24 && minutes < 60 && seconds <= 60;  // a leap second counts as the next one
    return hours * 3'600 + minutes * 60 + seconds;
}

std::optional<std::int64_t> finish(const DateReader& in, const Civil& civil) {
    return in.good && in.rest.empty() ? unix_seconds(civil) : std::nullopt;
}

std::optional<std::int64_t> parse_imf(Text text) {  // Sun, 06 Nov 1994 08:49:37 GMT
    DateReader in{text};
    Civil civil;
    in.one_of(days);
    in.literal(", ");
    civil.day = in.number(2);
    in.literal(" ");
    civil.month = in.one_of(months);
    in.literal(" ");
    civil.year = in.number(4);
    in.literal(" ");
    civil.seconds = read_clock(in);
    in.literal(" GMT");
    return finish(in, civil);
}

std::optional<std::int64_t> parse_rfc850(Text text, std::int64_t now) {  // Sunday, 06-Nov-94 08:49:37 GMT
    DateReader in{text};
    Civil civil;
    in.one_of(long_days);
    in.literal(", ");
    civil.day = in.number(2);
    in.literal("-");
    civil.month = in.one_of(months);
    in.literal("-");
    const std::int64_t this_year = civil_of(now).year;
    civil.year = this_year - this_year % 100 + in.number(2);
    if (civil.year > this_year + 50) civil.year -= 100;
    in.literal(" ");
    civil.seconds = read_clock(in);
    in.literal(" GMT");
    return finish(in, civil);
}

std::optional<std::int64_t> parse_asctime(Text text) {  // Sun Nov  6 08:49:37 1994
    DateReader in{text};
    Civil civil;
    in.one_of(days);
    in.literal(" ");
    civil.month = in.one_of(months);
    in.literal(" ");
    const bool short_day = in.rest.starts_with(' ');
    if (short_day) in.literal(" ");
    civil.day = in.number(short_day ? 1 : 2);
    in.literal(" ");
    civil.seconds = read_clock(in);
    in.literal(" ");
    civil.year = in.number(4);
    return finish(in, civil);
}

// RFC 9110, 8.8.3: whether a list of entity tags has this one. Strong: a weak tag in the list is none.
bool has_tag(Text list, Text etag, bool strong) {
    while (!list.empty()) {
        if (list[0] == ' ' || list[0] == '\t' || list[0] == ',') {
            list.remove_prefix(1);
            continue;
        }
        const bool weak = list.starts_with("W/");
        if (weak) list.remove_prefix(2);
        const std::size_t end = list.starts_with('"') ? list.find('"', 1) : Text::npos;
        if (end == Text::npos) return false;
        if (list.substr(0, end + 1) == etag && !(strong && weak)) return true;
        list.remove_prefix(end + 1);
    }
    return false;
}

// RFC 9110, 13.1.5: by tag, or by a date that is exactly ours and so old that no second change can hide in its second.
bool still_current(Text if_range, Text etag, std::int64_t modified, std::int64_t now) {
    if (if_range.starts_with('"')) return if_range == etag;
    const auto date = parse_date(if_range, now);
    return date && *date == modified && modified < now;
}

// Decimal digits alone; nothing if there are none, or too many for a file.
std::optional<std::uint64_t> parse_number(Text text) {
    if (text.empty() || text.size() > 18) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + std::uint64_t(c - '0');
    }
    return value;
}

constexpr auto types = std::to_array<std::pair<Text, Text>>({{"avif", "image/avif"},
                                                             {"bz2", "application/x-bzip2"},
                                                             {"css", "text/css; charset=utf-8"},
                                                             {"csv", "text/csv; charset=utf-8"},
                                                             {"flac", "audio/flac"},
                                                             {"gif", "image/gif"},
                                                             {"gz", "application/gzip"},
                                                             {"htm", "text/html; charset=utf-8"},
                                                             {"html", "text/html; charset=utf-8"},
                                                             {"ico", "image/x-icon"},
                                                             {"iso", "application/octet-stream"},
                                                             {"jpeg", "image/jpeg"},
                                                             {"jpg", "image/jpeg"},
                                                             {"js", "text/javascript; charset=utf-8"},
                                                             {"json", "application/json"},
                                                             {"log", "text/plain; charset=utf-8"},
                                                             {"md", "text/markdown; charset=utf-8"},
                                                             {"mjs", "text/javascript; charset=utf-8"},
                                                             {"mp3", "audio/mpeg"},
                                                             {"mp4", "video/mp4"},
                                                             {"oga", "audio/ogg"},
                                                             {"ogg", "audio/ogg"},
                                                             {"ogv", "video/ogg"},
                                                             {"opus", "audio/ogg"},
                                                             {"pdf", "application/pdf"},
                                                             {"png", "image/png"},
                                                             {"svg", "image/svg+xml"},
                                                             {"tar", "application/x-tar"},
                                                             {"toml", "application/toml"},
                                                             {"txt", "text/plain; charset=utf-8"},
                                                             {"wasm", "application/wasm"},
                                                             {"wav", "audio/wav"},
                                                             {"webm", "video/webm"},
                                                             {"webp", "image/webp"},
                                                             {"woff2", "font/woff2"},
                                                             {"xml", "application/xml"},
                                                             {"xz", "application/x-xz"},
                                                             {"zip", "application/zip"},
                                                             {"zst", "application/zstd"}});
static_assert(std::ranges::is_sorted(types));

}  // namespace

std::expected<Names, Status> parse_path(Text target) {
    target = target.substr(0, target.find('?'));
    Names names;
    names.directory = target.ends_with('/');
    while (!target.empty()) {
        const std::size_t slash = target.find('/');
        const auto name = decode(target.substr(0, slash));
        target.remove_prefix(slash == Text::npos ? target.size() : slash + 1);
        if (!name || name->contains('\0') || *name == "." || *name == "..") return std::unexpected(Status::bad_request);
        if (name->contains('/') || (name->starts_with('.') && *name != ".well-known"))
            return std::unexpected(Status::not_found);
        if (!name->empty()) names.names.push_back(*name);  // "//" is as "/"
    }
    return names;
}

std::string format_path(const Names& names) {
    std::string path;
    for (const std::string& name : names.names) path += '/' + escape_path(name);
    return names.directory || path.empty() ? path + '/' : path;
}

std::string format_date(std::int64_t seconds) {
    const Civil civil = civil_of(std::clamp<std::int64_t>(seconds, 0, 253'402'300'799));  // four digits of a year
    const std::int64_t weekday = (days_before(civil.year) + 719'162 + 1) % 7;  // of the first of January
    std::int64_t passed = civil.day - 1;
    for (std::int64_t month = 0; month < civil.month; ++month) passed += days_of(civil.year, month);
    return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[std::size_t((weekday + passed) % 7)], civil.day,
                       months[std::size_t(civil.month)], civil.year, civil.seconds / 3'600, civil.seconds / 60 % 60,
                       civil.seconds % 60);
}

std::optional<std::int64_t> parse_date(Text text, std::int64_t now) {
    if (const auto date = parse_imf(text)) return date;
    if (const auto date = parse_rfc850(text, std::clamp<std::int64_t>(now, 0, 253'402'300'799))) return date;
    return parse_asctime(text);
}

std::optional<Range> parse_range(Text field, std::uint64_t size) {
    if (!field.starts_with("bytes=")) return std::nullopt;
    field.remove_prefix(6);
    while (field.starts_with(' ')) field.remove_prefix(1);
    const std::size_t dash = field.find('-');
    if (dash == Text::npos) return std::nullopt;
    const Text first_text = field.substr(0, dash), last_text = field.substr(dash + 1);
    const auto first = parse_number(first_text), last = parse_number(last_text);
    if (first_text.empty()) {  // the last so many
        if (!last) return std::nullopt;
        const std::uint64_t length = std::min(*last, size);
        return Range{size - length, length};
    }
    if (!first || (!last && !last_text.empty()) || (last && *last < *first)) return std::nullopt;
    if (*first >= size) return Range{0, 0};
    const std::uint64_t end = last && *last < size ? *last + 1 : size;
    return Range{*first, end - *first};
}

Status evaluate(const Request& request, Text etag, std::int64_t modified, std::int64_t now) {
    if (!request.if_match.empty()) {
        if (request.if_match != "*" && !has_tag(request.if_match, etag, true)) return Status::precondition_failed;
    } else if (const auto date = parse_date(request.if_unmodified_since, now); date && modified > *date) {
        return Status::precondition_failed;
    }
    if (!request.if_none_match.empty()) {
        if (request.if_none_match == "*" || has_tag(request.if_none_match, etag, false)) return Status::not_modified;
    } else if (const auto date = parse_date(request.if_modified_since, now); date && modified <= *date) {
        return Status::not_modified;
    }
    if (request.head || request.range.empty()) return Status::ok;
    const bool whole = !request.if_range.empty() && !still_current(request.if_range, etag, modified, now);
    return whole ? Status::ok : Status::partial_content;
}

std::string escape_html(Text text) {
    std::string escaped;
    for (const char c : text) {
        switch (c) {
        case '&': escaped += "&amp;"; break;
        case '<': escaped += "&lt;"; break;
        case '>': escaped += "&gt;"; break;
        case '"': escaped += "&quot;"; break;
        case '\'': escaped += "&#39;"; break;
        default: escaped += c;
        }
    }
    return escaped;
}

std::string escape_path(Text name) {
    std::string escaped;
    for (const char c : name) {
        const bool plain =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || Text("-._~").contains(c);
        if (plain) escaped += c;
        else escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return escaped;
}

Text content_type(Text name) {
    const std::size_t dot = name.rfind('.');
    std::string suffix{dot == Text::npos ? Text{} : name.substr(dot + 1)};
    for (char& c : suffix)
        if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    const auto known = std::ranges::lower_bound(types, suffix, {}, [](const auto& entry) { return entry.first; });
    return known == types.end() || known->first != suffix ? "application/octet-stream" : known->second;
}

}  // namespace weft::node::http
