// libweft.so: what it exports, and docs/examples/pipe, built outside of the tree against the installed library; strace says that the
// library makes no system call.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace weft::api {
namespace {

namespace fs = std::filesystem;

struct Folder {
    Folder() {
        std::string pattern = (fs::temp_directory_path() / "weft-library-XXXXXX").string();
        path = mkdtemp(pattern.data());
    }
    ~Folder() { fs::remove_all(path); }
    fs::path path;
};

int shell(const std::string& command) {
    const int status = std::system((command + " 2>&1").c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string text_of(const fs::path& path) {
    std::ifstream file{path};
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST(Library, ExportsTheCallsOfTheHeaderAlone) {
    const Folder folder;
    const fs::path list = folder.path / "symbols";
    ASSERT_EQ(shell("nm -D --defined-only " WEFT_BINARY_DIR "/lib/libweft.so.1 >" + list.string()), 0);
    std::ifstream file{list};
    const std::string header = text_of(WEFT_SOURCE_DIR "/stack/api/weft.h");
    std::size_t calls = 0;
    for (std::string place, kind, name; file >> place >> kind >> name;) {
        name = name.substr(0, name.find('@'));
        if (kind == "A") continue;  // the version's own
        EXPECT_EQ(kind, "T") << name;
        EXPECT_NE(header.find(' ' + name + '('), std::string::npos) << name << " is in no header";
        ++calls;
    }
    std::size_t declared = 0;
    for (std::size_t at = 0; (at = header.find("WEFT_API ", at)) != std::string::npos; ++at)
        declared += header[at - 1] == '\n';
    EXPECT_EQ(calls, declared);
}

TEST(Library, AProgramOutsideTheTreeMovesAHundredMegabytesAndTheLibraryMakesNoSystemCall) {
    const Folder folder;
    const std::string prefix = (folder.path / "prefix").string(), build = (folder.path / "build").string();
    const std::string log = " >>" + (folder.path / "log").string();
    const std::string sanitize{WEFT_SANITIZE};
    ASSERT_EQ(shell(WEFT_CMAKE " --install " WEFT_BINARY_DIR " --component library --prefix " + prefix + log), 0);
    ASSERT_EQ(shell(WEFT_CMAKE " -S " WEFT_SOURCE_DIR "/docs/examples/pipe -B " + build +
                    " -DCMAKE_C_COMPILER=" WEFT_C_COMPILER " -DCMAKE_PREFIX_PATH=" + prefix +
                    (sanitize.empty() ? "" : " -DCMAKE_C_FLAGS=-fsanitize=" + sanitize) + log),
              0)
        << text_of(folder.path / "log");
    ASSERT_EQ(shell(WEFT_CMAKE " --build " + build + log), 0) << text_of(folder.path / "log");

    const bool traced = shell("strace -V >/dev/null") == 0 && shell("strace -o /dev/null true >/dev/null") == 0;
    const std::string calls = (folder.path / "calls").string(), said = (folder.path / "said").string();
    // By seccomp strace stops at what is asked for alone: the program's own read() and write() cost nothing.
    const std::string tracer = "strace -f --seccomp-bpf -e 'trace=!read,write' -o " + calls + " ";
    // LeakSanitizer cannot look while another watches.
    ASSERT_EQ(shell("ASAN_OPTIONS=detect_leaks=0 " + (traced ? tracer : std::string{}) + build + "/pipe >" + said), 0)
        << text_of(said);
    EXPECT_EQ(text_of(said), std::to_string(100'000'000 + (4 << 20)) + " bytes\n");
    if (!traced) GTEST_SKIP() << "strace is not here, or may not trace: what the library calls was not looked at";
    const std::string text = text_of(calls);
    const std::size_t begin = text.find("sched_yield()"), end = text.rfind("sched_yield()");
    ASSERT_NE(begin, std::string::npos);
    ASSERT_LT(begin, end);
    const std::string between = text.substr(begin, end - begin);
    EXPECT_EQ(std::count(between.begin(), between.end(), '\n'), 1) << between.substr(0, 2'000);
}

TEST(Library, TwoProgramsInCOpenAddressesOfTheirOwnAndSpeak) {
    const Folder folder;
    const fs::path script = folder.path / "script", log = folder.path / "log";
    std::ofstream{script} << R"sh(set -eu
cd "$1"
port=$((20000 + $$ % 20000))
"$2" serve $port >address &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for try in $(seq 300); do [ -s address ] && break; sleep 0.1; done
[ "$(timeout 120 "$2" ask "$(cat address)" $port)" = hello ]
wait $server
trap - EXIT
)sh";
    EXPECT_EQ(shell("sh " + script.string() + " " + folder.path.string() + " " WEFT_BINARY_DIR "/tests/api/example_open >>" +
                    log.string()),
              0)
        << text_of(log);
}

// In a network namespace of its own: a TUN device, a server of the kernel's on the loopback, and what lies behind the device.
constexpr const char* forwarder_script = R"(set -eu
ip link set lo up
ip tuntap add dev weft0 mode tun
ip addr add 192.168.77.1/24 dev weft0
ip link set weft0 up
ip route add 198.51.100.0/24 dev weft0
cd "$1"
head -c 3000000 /dev/urandom >file
python3 -m http.server 8123 --bind 127.0.0.1 >/dev/null 2>&1 &
server=$!
./forwarder weft0 127.0.0.1 &
forwarder=$!
trap 'kill $server $forwarder 2>/dev/null' EXIT
for try in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:8123/ && break; sleep 0.1; done
curl -sS --retry 20 --retry-connrefused --max-time 60 -o got http://198.51.100.7:8123/file
cmp file got
curl -sS --max-time 60 -o got http://198.51.100.200:8123/file
cmp file got
status=0
curl -s --max-time 60 -o got http://198.51.100.7:8124/file || status=$?
test $status = 7 # refused: nobody listens there
)";

TEST(Library, TheForwarderAcceptsAnyAddressAndPortAndRelaysOrRefuses) {
    for (const char* need :
         {"unshare -n true", "test -w /dev/net/tun", "ip -V", "curl -V", "python3 -V", "pkg-config --version"})
        if (shell(std::string(need) + " >/dev/null") != 0) GTEST_SKIP() << "it needs: " << need;
    const Folder folder;
    const std::string prefix = (folder.path / "prefix").string(), log = " >>" + (folder.path / "log").string();
    const std::string sanitize{WEFT_SANITIZE};
    ASSERT_EQ(shell(WEFT_CMAKE " --install " WEFT_BINARY_DIR " --component library --prefix " + prefix + log), 0);
    // As somebody without CMake would do it.
    const std::string pc = "--define-variable=prefix=" + prefix;
    ASSERT_EQ(shell("export PKG_CONFIG_PATH=$(dirname $(find " + prefix + " -name weft.pc)); lib=$(pkg-config " + pc +
                    " --variable=libdir weft); " WEFT_C_COMPILER " -std=c11 " WEFT_SOURCE_DIR
                    "/docs/examples/forwarder/forwarder.c $(pkg-config " +
                    pc + " --cflags --libs weft) -Wl,-rpath,$lib " + (sanitize.empty() ? "" : "-fsanitize=" + sanitize) +
                    " -o " + folder.path.string() + "/forwarder" + log),
              0)
        << text_of(folder.path / "log");
    std::ofstream{folder.path / "script"} << forwarder_script;
    EXPECT_EQ(shell("unshare -n sh " + folder.path.string() + "/script " + folder.path.string() + log), 0)
        << text_of(folder.path / "log");
}

}  // namespace
}  // namespace weft::api
