// `weft status` and `weft peers`.
#include <algorithm>
#include <array>
#include <vector>

#include <fmt/core.h>

#include "node/cli_commands.h"

namespace weft::node {
namespace {

std::string line(std::string_view key, std::string_view value) {
    return value.empty() ? "" : fmt::format("  {:<14}{}\n", key, value);
}

std::string joined(const Json& texts) {
    std::string all;
    for (const Json& item : texts)
        if (item.is_string()) all += (all.empty() ? "" : ", ") + printable(item.get<std::string>());
    return all;
}

Colour colour_of(std::string_view state) {
    if (state == "up" || state == "rekey") return Colour::green;
    return state == "suspect" ? Colour::red : Colour::yellow;
}

// Where datagrams to a peer go: its endpoint, or the neighbour that its label path begins with.
std::string way_of(const Json& peer, const Json& known) {
    if (text_in(peer, "kind") != "session") return text_in(peer, "endpoint", "-");
    const std::uint64_t hops = count_in(peer, "hops"), link = count_in(peer, "link");
    std::string via = "?";
    for (const Json& other : known)
        if (link != 0 && text_in(other, "kind") == "link" && count_in(other, "link") == link)
            via = text_in(other, "name", text_in(other, "short", "?"));
    return fmt::format("via {}, {} hops", via, hops);
}

std::size_t count_up(const Json& peers) {
    return std::size_t(std::ranges::count_if(peers, [](const Json& peer) {
        const std::string state = text_in(peer, "state");
        return state == "up" || state == "rekey";
    }));
}

// "TAP, 10.0.0.2/24, MTU 1500, vnet_hdr; 12 packets in, 13 out"
std::string format_tap(const Json& tap) {
    const Json& statistics = object_in(tap, "statistics");
    const auto vnet = tap.find("vnet_hdr");
    const bool whole = vnet != tap.end() && vnet->is_boolean() && vnet->get<bool>();
    return fmt::format("{}{}, {}, MTU {}{}; {} packets in, {} out; {} in, {} out",
                       text_in(tap, "kind") == "tun" ? "TUN" : "TAP", text_in(tap, "state") == "gone" ? " (gone)" : "",
                       joined(array_in(tap, "address")), count_in(tap, "mtu"), whole ? ", vnet_hdr" : "",
                       count_in(statistics, "packets_in"), count_in(statistics, "packets_out"),
                       human_bytes(count_in(statistics, "bytes_in")), human_bytes(count_in(statistics, "bytes_out")));
}

}  // namespace

std::string format_status(const Json& info, const Json& peers, const Json& flows, bool colour) {
    const Json& udp = object_in(info, "udp");
    const Json& tcp = object_in(info, "tcp");
    const Json& known = array_in(peers, "peers");
    const std::string heading = coloured("node " + text_in(info, "name", "?"), Colour::bold, colour);
    const bool overlay = array_in(info, "taps").empty() || !array_in(info, "listen").empty();
    std::string text = overlay ? fmt::format("{}  {}\n", heading, text_in(info, "short")) : heading + '\n';
    if (overlay) text += line("address", text_in(info, "address"));
    text += line("running", fmt::format("{}, pid {}, weft {}", human_seconds(number_in(info, "uptime_s")),
                                        count_in(info, "pid"), text_in(info, "version", "?")));
    for (const Json& tap : array_in(info, "taps")) text += line(text_in(tap, "name", "?"), format_tap(tap));
    if (overlay)
        text += line("network", fmt::format("{}, {} bits of work, MTU {}", text_in(info, "network", "?"),
                                            count_in(info, "work_bits"), count_in(info, "mtu")));
    text += line("listening", joined(array_in(info, "listen")));
    if (overlay) text += line("peers", fmt::format("{} up of {}", count_up(known), known.size()));
    text += line("flows", fmt::format("{}", array_in(flows, "flows").size()));
    if (overlay)
        text += line("udp", fmt::format("{} datagrams in, {} out; {} in, {} out", count_in(udp, "datagrams_in"),
                                        count_in(udp, "datagrams_out"), human_bytes(count_in(udp, "bytes_in")),
                                        human_bytes(count_in(udp, "bytes_out"))));
    text += line("tcp", fmt::format("{} segments in, {} out; {} in, {} out", count_in(tcp, "segments_in"),
                                    count_in(tcp, "segments_out"), human_bytes(count_in(tcp, "bytes_in")),
                                    human_bytes(count_in(tcp, "bytes_out"))));
    text += line("retransmitted", fmt::format("{} segments, {}; {} timeouts", count_in(tcp, "retransmitted_segments"),
                                              human_bytes(count_in(tcp, "retransmitted_bytes")), count_in(tcp, "timeouts")));
    return text;
}

std::string format_peers(const Json& peers, bool colour) {
    const Json& known = array_in(peers, "peers");
    if (known.empty()) return "no peers: name one under [[peer]] in the configuration\n";
    std::vector<Row> rows{{"NAME", "ADDRESS", "STATE", "WAY", "RTT", "HEARD", "IN", "OUT", "AEAD"}};
    for (const Json& peer : known) {
        const std::string state = text_in(peer, "state", "?");
        rows.push_back(
            {text_in(peer, "name", "-"), text_in(peer, "short", "?"), coloured(state, colour_of(state), colour),
             way_of(peer, known), has_number(peer, "srtt_us") ? human_microseconds(count_in(peer, "srtt_us")) : "-",
             has_number(peer, "last_heard_s") ? human_seconds(number_in(peer, "last_heard_s")) + " ago" : "never",
             human_bytes(count_in(peer, "bytes_in")), human_bytes(count_in(peer, "bytes_out")), text_in(peer, "aead", "-")});
    }
    return table(rows, colour);
}

std::expected<Client, Problem> connect_to_node(std::string_view node) {
    auto path = control_socket_path(node);
    if (!path) return std::unexpected(usage_problem(path.error()));
    auto client = Client::connect(*path);
    if (!client) return std::unexpected(problem_of(client.error(), node));
    return std::move(*client);
}

std::expected<Json, Problem> ask(Client& client, std::string_view method, std::string_view node) {
    auto answer = client.call(method, Json::object(), answer_time);
    if (!answer) return std::unexpected(problem_of(answer.error(), node));
    return std::move(answer->result);
}

int run_status(const CommonOptions& common, const Console& console) {
    auto client = connect_to_node(common.node);
    if (!client) return console.fail(client.error());
    auto info = ask(*client, "node.info", common.node);
    if (!info) return console.fail(info.error());
    if (console.json) return console.print_json(*info), exit_done;
    auto peers = ask(*client, "peer.list", common.node);
    if (!peers) return console.fail(peers.error());
    auto flows = ask(*client, "flow.list", common.node);
    if (!flows) return console.fail(flows.error());
    console.print(format_status(*info, *peers, *flows, console.colour));
    return exit_done;
}

int run_peers(const CommonOptions& common, const Console& console) {
    auto client = connect_to_node(common.node);
    if (!client) return console.fail(client.error());
    auto peers = ask(*client, "peer.list", common.node);
    if (!peers) return console.fail(peers.error());
    if (console.json) console.print_json(*peers);
    else console.print(format_peers(*peers, console.colour));
    return exit_done;
}

}  // namespace weft::node
