// The drawn diagram against the table of RFC 9293's transitions, and against what records tell of flows.
#include <gtest/gtest.h>

#include <QLineF>
#include <QPainterPath>
#include <QSignalSpy>
#include <QTest>

#include "gui/diagram_routes.h"
#include "gui/diagram_widget.h"
#include "gui/history_strip.h"
#include "gui/main_window.h"
#include "gui/session.h"
#include "gui/theme.h"
#include "stack/core/transitions.h"
#include "tests/gui/scene.h"

namespace weft::gui {
namespace {

std::string nameOf(const Route& route) {
    return std::string(trace::state_name(route.from)) + " to " + std::string(trace::state_name(route.to));
}

bool onEdgeOf(const QRectF& box, const QPointF& point) {
    const bool inside = box.adjusted(-0.5, -0.5, 0.5, 0.5).contains(point),
               deep = box.adjusted(0.5, 0.5, -0.5, -0.5).contains(point);
    return inside && !deep;
}

TEST(Diagram, EveryTransitionHasExactlyOneRouteAndEveryRouteIsATransition) {
    EXPECT_EQ(routes().size(), trace::transitions.size());
    for (const trace::Transition& transition : trace::transitions) {
        const auto drawn = std::ranges::count_if(
            routes(), [&](const Route& route) { return route.from == transition.from && route.to == transition.to; });
        EXPECT_EQ(drawn, 1) << trace::state_name(transition.from) << " to " << trace::state_name(transition.to);
    }
}

TEST(Diagram, EveryRouteLeavesItsStateAndEndsAtTheOther) {
    for (const Route& route : routes()) {
        EXPECT_TRUE(onEdgeOf(boxOf(route.from), route.way[0])) << nameOf(route);
        EXPECT_TRUE(onEdgeOf(boxOf(route.to), route.way[route.corners - 1])) << nameOf(route);
        for (int i = 0; i < route.corners; ++i)
            EXPECT_TRUE(QRectF(0, 0, canvasWidth, canvasHeight).contains(route.way[i])) << nameOf(route);
    }
}

TEST(Diagram, NoRouteCrossesAState) {
    for (const Route& route : routes()) {
        for (unsigned state = 0; state < stateCount; ++state) {
            const QRectF box = boxOf(state).adjusted(1, 1, -1, -1);
            for (int i = 1; i < route.corners; ++i) {
                QPainterPath line(route.way[i - 1]);
                line.lineTo(route.way[i]);
                EXPECT_FALSE(line.intersects(box)) << nameOf(route) << " over " << trace::state_name(std::uint8_t(state));
            }
        }
    }
}

TEST(Diagram, EveryTransitionThatTheEngineMakesLightsExactlyItsEdge) {
    applyTheme(ThemeChoice::dark);
    for (std::size_t edge = 0; edge < trace::transitions.size(); ++edge) {
        const trace::Transition& way = trace::transitions[edge];
        if (!way.made) continue;
        Scene scene;
        scene.address(0, ipv4(10, 0, 0, 1));
        scene.address(1, ipv4(10, 0, 0, 2));
        scene.flow(Scene::begin, 0, 0, 1, 2, "cubic");
        scene.state(Scene::begin + 10, 0, way.from, way.to);
        Session session;
        MainWindow window(session);
        session.push(scene.records());
        window.finish();
        window.selectFlow(QStringLiteral("0"));
        window.finish();
        EXPECT_EQ(window.diagram().litEdges(), std::vector<unsigned>{unsigned(edge)})
            << trace::state_name(way.from) << " to " << trace::state_name(way.to);
    }
}

TEST(Diagram, WhatASnapshotTellsAgainLightsNothing) {
    DiagramWidget diagram;
    diagram.setFlow(4, {{10, 4, 4, 0, 0, true}}, 0);
    EXPECT_TRUE(diagram.litEdges().empty());
    diagram.setFlow(4, {{10, 2, 4, 0, 0, true}}, 0);
    EXPECT_TRUE(diagram.litEdges().empty());
}

TEST(Diagram, HoverTextNamesTheSectionAndTheSegment) {
    DiagramWidget diagram;
    diagram.setFlow(4, {{1'500'000'000, 0, 2, 1, 0, false}, {1'541'000'000, 2, 4, 0, 18, false}}, 0);
    const QString told = diagram.edgeText(unsigned(trace::transition_of(2, 4)));
    for (const char* part : {"SYN-SENT", "ESTABLISHED", "3.10.7.3", "rcv SYN,ACK", "snd ACK", "1.541", "segment"})
        EXPECT_TRUE(told.contains(QLatin1String(part))) << part << " in " << told.toStdString();
}

TEST(Diagram, AClickOnATakenEdgeJumpsToItsMomentAndOnOthersNowhere) {
    applyTheme(ThemeChoice::dark);
    DiagramWidget diagram;
    diagram.resize(640, 460);
    diagram.setFlow(1, {{100, 1, 3, 0, 0, false}, {200, 3, 1, 0, 0, false}, {300, 1, 3, 0, 0, false}}, 0);
    QSignalSpy jumps(&diagram, &DiagramWidget::jump);
    const auto click = [&](unsigned from, unsigned to) {
        QTest::mouseClick(&diagram, Qt::LeftButton, {}, diagram.onScreen(countAt(*routeOf(from, to))).toPoint());
    };
    click(1, 3);
    click(1, 3);
    click(5, 6);
    ASSERT_EQ(jumps.count(), 2);
    EXPECT_EQ(jumps[0][0].toLongLong(), 300);  // the last time first
    EXPECT_EQ(jumps[1][0].toLongLong(), 100);
    // What the window tells at the cursor ends there; no time is left out for it.
    diagram.setFlow(3, {{100, 1, 3, 0, 0, false}, {200, 3, 1, 0, 0, false}, {300, 1, 3, 0, 0, false}}, 0, 300);
    click(1, 3);
    EXPECT_EQ(jumps[2][0].toLongLong(), 100);
    diagram.setFlow(3, {{100, 1, 3, 0, 0, false}}, 0, 100);
    click(1, 3);
    EXPECT_EQ(jumps[3][0].toLongLong(), 100);
}

TEST(History, UpLeavesStepsOfOneMomentBehind) {
    HistoryStrip strip;
    const std::vector<Transition> steps{{100, 0, 2, 1, 0, false}, {200, 2, 4, 0, 0, false}, {200, 4, 7, 0, 0, false}};
    strip.setHistory(steps, 0, 200);
    QSignalSpy jumps(&strip, &HistoryStrip::jump);
    QTest::keyClick(&strip, Qt::Key_Up);
    ASSERT_EQ(jumps.count(), 1);
    EXPECT_EQ(jumps[0][0].toLongLong(), 100);
    strip.setHistory({{100, 0, 2, 1, 0, false}, {100, 2, 4, 0, 0, false}}, 0, 100);
    QTest::keyClick(&strip, Qt::Key_Up);
    EXPECT_EQ(jumps.count(), 1);
}

}  // namespace
}  // namespace weft::gui
