// One engine, its overlay links and its UDP sockets on one thread with one epoll; programs reach flows through descriptors.
// The daemon adds a control socket and a configuration; tests and benchmarks drive a shard as it is.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "node/fault_device.h"
#include "node/log.h"
#include "node/loop.h"
#include "node/router.h"
#include "node/service.h"
#include "node/taps.h"
#include "node/unique_fd.h"
#include "overlay/access.h"
#include "overlay/links.h"
#include "stack/core/buffer.h"
#include "stack/engine/engine.h"
#include "stack/link/fault.h"
#include "stack/link/udp.h"

namespace weft::node {

class EventRing;
class PayloadRing;
class Telemetry;

struct ShardConfig {
    overlay::LinksConfig links;
    link::UdpConfig udp;
    std::optional<link::FaultConfig> fault;   // of what leaves by UDP
    std::vector<TapConfig> taps;              // links 1, 2, ...
    Config engine;                            // its seed is drawn from the entropy
    RoutingConfig routing;
    std::vector<overlay::ReachRule> reach;    // beside running listeners
    overlay::TransitRules transit;
    std::size_t memory{512 << 20};            // bytes of packet buffers, at most
};

// How a flow went; final when it has ended.
struct FlowReport {
    std::uint64_t bytes_in{0}, bytes_out{0};  // as its program read and wrote them
    std::uint64_t retransmissions{0};         // segments
    Duration lived;                           // since it was opened
};

// Why no path led to a peer when one was wanted last: as nodes on the way said, who may be wrong.
struct Unreachable {
    overlay::NakReason reason{};
    overlay::Tag reporter{0}, accused{0};
    Instant when;
};

// Called from turn(). A flow that never opened ends, too.
struct FlowCallbacks {
    // The program's end of a stream socketpair: its half-close is a FIN; closed with unread bytes, it resets the flow.
    std::function<void(Flow flow, const Peers& peers, UniqueFd fd)> opened;
    // `error` is empty after an orderly end. All bytes have been handed to the socketpair.
    std::function<void(Flow flow, std::optional<Error> error, const FlowReport& report)> ended;
};

class Shard {
public:
    // The error is for a person; errno: what the system said, EINVAL where the configuration is wrong.
    static std::expected<std::unique_ptr<Shard>, std::string> open(overlay::Identity identity, const ShardConfig& config,
                                                                   overlay::Entropy entropy);
    ~Shard();
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    // Sleeps until there is work, or until `until`; then does a bounded amount of it.
    void turn(Instant until);

    void add_peer(const Address& peer, std::span<const UdpEndpoint> endpoints);
    void remove_peer(const Address& peer);
    bool reachable(const Address& peer) const;     // linked, with an endpoint to dial, or routing names a next hop

    // Begins a channel to a peer, along a label path if it is no neighbour. What became of it: links().peers(), or why_not().
    Result<void> want(const Address& peer);
    const Unreachable* why_not(const Address& peer) const;  // nullptr: nothing failed since it was last up

    // In place of those that it began with. What they no longer allow ends; all else lives on.
    std::expected<void, std::string> set_routing(const RoutingConfig& routing);
    void set_transit(const overlay::TransitRules& rules);
    overlay::Access& access() { return access_; }
    const overlay::Access& access() const { return access_; }
    Router& router() { return *router_; }

    // Fails with network_unreachable for an address that is not reachable(), or invalid for the node's own.
    Result<Flow> connect(const Address& peer, std::uint16_t port, const ConnectOptions& options, FlowCallbacks callbacks);
    Result<ListenerId> listen(std::uint16_t port, ListenOptions options, FlowCallbacks callbacks);
    // Each flow that comes gets a service of the factory's. Without an address in `options.local`: for any of this host.
    Result<ListenerId> serve(std::uint16_t port, ServiceFactory factory, ListenOptions options);
    void unlisten(ListenerId listener);  // flows that it accepted live on
    Result<void> abort(Flow flow);

    // The orderly end: listeners go, programs' output ends, FINs leave. finished() once all flows are over; close() resets
    // those that are not, and tells the neighbours.
    void finish();
    bool finished() const { return living_ == 0; }
    void close();

    // Who else has flows and listeners of the engine, and hears of them: `events` is called in turn() and push(). push() lets out what the
    // engine has to say, and no more.
    void share(std::function<void(const Event&)> events) { others_ = std::move(events); }
    void push();
    Engine& shared_engine() { return engine_; }
    BufferPool& shared_pool() { return pool_; }
    Instant due() const;  // of the next turn, unless a descriptor is ready before

    // Inputs of the engine that are no flow's own, such as those of modules. What they make it want to send leaves in the next
    // turn.
    template <class Input>
    auto input(Input&& input) {
        work_left_ = true;
        return input(engine_, monotonic_now());
    }
    template <class Input>
    void input_if(Input&& input) {  // that tells whether it changed anything
        if (input(engine_, monotonic_now())) work_left_ = true;
    }
    std::vector<ListenerId> listeners() const;

    // From now on it tells `telemetry`, which outlives it, what that wants to hear. `noticed` is called in turn() when it has
    // notices; without it they are thrown away.
    void observe(Telemetry& telemetry, std::function<void()> noticed = {});
    // Beside it: records of class `plugin`, whether anybody listens or not.
    void trace_modules(const trace::Sink& sink);

    Loop& loop() { return loop_; }
    const Engine& engine() const { return engine_; }
    const overlay::Links& links() const { return links_; }
    const BufferPool& pool() const { return pool_; }
    const link::Udp& udp() const;
    const link::FaultStatistics* faults() const;  // nullptr: no fault link
    // What a link does on purpose to what leaves by it: 0 the UDP sockets, then the devices; all zero: nothing. nullopt: no such link.
    std::optional<link::FaultConfig> fault(std::uint32_t link) const;
    void set_fault(std::uint32_t link, const link::FaultConfig& config);  // from now on; of no link: nothing
    // Links that come and go while it runs. A device's number is that of its link; errors are for a person, and name their mend.
    std::expected<std::uint32_t, std::string> add_tap(const TapConfig& config, overlay::Entropy entropy);
    bool remove_tap(std::uint32_t link);  // its addresses' flows end; false: there is none
    std::expected<void, std::string> add_udp(const UdpEndpoint& listen);  // of a family without a socket
    bool remove_udp(const UdpEndpoint& local);  // false: none is bound to it
    const Taps& taps() const { return taps_; }
    const Address& address() const { return links_.address(); }
    FlowReport report(Flow flow) const;

private:
    using Device = FaultDevice<link::Udp>;
    struct Carried {  // a flow and its program
        Flow flow;  // none: the place is free
        FlowCallbacks callbacks;
        std::unique_ptr<Service> service;  // from when it is open: a pump, or one of a listener's factory
        Loop::Watch watch;  // of a pump's descriptor
        Instant due{Instant::never()};  // its entry in due_; no later than the service's deadline
        Instant opened_at;
        std::uint64_t retransmissions{0};
        std::optional<Error> error;
        bool queued{false};
    };
    struct Listening {
        ListenerId id;
        FlowCallbacks callbacks;
        ServiceFactory factory;  // none: its flows go to programs
        std::uint16_t exposed{0};  // port that is open to members while it listens; 0: none
    };
    struct HeldPath {  // bound in the links, and a reference held in the engine, so that its
        PathId path{0};  // number is not given to other addresses meanwhile
        PathOptions options;
        bool up{false};
        Instant used;  // last sent to while it was down
    };

    Shard(overlay::Identity identity, const ShardConfig& config, overlay::Entropy entropy, Loop loop, link::Udp udp,
          std::unique_ptr<Router> router);
    Device make_device(const ShardConfig& config, link::Udp udp);
    link::Udp& bound_udp();
    void watch_udp();
    std::size_t device_receive(std::span<Receive> in);
    std::size_t device_send(std::span<const Transmit> out);
    Instant deadline() const;

    void receive(Instant now);
    void receive_taps(Instant now);
    std::size_t send_to_tap(std::span<const Transmit> out);
    void take_link_events(Instant now);
    void take_link_event(const overlay::LinkEvent& event, Instant now);
    void log_link_event(const overlay::LinkEvent& event, Instant now);
    void take_unreachable(const overlay::LinkEvent& event, Instant now);
    void deliver(Instant now);
    void settle(Instant now);
    bool transmit(Instant now);
    void flush(Instant now);
    bool wait_writable() const;
    bool take_events(Instant now);
    void take_event(const Event& event, Instant now);
    void accept_all(ListenerId listener, Instant now);
    bool run_services(Instant now);
    void run_service(std::uint32_t place, Instant now);
    void wake_at(std::uint32_t place, Instant when);
    void wake_due(Instant now);

    HeldPath& hold(const Address& peer, const PathOptions& options, Instant now);
    void release_unused(Instant now);
    void release(std::map<Address, HeldPath>::iterator held, Instant now);

    std::uint32_t carry(Flow flow, FlowCallbacks callbacks, Instant now);
    Carried* carried(Flow flow);
    void open(Carried& carried, std::uint32_t place, Instant now);
    void serve(std::uint32_t place, std::unique_ptr<Service> service, Instant now);
    void queue(std::uint32_t place);
    void reset(std::uint32_t place, Error error, Instant now);
    void end_flows_of(const TapSettings& device, std::uint32_t link, Instant now);
    void end(std::uint32_t place, Instant now);

    // shard_events.cc
    static void write_event(void* context, const trace::Record& record);
    void set_sinks();
    void publish_events();
    void tend_events(Instant now);
    void tell_all(Instant now);
    void tell_counters(Instant now);
    bool ring_has_room();

    BufferPool pool_;  // outlives all that holds its chunks
    std::function<void(const Event&)> others_;
    Loop loop_;
    Device device_;
    overlay::Access access_;  // outlives the links, as the router does
    std::unique_ptr<Router> router_;
    overlay::Links links_;
    Engine engine_;
    Taps taps_;
    PathOptions default_options_;
    std::vector<Loop::Watch> udp_watches_;
    bool udp_readable_{true};
    bool work_left_{true};
    bool finishing_{false};
    RateLimit link_lines_{50, Duration::seconds(10)};

    std::map<Address, HeldPath> held_;
    std::unordered_map<PathId, const Address*> bound_;  // to the keys of held_
    Instant release_at_{Instant::never()};
    std::map<Address, Unreachable> unreachable_;
    std::vector<PathId> unheld_;  // bound while what transmit() showed had to stay valid

    std::deque<Carried> carried_;
    std::vector<std::uint32_t> free_;  // places of carried_
    std::unordered_map<std::uint32_t, std::uint32_t> place_of_;  // by Flow::place
    std::vector<Listening> listeners_;
    std::set<std::pair<Instant, std::uint32_t>> due_;  // places whose services wait for their deadline
    std::vector<std::uint32_t> queue_, turn_;  // places with work; those of this turn
    std::size_t living_{0};
    std::vector<std::uint32_t> starved_;  // places that wait for a free chunk
    Instant starved_until_{Instant::never()};

    struct Telling {  // of all that there is: flows, neighbours, labels
        unsigned part{0};
        std::uint32_t cursor{0};
    };
    Telemetry* telemetry_{nullptr};  // nullptr: nobody will ever listen
    EventRing* ring_{nullptr};
    PayloadRing* payload_{nullptr};
    trace::Sink modules_;
    std::uint32_t event_classes_{0}, told_{0}, count_cursor_{0};
    Telling telling_;
    Instant tell_at_{Instant::never()}, count_at_{Instant::never()};
    Loop::Watch notice_watch_;

    std::array<Receive, 64> in_;
    std::array<Transmit, 32> out_;
    std::array<Transmit, 64> datagrams_;
    std::array<Event, 64> events_;
    std::vector<Event> lost_;  // for others_: flows that ended with their device
};

}  // namespace weft::node
