// The other commands as programs: exit codes, --json, colour, keys, starting and ending a node.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/node/cli_support.h"

namespace weft::node::test {
namespace {

void serve_status(FakeConnection& node) {
    for (Json request; !(request = node.request()).is_null();) {
        const std::string method = request.at("method");
        if (method == "node.info") node.answer(request, {{"name", "alice"}, {"pid", 1}, {"address", "weft1x"}});
        else if (method == "peer.list") node.answer(request, {{"peers", Json::array()}});
        else if (method == "flow.list") node.answer(request, {{"flows", Json::array()}});
        else node.refuse(request, "no such method", "");
    }
}

TEST(CliCommand, StatusPeersAndFlowsPrintATextOrTheNodesJson) {
    TemporaryDirectory directory;
    const std::string socket = directory / "a.sock";
    const FakeNode node{socket, serve_status};
    EXPECT_TRUE(run_weft({"--node", socket}).out.starts_with("node alice")) << "bare weft is the status";
    EXPECT_EQ(Json::parse(run_weft({"status", "--json", "--node", socket}).out).at("pid"), 1);
    EXPECT_EQ(Json::parse(run_weft({"peers", "--json", "--node", socket}).out), Json({{"peers", Json::array()}}));
    EXPECT_EQ(Json::parse(run_weft({"flows", "--json", "--node", socket}).out), Json({{"flows", Json::array()}}));
    EXPECT_TRUE(run_weft({"flows", "-i", "--node", socket}).out.starts_with("STATE"));
}

TEST(CliCommand, TheNodeIsFoundByNameAndByEnvironment) {
    TemporaryDirectory directory;
    const FakeNode node{directory / "bob.sock", serve_status};
    const std::string there = directory.path();
    EXPECT_EQ(run_weft({"status", "--node", "bob"}, {{"WEFT_RUNTIME_DIR", there}}).exit_code, 0);
    EXPECT_EQ(run_weft({"status"}, {{"WEFT_RUNTIME_DIR", there}, {"WEFT_NODE", "bob"}}).exit_code, 0);
    EXPECT_EQ(run_weft({"status"}, {{"WEFT_RUNTIME_DIR", there}}).exit_code, 3);
    EXPECT_EQ(run_weft({"status", "--node", "no such name"}, {{"WEFT_RUNTIME_DIR", there}}).exit_code, 2);
}

TEST(CliCommand, ANodeThatDoesNotRunIsExitCodeThreeAndItsMend) {
    TemporaryDirectory directory;
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{}, {"status"}, {"peers"}, {"flows"}, {"down"}, {"nc", "-l", "7000"}}) {
        const Outcome outcome = run_weft(words, {{"WEFT_RUNTIME_DIR", directory.path()}});
        EXPECT_EQ(outcome.exit_code, 3);
        EXPECT_NE(outcome.err.find("weft up"), std::string::npos) << outcome.err;
        EXPECT_EQ(outcome.out, "");
    }
    const Outcome outcome = run_weft({"status", "--json"}, {{"WEFT_RUNTIME_DIR", directory.path()}});
    EXPECT_EQ(Json::parse(outcome.out).at("error").at("kind"), "not_running");
}

TEST(CliCommand, WrongUsageIsExitCodeTwo) {
    EXPECT_EQ(run_weft({"stauts"}).exit_code, 2);
    EXPECT_EQ(run_weft({"nc"}).exit_code, 2);
    EXPECT_EQ(run_weft({"--help"}).exit_code, 0);
    EXPECT_EQ(run_weft({"--version"}).out, "weft " WEFT_VERSION "\n");
}

TEST(CliCommand, AKeyIsMadeOnceForItsOwnerAloneAndShownWithoutItsSecret) {
    TemporaryDirectory directory;
    const std::string file = directory / "new/deep dir/node.key";
    const Outcome made = run_weft({"key", "gen", "-o", file});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    EXPECT_EQ(made.out.size(), 124u);
    EXPECT_TRUE(made.out.starts_with("weft1"));
    struct stat status{};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
    ASSERT_EQ(::stat((directory / "new").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700u);

    const std::string bytes = read_file(file);
    const Outcome again = run_weft({"key", "gen", "-o", file});
    EXPECT_EQ(again.exit_code, 1);
    EXPECT_NE(again.err.find("never overwritten"), std::string::npos) << again.err;
    EXPECT_EQ(read_file(file), bytes);

    const Json shown = Json::parse(run_weft({"key", "show", file, "--json"}).out);
    EXPECT_EQ(shown.at("address").get<std::string>() + "\n", made.out);
    EXPECT_EQ(shown.at("host_name").get<std::string>().size(), 124u);
    EXPECT_EQ(shown.at("short").get<std::string>().size(), 24u);
    EXPECT_EQ(shown.at("public_key").get<std::string>().size(), 64u);
    const std::string secret = bytes.substr(bytes.rfind(' ') + 1, 64);
    const Outcome text = run_weft({"key", "show", file});
    EXPECT_EQ((made.out + made.err + text.out + text.err + shown.dump()).find(secret), std::string::npos);
}

// `weft` looks for weftd beside itself, so a script of that name can stand in for a daemon that fails.
class CliUp : public ::testing::Test {
protected:
    TemporaryDirectory directory;
    const Environment environment{{"WEFT_RUNTIME_DIR", directory / "run"}};
    const std::string weft = directory / "weft", config = directory / "a node.toml";

    void SetUp() override {
        std::filesystem::copy_file(weft_binary(), weft);
        write_file(config, "[node]\nname = \"alice\"\nkey = \"k\"\n");
    }
    void daemon(std::string_view script) {
        write_file(directory / "weftd", "#!/bin/sh\n" + std::string{script});
        ::chmod((directory / "weftd").c_str(), 0700);
    }
    Outcome run(std::vector<std::string> words) {
        words.insert(words.begin(), weft);
        return Program{words, environment}.finish();
    }
};

TEST_F(CliUp, TheDaemonIsGivenTheConfigurationAndTheName) {
    daemon("echo \"$@\"; exit 7\n");
    const Outcome outcome = run({"up", "-f", config});
    EXPECT_EQ(outcome.out, "-f " + config + " --name alice\n");
    EXPECT_EQ(outcome.exit_code, 7) << "in the foreground the daemon takes the command's place";
}

TEST_F(CliUp, ADaemonThatFailsInTheBackgroundIsShownByTheEndOfItsLog) {
    daemon("echo old; exit 1\n");
    EXPECT_EQ(run({"up", "-d", "-f", config}).exit_code, 1);
    daemon("for i in $(seq 50); do echo line $i; done; echo 'cannot bind: in use' >&2; exit 5\n");
    const Outcome outcome = run({"up", "-d", "-f", config, "--json"});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.err.find("ended with exit code 5"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("  | line 50\n  | cannot bind: in use\n"), std::string::npos) << outcome.err;
    EXPECT_EQ(outcome.err.find("line 20\n"), std::string::npos) << "the last lines alone";
    EXPECT_EQ(outcome.err.find("old"), std::string::npos) << "not what an earlier start wrote";
    EXPECT_EQ(Json::parse(outcome.out).at("error").at("kind"), "start_failed");
}

TEST_F(CliUp, ADaemonThatNeverAnswersIsEndedAndTimesOut) {
    daemon("echo $$ > '" + (directory / "pid") + "'; exec sleep 100\n");
    const Outcome outcome = run({"up", "-d", "-f", config, "--wait", "1"});
    EXPECT_EQ(outcome.exit_code, 4) << outcome.err;
    const auto pid = std::stoi(read_file(directory / "pid"));
    for (int i = 0; i < 2'000 && ::kill(pid, 0) == 0 &&
                    read_file("/proc/" + std::to_string(pid) + "/stat").find(") Z") == std::string::npos;
         ++i)
        ::usleep(1'000);
    EXPECT_TRUE(::kill(pid, 0) != 0 || read_file("/proc/" + std::to_string(pid) + "/stat").find(") Z") != std::string::npos);
}

TEST_F(CliUp, AMissingDaemonOrConfigurationIsNamed) {
    const Outcome none =
        Program{{weft, "up", "-d", "-f", config}, {{"WEFT_RUNTIME_DIR", directory / "run"}, {"PATH", "/nonexistent"}}}
            .finish();
    EXPECT_EQ(none.exit_code, 1);
    EXPECT_NE(none.err.find("cannot run weftd"), std::string::npos) << none.err;
    write_file(config, "[node]\nnmae = \"alice\"\n");
    const Outcome wrong = run({"up", "-f", config});
    EXPECT_EQ(wrong.exit_code, 1);
    EXPECT_NE(wrong.err.find(config + ":2:"), std::string::npos) << wrong.err;
    EXPECT_NE(wrong.err.find("did you mean \"name\""), std::string::npos) << wrong.err;
}

TEST_F(CliUp, ANodeThatRunsIsNotStartedTwice) {
    std::filesystem::create_directory(directory / "run");
    const FakeNode node{directory / "run/alice.sock", serve_status};
    const Outcome outcome = run({"up", "-d", "-f", config});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_NE(outcome.err.find("running already"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace weft::node::test
