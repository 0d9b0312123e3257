// What a host says by ICMP of its own accord: echo replies and errors about packets that it cannot use (RFC 1122, sections 3.2.2.1
// and 3.2.2.6; RFC 1812, section 4.3.2; RFC 4443, sections 2.4 and 4). Whole packets, answered to whoever sent; both are limited.
#pragma once

#include <cstdint>
#include <optional>

#include "stack/core/address.h"
#include "stack/core/buffer.h"
#include "stack/net/limit.h"
#include "stack/net/neighbour.h"
#include "stack/wire/icmp.h"

namespace weft::net {

// A packet that came, as far as the network layer reads it.
struct Arrived {
    Family family{Family::none};
    Address source, destination;
    std::uint8_t protocol{0}, hop_limit{0}, traffic_class{0};
    bool to_group{false};  // destination, or the frame's, is a multicast or broadcast address
    bool elided{false};  // its sum was left out: the session that it came by answers for integrity
    std::uint32_t link{0};
    std::uint32_t path{0};  // of the session that it came by
    Slice packet;  // from the network header on; with `path` from the transport header on
    std::uint32_t transport{0};  // where the transport header begins in `packet`
    Mac from{};  // on Ethernet: the frame's source

    Bytes message() const { return packet.bytes().subspan(transport); }
};

struct IcmpLimits {
    RateLimit echoes{10'000, 1'000}, errors{1'000, 50};  // a second, at once
};

// Bytes of a network header whose lengths and sums are done; 0: no such family, or `out` is too short.
std::size_t write_whole_header(const Address& source, const Address& destination, std::uint8_t protocol,
                               std::uint8_t hop_limit, std::size_t payload, MutableBytes out);

// A whole packet from `source` to where `about` came from: the header's eight bytes and more of `body` behind them.
// `in_front`: bytes that stay free for the link's header.
Held make_message(const Arrived& about, const Address& source, const wire::IcmpHeader& header, const Slice& body,
                  std::size_t in_front);

// The reply to an echo request, its data shared (RFC 1122, section 3.2.2.6; RFC 4443, section 4.2). `local`: our address that it
// came for, or that a group stands for.
Held make_echo_reply(const Arrived& about, const wire::IcmpView& request, const Address& local, std::size_t in_front);

enum class Complaint : std::uint8_t { port, protocol };  // nobody listens there; nobody here speaks it

// May there be an error about it at all (RFC 1122, section 3.2.2; RFC 4443, section 2.4 e)? Not about errors, groups, or a source
// that is not one host.
bool may_complain(const Arrived& about);
Held make_complaint(const Arrived& about, Complaint what, std::size_t in_front);

}  // namespace weft::net
