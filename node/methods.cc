// One table, from which requests are checked and the reference is made.
#include "node/methods.h"

namespace weft::node {
namespace {

using Type = RpcParameter::Type;

constexpr RpcParameter address_parameter{
    "address", Type::string, true, 0, 0, "a 512-bit address (weft1...), its short form, or the name of a configured peer"};
constexpr RpcParameter flow_parameter{"flow", Type::string, true, 0, 0, "PLACE:GENERATION, as flow.list shows it"};

constexpr RpcParameter limit_parameter{"limit", Type::integer, false, 1, most_listed, "at most so many entries; else 1000"};
constexpr RpcParameter listing[]{limit_parameter};
constexpr RpcParameter flow_listing[]{
    limit_parameter,
    {"filter", Type::string, false, 0, 0, "which flows: `tcp.state == ESTABLISHED && rtt > 20ms` (docs/node.md, Filters)"},
};
constexpr RpcParameter peer_add[]{
    {"address", Type::string, true, 0, 0, "the peer's 512-bit address (weft1...)"},
    {"name", Type::string, false, 0, 0, "what to call it, 1 to 32 characters"},
    {"endpoints", Type::strings, false, 0, 0,
     "up to 8 of \"192.0.2.1:7001\" or \"[2001:db8::1]:7001\"; none: it dials this node"},
};
constexpr RpcParameter peer_remove[]{address_parameter};
constexpr RpcParameter flow_abort[]{flow_parameter};
constexpr RpcParameter flow_set[]{
    flow_parameter,
    {"congestion", Type::string, false, 0, 0,
     "the module that it goes on with, its window as it is; plugin.list shows them"},
    {"parameters", Type::numbers, false, 0, 0, "of that module, by name"},
    {"nodelay", Type::boolean, false, 0, 0, "true: short segments leave at once (Nagle's algorithm is off)"},
};
constexpr RpcParameter plugin_load[]{
    {"name", Type::string, true, 0, 0, "the file's name without its directory and without .so"}};
constexpr RpcParameter plugin_unload[]{
    {"name", Type::string, true, 0, 0, "the file's name, as plugin.load took it"},
    {"force", Type::boolean, false, 0, 0, "true: flows that use it go on under newreno; else they are a refusal"},
};
constexpr RpcParameter flow_connect[]{
    address_parameter,
    {"port", Type::integer, true, 1, 65'535, "the port there"},
    {"user_timeout_ms", Type::integer, false, 100, 86'400'000,
     "how long text may wait for an acknowledgement; else [tcp] user_timeout"},
};
constexpr RpcParameter flow_listen[]{
    {"port", Type::integer, true, 1, 65'535, "the port of this node that opens to members"}};

constexpr RpcParameter of_address[]{address_parameter};
constexpr RpcParameter route_lookup[]{
    address_parameter,
    {"trace", Type::boolean, false, 0, 0, "true: also what was looked at on the way to the answer, step by step"},
};

constexpr RpcParameter link_add[]{
    {"kind", Type::string, true, 0, 0, "`udp`, `tap` or `tun`; the others are those of [listen] and [[tap]]"},
    {"listen", Type::string, false, 0, 0, "of `udp`: where, such as \"[::]:7001\"; of a family that has no socket yet"},
    {"name", Type::string, false, 0, 0, "of the device; else weft%d, the first free number"},
    {"address", Type::strings, false, 0, 0, "the node's, with the length of the network's prefix"},
    {"kernel", Type::strings, false, 0, 0, "given to the kernel's end"},
    {"route", Type::strings, false, 0, 0, "\"0.0.0.0/0 via 10.0.0.1\""},
    {"mtu", Type::integer, false, 576, 65'521, "in bytes; else 1500"},
    {"mac", Type::string, false, 0, 0, "the node's, of a TAP device; else drawn"},
    {"vnet_hdr", Type::boolean, false, 0, 0, "false: segment by segment, with their sums"},
};
constexpr RpcParameter link_remove[]{
    {"link", Type::integer, true, 0, 255, "its number, as link.list shows it"},
    {"listen", Type::string, false, 0, 0, "of link 0: which of its sockets"},
};
constexpr RpcParameter link_set[]{
    {"link", Type::integer, true, 0, 255, "its number, as link.list shows it: 0 is the overlay's UDP sockets"},
    {"loss", Type::string, false, 0, 0, "share of the datagrams that are lost: \"1%\""},
    {"delay", Type::string, false, 0, 0, "of each datagram: \"20ms\""},
    {"rate", Type::string, false, 0, 0, "at most so much leaves: \"10Mbit\", or \"unlimited\""},
    {"jitter", Type::string, false, 0, 0, "beside the delay, from 0 up to this: \"5ms\""},
    {"reorder", Type::string, false, 0, 0, "share that others overtake"},
    {"duplicate", Type::string, false, 0, 0, "share that leaves twice"},
    {"corrupt", Type::string, false, 0, 0, "share of which one bit is flipped"},
};

constexpr RpcParameter classes_parameter{"classes",
                                         Type::strings,
                                         false,
                                         0,
                                         0,
                                         "of events, from left to right: names of classes, `all`, `samples`, `edges`, "
                                         "`segments`; one with a minus is left out. Else all"};
constexpr RpcParameter flows_parameter{
    "flows", Type::strings, false, 0, 0, "of these flows alone, each PLACE or PLACE:GENERATION; else of all"};
constexpr RpcParameter payload_parameter{
    "payload", Type::boolean, false, 0, 0, "true: also the bytes that the flows carry; not on the read-only socket", true};
constexpr RpcParameter events_subscribe[]{
    classes_parameter,
    flows_parameter,
    {"rate_limit", Type::integer, false, 1, 1'000'000'000, "samples a second, at most"},
    {"snapshot", Type::boolean, false, 0, 0, "false: do not begin with the state of all flows"},
    payload_parameter,
};
constexpr RpcParameter record_start[]{
    {"name", Type::string, false, 0, 0,
     "of the file in [record] directory, without .weft; else the node's name and the time"},
    classes_parameter,
    flows_parameter,
    {"limit", Type::string, false, 0, 0, "size at which it ends: \"100MB\"; else [record] limit"},
    {"overwrite", Type::boolean, false, 0, 0, "true: in place of a recording that is there"},
    payload_parameter,
};
constexpr RpcParameter record_mark[]{{"text", Type::string, true, 0, 0, "what to remember; 48 bytes of it are kept"}};
constexpr RpcParameter plugin_swap[]{
    {"from", Type::string, true, 0, 0, "the module whose flows and listeners go on with another one"},
    {"to", Type::string, true, 0, 0, "that other one; plugin.list shows them"},
};

constexpr RpcMethod methods[]{
    {"node.info",
     {},
     false,
     "This node: address, sockets, totals.",
     "{name, version, address, short, pid, uptime_s, listen, network, work_bits, mtu, udp, tcp, overlay, labels, memory}"},
    {"node.stop", {}, true, "Ends the node as SIGTERM does: flows end in order, neighbours are told.", "{stopping}"},
    {"peer.list", listing, false, "The neighbours, configured or linked.",
     "{peers: [{address, short, name, endpoint, state, aead, configured, srtt_us, last_heard_s, datagrams_in, "
     "datagrams_out, bytes_in, "
     "bytes_out, handshakes, replayed, kind, link, hops}], total, names: [{name, address}]}"},
    {"peer.add", peer_add, true,
     "Adds a peer and dials it, until the node ends or the peer is removed; the configuration is not written.", "{address}"},
    {"peer.remove", peer_remove, true, "Ends the link to a peer and forgets it.", "{address}"},
    {"link.list",
     {},
     false,
     "The UDP sockets under the overlay and the TUN and TAP devices.",
     "{links: [{link, kind, mtu, statistics, fault; udp: listen; tap, tun: name, state, vnet_hdr, address, kernel, route, "
     "mac, "
     "kernel_mac}]}"},
    {"link.add", link_add, true,
     "One more link, until the node ends or it is removed; the configuration is not written. A device goes as it came, and "
     "ends its flows with it.",
     "{link, kind; udp: listen; tap, tun: name}"},
    {"link.remove", link_remove, true, "Takes a device away, or one of the overlay's two sockets; never the last link.",
     "{link; udp: listen; tap, tun: name}"},
    {"link.set", link_set, true,
     "Loses, delays, slows down, reorders, duplicates or corrupts on purpose what leaves by a link, from now on; what is "
     "not named stays "
     "as it is, zeros end it.",
     "{link, fault: {loss, reorder, duplicate, corrupt, delay_us, jitter_us, rate_bit_s}}"},
    {"flow.list", flow_listing, false, "The connections, in the terms of RFC 9293; times in the unit of their names.",
     "{flows: [{flow, state, local, remote, congestion, module: {slot, hash, quarantined, violations, parameters, "
     "variables}, nodelay, mss, cwnd, ssthresh, srtt_us, rttvar_us, min_rtt_us, rto_ms, "
     "snd_wnd, rcv_wnd, unacked, "
     "send_queue, receive_queue, bytes_in, bytes_out, segments_in, segments_out, retransmissions, timeouts, age_s, way, "
     "hops}], "
     "total, matching}"},
    {"flow.abort", flow_abort, true, "Resets a connection.", "{flow}"},
    {"flow.set", flow_set, true,
     "Changes a living connection. All is checked before anything is changed; the module's change is in the trace.",
     "{flow, congestion, slot, hash}"},
    {"flow.connect", flow_connect, true,
     "Opens a connection. The answer carries one end of a stream socketpair (SCM_RIGHTS); flow.ended follows when it is "
     "over.",
     "{flow}"},
    {"flow.listen", flow_listen, true,
     "Opens a port of this node while the control connection lives. Each connection comes as a flow.accepted with one end "
     "of a stream "
     "socketpair (SCM_RIGHTS), and a flow.ended when it is over.",
     "{listener, port}"},
    {"plugin.list",
     {},
     false,
     "The congestion modules, compiled in and loaded, with their parameters and private variables.",
     "{modules: [{name, kind, state, slot, flows, listeners, violations, version, license, doc, file, hash, parameters, "
     "variables, calls}], directories, available}"},
    {"plugin.load", plugin_load, true,
     "Loads a file of the configured directories, or its newer version: new flows take it, living ones if its module "
     "agrees.",
     "{outcome, file, hash, quarantined, modules: [{name, slot, moved, left}]}"},
    {"plugin.unload", plugin_unload, true, "Takes a file's modules away and closes it.", "{name, moved}"},
    {"plugin.swap", plugin_swap, true, "Gives all flows and listeners of one module another one; windows stay as they are.",
     "{from, to, moved, listeners}"},
    {"route.list", listing, false, "What the routing module knows, in its order: neighbours, then routes.",
     "{module, routes: [{to, to_name, via, via_name, link, cost, used, direct}]}"},
    {"route.lookup", route_lookup, false, "Where a path to an address would begin.",
     "{module, address, name, verdict, link, via, via_name, reason, trace: [{step, text}]}"},
    {"path.get", of_address, false,
     "The way to an address as it is now; `state` is up, opening, unreachable, none or self. Nodes on the way are hints.",
     "{address, name, state, kind, srtt_us, mtu, hops, cost, next_hop, reason, reporter, accused, message, path: {id, link, "
     "label_out, label_in, mtu, cost, hops, age_s, nodes}}"},
    {"path.open", of_address, true, "Begins a channel to an address, along a label path if it is no neighbour.",
     "as path.get"},
    {"label.list", listing, false, "The labels of this node: what comes with one, and where it goes.",
     "{labels: [{label, out_label, in_link, in, out_link, out, generation, acked, terminal, mtu, expires_s, packets, bytes, "
     "path}], statistics}"},
    {"access.get",
     {},
     false,
     "Who may link, reach this host, and send through it; with counters.",
     "{link, reach: {rules, listening, flows, refused}, transit: {allow, from, bytes_per_s, packets, bytes, refused, "
     "capped}}"},
    {"events.subscribe", events_subscribe, false,
     "Turns the connection into an event connection: after the answer's line come the bytes of a recording (docs/wire.md), "
     "and nothing that "
     "the client sends is a request any more.",
     "{classes, flows, rate_limit, snapshot, payload}"},
    {"record.start", record_start, true,
     "Begins to write events to a file of mode 0600 that holds neither payload, unless asked for, nor keys.",
     "{path, classes, limit, payload}"},
    {"record.stop",
     {},
     true,
     "Ends the recording; answers when the file is whole.",
     "{path, bytes, records, dropped, seconds, error}"},
    {"record.mark", record_mark, true, "Puts a mark with a text into the stream of events.", "{text, listeners}"},
    {"record.status",
     {},
     false,
     "The recording that runs, or ran last, and who listens to events.",
     "{recording, path, bytes, records, dropped, seconds, error, directory, subscribers: [{number, classes, bytes, records, "
     "dropped, "
     "queued}], records_taken, ring_dropped}"},
    {"rpc.discover",
     {},
     false,
     "This list, and what filters know.",
     "{methods: [{name, params, changes, doc, result}], filter_fields: [{name, kind, example, doc}]}"},
};

}  // namespace

std::span<const RpcMethod> control_methods() { return methods; }

}  // namespace weft::node
