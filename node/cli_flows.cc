// `weft flows`: a table in the manner of ss, and with -i the details under the key names of `ss -ti`.
#include <algorithm>
#include <vector>

#include <fmt/core.h>

#include "node/cli_commands.h"

namespace weft::node {
namespace {

std::string end_of(const Json& flow, std::string_view side, const Json& peers) {
    const Json& end = object_in(flow, side);
    const std::string address = text_in(end, "address", "?");
    const bool brackets = address.find(':') != std::string::npos;  // IPv6's text form
    const std::string label = brackets ? '[' + address + ']' : label_of(address, peers);
    return fmt::format("{}:{}", label, count_in(end, "port"));
}

// As in ss, cwnd, ssthresh and unacked count segments; rtt and its variance are milliseconds.
std::string details_of(const Json& flow) {
    const std::uint64_t mss = std::max<std::uint64_t>(count_in(flow, "mss"), 1);
    const auto segments = [mss](std::uint64_t bytes) { return bytes / mss + (bytes % mss != 0 ? 1 : 0); };
    std::string text = "    " + text_in(flow, "congestion", "?");
    const auto add = [&text](std::string_view key, const auto& value) { text += fmt::format(" {}:{}", key, value); };
    add("rto", count_in(flow, "rto_ms"));
    if (count_in(flow, "srtt_us") > 0)
        add("rtt", fmt::format("{:.3f}/{:.3f}", double(count_in(flow, "srtt_us")) / 1e3,
                               double(count_in(flow, "rttvar_us")) / 1e3));
    add("mss", count_in(flow, "mss"));
    add("cwnd", std::max<std::uint64_t>(count_in(flow, "cwnd") / mss, 1));
    // A threshold that no loss has set yet is not shown, as in ss.
    if (const std::uint64_t ssthresh = count_in(flow, "ssthresh"); ssthresh > 0 && ssthresh < 0x7fffffff)
        add("ssthresh", ssthresh / mss);
    add("bytes_sent", count_in(flow, "bytes_out"));
    add("bytes_received", count_in(flow, "bytes_in"));
    add("segs_out", count_in(flow, "segments_out"));
    add("segs_in", count_in(flow, "segments_in"));
    if (const std::uint64_t unacked = count_in(flow, "unacked"); unacked > 0) add("unacked", segments(unacked));
    add("retrans", fmt::format("0/{}", count_in(flow, "retransmissions")));
    add("timeouts", count_in(flow, "timeouts"));
    add("snd_wnd", count_in(flow, "snd_wnd"));
    add("rcv_wnd", count_in(flow, "rcv_wnd"));
    if (const std::uint64_t srtt = count_in(flow, "srtt_us"); srtt > 0)
        text += fmt::format(" send {:.0f}bps", double(count_in(flow, "cwnd")) * 8e6 / double(srtt));
    if (const std::string way = text_in(flow, "way"); !way.empty())
        add("way", way == "session" ? fmt::format("session/{}", count_in(flow, "hops")) : way);
    return text + fmt::format(" age:{}\n", human_seconds(number_in(flow, "age_s")));
}

}  // namespace

std::string format_flows(const Json& flows, const Json& peers, bool details, bool colour) {
    const Json& known = array_in(flows, "flows");
    std::vector<Row> rows{{"STATE", "RECV-Q", "SEND-Q", "LOCAL", "REMOTE", "IN", "OUT", "FLOW"}};
    for (const Json& flow : known) {
        const std::string state = text_in(flow, "state", "?");
        rows.push_back({coloured(state, state == "ESTABLISHED" ? Colour::green : Colour::yellow, colour),
                        fmt::format("{}", count_in(flow, "receive_queue")), fmt::format("{}", count_in(flow, "send_queue")),
                        end_of(flow, "local", peers), end_of(flow, "remote", peers), human_bytes(count_in(flow, "bytes_in")),
                        human_bytes(count_in(flow, "bytes_out")), text_in(flow, "flow", "?")});
    }
    const std::string all = table(rows, colour);
    if (!details) return all;
    // The details go under their flow's line.
    std::string text;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= known.size(); ++i) {
        const std::size_t end = all.find('\n', begin) + 1;
        text += all.substr(begin, end - begin);
        if (i > 0) text += details_of(known[i - 1]) + module_details(known[i - 1]);
        begin = end;
    }
    return text;
}

int run_flows(const FlowsOptions& options, const CommonOptions& common, const Console& console) {
    auto client = connect_to_node(common.node);
    if (!client) return console.fail(client.error());
    auto flows = ask(*client, "flow.list", common.node);
    if (!flows) return console.fail(flows.error());
    if (console.json) return console.print_json(*flows), exit_done;
    auto peers = ask(*client, "peer.list", common.node);
    if (!peers) return console.fail(peers.error());
    console.print(format_flows(*flows, *peers, options.details, console.colour));
    return exit_done;
}

}  // namespace weft::node
