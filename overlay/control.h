// Control messages between neighbours, to the byte (docs/wire.md): the body of a CTRL frame is `op u8 | flags u8 | txid u16 |
// message`. Values that parse from hostile bytes, their writers, and the signatures over SETUP and its ACK.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "overlay/block.h"
#include "overlay/identity.h"
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

// At most N of something, in place.
template <class T, std::size_t N>
class Few {
public:
    static constexpr std::size_t limit = N;

    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const T* begin() const { return items_.data(); }
    const T* end() const { return items_.data() + size_; }
    const T& operator[](std::size_t i) const { return items_[i]; }
    std::span<const T> span() const { return {items_.data(), size_}; }
    void clear() { size_ = 0; }
    bool push_back(const T& item) {  // false: full
        if (size_ == N) return false;
        items_[size_++] = item;
        return true;
    }
    void push_dropping_first(const T& item) {
        if (size_ == N) std::move(items_.begin() + 1, items_.end(), items_.begin()), --size_;
        push_back(item);
    }
    bool contains(const T& item) const { return std::find(begin(), end(), item) != end(); }
    friend bool operator==(const Few& a, const Few& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

private:
    std::array<T, N> items_{};
    std::size_t size_{0};
};

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

struct Setup {
    static constexpr std::size_t fixed = 264, largest = 976, init_bytes = 40;
    static constexpr std::size_t visited_limit = 64, avoid_limit = 16, state_limit = 32;
    static constexpr std::uint8_t init_flag = 1, pinned_flag = 2, private_flag = 4;
    static constexpr std::uint8_t first_hops = 255, first_tries = 32;

    bool pinned{false};          // `visited` names the hops to use
    bool private_source{false};  // `src` is a throw-away identity
    std::uint64_t path{0};
    std::uint8_t hops_left{first_hops}, tries_left{first_tries}, suite{suite_ed25519};
    std::uint16_t pmtu{0}, cost{0};
    Label back_label{0};  // the sender's, for packets towards the source
    Label via{0};         // the receiver's label that leads to a waypoint; 0: none
    std::uint64_t ts{0};  // unix ms
    std::uint16_t deadline{0};  // ms
    Address dst, src;
    PublicKey key{};
    Block<64> signature{};
    Few<Tag, visited_limit> visited;
    Few<Tag, avoid_limit> avoid;
    Few<std::byte, state_limit> state;
    Few<std::byte, init_bytes> payload;  // INIT's first 40 bytes, or none

    static std::optional<Setup> parse(const ControlHeader& header, Bytes message);
    Body body() const;  // reliable, txid 0
    void sign(const Identity& identity, const Block<8>& netid);
    bool verify(const Block<8>& netid) const;  // `key` is src's, and signed this
    friend bool operator==(const Setup&, const Setup&) = default;
};

struct Shortcut {
    Tag hop{0}, mine{0};
    friend bool operator==(const Shortcut&, const Shortcut&) = default;
};

struct SetupAck {
    static constexpr std::size_t fixed = 128, largest = 944, resp_bytes = 176;
    static constexpr std::size_t shortcut_limit = 8;

    std::uint64_t path{0};
    Label forward_label{0};  // the sender's, for packets towards the destination
    std::uint16_t pmtu{0}, cost{0};
    std::uint8_t hops{0}, suite{suite_ed25519};
    std::uint64_t ts{0};  // SETUP's
    PublicKey key{};
    Block<64> signature{};
    Few<std::byte, resp_bytes> payload;  // RESP, or none
    Few<Tag, Setup::visited_limit> visited;  // as the destination saw them
    Few<Shortcut, shortcut_limit> shortcuts;

    static std::optional<SetupAck> parse(Bytes message);
    Body body() const;
    // The path's two ends are not in the message: who asked knows them.
    void sign(const Identity& identity, const Block<8>& netid, const Address& dst, const Address& src);
    bool verify(const Block<8>& netid, const Address& dst, const Address& src) const;
    friend bool operator==(const SetupAck&, const SetupAck&) = default;
};

struct SetupNak {
    static constexpr std::size_t size = 28;

    std::uint64_t path{0};
    std::uint8_t reason{0};  // NakReason; 1 to 8
    std::uint8_t tries_left{0};
    Tag reporter{0}, accused{0};

    static std::optional<SetupNak> parse(Bytes message);
    Body body(bool reliable) const;
    friend bool operator==(const SetupNak&, const SetupNak&) = default;
};

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
