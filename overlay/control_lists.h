// Control messages between neighbours (docs/wire.md): the body of a CTRL frame is `op u8 | flags u8 | txid u16 | message`. Its
// header, and the messages that are lists of small items.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "overlay/block.h"
#include "overlay/label.h"

namespace weft::overlay {

enum class Op : std::uint8_t {
    got = 0x0d,
    setup = 0x20,
    setup_ack = 0x21,
    setup_nak = 0x22,
    broken = 0x24,
    stale = 0x25,
    teardown = 0x26,
    mtu = 0x27,
    routing_first = 0x40,  // to 0x7f: the routing module's own
    routing_last = 0x7f
};

using Body = std::vector<std::byte>;  // of a CTRL frame, its header included

struct ControlHeader {
    static constexpr std::size_t size = 4;
    static constexpr std::uint8_t reliable_flag = 0x80;

    Op op{};
    std::uint8_t flags{0};
    std::uint16_t txid{0};  // of a reliable message: the neighbour names it in GOT

    bool reliable() const { return (flags & reliable_flag) != 0; }
    static std::optional<ControlHeader> parse(Bytes body);
    friend bool operator==(const ControlHeader&, const ControlHeader&) = default;
};
void set_txid(Body& body, std::uint16_t txid);

// Lists: a message is one or more of an item, to its end. read() trusts valid().
struct BrokenItem {
    static constexpr Op op = Op::broken;
    static constexpr std::size_t size = 16;
    static constexpr bool reliable = true;
    std::uint64_t path{0};
    Tag accused{0};
    static BrokenItem read(const std::byte* at) { return {load_little<std::uint64_t>(at), load_little<Tag>(at + 8)}; }
    void write(std::byte* at) const { store_little(at, path), store_little(at + 8, accused); }
    friend bool operator==(const BrokenItem&, const BrokenItem&) = default;
};
struct StaleItem {
    static constexpr Op op = Op::stale;
    static constexpr std::size_t size = 4;
    static constexpr bool reliable = false;
    Label label{0};  // the receiver of the message wrote it into a packet
    static StaleItem read(const std::byte* at) { return {load_little<Label>(at)}; }
    void write(std::byte* at) const { store_little(at, label); }
    friend bool operator==(const StaleItem&, const StaleItem&) = default;
};
struct TeardownItem {
    static constexpr Op op = Op::teardown;
    static constexpr std::size_t size = 8;
    static constexpr bool reliable = true;
    std::uint64_t path{0};
    static TeardownItem read(const std::byte* at) { return {load_little<std::uint64_t>(at)}; }
    void write(std::byte* at) const { store_little(at, path); }
    friend bool operator==(const TeardownItem&, const TeardownItem&) = default;
};
struct MtuItem {
    static constexpr Op op = Op::mtu;
    static constexpr std::size_t size = 10;
    static constexpr bool reliable = false;
    std::uint64_t path{0};
    std::uint16_t mtu{0};  // bytes of UDP payload
    static MtuItem read(const std::byte* at) { return {load_little<std::uint64_t>(at), load_little<std::uint16_t>(at + 8)}; }
    void write(std::byte* at) const { store_little(at, path), store_little(at + 8, mtu); }
    friend bool operator==(const MtuItem&, const MtuItem&) = default;
};
struct GotItem {
    static constexpr Op op = Op::got;
    static constexpr std::size_t size = 2;
    static constexpr bool reliable = false;
    std::uint16_t txid{0};
    static GotItem read(const std::byte* at) { return {load_little<std::uint16_t>(at)}; }
    void write(std::byte* at) const { store_little(at, txid); }
    friend bool operator==(const GotItem&, const GotItem&) = default;
};

// Items of one message at most: it fits into the smallest datagram.
inline constexpr std::size_t list_bytes = 960;

// Calls `each` for every item; false, and no call: the message is no list of them.
template <class Item, class Each>
bool read_list(Bytes message, Each&& each) {
    if (message.empty() || message.size() % Item::size != 0) return false;
    for (std::size_t at = 0; at < message.size(); at += Item::size) each(Item::read(&message[at]));
    return true;
}

template <class Item>
Body list_body(std::span<const Item> items) {
    Body body(ControlHeader::size + items.size() * Item::size);
    body[0] = std::byte(Item::op);
    body[1] = std::byte(Item::reliable ? ControlHeader::reliable_flag : 0);
    for (std::size_t i = 0; i < items.size(); ++i) items[i].write(&body[ControlHeader::size + i * Item::size]);
    return body;
}

}  // namespace weft::overlay
