// Integers in bytes: loads and stores of either order, and a Reader and a Writer that never leave their span.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace weft {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

// At most eight bytes; the compiler makes one load and, where the orders differ, one swap of it.
template <std::unsigned_integral T>
T load_big(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
    return value;
}

template <std::unsigned_integral T>
T load_little(const std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    return value;
}

template <std::unsigned_integral T>
void store_big(std::byte* at, T value) {
    if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
    std::memcpy(at, &value, sizeof value);
}

template <std::unsigned_integral T>
void store_little(std::byte* at, T value) {
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    std::memcpy(at, &value, sizeof value);
}

// Reads from the front. Past the end it yields zeros and empty spans, and stays failed: one look at ok() after the
// last field answers for all of them.
class Reader {
public:
    explicit Reader(Bytes bytes) : rest_{bytes} {}

    template <std::unsigned_integral T>
    T big() {
        const Bytes field = take(sizeof(T));
        return field.empty() ? T{0} : load_big<T>(field.data());
    }
    template <std::unsigned_integral T>
    T little() {
        const Bytes field = take(sizeof(T));
        return field.empty() ? T{0} : load_little<T>(field.data());
    }
    std::uint8_t u8() { return big<std::uint8_t>(); }

    // The next `count` bytes, or none of them when fewer are left.
    Bytes take(std::size_t count) {
        if (count > rest_.size()) {
            failed_ = true;
            rest_ = {};
            return {};
        }
        const Bytes field = rest_.first(count);
        rest_ = rest_.subspan(count);
        return field;
    }

    // Fills `into`, with zeros when fewer bytes are left.
    void copy(MutableBytes into) {
        const Bytes field = take(into.size());
        std::fill(std::copy(field.begin(), field.end(), into.begin()), into.end(), std::byte{0});
    }

    void skip(std::size_t count) { take(count); }
    Bytes rest() const { return rest_; }
    std::size_t left() const { return rest_.size(); }
    bool ok() const { return !failed_; }

private:
    Bytes rest_;
    bool failed_{false};
};

// Writes from the front. What does not fit is not written at all, and the writer stays failed.
class Writer {
public:
    explicit Writer(MutableBytes bytes) : bytes_{bytes} {}

    template <std::unsigned_integral T>
    void big(T value) {
        if (std::byte* at = claim(sizeof value)) store_big(at, value);
    }
    template <std::unsigned_integral T>
    void little(T value) {
        if (std::byte* at = claim(sizeof value)) store_little(at, value);
    }
    void u8(std::uint8_t value) { big(value); }

    void put(Bytes bytes) {
        if (std::byte* at = claim(bytes.size())) std::copy(bytes.begin(), bytes.end(), at);
    }
    void put(std::string_view text) { put(std::as_bytes(std::span{text})); }
    void zeros(std::size_t count) {
        if (std::byte* at = claim(count)) std::fill_n(at, count, std::byte{0});
    }

    std::size_t size() const { return written_; }  // bytes written so far
    MutableBytes written() const { return bytes_.first(written_); }
    bool ok() const { return !failed_; }

private:
    std::byte* claim(std::size_t count) {
        if (failed_ || count > bytes_.size() - written_) {
            failed_ = true;
            return nullptr;
        }
        std::byte* at = bytes_.data() + written_;
        written_ += count;
        return at;
    }

    MutableBytes bytes_;
    std::size_t written_{0};
    bool failed_{false};
};

}  // namespace weft
