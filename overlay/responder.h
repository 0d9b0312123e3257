// The responder's side until a channel exists: who may make us do a Diffie-Hellman, cookies for the rest, and the bounded
// table of half-open records (docs/wire.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>

#include "overlay/block.h"
#include "overlay/entropy.h"
#include "overlay/messages.h"
#include "overlay/noise.h"
#include "overlay/secret.h"
#include "overlay/way.h"
#include "stack/core/batch.h"
#include "stack/core/time.h"

namespace weft::overlay {

// SipHash under a key of our own: forged sources cannot aim at one bucket.
class KeyedHash {
public:
    explicit KeyedHash(const Entropy& entropy) { entropy(key_); }
    std::uint64_t operator()(Bytes bytes) const;

private:
    Block<crypto_shorthash_KEYBYTES> key_;
};

// cookie = H16(key secret, ip || port), the secret new each 120 s, the last one still valid.
class CookieJar {
public:
    static constexpr Duration period = Duration::seconds(120);

    explicit CookieJar(const Entropy& entropy) : entropy_{entropy} {}
    ~CookieJar() { sodium_memzero(&secrets_, sizeof secrets_); }

    Block<16> cookie(const UdpEndpoint& source, Instant now);
    bool mac2_holds(Bytes init, const UdpEndpoint& source, Instant now);

private:
    void rotate(Instant now);
    static Block<16> make(const Block<32>& secret, const UdpEndpoint& source);

    Entropy entropy_;
    std::array<Block<32>, 2> secrets_{};   // current, last
    unsigned known_{0};                    // how many of them are real
    Instant since_;                        // of the current one
};

// How many INITs came in this second, by source network: /24 of IPv4, /56 of IPv6. Networks that share a place share a
// budget, which costs them a cookie's round trip and no more.
class InitMeter {
public:
    static constexpr unsigned free_rate = 20;   // INITs a second and network without a cookie

    bool over(const UdpEndpoint& source, const KeyedHash& hash, Instant now);

private:
    struct Place {
        std::int64_t second{-1};
        std::uint32_t count{0};
    };
    std::array<Place, 1024> places_{};
};

struct HalfOpen {
    Way source;
    Block<init_head> head{};           // of its INIT
    Resp resp{};                       // as sent; the same INIT gets the same bytes
    Lent<noise::State> state;
    std::uint32_t local_index{0}, remote_index{0};
    std::uint16_t offered{0};          // suites of INIT
    std::uint8_t chosen{0};            // AEAD, bit number
    Instant created;
};

class HalfOpenTable {
public:
    static constexpr std::size_t limit = 1'024, cookie_above = 64, per_ip = 16;
    static constexpr Duration lifetime = Duration::seconds(5);

    explicit HalfOpenTable(const KeyedHash& hash) : by_init_{16, Hasher{&hash}} {}

    HalfOpen* find(const Way& source, Bytes init);
    HalfOpen* find(std::uint64_t id);

    // `kept`: the source is the endpoint of a living channel, for which one record is always free. What comes over label
    // paths has a limit of its own: an authenticated neighbour answers for it, and it takes no place from UDP.
    bool admits(const Way& source, bool kept) const;
    std::uint64_t insert(HalfOpen record);  // its id
    void erase(std::uint64_t id);

    // The oldest record's id if it is too old; 0: none is.
    std::uint64_t expired(Instant now) const;
    Instant deadline() const;
    std::size_t size() const { return records_.size(); }
    std::size_t over_udp() const { return over_udp_; }

private:
    struct Key {
        Block<66> bytes{};  // ip, port, path id, INIT 0..39
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Hasher {
        const KeyedHash* hash;
        std::size_t operator()(const Key& key) const { return (*hash)(key.bytes); }
    };
    static Key key_of(const Way& source, Bytes init);
    static bool same_site(const UdpEndpoint& a, const UdpEndpoint& b);  // an IPv4 address, an IPv6 /64

    std::map<std::uint64_t, HalfOpen> records_;  // by id: in the order of arrival
    std::unordered_map<Key, std::uint64_t, Hasher> by_init_;
    std::uint64_t next_id_{1};
    std::size_t over_udp_{0};  // of the records
};

bool is_ipv4(const UdpEndpoint& endpoint);  // ::ffff:a.b.c.d

}  // namespace weft::overlay
