// The path table: a keyed hash of the addresses leads to the index.
#include "stack/net/path.h"

#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/overlay.h"
#include "stack/wire/pseudo.h"

namespace weft::net {

std::size_t header_size(Family family) {
    switch (family) {
    case Family::ipv4: return wire::Ipv4View::min_size;
    case Family::ipv6: return wire::Ipv6View::header_size;
    case Family::overlay: return wire::OverlayView::header_size;
    default: return 0;
    }
}

std::size_t write_header(const Address& source, const Address& destination, std::span<std::byte> out) {
    if (source.family() != destination.family()) return 0;
    switch (source.family()) {
    case Family::ipv4:
        return wire::Ipv4Header{
            .total_length = 20, .protocol = wire::protocol_tcp, .source = source, .destination = destination}
            .write(out);
    case Family::ipv6:
        return wire::Ipv6Header{.protocol = wire::protocol_tcp, .source = source, .destination = destination}.write(out);
    case Family::overlay:
        return wire::OverlayHeader{.protocol = wire::protocol_tcp, .source = source, .destination = destination}.write(out);
    default: return 0;
    }
}

void finish_header(Family family, std::span<std::byte> header, std::uint8_t dscp, Ecn ecn, std::uint8_t hop_limit,
                   std::uint16_t id) {
    const auto traffic_class = std::uint8_t(dscp << 2 | std::uint8_t(ecn));
    if (family == Family::ipv4) {
        header[1] = std::byte{traffic_class};
        store_big(header.data() + wire::Ipv4View::id_at, id);
        header[8] = std::byte{hop_limit};
        return;
    }
    header[0] = (header[0] & std::byte{0xf0}) | std::byte(traffic_class >> 4);
    header[1] = (header[1] & std::byte{0x0f}) | std::byte(std::uint8_t(traffic_class << 4));
    header[7] = std::byte{hop_limit};
}

std::uint64_t PathTable::hash(const Address& local, const Address& remote, std::uint32_t scope) const {
    SipHash hash{key_};
    for (const Address* address : {&local, &remote}) {
        Bytes bytes = address->bytes();
        for (; bytes.size() >= 8; bytes = bytes.subspan(8)) hash.word(load_little<std::uint64_t>(bytes.data()));
        if (bytes.size() >= 4) hash.word(load_little<std::uint32_t>(bytes.data()));
    }
    hash.word(std::uint64_t(local.family()) << 32 | scope);
    return hash.finish();
}

std::uint32_t PathTable::find(const Address& local, const Address& remote, std::uint32_t scope) const {
    const auto found = table_.find(hash(local, remote, scope));
    if (!found) return 0;
    const Path& path = paths_[*found];
    return path.local == local && path.remote == remote && path.scope == scope ? *found : 0;
}

std::uint32_t PathTable::intern(const Address& local, const Address& remote, std::uint32_t scope) {
    const std::uint64_t name = hash(local, remote, scope);
    if (const auto found = table_.find(name)) {
        const Path& path = paths_[*found];
        return path.local == local && path.remote == remote && path.scope == scope ? *found : 0;
    }
    Path path{.local = local, .remote = remote, .scope = scope, .link = 0, .hash = name};
    if (write_header(local, remote, path.header) == 0) return 0;
    std::uint32_t index = count_;
    if (!free_.empty()) {
        index = free_.back();
        free_.pop_back();
    } else if (count_ == most) {
        return 0;
    } else {
        paths_.reach(count_++);
    }
    path.alive = true;
    paths_[index] = path;
    table_.insert(name, index);
    return index;
}

void PathTable::erase(std::uint32_t path) {
    if (!alive(path)) return;
    table_.erase(paths_[path].hash);
    paths_[path].alive = false;
    ++erased_;
    free_.push_back(path);
}

}  // namespace weft::net
