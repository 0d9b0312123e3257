// Neighbours on Ethernet links: which device answers for an address. One cache for ARP (RFC 826; RFC 1122, section 2.3.2) and
// NDP (RFC 4861, section 7.3). An entry exists because a path goes through it, or because the neighbour asked for us; the
// latter are few and the oldest goes first, so that no flood makes the cache grow.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/flat_table.h"
#include "stack/core/index_list.h"
#include "stack/core/random.h"
#include "stack/core/slab.h"
#include "stack/core/timer_wheel.h"

namespace weft {

// RFC 4861, section 7.3.2; `failed` is an entry that did not answer and that paths still go through.
enum class NeighbourState : std::uint8_t { incomplete, reachable, stale, delay, probe, failed };

constexpr std::string_view to_string(NeighbourState state) {
    constexpr std::array<std::string_view, 6> names{"incomplete", "reachable", "stale", "delay", "probe", "failed"};
    return names[std::size_t(state)];
}

// For whoever looks in.
struct NeighbourEntry {
    Address address;
    std::uint32_t link{0};
    NeighbourState state{};
    Mac mac{};  // none while incomplete or failed
    std::uint32_t paths{0};  // that go through it
};

namespace net {

// A packet that waits for its neighbour's address. It shares its text with whoever sent it.
struct Held {
    Transmit frame;
    std::vector<Slice> payload;
};

struct Neighbour {
    Address address;
    std::uint32_t link{0};
    NeighbourState state{NeighbourState::incomplete};
    std::uint8_t tries{0};  // requests in a row that nobody answered
    bool alive{false}, asking{false};  // asking: a resolution is under way
    Mac mac{};
    Instant fresh_until;  // until then packets go to `mac` without a look at the state
    Instant retry_at;  // failed: not asked again before
    std::uint64_t name{0};  // its hash
    IndexList paths;  // that go through it
    std::uint32_t users{0};  // how many they are
    Place idle;  // among those without paths, the oldest first
    std::vector<Held> held;  // the newest few
};

class Neighbours {
public:
    static constexpr std::uint32_t most_idle = 1'024;  // entries through which no path goes
    static constexpr std::size_t most_held = 8, most_held_in_all = 256;  // packets; of one neighbour the oldest goes first
    static constexpr Duration reachable_time = Duration::seconds(30), retransmit = Duration::seconds(1);
    static constexpr Duration first_probe = Duration::seconds(5);  // RFC 4861, section 10
    static constexpr unsigned most_tries = 3;

    explicit Neighbours(const HashKey& key) : key_{key}, table_{{key.high, key.low}} {}

    // A path goes through it from now on; it is made if there is none. `none`: all indices are taken.
    std::uint32_t hold(const Address& address, std::uint32_t link);
    void release(std::uint32_t index);
    std::uint32_t find(const Address& address, std::uint32_t link) const;

    // May a packet leave to `mac` now? It may not while nobody answered: then keep() it, and take_ask() says what to send.
    bool usable(std::uint32_t index, Instant now) {
        return now < entries_[index].fresh_until || usable_after_a_look(index, now);
    }
    void keep(std::uint32_t index, const Transmit& frame, std::span<const Slice> payload);

    // What a neighbour said of itself (RFC 4861, sections 7.2.3 and 7.2.5; ARP is fitted into the same words).
    struct Said {
        Mac mac{};
        bool has_mac{true};
        bool solicited{false};  // says that it answers a question: believed only if we asked one
        bool overrides{true};  // may replace what we know
        bool asks_us{false};  // it wants to talk to us: worth an entry
    };
    enum class Heard : std::uint8_t { nothing, resolved, moved };  // resolved: there was no address, now there is
    Heard hear(const Address& address, std::uint32_t link, const Said& said, Instant now);

    void advance(Instant now);
    Instant deadline() const { return wheel_.next(); }
    void remove_link(std::uint32_t link);  // its entries without paths

    // What became due, drained by the engine after each call above.
    struct Ask {
        std::uint32_t index{0};
        bool unicast{false};  // to `mac`: is it still there?
    };
    std::vector<Ask> asks;
    std::vector<std::uint32_t> failed;  // nobody answered: their paths want to know

    Neighbour& operator[](std::uint32_t index) { return entries_[index]; }
    const Neighbour& operator[](std::uint32_t index) const { return entries_[index]; }
    bool alive(std::uint32_t index) const { return index < count_ && entries_[index].alive; }
    std::size_t size() const { return table_.size(); }
    std::size_t held() const { return held_; }
    std::uint64_t dropped() const { return dropped_; }  // packets that waited in vain
    std::vector<Held> take_held(std::uint32_t index);
    std::vector<NeighbourEntry> all() const;

private:
    std::uint64_t name_of(const Address& address, std::uint32_t link) const;
    std::uint32_t make(const Address& address, std::uint32_t link);
    void erase(std::uint32_t index);
    bool usable_after_a_look(std::uint32_t index, Instant now);
    void expire(std::uint32_t index, Instant now);
    void fail(std::uint32_t index, Instant now);
    void confirm(Neighbour& entry, Instant now);
    auto idle_place() {
        return [this](std::uint32_t i) -> Place& { return entries_[i].idle; };
    }

    HashKey key_;
    FlatTable table_;
    Pages<Neighbour, 4> entries_;
    std::vector<std::uint32_t> free_;
    std::uint32_t count_{0};
    IndexList idle_;
    std::uint32_t idle_count_{0};
    TimerWheel wheel_;
    std::size_t held_{0};
    std::uint64_t dropped_{0}, draws_{0};
};

}  // namespace net
}  // namespace weft
