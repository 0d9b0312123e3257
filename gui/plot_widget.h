// One plot: lines, steps or dots over min/max pyramids, marks of single events above them, the shared cursor, and what lies under the
// mouse as text. Series are drawn into an image that is kept until data or range change; the cursor is drawn over it.
#pragma once

#include <QColor>
#include <QImage>
#include <QString>
#include <QWidget>
#include <cstdint>
#include <functional>
#include <vector>

#include "gui/flow_series.h"
#include "gui/plot_axis.h"

class QPainter;

namespace weft::gui {

struct Colours;
class PlotRaster;
class PlotView;

class PlotWidget : public QWidget {
    Q_OBJECT
public:
    enum class Style : std::uint8_t { line, step, dots };
    enum class Shape : std::uint8_t {
        triangle,
        square,
        diamond,
        disc,
        bar
    };  // a kind of event is told by its shape, not by colour alone

    struct Layer {
        QString name;
        QColor Colours::* colour;
        Style style;
        const Pyramid* data;  // outlives this, or is taken away by setLayers()
        double factor{1};  // from the data's unit to `unit`'s
        bool leads{true};  // false: the axis grows for it by a quarter at most
    };
    struct Marks {
        QString name;
        Mark::Kind kind;
        QColor Colours::* colour;
        Shape shape;
        bool atValue{false};  // at its place on the y axis; else at the upper edge, with a line down
    };

    PlotWidget(QString title, Unit unit, PlotView& view, QWidget* parent = nullptr);

    // `marks`: in order of time; outlives this, or is taken away.
    void setCurves(std::vector<Layer> layers, std::vector<Marks> kinds, const std::vector<Mark>* marks);
    // Where the y axis begins: at zero, there only if that is near, or wherever the values do.
    enum class Zero : std::uint8_t { always, ifNear, never };
    void setZero(Zero zero) { zero_ = zero; }
    // Said at the right of the title, beside what lies outside of the axis.
    void setNote(const QString& note);
    void setEmptyText(const QString& text);
    // Steps hold their last value until then: the flow's end, or the newest time.
    void setHeldUntil(std::int64_t t) { heldUntil_ = t; }
    void setTimesShown(bool shown) { showsTimes_ = shown; }  // below the plot
    // The full text of an event; asked only while the mouse is there.
    void setTellMark(std::function<QString(const Mark&)> tell) { tellMark_ = std::move(tell); }
    void dataChanged();

    QString hoverText(std::int64_t t) const;
    bool isEmpty() const;
    double axisLow() const { return low_; }  // as it was drawn last, in the unit of the values
    double axisHigh() const { return high_; }
    QString outsideText() const;  // what the axis does not hold, and the note

    QSize sizeHint() const override { return {760, 160}; }
    QSize minimumSizeHint() const override { return {240, 64}; }

Q_SIGNALS:
    void seek(qint64 t_ns);

protected:
    void paintEvent(QPaintEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void leaveEvent(QEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    QRectF area() const;  // where series are drawn
    double xOf(std::int64_t t) const;
    double yOf(double value) const;
    std::int64_t timeAt(double x) const;
    std::int64_t shownTime() const;
    void findScale();
    struct Reach {
        double low{1e300}, high{-1e300};
        bool isEmpty() const { return low > high; }
    };
    Reach reachOf(const Layer& layer) const;
    void renderLayer();
    void renderGrid(QPainter& painter) const;
    void renderCurve(PlotRaster& raster, const Layer& layer) const;
    void renderMarks(QPainter& painter) const;
    void renderMark(QPainter& painter, const Marks& kind, const Mark& mark, double x) const;
    void lookAtMarks();
    void paintLegend(QPainter& painter) const;
    void paintCursor(QPainter& painter) const;
    void paintHover(QPainter& painter) const;
    void describe();

    QString title_, emptyText_;
    Unit unit_;
    PlotView* view_;
    std::vector<Layer> layers_;
    std::vector<Marks> kinds_;
    const std::vector<Mark>* marks_{nullptr};
    std::size_t seenMarks_{0};
    unsigned seenKinds_{0};  // bit n: Mark::Kind n is among them
    std::function<QString(const Mark&)> tellMark_;
    std::int64_t heldUntil_{0};
    Zero zero_{Zero::always};
    bool showsTimes_{true};
    bool inSight_{false};  // some curve has a value there
    QString note_;
    QString above_, below_;  // names of curves that leave the axis
    double low_{0}, high_{1}, step_{1};  // of the y axis, in the data's unit times factor
    QImage layer_;
    bool stale_{true};
    bool pressed_{false}, dragging_{false};
    QPointF pressedAt_;
    std::int64_t pressedFrom_{0}, pressedTo_{0};
};

// A mark's outline around (0, 0), `size` wide; legends draw it too.
void drawMark(QPainter& painter, PlotWidget::Shape shape, const QPointF& middle, double size);

}  // namespace weft::gui
