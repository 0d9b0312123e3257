// The files of a directory over HTTP/1.1 (RFC 9110, 9112): GET and HEAD, one range, conditions, listings, connections that are
// kept. Requests that come together are answered one after the other; a file passes through in pieces, never whole.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "node/http_site.h"
#include "node/service.h"
#include "stack/core/time.h"

namespace weft::node {

struct HttpConfig {
    std::string directory;
    Duration idle{Duration::seconds(60)};  // between requests; then the flow ends in order
    Duration head{Duration::seconds(20)};  // from a head's first byte to its last, and for the first one; then 408
    Duration stall{Duration::seconds(60)};  // while the client acknowledges nothing of an answer; then a reset
    Duration linger{
        Duration::seconds(5)};  // for its end when it has all (RFC 9112, 9.6); then what it sends is answered by a reset
    // At once; beyond, the flow that waits longest for its next request is reset, or the new one where none waits.
    std::size_t flows{1'024};
    std::size_t flows_a_client{256};  // of one address; of IPv6, of one network of 64 bits
    HttpSite::Lookup lookup{HttpSite::Lookup::kernel};
};

// The error is a message for a person: the directory cannot be opened.
std::expected<ServiceFactory, std::string> http_service(const HttpConfig& config);

}  // namespace weft::node
