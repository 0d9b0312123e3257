// Noise_XX_25519_ChaChaPoly_BLAKE2b, revision 34 of the Noise specification: the three messages and Split().
// A State is a plain value: who reads a message reads it into a copy and keeps that only if all of it was authentic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "overlay/block.h"

namespace weft::overlay::noise {

using Key = Block<32>;
inline constexpr std::size_t tag_size = 16;

// Symmetric and handshake state in one (sections 5.2 and 5.3). Holds secrets: keep it in a Vault.
struct State {
    Block<64> ck{}, h{};
    Key k{};
    std::uint64_t n{0};
    bool has_key{false};
    Key e_secret{}, e_public{};   // own ephemeral
    Key re{}, rs{};               // the other's ephemeral and static, once read
};

struct Static {
    std::span<const std::byte, 32> secret, public_key;
};

// Writers append to `out`, which has room for 32 (first), 32 + 48 + payload + 16 (second), 48 + payload + 16 (third);
// the first message's payload is in clear. Readers take a whole message and fill `payload` (message less its fixed part).
// false: a Diffie-Hellman output of all zeros (low-order point), a forged or altered message.
void begin(State& state, Bytes prologue);

void write_first(State& state, const Key& ephemeral, Bytes payload, std::byte* out);
void read_first(State& state, Bytes message, std::byte* payload);

bool write_second(State& state, const Static& own, const Key& ephemeral, Bytes payload, std::byte* out);
bool read_second(State& state, Bytes message, std::byte* payload);

bool write_third(State& state, const Static& own, Bytes payload, std::byte* out);
bool read_third_static(State& state, std::span<const std::byte, 48> sealed);                 // first the static key
bool read_third_payload(State& state, Bytes sealed, std::byte* payload);  // then se and the rest

struct Keys {
    Key initiator_sends, responder_sends;
};
Keys split(const State& state);

}  // namespace weft::overlay::noise
