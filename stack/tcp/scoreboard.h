// What the sender knows of the peer's queue beyond SND.UNA (RFC 2018, section 5; RFC 6675, section 3): records of what is in
// flight, in the order of the stream and in the order in which they left, split at the edges of SACK blocks; and what loss
// detection and recovery remember while there is anything to remember.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "stack/core/index_list.h"
#include "stack/core/seq.h"
#include "stack/core/slab.h"
#include "stack/core/time.h"
#include "stack/tcp/rate.h"
#include "stack/wire/tcp.h"

namespace weft::tcp {

inline constexpr std::uint32_t duplicate_threshold = 3;  // DupThresh (RFC 5681, section 3.2; RFC 6675, section 2)

// Lent from the first SACK block, probe or timeout of an episode until that is over. Bytes are sequence numbers here: a FIN
// counts as one.
struct Scoreboard {
    IndexList out;  // records in the network, in the order in which they left
    IndexList lost;  // records that were given up, in the order of the stream
    std::uint32_t sacked{0}, given_up{0};  // bytes: of records that the peer has; of `lost`
    std::uint32_t hint{none};  // the record where the last block ended
    std::uint8_t told_count{0};
    std::array<wire::SackBlock, 4> told{};  // blocks of the last acknowledgement: only what is new in the next is looked at

    // RFC 8985, section 5.2.
    struct Rack {
        Instant xmit_ts;  // when that left which left last of all that was delivered
        Duration rtt;
        SeqNum end_seq;  // of it
        SeqNum fack;  // the highest that was delivered
        bool known{false};  // the first three hold
    } rack;

    // RFC 9937, section 6.
    struct Prr {
        std::uint32_t recover_fs{0}, delivered{0}, out{0};  // bytes: at the beginning, and since
    } prr;

    // What a spurious episode gives back (RFC 4015; RFC 3708).
    struct Undo {
        std::uint32_t pipe{0};  // bytes: max(in flight, ssthresh) when it began; 0: nothing to undo
        std::uint32_t resent{0};  // bytes sent again in it for which no DSACK came
        std::uint32_t stamp{0};  // the timestamp of its first retransmission
        SeqNum first;  // where that ended
        SeqNum begin, end;  // SND.UNA and SND.NXT when it began
        Duration srtt, rttvar;  // before it
        bool stamped{false}, timeout{false}, any{false};  // any: something was sent again
    } undo;

    enum class Frto : std::uint8_t { none, head_sent, new_sent };  // steps of RFC 5682, section 3
    Frto frto{};
    bool after_timeout{false};  // recovery by slow start, up to Tcb::Recovery::point
    bool rescued{false};  // RFC 6675, NextSeg rule 4: once a recovery
    std::uint32_t frto_credit{0};  // bytes of new text that step 2b lets out
    std::uint32_t limited{0};  // bytes that limited transmit let out (RFC 3042): not counted in FlightSize
    SeqNum edge;  // RFC 6675: what lies in front of it was looked at for losses
    SeqNum rescue_until;  // NextSeg rule 4: RescueRxt
    SeqNum calm_at;  // SND.NXT when the last episode ended: acknowledged, nothing is left to remember
    Instant rto_at;  // when the retransmission timer goes off, whichever timer runs
    std::uint32_t sampled_round{0};  // in which the round-trip time was last sampled
};
static_assert(std::is_trivially_copyable_v<Scoreboard> && sizeof(Scoreboard) <= 256);

// The records of one flow for the length of a call.
class Flight {
public:
    // Records a connection, at most, that SACK blocks may make: what would need one more is not marked.
    static constexpr std::uint32_t most_records = 4'096;

    Flight(Lent<SentRecord>& records, SentEnds& ends, Scoreboard* board) : sent_{records}, ends_{ends}, board_{board} {}

    SentRecord& operator[](std::uint32_t index) { return sent_[index]; }

    SentRecord& append(SeqNum begin, SeqNum end);  // behind all; when it left is the caller's to say
    void begin_order();  // a scoreboard is new: what is there left in its order
    void clear();

    // SND.UNA is `una` now. Calls visit(record, end) for what that newly delivers: the record up to `end`.
    template <class Visit>
    void acknowledge(SeqNum una, Visit&& visit) {
        while (ends_.oldest != none && before(sent_[ends_.oldest].begin, una)) {
            const SentRecord& record = sent_[ends_.oldest];
            const SeqNum end = earlier(una, record.end);
            if (record.fate != Fate::sacked) visit(record, end);
            cut_front(end);
        }
    }

    // The peer has what lies in the block. Calls visit(record, end) for what that newly delivers. False: there was not room for
    // all that it would split, and it should be told again.
    template <class Visit>
    bool select(wire::SackBlock block, Visit&& visit) {
        bool all = true;
        for (std::uint32_t at = find(block.left); at != none && before(sent_[at].begin, block.right);) {
            if (sent_[at].fate != Fate::sacked) {
                at = isolate(at, block);
                if (at == none) return false;
                if (inside(at, block)) {
                    visit(static_cast<const SentRecord&>(sent_[at]), sent_[at].end);
                    at = mark_sacked(at);
                } else {
                    all = false;
                }
            }
            board_->hint = at;
            at = sent_[at].line.next;
        }
        return all;
    }

    void leave_last(std::uint32_t index);  // a record of `out`: what was added to it left now
    void lose(std::uint32_t index);  // a record of `out`
    void lose_all();  // all that the peer does not have
    void forget_sacks();  // the peer may have dropped what it said to have (RFC 2018, section 8)
    void find_all();  // nothing was lost: `lost` is in the network as it was
    // The first that was given up, at most `most` bytes (of whole segments), as one record; it leaves `lost` for `out`.
    std::uint32_t take_lost(std::uint32_t most);
    // The last segment of the flow, with its FIN if `fin`, as a record of its own, newest in `out`. Nothing must be SACKed.
    std::uint32_t take_last(std::uint32_t mss, bool fin = false);
    std::uint32_t highest_sacked() const;  // the last record that the peer has; none

    // Whether the lists and counters agree with the records: for tests.
    bool sound() const;

private:
    auto line() {
        return [this](std::uint32_t i) -> Place& { return sent_[i].line; };
    }
    auto order() {
        return [this](std::uint32_t i) -> Place& { return sent_[i].order; };
    }
    bool inside(std::uint32_t at, wire::SackBlock block) const {
        return at_or_before(block.left, sent_[at].begin) && at_or_before(sent_[at].end, block.right);
    }
    std::uint32_t find(SeqNum seq) const;  // the record that it lies in, or the first behind it
    std::uint32_t isolate(std::uint32_t at, wire::SackBlock block);
    std::uint32_t split(std::uint32_t at, SeqNum where);  // the index of the second part
    std::uint32_t mark_sacked(std::uint32_t at);  // the record that it lies in now
    void leave_list(std::uint32_t at);
    void join(std::uint32_t first);  // with the one behind it
    void release(std::uint32_t at);
    void cut_front(SeqNum until);
    void add_lost(std::uint32_t at);

    Lent<SentRecord>& sent_;
    SentEnds& ends_;
    Scoreboard* board_;
};

}  // namespace weft::tcp
