// `weft tap`: a node on a TUN or TAP device, made from the command line and run in the foreground.
#include <cstdlib>
#include <filesystem>

#include <fmt/core.h>

#include "node/cli_commands.h"
#include "node/daemon.h"
#include "node/log.h"
#include "node/units.h"
#include "stack/core/address_text.h"
#include "stack/net/route_table.h"

namespace weft::node {
namespace {

constexpr std::string_view tap_node = "tap";

template <class Value, class Parse>
std::optional<Problem> take(const std::vector<std::string>& texts, std::string_view option, std::string_view form,
                            Parse parse, std::vector<Value>& into) {
    for (const std::string& text : texts) {
        const auto parsed = parse(text);
        if (!parsed)
            return usage_problem(fmt::format("{}: \"{}\" {}", option, printable(text), parsed.error()),
                                 fmt::format("write {}", form));
        into.push_back(*parsed);
    }
    return std::nullopt;
}

std::expected<TapRoute, TextError> parse_gateway(std::string_view text) {
    const auto address = parse_address(text);
    if (!address || address->family() == Family::overlay) return std::unexpected(TextError{"is no IPv4 or IPv6 address"});
    return parse_tap_route(fmt::format("{} via {}", address->family() == Family::ipv4 ? "0.0.0.0/0" : "::/0", text));
}

std::optional<Problem> take_fault(const TapOptions& options, FaultConfig& fault) {
    if (!options.loss.empty()) {
        const auto loss = parse_percent(options.loss);
        if (!loss)
            return usage_problem(fmt::format("--loss: \"{}\" {}", printable(options.loss), loss.error()),
                                 fmt::format("write {}", percent_form));
        fault.loss_ppm = *loss;
    }
    if (!options.delay.empty()) {
        const auto delay = parse_duration(options.delay);
        if (!delay || *delay > Duration::seconds(10))
            return usage_problem(fmt::format("--delay: \"{}\" {}", printable(options.delay),
                                             delay ? UnitError{"is more than 10 s"} : delay.error()),
                                 fmt::format("write {}", duration_form));
        fault.delay = *delay;
    }
    return std::nullopt;
}

std::expected<NodeConfig, Problem> config_of(const TapOptions& options, const CommonOptions& common) {
    NodeConfig config;
    TapEntry entry;
    TapSettings& device = entry.device;
    std::optional<Problem> problem;
    const auto taken = [&problem](std::optional<Problem> one) { return !(problem = std::move(one)); };
    if (!device_name_is_valid(options.device))
        return std::unexpected(usage_problem(fmt::format("--name: \"{}\" is no device's name", printable(options.device)),
                                             fmt::format("write {}", device_name_form)));
    device.name = options.device;
    device.tun = options.tun;
    device.vnet_hdr = !options.plain;
    device.mtu = options.mtu;
    const bool all =
        taken(take(options.addresses, "--address", interface_address_form, parse_interface_address, device.addresses)) &&
        taken(take(options.kernel, "--kernel", interface_address_form, parse_interface_address, device.kernel)) &&
        taken(take(options.gateways, "--gateway", "an address such as 10.0.0.1", parse_gateway, device.routes)) &&
        taken(take(options.routes, "--route", tap_route_form, parse_tap_route, device.routes)) &&
        taken(take_fault(options, entry.fault));
    if (!all) return std::unexpected(*problem);
    if (!options.mac.empty()) {
        const auto mac = parse_mac(options.mac);
        if (!mac || options.tun)
            return std::unexpected(usage_problem(mac ? std::string{"--mac is for Ethernet: a TUN device has none"}
                                                     : fmt::format("--mac: \"{}\" {}", printable(options.mac), mac.error()),
                                                 fmt::format("write {}", mac_form)));
        device.mac = *mac;
    }
    if (const std::string fault = check_tap(device); !fault.empty()) return std::unexpected(usage_problem(fault));
    std::error_code ignored;
    if (!options.http.empty() && !std::filesystem::is_directory(options.http, ignored))
        return std::unexpected(failure("no_directory", fmt::format("--http: {} is no directory", printable(options.http)),
                                       "name the directory whose files are to be served"));
    const char* chosen = std::getenv("WEFT_NODE");
    config.name = !common.node.empty() ? common.node : chosen && *chosen ? chosen : std::string{tap_node};
    config.overlay = false;
    config.services = {options.http, 80, options.echo, options.discard, options.source};
    config.taps.push_back(std::move(entry));
    config.log_level = common.quiet ? LogLevel::error : options.verbose ? LogLevel::info : LogLevel::warning;
    return config;
}

// An address for the kernel in the network of one of ours: the first host, or the one behind us.
std::string neighbour_of(const Prefix& ours) {
    const Address network = net::masked(ours.address, ours.bits);
    for (unsigned last = 1; last < 3; ++last) {
        std::array<std::byte, 16> bytes{};
        std::ranges::copy(network.bytes(), bytes.begin());
        bytes[network.bytes().size() - 1] |= std::byte(last);
        const Prefix candidate{{network.family(), std::span{bytes}.first(network.bytes().size())}, ours.bits};
        if (candidate.address != ours.address && net::covers(ours, candidate.address)) return to_string(candidate);
    }
    return {};
}

// The commands that let the kernel reach the node; none where it has been told.
std::vector<std::string> commands_for(const Taps::Status& tap) {
    std::vector<std::string> commands;
    for (const Prefix& ours : tap.settings->addresses) {
        const bool told = std::ranges::any_of(tap.settings->kernel,
                                              [&](const Prefix& theirs) { return net::covers(theirs, ours.address); });
        if (told) continue;
        const std::string neighbour = neighbour_of(ours);
        commands.push_back(neighbour.empty() ? fmt::format("ip route add {} dev {}", weft::to_string(ours.address), tap.name)
                                             : fmt::format("ip addr add {} dev {}", neighbour, tap.name));
    }
    return commands;
}

std::string prefixes_text(const std::vector<Prefix>& prefixes) {
    std::string all;
    for (const Prefix& prefix : prefixes) all += (all.empty() ? "" : ", ") + to_string(prefix);
    return all;
}

std::string url_of(const Address& address) {
    const std::string text = weft::to_string(address);
    return address.family() == Family::ipv6 ? fmt::format("'http://[{}]/'", text) : fmt::format("http://{}/", text);
}

void say(const Daemon& daemon, const TapOptions& options, const Console& console) {
    const Taps::Status tap = *daemon.shard().taps().status(0);
    const std::vector<std::string> commands = commands_for(tap);
    const std::string node = daemon.name();
    if (console.json) {
        Json addresses = Json::array(), kernel = Json::array();
        for (const Prefix& prefix : tap.settings->addresses) addresses.push_back(to_string(prefix));
        for (const Prefix& prefix : tap.settings->kernel) kernel.push_back(to_string(prefix));
        console.print_json({{"node", node},
                            {"device", tap.name},
                            {"kind", tap.tun ? "tun" : "tap"},
                            {"vnet_hdr", tap.vnet_hdr},
                            {"mtu", tap.settings->mtu},
                            {"address", addresses},
                            {"kernel", kernel},
                            {"commands", commands}});
        return;
    }
    std::string text =
        fmt::format("{} is up ({}, MTU {}, {}): this node is {}\n", tap.name, tap.tun ? "TUN" : "TAP", tap.settings->mtu,
                    tap.vnet_hdr ? "vnet_hdr" : "segment by segment", prefixes_text(tap.settings->addresses));
    if (!tap.settings->kernel.empty())
        text += fmt::format("  the kernel's end is {}\n", prefixes_text(tap.settings->kernel));
    for (const std::string& command : commands) text += fmt::format("  the kernel reaches it after: {}\n", command);
    if (!options.http.empty())
        text += fmt::format("  files of {}: curl {}\n", printable(options.http),
                            url_of(tap.settings->addresses.front().address));
    if (options.echo) text += "  echo on port 7\n";
    if (options.discard) text += "  discard on port 9\n";
    if (options.source) text += "  zero bytes from port 19\n";
    text += fmt::format("  its flows: weft flows --node {}; Ctrl-C ends it, and the device with it\n", node);
    console.note(text);
}

}  // namespace

int run_tap(const TapOptions& options, const CommonOptions& common, const Console& console) {
    auto config = config_of(options, common);
    if (!config) return console.fail(config.error());
    set_log_level(config->log_level);
    block_signals();
    auto daemon = Daemon::start(std::move(*config), {}, {});
    if (!daemon) return console.fail(failure("start_failed", printable(daemon.error())));
    say(**daemon, options, console);
    (*daemon)->run();
    if ((*daemon)->shard().taps().living() == 0)
        return console.fail(failure("device_gone", "somebody removed the device", "start it again to have it back"));
    return exit_done;
}

}  // namespace weft::node
