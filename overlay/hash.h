// BLAKE2b as docs/wire.md uses it: a 16-byte context in the `personal` parameter, salt zero, key if named.
#pragma once

#include <sodium.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "overlay/block.h"

namespace weft::overlay {

namespace context {
inline constexpr std::string_view address = "weft-addr-v1", network = "weft-net-v1", work = "weft-work-v1";
inline constexpr std::string_view mac1 = "weft-mac1-v1", cookie = "weft-cookie-v1", none = "";
inline constexpr std::string_view setup = "weft-setup-v1", ack = "weft-ack-v1";  // of signatures: the first 16 bytes signed
}  // namespace context

// A hash in progress.
class Hash {
public:
    Hash(std::string_view context, std::size_t size, Bytes key = {}) : size_{size} {
        Block<crypto_generichash_blake2b_PERSONALBYTES> personal{};
        std::transform(context.begin(), context.end(), personal.begin(), [](char c) { return std::byte(c); });
        crypto_generichash_blake2b_init_salt_personal(&state_, raw(key.data()), key.size(), size, nullptr,
                                                      raw(personal.data()));
    }

    Hash& add(Bytes bytes) {
        crypto_generichash_blake2b_update(&state_, raw(bytes.data()), bytes.size());
        return *this;
    }

    // `out` has the size that was named at the start.
    void finish(MutableBytes out) {
        crypto_generichash_blake2b_final(&state_, reinterpret_cast<unsigned char*>(out.data()), size_);
        sodium_memzero(&state_, sizeof state_);
    }

private:
    static const unsigned char* raw(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }

    crypto_generichash_blake2b_state state_;
    std::size_t size_;
};

// H, H32, H16: N bytes over the parts in their order.
template <std::size_t N, class... Parts>
Block<N> keyed_hash(std::string_view context, Bytes key, const Parts&... parts) {
    Hash hash{context, N, key};
    (hash.add(parts), ...);
    Block<N> out;
    hash.finish(out);
    return out;
}

template <std::size_t N, class... Parts>
Block<N> hash(std::string_view context, const Parts&... parts) {
    return keyed_hash<N>(context, {}, parts...);
}

// Constant time.
inline bool equal(Bytes a, Bytes b) { return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0; }

inline unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
inline const unsigned char* raw(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }

}  // namespace weft::overlay
