// A record in words: what kind of event it is, and what it says, as a line of the log and a tool tip show them.
#pragma once

#include <cstdint>

#include <QString>

#include "stack/core/address.h"
#include "stack/core/replay.h"
#include "stack/core/trace.h"

namespace weft::gui {

QString typeName(trace::Type type);  // "state", "congestion"
QString shortName(trace::Type type);  // the same, for a narrow column: "sent", "cwnd"
QString glyph(const trace::Record& record);  // one character: → sent, ← received, ! loss
QString recordText(const trace::Record& record, const trace::Replay& state);

// `22.371`: seconds since `originNs`, to the digits that tell neighbours apart.
QString timeText(std::int64_t tNs, std::int64_t originNs, int decimals = 6);
QString stateName(int state);  // "ESTABLISHED"; "–" for a number that is none
QString bytesText(double bytes);  // "124.0 kB"
QString rateText(double bitsPerSecond);  // "94.1 Mbit/s"
QString durationText(std::int64_t ns);  // "41.2 ms"
QString addressText(const Address& address);  // an overlay address in its short form; "*": any
QString endpointText(const Address& address, std::uint16_t port);  // "[fd00::7]:8080", "*:9000"
QString flagsText(unsigned tcpFlags);  // "SYN ACK"

}  // namespace weft::gui
