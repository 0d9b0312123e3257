// LISTEN, and the records that are not worth a TCB: passive SYN-RECEIVED and TIME-WAIT. All are plain values of few bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "stack/core/index_list.h"
#include "stack/core/seq.h"
#include "stack/core/slab.h"
#include "stack/core/time.h"
#include "stack/tcp/config.h"
#include "stack/tcp/path.h"

namespace weft::tcp {

// What a flow begins with.
struct FlowOptions {
    Duration user_timeout;
    std::uint8_t dscp{0}, hop_limit{64};
    bool nodelay{false};
    std::uint16_t congestion{0};      // slot of its controller
    KeepAlive keepalive;
    bool report_errors{true};
    bool exchange_user_timeout{false};
    std::uint32_t send_buffer{0}, receive_buffer{0};  // bytes, which stay; 0: as the stack is tuned
    std::uint16_t maximum_segment{0};  // bytes; 0: what the path carries
    bool fast_open{false};
    std::uint16_t fast_open_queue{0};  // listener: pending ones at most; 0: as its backlog says
    std::uint8_t syn_retries{0};  // SYNs sent again, then it times out; 0: as the user timeout says
    bool keep_failed{false};
    std::uint64_t fast_open_key[2]{};  // listener: of its cookies; zero: the stack's
};

// What a SYN,ACK says besides sequence numbers and what it answers.
struct Offer {
    std::uint16_t mss{0}, window{0};  // bytes: window as a SYN,ACK says it, never scaled
    std::uint16_t user_timeout{0};    // as on the wire; 0: none is said
    std::uint8_t rcv_shift{0};        // of all windows after it
    std::uint8_t dscp{0}, hop_limit{64};
};

// Fast Open flows that were reset before their handshake was through: they count as pending for a minute more, else the answers to
// forged SYNs free places as fast as those take them (RFC 7413, section 5.1).
class EarlyResets {
public:
    void add(Instant now) {
        settle(now);
        ++came_[std::size_t(turn_) % came_.size()];
        ++count_;
    }
    std::uint32_t count(Instant now) {
        settle(now);
        return count_;
    }

private:
    // Four seconds to each place: 60 to 64 until it is taken again.
    void settle(Instant now) {
        const std::int64_t turn = now.nanoseconds() / 4'000'000'000;
        for (std::size_t i = 0; i < came_.size() && turn_ + std::int64_t(i) < turn; ++i)
            count_ -= std::exchange(came_[std::size_t(turn_ + 1 + std::int64_t(i)) % came_.size()], 0);
        turn_ = turn;
    }

    std::array<std::uint32_t, 16> came_{};
    std::int64_t turn_{0};
    std::uint32_t count_{0};
};

struct Listener {
    FlowOptions options;
    std::uint16_t port{0};
    std::uint32_t backlog{0};
    IndexList half_open;  // the oldest first
    std::uint32_t half_open_count{0};
    IndexList waiting;  // connections for accept(), the oldest first
    std::uint32_t waiting_count{0};
    Place events;
    bool in_events{false};
    bool asks{false};
    std::uint32_t early_count{0};  // connections that took text with their SYN and are not through the handshake
    EarlyResets early_resets;
    Instant cookies_until;  // a SYN cookie was given out: acknowledgements of one are believed until then
    std::uint16_t cookie_window{0};  // bytes: with all of them this was said
    std::uint8_t cookie_shift{0};  // and this scale

    // Whether it leaves for a half-open record or is a cookie. `room`: bytes of text that the path carries in a segment.
    Offer offer(const Config& settings, std::uint32_t room) const;
};

// A handshake that waits for its last acknowledgement: no TCB and no buffer before that.
struct HalfOpen {
    FlowKey key;
    Handle<Listener> listener;
    SeqNum iss, irs;
    std::uint32_t window{0};  // bytes, of the SYN: never scaled
    std::uint32_t ts_recent{0};
    std::uint16_t peer_mss{536};
    std::uint8_t snd_shift{0};
    bool scales : 1 {false}, timestamps : 1 {false}, ecn : 1 {false}, sack : 1 {false};
    bool accurate : 1 {false};  // accurate ECN was asked for (RFC 9768), and then `ecn` is not set
    bool plain : 1 {false};  // one of the handshake's packets did without ECN: none of ours is ECN-capable
    bool without_option : 1 {false};  // a SYN,ACK may have been lost for its counters
    std::uint8_t came_with : 2 {0};  // the Ecn of the latest SYN
    std::uint8_t retransmissions{0};
    std::uint16_t user_timeout{0};  // that the SYN said, as on the wire; 0: none
    enum class Asked : std::uint8_t { no, asked, later } asked{};  // the application decides: no SYN,ACK left yet
    bool in_questions{false};
    bool grants{false}, experimental{false};  // the SYN,ACK carries `grant`, in the option of experiments
    std::uint8_t rcv_shift{0};  // what it says of windows stays said, whatever the stack is tuned to meanwhile
    std::uint16_t offered{0};  // bytes: its window
    std::uint64_t grant{0};  // a Fast Open cookie
    Instant sent_at;  // of the last SYN,ACK
    Instant born_at;
    Place place;  // in Listener::half_open
};

// 2 MSL after the end (RFC 9293, section 3.6.1): acknowledges a FIN that comes again, and keeps old duplicates from a new
// connection of the same name.
struct TimeWait {
    FlowKey key;
    SeqNum snd_nxt, rcv_nxt;
    std::uint32_t window{0};  // bytes that the last acknowledgement offered
    std::uint32_t rcv_shift : 4 {0};
    std::uint32_t timestamps : 1 {false};
    std::uint32_t ace : 3 {0};  // of accurate ECN, as it stood; 0 without
    std::uint32_t flow : 24 {0};  // index and generation of the connection that it was: in the trace it still is that
    std::uint32_t generation{0};
    std::uint32_t ts_recent{0};
    Instant expires;
    Place place;  // in Host::time_waits, the first to expire first
};

static_assert(std::is_trivially_copyable_v<Listener> && std::is_trivially_copyable_v<HalfOpen> &&
              std::is_trivially_copyable_v<TimeWait>);
static_assert(sizeof(HalfOpen) <= 80 && sizeof(TimeWait) <= 48);

}  // namespace weft::tcp
