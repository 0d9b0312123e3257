// One end of a label path: where its packets leave, what they may hold, and whose session it carries (docs/wire.md).
#pragma once

#include <cstdint>

#include "overlay/label.h"
#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/time.h"

namespace weft::overlay {

struct Peer;

struct LabelPath {
    std::uint64_t id{0};
    Address remote;               // the far end, by SETUP's or its answer's signature
    Peer* peer{nullptr};          // at the far end: nullptr until FIN
    bool source{false};           // this end sent SETUP
    bool open{false};             // link and label are known
    bool any_remote{false};       // SETUP's source was a throw-away identity: FIN tells who it is
    LinkNumber link{0};
    Label label{0};               // to send with on `link`
    std::uint32_t mtu{0};         // UDP payload on the narrowest link
    std::uint8_t hops{0};
    std::uint16_t cost{0};
    std::uint64_t flow_key{0};    // odd; hides ports in LABEL's flow
    std::uint64_t half_open{0};   // far end: the record that FIN ends
    Instant started, heard, sent; // heard, sent: the last packet
    Instant last_init{Instant::never()};   // a fresh one that came along it
    Instant last_resp;            // along it
    Instant renewed, proved;      // told to the switch; challenged because nothing else went
};

// A way, looked up: where its datagrams go, and what surrounds the frames in them.
struct Departure {
    UdpEndpoint to;
    LabelPath* path{nullptr};     // nullptr: straight over UDP
    Peer* link{nullptr};          // with `path`: the neighbour whose keys seal outside
    bool carries_ect{false};
    std::uint32_t ahead{0};       // bytes in front of the frames
    std::uint32_t around{0};      // in front of them and behind
    std::uint32_t room{0};        // for frames
};

inline constexpr std::uint32_t session_header = 8, session_overhead = 24;   // header, and with the tag

}  // namespace weft::overlay
