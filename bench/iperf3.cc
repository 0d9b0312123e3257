// Runs a server for one test and a client, and reads the client's JSON.
#include "bench/iperf3.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "bench/child.h"

namespace weft::bench {
namespace {

std::uint16_t free_port() {
    const node::UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket.get(), any, length) != 0 || ::getsockname(socket.get(), any, &length) != 0) return 0;
    return ntohs(address.sin_port);
}

std::optional<Transfer> read_result(const std::string& output) {
    const nlohmann::json result = nlohmann::json::parse(output, nullptr, false);
    const auto end = nlohmann::json::json_pointer{"/end/sum_received"};
    if (result.is_discarded() || !result.contains(end)) return std::nullopt;
    return Transfer{result[end].value("bytes", 0.0), result[end].value("seconds", 0.0), 0};
}

}  // namespace

std::string find_iperf3() {
    for (const char* candidate : std::array<const char*, 3>{std::getenv("WEFT_IPERF3"), std::getenv("IPERF3"), "iperf3"}) {
        if (candidate && *candidate && Child::run({candidate, "--version"}).finish(10).status == 0) return candidate;
    }
    return "";
}

std::optional<Transfer> run_iperf3(const std::string& program, double seconds) {
    const std::string port = std::to_string(free_port());
    Child server = Child::run({program, "-s", "-1", "-B", "127.0.0.1", "-p", port});
    // The server says nowhere that it listens: the client tries until it does.
    for (int attempt = 0; attempt < 50; ++attempt) {
        Child client = Child::run(
            {program, "-c", "127.0.0.1", "-p", port, "-C", "cubic", "-t", fmt::format("{:.0f}", seconds), "--json"});
        const Finished finished = client.finish(seconds + 20);
        if (std::optional<Transfer> flow = read_result(finished.output); flow && finished.status == 0) {
            flow->cpu_seconds = finished.cpu_seconds + server.finish(10).cpu_seconds;
            return flow;
        }
        ::usleep(50'000);
    }
    return std::nullopt;
}

}  // namespace weft::bench
