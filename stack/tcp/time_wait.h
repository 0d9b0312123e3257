// TIME-WAIT (RFC 9293, sections 3.6.1 and 3.10.7.4; RFC 6191).
#pragma once

#include "stack/tcp/host.h"

namespace weft::tcp {

void arrive_time_wait(Host& host, std::uint32_t index, const Segment& segment, Instant now);

// May this SYN begin a new connection of the same name? (MAY-2, SHLD-4)
bool reusable(const TimeWait& record, const Segment& segment);

void answer_time_wait(Host& host, std::uint32_t index, Instant now);
void drop_time_wait(Host& host, std::uint32_t index, Cause cause, Instant now, std::uint16_t segment_flags = 0);
void expire_time_waits(Host& host, Instant now);

}  // namespace weft::tcp
