// The command line's grammar: what is asked for, what is wrong with it, and help that does not lie.
#include "node/cli_options.h"

namespace weft::node::test {
namespace {

std::expected<Request, Advice> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "weft");
    return parse_command_line(words);
}

template <class Options>
Options parsed(const std::vector<const char*>& words) {
    const auto request = parse(words);
    EXPECT_TRUE(request) << request.error().text;
    if (!request || !std::holds_alternative<Options>(request->command)) {
        ADD_FAILURE() << "another command than " << words.front();
        return {};
    }
    return std::get<Options>(request->command);
}

std::string refused(const std::vector<const char*>& words) {
    const auto request = parse(words);
    EXPECT_FALSE(request);
    if (request) return {};
    EXPECT_EQ(request.error().exit_code, 2) << request.error().text;
    EXPECT_TRUE(request.error().text.starts_with("weft: ")) << request.error().text;
    EXPECT_NE(request.error().text.find("--help` shows"), std::string::npos) << "each error names its mend";
    return request.error().text;
}

TEST(CliOptions, NothingMeansStatus) {
    const auto request = parse({});
    ASSERT_TRUE(request);
    EXPECT_TRUE(std::holds_alternative<StatusOptions>(request->command));
}

TEST(CliOptions, CommonOptionsStandBeforeOrAfterTheCommand) {
    for (const auto& words : {std::vector<const char*>{"--json", "--node", "a", "peers"}, {"peers", "--node=a", "--json"}}) {
        const auto request = parse(words);
        ASSERT_TRUE(request);
        EXPECT_TRUE(std::holds_alternative<PeersOptions>(request->command));
        EXPECT_TRUE(request->common.json);
        EXPECT_EQ(request->common.node, "a");
    }
}

TEST(CliOptions, ARecordingsLengthHasAUnitOrIsInSeconds) {
    using std::chrono::milliseconds;
    for (const auto& [text, length] : std::vector<std::pair<const char*, milliseconds>>{{"2s", milliseconds{2'000}},
                                                                                        {"500ms", milliseconds{500}},
                                                                                        {"1min", milliseconds{60'000}},
                                                                                        {"10", milliseconds{10'000}},
                                                                                        {"0.5", milliseconds{500}}})
        EXPECT_EQ(parsed<RecordOptions>({"record", "--duration", text}).duration, length) << text;
    EXPECT_FALSE(parsed<RecordOptions>({"record"}).duration);
    for (const char* text : {"5 s", "5sec", "-1", "0", "10us", "soon", "1001h1", "24001h"})
        EXPECT_NE(refused({"record", "--duration", text}).find(text), std::string::npos) << text;
}

TEST(CliOptions, ARecordingsSizeHasRoomForOne) {
    EXPECT_EQ(parsed<RecordOptions>({"record", "--limit", "1MB"}).limit, 1'000'000u);
    EXPECT_EQ(parsed<RecordOptions>({"record", "--limit", "2GiB"}).limit, std::uint64_t{2} << 30);
    EXPECT_EQ(parsed<RecordOptions>({"record"}).limit, 0u);
    for (const char* text : {"0B", "1kB", "64KiB", "999999B"}) {
        const std::string said = refused({"record", "--limit", text});
        EXPECT_NE(said.find(text), std::string::npos) << said;
        EXPECT_NE(said.find("1MB or more"), std::string::npos) << said;
    }
}

TEST(CliOptions, EachCommandHasItsOptions) {
    EXPECT_EQ(parsed<KeyGenOptions>({"key", "gen", "-o", "k"}).file, "k");
    EXPECT_EQ(parsed<KeyShowOptions>({"key", "show", "k"}).file, "k");
    EXPECT_EQ(parsed<KeyShowOptions>({"key", "show"}).file, "");
    const auto up = parsed<UpOptions>({"up", "-d", "-f", "a b.toml", "--wait", "3"});
    EXPECT_TRUE(up.detach);
    EXPECT_EQ(up.config, "a b.toml");
    EXPECT_EQ(up.wait.count(), 3);
    EXPECT_EQ(parsed<UpOptions>({"up", "--expose", "80", "--expose", "443"}).expose, (std::vector<std::uint16_t>{80, 443}));
    refused({"up", "--expose", "65536"});
    const auto serving = parsed<UpOptions>({"up", "--http", "files", "--http-port", "8080", "--echo"});
    EXPECT_EQ(serving.http, "files");
    EXPECT_EQ(serving.http_port, 8080);
    EXPECT_TRUE(serving.echo);
    EXPECT_FALSE(up.echo);
    refused({"up", "--http-port", "0"});
    EXPECT_EQ(parsed<DownOptions>({"down"}).wait.count(), 10);
    EXPECT_EQ(parsed<PathOfOptions>({"path", "bob", "-w", "0.5"}).wait.count(), 500);
    EXPECT_EQ(parsed<PathOfOptions>({"path", "bob"}).address, "bob");
    refused({"path"});
    EXPECT_TRUE(std::holds_alternative<LabelsOptions>(parse({"labels"})->command));
    EXPECT_TRUE(parsed<FlowsOptions>({"flows", "-i"}).details);
    (void)parsed<PluginListOptions>({"plugin", "list"});
    EXPECT_EQ(parsed<PluginLoadOptions>({"plugin", "load", "aimd"}).name, "aimd");
    EXPECT_TRUE(parsed<PluginUnloadOptions>({"plugin", "unload", "aimd", "--force"}).force);
    const auto cc = parsed<CcOptions>({"cc", "1:4", "aimd", "increase=2", "share=0.5"});
    EXPECT_EQ(cc.flow, "1:4");
    EXPECT_EQ(cc.module, "aimd");
    ASSERT_EQ(cc.parameters.size(), 2u);
    EXPECT_EQ(cc.parameters[0], (std::pair<std::string, plugins::Number>{"increase", std::int64_t{2}}));
    EXPECT_EQ(cc.parameters[1], (std::pair<std::string, plugins::Number>{"share", 0.5}));
    EXPECT_NE(refused({"cc", "1:4", "aimd", "increase"}).find("is no PARAMETER=VALUE"), std::string::npos);
    EXPECT_NE(refused({"plugin", "laod"}).find("did you mean \"load\"?"), std::string::npos);
    const auto nc = parsed<NcOptions>({"nc", "bob", "7000", "-i", "in", "-w", "2.5"});
    EXPECT_EQ(nc.address, "bob");
    EXPECT_EQ(nc.port, 7000);
    EXPECT_EQ(nc.input, "in");
    EXPECT_EQ(nc.timeout.count(), 2500);
    const auto listen =
        parsed<NcOptions>({"nc", "-l", "7000", "--output", "out", "--sha256", "--summary", "--ready-fd", "3"});
    EXPECT_TRUE(listen.listen && listen.sha256 && listen.summary);
    EXPECT_EQ(listen.ready_fd, 3);
}

TEST(CliOptions, WhatCannotBeDoneIsRefusedBeforeItBegins) {
    refused({"nc"});
    refused({"nc", "bob"});
    refused({"nc", "bob", "0"});
    refused({"nc", "bob", "65536"});
    refused({"nc", "bob", "1", "2"});
    refused({"nc", "-l"});
    refused({"nc", "-l", "0"});
    refused({"nc", "-l", "bob", "1"});
    refused({"nc", "-l", "1", "--sha256"});
    refused({"nc", "-k", "bob", "1"});
    refused({"nc", "-l", "-k", "-o", "f", "1"});
    refused({"nc", "-l", "-k", "-i", "-", "1"});
    refused({"nc", "bob", "1", "--ready-fd", "3"});
    refused({"nc", "bob", "1", "-w", "0"});
    refused({"nc", "bob", "1", "-w", "x"});
    refused({"key"});
    refused({"up", "--wait", "0"});
    refused({"status", "extra"});
}

TEST(CliOptions, AMistypedWordIsAnsweredWithTheOneThatWasMeant) {
    EXPECT_NE(refused({"stauts"}).find("did you mean \"status\"?"), std::string::npos);
    EXPECT_NE(refused({"key", "gne"}).find("did you mean \"gen\"?"), std::string::npos);
    EXPECT_NE(refused({"nc", "--sumary", "-l", "1"}).find("did you mean \"--summary\"?"), std::string::npos);
    EXPECT_EQ(refused({"xyzzy"}).find("did you mean"), std::string::npos);
}

TEST(CliOptions, HelpShowsEveryCommandAndIsNoError) {
    for (const auto& [words, expected] :
         std::vector<std::pair<std::vector<const char*>, const char*>>{{{"--help"}, "Exit status:"},
                                                                       {{"nc", "--help"}, "weft nc [OPTIONS] -l PORT"},
                                                                       {{"up", "-h"}, "SIGTERM"},
                                                                       {{"key", "gen", "--help"}, "never overwritten"},
                                                                       {{"--version"}, WEFT_VERSION}}) {
        const auto request = parse(words);
        ASSERT_FALSE(request);
        EXPECT_EQ(request.error().exit_code, 0);
        EXPECT_NE(request.error().text.find(expected), std::string::npos) << request.error().text;
    }
}

}  // namespace
}  // namespace weft::node::test
