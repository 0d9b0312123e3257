// Opens and configures a TUN or TAP device (Documentation/networking/tuntap.rst of the kernel).
#include "stack/link/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/result.h"
#include "stack/link/netdevice.h"
#include "stack/link/tap_state.h"

namespace weft::link {
namespace {

constexpr const char* clone_device = "/dev/net/tun";

using Opened = std::expected<void, SystemError>;

std::unexpected<SystemError> cannot(std::string call, int error) {
    return std::unexpected(SystemError{std::move(call), error});
}

// What the kernel may hand us uncut. An older one knows fewer of these; a device that another program left may have others set.
bool set_offloads(int descriptor, bool wanted) {
    if (!wanted) return ::ioctl(descriptor, TUNSETOFFLOAD, 0ul) == 0;
    constexpr unsigned long all = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    return ::ioctl(descriptor, TUNSETOFFLOAD, all | TUN_F_TSO_ECN) == 0 || ::ioctl(descriptor, TUNSETOFFLOAD, all) == 0;
}

Opened create(int descriptor, const TapConfig& config, bool& vnet_hdr, std::string& name) {
    const std::string what = std::string{"make the "} + (config.tun ? "TUN" : "TAP") + " device " + config.name;
    if (config.name.empty() || config.name.size() >= IFNAMSIZ) return cannot(what, EINVAL);
    unsigned features = 0;
    const bool known = ::ioctl(descriptor, TUNGETFEATURES, &features) == 0;
    vnet_hdr = config.vnet_hdr && known && (features & IFF_VNET_HDR) != 0;
    ifreq request{};
    std::memcpy(request.ifr_name, config.name.data(), config.name.size());
    request.ifr_flags = short((config.tun ? IFF_TUN : IFF_TAP) | IFF_NO_PI | (vnet_hdr ? IFF_VNET_HDR : 0));
    if (::ioctl(descriptor, TUNSETIFF, &request) != 0) return cannot(what, errno);
    name.assign(request.ifr_name, ::strnlen(request.ifr_name, IFNAMSIZ));
    if (vnet_hdr) {
        int size = VnetHeader::size, little_endian = 1;
        if (::ioctl(descriptor, TUNSETVNETHDRSZ, &size) != 0 || ::ioctl(descriptor, TUNSETVNETLE, &little_endian) != 0)
            return cannot("set the vnet_hdr of " + name, errno);
    }
    if (!set_offloads(descriptor, vnet_hdr)) return cannot("set the offloads of " + name, errno);
    return {};
}

Opened configure(const TapConfig& config, const NetDevice& device) {
    WEFT_TRY(device.set_mtu(config.mtu));
    // The queue is a matter of speed: without the right to set it, what there is will do.
    if (const auto set = device.set_queue_length(config.queue); !set && set.error().error != EPERM)
        return std::unexpected(set.error());
    return device.set_up();
}

}  // namespace

std::expected<Tap, SystemError> Tap::open(const TapConfig& config) {
    auto state = std::make_unique<State>();
    state->config = config;
    if (config.mtu < least_mtu || config.mtu > most_mtu)
        return cannot("set an MTU of " + std::to_string(config.mtu), ERANGE);
    state->descriptor = ::open(clone_device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (state->descriptor < 0) return cannot(std::string{"open "} + clone_device, errno);
    WEFT_TRY(create(state->descriptor, config, state->vnet_hdr, state->name));
    const NetDevice device{state->name};
    WEFT_TRY(configure(config, device));
    if (!config.tun) {
        const auto mac = device.mac();
        if (!mac) return std::unexpected(mac.error());
        state->kernel_mac = *mac;
    }
    return Tap{std::move(state)};
}

Tap::Tap(std::unique_ptr<State> state) : state_{std::move(state)} {}
Tap::Tap(Tap&&) noexcept = default;
Tap& Tap::operator=(Tap&&) noexcept = default;
Tap::~Tap() = default;

Tap::State::~State() {
    if (descriptor >= 0) ::close(descriptor);
}

LinkCapabilities Tap::capabilities() const {
    return {.mtu = state_->config.mtu,
            .max_super_segment = state_->vnet_hdr ? 65'000u : 0u,
            .segments_tcp = state_->vnet_hdr,
            .sums_checksums = state_->vnet_hdr};
}

std::size_t Tap::receive(std::span<Receive> in, BufferPool& pool) { return state_->receive(in, pool); }

std::size_t Tap::send(std::span<const Transmit> out) {
    std::size_t taken = 0;
    while (taken < out.size() && state_->send(out[taken])) ++taken;
    return taken;
}

void Tap::count_dropped(std::size_t packets) { state_->statistics.dropped_out += packets; }

int Tap::descriptor() const { return state_->descriptor; }
const std::string& Tap::name() const { return state_->name; }
bool Tap::ethernet() const { return !state_->config.tun; }
bool Tap::vnet_hdr() const { return state_->vnet_hdr; }
const std::array<std::byte, 6>& Tap::kernel_mac() const { return state_->kernel_mac; }
bool Tap::gone() const { return state_->gone; }
const Tap::Statistics& Tap::statistics() const { return state_->statistics; }

}  // namespace weft::link
