// The inside of Switch: one object, its methods spread over the files switch_*.cc by what they are about.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "overlay/allowance.h"
#include "overlay/control.h"
#include "overlay/label_table.h"
#include "overlay/path_table.h"
#include "overlay/reliable.h"
#include "overlay/switch.h"
#include "stack/core/timer_wheel.h"

namespace weft::overlay {

struct Neighbour {
    static constexpr std::size_t once_limit = 256;

    Neighbour(const Address& who, std::uint16_t first_txid) : address{who}, tag{tag_of(who)}, reliable{first_txid} {}

    Address address;
    Tag tag{0};
    std::uint32_t mtu{0}, loss_ppm{0};
    Duration srtt;
    bool suspect{false}, gone{false};

    Reliable reliable;
    std::vector<Body> once;                       // to be sent, not reliable
    Few<StaleItem, 64> stale;
    Few<MtuItem, 16> hints;
    std::vector<BrokenItem> broken;
    bool dirty{false};                            // control() has something to look for here
    Allowance setups, naks, stales, mtu_hints, answers;
    Shares forwarded;                             // SETUPs to it, by the neighbours that they came from

    IndexList asked, open;                        // paths that it asked for; open ones about by last use
    std::uint32_t labels{0};                      // of these
};

struct Refusal {
    NakReason reason{};
    Tag reporter{0}, accused{0};
};

struct Switch::State {
    static constexpr Duration asked_life = Duration::seconds(10), refused_life = Duration::seconds(10);
    static constexpr Duration longest_deadline = Duration::seconds(9), hop_margin = Duration::milliseconds(5);
    static constexpr Duration ask_again = Duration::milliseconds(50);
    static constexpr unsigned stale_a_second = 100, hints_a_second = 20, verifications_for_learning = 20;
    static constexpr std::uint16_t mtu_floor = 1'200, cost_limit = 0xfffe;

    using Role = PathRecord::Role;
    using Stage = PathRecord::Stage;
    enum class RouteEvent : std::uint32_t { setup = 1, ack, nak, teardown, broken };
    enum class LabelEvent : std::uint32_t { made = 1, completed, freed };

    State(const Identity& who, const SwitchConfig& settings, Entropy random, const weft_router_v1& table, void* module);

    // switch.cc
    std::uint64_t random_word();
    Tag own_tag() const { return tag_of(identity.address()); }
    std::uint64_t unix_ms(Instant now) const;
    Neighbour* neighbour(LinkNumber link) {
        return link != 0 && link < neighbours.size() ? neighbours[link].get() : nullptr;
    }
    Neighbour& asker(LinkNumber up) { return up == 0 ? self : *neighbours[up]; }
    Tag tag_at(LinkNumber link) {
        const Neighbour* at = neighbour(link);
        return at ? at->tag : Tag{0};
    }
    void advance(Instant now);
    Instant deadline() const;
    void note(RouteEvent event, bool sent, std::uint64_t path, LinkNumber link, Instant now, NakReason reason = {},
              Tag accused = 0, std::uint32_t hops = 0);
    void note(LabelEvent event, Label label, Instant now);
    trace::Label body_of(LabelEvent event, Label label, const LabelEntry& entry) const;
    void drop(LinkNumber in, Label label, LabelDrop why, Instant now);
    Onward onward(LinkNumber in, Label label, std::uint8_t hop_limit, std::size_t bytes, Instant now);

    // switch_control.cc: messages in and out
    void receive(LinkNumber from, Bytes body, Instant now);
    void take(LinkNumber from, const ControlHeader& header, Bytes body, Instant now);
    bool send(LinkNumber link, Body body, std::uint64_t about, Instant now);   // reliable; false: the queue is full
    void send_once(LinkNumber link, Body body);
    void touch(LinkNumber link);                                               // it has something for control()
    void gather(Instant now);
    void flush_lists(LinkNumber link, Neighbour& to, Instant now);
    void repeat(LinkNumber link, Instant now);

    // switch_setup.cc: SETUP, ACK and NAK
    void receive_setup(LinkNumber from, const ControlHeader& header, Bytes message, Instant now);
    void answer_known(LinkNumber from, std::uint32_t index, const Setup& setup, Instant now);
    void offer(LinkNumber from, Setup&& setup, Instant now);
    std::uint32_t begin(LinkNumber up, Role role, Setup&& setup, Duration deadline, Instant now);
    std::optional<Refusal> attempt(std::uint32_t index, Instant now);          // to the next hop; or why not
    bool send_setup(std::uint32_t index, LinkNumber link, Instant now);
    void try_elsewhere(std::uint32_t index, const Refusal& why, std::uint8_t tries, Instant now);
    void give_up(std::uint32_t index, const Refusal& why, Instant now);
    void nak(LinkNumber to, std::uint64_t path, const Refusal& why, std::uint8_t tries, bool reliable, Instant now);
    void receive_nak(LinkNumber from, Bytes message, Instant now);
    void receive_ack(LinkNumber from, Bytes message, Instant now);
    void complete(std::uint32_t index, SetupAck& ack, Instant now);
    void opened(std::uint32_t index, const SetupAck& ack, Instant now);
    void answer_ack(std::uint32_t index, const SetupAck& ack, Instant now);

    // switch_ends.cc: paths that begin or end here
    Result<std::uint64_t> open(const Address& destination, Bytes init, Instant now, const PathWish& wish);
    void accept(std::uint64_t path, Bytes resp, Instant now);
    void refuse(std::uint64_t path, NakReason why, Instant now);
    void close(std::uint64_t path, Instant now);
    void renew(std::uint64_t path, Instant now);
    PathEvent event(PathEvent::Kind kind, std::uint32_t index);
    std::vector<PathStatus> statuses() const;

    // switch_links.cc: links, and what ends paths
    void link_up(LinkNumber link, const Address& who, std::uint32_t mtu, Duration srtt, Instant now);
    void link_mtu(LinkNumber link, std::uint32_t mtu, Instant now);
    void link_down(LinkNumber link, Instant now);
    // BROKEN to all links but `from`; removed. `failed`: the way did, else the path was only given up.
    void cut(std::uint32_t index, LinkNumber from, Tag accused, Instant now, bool failed = true);
    void review_transit(Instant now);
    void tear(std::uint32_t index, LinkNumber from, Instant now);              // TEARDOWN likewise
    void send_teardown(LinkNumber link, std::uint64_t path, Instant now);
    void receive_broken(LinkNumber from, const BrokenItem& item, Instant now);
    void receive_teardown(LinkNumber from, const TeardownItem& item, Instant now);
    void receive_stale(LinkNumber from, const StaleItem& item, Instant now);
    void receive_mtu(LinkNumber from, const MtuItem& item, Instant now);
    std::optional<std::uint32_t> own(LinkNumber from, std::uint64_t path);  // the path, if `from` is one of its two links
    std::uint16_t cost_of(const Neighbour& at) const;

    // switch_room.cc: labels, limits and lifetimes
    Label give_label(std::uint32_t index, LinkNumber in_link, Instant now);  // 0: no room
    void free_label(Label& label, LinkNumber asked_by, Instant now);
    bool room(std::uint32_t keep, Instant now);
    bool evict(Neighbour& from, std::uint32_t keep, Instant now);
    void evict(std::uint32_t index, Instant now);
    void set_stage(std::uint32_t index, Stage stage, Instant now);
    void remove(std::uint32_t index, Instant now);
    void expire(std::uint32_t index, Instant now);
    std::uint32_t expiry(const PathRecord& record) const;  // ticks

    // switch_router.cc: the routing module
    struct Choice {
        enum class Kind : std::uint8_t { none, forward, pending } kind{};
        LinkNumber link{0};
        Label via{0};
        std::uint32_t mtu{0};
        NakReason reason{};
    };
    Choice choose(PathRecord& record, Instant now);
    Choice along_via(const PathRecord& record, NakReason otherwise);
    bool usable(const PathRecord& record, std::uint32_t link);
    void tell_link(LinkNumber link, std::uint32_t what, Instant now);
    void tell_broken(const PathRecord& record, Instant now);
    void learn(const PathRecord& record, const SetupAck& ack,
               Instant now);  // both ends, in transit; the other one, at an end
    void learn_source(const PathRecord& record, Instant now);
    void tell_learnt(const PathRecord& record, LinkNumber link, const Address& remote, std::uint16_t cost, std::uint8_t hops,
                     Instant now);
    void ask_waiting(Instant now);
    void close_unwanted(Instant now);

    const Identity& identity;
    SwitchConfig config;
    Entropy entropy;
    weft_router_v1 router{};  // its missing tail zero
    void* module;
    Access* access{nullptr};

    LabelTable labels;
    PathTable paths;
    TimerWheel path_timers, link_timers;
    std::vector<std::unique_ptr<Neighbour>> neighbours;  // by LinkNumber
    Neighbour self{Address{}, 0};  // who asks for the paths that begin here
    std::vector<LinkNumber> dirty;
    std::deque<Control> outgoing;
    std::deque<PathEvent> events;
    std::vector<LinkNumber> lost;
    Allowance verifications, learning;
    std::uint32_t waiting{0};  // paths for which the module said PENDING
    Instant wake{Instant::never()}, now_;
    bool asking{false};  // the module, about a record in use: no path may come or go meanwhile
    std::vector<std::uint64_t> unwanted;  // paths that it closed then

    SwitchStatistics statistics;
    trace::Sink sink;
};

}  // namespace weft::overlay
