// The sending half of a UDP link: transmits become messages, messages go out by sendmmsg, a train in one message where
// UDP_SEGMENT works. When it turns out not to, its datagrams go out singly and no train is tried on that socket again.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/link/udp_state.h"

namespace weft::link {

static_assert(Link<Udp>);

std::span<const std::byte> TransmitCursor::part(std::size_t index) const {
    if (index == 0)
        return std::span{transmit_->header}.first(std::min<std::size_t>(transmit_->header_length, transmit_->header.size()));
    return transmit_->payload[index - 1].bytes();
}

void TransmitCursor::skip(std::size_t bytes) {
    while (bytes > 0 && part_ <= transmit_->payload.size()) {
        const std::size_t step = std::min(bytes, part(part_).size() - within_);
        bytes -= step;
        within_ += step;
        if (within_ == part(part_).size()) ++part_, within_ = 0;
    }
}

std::size_t TransmitCursor::take(std::size_t bytes, std::span<iovec> into) {
    const TransmitCursor before = *this;
    std::size_t used = 0;
    while (bytes > 0 && part_ <= transmit_->payload.size()) {
        const std::span<const std::byte> rest = part(part_).subspan(within_);
        const std::size_t step = std::min(bytes, rest.size());
        if (step > 0) {
            if (used == into.size()) {
                *this = before;
                return into.size() + 1;
            }
            into[used++] = {const_cast<std::byte*>(rest.data()), step};  // sendmsg only reads it
        }
        bytes -= step;
        within_ += step;
        if (step == rest.size()) ++part_, within_ = 0;
    }
    return used;
}

namespace {

std::size_t length_of(const Transmit& transmit) {
    std::size_t length = std::min<std::size_t>(transmit.header_length, transmit.header.size());
    for (const Slice& slice : transmit.payload) length += slice.size();
    return length;
}

std::uint64_t datagrams_of(std::size_t bytes, std::size_t segment) {
    return segment == 0 || bytes <= segment ? 1 : (bytes + segment - 1) / segment;
}

// What a kernel or a device without UDP_SEGMENT answers; EINVAL also comes when a segment is too large for the device.
bool may_lack_segments(int error) { return error == EIO || error == EINVAL || error == ENOPROTOOPT || error == EOPNOTSUPP; }

// A signal, or an ICMP answer to an earlier datagram, which the kernel reports at the next call: nothing has been sent yet.
bool may_be_tried_again(int error) { return error == EINTR || error == ECONNREFUSED || error == ECONNRESET; }

bool full(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

void put_control(msghdr& header, std::size_t& used, int level, int type, const void* value, std::size_t size) {
    auto* place = static_cast<std::byte*>(header.msg_control) + used;
    const cmsghdr head{.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
    std::memcpy(place, &head, sizeof head);
    std::memcpy(place + CMSG_LEN(0), value, size);
    used += CMSG_SPACE(size);
}

}  // namespace

void Udp::State::count_sent(const Piece& sent) {
    statistics.datagrams_out += sent.datagrams();
    statistics.bytes_out += sent.bytes;
}

// Fills in all of a message but its bytes.
void Udp::State::describe(msghdr& header, SocketAddress& address, OutControl& control, const Transmit& transmit,
                          std::uint16_t segment) const {
    header = {};
    header.msg_name = &address;
    header.msg_namelen = to_kernel(transmit.to, address);
    header.msg_control = control.bytes.data();
    std::size_t used = 0;
    if (segment) put_control(header, used, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    if (transmit.ecn != Ecn::not_capable) {
        const int ecn = int(transmit.ecn);
        put_control(header, used, to->v6 ? IPPROTO_IPV6 : IPPROTO_IP, to->v6 ? IPV6_TCLASS : IP_TOS, &ecn, sizeof ecn);
    }
    header.msg_controllen = used;
    if (used == 0) header.msg_control = nullptr;
}

// False: the batch is full and must leave first.
bool Udp::State::add(const Transmit& transmit, const Piece& added, TransmitCursor& cursor) {
    if (messages == out_messages) return false;
    const std::span<iovec> room = std::span{out_part}.subspan(parts);
    const std::size_t used = cursor.take(added.bytes, room);
    if (used > room.size()) return false;
    msghdr& header = out_header[messages].msg_hdr;
    describe(header, out_address[messages], out_control[messages], transmit, added.segment);
    header.msg_iov = room.data();
    header.msg_iovlen = used;
    piece[messages++] = added;
    parts += used;
    return true;
}

// The next message of a transmit: as many equal datagrams as one call can take, or one.
Udp::State::Piece Udp::State::next_piece(const Transmit& transmit, std::size_t index, std::size_t offset,
                                         std::size_t length) const {
    const std::size_t segment = transmit.segment_size, rest = length - offset;
    if (segment == 0 || rest <= segment) return {index, offset, rest, 0};
    const std::size_t count = to->segments ? std::clamp<std::size_t>(longest / segment, 1, most_segments) : 1;
    if (count == 1) return {index, offset, segment, 0};
    return {index, offset, std::min(rest, count * segment), transmit.segment_size};
}

std::size_t Udp::State::send(std::span<const Transmit> all) {
    out = all;
    taken = all.size();
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::size_t length = length_of(all[i]);
        UdpSocket* const socket = all[i].to.port == 0 ? nullptr : socket_for(all[i].to);
        if (!socket) {
            statistics.dropped_out += datagrams_of(length, all[i].segment_size);
            continue;
        }
        if (to != socket && !flush()) return taken;
        to = socket;
        TransmitCursor cursor{all[i]};
        std::size_t offset = 0;
        do {
            const Piece next = next_piece(all[i], i, offset, length);
            if (!add(all[i], next, cursor)) {
                if (messages > 0) {
                    if (!flush()) return taken;
                    continue;  // perhaps without UDP_SEGMENT by now
                }
                cursor.skip(next.bytes);  // more parts than a message can have
                statistics.dropped_out += next.datagrams();
            }
            offset += next.bytes;
        } while (offset < length);
    }
    flush();
    return taken;
}

// The socket is full at this piece. A transmit of which a part has left is not sent again: its rest is lost, as on a wire.
void Udp::State::stop_at(const Piece& at) {
    ++statistics.blocked;
    taken = at.transmit;
    if (at.offset == 0) return;
    statistics.dropped_out += datagrams_of(length_of(out[at.transmit]) - at.offset, out[at.transmit].segment_size);
    ++taken;
}

// False: the socket is full, and `taken` says how far we got.
bool Udp::State::flush() {
    bool room = true;
    unsigned attempts = 0;
    for (std::size_t sent = 0; room && sent < messages;) {
        const int count = ::sendmmsg(to->descriptor, out_header.data() + sent, unsigned(messages - sent), 0);
        const int error = count < 0 ? errno : 0;
        ++statistics.calls_out;
        if (count > 0) attempts = 0;
        for (int i = 0; i < count; ++i) count_sent(piece[sent++]);
        if (count >= 0) continue;
        if (may_be_tried_again(error) && ++attempts < 4) {
            if (error != EINTR) ++statistics.soft_errors;
            continue;
        }
        attempts = 0;
        room = refused(piece[sent++], error);
    }
    messages = parts = 0;
    return room;
}

// A message was refused. It is sent another way or dropped, and the batch goes on; false: the socket is full.
bool Udp::State::refused(const Piece& at, int error) {
    if (full(error)) {
        stop_at(at);
        return false;
    }
    if (at.segment && may_lack_segments(error)) return send_singly(at);
    statistics.dropped_out += at.datagrams();
    return true;
}

// A train without UDP_SEGMENT; false: the socket is full. Trains are given up unless even a single datagram is too large for
// the device, which would explain the refusal.
bool Udp::State::send_singly(const Piece& train) {
    const Transmit& transmit = out[train.transmit];
    TransmitCursor cursor{transmit};
    cursor.skip(train.offset);
    bool too_large = false;
    for (std::size_t done = 0; done < train.bytes; done += train.segment) {
        const Piece single{train.transmit, train.offset + done, std::min<std::size_t>(train.segment, train.bytes - done), 0};
        const int error = send_one(transmit, single, cursor);
        if (full(error)) {
            stop_at(single);
            return false;
        }
        too_large = too_large || error == EMSGSIZE;
        if (error != 0) ++statistics.dropped_out;
    }
    if (!too_large) to->segments = false;
    return true;
}

// One datagram outside the batch; its errno, 0 when it has left.
int Udp::State::send_one(const Transmit& transmit, const Piece& single, TransmitCursor& cursor) {
    std::array<iovec, 64> part;
    const std::size_t used = cursor.take(single.bytes, part);
    if (used > part.size()) {
        cursor.skip(single.bytes);
        return ENOBUFS;
    }
    SocketAddress address;
    OutControl control{};
    msghdr header;
    describe(header, address, control, transmit, 0);
    header.msg_iov = part.data();
    header.msg_iovlen = used;
    int error = 0;
    for (unsigned attempt = 0; attempt < 4; ++attempt) {
        ++statistics.calls_out;
        if (::sendmsg(to->descriptor, &header, 0) >= 0) {
            count_sent(single);
            return 0;
        }
        error = errno;
        if (!may_be_tried_again(error)) return error;
        if (error != EINTR) ++statistics.soft_errors;
    }
    return error;
}

}  // namespace weft::link
