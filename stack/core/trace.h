// The one event schema: fixed records of 64 bytes that engine and overlay write, and that recording, window, metrics,
// tests and digests read. No record holds payload or a key.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "stack/core/time.h"

namespace weft::trace {

// A class of events is one bit of Sink::classes; its number is the record's type.
enum class Type : std::uint16_t {
    define = 1,
    state,
    congestion,
    segment_sent,
    segment_received,
    loss,
    timer,
    limit,
    route,
    label,
    link,
    plugin,
    drop,
    variable,
    text,
    rate,
    flow,
    counters,
    lagged,
    mark,  // somebody's note in a recording; its body is a Text
    summary,  // of snapshots alone, as is history: what a Replay knows and no other record says
    history
};

constexpr std::uint32_t bit(Type type) { return 1u << std::uint32_t(type); }
inline constexpr std::uint32_t all = ~0u;

// The state of all flows is a fold over records: whoever comes late is told what is by the same records. In Record::flags
// this bit says so: told again, nothing happened at t_ns. A StateChange then has from == to.
inline constexpr std::uint16_t snapshot_flag = 0x8000;
// Of a StateChange with from == to: a half-open record became a connection. It is told of the record's place, which is over
// with that, and of the connection's, which goes on in the state (behind its FlowBegin).
inline constexpr std::uint16_t moved_flag = 0x4000;
// Beside snapshot_flag: of one that is over, or whose place began anew after it.
inline constexpr std::uint16_t earlier_flag = 0x2000;

// One record. `body` holds one of the structs below; what it does not use is zero, so that a digest over the bytes is exact.
struct Record {
    std::int64_t t_ns{0};  // the engine's clock
    std::uint32_t flow{0};  // the place that it is about; no_flow: of none
    Type type{};
    std::uint16_t flags{0};
    std::array<std::byte, 48> body{};
};
static_assert(sizeof(Record) == 64 && std::has_unique_object_representations_v<Record>);

inline constexpr std::uint32_t no_flow = 0xffff'ffff;

// Places. A connection's is that of its handle; half-open records and listeners have such with these bits. Place and generation
// together never come again. A connection in TIME-WAIT may outlive the use of its place: only its last StateChange follows,
// with its generation, when the place may long have begun again; what names no generation is about who began last.
inline constexpr std::uint32_t half_open_place = 0x8000'0000, listener_place = 0xa000'0000;
constexpr bool is_connection(std::uint32_t place) { return place < half_open_place; }
constexpr bool is_half_open(std::uint32_t place) { return place >> 29 == half_open_place >> 29; }
constexpr bool is_listener(std::uint32_t place) { return place >> 29 == listener_place >> 29; }
constexpr std::uint32_t place_of(std::uint32_t kind, std::uint32_t shard, std::uint32_t index) {
    return kind | (shard & 31) << 24 | index;
}

// Ids of addresses (Define): 2n and 2n + 1 are the local and the remote one of the engine's path n; with one of these bits
// the address of an overlay neighbour, under its link's number, or the one that a listener is bound to. They are used
// again when nothing that lives names them.
inline constexpr std::uint32_t peer_id = 0x4000'0000, listener_id = 0x8000'0000, no_id = 0xffff'ffff;

// Bodies. Each is at most 48 bytes and has no padding (Sink::add checks both).
// States are tcp::State, causes tcp::Cause: both have names in transitions.h. A half-open record that ends tells a change to
// LISTEN or CLOSED, everything else one to CLOSED. `segment_flags`: of the segment that caused it.
struct StateChange {
    std::uint8_t from, to, cause, segment_flags;
    std::uint32_t generation;
};
struct Congestion {
    std::uint32_t cwnd, ssthresh, in_flight;  // bytes
    std::uint32_t phase;  // 0 slow start, 1 avoidance, 2 recovery, 3 after a timeout
    std::uint64_t pacing_rate;  // bytes per second
    std::int64_t srtt_ns, rttvar_ns;
};
struct Rate {
    std::int64_t rtt_ns, interval_ns;  // of one acknowledgement's sample (draft-ietf-ccwg-bbr, section 4.1)
    std::uint64_t delivered;  // bytes over the interval
    std::uint64_t total;  // bytes delivered since the flow began
    std::uint32_t in_flight, lost;  // bytes: when the sampled transmission left, and since then
    std::uint32_t round;
    std::uint32_t flags;  // WEFT_ACK_*: which of it is valid
};
struct Segment {
    std::uint32_t seq, ack, length, window;  // bytes; window as scaled, of no flow as in the header
    std::uint32_t transmission;  // sent with text, SYN or FIN: its number among such, from 0; else 0
    std::uint16_t tcp_flags;  // the twelve bits of RFC 9293, section 3.1
    std::uint16_t segment_size;  // of a super-segment, bytes
    std::uint32_t sack_blocks;
    std::uint32_t generation;  // of the flow's handle
};
// Reasons: 1 duplicate acks, 2 timeout, 3 RACK, 4 probe, 5 partial ack (RFC 6582), 6 the path changed or carries less.
struct Loss {
    std::uint32_t seq, length, reason, reserved;
};
// Timers: 1 retransmission, 2 persist, 3 delayed ack, 4 user timeout, 5 the congestion module's, 6 keep-alive, 7 tail loss probe,
// 8 RACK's reordering. `fired`: 0 armed (anew), 1 expired, 2 stopped.
struct TimerEvent {
    std::uint32_t timer, fired;
    std::int64_t deadline_ns;
};
// What holds a flow back, told when it changes: 1 cwnd, 2 rwnd, 3 app, 4 pacing, 5 send buffer (the application has more).
struct Limit {
    std::uint32_t limit, reserved;
};
struct LinkChange {
    std::uint32_t link, event, mtu, loss_ppm;
    std::int64_t rtt_ns;
    std::uint64_t peer_tag;
};
// Of a congestion module; flow: whose, of 3, 5 and 7. Events are tcp::ModuleEvent: 1 install, 2 uninstall, 3 a flow goes on under
// `slot`, 4 quarantine, 5 an answer out of bounds, 6 flows were moved to `slot`, 7 a flow begins with `slot`. Reasons are
// tcp::ModuleReason; of 5 a sum of 1 window, 2 ssthresh, 4 timer, 8 ECN.
struct Plugin {
    std::uint16_t slot, from_slot;  // 7: from_slot is what the flow asked for
    std::uint16_t event, reason;
    std::uint32_t generation;  // of the flow's handle
    std::uint32_t flows;  // 4, 6: how many were moved; 5: violations so far
    std::uint64_t file_tag;  // the first 8 bytes of the file's hash; 0: compiled in
    std::uint64_t window;  // 3, 7: cwnd, bytes; 5: what the module wanted
    std::array<char, 16> name;  // the module's, cut
};
// What a node heard or did about a label path (overlay/switch.h). Events: 1 SETUP, 2 ACK, 3 NAK, 4 TEARDOWN, 5 BROKEN; flag
// bit 0: sent, else received. `link`: where from or to; `reason`: of a NAK; tags: of the neighbour there, and of who is blamed.
struct Route {
    std::uint64_t path, peer_tag, accused_tag;
    std::uint32_t event, link, reason, hops;
};
// A label of a node. Events: 1 made, 2 completed (both directions known), 3 freed. Links are 0 at the path's ends.
struct Label {
    std::uint64_t path;
    std::uint32_t event, label, out_label, in_link, out_link, mtu;
};
// A connection, a half-open record or a listener begins: before all else of its place.
struct FlowBegin {
    std::uint32_t generation;
    std::uint32_t local_id, remote_id;  // addresses, told before; no_id: any
    std::uint16_t local_port, remote_port;  // 0: any
    std::uint8_t family;  // weft::Family; 0: any
    std::uint8_t role;  // 0 active open, 1 passive open, 2 listener, 3 in TIME-WAIT, and no more is known (told again only)
    std::uint16_t slot;  // of its congestion module
    std::uint32_t path;  // the engine's PathId; 0: none
    std::int64_t opened_ns;  // 0: not known
    std::array<char, 16> module;  // its name, cut
};
// What a connection has counted since it began; sampled, and told a last time before it leaves the network.
struct Counters {
    std::uint64_t bytes_in, bytes_out;  // text: received in order; sent for the first time
    std::uint32_t segments_in, segments_out;  // modulo 2^32
    std::uint32_t retransmissions, timeouts;
    std::uint32_t send_queue, receive_queue;  // bytes: not acknowledged or not sent; not read
    std::uint32_t send_window, receive_window;  // bytes: the peer's, ours
};
// One edge of RFC 9293's diagram that a flow took.
struct Taken {
    std::int64_t t_ns;
    std::uint8_t from, to, cause, segment_flags;
    std::uint32_t generation;  // of the flow; 0 with t_ns, from and to 0: nothing
};
// Of one flow, in the order of their times.
struct History {
    std::array<Taken, 3> taken;
};
// Follows all other records of its flow in a snapshot (stack/core/replay.h). Of no flow it begins one: `generation` says how many
// flows it tells that live, `losses` how many addresses.
struct Summary {
    std::uint32_t generation;
    std::uint32_t losses;  // Loss records so far
    std::int64_t since_ns;  // when it came into its state
    std::int64_t ended_ns;  // 0: it lives
    std::int64_t counters_ns;  // when its Counters were counted
    std::uint64_t rate_in, rate_out;  // bytes per second between the last two Counters
};
// Records that were not written because something was full; of no flow, one for each class that lost some.
struct Lagged {
    std::uint32_t type;  // the class: a Type
    std::uint32_t where;  // 0 the shard's ring, 1 a subscriber's or the recorder's queue; 2 left out as its rate_limit asked
    std::uint64_t count;  // since the last Lagged of this class and place
};
struct Drop {
    std::uint32_t where, why;
    std::uint64_t count, detail;
};
// An address, in two parts of 40 bytes; other records name it by `id`. The low byte of Record::flags is its Family.
struct Define {
    std::uint32_t id, part;
    std::array<std::byte, 40> bytes;
};
struct Text {
    std::array<char, 48> utf8;
};

// Reads a body back.
template <class Body>
Body body_of(const Record& record) {
    static_assert(sizeof(Body) <= sizeof record.body && std::is_trivially_copyable_v<Body>);
    Body body;
    std::memcpy(&body, record.body.data(), sizeof body);
    return body;
}

}  // namespace weft::trace
