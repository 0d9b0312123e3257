// The numbers beside a plot: round steps between ticks, units with their prefixes, times of a session as text.
#pragma once

#include <QString>
#include <cstdint>

namespace weft::gui {

enum class Unit : std::uint8_t { bytes, bitsPerSecond, nanoseconds, count };

// 1, 2 or 5 times a power of ten: the smallest step that cuts `span` into at most `most` pieces. span > 0.
double tickStep(double span, int most);

struct Scaled {
    double factor;  // multiply by it
    QString name;   // "kB"
};
Scaled scaledUnit(Unit unit, double largest);
QString valueText(Unit unit, double value);               // "124 kB", four figures at most
QString tickText(double value, double step);              // with as many places as the step needs
QString clockText(std::int64_t ns, std::int64_t stepNs);  // "22.5 s", "3:07", "1:02:05": since the session's begin

}  // namespace weft::gui
