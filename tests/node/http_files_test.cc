// The file server, asked over TCP in virtual time: each status, what keeps a connection and what ends it, and who cannot get out
// of the directory or hold the server up.
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "node/admission.h"
#include "node/log.h"
#include "tests/node/http_support.h"

namespace weft::node {
namespace {

std::string noise(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint64_t state = 88'172'645'463'325'252u + size;
    for (char& c : bytes) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        c = char(state);
    }
    return bytes;
}

TEST_F(HttpFiles, AFileComesWithItsLengthTypeAndDate) {
    file("a.txt", "hello\n");
    const HttpAnswer got = get("/a.txt");
    EXPECT_EQ(got.status, 200u);
    EXPECT_EQ(got.content, "hello\n");
    EXPECT_EQ(got.field("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(got.field("Content-Length"), "6");
    EXPECT_EQ(got.field("Accept-Ranges"), "bytes");
    EXPECT_EQ(got.field("X-Content-Type-Options"), "nosniff");
    EXPECT_TRUE(http::parse_date(got.field("Date"), 0));
    EXPECT_TRUE(http::parse_date(got.field("Last-Modified"), 0));
    EXPECT_TRUE(got.field("ETag").starts_with('"'));
    EXPECT_FALSE(clients[0].ended) << "HTTP/1.1 keeps the connection";
}

TEST_F(HttpFiles, HeadSaysWhatGetWouldWithoutTheContent) {
    file("a.txt", "hello\n");
    const HttpAnswer got = ask("HEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n", true);
    EXPECT_EQ(got.status, 200u);
    EXPECT_EQ(got.field("Content-Length"), "6");
    EXPECT_EQ(clients[0].got, "");
    EXPECT_EQ(ask(clients[0], "HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n", true).status, 404u);
    EXPECT_EQ(clients[0].got, "");
}

TEST_F(HttpFiles, AnEmptyFileIsAnAnswerToo) {
    file("empty", "");
    HttpClient& client = connect();
    EXPECT_EQ(ask(client, "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n").field("Content-Length"), "0");
    EXPECT_EQ(ask(client, "GET /empty HTTP/1.1\r\nHost: a\r\nRange: bytes=0-\r\n\r\n").status, 416u);
}

TEST_F(HttpFiles, ALargeFilePassesInPieces) {
    const std::string bytes = noise(20'000'003);
    file("large.bin", bytes);
    HttpClient& client = connect();
    client.reads = false;
    say(client, "GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    run(Duration::seconds(1));
    EXPECT_LT(pair.pool.in_use(), 8u << 20) << "the file lies in memory";  // both ends' windows
    client.reads = true;
    run(Duration::seconds(20));
    const HttpAnswer got = answer(client);
    EXPECT_EQ(got.status, 200u);
    EXPECT_TRUE(got.content == bytes);
    EXPECT_TRUE(client.ended);
}

TEST_F(HttpFiles, ManyRequestsPassOverOneConnection) {
    for (unsigned i = 0; i < 10; ++i) file(std::to_string(i), noise(1'000 * i + 1));
    HttpClient& client = connect();
    for (unsigned i = 0; i < 300; ++i) {
        const std::string name = std::to_string(i % 10);
        const HttpAnswer got = ask(client, "GET /" + name + " HTTP/1.1\r\nHost: a\r\n\r\n");
        ASSERT_EQ(got.status, 200u) << i;
        ASSERT_TRUE(got.content == noise(1'000 * (i % 10) + 1)) << i;
        ASSERT_EQ(client.got, "");
    }
    EXPECT_EQ(services.size(), 1u);
}

TEST_F(HttpFiles, RequestsThatComeTogetherAreAnsweredInTheirOrder) {
    file("a", noise(300'000));
    file("b", "b");
    std::string all;
    for (unsigned i = 0; i < 40; ++i)
        all += "GET /a HTTP/1.1\r\nHost: a\r\n\r\nHEAD /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\nHost: a\n\n";
    HttpClient& client = connect();
    say(client, all);
    run(Duration::seconds(10));
    for (unsigned i = 0; i < 40; ++i) {
        ASSERT_TRUE(answer(client).content == noise(300'000)) << i;
        ASSERT_EQ(answer(client, true).field("Content-Length"), "300000") << i;
        ASSERT_EQ(answer(client).content, "b") << i;
    }
    EXPECT_EQ(client.got, "");
}

TEST_F(HttpFiles, ARequestMayComeByteByByte) {
    file("a", "a");
    HttpClient& client = connect();
    for (const char c : std::string_view("GET /a HTTP/1.1\r\nHost: a\r\n\r\n")) {
        EXPECT_EQ(client.got, "");
        say(client, {&c, 1});
    }
    run(Duration::seconds(1));
    EXPECT_EQ(answer(client).content, "a");
}

TEST_F(HttpFiles, ContentOfARequestIsSkippedIfItIsSmall) {
    file("a", "a");
    HttpClient& client = connect();
    const std::string content = "GET /b HTTP/1.1\r\n\r\n" + std::string(30'000, 'x');
    EXPECT_EQ(
        ask(client, "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content)
            .content,
        "a");
    EXPECT_EQ(ask(client, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").content, "a");
    EXPECT_EQ(client.got, "");
    EXPECT_EQ(ask(client, "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n").status, 413u);
    EXPECT_TRUE(client.ended);
    EXPECT_EQ(get("/a", "Transfer-Encoding: chunked\r\n").status, 411u);
    EXPECT_EQ(get("/a", "Content-Length: 5\r\nExpect: 100-continue\r\n").field("Connection"), "close");
    EXPECT_EQ(get("/a", "Expect: tea\r\n").status, 417u);
}

TEST_F(HttpFiles, WhatCannotBeReadIsAnsweredAndEndsTheConnection) {
    file("a", "a");
    start();
    const std::pair<std::string, unsigned> wrong[] = {{"nonsense\r\n\r\n", 400},
                                                      {"GET /a HTTP/1.1\r\n\r\n", 400},
                                                      {"GET /../a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                                                      {"POST /a HTTP/1.1\r\nHost: a\r\n\r\n", 405},
                                                      {"BREW /a HTTP/1.1\r\nHost: a\r\n\r\n", 501},
                                                      {"GET /a HTTP/2.0\r\nHost: a\r\n\r\n", 505},
                                                      {"GET /" + std::string(9'000, 'a'), 414},
                                                      {"GET /a HTTP/1.1\r\nA: " + std::string(17'000, 'a'), 431},
                                                      {std::string(17'000, '\n'), 431}};
    for (const auto& [text, status] : wrong) {
        HttpClient& client = connect();
        const HttpAnswer got = ask(client, text);
        EXPECT_EQ(got.status, status) << text.substr(0, 40);
        EXPECT_FALSE(got.content.empty());
        if (status == 400 && text.starts_with("GET /..")) continue;  // understood, and refused
        EXPECT_EQ(got.field("Connection"), "close");
        EXPECT_TRUE(client.ended) << text.substr(0, 40);
        EXPECT_EQ(client.got, "");
        EXPECT_FALSE(client.error) << "a reset would overtake the answer";
        EXPECT_EQ(got.field("Allow"), status == 405 ? "GET, HEAD" : "");
    }
}

TEST_F(HttpFiles, NothingOutsideOfTheDirectoryIsReached) {
    directory.write("secret", "secret");
    file("a", "a");
    file(".hidden", "secret");
    std::filesystem::create_directory(config.directory + "/sub");
    std::filesystem::create_symlink("../../secret", config.directory + "/sub/out");
    std::filesystem::create_symlink(directory / "secret", config.directory + "/absolute");
    std::filesystem::create_symlink("..", config.directory + "/up");
    std::filesystem::create_symlink("/proc/self/root", config.directory + "/magic");
    std::filesystem::create_symlink("loop", config.directory + "/loop");
    std::filesystem::create_symlink("../a", config.directory + "/sub/in");
    for (const auto lookup : {HttpSite::Lookup::kernel, HttpSite::Lookup::walk}) {
        config.lookup = lookup;
        start();
        for (const std::string_view target : {"/sub/out", "/absolute", "/up/secret", "/up/", "/magic/etc/passwd", "/magic/",
                                              "/loop", "/../secret", "/%2e%2e/secret", "/sub/../../secret", "/..%2fsecret",
                                              "/.hidden", "//../secret", "/sub/%2e%2e/%2e%2e/secret", "/a/../secret"}) {
            const HttpAnswer got = get(target);
            EXPECT_TRUE(got.status == 400 || got.status == 403 || got.status == 404) << target << ' ' << got.status;
            EXPECT_EQ(got.content.find("secret"), std::string::npos) << target;
            EXPECT_EQ(got.content.find("root:"), std::string::npos) << target;
        }
        EXPECT_EQ(get("/sub/in").status, lookup == HttpSite::Lookup::kernel ? 200u : 403u);
        EXPECT_EQ(get("//a").content, "a");
        EXPECT_EQ(get("/sub/out").status, 403u);
    }
}

TEST_F(HttpFiles, SpecialFilesAreRefusedAndNotTouched) {
    ASSERT_EQ(::mkfifo((config.directory + "/pipe").c_str(), 0600), 0);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{.sun_family = AF_UNIX};
    (config.directory + "/socket").copy(name.sun_path, sizeof name.sun_path - 1);
    ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&name), sizeof name), 0);
    EXPECT_EQ(get("/pipe").status, 403u);
    EXPECT_EQ(get("/socket").status, 403u);
    const std::string page = get("/").content;
    EXPECT_EQ(page.find("pipe"), std::string::npos);
    ::close(socket);
}

TEST_F(HttpFiles, AFileThatMayNotBeReadIsForbidden) {
    ::chmod(config.directory.c_str(), 0755);
    ::chmod(file("private", "x").c_str(), 0);
    start();
    if (::geteuid() == 0) ::setfsuid(65'534);  // root may read everything; this thread is somebody else for a moment
    EXPECT_EQ(get("/private").status, 403u);
    EXPECT_NE(get("/").content.find("private"), std::string::npos);
    ::setfsuid(::geteuid());
}

TEST_F(HttpFiles, ADirectoryIsItsIndexOrAList) {
    std::filesystem::create_directory(config.directory + "/with");
    std::filesystem::create_directory(config.directory + "/list");
    file("with/index.html", "<p>index");
    file("list/a&b <i>.txt", std::string(3'000, 'x'));
    file("list/javascript:alert(1)", "");
    file("list/.hidden", "");
    std::filesystem::create_directory(config.directory + "/list/sub");
    EXPECT_EQ(get("/with/").content, "<p>index");
    EXPECT_EQ(get("/with/").field("Content-Type"), "text/html; charset=utf-8");
    const HttpAnswer list = get("/list/?sort=x");
    EXPECT_EQ(list.status, 200u);
    EXPECT_NE(list.content.find("<a href=\"a%26b%20%3Ci%3E.txt\">a&amp;b &lt;i&gt;.txt</a><td>2.9 KiB<td>"),
              std::string::npos);
    EXPECT_NE(list.content.find("<a href=\"javascript%3Aalert%281%29\">"), std::string::npos);
    EXPECT_NE(list.content.find("<a href=\"sub/\">sub/</a>"), std::string::npos);
    EXPECT_NE(list.content.find("<a href=\"../\">"), std::string::npos);
    EXPECT_EQ(list.content.find("hidden"), std::string::npos);
    EXPECT_EQ(get("/").content.find("<a href=\"../\">"), std::string::npos) << "there is nothing above";
}

TEST_F(HttpFiles, ADirectoryWithoutItsSlashIsElsewhere) {
    std::filesystem::create_directories(config.directory + "/a b/c");
    const HttpAnswer moved = get("/a%20b/c");
    EXPECT_EQ(moved.status, 301u);
    EXPECT_EQ(moved.field("Location"), "/a%20b/c/");
    EXPECT_EQ(get("//a%20b").field("Location"), "/a%20b/") << "never another host";
    file("f", "x");
    EXPECT_EQ(get("/f/").status, 404u);
}

TEST_F(HttpFiles, AListOfManyNamesIsCutAndSaysSo) {
    for (unsigned i = 0; i < 2'000; ++i) file("a-rather-long-name-" + std::to_string(i), "");
    const HttpAnswer list = get("/");
    EXPECT_LE(list.content.size(), HttpSite::most_listed + 1'000);
    EXPECT_NE(list.content.find("more names"), std::string::npos);
}

TEST_F(HttpFiles, ARangeIsPartialContent) {
    const std::string bytes = noise(200'000);
    file("a", bytes);
    const auto range = [&](std::string_view text) { return get("/a", "Range: bytes=" + std::string(text) + "\r\n"); };
    const HttpAnswer part = range("70000-139999");
    EXPECT_EQ(part.status, 206u);
    EXPECT_EQ(part.field("Content-Range"), "bytes 70000-139999/200000");
    EXPECT_TRUE(part.content == bytes.substr(70'000, 70'000));
    EXPECT_TRUE(range("-5").content == bytes.substr(199'995));
    EXPECT_TRUE(range("199990-").content == bytes.substr(199'990));
    EXPECT_EQ(range("200000-").status, 416u);
    EXPECT_EQ(range("200000-").field("Content-Range"), "bytes */200000");
    EXPECT_EQ(range("0-1,5-6").status, 200u);
    const std::string tag = part.field("ETag");
    EXPECT_EQ(get("/a", "Range: bytes=0-0\r\nIf-Range: " + tag + "\r\n").status, 206u);
    EXPECT_EQ(get("/a", "Range: bytes=0-0\r\nIf-Range: \"x\"\r\n").status, 200u);
}

TEST_F(HttpFiles, WhatTheClientHasIsNotSentAgain) {
    file("a", "old");
    const HttpAnswer first = get("/a");
    const HttpAnswer again = get("/a", "If-None-Match: " + first.field("ETag") + "\r\n");
    EXPECT_EQ(again.status, 304u);
    EXPECT_EQ(again.field("ETag"), first.field("ETag"));
    EXPECT_EQ(again.field("Content-Length"), "");
    EXPECT_EQ(get("/a", "If-Modified-Since: " + first.field("Last-Modified") + "\r\n").status, 304u);
    EXPECT_EQ(get("/a", "If-Match: \"x\"\r\n").status, 412u);
    file("a", "newer");
    EXPECT_EQ(get("/a", "If-None-Match: " + first.field("ETag") + "\r\n").content, "newer");
}

TEST_F(HttpFiles, AFileThatShrinksEndsTheFlowWithAReset) {
    set_log_level(LogLevel::error);
    const std::string path = file("a", noise(10 << 20));
    HttpClient& client = connect();
    client.reads = false;
    say(client, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    run(Duration::seconds(1));
    std::filesystem::resize_file(path, 5 << 20);
    client.reads = true;
    run(Duration::seconds(20));
    EXPECT_EQ(client.error, Error::reset);
    EXPECT_FALSE(client.ended);
    EXPECT_LT(client.got.size(), 10u << 20);
    EXPECT_TRUE(services.empty());
    set_log_level(LogLevel::warning);
}

TEST_F(HttpFiles, AFileThatGrowsIsSentAsLongAsItWas) {
    const std::string path = file("a", noise(10 << 20));
    HttpClient& client = connect();
    client.reads = false;
    say(client, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    std::filesystem::resize_file(path, 11 << 20);
    client.reads = true;
    run(Duration::seconds(20));
    EXPECT_TRUE(answer(client).content == noise(10 << 20));
    EXPECT_EQ(client.got, "");
    EXPECT_EQ(ask(client, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n").status, 404u);
}

TEST_F(HttpFiles, AHeadThatComesTooSlowlyIsAnswered408) {  // slow loris
    HttpClient& client = connect();
    say(client, "GET / HTTP/1.1\r\n");
    for (unsigned i = 0; i < 30 && !client.ended; ++i) {  // a byte a second does not buy time
        run(Duration::seconds(1));
        if (!client.ended) say(client, "x");
        EXPECT_TRUE(client.ended || i < 20) << i;
    }
    EXPECT_TRUE(client.ended);
    EXPECT_EQ(answer(client).status, 408u);
}

TEST_F(HttpFiles, WhoSaysNothingIsLetGoInOrder) {
    file("a", "a");
    HttpClient& silent = connect();
    HttpClient& kept = connect();
    EXPECT_EQ(ask(kept, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").status, 200u);
    run(Duration::seconds(19));
    EXPECT_FALSE(silent.ended);
    run(Duration::seconds(2));
    EXPECT_TRUE(silent.ended);
    EXPECT_EQ(silent.got, "");
    run(Duration::seconds(30));
    EXPECT_FALSE(kept.ended);
    EXPECT_EQ(ask(kept, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").status, 200u) << "between requests there is more time";
    run(Duration::seconds(61));
    EXPECT_TRUE(kept.ended);
    EXPECT_EQ(kept.got, "");
    run(Duration::seconds(70));
    EXPECT_TRUE(services.empty()) << "whoever does not end is forgotten";
}

TEST_F(HttpFiles, AClientThatReadsNothingIsResetAndOneThatReadsSlowlyIsNot) {
    file("a", noise(6 << 20));
    HttpClient& stuck = connect();
    HttpClient& slow = connect();
    for (HttpClient* client : {&stuck, &slow}) {
        client->reads = false;
        say(*client, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    }
    const std::uint32_t stuck_place = services.begin()->first;  // it came first
    for (unsigned i = 0; i < 400 && slow.got.size() < (6u << 20); ++i) {  // 20 KB a second
        run(Duration::seconds(1));
        std::array<std::byte, 20'000> part;
        const auto count = pair.a.read(slow.flow, part, pair.now);
        ASSERT_TRUE(count || count.error() == Error::would_block) << i;
        if (count) slow.got.append(reinterpret_cast<const char*>(part.data()), *count);
        if (i == 120) { EXPECT_EQ(services.count(stuck_place), 0u); }
    }
    slow.reads = stuck.reads = true;
    run(Duration::seconds(5));
    EXPECT_TRUE(answer(slow).content == noise(6 << 20));
    EXPECT_EQ(stuck.error, Error::reset);
}

TEST_F(HttpFiles, AClientThatResetsLeavesNothingBehind) {
    file("a", noise(4 << 20));
    HttpClient& client = connect();
    client.reads = false;
    say(client, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(services.size(), 1u);
    (void)pair.a.abort(client.flow, pair.now);
    client.gone = true;
    run(Duration::seconds(1));
    EXPECT_TRUE(services.empty());
    EXPECT_EQ(pair.pool.in_use(), 0u);
}

TEST_F(HttpFiles, AHalfClosedClientGetsItsAnswers) {
    file("a", noise(100'000));
    HttpClient& client = connect();
    say(client, "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /a HT");
    (void)pair.a.shutdown(client.flow, Engine::Direction::write, pair.now);
    run(Duration::seconds(5));
    EXPECT_TRUE(answer(client).content == noise(100'000));
    EXPECT_TRUE(answer(client).content == noise(100'000));
    EXPECT_TRUE(client.ended && client.gone);
    EXPECT_FALSE(client.error);
    EXPECT_TRUE(services.empty());
}

TEST_F(HttpFiles, AHundredClientsAreServedAtOnce) {
    const std::string bytes = noise(150'000);
    file("a", bytes);
    start();
    std::vector<HttpClient*> all;
    for (unsigned i = 0; i < 100; ++i) all.push_back(&connect());
    for (HttpClient* client : all) say(*client, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    run(Duration::seconds(5));
    for (HttpClient* client : all) ASSERT_TRUE(answer(*client).content == bytes);
}

TEST_F(HttpFiles, FlowsBeyondTheLimitsAreReset) {
    file("a", "a");
    config.flows_a_client = 3;
    start();
    for (unsigned i = 0; i < 3; ++i) connect();
    HttpClient& fourth = connect();
    run(Duration::milliseconds(100));
    EXPECT_EQ(fourth.error, Error::reset);
    (void)pair.a.abort(clients[0].flow, pair.now);
    clients[0].gone = true;
    run(Duration::milliseconds(100));
    EXPECT_EQ(ask("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").content, "a") << "a place is free again";
}

TEST_F(HttpFiles, WhoWaitsLongestForItsNextRequestGivesWayToANewFlow) {
    file("a", "a");
    config.flows = 3;
    start();
    for (unsigned i = 0; i < 3; ++i) {
        EXPECT_EQ(ask(connect(), "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").content, "a");
        run(Duration::seconds(1));
    }
    EXPECT_EQ(ask(clients[0], "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").content, "a");  // now the second waits longest
    run(Duration::seconds(1));
    EXPECT_EQ(ask(connect(), "GET /a HTTP/1.1\r\nHost: a\r\n\r\n").content, "a");
    EXPECT_EQ(clients[1].error, Error::reset);
    for (const std::size_t i : {0u, 2u, 3u}) EXPECT_FALSE(clients[i].gone) << i;
    EXPECT_EQ(services.size(), 3u);
}

TEST_F(HttpFiles, ARefusalAfterAHeadHasItsContent) {
    file("a", "a");
    HttpClient& client = connect();
    EXPECT_EQ(ask(client, "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n", true).status, 200u);
    const HttpAnswer got = ask(client, "POST /a HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(got.status, 405u);
    EXPECT_EQ(std::to_string(got.content.size()), got.field("Content-Length"));
}

TEST_F(HttpFiles, ContentThatTricklesInHasOneDeadline) {
    file("a", "a");
    HttpClient& client = connect();
    EXPECT_EQ(ask(client, "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").content, "a");
    for (unsigned i = 0; i < 25 && !client.ended; ++i) {
        say(client, "x");
        run(Duration::seconds(1));
    }
    EXPECT_TRUE(client.ended);
}

TEST(Admission, CountsANetworkOfIpv6AsOneClient) {
    const auto admission = std::make_shared<Admission>(10, 2);
    const auto address = [](unsigned network, unsigned host) {
        std::array<std::byte, 16> bytes{};
        bytes[0] = std::byte{0xfd}, bytes[7] = std::byte(network), bytes[15] = std::byte(host);
        return Address{Family::ipv6, bytes};
    };
    const Admission::Place first{admission, address(1, 1)};
    {
        const Admission::Place second{admission, address(1, 2)};
        EXPECT_TRUE(admission->full_for(address(1, 3)));
        EXPECT_FALSE(admission->full_for(address(2, 1)));
        EXPECT_FALSE(admission->full());
    }
    EXPECT_FALSE(admission->full_for(address(1, 3)));
}

TEST_F(HttpFiles, ANodeThatStopsFinishesItsAnswers) {
    file("a", noise(3 << 20));
    HttpClient& busy = connect();
    HttpClient& idle = connect();
    busy.reads = false;
    say(busy, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    for (auto& [place, served] : services) served.service->finish(), served.due = true;
    run(Duration::milliseconds(10));
    EXPECT_TRUE(idle.ended);
    busy.reads = true;
    run(Duration::seconds(5));
    EXPECT_TRUE(answer(busy).content == noise(3 << 20));
    EXPECT_TRUE(busy.ended);
}

TEST_F(HttpFiles, ADirectoryThatIsNotThereIsSaidAtOnce) {
    config.directory = directory / "none";
    const auto made = http_service(config);
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace weft::node
