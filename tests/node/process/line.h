// Real nodes in a line, a to b to c: only neighbours know each other, and static routes lead to the others.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/node/process/nodes.h"

namespace weft::node {

class Line : public testing::Test {
protected:
    // Writes the configurations; `more(i)` is appended to that of node i.
    void make(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            nodes.push_back(std::make_unique<NodeProcess>(directory, std::string(1, char('a' + i))));
        for (std::size_t i = 0; i < count; ++i) configure(i);
    }
    void configure(std::size_t i, std::string_view more = {}) { node(i).configure(peers_and_routes(i) + std::string(more)); }

    std::string peers_and_routes(std::size_t i) const {
        std::string text;
        if (i > 0) text += nodes[i - 1]->peer_table(nodes[i - 1]->port());
        if (i + 1 < nodes.size()) text += nodes[i + 1]->peer_table(nodes[i + 1]->port());
        text += "[names]\n";
        for (std::size_t j = 0; j < nodes.size(); ++j)
            if (j + 1 < i || j > i + 1) text += nodes[j]->name() + " = \"" + nodes[j]->address() + "\"\n";
        for (std::size_t j = 0; j < nodes.size(); ++j)
            if (j + 1 < i || j > i + 1) text += route(nodes[j]->name(), nodes[j < i ? i - 1 : i + 1]->name());
        return text + "[tcp]\nuser_timeout = \"20s\"\n";
    }
    static std::string route(std::string_view to, std::string_view via) {
        return "[[route]]\nto = \"" + std::string(to) + "\"\nvia = \"" + std::string(via) + "\"\n";
    }

    void start() {
        for (auto& one : nodes) ASSERT_NO_FATAL_FAILURE(one->start());
        ASSERT_NO_FATAL_FAILURE(wait_for_links());
    }
    void wait_for_links() {
        for (std::size_t i = 0; i < nodes.size(); ++i)
            ASSERT_TRUE(wait_until([&] {
                std::size_t up = 0;
                const Json peers = node(i).call("peer.list");
                for (const Json& peer : peers["peers"])
                    up += peer["kind"] == "link" && (peer["state"] == "up" || peer["state"] == "rekey");
                return up == (i > 0 ? 1u : 0u) + (i + 1 < nodes.size() ? 1u : 0u);
            })) << node(i).name()
                << " lacks a neighbour";
    }
    template <class Condition>
    static bool wait_until(Condition&& condition, milliseconds patience = milliseconds{10'000}) {
        for (const auto begin = Clock::now(); since(begin) < patience; std::this_thread::sleep_for(milliseconds{5}))
            if (condition()) return true;
        return false;
    }

    NodeProcess& node(std::size_t i) { return *nodes[i]; }

    // A transfer of the pattern; both threads end when their descriptors do.
    void begin_transfer(Ends& ends, std::uint64_t size, std::uint64_t rate = 0) {
        writer = std::thread([this, fd = ends.sender.get(), size, rate] { send_pattern(fd, size, rate, sent); });
        reader = std::thread([this, fd = ends.receiver.get()] { result = receive_pattern(fd, received); });
    }
    void join() {
        if (writer.joinable()) writer.join();
        if (reader.joinable()) reader.join();
    }
    void transfer(const NodeProcess& from, const NodeProcess& to, std::uint16_t port, std::uint64_t size) {
        Ends ends = connect(from, to, port, milliseconds{15'000});
        ASSERT_TRUE(ends.sender && ends.receiver);
        begin_transfer(ends, size);
        join();
        EXPECT_EQ(result.bytes, size);
        EXPECT_TRUE(result.equal && result.ended);
    }
    void TearDown() override {
        for (auto& one : nodes)
            if (one->pid() > 0) one->kill();
        join();
    }

    // flow.connect that must fail: its error and how long that took.
    struct Refused {
        std::string cause, message;
        milliseconds after{};
    };
    static Refused refused(const NodeProcess& from, const std::string& address, std::uint16_t port) {
        Client control = from.client();
        const auto begin = Clock::now();
        const auto answer = control.call("flow.connect", {{"address", address}, {"port", port}}, milliseconds{20'000});
        if (answer) return {"it opened", "", since(begin)};
        return {answer.error().cause, answer.error().message, since(begin)};
    }
    static std::uint64_t counter(const NodeProcess& of, std::string_view name) {
        return of.call("node.info")["labels"][std::string(name)].get<std::uint64_t>();
    }
    static std::uint64_t dropped(const NodeProcess& by, std::string_view why) {
        return by.call("label.list")["statistics"]["dropped"][std::string(why)].get<std::uint64_t>();
    }

    const TemporaryDirectory directory;
    std::vector<std::unique_ptr<NodeProcess>> nodes;
    std::thread writer, reader;
    std::atomic<std::uint64_t> sent{0}, received{0};
    Received result;
};

}  // namespace weft::node
