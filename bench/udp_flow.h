// What is measured: two processes, each a shard with its key, its links and its UDP socket on loopback, and one encrypted flow
// between them, whose bytes the receiving program compares with what they must be.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "bench/iperf3.h"

namespace weft::bench {

// The receiver's bytes and seconds, CPU of both ends from their first instruction to their last. Fails with what went wrong,
// which includes a single wrong or missing byte. With `listeners` somebody reads all events of both ends meanwhile.
std::expected<Transfer, std::string> run_weft(double seconds, std::uint32_t mtu, bool listeners = false);

}  // namespace weft::bench
