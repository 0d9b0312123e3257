// The errno value of each error, as Linux's sockets say it.
#pragma once

#include <cerrno>
#include <cstddef>
#include <expected>

#include "stack/core/result.h"

namespace weft::api {

// What a call of this folder answers: a value, or the errno value that a socket call would leave.
template <class T>
using Outcome = std::expected<T, int>;

constexpr int to_errno(Error error) {
    switch (error) {
    case Error::would_block: return EAGAIN;
    case Error::in_progress: return EINPROGRESS;
    case Error::end_of_stream: return 0;
    case Error::refused: return ECONNREFUSED;
    case Error::reset: return ECONNRESET;
    case Error::closed_by_peer: return EPIPE;
    case Error::timed_out: return ETIMEDOUT;
    case Error::unreachable: return EHOSTUNREACH;
    case Error::network_unreachable: return ENETUNREACH;
    case Error::too_large: return EMSGSIZE;
    case Error::already_connected: return EISCONN;
    case Error::not_connected: return ENOTCONN;
    case Error::address_in_use: return EADDRINUSE;
    case Error::address_not_available: return EADDRNOTAVAIL;
    case Error::no_such_flow: return EBADF;
    case Error::invalid: return EINVAL;
    case Error::not_supported: return EOPNOTSUPP;
    case Error::no_memory: return ENOBUFS;
    case Error::not_permitted: return EPERM;
    case Error::aborted: return ECONNABORTED;
    case Error::prohibited: return EACCES;
    case Error::in_use: return EBUSY;
    }
    return EINVAL;
}

constexpr std::unexpected<int> fail(int error) { return std::unexpected{error}; }
constexpr std::unexpected<int> fail(Error error) { return std::unexpected{to_errno(error)}; }

}  // namespace weft::api
