// What left and is not acknowledged yet, and what an acknowledgement says of the rate (draft-ietf-ccwg-bbr, section 4.1).
#pragma once

#include <cstdint>
#include <type_traits>

#include "stack/core/index_list.h"
#include "stack/core/seq.h"
#include "stack/core/time.h"

namespace weft::tcp {

// Where a record stands: in the network, given up and not sent again yet, or with the peer, who said so in a SACK block.
enum class Fate : std::uint8_t { out, lost, sacked };

// One super-segment in flight, or what was sent in the same instant: `P.` of the draft. An acknowledgement of a part of it
// leaves the rest, which left in the same state; a SACK block splits it.
struct SentRecord {
    SeqNum begin, end;             // sequence numbers, a FIN included
    Instant sent_at;               // the last time
    Instant delivered_at, first_sent_at;  // Tcb::Rate's, when it left
    std::uint64_t delivered{0}, lost{0};  // the same
    std::uint32_t in_flight{0};    // bytes, itself included
    Place line;                    // neighbours in sequence
    Place order;                   // neighbours in one of the scoreboard's lists; meaningless without a scoreboard
    Fate fate{};
    bool app_limited{false};       // there was too little to send
    bool again{false};             // sent before: its acknowledgement tells no round-trip time (Karn)
    bool joined{false};            // sent at several times, of which `sent_at` is the last: neither does its

    std::uint32_t length() const { return end - begin; }
};
static_assert(std::is_trivially_copyable_v<SentRecord> && sizeof(SentRecord) <= 72);

// The records of one flow, in order from SND.UNA to SND.NXT without a gap.
struct SentEnds {
    std::uint32_t oldest{none}, newest{none};
    std::uint32_t records{0};      // how many
};

// Of one acknowledgement.
struct RateSample {
    bool rate_valid{false}, rtt_valid{false}, app_limited{false}, round_start{false};
    Duration rtt;
    Duration interval;             // the longer of how long sending and acknowledging `delivered` took
    std::uint64_t delivered{0};    // bytes
    std::uint64_t lost{0};         // bytes given up since the sampled record left
    std::uint32_t in_flight{0};    // bytes, when it left
};

}  // namespace weft::tcp
