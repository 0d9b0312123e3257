// CUBIC as a file: the class that is compiled into the engine, behind the C table. What it computes is the same to the bit.
#include "stack/tcp/congestion/cubic.h"

WEFT_PLUGIN("cubic_plugin", "1.0", "MIT",
            weft::plugin::congestion<weft::tcp::Cubic>("cubic_plugin", "CUBIC (RFC 9438), as a file of its own"))
