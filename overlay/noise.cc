// The Noise functions over libsodium's X25519, ChaCha20-Poly1305 and BLAKE2b (Noise specification, sections 4, 5, 12).
#include "overlay/noise.h"

#include <sodium.h>

#include <string_view>

#include "overlay/hash.h"

namespace weft::overlay::noise {
namespace {

constexpr std::string_view protocol_name = "Noise_XX_25519_ChaChaPoly_BLAKE2b";

// HMAC (RFC 2104) with BLAKE2b's block of 128 and output of 64 bytes.
Block<64> hmac(std::span<const std::byte, 64> key, Bytes first, Bytes second = {}) {
    Block<128> inner{}, outer{};
    for (std::size_t i = 0; i < 128; ++i) {
        const std::byte k = i < 64 ? key[i] : std::byte{0};
        inner[i] = k ^ std::byte{0x36};
        outer[i] = k ^ std::byte{0x5c};
    }
    Block<64> digest = hash<64>(context::none, inner, first, second);
    digest = hash<64>(context::none, outer, digest);
    sodium_memzero(inner.data(), inner.size());
    sodium_memzero(outer.data(), outer.size());
    return digest;
}

struct Pair {
    Block<64> first, second;
    ~Pair() { sodium_memzero(this, sizeof *this); }
};

Pair hkdf(const Block<64>& ck, Bytes material) {
    Block<64> temporary = hmac(ck, material);
    const Block<1> one{std::byte{1}}, two{std::byte{2}};
    Pair out;
    out.first = hmac(temporary, one);
    out.second = hmac(temporary, out.first, two);
    sodium_memzero(temporary.data(), temporary.size());
    return out;
}

void mix_hash(State& state, Bytes data) { state.h = hash<64>(context::none, state.h, data); }

void mix_key(State& state, Bytes material) {
    const Pair keys = hkdf(state.ck, material);
    state.ck = keys.first;
    std::copy_n(keys.second.begin(), 32, state.k.begin());
    state.n = 0;
    state.has_key = true;
}

bool mix_dh(State& state, std::span<const std::byte, 32> secret, const Key& point) {
    Key shared;
    const bool sound = crypto_scalarmult_curve25519(raw(shared.data()), raw(secret.data()), raw(point.data())) == 0;
    if (sound) mix_key(state, shared);
    sodium_memzero(shared.data(), shared.size());
    return sound;
}

Block<12> handshake_nonce(std::uint64_t n) {
    Block<12> nonce{};
    store_little(nonce.data() + 4, n);
    return nonce;
}

std::byte* encrypt_and_hash(State& state, Bytes plain, std::byte* out) {
    std::size_t size = plain.size();
    if (state.has_key) {
        const Block<12> nonce = handshake_nonce(state.n++);
        crypto_aead_chacha20poly1305_ietf_encrypt(raw(out), nullptr, raw(plain.data()), plain.size(), raw(state.h.data()),
                                                  state.h.size(), nullptr, raw(nonce.data()), raw(state.k.data()));
        size += tag_size;
    } else {
        append(out, plain);
    }
    mix_hash(state, {out, size});
    return out + size;
}

bool decrypt_and_hash(State& state, Bytes sealed, std::byte* out) {
    if (!state.has_key) {
        append(out, sealed);
    } else {
        if (sealed.size() < tag_size) return false;
        const Block<12> nonce = handshake_nonce(state.n);
        if (crypto_aead_chacha20poly1305_ietf_decrypt(raw(out), nullptr, nullptr, raw(sealed.data()), sealed.size(),
                                                      raw(state.h.data()), state.h.size(), raw(nonce.data()),
                                                      raw(state.k.data())) != 0)
            return false;
        ++state.n;
    }
    mix_hash(state, sealed);
    return true;
}

std::byte* write_e(State& state, const Key& ephemeral, std::byte* out) {
    state.e_secret = ephemeral;
    crypto_scalarmult_curve25519_base(raw(state.e_public.data()), raw(ephemeral.data()));
    mix_hash(state, state.e_public);
    return append(out, state.e_public);
}

}  // namespace

void begin(State& state, Bytes prologue) {
    state = State{};
    for (std::size_t i = 0; i < protocol_name.size(); ++i) state.h[i] = std::byte(protocol_name[i]);
    state.ck = state.h;
    mix_hash(state, prologue);
}

void write_first(State& state, const Key& ephemeral, Bytes payload, std::byte* out) {
    out = write_e(state, ephemeral, out);
    encrypt_and_hash(state, payload, out);
}

void read_first(State& state, Bytes message, std::byte* payload) {
    state.re = take<32>(message.data());
    mix_hash(state, state.re);
    decrypt_and_hash(state, message.subspan(32), payload);
}

bool write_second(State& state, const Static& own, const Key& ephemeral, Bytes payload, std::byte* out) {
    out = write_e(state, ephemeral, out);
    if (!mix_dh(state, state.e_secret, state.re)) return false;   // ee
    out = encrypt_and_hash(state, own.public_key, out);           // s
    if (!mix_dh(state, own.secret, state.re)) return false;       // es
    encrypt_and_hash(state, payload, out);
    return true;
}

bool read_second(State& state, Bytes message, std::byte* payload) {
    if (message.size() < 32 + 48 + tag_size) return false;
    state.re = take<32>(message.data());
    mix_hash(state, state.re);
    if (!mix_dh(state, state.e_secret, state.re)) return false;                         // ee
    if (!decrypt_and_hash(state, message.subspan(32, 48), state.rs.data())) return false;  // s
    if (!mix_dh(state, state.e_secret, state.rs)) return false;                         // es
    return decrypt_and_hash(state, message.subspan(80), payload);
}

bool write_third(State& state, const Static& own, Bytes payload, std::byte* out) {
    out = encrypt_and_hash(state, own.public_key, out);        // s
    if (!mix_dh(state, own.secret, state.re)) return false;    // se
    encrypt_and_hash(state, payload, out);
    return true;
}

bool read_third_static(State& state, std::span<const std::byte, 48> sealed) {
    return decrypt_and_hash(state, sealed, state.rs.data());
}

bool read_third_payload(State& state, Bytes sealed, std::byte* payload) {
    return mix_dh(state, state.e_secret, state.rs) && decrypt_and_hash(state, sealed, payload);
}

Keys split(const State& state) {
    const Pair pair = hkdf(state.ck, {});
    Keys keys;
    std::copy_n(pair.first.begin(), 32, keys.initiator_sends.begin());
    std::copy_n(pair.second.begin(), 32, keys.responder_sends.begin());
    return keys;
}

}  // namespace weft::overlay::noise
