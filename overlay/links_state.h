// The inside of Links: one object, its methods spread over the files links_*.cc by what they are about.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "overlay/allowance.h"
#include "overlay/index_map.h"
#include "overlay/links.h"
#include "overlay/outbox.h"
#include "overlay/peer.h"
#include "overlay/responder.h"
#include "overlay/switch.h"
#include "stack/core/timer_wheel.h"

namespace weft::overlay {

// What a receiver index names.
struct Target {
    enum class Kind : std::uint8_t { none, attempt, half_open, keying };
    Kind kind{};
    Peer* peer{nullptr};
    Keying* keying{nullptr};
    std::uint64_t half_open{0};
};

struct Frame;

struct Links::State {
    static constexpr std::size_t neighbour_limit = 256, session_limit = 1'024;   // beside the configured ones
    static constexpr std::size_t label_path_limit = 4'096;   // that end here
    static constexpr std::size_t delivery_limit = 1 << 16;
    static constexpr unsigned cookies_a_second = 5'000;
    static constexpr std::uint32_t global_timer = 0;         // half-open records; peers begin at 1

    State(Identity who, const LinksConfig& settings, Entropy random, BufferPool& buffers);

    // links.cc
    void add_peer(const Address& address, std::span<const UdpEndpoint> endpoints, Instant now);
    void remove_peer(const Address& address, Instant now);
    Peer* find_peer(const Address& address);
    Peer* make_peer(const Address& address, Instant now);
    Peer* make_room(const Address& address, bool far, bool local, Instant now);   // nullptr: there is none
    void say_no_room(const Address& address);
    bool may_link(const Peer* peer) const;                   // nullptr: one who is not known yet
    bool is_far(const Address& address) const;               // an overlay address that is not our own
    void bind(const Address& address, std::uint32_t path);
    void forget(Peer& peer);
    // For traces: its number and address, and how its link is.
    void define(const Peer& peer, const trace::Sink& to, Instant now, std::uint16_t flags = 0) const;
    trace::LinkChange change_of(const Peer& peer, LinkEvent::Kind kind, std::uint32_t mtu) const;
    void raise(LinkEvent::Kind kind, Peer& peer, Instant now);
    void tell(const LinkEvent& event, const Peer& peer, Instant now);
    void drop(LinkDrop why, std::uint64_t detail, Instant now);
    void note_state(Peer& peer, Instant now);
    void wake(Peer& peer, Instant when);
    std::uint32_t fresh_index(const Target& target);
    noise::Static own_keys() const { return {identity.noise_secret(), identity.noise_public()}; }
    Id own_id(const UdpEndpoint& observed, std::uint8_t aead, Instant now) const;

    // links_dial.cc: the initiator
    void dial(Peer& peer, Instant now, bool for_silence);
    void want(Peer& peer, Instant now);                      // a local packet asks for a channel
    void send_init(Peer& peer, Instant now);
    void end_attempt(Peer& peer);
    void receive_cookie(const Receive& datagram, Instant now);
    void receive_resp(Bytes message, const Way& from, Instant now);
    void make_fin(Peer& peer, Keying& keying, noise::State& state, const Id& id, Instant now);
    void send_fin(Peer& peer, Keying& keying, Instant now);
    void confirm(Peer& peer, Keying& keying, Instant now);   // the responder's first packet under the new keys

    // links_answer.cc: the responder
    void receive_init(const Receive& datagram, Instant now);
    std::uint64_t half_open_id(std::uint32_t local_index);
    bool owes_cookie(const Receive& datagram, Instant now);
    const HalfOpen* answer_init(Bytes head, const Way& from, Instant now);   // nullptr: it may not, or is unsound
    void receive_fin(Bytes message, const Arrival& arrival, Instant now);
    void open_fin(Bytes message, const Arrival& arrival, std::uint64_t record_id, Instant now);
    void adopt(Peer& peer, std::unique_ptr<Keying> keying, Instant record_created, Instant now);

    // links_keys.cc: keys and what they seal
    std::unique_ptr<Keying> make_keying(bool initiator, Suite suite, const Id& id, Instant now);
    void set_keys(Keying& keying, const noise::State& state);
    void keep_keying(Peer& peer, std::unique_ptr<Keying> keying);
    bool may_seal(const Keying& keying, Instant now) const;
    bool young(const Keying& keying, Instant now) const;     // neither end would renew it yet
    Instant key_end(const Keying& keying) const;
    Instant rekey_due(const Keying& keying) const;
    void drop_keying(Peer& peer, Keying& keying);
    void choose(Peer& peer, Keying* keying, Instant now);    // send under this one from now on
    enum class Loss : std::uint8_t { keys_ended, silent, closed, resting };
    void lose(Peer& peer, Loss why, Instant now);            // the channel is gone
    void seal(Peer& peer, Keying& keying, std::byte* datagram, std::size_t frames);
    void count_sealed(Peer& peer, Keying& keying);
    std::uint32_t datagram_mtu(const Peer& peer) const;      // as if its frames went straight over UDP
    bool send_frames(Peer& peer, Keying& keying, Bytes frames, const Way& to, Ecn ecn, Instant now);
    bool send_raw(Peer* peer, Bytes message, const Way& to);
    bool send_message(Peer& peer, Bytes message, const Way& to, Instant now);   // of a handshake, by either kind of way
    static Duration first_gap(const Peer& peer);             // between fresh INITs

    // links_send.cc: packets of the engine
    void send(const Transmit& packet, Instant now);
    void hold(Peer& peer, const Transmit& packet);
    void flush(Peer& peer, Instant now);
    void drop_waiting(Peer& peer);
    bool append_single(const Keying& keying, const Waiting& waiting, std::size_t room, std::vector<std::byte>& plain);
    void send_packet(Peer& peer, const Transmit& packet, Instant now);
    void sent_data(Peer& peer, Keying& keying, Instant now);

    // links_receive.cc: what comes under keys
    void receive(Receive& datagram, Instant now);
    void receive_data(Receive& datagram, Instant now);
    // Opens in place and takes the counter; false: dropped and counted.
    bool unseal(Peer& peer, Keying& keying, Bytes ad, MutableBytes sealed, std::uint64_t counter, bool& highest,
                Instant now);
    void heard(Peer& peer, Keying& keying, const Arrival& arrival, Instant now);
    void read_frames(Peer& peer, Keying& keying, const Arrival& arrival, const Slice& plain, Instant now);
    void take_net(Peer& peer, Keying& keying, const Arrival& arrival, const Slice& plain, const Frame& frame, Instant now);
    void take_response(Peer& peer, Bytes body, const Way& from, Instant now);
    void take_report(Peer& peer, Keying& keying, Bytes body);
    void got_data(Peer& peer, Keying& keying, Instant now);  // NET or LABEL
    bool may_reach(Peer& peer, Keying& keying, const Arrival& arrival, const Slice& plain, const Frame& frame, Instant now);
    void refuse_reach(Peer& peer, Keying& keying, const Way& from, std::uint8_t protocol, Bytes net_frame, Instant now);
    void note_challenge(Peer& peer, Instant now);
    void sample_rtt(Peer& peer, Duration sample);

    // links_roam.cc
    void consider(Peer& peer, const Way& from, std::size_t bytes, Instant now);
    void challenge_both(Peer& peer, Instant now);
    Instant decide_roaming(Peer& peer, Instant now);
    void keep_way(Peer& peer, Instant now);
    void revive(Peer& peer, Instant now);                    // it was suspect
    bool leads(const Peer& peer) const { return identity.address() < peer.address; }
    void move_to(Peer& peer, Way way, Instant now);

    // links_label.cc: packets along label paths
    std::optional<Departure> departure(Peer& peer, const Way& way, std::size_t packets, Instant now);
    void seal_for(const Departure& out, Peer& peer, Keying& keying, std::byte* datagram, std::size_t frames, Ecn ecn,
                  std::uint16_t flow);
    void seal_outside(const Departure& out, std::byte* datagram, std::size_t session, Ecn ecn, std::uint16_t flow);
    void carried(const Departure& out, Instant now);
    bool send_unsealed(Bytes message, std::uint64_t path, Instant now);   // of a handshake
    void take_label(Peer& peer, Keying& keying, const Arrival& arrival, const Slice& plain, const Frame& frame, Instant now);
    void forward(const Onward& onward, const LabelHeader& label, Ecn inner, Bytes session, Instant now);
    void receive_session(LabelPath& path, const Slice& packet, const Arrival& arrival, Instant now);
    void receive_unsealed(LabelPath& path, Bytes message, const Arrival& arrival, Instant now);
    void receive_inner_init(LabelPath& path, Bytes head, Instant now);

    // links_paths.cc: label paths that begin or end here, and what the switch must know
    void settle(Instant now);                                // after every input: what the switch has to say
    void suspect(Peer& peer, Instant now);                   // a neighbour acknowledged nothing
    void tell_switch(Peer& peer, Instant now);               // whether it is a link, if that has changed
    LabelPath* find_label_path(std::uint64_t id);
    LabelPath& keep_label_path(std::uint64_t id, const Address& remote, bool source, Instant now);
    bool may_end_at(std::uint64_t path, const Address& address);
    void attach(LabelPath& path, Peer& peer, Instant now);
    void forget_label_path(LabelPath& path, bool tear_down, Instant now);
    void forget_label_paths(Peer& peer, Instant now);
    void open_path(Peer& peer, Instant now);                 // SETUP, with the attempt's INIT if there is one
    bool wanted(const Peer& peer, Instant now) const;
    void take_path_event(PathEvent& event, Instant now);
    void path_offered(PathEvent& event, Instant now);
    void path_opened(PathEvent& event, Instant now);
    void path_failed(Peer& peer, const PathEvent& event, Instant now);
    void say_unreachable(Peer& peer, Instant now);
    void path_gone(LabelPath& path, bool closed, Instant now);
    Instant keep_paths(Peer& peer, Instant now);
    Instant rest(Peer& peer, Instant now);

    // links_timers.cc: each answers when it wants to run again
    void advance(Instant now);
    void run_peer(Peer& peer, Instant now);
    void expire_half_open(Instant now);
    Instant repeat_init(Peer& peer, Instant now);
    Instant repeat_fins(Peer& peer, Instant now);
    Instant begin_attempts(Peer& peer, Instant now);
    Instant retire_keys(Peer& peer, Instant now);
    Instant watch_silence(Peer& peer, Instant now);
    Instant send_report(Peer& peer, Instant now);
    Instant send_challenge(Peer& peer, Instant now);
    Instant send_keepalive(Peer& peer, Instant now);
    void challenge(Peer& peer, Instant now);

    Identity identity;
    LinksConfig config;
    Entropy entropy;
    BufferPool& pool;
    Vault<noise::State> states{16};
    Vault<CipherPair> ciphers{8};
    Door door;                                  // our own
    KeyedHash keyed_hash;
    CookieJar jar;
    InitMeter meter;
    HalfOpenTable half_open;
    std::int64_t cookie_second{-1};
    unsigned cookies_this_second{0};

    std::map<Address, std::unique_ptr<Peer>> peers;
    std::vector<Peer*> by_number;               // [number - 1]; nullptr: free
    IndexMap<Target> indices;
    IndexMap<Peer*> paths;
    TimerWheel wheel;

    std::unique_ptr<Switch> fabric;             // nullptr: neighbours alone
    std::map<std::uint64_t, std::unique_ptr<LabelPath>> label_paths;
    LabelPath* last_path{nullptr};              // a cache of one
    Shares sessions;                            // new ones, by the neighbour that brings them
    std::vector<std::byte> control_frame;       // being written
    Instant latest;                             // the time as it was last told
    std::size_t batch_left{0};                  // datagrams of this batch still to be read: a train may become so long

    Outbox outbox;
    struct Delivery {
        Receive packet;
        Peer* peer{nullptr};
    };
    std::vector<Delivery> deliveries;
    std::size_t delivered{0};
    std::vector<LinkEvent> raised;
    std::size_t told{0};

    LinksStatistics statistics;
    trace::Sink sink;
};

// Timers that nobody waits for share wake-ups: up to the next half second.
Instant patient(Instant when);

}  // namespace weft::overlay
