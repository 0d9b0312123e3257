// RFC 6040, section 4.2: what becomes of a mark when a packet leaves its tunnel. Used twice: where a link ends, and where a
// session does.
#pragma once

#include "stack/core/batch.h"

namespace weft::overlay {

// `inner` becomes what leaves the tunnel; false: drop, congestion met a flow that is not capable.
inline bool decapsulate(Ecn outer, Ecn& inner) {
    if (outer == Ecn::congestion_experienced) {
        if (inner == Ecn::not_capable) return false;
        inner = outer;
    } else if (outer == Ecn::ect1 && inner == Ecn::ect0) {
        inner = outer;
    }
    return true;
}

}  // namespace weft::overlay
