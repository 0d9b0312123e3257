// Bytes lent to loaded modules, one piece a flow: from slabs of 32, 64, 128, 256 and 512 bytes; larger ones, up to 64 KiB, are
// a block of their own. Pieces begin zeroed and at a multiple of 16 bytes, and a copy of the store copies them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stack/core/slab.h"

namespace weft::tcp {

class StateStore {
public:
    // The piece of a flow whose module keeps nothing is no piece: `place` means nothing then.
    std::uint32_t lend(std::uint32_t size) {
        std::uint32_t place = 0;
        with(size, [&](auto& pieces) {
            place = pieces.lend();
            clear(pieces[place], size);
        });
        return place;
    }

    void give_back(std::uint32_t place, std::uint32_t size) {
        with(size, [&](auto& pieces) {
            release(pieces[place]);
            pieces.give_back(place);
        });
    }

    std::span<std::byte> at(std::uint32_t place, std::uint32_t size) {
        std::byte* first = nullptr;
        with(size, [&](auto& pieces) { first = bytes_of(pieces[place]); });
        return {first, size};
    }
    std::span<const std::byte> at(std::uint32_t place, std::uint32_t size) const {
        return const_cast<StateStore*>(this)->at(place, size);
    }

private:
    template <std::size_t size>
    struct Piece {
        alignas(size < 64 ? size : 64) std::array<std::byte, size> bytes;
    };
    using Own = std::vector<std::byte>;

    template <std::size_t size>
    static std::byte* bytes_of(Piece<size>& piece) {
        return piece.bytes.data();
    }
    static std::byte* bytes_of(Own& own) { return own.data(); }
    template <std::size_t size>
    static void clear(Piece<size>& piece, std::uint32_t) {
        piece.bytes = {};
    }
    static void clear(Own& own, std::uint32_t size) { own.assign(size, std::byte{}); }
    template <std::size_t size>
    static void release(Piece<size>&) {}
    static void release(Own& own) { own = {}; }

    template <class Use>
    void with(std::uint32_t size, Use&& use) {
        if (size == 0) return;
        if (size <= 32) return use(pieces_32_);
        if (size <= 64) return use(pieces_64_);
        if (size <= 128) return use(pieces_128_);
        if (size <= 256) return use(pieces_256_);
        if (size <= 512) return use(pieces_512_);
        use(own_);
    }

    Lent<Piece<32>> pieces_32_;
    Lent<Piece<64>> pieces_64_;
    Lent<Piece<128>, 6> pieces_128_;
    Lent<Piece<256>, 6> pieces_256_;
    Lent<Piece<512>, 6> pieces_512_;
    Lent<Own, 4> own_;
};

}  // namespace weft::tcp
