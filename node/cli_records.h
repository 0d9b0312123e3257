// Trace records as `weft trace` shows them: a line for a person, an object for a program.
#pragma once

#include <cstdint>
#include <string>

#include "node/json.h"
#include "stack/core/recording.h"
#include "stack/core/replay.h"

namespace weft::node {

// "15:04:05.123456 1:4 state SYN-SENT -> ESTABLISHED (segment)": in local time. `flows` has heard all records up to it.
std::string record_line(const trace::Record& record, const trace::Replay& flows, const trace::Clocks& clocks);

// Only what was said: "SYN-SENT -> ESTABLISHED (segment)".
std::string record_text(const trace::Record& record, const trace::Replay& flows);

// {t_ns, time, flow, type, told_again, ...} and the fields of its body under their names in `stack/core/trace.h`.
Json record_json(const trace::Record& record, const trace::Replay& flows, const trace::Clocks& clocks);

// "1:4", "half-open 2:1", "listener 0:1"; "-" of no flow. The generation is the last one that was heard.
std::string place_text(const trace::Record& record, const trace::Replay& flows);

}  // namespace weft::node
