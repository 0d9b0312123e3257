// Who a node is: an Ed25519 key, the 512-bit address that it hashes to, the network that it belongs to (docs/wire.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "stack/core/address.h"

namespace weft::overlay {

using PublicKey = std::array<std::byte, 32>;   // Ed25519
using Seed = std::array<std::byte, 32>;        // RFC 8032's private key, all that a key file holds

inline constexpr std::uint8_t suite_ed25519 = 1;

Address address_of(const PublicKey& key, std::uint8_t suite = suite_ed25519);
std::uint64_t tag_of(const Address& address);  // first 8 bytes, little-endian: for path vectors, never authority

// An Ed25519 public key as the X25519 key that Noise uses; none for a point that is not on the curve's main subgroup.
std::optional<std::array<std::byte, 32>> noise_public_of(const PublicKey& key);

// net[32] of docs/wire.md. The public network: name "weft", 20 bits of work, no secret.
struct Network {
    std::array<std::byte, 32> net{};
    std::uint8_t work_bits{0};
    static Network make(std::string_view name, std::uint8_t work_bits,
                        const std::optional<std::array<std::byte, 32>>& secret = {});   // no copy: its owner wipes it
};

// The secret halves live in locked memory and are wiped; an identity moves and is never copied. After a move the old
// object may only be destroyed or assigned to.
class Identity {
public:
    explicit Identity(const Seed& seed);
    Identity(Identity&&) noexcept;
    Identity& operator=(Identity&&) noexcept;
    ~Identity();

    const Address& address() const;
    const PublicKey& public_key() const;
    const std::array<std::byte, 32>& noise_public() const;   // X25519, converted
    std::span<const std::byte, 32> noise_secret() const;
    std::array<std::byte, 64> sign(std::span<const std::byte> message) const;   // Ed25519 (RFC 8032): the same each time
    std::uint64_t work_nonce() const;                        // 0 until set
    void set_work_nonce(std::uint64_t nonce);

private:
    struct Secrets;
    std::unique_ptr<Secrets> secrets_;
};

bool verify_signature(const PublicKey& key, std::span<const std::byte> message, const std::array<std::byte, 64>& signature);

bool work_holds(const Address& address, std::uint64_t nonce, unsigned bits);
std::uint64_t find_work(const Address& address, unsigned bits);   // the least nonce that holds; about 0.16 s for 20 bits

}  // namespace weft::overlay
