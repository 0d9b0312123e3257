// Which Asio the streams run over: Boost's, or with WEFT_STANDALONE_ASIO the one without Boost, one of them a source. Its names for
// what weft's errors are.
#if defined(WEFT_ASIO_WHICH_H) && defined(WEFT_STANDALONE_ASIO) != WEFT_ASIO_IS_STANDALONE
#error "one source has streams over one Asio: define WEFT_STANDALONE_ASIO before its first include of weft, or in none of it"
#endif
#ifndef WEFT_ASIO_WHICH_H
#define WEFT_ASIO_WHICH_H

#ifdef WEFT_STANDALONE_ASIO
#define WEFT_ASIO_IS_STANDALONE 1
#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/error_code.hpp>
#include <asio/execution.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/query.hpp>
#else
#define WEFT_ASIO_IS_STANDALONE 0
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/system/error_code.hpp>
#endif

#include "stack/core/result.h"

namespace weft::asio_api {

#ifdef WEFT_STANDALONE_ASIO
inline namespace standalone {  // one program may have both
namespace net = ::asio;
using error_code = net::error_code;
#else
namespace net = boost::asio;
using error_code = boost::system::error_code;
#endif

inline error_code to_error_code(Error error) {
    switch (error) {
    case Error::end_of_stream: return net::error::eof;
    case Error::aborted: return net::error::operation_aborted;  // closed here while it was pending
    case Error::not_connected: return net::error::bad_descriptor;
    case Error::refused: return net::error::connection_refused;
    case Error::reset: return net::error::connection_reset;
    case Error::closed_by_peer: return net::error::broken_pipe;
    case Error::timed_out: return net::error::timed_out;
    case Error::unreachable: return net::error::host_unreachable;
    case Error::network_unreachable: return net::error::network_unreachable;
    case Error::no_memory: return net::error::no_buffer_space;
    case Error::address_in_use: return net::error::address_in_use;
    case Error::not_permitted:
    case Error::prohibited: return net::error::access_denied;
    default: return net::error::invalid_argument;
    }
}

#ifdef WEFT_STANDALONE_ASIO
}  // namespace standalone
#endif

}  // namespace weft::asio_api

#endif
