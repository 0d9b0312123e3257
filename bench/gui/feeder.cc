// One client at a time: lines until it subscribes, then batches every few milliseconds.
#include "bench/gui/feeder.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <regex>
#include <vector>

#include "node/unique_fd.h"
#include "sim/made.h"
#include "stack/core/recording.h"

namespace weft::bench {
namespace {

constexpr double turn = 0.004;  // seconds between two batches, as a telemetry thread's

std::int64_t clock_ns(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return std::int64_t(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

bool send_all(int socket, const void* data, std::size_t size) {
    const auto* at = static_cast<const char*>(data);
    while (size != 0) {
        const ssize_t sent = ::send(socket, at, size, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += sent;
        size -= std::size_t(sent);
    }
    return true;
}

// Answers each request; true once it was a subscription.
bool subscribed(int socket) {
    static const std::regex id{R"re("id"\s*:\s*([0-9]+|"[^"]*"))re"};
    std::string line;
    char next = 0;
    while (::recv(socket, &next, 1, 0) == 1) {
        if (next != '\n') {
            line += next;
            continue;
        }
        std::smatch found;
        const std::string request = std::regex_search(line, found, id) ? found[1].str() : "null";
        const bool wanted = line.find("\"events.subscribe\"") != std::string::npos;
        const std::string answer =
            fmt::format(R"({{"jsonrpc":"2.0","id":{},"result":{}}})"
                        "\n",
                        request, wanted ? "{}" : R"({"name":"bench","version":"0.1.0","pid":1,"address":""})");
        if (!send_all(socket, answer.data(), answer.size())) return false;
        if (wanted) return true;
        line.clear();
    }
    return false;
}

void tell(int socket, std::uint32_t flows, std::uint32_t per_second) {
    const std::int64_t begin = clock_ns(CLOCK_MONOTONIC);
    sim::MadeRecords made{{.seed = 7, .flows = flows, .per_second = per_second, .begin_ns = begin}};
    trace::RecordingWriter writer{{{begin, clock_ns(CLOCK_REALTIME)}, "bench", {}, false},
                                  trace::RecordingWriter::Indices::none};
    std::vector<std::byte> bytes;
    writer.begin(bytes);
    std::vector<trace::Record> records;
    std::uint64_t told = 0;
    while (true) {
        const double due = double(clock_ns(CLOCK_MONOTONIC) - begin) * double(per_second) / 1e9;
        records.resize(std::min<std::size_t>(std::size_t(std::max(due - double(told), 0.0)), per_second));
        made.next(records);
        for (const trace::Record& record : records) writer.add(record, bytes);
        told += records.size();
        writer.flush(bytes);
        if (!send_all(socket, bytes.data(), bytes.size())) return;
        bytes.clear();
        ::usleep(useconds_t(turn * 1e6));
    }
}

int serve(int pipe, const std::string& path, std::uint32_t flows, std::uint32_t per_second) {
    const node::UniqueFd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return 1;
    std::memcpy(address.sun_path, path.data(), path.size());
    ::unlink(path.c_str());
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
    if (::listen(listener.get(), 4) != 0 || ::write(pipe, "ready\n", 6) != 6) return 1;
    while (true) {
        const node::UniqueFd client{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (client && subscribed(client.get())) tell(client.get(), flows, per_second);
    }
}

}  // namespace

Child feed(const std::string& path, std::uint32_t flows, std::uint32_t per_second) {
    return Child::call([=](int pipe) { return serve(pipe, path, flows, per_second); });
}

}  // namespace weft::bench
