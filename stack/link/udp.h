// UDP sockets as a link: batches by sendmmsg and recvmmsg, trains by UDP_SEGMENT and UDP_GRO where the kernel has them,
// one datagram a message where not. One object serves IPv4 and IPv6, each by a socket of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "stack/core/batch.h"
#include "stack/core/result.h"
#include "stack/link/system_error.h"

namespace weft::link {

struct UdpConfig {
    std::uint32_t link{0};               // Receive::link of what arrives
    std::optional<UdpEndpoint> listen4;  // ::ffff:a.b.c.d; port 0: the kernel chooses
    std::optional<UdpEndpoint> listen6;  // its socket is IPV6_V6ONLY
    bool offload{true};                  // use UDP_SEGMENT and UDP_GRO where the kernel has them
    std::size_t socket_buffer{4 << 20};  // bytes asked of the kernel each way
};

class Udp {
public:
    // Binds one or both sockets. Fails with the call that failed, EINVAL for an address of the wrong family or for none.
    static std::expected<Udp, SystemError> open(const UdpConfig& config);
    // Without a socket: nothing comes, and what is sent is dropped.
    static Udp none();
    Udp(Udp&&) noexcept;
    Udp& operator=(Udp&&) noexcept;
    ~Udp();  // before the pool that receive() was given: a few chunks are kept for the next call

    LinkCapabilities capabilities() const;

    // Each a datagram, or a train (segment_size). Says how many were taken; fewer than all when a socket's buffer is full:
    // the rest may be sent again when it is writable. What the kernel refuses counts as taken, and in dropped_out.
    std::size_t send(std::span<const Transmit> out);

    // Never blocks; one datagram an entry. Datagrams of a train share a chunk, each with bytes of its own; what is small is
    // copied into a chunk of its size. A call may end with more at hand: call again until it says 0, then poll.
    std::size_t receive(std::span<Receive> in, BufferPool& pool);

    // One more socket, of the family that has none yet, or one fewer; the options stay. Errors as of open(); EADDRINUSE also when the
    // family has one. After either descriptors() are others.
    std::expected<void, SystemError> add(const UdpEndpoint& listen);
    bool remove(const UdpEndpoint& local);  // false: no socket is bound to it

    std::span<const int> descriptors() const;  // to poll for reading: none to two
    UdpEndpoint local4() const;  // as bound; port 0: none
    UdpEndpoint local6() const;

    struct Statistics {
        std::uint64_t datagrams_in{0}, datagrams_out{0}, bytes_in{0}, bytes_out{0}, calls_in{0}, calls_out{0};
        std::uint64_t dropped_out{0};  // refused by the kernel: unreachable, too large, no buffer
        std::uint64_t dropped_in{0};  // no chunk was free, or longer than one
        std::uint64_t overflowed{0};  // lost by the kernel since our receive buffer was full, as far as it has told
        std::uint64_t blocked{0};  // calls that found the send buffer full
        std::uint64_t soft_errors{0};  // an earlier datagram's ICMP answer, reported late: nothing was lost by it here
    };
    Statistics statistics() const;

private:
    struct State;
    explicit Udp(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace weft::link
