// One direction of a link: a drop-tail queue in front of a rate, then delay and jitter, and what may happen to a
// packet on the way. All of it is drawn from (seed, wire, index of the packet), never from a shared stream.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "sim/random.h"
#include "stack/core/time.h"

namespace weft::sim {

struct WireOptions {
    std::uint64_t rate{0};                        // bits per second; 0: without limit
    std::uint64_t queue{std::numeric_limits<std::uint64_t>::max()};  // bytes that may wait in front of the rate
    Duration delay{Duration::milliseconds(10)};   // one way
    Duration jitter;                              // added to it: uniform over [0, jitter]
    bool keeps_order{true};                       // jitter alone never overtakes
    std::uint32_t loss{0}, duplication{0}, corruption{0}, reordering{0};  // packets in a million
    // ECN-capable packets get the mark: so many in a million, and all that find more than so many bytes in front of the rate.
    std::uint32_t marking{0};
    std::uint64_t mark_above{std::numeric_limits<std::uint64_t>::max()};
    Duration reordering_delay{Duration::milliseconds(5)};  // a reordered packet waits up to so much longer
    std::uint64_t lose_from{0}, lose_until{0};  // packets with these indices [from, until) are lost
    Instant down_from{Instant::never()}, down_until{Instant::never()};  // a blackout: what is sent in [from, until) is lost
    std::uint32_t mtu{65'535};  // bytes, network header included; what is larger is lost
    std::uint32_t front{0};  // bytes in front of the network header, where marks are: an Ethernet header's 14
    Duration batching;  // arrivals are held up to multiples of it, as by a device's interrupt
    bool authenticated{false};  // a session below drops what was corrupted
};

// Packets, but for bytes_sent. sent + duplicated = delivered + all that was lost + in flight.
struct WireStatistics {
    std::uint64_t sent{0}, bytes_sent{0}, delivered{0};
    std::uint64_t lost{0}, overflowed{0}, too_large{0}, blacked_out{0}, unauthentic{0}, no_memory{0};
    std::uint64_t duplicated{0}, corrupted{0}, reordered{0}, marked{0};
};

// What becomes of one packet.
struct Fate {
    std::optional<Instant> arrival, second_arrival;  // none: lost; the second is the duplicate's
    bool corrupted{false}, marked{false};
    std::uint64_t corruption{0};  // where and how
};

class Wire {
public:
    Wire(std::uint64_t seed, std::uint32_t id, const WireOptions& what) : options{what}, seed_{seed}, id_{id} {}

    WireOptions options;  // may be changed at any moment; packets under way keep their fate
    WireStatistics statistics;

    // Sends `size` bytes at `now` (never earlier than those before).
    Fate carry(std::uint32_t size, Instant now);

private:
    std::uint64_t waiting(Instant now) const;  // bytes in front of the rate
    bool queue_has_room(std::uint32_t size, Instant now) const;
    Instant serialised(std::uint32_t size, Instant now);
    Instant arrival(Instant departed, Draws& draws);

    std::uint64_t seed_;
    std::uint32_t id_;
    std::uint64_t index_{0};  // of the next packet
    Instant busy_until_;  // the rate's
    std::uint64_t fraction_{0};  // picoseconds of it beyond whole nanoseconds
    Instant last_arrival_;  // of packets that keep their order
};

}  // namespace weft::sim
