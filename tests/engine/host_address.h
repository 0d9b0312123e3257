// The host `last` of one network, in each family: 10.0.0.1, fd00::1, and 512 bits that begin and end alike.
#pragma once

#include <array>

#include "stack/core/address.h"

namespace weft::test {

inline Address host_address(Family family, unsigned last) {
    std::array<std::byte, 64> bytes{};
    const std::size_t size = family == Family::ipv4 ? 4 : family == Family::ipv6 ? 16 : 64;
    bytes[0] = std::byte(family == Family::ipv4 ? 10 : 0xfd);
    bytes[size - 1] = std::byte(last);
    return {family, std::span{bytes}.first(size)};
}

}  // namespace weft::test
