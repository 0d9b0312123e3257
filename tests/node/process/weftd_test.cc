// weftd's command line, and what it says when it cannot start.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>

#include "node/control.h"
#include "node/methods.h"
#include "tests/node/process/nodes.h"

namespace weft::node {
namespace {

struct Ran {
    int status{-1};
    std::string text;  // of stdout and stderr
};

Ran run(const std::string& arguments) {
    Ran ran;
    FILE* pipe = ::popen((WEFT_BINARY_DIR "/node/weftd " + arguments + " 2>&1").c_str(), "r");
    if (!pipe) return ran;
    for (int c; (c = std::fgetc(pipe)) != EOF;) ran.text += char(c);
    const int status = ::pclose(pipe);
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return ran;
}

class Weftd : public testing::Test {
protected:
    void SetUp() override {
        ::setenv("WEFT_RUNTIME_DIR", (directory / "run").c_str(), 1);
        a.configure(b, b.port());
    }
    std::string config() const { return directory / "a.toml"; }

    const TemporaryDirectory directory;
    NodeProcess a{directory, "a"}, b{directory, "b"};
};

TEST_F(Weftd, CheckTellsWhetherAConfigurationHolds) {
    const Ran right = run("--check -f " + config() + " --name other");
    EXPECT_EQ(right.status, 0);
    EXPECT_EQ(right.text, config() + ": ok\n");
    directory.write("a.toml", read_file(config()) + "[fault]\nlos = \"1%\"\n[tcp]\nnodelay = 3\n");
    const Ran wrong = run("-f " + config() + " --check");
    EXPECT_EQ(wrong.status, 1);
    EXPECT_NE(wrong.text.find(config() + ":"), std::string::npos) << wrong.text;
    EXPECT_NE(wrong.text.find("unknown key \"los\" in [fault]; did you mean \"loss\"?"), std::string::npos) << wrong.text;
    EXPECT_EQ(std::ranges::count(wrong.text, '\n'), 2) << wrong.text;
}

TEST_F(Weftd, WrongOptionsAreUsageErrors) {
    for (const char* arguments : {"--bogus", "-f", "--name ../x", "--name"})
        EXPECT_EQ(run(arguments).status, 2) << arguments;
    EXPECT_EQ(run("--version").text, "weftd " WEFT_VERSION "\n");
    EXPECT_EQ(run("--help").status, 0);
}

TEST_F(Weftd, AKeyThatOthersCanReadIsRefused) {
    ::chmod((directory / "a.key").c_str(), 0644);
    const Ran ran = run("-f " + config());
    EXPECT_EQ(ran.status, 1);
    EXPECT_NE(ran.text.find("run `chmod 600 "), std::string::npos) << ran.text;
}

TEST_F(Weftd, ASecondNodeOfTheNameAndATakenPortAreToldWithTheirMend) {
    ASSERT_NO_FATAL_FAILURE(a.start());
    const Ran port = run("-f " + config() + " --name second");
    EXPECT_EQ(port.status, 1);
    EXPECT_NE(port.text.find("another program has this port"), std::string::npos) << port.text;
    const std::string other = directory.write(
        "other.toml", "[node]\nname = \"a\"\nkey = \"b.key\"\n[network]\nwork = 0\n[listen]\nudp = \"127.0.0.1:0\"\n");
    const Ran name = run("-f " + other);
    EXPECT_EQ(name.status, 1);
    EXPECT_NE(name.text.find("a node of this name is running already"), std::string::npos) << name.text;
    EXPECT_EQ(a.call("node.info")["name"], "a") << "the first one serves on";
}

TEST_F(Weftd, NoCoreIsWrittenOfAProcessThatHoldsKeys) {
    ASSERT_NO_FATAL_FAILURE(a.start());
    rlimit limit{};
    ASSERT_EQ(::prlimit(a.pid(), RLIMIT_CORE, nullptr, &limit), 0);
    EXPECT_EQ(limit.rlim_max, 0u);
}

TEST_F(Weftd, DiscoveryAndEveryReadingMethodAnswer) {
    ASSERT_NO_FATAL_FAILURE(a.start());
    const Json all = a.call("rpc.discover");
    EXPECT_EQ(all["methods"].size(), control_methods().size());
    for (const RpcMethod& method : control_methods()) {
        if (method.changes) continue;
        Json params = Json::object();
        for (const RpcParameter& parameter : method.parameters) {
            if (!parameter.required) continue;
            ASSERT_STREQ(parameter.name.data(), "address") << method.name << " needs what this test does not know";
            params["address"] = b.address();
        }
        EXPECT_TRUE(a.call(method.name, params).is_object()) << method.name;
    }
    const Json link = a.call("link.list")["links"][0];
    EXPECT_EQ(link["kind"], "udp");
    EXPECT_EQ(link["listen"][0], "127.0.0.1:" + std::to_string(a.port()));
    const Json info = a.call("node.info");
    EXPECT_EQ(info["address"], a.address());
    EXPECT_EQ(info["pid"], a.pid());
}

TEST_F(Weftd, PeersComeAndGoByTheControlSocket) {
    a.configure(b, b.port());
    ASSERT_NO_FATAL_FAILURE(a.start());
    const NodeProcess c{directory, "c"};
    a.call("peer.add",
           {{"address", c.address()}, {"name", "carol"}, {"endpoints", {"127.0.0.1:" + std::to_string(c.port())}}});
    EXPECT_EQ(a.call("peer.list")["total"], 2);
    EXPECT_EQ(a.call("peer.list", {{"limit", 1}})["peers"].size(), 1u);
    Client control = a.client();
    const auto fails = [&](std::string_view method, const Json& params) {
        const auto answer = control.call(method, params, milliseconds{3'000});
        return answer ? std::string("it was done") : answer.error().message;
    };
    EXPECT_EQ(fails("peer.add", {{"address", a.address()}}), "this is the node's own address");
    EXPECT_EQ(fails("peer.add", {{"address", b.address()}, {"name", "carol"}}), "\"carol\" is the name of another peer");
    EXPECT_EQ(fails("peer.add", {{"address", b.address()}, {"endpoints", {"localhost:1"}}}),
              "\"localhost:1\" is no UDP endpoint: write \"192.0.2.1:7001\" or \"[2001:db8::1]:7001\"");
    EXPECT_EQ(fails("peer.remove", {{"address", "caro"}}),
              "\"caro\" is neither a configured name nor an address; did you mean \"carol\"?");
    EXPECT_EQ(fails("flow.abort", {{"flow", "12"}}), "\"flow\" must be PLACE:GENERATION, as flow.list shows it");
    EXPECT_EQ(fails("flow.abort", {{"flow", "12:13"}}), "there is no such flow: flow.list shows them");
    a.call("peer.remove", {{"address", "carol"}});
    EXPECT_EQ(a.call("peer.list")["total"], 1);
    EXPECT_EQ(fails("flow.connect", {{"address", c.address()}, {"port", 1}}).substr(0, 18), "no route leads to ");
}

}  // namespace
}  // namespace weft::node
