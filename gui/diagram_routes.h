// The drawing of RFC 9293's state diagram (figure 5 of section 3.3.2 and its notes) as data: where the eleven states stand and the
// hand-laid way of every edge between them, on a canvas of 540 by 330 units. Which edges there are says stack/core/transitions.h.
#pragma once

#include <QLatin1String>
#include <QPointF>
#include <QRectF>
#include <cstdint>
#include <span>

namespace weft::gui {

inline constexpr double canvasWidth = 540, canvasHeight = 330;
inline constexpr double boxWidth = 92, boxHeight = 22;
inline constexpr unsigned stateCount = 11;

enum class Side : std::int8_t { right = -1, centre = 0, left = 1 };  // which side of the label its point is

struct Route {
    std::uint8_t from, to;
    std::uint8_t corners;  // of `way`
    bool aside;  // reset, abort, time-out: drawn dashed
    QPointF way[7];  // the last is the arrow's point
    const char* label;  // event / what is sent; "": told by the legend or on hover
    QPointF labelAt;  // middle line of the text
    Side labelSide;
};

std::span<const Route> routes();
const Route* routeOf(unsigned from, unsigned to);  // nullptr: no such edge
QRectF boxOf(unsigned state);  // state < stateCount
QPointF countAt(const Route& route);  // where its count stands: on it, clear of labels
// From a point to the nearest of its segments, units.
double distanceTo(const Route& route, const QPointF& point);

}  // namespace weft::gui
