// Carries the bytes of one flow to and from a Unix stream socket, so that a program needs nothing but a descriptor. Full on
// one side means that the other is not read; a half-close passes both ways.
#pragma once

#include <array>
#include <cstdint>

#include "node/service.h"
#include "node/unique_fd.h"

namespace weft::node {

class Pump final : public Service {
public:
    Pump(Flow flow, UniqueFd fd) : Service{flow}, fd_{std::move(fd)} {}

    Progress run(Engine& engine, BufferPool& pool, Instant now) override;
    void finish() override;  // as if the program had ended its output; what it wrote before still leaves

    void socket_ready(std::uint32_t events);
    int descriptor() const { return fd_.get(); }

private:
    static constexpr std::size_t piece = 64 << 10;  // bytes of one read
    static constexpr unsigned turns = 8;  // pieces a turn each way

    Progress to_flow(Engine& engine, BufferPool& pool, Instant now);
    Progress to_socket(Engine& engine, Instant now);
    Progress hand_over();  // what was taken, to the socket

    UniqueFd fd_;
    Slice staged_;  // read from the socket, not yet taken by the flow
    std::array<Slice, 32> taken_;  // from the flow, not yet handed to the socket: [first_, last_)
    std::uint32_t first_{0}, last_{0};
    bool socket_readable_{true}, socket_writable_{true};  // until a call says would block
    bool input_ended_{false};  // the program's end of file was seen, or its descriptor is gone
    bool hung_up_{false};  // the program has closed its end altogether
    bool fin_passed_{false}, end_passed_{false};  // the end of file went to the flow; to the socket
    bool reading_shut_{false};
};

}  // namespace weft::node
