// What is measured over a TAP device: one flow between the kernel's TCP and a server of ours, of the kernel's, or of lwIP's, both
// in a namespace that the run makes; and what both ends agree on having carried.
#pragma once

#include <expected>
#include <string>

#include "bench/bulk.h"
#include "bench/iperf3.h"

namespace weft::bench {

struct TapRun {
    Way way{Way::out};
    bool whole{true};  // super-segments pass whole: vnet_hdr, or a veth pair's offloads
    double seconds{3};
    unsigned server_core{1}, client_core{0};
};

// Bytes and seconds at the client, CPU of both ends while the flow lived. Fails with what went wrong: a byte too.
std::expected<Transfer, std::string> run_tap(const TapRun& run);
std::expected<Transfer, std::string> run_veth(const TapRun& run);
std::expected<Transfer, std::string> run_lwip(const TapRun& run, const std::string& program);

std::string find_lwip();  // $WEFT_LWIP, if it runs; else ""

}  // namespace weft::bench
