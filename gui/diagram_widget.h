// RFC 9293's state diagram with one flow on it: its state is filled, the edges that it took are thick and carry a count. A click on
// such an edge asks for the moment when it was taken; with the keyboard Up and Down choose among them and Enter asks.
#pragma once

#include <QPixmap>
#include <QString>
#include <QWidget>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "gui/diagram_routes.h"
#include "gui/flow_series.h"

namespace weft::gui {

class DiagramWidget : public QWidget {
    Q_OBJECT
public:
    explicit DiagramWidget(QWidget* parent = nullptr);

    // `state` -1: no flow is chosen. `steps`: what it took until the cursor; those told again light no edge. Times are told relative to
    // `beginNs`.
    void setFlow(int state, const std::vector<Transition>& steps, std::int64_t beginNs,
                 std::int64_t cursorNs = std::numeric_limits<std::int64_t>::max());

    unsigned taken(unsigned edge) const { return taken_[edge]; }  // `edge`: place in trace::transitions
    std::vector<unsigned> litEdges() const;
    QPointF onScreen(const QPointF& canvas) const;  // where a point of the canvas is in this widget
    QString edgeText(unsigned edge) const;  // what hovering says

    QSize sizeHint() const override { return {540, 372}; }
    QSize minimumSizeHint() const override { return {300, 210}; }

Q_SIGNALS:
    void jump(qint64 t_ns);

protected:
    void paintEvent(QPaintEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void changeEvent(QEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;
    bool event(QEvent* event) override;

private:
    static constexpr int none = -1;
    static constexpr std::size_t edges = 27;

    double scale() const;
    QPointF origin() const;
    int edgeAt(const QPointF& place) const;
    void renderLayer();
    void drawEdge(QPainter& painter, unsigned edge) const;
    void drawLabel(QPainter& painter, unsigned edge) const;
    void drawBox(QPainter& painter, unsigned state) const;
    void drawCount(QPainter& painter, unsigned edge) const;
    void drawMarked(QPainter& painter) const;
    void jumpAlong(int edge);
    void describe();

    int state_{none};
    std::vector<Transition> steps_;  // none of them told again
    std::int64_t beginNs_{0};
    std::array<std::uint32_t, edges> taken_{};
    int hovered_{none};  // an edge
    int marked_{none};  // a step, by keyboard
    std::int64_t cursorNs_{std::numeric_limits<std::int64_t>::max()};
    QPixmap layer_;
    bool stale_{true};
};

}  // namespace weft::gui
