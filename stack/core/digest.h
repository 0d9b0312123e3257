// A running 128-bit hash over trace records: two runs that did the same have the same digest, on every compiler and on
// x86-64 and arm64 alike. It is fast and spreads well; it is no defence against someone who wants a collision.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

#include "stack/core/bytes.h"
#include "stack/core/trace.h"

namespace weft {

static_assert(std::endian::native == std::endian::little, "the bodies of trace records lie in memory as little-endian");

class Digest {
public:
    // The bytes and where they end: add("ab"), add("c") differs from add("a"), add("bc").
    void add(Bytes bytes) {
        absorb(bytes.size());
        for (; bytes.size() >= 8; bytes = bytes.subspan(8)) absorb(load_little<std::uint64_t>(bytes.data()));
        if (bytes.empty()) return;
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < bytes.size(); ++i) word |= std::uint64_t(bytes[i]) << 8 * i;
        absorb(word);
    }
    void add(std::uint64_t number) { absorb(number); }
    void add(const trace::Record& record) { add(std::as_bytes(std::span{&record, 1})); }

    // What a trace::Sink calls: its context is the digest.
    static void write(void* context, const trace::Record& record) { static_cast<Digest*>(context)->add(record); }

    // Of all that was added so far; adding may go on.
    std::string hex() const {
        const std::uint64_t a = finish(first_ + second_), b = finish(second_ ^ std::rotl(first_, 31));
        std::string out(32, '0');
        for (std::size_t i = 0; i < 16; ++i) {
            out[i] = "0123456789abcdef"[a >> (60 - 4 * i) & 15];
            out[16 + i] = "0123456789abcdef"[b >> (60 - 4 * i) & 15];
        }
        return out;
    }

    friend constexpr bool operator==(const Digest&, const Digest&) = default;

private:
    // For a given word each step is a bijection of the state, and two words take one state to two: nothing is lost.
    void absorb(std::uint64_t word) {
        first_ = std::rotl((first_ ^ word) * 0x9e37'79b9'7f4a'7c15, 29) + second_;
        second_ = std::rotl(second_ + word, 37) * 0xd6e8'feb8'6659'fd93 ^ first_;
    }

    static constexpr std::uint64_t finish(std::uint64_t x) {
        x = (x ^ x >> 32) * 0xd6e8'feb8'6659'fd93;
        x = (x ^ x >> 29) * 0x9e37'79b9'7f4a'7c15;
        return x ^ x >> 32;
    }

    std::uint64_t first_{0x243f'6a88'85a3'08d3}, second_{0x1319'8a2e'0370'7344};  // of the digits of pi
};

}  // namespace weft
