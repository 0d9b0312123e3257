// The table of ways. Opening runs down from CLOSED, closing further down; what comes back to CLOSED goes round the outside: resets,
// aborts and time-outs dashed on the left and the inner right, the last acknowledgement and 2 MSL on the outer right.
#include "gui/diagram_routes.h"

#include <QLineF>
#include <algorithm>
#include <array>
#include <cmath>

namespace weft::gui {
namespace {

// Numbers of tcp::State, which are the order of RFC 9293, section 3.3.2.
enum : std::uint8_t {
    closed,
    listen,
    synSent,
    synReceived,
    established,
    finWait1,
    finWait2,
    closeWait,
    closing,
    lastAck,
    timeWait
};

constexpr std::array<std::array<double, 2>, stateCount> middles{{
    {270, 42},  // CLOSED
    {110, 86},  // LISTEN
    {426, 92},  // SYN-SENT
    {110, 140},  // SYN-RECEIVED
    {270, 174},  // ESTABLISHED
    {110, 208},  // FIN-WAIT-1
    {110, 308},  // FIN-WAIT-2
    {426, 214},  // CLOSE-WAIT
    {270, 258},  // CLOSING
    {426, 270},  // LAST-ACK
    {270, 308},  // TIME-WAIT
}};

const std::array<Route, 27> table{{
    // The figure.
    {closed, listen, 3, false, {{224, 38}, {96, 38}, {96, 75}}, "passive open", {160, 32}, Side::centre},
    {listen, closed, 3, false, {{126, 75}, {126, 47}, {224, 47}}, "close", {176, 54}, Side::centre},
    {closed, synSent, 3, false, {{316, 38}, {440, 38}, {440, 81}}, "active open / SYN", {378, 32}, Side::centre},
    {synSent, closed, 3, false, {{412, 81}, {412, 47}, {316, 47}}, "close, reset", {364, 54}, Side::centre},
    {listen, synSent, 2, false, {{156, 86}, {380, 86}}, "send / SYN", {224, 80}, Side::centre},
    {listen, synReceived, 2, false, {{100, 97}, {100, 129}}, "SYN / SYN,ACK", {91, 113}, Side::right},
    {synSent,
     synReceived,
     4,
     false,
     {{380, 98}, {178, 98}, {178, 134}, {156, 134}},
     "SYN / SYN,ACK",
     {236, 105},
     Side::centre},
    {synSent, established, 3, false, {{426, 103}, {426, 170}, {316, 170}}, "SYN,ACK / ACK", {370, 164}, Side::centre},
    {synReceived, established, 3, false, {{156, 146}, {250, 146}, {250, 163}}, "ACK of SYN", {214, 140}, Side::centre},
    {synReceived, finWait1, 2, false, {{96, 151}, {96, 197}}, "close / FIN", {87, 174}, Side::right},
    {established, finWait1, 3, false, {{224, 174}, {124, 174}, {124, 197}}, "close / FIN", {175, 168}, Side::centre},
    {established, closeWait, 3, false, {{316, 180}, {426, 180}, {426, 203}}, "FIN / ACK", {370, 187}, Side::centre},
    {finWait1, finWait2, 2, false, {{96, 219}, {96, 297}}, "ACK of FIN", {87, 258}, Side::right},
    {finWait1, closing, 3, false, {{156, 208}, {270, 208}, {270, 247}}, "FIN / ACK", {213, 202}, Side::centre},
    {finWait2, timeWait, 2, false, {{156, 312}, {224, 312}}, "FIN / ACK", {190, 323}, Side::centre},
    {closing, timeWait, 2, false, {{270, 269}, {270, 297}}, "ACK of FIN", {279, 282}, Side::left},
    {closeWait, lastAck, 2, false, {{426, 225}, {426, 259}}, "close / FIN", {435, 239}, Side::left},
    {lastAck,
     closed,
     5,
     false,
     {{472, 270}, {514, 270}, {514, 14}, {284, 14}, {284, 31}},
     "ACK of FIN",
     {474, 280},
     Side::left},
    {timeWait,
     closed,
     5,
     false,
     {{316, 308}, {528, 308}, {528, 7}, {270, 7}, {270, 31}},
     "2 MSL over",
     {370, 302},
     Side::centre},
    // Note 1: a reset brings a passive open back to LISTEN.
    {synReceived, listen, 2, false, {{124, 129}, {124, 97}}, "RST", {133, 113}, Side::left},
    // Note 2: a FIN that also acknowledges this side's.
    {finWait1,
     timeWait,
     5,
     false,
     {{130, 219}, {130, 278}, {196, 278}, {196, 303}, {224, 303}},
     "FIN,ACK / ACK",
     {166, 272},
     Side::centre},
    // Note 3: a reset ends every state, as ABORT and the user timeout do.
    {synReceived, closed, 5, true, {{64, 140}, {14, 140}, {14, 21}, {242, 21}, {242, 31}}, "", {}, Side::left},
    {established, closed, 2, true, {{290, 163}, {290, 53}}, "", {}, Side::left},
    {finWait1, closed, 5, true, {{64, 208}, {14, 208}, {14, 21}, {242, 21}, {242, 31}}, "", {}, Side::left},
    {finWait2, closed, 5, true, {{64, 308}, {14, 308}, {14, 21}, {242, 21}, {242, 31}}, "", {}, Side::left},
    {closeWait, closed, 5, true, {{472, 214}, {500, 214}, {500, 21}, {298, 21}, {298, 31}}, "", {}, Side::left},
    {closing, closed, 5, true, {{316, 251}, {500, 251}, {500, 21}, {298, 21}, {298, 31}}, "", {}, Side::left},
}};

}  // namespace

std::span<const Route> routes() { return table; }

const Route* routeOf(unsigned from, unsigned to) {
    const auto found = std::ranges::find_if(table, [&](const Route& route) { return route.from == from && route.to == to; });
    return found == table.end() ? nullptr : &*found;
}

QRectF boxOf(unsigned state) {
    const auto& middle = middles[state];
    return QRectF(middle[0] - boxWidth / 2, middle[1] - boxHeight / 2, boxWidth, boxHeight);
}

// Labels stand beside verticals and over levels: so on the longest vertical there is room.
QPointF countAt(const Route& route) {
    QPointF best = route.way[0] + (route.way[1] - route.way[0]) * 0.3;
    double longest = 15;
    for (int i = 1; i < route.corners; ++i) {
        const QLineF line(route.way[i - 1], route.way[i]);
        if (line.dx() != 0 || line.length() <= longest) continue;
        longest = line.length();
        best = line.center() + (i + 1 == route.corners ? QPointF(0, line.dy() > 0 ? -2 : 2) : QPointF());
    }
    return best;
}

double distanceTo(const Route& route, const QPointF& point) {
    double nearest = 1e9;
    for (int i = 1; i < route.corners; ++i) {
        const QPointF a = route.way[i - 1], along = route.way[i] - a, off = point - a;
        const double square = QPointF::dotProduct(along, along);
        const double at = square == 0 ? 0 : std::clamp(QPointF::dotProduct(off, along) / square, 0.0, 1.0);
        nearest = std::min(nearest, QLineF(point, a + at * along).length());
    }
    return nearest;
}

}  // namespace weft::gui
