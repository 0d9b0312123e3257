// How a stack looks on the wire where the documents leave it open. A table: whoever wants to look like another adds a row.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "stack/wire/tcp.h"

namespace weft::tcp {

struct Personality {
    wire::OptionOrder order;  // of options, and what pads them
    bool push_trains;         // PSH on all that is more than one segment, not only on the last text (MUST-61)
    std::uint8_t quick_acks;  // of a flow's first segments each is acknowledged at once (RFC 5681, 4.2: a delay is a SHOULD)
    bool rto_above_srtt;  // the least retransmission timeout is added to the smoothed round trip, not compared with it
    bool bare_text;  // text without timestamps is taken where they were negotiated (RFC 7323, 3.2: a SHOULD against it)
};

inline constexpr std::array<std::string_view, 3> personality_names{"weft", "linux", "freebsd"};
inline constexpr std::array<Personality, 3> personalities{{
    {wire::OptionOrder::words, false, 0, false, false},
    {wire::OptionOrder::words, true, 32, true, true},
    {wire::OptionOrder::aligned, false, 0, false, false},
}};

}  // namespace weft::tcp
