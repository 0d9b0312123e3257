// What an error is called when a person reads it.
#pragma once

#include <string_view>

#include "stack/core/result.h"

namespace weft {

constexpr std::string_view to_string(Error error) {
    switch (error) {
    case Error::would_block: return "nothing can be done just now";
    case Error::in_progress: return "the connection is being opened";
    case Error::end_of_stream: return "the peer has ended the stream";
    case Error::refused: return "the connection was refused";
    case Error::reset: return "the peer has reset the connection";
    case Error::closed_by_peer: return "the connection has ended";
    case Error::timed_out: return "no answer came in time";
    case Error::unreachable: return "the host is not reachable";
    case Error::network_unreachable: return "there is no route to the network";
    case Error::too_large: return "the message is too large";
    case Error::already_connected: return "the connection is open already";
    case Error::not_connected: return "there is no connection";
    case Error::address_in_use: return "the address is in use";
    case Error::address_not_available: return "the address is not one of this host";
    case Error::no_such_flow: return "there is no such flow any more";
    case Error::invalid: return "an argument is not valid";
    case Error::not_supported: return "this is not supported";
    case Error::no_memory: return "a limit of the stack is reached";
    case Error::not_permitted: return "this is not permitted";
    case Error::aborted: return "the connection was aborted here";
    case Error::prohibited: return "the way or the other end forbids it";
    case Error::in_use: return "it is still in use";
    }
    return "unknown error";
}

}  // namespace weft
