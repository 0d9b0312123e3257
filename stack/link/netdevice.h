// A network interface of the kernel, by its name: what is asked of it and set on it by ioctl and netlink (netdevice(7),
// rtnetlink(7)). Each call opens a socket of its own: this is for the start and the end, not for every packet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>

#include "stack/core/address.h"
#include "stack/link/system_error.h"

namespace weft::link {

class NetDevice {
public:
    // The name may be of an interface that is not there: the calls say so (ENODEV). At most 15 bytes.
    explicit NetDevice(std::string name) : name_{std::move(name)} {}

    const std::string& name() const { return name_; }

    std::expected<std::uint32_t, SystemError> index() const;
    std::expected<std::uint32_t, SystemError> mtu() const;
    std::expected<bool, SystemError> up() const;
    std::expected<std::array<std::byte, 6>, SystemError> mac() const;  // zero where there is none (TUN)

    // These need CAP_NET_ADMIN, unless the interface is so already.
    std::expected<void, SystemError> set_mtu(std::uint32_t bytes) const;
    std::expected<void, SystemError> set_up() const;
    std::expected<void, SystemError> set_queue_length(std::uint32_t packets) const;  // that wait for whoever reads

    // An address of the kernel's side, with the on-link route of its prefix. An IPv6 address is usable at once: no duplicate
    // address detection (RFC 4862, section 5.4). One that is there already is no error.
    std::expected<void, SystemError> add_address(const Address& address, std::uint8_t prefix) const;

private:
    std::string name_;
};

}  // namespace weft::link
