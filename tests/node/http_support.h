// A file server behind an engine, and clients behind another, in virtual time and without a socket.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string>

#include "node/http_files.h"
#include "tests/engine/pair.h"
#include "tests/node/daemon_support.h"

namespace weft::node {

struct HttpClient {
    Flow flow;
    std::string got;
    bool reads{true}, ended{false}, gone{false};   // the server's FIN was read; the flow is over
    std::optional<Error> error;
};

// What an answer is, cut from the front of a text.
struct HttpAnswer {
    unsigned status{0};
    std::string head, content;

    std::string field(std::string_view name) const {
        const std::size_t at = head.find("\r\n" + std::string(name) + ": ");
        if (at == std::string::npos) return {};
        const std::size_t begin = at + name.size() + 4;
        return head.substr(begin, head.find("\r\n", begin) - begin);
    }
};

class HttpFiles : public testing::Test {
protected:
    explicit HttpFiles(Config engine = {}) : pair{engine} {
        config.directory = directory / "site";
        std::filesystem::create_directory(config.directory);
        listener = pair.b.listen({{.local = {{}, 0, 80}}}, pair.now).value();
    }

    void start() {
        auto made = http_service(config);
        ASSERT_TRUE(made) << made.error();
        factory = *made;
    }
    std::string file(std::string_view name, std::string_view text) const {
        return directory.write("site/" + std::string(name), text);
    }

    HttpClient& connect() {
        if (!factory) start();
        clients.emplace_back().flow = pair.a.connect({test::ipv4(2), 0, 80}, {}, pair.now).value();
        run(Duration::milliseconds(1));
        return clients.back();
    }
    void say(HttpClient& client, std::string_view text) {
        while (!text.empty()) {
            const auto count = pair.a.write(client.flow, std::as_bytes(std::span(text)), {}, pair.now);
            if (count) text.remove_prefix(*count);
            run(Duration::milliseconds(1));
            if (!count && client.gone) return;
        }
    }
    // The first answer to what is said; `head`: to a HEAD, which has no content.
    HttpAnswer ask(HttpClient& client, std::string_view text, bool head = false) {
        say(client, text);
        return answer(client, head);
    }
    HttpAnswer ask(std::string_view text, bool head = false) { return ask(connect(), text, head); }
    HttpAnswer get(std::string_view target, std::string_view fields = "") {
        return ask("GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n");
    }

    static HttpAnswer answer(HttpClient& client, bool head = false) {
        HttpAnswer answer;
        const std::size_t end = client.got.find("\r\n\r\n");
        if (end == std::string::npos || !client.got.starts_with("HTTP/1.1 ")) return answer;
        answer.head = client.got.substr(0, end + 2);
        answer.status = unsigned(std::stoul(client.got.substr(9, 3)));
        const std::string length = answer.field("Content-Length");
        const std::size_t content = head || length.empty() ? 0 : std::stoul(length);
        answer.content = client.got.substr(end + 4, content);
        client.got.erase(0, end + 4 + answer.content.size());
        return answer;
    }

    // The world goes on: segments, services, clients, and time where nobody has work.
    void run(Duration time) {
        for (const Instant end = pair.now + time;;) {
            while (work()) {}
            Instant next = std::min({end, pair.a.deadline(), pair.b.deadline()});
            for (const auto& [place, served] : services) next = std::min(next, served.service->deadline());
            pair.now = std::max(pair.now, next);
            pair.a.advance(pair.now);
            pair.b.advance(pair.now);
            for (auto& [place, served] : services) served.due = served.due || served.service->deadline() <= pair.now;
            if (pair.now < end) continue;
            while (work()) {}
            return;
        }
    }

    struct Served {
        std::unique_ptr<Service> service;
        Flow flow;
        bool due{true};
    };

    test::Pair pair;
    TemporaryDirectory directory;
    HttpConfig config;
    ServiceFactory factory;
    ListenerId listener;
    std::deque<HttpClient> clients;
    std::map<std::uint32_t, Served> services;   // by the place of their flow

private:
    bool work() {
        pair.settle();
        bool any = serve_events();
        for (auto at = services.begin(); at != services.end();) {
            const auto next = std::next(at);
            if (std::exchange(at->second.due, false)) any = true, serve(at);
            at = next;
        }
        for (HttpClient& client : clients) any = read(client) || any;
        for (const Event& event : pair.events(pair.a)) {
            const auto client = std::ranges::find(clients, event.flow, &HttpClient::flow);
            if (client == clients.end()) continue;
            if (event.kind == Event::Kind::failed) client->error = event.error;
            if (event.kind == Event::Kind::failed || event.kind == Event::Kind::closed) client->gone = true;
        }
        return any;
    }
    bool serve_events() {
        using Kind = Event::Kind;
        const auto events = pair.events(pair.b);
        for (const Event& event : events) {
            if (event.kind == Kind::accepted) accept();
            const auto found = services.find(event.flow.place);
            if (found == services.end() || found->second.flow != event.flow) continue;
            Service& service = *found->second.service;
            if (event.kind == Kind::readable || event.kind == Kind::peer_closed) service.flow_readable();
            if (event.kind == Kind::writable) service.flow_writable();
            if (event.kind == Kind::closed || event.kind == Kind::failed) service.flow_over();
            found->second.due = true;
        }
        return !events.empty();
    }
    void accept() {
        while (const auto flow = pair.b.accept(listener, pair.now)) {
            auto service = factory(*flow, *pair.b.peers(*flow), pair.now);
            if (service) service->on_wake([this, place = flow->place] { services[place].due = true; });
            if (service) services[flow->place] = {std::move(service), *flow};
            else (void)pair.b.abort(*flow, pair.now);
        }
    }
    void serve(std::map<std::uint32_t, Served>::iterator at) {
        using Progress = Service::Progress;
        const Progress progress = at->second.service->run(pair.b, pair.pool, pair.now);
        if (progress == Progress::more) at->second.due = true;
        if (progress == Progress::aborted) (void)pair.b.abort(at->second.flow, pair.now);
        if (progress == Progress::aborted || progress == Progress::ended) services.erase(at);
    }
    bool read(HttpClient& client) {
        if (!client.reads || client.gone || client.ended) return false;
        std::array<std::byte, 65'536> part;
        const auto count = pair.a.read(client.flow, part, pair.now);
        if (!count) return client.ended = count.error() == Error::end_of_stream;
        client.got.append(reinterpret_cast<const char*>(part.data()), *count);
        return true;
    }
};

}  // namespace weft::node
