// What a TAP link holds, for its own three sources alone.
#pragma once

#include <sys/uio.h>

#include <vector>

#include "stack/link/tap.h"
#include "stack/link/vnet_header.h"

namespace weft::link {

struct Tap::State {
    static constexpr std::size_t chunk_size = 66'560;   // holds the longest packet with its headers
    static constexpr std::size_t copied_size = 10'240;  // up to here a smaller chunk would do
    static constexpr std::size_t enough = 256 << 10;  // bytes a call: the peer waits for our answer to the first of them
    static constexpr std::size_t longest_packet = 65'535;
    static constexpr std::size_t most_parts = 512;  // of one writev; more slices are put together first

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State();

    // tap_send.cc. False: the device takes no more for now, and nothing of the packet has left.
    enum class Outcome : std::uint8_t { taken, full, unfit };
    bool send(const Transmit& transmit);
    Outcome send_offloaded(const Transmit& transmit, std::size_t payload);
    bool send_cut(const Transmit& transmit);
    bool drop();
    Outcome send_parts(Bytes head, const VnetHeader& vnet, const Transmit& transmit, std::size_t segments);
    Outcome write(std::span<const iovec> parts, std::size_t segments);

    // tap_receive.cc
    std::size_t receive(std::span<Receive> in, BufferPool& pool);
    bool read(Receive& receive, BufferPool& pool, bool& again);
    void discard();

    TapConfig config;
    std::string name;
    std::array<std::byte, 6> kernel_mac{};
    int descriptor{-1};
    bool vnet_hdr{false}, gone{false};
    Statistics statistics;

    std::vector<std::byte> flat;  // a packet that is put together before it leaves
    Slice kept;  // the chunk of the next read, and what keeps it ours
    Chunk* chunk{nullptr};
};

}  // namespace weft::link
