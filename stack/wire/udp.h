// UDP headers (RFC 768): a view over a received datagram, and a writer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/core/bytes.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

class UdpView {
public:
    static constexpr std::size_t header_size = 8, checksum_at = 6;

    // `datagram` is the transport part of a packet; bytes behind the length field's are not ours and are cut off.
    static Parsed<UdpView> parse(Bytes datagram) {
        if (datagram.size() < header_size) return std::unexpected(Malformed::truncated);
        const std::size_t length = load_big<std::uint16_t>(datagram.data() + 4);
        if (length < header_size) return std::unexpected(Malformed::length);
        if (length > datagram.size()) return std::unexpected(Malformed::truncated);
        return UdpView{datagram.first(length)};
    }

    std::uint16_t source_port() const { return load_big<std::uint16_t>(datagram_.data()); }
    std::uint16_t destination_port() const { return load_big<std::uint16_t>(datagram_.data() + 2); }
    std::uint16_t length() const { return load_big<std::uint16_t>(datagram_.data() + 4); }
    std::uint16_t checksum() const { return load_big<std::uint16_t>(datagram_.data() + checksum_at); }
    Bytes payload() const { return datagram_.subspan(header_size); }
    Bytes bytes() const { return datagram_; }

private:
    explicit UdpView(Bytes datagram) : datagram_{datagram} {}
    Bytes datagram_;  // exactly length() bytes
};

struct UdpHeader {
    std::uint16_t source_port{0}, destination_port{0};
    std::uint16_t length{0};    // bytes, header included
    std::uint16_t checksum{0};  // a computed 0 is sent as 0xffff

    // Returns the bytes written, or 0 without writing when `out` is too short.
    std::size_t write(MutableBytes out) const {
        if (out.size() < UdpView::header_size) return 0;
        Writer to{out};
        to.big(source_port), to.big(destination_port), to.big(length), to.big(checksum);
        return to.size();
    }

    friend constexpr bool operator==(const UdpHeader&, const UdpHeader&) = default;
};

}  // namespace weft::wire
