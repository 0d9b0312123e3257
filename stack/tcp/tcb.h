// The transmission control block: what TCP knows about one connection, as one copyable value, in six lines of
// 64 bytes, and the record of what is seldom looked at.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "stack/core/seq.h"
#include "stack/core/time.h"
#include "stack/tcp/congestion.h"
#include "stack/tcp/path.h"

namespace weft::tcp {

// LISTEN is a type of its own, SYN-RECEIVED without data and TIME-WAIT are small records, CLOSED is no record.
enum class State : std::uint8_t {
    syn_sent, syn_received, established, close_wait, fin_wait_1, fin_wait_2, closing, last_ack
};

// The loss timer is not here: each ack moves it, so it lies in the line that an ack touches.
enum class Timer : std::uint8_t { delayed_ack, pacing, keepalive, user_timeout, congestion, count };

// Nested structs, because `alignas` on a list of declarators would align each one.
struct Tcb {
    // All that a predicted data segment touches. An ack touches the next three lines too; the last two wait for
    // a loss or a timer.
    struct alignas(64) Receiving {
        SeqNum rcv_nxt;                      // RCV.NXT
        SeqNum rcv_adv;                      // right edge last advertised; never moves left
        SeqNum last_ack_sent;                // RFC 7323, section 4.3
        std::uint32_t predicted{0};          // header word 3 that we expect: offset, ACK, unchanged window
        std::uint32_t ts_recent{0};          // TS.Recent (RFC 7323)
        std::uint32_t ts_recent_age{0};      // seconds on the engine's clock: invalid after 24 days
        std::uint32_t queue{0}, reassembly{0};  // indices; reassembly is none while all is in order
        std::uint32_t charged{0};            // bytes of the chunks that both hold, not of the text in them
        std::uint32_t owed{0};               // bytes received and not yet acknowledged
        FlowKey key;
        std::uint32_t cold{0};               // index of the cold record
        std::uint32_t flags{0};
        std::uint16_t mss{536};              // theirs (RFC 9293, section 3.7.1: MUST-15)
        State state{State::syn_sent};
        std::uint8_t rcv_shift{0}, snd_shift{0};
        std::uint8_t received_ce{0};         // of ECN marks, modulo 8: AccECN's ACE
    } receiving;

    struct alignas(64) Sending {
        SeqNum snd_una, snd_nxt;             // SND.UNA, SND.NXT
        SeqNum snd_max;                      // highest sequence ever sent
        std::uint32_t snd_wnd{0};            // SND.WND, already scaled
        SeqNum snd_wl1, snd_wl2;             // SND.WL1, SND.WL2
        std::uint32_t queue{0}, records{0};  // indices; no sent records while nothing is in flight
        Steering steering;                   // what congestion control wants
        std::uint32_t congestion_state{0};   // index in the slab of its size class
        std::uint16_t module{0};             // slot in Modules
        std::uint8_t backoff{0}, duplicate_acks{0};
    } sending;

    struct alignas(64) Timing {
        Duration srtt, rttvar, rto{Duration::seconds(1)};
        Duration min_rtt;                    // over a window of 10 s
        Instant min_rtt_at;
        Instant loss_deadline{Instant::never()};  // RTO, probe or reordering, whichever runs
        std::uint64_t round_end{0};          // `delivered` at which the next round begins
        std::uint32_t round{0};
        std::uint32_t transmissions{0};      // id of the next one
    } timing;

    struct alignas(64) Rate {                // draft-ietf-ccwg-bbr, section 4.1
        std::uint64_t delivered{0}, lost{0}, marked{0};  // bytes, since the flow began
        Instant delivered_at, first_sent_at;
        std::uint64_t app_limited{0};        // `delivered` up to which samples count as limited; 0: no
        std::uint32_t tuning_bytes{0};       // copied out since `tuning_at`: receive auto-tuning
        std::uint32_t tuning_at{0};          // ms on the engine's clock
        std::uint32_t received_ce_bytes{0};  // AccECN, for the option
        std::uint32_t random{0};             // draws so far of the flow's stream
    } rate;

    struct alignas(64) Recovery {
        Instant rack_time;                   // of the latest transmission known to have arrived (RFC 8985); set from the first SACK on
        SeqNum rack_end, recovery_point;
        std::uint32_t sacked{0}, lost{0}, retransmitted{0};  // bytes: counters, never walks
        std::uint32_t prr_delivered{0}, prr_out{0};          // bytes in this recovery (RFC 6937)
        std::uint32_t recover_flight{0};                     // RecoverFS
        SeqNum undo_mark, tail_probe_end;    // F-RTO, Eifel; TLP (RFC 8985, section 7)
        std::uint32_t reorder_window_us{0};
        std::uint32_t path_changes{0};       // of the path, as the controller last heard
    } recovery;

    // One timing-wheel entry a connection, armed at the earliest. A later deadline is one store: the wheel
    // fires early, sees it, and arms again.
    struct alignas(64) Deadlines {
        std::array<Instant, std::size_t(Timer::count)> at = [] {
            std::array<Instant, std::size_t(Timer::count)> none;
            none.fill(Instant::never());
            return none;
        }();
        Instant armed{Instant::never()};
    } deadlines;
};

static_assert(std::is_trivially_copyable_v<Tcb>, "a snapshot of a connection is a memcpy");
static_assert(sizeof(Tcb::Receiving) == 64 && sizeof(Tcb::Sending) == 64 && sizeof(Tcb::Recovery) == 64);
static_assert(sizeof(Tcb::Timing) == 64 && sizeof(Tcb::Rate) == 64 && sizeof(Tcb::Deadlines) == 64);
static_assert(sizeof(Tcb) <= 384);

// Options and statistics. Counters are totals since the flow began.
struct Cold {
    SeqNum iss, irs;
    SeqNum snd_up, rcv_up;                   // urgent pointers
    std::uint32_t owner{0};                  // listener, or none
    std::uint32_t send_limit{0}, receive_limit{0};                // bytes
    std::uint32_t user_timeout_ms{0};
    std::uint32_t keepalive_idle_ms{0}, keepalive_interval_ms{0};
    std::uint32_t established_at_ms{0};
    std::uint32_t retransmissions{0}, timeouts{0}, spurious{0}, reordered{0}, violations{0};
    std::uint32_t segments_in{0}, segments_out{0};
    std::uint64_t bytes_in{0}, bytes_out{0};
    std::uint16_t search_low{0}, search_high{0};                  // bytes: path MTU search (RFC 8899)
    std::uint8_t keepalive_probes{0}, search_probes{0};
    std::uint8_t dscp{0}, hop_limit{64};                          // MUST-48, MUST-49
    std::uint8_t soft_error{0};                                   // an Error, or 0xff: none (MUST-47)
};
static_assert(std::is_trivially_copyable_v<Cold> && sizeof(Cold) <= 112);

}  // namespace weft::tcp
