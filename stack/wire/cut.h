// A super-segment cut into TCP segments, for links and sessions whose device does not do it: each with its own lengths,
// sequence number and checksums, the flags where they belong.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/core/batch.h"
#include "stack/core/bytes.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

// Gives a copy of the super-segment's TCP header the flags, sequence number and urgent pointer of the segment that has
// `before` bytes of payload in front of it. The checksum is left as it is. `accurate_ecn`: CWR is a bit of a counter, which all
// segments carry alike (RFC 9768, section 3.3.4).
void shape_segment(std::byte* tcp, std::size_t before, bool last, bool accurate_ecn);

// Copies a Transmit's segments, one after the other, into buffers of the caller. The Transmit stays alive meanwhile.
//
// Of the header that was written once: CWR goes with the first segment alone (RFC 3168, section 6.1.2; not AccECN's), PSH and
// FIN with the last; URG with those at or before whose begin the urgent octet does not lie; sequence number, urgent pointer, IP
// lengths, IPv4's identification and checksum are each segment's own. All else, timestamps too, is equal. The TCP checksum
// is computed, or 0 where the path's session answers for integrity.
class Cut {
public:
    enum class Part : std::uint8_t {
        packet,  // from the first byte of Transmit::header on
        transport  // from the TCP header on: a session carries the network header in another form
    };

    // The IPv4, IPv6 or overlay header begins at Transmit::network. A complete Transmit is one segment that is copied as it is.
    // Errors: the header is not that of a TCP segment over one of the three, contradicts its lengths, or a segment would not
    // fit a 16-bit length.
    static Parsed<Cut> make(const Transmit& whole, Part part = Part::packet);

    std::size_t segments() const { return segments_; }  // in all; at least 1
    std::size_t left() const { return segments_ - done_; }
    std::size_t next_size() const;  // bytes of the next segment; 0: none is left

    // Writes the next segment. Returns its bytes; 0 if none is left, or if `out` is too short: then nothing has changed.
    std::size_t next(MutableBytes out);

private:
    Cut() = default;
    static Parsed<Cut> make_complete(const Transmit& whole, Part part);
    std::size_t copy_complete(MutableBytes out);
    std::size_t next_payload() const;  // bytes
    std::uint16_t copy_payload(MutableBytes out);
    void finish_network(std::byte* header, std::size_t length) const;

    const Transmit* whole_{nullptr};
    std::size_t from_{0};  // first byte of the header that is copied
    std::size_t segments_{1}, done_{0};
    std::size_t payload_left_{0};  // bytes not yet copied
    std::size_t segment_size_{0};  // bytes of payload of all segments but the last
    std::size_t slice_{0};  // the next byte to be copied lies in this one
    std::uint32_t offset_{0};  // at this place
    std::uint16_t addresses_{0};  // their sum
    std::uint8_t version_{0};  // 4, 6 or 8
};

}  // namespace weft::wire
