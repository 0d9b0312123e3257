// What is a request and what is not (RFC 9112), and the values inside it (RFC 9110, RFC 3986).
#include "node/http.h"

#include <gtest/gtest.h>

#include <array>

namespace weft::node::http {
namespace {

std::expected<Request, Status> parse_lines(std::string_view lines) {
    static std::string kept;   // the request looks into it
    kept = std::string(lines) + "\r\n";
    EXPECT_EQ(head_length(kept), kept.size());
    return parse_head(kept);
}

Status refusal(std::string_view lines) {
    const auto request = parse_lines(lines);
    EXPECT_FALSE(request) << lines;
    return request ? Status::ok : request.error();
}

TEST(Http, AHeadEndsAtTheFirstEmptyLineAfterSomething) {
    EXPECT_EQ(head_length("GET / HTTP/1.1\r\nHost: a\r\n\r\nrest"), 27u);
    EXPECT_EQ(head_length("GET / HTTP/1.0\n\nrest"), 16u);
    EXPECT_EQ(head_length("\r\n\r\nGET / HTTP/1.0\r\n\r\n"), 22u);   // RFC 9112, 2.2: empty lines before it are ignored
    for (const std::string_view part : {"", "\r\n\r\n", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b\r\n\r"})
        EXPECT_EQ(head_length(part), 0u) << part;
}

TEST(Http, AHeadIsFoundHoweverItIsCut) {
    const std::string head = "\nGET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    for (std::size_t cut = 0; cut < head.size(); ++cut) {
        EXPECT_EQ(head_length(head.substr(0, cut)), 0u);
        EXPECT_EQ(head_length(head, cut), head.size()) << cut;
    }
}

TEST(Http, ARequestIsItsLineAndItsFields) {
    const auto request = parse_lines(
        "GET /a/b?c=d HTTP/1.1\r\nHost: example.org:80\r\nRANGE: \t bytes=1-2 \r\nIf-None-Match: \"x\"\r\n"
        "if-modified-since: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Other:\r\n");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->method, "GET");
    EXPECT_EQ(request->target, "/a/b?c=d");
    EXPECT_EQ(request->minor, 1u);
    EXPECT_FALSE(request->head);
    EXPECT_TRUE(request->keep_alive);
    EXPECT_EQ(request->range, "bytes=1-2");
    EXPECT_EQ(request->if_none_match, "\"x\"");
    EXPECT_EQ(request->if_modified_since, "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(request->if_range, "");
}

TEST(Http, AnAbsoluteTargetIsItsPath) {   // RFC 9112, 3.2.2
    EXPECT_EQ(parse_lines("GET http://a.b:8/c?d HTTP/1.1\r\nHost: x\r\n")->target, "/c?d");
    EXPECT_EQ(parse_lines("HEAD HTTP://a HTTP/1.1\r\nHost: x\r\n")->target, "/");
    EXPECT_EQ(refusal("GET http:///c HTTP/1.1\r\nHost: x\r\n"), Status::bad_request);
    EXPECT_EQ(refusal("GET http://a?b HTTP/1.1\r\nHost: x\r\n"), Status::bad_request);
}

TEST(Http, ConnectionsAreKeptAsTheVersionAndTheFieldSay) {   // RFC 9112, 9.3
    EXPECT_TRUE(parse_lines("GET / HTTP/1.1\r\nHost: a\r\n")->keep_alive);
    EXPECT_FALSE(parse_lines("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, CLOSE\r\n")->keep_alive);
    EXPECT_FALSE(parse_lines("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n")->keep_alive);
    EXPECT_FALSE(parse_lines("GET / HTTP/1.0\r\n")->keep_alive);
    EXPECT_TRUE(parse_lines("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n")->keep_alive);
    EXPECT_TRUE(parse_lines("GET / HTTP/1.9\r\nHost: a\r\n")->keep_alive);  // a minor version that we do not know is as 1.1
}

TEST(Http, WhatIsNoRequestLineIsRefused) {
    for (const std::string_view line :
         {"GET", "GET /", "GET  HTTP/1.1", " GET / HTTP/1.1", "GET / HTTP/1.1 ", "GET / HTTP/1", "GET / http/1.1",
          "G(T / HTTP/1.1", "GET /\x01 HTTP/1.1", "GET /\xc3\xa4 HTTP/1.1", "GET /a b HTTP/1.1", "GET /#a HTTP/1.1",
          "GET a HTTP/1.1", "GET * HTTP/1.1", "GET /\tHTTP/1.1", "GET /a\rb HTTP/1.1", "\x16\x03\x01\x02"})
        EXPECT_EQ(refusal(std::string(line) + "\r\nHost: a\r\n"), Status::bad_request) << line;
}

TEST(Http, OtherVersionsAndMethodsAreNamed) {
    EXPECT_EQ(refusal("GET / HTTP/2.0\r\nHost: a\r\n"), Status::version_not_supported);
    EXPECT_EQ(refusal("GET / HTTP/0.9\r\nHost: a\r\n"), Status::version_not_supported);
    for (const std::string_view method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"})
        EXPECT_EQ(refusal(std::string(method) + " / HTTP/1.1\r\nHost: a\r\n"), Status::method_not_allowed);
    EXPECT_EQ(refusal("OPTIONS * HTTP/1.1\r\nHost: a\r\n"), Status::method_not_allowed);
    EXPECT_EQ(refusal("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n"), Status::method_not_allowed);
    for (const std::string_view method : {"get", "BREW", "PROPFIND"})  // methods are of one case
        EXPECT_EQ(refusal(std::string(method) + " / HTTP/1.1\r\nHost: a\r\n"), Status::not_implemented);
}

TEST(Http, FieldsAreNamesColonsAndPrintableValues) {
    for (const std::string_view field :
         {"A", ": b", "A : b", " A: b", "A\t: b", "A: b\rc", "A: \x01", "A: \x7f", "B\xc3: x", "A: x\r\n y"})  // obs-fold
        EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\n" + std::string(field) + "\r\n"), Status::bad_request) << field;
    EXPECT_EQ(refusal(std::string_view("GET / HTTP/1.1\r\nHost: a\r\nA: x\0y\r\n", 33)), Status::bad_request);
    EXPECT_TRUE(parse_lines("GET / HTTP/1.1\r\nHost: a\r\nA: caf\xc3\xa9\r\n"));
}

TEST(Http, AHostComesOnceWithHttp11) {  // RFC 9112, 3.2
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\n"), Status::bad_request);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n"), Status::bad_request);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a/b\r\n"), Status::bad_request);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a b\r\n"), Status::bad_request);
    EXPECT_TRUE(parse_lines("GET / HTTP/1.1\r\nHost:\r\n"));
    EXPECT_TRUE(parse_lines("GET / HTTP/1.1\r\nHost: [fd00::1]:80\r\n"));
    EXPECT_TRUE(parse_lines("GET / HTTP/1.0\r\n"));
}

TEST(Http, ALengthIsOneNumber) {  // RFC 9112, 6.1 to 6.3
    EXPECT_EQ(parse_lines("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 42\r\n")->content_length, 42u);
    for (const std::string_view length : {"-1", "+1", "1,1", "0x1", "1 1", "", "99999999999999999999"})
        EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::string(length) + "\r\n"),
                  Status::bad_request);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n"), Status::bad_request);
    EXPECT_TRUE(parse_lines("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n")->chunked);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
              Status::bad_request);
    EXPECT_EQ(refusal("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n"), Status::bad_request);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n"), Status::not_implemented);
    EXPECT_TRUE(parse_lines("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n")->expects_continue);
    EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n"), Status::expectation_failed);
}

TEST(Http, WhatIsTooLongIsRefused) {
    const std::string host = " HTTP/1.1\r\nHost: a\r\n";
    EXPECT_TRUE(parse_lines("GET /" + std::string(8'000, 'a') + host));
    EXPECT_EQ(refusal("GET /" + std::string(most_line, 'a') + host), Status::uri_too_long);
    EXPECT_EQ(refusal("GET /" + host + "A: " + std::string(most_head, 'a') + "\r\n"), Status::fields_too_large);
    std::string fields;
    for (std::size_t i = 1; i < most_fields; ++i) fields += "A: b\r\n";
    EXPECT_TRUE(parse_lines("GET /" + host + fields));
    EXPECT_EQ(refusal("GET /" + host + fields + "A: b\r\n"), Status::fields_too_large);
}

TEST(Http, APathIsItsNames) {
    EXPECT_EQ(parse_path("/")->names.size(), 0u);
    EXPECT_TRUE(parse_path("/")->directory);
    EXPECT_EQ(parse_path("/a%20b//c%3f?d/e")->names, (std::vector<std::string>{"a b", "c?"}));
    EXPECT_FALSE(parse_path("/a")->directory);
    EXPECT_TRUE(parse_path("/a/?")->directory);
    EXPECT_EQ(parse_path("/%E4%bD%A0")->names, std::vector<std::string>{"\xe4\xbd\xa0"});
    EXPECT_EQ(parse_path("/.well-known/x")->names.size(), 2u);
}

TEST(Http, APathDoesNotLeaveItsDirectory) {
    for (const std::string_view path : {"/..", "/../etc/passwd", "/a/../../b", "/%2e%2e/a", "/.%2E/", "/a/./b", "/%2e",
                                        "/%00", "/a%00.txt", "/%", "/%4", "/%zz", "/a%2", "/..?x"})
        EXPECT_EQ(parse_path(path).error(), Status::bad_request) << path;
    for (const std::string_view path :
         {"/..%2f..%2fetc/passwd", "/a%2Fb", "/%2f", "/.git/config", "/a/.htpasswd", "/...", "/%2egit"})
        EXPECT_EQ(parse_path(path).error(), Status::not_found) << path;
}

TEST(Http, APathIsWrittenSoThatItReadsBack) {
    const Names names{{"a b", "%\"<>&'", "javascript:x", "\xff\n"}, true};
    const std::string text = format_path(names);
    EXPECT_EQ(text, "/a%20b/%25%22%3C%3E%26%27/javascript%3Ax/%FF%0A/");
    EXPECT_EQ(parse_path(text)->names, names.names);
    EXPECT_EQ(format_path({{}, true}), "/");
    EXPECT_EQ(format_path({{"a"}, false}), "/a");
}

TEST(Http, DatesAreReadInThreeFormsAndWrittenInOne) {  // RFC 9110, 5.6.7
    constexpr std::int64_t now = 1'700'000'000, then = 784'111'777;
    EXPECT_EQ(format_date(then), "Sun, 06 Nov 1994 08:49:37 GMT");
    for (const std::string_view text :
         {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"})
        EXPECT_EQ(parse_date(text, now), then) << text;
    EXPECT_EQ(format_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(format_date(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
    EXPECT_EQ(format_date(4'107'542'399), "Sun, 28 Feb 2100 23:59:59 GMT");
    EXPECT_EQ(format_date(4'107'542'400), "Mon, 01 Mar 2100 00:00:00 GMT");
    EXPECT_EQ(parse_date("Tue, 15-Nov-73 08:12:31 GMT", now), std::nullopt);
    // Two digits of a year: at most 50 years ahead (2023 here).
    EXPECT_EQ(format_date(*parse_date("Wednesday, 15-Nov-73 08:12:31 GMT", now)), "Wed, 15 Nov 2073 08:12:31 GMT");
    EXPECT_EQ(format_date(*parse_date("Friday, 15-Nov-74 08:12:31 GMT", now)), "Fri, 15 Nov 1974 08:12:31 GMT");
    for (const std::string_view text :
         {"", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMTx", "Sun, 31 Nov 1994 08:49:37 GMT",
          "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
          "Sun, 29 Feb 1900 00:00:00 GMT", "Sun, 06 nov 1994 08:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT"})
        EXPECT_EQ(parse_date(text, now), std::nullopt) << text;
}

TEST(Http, EachDayAroundTheTurnsOfCenturiesReadsBack) {
    constexpr std::array<std::string_view, 7> days{"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    for (std::int64_t day = 10'000; day < 48'300; day += day == 12'000 ? 35'000 : 1) {  // 1997 to 2002, 2098 to 2102
        const std::string text = format_date(day * 86'400 + 86'399);
        ASSERT_EQ(text.substr(0, 3), days[std::size_t(day % 7)]) << text;
        ASSERT_EQ(parse_date(text, 0), day * 86'400 + 86'399) << text;
    }
}

TEST(Http, ARangeIsAPartOfTheFile) {  // RFC 9110, 14.1.2
    const auto range = [](std::string_view text, std::uint64_t size) {
        const auto found = parse_range(text, size);
        return found ? std::optional(std::pair(found->first, found->length)) : std::nullopt;
    };
    using Part = std::pair<std::uint64_t, std::uint64_t>;
    EXPECT_EQ(range("bytes=0-499", 10'000), Part(0, 500));
    EXPECT_EQ(range("bytes=500-999", 10'000), Part(500, 500));
    EXPECT_EQ(range("bytes=-500", 10'000), Part(9'500, 500));
    EXPECT_EQ(range("bytes=9500-", 10'000), Part(9'500, 500));
    EXPECT_EQ(range("bytes=9999-20000", 10'000), Part(9'999, 1));
    EXPECT_EQ(range("bytes=-20000", 10'000), Part(0, 10'000));
    EXPECT_EQ(range("bytes=10000-", 10'000)->second, 0u);  // beyond the end, or nothing: not satisfiable
    EXPECT_EQ(range("bytes=-0", 10'000)->second, 0u);
    EXPECT_EQ(range("bytes=0-", 0)->second, 0u);
    for (const std::string_view text :
         {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=0-1,3-4", "lines=0-1", "bytes=1", "bytes=0x0-1",
          "bytes=1-99999999999999999999", "bytes=--1", "bytes=+1-2"})
        EXPECT_EQ(range(text, 10), std::nullopt) << text;
}

TEST(Http, PreconditionsAreAskedInTheirOrder) {  // RFC 9110, 13.2.2
    constexpr std::int64_t modified = 784'111'777, now = 1'700'000'000;
    const std::string_view tag = "\"a\"", same = "Sun, 06 Nov 1994 08:49:37 GMT", earlier = "Sun, 06 Nov 1994 08:49:36 GMT",
                           later = "Sun, 06 Nov 1994 08:49:38 GMT";
    const auto ask = [&](auto&& set) {
        Request request;
        set(request);
        return evaluate(request, tag, modified, now);
    };
    EXPECT_EQ(ask([](Request&) {}), Status::ok);
    EXPECT_EQ(ask([](Request& r) { r.if_match = "*"; }), Status::ok);
    EXPECT_EQ(ask([](Request& r) { r.if_match = "\"b\", \"a\""; }), Status::ok);
    EXPECT_EQ(ask([](Request& r) { r.if_match = "W/\"a\""; }), Status::precondition_failed);
    EXPECT_EQ(ask([&](Request& r) { r.if_match = "\"a\"", r.if_unmodified_since = earlier; }), Status::ok);
    EXPECT_EQ(ask([&](Request& r) { r.if_unmodified_since = earlier; }), Status::precondition_failed);
    EXPECT_EQ(ask([&](Request& r) { r.if_unmodified_since = same; }), Status::ok);
    EXPECT_EQ(ask([](Request& r) { r.if_none_match = "W/\"a\""; }), Status::not_modified);
    EXPECT_EQ(ask([](Request& r) { r.if_none_match = "\"x,\",\"a\""; }), Status::not_modified);
    EXPECT_EQ(ask([](Request& r) { r.if_none_match = "*"; }), Status::not_modified);
    EXPECT_EQ(ask([](Request& r) { r.if_none_match = "\"a"; }), Status::ok);
    EXPECT_EQ(ask([&](Request& r) { r.if_none_match = "\"b\"", r.if_modified_since = later; }), Status::ok);
    EXPECT_EQ(ask([&](Request& r) { r.if_modified_since = same; }), Status::not_modified);
    EXPECT_EQ(ask([&](Request& r) { r.if_modified_since = earlier; }), Status::ok);
    EXPECT_EQ(ask([](Request& r) { r.range = "bytes=0-"; }), Status::partial_content);
    EXPECT_EQ(ask([](Request& r) { r.range = "bytes=0-", r.head = true; }), Status::ok);
    EXPECT_EQ(ask([](Request& r) { r.range = "bytes=0-", r.if_range = "\"a\""; }), Status::partial_content);
    EXPECT_EQ(ask([](Request& r) { r.range = "bytes=0-", r.if_range = "\"b\""; }), Status::ok);
    EXPECT_EQ(ask([](Request& r) { r.range = "bytes=0-", r.if_range = "W/\"a\""; }), Status::ok);
    EXPECT_EQ(ask([&](Request& r) { r.range = "bytes=0-", r.if_range = same; }), Status::partial_content);
    EXPECT_EQ(ask([&](Request& r) { r.range = "bytes=0-", r.if_range = later; }), Status::ok);
    EXPECT_EQ(evaluate({.range = "bytes=0-", .if_range = same}, tag, modified, modified),
              Status::ok);  // of this very second
}

TEST(Http, TypesGoBySuffix) {
    EXPECT_EQ(content_type("index.html"), "text/html; charset=utf-8");
    EXPECT_EQ(content_type("a.b.PNG"), "image/png");
    EXPECT_EQ(content_type("zip"), "application/octet-stream");
    EXPECT_EQ(content_type("a."), "application/octet-stream");
    EXPECT_EQ(content_type("a.zst"), "application/zstd");
    EXPECT_EQ(content_type("a.avif"), "image/avif");
}

TEST(Http, EachStatusHasItsReason) {
    EXPECT_EQ(to_string(Status::not_found), "Not Found");
    EXPECT_EQ(to_string(Status::range_not_satisfiable), "Range Not Satisfiable");
    EXPECT_EQ(escape_html("<a href=\"x\" title='&'>"), "&lt;a href=&quot;x&quot; title=&#39;&amp;&#39;&gt;");
}

}  // namespace
}  // namespace weft::node::http
