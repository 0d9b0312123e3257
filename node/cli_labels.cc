// `weft labels`: the switch of a node, from label.list.
#include <vector>

#include <fmt/core.h>

#include "node/cli_commands.h"

namespace weft::node {
namespace {

std::string dropped_line(const Json& statistics) {
    std::string text;
    const Json& dropped = object_in(statistics, "dropped");
    for (const auto& [why, ignored] : dropped.items())
        if (const std::uint64_t count = count_in(dropped, why); count > 0)
            text += fmt::format("{}{} {}", text.empty() ? "dropped: " : ", ", count, printable(why));
    return text.empty() ? "dropped: none\n" : text + '\n';
}

std::string label_end(const Json& label, std::string_view name, std::string_view link) {
    if (const std::string who = text_in(label, name); !who.empty()) return who;
    return count_in(label, link) == 0 ? "this node" : fmt::format("link {}", count_in(label, link));
}

}  // namespace

std::string format_labels(const Json& labels, bool colour) {
    const Json& statistics = object_in(labels, "statistics");
    std::vector<Row> rows{{"LABEL", "IN", "OUT", "TO", "GEN", "STATE", "MTU", "PACKETS", "BYTES", "LIFE", "PATH"}};
    for (const Json& label : array_in(labels, "labels")) {
        const bool acked = label.is_object() && label.value("acked", Json()) == true;
        rows.push_back({text_in(label, "label", "?"), label_end(label, "in", "in_link"), label_end(label, "out", "out_link"),
                        text_in(label, "out_label", "-"), fmt::format("{}", count_in(label, "generation")),
                        coloured(acked ? "open" : "opening", acked ? Colour::green : Colour::yellow, colour),
                        fmt::format("{}", count_in(label, "mtu")), fmt::format("{}", count_in(label, "packets")),
                        human_bytes(count_in(label, "bytes")), human_seconds(number_in(label, "expires_s")),
                        text_in(label, "path", "?")});
    }
    const std::string all =
        rows.size() == 1 ? "no labels: no path goes through this node or ends here\n" : table(rows, colour);
    return all +
           fmt::format("forwarded: {} packets, {}; delivered here: {}\n", count_in(statistics, "forwarded"),
                       human_bytes(count_in(statistics, "forwarded_bytes")), count_in(statistics, "delivered")) +
           dropped_line(statistics);
}

int run_labels(const CommonOptions& common, const Console& console) {
    auto client = connect_to_node(common.node);
    if (!client) return console.fail(client.error());
    auto labels = ask(*client, "label.list", common.node);
    if (!labels) return console.fail(labels.error());
    if (console.json) console.print_json(*labels);
    else console.print(format_labels(*labels, console.colour));
    return exit_done;
}

}  // namespace weft::node
