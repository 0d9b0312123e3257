// ICMP in its three forms, which share one header of eight bytes: ICMPv4 (RFC 792, RFC 1191), ICMPv6 (RFC 4443) and WCMP,
// its equal for 512-bit addresses inside a session (docs/wire.md). A view, a writer, and what the numbers mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "stack/core/address.h"
#include "stack/core/bytes.h"
#include "stack/core/checksum.h"
#include "stack/wire/malformed.h"

namespace weft::wire {

// What a message says, whatever its numbers. The first four are unreachable destinations that TCP tells apart.
enum class IcmpMeaning : std::uint8_t {
    no_route,           // network or host: may pass
    prohibited,         // by whoever rules the way or the other end
    port,               // nobody listens there
    protocol,           // the host does not speak it
    too_big,            // fragmentation needed: value() names the MTU
    time_exceeded,
    parameter_problem,
    echo_request,
    echo_reply,
    neighbour,          // NDP: ndp.h reads it
    other               // known to nobody here, or of no use
};

constexpr bool is_error(IcmpMeaning meaning) { return meaning <= IcmpMeaning::parameter_problem; }

// Type and code of each form. WCMP has ICMPv6's types and fewer of them.
struct Icmp4 {
    static constexpr std::uint8_t echo_reply = 0, unreachable = 3, echo_request = 8, time_exceeded = 11,
                                  parameter_problem = 12;
    static constexpr std::uint8_t protocol = 2, port = 3, fragmentation_needed = 4;  // codes of unreachable
};
struct Icmp6 {
    static constexpr std::uint8_t unreachable = 1, too_big = 2, time_exceeded = 3, parameter_problem = 4, echo_request = 128,
                                  echo_reply = 129, neighbour_solicitation = 135, neighbour_advertisement = 136;
    static constexpr std::uint8_t no_route = 0, prohibited = 1, address = 3, port = 4;  // codes of unreachable
    static constexpr std::uint8_t unknown_next_header = 1;                              // code of parameter_problem
};
struct Wcmp {
    static constexpr std::uint8_t unreachable = 1, too_big = 2, parameter_problem = 4, echo_request = 128, echo_reply = 129;
    static constexpr std::uint8_t no_route = 0, port = 1, prohibited = 2;  // codes of unreachable
    static constexpr std::size_t most_concerned = 64;                      // bytes of the packet that an error is about
};

//  0 type u8 | 1 code u8 | 2 checksum u16 | 4 value u32 (identifier and number of an echo, an MTU, a pointer) | 8 body
class IcmpView {
public:
    static constexpr std::size_t header_size = 8, checksum_at = 2, value_at = 4;

    // `family`: of the packet that carries it.
    static Parsed<IcmpView> parse(Family family, Bytes message) {
        if (message.size() < header_size) return std::unexpected(Malformed::truncated);
        return IcmpView{family, message};
    }

    Family family() const { return family_; }
    std::uint8_t type() const { return std::to_integer<std::uint8_t>(message_[0]); }
    std::uint8_t code() const { return std::to_integer<std::uint8_t>(message_[1]); }
    std::uint32_t value() const { return load_big<std::uint32_t>(message_.data() + value_at); }
    Bytes body() const { return message_.subspan(header_size); }
    Bytes bytes() const { return message_; }
    IcmpMeaning meaning() const;

    // Of too_big: the MTU in bytes, 0 where an old router does not say it (RFC 1191, section 4).
    std::uint32_t mtu() const { return family_ == Family::ipv4 ? value() & 0xffff : value(); }

    // `addresses`: pseudo_sum() of the packet's addresses; ICMPv4 has no pseudo-header.
    bool checksum_verifies(std::uint16_t addresses) const;

private:
    IcmpView(Family family, Bytes message) : message_{message}, family_{family} {}
    Bytes message_;  // at least header_size bytes
    Family family_;
};

struct IcmpHeader {
    std::uint8_t type{0}, code{0};
    std::uint32_t value{0};

    // Writes eight bytes with the checksum over them, over a body of `body_size` bytes that sums to `body_sum`, and over the
    // pseudo-header of `addresses` where the family has one. Returns the bytes written, or 0 without writing when `out` is too
    // short.
    std::size_t write(Family family, MutableBytes out, std::uint16_t addresses, std::size_t body_size,
                      std::uint16_t body_sum) const;
};

// The packet that an error is about, as far as the error quotes it: what a host sent, so that the source is the host's own.
struct IcmpQuote {
    Address source, destination;  // none under WCMP: the session says them
    std::uint8_t protocol{0};  // of what follows the network header; extension headers are not walked
    std::uint16_t length{0};  // bytes of the whole packet, network header included; 0 under WCMP
    Bytes transport;  // as much as was quoted

    // Of an error's body. Errors: truncated (the network header is not whole), version (another family's), length.
    static Parsed<IcmpQuote> parse(Family family, Bytes body);
};

// How many bytes of a packet an error of a family may quote: the message stays within 576 bytes (RFC 1812, section 4.3.2.3), 1,280
// (RFC 4443, section 2.4 c), or quotes 64.
std::size_t most_quoted(Family family);

// A WCMP error about a packet that came as a NET frame: `concerned` begins with the frame's three bytes. Writes header and quote;
// the checksum is 0 where the session `elided` sums, else `addresses` is the pseudo_sum() of both ends. Returns the bytes
// written, at most 72, or 0 without writing when `out` is too short.
std::size_t write_wcmp_error(MutableBytes out, std::uint8_t type, std::uint8_t code, std::uint32_t value, Bytes concerned,
                             std::uint16_t addresses, bool elided);

}  // namespace weft::wire
