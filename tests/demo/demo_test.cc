// `./dev demo --headless` as a person runs it, with the programs of this build: what it says, what it leaves, and that neither its
// recordings nor its logs hold a byte of the file or of a key.
#include <gtest/gtest.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>

#include "node/keyfile.h"
#include "stack/core/recording.h"
#include "stack/core/trace_names.h"
#include "tests/demo/search.h"

namespace weft::test {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

// Words that stand nowhere else, so that each piece of the text is its own.
std::string made_text(std::size_t size) {
    std::string text;
    for (unsigned line = 0; text.size() < size; ++line) {
        unsigned char hash[16];
        crypto_generichash(hash, sizeof hash, reinterpret_cast<const unsigned char*>(&line), sizeof line, nullptr, 0);
        text += "line " + std::to_string(line) + " of what nobody else may read:";
        for (const unsigned char byte : hash) text += " " + std::to_string(byte);
        text += "\n";
    }
    text.resize(size);
    return text;
}

// What of the text is only in the text: not "line " and the like, which a log may say, too.
void add_plaintext(Secrets& secrets, const std::string& text) {
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);)
        if (const auto at = line.find("read:"); at != std::string::npos) secrets.add("the file's text", line.substr(at + 5));
    secrets.add("the file's text", " of what nobody else may read:");
}

// The seed, and the secret of the key exchange that is made of it (RFC 8032, section 5.1.5; RFC 7748, section 5).
void add_key(Secrets& secrets, const fs::path& file) {
    const auto secret = node::read_secret_file(file, node::SecretKind::node_key);
    ASSERT_TRUE(secret.has_value()) << secret.error();
    const auto text = [](const unsigned char* bytes) { return std::string_view{reinterpret_cast<const char*>(bytes), 32}; };
    const auto* seed = reinterpret_cast<const unsigned char*>(secret->bytes().data());
    unsigned char hash[64];
    crypto_hash_sha512(hash, seed, 32);
    hash[0] &= 248, hash[31] &= 127, hash[31] |= 64;
    secrets.add_text(file.filename().string(), text(seed));
    secrets.add_text(file.filename().string() + "'s exchange secret", text(hash));
    secrets.add_text(file.filename().string() + "'s signing prefix", text(hash + 32));
}

// One run for all tests: it takes seconds.
class Demo : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        ASSERT_GE(sodium_init(), 0);
        std::string name = (fs::temp_directory_path() / "weft-demo-test.XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        fs::create_directories(folder_ / "kept");
        text_ = made_text(1 << 20);
        std::ofstream{folder_ / "plain.txt", std::ios::binary} << text_;
        ::setenv("WEFT_DEMO_BUILD", WEFT_BINARY_DIR, 1);
        ::setenv("WEFT_DEMO_OUT", (folder_ / "out").c_str(), 1);
        ::setenv("WEFT_DEMO_KEEP", (folder_ / "kept").c_str(), 1);
        const std::string command = std::string{WEFT_SOURCE_DIR} + "/dev demo --headless --nodes 3 --file '" +
                                    (folder_ / "plain.txt").string() + "' >'" + (folder_ / "kept/stdout.log").string() +
                                    "' 2>'" + (folder_ / "kept/stderr.log").string() + "'";
        const int status = std::system(command.c_str());
        status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        said_ = read_file(folder_ / "kept/stdout.log");
    }
    static void TearDownTestSuite() {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    static std::string complaints() { return read_file(folder_ / "kept/stderr.log"); }

    static inline fs::path folder_;
    static inline std::string text_, said_;
    static inline int status_{-1};
};

TEST_F(Demo, SendsTheFileAndSaysWhatArrived) {
    ASSERT_EQ(status_, 0) << said_ << complaints();
    EXPECT_TRUE(std::regex_search(said_, std::regex{"demo: ok bytes=1048576 sha256=[0-9a-f]{64} seconds="})) << said_;
    EXPECT_NE(said_.find("hop1"), std::string::npos) << said_;
}

TEST_F(Demo, LeavesAWholeRecordingOfEachNodeWithTheFlowInIt) {
    ASSERT_EQ(status_, 0) << complaints();
    for (const char* node : {"left", "hop1", "right"}) {
        const fs::path path = folder_ / "out" / (std::string{node} + ".weft");
        EXPECT_NE(said_.find(path.string()), std::string::npos) << said_;
        const std::string file = read_file(path);
        const auto recording = trace::Recording::open(std::as_bytes(std::span{file}));
        ASSERT_TRUE(recording.has_value()) << path << ": " << recording.error();
        EXPECT_TRUE(recording->ended()) << path;
        EXPECT_FALSE(recording->torn()) << path;
        EXPECT_EQ(recording->info().node, node);
        EXPECT_FALSE(recording->info().payload);
        struct stat status{};
        ASSERT_EQ(::stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777, 0600u);
        std::map<trace::Type, std::size_t> counts;
        bool established = false;
        recording->read(recording->begin_ns(), recording->end_ns() + 1, [&](std::span<const trace::Record> records) {
            for (const trace::Record& record : records) {
                ++counts[record.type];
                if (record.type == trace::Type::state)
                    established |= trace::body_of<trace::StateChange>(record).to == trace::state_established;
            }
            return true;
        });
        EXPECT_EQ(established, std::string{node} != "hop1") << path << ": what is between the ends has no flow";
        if (!established) continue;
        EXPECT_GT(counts[trace::Type::segment_sent], 10u) << path;
        EXPECT_GT(counts[trace::Type::flow], 0u) << path;
    }
}

TEST_F(Demo, NeitherRecordingsNorLogsHoldPlaintextOrKeys) {
    ASSERT_EQ(status_, 0) << complaints();
    Secrets secrets;
    add_plaintext(secrets, text_);
    for (const char* node : {"left", "hop1", "right"}) add_key(secrets, folder_ / "kept" / (std::string{node} + ".key"));
    ASSERT_GT(secrets.windows(), 100'000u);
    std::size_t recordings = 0, logs = 0;
    for (const char* where : {"out", "kept"}) {
        for (const auto& entry : fs::directory_iterator{folder_ / where}) {
            const std::string ending = entry.path().extension();
            if (ending == ".key") continue;
            recordings += ending == ".weft", logs += ending == ".log";
            const auto found = secrets.found_in(read_file(entry.path()));
            EXPECT_FALSE(found.has_value()) << entry.path() << ": " << *found;
        }
    }
    EXPECT_EQ(recordings, 3u);
    EXPECT_GE(logs, 3u);
}

TEST_F(Demo, TheSearchFindsWhatItLooksFor) {
    ASSERT_EQ(status_, 0) << complaints();
    Secrets secrets;
    add_plaintext(secrets, text_);
    EXPECT_TRUE(secrets.found_in(text_.substr(500'000, 600)).has_value());
    EXPECT_TRUE(secrets.found_in(read_file(folder_ / "out/left.weft") + text_.substr(700'000, 200)).has_value());
    EXPECT_FALSE(secrets.found_in(std::string(1 << 16, '\0')).has_value());
    add_key(secrets, folder_ / "kept/left.key");
    EXPECT_TRUE(secrets.found_in(read_file(folder_ / "kept/left.key")).has_value()) << "the seed, in hexadecimal";
}

TEST_F(Demo, LeavesNoProcessAndNoScratchFolder) {
    ASSERT_EQ(status_, 0) << complaints();
    std::smatch found;
    const std::string config = read_file(folder_ / "kept/left.toml");
    ASSERT_TRUE(std::regex_search(config, found, std::regex{"key = \"(.*)/left.key\""})) << config;
    const std::string scratch = found[1];
    EXPECT_FALSE(fs::exists(scratch));
    for (const auto& entry : fs::directory_iterator{"/proc"}) {
        const std::string command = read_file(entry.path() / "cmdline");
        EXPECT_EQ(command.find(scratch), std::string::npos) << command;
    }
}

// With the window built, a picture of the recording, and it is one.
TEST_F(Demo, EndsWithAPictureWhereTheWindowIsBuilt) {
    ASSERT_EQ(status_, 0) << complaints();
    if (!fs::exists(fs::path{WEFT_BINARY_DIR} / "gui/weft-gui")) GTEST_SKIP() << "Qt is not there: the window was not built";
    const std::string picture = read_file(folder_ / "out/left.png");
    EXPECT_TRUE(picture.starts_with("\x89PNG")) << said_ << complaints();
    EXPECT_GT(picture.size(), 20'000u);
    EXPECT_NE(said_.find("left.png"), std::string::npos) << said_;
}

}  // namespace
}  // namespace weft::test
