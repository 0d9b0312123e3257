// SETUP and its answers, to the byte (docs/wire.md): values that parse from hostile bytes, their writers, and the signatures
// over SETUP and its ACK.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "overlay/block.h"
#include "overlay/control_lists.h"
#include "overlay/identity.h"
#include "overlay/label.h"

namespace weft::overlay {

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

struct Setup {
    static constexpr std::size_t fixed = 264, largest = 976, init_bytes = 40;
    static constexpr std::size_t visited_limit = 64, avoid_limit = 16, state_limit = 32;
    static constexpr std::uint8_t init_flag = 1, pinned_flag = 2, private_flag = 4;
    static constexpr std::uint8_t first_hops = 255, first_tries = 32;

    bool pinned{false};  // `visited` names the hops to use
    bool private_source{false};  // `src` is a throw-away identity
    std::uint64_t path{0};
    std::uint8_t hops_left{first_hops}, tries_left{first_tries}, suite{suite_ed25519};
    std::uint16_t pmtu{0}, cost{0};
    Label back_label{0};  // the sender's, for packets towards the source
    Label via{0};  // the receiver's label that leads to a waypoint; 0: none
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

}  // namespace weft::overlay
