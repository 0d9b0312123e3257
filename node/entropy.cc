// libsodium's generator, which the kernel seeds.
#include "node/entropy.h"

#include <sodium.h>

namespace weft::node {

bool start_sodium() { return sodium_init() >= 0; }

overlay::Entropy system_entropy() {
    return {nullptr, [](void*, std::span<std::byte> out) { randombytes_buf(out.data(), out.size()); }};
}

}  // namespace weft::node
