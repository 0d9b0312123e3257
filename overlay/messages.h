// The four handshake messages and the ID inside them, to the byte (docs/wire.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "overlay/block.h"
#include "overlay/hash.h"
#include "overlay/identity.h"
#include "overlay/noise.h"
#include "stack/core/address.h"
#include "stack/core/batch.h"

namespace weft::overlay {

enum class Message : std::uint8_t { init = 1, resp = 2, cookie = 3, data = 4, fin = 5 };

inline constexpr std::uint8_t protocol_version = 1;
inline constexpr std::size_t init_size = 192, resp_size = 176, cookie_size = 64, fin_size = 140;  // FIN: without frames
inline constexpr std::size_t data_header = 16, data_overhead = 32;                                // header and tag
inline constexpr std::size_t init_head = 40;   // type to e: what identifies an INIT

// INIT   0 type | 1 ver | 2 suites u16 | 4 sender index u32 | 8 e[32] | 40 zero[120] | 160 mac1[16] | 176 mac2[16]
// RESP   0 type | 1 ver | 2 zero u16 | 4 sender index u32 | 8 receiver index u32 | 12 e[32] | 44 enc s | 92 enc ID
// COOKIE 0 type | 1 ver | 2 zero u16 | 4 receiver index u32 | 8 nonce[24] | 32 enc cookie[16+16]
// FIN    0 type | 1 ver | 2 zero u16 | 4 receiver index u32 | 8 enc s[32+16] | 56 enc {ID frames}[+16]
using Init = Block<init_size>;
using Resp = Block<resp_size>;
using Cookie = Block<cookie_size>;

// Do type, version, zeros and length fit the message that the first byte names? DATA counts too.
bool well_formed(Bytes datagram);

// ID, 68 B: 0 address suite | 1 AEAD chosen | 2 features u16 | 4 pk[32] | 36 observed ip[16] | 52 observed port u16
// | 54 clock u48 | 60 work nonce[8]
struct Id {
    static constexpr std::size_t size = 68;
    static constexpr std::uint16_t checksum_elision = 1;   // features, bit 0

    std::uint8_t address_suite{suite_ed25519};
    std::uint8_t aead{0};               // bit number among INIT's suites
    std::uint16_t features{0};
    PublicKey key{};
    UdpEndpoint observed;               // of the one who reads this, as its packets came; the scope is not sent
    std::uint64_t clock{0};             // unix seconds, 48 bits
    std::uint64_t work_nonce{0};

    Block<size> encode() const;
    static Id decode(std::span<const std::byte, size> bytes);
};

// What INITs to one responder are keyed with: only who knows address and network can compute it.
class Door {
public:
    Door(const Network& network, const Address& responder);

    Block<16> mac1(Bytes init) const;                      // over bytes 0..159
    bool mac1_holds(Bytes init) const;
    static Block<16> mac2(const Block<16>& cookie, Bytes init);  // over bytes 0..175

    // "weft1" || net || INIT bytes 0..7 || responder address
    Block<109> prologue(Bytes init) const;

    Cookie seal_cookie(Bytes init, const Block<24>& nonce, const Block<16>& cookie) const;
    std::optional<Block<16>> open_cookie(Bytes message, Bytes init) const;

private:
    std::array<std::byte, 32> net_;
    Block<64> responder_;
    Block<32> mac1_key_, cookie_key_;
};

// Writes INIT for the state, which begins here; mac2 stays zero.
Init make_init(const Door& door, noise::State& state, std::uint16_t suites, std::uint32_t index,
               const noise::Key& ephemeral);

}  // namespace weft::overlay
