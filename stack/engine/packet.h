// A received frame, read down to TCP: whose path, which ports, which text. Nothing in it was looked up but the path.
#pragma once

#include <array>
#include <cstdint>
#include <expected>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/net/addresses.h"
#include "stack/net/path.h"
#include "stack/tcp/segment.h"
#include "stack/wire/tcp.h"

namespace weft::engine {

struct Packet {
    std::uint32_t path{0};         // 0: of a pair that is not interned; then the addresses are below
    std::uint32_t link{0};
    const std::byte* ethernet{nullptr};  // on such a link: the frame's header, while its batch lasts
    Address local, remote;         // unless the path says them
    std::uint16_t local_port{0}, remote_port{0};
    Ecn ecn{Ecn::not_capable};
    tcp::Segment segment;          // without text: that is below
    wire::TcpOptions options;
    Slice text;
};

// Why a packet is not taken; in the trace the number is one higher (where 1).
enum class Reject : std::uint8_t {
    malformed,
    checksum,
    not_ours,
    martian,     // a source that nobody may have
    fragment,    // reassembly is not built
    group,       // for a group of stations or hosts, and nothing for groups
    no_route,
    limited,     // an answer that would have been one too many
    unbelieved,  // an ICMP error that quotes nothing in flight
    unresolved,  // no neighbour answered for it
    other        // no TCP: the network layer looks at it
};

// Reads frames of one batch; the last pair of addresses is remembered.
class PacketReader {
public:
    PacketReader(const net::PathTable& paths, const net::Addresses& addresses) : paths_{paths}, addresses_{addresses} {}

    // `at`: where the network header begins in the frame.
    std::expected<void, Reject> read(const Receive& frame, std::uint32_t at, Packet& out);

    // Of the last packet that had no path of its own; 0: there was none.
    std::uint32_t last_path() const { return last_; }
    Bytes last_addresses() const { return Bytes{last_addresses_}.first(last_ != 0 ? last_size_ : 0); }

private:
    // Where the transport header lies, and the pseudo-header's share of its checksum.
    struct Transport {
        std::size_t at{0}, end{0};
        std::uint16_t addresses_sum{0};
        std::uint8_t protocol{0};
        Bytes addresses;           // both, as they stand in the network header
    };
    std::expected<Transport, Reject> read_network(const Receive& frame, std::uint32_t at, Packet& out);
    std::expected<void, Reject> find_path(Transport& transport, Packet& out);

    const net::PathTable& paths_;
    const net::Addresses& addresses_;
    std::uint32_t last_{0};        // path of last_addresses_; 0: none yet
    std::uint16_t last_sum_{0};
    std::uint8_t last_size_{0};    // bytes of last_addresses_
    std::uint32_t last_link_{0};   // which counts for addresses of a link
    std::array<std::byte, 128> last_addresses_;
};

}  // namespace weft::engine
