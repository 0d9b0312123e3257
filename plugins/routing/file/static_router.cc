// The static table as a file: the module that is compiled in, behind the same C table.
#include "plugins/abi/weft_plugin.hpp"
#include "plugins/routing/static_table.h"

WEFT_PLUGIN("static_router", "1.0", "MIT",
            weft_module{sizeof(weft_module), WEFT_MODULE_ROUTING, "static",
                        "next hops as they are configured, in their order", &weft::routing::static_table})
