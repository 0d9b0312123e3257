// The names of the engine's errors in JSON.
#pragma once

#include <string_view>

#include "stack/core/result.h"

namespace weft::node {

constexpr std::string_view error_name(Error error) {
    switch (error) {
    case Error::would_block: return "would_block";
    case Error::in_progress: return "in_progress";
    case Error::end_of_stream: return "end_of_stream";
    case Error::refused: return "refused";
    case Error::reset: return "reset";
    case Error::closed_by_peer: return "closed_by_peer";
    case Error::timed_out: return "timed_out";
    case Error::unreachable: return "unreachable";
    case Error::network_unreachable: return "network_unreachable";
    case Error::too_large: return "too_large";
    case Error::already_connected: return "already_connected";
    case Error::not_connected: return "not_connected";
    case Error::address_in_use: return "address_in_use";
    case Error::address_not_available: return "address_not_available";
    case Error::no_such_flow: return "no_such_flow";
    case Error::invalid: return "invalid";
    case Error::not_supported: return "not_supported";
    case Error::no_memory: return "no_memory";
    case Error::not_permitted: return "not_permitted";
    case Error::aborted: return "aborted";
    case Error::prohibited: return "prohibited";
    case Error::in_use: return "in_use";
    }
    return "unknown";
}

}  // namespace weft::node
