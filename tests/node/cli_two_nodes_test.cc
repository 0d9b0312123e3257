// The whole thread: two real daemons with keys of their own on loopback, `weft nc` between them.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "node/cli_commands.h"
#include "stack/core/address_text.h"
#include "tests/node/cli_support.h"

namespace weft::node::test {
namespace {

class TwoNodes : public ::testing::Test {
protected:
    TemporaryDirectory directory;
    Environment environment{{"WEFT_RUNTIME_DIR", directory / "run"}};
    std::string alice, bob;           // addresses
    std::map<std::string, pid_t> pids;

    void SetUp() override {
        alice = make_key("alice");
        bob = make_key("bob");
        // Bob dials, so no port has to be known before the kernel chose it.
        configure("alice", "bob", bob, "");
        const Json info = up("alice");
        ASSERT_TRUE(info.contains("listen")) << info;
        const std::string endpoint = info.at("listen").at(0);
        std::filesystem::create_directory(directory / "files");
        configure("bob", "alice", alice, "endpoints = [\"" + endpoint + "\"]\n");
        up("bob", {"--http", directory / "files", "--http-port", "8080", "--echo"});
        ASSERT_TRUE(linked()) << run("alice", {"peers"}).out;
    }

    void TearDown() override {
        for (const auto& [name, pid] : pids)
            if (run(name, {"down"}).exit_code != 0) ::kill(pid, SIGKILL);
        if (HasFailure())
            for (const char* name : {"alice", "bob"})
                std::fprintf(stderr, "%s", read_file(directory / ("run/" + std::string{name} + ".log")).c_str());
    }

    std::string make_key(const std::string& name) {
        std::string address = run_weft({"-q", "key", "gen", "-o", directory / (name + ".key")}).out;
        if (!address.empty()) address.pop_back();
        return address;
    }
    void configure(const std::string& name, const std::string& peer, const std::string& address,
                   const std::string& endpoints) {
        write_file(directory / (name + ".toml"), "[node]\nname = \"" + name + "\"\nkey = \"" + name +
                                                     ".key\"\n[network]\nname = \"test\"\nwork = 0\n" +
                                                     "[listen]\nudp = [\"127.0.0.1:0\"]\n[[peer]]\nname = \"" + peer +
                                                     "\"\naddress = \"" + address + "\"\n" + endpoints);
    }
    Json up(const std::string& name, const std::vector<std::string>& more = {}) {
        std::vector<std::string> words{"up", "-d", "-f", directory / (name + ".toml"), "--json"};
        words.insert(words.end(), more.begin(), more.end());
        const Outcome outcome = run_weft(std::move(words), environment);
        EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
        Json info = Json::parse(outcome.out, nullptr, false);
        if (info.contains("pid")) pids[name] = info.at("pid").get<pid_t>();
        return info;
    }
    Outcome run(const std::string& node, std::vector<std::string> words, std::string_view input = {}) {
        words.insert(words.begin(), {"--node", node});
        return run_weft(std::move(words), environment, input);
    }
    std::vector<std::string> words(const std::string& node, std::vector<std::string> more) {
        more.insert(more.begin(), {weft_binary(), "--node", node, "nc"});
        return more;
    }
    bool linked() {
        for (int i = 0; i < 500; ++i, ::usleep(20'000)) {
            const Json peers = Json::parse(run("alice", {"peers", "--json"}).out, nullptr, false);
            if (text_in(array_in(peers, "peers").empty() ? Json{} : array_in(peers, "peers").at(0), "state") == "up")
                return true;
        }
        return false;
    }
    void kill_node(const std::string& name) {
        ::kill(pids.at(name), SIGKILL);
        pids.erase(name);
    }
};

TEST_F(TwoNodes, NcFetchesAFileFromANodeThatServesADirectory) {
    const std::string bytes = noise(12 << 20, 5);
    write_file(directory / "files/a file", bytes);
    write_file(directory / "request", "GET /a%20file HTTP/1.1\r\nHost: bob\r\nConnection: close\r\n\r\n");
    const Outcome fetched = run("alice", {"nc", bob, "8080", "-i", directory / "request", "-o", directory / "answer"});
    ASSERT_EQ(fetched.exit_code, 0) << fetched.err;
    const std::string answer = read_file(directory / "answer");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer.substr(0, 200);
    const std::size_t head = answer.find("\r\n\r\n");
    ASSERT_NE(head, std::string::npos);
    EXPECT_TRUE(answer.substr(head + 4) == bytes);

    const Outcome echoed = run("alice", {"nc", bob, "7"}, "to and fro");
    EXPECT_EQ(echoed.exit_code, 0) << echoed.err;
    EXPECT_EQ(echoed.out, "to and fro");
}

TEST_F(TwoNodes, FilesOfAllSizesArriveWhole) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1'000'001}, std::size_t{12} << 20}) {
        write_file(directory / "a file", noise(size, size));
        Program receiver{words("bob", {"-l", "7000", "-o", directory / "got it", "--sha256", "--json"}), environment};
        ASSERT_TRUE(receiver.wait_for_err("listening on 7000\n"));
        const Outcome sent = run("alice", {"nc", bob, "7000", "-i", directory / "a file", "--json"});
        const Outcome received = receiver.finish();
        EXPECT_EQ(sent.exit_code, 0) << sent.err;
        EXPECT_EQ(received.exit_code, 0) << received.err;
        EXPECT_TRUE(read_file(directory / "got it") == read_file(directory / "a file")) << size;
        const Json summary = Json::parse(received.out), other = Json::parse(sent.out);
        EXPECT_EQ(summary.at("bytes_in"), size);
        EXPECT_EQ(other.at("bytes_out"), size);
        EXPECT_EQ(summary.at("sha256"), *sha256_of_file(directory / "a file"));
        EXPECT_EQ(summary.at("remote").at("address"), alice);
    }
}

TEST_F(TwoNodes, BothWaysAtOnceAndEitherSideMayDial) {
    const std::string one = noise(3'000'000, 1), two = noise(2'000'000, 2);
    write_file(directory / "one", one);
    write_file(directory / "two", two);
    Program listener{words("alice", {"-l", "80", "-i", directory / "one", "-o", directory / "from bob"}), environment};
    ASSERT_TRUE(listener.wait_for_err("listening"));
    const Outcome dialled = run("bob", {"nc", "alice", "80", "-i", directory / "two"});
    EXPECT_EQ(listener.finish().exit_code, 0);
    EXPECT_EQ(dialled.exit_code, 0) << dialled.err;
    EXPECT_TRUE(dialled.out == one);
    EXPECT_TRUE(read_file(directory / "from bob") == two);
}

TEST_F(TwoNodes, AnOpenFlowIsShownWithItsDetails) {
    Program listener{words("bob", {"-l", "7000"}), environment};
    ASSERT_TRUE(listener.wait_for_err("listening"));
    Program dialler{words("alice", {"bob", "7000"}), environment};
    ASSERT_TRUE(listener.wait_for_err("connection from"));
    const Json flows = Json::parse(run("alice", {"flows", "--json"}).out).at("flows");
    ASSERT_EQ(flows.size(), 1u);
    EXPECT_EQ(flows[0].at("state"), "ESTABLISHED");
    EXPECT_EQ(flows[0].at("remote"), Json({{"address", bob}, {"port", 7000}}));
    const std::string text = run("alice", {"flows", "-i"}).out;
    EXPECT_NE(text.find("bob:7000"), std::string::npos) << text;
    EXPECT_NE(text.find(" cwnd:"), std::string::npos) << text;
    EXPECT_NE(run("alice", {}).out.find("1 up of 1"), std::string::npos);
    dialler.close_input();
    listener.close_input();
    EXPECT_EQ(dialler.finish().exit_code, 0);
    EXPECT_EQ(listener.finish().exit_code, 0);
}

TEST_F(TwoNodes, WhatCannotBeReachedIsAnErrorWithItsReason) {
    const Outcome refused = run("alice", {"nc", "bob", "7001", "--json"});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_EQ(Json::parse(refused.out).at("error").at("kind"), "prohibited");

    const Outcome stranger = run("alice", {"nc", make_key("carol"), "7000", "--json"});
    EXPECT_EQ(stranger.exit_code, 1);
    EXPECT_EQ(Json::parse(stranger.out).at("error").at("kind"), "unreachable");

    EXPECT_EQ(run("alice", {"nc", alice, "7000"}).exit_code, 1) << "the node itself";
    EXPECT_EQ(run("alice", {"nc", "nobody", "7000"}).exit_code, 1);

    EXPECT_EQ(run("bob", {"down"}).exit_code, 0);
    pids.erase("bob");
    const Outcome gone = run("alice", {"nc", "bob", "7000", "-w", "1"});
    EXPECT_TRUE(gone.exit_code == 1 || gone.exit_code == 4) << gone.exit_code << gone.err;
    EXPECT_EQ(run("bob", {"status"}).exit_code, 3);
}

TEST_F(TwoNodes, APortIsTakenUntilItsListenerIsGone) {
    Program listener{words("bob", {"-l", "7000"}), environment};
    ASSERT_TRUE(listener.wait_for_err("listening"));
    EXPECT_NE(run("bob", {"nc", "-l", "7000"}).err.find("port 7000 is taken"), std::string::npos);
    listener.kill(SIGKILL);
    listener.finish();
    EXPECT_EQ(run("bob", {"nc", "-l", "7000", "-w", "0.1"}).exit_code, 4) << "free again, and nobody comes";
}

TEST_F(TwoNodes, AReceiverThatIsKilledResetsTheFlow) {
    Program receiver{words("bob", {"-l", "7000"}), environment};
    ASSERT_TRUE(receiver.wait_for_err("listening"));
    Program sender{words("alice", {"bob", "7000", "-i", "/dev/zero", "--json"}), environment};
    ASSERT_TRUE(receiver.wait_for_err("connection from"));
    receiver.kill(SIGKILL);
    const Outcome outcome = sender.finish();
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(Json::parse(outcome.out).at("error"), "reset") << outcome.out;
    EXPECT_EQ(run("alice", {"status"}).exit_code, 0);
    EXPECT_EQ(run("bob", {"status"}).exit_code, 0);
}

TEST_F(TwoNodes, ASenderThatIsInterruptedDoesNotPassForTheEnd) {
    Program receiver{words("bob", {"-l", "7000", "-o", "/dev/null"}), environment};
    ASSERT_TRUE(receiver.wait_for_err("listening"));
    Program sender{words("alice", {"bob", "7000", "-i", "/dev/zero", "--json"}), environment};
    ASSERT_TRUE(receiver.wait_for_err("connection from"));
    // Once bytes move, the sender has the flow and minds signals.
    for (int i = 0; i < 500; ++i, ::usleep(10'000)) {
        const Json flows = Json::parse(run("alice", {"flows", "--json"}).out, nullptr, false);
        if (const Json& known = array_in(flows, "flows"); !known.empty() && count_in(known[0], "bytes_out") > 0) break;
    }
    sender.kill(SIGTERM);
    const Outcome outcome = sender.finish();
    EXPECT_EQ(outcome.exit_code, 128 + SIGTERM);
    EXPECT_EQ(Json::parse(outcome.out).at("error"), "interrupted") << outcome.out;
    EXPECT_EQ(receiver.finish().exit_code, 1) << "reset, not ended";
}

TEST_F(TwoNodes, ANodeThatIsKilledTimesTheSenderOutAndComesBack) {
    Program receiver{words("bob", {"-l", "7000", "-o", "/dev/null"}), environment};
    ASSERT_TRUE(receiver.wait_for_err("listening"));
    Program sender{words("alice", {"bob", "7000", "-i", "/dev/zero", "-w", "1", "--json"}), environment};
    ASSERT_TRUE(receiver.wait_for_err("connection from"));
    kill_node("bob");
    EXPECT_EQ(receiver.finish().exit_code, 1) << "its node is gone";
    const Outcome outcome = sender.finish();
    EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
    EXPECT_EQ(Json::parse(outcome.out).at("error"), "timed_out") << outcome.out;
    EXPECT_EQ(run("alice", {"status"}).exit_code, 0);

    up("bob");
    EXPECT_TRUE(linked());
    Program again{words("bob", {"-l", "7000"}), environment};
    ASSERT_TRUE(again.wait_for_err("listening"));
    again.close_input();  // else its way out stays open
    EXPECT_EQ(run("alice", {"nc", "bob", "7000"}, "back").exit_code, 0);
    EXPECT_EQ(again.finish().out, "back");
}

}  // namespace
}  // namespace weft::node::test
