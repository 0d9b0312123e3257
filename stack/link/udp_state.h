// What a UDP link holds, for its own three sources alone: sockets, the batch that is being sent, the batch that came.
#pragma once

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>

#include "stack/link/udp.h"

namespace weft::link {

union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
};

bool is_v4(const UdpEndpoint& endpoint);                                   // ::ffff:a.b.c.d
socklen_t to_kernel(const UdpEndpoint& endpoint, SocketAddress& address);  // its length
UdpEndpoint from_kernel(const SocketAddress& address);
std::string to_string(const UdpEndpoint& endpoint);  // 127.0.0.1:7000, [fe80::1%2]:7000

struct UdpSocket {
    int descriptor{-1};
    bool v6{false};
    bool segments{false};         // UDP_SEGMENT works, as far as we know
    std::uint32_t overflowed{0};  // the kernel's own count, as last told (SO_RXQ_OVFL)
    UdpEndpoint local;
};

// Walks over the bytes of a transmit, its header first, and names them to the kernel.
class TransmitCursor {
public:
    explicit TransmitCursor(const Transmit& transmit) : transmit_{&transmit} {}
    void skip(std::size_t bytes);
    // How many of `into` the next `bytes` took; more than into.size() if they did not fit: then nothing has moved.
    std::size_t take(std::size_t bytes, std::span<iovec> into);

private:
    std::span<const std::byte> part(std::size_t index) const;
    const Transmit* transmit_;
    std::size_t part_{0};    // 0: the header, then the slices of the payload
    std::size_t within_{0};  // bytes of the part that have been taken
};

struct Udp::State {
    static constexpr std::size_t out_messages = 64, out_parts = 1'024;  // parts: UIO_MAXIOV
    static constexpr std::size_t in_messages = 16, in_least = 2;
    static constexpr std::size_t enough = 128 << 10;  // bytes a call: the peer waits for our answer to the first of them
    static constexpr std::size_t chunk_size = 66'560;   // holds the longest train of UDP_GRO
    static constexpr std::size_t copied_size = 10'240;  // up to here a smaller chunk would do
    static constexpr std::size_t longest = 65'507;      // UDP payload of an IPv4 packet
    static constexpr std::size_t most_segments = 64;    // of UDP_SEGMENT, in every kernel that has it

    // One message of the batch: a datagram or a train, cut from out[transmit].
    struct Piece {
        std::size_t transmit{0}, offset{0}, bytes{0};
        std::uint16_t segment{0};  // 0: a datagram
        std::size_t datagrams() const { return segment ? (bytes + segment - 1) / segment : 1; }
    };
    struct alignas(cmsghdr) OutControl {
        std::array<std::byte, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint16_t))> bytes;
    };
    struct alignas(cmsghdr) InControl {
        std::array<std::byte, 3 * CMSG_SPACE(sizeof(int))> bytes;  // train, ECN, overflow
    };
    struct Arrived {
        Slice bytes;
        std::uint32_t offset{0};   // of the next datagram to hand out
        std::uint32_t segment{0};  // bytes of each but the last
        UdpEndpoint from;
        Ecn ecn{};
    };
    struct Slot {
        Chunk* chunk{nullptr};
        Slice whole;  // keeps it ours
    };

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State();

    UdpSocket* socket_for(const UdpEndpoint& to);

    // udp_send.cc
    std::size_t send(std::span<const Transmit> all);
    Piece next_piece(const Transmit& transmit, std::size_t index, std::size_t offset, std::size_t length) const;
    bool add(const Transmit& transmit, const Piece& piece, TransmitCursor& cursor);
    void describe(msghdr& header, SocketAddress& address, OutControl& control, const Transmit& transmit,
                  std::uint16_t segment) const;
    bool flush();
    bool refused(const Piece& at, int error);
    bool send_singly(const Piece& train);
    int send_one(const Transmit& transmit, const Piece& piece, TransmitCursor& cursor);
    void stop_at(const Piece& piece);
    void count_sent(const Piece& piece);

    // udp_receive.cc
    std::size_t receive(std::span<Receive> in, BufferPool& pool);
    void hand_out(Receive& receive);
    bool read(UdpSocket& from, std::size_t room, BufferPool& pool);
    std::size_t prepare(std::size_t wanted, BufferPool& pool);
    void adapt(std::size_t count);
    void discard(UdpSocket& from);
    void arrive(UdpSocket& from, std::size_t message, BufferPool& pool);
    std::uint32_t read_control(UdpSocket& from, msghdr& header, Ecn& ecn);  // bytes of a train's segment, or 0

    UdpConfig config;
    std::array<UdpSocket, 2> sockets;
    std::array<int, 2> descriptors{};
    std::size_t socket_count{0};
    Statistics statistics;

    // The batch that is being sent, all of it to one socket.
    std::span<const Transmit> out;
    UdpSocket* to{nullptr};
    std::size_t taken{0};
    std::size_t messages{0}, parts{0};
    std::array<mmsghdr, out_messages> out_header;
    std::array<Piece, out_messages> piece;
    std::array<SocketAddress, out_messages> out_address;
    std::array<OutControl, out_messages> out_control;
    std::array<iovec, out_parts> out_part;

    // Chunks for the next call, and what the last one brought that has not been handed out.
    std::size_t ask{in_least};  // messages a call: grows while calls come back full
    std::size_t turn{0};        // the socket to ask first, so that neither starves
    std::size_t arrived_first{0}, arrived_count{0};
    std::array<Slot, in_messages> slot;
    std::array<Arrived, in_messages> arrived;
    std::array<mmsghdr, in_messages> in_header;
    std::array<SocketAddress, in_messages> in_address;
    std::array<InControl, in_messages> in_control;
    std::array<iovec, in_messages> in_part;
};

}  // namespace weft::link
