// A received frame, read down to TCP: whose path, which ports, which text. Nothing in it was looked up but the path.
#pragma once

#include <array>
#include <cstdint>
#include <expected>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/index_list.h"
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
    std::uint32_t guess{none};     // whose it may be (Host::find)
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

// The pair of addresses that packets had last, which mostly have it again, and its path.
struct LastPair {
    std::uint32_t path{0};  // 0: none yet
    std::uint32_t link{0};  // which counts for addresses of a link
    std::uint16_t sum{0};
    std::uint8_t size{0};  // bytes of `both`
    std::array<std::byte, 128> both{};
    std::uint64_t erased{0};  // of the table, when it was looked up
};

// Reads frames of one batch; the last pair of addresses is remembered from batch to batch.
class PacketReader {
public:
    PacketReader(const net::PathTable& paths, const net::Addresses& addresses, LastPair& last)
        : paths_{paths}, addresses_{addresses}, last_{last} {
        if (last_.erased != paths_.erased()) last_.path = 0;
        last_.erased = paths_.erased();
    }

    // `at`: where the network header begins in the frame.
    std::expected<void, Reject> read(const Receive& frame, std::uint32_t at, Packet& out);

    // Of the last packet that had no path of its own; 0: there was none.
    std::uint32_t last_path() const { return last_.path; }
    Bytes last_addresses() const { return Bytes{last_.both}.first(last_.path != 0 ? last_.size : 0); }

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
    LastPair& last_;
};

}  // namespace weft::engine
