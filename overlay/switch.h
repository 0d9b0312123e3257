// Label switching of one node, without I/O (docs/wire.md): control messages between neighbours, labels, path ids, and both
// ends of paths. It neither encrypts nor knows UDP: Links gives it what came authenticated from a neighbour, and sends for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "overlay/entropy.h"
#include "overlay/identity.h"
#include "overlay/label.h"
#include "plugins/abi/weft_plugin.h"
#include "stack/core/result.h"
#include "stack/core/trace_sink.h"

namespace weft::overlay {

class Access;

// Why a SETUP came back. The numbers are the wire's and the routing modules'.
enum class NakReason : std::uint8_t { none, no_route, loop, hops, tries, busy, timeout, stale, admin };
inline constexpr std::size_t nak_reasons = 9;
std::string_view to_string(NakReason reason);

struct SwitchConfig {
    Block<8> netid{};  // first 8 bytes of Network::net
    std::uint64_t unix_zero{0};  // as in LinksConfig
    std::uint32_t labels_a_link{65'536};  // charged to the neighbour that asked for the path
    std::uint32_t labels{1u << 20};
    unsigned setups_a_second{50};  // from one neighbour, and as many at once; beyond: NAK busy
    unsigned verifications_a_second{200};  // of SETUPs for this node, from all neighbours; beyond: NAK busy
};

// What becomes of paths that begin or end here. Other ends, addresses and signatures are verified; tags, costs, hops, MTUs
// and reasons are hints that any node on the way may have made up.
struct PathEvent {
    enum class Kind : std::uint8_t {
        offered,  // a SETUP for this node: answer with accept() or refuse(). `payload`: INIT's bytes 0..39, or none
        opened,  // the other end accepted: `payload` is RESP, or none
        failed,  // a SETUP of ours came back, or nothing did: `reason`, `reporter`, `accused`. The path is gone
        broken,  // a link of the path went down, or a node forgot it: `accused`. The path is gone
        closed,  // by the other end. The path is gone
        mtu  // a hint: `mtu`
    };
    Kind kind{};
    bool private_source{false};  // offered: `remote` is a throw-away identity; the session tells the real one
    NakReason reason{};
    std::uint8_t hops{0};  // links between the ends
    std::uint16_t mtu{0};  // UDP payload on the narrowest link; with opened, offered and mtu
    std::uint16_t cost{0};  // sum of the links' costs, at most 0xfffe
    LinkNumber link{0};  // where its packets leave and arrive
    Label label{0};  // to send with on `link`: opened and offered
    std::uint64_t path{0};  // its id
    Address remote;
    Tag reporter{0}, accused{0};
    std::vector<std::byte> payload;
    std::vector<Tag> visited;  // opened: nodes between the ends, from here; at most 64
};

struct PathWish {
    Duration deadline{Duration::milliseconds(1'500)};  // then: failed, timeout. 4,500 ms after a NAK that said timeout
    std::span<const Tag> avoid;  // at most 16
};

// For people: one path that begins or ends here.
struct PathStatus {
    std::uint64_t path{0};
    Address remote;
    bool source{false};  // begun here
    bool open{false};  // acknowledged
    LinkNumber link{0};
    Label label_out{0}, label_in{0};
    std::uint16_t mtu{0}, cost{0};
    std::uint8_t hops{0};
    Instant since, expires;
    std::vector<Tag> visited;
};

// For people: one label of this node.
struct LabelRow {
    Label label{0}, out_label{0};  // out_label 0: the path ends here
    LinkNumber in_link{0}, out_link{0};
    std::uint8_t generation{0};
    bool acked{false}, terminal{false};
    std::uint16_t mtu{0};
    Instant expires;
    std::uint64_t packets{0}, bytes{0}, path{0};
};

struct SwitchStatistics {
    std::uint64_t forwarded{0}, forwarded_bytes{0}, delivered{0}, dropped[label_drops]{};  // by LabelDrop
    std::uint64_t setups{0}, setups_forwarded{0}, acks{0}, naks_in[nak_reasons]{}, naks_out[nak_reasons]{};
    std::uint64_t teardowns{0}, broken{0}, stale_sent{0}, stale_received{0}, mtu_hints{0};
    std::uint64_t foreign{0};  // about a path that is none of the sender's
    std::uint64_t malformed{0}, unknown{0};  // control bodies; of an op that this version does not know
    std::uint64_t control_in{0}, control_out{0}, repeated{0}, duplicates{0}, lost{0}, overflowed{0};
    std::uint64_t bad_signatures{0}, evicted{0}, expired{0},
        refused_answers{0};  // refused: the module's, not to be believed
    std::uint32_t labels{0}, paths{0};  // now
};

// Trace records of a Switch: trace::Drop with `where` = trace_switch and `why` a LabelDrop; trace::Route and trace::Label.
inline constexpr std::uint32_t trace_switch = 17;

class Switch {
public:
    // `identity`, the table and the router outlive it.
    Switch(const Identity& identity, const SwitchConfig& config, Entropy entropy, const weft_router_v1& table, void* router);
    Switch(Switch&&) noexcept;
    Switch& operator=(Switch&&) noexcept;
    ~Switch();

    void review_transit(Instant now);  // access has new rules: what they let through no longer ends, by BROKEN both ways
    void access(Access* access);  // asked for transit; nullptr: every neighbour may, without limit

    // links. Up again without down: the neighbour has restarted; what it knew of control messages is gone, labels stay.
    void link_up(LinkNumber link, const Address& neighbour, std::uint32_t mtu, Duration srtt, Instant now);
    void link_quality(LinkNumber link, Duration srtt, std::uint32_t loss_ppm, Instant now);
    void link_mtu(LinkNumber link, std::uint32_t mtu, Instant now);  // bytes of UDP payload
    void link_suspect(LinkNumber link, Instant now);
    void link_recovered(LinkNumber link, Instant now);
    void link_down(LinkNumber link, Instant now);  // frees its labels; BROKEN to the other side of each path

    // control plane: the body of one CTRL frame. Acknowledgement, repetition and duplicates are dealt with inside.
    struct Control {
        LinkNumber link{0};
        std::vector<std::byte> body;  // of a CTRL frame
    };
    void receive_control(LinkNumber from, Bytes body, Instant now);
    std::size_t control(std::span<Control> out, Instant now);  // to send; until it says 0
    LinkNumber take_lost();  // a neighbour that acknowledged nothing after all repetitions: make it suspect. 0: none

    // data plane: the 8 bytes of LABEL as they came, `bytes`: UDP payload of the datagram that carries it onwards. It touches
    // one entry and allocates nothing.
    Onward onward(LinkNumber in, Label label, std::uint8_t hop_limit, std::size_t bytes, Instant now);

    // ends. `init` is empty or INIT's bytes 0..39, `resp` empty or RESP's 176.
    Result<std::uint64_t> open(const Address& destination, Bytes init, Instant now, const PathWish& wish = {});
    void accept(std::uint64_t path, Bytes resp, Instant now);
    void refuse(std::uint64_t path, NakReason why, Instant now);
    void close(std::uint64_t path, Instant now);  // TEARDOWN; no event follows
    void renew(std::uint64_t path, Instant now);  // it was proved alive, or sent on: it lives another 300 s
    std::size_t events(std::span<PathEvent> out);

    // for the host of the routing module: a control message of its own (op 0x40 to 0x7f), and when on_wake is wanted
    Result<void> send_routing(LinkNumber link, Bytes body, Instant now);
    void wake_router_at(Instant when);

    void advance(Instant now);
    Instant deadline() const;  // may be at once, for control() has something

    // looking in
    std::vector<LabelRow> labels(std::size_t limit) const;
    std::vector<PathStatus> paths() const;
    std::optional<PathStatus> path(const Address& remote) const;  // the newest open one, else the newest
    SwitchStatistics statistics() const;
    void trace(const trace::Sink& sink);
    bool tell(const trace::Sink& to, std::uint32_t& cursor, std::size_t most,
              Instant now) const;  // labels; as Links::tell()

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weft::overlay
