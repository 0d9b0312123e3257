// A node that is only pretended: a process that answers on a socket as a node does and tells made-up events, so many a second, to
// whoever subscribes.
#pragma once

#include <cstdint>
#include <string>

#include "bench/child.h"

namespace weft::bench {

// Listens at PATH, for one window after another, until its owner goes. Call it before there are threads.
Child feed(const std::string& path, std::uint32_t flows, std::uint32_t per_second);

}  // namespace weft::bench
