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
    closed, listen, syn_sent, syn_received, established, fin_wait_1, fin_wait_2, close_wait, closing, last_ack, time_wait
};

constexpr std::array<std::array<double, 2>, state_count> middles{{
    {270, 42},   // CLOSED
    {110, 86},   // LISTEN
    {426, 92},   // SYN-SENT
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
    {closed, syn_sent, 3, false, {{316, 38}, {440, 38}, {440, 81}}, "active open / SYN", {378, 32}, Side::centre},
    {syn_sent, closed, 3, false, {{412, 81}, {412, 47}, {316, 47}}, "close, reset", {364, 54}, Side::centre},
    {listen, syn_sent, 2, false, {{156, 86}, {380, 86}}, "send / SYN", {224, 80}, Side::centre},
    {listen, syn_received, 2, false, {{100, 97}, {100, 129}}, "SYN / SYN,ACK", {96, 113}, Side::right},
    {syn_sent, syn_received, 4, false, {{380, 98}, {178, 98}, {178, 134}, {156, 134}}, "SYN / SYN,ACK", {236, 105}, Side::centre},
    {syn_sent, established, 3, false, {{426, 103}, {426, 170}, {316, 170}}, "SYN,ACK / ACK", {370, 164}, Side::centre},
    {syn_received, established, 3, false, {{156, 146}, {250, 146}, {250, 163}}, "ACK of SYN", {214, 140}, Side::centre},
    {syn_received, fin_wait_1, 2, false, {{96, 151}, {96, 197}}, "close / FIN", {92, 174}, Side::right},
    {established, fin_wait_1, 3, false, {{224, 174}, {124, 174}, {124, 197}}, "close / FIN", {175, 168}, Side::centre},
    {established, close_wait, 3, false, {{316, 180}, {426, 180}, {426, 203}}, "FIN / ACK", {370, 187}, Side::centre},
    {fin_wait_1, fin_wait_2, 2, false, {{96, 219}, {96, 297}}, "ACK of FIN", {92, 258}, Side::right},
    {fin_wait_1, closing, 3, false, {{156, 208}, {270, 208}, {270, 247}}, "FIN / ACK", {213, 202}, Side::centre},
    {fin_wait_2, time_wait, 2, false, {{156, 312}, {224, 312}}, "FIN / ACK", {190, 319}, Side::centre},
    {closing, time_wait, 2, false, {{270, 269}, {270, 297}}, "ACK of FIN", {275, 283}, Side::left},
    {close_wait, last_ack, 2, false, {{426, 225}, {426, 259}}, "close / FIN", {431, 238}, Side::left},
    {last_ack, closed, 5, false, {{472, 270}, {514, 270}, {514, 14}, {284, 14}, {284, 31}}, "ACK of FIN", {476, 278}, Side::left},
    {time_wait, closed, 5, false, {{316, 308}, {528, 308}, {528, 7}, {270, 7}, {270, 31}}, "2 MSL over", {370, 302}, Side::centre},
    // Note 1: a reset brings a passive open back to LISTEN.
    {syn_received, listen, 2, false, {{124, 129}, {124, 97}}, "RST", {128, 113}, Side::left},
    // Note 2: a FIN that also acknowledges this side's.
    {fin_wait_1, time_wait, 5, false, {{130, 219}, {130, 278}, {196, 278}, {196, 303}, {224, 303}}, "FIN,ACK / ACK", {166, 272}, Side::centre},
    // Note 3: a reset ends every state, as ABORT and the user timeout do.
    {syn_received, closed, 5, true, {{64, 140}, {14, 140}, {14, 21}, {242, 21}, {242, 31}}, "", {}, Side::left},
    {established, closed, 2, true, {{290, 163}, {290, 53}}, "", {}, Side::left},
    {fin_wait_1, closed, 5, true, {{64, 208}, {14, 208}, {14, 21}, {242, 21}, {242, 31}}, "", {}, Side::left},
    {fin_wait_2, closed, 5, true, {{64, 308}, {14, 308}, {14, 21}, {242, 21}, {242, 31}}, "", {}, Side::left},
    {close_wait, closed, 5, true, {{472, 214}, {500, 214}, {500, 21}, {298, 21}, {298, 31}}, "", {}, Side::left},
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
    return QRectF(middle[0] - box_width / 2, middle[1] - box_height / 2, box_width, box_height);
}

QPointF middleOf(const Route& route) {
    double length = 0;
    for (int i = 1; i < route.corners; ++i) length += QLineF(route.way[i - 1], route.way[i]).length();
    double left = length / 2;
    for (int i = 1; i < route.corners; ++i) {
        const QLineF line(route.way[i - 1], route.way[i]);
        if (left <= line.length()) return line.pointAt(left / line.length());
        left -= line.length();
    }
    return route.way[route.corners - 1];
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
