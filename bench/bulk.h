// One flow of kernel TCP (CUBIC), from either end, that carries the block of bench/block.h: port 5001 reads until the end and
// port 5002 writes until the client has ended. Both ends tell how many bytes it was, and what CPU time it took them.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

namespace weft::bench {

enum class Way : std::uint8_t { out, in };  // of the measured side: it sends, or it receives
constexpr std::uint16_t port_of(Way way) { return way == Way::in ? 5'001 : 5'002; }

struct End {  // what one end saw of the flow
    std::uint64_t bytes{0};
    double seconds{0};  // client: from the connection to the end; server: 0
    double cpu_seconds{0};
};
std::string to_line(const End& end);  // ends in a line feed
std::expected<End, std::string> parse_end(const std::string& line);

// The client, for so many seconds, or the server's one flow. The error says what went wrong, such as a wrong byte.
std::expected<End, std::string> drive(Way way, double seconds);
std::expected<End, std::string> serve_kernel(Way way, int ready);  // writes "ready\n" to `ready` when it listens

}  // namespace weft::bench
