// A command's end of an event connection: the stream of a node until it ends, a time is over, or a person ends it (Ctrl-C).
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "node/cli_commands.h"

namespace weft::node {

// While it lives SIGINT, SIGTERM and SIGHUP come by a descriptor, but for those that the caller had ignored.
class StopSignals {
public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;
    int descriptor() const { return fd_.get(); }
    bool wait(std::chrono::milliseconds most);  // true: one came

private:
    UniqueFd fd_;
    std::vector<int> blocked_;
};

struct EventStream {
    UniqueFd fd;
    std::string begun;  // of the stream, read with the answer
};

// events.subscribe at the node of this name.
std::expected<EventStream, Problem> subscribe(const CommonOptions& common, const Json& params);

enum class StreamEnd : std::uint8_t { closed, stopped, timed_out, refused };  // refused: `take` said false

// Hands on what comes, also what is there when it is stopped; and nothing, about each quarter of a second in which nothing comes.
StreamEnd read_stream(EventStream& stream, StopSignals& signals, std::optional<std::chrono::milliseconds> duration,
                      const std::function<bool(std::span<const std::byte>)>& take);

// The parameter `classes` of a request, from "state,loss".
Json classes_json(std::string_view list);

}  // namespace weft::node
