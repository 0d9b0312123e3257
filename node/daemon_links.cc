// link.*: the links of a node, those that come and go while it runs, and the damage that they do on purpose.
#include <algorithm>

#include <fmt/format.h>

#include "node/config_shard.h"
#include "node/daemon.h"
#include "node/entropy.h"
#include "node/log.h"
#include "node/units.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

std::string percent_text(std::uint32_t parts_per_million) { return fmt::format("{:g}%", double(parts_per_million) / 1e4); }

}  // namespace

Json udp_statistics(const link::Udp::Statistics& s) {
    return Json{{"datagrams_in", s.datagrams_in}, {"datagrams_out", s.datagrams_out}, {"bytes_in", s.bytes_in},
                {"bytes_out", s.bytes_out},       {"calls_in", s.calls_in},           {"calls_out", s.calls_out},
                {"dropped_in", s.dropped_in},     {"dropped_out", s.dropped_out},     {"overflowed", s.overflowed},
                {"blocked", s.blocked},           {"soft_errors", s.soft_errors}};
}

Json fault_statistics(const link::FaultStatistics& s) {
    return Json{{"datagrams", s.datagrams},
                {"sent", s.sent},
                {"lost", s.lost},
                {"reordered", s.reordered},
                {"duplicated", s.duplicated},
                {"corrupted", s.corrupted},
                {"overflowed", s.overflowed},
                {"refused", s.refused}};
}

Json listening_on(const link::Udp& udp) {
    Json list = Json::array();
    for (const UdpEndpoint& endpoint : {udp.local4(), udp.local6()})
        if (endpoint.port != 0) list.push_back(to_string(endpoint));
    return list;
}

Json Daemon::link_list() const {
    const link::Udp& udp = shard_->udp();
    Json one{{"link", 0},
             {"kind", "udp"},
             {"listen", listening_on(udp)},
             {"mtu", config_.mtu},
             {"statistics", udp_statistics(udp.statistics())}};
    if (const link::FaultStatistics* fault = shard_->faults()) one["fault"] = fault_statistics(*fault);
    Json list = Json::array();
    if (config_.overlay) list.push_back(std::move(one));
    for (Json taps = tap_list(); Json & tap : taps) list.push_back(std::move(tap));
    return Json{{"links", std::move(list)}};
}

// In the terms of [listen] and [[tap]].
std::expected<Json, RpcError> Daemon::link_add(const Json& params) {
    const std::string kind = params["kind"];
    if (kind == "udp") return link_add_udp(params);
    if (kind != "tap" && kind != "tun")
        return std::unexpected(bad_parameters("\"kind\" must be \"udp\", \"tap\" or \"tun\""));
    if (params.contains("listen")) return std::unexpected(bad_parameters("\"listen\" is for \"udp\""));
    TapSettings device;
    device.tun = kind == "tun";
    std::string wrong;
    const auto take = [&](std::string_view key, const Json& text, auto parse, std::string_view form, auto&& into) {
        const auto value = parse(text.get_ref<const std::string&>());
        if (value) into(*value);
        else if (wrong.empty())
            wrong = fmt::format("\"{}\": \"{}\" {}; write {}", key, text.get_ref<const std::string&>(), value.error(), form);
    };
    const auto each = [&](std::string_view key, auto parse, std::string_view form, auto& into) {
        for (const Json& text : params.value(key, Json::array()))
            take(key, text, parse, form, [&](const auto& value) { into.push_back(value); });
    };
    each("address", parse_interface_address, interface_address_form, device.addresses);
    each("kernel", parse_interface_address, interface_address_form, device.kernel);
    each("route", parse_tap_route, tap_route_form, device.routes);
    if (const auto mac = params.find("mac"); mac != params.end())
        take("mac", *mac, parse_mac, mac_form, [&](const Mac& value) { device.mac = value; });
    device.name = params.value("name", device.name);
    device.vnet_hdr = params.value("vnet_hdr", true);
    device.mtu = params.value("mtu", device.mtu);
    if (wrong.empty() && !device_name_is_valid(device.name)) wrong = fmt::format("\"name\" must be {}", device_name_form);
    if (wrong.empty() && device.tun && device.mac) wrong = "\"mac\" is for Ethernet: a device of kind \"tun\" has none";
    if (wrong.empty()) wrong = check_tap(device);
    for (std::size_t i = 0; i < shard_->taps().size() && wrong.empty(); ++i)
        if (const auto other = shard_->taps().status(i))
            for (const Prefix& prefix : other->settings->addresses)
                if (std::ranges::find(device.addresses, prefix.address, &Prefix::address) != device.addresses.end())
                    wrong = fmt::format("{} is an address of link {} already", to_string(prefix.address), other->link);
    if (!wrong.empty()) return std::unexpected(bad_parameters(std::move(wrong)));
    const auto link = shard_->add_tap({device, {}}, system_entropy());
    if (!link) return std::unexpected(RpcError{RpcCode::failed, link.error(), "no_device"});
    const auto tap = shard_->taps().status(*link - 1);
    taps_living_ = shard_->taps().living();
    log_tap(*tap);
    return Json{{"link", *link}, {"kind", kind}, {"name", tap->name}};
}

std::expected<Json, RpcError> Daemon::link_add_udp(const Json& params) {
    for (const auto& [name, value] : params.items())
        if (name != "kind" && name != "listen")
            return std::unexpected(bad_parameters(fmt::format("\"{}\" is for devices", name)));
    if (!config_.overlay)
        return std::unexpected(
            RpcError{RpcCode::failed, "this node has no overlay: [listen] udp gives it one, when it starts", "no_overlay"});
    const std::string text = params.value("listen", std::string{});
    const auto listen = parse_udp_endpoint(text);
    if (!listen)
        return std::unexpected(bad_parameters(
            fmt::format("\"listen\": \"{}\" is no UDP endpoint; write \"0.0.0.0:7001\" or \"[::]:7001\"", text)));
    const auto before = listening_on(shard_->udp());
    if (auto added = shard_->add_udp(*listen); !added)
        return std::unexpected(RpcError{
            RpcCode::failed,
            added.error() + fmt::format(" (the overlay has a socket of each family; it listens on {})", before.dump()),
            "address_in_use"});
    const Json now = listening_on(shard_->udp());
    log(LogLevel::info, "control", fmt::format("the overlay listens on {}", now.dump()));
    return Json{{"link", 0}, {"kind", "udp"}, {"listen", now}};
}

std::expected<Json, RpcError> Daemon::link_remove(const Json& params) {
    const auto link = params["link"].get<std::uint32_t>();
    const std::string listen = params.value("listen", std::string{});
    const auto none = [&] {
        return std::unexpected(
            RpcError{RpcCode::failed, fmt::format("there is no link {}: link.list shows them", link), "no_such_link"});
    };
    const auto last = [](std::string what) {
        return std::unexpected(
            RpcError{RpcCode::failed, fmt::format("{}: add another one first, or end the node", what), "last_link"});
    };
    if (link == 0) {
        if (!config_.overlay) return none();
        const Json now = listening_on(shard_->udp());
        if (std::ranges::none_of(now, [&](const Json& one) { return one == listen; }))
            return std::unexpected(
                bad_parameters(fmt::format("\"listen\" says which socket of link 0: one of {}", now.dump())));
        if (now.size() == 1) return last("it is the overlay's last socket");
        (void)shard_->remove_udp(*parse_udp_endpoint(listen));
        log(LogLevel::info, "control", fmt::format("the overlay no longer listens on {}", listen));
        return Json{{"link", 0}, {"listen", listening_on(shard_->udp())}};
    }
    if (!listen.empty()) return std::unexpected(bad_parameters("\"listen\" is for link 0, the overlay's sockets"));
    if (link > shard_->taps().size() || !shard_->taps().status(link - 1)) return none();
    if (!config_.overlay && shard_->taps().living() == 1 && !shard_->taps().status(link - 1)->gone)
        return last("it is the node's last link");
    const std::string name = shard_->taps().status(link - 1)->name;
    shard_->remove_tap(link);
    taps_living_ = shard_->taps().living();
    log(LogLevel::info, "tap", fmt::format("{} is removed", name));
    return Json{{"link", link}, {"name", name}};
}

std::expected<Json, RpcError> Daemon::link_set(const Json& params) {
    const auto link = params["link"].get<std::uint32_t>();
    const auto found = link == 0 && !config_.overlay ? std::nullopt : shard_->fault(link);
    if (!found)
        return std::unexpected(
            RpcError{RpcCode::failed, fmt::format("there is no link {}: link.list shows them", link), "no_such_link"});
    link::FaultConfig wanted = *found;
    std::string wrong;
    const auto read = [&](std::string_view key, auto parse, std::string_view form, auto& into) {
        const auto text = params.find(key);
        if (text == params.end()) return;
        const auto value = parse(text->template get_ref<const std::string&>());
        if (value) into = *value;
        else if (wrong.empty()) wrong = fmt::format("\"{}\" {}; write {}", key, value.error(), form);
    };
    read("loss", parse_percent, percent_form, wanted.loss);
    read("reorder", parse_percent, percent_form, wanted.reorder);
    read("duplicate", parse_percent, percent_form, wanted.duplicate);
    read("corrupt", parse_percent, percent_form, wanted.corrupt);
    read("delay", parse_duration, duration_form, wanted.delay);
    read("jitter", parse_duration, duration_form, wanted.jitter);
    if (params.value("rate", "") == "unlimited") wanted.rate = 0;
    else read("rate", parse_rate, rate_form, wanted.rate);
    if (!wrong.empty()) return std::unexpected(bad_parameters(std::move(wrong)));
    if (std::max(wanted.delay, wanted.jitter) > Duration::seconds(10))
        return std::unexpected(bad_parameters("\"delay\" and \"jitter\" are at most 10s"));
    if (wanted.rate != 0 && wanted.rate < 1'000)
        return std::unexpected(bad_parameters("\"rate\" is at least 8kbit, or \"unlimited\""));
    shard_->set_fault(link, wanted);
    log(LogLevel::info, "control",
        fmt::format("link {}: loss {}, delay {} us, jitter {} us, rate {}", link, percent_text(wanted.loss),
                    wanted.delay.count() / 1'000, wanted.jitter.count() / 1'000,
                    wanted.rate == 0 ? "unlimited" : fmt::format("{} bit/s", wanted.rate * 8)));
    return Json{{"link", link},
                {"fault",
                 {{"loss", percent_text(wanted.loss)},
                  {"reorder", percent_text(wanted.reorder)},
                  {"duplicate", percent_text(wanted.duplicate)},
                  {"corrupt", percent_text(wanted.corrupt)},
                  {"delay_us", wanted.delay.count() / 1'000},
                  {"jitter_us", wanted.jitter.count() / 1'000},
                  {"rate_bit_s", wanted.rate * 8}}}};
}

}  // namespace weft::node
