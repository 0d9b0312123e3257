// Devices of a shard: which call failed and what mends it; who has something to read.
#include "node/taps.h"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "node/log.h"
#include "stack/link/netdevice.h"

namespace weft::node {
namespace {

// A locally administered address of one station (IEEE 802-2014, section 8.4).
Mac drawn_mac(overlay::Entropy entropy) {
    Mac mac{};
    entropy(mac);
    mac[0] = (mac[0] & std::byte{0xfc}) | std::byte{2};
    return mac;
}

// errno tells it from what the system refused.
std::unexpected<std::string> invalid(std::string text) {
    errno = EINVAL;
    return std::unexpected(std::move(text));
}

}  // namespace

std::string tap_error(const link::SystemError& error, const TapSettings& settings) {
    const std::string& name = settings.name;
    const bool opening = error.call.starts_with("open "), making = error.call.starts_with("make the ");
    const bool giving = error.call.starts_with("give an address");
    std::string mend;
    switch (error.error) {
    case EACCES:
    case EPERM:
        if (opening) {
            mend = "this user may not open /dev/net/tun, and making a device needs CAP_NET_ADMIN: run it as root";
        } else if (making) {
            mend = fmt::format(
                "making a device needs CAP_NET_ADMIN: run it as root or in a namespace of your own (`unshare -Urn`), "
                "or have root prepare one and name it: `ip tuntap add dev weft0 mode {} user $USER; ip link set "
                "weft0 mtu {} up`",
                settings.tun ? "tun" : "tap", settings.mtu);
        } else if (giving) {
            mend = error.error == EACCES ? "IPv6 is turned off for this interface: `sysctl net.ipv6.conf.all.disable_ipv6=0`"
                                         : "that needs CAP_NET_ADMIN: leave the kernel's address out, and have root give it";
        } else {
            mend = fmt::format("that needs CAP_NET_ADMIN: have root do it before, `ip link set {} mtu {} up`", name,
                               settings.mtu);
        }
        break;
    case ENOENT:
    case ENODEV:
    case ENXIO:
        mend = opening  ? "this kernel shows no TUN driver: `modprobe tun`, or give the container the device /dev/net/tun"
               : giving ? "the kernel has no such protocol on this interface: is IPv6 there?"
                        : "somebody removed the interface meanwhile: try again";
        break;
    case EBUSY: mend = fmt::format("another program uses {}: choose another name", name); break;
    case EINVAL:
        mend = making ? fmt::format(
                            "{} is another kind of interface's name, or one that was prepared as the other of TAP and TUN: "
                            "`ip -d link show {}`; choose another name",
                            name, name)
               : giving ? "the kernel does not take this address for an interface: choose another one"
                        : fmt::format("this kernel's device does not take an MTU of {}", settings.mtu);
        break;
    case ERANGE: mend = fmt::format("an MTU is {} to {} bytes", TapSettings::least_mtu, TapSettings::most_mtu); break;
    case EADDRNOTAVAIL: mend = "the kernel does not take this address for an interface: choose another one"; break;
    case ENFILE:
    case EMFILE: mend = "too many descriptors are open: `ulimit -n`"; break;
    case ENOBUFS:
    case ENOMEM: mend = "the kernel has no memory for it"; break;
    default: break;
    }
    return fmt::format("{}: {}{}{}", error.call, std::strerror(error.error), mend.empty() ? "" : ": ", mend);
}

const link::Tap& Taps::Port::tap() const {
    if (const auto* fault = std::get_if<link::Fault<link::Tap>>(&device)) return fault->inner();
    return std::get<link::Tap>(device);
}

Taps::~Taps() {
    for (const Port& port : ports_) loop_.remove(port.watch);
}

std::expected<std::uint32_t, std::string> Taps::open(const TapConfig& config, Engine& engine, overlay::Entropy entropy,
                                                     Instant now) {
    const TapSettings& settings = config.settings;
    const auto place = std::ranges::find(ports_, true, &Port::closed);
    if (place == ports_.end() && ports_.size() == most) return invalid(fmt::format("more than {} devices", most));
    const auto number = std::uint32_t(place - ports_.begin() + 1);
    auto opened = link::Tap::open(
        {.link = number, .name = settings.name, .tun = settings.tun, .vnet_hdr = settings.vnet_hdr, .mtu = settings.mtu});
    if (!opened) {
        std::string text = tap_error(opened.error(), settings);
        errno = opened.error().error;
        return std::unexpected(std::move(text));
    }
    const std::string name = opened->name();
    const Mac mac = settings.tun ? Mac{} : settings.mac.value_or(drawn_mac(entropy));
    if (!settings.tun && mac == opened->kernel_mac())
        return invalid(
            fmt::format("{} is the MAC of the kernel's end of {}: choose another one, or none", format_mac(mac), name));
    for (const Prefix& prefix : settings.kernel)
        if (const auto added = link::NetDevice{name}.add_address(prefix.address, std::uint8_t(prefix.bits)); !added) {
            std::string text = fmt::format("{}: {}", to_string(prefix), tap_error(added.error(), settings));
            errno = added.error().error;
            return std::unexpected(std::move(text));
        }

    bool told = engine.attach(number, {.mtu = settings.mtu, .ethernet = !settings.tun, .mac = mac}, now).has_value();
    for (const Prefix& prefix : settings.addresses)
        told = told && engine.assign(prefix.address,
                                     {.link = number, .mtu = settings.mtu, .prefix = std::uint8_t(prefix.bits)}, now);
    for (const TapRoute& route : settings.routes)
        told = told && engine.add_route(route.to, {.gateway = route.gateway, .link = number}, now);
    if (!told) {
        forget(settings, number, engine, now);
        return invalid(
            fmt::format("the engine refuses the addresses or routes of {}: does another link have one of them?", name));
    }
    Port made{std::move(*opened), settings, mac, {}, true, false, false};
    Port& port = place == ports_.end() ? ports_.emplace_back(std::move(made)) : * place = std::move(made);
    port.settings.name = name;
    if (config.fault)
        port.device = link::Fault<link::Tap>{std::move(std::get<link::Tap>(port.device)), *config.fault, pool_};
    port.watch = loop_.add(port.tap().descriptor(), EPOLLIN, [&port](std::uint32_t) { port.readable = true; });
    if (port.watch.generation == 0) {
        close(number, engine, now);
        return std::unexpected(fmt::format("cannot watch {}", name));
    }
    return number;
}

void Taps::forget(const TapSettings& settings, std::uint32_t link, Engine& engine, Instant now) {
    for (const Prefix& prefix : settings.addresses) (void)engine.unassign(prefix.address, now);
    engine.detach(link, now);
}

bool Taps::close(std::uint32_t link, Engine& engine, Instant now) {
    if (link == 0 || link > ports_.size() || ports_[link - 1].closed) return false;
    Port& port = ports_[link - 1];
    if (!std::exchange(port.gone, true)) {
        loop_.remove(port.watch);
        forget(port.settings, link, engine, now);
    }
    port.readable = false;
    port.closed = true;
    port.watch = {};
    const Device closing = std::move(port.device);
    return true;
}

bool Taps::readable() const {
    return std::ranges::any_of(ports_, [](const Port& port) { return port.readable; });
}

std::size_t Taps::receive(std::span<Receive> in) {
    for (std::size_t asked = 0; asked < ports_.size(); ++asked) {
        turn_ = (turn_ + 1) % ports_.size();
        Port& port = ports_[turn_];
        if (!port.readable) continue;
        const std::size_t count = std::visit([&](auto& device) { return device.receive(in, pool_); }, port.device);
        if (count > 0) return count;
        port.readable = false;
    }
    return 0;
}

void Taps::send(std::span<const Transmit> out) {
    if (out.empty() || out.front().link == 0 || out.front().link > ports_.size()) return;
    Port& port = ports_[out.front().link - 1];
    if (port.closed) return;
    const auto some = [&] { return std::visit([&](auto& device) { return device.send(out); }, port.device); };
    out = out.subspan(some());
    if (out.empty()) return;
    // A full device has a moment to drain.
    pollfd full{port.tap().descriptor(), POLLOUT, 0};
    if (::poll(&full, 1, 1) > 0) out = out.subspan(some());
    if (auto* const tap = std::get_if<link::Tap>(&port.device))
        tap->count_dropped(out.size());  // a fault link takes everything
}

void Taps::advance(Instant now) {
    for (Port& port : ports_)
        if (!port.closed) advance_fault(port.device, now);
}

Instant Taps::deadline() const {
    Instant next = Instant::never();
    for (const Port& port : ports_)
        if (const auto* fault = std::get_if<link::Fault<link::Tap>>(&port.device); fault && !port.closed)
            next = std::min(next, fault->deadline());
    return next;
}

std::vector<std::uint32_t> Taps::drop_gone(Engine& engine, Instant now) {
    std::vector<std::uint32_t> links;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        Port& port = ports_[i];
        if (port.gone || !port.tap().gone()) continue;
        port.gone = true;
        links.push_back(std::uint32_t(i + 1));
        port.readable = false;
        loop_.remove(port.watch);
        forget(port.settings, std::uint32_t(i + 1), engine, now);
        log(LogLevel::error, "tap",
            fmt::format(
                "somebody removed the device {}: nothing comes or goes by it any more; start the node again to have it back",
                port.settings.name));
    }
    return links;
}

std::size_t Taps::living() const {
    return std::size_t(std::ranges::count_if(ports_, [](const Port& port) { return !port.gone; }));
}

std::optional<link::FaultConfig> Taps::fault(std::uint32_t link) const {
    if (link == 0 || link > ports_.size() || ports_[link - 1].gone) return std::nullopt;
    return fault_of(ports_[link - 1].device);
}

void Taps::set_fault(std::uint32_t link, const link::FaultConfig& config, Instant now) {
    if (fault(link)) put_fault(ports_[link - 1].device, config, pool_, now);
}

std::optional<Taps::Status> Taps::status(std::size_t index) const {
    const Port& port = ports_[index];
    if (port.closed) return std::nullopt;
    const auto* fault = std::get_if<link::Fault<link::Tap>>(&port.device);
    const link::Tap& tap = port.tap();
    return Status{std::uint32_t(index + 1),
                  tap.name(),
                  port.settings.tun,
                  tap.vnet_hdr(),
                  port.gone,
                  port.mac,
                  tap.kernel_mac(),
                  &port.settings,
                  &tap.statistics(),
                  fault ? &fault->statistics() : nullptr};
}

}  // namespace weft::node
