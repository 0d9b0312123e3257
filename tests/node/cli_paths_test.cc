// `weft path` and `weft labels`: what they show of a node's answers, and three real nodes in a line.
#include <signal.h>
#include <unistd.h>

#include "node/cli_commands.h"
#include "stack/core/address_text.h"
#include "tests/node/cli_support.h"

namespace weft::node::test {
namespace {

TEST(CliPath, AWayOverSeveralNodesIsShownHopByHop) {
    const Json path{{"state", "up"},
                    {"name", "dan"},
                    {"kind", "session"},
                    {"hops", 3},
                    {"srtt_us", 1'250},
                    {"mtu", 1'200},
                    {"cost", 36},
                    {"next_hop", {{"name", "bob"}, {"link", 2}, {"srtt_us", 310}}},
                    {"path",
                     {{"id", "00ff"},
                      {"label_out", "00001201"},
                      {"label_in", "00000301"},
                      {"age_s", 1.5},
                      {"nodes", {{{"tag", "aa"}, {"name", "bob"}}, {{"tag", "beef"}}}}}}};
    EXPECT_EQ(format_path(path, false),
              "path to dan  up, a session along labels, 3 hops\n"
              "  next hop bob, link 2; MTU 1200; cost 36\n"
              "  labels 00001201 out, 00000301 in; path 00ff, 1.50 s old\n"
              "HOP  NODE  RTT\n"
              "1    bob   310 us\n"
              "2    beef  -\n"
              "3    dan   1.25 ms\n");
    EXPECT_EQ(format_path({{"state", "self"}, {"name", "me"}}, false), "path to me  self\n");
    EXPECT_FALSE(format_path(Json::array(), true).empty());
}

TEST(CliLabels, ShowsWhatIsSwitchedAndWhatWasDropped) {
    const Json labels{{"labels",
                       {{{"label", "00000101"},
                         {"in", "alice"},
                         {"in_link", 1},
                         {"out", "carol"},
                         {"out_link", 2},
                         {"out_label", "00000701"},
                         {"generation", 1},
                         {"acked", true},
                         {"mtu", 1'200},
                         {"packets", 7},
                         {"bytes", 2'048},
                         {"expires_s", 300.0},
                         {"path", "00ff"}}}},
                      {"statistics",
                       {{"forwarded", 7},
                        {"forwarded_bytes", 2'048},
                        {"delivered", 0},
                        {"dropped", {{"wrong_link", 3}, {"unknown", 0}}}}}};
    const std::string text = format_labels(labels, false);
    EXPECT_NE(text.find("00000101  alice  carol  00000701  1    open   1200  7        2.00 KiB"), std::string::npos) << text;
    EXPECT_NE(text.find("dropped: 3 wrong_link\n"), std::string::npos) << text;
    EXPECT_NE(format_labels(Json::object(), false).find("no labels"), std::string::npos);
}

class ThreeNodes : public ::testing::Test {
protected:
    TemporaryDirectory directory;
    Environment environment{{"WEFT_RUNTIME_DIR", directory / "run"}};
    std::map<std::string, std::string> address;
    std::map<std::string, pid_t> pids;

    void SetUp() override {
        for (const char* name : {"alice", "bob", "carol"}) {
            std::string made = run_weft({"-q", "key", "gen", "-o", directory / (std::string{name} + ".key")}).out;
            if (!made.empty()) made.pop_back();
            address[name] = made;
        }
        // Bob is dialled: only his port must be known before the others start.
        configure("bob", peer("alice", "") + peer("carol", ""));
        const std::string endpoint = up("bob").at("listen").at(0);
        const auto outer = [&](const std::string& name, const std::string& other) {
            configure(name, peer("bob", endpoint) + "[names]\n" + other + " = \"" + address[other] +
                                "\"\n[[route]]\nto = \"*\"\nvia = \"bob\"\n");
        };
        outer("alice", "carol"), outer("carol", "alice");
        up("alice", {"--expose", "8000"}), up("carol");
    }
    void TearDown() override {
        for (const auto& [name, pid] : pids)
            if (run(name, {"down"}).exit_code != 0) ::kill(pid, SIGKILL);
    }
    std::string peer(const std::string& name, const std::string& endpoint) {
        return "[[peer]]\nname = \"" + name + "\"\naddress = \"" + address[name] + "\"\n" +
               (endpoint.empty() ? "" : "endpoints = [\"" + endpoint + "\"]\n");
    }
    void configure(const std::string& name, const std::string& more) {
        write_file(directory / (name + ".toml"), "[node]\nname = \"" + name + "\"\nkey = \"" + name +
                                                     ".key\"\n[network]\nname = \"test\"\nwork = 0\n" +
                                                     "[listen]\nudp = [\"127.0.0.1:0\"]\n" + more);
    }
    Json up(const std::string& name, std::vector<std::string> more = {}) {
        std::vector<std::string> words{"up", "-d", "-f", directory / (name + ".toml"), "--json"};
        words.insert(words.end(), more.begin(), more.end());
        const Outcome outcome = run_weft(std::move(words), environment);
        EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
        Json info = Json::parse(outcome.out, nullptr, false);
        if (info.contains("pid")) pids[name] = info.at("pid").get<pid_t>();
        return info;
    }
    Outcome run(const std::string& node, std::vector<std::string> words) {
        words.insert(words.begin(), {"--node", node});
        return run_weft(std::move(words), environment);
    }
};

TEST_F(ThreeNodes, PathSetsAPathUpAndShowsItAndLabelsShowsWhatTheForwarderSwitches) {
    Outcome path;
    for (int i = 0; i < 100 && (path = run("alice", {"path", "carol"})).exit_code != 0; ++i) ::usleep(50'000);
    ASSERT_EQ(path.exit_code, 0) << path.err;
    EXPECT_NE(path.out.find("path to carol  up, a session along labels, 2 hops"), std::string::npos) << path.out;
    EXPECT_NE(path.out.find("1    bob"), std::string::npos) << path.out;
    EXPECT_NE(path.out.find("2    carol"), std::string::npos) << path.out;
    const Json json = Json::parse(run("alice", {"path", "carol", "--json"}).out);
    EXPECT_EQ(json.at("state"), "up");
    EXPECT_EQ(json.at("next_hop").at("name"), "bob");
    const Outcome labels = run("bob", {"labels"});
    EXPECT_EQ(labels.exit_code, 0) << labels.err;
    EXPECT_NE(labels.out.find("alice"), std::string::npos) << labels.out;
    EXPECT_GE(Json::parse(run("bob", {"labels", "--json"}).out).at("labels").size(), 2u);
    EXPECT_NE(run("alice", {"peers"}).out.find("via bob, 2 hops"), std::string::npos) << run("alice", {"peers"}).out;
    EXPECT_EQ(run("alice", {"path", "alice"}).exit_code, 1) << "no such name";
    EXPECT_EQ(run("alice", {"path", address["alice"]}).exit_code, 0) << "the node itself";
    const Outcome nowhere =
        run("bob", {"path", OverlayFamily::format(Address{Family::overlay, std::array<std::byte, 64>{}})});
    EXPECT_EQ(nowhere.exit_code, 1);
    EXPECT_NE(nowhere.err.find("no route leads to"), std::string::npos) << nowhere.err;
}

TEST_F(ThreeNodes, ExposeOpensAPortWithoutAListener) {
    Outcome closed;
    for (int i = 0; i < 100; ++i, ::usleep(50'000)) {
        closed = run("carol", {"nc", "alice", "8001", "--json"});
        if (closed.out.find("prohibited") != std::string::npos) break;
    }
    EXPECT_EQ(Json::parse(closed.out).at("error").at("kind"), "prohibited") << closed.out << closed.err;
    EXPECT_EQ(Json::parse(run("carol", {"nc", "alice", "8000", "--json"}).out).at("error").at("kind"), "refused");
}

}  // namespace
}  // namespace weft::node::test
