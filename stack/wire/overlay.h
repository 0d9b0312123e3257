// Headers with 512-bit addresses: the full one of 136 bytes, big-endian, which programs, captures and modules see and no wire
// carries, and the NET frame of 3 bytes that stands for it inside a session (docs/wire.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

//  0 version(4) = 8, traffic class(8), flow(20) | 4 payload length u16 | 6 next header | 7 hop limit
//  8 destination[64] | 72 source[64]
class OverlayView {
public:
    static constexpr std::size_t header_size = 136, length_at = 4, destination_at = 8, source_at = 72;

    // Bytes behind the payload length are cut off.
    static Parsed<OverlayView> parse(Bytes packet) {
        if (packet.size() < header_size) return std::unexpected(Malformed::truncated);
        if (std::to_integer<unsigned>(packet[0]) >> 4 != 8) return std::unexpected(Malformed::version);
        const std::size_t length = load_big<std::uint16_t>(packet.data() + length_at);
        if (length > packet.size() - header_size) return std::unexpected(Malformed::truncated);
        return OverlayView{packet.first(header_size + length)};
    }

    std::uint8_t traffic_class() const { return std::uint8_t(load_big<std::uint16_t>(packet_.data()) >> 4); }
    Ecn ecn() const { return Ecn(traffic_class() & 3); }
    std::uint32_t flow() const { return load_big<std::uint32_t>(packet_.data()) & 0xf'ffff; }
    std::uint16_t payload_length() const { return load_big<std::uint16_t>(packet_.data() + length_at); }
    std::uint8_t protocol() const { return std::to_integer<std::uint8_t>(packet_[6]); }
    std::uint8_t hop_limit() const { return std::to_integer<std::uint8_t>(packet_[7]); }
    Address destination() const { return {Family::overlay, packet_.subspan(destination_at, 64)}; }
    Address source() const { return {Family::overlay, packet_.subspan(source_at, 64)}; }
    Bytes payload() const { return packet_.subspan(header_size); }
    Bytes bytes() const { return packet_; }

private:
    explicit OverlayView(Bytes packet) : packet_{packet} {}
    Bytes packet_;  // exactly header_size + payload_length() bytes
};

struct OverlayHeader {
    std::uint8_t traffic_class{0};
    std::uint32_t flow{0};  // 20 bits
    std::uint16_t payload_length{0};  // bytes behind this header
    std::uint8_t protocol{0}, hop_limit{64};
    Address source, destination;  // of 64 bytes each

    // Returns the bytes written, or 0 without writing when `out` is too short or an address is not of the overlay.
    std::size_t write(MutableBytes out) const {
        if (out.size() < OverlayView::header_size || source.bytes().size() != 64 || destination.bytes().size() != 64)
            return 0;
        Writer to{out};
        to.big(8u << 28 | std::uint32_t{traffic_class} << 20 | (flow & 0xf'ffff));
        to.big(payload_length), to.u8(protocol), to.u8(hop_limit);
        to.put(destination.bytes()), to.put(source.bytes());
        return to.size();
    }

    friend bool operator==(const OverlayHeader&, const OverlayHeader&) = default;
};

// 0 0x40 | flags | 1 traffic class | 2 next header | payload, to the plaintext's end
struct NetFrame {
    static constexpr std::size_t header_size = 3;

    bool sums_elided{false};  // flag bit 0: the transport's checksum field holds nothing
    bool extension_headers{false};  // flag bit 1: `protocol` is that of an extension header
    std::uint8_t traffic_class{0};
    std::uint8_t protocol{0};  // next header

    // Is a frame that begins with this byte a NET frame?
    static constexpr bool matches(std::byte first) { return (first & std::byte{0xfc}) == std::byte{0x40}; }

    static Parsed<NetFrame> parse(Bytes frame) {
        if (frame.size() < header_size) return std::unexpected(Malformed::truncated);
        if (!matches(frame[0])) return std::unexpected(Malformed::version);
        return NetFrame{(frame[0] & std::byte{1}) != std::byte{0}, (frame[0] & std::byte{2}) != std::byte{0},
                        std::to_integer<std::uint8_t>(frame[1]), std::to_integer<std::uint8_t>(frame[2])};
    }

    // Returns the bytes written, or 0 without writing when `out` is too short.
    std::size_t write(MutableBytes out) const {
        if (out.size() < header_size) return 0;
        out[0] = std::byte(0x40 | (sums_elided ? 1 : 0) | (extension_headers ? 2 : 0));
        out[1] = std::byte{traffic_class};
        out[2] = std::byte{protocol};
        return header_size;
    }

    friend constexpr bool operator==(const NetFrame&, const NetFrame&) = default;
};

}  // namespace weft::wire
