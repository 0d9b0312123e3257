// The header in front of each frame of a TUN or TAP device that was opened with IFF_VNET_HDR: what is left to do to the frame's
// checksum, and where it was not cut (virtio 1.2, section 5.1.6: the 10 bytes without merged buffers, little-endian).
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/core/bytes.h"
#include "stack/wire/malformed.h"

namespace weft::link {

//  0 flags u8 | 1 kind of super-segment u8 | 2 length of all headers u16 | 4 segment size u16 | 6 sum start u16 | 8 sum field u16
struct VnetHeader {
    static constexpr std::size_t size = 10;
    static constexpr std::uint8_t needs_checksum = 1, data_valid = 2;  // of `flags`
    static constexpr std::uint8_t none = 0, tcp4 = 1, tcp6 = 4, with_ecn = 0x80;  // of `kind`; with_ecn beside another one

    std::uint8_t flags{0}, kind{none};
    std::uint16_t header_length{0};  // bytes up to the payload; only a hint in what is received
    std::uint16_t segment_size{0};  // bytes of payload; 0 unless `kind` says a super-segment
    std::uint16_t sum_start{0};  // with needs_checksum: sum from here to the end, ...
    std::uint16_t sum_field{0};  // ... and store the result so many bytes behind that

    // `frame` begins with the header; what is behind it is the packet that the numbers speak of. Errors: truncated (no whole
    // header), version (a kind of super-segment that we did not allow), length (a segment of no size, a sum outside the packet).
    static wire::Parsed<VnetHeader> parse(Bytes frame) {
        if (frame.size() < size) return std::unexpected(wire::Malformed::truncated);
        Reader in{frame};
        VnetHeader header;
        header.flags = in.u8();
        header.kind = in.u8();
        header.header_length = in.little<std::uint16_t>();
        header.segment_size = in.little<std::uint16_t>();
        header.sum_start = in.little<std::uint16_t>();
        header.sum_field = in.little<std::uint16_t>();
        const unsigned protocol = header.kind & ~unsigned{with_ecn};
        if (protocol != none && protocol != tcp4 && protocol != tcp6) return std::unexpected(wire::Malformed::version);
        if (protocol == none) header.segment_size = 0;
        else if (header.segment_size == 0) return std::unexpected(wire::Malformed::length);
        const std::size_t field_end = std::size_t{header.sum_start} + header.sum_field + 2;
        if ((header.flags & needs_checksum) != 0 && field_end > in.left()) return std::unexpected(wire::Malformed::length);
        return header;
    }

    // Somebody answers for the transport checksum: who wrote the packet on this host, or the device that it came from.
    bool verified() const { return (flags & (needs_checksum | data_valid)) != 0; }

    // Returns the bytes written, or 0 without writing when `out` is too short.
    std::size_t write(MutableBytes out) const {
        if (out.size() < size) return 0;
        Writer to{out};
        to.u8(flags), to.u8(kind);
        to.little(header_length), to.little(segment_size), to.little(sum_start), to.little(sum_field);
        return to.size();
    }

    friend constexpr bool operator==(const VnetHeader&, const VnetHeader&) = default;
};

}  // namespace weft::link
