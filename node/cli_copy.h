// Moves bytes between a flow's descriptor and two others, each way in a thread of its own with blocking calls: a slow
// reader of the output then never holds up the input, and nobody's descriptor is made non-blocking behind his back.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "node/unique_fd.h"

namespace weft::node {

class TwoWayCopy {
public:
    enum class Fault : std::uint8_t {
        none,
        input,
        output
    };  // of the caller's descriptors; the flow's end is its own matter

    struct Way {
        std::atomic<std::uint64_t> bytes{0};
        std::atomic<bool> ended{false};
        Fault fault{Fault::none};  // these two are valid once it ended
        int error{0};              // errno
    };

    // `input` -1: nothing is sent, and close_out() is the caller's to call. The descriptors stay the caller's.
    TwoWayCopy(int flow, int input, int output);
    TwoWayCopy(const TwoWayCopy&) = delete;
    TwoWayCopy& operator=(const TwoWayCopy&) = delete;
    ~TwoWayCopy();  // stops

    const Way& in() const { return in_; }    // flow -> output
    const Way& out() const { return out_; }  // input -> flow; its end of input closes the flow's way out

    int ended_event() const { return event_.get(); }  // an eventfd: readable after either way ended
    void close_out();
    void stop();  // both ways, wherever they wait; returns when their threads are gone

private:
    void run_in();
    void run_out();
    void finish(Way& way, Fault fault, int error);

    int flow_, input_, output_;
    UniqueFd event_;
    std::atomic<bool> stopping_{false};
    Way in_, out_;
    std::thread in_thread_, out_thread_;
};

}  // namespace weft::node
