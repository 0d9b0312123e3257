// What a label path is made of, for those who only carry it: link numbers, labels, why a labelled packet is dropped, and the
// 8 bytes of a LABEL frame (docs/wire.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include "overlay/block.h"

namespace weft::overlay {

// An up neighbour's channel over UDP: Peer::number, 1 to 65,535; 0: none, or this node itself.
using LinkNumber = std::uint16_t;

// Index 24 bits | generation 8 bits, which are never 0: 0 is no label.
using Label = std::uint32_t;
constexpr Label make_label(std::uint32_t index, std::uint8_t generation) { return index << 8 | generation; }
constexpr std::uint32_t index_of(Label label) { return label >> 8; }
constexpr std::uint8_t generation_of(Label label) { return std::uint8_t(label); }
constexpr bool is_label(Label label) { return generation_of(label) != 0; }

// An address's first 8 bytes, little-endian: a hint in path vectors, never authority.
using Tag = std::uint64_t;

enum class LabelDrop : std::uint8_t {
    none,
    unknown,  // no entry has this index
    wrong_link,  // it is another neighbour's label
    stale_generation,  // it was this neighbour's once
    hop_limit,  // used up
    too_large,  // for the next link: its neighbour is told the MTU
    transit  // the neighbour's allowance for transit is used up
};
inline constexpr std::size_t label_drops = 7;

// Where a labelled packet goes.
struct Onward {
    enum class Kind : std::uint8_t { drop, forward, deliver } kind{};
    LabelDrop why{};  // drop
    std::uint8_t hop_limit{0};  // forward: to write
    LinkNumber link{0};  // forward: out
    Label label{0};  // forward: to write
    std::uint64_t path{0};  // deliver: the id of the path that ends here
};

// LABEL, 8 bytes with the type: 0 0x10|ECN | 1 hop limit | 2 flow u16 | 4 label u32; a session packet follows, to the end.
struct LabelHeader {
    static constexpr std::size_t size = 8;
    static constexpr std::uint8_t first_hop_limit = 255;

    std::uint8_t ecn{0};  // 0 to 3
    std::uint8_t hop_limit{first_hop_limit};
    std::uint16_t flow{0};
    Label label{0};

    static LabelHeader read(const std::byte* at) {  // of `size` bytes, whose type is LABEL
        return {std::uint8_t(std::to_integer<unsigned>(at[0]) & 3), std::to_integer<std::uint8_t>(at[1]),
                load_little<std::uint16_t>(at + 2), load_little<std::uint32_t>(at + 4)};
    }
    void write(std::byte* at) const {
        at[0] = std::byte(0x10 | (ecn & 3));
        at[1] = std::byte(hop_limit);
        store_little(at + 2, flow);
        store_little(at + 4, label);
    }
};

}  // namespace weft::overlay
