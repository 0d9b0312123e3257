// Congestion modules of real nodes: ten changes on a living transfer, a rebuilt file taken without a restart, hostile files in
// quarantine, and commands that say what there is. Every change is read back from the log, which is fed by the engine's trace.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <sys/socket.h>

#include "tests/node/process/nodes.h"
#include "tests/plugins/workshop.h"

namespace weft::node {
namespace {

struct Said {
    int exit_code{-1};
    std::string text;  // both streams
};

class PluginProcesses : public testing::Test {
protected:
    void start(std::string_view more = {}) {
        std::filesystem::copy_file(test::built_plugins() + "/aimd.so", workshop / "aimd.so");
        std::filesystem::copy_file(test::built_plugins() + "/cubic_plugin.so", workshop / "cubic_plugin.so");
        a.configure(b, b.port(), "[plugins]\ndirectories = [\"" + workshop.directory() + "\"]\n" + std::string(more));
        b.configure(a, a.port());
        ASSERT_NO_FATAL_FAILURE(a.start());
        ASSERT_NO_FATAL_FAILURE(b.start());
        ASSERT_TRUE(a.wait_for_link());
    }
    void transfer(std::uint64_t size, std::uint64_t rate) {
        ends = connect(a, b, 7000);
        ASSERT_TRUE(ends.sender && ends.receiver);
        writer = std::thread([this, size, rate] { send_pattern(ends.sender.get(), size, rate, sent); });
        reader = std::thread([this] { result = receive_pattern(ends.receiver.get(), received); });
    }
    // As transfer(), but nothing beyond `allowed` is sent.
    void gated_transfer(std::uint64_t size) {
        ends = connect(a, b, 7000);
        ASSERT_TRUE(ends.sender && ends.receiver);
        writer = std::thread([this, size] {
            std::vector<std::byte> piece(32 << 10);
            for (std::uint64_t offset = 0; offset < size;) {
                const auto length = std::size_t(std::min<std::uint64_t>(piece.size(), size - offset));
                while (offset + length > allowed) std::this_thread::sleep_for(milliseconds{1});
                fill(offset, std::span(piece).first(length));
                for (std::size_t done = 0; done < length;) {
                    const ssize_t wrote = ::send(ends.sender.get(), piece.data() + done, length - done, MSG_NOSIGNAL);
                    if (wrote <= 0) return;
                    done += std::size_t(wrote);
                }
                offset += length;
            }
            ::shutdown(ends.sender.get(), SHUT_WR);
        });
        reader = std::thread([this] { result = receive_pattern(ends.receiver.get(), received); });
    }
    void join() {
        allowed = ~0ull;
        if (writer.joinable()) writer.join();
        if (reader.joinable()) reader.join();
    }
    void TearDown() override {
        for (NodeProcess* node : {&a, &b})
            if (node->pid() > 0) node->kill();
        join();
    }
    bool wait_for_bytes(std::uint64_t count) const {
        for (const auto begin = Clock::now(); since(begin) < milliseconds{30'000};
             std::this_thread::sleep_for(milliseconds{2}))
            if (received >= count) return true;
        return false;
    }

    // `weft --node a ...` as a person would run it.
    Said weft(const std::string& words) const {
        const std::string command =
            "WEFT_RUNTIME_DIR=" + (directory / "run") + " " WEFT_BINARY_DIR "/node/weft --node a " + words + " 2>&1";
        std::FILE* out = ::popen(command.c_str(), "r");
        if (!out) return {};
        Said said;
        char piece[4'096];
        while (const std::size_t got = std::fread(piece, 1, sizeof piece, out)) said.text.append(piece, got);
        const int status = ::pclose(out);
        said.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
        return said;
    }
    Json module(std::string_view name) const {
        const Json list = a.call("plugin.list");
        for (const Json& one : list["modules"])
            if (one["name"] == name && one["state"] != "retired") return one;
        return nullptr;
    }
    // The modules that the log says the flow went on under, in their order.
    std::vector<std::string> changes() const {
        std::vector<std::string> names;
        const std::string log = a.log();
        const std::string before = "flow " + ends.sender_flow + " goes on under ";
        for (std::size_t at = log.find(before); at != std::string::npos; at = log.find(before, at)) {
            at += before.size();
            names.push_back(log.substr(at, log.find(' ', at) - at));
        }
        return names;
    }

    const TemporaryDirectory directory;
    const test::Workshop workshop;
    NodeProcess a{directory, "a"}, b{directory, "b"};
    Ends ends;
    std::thread writer, reader;
    std::atomic<std::uint64_t> sent{0}, received{0}, allowed{0};
    Received result;
};

// WEFT_LIVE_BYTES=1000000000 runs it on a gigabyte.
TEST_F(PluginProcesses, TenChangesOnALivingTransferLoseNoByteAndEachIsInTheTrace) {
    const char* wanted = std::getenv("WEFT_LIVE_BYTES");
    const std::uint64_t size = wanted ? std::strtoull(wanted, nullptr, 10) : 12 << 20;
    ASSERT_NO_FATAL_FAILURE(start("load = [\"cubic_plugin\"]\n"));
    Said said = weft("plugin load aimd");
    ASSERT_EQ(said.exit_code, 0) << said.text;
    EXPECT_TRUE(said.text.starts_with("loaded " + (workshop / "aimd.so") + " (hash ")) << said.text;
    ASSERT_NO_FATAL_FAILURE(gated_transfer(size));
    const std::vector<std::string> modules{"cubic", "aimd",    "newreno",      "aimd", "cubic_plugin",
                                           "cubic", "newreno", "cubic_plugin", "aimd", "newreno"};
    for (std::size_t i = 0; i < modules.size(); ++i) {
        allowed = (i + 2) * (size / 12);  // bytes are under way while the module changes
        ASSERT_TRUE(wait_for_bytes((i + 1) * (size / 12)));
        said = weft("cc " + ends.sender_flow + " " + modules[i]);
        ASSERT_EQ(said.exit_code, 0) << said.text;
        EXPECT_TRUE(said.text.starts_with(ends.sender_flow + " runs " + modules[i])) << said.text;
        EXPECT_LT(received, size) << "the change came after the transfer";
    }
    join();
    EXPECT_EQ(result.bytes, size);
    EXPECT_TRUE(result.equal && result.ended);
    EXPECT_EQ(changes(), modules);
}

TEST_F(PluginProcesses, ARebuiltFileIsTakenWithoutARestart) {
    constexpr std::uint64_t size = 24 << 20;
    ASSERT_NO_FATAL_FAILURE(start("load = [\"aimd\"]\n[plugins.aimd]\nincrease = 3\n[tcp]\ncongestion = \"aimd\"\n"));
    ASSERT_NO_FATAL_FAILURE(transfer(size, size));
    ASSERT_TRUE(wait_for_bytes(size / 8));
    Json flow = a.call("flow.list")["flows"][0];
    EXPECT_EQ(flow["congestion"], "aimd");
    EXPECT_EQ(flow["module"]["parameters"]["increase"], 3);
    EXPECT_TRUE(flow["module"]["variables"].contains("phase"));
    const std::string before = flow["module"]["hash"];

    std::string source = read_file(WEFT_SOURCE_DIR "/plugins/congestion/aimd.c");
    for (const auto& [from, to] : {std::pair{"10ull * out->mss", "20ull * out->mss"}, std::pair{"\"1.0\"", "\"1.1\""}})
        source.replace(source.find(from), std::strlen(from), to);
    std::ofstream{workshop / "changed.c"} << source;
    ASSERT_TRUE(workshop.build("aimd", workshop / "changed.c"));
    EXPECT_EQ(a.call("flow.list")["flows"][0]["module"]["hash"], before) << "nothing changes by itself";

    const Said said = weft("plugin load aimd");
    EXPECT_EQ(said.exit_code, 0);
    EXPECT_NE(said.text.find("reloaded "), std::string::npos) << said.text;
    EXPECT_NE(said.text.find(": 1 flows moved, 0 end on the older version"), std::string::npos) << said.text;
    flow = a.call("flow.list")["flows"][0];
    EXPECT_EQ(flow["congestion"], "aimd");
    EXPECT_NE(flow["module"]["hash"], before);
    EXPECT_EQ(flow["module"]["parameters"]["increase"], 3) << "what the flow had goes along";
    EXPECT_EQ(module("aimd")["version"], "1.1");
    EXPECT_EQ(a.call("plugin.load", {{"name", "aimd"}})["outcome"], "unchanged");
    EXPECT_NE(a.log().find("aimd (hash " + before + ") is closed: nothing uses it"), std::string::npos);
    const std::string shown = weft("flows -i").text, hash = flow["module"]["hash"];
    EXPECT_NE(shown.find("module aimd hash:" + hash), std::string::npos) << shown;
    EXPECT_NE(shown.find("decrease:50 increase:3"), std::string::npos) << shown;
    join();
    EXPECT_EQ(result.bytes, size);
    EXPECT_TRUE(result.equal && result.ended);
}

TEST_F(PluginProcesses, HostileFilesEndInQuarantineAndTheFlowGoesOn) {
    constexpr std::uint64_t size = 48 << 20;
    ASSERT_TRUE(workshop.build_odd("zero", "'-DNAME=\"zero\"' -DCWND=0"));
    ASSERT_TRUE(workshop.build_odd("slow", "'-DNAME=\"slow\"' -DSLEEPS=2000000 -D_POSIX_C_SOURCE=200809L"));
    ASSERT_NO_FATAL_FAILURE(start("load = [\"zero\", \"slow\"]\n"));
    ASSERT_NO_FATAL_FAILURE(transfer(size, size / 4));
    std::uint64_t mark = 0;
    for (const std::string name : {"zero", "slow"}) {
        ASSERT_TRUE(wait_for_bytes(mark += size / 8));
        const Said said = weft("cc " + ends.sender_flow + " " + name);
        ASSERT_EQ(said.exit_code, 0) << said.text;
        bool quarantined = false;
        for (const auto begin = Clock::now(); !quarantined && since(begin) < milliseconds{20'000};
             std::this_thread::sleep_for(milliseconds{10})) {
            // A flow that stands still makes no calls.
            allowed = std::min<std::uint64_t>(allowed + (256 << 10), size - (4 << 20));
            quarantined = module(name)["state"] == "quarantined";
        }
        EXPECT_TRUE(quarantined) << name;
        const Json flow = a.call("flow.list")["flows"][0];
        EXPECT_EQ(flow["congestion"], "newreno");
        EXPECT_TRUE(flow["module"].value("instead_of", "").starts_with(name)) << flow["module"];
        const Said again = weft("cc " + ends.sender_flow + " " + name);
        EXPECT_EQ(again.exit_code, 1);
        EXPECT_NE(again.text.find("is in quarantine: mend its file and load it again"), std::string::npos) << again.text;
    }
    EXPECT_EQ(module("zero")["violations"], 16);
    EXPECT_GE(module("slow")["calls"]["late"], 8);
    const std::string log = a.log();
    EXPECT_NE(log.find("zero (slot 2, hash "), std::string::npos);
    EXPECT_NE(log.find("answered out of bounds (window; it wanted a window of 0 bytes): clamped, 16 so far"),
              std::string::npos);
    EXPECT_NE(log.find("calls took too long"), std::string::npos);
    join();
    EXPECT_EQ(result.bytes, size);
    EXPECT_TRUE(result.equal && result.ended);
}

TEST_F(PluginProcesses, CommandsSayWhatThereIs) {
    ASSERT_NO_FATAL_FAILURE(start("load = [\"aimd\"]\n"));
    ends = connect(a, b, 7000);
    const std::string flow = ends.sender_flow;
    const auto fails = [&](const std::string& words) {
        const Said said = weft(words);
        EXPECT_NE(said.exit_code, 0) << words;
        return said.text;
    };
    const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
    EXPECT_PRED2(has, fails("cc 77:1 aimd"), "there is no flow \"77:1\" (there are: " + flow + ")");
    EXPECT_PRED2(has, fails("cc " + flow + " aimdd"), "there is no congestion module \"aimdd\"; did you mean \"aimd\"?");
    EXPECT_PRED2(has, fails("cc " + flow + " cubic_plugin"), "run `weft plugin load cubic_plugin` first");
    EXPECT_PRED2(has, fails("cc " + flow + " aimd increase=65"), "\"increase\" = 65; it must be from 1 to 64 segments");
    EXPECT_PRED2(has, fails("cc " + flow + " aimd incraese=2"), "did you mean \"increase\"? (it has: increase, decrease)");
    EXPECT_PRED2(has, fails("cc " + flow + " newreno increase=2"), "newreno has no parameter \"increase\" (it has: none)");
    EXPECT_PRED2(has, fails("cc " + flow + " aimd increase"), "is no PARAMETER=VALUE with a number");
    EXPECT_PRED2(has, fails("plugin load nothing"), "there is no nothing.so in");
    EXPECT_PRED2(has, fails("plugin unload cubic_plugin"), "no plugin \"cubic_plugin\" is loaded");
    EXPECT_EQ(a.call("flow.list")["flows"][0]["congestion"], "newreno") << "what is refused changes nothing";

    const Json set = Json::parse(weft("--json cc " + flow + " aimd increase=2 decrease=70").text);
    EXPECT_EQ(set["congestion"], "aimd");
    const Json module = a.call("flow.list")["flows"][0]["module"];
    EXPECT_EQ(module["parameters"]["increase"], 2);
    EXPECT_EQ(module["parameters"]["decrease"], 70);
    EXPECT_PRED2(has, fails("plugin unload aimd"), "aimd is used by 1 flows and 0 listeners");
    const std::string list = weft("plugin list").text;
    for (const char* part :
         {"newreno", "compiled_in", "aimd.so", "increase = 1 (1 to 64 segments): added to the window each round",
          "shows phase, credit, losses", "not loaded: cubic_plugin", "directories: "})
        EXPECT_PRED2(has, list, part);
    EXPECT_EQ(weft("plugin unload aimd --force").text, "unloaded aimd: 1 flows go on under newreno\n");
    EXPECT_EQ(a.call("flow.list")["flows"][0]["congestion"], "newreno");
    EXPECT_EQ(Json::parse(weft("--json plugin list").text)["modules"].size(), 2u);
    for (const char* command : {"plugin", "plugin list", "plugin load", "plugin unload", "cc"})
        EXPECT_EQ(weft(std::string(command) + " --help").exit_code, 0);
}

TEST_F(PluginProcesses, ANodeThatCannotRunWhatItWasToldDoesNotStart) {
    const auto refusal = [&](const std::string& settings) {
        a.configure(b, b.port(), "[plugins]\ndirectories = [\"" + workshop.directory() + "\"]\n" + settings);
        const std::string command = "WEFT_RUNTIME_DIR=" + (directory / "run") + " " WEFT_BINARY_DIR "/node/weftd -f " +
                                    (directory / "a.toml") + " 2>&1";
        std::FILE* out = ::popen(command.c_str(), "r");
        std::string text(8'192, '\0');
        text.resize(std::fread(text.data(), 1, text.size(), out));
        EXPECT_NE(::pclose(out), 0);
        return text;
    };
    const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
    EXPECT_PRED2(has, refusal("load = [\"aimd\"]\n"), "[plugins] load \"aimd\": there is no aimd.so in");
    ASSERT_TRUE(workshop.build_odd("odd"));
    EXPECT_PRED2(has, refusal("load = [\"odd\"]\n[tcp]\ncongestion = \"oddd\"\n"),
                 "[tcp] congestion: there is no congestion module \"oddd\"; did you mean \"odd\"?");
    EXPECT_PRED2(has, refusal("load = [\"odd\"]\n[plugins.odd]\nstop = 3\n"), "the module has no parameter \"stop\"");
}

}  // namespace
}  // namespace weft::node
