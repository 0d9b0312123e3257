// What the tests of links share: transmits with a pattern inside, and endpoints of this host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "stack/core/batch.h"

namespace weft::test {

using Bytes = std::vector<std::byte>;

inline Bytes pattern(std::size_t size, std::uint32_t start) {
    Bytes bytes(size);
    std::uint32_t word = start * 2'654'435'761u + 1;
    for (std::byte& byte : bytes) {
        word = word * 1'664'525 + 1'013'904'223;
        byte = std::byte(word >> 24);
    }
    return bytes;
}

// Transmits and the slices they point to. The pool outlives it.
class Outgoing {
public:
    explicit Outgoing(BufferPool& pool) : pool_{pool} {}

    // A datagram or, with a segment size, a train; its bytes lie in slices of at most `slice` bytes.
    Transmit& add(const UdpEndpoint& to, const Bytes& bytes, std::uint16_t segment_size = 0, std::size_t slice = 60'000) {
        std::vector<Slice>& slices = slices_.emplace_back();
        for (std::size_t offset = 0; offset < bytes.size(); offset += slice) {
            const std::size_t length = std::min(slice, bytes.size() - offset);
            Chunk* chunk = pool_.allocate(length);
            std::memcpy(chunk->data(), bytes.data() + offset, length);
            slices.emplace_back(chunk, 0, std::uint32_t(length));
        }
        Transmit& transmit = transmits_.emplace_back();
        transmit.to = to;
        transmit.segment_size = segment_size;
        transmit.payload = slices;
        return transmit;
    }

    std::span<const Transmit> all() const { return transmits_; }

private:
    BufferPool& pool_;
    std::deque<std::vector<Slice>> slices_;
    std::vector<Transmit> transmits_;
};

inline Bytes bytes_of(const Slice& slice) { return {slice.bytes().begin(), slice.bytes().end()}; }

// The datagrams that a train of these bytes makes.
inline std::vector<Bytes> cut(const Bytes& bytes, std::size_t segment) {
    std::vector<Bytes> datagrams;
    for (std::size_t offset = 0; offset < bytes.size(); offset += segment)
        datagrams.emplace_back(bytes.begin() + std::ptrdiff_t(offset),
                               bytes.begin() + std::ptrdiff_t(std::min(offset + segment, bytes.size())));
    return datagrams;
}

inline UdpEndpoint loopback4(std::uint16_t port = 0) {
    UdpEndpoint endpoint;
    endpoint.ip[10] = endpoint.ip[11] = std::byte{0xff};
    endpoint.ip[12] = std::byte{127};
    endpoint.ip[15] = std::byte{1};
    endpoint.port = port;
    return endpoint;
}

inline UdpEndpoint loopback6(std::uint16_t port = 0) {
    UdpEndpoint endpoint;
    endpoint.ip[15] = std::byte{1};
    endpoint.port = port;
    return endpoint;
}

}  // namespace weft::test
