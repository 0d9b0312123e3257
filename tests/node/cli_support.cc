// Helpers of the command line's tests (see cli_support.h).
#include "tests/node/cli_support.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

namespace weft::node::test {

TemporaryDirectory::TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::pair<UniqueFd, UniqueFd> stream_pair() {
    std::array<int, 2> fds{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) std::abort();
    return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

void write_file(const std::string& path, std::string_view bytes) {
    std::ofstream file{path, std::ios::binary};
    file.write(bytes.data(), std::streamsize(bytes.size()));
}

std::string read_file(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

std::string read_to_end(int fd) {
    std::string all;
    std::vector<char> block(1 << 16);
    for (ssize_t got; (got = ::read(fd, block.data(), block.size())) > 0 || (got < 0 && errno == EINTR);)
        if (got > 0) all.append(block.data(), std::size_t(got));
    return all;
}

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == ENOTSOCK) sent = ::write(fd, bytes.data(), bytes.size());
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        bytes.remove_prefix(std::size_t(sent));
    }
    return true;
}

std::string noise(std::size_t size, std::uint64_t seed) {
    std::mt19937_64 random{seed};
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = char(random());
    return bytes;
}

Json FakeConnection::request() {
    for (;;) {
        if (const std::size_t end = received_.find('\n'); end != std::string::npos) {
            Json line = Json::parse(received_.substr(0, end));
            received_.erase(0, end + 1);
            return line;
        }
        std::array<char, 4096> block{};
        const ssize_t got = ::recv(socket_.get(), block.data(), block.size(), 0);
        if (got <= 0) return nullptr;
        received_.append(block.data(), std::size_t(got));
    }
}

void FakeConnection::raw(std::string_view bytes, int descriptor) {
    if (descriptor < 0) {
        write_all(socket_.get(), bytes);
        return;
    }
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent >= 0) write_all(socket_.get(), bytes.substr(std::size_t(sent)));
}

void FakeConnection::answer(const Json& request, const Json& result, int descriptor) {
    raw(Json{{"jsonrpc", "2.0"}, {"id", request.at("id")}, {"result", result}}.dump() + '\n', descriptor);
}

void FakeConnection::refuse(const Json& request, std::string_view message, std::string_view cause) {
    const Json error{{"code", -32000}, {"message", message}, {"data", {{"error", cause}}}};
    raw(Json{{"jsonrpc", "2.0"}, {"id", request.at("id")}, {"error", error}}.dump() + '\n');
}

void FakeConnection::notify(std::string_view method, const Json& params, int descriptor) {
    raw(Json{{"jsonrpc", "2.0"}, {"method", method}, {"params", params}}.dump() + '\n', descriptor);
}

FakeNode::FakeNode(std::string path, std::function<void(FakeConnection&)> serve)
    : path_{std::move(path)}, listener_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)}, stop_{::eventfd(0, EFD_CLOEXEC)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), std::min(path_.size() + 1, sizeof address.sun_path - 1));
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) std::abort();
    if (::listen(listener_.get(), 8) != 0) std::abort();
    thread_ = std::thread{[this, serve = std::move(serve)] {
        for (;;) {
            std::array<pollfd, 2> entries{{{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
            ::poll(entries.data(), entries.size(), -1);
            if (entries[1].revents != 0) return;
            FakeConnection connection{UniqueFd{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)}};
            serve(connection);
        }
    }};
}

FakeNode::~FakeNode() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t told = ::write(stop_.get(), &one, sizeof one);
    thread_.join();
}

namespace {

// CLOEXEC at once: programs of other threads must not inherit them.
std::pair<UniqueFd, UniqueFd> pipe_pair() {
    std::array<int, 2> fds{-1, -1};
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) std::abort();
    return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

// A program that has ended must not end the tests that feed it.
[[maybe_unused]] const auto previous = ::signal(SIGPIPE, SIG_IGN);

std::vector<std::string> environment_lines(const Environment& changed) {
    std::vector<std::string> lines;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view line{*entry};
        const std::string_view name = line.substr(0, line.find('='));
        if (!name.starts_with("WEFT_") && !changed.contains(std::string{name})) lines.emplace_back(line);
    }
    for (const auto& [name, value] : changed) lines.push_back(name + "=" + value);
    return lines;
}

std::vector<char*> pointers(std::vector<std::string>& lines) {
    std::vector<char*> all;
    for (std::string& line : lines) all.push_back(line.data());
    all.push_back(nullptr);
    return all;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const Environment& environment, int input) {
    auto [in_reader, in_writer] = pipe_pair();
    auto [out_reader, out_writer] = pipe_pair();
    auto [err_reader, err_writer] = pipe_pair();
    std::vector<std::string> words = arguments, lines = environment_lines(environment);
    const std::vector<char*> word_pointers = pointers(words), line_pointers = pointers(lines);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::dup2(input >= 0 ? input : in_reader.get(), STDIN_FILENO);
        ::dup2(out_writer.get(), STDOUT_FILENO);
        ::dup2(err_writer.get(), STDERR_FILENO);
        ::signal(SIGPIPE, SIG_DFL);
        ::execve(word_pointers[0], word_pointers.data(), line_pointers.data());
        ::_exit(126);
    }
    if (input < 0) input_ = std::move(in_writer);
    out_ = std::move(out_reader);
    err_ = std::move(err_reader);
}

Program::~Program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void Program::close_output() { out_.reset(); }
void Program::kill(int signal) { ::kill(pid_, signal); }

bool Program::wait_for_err(std::string_view text) {
    while (err_text_.find(text) == std::string::npos) {
        std::array<char, 1024> block{};
        const ssize_t got = ::read(err_.get(), block.data(), block.size());
        if (got <= 0) return false;
        err_text_.append(block.data(), std::size_t(got));
    }
    return true;
}

Outcome Program::finish() {
    close_input();
    Outcome outcome;
    std::thread errors{[this] { err_text_ += read_to_end(err_.get()); }};
    if (out_) outcome.out = read_to_end(out_.get());
    errors.join();
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome.err = err_text_;
    return outcome;
}

std::string weft_binary() { return WEFT_BINARY_DIR "/node/weft"; }

Outcome run_weft(std::vector<std::string> arguments, const Environment& environment, std::string_view input) {
    arguments.insert(arguments.begin(), weft_binary());
    Program program{arguments, environment};
    if (!input.empty()) {
        std::thread feeder{[&] {
            write_all(program.input(), input);
            program.close_input();
        }};
        feeder.join();
    }
    return program.finish();
}

}  // namespace weft::node::test
