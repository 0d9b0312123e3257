// The system's randomness as the overlay wants it (overlay/entropy.h). Simulator and tests have a seeded one instead.
#pragma once

#include "overlay/entropy.h"

namespace weft::node {

// Starts libsodium once; false where it cannot start. Call it before anything of the overlay.
bool start_sodium();

overlay::Entropy system_entropy();

}  // namespace weft::node
