// The state of all flows as trace records tell it: a fold. A snapshot of it is records again, so that a live view, a recording and
// a rewound view are one code path. Pure and bounded: whatever the records say, memory stays below the limits given here.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "stack/core/address.h"
#include "stack/core/place_table.h"
#include "stack/core/trace.h"
#include "stack/core/trace_names.h"

namespace weft::trace {

// One flow, half-open record or listener. Zero: no record said it.
struct FlowState {
    static constexpr std::size_t history_limit =
        12;  // TCP's graph has no loop but through LISTEN; beyond, the oldest are forgotten

    std::uint32_t place{0}, generation{0};
    bool known{false};  // its FlowBegin was heard; else `begin` and the addresses are empty
    std::uint8_t state{state_closed};  // RFC 9293's: state_name()
    std::uint8_t ended_cause{0};  // cause_name()
    std::uint8_t changes{0};  // how many of `history` there are
    FlowBegin begin{};
    Address local, remote;  // none: the wildcard, or not heard
    std::int64_t since_ns{0};  // when it came into `state`
    std::int64_t ended_ns{0};  // 0: it lives
    std::uint16_t slot{0};  // of its congestion module now; `begin` says which it began with
    std::array<char, 16> module{};
    std::uint32_t limit{0};  // what holds it back: limit_name()
    std::uint32_t losses{0};  // Loss records so far
    Congestion congestion{};
    Rate rate{};
    Counters counters{};
    std::int64_t counters_ns{0};  // when `counters` were counted
    std::uint64_t rate_in{0}, rate_out{0};  // bytes per second between the last two Counters
    std::array<Taken, history_limit> history{};  // oldest first

    bool lives() const { return ended_ns == 0; }
    std::span<const Taken> taken() const { return {history.data(), changes}; }
};
bool operator==(const FlowState& a, const FlowState& b);

class Replay {
public:
    // Beyond `living` a new flow is not taken up (refused()); beyond `ended` and `addresses` the oldest is forgotten.
    struct Limits {
        std::size_t living{131'072}, ended{1'024}, addresses{262'144};
    };
    Replay() : Replay(Limits{}) {}
    explicit Replay(const Limits& limits) : limits_{limits} {}

    // Any record, in the order of their times. Some 10 ns.
    void apply(const Record& record);
    void apply(std::span<const Record> records);

    // The one that began there last, if it lives, else the one that ended there last; valid until the next apply().
    const FlowState* find(std::uint32_t place) const;
    // The very one. A connection in TIME-WAIT lives on when its place begins anew.
    const FlowState* find(std::uint32_t place, std::uint32_t generation) const;

    // In no order that means anything, but the same one after the same records.
    std::span<const FlowState> living() const { return living_; }
    const std::deque<FlowState>& ended() const { return ended_; }  // oldest first
    std::size_t size() const { return living_.size() + ended_.size(); }
    const FlowState& at(std::size_t row) const { return row < living_.size() ? living_[row] : ended_[row - living_.size()]; }

    const Address* address(std::uint32_t id) const;  // nullptr: no complete Define of it was heard
    std::int64_t now_ns() const { return now_ns_; }  // the newest time that a record told
    // Records that were lost on the way, in a full ring or a full queue: of a class; of all.
    std::uint64_t lagged(Type type) const;
    std::uint64_t lagged() const;
    std::uint64_t left_out() const;  // because the subscriber's rate limit asked for it
    std::uint64_t refused() const { return refused_; }  // flows beyond the limit, and records that make no sense

    // Records with snapshot_flag and the time `t_ns` that make an empty Replay of the same limits equal to this one (but for refused()); call it between two moments of record time.
    // About ten a flow; appended to `out`.
    void snapshot(std::int64_t t_ns, std::vector<Record>& out) const;
    // The same in pieces, for who cannot take all at once: addresses, from `next` on at most `most` (false: that was the last one); what was
    // lost, and flows that ended; and a flow of this Replay. Who hears the pieces in this order, and between them nothing but addresses
    // and what happens to flows that it was told, knows as much as this one.
    bool snapshot_addresses(std::size_t& next, std::size_t most, std::int64_t t_ns, std::vector<Record>& out) const;
    void snapshot_ended(std::size_t most, std::int64_t t_ns, std::vector<Record>& out) const;  // the last ones
    void snapshot_flow(const FlowState& flow, std::int64_t t_ns, std::vector<Record>& out) const;

    friend bool operator==(const Replay& a, const Replay& b);

private:
    struct Known {  // an address under its id
        std::uint32_t id{0};
        Family family{};  // none: forgotten again
        std::uint8_t parts{0};  // bit n: part n was heard
        std::array<std::byte, Address::max_size> bytes{};
        Address address;  // none until all of it was heard
    };
    class Teller;  // writes a snapshot

    static std::uint64_t identity(std::uint32_t place, std::uint32_t generation) {
        return std::uint64_t{generation} << 32 | place;
    }
    void fetch(const Record& record) const;
    FlowState* latest(std::uint32_t place);
    FlowState* living(std::uint32_t place, std::uint32_t generation);
    FlowState* sampled(const Record& record);
    FlowState* add(const Record& record, std::uint32_t generation, bool earlier);
    void displace(std::uint32_t place, std::int64_t t_ns);
    void remove(FlowState& flow);
    const Known* known(std::uint32_t id) const;
    Address heard(std::uint32_t id) const;
    void end(FlowState& flow, std::int64_t t_ns, std::uint8_t cause);
    void forget_ended();
    void apply_begin(const Record& record);
    void apply_state(const Record& record);
    void apply_told_state(const Record& record, const StateChange& change);
    void apply_moved(const Record& record, const StateChange& change);
    void apply_define(const Record& record);
    void apply_plugin(const Record& record);
    void apply_counters(const Record& record);
    void apply_lagged(const Record& record);
    void apply_history(const Record& record);
    void apply_summary(const Record& record);

    Limits limits_;
    std::vector<FlowState> living_;
    std::deque<FlowState> ended_;
    std::uint32_t first_ended_{0};  // the number of ended_.front(); numbers count up
    PlaceTable latest_;  // place to index in living_ of who began there last
    PlaceTable aside_;  // identity to index in living_: connections in TIME-WAIT whose place began anew
    PlaceTable ended_numbers_;  // identity to number
    std::uint64_t telling_{0};  // identity of the flow that a snapshot tells of at the moment
    FlowState
        moving_;  // a half-open record that becomes a connection at moving_.ended_ns, between the two records that say so
    std::vector<Known> addresses_;  // a ring once it is full
    std::size_t next_address_{0};
    PlaceTable address_ids_;
    std::int64_t now_ns_{0};
    std::uint64_t refused_{0};
    std::array<std::array<std::uint64_t, 32>, 3> lagged_{};  // by where and type
};

}  // namespace weft::trace
