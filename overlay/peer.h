// What a node knows of one peer: its keys, the way to it and how alive it is (docs/wire.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "overlay/aead.h"
#include "overlay/block.h"
#include "overlay/label_path.h"
#include "overlay/links.h"
#include "overlay/messages.h"
#include "overlay/noise.h"
#include "overlay/replay_window.h"
#include "overlay/secret.h"
#include "overlay/way.h"

namespace weft::overlay {

// Set where a moment has not come: `never` compares later than any time.
inline constexpr Instant never = Instant::never();

struct CipherPair {
    Aead send, receive;
};

// The outcome of one handshake: two keys, a counter and a window. Never copied: a copied counter would reuse a nonce.
struct Keying {
    std::uint32_t local_index{0}, remote_index{0};
    Lent<CipherPair> keys;
    Suite suite{};
    bool initiator{false};           // this end made INIT
    bool confirmed{false};           // the other end has the keys, too: its FIN, or its first packet
    bool crossed{false};             // an initiator's: the other end's handshake ran at the same time
    bool elided{false};              // both IDs have checksum elision
    std::uint64_t sent{0};           // the next counter
    std::uint64_t received{0}, ce_marks{0};
    ReplayWindow window;
    Instant born;
    Instant confirmed_at{never}, first_data{never};      // first_data: NET, either way
    Instant first_received{never}, last_received;

    Slice fin;                       // initiator, until confirmed: made once, repeated byte for byte
    Way fin_to;
    Instant fin_sent{never};         // the first time
    unsigned fin_step{0};
    bool given_up{false};            // never answered: these keys only receive, for the other end may have them

    bool waits() const { return !confirmed && !given_up; }

    Block<32> fin_digest{};          // responder: the FIN that made these keys, known again until `fin_until`
    Way fin_from;                    // its INIT's source
    Instant fin_until;
};

// An INIT under way.
struct Attempt {
    static constexpr Duration lifetime = Duration::seconds(5);   // RESP counts so long
    static constexpr unsigned cookies_taken_at_most = 3;

    explicit Attempt(const Door& to_door) : door{to_door} {}

    Door door;
    Lent<noise::State> state;
    Init init{};
    std::uint32_t index{0};
    std::vector<Way> to;
    Instant started, last_sent;
    unsigned step{0};                // of the repetitions
    unsigned sent{0}, cookies{0};
    bool crossed{false};
    bool for_silence{false};         // begun because the channel fell silent: given up when it speaks again
};

// The times after the first sending at which INIT and FIN are repeated.
inline constexpr Duration repetitions[] = {Duration::milliseconds(250), Duration::milliseconds(750),
                                           Duration::milliseconds(1'750), Duration::milliseconds(3'750)};

// A source that may become the way: it and the old one are challenged with different bytes.
struct Roaming {
    static constexpr Duration patience = Duration::seconds(5);   // with a candidate that says nothing

    bool active{false};
    bool answered{false};            // the candidate has
    Way candidate;
    Block<8> to_new{}, to_old{};
    Instant started;
    unsigned repeats{0};             // of both challenges
    std::uint64_t received{0}, sent{0};   // bytes from and to the candidate: at most 3 times as many go as came
    Way blocked;
    Instant blocked_until;
};

// A packet of the engine that waits for the handshake. Its slices keep their chunks.
struct Waiting {
    Transmit packet;
    std::vector<Slice> payload;
    std::size_t bytes{0};
};

// The search for a label path.
struct Search {
    static constexpr Duration first_pause = Duration::milliseconds(250), longest_pause = Duration::seconds(4);

    std::uint64_t path{0};                         // SETUP is under way
    Instant not_before;                            // after a failure; until then the reason below is the answer
    Duration pause{first_pause};
    bool timed_out{false};                         // the next one may take longer
    NakReason reason{};
    Tag reporter{0}, accused{0};
};

struct Peer {
    static constexpr std::size_t waiting_limit = 32, waiting_bytes_limit = 256 << 10;

    Address address;
    std::uint32_t number{0};                       // of its timer; also its link's id in traces
    bool configured{false};
    std::vector<UdpEndpoint> endpoints;            // configured
    Way way;                                       // in use, or the last one
    std::uint32_t path{0};                         // the engine's
    bool linked{false};                            // the switch knows it as a link
    Search search;
    std::vector<LabelPath*> label_paths;           // that end at it; at most label_paths_limit
    static constexpr std::size_t label_paths_limit = 4;
    std::optional<Block<32>> noise_public;         // converted once: it costs more than a Diffie-Hellman

    std::unique_ptr<Attempt> attempt;
    Instant next_attempt;                          // not before, unless a local packet asks
    Instant next_for_link;                         // along a label path: when its endpoints are tried again
    Duration gap{Duration::seconds(5)};            // between fresh INITs, doubling to 5 min while nobody answers
    std::vector<std::unique_ptr<Keying>> keyings;  // at most keyings_limit
    Keying* current{nullptr};                      // of `keyings`: the one to send under; nullptr: no channel
    static constexpr std::size_t keyings_limit = 6;

    PeerStatus::State state{};
    Instant since;                                 // of `state`
    Instant armed{never};                          // its timer
    Instant last_heard, last_sent, last_used;      // last_used: NET or LABEL, either way
    Instant up_since;                              // of the channel
    Instant way_heard;                             // last authentic packet from `way`
    Instant awaiting{never};                       // first NET or LABEL sent since the last packet heard by `way`
    Instant next_probe{never};                     // while awaiting
    unsigned probes{0};
    bool suspect{false};

    Duration srtt;                                 // 0: no sample yet
    // The last challenges: an answer may come after later ones were sent, when the round trip is longer than their interval.
    struct Challenge {
        Block<8> bytes{};
        Instant sent{never};  // never: answered, or none
    };
    std::array<Challenge, 8> challenges{};
    std::size_t challenges_made{0};
    Instant next_challenge{never}, report_due{never};

    bool behind_nat{false};  // as the peer sees us
    Duration keepalive{Duration::seconds(15)}, keepalive_cap{Duration::seconds(120)};
    Instant kept_alive{never};  // the last empty packet, until it is known what became of it
    bool carries_ect{false};  // an ECT or CE mark came through by this way

    Roaming roaming;
    std::deque<Waiting> waiting;
    std::size_t waiting_bytes{0};

    std::uint64_t datagrams_in{0}, datagrams_out{0}, bytes_in{0}, bytes_out{0}, handshakes{0}, replayed{0};
    std::uint32_t loss_ppm{0};  // of what we sent, by the last REPORT

    // Silence that makes a way suspect.
    Duration silence() const { return std::max(Duration::milliseconds(way.labelled() ? 100 : 200), srtt * 3); }
    // How long an end that owes an answer may wait for something better to send than a REPORT.
    Duration report_after() const { return std::max(Duration::milliseconds(50), srtt); }
};

}  // namespace weft::overlay
