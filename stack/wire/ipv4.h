// IPv4 headers (RFC 791, section 3.1): a view over a received packet, and a writer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/core/checksum.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

class Ipv4View {
public:
    static constexpr std::size_t min_size = 20, length_at = 2, id_at = 4, checksum_at = 10;

    // Bytes behind the total length are padding of the frame and are cut off. The header checksum is not looked at yet.
    static Parsed<Ipv4View> parse(Bytes packet) {
        if (packet.size() < min_size) return std::unexpected(Malformed::truncated);
        const Ipv4View view{packet};
        if (std::to_integer<unsigned>(packet[0]) >> 4 != 4) return std::unexpected(Malformed::version);
        if (view.header_size() < min_size || view.total_length() < view.header_size())
            return std::unexpected(Malformed::length);
        if (view.total_length() > packet.size()) return std::unexpected(Malformed::truncated);
        return Ipv4View{packet.first(view.total_length())};
    }

    std::size_t header_size() const { return std::size_t(std::to_integer<unsigned>(packet_[0]) & 0xf) * 4; }
    std::uint8_t dscp() const { return std::to_integer<std::uint8_t>(packet_[1] >> 2); }
    Ecn ecn() const { return Ecn(std::to_integer<std::uint8_t>(packet_[1] & std::byte{3})); }
    std::uint16_t total_length() const { return word(length_at); }
    std::uint16_t id() const { return word(id_at); }
    bool dont_fragment() const { return (word(6) & 0x4000) != 0; }
    bool more_fragments() const { return (word(6) & 0x2000) != 0; }
    std::uint16_t fragment_offset() const { return std::uint16_t((word(6) & 0x1fff) * 8); }  // bytes
    bool fragment() const { return (word(6) & 0x3fff) != 0; }
    std::uint8_t hop_limit() const { return std::to_integer<std::uint8_t>(packet_[8]); }
    std::uint8_t protocol() const { return std::to_integer<std::uint8_t>(packet_[9]); }
    bool checksum_verifies() const { return checksum::verifies(checksum::sum(packet_.first(header_size()))); }
    Address source() const { return {Family::ipv4, packet_.subspan(12, 4)}; }
    Address destination() const { return {Family::ipv4, packet_.subspan(16, 4)}; }
    Bytes option_bytes() const { return packet_.subspan(min_size, header_size() - min_size); }
    Bytes payload() const { return packet_.subspan(header_size()); }
    Bytes bytes() const { return packet_; }

private:
    explicit Ipv4View(Bytes packet) : packet_{packet} {}
    std::uint16_t word(std::size_t offset) const { return load_big<std::uint16_t>(packet_.data() + offset); }
    Bytes packet_;  // exactly total_length() bytes once parsed
};

// A header without options, as this stack sends it: never a fragment.
struct Ipv4Header {
    std::uint8_t dscp{0};
    Ecn ecn{Ecn::not_capable};
    std::uint16_t total_length{0};  // bytes, header included
    std::uint16_t id{0};
    bool dont_fragment{true};
    std::uint8_t hop_limit{64}, protocol{0};
    Address source, destination;    // of four bytes each

    // Writes with its checksum. Returns the bytes written, or 0 without writing when `out` is too short or an address is
    // not IPv4.
    std::size_t write(MutableBytes out) const {
        if (out.size() < Ipv4View::min_size || source.bytes().size() != 4 || destination.bytes().size() != 4) return 0;
        Writer to{out};
        to.u8(0x45), to.u8(std::uint8_t(dscp << 2 | std::uint8_t(ecn)));
        to.big(total_length), to.big(id), to.big(std::uint16_t(dont_fragment ? 0x4000 : 0));
        to.u8(hop_limit), to.u8(protocol), to.big(std::uint16_t{0});
        to.put(source.bytes()), to.put(destination.bytes());
        store_big(out.data() + Ipv4View::checksum_at, checksum::field(checksum::sum(to.written())));
        return to.size();
    }

    friend bool operator==(const Ipv4Header&, const Ipv4Header&) = default;
};

}  // namespace weft::wire
