// Secret files: written whole or not at all, never over another, refused when others can read them.
#include <sys/stat.h>

#include <algorithm>

#include "node/entropy.h"
#include "node/keyfile.h"
#include "tests/node/daemon_support.h"

namespace weft::node {
namespace {

class KeyFile : public testing::Test {
protected:
    void SetUp() override { ASSERT_TRUE(start_sodium()); }

    std::string error_of(const std::string& path) const {
        const auto secret = read_secret_file(path, SecretKind::node_key);
        return secret ? "no error" : secret.error();
    }
    std::string write(std::string_view text) const {
        const std::string path = directory.write("key", text);
        ::chmod(path.c_str(), 0600);
        return path;
    }

    const TemporaryDirectory directory;
};

const std::string hex = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

TEST_F(KeyFile, WhatWasWrittenIsRead) {
    const std::string path = directory / "node.key";
    const Secret secret = Secret::random();
    ASSERT_TRUE(write_secret_file(path, SecretKind::node_key, secret));
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
    const auto read = read_secret_file(path, SecretKind::node_key);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->bytes(), secret.bytes());
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator{directory.path()}, {}), 1) << "nothing temporary is left";
}

TEST_F(KeyFile, AFileThatIsThereIsNeverOverwritten) {
    const std::string path = write("precious");
    const auto written = write_secret_file(path, SecretKind::node_key, Secret::random());
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error(), path + ": is there already and is never overwritten: move it away, or choose another path");
    EXPECT_EQ(read_file(path), "precious");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator{directory.path()}, {}), 1);
}

TEST_F(KeyFile, AFileThatOthersCanReadIsRefusedWithItsMend) {
    const std::string path = write("weft-key-v1\nseed " + hex + "\n");
    for (const mode_t mode : {0640u, 0604u, 0610u, 0666u}) {
        ::chmod(path.c_str(), mode);
        EXPECT_NE(error_of(path).find("run `chmod 600 " + path + "`"), std::string::npos) << error_of(path);
    }
    ::chmod(path.c_str(), 0400);
    EXPECT_TRUE(read_secret_file(path, SecretKind::node_key));
}

TEST_F(KeyFile, CommentsAndWindowsLineEndsAreRead) {
    const auto secret = read_secret_file(write("weft-key-v1\r\n# mine\r\n\r\nseed " + hex + "\r\n"), SecretKind::node_key);
    ASSERT_TRUE(secret) << secret.error();
    EXPECT_EQ(secret->bytes()[31], std::byte{31});
}

TEST_F(KeyFile, WhatIsNoKeyIsNamedByItsLine) {
    const std::string path = directory / "key";
    write("");
    EXPECT_EQ(error_of(path), path + ": line 1 is not \"weft-key-v1\": this is no key file, or one of a newer version");
    write("weft-key-v2\nseed " + hex + "\n");
    EXPECT_EQ(error_of(path), path + ": line 1 is not \"weft-key-v1\": this is no key file, or one of a newer version");
    write("weft-key-v1\n# cut\n");
    EXPECT_EQ(error_of(path), path + ": no line \"seed ...\" in it: the file was cut short");
    for (const std::string& line :
         {hex, "seed " + hex.substr(2), "seed " + hex + "00", "seed " + hex.substr(1) + "g", "secret " + hex})
        EXPECT_EQ(error_of(write("weft-key-v1\n\n" + line + "\n")),
                  path + ": line 3 is not \"seed \" and 64 hexadecimal digits, once")
            << line;
    write("weft-key-v1\nseed " + hex + "\nseed " + hex + "\n");
    EXPECT_EQ(error_of(path), path + ": line 3 is not \"seed \" and 64 hexadecimal digits, once");
    write(std::string(5'000, '#'));
    EXPECT_EQ(error_of(path), path + ": too long for a key file");
}

TEST_F(KeyFile, AMissingFileAndADirectoryAreNamed) {
    EXPECT_EQ(error_of(directory / "none"),
              directory / "none" + ": there is no such key file: make one with `weft key gen`");
    EXPECT_EQ(error_of(directory.path()), directory.path() + ": is not a regular file");
}

TEST_F(KeyFile, TheTwoKindsAreNotMixedUp) {
    const std::string path = directory / "net";
    ASSERT_TRUE(write_secret_file(path, SecretKind::network_secret, Secret::random()));
    EXPECT_FALSE(read_secret_file(path, SecretKind::node_key));
    EXPECT_TRUE(read_secret_file(path, SecretKind::network_secret));
}

TEST_F(KeyFile, ASecretThatMovedLeavesZerosBehind) {
    Secret first = Secret::random();
    const auto bytes = first.bytes();
    const Secret second = std::move(first);
    EXPECT_EQ(second.bytes(), bytes);
    EXPECT_TRUE(std::ranges::all_of(first.bytes(), [](std::byte b) { return b == std::byte{}; }));
}

}  // namespace
}  // namespace weft::node
