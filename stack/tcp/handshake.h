// The passive side of the handshake (RFC 9293, sections 3.5 and 3.10.7.2): a SYN makes a half-open record, its last
// acknowledgement a connection.
#pragma once

#include "stack/tcp/host.h"

namespace weft::tcp {

inline constexpr Duration least_syn_timeout = Duration::seconds(180);  // R2 of a SYN where none was set (MUST-23)

// A SYN for a listener. `floor`: the ISN is to lie beyond it (a TIME-WAIT record of the same name ended there).
// `cookie`: the Fast Open cookie of this client, where the listener gives and takes them.
void open_half(Host& host, Handle<Listener> listener, FlowKey key, const Segment& syn, const SeqNum* floor,
               const std::uint64_t* cookie, Instant now);

// Answers to what was asked of the application about a SYN.
void accept_half(Host& host, std::uint32_t index, Instant now);
void refuse_half(Host& host, std::uint32_t index, Instant now);
void put_off_half(Host& host, std::uint32_t index);

// The handshake of a SYN cookie is through (RFC 4987, section 3.6): as of a half-open record that never was. False: no room.
bool open_by_cookie(Host& host, const HalfOpen& half, const Segment& segment, Instant now);

// A segment for a half-open record.
void arrive_half(Host& host, std::uint32_t index, const Segment& segment, Instant now);

void expire_half(Host& host, std::uint32_t index, Instant now);

// The record goes: back to LISTEN, or CLOSED with its listener.
void drop_half(Host& host, std::uint32_t index, State to, Cause cause, Instant now, std::uint16_t segment_flags = 0);

// Ends what a listener has begun: half-open records go, connections that were not accepted are reset.
void close_listener(Host& host, Handle<Listener> listener, Instant now);

}  // namespace weft::tcp
