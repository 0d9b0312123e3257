// Keyed hashing (SipHash-2-4, Aumasson and Bernstein 2012) and counter-based random streams made of it: a draw is a function
// of key, stream and number, so the order in which streams are drawn from never matters.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "stack/core/bytes.h"

namespace weft {

struct HashKey {
    std::uint64_t low{0}, high{0};
    friend constexpr bool operator==(const HashKey&, const HashKey&) = default;
};

class SipHash {
public:
    explicit constexpr SipHash(const HashKey& key)
        : v0_{key.low ^ 0x736f6d6570736575}, v1_{key.high ^ 0x646f72616e646f6d}, v2_{key.low ^ 0x6c7967656e657261},
          v3_{key.high ^ 0x7465646279746573} {}

    // Eight bytes of the message, little-endian.
    constexpr void word(std::uint64_t m) {
        v3_ ^= m;
        round(), round();
        v0_ ^= m;
        length_ += 8;
    }

    // The last, at most seven, bytes of the message and its length end it.
    constexpr std::uint64_t finish(std::uint64_t tail = 0, std::size_t tail_size = 0) {
        word(tail | (length_ + tail_size) << 56);
        v2_ ^= 0xff;
        round(), round(), round(), round();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

private:
    constexpr void round() {
        v0_ += v1_, v1_ = std::rotl(v1_, 13), v1_ ^= v0_, v0_ = std::rotl(v0_, 32);
        v2_ += v3_, v3_ = std::rotl(v3_, 16), v3_ ^= v2_;
        v0_ += v3_, v3_ = std::rotl(v3_, 21), v3_ ^= v0_;
        v2_ += v1_, v1_ = std::rotl(v1_, 17), v1_ ^= v2_, v2_ = std::rotl(v2_, 32);
    }

    std::uint64_t v0_, v1_, v2_, v3_;
    std::uint64_t length_{0};
};

inline std::uint64_t siphash(const HashKey& key, Bytes bytes) {
    SipHash hash{key};
    while (bytes.size() >= 8) {
        hash.word(load_little<std::uint64_t>(bytes.data()));
        bytes = bytes.subspan(8);
    }
    std::uint64_t tail = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) tail = tail << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    return hash.finish(tail, bytes.size());
}

inline constexpr std::uint64_t siphash(const HashKey& key, std::uint64_t a) {
    SipHash hash{key};
    hash.word(a);
    return hash.finish();
}

inline constexpr std::uint64_t siphash(const HashKey& key, std::uint64_t a, std::uint64_t b) {
    SipHash hash{key};
    hash.word(a), hash.word(b);
    return hash.finish();
}

// Number n of a stream is a hash of (stream, n) under the key.
class RandomStream {
public:
    constexpr RandomStream() = default;
    constexpr RandomStream(const HashKey& key, std::uint64_t stream) : key_{key}, stream_{stream} {}

    constexpr std::uint64_t next() { return siphash(key_, stream_, drawn_++); }

    // Even enough for any bound far below 2^64; 0 for a bound of 0.
    constexpr std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

    constexpr std::uint64_t drawn() const { return drawn_; }

private:
    HashKey key_;
    std::uint64_t stream_{0}, drawn_{0};
};

}  // namespace weft
