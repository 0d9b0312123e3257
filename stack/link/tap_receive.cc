// The receiving half of a TAP link: a read a packet, into a chunk that holds the longest. What is small is copied into a chunk of
// its size, and the large one is kept.
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "stack/link/tap_state.h"

namespace weft::link {

std::size_t Tap::State::receive(std::span<Receive> in, BufferPool& pool) {
    std::size_t filled = 0, bytes = 0;
    for (bool more = true; more && filled < in.size() && bytes < enough;) {
        if (!read(in[filled], pool, more)) continue;
        bytes += in[filled].frame.size();
        ++filled;
    }
    return filled;
}

// One packet. False: none came, or it was dropped; then `again` says whether to ask for the next one.
bool Tap::State::read(Receive& receive, BufferPool& pool, bool& again) {
    if (chunk && chunk->home != &pool) kept = {}, chunk = nullptr;
    if (!chunk) {
        chunk = pool.allocate(chunk_size);
        if (chunk) kept = {chunk, 0, chunk->capacity};
    }
    if (!chunk) {
        discard();
        again = false;
        return false;
    }
    const ssize_t got = ::read(descriptor, chunk->data(), chunk->capacity);
    if (got <= 0) {
        again = got < 0 && errno == EINTR;
        gone = gone || (got < 0 && errno == EBADFD);
        return false;
    }
    again = true;
    const auto length = std::uint32_t(got);
    VnetHeader vnet;
    std::uint32_t begin = 0;
    if (vnet_hdr) {
        const auto header = VnetHeader::parse({chunk->data(), length});
        if (!header) {
            ++statistics.malformed_in;
            return false;
        }
        vnet = *header;
        begin = VnetHeader::size;
    }
    const std::uint32_t size = length - begin;
    receive = {};
    receive.link = config.link;
    receive.segment_size = vnet.segment_size;
    receive.checksum_verified = vnet.verified();
    Chunk* const small = size <= copied_size ? pool.allocate(size) : nullptr;
    if (small) {
        std::memcpy(small->data(), chunk->data() + begin, size);
        receive.frame = {small, 0, size};
    } else {
        receive.frame = kept.sub(begin, size);
        kept = {};
        chunk = nullptr;
    }
    ++statistics.packets_in;
    statistics.segments_in += vnet.segment_size == 0 ? 1 : (size + vnet.segment_size - 1u) / vnet.segment_size;
    statistics.bytes_in += size;
    return true;
}

// No memory: what waits is thrown away, so that the device does not keep waking a loop that cannot read it.
void Tap::State::discard() {
    std::array<std::byte, 64> beginning;
    for (unsigned i = 0; i < 64; ++i) {
        const ssize_t got = ::read(descriptor, beginning.data(), beginning.size());
        if (got < 0 && errno == EBADFD) gone = true;
        if (got < 0) return;
        ++statistics.dropped_in;
    }
}

}  // namespace weft::link
