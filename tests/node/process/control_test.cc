// Real nodes and who commands them: the two control sockets, lists, links, modules, and what garbage on a socket does.
#include <random>

#include "node/methods.h"
#include "stack/core/address_text.h"
#include "tests/node/process/events.h"

namespace weft::node {
namespace {

using trace::Type;

class Control : public Events {};

TEST_F(Control, TheReadOnlySocketRefusesEveryChange) {
    make(1);
    ASSERT_NO_FATAL_FAILURE(start());
    auto watcher = Client::connect(socket_of(0, true));
    ASSERT_TRUE(watcher);
    std::size_t refused = 0;
    for (const RpcMethod& method : control_methods()) {
        if (!method.changes) continue;
        const auto answer = watcher->call(method.name, Json::object(), milliseconds{5'000});
        ASSERT_FALSE(answer) << method.name;
        EXPECT_EQ(answer.error().code, int(RpcCode::read_only)) << method.name;
        ++refused;
    }
    EXPECT_GE(refused, 14u);
    EXPECT_TRUE(node(0).alive());
}

TEST_F(Control, GarbageOnEitherSocketGetsAClearMessageAndNothingCrashes) {
    make(1);
    ASSERT_NO_FATAL_FAILURE(start());
    std::mt19937_64 random{7};
    const std::string ask =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\",\"params\":{\"classes\":[\"all\"]}}";
    for (const bool read_only : {false, true})
        for (int i = 0; i < 60; ++i) {
            const UniqueFd fd = raw(0, read_only);
            std::string bytes;
            if (i % 3 == 0)
                for (std::size_t n = random() % 3'000; n > 0; --n) bytes += char(random());
            if (i % 3 == 1) bytes = ask.substr(0, random() % ask.size());
            if (i % 3 == 2) {
                bytes = ask;
                for (int n = 0; n < 4; ++n) bytes[random() % bytes.size()] = char(random());
            }
            bytes += '\n';
            if (::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != ssize_t(bytes.size())) continue;
            ::shutdown(fd.get(), SHUT_WR);
            std::string answer(65'536, '\0');
            answer.resize(std::size_t(std::max<ssize_t>(0, ::recv(fd.get(), answer.data(), answer.size(), 0))));
            if (bytes.find_first_not_of(" \t\r\n") == std::string::npos) continue;
            EXPECT_NE(answer.find("\"jsonrpc\":\"2.0\""), std::string::npos) << i << ": " << bytes;
        }
    // Too long a line, and too deep a one.
    const UniqueFd fd = raw(0, true);
    std::thread pusher{[&] {
        const std::string piece(64 << 10, 'x');
        for (int i = 0; i < 17; ++i)
            if (::send(fd.get(), piece.data(), piece.size(), MSG_NOSIGNAL) <= 0) return;
    }};
    std::string answer(4'096, '\0');
    answer.resize(std::size_t(std::max<ssize_t>(0, ::recv(fd.get(), answer.data(), answer.size(), 0))));
    pusher.join();
    EXPECT_NE(answer.find("longer than 1048576 bytes"), std::string::npos) << answer;
    const UniqueFd deep = raw(0, true);
    const std::string nested = std::string(40, '[') + std::string(40, ']') + "\n";
    ASSERT_EQ(::send(deep.get(), nested.data(), nested.size(), MSG_NOSIGNAL), ssize_t(nested.size()));
    answer.assign(4'096, '\0');
    answer.resize(std::size_t(std::max<ssize_t>(0, ::recv(deep.get(), answer.data(), answer.size(), 0))));
    EXPECT_NE(answer.find("32"), std::string::npos) << answer;
    EXPECT_EQ(node(0).call("node.info")["name"], "a") << "it serves on";
}

TEST_F(Control, ALinkIsDamagedAndMendedWhileItRuns) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    transfer(node(0), node(1), 7000, 1 << 20);
    EXPECT_FALSE(node(0).call("link.list")["links"][0].contains("fault"));
    const Json slow = node(0).call("link.set", {{"link", 0}, {"delay", "30ms"}, {"rate", "20Mbit"}});
    EXPECT_EQ(slow["fault"]["delay_us"], 30'000);
    EXPECT_EQ(slow["fault"]["rate_bit_s"], 20'000'000);
    auto begin = Clock::now();
    transfer(node(0), node(1), 7001, 1 << 20);
    EXPECT_GE(since(begin), milliseconds{400}) << "8.4 Mbit take that at 20 Mbit/s";
    EXPECT_EQ(node(0).call("link.set", {{"link", 0}, {"loss", "2%"}})["fault"]["delay_us"], 30'000) << "the rest stays";
    transfer(node(0), node(1), 7002, 1 << 20);  // some 800 packets: that none is lost happens once in 10^7
    EXPECT_GT(node(0).call("link.list")["links"][0]["fault"]["lost"].get<int>(), 0);
    node(0).call("link.set", {{"link", 0}, {"loss", "0%"}, {"delay", "0ms"}, {"rate", "unlimited"}});
    ASSERT_TRUE(wait_until([&] { return !node(0).call("link.list")["links"][0].contains("fault"); }))
        << "nothing stands in the way any more";
    transfer(node(0), node(1), 7003, 1 << 20);
    EXPECT_EQ(call(node(0), "link.set", {{"link", 9}, {"loss", "1%"}}).error().cause, "no_such_link");
    EXPECT_NE(call(node(0), "link.set", {{"link", 0}, {"loss", "1"}}).error().message.find("such as \"0.5%\""),
              std::string::npos);
    EXPECT_NE(call(node(0), "link.set", {{"link", 0}, {"delay", "1h"}}).error().message.find("at most 10s"),
              std::string::npos);
}

TEST_F(Control, FlowsAreListedByAFilterAndAWrongOneSaysWhere) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    const Ends one = connect(node(0), node(1), 7000), other = connect(node(0), node(1), 7001);
    const auto matching = [&](const std::string& filter) { return node(0).call("flow.list", {{"filter", filter}}); };
    EXPECT_EQ(matching("remote.port == 7001")["flows"].size(), 1u);
    EXPECT_EQ(matching("remote.port == 7001")["flows"][0]["flow"], other.sender_flow);
    EXPECT_EQ(matching("remote.port == 7001")["total"], 2);
    EXPECT_EQ(matching("tcp.state == ESTABLISHED && family == overlay")["matching"], 2);
    EXPECT_EQ(matching("tcp.state == LISTEN")["matching"], 0);
    EXPECT_EQ(matching("rtt > 10s || retransmissions > 1000")["matching"], 0);
    const auto wrong = call(node(0), "flow.list", {{"filter", "tcp.stat == 3"}});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().cause, "bad_filter");
    EXPECT_NE(wrong.error().message.find("at character"), std::string::npos) << wrong.error().message;
    Running listed{directory, {"flows", "--node", "a", "remote.port == 7001"}};
    EXPECT_EQ(listed.wait(), 0);
    EXPECT_NE(listed.text().find(":7001"), std::string::npos) << listed.text();
    EXPECT_EQ(listed.text().find(":7000"), std::string::npos) << listed.text();
    Running mistaken{directory, {"flows", "--node", "a", "port = 3"}};
    EXPECT_EQ(mistaken.wait(), 2) << mistaken.text();
    Running watched{directory, {"flows", "--node", "a", "-w", "--every", "0.05", "--json"}};
    ASSERT_TRUE(wait_until([&] { return std::ranges::count(watched.text(), '\n') >= 3; }));
    watched.interrupt();
    EXPECT_EQ(watched.wait(), 0);
    EXPECT_EQ(Json::parse(watched.text().substr(0, watched.text().find('\n')))["total"], 2);
}

TEST_F(Control, ManyFlowsAreListedPieceByPieceForSeveralAtOnce) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    std::vector<Ends> all;
    for (std::uint16_t i = 0; i < 50; ++i) all.push_back(connect(node(0), node(1), std::uint16_t(7000 + i)));
    std::vector<Client> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(node(0).client());
    std::vector<std::thread> asking;
    for (Client& client : clients)
        asking.emplace_back([&] {
            for (int i = 0; i < 5; ++i) {
                const auto some =
                    client.call("flow.list", {{"filter", "remote.port >= 7010"}, {"limit", 30}}, milliseconds{20'000});
                ASSERT_TRUE(some) << some.error().message;
                EXPECT_EQ(some->result["flows"].size(), 30u);
                EXPECT_EQ(some->result["matching"], 40);
                EXPECT_EQ(some->result["total"], 50);
                const auto every = client.call("flow.list", Json::object(), milliseconds{20'000});
                ASSERT_TRUE(every) << every.error().message;
                EXPECT_EQ(every->result["flows"].size(), 50u);
                EXPECT_EQ(every->result["flows"][0]["way"], "link");
            }
        });
    {  // Who goes before the answer harms nobody.
        const UniqueFd gone = raw(0, true);
        const std::string ask =
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"flow.list\",\"params\":{\"filter\":\"port > 1\"}}\n";
        for (int i = 0; i < 20; ++i) EXPECT_GT(::send(gone.get(), ask.data(), ask.size(), MSG_NOSIGNAL), 0);
    }
    for (std::thread& one : asking) one.join();
    EXPECT_EQ(node(0).call("flow.list", {{"filter", "remote.port == 7040"}})["flows"].size(), 1u);
}

TEST_F(Control, ListsThatAreAskedForAtOnceAreAnsweredInOrderAndWhatFollowsAfterThem) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    std::vector<Ends> all;
    for (std::uint16_t i = 0; i < 40; ++i) all.push_back(connect(node(0), node(1), std::uint16_t(7000 + i)));
    const UniqueFd fd = raw(0, true);
    std::string asks;
    for (int id = 0; id < 90; ++id)
        asks += Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", id % 3 == 2 ? "node.info" : "flow.list"}}.dump() + "\n";
    asks += Json{{"jsonrpc", "2.0"}, {"id", 90}, {"method", "events.subscribe"}}.dump() + "\n";
    ASSERT_EQ(::send(fd.get(), asks.data(), asks.size(), MSG_NOSIGNAL), ssize_t(asks.size()));
    std::string heard;
    std::array<char, 65'536> part{};
    const auto end = std::chrono::steady_clock::now() + milliseconds{60'000};
    std::size_t flows = 0;
    for (int id = 0; id <= 90;) {
        ASSERT_LT(std::chrono::steady_clock::now(), end) << id;
        const std::size_t line = heard.find('\n');
        if (line == std::string::npos) {
            const ssize_t got = ::recv(fd.get(), part.data(), part.size(), MSG_DONTWAIT);
            ASSERT_NE(got, 0) << "it was let go after " << id;
            if (got > 0) heard.append(part.data(), std::size_t(got));
            else std::this_thread::sleep_for(milliseconds{1});
            continue;
        }
        const Json answer = Json::parse(heard.substr(0, line));
        heard.erase(0, line + 1);
        ASSERT_EQ(answer["id"], id) << answer;
        ASSERT_TRUE(answer.contains("result")) << answer;
        if (id % 3 != 2 && id < 90) flows += answer["result"].at("flows").size();
        ++id;
    }
    EXPECT_EQ(flows, 60u * 40u);
}

TEST_F(Control, LinksComeAndGoWhileTheNodeRuns) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    const auto listening = [&] { return node(0).call("link.list")["links"][0]["listen"]; };
    ASSERT_EQ(listening().size(), 1u);
    const std::string first = listening()[0];
    const auto last = call(node(0), "link.remove", {{"link", 0}, {"listen", first}});
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().cause, "last_link");
    const auto again = call(node(0), "link.add", {{"kind", "udp"}, {"listen", "127.0.0.1:0"}});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().cause, "address_in_use") << again.error().message;
    for (const Json& wrong :
         {Json{{"kind", "tcp"}}, Json{{"kind", "udp"}, {"listen", "nowhere"}}, Json{{"kind", "udp"}, {"mtu", 1'500}},
          Json{{"kind", "tap"}}, Json{{"kind", "tap"}, {"address", {"10.0.0.2"}}},
          Json{{"kind", "tun"}, {"address", {"10.0.0.2/24"}}, {"mac", "02:00:00:00:00:01"}}})
        EXPECT_EQ(call(node(0), "link.add", wrong).error().code, int(RpcCode::bad_parameters)) << wrong;
    EXPECT_EQ(call(node(0), "link.remove", {{"link", 7}}).error().cause, "no_such_link");
    // A flow lives on while its node gets another socket and loses the old one's sibling.
    const Ends ends = connect(node(0), node(1), 7000);
    const auto added = call(node(0), "link.add", {{"kind", "udp"}, {"listen", "[::1]:0"}});
    if (!added) GTEST_SKIP() << "no IPv6 on loopback: " << added.error().message;
    ASSERT_EQ(listening().size(), 2u);
    const std::string second = listening()[1];
    carry(ends, marked_text(64 << 10));
    EXPECT_EQ(node(0).call("link.remove", {{"link", 0}, {"listen", second}})["listen"].size(), 1u);
    carry(ends, marked_text(64 << 10));
    EXPECT_EQ(listening(), Json::array({first}));
}

TEST_F(Control, ALookupTellsItsSteps) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    EXPECT_FALSE(node(0).call("route.lookup", {{"address", "b"}}).contains("trace"));
    const Json trace = node(0).call("route.lookup", {{"address", "b"}, {"trace", true}})["trace"];
    ASSERT_GE(trace.size(), 3u) << trace;
    EXPECT_EQ(trace[0]["step"], "name");
    EXPECT_NE(trace.dump().find("\"verdict\""), std::string::npos) << trace;
    EXPECT_EQ(node(0).call("route.lookup", {{"address", node(0).address()}, {"trace", true}})["trace"][1]["step"], "self");
}

TEST_F(Control, OneModuleTakesAnothersPlaceForAllItsFlows) {
    ASSERT_NO_FATAL_FAILURE(start_two());
    const Ends one = connect(node(0), node(1), 7000), other = connect(node(0), node(1), 7001);
    EXPECT_EQ(node(0).call("plugin.swap", {{"from", "newreno"}, {"to", "cubic"}})["moved"], 2);
    const Json all = node(0).call("flow.list");
    for (const Json& flow : all["flows"]) EXPECT_EQ(flow["congestion"], "cubic");
    EXPECT_EQ(node(0).call("plugin.swap", {{"from", "newreno"}, {"to", "cubic"}})["moved"], 0);
    EXPECT_FALSE(call(node(0), "plugin.swap", {{"from", "newreno"}, {"to", "none such"}}));
}

}  // namespace
}  // namespace weft::node
