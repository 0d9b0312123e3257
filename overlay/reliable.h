// Reliable control messages of one link, both directions (docs/wire.md): numbers, repetitions until GOT, duplicates. Without
// I/O: bodies and the time go in, bodies to send and the next deadline come out.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "overlay/control.h"
#include "stack/core/time.h"

namespace weft::overlay {

class Reliable {
public:
    static constexpr unsigned repetitions = 3;  // after the first time
    static constexpr std::size_t in_flight_limit = 128, waiting_limit = 1'024;
    static constexpr std::uint16_t span_limit = 200;  // numbers in flight: the receiver knows the last 256
    static constexpr std::size_t remembered = 256;
    static constexpr Duration got_delay = Duration::milliseconds(5);
    static constexpr Duration shortest_repeat = Duration::milliseconds(50), unmeasured_repeat = Duration::milliseconds(250);
    static constexpr Duration memory = Duration::seconds(10);  // of a number that was seen

    explicit Reliable(std::uint16_t first_txid) : next_{first_txid} {}

    // The neighbour has restarted: its numbers begin anew. What waits for its GOT goes on.
    void forget_received() {
        seen_ = {};
        owed_.clear();
    }

    // out. `about`: what take_lost() answers should nobody acknowledge it. False: the queue is full.
    bool send(Body body, std::uint64_t about, Duration srtt, Instant now);
    void got(std::uint16_t txid, Duration srtt, Instant now);
    bool holds(Op op, std::uint64_t about) const;  // such a message is still unacknowledged

    // in. Notes that GOT is owed; false: seen before.
    bool receive(std::uint16_t txid, Instant now);

    // Repeats what is due. A message that had all its repetitions is given up.
    void advance(Duration srtt, Instant now);
    Instant deadline() const;

    // What is to be sent now, GOT first; appended to `out`. `with_others`: GOTs go although their 5 ms are not over.
    template <class Out>
    void drain(Out&& out, bool with_others, Instant now) {
        const bool due =
            !owed_.empty() && (with_others || !ready_.empty() || owed_.size() >= in_flight_limit || now >= owed_by_);
        if (due) {
            out(list_body<GotItem>(owed_));
            owed_.clear();
        }
        for (Body& body : ready_) out(std::move(body));
        ready_.clear();
    }

    struct Lost {
        Op op{};
        std::uint64_t about{0};
    };
    std::vector<Lost> take_lost() { return std::exchange(lost_, {}); }

    std::uint64_t repeated() const { return repeated_; }

private:
    struct Message {
        Body body;
        std::uint64_t about{0};
        std::uint16_t txid{0};
        unsigned sent{0};  // times
        Instant due;
    };
    struct Seen {
        std::uint16_t txid{0};
        bool used{false};
        Instant when;
    };

    static Duration repeat_after(Duration srtt) {
        return srtt == Duration{} ? unmeasured_repeat : std::max(shortest_repeat, srtt * 2);
    }
    void fill(Duration srtt, Instant now);  // moves waiting messages into flight

    std::deque<Message> flight_;  // in the order of their numbers
    std::deque<Message> waiting_;  // without numbers yet
    std::vector<Body> ready_;
    std::vector<Lost> lost_;
    std::uint16_t next_;
    std::uint64_t repeated_{0};

    std::array<Seen, remembered> seen_{};  // by number mod 256: a neighbour counts upwards
    std::vector<GotItem> owed_;
    Instant owed_by_;
};

}  // namespace weft::overlay
