// One row for each number of Config. A row that is added here appears in docs/tunables.md, in configuration files and in adapters.
#include "stack/tcp/tunables.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "stack/tcp/personality.h"

namespace weft::tcp {
namespace {

constexpr std::int64_t us = 1'000, ms = 1'000'000, s = 1'000'000'000;  // nanoseconds

constexpr std::int64_t most_buffer = 1 << 30;  // bytes: a window has no more (RFC 7323, section 2.3)
constexpr std::int64_t years = 8 * 365 * 86'400ll;  // seconds: sums of times stay far from 2^63 ns

// A number or a switch of Config, as it stands.
template <auto Member>
constexpr Tunable plain(std::string_view name, std::string_view sysctl, std::string_view unit, std::int64_t least,
                        std::int64_t most, std::string_view doc, std::span<const std::string_view> choices = {}) {
    return {name,
            sysctl,
            unit,
            least,
            most,
            doc,
            [](const Config& config) { return std::int64_t(config.*Member); },
            [](Config& config, std::int64_t value) {
                config.*Member = static_cast<std::remove_cvref_t<decltype(config.*Member)>>(value);
            },
            choices};
}

template <auto Member>
constexpr Tunable flag(std::string_view name, std::string_view sysctl, std::string_view doc) {
    return plain<Member>(name, sysctl, "switch", 0, 1, doc);
}

// A duration of Config, in units of `Unit` nanoseconds.
template <auto Member, std::int64_t Unit>
constexpr Tunable time(std::string_view name, std::string_view sysctl, std::int64_t least, std::int64_t most,
                       std::string_view doc) {
    return {name,
            sysctl,
            Unit == us   ? "us"
            : Unit == ms ? "ms"
                         : "s",
            least,
            most,
            doc,
            [](const Config& config) { return (config.*Member).count() / Unit; },
            [](Config& config, std::int64_t value) { config.*Member = Duration::nanoseconds(value * Unit); }};
}

using C = Config;

constexpr std::array<std::string_view, 3> ecn_choices{"off", "on", "accept"}, cookie_choices{"off", "on", "always"};
constexpr std::array<std::string_view, 3> accecn_choices{"off", "passive", "on"};
constexpr std::array<std::string_view, 2> probing_choices{"off", "black-hole"};
constexpr std::array<std::string_view, 4> fast_open_choices{"off", "connect", "listen", "both"};

constexpr std::span<const std::string_view> look_choices{personality_names};
constexpr std::array<std::string_view, 2> recovery_choices{"rack", "sack"};

constexpr std::array table{
    plain<&C::send_buffer>("send_buffer", "tcp_wmem", "bytes", 2'048, most_buffer,
                           "text of a flow that waits to be sent or acknowledged"),
    plain<&C::receive_buffer>("receive_buffer", "tcp_rmem", "bytes", 2'048, most_buffer,
                              "text of a flow that waits to be read; the window offers what is left of it"),
    plain<&C::send_buffer_most>("send_buffer_most", "", "bytes", 0, most_buffer,
                                "what a send buffer may grow to by itself, as its window does; below it: it does not"),
    plain<&C::receive_buffer_most>(
        "receive_buffer_most", "", "bytes", 0, most_buffer,
        "what a receive buffer may grow to by itself, as its reader keeps up; below it: it does not"),
    flag<&C::timestamps>("timestamps", "tcp_timestamps", "offer and accept timestamps (RFC 7323, section 3)"),
    flag<&C::window_scaling>("window_scaling", "tcp_window_scaling",
                             "offer and accept window scaling (RFC 7323, section 2)"),
    flag<&C::sack>("sack", "tcp_sack", "offer and accept selective acknowledgements (RFC 2018)"),
    plain<&C::recovery>(
        "recovery", "", "choice", 0, 1,
        "how losses are found where both ends have SACK: rack (RFC 8985, with tail loss probes), or sack (RFC 6675)",
        recovery_choices),
    flag<&C::pacing>("pacing", "", "spread text over the round trip also where the congestion module asks for no rate"),
    time<&C::minimum_rto, us>("minimum_rto", "tcp_rto_min_us", 1'000, 60'000'000,
                              "least retransmission timeout; RFC 6298 (2.4) says one second, systems of today 0.2"),
    time<&C::initial_rto, ms>("initial_rto", "", 10, 60'000,
                              "retransmission timeout before the first sample (RFC 6298, 2.1)"),
    plain<&C::first_threshold>("first_threshold", "tcp_retries1", "timeouts", 1, 255,
                               "R1: so many timeouts in a row and the application hears of it (RFC 9293, section 3.8.3)"),
    time<&C::delayed_ack, ms>("delayed_ack", "", 0, 499,
                              "how long an acknowledgement may wait for company (RFC 9293, section 3.8.6.3)"),
    plain<&C::vain_delays>(
        "vain_delays", "", "delays", 0, 100,
        "by so many more delays of a flow were for nothing than served, and its acknowledgements go at once, "
        "until delays would serve again; 0: each may wait"),
    time<&C::time_wait, ms>("time_wait", "", 0, years * 1'000, "2 MSL: how long TIME-WAIT lasts (RFC 9293, section 3.6.1)"),
    plain<&C::time_wait_limit>("time_wait_limit", "tcp_max_tw_buckets", "records", 0, 1 << 24,
                               "flows in TIME-WAIT; beyond it the oldest goes"),
    plain<&C::connections_most>("connections_most", "", "flows", 0, 1 << 24,
                                "connections and half-open ones; at it SYNs are dropped and connect() fails; 0: no bound"),
    flag<&C::rfc1337>("rfc1337", "tcp_rfc1337", "no reset ends TIME-WAIT, not even an exact one (RFC 1337, section 3, F1)"),
    time<&C::fin_wait, ms>("fin_wait", "", 0, years * 1'000,
                           "how long a flow that was closed both ways waits for the peer's FIN"),
    plain<&C::challenges_a_second>(
        "challenges_a_second", "", "segments", 0, 255,
        "challenge acknowledgements of one flow, and answers of one that is no connection yet, or no more, to bare "
        "segments (RFC 5961, section 7)"),
    plain<&C::ecn>("ecn", "tcp_ecn", "choice", 0, 2,
                   "explicit congestion notification (RFC 3168): asked for by active opens, "
                   "or accepted where a peer asks",
                   ecn_choices),
    plain<&C::accecn>("accecn", "", "choice", 0, 2,
                      "accurate ECN (RFC 9768): accepted where a peer asks, or asked for by active opens, too. Linux has no "
                      "name for it alone: its tcp_ecn of 0, 1, 2 turns it off, 3 on, 4 and 5 make it passive",
                      accecn_choices),
    time<&C::user_timeout_least, s>("user_timeout_least", "", 100, 86'400,
                                    "the least that a peer's user timeout option may make of ours (RFC 5482, section 3.1)"),
    time<&C::user_timeout_most, s>("user_timeout_most", "", 100, 365 * 86'400,
                                   "the most that a peer's user timeout option may make of ours (RFC 5482, section 3.1)"),
    plain<&C::fast_open>("fast_open", "tcp_fastopen", "choice", 0, 3,
                         "text with the SYN (RFC 7413): for active opens that ask, for listeners that ask, or both",
                         fast_open_choices),
    plain<&C::fast_open_bare>(
        "fast_open_bare", "", "choice", 0, 3,
        "text with the SYN goes, or is taken, without a cookie: only where no address can be forged (RFC "
        "7413, section 5.1)",
        fast_open_choices),
    flag<&C::fast_open_all>("fast_open_all", "", "listeners take text with the SYN also where none asked for it"),
    time<&C::fast_open_pause, s>("fast_open_pause", "tcp_fastopen_blackhole_timeout_sec", 0, 86'400,
                                 "how long no active open sends text with its SYN after two such SYNs of a flow vanished, "
                                 "doubled each time; 0: only the server in question is spared (RFC 7413, section 4.1.3.1)"),
    plain<&C::mtu_probing>("mtu_probing", "tcp_mtu_probing", "choice", 0, 1,
                           "a flow whose full segments time out again and again sends smaller ones (RFC 8899, section 4.3)",
                           probing_choices),
    plain<&C::syncookies>("syncookies", "tcp_syncookies", "choice", 0, 2,
                          "answer SYNs without keeping state (RFC 4987): never, beyond the backlog, or always",
                          cookie_choices),
    time<&C::keepalive_idle, s>("keepalive_idle", "tcp_keepalive_time", 1, 365 * 86'400,
                                "silence before the first keep-alive, where an application wants them (RFC 9293, 3.8.4)"),
    time<&C::keepalive_interval, s>("keepalive_interval", "tcp_keepalive_intvl", 1, 365 * 86'400, "between two keep-alives"),
    plain<&C::keepalive_probes>("keepalive_probes", "tcp_keepalive_probes", "segments", 2, 127,
                                "keep-alives without an answer, then the flow ends"),
    plain<&C::personality>(
        "personality", "", "choice", 0, 2,
        "whose habits the stack shows where the documents leave them open: order and padding of options, PSH, "
        "first acknowledgements, least timeout (stack/tcp/personality.h)",
        look_choices),
    plain<&C::least_train>("least_train", "tcp_min_tso_segs", "segments", 1, 44,
                           "what a super-segment may have however slow the pace; else it is a millisecond of it"),
    flag<&C::idle_restart>("idle_restart", "tcp_slow_start_after_idle",
                           "after a pause of a retransmission timeout the window starts anew (RFC 5681, section 4.1)"),
    plain<&C::first_port>("first_port", "", "port", 1, 65'535, "the first port that active opens choose from (RFC 6056)"),
    plain<&C::last_port>("last_port", "", "port", 1, 65'535, "the last port that active opens choose from (RFC 6056)"),
};

bool is_switch(const Tunable& tunable) { return tunable.unit == "switch"; }

std::string_view without_prefix(std::string_view name, std::string_view prefix) {
    return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

std::optional<std::int64_t> number_of(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// The numbers between blanks; at most three.
std::array<std::string_view, 3> words_of(std::string_view text) {
    std::array<std::string_view, 3> words;
    std::size_t at = 0;
    for (std::string_view& word : words) {
        while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
        const std::size_t begin = at;
        while (at < text.size() && text[at] != ' ' && text[at] != '\t') ++at;
        word = text.substr(begin, at - begin);
    }
    return words;
}

std::string range_of(const Tunable& tunable) {
    if (tunable.choices.empty())
        return is_switch(tunable)
                   ? "on or off"
                   : std::to_string(tunable.least) + " to " + std::to_string(tunable.most) + " " + std::string(tunable.unit);
    std::string names;
    for (const std::string_view name : tunable.choices) names += (names.empty() ? "" : ", ") + std::string(name);
    return "one of " + names;
}

std::string text_of(const Tunable& tunable, std::int64_t value) {
    if (!tunable.choices.empty() && value >= 0 && std::size_t(value) < tunable.choices.size())
        return std::string(tunable.choices[std::size_t(value)]);
    if (is_switch(tunable)) return value ? "on" : "off";
    return std::to_string(value);
}

std::optional<std::int64_t> value_of(const Tunable& tunable, std::string_view text) {
    if (is_switch(tunable) && (text == "on" || text == "true")) return 1;
    if (is_switch(tunable) && (text == "off" || text == "false")) return 0;
    for (std::size_t i = 0; i < tunable.choices.size(); ++i)
        if (tunable.choices[i] == text) return std::int64_t(i);
    const auto number = number_of(text);
    return number && *number >= tunable.least && *number <= tunable.most ? number : std::nullopt;
}

std::string unknown(std::string_view name) {
    std::string nearest;
    for (const Tunable& tunable : table)
        if (!name.empty() && tunable.name.starts_with(name.substr(0, 4)))
            nearest += (nearest.empty() ? "" : ", ") + std::string(tunable.name);
    return "\"" + std::string(name) + "\" is not a tunable; " +
           (nearest.empty() ? std::string("docs/tunables.md lists them") : "near it: " + nearest);
}

}  // namespace

std::span<const Tunable> tunables() { return table; }

const Tunable* find_tunable(std::string_view name) {
    for (const Tunable& tunable : table)
        if (tunable.name == name) return &tunable;
    const std::string_view short_name = without_prefix(without_prefix(name, "net.ipv4."), "net/ipv4/");
    for (const Tunable& tunable : table)
        if (!tunable.sysctl.empty() && tunable.sysctl == short_name) return &tunable;
    return nullptr;
}

std::expected<void, std::string> tune(Config& config, std::string_view name, std::string_view value) {
    const Tunable* tunable = find_tunable(name);
    if (!tunable) return std::unexpected(unknown(name));
    const auto words = words_of(value);
    // Linux has one number for two of ours: 3 is AccECN both ways, 4 and 5 accept it, and ask for RFC 3168's, or for none.
    if (tunable->name == "ecn" && name != tunable->name)
        if (const auto number = number_of(words[0]); number && *number >= 0 && *number <= 5) {
            constexpr std::array<std::uint8_t, 6> classic{0, 1, 2, 1, 1, 2}, accurate{0, 0, 0, 2, 1, 1};
            config.ecn = classic[std::size_t(*number)];
            config.accecn = accurate[std::size_t(*number)];
            return {};
        }
    const auto wanted = value_of(*tunable, words[1].empty() ? words[0] : words[1]);
    if (!wanted)
        return std::unexpected("\"" + std::string(tunable->name) + "\": \"" + std::string(value) + "\" is not " +
                               range_of(*tunable));
    tunable->set(config, *wanted);
    if (!words[2].empty())
        if (const Tunable* most = find_tunable(std::string(tunable->name) + "_most"))
            return tune(config, most->name, words[2]);
    return {};
}

std::expected<std::string, std::string> tuned(const Config& config, std::string_view name) {
    const Tunable* tunable = find_tunable(name);
    if (!tunable) return std::unexpected(unknown(name));
    return text_of(*tunable, tunable->get(config));
}

Config bounded(Config config) {
    for (const Tunable& tunable : table) {
        const std::int64_t value = tunable.get(config), within = std::clamp(value, tunable.least, tunable.most);
        if (within != value) tunable.set(config, within);
    }
    config.last_port = std::max(config.first_port, config.last_port);
    return config;
}

std::string tunables_page() {
    std::string page =
        "# Tunables\n\nEvery number that a stack can be tuned by, from the registry in `stack/tcp/tunables.h`; a test holds "
        "this page\n"
        "to it. `tcp::tune(config, name, value)` sets one by name, and takes Linux's sysctl name as well; `[tcp]` of a "
        "node's\n"
        "configuration reads through it. A value out of its range is refused by a sentence that names the range.\n\n"
        "| name | unit | range | default | Linux | what it is |\n| --- | --- | --- | --- | --- | --- |\n";
    for (const Tunable& tunable : table) {
        const bool named = is_switch(tunable) || !tunable.choices.empty();
        const std::string range =
            named ? range_of(tunable) : std::to_string(tunable.least) + " to " + std::to_string(tunable.most);
        page += "| `" + std::string(tunable.name) + "` | " + std::string(tunable.unit) + " | " + range + " | " +
                text_of(tunable, tunable.initial()) + " | " +
                (tunable.sysctl.empty() ? std::string{} : "`" + std::string(tunable.sysctl) + "`") + " | " +
                std::string(tunable.doc) + " |\n";
    }
    return page;
}

}  // namespace weft::tcp
