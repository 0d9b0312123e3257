// Eight bytes a step by tables, or by SSE4.2 in three streams, which do not wait for each other and are joined by what a stretch of
// zero bytes does to a sum. All tables are computed when this is compiled.
#include "stack/core/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weft {
namespace {

constexpr std::uint32_t polynomial = 0x82f6'3b78;  // bits reversed

constexpr std::uint32_t zero_byte(std::uint32_t sum) {
    for (int bit = 0; bit < 8; ++bit) sum = (sum & 1) != 0 ? sum >> 1 ^ polynomial : sum >> 1;
    return sum;
}

// tables[k][b]: what byte b does k bytes later.
constexpr auto tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> made{};
    for (std::uint32_t b = 0; b < 256; ++b) made[0][b] = zero_byte(b);
    for (std::size_t k = 1; k < 8; ++k)
        for (std::uint32_t b = 0; b < 256; ++b) made[k][b] = made[k - 1][b] >> 8 ^ made[0][made[k - 1][b] & 0xff];
    return made;
}();

std::uint32_t by_tables(std::uint32_t sum, Bytes bytes) {
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) {
        const std::uint64_t word = load_little<std::uint64_t>(at) ^ sum;
        sum = 0;
        for (unsigned i = 0; i < 8; ++i) sum ^= tables[7 - i][word >> 8 * i & 0xff];
    }
    for (; left > 0; --left, ++at) sum = sum >> 8 ^ tables[0][(sum ^ std::to_integer<std::uint32_t>(*at)) & 0xff];
    return sum;
}

#if defined(__x86_64__)
// A linear map of sums: where each bit goes.
using Map = std::array<std::uint32_t, 32>;

constexpr std::uint32_t mapped(const Map& map, std::uint32_t sum) {
    std::uint32_t to = 0;
    for (std::size_t i = 0; sum != 0; ++i, sum >>= 1)
        if ((sum & 1) != 0) to ^= map[i];
    return to;
}

using Shift = std::array<std::array<std::uint32_t, 256>, 4>;

// What `size` zero bytes do, a power of two, a table a byte.
constexpr Shift shift_by(std::size_t size) {
    Map map{};
    for (std::size_t i = 0; i < 32; ++i) map[i] = zero_byte(1u << i);
    for (; size > 1; size /= 2) {
        Map twice{};
        for (std::size_t i = 0; i < 32; ++i) twice[i] = mapped(map, map[i]);
        map = twice;
    }
    Shift shift{};
    for (unsigned k = 0; k < 4; ++k)
        for (std::uint32_t b = 0; b < 256; ++b) shift[k][b] = mapped(map, b << 8 * k);
    return shift;
}

constexpr std::size_t long_stretch = 4'096, short_stretch = 256;
constexpr Shift long_shift = shift_by(long_stretch), short_shift = shift_by(short_stretch);

std::uint32_t shifted(const Shift& by, std::uint32_t sum) {
    return by[0][sum & 0xff] ^ by[1][sum >> 8 & 0xff] ^ by[2][sum >> 16 & 0xff] ^ by[3][sum >> 24];
}

template <std::size_t stretch>
[[gnu::target("sse4.2")]] std::uint32_t three_streams(std::uint32_t sum, const std::byte* at, const Shift& shift) {
    std::uint64_t first = sum, second = 0, third = 0;
    for (std::size_t i = 0; i < stretch; i += 8) {
        first = _mm_crc32_u64(first, load_little<std::uint64_t>(at + i));
        second = _mm_crc32_u64(second, load_little<std::uint64_t>(at + stretch + i));
        third = _mm_crc32_u64(third, load_little<std::uint64_t>(at + 2 * stretch + i));
    }
    const std::uint32_t two = shifted(shift, std::uint32_t(first)) ^ std::uint32_t(second);
    return shifted(shift, two) ^ std::uint32_t(third);
}

[[gnu::target("sse4.2")]] std::uint32_t by_instruction(std::uint32_t sum, Bytes bytes) {
    const std::byte* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 3 * long_stretch; left -= 3 * long_stretch, at += 3 * long_stretch)
        sum = three_streams<long_stretch>(sum, at, long_shift);
    for (; left >= 3 * short_stretch; left -= 3 * short_stretch, at += 3 * short_stretch)
        sum = three_streams<short_stretch>(sum, at, short_shift);
    std::uint64_t wide = sum;
    for (; left >= 8; left -= 8, at += 8) wide = _mm_crc32_u64(wide, load_little<std::uint64_t>(at));
    sum = std::uint32_t(wide);
    for (; left > 0; --left, ++at) sum = _mm_crc32_u8(sum, std::to_integer<std::uint8_t>(*at));
    return sum;
}
#endif

}  // namespace

std::uint32_t crc32c(Bytes bytes, std::uint32_t before) {
#if defined(__x86_64__)
    static const bool has_instruction = __builtin_cpu_supports("sse4.2");
    if (has_instruction) return ~by_instruction(~before, bytes);
#endif
    return ~by_tables(~before, bytes);
}

std::uint32_t detail::scalar_crc32c(Bytes bytes, std::uint32_t before) { return ~by_tables(~before, bytes); }

}  // namespace weft
