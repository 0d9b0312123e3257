// ARP's one format (RFC 826).
#include "stack/wire/arp.h"

#include "stack/wire/ethernet.h"

namespace weft::wire {

Parsed<ArpPacket> ArpPacket::parse(Bytes packet) {
    if (packet.size() < size) return std::unexpected(Malformed::truncated);
    Reader from{packet};
    const auto hardware = from.big<std::uint16_t>(), protocol = from.big<std::uint16_t>(),
               lengths = from.big<std::uint16_t>();
    if (hardware != 1 || protocol != ethertype_ipv4 || lengths != 0x0604) return std::unexpected(Malformed::version);
    ArpPacket out;
    out.operation = from.big<std::uint16_t>();
    from.copy(out.sender_mac);
    out.sender = {Family::ipv4, from.take(4)};
    from.copy(out.target_mac);
    out.target = {Family::ipv4, from.take(4)};
    if ((out.operation != request && out.operation != reply) || is_group(out.sender_mac))
        return std::unexpected(Malformed::refused);
    return out;
}

std::size_t ArpPacket::write(MutableBytes out) const {
    if (out.size() < size || sender.bytes().size() != 4 || target.bytes().size() != 4) return 0;
    Writer to{out};
    to.big(std::uint16_t{1}), to.big(ethertype_ipv4), to.big(std::uint16_t{0x0604}), to.big(operation);
    to.put(sender_mac), to.put(sender.bytes()), to.put(target_mac), to.put(target.bytes());
    return to.size();
}

}  // namespace weft::wire
