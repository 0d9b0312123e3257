// A TUN or TAP device as a link: the kernel of this host is the other end. With IFF_VNET_HDR super-segments of up to 64 KiB go
// each way uncut and without a computed checksum; without it every segment is a call, with its sums.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>

#include "stack/core/batch.h"
#include "stack/link/system_error.h"

namespace weft::link {

struct TapConfig {
    std::uint32_t link{1};  // Receive::link of what arrives
    std::string name{"weft%d"};  // 1 to 15 bytes; for %d the kernel puts the first free number
    bool tun{false};  // network packets instead of Ethernet frames
    bool vnet_hdr{true};  // where the kernel has it
    std::uint32_t mtu{1500};  // bytes, network header included: 68 to 65,521
    std::uint32_t queue{4'096};  // packets that the kernel holds for us; it drops what comes beyond
};

class Tap {
public:
    static constexpr std::uint32_t least_mtu = 68, most_mtu = 65'521;

    // Makes the device, or takes one that lies there for us (`ip tuntap add`); sets its MTU and queue and brings it up. A device
    // that was made here is gone with this object. Fails with the call that failed: EPERM without CAP_NET_ADMIN, ENOENT or
    // ENODEV without /dev/net/tun, EBUSY when another program reads the device, EINVAL when the name is another kind of
    // interface's or no name, ERANGE for an MTU out of its range.
    static std::expected<Tap, SystemError> open(const TapConfig& config);
    Tap(Tap&&) noexcept;
    Tap& operator=(Tap&&) noexcept;
    ~Tap();  // before the pool that receive() was given: a chunk is kept for the next call

    LinkCapabilities capabilities() const;

    // TCP super-segments; packets that are `complete`, or that have no header and lie in the payload, leave as they are. Says how
    // many were taken: fewer than all only when the device takes no more for now. What the kernel refuses counts as taken, and in
    // dropped_out.
    std::size_t send(std::span<const Transmit> out);

    // Packets that send() did not take, and that the caller gives up.
    void count_dropped(std::size_t packets);

    // Never blocks; one packet an entry. What is small is copied into a chunk of its size. A call may end with more at hand:
    // call again until it says 0, then poll.
    std::size_t receive(std::span<Receive> in, BufferPool& pool);

    int descriptor() const;  // to poll for reading
    const std::string& name() const;  // as the kernel has it
    bool ethernet() const;
    bool vnet_hdr() const;  // in use
    const std::array<std::byte, 6>& kernel_mac() const;  // of the kernel's end; zero for TUN
    bool gone() const;  // somebody removed the device: nothing comes or goes any more

    struct Statistics {
        std::uint64_t packets_in{0}, packets_out{0};  // as read and written: a super-segment is one
        std::uint64_t segments_in{0}, segments_out{0};  // a super-segment counts its segments
        std::uint64_t bytes_in{0}, bytes_out{0};  // Ethernet header included
        std::uint64_t dropped_in{0};  // no chunk was free
        std::uint64_t malformed_in{0};  // a vnet_hdr that contradicts its packet
        std::uint64_t dropped_out{0};  // refused by the kernel (the interface is down, no memory), or by us: not to be cut
        std::uint64_t blocked{0};  // calls that found the device full
    };
    const Statistics& statistics() const;

private:
    struct State;
    explicit Tap(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace weft::link
