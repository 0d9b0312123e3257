// The daemon's part with devices and with the services that it runs itself: what they are, for the log and the control socket.
#include <fmt/format.h>

#include "node/config_shard.h"
#include "node/daemon.h"
#include "node/log.h"
#include "stack/core/address_text.h"

namespace weft::node {
namespace {

Json texts(const std::vector<Prefix>& prefixes) {
    Json list = Json::array();
    for (const Prefix& prefix : prefixes) list.push_back(to_string(prefix));
    return list;
}

Json statistics(const link::Tap::Statistics& s) {
    return Json{{"packets_in", s.packets_in},     {"packets_out", s.packets_out},
                {"segments_in", s.segments_in},   {"segments_out", s.segments_out},
                {"bytes_in", s.bytes_in},         {"bytes_out", s.bytes_out},
                {"dropped_in", s.dropped_in},     {"dropped_out", s.dropped_out},
                {"malformed_in", s.malformed_in}, {"blocked", s.blocked}};
}

}  // namespace

std::expected<void, std::string> Daemon::open_services() {
    const auto congestion = plugins_->slot(config_.congestion);
    if (!congestion) return std::unexpected(congestion.error().message);
    const auto lines = node::open_services(config_.services, listen_options(config_, *congestion), *shard_);
    if (!lines) return std::unexpected(lines.error());
    for (const std::string& line : *lines) log(LogLevel::info, "services", line);
    return {};
}

void Daemon::log_taps() const {
    for (std::size_t i = 0; i < shard_->taps().size(); ++i) {
        if (const auto tap = shard_->taps().status(i)) log_tap(*tap);
    }
}

void Daemon::log_tap(const Taps::Status& tap) const {
    std::string ours;
    for (const Prefix& prefix : tap.settings->addresses) ours += (ours.empty() ? "" : ", ") + to_string(prefix);
    log(LogLevel::info, "tap",
        fmt::format("{} ({}, MTU {}{}) is up with {}", tap.name, tap.tun ? "TUN" : "TAP", tap.settings->mtu,
                    tap.vnet_hdr ? ", vnet_hdr" : "", ours));
}

// A node of devices alone has nothing left when the last one was removed.
void Daemon::watch_taps() {
    const std::size_t living = shard_->taps().living(), before = std::exchange(taps_living_, living);
    if (living == 0 && before > 0 && !config_.overlay && stops_ == 0) stop("no device is left");
}

Json Daemon::tap_list() const {
    Json list = Json::array();
    for (std::size_t i = 0; i < shard_->taps().size(); ++i) {
        const auto known = shard_->taps().status(i);
        if (!known) continue;
        const Taps::Status& tap = *known;
        Json routes = Json::array();
        for (const TapRoute& route : tap.settings->routes)
            routes.push_back(to_string(route.to) +
                             (route.gateway.family() == Family::none ? "" : " via " + weft::to_string(route.gateway)));
        Json one{{"link", tap.link},
                 {"kind", tap.tun ? "tun" : "tap"},
                 {"name", tap.name},
                 {"state", tap.gone ? "gone" : "up"},
                 {"vnet_hdr", tap.vnet_hdr},
                 {"mtu", tap.settings->mtu},
                 {"address", texts(tap.settings->addresses)},
                 {"kernel", texts(tap.settings->kernel)},
                 {"route", std::move(routes)},
                 {"statistics", statistics(*tap.statistics)}};
        if (!tap.tun) one["mac"] = format_mac(tap.mac), one["kernel_mac"] = format_mac(tap.kernel_mac);
        if (tap.faults) one["fault"] = fault_statistics(*tap.faults);
        list.push_back(std::move(one));
    }
    return list;
}

}  // namespace weft::node
