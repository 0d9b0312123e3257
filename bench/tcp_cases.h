// What bench tcp measures of the engine: each in a process of its own, by the processor time that the kernel charges it.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "bench/tcp_pair.h"

namespace weft::bench {

// One flow, sent as fast as a core carries both of its ends.
struct Stream {
    Crossing crossing{Crossing::referenced};
    std::uint32_t window{64 << 10};  // bytes of the receiver's buffer; the sender's is twice as long
    double seconds{1};  // of processor time
};
struct StreamCost {
    double bytes_a_second{0};  // of processor time
    double ns_a_packet{0};  // of text; everything included
    double in_flight{0};  // the part of the window that was on the wire or acknowledged on its way back, on average
};
// `referenced` and `whole` are lent the text by the application (one copy into the packet), `copied` copies it into the engine, too.
// In each the receiving application copies out and compares every byte.
std::expected<StreamCost, std::string> stream(const Stream& what);

struct Churn {
    double opened_a_second{0};  // and closed; of processor time
    std::uint64_t opened{0}, evicted{0};  // evicted: TIME-WAIT records that gave way to newer ones
};
std::expected<Churn, std::string> churn(std::uint32_t alive, double seconds);

// Processor seconds of a message of one byte, there and back, over flows in random order.
std::expected<double, std::string> echo(std::uint32_t alive, std::uint32_t outstanding, double seconds);

struct Idle {
    double bytes{0};  // of resident memory, an endpoint
    double megabytes{0};  // resident in all
};
std::expected<Idle, std::string> idle(std::uint32_t endpoints);

}  // namespace weft::bench
