// The transmission control block (RFC 9293, section 3.3.1): what TCP knows about one connection, as one copyable value in
// six lines of 64 bytes, and the record of what is seldom looked at.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "stack/core/index_list.h"
#include "stack/core/result.h"
#include "stack/core/seq.h"
#include "stack/core/slab.h"
#include "stack/core/time.h"
#include "stack/tcp/congestion.h"
#include "stack/tcp/path.h"
#include "stack/tcp/rate.h"

namespace weft::tcp {

struct Listener;

// The states of RFC 9293, section 3.3.2. LISTEN is a type of its own; a passive SYN-RECEIVED and TIME-WAIT are small records;
// a connection whose TIME-WAIT record was made, or that is CLOSED, stays until the application has read what is left
// and heard how it ended.
enum class State : std::uint8_t {
    closed,
    listen,
    syn_sent,
    syn_received,
    established,
    fin_wait_1,
    fin_wait_2,
    close_wait,
    closing,
    last_ack,
    time_wait
};

constexpr std::string_view to_string(State state) {
    constexpr std::array<std::string_view, 11> names{"CLOSED",      "LISTEN",     "SYN-SENT",   "SYN-RECEIVED",
                                                     "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT",
                                                     "CLOSING",     "LAST-ACK",   "TIME-WAIT"};
    return names[std::size_t(state)];
}

struct Flags {
    bool timestamps : 1 {false};  // RFC 7323: offered until the peer's SYN lacks them, then negotiated
    bool scaling : 1 {true};  // the same of the window: offered until the peer's SYN lacks it
    bool nodelay : 1 {false};  // Nagle is off for the flow (MUST-17)
    bool push_all : 1 {false};  // the last write asked for nodelay: its short segment goes at once
    bool more : 1 {false};  // the last write said that more follows: a short segment waits
    bool ack_now : 1 {false};  // an acknowledgement is due, not only owed
    bool fin_wanted : 1 {false};  // writing was shut down: a FIN follows the last text
    bool fin_received : 1 {false};  // the peer's FIN is in order: RCV.NXT is behind it
    bool read_shut : 1 {false};  // the application reads no more
    bool end_read : 1 {false};  // read() has said end_of_stream, or reading is shut
    bool known : 1 {false};  // the application has the handle: connected or accepted
    bool wants_room : 1 {false};  // a write took less than all: `writable` is due when there is room
    bool wants_sent : 1 {false};  // text was written since `transmitted` was last raised
    bool cwnd_limited : 1 {false};  // the congestion window held text back when output last looked
    bool recovering : 1 {false};  // fast recovery, up to recovery.point (RFC 6582)
    bool timing : 1 {false};  // timing.timed is being timed
    bool resend : 1 {false};  // the segment at SND.UNA is to be sent again
    bool partial : 1 {false};  // a partial acknowledgement was seen in this recovery
    bool short_out : 1 {false};  // sending.snd_small is not acknowledged yet
    bool probing : 1 {false};  // deadlines.loss is the persist timer (RFC 9293, section 3.8.6.1)
    bool probe_now : 1 {false};  // it went off: send beyond the window
    bool probe_out : 1 {false};  // a probe is not answered yet
    bool unreachable : 1 {false};  // recovery.unreachable_at holds
    bool orphan : 1 {false};  // shut down both ways: text that arrives now is lost (RFC 9293, section 3.6.1)
    bool demuxed : 1 {false};  // the key leads here
    bool rcv_urgent : 1 {false};  // cold.rcv_up is ahead of what was read
    bool snd_urgent : 1 {false};  // cold.snd_up is ahead of SND.UNA
    bool hears_sent : 1 {false};  // the congestion module has an on_sent
    bool tells_timeout : 1 {false};  // the next segment carries the user timeout option
    bool tunes : 1 {false};  // the receive buffer may grow
    bool fast_open : 1 {false};  // active: the SYN may carry text; passive: it did, and its handshake is not through
    bool quiet : 1 {false};  // soft errors raise no event (SHLD-20)
    bool ecn_asked : 1 {false};  // our SYN said ECE and CWR
    bool ecn : 1 {false};  // negotiated (RFC 3168)
    bool ecn_echo : 1 {false};  // a mark came: ECE goes with each acknowledgement until CWR comes
    bool ecn_cut : 1 {false};  // the window was cut: CWR goes with the next new text
    bool in_output : 1 {false}, in_events : 1 {false};  // membership in the lists of `places`
    bool sack : 1 {false};  // negotiated (RFC 2018)
    bool duplicate_told : 1 {false};  // cold.dsack_round holds (RFC 8985, section 6.2, step 4)
    bool reordering : 1 {false};  // seen on this flow: RACK.reordering_seen
    bool tail_armed : 1 {false};  // deadlines.loss is the probe timer (RFC 8985, section 7.2)
    bool reorder_armed : 1 {false};  // deadlines.loss is RACK's reordering timer (section 6.2, step 5)
    bool tail_due : 1 {false};  // the probe timer went off: send a probe
    bool tail_out : 1 {false};  // timing.tail_end holds: TLP.end_seq
    bool tail_again : 1 {false};  // what the probe carried was sent before: TLP.is_retrans
    bool paced : 1 {false};  // text waits for deadlines.pace
    bool shrunk : 1 {false};  // Extra::lowered_mtu holds
    bool in_ack_line : 1 {false}, in_loss_line : 1 {false};  // membership in the host's lines of timers
    bool user_held : 1 {false};  // the wheel goes off by deadlines.user
    bool hasty : 1 {false};  // text is acknowledged at once, as delays are in vain: would one have served?
};

// Nested structs, because `alignas` on a list of declarators would align each one.
struct Tcb {
    // All that a predicted data segment touches. An ack touches the next lines too.
    struct alignas(64) Receiving {
        SeqNum rcv_nxt;  // RCV.NXT
        SeqNum rcv_adv;  // right edge last advertised; never moves left (SHLD-14)
        SeqNum last_ack_sent;  // RFC 7323, section 4.3
        std::uint32_t ts_recent{0};  // TS.Recent (RFC 7323)
        std::uint32_t ts_recent_at{0};  // seconds on the engine's clock: invalid after 24 days (RFC 7323, 5.5)
        std::uint32_t queue{none};  // received text, lent; none while there is none
        std::uint32_t reassembly{none};  // out-of-order text, lent; none while all is in order
        std::uint32_t owed{0};  // bytes of text received and not yet acknowledged
        std::uint32_t limit{0};  // bytes: the receive buffer
        FlowKey key;
        Flags flags;
        std::uint16_t mss{536};  // bytes of text of a full segment, options taken off (Eff.snd.MSS)
        std::uint16_t their_mss{536};  // bytes of text of the largest segment that came: what a delayed ack counts in
        std::uint16_t events{0};  // bits of Event::Kind, raised and not yet drained
        State state{State::closed};
        std::uint8_t rcv_shift{0}, snd_shift{0};  // RFC 7323, section 2
        std::uint8_t duplicates_owed{0};  // acknowledgements of single out-of-order segments (RFC 5681, 4.2)
        std::uint8_t vain{0};  // by how much more delays of acknowledgements were for nothing than served, lately
    } receiving;

    struct alignas(64) Sending {
        SeqNum snd_una, snd_nxt;  // SND.UNA, SND.NXT: a timeout moves SND.NXT back
        SeqNum snd_max;  // one behind the highest sequence number ever sent
        std::uint32_t snd_wnd{0};  // SND.WND, already scaled
        std::uint32_t max_snd_wnd{0};  // the largest it ever was (RFC 9293, section 3.8.6.2.1)
        SeqNum snd_wl1, snd_wl2;  // SND.WL1, SND.WL2
        std::uint32_t queue{none};  // text from SND.UNA on, lent; none while there is none
        std::uint32_t limit{0};  // bytes: the send buffer
        SeqNum snd_small;  // end of the last short segment sent (Minshall's form of Nagle)
        Steering steering;  // what congestion control wants
        std::uint32_t scoreboard{none};  // lent; none while nothing is amiss
        std::uint32_t accurate{none};  // of accurate ECN, lent; none: not negotiated. In SYN-SENT: our SYN asked for it
        std::uint16_t peer_mss{536};  // bytes; theirs (RFC 9293, section 3.7.1: MUST-15)
        std::uint8_t backoff{0};  // doublings of the RTO (RFC 6298, 5.5) or of the probe interval
        std::uint8_t duplicate_acks{0};  // in a row (RFC 5681, section 2)
    } sending;

    struct alignas(64) Timing {
        Duration srtt, rttvar;  // RFC 6298; srtt 0: no sample yet
        Duration rto{Duration::seconds(1)};  // without back-off
        Duration min_rtt;  // since the flow began; 0: no sample yet
        Instant timed_at;  // when the timed segment left
        SeqNum timed;  // its acknowledgement ends the measurement (Karn: sent once)
        SeqNum tail_end;  // SND.NXT when a tail loss probe left
        Instant sent_at;  // of the last transmission (RFC 5681, section 4.1)
        Instant heard_at;  // of the last acceptable segment
    } timing;

    struct Recovery {  // shares a line with `places` and `pace`
        SeqNum point;  // `recover` of RFC 6582: acknowledged, the recovery is over
        std::uint32_t inflation{0};  // bytes by which duplicate acks widen the window
        Instant unreachable_at;  // when the path went down
        std::uint64_t transmissions{0};  // of super-segments, retransmissions included
    } recovery;

    struct Places {
        Place output;  // those that have something to send
        Place events;  // those that have events; before accept(): the listener's queue
        Place path;  // those over one path
    } places;

    // What the congestion module wants beside the window.
    struct Pace {
        std::uint64_t rate{0};  // bytes a second, at least one mss; 0: it has no wish
        std::uint32_t quantum{0};  // bytes a super-segment may have, at least one mss; 0: no wish
        SeqNum ecn_point;  // SND.MAX when the window was last cut: marks up to there say nothing new
    } pace;

    // A connection has one entry in the timing wheel, or in the lines beside it, for the earliest. A later deadline is one store:
    // who looks early sees it, and arms again.
    struct alignas(64) Deadlines {
        Instant loss{Instant::never()};  // retransmission or persist timer
        Instant delayed_ack{Instant::never()};
        Instant user{Instant::never()};  // user timeout, or the end of an orphan in FIN-WAIT-2
        Instant progress_at;  // since when the oldest text in flight waits for an acknowledgement
        Instant module{Instant::never()};  // when the congestion module wants its on_timer
        Instant keepalive{Instant::never()};  // when silence has lasted long enough to probe
        Instant pace;  // no text before: what left last has passed at the pacing rate
        Instant armed{Instant::never()};  // somebody will look then, or before
    } deadlines;

    // What delivery-rate samples need beside the sent records (rate.h); `C.` in draft-ietf-ccwg-bbr, section 4.1.
    struct alignas(64) Rate : SentEnds {
        std::uint32_t round{0};  // round trips
        std::uint64_t delivered{0};  // bytes of text acknowledged since the flow began, SACKed ones included
        std::uint64_t lost{0};  // bytes of text given up for lost, each time that they were
        Instant delivered_at;  // when `delivered` last grew; nothing in flight: when sending began again
        Instant first_sent_at;  // when the transmission left that was acknowledged last: a sending interval begins there
        std::uint64_t limited_until{0};  // `delivered` beyond which the application's pause is past; 0: there is none
        std::uint64_t round_end{0};  // what leaves at this value of `delivered` or later belongs to the next round
    } rate;
};

static_assert(std::is_trivially_copyable_v<Tcb>, "a snapshot of a connection is a memcpy");
static_assert(sizeof(Tcb::Receiving) == 64 && sizeof(Tcb::Sending) == 64 && sizeof(Tcb::Timing) == 64 &&
              sizeof(Tcb::Rate) == 64);
static_assert(sizeof(Tcb) <= 384);

// What few flows have.
struct Extra {
    struct Attention {  // to the peer's text, of stacks that acknowledge the first of it at once
        Instant text_at;  // when some came last
        std::uint8_t quick{0};  // acknowledgements that still go at once
        bool interactive{false};  // ours answers theirs: an acknowledgement may wait for it
    } attention;
    Duration keepalive_idle, keepalive_interval;  // 0: no keep-alives
    Instant probed_at;  // when the last keep-alive left
    std::uint8_t keepalive_probes{0}, probes_out{0};
    bool exchanges_timeout{false};  // RFC 5482: ENABLED
    Duration their_timeout;  // REMOTE_UTO; 0: none was heard
    Instant measured_at;  // when the receive buffer was last looked at
    std::uint64_t read_then{0};  // bytes that the application had read by then
    std::uint16_t maximum_segment{0};  // bytes that the application allows; 0: any
    std::uint8_t syn_retries{0};  // SYNs that go again before it times out; 0: as the user timeout says
    // Where records end, in the order of the stream: what comes behind shares no segment with what is in front.
    std::uint8_t records{0};
    std::array<SeqNum, 15> record_ends{};
    std::span<const SeqNum> ends() const { return std::span{record_ends}.first(records); }
    std::uint32_t most_out{0};  // bytes that were in flight at once, up to `most_out_until`
    SeqNum most_out_until;
    std::uint16_t reordering{0}, reorderings{0};  // segments, at most; how often
    struct Times {  // that the flow was busy, or held back
        Duration busy_for, by_window_for, by_buffer_for;
        Instant since;
        bool busy{false}, by_window{false}, by_buffer{false};
    } times;
    bool send_fixed{false};  // the application set the send buffer: it does not grow
    std::uint16_t lowered_mtu{0};  // bytes: larger packets of this flow vanished, and nobody said why
    Instant lowered_until;
};
static_assert(std::is_trivially_copyable_v<Extra>);

// Options and statistics. Counters are totals since the flow began.
struct Cold {
    // What each segment touches.
    std::uint64_t bytes_in{0}, bytes_out{0};  // text accepted in order; text first sent
    Duration user_timeout;  // R2; 0: never (MUST-21)
    std::uint32_t segments_in{0}, segments_out{0};
    std::uint32_t extra{none};  // what few flows have, lent
    std::uint8_t dscp{0}, hop_limit{64};  // MUST-48, MUST-49
    std::uint8_t expiries{0};  // timeouts in a row (R1)

    std::uint8_t limit{0};  // trace::Limit that was told last
    std::uint8_t failed : 1 {0}, ended_by : 4 {0};  // `failure` holds, and which Event::Limit it was
    bool keeps_failed : 1 {false};  // having failed it stays, to be read, until the application lets go of it
    bool syn_text : 1 {false};  // the SYN's text was taken, all of it (RFC 7413)
    bool held_back : 1 {false};  // the last write said so of its text (SendOptions)
    bool asked_cookie : 1 {false}, asked_experimental : 1 {false};  // what our SYN said of Fast Open
    Error soft_error{}, failure{};  // of the events

    SeqNum iss, irs;
    SeqNum snd_up, rcv_up;  // urgent pointers: the octet behind the urgent text (MUST-62)
    Handle<Listener> listener;  // that it came from, if any
    std::uint32_t retransmissions{0}, timeouts{0};
    std::uint32_t told{0};  // segments, either way, when the trace was last told the counters
    Instant opened_at, established_at;
    std::uint8_t challenges{0};  // challenge acks in this second (RFC 5961, section 7)
    std::uint8_t reo_wnd_mult{1},
        reo_wnd_persist{16};  // RACK's: quarters of the round trip; recoveries until it is one again
    std::uint32_t challenged_at{0};  // the second of `challenges` on the engine's clock
    SeqNum dsack_round;  // SND.NXT when a DSACK was counted last (RFC 8985, section 6.2, step 4)
};
static_assert(std::is_trivially_copyable_v<Cold> && sizeof(Cold) <= 112);

}  // namespace weft::tcp
