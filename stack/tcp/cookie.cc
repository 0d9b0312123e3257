// Five bits of time, three of the MSS, twenty-four of a keyed hash over both, the flow and the peer's number.
#include "stack/tcp/cookie.h"

#include <array>

namespace weft::tcp {
namespace {

constexpr std::uint32_t hash_bits = 0xff'ffff;
constexpr std::int64_t tick = cookie_life.count() / 2;

// What peers commonly say (RFC 4987, section 3.6): minima, tunnels, Ethernet, jumbo frames.
constexpr std::array<std::uint16_t, 8> sizes{48, 536, 1'220, 1'300, 1'400, 1'440, 1'460, 8'940};

constexpr std::uint32_t no_shift = 15, sack_bit = 16, ecn_bit = 32, option_bits = 63;

std::uint32_t hash_of(const Defence& defence, const CookieOf& of, std::uint32_t head) {
    const HashKey key = defence.key(Defence::Use::cookies);
    const std::uint64_t ports = std::uint64_t{of.local_port} << 16 | of.remote_port;
    return std::uint32_t(siphash(key, of.path_hash, siphash(key, ports << 32 | of.irs.raw(), head))) & hash_bits;
}

}  // namespace

SeqNum make_cookie(const Defence& defence, const CookieOf& of, std::uint16_t peer_mss, Instant now) {
    std::uint32_t size = 0;
    while (size + 1 < sizes.size() && sizes[size + 1] <= peer_mss) ++size;
    const auto time = std::uint32_t(now.nanoseconds() / tick);
    const std::uint32_t head = (time & 31) << 3 | size;
    return SeqNum{head << 24 | hash_of(defence, of, time << 3 | size)};
}

std::optional<std::uint16_t> read_cookie(const Defence& defence, const CookieOf& of, SeqNum cookie, Instant now) {
    const std::uint32_t head = cookie.raw() >> 24, size = head & 7;
    for (std::uint32_t age = 0; age < 2; ++age) {
        const std::uint32_t time = std::uint32_t(now.nanoseconds() / tick) - age;
        if ((time & 31) == head >> 3 && hash_of(defence, of, time << 3 | size) == (cookie.raw() & hash_bits))
            return sizes[size];
    }
    return std::nullopt;
}

std::uint32_t cookie_timestamp(std::uint32_t clock, const CookieOptions& options) {
    const std::uint32_t bits =
        (options.shift ? *options.shift : no_shift) | (options.sack ? sack_bit : 0) | (options.ecn ? ecn_bit : 0);
    const std::uint32_t value = (clock & ~option_bits) | bits;
    return value <= clock ? value : value - option_bits - 1;
}

CookieOptions cookie_options(std::uint32_t echo) {
    CookieOptions options;
    if ((echo & no_shift) != no_shift) options.shift = std::uint8_t(echo & no_shift);
    options.sack = (echo & sack_bit) != 0;
    options.ecn = (echo & ecn_bit) != 0;
    return options;
}

}  // namespace weft::tcp
