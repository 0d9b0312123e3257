// Where a packet of a channel came from or goes to: a UDP endpoint, or a label path with the peer at its far end
// (docs/wire.md). One channel has any number of ways, and sends on one of them.
#pragma once

#include <cstdint>

#include "stack/core/batch.h"

namespace weft::overlay {

struct Way {
    UdpEndpoint endpoint;     // over UDP; port 0: none
    std::uint64_t path{0};    // the label path's id; 0: not a label path

    Way() = default;
    Way(const UdpEndpoint& at) : endpoint{at} {}   // an endpoint is a way as it stands
    static Way along(std::uint64_t path_id) {
        Way way;
        way.path = path_id;
        return way;
    }

    bool labelled() const { return path != 0; }
    explicit operator bool() const { return path != 0 || endpoint.port != 0; }

    friend bool operator==(const Way& a, const Way& b) { return a.path == b.path && a.endpoint == b.endpoint; }
};

// A packet as it came: by which way, of what size, under what mark.
struct Arrival {
    Way from;
    std::size_t bytes{0};     // of the datagram, or of the session packet
    std::uint32_t link{0};    // Receive::link
    Ecn ecn{Ecn::not_capable};
    bool newest{false};       // it has the highest counter so far
};

}  // namespace weft::overlay
