// `weft flows`: a table in the manner of ss, with -i the details under the key names of `ss -ti`, with -w again and again.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <vector>

#include <fmt/core.h>

#include "node/cli_events.h"

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

namespace {

// One look: the flows, and the names of peers for people.
std::expected<std::string, Problem> look(Client& client, const FlowsOptions& options, const CommonOptions& common,
                                         const Console& console) {
    Json params = Json::object();
    if (!options.filter.empty()) params["filter"] = options.filter;
    auto flows = client.call("flow.list", params, answer_time);
    if (!flows) {
        Problem problem = problem_of(flows.error(), common.node);
        if (flows.error().cause == "bad_filter") problem.exit_code = exit_usage;
        return std::unexpected(std::move(problem));
    }
    if (console.json) return to_line(flows->result) + '\n';
    auto peers = ask(client, "peer.list", common.node);
    if (!peers) return std::unexpected(peers.error());
    return format_flows(flows->result, *peers, options.details, console.colour);
}

std::string now_text() {
    const std::time_t now = std::time(nullptr);
    tm local{};
    ::localtime_r(&now, &local);
    return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

// Lines that fit the terminal, cut to its width: a line that wraps would move all below it.
std::string fitted(const std::string& text, unsigned rows, unsigned columns) {
    std::string fitting;
    std::size_t begin = 0;
    for (unsigned row = 0; row < rows && begin < text.size(); ++row) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        std::size_t shown = 0, at = begin;
        while (at < end && (shown < columns || text[at] == '\x1b')) {
            if (text[at] == '\x1b') at = std::min(text.find('m', at), end - 1) + 1;  // a colour takes no room
            else ++at, shown += (static_cast<unsigned char>(text[at - 1]) & 0xc0) != 0x80;
        }
        fitting += text.substr(begin, at - begin) + (at < end ? "\x1b[0m" : "") + "\x1b[K\n";
        begin = end + 1;
    }
    return fitting;
}

// In place on a terminal, its own screen left as it was; elsewhere one look after the other.
int watch(Client& client, const FlowsOptions& options, const CommonOptions& common, const Console& console) {
    StopSignals signals;
    const bool in_place = !console.json && ::isatty(::fileno(console.out)) == 1;
    std::optional<Problem> problem;
    if (in_place) console.print("\x1b[?1049h\x1b[?25l");
    do {
        auto text = look(client, options, common, console);
        if (!text) {
            problem = text.error();
            break;
        }
        if (in_place) {
            winsize size{};
            if (::ioctl(::fileno(console.out), TIOCGWINSZ, &size) != 0 || size.ws_row < 2 || size.ws_col == 0)
                size = {24, 80, 0, 0};
            const std::string all = fmt::format("{}  weft flows {}\n{}", now_text(), printable(options.filter), *text);
            console.print("\x1b[H" + fitted(all, size.ws_row - 1u, size.ws_col) + "\x1b[J");
        } else {
            console.print(console.json ? *text : now_text() + '\n' + *text);
        }
        if (std::ferror(console.out) != 0) break;
    } while (!signals.wait(options.watch));
    if (in_place) console.print("\x1b[?25h\x1b[?1049l");
    return problem ? console.fail(*problem) : exit_done;
}

}  // namespace

int run_flows(const FlowsOptions& options, const CommonOptions& common, const Console& console) {
    auto client = connect_to_node(common.node);
    if (!client) return console.fail(client.error());
    if (options.watch.count() > 0) return watch(*client, options, common, console);
    auto text = look(*client, options, common, console);
    if (!text) return console.fail(text.error());
    console.print(*text);
    return exit_done;
}

}  // namespace weft::node
