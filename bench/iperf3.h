// The peer: iperf3, one stream of kernel TCP with CUBIC over loopback.
#pragma once

#include <optional>
#include <string>

namespace weft::bench {

struct Transfer {
    double bytes{0}, seconds{0}, cpu_seconds{0};  // what the receiver got, how long it took, CPU of both ends
};

// $WEFT_IPERF3, $IPERF3 or iperf3 of PATH, whichever runs first; "" when none does.
std::string find_iperf3();

std::optional<Transfer> run_iperf3(const std::string& program, double seconds);  // none: it failed

}  // namespace weft::bench
