// Where records can be read again, in the order in which they came: the memory of a live session, or a recording's file. A place
// in it is a Position; a record's time is the latest t_ns up to it, so that time never runs backwards in a history.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "stack/core/replay.h"
#include "stack/core/trace.h"

namespace weft::gui {

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
    virtual const trace::Replay& newest() const = 0;  // the state at the end
};

}  // namespace weft::gui
