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

namespace weft::link {

struct UdpConfig {
    std::uint32_t link{0};                  // Receive::link of what arrives
    std::optional<UdpEndpoint> listen4;     // ::ffff:a.b.c.d; port 0: the kernel chooses
    std::optional<UdpEndpoint> listen6;     // its socket is IPV6_V6ONLY
    bool offload{true};                     // use UDP_SEGMENT and UDP_GRO where the kernel has them
    std::size_t socket_buffer{4 << 20};     // bytes asked of the kernel each way
};

// What went wrong in a system call, for a message to a person.
struct SystemError {
    std::string call;   // "bind 127.0.0.1:7000"
    int error{0};       // errno
};

class Udp {
public:
    static std::expected<Udp, SystemError> open(const UdpConfig& config);
    Udp(Udp&&) noexcept;
    Udp& operator=(Udp&&) noexcept;
    ~Udp();

    LinkCapabilities capabilities() const;
    std::size_t send(std::span<const Transmit> out);                        // each a datagram, or a train (segment_size)
    std::size_t receive(std::span<Receive> in, BufferPool& pool);           // never blocks; one datagram an entry

    std::span<const int> descriptors() const;                               // to poll for reading: one or two
    UdpEndpoint local4() const;                                             // as bound; port 0: none
    UdpEndpoint local6() const;

    struct Statistics {
        std::uint64_t datagrams_in{0}, datagrams_out{0}, bytes_in{0}, bytes_out{0}, calls_in{0}, calls_out{0};
        std::uint64_t dropped_out{0};    // refused by the kernel: unreachable, too large, no buffer
        std::uint64_t dropped_in{0};     // no chunk was free, or longer than one
    };
    Statistics statistics() const;

private:
    struct State;
    explicit Udp(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace weft::link
