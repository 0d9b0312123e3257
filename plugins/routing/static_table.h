// The static table, the simplest routing module: next hops that a person wrote down, in the order in which they are tried.
// Compiled into the node and the simulator, and built as a loadable file from the same source.
#pragma once

#include "plugins/abi/weft_plugin.h"

namespace weft::routing {

// Its configuration is {"routes": [{"to": "weft1..." or "*", "via": "weft1..."}]}: several `via` of one destination are its
// next hops in their order, "*" serves every destination after its own routes. A destination that is a neighbour is reached
// directly. Never back into the arrival link, nor to a hop that was visited, is to be avoided, or said no. A next hop that is
// silent, or whose path to that destination broke within 30 s, comes after the others.
extern const weft_router_v1 static_table;

// As the files of modules describe themselves; its name is "static".
extern const weft_module static_module;

}  // namespace weft::routing
