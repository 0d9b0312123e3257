// Addresses between packetdrill's structures and the stack's, and lists of buffers.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <vector>

#include "stack/api/errors.h"
#include "stack/core/address.h"

namespace weft::drill {

inline socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& out) {
    std::memset(&out, 0, sizeof out);
    if (endpoint.address.family() == Family::ipv6) {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(endpoint.port);
        std::memcpy(&in.sin6_addr, endpoint.address.bytes().data(), 16);
        in.sin6_scope_id = endpoint.scope;
        std::memcpy(&out, &in, sizeof in);
        return sizeof in;
    }
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    if (endpoint.address.family() == Family::ipv4) std::memcpy(&in.sin_addr, endpoint.address.bytes().data(), 4);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
}

inline api::Outcome<Endpoint> from_sockaddr(const sockaddr* address, socklen_t length) {
    if (!address) return std::unexpected(EFAULT);
    if (length < sizeof(sa_family_t)) return std::unexpected(EINVAL);
    if (address->sa_family == AF_INET) {
        sockaddr_in in{};
        if (length < sizeof in) return std::unexpected(EINVAL);
        std::memcpy(&in, address, sizeof in);
        const auto* bytes = reinterpret_cast<const std::byte*>(&in.sin_addr);
        return Endpoint{Address{Family::ipv4, {bytes, 4}}, 0, ntohs(in.sin_port)};
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 in{};
        if (length < sizeof in) return std::unexpected(EINVAL);
        std::memcpy(&in, address, sizeof in);
        const auto* bytes = reinterpret_cast<const std::byte*>(&in.sin6_addr);
        return Endpoint{Address{Family::ipv6, {bytes, 16}}, in.sin6_scope_id, ntohs(in.sin6_port)};
    }
    return std::unexpected(EAFNOSUPPORT);
}

inline void give_address(const api::Outcome<Endpoint>& endpoint, sockaddr* address, socklen_t* length) {
    if (!endpoint || !address || !length) return;
    sockaddr_storage storage;
    const socklen_t size = to_sockaddr(*endpoint, storage);
    std::memcpy(address, &storage, std::min(*length, size));
    *length = size;
}

// The kernel would find that out by itself: only nothing lies at address 0.
inline bool faulty(std::span<const iovec> parts) {
    return std::ranges::any_of(parts, [](const iovec& part) { return part.iov_len > 0 && !part.iov_base; });
}

// Takes `count` bytes off the front. True: nothing is left.
inline bool skip(std::vector<iovec>& left, std::size_t count) {
    for (iovec& part : left) {
        const std::size_t gone = std::min(count, part.iov_len);
        part.iov_base = static_cast<std::byte*>(part.iov_base) + gone;
        part.iov_len -= gone;
        count -= gone;
    }
    return std::ranges::all_of(left, [](const iovec& part) { return part.iov_len == 0; });
}

}  // namespace weft::drill
