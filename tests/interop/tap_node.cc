// The kernel's programs and sockets against a `weft tap`, and how each ends.
#include "tests/interop/tap_node.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <sstream>
#include <thread>

#include "stack/core/checksum.h"

namespace weft::test {
namespace {

using Clock = std::chrono::steady_clock;

std::string drain(int fd) {
    std::string all;
    char some[4096];
    ::lseek(fd, 0, SEEK_SET);
    for (ssize_t count; (count = ::read(fd, some, sizeof some)) > 0;) all.append(some, std::size_t(count));
    return all;
}

[[noreturn]] void become(const std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    ::execvp(pointers[0], pointers.data());
    ::_exit(127);
}

// Its exit status once it has ended; -1 after `patience`.
int reap(pid_t pid, milliseconds patience) {
    const auto deadline = Clock::now() + patience;
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) != pid) {
        if (Clock::now() > deadline) return -1;
        std::this_thread::sleep_for(milliseconds{2});
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct Target {
    sockaddr_storage address{};
    socklen_t length{0};
    bool v6{false};
};

Target target_of(const std::string& text, std::uint16_t port) {
    Target target;
    auto* const four = reinterpret_cast<sockaddr_in*>(&target.address);
    auto* const six = reinterpret_cast<sockaddr_in6*>(&target.address);
    target.v6 = text.find(':') != std::string::npos;
    if (target.v6) six->sin6_family = AF_INET6, six->sin6_port = htons(port), target.length = sizeof *six;
    else four->sin_family = AF_INET, four->sin_port = htons(port), target.length = sizeof *four;
    ::inet_pton(target.v6 ? AF_INET6 : AF_INET, text.c_str(),
                target.v6 ? static_cast<void*>(&six->sin6_addr) : static_cast<void*>(&four->sin_addr));
    return target;
}

bool ready(int fd, short events, int patience) {
    pollfd waiting{fd, events, 0};
    return ::poll(&waiting, 1, patience) > 0;
}

}  // namespace

Outcome run(const std::vector<std::string>& words) {
    const UniqueFd out{::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)},
        err{::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(out.get(), STDOUT_FILENO);
        ::dup2(err.get(), STDERR_FILENO);
        become(words);
    }
    Outcome outcome;
    outcome.status = reap(pid, milliseconds{60'000});
    if (outcome.status == -1) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    outcome.out = drain(out.get());
    outcome.err = drain(err.get());
    return outcome;
}

void must(std::string_view line) {
    std::istringstream words{std::string{line}};
    const Outcome outcome = run({std::istream_iterator<std::string>{words}, {}});
    ASSERT_EQ(outcome.status, 0) << line << ": " << outcome.err;
}

TapNode::~TapNode() {
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    if (testing::Test::HasFailure()) std::fprintf(stderr, "--- weft tap said\n%s", said().c_str());
}

void TapNode::start() {
    const std::string said = directory_ / "said", runtime = directory_ / "run";
    const char* const other = std::getenv("WEFT_TAP_PROGRAM");  // of another build than the tests'
    std::vector<std::string> words{other ? other : WEFT_BINARY_DIR "/node/weft", "tap", "-v"};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
        ::unsetenv("WEFT_NODE");
        ::setenv("WEFT_RUNTIME_DIR", runtime.c_str(), 1);
        const int out = ::open(said.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
        become(words);
    }
    for (const auto deadline = Clock::now() + milliseconds{30'000}; Clock::now() < deadline;
         std::this_thread::sleep_for(milliseconds{5})) {
        if (!running()) return;
        auto client = node::Client::connect(runtime + "/tap.sock");
        if (client && client->call("node.info", Json::object(), milliseconds{5'000})) return;
    }
    FAIL() << "weft tap did not come up";
}

bool TapNode::running() const {
    siginfo_t ended{};
    return pid_ > 0 && ::waitid(P_PID, id_t(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
}

int TapNode::end(int signal) {
    if (signal != 0) ::kill(pid_, signal);
    const int status = reap(pid_, milliseconds{20'000});
    if (status != -1) pid_ = -1;
    return status;
}

node::Client TapNode::client() const {
    auto client = node::Client::connect(directory_ / "run/tap.sock");
    if (!client) ADD_FAILURE() << client.error().message;
    return client ? std::move(*client) : node::Client{UniqueFd{}};
}

Json TapNode::call(std::string_view method, const Json& params) const {
    auto answer = client().call(method, params, milliseconds{10'000});
    EXPECT_TRUE(answer) << method << ": " << answer.error().message;
    return answer ? std::move(answer->result) : Json::object();
}

std::string pattern_text(std::size_t size, std::uint32_t seed) {
    std::string text(size, '\0');
    std::uint64_t word = seed * 0x9e37'79b9'7f4a'7c15ull + 1;
    for (std::size_t at = 0; at < size; at += 8) {
        word = word * 6'364'136'223'846'793'005ull + 1'442'695'040'888'963'407ull;
        const std::uint64_t mixed = word ^ word >> 29;
        std::memcpy(text.data() + at, &mixed, std::min<std::size_t>(8, size - at));
    }
    return text;
}

UniqueFd connect_to(const std::string& address, std::uint16_t port, const std::string& congestion) {
    const Target target = target_of(address, port);
    UniqueFd fd{::socket(target.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!congestion.empty() &&
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_CONGESTION, congestion.data(), socklen_t(congestion.size())) != 0) {
        ADD_FAILURE() << "TCP_CONGESTION " << congestion << ": " << std::strerror(errno);
        return {};
    }
    const auto* const to = reinterpret_cast<const sockaddr*>(&target.address);
    if (::connect(fd.get(), to, target.length) != 0 && errno != EINPROGRESS) return {};
    if (!ready(fd.get(), POLLOUT, 10'000)) return {};
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    errno = error;
    return error == 0 ? std::move(fd) : UniqueFd{};
}

std::string through_echo(int fd, const std::string& bytes) {
    std::string came;
    std::size_t sent = 0;
    std::vector<char> some(1 << 18);
    while (came.size() < bytes.size()) {
        if (!ready(fd, short(sent < bytes.size() ? POLLIN | POLLOUT : POLLIN), 20'000)) return came;
        if (sent < bytes.size()) {
            const ssize_t count = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count > 0) sent += std::size_t(count);
        }
        const ssize_t count = ::recv(fd, some.data(), some.size(), MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN)) return came;
        if (count > 0) came.append(some.data(), std::size_t(count));
    }
    return came;
}

unsigned ping(const std::string& address, std::size_t size, unsigned count, unsigned at_once) {
    const Target target = target_of(address, 0);
    const UniqueFd fd{::socket(target.v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC,
                               target.v6 ? int(IPPROTO_ICMPV6) : int(IPPROTO_ICMP))};
    if (!fd) return 0;
    const std::string payload = pattern_text(size, std::uint32_t(size));
    const auto id = std::uint16_t(::getpid());
    std::vector<std::byte> packet(8 + size), got(65'536);
    unsigned sent = 0, answered = 0;
    while (answered < count) {
        for (; sent < count && sent < answered + at_once; ++sent) {
            Writer out{packet};
            out.u8(target.v6 ? std::uint8_t{ICMP6_ECHO_REQUEST} : std::uint8_t{ICMP_ECHO}), out.u8(0),
                out.big(std::uint16_t{0});
            out.big(id), out.big(std::uint16_t(sent)), out.put(std::string_view{payload});
            if (!target.v6) store_big(packet.data() + 2, checksum::field(checksum::sum(packet)));
            if (::sendto(fd.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&target.address),
                         target.length) < 0)
                return answered;
        }
        if (!ready(fd.get(), POLLIN, 5'000)) return answered;
        const ssize_t length = ::recv(fd.get(), got.data(), got.size(), 0);
        const std::size_t header = target.v6 || length < 20 ? 0 : std::to_integer<std::size_t>(got[0] & std::byte{15}) * 4;
        if (length < ssize_t(header + packet.size())) continue;
        const Bytes answer{got.data() + header, std::size_t(length) - header};
        const bool reply = answer[0] == std::byte(target.v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
        if (!reply || load_big<std::uint16_t>(answer.data() + 4) != id) continue;
        if (answer.size() != packet.size() || std::memcmp(answer.data() + 8, payload.data(), size) != 0) return answered;
        ++answered;
    }
    return answered;
}

}  // namespace weft::test
