// `weft path ADDRESS`: the way to an address, hop by hop, from path.get; one is set up first if there is none.
#include <thread>
#include <vector>

#include <fmt/core.h>

#include "node/cli_commands.h"

namespace weft::node {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::string rtt_of(const Json& where) {
    return has_number(where, "srtt_us") ? human_microseconds(count_in(where, "srtt_us")) : "-";
}

std::string node_of(const Json& node) { return text_in(node, "name", text_in(node, "short", text_in(node, "tag", "?"))); }

// The settled answer of path.get; another one only when the time is up.
std::expected<Json, Problem> settled(Client& client, const Json& params, const CommonOptions& common, milliseconds wait) {
    const auto deadline = Clock::now() + wait;
    milliseconds step{5};
    for (;;) {
        auto answer = client.call("path.get", params, answer_time);
        if (!answer) return std::unexpected(problem_of(answer.error(), common.node));
        const std::string state = text_in(answer->result, "state");
        // The far end's round trip is measured a moment after the channel is up.
        const bool measured = state != "up" || has_number(answer->result, "srtt_us");
        if ((state != "opening" && state != "none" && measured) || Clock::now() >= deadline)
            return std::move(answer->result);
        std::this_thread::sleep_for(step);
        step = std::min(step * 2, milliseconds{100});
    }
}

}  // namespace

std::string format_path(const Json& path, bool colour) {
    const std::string state = text_in(path, "state", "?"), name = text_in(path, "name", "?");
    const bool up = state == "up";
    std::string text = fmt::format("{}  {}", coloured("path to " + name, Colour::bold, colour),
                                   coloured(state, up ? Colour::green : Colour::red, colour));
    if (!up) return text + '\n';
    const Json& labels = object_in(path, "path");
    const Json& next = object_in(path, "next_hop");
    text += fmt::format(", {}, {} {}\n", text_in(path, "kind") == "session" ? "a session along labels" : "a link",
                        count_in(path, "hops"), count_in(path, "hops") == 1 ? "hop" : "hops");
    text += fmt::format("  next hop {}, link {}; MTU {}", text_in(next, "name", "?"), count_in(next, "link"),
                        count_in(path, "mtu"));
    if (has_number(path, "cost")) text += fmt::format("; cost {}", count_in(path, "cost"));
    text += '\n';
    if (!labels.empty())
        text += fmt::format("  labels {} out, {} in; path {}, {} old\n", text_in(labels, "label_out", "?"),
                            text_in(labels, "label_in", "?"), text_in(labels, "id", "?"),
                            human_seconds(number_in(labels, "age_s")));
    std::vector<Row> rows{{"HOP", "NODE", "RTT"}};
    std::size_t hop = 0;
    for (const Json& node : array_in(labels, "nodes"))
        rows.push_back({fmt::format("{}", ++hop), node_of(node), hop == 1 ? rtt_of(next) : "-"});
    rows.push_back({fmt::format("{}", ++hop), name, rtt_of(path)});
    return text + table(rows, colour);
}

int run_path(const PathOfOptions& options, const CommonOptions& common, const Console& console) {
    auto client = connect_to_node(common.node);
    if (!client) return console.fail(client.error());
    auto address = parse_own_form(options.address);
    if (!address) {
        auto peers = ask(*client, "peer.list", common.node);
        if (!peers) return console.fail(peers.error());
        address = resolve_address(options.address, *peers);
        if (!address) return console.fail(address.error());
    }
    const Json params{{"address", *address}};
    auto path = client->call("path.get", params, answer_time);
    if (!path) return console.fail(problem_of(path.error(), common.node));
    Json found = std::move(path->result);
    const std::string state = text_in(found, "state");
    if (state != "up" && state != "self" && options.wait.count() > 0) {
        if (state != "opening")
            if (auto opened = client->call("path.open", params, answer_time); !opened)
                return console.fail(problem_of(opened.error(), common.node));
        auto outcome = settled(*client, params, common, options.wait);
        if (!outcome) return console.fail(outcome.error());
        found = std::move(*outcome);
    }
    const std::string ended = text_in(found, "state");
    if (ended == "unreachable")
        return console.fail(failure("unreachable", printable(text_in(found, "message", "no path leads there"))));
    if (ended != "up" && ended != "self" && options.wait.count() > 0)
        return console.fail({exit_timed_out, "timed_out", "the path was not up in time", "--timeout sets how long to wait"});
    if (console.json) console.print_json(found);
    else console.print(format_path(found, console.colour));
    return exit_done;
}

}  // namespace weft::node
