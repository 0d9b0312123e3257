// How a stack looks on the wire where the documents leave it open. A table: whoever wants to look like another adds a row.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "stack/wire/tcp.h"

namespace weft::tcp {

struct Personality {
    wire::OptionOrder order;  // of options, and what pads them
    bool push_trains;  // PSH on all that is more than one segment, not only on the last text (MUST-61)
    bool short_trains;  // trains of a millisecond at the rate of the window, and of half the window at most, also unpaced
    std::uint8_t quick_acks;  // acknowledgements of a flow's first text that go at once (RFC 5681, 4.2: a delay is a SHOULD)
    bool rto_above_srtt;  // the least retransmission timeout is added to the smoothed round trip, not compared with it
    bool tells_syn;  // a SYN that comes again with its ACK is told as a duplicate (RFC 2883), as text would be
    bool grows_at_half;  // slow start counts half a window in use (RFC 7661, 4.2), and all of a large acknowledgement
    bool lets_go;  // what MSG_MORE held back goes with the next acknowledgement, and has no PSH
    bool bare_probes;  // of a window of nothing: no octet, from in front of SND.UNA (RFC 9293, 3.8.6.1 has one)
    bool keeps_times;  // that the flow was busy, or held back by the peer's window or its own buffer: TCP_INFO tells
    bool checks_echo;  // a SYN,ACK that echoes a timestamp which no SYN of the flow had is reset
    bool soft_ends_opening;  // what can pass ends an attempt (RFC 5461, 4.1), and forgets a half-open record
    bool bare_text;  // text without timestamps is taken where they were negotiated (RFC 7323, 3.2: a SHOULD against it)
};

inline constexpr std::array<std::string_view, 3> personality_names{"weft", "linux", "freebsd"};
inline constexpr std::array<Personality, 3> personalities{{
    {wire::OptionOrder::words, false, false, 0, false, false, false, false, false, false, false, false, false},
    {wire::OptionOrder::words, true, true, 16, true, true, true, true, true, true, true, true, true},
    {wire::OptionOrder::aligned, false, false, 0, false, false, false, false, false, false, false, false, false},
}};

}  // namespace weft::tcp
