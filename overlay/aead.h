// The packet cipher behind one small interface: ChaCha20-Poly1305 or AES-256-GCM, with its key schedule made once a key
// (docs/wire.md). Both seal and open in place. An engine of another library is one more case here.
#pragma once

#include <sodium.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "overlay/block.h"

namespace weft::overlay {

// The value is the bit number in INIT's suites and the byte in ID.
enum class Suite : std::uint8_t { chacha20_poly1305 = 0, aes256_gcm = 1 };

std::uint16_t suites_of_this_machine();  // bits: AES-256-GCM only where the processor has it

// One direction's key. Trivially copyable, so that it can lie in a Vault.
class Aead {
public:
    static constexpr std::size_t tag_size = 16;

    void set(Suite suite, const Block<32>& key);

    // `text` is followed by room for the tag. Each counter once a key: the caller's duty.
    void seal(Bytes ad, std::byte* text, std::size_t size, std::uint64_t counter) const;

    // `sealed` includes the tag; on success all but the tag is plain text. On failure its bytes are undefined.
    bool open(Bytes ad, MutableBytes sealed, std::uint64_t counter) const;

private:
    crypto_aead_aes256gcm_state aes_;
    Block<32> key_{};
    Suite suite_{};
};

}  // namespace weft::overlay
