// Start-up of libsodium and its guarded allocation.
#include "overlay/secret.h"

namespace weft::overlay {

void crypto_ready() {
    static const bool ready = sodium_init() >= 0;
    if (!ready) throw std::bad_alloc{};
}

void* secret_allocate(std::size_t size) {
    crypto_ready();
    void* memory = sodium_malloc(size);
    if (!memory) throw std::bad_alloc{};
    return memory;
}

}  // namespace weft::overlay
