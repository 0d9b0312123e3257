// Processes are started with their own runtime directory, so that tests run side by side.
#include "tests/node/process/nodes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstring>

#include "node/entropy.h"
#include "node/keyfile.h"
#include "overlay/identity.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

UniqueFd bound_socket(std::uint16_t port = 0) {
    UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const sockaddr_in address = loopback(port);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
    const int buffer = 4 << 20;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    return fd;
}

std::uint16_t port_of(const UniqueFd& fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    return ntohs(address.sin_port);
}

}  // namespace

std::uint16_t free_port() { return port_of(bound_socket()); }

NodeProcess::NodeProcess(const TemporaryDirectory& directory, std::string name)
    : directory_{directory}, name_{std::move(name)}, port_{free_port()} {
    EXPECT_TRUE(start_sodium());
    const Secret seed = Secret::random();
    EXPECT_TRUE(write_secret_file(directory / (name_ + ".key"), SecretKind::node_key, seed));
    address_ = OverlayFamily::format(overlay::Identity{seed.bytes()}.address());
}

NodeProcess::~NodeProcess() {
    if (pid_ > 0) kill();
    if (testing::Test::HasFailure()) std::fprintf(stderr, "--- log of %s\n%s", name_.c_str(), log().c_str());
}

std::string NodeProcess::peer_table(std::uint16_t port) const {
    std::string text = "[[peer]]\nname = \"" + name_ + "\"\naddress = \"" + address_ + "\"\n";
    if (port != 0) text += "endpoints = [\"127.0.0.1:" + std::to_string(port) + "\"]\n";
    return text;
}

void NodeProcess::configure(std::string_view more) {
    const std::string text = "[node]\nname = \"" + name_ +
                             "\"\n[log]\nlevel = \"debug\"\n[network]\nname = \"test\"\nwork = 0\n[listen]\nudp = "
                             "\"127.0.0.1:" +
                             std::to_string(port_) + "\"\n";
    config_ = directory_.write(name_ + ".toml", text + std::string(more));
}

void NodeProcess::configure(const NodeProcess& peer, std::uint16_t peer_port, std::string_view more) {
    configure(peer.peer_table(peer_port) + std::string(more));
}

void NodeProcess::start() {
    const std::string log = directory_ / (name_ + ".log"), runtime = directory_ / "run";
    pid_ = ::fork();
    ASSERT_GE(pid_, 0);
    if (pid_ == 0) {
        ::setenv("WEFT_RUNTIME_DIR", runtime.c_str(), 1);
        const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ::dup2(out, STDERR_FILENO);
        ::execl(WEFT_BINARY_DIR "/node/weftd", "weftd", "-f", config_.c_str(), nullptr);
        ::_exit(127);
    }
    const auto begin = Clock::now();
    while (since(begin) < milliseconds{10'000}) {
        if (Client::connect(directory_ / ("run/" + name_ + ".sock"))) return;
        ASSERT_TRUE(alive()) << this->log();
        std::this_thread::sleep_for(milliseconds{5});
    }
    FAIL() << name_ << " did not come up";
}

// Looks without reaping: the number stays the process's own until kill() or wait().
bool NodeProcess::alive() const {
    siginfo_t ended{};
    return ::waitid(P_PID, id_t(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
}
void NodeProcess::signal(int number) const { ::kill(pid_, number); }

void NodeProcess::kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

int NodeProcess::wait() {
    const auto begin = Clock::now();
    int status = 0;
    while (since(begin) < milliseconds{10'000}) {
        if (::waitpid(pid_, &status, WNOHANG) == pid_) {
            pid_ = -1;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        std::this_thread::sleep_for(milliseconds{5});
    }
    return -1;
}

Client NodeProcess::client() const {
    auto client = Client::connect(directory_ / ("run/" + name_ + ".sock"));
    if (!client) ADD_FAILURE() << name_ << ": " << client.error().message;
    return client ? std::move(*client) : Client{UniqueFd{}};
}

Json NodeProcess::call(std::string_view method, const Json& params) const {
    Client control = client();
    auto answer = control.call(method, params, milliseconds{5'000});
    EXPECT_TRUE(answer) << method << ": " << answer.error().message;
    return answer ? std::move(answer->result) : Json::object();
}

bool NodeProcess::wait_for_link(milliseconds patience) const {
    for (const auto begin = Clock::now(); since(begin) < patience; std::this_thread::sleep_for(milliseconds{5})) {
        const Json peers = call("peer.list");
        if (!peers["peers"].empty() && (peers["peers"][0]["state"] == "up" || peers["peers"][0]["state"] == "rekey"))
            return true;
    }
    return false;
}

Ends connect(const NodeProcess& from, const NodeProcess& to, std::uint16_t port, milliseconds patience) {
    Ends ends;
    ends.receiver_control = to.client();
    ends.sender_control = from.client();
    const auto listening = ends.receiver_control->call("flow.listen", {{"port", port}}, patience);
    EXPECT_TRUE(listening) << listening.error().message;
    auto opened = ends.sender_control->call("flow.connect", {{"address", to.address()}, {"port", port}}, patience);
    EXPECT_TRUE(opened) << opened.error().message;
    if (!listening || !opened) return ends;
    ends.sender = std::move(opened->flow);
    ends.sender_flow = opened->result["flow"];
    auto accepted = ends.receiver_control->next(patience);
    EXPECT_TRUE(accepted && accepted->method == "flow.accepted");
    if (!accepted) return ends;
    ends.receiver = std::move(accepted->flow);
    ends.receiver_flow = accepted->params["flow"];
    EXPECT_EQ(accepted->params["remote"]["address"], from.address());
    return ends;
}

Ended wait_for_end(Client& control, milliseconds patience) {
    const auto begin = Clock::now();
    while (since(begin) < patience) {
        auto told = control.next(patience - since(begin));
        if (!told) break;
        if (told->method != "flow.ended") continue;
        const Json& error = told->params["error"];
        return {error.is_null() ? "" : error.get<std::string>(), since(begin), told->params};
    }
    return {"none came", since(begin), {}};
}

void fill(std::uint64_t offset, std::span<std::byte> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::uint64_t at = offset + i, word = (at / 8 + 1) * 0x9e37'79b9'7f4a'7c15;
        out[i] = std::byte(std::uint8_t((word ^ word >> 29) >> (at % 8 * 8)));
    }
}

void send_pattern(int fd, std::uint64_t size, std::uint64_t rate, std::atomic<std::uint64_t>& sent) {
    std::vector<std::byte> piece(32 << 10);
    const auto begin = Clock::now();
    for (std::uint64_t offset = 0; offset < size;) {
        const std::size_t length = std::size_t(std::min<std::uint64_t>(piece.size(), size - offset));
        fill(offset, std::span(piece).first(length));
        for (std::size_t done = 0; done < length;) {
            const ssize_t wrote = ::send(fd, piece.data() + done, length - done, MSG_NOSIGNAL);
            if (wrote <= 0) return;
            done += std::size_t(wrote);
            sent += std::uint64_t(wrote);
        }
        offset += length;
        if (rate != 0) std::this_thread::sleep_until(begin + std::chrono::microseconds(offset * 1'000'000 / rate));
    }
    ::shutdown(fd, SHUT_WR);
}

Received receive_pattern(int fd, std::atomic<std::uint64_t>& received) {
    Received result;
    std::vector<std::byte> piece(64 << 10), wanted(64 << 10);
    for (auto last = Clock::now();; last = Clock::now()) {
        const ssize_t got = ::recv(fd, piece.data(), piece.size(), 0);
        result.longest_gap = std::max(result.longest_gap, since(last));
        if (got <= 0) {
            result.ended = got == 0;
            return result;
        }
        fill(result.bytes, std::span(wanted).first(std::size_t(got)));
        result.equal = result.equal && std::memcmp(piece.data(), wanted.data(), std::size_t(got)) == 0;
        result.bytes += std::uint64_t(got);
        received = result.bytes;
    }
}

Nat::Nat(std::uint16_t target) : inside_{bound_socket()}, outside_{bound_socket()}, target_{target} {
    port_ = port_of(inside_);
    thread_ = std::thread([this] { run(); });
}

Nat::~Nat() {
    end_ = true;
    thread_.join();
}

void Nat::keep(std::span<const std::byte> datagram) {
    const std::lock_guard guard{mutex_};
    if (passed_.size() < 64) passed_.emplace_back(datagram.begin(), datagram.end());
}

std::vector<std::vector<std::byte>> Nat::passed() {
    const std::lock_guard guard{mutex_};
    return passed_;
}

void Nat::run() {
    std::vector<std::byte> datagram(65'536);
    sockaddr_in dialler{};
    while (!end_) {
        if (changes_ != done_) {
            outside_ = bound_socket();
            done_.fetch_add(1);
        }
        std::array<pollfd, 2> ready{{{inside_.get(), POLLIN, 0}, {outside_.get(), POLLIN, 0}}};
        ::poll(ready.data(), ready.size(), 2);
        for (int burst = 0; burst < 64; ++burst) {
            socklen_t size = sizeof dialler;
            const ssize_t got =
                ::recvfrom(inside_.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&dialler), &size);
            if (got < 0) break;
            keep(std::span(datagram).first(std::size_t(got)));
            const sockaddr_in to = loopback(target_);
            ::sendto(outside_.get(), datagram.data(), std::size_t(got), 0, reinterpret_cast<const sockaddr*>(&to),
                     sizeof to);
        }
        for (int burst = 0; burst < 64; ++burst) {
            const ssize_t got = ::recv(outside_.get(), datagram.data(), datagram.size(), 0);
            if (got < 0) break;
            ::sendto(inside_.get(), datagram.data(), std::size_t(got), 0, reinterpret_cast<const sockaddr*>(&dialler),
                     sizeof dialler);
        }
    }
}

}  // namespace weft::node
