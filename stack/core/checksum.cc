// The sums of checksum.h in two forms that a property test holds equal: eight bytes at a time anywhere, 64 at a time with
// AVX2 where the processor has it. Words are added in the machine's own order, which ones' complement addition allows, and
// the halves are swapped once at the end (RFC 1071, section 2 B).
#include "stack/core/checksum.h"

#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace weft::checksum {
namespace {

std::uint16_t in_wire_order(std::uint64_t total) {
    const std::uint16_t folded = fold(total);
    return std::endian::native == std::endian::little ? std::byteswap(folded) : folded;
}

// The carry comes in again at the bottom.
std::uint64_t add_words(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t sum = a + b;
    return sum + (sum < a);
}

// The word that begins at `from`, padded with zero bytes behind `size`; copied to `to` unless nothing is to be copied.
template <class Word, bool copying>
Word take(std::byte* to, const std::byte* from, std::size_t size = sizeof(Word)) {
    Word word = 0;
    std::memcpy(&word, from, size);
    if constexpr (copying) std::memcpy(to, &word, size);
    return word;
}

// Eight bytes at a time, in four sums that do not wait for each other's carries.
template <bool copying>
std::uint64_t scalar_total(std::byte* to, Bytes bytes) {
    constexpr std::size_t pace = copying ? 1 : 0;  // `to` is null, and stays so, when nothing is copied
    const std::byte* from = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t totals[4]{};
    for (; left >= 32; left -= 32, from += 32, to += pace * 32)
        for (std::size_t i = 0; i < 4; ++i)
            totals[i] = add_words(totals[i], take<std::uint64_t, copying>(to + pace * 8 * i, from + 8 * i));
    for (; left >= 8; left -= 8, from += 8, to += pace * 8)
        totals[0] = add_words(totals[0], take<std::uint64_t, copying>(to, from));
    if (left >= 4) {
        totals[1] = add_words(totals[1], take<std::uint32_t, copying>(to, from));
        left -= 4, from += 4, to += pace * 4;
    }
    if (left >= 2) {
        totals[2] = add_words(totals[2], take<std::uint16_t, copying>(to, from));
        left -= 2, from += 2, to += pace * 2;
    }
    if (left == 1) totals[3] = add_words(totals[3], take<std::uint16_t, copying>(to, from, 1));
    return add_words(add_words(totals[0], totals[1]), add_words(totals[2], totals[3]));
}

#if defined(__x86_64__)
// Adds the two 32-bit halves of each 64-bit lane to `totals`: 2^32 additions cannot overflow a lane.
[[gnu::target("avx2")]] inline __m256i add_halves(__m256i totals, __m256i words) {
    const __m256i low = _mm256_set1_epi64x(0xffff'ffff);
    return _mm256_add_epi64(totals, _mm256_add_epi64(_mm256_and_si256(words, low), _mm256_srli_epi64(words, 32)));
}

template <bool copying>
[[gnu::target("avx2")]] std::uint64_t avx2_total(std::byte* to, Bytes bytes) {
    const std::byte* from = bytes.data();
    std::size_t left = bytes.size();
    __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
    for (; left >= 64; left -= 64, from += 64) {
        const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
        const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 32));
        if constexpr (copying) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), first);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), second);
            to += 64;
        }
        even = add_halves(even, first);
        odd = add_halves(odd, second);
    }
    alignas(32) std::uint64_t lanes[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), _mm256_add_epi64(even, odd));
    const std::uint64_t rest = scalar_total<copying>(to, {from, left});
    return add_words(add_words(add_words(lanes[0], lanes[1]), add_words(lanes[2], lanes[3])), rest);
}

constexpr std::size_t worth_it = 128;  // bytes: below, the vector code's start costs more than it saves

// False until static initialisation has come here, which is correct too.
const bool has_avx2 = __builtin_cpu_supports("avx2");

template <bool copying>
std::uint64_t total(std::byte* to, Bytes bytes) {
    return has_avx2 && bytes.size() >= worth_it ? avx2_total<copying>(to, bytes) : scalar_total<copying>(to, bytes);
}
#else
template <bool copying>
std::uint64_t total(std::byte* to, Bytes bytes) {
    return scalar_total<copying>(to, bytes);
}
#endif

}  // namespace

std::uint16_t sum(Bytes bytes) { return in_wire_order(total<false>(nullptr, bytes)); }
std::uint16_t copy_and_sum(std::byte* to, Bytes from) { return in_wire_order(total<true>(to, from)); }

namespace detail {

std::uint16_t scalar_sum(Bytes bytes) { return in_wire_order(scalar_total<false>(nullptr, bytes)); }
std::uint16_t scalar_copy_and_sum(std::byte* to, Bytes from) { return in_wire_order(scalar_total<true>(to, from)); }

}  // namespace detail

}  // namespace weft::checksum
