// What all connections of one engine share: their records, the memory that is lent to them, timers, lists and counters. A
// value: who copies it has a second host that goes on alike, but for the trace.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "stack/core/batch.h"
#include "stack/core/byte_queue.h"
#include "stack/core/delay_line.h"
#include "stack/core/flat_table.h"
#include "stack/core/index_list.h"
#include "stack/core/slab.h"
#include "stack/core/timer_wheel.h"
#include "stack/core/trace_sink.h"
#include "stack/tcp/accurate.h"
#include "stack/tcp/config.h"
#include "stack/tcp/defence.h"
#include "stack/tcp/event.h"
#include "stack/tcp/fast_open.h"
#include "stack/tcp/listener.h"
#include "stack/tcp/modules.h"
#include "stack/tcp/personality.h"
#include "stack/tcp/rate.h"
#include "stack/tcp/reassembly.h"
#include "stack/tcp/scoreboard.h"
#include "stack/tcp/segment.h"
#include "stack/tcp/statistics.h"
#include "stack/tcp/tcb.h"
#include "stack/tcp/window.h"

namespace weft::tcp {

// What the key of a flow leads to.
struct Found {
    enum class Kind : std::uint8_t { nothing, connection, half_open, time_wait };
    Kind kind{};
    std::uint32_t index{0};
};

// Why a state changed, for the trace (core/transitions.h). `room`: a limit was reached, the oldest went.
enum class Cause : std::uint8_t { segment, call, timer, path, room };

// A segment that no connection sends: SYN,ACK of a half-open record, answers of TIME-WAIT, resets.
struct Reply {
    Transmit frame;
    std::uint32_t flow{trace::no_flow}, generation{0};  // whose, in the trace
    std::uint8_t dscp{0}, hop_limit{64};
    bool complete{false};  // the network header is written, too: built from the packet in hand
};

// Of a SYN over the path of this hash that leaves now, with segments of at most `largest_segment` bytes (RFC 7413, section 4.1.3).
struct Host;
FastOpenOffer fast_open_offer(const Host& host, std::uint64_t path_hash, std::uint32_t largest_segment, Instant now);

// RFC 5482, section 3: a time as the option says it.
std::uint16_t option_of(Duration timeout);

struct Host {
    static constexpr std::size_t max_replies = 1'024;  // waiting ones; more are dropped, as by a full queue

    Host(const Config& limits, const HashKey& seed, BufferPool& memory, std::uint32_t number)
        : settings{limits}, shard{number}, pool{&memory}, defence{seed}, connections{number}, listeners{number},
          demux{Defence{seed}.key(Defence::Use::table)} {}

    Config settings;  // each number within its range
    std::uint32_t shard;
    BufferPool* pool;
    Defence defence;

    Slab<Tcb> connections;
    Pages<Cold> cold;  // under the connection's index
    Pages<Controller> congestion;  // under the same
    Lent<ByteQueue> queues;
    Lent<Reassembly> reassemblies;
    Lent<SentRecord> sent;
    Lent<Scoreboard, 6> scoreboards;
    Lent<Extra> extras;
    Lent<Accurate> accurate;
    Modules modules;
    Slab<HalfOpen> half_open;
    Slab<TimeWait> time_wait;
    Slab<Listener> listeners;
    Pages<Path> paths;  // under net/path's index
    std::vector<std::uint32_t> idle_paths;  // whose last reference went; the engine frees them after the call

    FlatTable demux;  // FlowKey to Found
    TimerWheel wheel, half_open_wheel;
    DelayLine ack_line, loss_line;  // of connections that wait as long as most do
    IndexList output, events, listener_events, time_waits;
    std::vector<Reply> replies;
    FastOpenCache fast_open;
    AccurateCache accurate_cache;
    std::vector<Handle<HalfOpen>> questions;  // to be told, from next_question on
    std::size_t next_question{0};
    std::vector<Slice> lent;  // payload of what transmit() showed last
    Statistics statistics;
    trace::Sink sink;

    // At this many connections no more begin, neither ours nor the peer's.
    bool full() const {
        return settings.connections_most != 0 && connections.size() + half_open.size() >= settings.connections_most;
    }

    // A call about the connection, or a segment of it, will come soon.
    void fetch(std::uint32_t connection) const {
        if (connection >= connections.places()) return;
        connections.fetch(connection);
        fetch_hot(cold[connection]);
        fetch_line(&congestion[connection]);
    }
    // Once the record itself is there: what it was lent. Then the text that waits for an acknowledgement.
    void fetch_lent(std::uint32_t connection) const {
        if (connection >= connections.places()) return;
        const Tcb& tcb = connections[connection];
        if (tcb.sending.queue != none) fetch_whole(queues[tcb.sending.queue]);
        if (tcb.rate.oldest != none) fetch_whole(sent[tcb.rate.oldest]);
    }
    void fetch_text(std::uint32_t connection) const {
        if (connection >= connections.places()) return;
        const Tcb& tcb = connections[connection];
        if (tcb.sending.queue != none) queues[tcb.sending.queue].fetch_front();
    }
    // A timer of it is due soon: most look and go, some acknowledge.
    void fetch_timers(std::uint32_t connection, bool acknowledges) const {
        if (connection >= connections.places()) return;
        const Tcb& tcb = connections[connection];
        fetch_line(&tcb.receiving);
        fetch_line(&tcb.deadlines);
        connections.fetch_generation(connection);
        if (!acknowledges) return;
        fetch_line(&tcb.sending);
        fetch_line(&tcb.places);
        fetch_hot(cold[connection]);
    }
    // Is an entry of a line that connection's which is in the place now?
    bool owns(const DelayLine::Entry& entry) const { return connections.handle(entry.id).generation == entry.owner; }
    static void fetch_hot(const Cold& cold) {
        fetch_line(&cold);
        fetch_line(&cold.failure);
    }

    Found find(FlowKey key) const {
        const auto word = demux.find(key.word());
        return word ? Found{Found::Kind(*word >> 30), *word & 0x3fff'ffff} : Found{};
    }
    // The same. `guess`: the connection that it may be, which its own record then says; none: nobody knows.
    Found find(FlowKey key, std::uint32_t guess) const {
        if (guess == none) return find(key);
        const Tcb::Receiving& in = connections[guess].receiving;
        return in.flags.demuxed && in.key == key ? Found{Found::Kind::connection, guess} : find(key);
    }
    void lead(FlowKey key, Found to) { demux.insert(key.word(), std::uint32_t(to.kind) << 30 | to.index); }

    // Whom trace records are about: half-open records have places of their own; what is in TIME-WAIT keeps its connection's.
    struct Named {
        std::uint32_t place{trace::no_flow}, generation{0};
    };
    Named name(Found found) const;
    Named name_half(std::uint32_t index) const {
        const auto handle = half_open.handle(index);
        return {trace::place_of(trace::half_open_place, shard, handle.index()), handle.generation};
    }
    Named name_time_wait(std::uint32_t index) const {
        return {shard << 24 | time_wait[index].flow, time_wait[index].generation};
    }
    void tell_state(Named who, State from, State to, Cause cause, Instant now, std::uint16_t segment_flags = 0,
                    std::uint16_t record_flags = 0) const {
        if (sink.wants(trace::Type::state))
            sink.add(now, who.place, trace::Type::state,
                     trace::StateChange{std::uint8_t(from), std::uint8_t(to), std::uint8_t(cause),
                                        std::uint8_t(segment_flags), who.generation},
                     record_flags);
    }

    const Personality& look() const { return personalities[settings.personality]; }

    template <class Free>
    std::uint16_t port(std::uint64_t path_hash, std::uint16_t remote_port, Free&& free) {
        return defence.port(path_hash, remote_port, {settings.first_port, settings.last_port}, free);
    }

    // References of a path. The record at zero is freed when the call into the engine ends.
    void hold_path(std::uint32_t path) { ++paths[path].references; }
    void release_path(std::uint32_t path) {
        if (--paths[path].references == 0) idle_paths.push_back(path);
    }

    auto output_place() {
        return [this](std::uint32_t i) -> Place& { return connections[i].places.output; };
    }
    auto event_place() {
        return [this](std::uint32_t i) -> Place& { return connections[i].places.events; };
    }
    auto path_place() {
        return [this](std::uint32_t i) -> Place& { return connections[i].places.path; };
    }
    auto listener_place() {
        return [this](std::uint32_t i) -> Place& { return listeners[i].events; };
    }
    auto half_open_place() {
        return [this](std::uint32_t i) -> Place& { return half_open[i].place; };
    }
    auto time_wait_place() {
        return [this](std::uint32_t i) -> Place& { return time_wait[i].place; };
    }

    // A segment without text for the next transmit().
    struct Answer {
        FlowKey key;
        SeqNum seq, ack;
        std::uint16_t flags{0}, window{0};
        wire::TcpOptions options;
        std::uint8_t dscp{0}, hop_limit{64};
        std::uint32_t flow{trace::no_flow}, generation{0};  // whose, in the trace
    };
    void reply(const Answer& answer);

    // Two ends that are no connections, and agree on nothing, would answer one another for ever: bare segments are answered so many times
    // a second (RFC 5961, section 7), counted in drawers that nobody can choose.
    bool may_answer(FlowKey key, const Segment& segment, Instant now);
    std::array<std::uint8_t, 256> answers{};
    std::int64_t answers_second{0};
};

}  // namespace weft::tcp
