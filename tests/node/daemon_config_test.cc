// weft.toml: what is read, and the exact text of every kind of mistake.
#include <algorithm>

#include "node/config.h"
#include "stack/core/address_text.h"
#include "tests/node/daemon_support.h"

namespace weft::node {
namespace {

const std::string address_text =
    "weft1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0jqgfzyvjz2f389q5j52ev95hz7vp3xgengdfkxuurjw3m8s7nu0cgtz8t88hdnq"
    "pmhm";

std::vector<std::string> mistakes(std::string_view text) {
    const auto config = parse_config(text, "weft.toml");
    return config ? std::vector<std::string>{} : config.error().messages;
}

std::string mistake(std::string_view text) {
    const auto all = mistakes(text);
    return all.size() == 1 ? all.front() : "there are " + std::to_string(all.size()) + " mistakes";
}

TEST(Config, AnEmptyFileIsADefaultNode) {
    const auto config = parse_config("", "/etc/weft/weft.toml");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->name, "default");
    EXPECT_EQ(config->key, "/etc/weft/weft.key");
    EXPECT_EQ(config->work_bits, 20);
    EXPECT_EQ(to_string(*config->listen4), "0.0.0.0:7001");
    EXPECT_EQ(to_string(*config->listen6), "[::]:7001");
    EXPECT_FALSE(config->fault.any());
}

TEST(Config, EverySettingIsRead) {
    const auto config = parse_config(R"(
[node]
name = "alice"
key = "keys/alice.key"
memory = "64MiB"
core_dumps = true
[log]
level = "debug"
format = "json"
[network]
name = "lab"
secret = "/etc/weft/lab.secret"
work = 0
[listen]
udp = ["127.0.0.1:7001", "[::1]:7002"]
mtu = 1472
aead = ["aes-256-gcm"]
members = false
[[peer]]
name = "bob"
address = ")" + address_text + R"("
endpoints = ["127.0.0.1:7003", "[::1]:7003"]
[tcp]
user_timeout = "5s"
time_wait = "1s"
send_buffer = "256KiB"
receive_buffer = "2MiB"
backlog = 7
nodelay = true
congestion = "cubic"
[rekey]
initiator = "1s"
responder = "1.5s"
idle = "1min"
[fault]
loss = "1%"
reorder = "5%"
duplicate = "0.5%"
corrupt = "0.1%"
delay = "20ms"
jitter = "2ms"
seed = 42
)",
                                     "conf/weft.toml");
    ASSERT_TRUE(config) << config.error().messages.front();
    EXPECT_EQ(config->name, "alice");
    EXPECT_EQ(config->key, "conf/keys/alice.key");
    EXPECT_EQ(config->memory, 64u << 20);
    EXPECT_TRUE(config->core_dumps);
    EXPECT_EQ(config->log_level, LogLevel::debug);
    EXPECT_EQ(config->log_format, LogFormat::json);
    EXPECT_EQ(config->network, "lab");
    EXPECT_EQ(config->secret, "/etc/weft/lab.secret");
    EXPECT_EQ(config->work_bits, 0);
    EXPECT_EQ(to_string(*config->listen4), "127.0.0.1:7001");
    EXPECT_EQ(to_string(*config->listen6), "[::1]:7002");
    EXPECT_EQ(config->mtu, 1'472u);
    EXPECT_EQ(config->suites, 2);
    EXPECT_FALSE(config->accept_members);
    ASSERT_EQ(config->peers.size(), 1u);
    EXPECT_EQ(config->peers[0].name, "bob");
    EXPECT_EQ(OverlayFamily::format(config->peers[0].address), address_text);
    ASSERT_EQ(config->peers[0].endpoints.size(), 2u);
    EXPECT_EQ(to_string(config->peers[0].endpoints[1]), "[::1]:7003");
    EXPECT_EQ(config->user_timeout, Duration::seconds(5));
    EXPECT_EQ(config->time_wait, Duration::seconds(1));
    EXPECT_EQ(config->send_buffer, 256u << 10);
    EXPECT_EQ(config->receive_buffer, 2u << 20);
    EXPECT_EQ(config->backlog, 7u);
    EXPECT_TRUE(config->nodelay);
    EXPECT_EQ(config->congestion, "cubic");
    EXPECT_EQ(config->rekey_initiator, Duration::seconds(1));
    EXPECT_EQ(config->rekey_responder, Duration::milliseconds(1'500));
    EXPECT_EQ(config->rekey_idle, Duration::seconds(60));
    EXPECT_EQ(config->fault.loss_ppm, 10'000u);
    EXPECT_EQ(config->fault.reorder_ppm, 50'000u);
    EXPECT_EQ(config->fault.duplicate_ppm, 5'000u);
    EXPECT_EQ(config->fault.corrupt_ppm, 1'000u);
    EXPECT_EQ(config->fault.delay, Duration::milliseconds(20));
    EXPECT_EQ(config->fault.jitter, Duration::milliseconds(2));
    EXPECT_EQ(config->fault.seed, 42u);
}

TEST(Config, WhatIsNoTomlIsSaidWithItsPlace) {
    const std::string text = mistake("[node]\nname = alice\n");
    EXPECT_EQ(text.substr(0, 41), "weft.toml:2:8: this is not TOML: Error wh") << text;
}

TEST(Config, AnUnknownSectionIsNamedWithWhatIsAllowed) {
    EXPECT_EQ(mistake("[lisen]\nmtu = 1400\n"),
              "weft.toml:1:2: unknown key \"lisen\" in the file; did you mean \"listen\"? (allowed: node, log, network, "
              "listen, peer, names, groups, routing, route, expose, transit, tcp, rekey, fault, plugins, tap, "
              "services, record)");
}

TEST(Config, PluginsAreNamedAndTheirParametersAreNumbers) {
    const auto config = parse_config(R"([plugins]
directories = ["/opt/weft", "mine"]
load = ["aimd"]
call_budget = "2ms"
[plugins.aimd]
increase = 2
share = 0.5
[tcp]
congestion = "aimd"
)",
                                     "etc/weft.toml");
    ASSERT_TRUE(config) << config.error().messages.front();
    EXPECT_EQ(config->plugin_directories, (std::vector<std::string>{"/opt/weft", "etc/mine"}));
    EXPECT_EQ(config->plugin_files, std::vector<std::string>{"aimd"});
    EXPECT_EQ(config->call_budget, Duration::milliseconds(2));
    EXPECT_EQ(config->module_defaults.at("aimd").at("increase"), plugins::Number{std::int64_t{2}});
    EXPECT_EQ(config->module_defaults.at("aimd").at("share"), plugins::Number{0.5});
    EXPECT_EQ(config->congestion, "aimd");
    EXPECT_EQ(mistake("[plugins]\nlaod = [\"aimd\"]\n"),
              "weft.toml:2:1: unknown key \"laod\" in [plugins]; did you mean \"load\"?; parameters of a module stand under "
              "[plugins.MODULE] (allowed: directories, load, call_budget)");
    EXPECT_EQ(mistake("[plugins]\nload = [\"./aimd.so\"]\n"),
              "weft.toml:2:9: \"load\" = \"./aimd.so\"; write a file's name without its directory and without .so, such as "
              "\"aimd\"");
    EXPECT_EQ(mistake("[plugins.aimd]\nincrease = \"2\"\n"),
              "weft.toml:2:12: \"increase\" is a string; a parameter of a module is a number");
    EXPECT_EQ(mistake("[tcp]\ncongestion = \"aimd\"\n"),
              "weft.toml:2:14: \"congestion\" = \"aimd\" (allowed: newreno, cubic)");
}

TEST(Config, AnUnknownKeyIsNamedWithWhatIsAllowed) {
    EXPECT_EQ(mistake("[tcp]\n  user_timeot = \"5s\"\n"),
              "weft.toml:2:3: unknown key \"user_timeot\" in [tcp]; did you mean \"user_timeout\"? (allowed: user_timeout, "
              "time_wait, "
              "send_buffer, receive_buffer, backlog, nodelay, congestion, tunables)");
    EXPECT_EQ(mistake("[network]\nbanana = 1\n"),
              "weft.toml:2:1: unknown key \"banana\" in [network] (allowed: name, secret, work)");
}

TEST(Config, AnyNumberOfTheStackIsTunedByItsName) {
    const auto config = parse_config("[tcp.tunables]\necn = \"on\"\ndelayed_ack = 20\ntimestamps = false\n", "weft.toml");
    ASSERT_TRUE(config) << config.error().messages.front();
    const std::vector<std::pair<std::string, std::string>> expected{
        {"delayed_ack", "20"}, {"ecn", "on"}, {"timestamps", "off"}};
    EXPECT_EQ(config->tunables, expected);
    EXPECT_EQ(mistake("[tcp.tunables]\ndelayed_ack = 700\n"), "weft.toml:2:15: \"delayed_ack\": \"700\" is not 0 to 499 ms");
    EXPECT_EQ(mistake("[tcp.tunables]\nteleport = 1\n"),
              "weft.toml:2:12: \"teleport\" is not a tunable; docs/tunables.md lists them");
}

TEST(Config, AWrongTypeSaysWhichIsRight) {
    EXPECT_EQ(mistake("[node]\nname = 5\n"),
              "weft.toml:2:8: \"name\" is an integer; it must be a string: a name such as \"alice\"");
    EXPECT_EQ(mistake("[tcp]\nuser_timeout = 5\n"),
              "weft.toml:2:16: \"user_timeout\" is an integer; it must be a string: a number and one of ns, us, ms, s, min, "
              "h, such as \"250ms\"");
    EXPECT_EQ(mistake("[listen]\nmtu = \"1400\"\n"),
              "weft.toml:2:7: \"mtu\" is a string; it must be an integer from 1200 to 65000");
    EXPECT_EQ(mistake("[tcp]\nnodelay = 1\n"), "weft.toml:2:11: \"nodelay\" is an integer; it must be true or false");
    EXPECT_EQ(mistake("node = 3\n"), "weft.toml:1:8: \"node\" is an integer; it must be a table: [node]");
    EXPECT_EQ(mistake("[peer]\nname = \"x\"\n"), "weft.toml:1:1: \"peer\" must be written as [[peer]], once for each peer");
}

TEST(Config, ANumberWithoutItsUnitIsRefused) {
    EXPECT_EQ(mistake("[tcp]\nuser_timeout = \"5\"\n"),
              "weft.toml:2:16: \"user_timeout\": \"5\" has no unit; write a number and one of ns, us, ms, s, min, h, such "
              "as \"250ms\"");
    EXPECT_EQ(mistake("[tcp]\nsend_buffer = \"1mb\"\n"),
              "weft.toml:2:15: \"send_buffer\": \"1mb\" has an unknown unit; write a number and one of B, kB, MB, GB, KiB, "
              "MiB, GiB, such as \"4MiB\"");
    EXPECT_EQ(mistake("[fault]\nloss = \"101%\"\n"),
              "weft.toml:2:8: \"loss\": \"101%\" is more than 100%; write a number from 0 to 100 and %, such as \"0.5%\"");
}

TEST(Config, ANumberOutOfItsRangeSaysTheRange) {
    EXPECT_EQ(mistake("[listen]\nmtu = 900\n"), "weft.toml:2:7: \"mtu\" = 900; it must be from 1200 to 65000");
    EXPECT_EQ(mistake("[tcp]\ncongestion = \"cubik\"\n"),
              "weft.toml:2:14: \"congestion\" = \"cubik\"; did you mean \"cubic\"? (allowed: newreno, cubic)");
    EXPECT_EQ(mistake("[tcp]\nuser_timeout = \"1ms\"\n"),
              "weft.toml:2:16: \"user_timeout\" = \"1ms\"; it must be from 100ms to 24h");
    EXPECT_EQ(mistake("[network]\nwork = 64\n"), "weft.toml:2:8: \"work\" = 64; it must be from 0 to 28");
}

TEST(Config, AWordThatIsNoChoiceIsNamedWithTheChoices) {
    EXPECT_EQ(mistake("[log]\nlevel = \"dbug\"\n"),
              "weft.toml:2:9: \"level\" = \"dbug\"; did you mean \"debug\"? (allowed: error, warning, info, debug, trace)");
    EXPECT_EQ(mistake("[listen]\naead = [\"aes\"]\n"),
              "weft.toml:2:9: \"aead\" = \"aes\" (allowed: chacha20-poly1305, aes-256-gcm)");
}

TEST(Config, EndpointsAndAddressesSayWhatIsWrong) {
    EXPECT_EQ(mistake("[listen]\nudp = [\"localhost:7001\"]\n").substr(0, 51),
              "weft.toml:2:8: \"localhost:7001\" is no UDP endpoint:");
    EXPECT_EQ(mistake("[listen]\nudp = [\"127.0.0.1:1\", \"127.0.0.2:1\"]\n"),
              "weft.toml:2:23: \"127.0.0.2:1\" is the second IPv4 endpoint; there is one socket of each family");
    EXPECT_EQ(mistake("[listen]\nudp = []\n"),
              "weft.toml:2:7: \"udp\" names no endpoint; write at least one, such as \"0.0.0.0:7001\", or a [[tap]]");
    EXPECT_EQ(mistake("[[peer]]\nname = \"bob\"\n"),
              "weft.toml:1:1: a peer without \"address\"; it must have its weft1... text form");
    std::string wrong = address_text;
    wrong[20] = wrong[20] == 'q' ? 'p' : 'q';
    EXPECT_EQ(mistake("[[peer]]\naddress = \"" + wrong + "\"\n"),
              "weft.toml:2:11: \"address\" is no overlay address: " + to_string(OverlayFamily::parse(wrong).error()));
    EXPECT_EQ(mistake("[[peer]]\naddress = \"" + address_text + "\"\nendpoints = [\"127.0.0.1:0\"]\n"),
              "weft.toml:3:14: \"127.0.0.1:0\" is no UDP endpoint: port 0 cannot be dialled; write \"192.0.2.1:7001\" or "
              "\"[2001:db8::1]:7001\"");
    EXPECT_EQ(mistake("[[peer]]\naddress = \"" + address_text + "\"\n[[peer]]\naddress = \"" + address_text + "\"\n"),
              "weft.toml:4:11: this address is that of two peers");
}

TEST(Config, AllMistakesAreToldAtOnce) {
    const auto all = mistakes("[tcp]\nnodelay = 1\nbacklog = 0\n[listen]\nmtu = 1\n");
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].substr(0, 15), "weft.toml:5:7: ");
    EXPECT_EQ(all[1].substr(0, 16), "weft.toml:3:11: ");
    EXPECT_EQ(all[2].substr(0, 16), "weft.toml:2:11: ");
}

TEST(Config, FilesThatCannotBeReadAreNamed) {
    const TemporaryDirectory directory;
    const auto missing = read_config(directory / "none.toml");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().messages.front(), directory / "none.toml" + ": cannot open: No such file or directory");
    const auto folder = read_config(directory.path());
    ASSERT_FALSE(folder);
    EXPECT_EQ(folder.error().messages.front(), directory.path() + ": is a directory, not a file");
    const auto large = read_config(directory.write("large.toml", std::string((1 << 20) + 1, '#')));
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().messages.front(), directory / "large.toml" + ": longer than 1048576 bytes");
}

// The first example of docs/node.md is what nothing at all says, and with the second it names every key that is allowed.
TEST(Config, TheDocumentTellsEverySettingAndItsDefault) {
    std::string document = read_file(WEFT_SOURCE_DIR "/docs/node.md");
    std::array<std::string, 2> examples;
    for (std::string& example : examples) {
        const std::size_t begin = document.find("```toml\n");
        ASSERT_NE(begin, std::string::npos);
        document.erase(0, begin + 8);
        example = document.substr(0, document.find("```"));
        document.erase(0, example.size() + 3);
    }
    const auto defaults = parse_config("", "weft.toml");
    auto told = parse_config(examples[0], "weft.toml");
    ASSERT_TRUE(told) << told.error().messages.front();
    told->listen_anywhere = true;  // said once, both families must be there
    EXPECT_EQ(*told, *defaults);

    std::string filled = examples[1];
    for (std::size_t dots; (dots = filled.find("weft1...")) != std::string::npos;) filled.replace(dots, 8, address_text);
    const auto rest = parse_config(filled, "weft.toml");
    ASSERT_TRUE(rest) << rest.error().messages.front();
    EXPECT_EQ(rest->secret, "lab.secret");
    EXPECT_EQ(rest->peers.size(), 1u);
    EXPECT_EQ(rest->routes.size(), 1u);
    EXPECT_EQ(rest->reach.size(), 4u);
    EXPECT_EQ(rest->taps.size(), 1u);

    for (const std::string section :
         {"[node]", "[log]", "[network]", "[listen]", "[[peer]]", "[routing]", "[[route]]", "[[expose]]", "[transit]",
          "[tcp]", "[rekey]", "[fault]", "[plugins]", "[[tap]]", "[services]", "[record]"}) {
        const auto refused = parse_config(section + "\nno_such_key = 1\n", "weft.toml");
        ASSERT_FALSE(refused);
        std::string allowed = refused.error().messages.front();
        allowed = allowed.substr(allowed.find("(allowed: ") + 10);
        allowed.back() = ',';
        for (std::size_t end; (end = allowed.find(',')) != std::string::npos;
             allowed.erase(0, std::min(end + 2, allowed.size()))) {
            const std::string key = "\n" + allowed.substr(0, end) + " = ";
            const std::string table = "\n[" + section.substr(1, section.size() - 2) + "." + allowed.substr(0, end) + "]";
            EXPECT_TRUE(std::ranges::any_of(
                examples, [&](const std::string& example) { return example.contains(key) || example.contains(table); }))
                << section << key;
        }
    }
}

}  // namespace
}  // namespace weft::node
