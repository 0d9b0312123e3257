// A crowd: thousands of flows between two production engines, over four ways that differ in rate, delay and loss, with
// all that people do to connections: bulk, talk, slow readers, refusals, silence, resets, and every order of closing. What the
// first host traces goes to a sink: a recording to look at, repeated to the bit by its seed.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "stack/core/buffer.h"
#include "stack/core/time.h"
#include "stack/core/trace_sink.h"
#include "stack/tcp/modules.h"

namespace weft::sim {

struct CrowdPlan {
    std::uint64_t seed{1};
    std::uint32_t flows{1'000};  // at once, 1 to 100,000; who ends begins anew a little later
    std::uint64_t rate_per_flow{1'000'000};  // bits per second: the ways together carry as much for each flow
    Duration ramp{Duration::seconds(2)};  // the flows begin over so long
    std::uint32_t loss{1'000};  // packets in a million on the third way; none on the first, ten times so many on the last
    std::vector<tcp::Module> modules;  // in the slots from tcp::compiled_slots on; flows take all slots by turns

    // The same for a run of this length: all flows begin in its first quarter, however few or short.
    CrowdPlan within(Duration length) const;
};

struct CrowdCounts {
    std::uint64_t begun{0}, connected{0}, ended{0},
        failed{0};  // flows of the first host: closed in order; refused, reset, given up
    std::uint64_t moved{0};  // flows that went on under another congestion module
    std::uint64_t sent{0}, received{0};  // bytes that its application wrote and read
};

class Crowd {
public:
    // The pool must outlive it.
    Crowd(BufferPool& pool, const CrowdPlan& plan);
    ~Crowd();
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;

    // Where the first host's records go; at once all that lives is told there.
    void record(const trace::Sink& sink);

    void run_for(Duration duration);
    Instant now() const;
    CrowdCounts counts() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weft::sim
