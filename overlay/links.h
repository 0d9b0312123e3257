// The channels of a node: one secure channel a peer, over UDP to a neighbour (a link) or along a label path to a far node (a
// session), and the switch that carries label paths (docs/wire.md), without I/O. Datagrams, packets of the engine and the time
// go in; datagrams, opened packets, events and the next deadline come out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "overlay/entropy.h"
#include "overlay/identity.h"
#include "overlay/switch.h"
#include "stack/core/address.h"
#include "stack/core/batch.h"
#include "stack/core/result.h"
#include "stack/core/time.h"
#include "stack/core/trace_sink.h"

namespace weft::overlay {

struct LinksConfig {
    Network network;  // net[32] and work bits (identity.h)
    std::uint16_t suites{3};  // offered AEADs: bit 0 ChaCha20-Poly1305, bit 1 AES-256-GCM
    bool checksum_elision{true};  // feature bit 0 of our ID
    std::uint32_t link{0};  // Transmit::link and Receive::link of the UDP device
    std::uint32_t mtu{1200};  // bytes of UDP payload of a datagram: 1200 to 65,000
    Duration rekey_initiator{Duration::seconds(120)};  // after the first NET or LABEL under a key
    Duration rekey_responder{Duration::seconds(165)};
    Duration rekey_idle{Duration::seconds(3'600)};
    std::uint64_t rekey_packets{1ull << 30};  // under one key; nothing is sealed from twice as many on
    Duration session_idle{Duration::seconds(600)};  // a session that carried no NET for so long ends, and rests
    unsigned sessions_a_second{20};  // new ones from far nodes, half of them by one neighbour; beyond: NAK busy
    bool accept_members{true};  // link permission: every member; false: configured peers alone
    std::uint64_t unix_zero{0};  // unix seconds at Instant{}: the clock that our ID tells
    std::vector<UdpEndpoint> own;  // this host's addresses with our port: a peer that sees us at another
        // one sees a NAT, which is then kept open
    // All outlive the Links. Without a router there is no switch: neighbours alone are reached, and nothing is carried.
    const weft_router_v1* router{nullptr};
    void* routing{nullptr};  // what the router's create returned
    Access* access{nullptr};  // who may reach this host and send through it; nullptr: every member
};

// PathOptions::mtu of the engine's path over datagrams of `datagram` bytes: it counts the full network header, for which a
// datagram carries the headers and the tag of the channel. Along a label path a datagram holds 32 bytes less.
std::uint32_t path_mtu(std::uint32_t datagram);

// What became of a peer's channel. Every event tells mtu, sums_elided and endpoint as they are now: a restarted peer may come
// back (`rekeyed`) with other features.
struct LinkEvent {
    enum class Kind : std::uint8_t {
        up,
        suspect,
        recovered,
        down,
        rekeyed,
        roamed,  // another endpoint, or another label path
        mtu,
        unreachable,  // no way to a peer that packets waited for, which are dropped: `reason` says why
        resting  // an idle session has ended; the next packet to the peer begins another
    };
    Kind kind{};
    Address peer;
    std::uint32_t mtu{0};  // PathOptions::mtu of the engine's path: path_mtu() of the datagrams in use
    bool sums_elided{false};  // both IDs have the feature
    UdpEndpoint endpoint;  // in use; none along a label path
    bool session{false};  // its way is a label path
    NakReason reason{};  // unreachable
    Tag reporter{0}, accused{0};  // unreachable: hints at the node that said so, and at the one that it blames
};

struct PeerStatus {
    Address address;
    UdpEndpoint endpoint;  // in use, or the first configured one
    enum class State : std::uint8_t { idle, init_sent, up, rekey, suspect } state{};
    std::uint8_t aead{0};  // 0 ChaCha20-Poly1305, 1 AES-256-GCM
    bool configured{false};
    Duration srtt;
    Instant since;  // of `state`
    Instant last_heard;  // last authenticated packet
    std::uint64_t datagrams_in{0}, datagrams_out{0}, bytes_in{0}, bytes_out{0}, handshakes{0}, replayed{0};
    std::uint32_t path{0};
    std::uint32_t mtu{0};  // bytes of UDP payload by the way in use
    bool session{false};  // along a label path: the next four are its
    LinkNumber link{0};  // the neighbour that it begins with; of a neighbour its own number
    std::uint8_t hops{0};
    std::uint16_t cost{0};
    std::uint64_t label_path{0};  // its id
};

struct LinksStatistics {
    std::uint64_t datagrams_in{0}, datagrams_out{0}, bytes_in{0}, bytes_out{0};  // UDP payload
    std::uint64_t malformed{0}, unknown_index{0}, unauthentic{0}, replayed{0}, mac1_wrong{0}, cookies_sent{0};
    std::uint64_t half_open{0}, handshakes{0}, refused{0}, dropped_no_session{0}, dropped_no_memory{0}, dropped_other{0};
    std::uint64_t dropped_labels{0};  // labelled packets that the switch or the next link refused
    std::uint64_t reach_refused{0};  // packets that nobody here may be reached by
    std::uint64_t unreachable{0};  // times that a wanted peer was found unreachable
};

// Trace records of a Links: trace::Drop with `where` = trace_links and `why` one of these; trace::LinkChange with the
// number of a LinkEvent::Kind; trace::Define tells a neighbour's address, under trace::peer_id | LinkChange::link, before the
// first of its LinkChanges.
inline constexpr std::uint32_t trace_links = 16;
enum class LinkDrop : std::uint32_t {
    malformed = 1,
    mac1_wrong,
    unknown_index,
    unauthentic,
    replayed,
    refused,
    cookie_limit,
    half_open_full,
    no_session,
    no_memory,
    too_large,
    congestion_not_ect,
    label,  // by the switch; `detail`: a LabelDrop
    no_tunnel,  // LABEL or CTRL that came along a label path, or from no neighbour
    reach
};

class Links {
public:
    Links(Identity identity, const LinksConfig& config, Entropy entropy, BufferPool& pool);
    Links(Links&&) noexcept;  // channels are move-only: a copied counter would reuse a nonce
    Links& operator=(Links&&) noexcept;
    ~Links();

    const Address& address() const;  // of this node

    // in. Frames are opened in place: each datagram's bytes must not have been shown to anyone else.
    void receive(std::span<Receive> datagrams, Instant now);
    void advance(Instant now);
    void add_peer(const Address& peer, std::span<const UdpEndpoint> endpoints, Instant now);  // dials, and keeps dialling
    void remove_peer(const Address& peer, Instant now);  // CLOSE, forgotten
    // The engine's path to that peer, who with a router need be no neighbour; 0 unbinds, and drops what waits.
    void bind(const Address& peer, std::uint32_t path);
    void want(const Address& peer, Instant now);  // a channel, without a packet that asks: up or unreachable follows
    void close(Instant now);  // CLOSE to every neighbour; then drain transmit() once

    // in: packets of the engine for bound paths, sealed and cut into datagrams at once. One for a peer whose channel is not up
    // waits (a few, bounded, the newest kept) and the peer is dialled at once, along a label path if it is no neighbour.
    void send(std::span<const Transmit> packets, Instant now);

    // out, each until it says 0: first events (bind the path of a new neighbour before its packets come), then
    // deliver, then transmit; then sleep until the deadline. What transmit() shows is valid until the next call.
    std::size_t events(std::span<LinkEvent> out);
    std::size_t deliver(std::span<Receive> out);  // with `path` and `protocol` set; frame from the transport header
    std::size_t transmit(std::span<Transmit> out, Instant now);
    Instant deadline() const;

    // looking in
    std::vector<PeerStatus> peers() const;
    LinksStatistics statistics() const;
    Switch* labels();  // nullptr without a router
    const Switch* labels() const;
    void trace(const trace::Sink& sink);

    // Tells `to` of all neighbours that there are (address; up, suspect or down), as snapshot records. A cursor of 0 begins; at
    // most `most` places are looked at in a call. False: that was all.
    bool tell(const trace::Sink& to, std::uint32_t& cursor, std::size_t most, Instant now) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weft::overlay
