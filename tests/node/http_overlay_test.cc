// The file server over the overlay: two shards on real sockets, and a client that is a program behind the other one.
#include "node/http_files.h"
#include "tests/node/two_shards.h"

namespace weft::node {
namespace {

class HttpOverOverlay : public Shards {
protected:
    void SetUp() override {
        ASSERT_NO_FATAL_FAILURE(Shards::SetUp());
        auto service = http_service({.directory = directory.path()});
        ASSERT_TRUE(service) << service.error();
        ASSERT_TRUE(b->serve(80, *service, {}));
    }

    struct Client {
        Seen seen;
        std::string got;
        bool said{false}, ended{false};
    };
    // Asks once the flow is open; true at the end of the answer.
    bool talk(Client& client, const std::string& request) {
        std::size_t done = 0;
        if (!client.seen.opened) return false;
        if (!std::exchange(client.said, true)) put(client.seen.fd, request, done);
        client.ended = client.ended || get(client.seen.fd, client.got);
        return client.ended;
    }
    static std::string content(const std::string& answer) {
        const std::size_t end = answer.find("\r\n\r\n");
        return end == std::string::npos ? answer : answer.substr(end + 4);
    }

    const TemporaryDirectory directory;
};

TEST_F(HttpOverOverlay, AFileArrivesWhole) {
    const std::string bytes = noise(24 << 20, 1);
    directory.write("file", bytes);
    Client client;
    ASSERT_TRUE(a->connect(b->address(), 80, {}, client.seen.callbacks()));
    ASSERT_TRUE(run_until([&] { return talk(client, "GET /file HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"); }));
    EXPECT_TRUE(client.got.starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT_TRUE(content(client.got) == bytes);
    client.seen.fd.reset();
    ASSERT_TRUE(run_until([&] { return a->finished() && b->finished(); }));
    expect_memory_at_base();
}

TEST_F(HttpOverOverlay, AHundredFlowsAtOnceAreAnsweredEachWithItsFile) {
    std::deque<Client> clients(100);
    std::vector<std::string> requests;
    for (std::size_t i = 0; i < clients.size(); ++i) {
        directory.write(std::to_string(i), noise(40'000 + i, i));
        requests.push_back("GET /" + std::to_string(i) + " HTTP/1.0\r\n\r\n");
        ASSERT_TRUE(a->connect(b->address(), 80, {}, clients[i].seen.callbacks()));
    }
    ASSERT_TRUE(run_until([&] {
        bool all = true;
        for (std::size_t i = 0; i < clients.size(); ++i) all = talk(clients[i], requests[i]) && all;
        return all;
    }));
    for (std::size_t i = 0; i < clients.size(); ++i) ASSERT_TRUE(content(clients[i].got) == noise(40'000 + i, i)) << i;
    for (Client& client : clients) client.seen.fd.reset();
    ASSERT_TRUE(run_until([&] { return a->finished() && b->finished(); }));
    expect_memory_at_base();
}

}  // namespace
}  // namespace weft::node
