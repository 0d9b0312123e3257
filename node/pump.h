// Carries the bytes of one flow to and from a Unix stream socket, so that a program needs nothing but a descriptor. Full on
// one side means that the other is not read; a half-close passes both ways.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "node/unique_fd.h"
#include "stack/core/buffer.h"
#include "stack/engine/engine.h"

namespace weft::node {

class Pump {
public:
    Pump(Flow flow, UniqueFd fd) : flow_{flow}, fd_{std::move(fd)} {}

    enum class Progress : std::uint8_t {
        waiting,   // for the socket or the flow
        more,      // its turn is over, not its work
        starved,   // no chunk was free: try again later
        ended,     // nothing is left to carry either way, and the flow is over
        aborted,   // the program went without reading all: the flow is to be reset
    };

    // A turn: a bounded number of bytes each way.
    Progress run(Engine& engine, BufferPool& pool, Instant now);

    // What has become ready since.
    void socket_ready(std::uint32_t events);
    void flow_readable() { flow_readable_ = true; }
    void flow_writable() { flow_writable_ = true; }
    void flow_over() { over_ = true; }               // it closed or failed: what was taken is still handed over
    void end_input();  // as if the program had ended its output; what it wrote before still leaves

    int descriptor() const { return fd_.get(); }
    std::uint64_t bytes_in() const { return bytes_in_; }  // handed to the socket
    std::uint64_t bytes_out() const { return bytes_out_; }  // taken by the flow

private:
    static constexpr std::size_t piece = 64 << 10;  // bytes of one read
    static constexpr std::size_t kept_whole = 16 << 10;  // a read of fewer is copied, not lent: a chunk is 65 KiB
    static constexpr unsigned turns = 8;  // pieces a turn each way

    Progress to_flow(Engine& engine, BufferPool& pool, Instant now);
    bool write_staged(Engine& engine, Instant now);
    Progress to_socket(Engine& engine, Instant now);
    Progress hand_over();  // what was taken, to the socket

    Flow flow_;
    UniqueFd fd_;
    Slice staged_;  // read from the socket, not yet taken by the flow
    std::array<Slice, 32> taken_;  // from the flow, not yet handed to the socket: [first_, last_)
    std::uint32_t first_{0}, last_{0};
    std::uint64_t bytes_in_{0}, bytes_out_{0};
    bool socket_readable_{true}, socket_writable_{true};  // until a call says would block
    bool flow_readable_{true}, flow_writable_{true};
    bool input_ended_{false};  // the program's end of file was seen, or its descriptor is gone
    bool hung_up_{false};  // the program has closed its end altogether
    bool fin_passed_{false}, end_passed_{false};  // the end of file went to the flow; to the socket
    bool reading_shut_{false};
    bool over_{false};
};

}  // namespace weft::node
