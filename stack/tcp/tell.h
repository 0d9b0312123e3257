// What trace records say of what is: of a connection see Connection::tell(). Told when something begins, and again to who comes
// late (trace::snapshot_flag).
#pragma once

#include "stack/tcp/host.h"

namespace weft::tcp {

void tell_half_begin(const Host& host, std::uint32_t index, const trace::Sink& to, Instant now, std::uint16_t flags = 0);
void tell_half(const Host& host, std::uint32_t index, const trace::Sink& to, Instant now);

// Of a record whose connection is gone. False: the connection is there, and tells more.
bool tell_time_wait(const Host& host, std::uint32_t index, const trace::Sink& to, Instant now);

// Is the connection over as far as the trace goes? CLOSED was told, and it is there only to be read.
bool told_closed(const Host& host, std::uint32_t index);

}  // namespace weft::tcp
