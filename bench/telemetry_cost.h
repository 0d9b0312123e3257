// What the event path costs who writes events: a record into a real ring that a real telemetry thread drains for a real reader, and
// the branch that is left of it when nobody listens.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>

#include "node/telemetry.h"

namespace weft::bench {

struct EventCost {
    double on_ns{0}, off_ns{0};  // an event; the loop around it included
};

// Both by turns, in bursts of 1,000 events that the ring takes whole: a burst that loses one is an error, since losing is cheaper.
std::expected<EventCost, std::string> event_cost(unsigned bursts);

// A reader that takes all and keeps nothing, in a process of its own, and the telemetry that serves it.
class Listener {
public:
    static std::expected<Listener, std::string> start(const std::string& node);
    Listener(Listener&& other) noexcept
        : telemetry_{std::move(other.telemetry_)}, reader_{std::exchange(other.reader_, -1)} {}
    Listener& operator=(Listener&&) = delete;
    ~Listener();

    node::Telemetry& telemetry() { return *telemetry_; }
    std::uint64_t dropped() const;  // records that did not reach it

private:
    Listener() = default;
    std::unique_ptr<node::Telemetry> telemetry_;
    int reader_{-1};
};

}  // namespace weft::bench
