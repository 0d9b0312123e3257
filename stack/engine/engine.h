// The engine: packets, calls and the time go in; packets, events and the next deadline come out.
// No sockets, clock, threads or globals. Copy it, on its shard, and you have copied the whole stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "plugins/abi/weft_plugin.h"
#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/result.h"
#include "stack/core/slab.h"
#include "stack/core/time.h"
#include "stack/core/trace_sink.h"
#include "stack/engine/options.h"
#include "stack/net/neighbour.h"
#include "stack/net/route_table.h"
#include "stack/tcp/config.h"
#include "stack/tcp/event.h"
#include "stack/tcp/statistics.h"

namespace weft {

namespace tcp {
struct Cold;
struct TcpInfo;
struct Module;
struct ModuleStatus;
struct Scoreboard;
}  // namespace tcp

struct Peers {
    Endpoint local, remote;
};

// An interned (family, scope, local, remote); 0 names none. See tcp/path.h.
using PathId = std::uint32_t;

// What an address of this host, or a session of the overlay, says of the packets that leave by it.
struct PathOptions {
    std::uint32_t link{0};       // Transmit::link of what leaves
    std::uint32_t mtu{1500};     // bytes, network header included (overlay: its 136 too, though they are not sent)
    bool sums_elided{false};     // one end-to-end session that negotiated it (never a mere link)
    std::uint8_t prefix{0};      // bits of an address' network, which is on the link: assign() makes the route. 0: none
    friend bool operator==(const PathOptions&, const PathOptions&) = default;
};

class Engine {
public:
    Engine(const Config& config, BufferPool& pool);
    Engine(const Engine&);          // a snapshot: slabs are copied, chunks are shared, write rights stay behind
    Engine& operator=(const Engine&);
    Engine(Engine&&) noexcept;
    Engine& operator=(Engine&&) noexcept;
    ~Engine();

    // Every call below that takes the time is an input. Time never runs backwards between two calls.

    // in: other numbers from now on, for the most part for flows to come; seed and shard stay. Each is clamped to its range.
    void tune(const Config& config, Instant now);
    const Config& config() const;

    // in: what the world did
    void receive(std::span<Receive> batch, Instant now);
    void advance(Instant now);

    // in: the devices. A link that was never attached carries network packets of 1,500 bytes or what its addresses say; one that
    // is Ethernet carries frames, has a link-local IPv6 address made of `mac` (RFC 4291, appendix A), and resolves neighbours.
    // Errors: invalid (a link above 255, an MTU under 576, a group's `mac`). detach() forgets its neighbours and routes.
    Result<void> attach(std::uint32_t link, const LinkOptions& options, Instant now);
    void detach(std::uint32_t link, Instant now);

    // in: where packets go. Without any route they leave by their source address's link, unless that is Ethernet. Errors: those
    // of RouteTable::add.
    Result<void> add_route(const Prefix& to, const Route& by, Instant now);
    Result<void> remove_route(const Prefix& to, const Route& by, Instant now);

    // in: where this host is. The first address of a family is the default source; packets to an address that was not
    // assigned are dropped.
    Result<void> assign(const Address& local, const PathOptions& options, Instant now);
    Result<void> unassign(const Address& local, Instant now);

    // in: what the overlay knows of a path. A session holds the path of its two addresses while it lives: open_path
    // interns it and counts a reference, close_path gives that back. change_path tells a new MTU or route: flows
    // retransmit what is in flight and their controllers hear on_path. path_down is a soft error to each flow over it; a
    // flow ends `unreachable` when its user timeout then passes without path_up.
    Result<PathId> open_path(const Endpoint& local, const Endpoint& remote, const PathOptions& options, Instant now);
    void close_path(PathId path, Instant now);
    void change_path(PathId path, const PathOptions& options, Instant now);
    void path_down(PathId path, Instant now);
    void path_up(PathId path, Instant now);
    // Nobody knows a way there: flows that are being opened over it fail with Error::unreachable, others hear path_down's soft
    // error (RFC 1122, section 4.2.3.9: an established connection is not ended by it).
    void path_unreachable(PathId path, Instant now);

    // in: what the application asks
    Result<Flow> connect(const Endpoint& remote, const ConnectOptions& options, Instant now);
    // Bytes of text that the SYN of a connect() with these options would carry now; 0: no cookie of that server is known, or Fast Open is
    // off (RFC 7413, section 4.1.3).
    std::uint32_t fast_open_room(const Endpoint& remote, const ConnectOptions& options, Instant now) const;
    void forget_cookies(Instant now);  // what servers gave for Fast Open
    Result<ListenerId> listen(const ListenOptions& options, Instant now);
    Result<void> unlisten(ListenerId listener, Instant now);
    Result<Flow> accept(ListenerId listener, Instant now);  // would_block: none waits
    // Error: no_such_flow, when the peer gave up, the handshake took longer than its user timeout, or the listener is gone.
    Result<void> answer(Question question, Answer answer, Instant now);
    Result<std::size_t> write(Flow flow, std::span<const std::byte> bytes, WriteOptions options, Instant now);
    Result<void> write(Flow flow, const Slice& slice, WriteOptions options,
                       Instant now);  // shares the buffer: all of it or none
    Result<std::size_t> read(Flow flow, std::span<std::byte> into, Instant now);
    Result<std::size_t> take(Flow flow, std::span<Slice> into, Instant now);  // lends the frames, no copy: how many slices
    Result<std::size_t> peek(Flow flow, std::size_t offset, std::span<std::byte> into,
                             Instant now);  // copies; all stays unread
    enum class Direction : std::uint8_t { read, write, both };
    Result<void> shutdown(Flow flow, Direction direction, Instant now);
    Result<void> abort(Flow flow, Instant now);
    // All but `local`. Another congestion module goes on from the window as it is.
    Result<void> set(Flow flow, const ConnectOptions& options, Instant now);
    Result<void> set(ListenerId listener, const ConnectOptions& options, Instant now);  // of its flows to come

    // in: congestion modules at run time (tcp/modules.h). install() takes slots 2 to 63: `in_use` if it is taken; `invalid`
    // or `not_supported` if the module is not sound or asks for what is not there: tcp::refusal() says why. uninstall()
    // is `in_use` while flows or listeners hold the slot, or it is another's successor. quarantine(): its flows go on under
    // NewReno; the engine does it itself after tcp::violation_limit answers out of bounds. migrate() moves the flows for which
    // the module of `to` agrees, tells how many, and retires `from`: the rest end on it, and who asks for it gets `to`.
    // steer() gives a living flow another module, or a listener's flows to come; a flow's window stays.
    // Of a quarantined slot a flow gets NewReno, of a retired one the successor: congestion_slot() tells.
    Result<void> install(std::uint16_t slot, const tcp::Module& module, Instant now);
    Result<void> uninstall(std::uint16_t slot, Instant now);
    Result<void> quarantine(std::uint16_t slot, Instant now);
    Result<std::uint32_t> migrate(std::uint16_t from, std::uint16_t to, Instant now);
    Result<void> steer(Flow flow, std::uint16_t slot, Instant now);
    Result<void> steer(ListenerId listener, std::uint16_t slot, Instant now);
    // `not_supported`: compiled-in modules have none; `invalid`: no such parameter, or outside its range.
    Result<void> set_parameter(Flow flow, std::uint32_t index, weft_value value, Instant now);

    // out: what to do next. First transmit, then events, each until it says 0; then sleep until the deadline.
    std::size_t transmit(std::span<Transmit> out, Instant now);
    std::size_t events(std::span<Event> out, Instant now);
    Instant deadline() const;

    // A call about the flow comes soon: what it will touch is fetched meanwhile. Not an input: it changes nothing.
    void expect(Flow flow) const;

    // looking in, at no cost to those who do not
    Result<Peers> peers(Flow flow) const;
    Result<Peers> peers(ListenerId listener) const;  // where it listens; remote is the wildcard
    Result<Peers> peers(Question question) const;  // both ends of a SYN that waits for answer()
    Result<Peers> path_peers(PathId path) const;  // addresses and scope; ports are 0
    Result<Buffers> buffers(Flow flow) const;
    std::uint32_t waiting(ListenerId listener) const;  // flows that accept() would give
    bool assigned(const Address& local) const;
    Result<std::uint32_t> urgent(Flow flow) const;  // bytes of unread text up to the end of what is urgent (MUST-33)
    Result<tcp::TcpInfo> info(Flow flow, Instant now) const;  // in the layout of Linux's TCP_INFO
    const tcp::Tcb* inspect(Flow flow) const;
    const tcp::Cold* inspect_cold(Flow flow) const;
    const tcp::Scoreboard* inspect_scoreboard(Flow flow) const;  // none while nothing is amiss
    std::string_view congestion(Flow flow) const;  // the name of its module; empty: no such flow
    std::vector<RouteEntry> routes() const;
    std::vector<NeighbourEntry> neighbours() const;
    std::uint16_t congestion_slot(Flow flow) const;  // that really runs; 0 also of no flow
    std::uint16_t congestion_slot(ListenerId listener) const;  // that its flows ask for
    std::span<const std::byte> congestion_state(Flow flow) const;  // what tcp::read_field reads variables from
    std::optional<tcp::ModuleStatus> module(std::uint16_t slot) const;
    std::vector<tcp::ModuleStatus> modules() const;  // those compiled in first
    std::vector<Flow> flows() const;  // every living connection, for `weft flows`
    Statistics statistics() const;

    // Where trace records go. Not an input: it changes nothing that the engine does. A copy begins with none.
    void trace(const trace::Sink& sink);

    // Whoever listens late is told what is: addresses, then listeners, half-open records, connections and what is in TIME-WAIT, each
    // with how it begins, its state, module, window, counters and limit, all with trace::snapshot_flag. A cursor of 0
    // begins; at most `most` of them, and 16 times as many empty places, are told in a call. False: that was all. What
    // begins or changes meanwhile the sink that is set hears of itself. The second goes to that sink.
    bool tell_flows(const trace::Sink& to, std::uint32_t& cursor, std::size_t most, Instant now) const;
    bool tell_flows(std::uint32_t& cursor, std::size_t most, Instant now);

    // The same with the counters alone (no snapshots: they are news), of connections that sent or heard something since they were told.
    bool tell_counters(std::uint32_t& cursor, std::size_t most, Instant now);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weft
