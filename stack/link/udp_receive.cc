// The receiving half of a UDP link: recvmmsg into chunks that hold the longest train of UDP_GRO. A train stays where it
// is and its datagrams share the chunk; what is small is copied into a chunk of its size, and the large one is kept.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/link/udp_state.h"

namespace weft::link {

std::size_t Udp::State::receive(std::span<Receive> in, BufferPool& pool) {
    if (socket_count == 0) return 0;
    std::size_t filled = 0, bytes = 0;
    std::array<bool, 2> drained{};
    turn = socket_count - 1 - turn;
    while (true) {
        for (; filled < in.size() && bytes < enough && arrived_first < arrived_count; ++filled) {
            hand_out(in[filled]);
            bytes += in[filled].frame.size();
        }
        if (filled == in.size() || bytes >= enough) return filled;
        const std::size_t first = drained[turn] ? socket_count - 1 - turn : turn;
        if (drained[first]) return filled;
        drained[first] = !read(sockets[first], in.size() - filled, pool);
    }
}

// The next datagram of the oldest train.
void Udp::State::hand_out(Receive& receive) {
    Arrived& train = arrived[arrived_first];
    const std::uint32_t rest = train.bytes.size() - train.offset, length = std::min(rest, train.segment);
    receive.link = config.link;
    receive.path = 0;
    receive.from = train.from;
    receive.segment_size = 0;
    receive.protocol = 0;
    receive.ecn = train.ecn;
    receive.checksum_verified = false;
    if (length < rest) {
        receive.frame = train.bytes.sub(train.offset, length);
        train.offset += length;
        return;
    }
    receive.frame = train.offset == 0 ? std::move(train.bytes) : train.bytes.sub(train.offset, length);
    train.bytes = {};
    ++arrived_first;
}

// Makes ready the chunks of the next call; how many there are. What an idle link keeps is small.
std::size_t Udp::State::prepare(std::size_t wanted, BufferPool& pool) {
    std::size_t ready = 0;
    for (; ready < wanted; ++ready) {
        Slot& kept = slot[ready];
        if (kept.chunk && kept.chunk->home != &pool) kept = {};
        if (!kept.chunk) {
            Chunk* const chunk = pool.allocate(chunk_size);
            if (!chunk) break;
            kept = {chunk, Slice{chunk, 0, chunk->capacity}};
        }
        in_part[ready] = {kept.chunk->data(), kept.chunk->capacity};
        msghdr& header = in_header[ready].msg_hdr;
        header = {};
        header.msg_name = &in_address[ready];
        header.msg_namelen = sizeof(SocketAddress);
        header.msg_iov = &in_part[ready];
        header.msg_iovlen = 1;
        header.msg_control = in_control[ready].bytes.data();
        header.msg_controllen = in_control[ready].bytes.size();
    }
    for (std::size_t i = std::max(ready, ask); i < slot.size(); ++i) slot[i] = {};
    return ready;
}

// One call of the kernel; false when the socket has no more, as far as it says.
bool Udp::State::read(UdpSocket& from, std::size_t room, BufferPool& pool) {
    arrived_first = arrived_count = 0;
    const std::size_t ready = prepare(std::min(ask, room), pool);
    if (ready == 0) {
        discard(from);
        return false;
    }
    int count = -1;
    for (unsigned attempt = 0; count < 0 && attempt < 4; ++attempt) {
        count = ::recvmmsg(from.descriptor, in_header.data(), unsigned(ready), MSG_DONTWAIT, nullptr);
        ++statistics.calls_in;
        if (count >= 0 || errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
        ++statistics.soft_errors;  // an ICMP answer to what we sent
    }
    for (int i = 0; i < count; ++i) arrive(from, std::size_t(i), pool);
    if (count > 0) adapt(std::size_t(count));
    return count == int(ready);
}

// How many messages the next call asks for: more while calls come back full, but no more bytes than the caches like.
void Udp::State::adapt(std::size_t count) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < count; ++i) bytes += in_header[i].msg_len;
    if (count <= ask / 4 || bytes > 2 * enough) ask = std::max(ask / 2, in_least);
    else if (count == ask && bytes <= enough) ask = std::min(ask * 2, in_messages);
}

// No memory: what waits is thrown away, so that the socket does not keep waking a loop that cannot read it.
void Udp::State::discard(UdpSocket& from) {
    for (std::size_t i = 0; i < in_messages; ++i) {
        msghdr& header = in_header[i].msg_hdr;
        header = {};
        header.msg_control = in_control[i].bytes.data();
        header.msg_controllen = in_control[i].bytes.size();
    }
    const int count = ::recvmmsg(from.descriptor, in_header.data(), in_messages, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    ++statistics.calls_in;
    for (std::size_t i = 0; count > 0 && i < std::size_t(count); ++i) {
        Ecn ecn{};
        const std::uint32_t segment = read_control(from, in_header[i].msg_hdr, ecn), length = in_header[i].msg_len;
        statistics.dropped_in += segment == 0 ? 1 : (length + segment - 1) / segment;
    }
}

void Udp::State::arrive(UdpSocket& from, std::size_t message, BufferPool& pool) {
    mmsghdr& header = in_header[message];
    Ecn ecn{};
    const std::uint32_t length = header.msg_len, segment = read_control(from, header.msg_hdr, ecn);
    if (header.msg_hdr.msg_flags & MSG_TRUNC) {
        ++statistics.dropped_in;
        return;
    }
    const std::uint32_t each = segment == 0 || segment > length ? std::max(length, 1u) : segment;
    statistics.datagrams_in += length == 0 ? 1 : (length + each - 1) / each;
    statistics.bytes_in += length;
    Arrived& train = arrived[arrived_count++];
    train.offset = 0;
    train.segment = each;
    train.from = from_kernel(in_address[message]);
    train.ecn = ecn;
    Slot& whole = slot[message];
    Chunk* const small = length <= copied_size ? pool.allocate(length) : nullptr;
    if (small) {
        std::memcpy(small->data(), whole.chunk->data(), length);
        train.bytes = Slice{small, 0, length};
    } else {
        train.bytes = whole.whole.sub(0, length);
        whole = {};
    }
}

std::uint32_t Udp::State::read_control(UdpSocket& from, msghdr& header, Ecn& ecn) {
    std::uint32_t segment = 0;
    for (cmsghdr* control = CMSG_FIRSTHDR(&header); control; control = CMSG_NXTHDR(&header, control)) {
        std::uint32_t value = *CMSG_DATA(control);  // IP_TOS comes as a byte, the others as an int
        if (control->cmsg_len >= CMSG_LEN(sizeof value)) std::memcpy(&value, CMSG_DATA(control), sizeof value);
        if (control->cmsg_level == IPPROTO_UDP && control->cmsg_type == UDP_GRO) segment = value;
        if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_TOS) ecn = Ecn(value & 3);
        if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_TCLASS) ecn = Ecn(value & 3);
        if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL) {
            statistics.overflowed += value - from.overflowed;  // modulo 2^32, as the kernel counts
            from.overflowed = value;
        }
    }
    return segment;
}

}  // namespace weft::link
