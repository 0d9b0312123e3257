// Where records can be read again, in the order in which they came: the memory of a live session, or a recording's file. A place
// in it is a Position; a record's time is the latest t_ns up to it, so that time never runs backwards in a history.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>

#include "stack/core/replay.h"
#include "stack/core/trace.h"

namespace weft::gui {

// From one moment to a later one; 0: it is not later. Times come from outside: their difference may not fit into 63 bits.
inline std::uint64_t distanceNs(std::int64_t from, std::int64_t to) {
    return to > from ? std::uint64_t(to) - std::uint64_t(from) : 0;
}
// `t` and so much more, at most the last moment that there is.
inline std::int64_t laterNs(std::int64_t t, std::uint64_t ns) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    return distanceNs(t, most) < ns ? most : std::int64_t(std::uint64_t(t) + ns);
}

// Sums and differences of times stop at the ends of what a time can be: a file may say any.
inline std::int64_t plusNs(std::int64_t a, std::int64_t b) {
    std::int64_t sum = 0;
    if (!__builtin_add_overflow(a, b, &sum)) return sum;
    return b > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}
inline std::int64_t minusNs(std::int64_t a, std::int64_t b) {
    std::int64_t difference = 0;
    if (!__builtin_sub_overflow(a, b, &difference)) return difference;
    return b < 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
}
inline std::int64_t roundedNs(double ns) {
    if (ns >= 9.2e18) return std::numeric_limits<std::int64_t>::max();
    return ns <= -9.2e18 ? std::numeric_limits<std::int64_t>::min() : std::int64_t(ns);
}

class History {
public:
    using Position = std::uint64_t;  // grows from record to record; nothing else is known about it
    using Take = std::function<bool(std::span<const trace::Record>)>;  // false: enough

    History() = default;
    History(const History&) = delete;
    History& operator=(const History&) = delete;
    virtual ~History() = default;

    virtual Position first() const = 0;  // of the oldest record that is kept
    virtual Position end() const = 0;  // where the next record will be
    bool isEmpty() const { return first() == end(); }
    virtual std::int64_t beginNs() const = 0;  // times of the oldest and the newest record; 0: empty
    virtual std::int64_t endNs() const = 0;

    // The first record whose time is later than `t`; end(): there is none.
    virtual Position after(std::int64_t t) const = 0;
    // A place before `position` from which reading up to it costs a few milliseconds at most; first(): the beginning.
    virtual Position blockBefore(Position position) const = 0;
    // Hands over what lies from `from` (or first(), if that is later) to before `to`, and says where to go on: `to`, or behind
    // the span at which `take` said that it was enough. Spans do not live longer than the call; none has more than 4,096.
    virtual Position read(Position from, Position to, const Take& take) const = 0;

    // The state of all flows when all records up to `t` were told, and the place behind the last of them.
    struct State {
        trace::Replay replay;
        Position next{0};
    };
    virtual State at(std::int64_t t) const = 0;
    // at(t), from a state of this history: by what lies between, if that is little and the state is older.
    virtual void move(State& state, std::int64_t t) const = 0;
    virtual const trace::Replay& newest() const = 0;  // the state at the end

    // A node that began anew tells of other flows under the same places: where the stream begins that holds `position`, and what
    // was known before; and where it ends, for now.
    struct Stream {
        Position first{0};
        std::int64_t beginNs{0};
        trace::Replay before;
    };
    virtual Stream streamOf(Position position) const = 0;
    virtual Position endOfStream(Position position) const = 0;
};

}  // namespace weft::gui
