// All of the session from left to right: how much happened when, the states of the selected flow below, the playhead; and the
// buttons that move it. Dragging scrubs.
#pragma once

#include <QImage>
#include <QWidget>
#include <cstdint>
#include <utility>
#include <vector>

#include "gui/icons.h"

class QLabel;
class QToolButton;

namespace weft::gui {

class PlotView;
class Session;
class TextLine;

// The painted part.
class TimelineBar : public QWidget {
    Q_OBJECT
public:
    TimelineBar(Session& session, PlotView& view, QWidget* parent = nullptr);

    void dataChanged();
    QSize sizeHint() const override { return {800, 46}; }
    QSize minimumSizeHint() const override { return {200, 46}; }

protected:
    void paintEvent(QPaintEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    void cursorChanged();
    QRectF area() const;
    double xOf(std::int64_t t) const;
    void seekTo(double x);
    void renderLayer();
    void renderDensity(QPainter& painter) const;
    void renderStates(QPainter& painter) const;

    Session* session_;
    PlotView* view_;
    std::int64_t begin_{0}, end_{0}, cursor_{0};
    bool live_{true};
    QImage layer_;
    bool stale_{true};
};

class TimelineWidget : public QWidget {
    Q_OBJECT
public:
    TimelineWidget(Session& session, PlotView& view, QWidget* parent = nullptr);

    TimelineBar* bar() const { return bar_; }

    // What Space, [ and ] and the buttons do.
    void togglePlay();
    void faster(int direction);
    double rate() const { return rate_; }

protected:
    void changeEvent(QEvent* event) override;

private:
    QToolButton* button(const QString& text, const QString& name, const QString& tip);
    void tell();
    void drawSigns();

    Session* session_;
    TimelineBar* bar_;
    TextLine* told_;
    QToolButton* play_;
    QToolButton* live_;
    QLabel* speed_;
    std::vector<std::pair<QToolButton*, Sign>> signs_;
    bool moving_{false};
    double rate_{1};
};

}  // namespace weft::gui
