// The one source of unpredictable bytes: ephemerals, indices, cookie secrets, challenges (docs/wire.md).
// node/ supplies libsodium's; sim/ and tests/ supply a seeded one. Nothing else of the overlay is random.
#pragma once

#include <cstddef>
#include <span>

namespace weft::overlay {

struct Entropy {
    void* context{nullptr};
    void (*fill)(void* context, std::span<std::byte> out){nullptr};

    void operator()(std::span<std::byte> out) const { fill(context, out); }
};

}  // namespace weft::overlay
