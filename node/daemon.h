// weftd but for its command line: a shard, the control sockets over it, a configuration, and the signals that end it or
// have the configuration read again.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "node/config.h"
#include "node/control.h"
#include "node/plugins.h"
#include "node/shard.h"
#include "node/telemetry.h"
#include "stack/core/filter.h"

namespace weft::node {

// What the command line said beside the configuration; it holds after that was read again, too.
struct CommandLine {
    std::optional<std::string> name;           // instead of the configuration's
    std::vector<std::uint16_t> expose;         // TCP ports that every member may reach, beside its rules
    std::string http;                          // directory; empty: as configured
    std::uint16_t http_port{0};                // 0: as configured
    bool echo{false};                          // false: as configured
};

class Daemon {
public:
    // Reads the key, finds the proof of work, opens sockets. The error is a message for a person.
    static std::expected<std::unique_ptr<Daemon>, std::string> start(NodeConfig config, std::string config_path,
                                                                     CommandLine said);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    // Until a signal or node.stop has ended it, in order or, at the second one, at once.
    void run();

    const Shard& shard() const { return *shard_; }
    const std::string& name() const { return config_.name; }

private:
    struct Opening {  // a flow.connect that has no answer yet
        ClientId client;
        Json id;
        Flow flow;
    };
    struct Listening {
        std::uint64_t number{0};
        ClientId client;
        ListenerId listener;
        std::uint16_t port{0};
    };

    struct Stopping {  // a record.stop that has no answer yet
        ClientId client;
        Json id;
        bool wants_answer{true};
    };

    // A flow.list on its way. Flows may come and go meanwhile: each row is true as of its own moment.
    struct Listing {
        ClientId client;
        Json id;
        std::size_t limit{0};
        trace::Filter filter;
        std::vector<Flow> flows;          // without a filter, gathered at once: those that are left are behind `next`
        std::size_t next{0};
        std::uint32_t cursor{0};          // with one: of Engine::tell_flows
        std::size_t matching{0};
        std::vector<Json> rows;
    };

    struct Instead {                     // a flow that does not run what was asked for
        std::uint32_t generation{0};
        std::string module, why;
    };

    Daemon(NodeConfig config, std::string config_path, CommandLine said)
        : config_{std::move(config)}, config_path_{std::move(config_path)}, said_{std::move(said)} {
        overrule(config_);
    }
    void overrule(NodeConfig& config) const;  // by what the command line said
    std::expected<void, std::string> open();
    std::expected<void, std::string> open_services();
    void log_taps() const;
    void log_tap(const Taps::Status& tap) const;
    void watch_taps();
    void take_signals();
    void stop(std::string_view why);
    void reload();

    void request(ClientId client, RpcRequest request);
    void client_gone(ClientId client);
    std::expected<Json, RpcError> answer(const RpcRequest& request);

    Json node_info() const;
    Json peer_list(std::size_t limit) const;
    Json tap_list() const;
    std::optional<RpcError> flow_list(ClientId client, const RpcRequest& request);  // answers a few turns later
    void tend_listings();  // once a turn: looks at a bounded number of flows
    bool advance(Listing& listing) const;  // true: it is complete
    void add_row(Listing& listing, Flow flow) const;
    Json listing_json(Listing& listing) const;
    Json describe_flow(Flow flow) const;
    std::expected<Json, RpcError> peer_add(const Json& params);
    std::expected<Json, RpcError> peer_remove(const Json& params);
    std::expected<Json, RpcError> flow_abort(const Json& params);
    std::expected<Json, RpcError> flow_listen(ClientId client, const Json& params);
    // daemon_plugins.cc
    std::expected<void, std::string> open_plugins();
    void reload_plugins(const NodeConfig& read);
    void tend_plugins();                 // once a turn
    void log_module_record(const trace::Record& record);
    Json describe_module(Flow flow) const;
    Json plugin_list() const;
    std::expected<Json, RpcError> plugin_load(const Json& params);
    std::expected<Json, RpcError> plugin_unload(const Json& params);
    std::expected<Json, RpcError> plugin_swap(const Json& params);
    std::expected<Json, RpcError> flow_set(const Json& params);
    std::expected<std::vector<std::pair<std::uint32_t, weft_value>>, RpcError> parameters_for(std::uint16_t slot,
                                                                                              const Json& given) const;
    std::string known_flows() const;
    std::optional<RpcError> flow_connect(ClientId client, const RpcRequest& request);   // answers when the flow is open
    void flow_opened(std::uint64_t number, Flow flow, UniqueFd fd);
    void flow_ended(ClientId client, std::uint64_t number, Flow flow, std::optional<Error> error, const FlowReport& report);
    RpcError connect_error(Error error, const Address& peer, std::uint16_t port) const;

    // daemon_events.cc
    std::expected<void, std::string> open_telemetry();
    std::optional<RpcError> events_subscribe(ClientId client,
                                             const RpcRequest& request);   // answers, and the client is none any more
    std::expected<Subscription, RpcError> subscription_of(const Json& params, std::string_view otherwise) const;
    std::expected<Json, RpcError> record_start(const Json& params);
    std::optional<RpcError> record_stop(ClientId client, const RpcRequest& request);  // answers when the file is whole
    std::expected<Json, RpcError> record_mark(const Json& params);
    Json record_status() const;
    void take_notices();

    // daemon_links.cc
    Json link_list() const;
    std::expected<Json, RpcError> link_add(const Json& params);
    std::expected<Json, RpcError> link_add_udp(const Json& params);
    std::expected<Json, RpcError> link_remove(const Json& params);
    std::expected<Json, RpcError> link_set(const Json& params);

    // daemon_routes.cc
    bool reload_routes(const NodeConfig& read);  // false: its routing was refused, and the old one stays
    std::string why_not(const Address& peer) const;  // a sentence: why no path leads there
    std::string label_of(const Address& address) const;  // a name, or the short form
    std::string label_of(overlay::Tag tag) const;  // of a node that is known by more than its tag, else the tag
    Json node_json(overlay::Tag tag) const;
    std::map<overlay::LinkNumber, Address> neighbours() const;
    std::optional<std::expected<Json, RpcError>> answer_routes(const RpcRequest& request);
    std::expected<Json, RpcError> route_lookup(const Json& params);
    Json lookup_trace(const std::string& text, const Address& address, const Json& answer) const;
    Json route_list(std::size_t limit) const;
    Json route_row(const weft_route_row& row) const;
    Json label_list(std::size_t limit) const;
    Json path_of(const Address& address) const;
    std::expected<Json, RpcError> path_open(const Json& params);
    Json access_get() const;
    Json label_statistics() const;

    std::expected<Address, RpcError> resolve(const std::string& text) const;
    const PeerConfig* find_peer(const Address& address) const;
    std::string name_of(const Address& address) const;

    NodeConfig config_;
    std::string config_path_;
    CommandLine said_;
    Instant started_;
    std::vector<PeerConfig> added_;  // by peer.add; those of the configuration are in config_
    std::unique_ptr<Plugins> plugins_;  // outlives the engine, which calls its code
    std::unique_ptr<Telemetry> telemetry_;  // outlives the shard, which writes into its ring
    std::unique_ptr<Shard> shard_;  // outlives control and the watch, which are in its loop
    std::unique_ptr<Control> control_;
    UniqueFd signals_;
    Loop::Watch signal_watch_;
    std::vector<std::pair<std::uint64_t, Opening>> opening_;
    std::vector<Listening> listening_;
    std::vector<Stopping> stopping_;
    std::deque<Listing> listings_;
    std::uint64_t last_number_{0};  // of openings and listeners
    std::size_t taps_living_{0};  // as last looked at
    unsigned stops_{0};  // signals and calls that asked for the end
    Instant stop_by_{Instant::never()};
    std::vector<trace::Record> module_records_;  // of this turn
    RateLimit module_lines_{50, Duration::seconds(10)};
    std::unordered_map<std::uint32_t, Instead> instead_;  // by Flow::place
};

Json fault_statistics(const link::FaultStatistics& statistics);
Json udp_statistics(const link::Udp::Statistics& statistics);
Json listening_on(const link::Udp& udp);

// SIGTERM, SIGINT and SIGHUP come by a descriptor from here on. Before any thread.
void block_signals();

// Keys lie in this process's memory: no core, no debugger of the same user, unless asked for.
void forbid_core_dumps();

}  // namespace weft::node
