// One flow from its beginning to the node's word that it ended: `weft nc`'s work between connecting and the summary.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <map>
#include <optional>
#include <string>

#include "node/cli_format.h"
#include "node/client.h"

namespace weft::node {

// A flow of which this process holds an end.
struct OpenFlow {
    std::string id;       // "PLACE:GENERATION"
    std::string address;  // the peer's, in text form
    std::uint16_t port{0};
    UniqueFd stream;
};

// Notifications in the order in which a session needs them: flows accepted meanwhile wait, ends are kept by flow.
class FlowEvents {
public:
    static constexpr std::size_t max_waiting = 64;  // accepted flows; the newest beyond them are closed

    explicit FlowEvents(Client& client) : client_{client} {}

    // Takes what there is, waiting at most `timeout` for the first. False: the node is gone, error() says how.
    bool take(std::chrono::milliseconds timeout);
    std::optional<OpenFlow> accepted();
    std::optional<Json> ended(const std::string& flow);  // flow.ended's params, once
    void abort(const std::string& flow);                 // so that the peer does not take what came for all

    const ControlError& error() const { return error_; }
    int descriptor() const { return client_.descriptor(); }

private:
    void sort(Notification notification);

    Client& client_;
    std::deque<OpenFlow> accepted_;
    std::map<std::string, Json> ended_;
    ControlError error_;
};

struct SessionPlan {
    int input{-1};                          // -1: nothing is sent, and our way closes when the peer's has
    int output{-1};
    bool input_is_terminal{false};
    std::optional<std::uint64_t> expected;  // bytes of the input, if known: for the progress line
    std::chrono::milliseconds timeout{0};   // with nothing moving; 0: none
};

struct SessionResult {
    std::uint64_t bytes_in{0}, bytes_out{0}, retransmissions{0};
    double seconds{0};                      // from the flow's beginning to the end of both ways
    std::optional<Problem> problem;
};

SessionResult run_session(OpenFlow& flow, FlowEvents& events, const SessionPlan& plan, const Console& console);

// What a flow's end, or the failure to open one, means to a person. `where` is "ADDRESS port PORT".
Problem flow_problem(std::string_view cause, std::string_view where);

}  // namespace weft::node
