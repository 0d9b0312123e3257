// Keys, addresses, networks and work over libsodium's Ed25519, X25519 and BLAKE2b (docs/wire.md).
#include "overlay/identity.h"

#include <bit>
#include <new>

#include "overlay/hash.h"
#include "overlay/secret.h"

namespace weft::overlay {

struct Identity::Secrets {
    Block<crypto_sign_ed25519_SECRETKEYBYTES> pair{};   // seed and public key, as libsodium signs with
    Block<32> noise_secret{};
    Block<32> noise_public{};
    PublicKey public_key{};
    Address address;
    std::uint64_t work_nonce{0};

    static void* operator new(std::size_t size) { return secret_allocate(size); }
    static void operator delete(void* memory) { sodium_free(memory); }
};

Address address_of(const PublicKey& key, std::uint8_t suite) {
    crypto_ready();
    const Block<1> first{std::byte(suite)};
    const Block<64> digest = hash<64>(context::address, first, key);
    return {Family::overlay, digest};
}

std::uint64_t tag_of(const Address& address) {
    return address.bytes().size() < 8 ? 0 : load_little<std::uint64_t>(address.bytes().data());
}

std::optional<std::array<std::byte, 32>> noise_public_of(const PublicKey& key) {
    crypto_ready();
    Block<32> out;
    if (crypto_sign_ed25519_pk_to_curve25519(raw(out.data()), raw(key.data())) != 0) return std::nullopt;
    return out;
}

Network Network::make(std::string_view name, std::uint8_t work_bits,
                      const std::optional<std::array<std::byte, 32>>& secret) {
    crypto_ready();
    const Block<1> bits{std::byte(work_bits)};
    const Bytes key = secret ? Bytes{*secret} : Bytes{};
    return {keyed_hash<32>(context::network, key, bits, std::as_bytes(std::span{name})), work_bits};
}

Identity::Identity(const Seed& seed) {
    crypto_ready();
    secrets_ = std::make_unique<Secrets>();
    unsigned char* pair = raw(secrets_->pair.data());
    crypto_sign_ed25519_seed_keypair(raw(secrets_->public_key.data()), pair, raw(seed.data()));
    crypto_sign_ed25519_sk_to_curve25519(raw(secrets_->noise_secret.data()), pair);
    crypto_scalarmult_curve25519_base(raw(secrets_->noise_public.data()), raw(secrets_->noise_secret.data()));
    secrets_->address = address_of(secrets_->public_key);
}

Identity::Identity(Identity&&) noexcept = default;
Identity& Identity::operator=(Identity&&) noexcept = default;
Identity::~Identity() = default;

const Address& Identity::address() const { return secrets_->address; }
const PublicKey& Identity::public_key() const { return secrets_->public_key; }
const std::array<std::byte, 32>& Identity::noise_public() const { return secrets_->noise_public; }
std::span<const std::byte, 32> Identity::noise_secret() const { return secrets_->noise_secret; }

std::array<std::byte, 64> Identity::sign(Bytes message) const {
    Block<64> signature;
    crypto_sign_ed25519_detached(raw(signature.data()), nullptr, raw(message.data()), message.size(),
                                 raw(secrets_->pair.data()));
    return signature;
}

bool verify_signature(const PublicKey& key, Bytes message, const std::array<std::byte, 64>& signature) {
    crypto_ready();
    return crypto_sign_ed25519_verify_detached(raw(signature.data()), raw(message.data()), message.size(),
                                               raw(key.data())) == 0;
}

std::uint64_t Identity::work_nonce() const { return secrets_->work_nonce; }
void Identity::set_work_nonce(std::uint64_t nonce) { secrets_->work_nonce = nonce; }

bool work_holds(const Address& address, std::uint64_t nonce, unsigned bits) {
    crypto_ready();
    Block<8> number;
    store_little(number.data(), nonce);
    const Block<64> digest = hash<64>(context::work, address.bytes(), number);
    unsigned zeros = 0;
    for (const std::byte byte : digest) {
        zeros += unsigned(std::countl_zero(std::uint8_t(byte)));
        if (byte != std::byte{0}) break;
    }
    return zeros >= bits;
}

std::uint64_t find_work(const Address& address, unsigned bits) {
    std::uint64_t nonce = 0;
    while (!work_holds(address, nonce, bits)) ++nonce;
    return nonce;
}

}  // namespace weft::overlay
