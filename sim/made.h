// Records as a busy node tells them, but made up: no engine runs, so that hundreds of thousands a second cost next to nothing.
// Flows of all families open, send, lose, close in every order and come again; all classes of records are among them. For
// benchmarks and pictures; the same seed makes the same records.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sim/random.h"
#include "stack/core/address.h"
#include "stack/core/trace.h"

namespace weft::sim {

class MadeRecords {
public:
    struct Plan {
        std::uint64_t seed{1};
        std::uint32_t flows{1'000};
        std::uint32_t per_second{200'000};  // records a second of record time
        std::int64_t begin_ns{1'000'000'000};
    };

    explicit MadeRecords(const Plan& plan);

    // The next ones, in the order of their times. What the first flows begin with comes first, all at begin_ns.
    void next(std::span<trace::Record> out);

    std::int64_t now_ns() const { return now_ns_; }
    static Address address(std::uint32_t flow, bool local);  // of the flow at that place

private:
    struct Flow {
        std::uint32_t generation{0}, passive{0};  // odd while it lives, as of a handle
        std::uint8_t state{0}, phase{0}, closing{0};
        std::uint8_t limit{0};
        std::uint16_t slot{0};
        std::uint32_t cwnd{0}, ssthresh{0}, in_flight{0}, seq{0}, transmission{0}, round{0};
        std::uint32_t retransmissions{0}, timeouts{0};
        std::uint64_t sent{0};
        std::int64_t base_rtt_ns{0}, srtt_ns{0}, counted_ns{0}, opened_ns{0};
    };

    template <class Body>
    void tell(std::uint32_t place, trace::Type type, const Body& body, std::uint16_t flags = 0);
    void open_world();
    void define(std::uint32_t id, const Address& address);
    void step();
    void begin(std::uint32_t place);
    void go_on(std::uint32_t place);
    void send(std::uint32_t place, Flow& flow);
    void lose(std::uint32_t place, Flow& flow, bool by_timeout);
    void count(std::uint32_t place, Flow& flow);
    void close(std::uint32_t place, Flow& flow);
    void change(std::uint32_t place, Flow& flow, std::uint8_t to, std::uint8_t cause, std::uint8_t segment_flags);
    void tell_congestion(std::uint32_t place, const Flow& flow);
    void tell_of_node();
    trace::FlowBegin begin_of(std::uint32_t place, const Flow& flow) const;

    Plan plan_;
    Draws draws_;
    std::vector<Flow> flows_;
    std::vector<trace::Record> ready_;  // told, and not taken yet
    std::size_t taken_{0};
    std::int64_t now_ns_{0};
    std::uint64_t fraction_{0};  // of a nanosecond, in 1/per_second
};

}  // namespace weft::sim
